"""One running fit, seen from its worker: its process, how far it is, and how it ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, field
from typing import Any

from clusterbayes.records.database.claims import Claim
from clusterbayes.records.record import STAGES, ErrorMessage
from clusterbayes.records.worker import child
from clusterbayes.records.worker.task import Job, Outcome, Task

__all__ = ["Run", "prepare"]

# Processes are copies of a server that has imported what fits need, and has not begun to compute.
_PROCESSES = multiprocessing.get_context("forkserver")


def prepare(job: Job) -> None:
    """Import what a job needs before the first run is claimed: on a busy machine that takes longer than a lease."""
    _PROCESSES.set_forkserver_preload([child.__name__, job.__module__])  # of no effect once the server runs
    first = _PROCESSES.Process(target=int)
    first.start()
    first.join()


@dataclass
class Run:
    """A claimed run and its process.

    Attributes
    ----------
    claim : Claim
    time_limit : float or None
        Most time that this start may take [s].
    ended : str or None
        How the process ended: one of the child's kinds of messages; None while it goes on.
    error : ErrorMessage or None
        With which error, if any.
    outcome : Outcome or None
        What it left, if it is done.
    """

    claim: Claim
    time_limit: float | None = None
    ended: str | None = None
    error: ErrorMessage | None = None
    outcome: Outcome | None = None
    started: float = field(default_factory=time.monotonic)
    reported: float = field(default_factory=time.monotonic)
    asked: float | None = None
    timed_out: bool = False
    published: bool = False
    process: Any = None
    connection: Any = None
    _progress: dict[str, Any] = field(default_factory=dict)
    _changed: bool = False

    def start(self, job: Job, task: Task) -> None:
        """Start the process."""
        self.connection, theirs = _PROCESSES.Pipe()
        self.process = _PROCESSES.Process(target=child.run_child, args=(theirs, job, task), name=f"fit-{task.tool_id}")
        self.process.start()
        theirs.close()

    # --- listening ---------------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Take in what the process has said; notice its death."""
        if self.ended is not None:
            return
        alive = self.process.is_alive()  # asked first: what it said before it died is still in the pipe
        try:
            while self.connection.poll():
                self._take(*self.connection.recv())
        except (EOFError, OSError, ValueError):
            alive = False
        if self.ended is None and not alive:
            self._crashed()

    def _take(self, kind: str, *values: Any) -> None:
        if kind == child.STAGE:
            name, index, total = values
            place = {"current_stage": name, "current_stage_index": index, "total_stages": total}
            self._progress, self._changed = {**place, "current_stage_progress": 0.0}, True
        elif kind == child.PROGRESS and self._progress:
            self._progress["current_stage_progress"] = min(max(values[0], 0.0), 100.0)
            self._changed = True
        elif kind == child.DONE:
            self.ended, self.outcome = kind, values[0]
        elif kind in (child.CANCELLED, child.FAILED, child.PASSING):
            self.ended = kind
            self.error = None if values[0] is None else ErrorMessage(**values[0])

    def _crashed(self) -> None:
        self.process.join(5.0)
        code = self.process.exitcode
        how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
        self.ended = child.PASSING
        self.error = ErrorMessage(
            id="FitProcessError",
            detail=f"the process of the fit ended with {how} before it was done",
            message="the process of the fit ended early",
            stage=self._progress.get("current_stage"),
            meta={"exitcode": code},
        )

    def progress(self) -> dict[str, Any] | None:
        """Return the columns of the tool's row to write, or None if nothing has changed since the last time."""
        if not self._changed:
            return None
        self._changed = False
        return dict(self._progress)

    # --- ending ------------------------------------------------------------------------------------------------------

    def ask_to_stop(self) -> None:
        """Ask the process to stop; the first time counts."""
        if self.asked is None:
            self.asked = time.monotonic()
            try:
                self.connection.send("cancel")
            except OSError:
                pass  # it has ended already

    def enforce(self, grace: float) -> None:
        """Keep the time limit, and end a process that was asked to stop and did not within `grace` [s]."""
        now = time.monotonic()
        if self.ended is None and self.time_limit is not None and now - self.started > self.time_limit:
            self.timed_out = True
            self.ask_to_stop()
        if self.asked is not None and now - self.asked > grace and self.process.is_alive():
            self.kill()

    def time_limit_error(self) -> ErrorMessage:
        """Return the error of a run that took too long."""
        return ErrorMessage(
            id="TimeLimitError",
            detail=f"the fit took longer than its time limit of {self.time_limit:g} s",
            message="the time limit was reached",
            stage=self._progress.get("current_stage") or STAGES[0],
            meta={"timeLimit": self.time_limit},
        )

    def kill(self) -> None:
        """End the process at once."""
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(5.0)

    def close(self) -> None:
        """Wait for the process, and let go of it."""
        self.process.join(1.0)
        self.kill()
        self.connection.close()
        self.process.close()
