"""``clusterbayes validate``: whether the error bars are true."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from clusterbayes.cli.console import OverwriteOption, error_console, guarded, output_console, refuse_existing
from clusterbayes.errors import SettingsError

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


_STATEMENTS = ("what", "value", "bound", "")


def _show(title: str, columns: Sequence[str], rows: list[tuple[str, ...]]) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*row)
    output_console().print(table)


def _verdict(holds: bool | None) -> str:
    return {True: "[green]holds[/]", False: "[red]does not hold[/]", None: ""}[holds]


def _statement(said: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a row of what is said, of its value, and of whether it holds."""
    from rich.markup import escape

    from clusterbayes.validation.pages import UNSAID, number

    value = number(said["value"])
    return escape(said["what"]), value, said["bound"], _verdict(said["holds"]) if value else UNSAID


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
        list[str],
        typer.Option(
            metavar="NAMES",
            help="Catalogues to fit, with commas or one by one; all of the truth table by default.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
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
    names = [name.strip() for names in only for name in names.split(",") if name.strip()]
    with _lines() as tell:
        outcomes = run_benchmark(
            tables, truth, out, only=names, fitting=fitting, max_steps=steps, n_workers=workers, tell=tell
        )
    said = write_benchmark(outcomes, out)
    _show("Benchmark", _STATEMENTS, [_statement(v) for v in said])
    error_console().print(f"Written to {out}", markup=False, soft_wrap=True)


@validate_app.command("sbc", no_args_is_help=True)
@guarded
def sbc(
    *,
    out: OutOption,
    n: Annotated[int, typer.Option("--n", min=1, metavar="N", help="Clusters in DIR afterwards.")] = 300,
    regime: Annotated[
        str,
        typer.Option(metavar="NAME", help="all, few-stars, many-stars, clean, crowded, young, old, or learned-field."),
    ] = "all",
    simulate_with: Annotated[str, typer.Option(metavar="NAME|FILE", help="Isochrones of the simulation.")] = "parsec",
    fit_with: Annotated[str, typer.Option(metavar="NAME|FILE", help="Isochrones of the fit.")] = "parsec",
    model_error: Annotated[
        Literal["none", "terms", "default"],
        typer.Option(
            help="none: no errors of the isochrones; terms: floors, colours and ages drawn and sampled; default: as "
            "in 'clusterbayes fit', whose likelihood is coarsened and can't pass when the models are right."
        ),
    ] = "none",
    mass_function: Annotated[str, typer.Option(help="As in 'clusterbayes fit', for simulation and fit.")] = "kroupa",
    binary_law: Annotated[str, typer.Option(help="As in 'clusterbayes fit', for simulation and fit.")] = "flat",
    error_factor: Annotated[
        float, typer.Option(min=0.01, help="Multiply the listed errors before the fit: 0.5 has to fail.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the whole experiment.")] = 1,
    steps: StepsOption = 3000,
    workers: WorkersOption = None,
) -> None:
    """Simulate clusters from the prior, fit them, and see whether truths lie evenly among the draws.

    [bold]Examples[/]

    [cyan]clusterbayes validate sbc --out sbc --n 300[/]

    [cyan]clusterbayes validate sbc --out wrong --n 150 --simulate-with mist --fit-with parsec --model-error default[/]

    Run it again with a larger N to go on. DIR gets README.md and what 'validate coverage' writes.
    """
    from clusterbayes.validation.regimes import regime as named
    from clusterbayes.validation.sbc import Experiment, run_sbc

    experiment = Experiment(
        regime=named(regime),
        simulate_with=simulate_with,
        fit_with=fit_with,
        model_error=model_error,
        laws={"mass_function": mass_function, "binary_law": binary_law},
        error_factor=error_factor,
        sampling={"max_steps": steps},
        seed=seed,
    )
    with _lines() as tell:
        run_sbc(experiment, out, n, n_workers=workers, tell=tell)
    _judge(out, shrunk=False, matched=None)


@validate_app.command("coverage", no_args_is_help=True)
@guarded
def coverage(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of 'clusterbayes validate sbc'.")],
    *,
    shrunk: Annotated[
        bool, typer.Option("--shrunk", help="Judge draws drawn together by two about their median: has to fail.")
    ] = False,
    matched: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The matched experiment, to compare widths with.", show_default=False),
    ] = None,
) -> None:
    """Judge simulated and fitted clusters: coverage, ranks and the joint check, with bands that perfect code keeps.

    [bold]Example[/]

    [cyan]clusterbayes validate coverage sbc --shrunk[/]
    """
    _judge(folder, shrunk=shrunk, matched=matched)


