"""Showing how far a fit is: a bar on a terminal, plain lines in a log, nothing if asked to be quiet.

All of them have the interface of `clusterbayes.inference.progress.Progress`: `stage`, `update` and `close`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from clusterbayes.cli.console import error_console
from clusterbayes.inference.progress import Progress as ProgressLike
from clusterbayes.inference.progress import QuietProgress

__all__ = ["BarProgress", "LineProgress", "progress_for", "reporting"]


def _words(stage: str) -> str:
    return stage.replace("_", " ")


class BarProgress:
    """A bar for each stage, with the time that it took and the time that it will still take.

    Parameters
    ----------
    console : rich.console.Console
        Where to draw.
    """

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("[bold]{task.fields[place]}[/] {task.description:<10}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[message]}"),
            console=console,
        )
        self._task: TaskID | None = None

    def stage(self, name: str, index: int, total: int) -> None:
        """Begin stage `name`, the `index`-th (from 0) of `total`; the one before it is done."""
        self._finish()
        self._bars.start()
        place = f"{index + 1}/{total}"
        self._task = self._bars.add_task(_words(name), total=100.0, place=place, message="")

    def update(self, percent: float, message: str = "") -> None:
        """Report how much of the stage is done (0 to 100)."""
        if self._task is not None:
            self._bars.update(self._task, completed=min(max(percent, 0.0), 100.0), message=message)

    def close(self) -> None:
        """Leave the bars as they are and stop drawing; may be called more than once."""
        self._bars.stop()

    def _finish(self) -> None:
        if self._task is not None:
            self._bars.update(self._task, completed=100.0)


class LineProgress:
    """Plain lines: one when a stage begins, and one every few seconds within it.

    Parameters
    ----------
    write : callable
        Takes one line of text.
    every : float
        Least time between lines within a stage [s].
    clock : callable
        Returns the present time [s].
    """

    def __init__(
        self, write: Callable[[str], object], every: float = 15.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._every, self._clock = write, every, clock
        self._start = self._stage_start = self._last = clock()
        self._place = ""

    def stage(self, name: str, index: int, total: int) -> None:
        """Begin stage `name`, the `index`-th (from 0) of `total`."""
        self._stage_start = self._last = self._clock()
        self._place = f"{index + 1}/{total} {_words(name)}"
        self._say("")

    def update(self, percent: float, message: str = "") -> None:
        """Report how much of the stage is done (0 to 100)."""
        now = self._clock()
        if now - self._last < self._every:
            return
        self._last = now
        left = ""
        if 0 < percent <= 100:
            left = f", about {(now - self._stage_start) * (100 - percent) / percent:.0f} s left"
        self._say(f": {percent:.0f} %{left}" + (f", {message}" if message else ""))

    def close(self) -> None:
        """Do nothing: every line is complete."""

    def _say(self, text: str) -> None:
        self._write(f"[{self._clock() - self._start:6.1f} s] {self._place}{text}")


def progress_for(quiet: bool, console: Console | None = None) -> ProgressLike:
    """Return the display that suits the place: bars on a terminal, lines elsewhere, nothing if quiet."""
    console = console or error_console()
    if quiet:
        return QuietProgress()
    if console.is_terminal:
        return BarProgress(console)
    return LineProgress(lambda line: console.print(line, markup=False, soft_wrap=True))


@contextmanager
def reporting(quiet: bool = False, console: Console | None = None) -> Iterator[Callable[[str, float], None]]:
    """Show work that reports as (what is being done, fraction from 0 to 1): a bar on a terminal, else a line a stage.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    console : rich.console.Console, optional
        Where to show it; standard error if left out.

    Yields
    ------
    callable
        To be handed on as ``progress``.
    """
    console = console or error_console()
    if quiet:
        yield lambda stage, fraction: None
    elif console.is_terminal:
        bars = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=28), TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(), console=console, transient=True,
        )  # fmt: skip
        with bars:
            task = bars.add_task("", total=1.0)
            yield lambda stage, fraction: bars.update(task, description=stage, completed=fraction)
    else:
        last = [""]

        def say(stage: str, fraction: float) -> None:
            if stage != last[0]:
                last[0] = stage
                console.print(stage, markup=False, soft_wrap=True)

        yield say
