"""Limits of a job: time, memory, and the wish of whoever runs the batch to stop.

A thread beside the job looks at the clock, at the memory of the process and for the stop file, and says so when the fit
asks, which it does several times a second. A fit that does not ask, because compiled code holds it up, gets some grace;
then the job's end is written down and the process ends, and the batch starts another.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Guard", "Limits"]

_EVERY = 0.5  # s
_ENDED = 71  # exit code of a process that ended for its job's sake
_STOPPED = "stopped"


@dataclass(frozen=True)
class Limits:
    """What one job may take.

    Attributes
    ----------
    seconds : float or None
        Time of one attempt [s].
    memory : float or None
        Resident memory of its worker's process, libraries included [bytes].
    grace : float
        Time that a fit has to end by itself after that [s].
    """

    seconds: float | None = None
    memory: float | None = None
    grace: float = 60.0


class Guard:
    """Watches over one job.

    Parameters
    ----------
    limits : Limits
    stop : Path
        The file whose being there means to stop.

    Attributes
    ----------
    peak : int
        The most memory that the process had while it was watched [bytes].
    """

    def __init__(self, limits: Limits, stop: Path) -> None:
        self._limits, self._stop, self._begun = limits, stop, time.monotonic()
        self._reason: str | None = None
        self._over = threading.Event()
        self.peak = 0

    def stopped(self) -> bool:
        """Whether the batch is to stop."""
        return self._stop.exists()

    def stopped_after(self, seconds: float) -> bool:
        """Whether it is to stop, asked after a while."""
        time.sleep(seconds)
        return self.stopped()

    def wanted(self) -> bool:
        """Whether the fit is to end: what a fit takes as ``cancel``."""
        return self._reason is not None

    def verdict(self) -> tuple[str, str]:
        """Return the reason code and a sentence."""
        limits = self._limits
        sentences = {
            "time_limit": f"the fit took longer than its limit of {limits.seconds or 0:g} s",
            "memory_limit": f"the worker's memory grew beyond {(limits.memory or 0) / 1e9:.3g} GB",
        }
        reason = self._reason or _STOPPED
        return reason, sentences.get(reason, "the batch was stopped")

    @contextmanager
    def watching(self, last_words: Callable[[str, str], object]) -> Iterator[None]:
        """Watch inside the block.

        Parameters
        ----------
        last_words : callable
            Takes reason code and sentence, just before the process is ended because the job did not end by itself.
        """
        self._begun = time.monotonic()
        thread = threading.Thread(target=self._watch, args=(last_words,), name="guard", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self, last_words: Callable[[str, str], object]) -> None:
        import psutil

        process, since = psutil.Process(), None
        while True:
            memory = process.memory_info().rss
            self.peak = max(self.peak, memory)
            if self._over.wait(_EVERY):
                return
            self._reason = self._reason or self._exceeded(memory)
            if self._reason is None:
                continue
            since = since or time.monotonic()
            if time.monotonic() - since > self._limits.grace and not self._over.is_set():
                if self._reason != _STOPPED:
                    last_words(*self.verdict())
                os._exit(_ENDED)

    def _exceeded(self, memory: float) -> str | None:
        limits = self._limits
        if self.stopped():
            return _STOPPED
        if limits.seconds is not None and time.monotonic() - self._begun > limits.seconds:
            return "time_limit"
        return "memory_limit" if limits.memory is not None and memory > limits.memory else None
