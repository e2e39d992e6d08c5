"""``clusterbayes validate``: whether the error bars are true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from clusterbayes.cli.console import error_console, guarded, output_console

__all__ = ["validate_app"]

validate_app = typer.Typer(
    no_args_is_help=True, help="See whether error bars are true: simulate and count, compare, look at one fit."
)

OutOption = Annotated[
    Path,
    typer.Option(
        "--out", "-o", metavar="DIR", help="Folder; run again to go on with what it holds.", show_default=False
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Fits side by side, one processor core each.", show_default="all cores"),
]
StepsOption = Annotated[int, typer.Option(min=10, metavar="N", help="Most steps of each walker after burn-in.")]
ModelErrorOption = Annotated[
    Literal["default", "none"], typer.Option(help="As in 'clusterbayes fit', for all fits alike.")
]


@contextmanager
def _lines() -> Iterator[Callable[[str], None]]:
    """Show lines on standard error; SIGTERM ends the block as Ctrl-C does, so that processes are not left behind."""
    from clusterbayes.cli.interrupt import stoppable

    console = error_console()
    try:
        with stoppable() as stop:
            stop.now()
            yield lambda text: console.print(text, markup=False, soft_wrap=True)
    except KeyboardInterrupt:
        console.print("Interrupted; run the same command again to go on.")
        raise typer.Exit(130) from None


def _show(title: str, rows: list[tuple[str, str, str, str]]) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in ("what", "value", "bound", ""):
        table.add_column(name)
    for row in rows:
        table.add_row(*row)
    output_console().print(table)


def _verdict(holds: bool | None) -> str:
    return {True: "[green]holds[/]", False: "[red]does not hold[/]", None: ""}[holds]


@validate_app.command("benchmark", no_args_is_help=True)
@guarded
def benchmark(
    tables: Annotated[Path, typer.Argument(metavar="FOLDER", help="Catalogues, one table a cluster.")],
    *,
    truth: Annotated[
        Path,
        typer.Option(metavar="CSV", help="Reference values and how each table is to be read.", show_default=False),
    ],
    out: OutOption,
    only: Annotated[
        str, typer.Option(metavar="NAMES", help="Catalogues to fit, with commas; all of the truth table by default.")
    ] = "",
    grid: Annotated[str, typer.Option(metavar="NAME|FILE", help="Isochrones.")] = "parsec",
    model_error: ModelErrorOption = "default",
    counts: Annotated[Literal["model", "ignore"], typer.Option(help="As in 'clusterbayes fit'.")] = "model",
    seed: Annotated[int, typer.Option(min=0, help="Seed of every fit.")] = 1,
    steps: StepsOption = 3000,
    workers: WorkersOption = None,
) -> None:
    """Fit real clusters, all with the same settings, and compare with reference values.

    [bold]Example[/]

    [cyan]clusterbayes validate benchmark clusters --truth truth.csv --out benchmark[/]

    DIR gets README.md, benchmark.ecsv, benchmark.csv, benchmark.png, and the files
    of every fit below fits/. What is there already is not fitted again.
    """
    from clusterbayes.validation.benchmark import run_benchmark
    from clusterbayes.validation.benchmark_page import write_benchmark

    fitting = {"grid": grid, "model_error": model_error, "counts": counts, "seed": seed}
    names = [name.strip() for name in only.split(",") if name.strip()]
    with _lines() as tell:
        outcomes = run_benchmark(
            tables, truth, out, only=names, fitting=fitting, max_steps=steps, n_workers=workers, tell=tell
        )
    said = write_benchmark(outcomes, out)
    _show("Benchmark", [(v["what"], f"{v['value']:.3f}", v["bound"], _verdict(v["holds"])) for v in said])
    error_console().print(f"Written to {out}", markup=False, soft_wrap=True)
