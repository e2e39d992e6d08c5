"""What the cells of a column say: numbers with gaps, and text that stays text.

Missing values come as NaN, as masked cells, as empty strings or as words such as ``null`` and ``--``; here they all
become NaN or "". A cell that is neither a number nor missing is refused, with its column and row.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clusterbayes.errors import InputError
from clusterbayes.photometry.readers import MISSING

__all__ = ["as_numbers", "as_text", "is_text"]

# Beyond this, a float cannot hold every integer.
_LARGEST_EXACT = 2.0**53

_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_WHOLE_AS_FLOAT = re.compile(r"\d+\.0*")


def is_text(column: Any) -> bool:
    """Return whether a column holds strings or objects instead of numbers."""
    return np.asarray(column).dtype.kind in "SUO"


def _mask(column: Any) -> NDArray[np.bool_]:
    mask = getattr(column, "mask", None)
    return np.zeros(len(column), dtype=bool) if mask is None else np.broadcast_to(np.asarray(mask), (len(column),))


def _strings(column: Any) -> NDArray[np.str_]:
    values = np.asarray(column.data.data if hasattr(column, "mask") else column)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    elif values.dtype.kind == "O":
        decoded = (v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values)
        values = np.array(["" if v is None else str(v) for v in decoded], dtype=str)
    text = np.char.strip(values.astype(str))
    return np.where(_mask(column) | np.isin(np.char.lower(text), MISSING), "", text)


def as_numbers(column: Any, name: str, source: str) -> NDArray[np.float64]:
    """Return a column as floating-point numbers.

    Parameters
    ----------
    column : Column, MaskedColumn or array, shape (n_input,)
        The column.
    name : str
        What the input calls it.
    source : str
        What to call the table in errors.

    Returns
    -------
    ndarray, shape (n_input,)
        NaN where a value is missing or infinite.

    Raises
    ------
    InputError
        If a cell is neither a number nor a missing value, or a cell holds more than one number.
    """
    if np.ndim(column) != 1:
        raise InputError("each cell holds an array", source, name, expected="one number a row")
    if is_text(column):
        numbers = _numbers_from_text(_strings(column), name, source)
    else:
        data = column.data.data if hasattr(column, "mask") else column
        data = getattr(data, "value", data)
        numbers = np.where(_mask(column), np.nan, np.asarray(data, dtype=np.float64))
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _numbers_from_text(text: NDArray[np.str_], name: str, source: str) -> NDArray[np.float64]:
    present = text != ""
    numbers = np.full(len(text), np.nan)
    try:
        numbers[present] = text[present].astype(np.float64)
    except ValueError:
        for row in np.flatnonzero(present):
            try:
                float(text[row])
            except ValueError:
                remedy = "correct the cell, or leave it empty if the value is missing"
                if _DECIMAL_COMMA.fullmatch(str(text[row])):
                    remedy = (
                        "write numbers with a decimal point, not a comma (spreadsheets ask for it when they export)"
                    )
                raise InputError(
                    "not a number", source, name, int(row), repr(str(text[row])), "a number", remedy
                ) from None
    return numbers


def as_text(column: Any) -> NDArray[np.str_] | None:
    """Return a column of identifiers as text.

    Parameters
    ----------
    column : Column, MaskedColumn or array, shape (n_input,)
        The column.

    Returns
    -------
    ndarray of str, shape (n_input,), or None
        "" where an identifier is missing; None if they were stored as floating-point numbers that cannot hold them.
    """
    values = np.asarray(column)
    if values.dtype.kind in "iub":
        return np.where(_mask(column), "", values.astype(str))
    if values.dtype.kind == "f":
        numbers = as_numbers(column, "", "")
        known = numbers[np.isfinite(numbers)]
        if np.any(np.abs(known) >= _LARGEST_EXACT) or np.any(known != np.round(known)):
            return None
        whole = np.where(np.isfinite(numbers), numbers, 0).astype(np.int64).astype(str)
        return np.where(np.isfinite(numbers), whole, "")
    return _strings(column)
