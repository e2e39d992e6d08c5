"""Every command of the command line by its words, and whether words would be understood by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import typer

from clusterbayes.cli import app

__all__ = ["COMMANDS", "parse"]

_ROOT = typer.main.get_command(app)


def _commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(_commands(_ROOT))


def parse(words: Sequence[str]) -> None:
    """Read the words behind ``clusterbayes`` without doing anything.

    Raises
    ------
    AssertionError
        If there is no such command.
    Exception
        Of typer, if an option or a value is not understood.
    """
    own = next((key for key in COMMANDS if tuple(words[: len(key)]) == key), None)
    assert own, f"there is no command '{' '.join(words[:2])}'"
    COMMANDS[own].make_context(own[-1], list(words[len(own) :]))
