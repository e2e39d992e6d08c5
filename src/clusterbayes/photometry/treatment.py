"""What is done with cells before they are read: fillers that the user names, floors of errors, raw magnitudes.

These are decisions that no header tells. Without them, an unknown filler is a value, an error that is zero or negative
is refused, and magnitudes without a calibration are refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import MaskedColumn, Table

from clusterbayes.errors import SettingsError
from clusterbayes.wording import counted

__all__ = ["Treatment", "without_fillers"]

_LARGEST_FLOOR = 1.0


@dataclass(frozen=True)
class Treatment:
    """What is done with cells before they are read.

    Parameters
    ----------
    missing : tuple of str or float
        Fillers: cells with this number or this text are missing values, in every column but identifiers.
    error_floor : float, optional
        Photometric errors below it, zero and negative ones included, are raised to it [mag].
    instrumental : bool
        Whether magnitudes that were not calibrated are used.

    Raises
    ------
    SettingsError
        If the floor is no error, or a filler is empty.
    """

    missing: tuple[str | float, ...] = ()
    error_floor: float | None = None
    instrumental: bool = False

    def __post_init__(self) -> None:
        floor = self.error_floor
        if floor is not None and not (np.isfinite(floor) and 0.0 < floor <= _LARGEST_FLOOR):
            raise SettingsError("not an error", "error_floor", floor, "a number of magnitudes above 0, e.g. 0.005")
        for filler in self.missing:
            if not str(filler).strip():
                raise SettingsError("an empty cell is missing as it is", "missing", repr(filler), remedy="leave it out")


def without_fillers(table: Table, treatment: Treatment, keep: frozenset[str]) -> tuple[Table, list[str]]:
    """Count the fillers that the user named as missing.

    Parameters
    ----------
    table : Table
        Not changed.
    treatment : Treatment
        Names the fillers.
    keep : frozenset of str
        Columns in which they are values.

    Returns
    -------
    Table
        The same one if there are no fillers.
    list of str
        How many cells were counted as missing, filler by filler and column by column.
    """
    if not treatment.missing:
        return table, []
    table, notes = table.copy(copy_data=False), []
    for name in table.colnames:
        column = table[name]
        if name in keep or column.ndim != 1:
            continue
        hidden = np.zeros(len(table), dtype=bool)
        for filler in treatment.missing:
            found = _equal(column, filler) & ~hidden
            if found.any():
                notes.append(f"{counted(found.sum(), 'cell')} of {filler} in column {name} counted as missing")
            hidden |= found
        if hidden.any():
            old = getattr(column, "mask", False)
            about = {"name": name, "unit": column.unit, "description": column.description}
            table[name] = MaskedColumn(np.ma.getdata(np.asarray(column)), mask=hidden | old, **about)
    return table, notes or [f"no cell holds {', '.join(map(str, treatment.missing))}"]


def _equal(column: MaskedColumn, filler: str | float) -> np.ndarray:
    """Say which cells (n_input,) hold a filler, as a number or as text."""
    cells = np.ma.getdata(np.asarray(column))
    if cells.dtype.kind in "fiu":
        try:
            number = float(filler)
        except ValueError:
            return np.zeros(len(cells), dtype=bool)
        tolerance = 1e-6 if cells.dtype.itemsize < 8 else 1e-12
        return np.isclose(cells.astype(np.float64), number, rtol=tolerance, atol=0.0)
    wanted = str(filler).strip()
    text = (cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell) for cell in cells.tolist())
    return np.fromiter((cell.strip() == wanted for cell in text), bool, len(cells))
