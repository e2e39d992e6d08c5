"""What a worker does with a job: fit it within its limits, write its folder, and say how it went.

Whatever happens to one cluster stays with it: an error becomes a row with a reason code. A job that was taken from a
worker that died goes on from its checkpoint on another one. One that somebody is still working on is waited for, not
done twice.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clusterbayes.batch.guard import Guard, Limits
from clusterbayes.batch.jobs import Job
from clusterbayes.batch.states import (
    DONE,
    FAILED,
    Places,
    State,
    held,
    keep_refit,
    put_in_place,
    read_outcome,
    read_state,
)
from clusterbayes.errors import (
    BandError,
    CheckpointError,
    FitCancelled,
    FitError,
    GridError,
    GridRangeError,
    InputError,
    SettingsError,
)
from clusterbayes.inference.checkpoint import discard
from clusterbayes.records import failed_record, write_failure

__all__ = [
    "REASONS",
    "STOPPED",
    "FitFunction",
    "Task",
    "is_settled",
    "reason_of",
    "record_failure",
    "run_job",
]

logger = logging.getLogger(__name__)

STOPPED = "stopped"

#: Why a cluster has no result: reason code to what it means.
REASONS = {
    "input": "the table, or a value in it, can't be used",
    "band": "a band is unknown or doesn't fit",
    "settings": "an option can't be carried out",
    "grid": "the isochrones are missing, damaged, or don't reach",
    "fit": "the fit broke down",
    "checkpoint": "the checkpoint can't be used",
    "file": "a file or the disk failed",
    "memory": "there was not enough memory",
    "time_limit": "it took longer than the time limit; a rerun goes on from there",
    "memory_limit": "its worker grew beyond the memory limit",
    "worker_lost": "its worker died, again and again",
    "bug": "an error that should not happen",
}
_KEPT = "The older result is kept in its folder; it is not of these data and settings."
_CODES: tuple[tuple[type[BaseException], str], ...] = (
    (InputError, "input"), (BandError, "band"), (SettingsError, "settings"), (GridError, "grid"),
    (GridRangeError, "grid"), (FitError, "fit"), (CheckpointError, "checkpoint"), (MemoryError, "memory"),
    (OSError, "file"),
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A job on its way to a worker.

    Attributes
    ----------
    job : Job
    folder : str
        Name of its folder.
    out : Path
        The batch's folder, which all workers see under this name.
    seed : int
        The job's.
    identity : dict
        As `clusterbayes.batch.states.job_identity` gives it.
    run : str
        The run of the batch.
    limits : Limits
    fit : callable
        Does the work; see `FitFunction`.
    """

    job: Job
    folder: str
    out: Path
    seed: int
    identity: dict[str, Any]
    run: str
    limits: Limits
    fit: FitFunction

    @property
    def places(self) -> Places:
        """The files of the batch."""
        return Places(self.out)

    @property
    def checkpoint(self) -> Path:
        """Where the fit keeps its state."""
        return self.places.checkpoint(self.folder)


#: Takes a task, a folder that does not exist yet and is to be filled, and a callable that says whether to stop; returns
#: what the summary says of the fit. It must run at the top level of a module that the workers can import.
FitFunction = Callable[[Task, Path, Callable[[], bool]], dict[str, Any]]


def reason_of(error: BaseException) -> str:
    """Return the reason code of an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), "bug")


def run_job(task: Task) -> dict[str, Any]:
    """Do a job in this process.

    Parameters
    ----------
    task : Task
        What to do.

    Returns
    -------
    dict
        The summary's row; its ``status`` is "done", "failed", or "stopped" for a job that is to be taken up again.
    """
    guard = Guard(task.limits, task.places.stop(task.run))
    if guard.stopped():
        return _stopped(task)
    with held(task.places.job_lock(task.folder), wait=lambda: not guard.stopped_after(0.5)) as got:
        if not got:
            return _stopped(task)
        state = read_outcome(task.places.folder(task.folder))
        if state is not None and is_settled(state, task):
            return state.row
        begun = task.places.begun(task.folder)
        begun.touch()
        with guard.watching(last_words=lambda reason, words: record_failure(task, reason, words)):
            row = _attempt(task, guard)
        begun.unlink(missing_ok=True)
        return row


def is_settled(state: State, task: Task) -> bool:
    """Whether somebody else has ended this job since it was handed out: done, or failed in the same run."""
    return state.identity == task.identity and (state.status == DONE or state.run == task.run)


def _stopped(task: Task) -> dict[str, Any]:
    return {"name": task.job.name, "folder": task.folder, "status": STOPPED}


def _attempt(task: Task, guard: Guard) -> dict[str, Any]:
    begun, cpu = time.monotonic(), time.process_time()
    places = task.places
    places.sweep(task.folder)
    staging = places.staging(task.folder)
    try:
        found = _fit(task, staging, guard)
    except FitCancelled:
        reason, words = guard.verdict()
        return _stopped(task) if reason == STOPPED else record_failure(task, reason, words)
    except Exception as error:
        if isinstance(error, FitError):
            discard(task.checkpoint)  # it would break down again
        if reason_of(error) == "bug":
            logger.exception("%s failed", task.job.name)
        return record_failure(task, reason_of(error), str(error) or type(error).__name__, error)
    row = {
        "name": task.job.name, "folder": task.folder, "status": DONE, "reason": "", "message": "", **found,
        "seconds": time.monotonic() - begun, "cpu_seconds": time.process_time() - cpu, "peak_memory": guard.peak,
        "worker": f"{socket.gethostname()}:{os.getpid()}",
        "finished_on": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    State(DONE, task.identity, row, task.run).write(staging)
    put_in_place(staging, places.folder(task.folder))
    discard(task.checkpoint)
    return row


def _fit(task: Task, staging: Path, guard: Guard) -> dict[str, Any]:
    """Fit; where the checkpoint is of another fit, or can't be read, begin anew."""
    try:
        return task.fit(task, staging, guard.wanted)
    except CheckpointError as error:
        logger.warning("%s begins anew: %s", task.job.name, error)
        discard(task.checkpoint)
        return task.fit(task, staging, guard.wanted)


def record_failure(task: Task, reason: str, message: str, error: BaseException | None = None) -> dict[str, Any]:
    """Leave a folder that says why there is no result; return the summary's row.

    A result that is there, of other data or settings, is kept. The row has none of its numbers, and says so.
    """
    row: dict[str, Any] = {
        "name": task.job.name, "folder": task.folder, "status": FAILED, "reason": reason, "message": message,
        "finished_on": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    places = task.places
    older = read_state(places.folder(task.folder))
    if older is not None and older.status == DONE:
        row |= {"message": f"{message} {_KEPT}", "older_result_kept": True}
        keep_refit(State(FAILED, task.identity, row, task.run), places.folder(task.folder))
        return row
    staging = places.staging(task.folder)
    record = failed_record(
        error or FitError(message), name=task.job.name, creator_id=0, started_on=datetime.now(UTC),
        version=task.identity.get("package_version"),
    )  # fmt: skip
    write_failure(record, staging)
    State(FAILED, task.identity, row, task.run).write(staging)
    put_in_place(staging, places.folder(task.folder))
    return row
