"""Carrying out a fit from the command line: read, fit or go on, write, report.

While it runs, its state is kept in a checkpoint, which the same command finds again and which is removed once the
results are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from clusterbayes.cli.console import error_console, messages
from clusterbayes.cli.interrupt import Stop, stoppable
from clusterbayes.errors import FitCancelled, FitError, SettingsError

if TYPE_CHECKING:
    from clusterbayes.cli.cutting import Cutter
    from clusterbayes.inference.progress import Progress
    from clusterbayes.photometry import Photometry
    from clusterbayes.results.result import FitResult

__all__ = ["Request", "Run", "fit_and_write"]


@dataclass(frozen=True)
class Request:
    """What a user asked for, read and checked, before anything heavy is imported."""

    table: Path | None
    example: str | None
    reading: dict[str, Any]
    fitting: dict[str, Any]
    sampling: dict[str, Any]
    control: Path | None
    cut: Cutter

    def photometry(self) -> Photometry:
        """Read the table, or the example, and cut it."""
        return self.cut(self._read())

    def _read(self) -> Photometry:
        from clusterbayes.photometry import Photometry, example

        if self.example is None:
            return Photometry.read(self.table or "", **self.reading)
        changed = [name for name, value in self.reading.items() if value is not None]
        if changed:
            remedy = "leave out --observables, --map, --default-error and what else says how to read, with --example"
            raise SettingsError("the example is read as it is", "--example", ", ".join(changed), remedy=remedy)
        return example(self.example)

    def options(self, photometry: Photometry) -> dict[str, Any]:
        """Return the options of the fit; a limit that the table states stands for "auto"."""
        from clusterbayes.photometry.limits import stated_limit

        stated = stated_limit(photometry) if self.fitting["mag_limit"] == "auto" else None
        return self.fitting if stated is None else {**self.fitting, "mag_limit": stated}

    def describe(self, plot: Path) -> None:
        """Say what a fit would use, and draw it."""
        from clusterbayes.cli.inspect import dry_run

        photometry = self.photometry()
        dry_run(photometry, self._control(photometry), self.options(photometry), plot)

    def _control(self, photometry: Photometry) -> Photometry | None:
        """Read the control field, if there is one, as the photometry was read and cut."""
        from clusterbayes.photometry import Photometry

        if self.control is None:
            return None
        reading = {**self.reading, "observables": photometry.observables}
        return self.cut(Photometry.read(self.control, source=f"control field {self.control}", **reading))

    def run(self, photometry: Photometry, progress: Progress, stop: Stop, checkpoint: Path, restart: bool) -> FitResult:
        """Fit, or go on from the checkpoint unless the fit is to begin anew."""
        from clusterbayes.inference.fit import fit_cluster
        from clusterbayes.inference.sampler import SamplingOptions
        from clusterbayes.inference.verdict import said_by_caller

        options = SamplingOptions(**self.sampling)
        with said_by_caller():
            return fit_cluster(
                photometry,
                control=self._control(photometry),
                sampling=options,
                progress=progress,
                cancel=stop.wanted,
                checkpoint=checkpoint,
                restart=restart,
                **self.options(photometry),
            )

    def checks(self, result: FitResult, progress: Progress) -> dict[str, Any]:
        """Compare the catalogue with those that the fit predicts."""
        from clusterbayes.records import STAGES
        from clusterbayes.results.checks import checks_of_fit

        progress.stage("export", STAGES.index("export"), len(STAGES))
        checks = checks_of_fit(result, self.fitting["grid"], lambda percent: progress.update(percent, "checks"))
        progress.update(100.0)
        return checks


@dataclass(frozen=True)
class Run:
    """Where the results go, what the record says, and what is shown."""

    folder: Path
    record: dict[str, Any]
    overwrite: bool
    restart: bool
    keep_chain: bool
    quiet: bool
    as_json: bool


def fit_and_write(request: Request, run: Run) -> None:
    """Fit, write the folder, and say what came out."""
    from clusterbayes.results.export import checkpoint_place

    console = error_console()
    photometry = request.photometry()
    if not run.quiet:
        console.print(photometry.describe(), markup=False, soft_wrap=True)
    from clusterbayes.inference.checkpoint import discard

    checkpoint = checkpoint_place(run.folder)
    try:
        with stoppable() as stop, messages(console, run.quiet):
            result, checks = _fit(request, run, photometry, stop, checkpoint)
            _write(result, checks, run)
    except (FitCancelled, KeyboardInterrupt) as error:
        console.print(_to_go_on(error, checkpoint), markup=False, soft_wrap=True)
        raise typer.Exit(130) from None
    discard(checkpoint)
    _report(result, checks, run)


def _fit(
    request: Request, run: Run, photometry: Photometry, stop: Stop, checkpoint: Path
) -> tuple[FitResult, dict[str, Any]]:
    """Fit and check; a fit that fails leaves its record, and nothing to go on from, since it would fail again."""
    from clusterbayes.cli.progress import progress_for
    from clusterbayes.inference.checkpoint import discard
    from clusterbayes.records import failed_record, write_failure

    started = datetime.now(UTC)
    progress = progress_for(run.quiet, error_console())
    try:
        result = request.run(photometry, progress, stop, checkpoint, run.restart)
        stop.now()
        return result, request.checks(result, progress)
    except FitCancelled:
        raise
    except FitError as error:
        discard(checkpoint)
        write_failure(failed_record(error, **run.record, started_on=started), run.folder, overwrite=run.overwrite)
        raise
    finally:
        progress.close()


def _write(result: FitResult, checks: dict[str, Any], run: Run) -> None:
    from clusterbayes.records import write_outputs

    write_outputs(
        result,
        run.folder,
        overwrite=run.overwrite,
        title=run.record["name"],
        keep_chain=run.keep_chain,
        checks=checks,
        **run.record,
    )


def _to_go_on(error: FitCancelled | KeyboardInterrupt, checkpoint: Path) -> str:
    where = f" in stage {error.stage}" if isinstance(error, FitCancelled) and error.stage else ""
    if not checkpoint.exists():
        return f"Interrupted{where}; nothing was written."
    return (
        f"Interrupted{where}; no results were written. Run the same command again to go on from {checkpoint}, "
        "or with --restart to begin anew."
    )


def _report(result: FitResult, checks: dict[str, Any], run: Run) -> None:
    from clusterbayes.cli.show import print_report, warn_if_not_converged
    from clusterbayes.results.export import json_text

    console = error_console()
    if run.quiet:
        warn_if_not_converged(console, result)
    else:
        print_report(console, result, run.folder, checks)
    if run.as_json:
        typer.echo(json_text(result.summary_document()), nl=False)
