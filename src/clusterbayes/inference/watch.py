"""Keeping whoever waits for a fit informed, and breaking it off when asked to.

A `Watch` stands between a fit and a `Progress` display. It hears of every step and heartbeat of the numerical code,
many times a second or, on large catalogues, a few times; it passes on what is worth showing, repeats the last word
when nothing new has happened, and asks now and then whether the fit is to be cancelled.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from clusterbayes.errors import FitCancelled
from clusterbayes.inference.progress import STAGES, Progress

__all__ = ["Watch"]

_SHOW = 0.5  # s, least time between two updates of the display within a stage
_ASK = 0.2  # s, least time between two questions whether to cancel


class Watch:
    """Follows a fit through its stages.

    Parameters
    ----------
    progress : Progress
    cancel : callable, optional
        Returns whether the fit is to be broken off; asked at the beginning of each stage and about five times a second.
    remedy : callable, optional
        Returns what can be done about a fit that was cancelled.
    clock : callable
        Returns the present time [s].
    """

    def __init__(
        self,
        progress: Progress,
        cancel: Callable[[], bool] | None = None,
        *,
        remedy: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress, self._cancel, self._remedy, self._clock = progress, cancel, remedy, clock
        self.current = STAGES[0]
        self._percent, self._message = 0.0, ""
        self._shown = self._asked = -float("inf")

    def stage(self, name: str) -> None:
        """Begin a stage.

        Raises
        ------
        FitCancelled
            If the fit is to be broken off.
        """
        self.current, self._percent, self._message = name, 0.0, ""
        self._progress.stage(name, STAGES.index(name), len(STAGES))
        self._shown = self._asked = -float("inf")
        self._ask()

    def report(self, percent: float, message: str = "") -> None:
        """Take note of how much of the stage is done (0 to 100, never falling); raises as `stage`."""
        self._percent, self._message = max(self._percent, percent), message
        self.beat()

    def beat(self) -> None:
        """Take note that the work goes on; raises as `stage`."""
        self._ask()
        now = self._clock()
        if now - self._shown >= _SHOW:
            self._shown = now
            self._progress.update(self._percent, self._message)

    def _ask(self) -> None:
        now = self._clock()
        if self._cancel is None or now - self._asked < _ASK:
            return
        self._asked = now
        if self._cancel():
            raise FitCancelled("the fit was cancelled", self.current, self._remedy())
