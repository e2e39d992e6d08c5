"""``clusterbayes plot`` and ``clusterbayes report``: looking at a fit that was saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from clusterbayes.cli.console import OverwriteOption, QuietOption, error_console, guarded, refuse_existing
from clusterbayes.cli.export import ResultArgument
from clusterbayes.errors import ClusterBayesError, InputError, SettingsError

__all__ = ["plot", "report"]

TitleOption = Annotated[str | None, typer.Option(help="Title.", show_default="the name of the input")]


def _folder(result: Path) -> Path:
    return result if result.is_dir() else result.parent


@guarded
def plot(
    result: ResultArgument,
    *,
    kind: Annotated[
        list[str],
        typer.Option(
            "--kind",
            "-k",
            metavar="KIND",
            help="What to draw: cmd, residuals, cmds, hr, corner, membership, hess, traces, modes, parallax, motions, "
            "sky, luminosity, mass or dereddening. May be repeated.",
            show_default="all that the data allow",
        ),
    ] = [],  # noqa: B006 (typer wants a list, and copies it)
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder for the pictures.", show_default="RESULT/plots"),
    ] = None,
    format: Annotated[Literal["png", "svg", "pdf"], typer.Option(help="Form of the pictures.")] = "png",
    dpi: Annotated[int, typer.Option(min=20, max=1200, help="Dots an inch, of what is drawn in dots.")] = 170,
    title: TitleOption = None,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Draw pictures of a finished fit.

    [bold]Examples[/]

    [cyan]clusterbayes plot mycluster[/]    everything, into mycluster/plots

    [cyan]clusterbayes plot mycluster --kind corner --kind hess --format pdf --out figures[/]
    """
    from clusterbayes.results import FitResult
    from clusterbayes.results.plots import KINDS, draw
    from clusterbayes.results.plots.style import save_figure

    for name in kind:
        if name not in KINDS:
            raise SettingsError.unknown("--kind", name, KINDS)
    fit = FitResult.load(result)
    folder = _folder(result) / "plots" if out is None else out
    wanted = list(dict.fromkeys(kind)) or list(KINDS)
    refuse_existing(*(folder / f"{name}.{format}" for name in wanted), overwrite=overwrite)
    console = error_console(quiet)
    for name in wanted:
        try:
            figure = draw(fit, name, title)
        except ClusterBayesError as error:
            if kind:
                raise
            console.print(f"{name}: not drawn; {error}", markup=False, soft_wrap=True)
            continue
        path = save_figure(figure, folder / f"{name}.{format}", dpi)
        console.print(f"{name}: {path}", markup=False, soft_wrap=True)


def _read_checks(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        for check in document["checks"]:
            float(check["p"]), str(check["title"]), str(check["about"])
        str(document["quality"]), str(document["meaning"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "give a file that 'clusterbayes validate ppc RESULT --out FILE' has written"
        raise InputError(f"these are no checks of a fit ({error!r})", str(path), remedy=remedy) from None
    return document


@guarded
def report(
    result: ResultArgument,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="File to write.", show_default="RESULT/report.html"),
    ] = None,
    title: TitleOption = None,
    checks: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON",
            help="Checks to show, as 'validate ppc --out' writes them.",
            show_default="RESULT/checks.json",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write the report of a finished fit: one HTML page that opens anywhere, without a network.

    [bold]Examples[/]

    [cyan]clusterbayes report mycluster --overwrite[/]

    [cyan]clusterbayes report mycluster --out talk.html --title "Ruprecht 147"[/]
    """
    from clusterbayes.results import FitResult
    from clusterbayes.results.export import CHECKS_FILE
    from clusterbayes.results.report import write_report

    target = _folder(result) / "report.html" if out is None else out
    refuse_existing(target, overwrite=overwrite)
    beside = _folder(result) / CHECKS_FILE
    if checks is None and beside.is_file():
        checks = beside
    shown = None if checks is None else _read_checks(checks)
    path = write_report(FitResult.load(result), target, title=title, checks=shown)
    error_console(quiet).print(f"report: {path}", markup=False, soft_wrap=True)
