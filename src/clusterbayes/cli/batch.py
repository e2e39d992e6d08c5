"""``clusterbayes batch``: many clusters in one command, on this machine or on a dask cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from clusterbayes.cli.console import error_console, guarded, messages, output_console
from clusterbayes.cli.interrupt import stoppable
from clusterbayes.cli.options import parse_pairs
from clusterbayes.errors import BatchError, FitCancelled, SettingsError
from clusterbayes.extras import require_extra
from clusterbayes.wording import counted

if TYPE_CHECKING:
    from distributed import Client

    from clusterbayes.batch import BatchOptions, Job
    from clusterbayes.batch.comparison import Reference
    from clusterbayes.batch.display import BatchProgress
    from clusterbayes.batch.summary import Summary

__all__ = ["batch"]

_DATA, _WORK, _RUN = "What is fitted", "Workers", "Run"


@guarded
def batch(
    *,
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder with one table a cluster, or one table of stars with a column that names the cluster "
            "(CSV, ECSV, FITS, Parquet).",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.", show_default=False)
    ],
    cluster_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Column with the cluster, if the source is one table; cluster or name if left out.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    options: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Options of single clusters: one row a cluster, with a column name, file or cluster, and columns such "
            "as ra, dec, radius (deg), observables, default_error (mag), control, parallax_zero_point, grid.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--listed", help="Fit only what has a row in --options.", rich_help_panel=_DATA)
    ] = False,
    set_all: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Option of all clusters, named as the columns of --options, e.g. grid=mist, mag_limit=none, "
            "'priors=mh=normal(0,0.1)'. May be repeated.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = [],  # noqa: B006 (typer wants a list, and copies it)
    min_stars: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Leave out clusters of one table with fewer rows.", rich_help_panel=_DATA
        ),
    ] = 10,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A dask scheduler, e.g. tcp://host:8786; its workers must see all files under the same names.",
            rich_help_panel=_WORK,
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Processes on this machine, one thread each.",
            rich_help_panel=_WORK,
            show_default="one a core",
        ),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            min=0.0, metavar="MINUTES", help="Most time for one cluster.", rich_help_panel=_WORK, show_default=False
        ),
    ] = None,
    memory_limit: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="GB",
            help="Most memory of a worker while it fits one cluster.",
            rich_help_panel=_WORK,
            show_default=False,
        ),
    ] = None,
    losses: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="How many more times to try a cluster whose worker died.", rich_help_panel=_WORK
        ),
    ] = 3,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed; each cluster's follows from it and its name.", rich_help_panel=_RUN)
    ] = 1,
    refit_changed: Annotated[
        bool,
        typer.Option(
            "--refit-changed",
            help="Fit anew what was fitted to other data or with other settings. Where that fails, the older result is "
            "kept.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Reference catalogue to compare with: columns name, file or cluster, and log_age, log_age_sigma, mh, "
            "dist_mod, a_v and so on.",
            rich_help_panel=_RUN,
            show_default=False,
        ),
    ] = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Fit nothing; make the pages anew.", rich_help_panel=_RUN)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be fitted, and fit nothing.", rich_help_panel=_RUN)
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.", rich_help_panel=_RUN)] = False,
) -> None:
    """Fit many clusters: a folder of tables, or one table of the stars of all.

    [bold]Examples[/]

    [cyan]clusterbayes batch members.parquet --out catalogue[/]

    [cyan]clusterbayes batch tables/ --out catalogue --options options.csv --reference literature.csv[/]

    [cyan]clusterbayes batch tables/ --out /shared/catalogue --scheduler tcp://head:8786 --time-limit 30[/]

    DIR gets clusters/NAME/ with what 'clusterbayes fit' leaves, summary.parquet
    (kept current), catalogue.ecsv and catalogue.html.

    The same command does what is missing or failed. Ctrl-C keeps what is under way.
    """
    require_extra("batch", "distributed", "pyarrow")
    if scheduler is not None and workers is not None:
        raise SettingsError("give either --scheduler or --workers", remedy="a scheduler has workers of its own")
    from clusterbayes.batch import BatchOptions
    from clusterbayes.batch.guard import Limits
    from clusterbayes.batch.report import write_report
    from clusterbayes.batch.summary import read_summary

    compared = _reference(reference)  # a mistake in it is said before hours of work
    if report_only:
        known = read_summary(out)
        _say(known, write_report(known, compared))
        return
    common = parse_pairs(set_all, "--set", "NAME=VALUE, e.g. grid=mist")
    jobs = _jobs(source, out, cluster_column, min_stars, options, listed, common)
    if dry_run:
        _describe(jobs)
        return
    limits = Limits(time_limit and 60.0 * time_limit, memory_limit and 1e9 * memory_limit)
    running = BatchOptions(seed, workers, limits, losses, "refit" if refit_changed else "refuse")
    summary = _run(jobs, out, running, scheduler, quiet)
    _say(summary, write_report(summary, compared))


def _reference(path: Path | None) -> Reference | None:
    from clusterbayes.batch.comparison import read_reference

    return None if path is None else read_reference(path)


def _jobs(
    source: Path,
    out: Path,
    column: str | None,
    min_stars: int,
    options: Path | None,
    listed: bool,
    common: dict[str, str],
) -> list[Job]:
    from clusterbayes.batch import jobs_from_folder, jobs_from_table
    from clusterbayes.batch.options import read_options

    choice = None if options is None else read_options(options)
    if listed and choice is None:
        raise SettingsError("--listed refers to --options", remedy="give both")
    if choice is not None and choice.unused:
        error_console().print(f"Not options: columns {', '.join(choice.unused)}", markup=False, soft_wrap=True)
    if source.is_dir():
        if column is not None:
            raise SettingsError("a folder has no columns", "--cluster-column", column, remedy="leave it out")
        return jobs_from_folder(source, common=common, choice=choice, listed=listed)
    return jobs_from_table(source, out, column=column, common=common, choice=choice, listed=listed, smallest=min_stars)


def _describe(jobs: list[Job]) -> None:
    console = output_console()
    for job in jobs:
        console.print(f"{job.name}: {job.table}", markup=False, soft_wrap=True)
    console.print(f"{counted(len(jobs), 'cluster')} would be fitted.")


def _run(jobs: list[Job], out: Path, options: BatchOptions, scheduler: str | None, quiet: bool) -> Summary:
    """Fit; an interruption ends the command with what to do next."""
    from clusterbayes.batch import fit_many

    console = error_console()
    try:
        with stoppable() as stop, messages(console, True), _client(scheduler) as client:
            return fit_many(
                jobs, client, out=out, options=options, progress=_progress(quiet, console), cancel=stop.wanted
            )
    except FitCancelled as error:
        problem = f"{error.problem[:1].upper()}{error.problem[1:]}"
        console.print(f"{problem}. Run the same command again to go on in {out}.", markup=False, soft_wrap=True)
    except KeyboardInterrupt:
        console.print(f"Interrupted. Run the same command again to go on in {out}.", markup=False, soft_wrap=True)
    raise typer.Exit(130)


@contextmanager
def _client(scheduler: str | None) -> Iterator[Client | None]:
    """Connect to a scheduler, if one is named."""
    if scheduler is None:
        yield None
        return
    from distributed import Client

    try:
        client = Client(scheduler, timeout="20s")
    except (OSError, TimeoutError, ValueError) as error:
        raise BatchError(f"the scheduler can't be reached ({error})", scheduler, remedy="check its address") from None
    with client:
        yield client


def _progress(quiet: bool, console: Console) -> BatchProgress:
    from clusterbayes.batch.display import BatchBar, BatchLines, QuietBatch

    if quiet:
        return QuietBatch()
    return BatchBar(console) if console.is_terminal else BatchLines(console)


def _say(summary: Summary, page: Path) -> None:
    """Say how many ended how, and where to look."""
    from clusterbayes.batch.fitting import QUALITIES
    from clusterbayes.batch.work import REASONS

    console = output_console()
    counts = summary.count()
    total = len(summary.rows)
    grades = Counter(row.get("quality") for row in summary.rows if row["status"] == "done")
    console.print(f"{counts.get('done', 0)} of {total} clusters done, {counts.get('failed', 0)} failed.")
    for grade, meaning in QUALITIES.items():
        console.print(f"  quality {grade}: {grades.get(grade, 0)} ({meaning})", markup=False)
    for reason, meaning in REASONS.items():
        if counts.get(reason):
            console.print(f"  failed: {counts[reason]} ({reason}: {meaning})", markup=False)
    kept = sum(bool(row.get("older_result_kept")) for row in summary.rows)
    if kept:
        console.print(f"  older results kept: {kept} (not of these data and settings, and not in the table)")
    console.print(f"{page}", markup=False, soft_wrap=True)
