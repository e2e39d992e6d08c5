"""Invented isochrones in the layout of sparse tables, with the numbers of MIST's points."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

COLUMNS = ("eep", "age", "initial_mass", "star_mass", "log_Teff", "log_g", "log_L", "phase")
LOG_AGE = np.array([8.8, 8.9, 9.0, 9.1])
MH = np.array([-0.25, 0.0, 0.25])

# Corners of the path: MIST number, phase from there on, log Teff, log L, mass in units of the turn-off's.
_CORNERS = np.array(
    [
        (150, -1, 3.50, -2.0, 0.12),
        (202, 0, 3.55, -1.6, 0.25),
        (353, 0, 3.86, 0.9, 0.88),
        (400, 0, 3.83, 1.3, 0.990),
        (430, 0, 3.87, 1.45, 0.998),
        (454, 2, 3.84, 1.45, 1.000),
        (520, 2, 3.70, 1.1, 1.020),
        (605, 3, 3.57, 3.2, 1.030),
        (631, 3, 3.70, 1.6, 1.0301),
        (707, 4, 3.68, 1.8, 1.10),
        (808, 5, 3.55, 3.1, 1.105),
        (900, 5, 3.50, 3.5, 1.106),
    ]
)


def rows(log_age: float, mh: float) -> np.ndarray:
    """Return the rows of one isochrone, shape (751, 8)."""
    eep = np.arange(150.0, 901.0)
    teff, lum, mass = (np.interp(eep, _CORNERS[:, 0], _CORNERS[:, c]) for c in (2, 3, 4))
    mass = mass * 10.0 ** ((9.6 - log_age) / 2.9)
    teff = teff - 0.05 * (log_age - 9.0) - 0.03 * mh
    lum = lum - 0.8 * (log_age - 9.0) * (eep > 300)
    phase = _CORNERS[np.searchsorted(_CORNERS[:, 0], eep, side="right") - 1, 1]
    log_g = np.log10(mass) + 4.0 * (teff - np.log10(5772.0)) - lum + 4.438
    return np.column_stack([eep, np.full(eep.size, log_age), mass, mass, teff, log_g, lum, phase])


def write_sparse(path: Path, log_age: np.ndarray = LOG_AGE, mh: np.ndarray = MH) -> Path:
    """Write a table of invented isochrones; one row in the middle of each is missing, as in the real ones."""
    blocks = []
    for metal in mh:
        for age in log_age:
            block = rows(age, metal)
            block[100] = np.nan
            blocks.append(block)
    with h5py.File(path, "w") as file:
        file.attrs["storage"] = "sparse_v1"
        file.attrs["columns"] = np.array(COLUMNS, dtype=h5py.string_dtype())
        file["age_values"], file["feh_values"] = log_age, mh
        file["lengths"] = np.array([len(block) for block in blocks], dtype=np.int32)
        file["offsets"] = np.full(len(blocks), 149)
        file["values"] = np.concatenate(blocks).astype(np.float32)
    return path
