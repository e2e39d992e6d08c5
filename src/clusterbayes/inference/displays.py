"""Showing how far a fit is: a bar in a terminal or a notebook, plain lines in a log.

All of them have the interface of `clusterbayes.inference.progress.Progress`: `stage`, `update` and `close`.
`progress_for` chooses the one that suits the place.
"""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from clusterbayes.inference.progress import Progress as ProgressLike

__all__ = ["BarProgress", "LineProgress", "NotebookProgress", "TimeLeft", "in_notebook", "progress_for"]

_SURE = 3.0  # s of a stage after which its pace says something


def _words(stage: str) -> str:
    return stage.replace("_", " ")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


class TimeLeft:
    """Estimates how long a stage will still take, from its pace since the first word of it.

    A fit that goes on after a break begins in the middle of a stage: what was done before says nothing of the pace.

    Parameters
    ----------
    clock : callable
        Returns the present time [s].
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, float] | None = None

    def begin(self) -> None:
        """Begin a stage."""
        self._first = None

    def __call__(self, percent: float) -> str:
        """Return the time left in words, "" as long as nothing can be said."""
        now = self._clock()
        self._first = self._first or (now, percent)
        spent, done = now - self._first[0], percent - self._first[1]
        if spent < _SURE or done <= 0.0 or percent >= 100.0:
            return ""
        return f"about {_duration(spent * (100.0 - percent) / done)} left"


class BarProgress:
    """A bar for each stage, with the time that it took and the time that it will still take.

    Parameters
    ----------
    console : rich.console.Console
        Where to draw.
    clock : callable
        Returns the present time [s].
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = TimeLeft(clock)
        self._bars = Progress(
            TextColumn("[bold]{task.fields[place]}[/] {task.description:<10}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[message]}"),
            console=console,
        )
        self._task: TaskID | None = None
        self._message = ""

    def stage(self, name: str, index: int, total: int) -> None:
        """Begin stage `name`, the `index`-th (from 0) of `total`; the one before it is done."""
        self._finish()
        self._left.begin()
        self._message = ""
        self._bars.start()
        place = f"{index + 1}/{total}"
        self._task = self._bars.add_task(_words(name), total=100.0, place=place, message="")

    def update(self, percent: float, message: str = "") -> None:
        """Report how much of the stage is done (0 to 100)."""
        if self._task is not None:
            self._message, text = message, ", ".join(filter(None, (self._left(percent), message)))
            self._bars.update(self._task, completed=min(max(percent, 0.0), 100.0), message=text)

    def close(self) -> None:
        """Leave the bars as they are and stop drawing; may be called more than once."""
        self._bars.stop()

    def _finish(self) -> None:
        if self._task is not None:
            self._bars.update(self._task, completed=100.0, message=self._message)


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
        self, write: Callable[[str], object], every: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._every, self._clock = write, every, clock
        self._start = self._last = clock()
        self._left = TimeLeft(clock)
        self._place = ""

    def stage(self, name: str, index: int, total: int) -> None:
        """Begin stage `name`, the `index`-th (from 0) of `total`."""
        self._last = self._clock()
        self._left.begin()
        self._place = f"{index + 1}/{total} {_words(name)}"
        self._say("")

    def update(self, percent: float, message: str = "") -> None:
        """Report how much of the stage is done (0 to 100)."""
        left, now = self._left(percent), self._clock()
        if now - self._last < self._every:
            return
        self._last = now
        self._say(f": {', '.join(filter(None, (f'{percent:.0f} %', left, message)))}")

    def close(self) -> None:
        """Do nothing: every line is complete."""

    def _say(self, text: str) -> None:
        self._write(f"[{self._clock() - self._start:6.1f} s] {self._place}{text}")


class NotebookProgress:
    """One bar below a notebook's cell, for the present stage; needs no widgets.

    Parameters
    ----------
    show : callable, optional
        Takes HTML, and replaces by it what it was given before; IPython's display if left out.
    clock : callable
        Returns the present time [s].
    """

    def __init__(
        self, show: Callable[[str], object] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._show, self._clock = show or _cell_output(), clock
        self._start, self._left = clock(), TimeLeft(clock)
        self._place = ""

    def stage(self, name: str, index: int, total: int) -> None:
        """Begin stage `name`, the `index`-th (from 0) of `total`."""
        self._left.begin()
        self._place = f"{index + 1}/{total} {_words(name)}"
        self.update(0.0)

    def update(self, percent: float, message: str = "") -> None:
        """Report how much of the stage is done (0 to 100)."""
        spent = _duration(self._clock() - self._start)
        text = ", ".join(filter(None, (f"{percent:.0f} %", message, f"{spent} in all", self._left(percent))))
        bar = f'<progress value="{min(max(percent, 0.0), 100.0):.1f}" max="100" style="width: 16em"></progress>'
        self._show(f"<div><b>{html.escape(self._place)}</b> {bar} {html.escape(text)}</div>")

    def close(self) -> None:
        """Say that it is over; may be called more than once."""
        if self._place:
            self._show(f"<div>{html.escape(self._place)}: ended after {_duration(self._clock() - self._start)}</div>")


def _cell_output() -> Callable[[str], object]:
    """Make a place in the present cell's output, and return what fills it."""
    from IPython.display import HTML, display

    handle: list[Any] = []

    def show(text: str) -> None:
        if handle:
            handle[0].update(HTML(text))
        else:
            handle.append(display(HTML(text), display_id=True))

    return show


def in_notebook() -> bool:
    """Whether this runs in a notebook's kernel."""
    shell = sys.modules.get("IPython")
    active = shell.get_ipython() if shell is not None else None
    return active is not None and hasattr(active, "kernel")


def progress_for(console: Console | None = None) -> ProgressLike:
    """Return the display that suits the place: bars in a terminal or a notebook, lines elsewhere.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to show it outside notebooks; standard error if left out.
    """
    if console is None and in_notebook():
        return NotebookProgress()
    console = console or Console(stderr=True, highlight=False)
    if console.is_terminal:
        return BarProgress(console)
    shown = console
    return LineProgress(lambda line: shown.print(line, markup=False, soft_wrap=True))
