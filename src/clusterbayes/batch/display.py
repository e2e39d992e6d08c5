"""How far a batch is: one interface, a silent display, a bar for terminals and lines for logs."""

from __future__ import annotations

import time
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from clusterbayes.wording import counted

__all__ = ["BatchBar", "BatchLines", "BatchProgress", "QuietBatch"]


class BatchProgress(Protocol):
    """What a display of a batch must offer."""

    def begin(self, total: int, done: int) -> None:
        """Begin: so many jobs, of which so many were done before."""

    def workers(self, number: int) -> None:
        """Take note of how many workers there are."""

    def ended(self, row: dict[str, Any]) -> None:
        """Take note of a job that has ended, by its row of the summary."""

    def close(self) -> None:
        """End the display."""


class QuietBatch:
    """Shows nothing."""

    def begin(self, total: int, done: int) -> None:
        """Do nothing."""

    def workers(self, number: int) -> None:
        """Do nothing."""

    def ended(self, row: dict[str, Any]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class BatchBar:
    """A bar with the time that is left.

    Parameters
    ----------
    console : rich.console.Console
        A terminal.
    """

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=28), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=console,
            speed_estimate_period=3600.0,
        )  # fmt: skip
        self._failed, self._workers = 0, 0

    def begin(self, total: int, done: int) -> None:
        """Show the bar; what was done before counts, but not for the time that is left."""
        self._task = self._bars.add_task("clusters", total=total, completed=done, note="waiting for workers")
        self._bars.start()

    def workers(self, number: int) -> None:
        """Show how many there are."""
        if number != self._workers:
            self._workers = number
            self._note()

    def ended(self, row: dict[str, Any]) -> None:
        """Step on, and say what failed."""
        if row["status"] != "done":
            self._failed += 1
            self._bars.console.print(_line(row), markup=False, soft_wrap=True)
        self._bars.advance(self._task)
        self._note()

    def _note(self) -> None:
        failed = f", {self._failed} failed" if self._failed else ""
        workers = f"{self._workers} workers" if self._workers else "waiting for workers"
        self._bars.update(self._task, note=f"{workers}{failed}")

    def close(self) -> None:
        """End the bar."""
        self._bars.stop()


class BatchLines:
    """A line for each job that has ended.

    Parameters
    ----------
    console : rich.console.Console
        A log.
    """

    def __init__(self, console: Console) -> None:
        self._console, self._begun = console, time.monotonic()
        self._total = self._ended = self._before = 0

    def begin(self, total: int, done: int) -> None:
        """Say how many there are."""
        self._total, self._before, self._begun = total, done, time.monotonic()
        self._say(f"{counted(total, 'cluster')}, {done} done before")

    def workers(self, number: int) -> None:
        """Do nothing."""

    def ended(self, row: dict[str, Any]) -> None:
        """Say which, how, and how long the rest may take."""
        self._ended += 1
        here = self._before + self._ended
        left = (time.monotonic() - self._begun) / self._ended * (self._total - here)
        self._say(f"{here}/{self._total} {_line(row)}; about {_duration(left)} left")

    def close(self) -> None:
        """Do nothing."""

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def _line(row: dict[str, Any]) -> str:
    if row["status"] == "done":
        return f"{row['name']}: done, quality {row.get('quality', '-')}, {row.get('seconds', 0.0):.0f} s"
    return f"{row['name']}: failed ({row['reason']}): {row['message']}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
