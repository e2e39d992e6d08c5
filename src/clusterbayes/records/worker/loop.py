"""The worker's loop: claim, start, listen, report, settle.

One thread does it all and never waits long for anything. When the database is away, fits go on and the loop tries
again; whether a run is still the worker's is decided by its token when the database is back.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import wait
from pathlib import Path
from typing import TypeVar

from clusterbayes.errors import ClusterBayesError, SettingsError
from clusterbayes.records.database.claims import Claim, InputFile
from clusterbayes.records.database.engine import Database
from clusterbayes.records.database.queue import Ending, Queue, RetryRules, Standing
from clusterbayes.records.faults import LostRunError, describe_error
from clusterbayes.records.store import Store
from clusterbayes.records.worker import child
from clusterbayes.records.worker.run import Run, prepare
from clusterbayes.records.worker.task import Job, Task

__all__ = ["Worker", "WorkerOptions"]

_LOG = logging.getLogger(__name__)
_TICK = 0.1  # [s] that the loop waits at most while something runs
T = TypeVar("T")


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker works.

    Attributes
    ----------
    concurrency : int
        Fits at the same time.
    lease : float
        How long a run stays the worker's when nothing is heard of it [s].
    poll : float
        Pause between looks at an empty queue [s].
    report : float
        Least time between reports on a run [s].
    grace : float
        How long a fit that is asked to stop may take before its process is ended [s].
    time_limit : float, optional
        Most time that a start may take where the run itself says nothing [s].
    rules : RetryRules
    name : str
        To be read by people.
    """

    concurrency: int = 1
    lease: float = 30.0
    poll: float = 1.0
    report: float = 1.0
    grace: float = 2.5
    time_limit: float | None = None
    rules: RetryRules = RetryRules()
    name: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise SettingsError("a worker needs room for one fit", "--concurrency", self.concurrency, "1 or more")
        if self.lease < 3.0 * self.report:
            raise SettingsError("the lease is too short", "lease", self.lease, f"at least {3.0 * self.report:g} s")


def _fit_job() -> Job:
    from clusterbayes.records.worker.fitting import fit_job  # it imports all that fits need

    return fit_job


