"""What goes wrong between a service and its runs, and how it is written down.

`describe_error` turns an exception into the record's form of an error: with its traceback, and without passwords and
tokens that a message may carry.
"""

from __future__ import annotations

import re
import traceback
from typing import Any

from clusterbayes.errors import ClusterBayesError
from clusterbayes.records.record import ErrorMessage, without_nonfinite

__all__ = [
    "ConflictError", "DatabaseError", "LostRunError", "RunNotFoundError", "describe_error", "storable",
    "without_secrets",
]  # fmt: skip

_SECRETS = (
    (re.compile(r"(?<=://)[^/\s'\"@]+@"), "***@"),
    (re.compile(r"(?i)\bbearer\s+[^\s'\",;]+"), "Bearer ***"),
    (
        re.compile(r"(?i)\b(\w*(?:password|passwd|pgpass|secret|token|api_?key)\w*['\"]?\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s'\",;)]+)"),
        r"\1***",
    ),
)  # fmt: skip
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class DatabaseError(ClusterBayesError, RuntimeError):
    """The database can't be used: it can't be reached, has no tables, or those of another version.

    Parameters
    ----------
    problem : str
        What is wrong.
    remedy : str, optional
        What to do about it.
    """

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        super().__init__(problem, remedy)
        self.problem, self.remedy = problem, remedy

    def __str__(self) -> str:
        return self.problem if self.remedy is None else f"{self.problem}. {self.remedy}."


class RunNotFoundError(ClusterBayesError, LookupError):
    """There is no such run.

    Parameters
    ----------
    tool_id : int
        The id that was asked for.
    what : str
        What was looked for.
    """

    def __init__(self, tool_id: int, what: str = "run") -> None:
        super().__init__(tool_id, what)
        self.tool_id, self.what = tool_id, what

    def __str__(self) -> str:
        return (
            f"there is no {self.what} {self.tool_id}"
            if self.what == "run"
            else f"run {self.tool_id} has no {self.what}"
        )


class ConflictError(ClusterBayesError, ValueError):
    """A caller's key, or a row of the host's own, was used before for something else.

    Parameters
    ----------
    key : str or None
        The key; None for a row that was handed in by its id.
    tool_id : int
        The run that it belongs to.
    """

    def __init__(self, key: str | None, tool_id: int) -> None:
        super().__init__(key, tool_id)
        self.key, self.tool_id = key, tool_id

    def __str__(self) -> str:
        if self.key is None:
            return f"run {self.tool_id} was handed in before, with another input or settings"
        return f"the key {self.key!r} belongs to run {self.tool_id}, which was submitted with another input or settings"


class LostRunError(ClusterBayesError, RuntimeError):
    """A run does not belong to this worker any more: its lease expired and it was taken back.

    Parameters
    ----------
    tool_id : int
        The run.
    """

    def __init__(self, tool_id: int) -> None:
        super().__init__(tool_id)
        self.tool_id = tool_id

    def __str__(self) -> str:
        return f"run {self.tool_id} was taken back after its lease had expired"


def without_secrets(text: str) -> str:
    """Return a text with passwords in addresses, tokens and the like replaced by ``***``."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def storable(value: Any) -> Any:
    """Return a JSON value that every database holds: no NUL, no half surrogates, null for what is not finite."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return without_nonfinite(value)


def describe_error(error: BaseException, stage: str | None = None, **meta: Any) -> ErrorMessage:
    """Describe an exception for a record.

    Parameters
    ----------
    error : BaseException
        What was raised.
    stage : str, optional
        The stage in which it was; the error's own if left out.
    **meta
        More to keep in the message's meta, beside the traceback.

    Returns
    -------
    ErrorMessage
        With the traceback in `meta`, line by line, and without secrets.
    """
    lines = "".join(traceback.format_exception(error)).splitlines()
    described = ErrorMessage.from_exception(error, stage)
    known = {
        "detail": without_secrets(described.detail or ""),
        "message": without_secrets(described.message or ""),
        "meta": {"traceback": [without_secrets(line) for line in lines], **meta},
    }
    return ErrorMessage(**storable({**described.model_dump(), **known}))
