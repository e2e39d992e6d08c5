"""Showing on the command line how far something is: a bar on a terminal, plain lines in a log, nothing if quiet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from clusterbayes.cli.console import error_console
from clusterbayes.inference import displays
from clusterbayes.inference.progress import Progress as ProgressLike
from clusterbayes.inference.progress import QuietProgress

__all__ = ["progress_for", "reporting"]


def progress_for(quiet: bool, console: Console | None = None) -> ProgressLike:
    """Return the display of a fit that suits the place: bars on a terminal, lines elsewhere, nothing if quiet."""
    return QuietProgress() if quiet else displays.progress_for(console or error_console())


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
