"""Progress of a fit: one interface, and the quiet object that satisfies it.

Whoever wants to show progress passes an object with these three methods; the library never prints.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["STAGES", "Progress", "QuietProgress"]

#: Stages of a fit, in order.
STAGES = ("ingest", "crossmatch", "select", "load_grid", "search", "sample", "diagnose", "summarize", "export")


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
