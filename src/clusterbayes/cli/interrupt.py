"""Ctrl-C, and being told to end: a fit is asked to stop where it can go on from, and ends at once if asked twice."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Stop", "stoppable"]


class Stop:
    """Whether somebody wants an end.

    Attributes
    ----------
    patient : bool
        Whether the work asks `wanted` often; if not, a signal ends it at once, by KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self.patient = True
        self._event = threading.Event()

    def wanted(self) -> bool:
        """Whether a signal has come."""
        return self._event.is_set()

    def now(self) -> None:
        """End at once from here on when a signal comes, and if one has come already."""
        self.patient = False
        if self.wanted():
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: object) -> None:
        if self.wanted() or not self.patient:
            raise KeyboardInterrupt
        self._event.set()


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Turn SIGINT (Ctrl-C) and SIGTERM into a wish inside the block; the second one is no longer a wish.

    Yields
    ------
    Stop
        In a thread other than the main one, where no signals arrive, nothing is ever wanted.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop._hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
