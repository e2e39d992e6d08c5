"""Where the commands write to, and how they end.

Results go to standard output, everything else (progress, reports, errors) to standard error. An error that the library
raises on purpose ends a command with its message and exit code 2; Ctrl-C ends it with 130. The options that steer this
are the same in every command.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from clusterbayes.errors import ClusterBayesError, SettingsError

__all__ = [
    "JsonOption", "OverwriteOption", "QuietOption", "error_console", "guarded", "messages", "output_console",
    "refuse_existing",
]  # fmt: skip

P = ParamSpec("P")
R = TypeVar("R")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing unless something is wrong.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")]


def output_console() -> Console:
    """Return a console on the present standard output."""
    return Console(highlight=False)


def error_console(quiet: bool = False) -> Console:
    """Return a console on the present standard error, one that shows nothing if `quiet`."""
    return Console(stderr=True, highlight=False, quiet=quiet)


def refuse_existing(*paths: Path | None, overwrite: bool) -> None:
    """Refuse files that exist, before any work is done; None is a file that is not wanted.

    Raises
    ------
    SettingsError
        If one exists and may not be replaced.
    """
    for path in paths:
        if path is not None and path.exists() and not overwrite:
            raise SettingsError("the file exists", str(path), remedy="choose another name (--out), or give --overwrite")


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command end with a message, not a traceback, where the user can put things right."""

    @wraps(command)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (ClusterBayesError, OSError) as error:
            error_console().print(f"[bold red]Error:[/] {escape(_words(error))}", soft_wrap=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            error_console().print("Interrupted; nothing was written.")
            raise typer.Exit(130) from None

    return inside


def _words(error: Exception) -> str:
    """Return the message, that of the system without its number and with the name in front."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error)


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: Console, level: int) -> None:
        super().__init__(level)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(record.getMessage(), markup=False, soft_wrap=True)


@contextmanager
def messages(console: Console, quiet: bool) -> Iterator[None]:
    """Show inside the block what the library logs: information and warnings, or warnings only if `quiet`."""
    logger = logging.getLogger("clusterbayes")
    handler, level = _ConsoleHandler(console, logging.WARNING if quiet else logging.INFO), logger.level
    logger.addHandler(handler)
    logger.setLevel(handler.level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
