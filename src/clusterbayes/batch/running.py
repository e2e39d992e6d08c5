"""Running the jobs of a batch: what is missing or failed, the largest first, on whatever workers there are.

The engine is dask.distributed. Workers write their results themselves, into a folder that all of them see; what comes
back is a row of the summary. So the loss of a worker costs one attempt, that of the scheduler or of this process only
what was under way, and running again does the rest.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clusterbayes.batch.crowd import Crowd, connected
from clusterbayes.batch.display import BatchProgress, QuietBatch
from clusterbayes.batch.fitting import fit_and_write
from clusterbayes.batch.guard import Limits
from clusterbayes.batch.jobs import Job, job_seed, with_folders
from clusterbayes.batch.states import DONE, Places, State, forget_refit, held, job_identity, read_outcome, read_state
from clusterbayes.batch.summary import Summary
from clusterbayes.batch.work import STOPPED, FitFunction, Task, is_settled, reason_of, record_failure
from clusterbayes.errors import BatchError, CheckpointError, ClusterBayesError, FitCancelled, SettingsError
from clusterbayes.inference.identity import differences

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["BatchOptions", "fit_many"]

_SHOWN = 4  # differences that an error spells out


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is run.

    Attributes
    ----------
    seed : int
        Of the batch; each job has one that follows from it and from its name.
    n_workers : int or None
        Processes of the embedded cluster; one a core if left out. Of no effect where a client is given.
    limits : Limits
        What one job may take.
    losses : int
        How many more times a job is tried whose worker died.
    changed : {"refuse", "refit"}
        What to do where a finished job was of other data, settings or versions. A refit that fails leaves the older
        result in its folder; the row of the summary is that of the failure.
    fit : callable
        What is done with each job.
    """

    seed: int = 1
    n_workers: int | None = None
    limits: Limits = field(default_factory=Limits)
    losses: int = 3
    changed: str = "refuse"
    fit: FitFunction = fit_and_write

    def __post_init__(self) -> None:
        if self.changed not in ("refuse", "refit"):
            raise SettingsError.unknown("way with changed jobs", self.changed, ("refuse", "refit"))
        if self.losses < 0 or (self.n_workers is not None and self.n_workers < 1):
            raise SettingsError("give at least one worker, and no negative number of losses")


def fit_many(
    jobs: Iterable[Job],
    client: Client | None = None,
    *,
    out: str | Path,
    options: BatchOptions | None = None,
    progress: BatchProgress | None = None,
    cancel: Callable[[], bool] = lambda: False,
) -> Summary:
    """Fit many clusters, each into a folder of its own, and keep a summary of all.

    Parameters
    ----------
    jobs : iterable of Job
        As `jobs_from_folder` and `jobs_from_table` make them.
    client : distributed.Client, optional
        Where to compute: anything that dask.distributed connects to. Its workers must see `out` and the tables under
        the same names. By default a cluster of processes on this machine, with one thread each.
    out : str or Path
        Folder of the batch. Jobs that are done in it already are not done again.
    options : BatchOptions, optional
        How it is run.
    progress : BatchProgress, optional
        Told how many jobs have ended.
    cancel : callable
        Asked several times a second; True ends the batch with `FitCancelled` after what is under way has been kept.

    Returns
    -------
    Summary
        One row a cluster; failed ones say why.

    Raises
    ------
    InputError
        If there are no jobs, or two would share a folder.
    CheckpointError
        If finished jobs were of other data, settings or versions, and are not to be refitted.
    BatchError
        If another process runs this batch, or the scheduler was lost.
    FitCancelled
        If it was stopped.
    """
    options, progress = options or BatchOptions(), progress or QuietBatch()
    by_folder = with_folders(jobs)
    places = Places(Path(out).resolve())
    places.make()
    with held(places.lock, wait=lambda: False) as got, closing(progress):
        if not got:
            raise BatchError("another process runs this batch", str(places.out), remedy="wait for it, or stop it")
        places.tidy(finished=False)
        summary = Summary(places.out, by_folder)
        tasks = _plan(by_folder, places, summary, options)
        progress.begin(len(by_folder), len(by_folder) - len(tasks))
        try:
            if tasks:
                with connected(client, options.n_workers, cancel) as crowd:
                    _carry_out(tasks, crowd, summary, _Watch(options, progress, cancel, places.stop(tasks[0].run)))
        finally:
            summary.write()
        places.tidy(finished=True)
        return summary