def _judge(folder: Path, *, shrunk: bool, matched: Path | None) -> None:
    from clusterbayes.validation.coverage_page import write_coverage

    report = write_coverage(folder, shrunk=shrunk, matched=matched)
    judgement, said = report.judgements["all fits"], report.statements["all fits"]

    def verdict(holds: bool) -> str:
        return _verdict(holds if report.demanded else None)

    rows = [_statement(statement) for statement in said]
    for row in judgement.coverage:
        band = f"{row['low']:.3f} to {row['high']:.3f}"
        what = f"{row['parameter']} in {100 * row['level']:.0f} % intervals"
        rows.append((what, f"{row['share']:.3f}", band, verdict(bool(row["holds"]))))
    for row in judgement.ranks:
        bound = f"above {row['threshold']:.5f}"
        rows.append((f"{row['parameter']}: rank test p", f"{row['p']:.4f}", bound, verdict(bool(row["holds"]))))
    _show(f"Coverage over {judgement.n} clusters", _STATEMENTS, rows)
    if not report.demanded:
        output_console().print("Bands are not demanded of wrong isochrones, nor of a coarsened likelihood.")
    for remark in report.remarks:
        output_console().print(f"Note: {remark}", markup=False, soft_wrap=True)
    error_console().print(f"Written to {folder}", markup=False, soft_wrap=True)


@validate_app.command("ppc", no_args_is_help=True)
@guarded
def ppc(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of 'clusterbayes fit', or a result.h5.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Keep the checks as JSON.", show_default=False),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="The isochrones of the fit, if they have moved.", show_default=False),
    ] = None,
    replicas: Annotated[int, typer.Option(min=500, metavar="N", help="Simulated catalogues.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulations.")] = 1,
    overwrite: OverwriteOption = False,
) -> None:
    """Check one fit: whether the catalogue looks like those that the fitted model makes.

    [bold]Example[/]

    [cyan]clusterbayes validate ppc mycluster[/]
    """
    from clusterbayes.cli.show import warn_if_not_converged
    from clusterbayes.results.checks import QUALITY, check_fit, checks_document, grid_of, quality_of
    from clusterbayes.results.export import write_json
    from clusterbayes.results.result import FitResult

    refuse_existing(out, overwrite=overwrite)
    result = FitResult.load(folder)
    checks = check_fit(result, grid_of(result, grid), n_replicas=replicas, seed=seed)
    if checks:
        columns = ("check", "p", "what a small p points at")
        _show("Checks", columns, [(check.title, f"{check.p:.3f}", check.about) for check in checks])
    quality = quality_of(checks)
    output_console().print(f"{quality}: {QUALITY[quality]}", soft_wrap=True)
    warn_if_not_converged(error_console(), result)
    if out is not None:
        write_json({"converged": result.converged, **checks_document(checks)}, out)


@validate_app.command("average", no_args_is_help=True)
@guarded
def average(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of 'clusterbayes fit': one table, other isochrones.")
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Keep the averages as JSON.", show_default=False),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Combine fits of one table with several families of isochrones, by stacking and with equal weights.

    [bold]Example[/]

    [cyan]clusterbayes validate average m67-parsec m67-mist m67-dartmouth[/]

    The error within families and that between them are given apart.
    """
    from clusterbayes.results.export import write_json
    from clusterbayes.results.result import FitResult
    from clusterbayes.validation.averaging import average_fits

    refuse_existing(out, overwrite=overwrite)
    fits: dict[str, FitResult] = {}
    for folder in folders:
        fit = FitResult.load(folder)
        name = str(fit.provenance["grid"]["name"])
        if name in fits:
            raise SettingsError("two fits have the same isochrones", str(folder), name, remedy="give each family once")
        fits[name] = fit
    document = {}
    for method in ("stacking", "equal"):
        made = average_fits(fits, method=method)
        document[method] = {"weights": made.weights, "parameters": made.parameters}
        weights = ", ".join(f"{name} {weight:.2f}" for name, weight in made.weights.items())
        rows: list[tuple[str, ...]] = [
            (name, f"{row['mean']:.4f} {row['unit']}", f"± {row['statistical']:.4f} ± {row['family']:.4f}")
            for name, row in made.parameters.items()
        ]
        _show(f"{method}: {weights}", ("parameter", "mean", "errors within and between families"), rows)
    if out is not None:
        write_json(document, out)
