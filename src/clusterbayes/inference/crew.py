"""Threads that do independent pieces of a fit side by side.

The compiled likelihood lets go of Python's lock, so two climbs, or two ensembles of walkers, take the time of one. The
linear algebra inside each piece keeps to its own thread: its last digits would otherwise depend on how many there are.
Once the caller no longer waits, because a fit is cancelled or something went wrong, pieces end at their next heartbeat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from types import TracebackType
from typing import Self, TypeVar

from threadpoolctl import threadpool_limits

from clusterbayes.heartbeat import beat, beating

__all__ = ["Crew"]

_WAIT = 0.5  # s, between beats while threads work
Result = TypeVar("Result")


class _Abandoned(BaseException):
    """Nobody waits for the work any more; not an Exception, so that no work takes it for an error of its own."""


class Crew:
    """Runs calls side by side; a context manager, which ends what still runs when it is left.

    Parameters
    ----------
    n_threads : int
        With 1 everything runs in the caller's thread.
    """

    def __init__(self, n_threads: int) -> None:
        self._pool = ThreadPoolExecutor(n_threads) if n_threads > 1 else None
        self._left = Event()
        self._limits = threadpool_limits(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        try:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
        finally:  # whoever is interrupted once more while threads come to their next beat
            self._limits.restore_original_limits()

    def run(
        self, calls: Sequence[Callable[[], Result]], *, after: Callable[[int], object] = lambda done: None
    ) -> list[Result]:
        """Return the results of some calls, in their order.

        Parameters
        ----------
        calls : sequence of callables
            They must not depend on each other.
        after : callable
            Takes how many calls are done, each time that there are more; called in the caller's thread.
        """
        if self._pool is None:
            results = []
            for call in calls:
                results.append(call())
                after(len(results))
            return results
        futures = [self._pool.submit(self._work, call) for call in calls]
        waiting, told = set(futures), 0
        while waiting:
            done, waiting = wait(waiting, timeout=_WAIT, return_when="FIRST_COMPLETED")
            for future in done:
                future.result()  # raises what went wrong, at once
            beat()
            if done:
                told += len(done)
                after(told)
        return [future.result() for future in futures]

    def _work(self, call: Callable[[], Result]) -> Result:
        """Do a call in a thread of the pool, as long as the crew is not left."""
        with beating(self._go_on):
            return call()

    def _go_on(self) -> None:
        if self._left.is_set():
            raise _Abandoned
