"""What a benchmark leaves in its folder: the table, the picture, and a page that says what holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from astropy.table import Table

from clusterbayes.results.export import write_table, write_text
from clusterbayes.validation.benchmark import PARAMETERS, benchmark_table, verdicts
from clusterbayes.validation.pages import markdown_table, number, verdict

__all__ = ["write_benchmark"]


def write_benchmark(outcomes: Sequence[Mapping[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Write ``benchmark.ecsv``, ``benchmark.csv``, ``benchmark.png`` and ``README.md``.

    Parameters
    ----------
    outcomes : sequence of dict
        As `run_benchmark` returns them.
    folder : Path

    Returns
    -------
    list of dict
        The verdicts; none if no catalogue was fitted.
    """
    from clusterbayes.results.plots.benchmark import plot_benchmark
    from clusterbayes.results.plots.style import save_figure

    failed = [outcome for outcome in outcomes if "fit" not in outcome]
    table = benchmark_table(outcomes)
    said: list[dict[str, Any]] = []
    if len(table):
        said = verdicts(table)
        for ending in ("ecsv", "csv"):
            write_table(table, folder / f"benchmark.{ending}")
        save_figure(plot_benchmark(table, PARAMETERS), folder / "benchmark.png")
    write_text("\n".join(_page(table, said, failed)) + "\n", folder / "README.md")
    return said


def _page(table: Table, said: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "# Fits of real clusters against reference values\n"
    yield (
        f"{len(table)} catalogues of {len(set(table['cluster'])) if len(table) else 0} clusters, all fitted with"
        " the same settings (settings.json). Fit: posterior median and standard deviation. Clusters with several"
        " catalogues count once.\n"
    )
    if len(table):
        rows = [(v["what"], number(v["value"]), v["bound"], verdict(v["holds"], v["value"])) for v in said]
        yield from markdown_table(("what", "value", "bound", ""), rows)
        yield "\n![Fit minus reference of every catalogue](benchmark.png)\n"
        yield from markdown_table(("catalogue", "stars", *PARAMETERS, "s", ""), [_row(row) for row in table])
        yield "\nEach cell: fit ± σ, reference ± σ, and the difference over both together.\n"
    for outcome in failed:
        yield f"- `{outcome['entry']['file']}` was not fitted: {outcome['error']}"


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    cells = [
        f"{row[f'{name}_fit']:.3f} ± {row[f'{name}_fit_sigma']:.3f}<br>{row[f'{name}_ref']:.2f} ±"
        f" {row[f'{name}_ref_sigma']:.2f}<br>**{row[f'{name}_pull']:+.1f}**"
        for name in PARAMETERS
    ]
    state = "" if row["converged"] else "not converged"
    return (str(row["file"]), str(row["n_star"]), *cells, f"{row['seconds']:.0f}", state)