# --- planning --------------------------------------------------------------------------------------------------------


def _plan(jobs: Mapping[str, Job], places: Places, summary: Summary, options: BatchOptions) -> list[Task]:
    """Return what is to be done, the largest first; rows of what is done already go to the summary."""
    run, tasks, changed = secrets.token_hex(4), [], []
    for folder, job in jobs.items():
        seed = job_seed(options.seed, job.name)
        try:
            identity, problem = job_identity(job, seed), None
        except ClusterBayesError as error:
            identity, problem = {}, error
        task = Task(job, folder, places.out, seed, identity, run, options.limits, options.fit)
        state = read_state(places.folder(folder))
        done = state if state is not None and state.status == DONE else None
        if problem is not None:
            # What was done is kept: a disk that is not there today may be there tomorrow.
            summary.put(record_failure(task, reason_of(problem), str(problem)))
        elif done is not None and done.identity == identity:
            forget_refit(places.folder(folder))
            summary.put(done.row)
        else:
            tasks.append(task)
            if done is not None:
                changed.append((task, done))
    if changed and options.changed == "refuse":
        raise _refusal(changed, places)
    return sorted(tasks, key=lambda task: -task.job.table.stat().st_size)


def _refusal(changed: list[tuple[Task, State]], places: Places) -> CheckpointError:
    task, state = changed[0]
    others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return CheckpointError(
        f"{task.job.name}{others} {'were' if others else 'was'} fitted to other data, or in another way",
        str(places.out),
        differences(state.identity, task.identity)[:_SHOWN],
        "give the old values to go on; or fit what has changed anew (--refit-changed); or choose another folder",
    )


# --- carrying out ----------------------------------------------------------------------------------------------------


@dataclass
class _Watch:
    options: BatchOptions
    progress: BatchProgress
    cancel: Callable[[], bool]
    stop: Path


def _carry_out(tasks: list[Task], crowd: Crowd, summary: Summary, watch: _Watch) -> None:
    lost: dict[str, float] = {}
    for rank, task in enumerate(tasks):
        crowd.submit(task, rank)
    try:
        while crowd.waiting:
            if watch.cancel():
                raise FitCancelled("the batch was stopped", "batch")
            ended = crowd.next_ended(0.2)
            watch.progress.workers(crowd.n_workers)
            if ended is None:
                continue
            row = _row_of(ended.task, ended.row, ended.error)
            if row is None:  # its worker died, and it was not the job's own end
                folder = ended.task.folder
                lost[folder] = lost.get(folder, 0.0) + _blame(ended.task)
                if math.floor(lost[folder]) <= watch.options.losses:
                    crowd.submit(ended.task, ended.rank)
                    continue
                row = record_failure(ended.task, "worker_lost", f"its worker died {math.floor(lost[folder])} times")
            _take(row, summary, watch)
    except (FitCancelled, KeyboardInterrupt):
        watch.stop.touch()
        for row in crowd.wind_up(30.0):
            _take(row, summary, watch)
        watch.stop.unlink(missing_ok=True)
        raise FitCancelled(f"the batch was stopped: {_so_far(summary)}", "batch", "run it again to go on") from None
    except BatchError as error:
        raise BatchError(f"{error.problem}: {_so_far(summary)}", error.where, error.remedy) from None


def _blame(task: Task) -> float:
    """Return how much the loss of a worker counts against a job that was with it: little if it had not begun."""
    begun = task.places.begun(task.folder)
    counts = 1.0 if begun.exists() else 0.1
    begun.unlink(missing_ok=True)
    return counts


def _take(row: Mapping[str, Any], summary: Summary, watch: _Watch) -> None:
    if row["status"] != STOPPED:
        summary.put(row)
        watch.progress.ended(dict(row))


def _row_of(task: Task, row: dict[str, Any] | None, error: BaseException | None) -> dict[str, Any] | None:
    """Return the row of a job that has ended; None if it has to be done again.

    What stands in its folder counts, whatever became of the message: a worker may end a job, then lose the scheduler.
    """
    if error is None:
        return row
    state = read_outcome(task.places.folder(task.folder))
    if state is not None and is_settled(state, task):
        return state.row
    if Crowd.is_loss(error):
        return None
    return record_failure(task, reason_of(error), f"{type(error).__name__}: {error}", error)


def _so_far(summary: Summary) -> str:
    counts = summary.count()
    done = counts.get(DONE, 0)
    return f"{done} of {len(summary.rows)} clusters are done"
