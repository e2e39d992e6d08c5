"""What can go wrong, said so that the reader can put it right.

Every error of the library derives from `ClusterBayesError` and from a builtin, carries the values that it is about as
plain arguments (so that it survives pickling between processes), and composes its message from them: what is wrong,
where, what was expected, and what to do. The command line prints that message and nothing else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "BandError",
    "BatchError",
    "CheckpointError",
    "ClusterBayesError",
    "FitCancelled",
    "FitError",
    "GridError",
    "GridRangeError",
    "InputError",
    "SettingsError",
    "close_matches",
]


def close_matches(text: str, choices: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """Return the choices that a mistyped name most probably meant.

    Parameters
    ----------
    text : str
        The name as it was given.
    choices : iterable of str
        The names that exist; repeats are looked at once.
    count : int
        The largest number of suggestions.

    Returns
    -------
    tuple of str
        Best match first, compared without regard to case; empty if nothing is close.
    """
    by_key: dict[str, list[str]] = {}
    for choice in choices:
        names = by_key.setdefault(choice.lower(), [])
        if choice not in names:
            names.append(choice)
    keys = difflib.get_close_matches(text.lower(), by_key, n=count, cutoff=0.6)
    return tuple(name for key in keys for name in by_key[key])[:count]


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "?", "!")) else text + "."


def _compose(problem: str, where: Iterable[str] = (), **parts: Any) -> str:
    """Join a problem, its place and the remaining labelled parts into one message."""
    places = ", ".join(place for place in where if place)
    message = _sentence(f"{places}: {problem}" if places else problem)
    for label, value in parts.items():
        if value is not None and value != "":
            message += " " + _sentence(f"{label.capitalize()}: {value}")
    return message


class ClusterBayesError(Exception):
    """Base class of every error that the library raises on purpose."""


class BandError(ClusterBayesError, ValueError):
    """A band or a colour is not known, or does not fit where it was asked for.

    Parameters
    ----------
    name : str
        The band as it was given.
    problem : str, optional
        What is wrong; "unknown band" if it is left out.
    suggestions : tuple of str
        Names that may have been meant.
    remedy : str, optional
        What to do about it.
    """

    def __init__(
        self, name: str, problem: str | None = None, suggestions: Iterable[str] = (), remedy: str | None = None
    ) -> None:
        suggestions = tuple(suggestions)
        super().__init__(name, problem, suggestions, remedy)
        self.name, self.problem, self.suggestions, self.remedy = name, problem, suggestions, remedy

    def __str__(self) -> str:
        message = _sentence(self.problem or f"unknown band '{self.name}'")
        if self.suggestions:
            message += f" Did you mean {' or '.join(self.suggestions)}?"
        return message + (f" {_sentence(self.remedy[:1].upper() + self.remedy[1:])}" if self.remedy else "")


class InputError(ClusterBayesError, ValueError):
    """A table or one of its values cannot be used.

    Parameters
    ----------
    problem : str
        What is wrong.
    source : str, optional
        The file or table.
    column : str, optional
        The column, as the input names it.
    row : int, optional
        The input row, counted from 0 without the header.
    value : object, optional
        The value that was found.
    expected : str, optional
        What would have been right.
    remedy : str, optional
        What to do about it.
    line : int, optional
        The line of a text file, counted from 1 with the header.
    """

    def __init__(
        self,
        problem: str,
        source: str | None = None,
        column: str | None = None,
        row: int | None = None,
        value: Any = None,
        expected: str | None = None,
        remedy: str | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(problem, source, column, row, value, expected, remedy, line)
        self.problem, self.source, self.column, self.row = problem, source, column, row
        self.value, self.expected, self.remedy, self.line = value, expected, remedy, line

    def located(self, *, source: str | None = None, row: int | None = None, line: int | None = None) -> InputError:
        """Return the same error with its place said more closely; what is left out stays."""
        place = (source or self.source, self.column, self.row if row is None else row)
        return InputError(self.problem, *place, self.value, self.expected, self.remedy, line or self.line)

    def __str__(self) -> str:
        where = (
            self.source or "",
            f"line {self.line}" if self.line is not None else "",
            f"column '{self.column}'" if self.column is not None else "",
            f"row {self.row} (from 0)" if self.row is not None else "",
            f"value {self.value}" if self.value is not None else "",
        )
        return _compose(self.problem, where, expected=self.expected, remedy=self.remedy)


class GridRangeError(ClusterBayesError, ValueError):
    """A parameter lies outside the isochrone grid.

    Parameters
    ----------
    name : str
        The parameter.
    value : float
        The value asked for.
    low, high : float
        The range of the grid, in the same unit.
    """

    def __init__(self, name: str, value: float, low: float, high: float) -> None:
        super().__init__(name, value, low, high)
        self.name, self.value, self.low, self.high = name, value, low, high

    def __str__(self) -> str:
        digits = "g" if f"{self.value:g}" not in (f"{self.low:g}", f"{self.high:g}") else ".10g"
        if self.low == self.high:
            return f"{self.name}={self.value:{digits}}: the grid has only {self.name} = {self.low:{digits}}"
        return f"{self.name}={self.value:{digits}} is outside the grid [{self.low:{digits}}, {self.high:{digits}}]"


class GridError(ClusterBayesError, ValueError):
    """An isochrone grid is missing, damaged, or lacks what was asked of it.

    Parameters
    ----------
    problem : str
        What is wrong.
    source : str, optional
        The grid's name or file.
    expected : str, optional
        What would have been right.
    remedy : str, optional
        What to do about it.
    """

    def __init__(
        self, problem: str, source: str | None = None, expected: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(problem, source, expected, remedy)
        self.problem, self.source, self.expected, self.remedy = problem, source, expected, remedy

    def __str__(self) -> str:
        return _compose(self.problem, (self.source or "",), expected=self.expected, remedy=self.remedy)


class SettingsError(ClusterBayesError, ValueError):
    """An option cannot be understood or cannot be carried out.

    Parameters
    ----------
    problem : str
        What is wrong.
    name : str, optional
        The option or parameter.
    value : object, optional
        The value that was given.
    expected : str, optional
        What would have been right.
    remedy : str, optional
        What to do about it.
    suggestions : tuple of str
        Names that may have been meant.
    """

    def __init__(
        self,
        problem: str,
        name: str | None = None,
        value: Any = None,
        expected: str | None = None,
        remedy: str | None = None,
        suggestions: Iterable[str] = (),
    ) -> None:
        suggestions = tuple(suggestions)
        super().__init__(problem, name, value, expected, remedy, suggestions)
        self.problem, self.name, self.value = problem, name, value
        self.expected, self.remedy, self.suggestions = expected, remedy, suggestions

    @classmethod
    def unknown(cls, kind: str, name: str, choices: Iterable[str]) -> SettingsError:
        """Make the error for a name that is none of the known ones, with suggestions.

        Parameters
        ----------
        kind : str
            What the name stands for, e.g. "parameter".
        name : str
            The name as it was given.
        choices : iterable of str
            The names that exist.
        """
        names = tuple(choices)
        return cls(
            f"unknown {kind} '{name}'",
            expected="one of " + ", ".join(names) if names else None,
            suggestions=close_matches(name, names),
        )

    def __str__(self) -> str:
        where = (self.name or "", f"value {self.value}" if self.value is not None else "")
        message = _compose(self.problem, where, expected=self.expected, remedy=self.remedy)
        return message + (f" Did you mean {' or '.join(self.suggestions)}?" if self.suggestions else "")


class FitError(ClusterBayesError, RuntimeError):
    """A fit that started from valid input could not be finished.

    Parameters
    ----------
    problem : str
        What went wrong.
    stage : str, optional
        The stage of the fit, e.g. "search" or "sample".
    remedy : str, optional
        What to do about it.
    """

    def __init__(self, problem: str, stage: str | None = None, remedy: str | None = None) -> None:
        super().__init__(problem, stage, remedy)
        self.problem, self.stage, self.remedy = problem, stage, remedy

    def __str__(self) -> str:
        return _compose(self.problem, (f"stage {self.stage}" if self.stage else "",), remedy=self.remedy)


class FitCancelled(FitError):
    """A fit was broken off because somebody asked for it; `stage` says where it was."""


class CheckpointError(ClusterBayesError, ValueError):
    """A checkpoint belongs to another fit, or can't be read.

    Parameters
    ----------
    problem : str
        What is wrong.
    path : str
        The file.
    differences : tuple of (str, str, str)
        What differs: its name, the value in the checkpoint, and the present one.
    remedy : str, optional
        What to do about it.
    """

    def __init__(
        self, problem: str, path: str, differences: Iterable[tuple[str, str, str]] = (), remedy: str | None = None
    ) -> None:
        differences = tuple(differences)
        super().__init__(problem, path, differences, remedy)
        self.problem, self.path, self.differences, self.remedy = problem, path, differences, remedy

    def __str__(self) -> str:
        changed = "; ".join(f"{name} was {old}, now {new}" for name, old, new in self.differences)
        return _compose(self.problem, (self.path,), changed=changed, remedy=self.remedy)


class BatchError(ClusterBayesError, RuntimeError):
    """A batch of fits can't go on; what is finished is kept.

    Parameters
    ----------
    problem : str
        What went wrong.
    where : str, optional
        The folder or the address that it is about.
    remedy : str, optional
        What to do about it.
    """

    def __init__(self, problem: str, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(problem, where, remedy)
        self.problem, self.where, self.remedy = problem, where, remedy

    def __str__(self) -> str:
        return _compose(self.problem, (self.where or "",), remedy=self.remedy)
