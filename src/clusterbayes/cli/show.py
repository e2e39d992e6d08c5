"""Tables of results for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table as Answers
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clusterbayes.results.compare import Comparison, central_level
from clusterbayes.results.derived import Derived
from clusterbayes.results.result import FitResult
from clusterbayes.wording import counted

__all__ = [
    "answer_table",
    "class_table",
    "comparison_table",
    "count_inside",
    "derived_table",
    "print_report",
    "rounded",
    "summary_table",
    "warn_if_not_converged",
]

#: Parameters that are shown, in order.
PARAMETERS = (
    "log_age", "age_gyr", "mh", "dist_mod", "distance", "a_v", "ebv", "binary_frac_q05", "binary_frac", "member_frac"
)  # fmt: skip


def rounded(value: float, spread: float) -> str:
    """Return a number with two digits of its spread (at most six decimals)."""
    if not math.isfinite(value):
        return "-"
    if not (math.isfinite(spread) and spread > 0):
        return f"{value:.4g}"
    return f"{value:.{min(max(0, 1 - math.floor(math.log10(spread))), 6)}f}"


def _table(title: str, columns: Sequence[str]) -> Table:
    """Return an empty table: a parameter, numbers, and a unit."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    table.box, table.padding, table.show_edge = box.SIMPLE_HEAD, (0, 1, 0, 0), False
    table.add_column("parameter", style="cyan", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    return table


def summary_table(result: FitResult) -> Table:
    """Return the main parameters with median, 68 % and 90 % intervals."""
    table = _table("Posterior", ("median", "-68 %", "+68 %", "90 % interval"))
    summary = result.summary()
    for name in PARAMETERS:
        if name in summary:
            row = summary[name]
            down, up = row["median"] - row["q16"], row["q84"] - row["median"]
            text = [rounded(value, row["std"]) for value in (row["median"], down, up, row["q05"], row["q95"])]
            interval = f"{text[3]} to {text[4]}" if row["std"] > 0 else "fixed"
            table.add_row(name, *text[:3], interval, row["unit"])
    return table


def count_inside(result: FitResult, truth: Mapping[str, float]) -> dict[str, float]:
    """Return the mass of the smallest central interval that holds each truth.

    Parameters
    ----------
    result : FitResult
        The fit.
    truth : dict of str to float
        True values.

    Returns
    -------
    dict of str to float
        0 at the median, 1 outside all draws; a truth lies inside the central 90 % if this is below 0.9. Only sampled
        parameters count: derived ones would say the same twice.
    """
    masses = {}
    for name in PARAMETERS:
        if name in truth and name in result.names and np.ptp(result.draws[name]) > 0:
            masses[name] = central_level(result.draws[name], truth[name])
    return masses


def comparison_table(result: FitResult, truth: Mapping[str, float]) -> Table:
    """Return the truth beside the posterior, parameter by parameter."""
    table = _table("Truth and posterior", ("truth", "median", "std", "90 % interval"))
    table.add_column("inside", no_wrap=True)
    summary = result.summary()
    for name, mass in count_inside(result, truth).items():
        row = summary[name]
        text = [rounded(x, row["std"]) for x in (truth[name], row["median"], row["std"], row["q05"], row["q95"])]
        verdict = "[green]68 %" if mass < 0.68 else "[yellow]90 %" if mass < 0.90 else "[red]outside 90 %"
        table.add_row(name, *text[:3], f"{text[3]} to {text[4]}", row["unit"], verdict)
    return table


def answer_table(comparison: Comparison) -> Table:
    """Return an answer beside the posterior, parameter by parameter."""
    table = _table("Answer and posterior", ("answer", "median", "-68 %", "+68 %", "level"))
    for placed in comparison.parameters:
        down, up = placed.median - placed.q16, placed.q84 - placed.median
        text = [rounded(value, max(up, down)) for value in (placed.value, placed.median, down, up)]
        table.add_row(placed.name, *text, f"{placed.level:.1%}", placed.unit)
    return table


def class_table(answers: Answers) -> Table:
    """Return the answers of a class, one a row: whose, the level of all values together, the verdict, and notes."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    for name in ("file", "name", "level", "verdict", "notes"):
        table.add_column(name, justify="right" if name == "level" else "left", overflow="fold")
    for row in answers:
        level = f"{row['level']:.0%}" if math.isfinite(row["level"]) else "-"
        table.add_row(escape(row["file"]), escape(row["name"]), level, escape(row["verdict"]), escape(row["notes"]))
    return table


def derived_table(derived: Derived) -> Table:
    """Return the derived quantities with median, 68 % interval, and how they were made."""
    table = _table("Derived", ("median", "-68 %", "+68 %"))
    table.add_column("how", overflow="fold")
    for name, quantity in derived.quantities.items():
        row = quantity.summary()
        parts = (row["median"], row["median"] - row["q16"], row["q84"] - row["median"])
        table.add_row(name, *(rounded(value, row["std"]) for value in parts), quantity.unit, escape(quantity.about))
    return table


def warn_if_not_converged(console: Console, result: FitResult) -> None:
    """Say that a fit did not converge, and why, where that is so; this is never kept quiet."""
    if not result.converged:
        remedy = "allow more steps with --steps, or more time where --seconds ended it"
        console.print(f"[bold red]Not converged[/]: do not rely on these numbers; {remedy}.", soft_wrap=True)
        for reason in result.diagnostics.get("reasons", []):
            console.print(f"  {escape(str(reason))}")


def print_report(
    console: Console, result: FitResult, folder: Path | None, checks: Mapping[str, Any] | None = None
) -> None:
    """Print the summary, how many rows were used, whether the fit converged, its checks, and where the files are."""
    console.print()
    console.print(summary_table(result))
    counts, diagnostics = result.counts, result.diagnostics
    console.print(
        f"\n{counts['used']} of {counts['input']} rows used; {counted(np.nansum(result.p_member), 'member')} expected"
    )
    for reason, count in counts["dropped"].items():
        console.print(f"  not used: {count} ({escape(reason)})")
    if result.converged:
        steps = f"{counted(diagnostics['n_steps'], 'step')} of {diagnostics['n_walkers']} walkers"
        console.print(f"[green]Converged[/] after {steps}, {diagnostics['wall_seconds']:.0f} s")
    warn_if_not_converged(console, result)
    if checks is not None and checks["checks"]:
        colour = {"good": "green", "fair": "yellow", "poor": "red"}[checks["quality"]]
        console.print(f"Checks of the fit: [{colour}]{checks['quality']}[/]. {checks['meaning']}")
    for note in result.notes:
        console.print(f"[dim]note: {escape(note)}[/]")
    if folder is not None:
        names = ", ".join(sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".")))
        console.print(f"\nWritten to [bold]{escape(str(folder))}[/]: {names}", soft_wrap=True)
