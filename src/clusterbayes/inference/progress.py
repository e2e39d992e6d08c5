"""Progress of a fit: one interface, the quiet object that satisfies it, and one that calls a function.

Whoever wants to show progress passes an object with these three methods, or a function; the library never prints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

__all__ = ["STAGES", "CallProgress", "OnProgress", "Progress", "QuietProgress"]

#: Stages of a fit, in order.
STAGES = ("ingest", "crossmatch", "select", "load_grid", "search", "sample", "diagnose", "summarize", "export")

#: Takes the stage, its index (from 0), the number of stages, percent (0 to 100), and a message.
OnProgress = Callable[[str, int, int, float, str], object]


@runtime_checkable
class Progress(Protocol):
    """What a progress display must offer."""

    def stage(self, name: str, index: int, total: int) -> None:
        """Begin stage `name`, the `index`-th (from 0) of `total`."""

    def update(self, percent: float, message: str = "") -> None:
        """Report how much of the stage is done (0 to 100)."""

    def close(self) -> None:
        """End the display."""


class QuietProgress:
    """Shows nothing."""

    def stage(self, name: str, index: int, total: int) -> None:
        """Do nothing."""

    def update(self, percent: float, message: str = "") -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class CallProgress:
    """Calls a function when a stage begins and whenever there is something to report.

    Parameters
    ----------
    told : callable
        Takes (stage, index, total, percent, message).
    """

    def __init__(self, told: OnProgress) -> None:
        self._told = told
        self._place = (STAGES[0], 0, len(STAGES))

    def stage(self, name: str, index: int, total: int) -> None:
        """Tell that stage `name` begins: 0 percent, no message."""
        self._place = (name, index, total)
        self._told(*self._place, 0.0, "")

    def update(self, percent: float, message: str = "") -> None:
        """Tell how much of the stage is done (0 to 100)."""
        self._told(*self._place, percent, message)

    def close(self) -> None:
        """Do nothing."""
