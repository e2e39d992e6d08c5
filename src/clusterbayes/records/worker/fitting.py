"""The job that a worker does by default: from a task to a fit with its files."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clusterbayes.errors import CheckpointError, InputError
from clusterbayes.inference.fit import fit_cluster
from clusterbayes.inference.progress import Progress
from clusterbayes.photometry import Photometry
from clusterbayes.records.documents import Artefact, ResultDocument
from clusterbayes.records.memberships import membership_rows
from clusterbayes.records.record import STAGES, version_text
from clusterbayes.records.settings import FitSettings
from clusterbayes.records.store import file_checksum
from clusterbayes.records.worker.task import Outcome, Task, described_files
from clusterbayes.results.checks import checks_of_fit
from clusterbayes.results.export import write_all
from clusterbayes.results.result import FitResult

__all__ = ["fit_job"]

_LOG = logging.getLogger(__name__)


def fit_job(task: Task, progress: Progress, cancel: Callable[[], bool]) -> Outcome:
    """Fit a task, and write its artefacts.

    Parameters
    ----------
    task : Task
        What to fit.
    progress : Progress
        Told about stages.
    cancel : callable
        Says whether to stop.

    Returns
    -------
    Outcome

    Raises
    ------
    ClusterBayesError
        As `Photometry.read` and `fit_cluster`; InputError if the input is not what it was.
    """
    settings = FitSettings.read(task.settings)
    paths = [path for path in (task.input, task.control) if path is not None]
    for path, checksum in zip(paths, task.checksums, strict=True):
        _check_unchanged(path, checksum)
    photometry = Photometry.read(task.input, **settings.reading(), source=task.input_name)
    control = None
    if task.control is not None:
        reading = settings.reading() | {"observables": photometry.observables}
        control = Photometry.read(task.control, **reading, source=task.control_name)
    options: dict[str, Any] = {**settings.fitting(task.n_threads), "control": control}
    result = _fit(photometry, task.checkpoint, {**options, "progress": progress, "cancel": cancel})
    progress.stage("export", STAGES.index("export"), len(STAGES))
    checks = checks_of_fit(result, options["grid"], progress.update)
    write_all(result, task.folder, overwrite=True, title=task.name, checks=checks)
    artefacts = described_files(task.folder)
    links = [Artefact(**{name: file[name] for name in Artefact.model_fields}) for file in artefacts]
    document = ResultDocument.from_result(result).model_copy(update={"artefacts": links})
    return Outcome(
        version=version_text(result.provenance.get("package_version"), result.provenance.get("grid")),
        document=document.to_wire(),
        memberships=tuple(row.model_dump() for row in membership_rows(result)),
        artefacts=artefacts,
    )


def _fit(photometry: Photometry, checkpoint: Path, options: dict[str, Any]) -> FitResult:
    """Fit, and go on from the checkpoint if there is one; one that another version has left is started over."""
    try:
        return fit_cluster(photometry, checkpoint=checkpoint, **options)
    except CheckpointError as error:
        _LOG.warning("the fit begins anew: %s", error)
        checkpoint.unlink(missing_ok=True)
        return fit_cluster(photometry, checkpoint=checkpoint, **options)


def _check_unchanged(path: Path, checksum: str) -> None:
    try:
        found = file_checksum(path)
    except OSError as error:
        raise InputError(f"the input can't be read: {error.strerror}", path.name) from None
    if found != checksum:
        raise InputError("the input has changed since it was handed in", path.name, remedy="hand it in again")
