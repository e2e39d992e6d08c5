"""A fit's own process: it runs one task, tells its worker how far it is, and ends with it.

It knows no database. It hears from the worker through a pipe: the word "cancel", or the end of the pipe when the worker
has died, at which it ends at once, so that no fit goes on that nobody waits for.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from clusterbayes.errors import ClusterBayesError
from clusterbayes.records.faults import describe_error
from clusterbayes.records.worker.task import Job, Task

__all__ = ["CANCELLED", "DONE", "FAILED", "PASSING", "PROGRESS", "STAGE", "run_child"]

#: Kinds of messages to the worker.
STAGE, PROGRESS, DONE, CANCELLED, FAILED, PASSING = "stage", "progress", "done", "cancelled", "failed", "passing"

_ORPHANED = 70
_EVERY = 0.25  # [s] between messages within a stage


class _PipeProgress:
    """Tells the worker; says little enough that the pipe does not fill."""

    def __init__(self, send: Callable[..., None]) -> None:
        self._send, self._last = send, 0.0
        self.current: str | None = None

    def stage(self, name: str, index: int, total: int) -> None:
        """Begin stage `name`, the `index`-th (from 0) of `total`."""
        self.current, self._last = name, 0.0
        self._send(STAGE, name, index, total)

    def update(self, percent: float, message: str = "") -> None:
        """Report how much of the stage is done (0 to 100)."""
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            self._send(PROGRESS, float(percent))

    def close(self) -> None:
        """Do nothing: the last message says how it ended."""


def run_child(connection: Connection, job: Job, task: Task) -> None:
    """Run a task in this process.

    Parameters
    ----------
    connection : multiprocessing.connection.Connection
        To the worker.
    job : callable
        What to do.
    task : Task
        With what.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to hear
    stop = threading.Event()
    threading.Thread(target=_listen, args=(connection, stop), daemon=True).start()
    lock = threading.Lock()

    def send(*message: Any) -> None:
        with lock:
            try:
                connection.send(message)
            except OSError:
                os._exit(_ORPHANED)

    progress = _PipeProgress(send)
    try:
        outcome = job(task, progress, stop.is_set)
    except BaseException as error:
        kind = _kind(error, stop.is_set())
        described = None if kind == CANCELLED else describe_error(error, progress.current).model_dump()
        send(kind, described)
    else:
        send(DONE, outcome)


def _kind(error: BaseException, stopped: bool) -> str:
    """Say what an error means: that the run was cancelled, that it failed, or that trying again may help."""
    if stopped and isinstance(error, ClusterBayesError):
        return CANCELLED
    if isinstance(error, ClusterBayesError):
        return FAILED
    return PASSING if isinstance(error, OSError | MemoryError) else FAILED


def _listen(connection: Connection, stop: threading.Event) -> None:
    while True:
        try:
            connection.recv()
        except (EOFError, OSError):
            os._exit(_ORPHANED)
        stop.set()
