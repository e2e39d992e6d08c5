"""The workers of a batch: a thin layer over a dask.distributed client.

It hands tasks out with their priority, gives back what has ended in the order in which it ends, tells the death of a
worker from an error of a job, and notices when the scheduler is gone. The embedded cluster is made here, too.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clusterbayes.batch.work import STOPPED, Task, run_job
from clusterbayes.errors import BatchError, FitCancelled
from clusterbayes.extras import require_extra

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Crowd", "Ended", "connected"]

_SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # a lost worker is counted for the job that it had; see `fit_many`
    "distributed.scheduler.worker-saturation": 1.0,  # no task waits at a worker that is busy with a long one
    "distributed.worker.memory.pause": False,  # limits of memory are the batch's own
    "distributed.admin.tick.limit": "60s",  # compiling holds up the event loop, which is no news
}
_FETCHING = 20.0  # s, for a row that is finished
_ASK = 2.0  # s, between two questions how many workers there are


@dataclass(frozen=True)
class Ended:
    """A task that has ended: with a row, or with an error."""

    task: Task
    rank: int
    row: dict[str, Any] | None
    error: BaseException | None


class Crowd:
    """Hands out tasks and takes in what has ended.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self.waiting: dict[Any, tuple[Future, Task, int]] = {}
        self._serial = 0
        self._asked, self._n_workers = -math.inf, 0

    @property
    def n_workers(self) -> int:
        """How many workers there are, or were two seconds ago."""
        now = time.monotonic()
        if now - self._asked > _ASK:
            self._asked = now
            try:
                self._n_workers = len(self._client.scheduler_info(n_workers=-1)["workers"])
            except (OSError, RuntimeError):  # `next_ended` says it better
                self._n_workers = 0
        return self._n_workers

    def submit(self, task: Task, rank: int) -> None:
        """Hand out a task; a lower rank goes first."""
        self._serial += 1
        key = (f"fit-{task.run}", self._serial)  # one group, so that tasks wait at the scheduler, not at busy workers
        future = self._client.submit(run_job, task, key=key, priority=-rank, pure=False)
        self.waiting[key] = future, task, rank
        future.add_done_callback(self._ended.put)

    def next_ended(self, timeout: float) -> Ended | None:
        """Return a task that has ended, or None if none does within some time [s].

        Raises
        ------
        BatchError
            If the scheduler is gone.
        """
        from distributed.comm import CommClosedError

        try:
            future = self._ended.get(timeout=timeout)
        except queue.Empty:
            if not self._alive():
                raise _gone(self._client) from None
            return None
        if future.status in ("pending", "lost"):  # its row died with a worker; the scheduler asks for it again
            future.add_done_callback(self._ended.put)
            return None
        if future.status == "cancelled" or not self._alive():
            raise _gone(self._client)
        row, error = None, None
        try:
            row = future.result(timeout=_FETCHING)
        except TimeoutError:
            future.add_done_callback(self._ended.put)
            return None
        except CancelledError:
            raise _gone(self._client) from None
        except CommClosedError:
            raise _gone(self._client) from None
        except Exception as problem:  # whatever the job's end raised, or KilledWorker
            error = problem
        _, task, rank = self.waiting.pop(future.key)
        return Ended(task, rank, row, error)

    def wind_up(self, seconds: float) -> list[dict[str, Any]]:
        """Take back what has not begun, wait some time for the rest, and return the rows of what ended meanwhile."""
        rows = []
        try:
            busy = {key for keys in self._client.processing().values() for key in keys}
            idle = [key for key in self.waiting if key not in busy]
            self._client.cancel([self.waiting.pop(key)[0] for key in idle])
            end = time.monotonic() + seconds
            while self.waiting and time.monotonic() < end:
                future = self._ended.get(timeout=max(end - time.monotonic(), 0.0))
                if self.waiting.pop(future.key, None) is not None and future.status == "finished":
                    rows.append(future.result(timeout=_FETCHING))
        except (OSError, queue.Empty, BatchError):  # the scheduler is gone, or somebody takes too long
            pass
        return [row for row in rows if row["status"] != STOPPED]

    def _alive(self) -> bool:
        return self._client.status == "running"

    @staticmethod
    def is_loss(error: BaseException) -> bool:
        """Whether an error says that the worker of a task died."""
        from distributed.scheduler import KilledWorker

        return isinstance(error, KilledWorker)


def _gone(client: Client) -> BatchError:
    address = getattr(client.scheduler, "address", None)
    return BatchError("the scheduler is gone", address, remedy="start one, and run the same again to go on")


def _check_threads(client: Client) -> None:
    """Refuse workers that would do two jobs in one process, where one could end the other."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    for address, about in workers.items():
        if about["nthreads"] != 1:
            remedy = "start workers with --nthreads 1, and more of them"
            raise BatchError(f"this worker has {about['nthreads']} threads, but fits need one each", address, remedy)


@contextmanager
def connected(client: Client | None, n_workers: int | None, cancel: Callable[[], bool]) -> Iterator[Crowd]:
    """Yield the workers of a client, or of a cluster of processes on this machine that ends with the block.

    Parameters
    ----------
    client : distributed.Client or None
    n_workers : int or None
        Processes, if there is no client; one a core if left out.
    cancel : callable
        Whether to give up waiting for the cluster.

    Raises
    ------
    BatchError
        If the client is not connected, or its workers have several threads.
    MissingExtraError
        If dask.distributed is not installed.
    """
    if client is not None:
        if client.status != "running":
            raise _gone(client)
        _check_threads(client)
        yield Crowd(client)
        return
    require_extra("batch", "distributed")
    import dask
    from distributed import Client, LocalCluster

    number = n_workers or os.cpu_count() or 1
    with dask.config.set(_SETTINGS):
        cluster = LocalCluster(
            n_workers=number, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )  # fmt: skip
        with cluster, Client(cluster) as local:
            local.register_plugin(_quiet_plugin())
            if cancel():
                raise FitCancelled("the batch was stopped", "batch", "run it again to go on")
            yield Crowd(local)


def _quiet_plugin() -> Any:
    """Return a plugin by which workers leave Ctrl-C to the process that runs the batch."""
    from distributed import WorkerPlugin

    class Quiet(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Quiet()
