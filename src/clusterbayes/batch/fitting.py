"""The fit of one job: as ``clusterbayes fit`` does it, with one thread, and the same files."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from clusterbayes.batch.jobs import Job
from clusterbayes.batch.work import Task
from clusterbayes.errors import GridError, InputError, SettingsError
from clusterbayes.inference.fit import fit_cluster
from clusterbayes.inference.verdict import said_by_caller
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.limits import stated_limit
from clusterbayes.records import write_outputs
from clusterbayes.results.checks import checks_of_fit
from clusterbayes.results.derived import Derived, derive
from clusterbayes.results.result import FitResult
from clusterbayes.results.sharing import summary_table
from clusterbayes.wording import counted

__all__ = ["QUALITIES", "fit_and_write", "quality", "read_job"]

#: Quality classes.
QUALITIES = {
    "A": "converged",
    "B": "converged, but few members or an age that the data hardly know",
    "C": "not converged: don't use the numbers without looking",
}
_FEW_MEMBERS = 20.0
_WIDE_AGE = 0.6  # dex, between the 16 and the 84 % point


def read_job(job: Job) -> tuple[Photometry, Photometry | None, dict[str, Any]]:
    """Read the stars of a job, its control field, and the remaining arguments of `fit_cluster`.

    Raises
    ------
    InputError, BandError, SettingsError
        As `Photometry.read`.
    """
    options, settings = job.options, job.options.settings
    reading = settings.reading()
    photometry = Photometry.read(job.table, **reading)
    control = None
    if options.control is not None:
        reading["observables"] = photometry.observables
        control = Photometry.read(options.control, **reading, source=f"control field {options.control}")
    fitting = settings.fitting(n_threads=1) | {"grid": options.grid}
    if options.completeness is not None:
        fitting["completeness"] = options.completeness
    if settings.mag_limit == "auto":
        fitting["mag_limit"] = stated_limit(photometry) or "auto"
    return photometry, control, fitting


def fit_and_write(task: Task, folder: Path, cancel: Callable[[], bool]) -> dict[str, Any]:
    """Fit a task's job and fill a folder with its results.

    Parameters
    ----------
    task : Task
        What to fit.
    folder : Path
        For the results; it must not exist.
    cancel : callable
        Says whether to stop.

    Returns
    -------
    dict
        The summary's columns about the fit.

    Raises
    ------
    ClusterBayesError
        As `Photometry.read` and `fit_cluster`; InputError if the table is no longer what it was, SettingsError or
        GridError if this worker's package or isochrones are others than those of whoever runs the batch.
    """
    _check_version(task.identity["package_version"])
    photometry, control, fitting = read_job(task.job)
    if photometry.checksum != task.identity["table"]:
        raise InputError("the table changed while the batch was running", str(task.job.table), remedy="run it again")
    arguments = {**fitting, "seed": task.seed, "checkpoint": task.checkpoint, "cancel": cancel}
    with said_by_caller():  # as the quality of the row
        result = fit_cluster(photometry, control=control, **arguments)
    grid = result.provenance["grid"]
    if grid["file_digest"] != task.identity["grid"]["digest"]:
        raise GridError("this worker has another grid of that name", grid["name"], remedy="give all the same file")
    checks = checks_of_fit(result, fitting["grid"])
    write_outputs(result, folder, name=task.job.name, title=task.job.name, checks=checks)
    return summary_row(result, task.job.name)


def _check_version(wanted: str) -> None:
    here = metadata.version("clusterbayes")
    if here != wanted:
        problem = f"this worker has clusterbayes {here}, and whoever runs the batch {wanted}"
        raise SettingsError(problem, remedy="install the same version everywhere")


def summary_row(result: FitResult, name: str) -> dict[str, Any]:
    """Return the summary's columns about a fit: those of `summary_table`, quality, what is behind it, and ``units``."""
    try:
        derived = derive(result)
    except InputError as error:  # nothing can be derived from no members; the fit itself stands
        derived = Derived({}, (str(error),))
    table: Table = summary_table(result, derived, name)
    row = {key: _plain_cell(table[key][0]) for key in table.colnames if key != "name"}
    units = {key: str(table[key].unit) for key in table.colnames if table[key].unit is not None}
    grade, reasons = quality(result)
    members = float(np.nansum(result.p_member))
    return {"quality": grade, "quality_reasons": "; ".join(reasons), "n_member": members, **row, "units": units}


def _plain_cell(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def quality(result: FitResult) -> tuple[str, list[str]]:
    """Return the quality class, a key of `QUALITIES`, and what speaks against a better one."""
    if not result.converged:
        return "C", [str(reason) for reason in result.diagnostics.get("reasons", ())] or ["not converged"]
    reasons = []
    members = float(np.nansum(result.p_member))
    if members < _FEW_MEMBERS:
        reasons.append(counted(members, "member"))
    low, high = np.percentile(result.draws["log_age"], [16.0, 84.0])
    if high - low > _WIDE_AGE:
        reasons.append(f"68 % of log_age spread over {high - low:.2f} dex")
    return ("B" if reasons else "A"), reasons