class Worker:
    """Takes runs from a database, and fits them.

    Parameters
    ----------
    database : Database
        With the queue.
    store : Store
        For inputs, checkpoints and artefacts.
    options : WorkerOptions, optional
    job : callable, optional
        What is done with a task, in a process of its own: a function that can be imported; a fit by default.
    """

    def __init__(
        self, database: Database, store: Store, options: WorkerOptions | None = None, job: Job | None = None
    ) -> None:
        self.options, self.store, self.job = options or WorkerOptions(), store, job or _fit_job()
        self.queue = Queue(database)
        self._runs: list[Run] = []
        self._stopping = False
        self._reaped = float("-inf")
        self._away_since: float | None = None
        self._leases: tuple[float, dict[int, datetime]] = (float("-inf"), {})  # when they were looked at
        self._orphans: set[int] = set()  # runs that nobody seems to have in hand
        self._finished = 0

    def stop(self) -> None:
        """Make `run` end: no new runs, and those that go on are put back."""
        self._stopping = True

    def run(self, *, once: bool = False) -> int:
        """Work until stopped.

        Parameters
        ----------
        once : bool
            End when nothing is ready, and what runs is in the hands of workers that are alive: a run whose worker died
            is waited for until its lease has expired.

        Returns
        -------
        int
            How many runs have ended here.
        """
        prepare(self.job)
        self._ask(self.queue.prepare)
        try:
            while not self._stopping:
                # before taking: what another worker puts back in between is ready then, and taken
                waiting = once and not self._runs and self._may_come_back()
                claimed = self._fill()
                if once and not self._runs and not claimed and self._away_since is None and not waiting:
                    break
                self._pause(claimed)
                for run in list(self._runs):
                    self._attend(run)
        finally:
            self._put_all_back()
        return self._finished

    def _may_come_back(self) -> bool:
        """Whether a run of another worker is running whose lease was not prolonged while three reports were due.

        It may be one while the database is away: nobody can tell.
        """
        now, leases = time.monotonic(), self._ask(self.queue.leases)
        if leases is None:
            return True
        since, before = self._leases
        if now - since > 3.0 * self.options.report:
            self._leases = now, leases
            self._orphans = {run for run, until in leases.items() if before.get(run, until) == until}
        return not self._orphans.isdisjoint(leases)

    # --- taking ------------------------------------------------------------------------------------------------------

    def _fill(self) -> bool:
        """Take runs until the worker is full or nothing is ready; say whether one was taken."""
        taken = False
        if time.monotonic() - self._reaped > self.options.lease / 5.0:
            self._reaped = time.monotonic()
            for record in self._ask(lambda: self.queue.reap(self.options.rules)) or []:
                _LOG.warning("run %s was lost by its worker and is %s now", record.id, record.status)
                if record.completed_on is not None and record.id is not None:
                    self.store.tidy(record.id)
        while len(self._runs) < self.options.concurrency and not self._stopping:
            claim = self._ask(lambda: self.queue.claim(self.options.name, self.options.lease))
            if claim is None:
                break
            taken = True
            self._start(claim)
        return taken

    def _start(self, claim: Claim) -> None:
        run = Run(claim, time_limit=claim.time_limit or self.options.time_limit)
        try:
            run.start(self.job, self._task(claim))
        except (ClusterBayesError, OSError) as error:
            kind = child.PASSING if isinstance(error, OSError) else child.FAILED
            run.ended, run.error = kind, describe_error(error, "ingest")
        _LOG.info("run %s starts", claim.tool_id)
        self._runs.append(run)

    def _task(self, claim: Claim) -> Task:
        files = [file for file in (claim.input, claim.control) if file is not None]
        cores = os.cpu_count() or 1
        return Task(
            tool_id=claim.tool_id,
            name=claim.record.name,
            settings=claim.settings,
            input=self._path(claim.input),
            input_name=claim.input.name,
            checksums=tuple(file.checksum for file in files),
            folder=self.store.staging(claim.tool_id, claim.token),
            checkpoint=self.store.checkpoint(claim.tool_id),
            n_threads=max(1, cores // self.options.concurrency),
            control=None if claim.control is None else self._path(claim.control),
            control_name="control field" if claim.control is None else claim.control.name,
        )

    def _path(self, file: InputFile) -> Path:
        return Path(file.location) if file.kind == "reference" else self.store.path(file.location)

    # --- attending ---------------------------------------------------------------------------------------------------

    def _pause(self, claimed: bool) -> None:
        """Wait until a process says something, or for a moment."""
        going = [run for run in self._runs if run.ended is None]
        if going:
            wait([item for run in going for item in (run.connection, run.process.sentinel)], _TICK)
        elif not claimed:
            time.sleep(self.options.poll if not self._runs else _TICK)

    def _attend(self, run: Run) -> None:
        if run.ended is None:
            run.listen()
            run.enforce(self.options.grace)
        now = time.monotonic()
        if now - run.reported >= self.options.report and run.ended is None:
            run.reported = now
            progress = run.progress()
            standing = self._ask(lambda: self.queue.report(run.claim, self.options.lease, progress))
            if standing is Standing.CANCEL:
                run.ask_to_stop()
            elif standing is Standing.LOST:
                self._drop(run)
                return
        if run.ended is not None and (self._away_since is None or now - run.reported >= self.options.report):
            run.reported = now
            self._settle(run)

    def _settle(self, run: Run) -> None:
        """Write how a run ended; it stays in hand if the database is away."""
        queue, claim, rules = self.queue, run.claim, self.options.rules
        last = run.progress()
        if last is not None:  # the stage in which it ended, too
            self._ask(lambda: queue.report(claim, self.options.lease, last))
        if run.ended == child.DONE and not run.timed_out:
            self._publish(run)
        try:
            if run.timed_out:
                ended = self._ask(lambda: queue.fail(claim, [run.time_limit_error()]))
            elif run.asked is not None or run.ended == child.CANCELLED:
                ended = self._ask(lambda: queue.cancel(claim))
            elif run.ended == child.DONE:
                ended = self._ask(lambda: queue.complete(claim, self._ending(run)))
            elif run.ended == child.PASSING and run.error is not None:
                error = run.error
                ended = self._ask(lambda: queue.retry(claim, error, rules))
            else:
                errors = [] if run.error is None else [run.error]
                ended = self._ask(lambda: queue.fail(claim, errors))
        except LostRunError:
            self._drop(run)
            return
        except Exception as error:  # whatever the result can't be kept for: say so, and go on with the others
            if run.ended == child.FAILED:
                raise
            _LOG.exception("the result of run %s can't be kept", claim.tool_id)
            run.ended, run.error = child.FAILED, describe_error(error, "export")
            return
        if ended is None:
            return
        _LOG.info("run %s is %s", claim.tool_id, ended.status)
        self._finished += ended.completed_on is not None
        self._let_go(run)
        if ended.completed_on is not None:
            self.store.tidy(claim.tool_id, keep=claim.token if ended.status == "completed" else None)

    def _publish(self, run: Run) -> None:
        """Move the artefacts into place; a fault here is one that may pass."""
        if run.published:
            return
        try:
            self.store.publish(run.claim.tool_id, run.claim.token)
            run.published = True
        except OSError as error:
            run.ended, run.error = child.PASSING, describe_error(error, "export")

    def _ending(self, run: Run) -> Ending:
        assert run.outcome is not None
        place = self.store.publish(run.claim.tool_id, run.claim.token)
        artefacts = [{**file, "location": f"{place}/{file['name']}"} for file in run.outcome.artefacts]
        return Ending(run.outcome.version, run.outcome.document, run.outcome.memberships, artefacts)

    def _drop(self, run: Run) -> None:
        """Let go of a run that is not ours any more; its next owner clears up."""
        _LOG.warning("run %s was taken back; its process is ended", run.claim.tool_id)
        self._let_go(run)

    def _let_go(self, run: Run) -> None:
        self._runs.remove(run)
        if run.process is not None:
            if run.ended is None:
                run.kill()
            run.close()

    def _put_all_back(self) -> None:
        """End all processes, and put their runs back."""
        for run in list(self._runs):
            self._let_go(run)
            try:
                self._ask(lambda claim=run.claim: self.queue.release(claim))  # type: ignore[misc]
            except LostRunError:
                pass

    def _ask(self, question: Callable[[], T]) -> T | None:
        """Ask the database; None if it is away."""
        try:
            answer = question()
        except Exception as error:
            if not Database.is_outage(error):
                raise
            if self._away_since is None:
                self._away_since = time.monotonic()
                _LOG.warning("the database is away: %s", type(error).__name__)
            return None
        if self._away_since is not None:
            _LOG.warning("the database is back after %.1f s", time.monotonic() - self._away_since)
            self._away_since = None
        return answer
