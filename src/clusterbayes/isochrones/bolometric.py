"""From a star's luminosity, temperature, gravity and metallicity to its magnitudes in any band.

A correction table holds, on a grid of log Teff, log g and [M/H], the bolometric correction of each band without dust
and the coefficients of its extinction, A_b = A_V (c0 + c1 A_V + c2 A_V^2).  With it a grid of pure stellar theory gets
magnitudes, and every grid gets extinction that depends on the star.  Outside the table its nearest edge is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clusterbayes.errors import GridError, close_matches
from clusterbayes.isochrones.packed import installed_files, match_bands, open_packed, put, verified, write_packed

__all__ = [
    "SOLAR_M_BOL",
    "CorrectionTable",
    "ExtinctionTable",
    "correction_bands",
    "corrections_digest",
    "find_corrections",
]

Array = NDArray[np.float64]

FORMAT = "clusterbayes bolometric corrections"
FORMAT_VERSION = 1
SOLAR_M_BOL = 4.74
"""Absolute bolometric magnitude of the Sun [mag] (IAU 2015 Resolution B2, rounded)."""

_AXES = ("log_teff", "log_g", "mh")
_INSERT = (4, 2, 2)
_CHUNK = 16384
_NOUN = "a table of bolometric corrections"
_HOLDER = "correction table"
_ALIASES = {"mist": "corrections"}


@dataclass(frozen=True)
class ExtinctionTable:
    """Extinction coefficients on a regular grid of stellar parameters.

    Parameters
    ----------
    log_teff : (n_teff,) array
        log10 Teff [K], increasing.
    log_g : (n_log_g,) array
        log10 g [cm/s2], increasing.
    mh : (n_mh,) array
        [M/H] [dex], increasing.
    bands : tuple of str
        Band names.
    coefficients : (n_teff, n_log_g, n_mh, n_band, 3) array
        c0, c1, c2 of every band.
    """

    log_teff: Array
    log_g: Array
    mh: Array
    bands: tuple[str, ...]
    coefficients: NDArray[Any]

    def select(self, bands: Sequence[str]) -> ExtinctionTable:
        """Return the table of some bands, in the order given."""
        index = [self.bands.index(band) for band in bands]
        return ExtinctionTable(self.log_teff, self.log_g, self.mh, tuple(bands), self.coefficients[..., index, :])

    def evaluate(self, log_teff: ArrayLike, log_g: ArrayLike, mh: ArrayLike) -> Array:
        """Interpolate the coefficients trilinearly; outside the table the nearest edge is used.

        Parameters
        ----------
        log_teff, log_g, mh : array, broadcastable to one shape
            Stellar parameters.

        Returns
        -------
        (..., n_band, 3) array
            c0, c1, c2 of every band.
        """
        axes = (self.log_teff, self.log_g, self.mh)
        out = _trilinear(axes, self.coefficients.reshape(*self.coefficients.shape[:3], -1), (log_teff, log_g, mh))
        return out.reshape(*out.shape[:-1], len(self.bands), 3)


@dataclass(frozen=True)
class CorrectionTable:
    """Bolometric corrections and extinction coefficients of some bands.

    Parameters
    ----------
    log_teff : (n_teff,) array
        log10 Teff [K], increasing.
    log_g : (n_log_g,) array
        log10 g [cm/s2], increasing.
    mh : (n_mh,) array
        [M/H] [dex], increasing.
    bands : tuple of str
        Band names.
    corrections : (n_teff, n_log_g, n_mh, n_band) array
        BC = M_bol - M_band [mag], without dust.
    extinction : ExtinctionTable
        Coefficients for the same bands.
    metadata : dict
        name, citation, source, r_v, law, digest of the file, and whatever else the file says.
    """

    log_teff: Array
    log_g: Array
    mh: Array
    bands: tuple[str, ...]
    corrections: NDArray[Any]
    extinction: ExtinctionTable
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of everything in the table's file; empty for a table that was never saved."""
        return str(self.metadata.get("digest", ""))

    @classmethod
    def load(cls, name: str | Path = "corrections", bands: Iterable[str] | None = None) -> CorrectionTable:
        """Load the table that is installed with the package, or a file of the same format.

        Parameters
        ----------
        name : str or Path
            "corrections" (also "mist") or the path of a file.
        bands : iterable of str, optional
            Bands to load, in this order; any alias will do.  All if left out.

        Raises
        ------
        GridError
            If there is no such table, the file is damaged, or a band is missing.
        """
        path = find_corrections(name)
        with open_packed(path, FORMAT, FORMAT_VERSION, _NOUN) as (file, metadata):
            present = tuple(metadata.pop("bands"))
            names = present if bands is None else match_bands(bands, present, path.name, _HOLDER, "leave it out")
            log_teff, log_g, mh = (verified(file[f"axes/{axis}"], path).astype(float) for axis in _AXES)
            corrections = np.stack([verified(file[f"corrections/{band}"], path) for band in names], axis=-1)
            coefficients = np.stack([verified(file[f"extinction/{band}"], path) for band in names], axis=-2)
        extinction = ExtinctionTable(log_teff, log_g, mh, names, coefficients)
        return cls(log_teff, log_g, mh, names, corrections, extinction, metadata)

    def save(self, path: str | Path) -> CorrectionTable:
        """Write the table to a file, replacing it as a whole, and return it as read back."""
        path = Path(path)
        with write_packed(path, FORMAT, FORMAT_VERSION, {**self.metadata, "bands": list(self.bands)}) as file:
            for axis in _AXES:
                put(file, f"axes/{axis}", np.asarray(getattr(self, axis), dtype=np.float64))
            for b, band in enumerate(self.bands):
                put(file, f"corrections/{band}", np.asarray(self.corrections[..., b], dtype=np.float32))
                put(
                    file,
                    f"extinction/{band}",
                    np.ascontiguousarray(self.extinction.coefficients[..., b, :], dtype=np.float32),
                )
        return type(self).load(path)

    def magnitudes(self, log_lum: ArrayLike, log_teff: ArrayLike, log_g: ArrayLike, mh: ArrayLike) -> Array:
        """Return absolute magnitudes, M_b = 4.74 - 2.5 log L - BC_b; outside the table its nearest edge is used.

        Parameters
        ----------
        log_lum, log_teff, log_g, mh : array, broadcastable to one shape
            log10 of L [Lsun], Teff [K] and g [cm/s2], and [M/H] [dex].

        Returns
        -------
        (..., n_band) array
            Absolute magnitudes without dust [mag].
        """
        axes, corrections = self._finer
        correction = _trilinear(axes, corrections, (log_teff, log_g, mh))
        return np.asarray(SOLAR_M_BOL - 2.5 * np.asarray(log_lum, dtype=float)[..., None] - correction)

    @cached_property
    def _finer(self) -> tuple[tuple[Array, Array, Array], Array]:
        """Axes and corrections with nodes inserted by monotone cubic interpolation (PCHIP) along each axis.

        Trilinear interpolation of these errs several times less at mid-cell than that of the table itself.
        """
        from scipy.interpolate import PchipInterpolator

        values, axes = np.asarray(self.corrections, dtype=float), []
        for k, (axis, factor) in enumerate(zip((self.log_teff, self.log_g, self.mh), _INSERT, strict=True)):
            finer = np.interp(np.arange((axis.size - 1) * factor + 1) / factor, np.arange(axis.size), axis)
            values = PchipInterpolator(axis, values, axis=k)(finer)
            axes.append(finer)
        return (axes[0], axes[1], axes[2]), values

    def outside(self, log_teff: ArrayLike, log_g: ArrayLike, mh: ArrayLike) -> NDArray[np.bool_]:
        """Return which stars lie outside the table, where its nearest edge is used."""
        values = np.broadcast_arrays(log_teff, log_g, mh)
        out = np.zeros(values[0].shape, dtype=bool)
        for axis, value in zip((self.log_teff, self.log_g, self.mh), values, strict=True):
            out |= (value < axis[0]) | (value > axis[-1])
        return out


def find_corrections(name: str | Path = "corrections") -> Path:
    """Return the path of an installed table or of a file.

    Raises
    ------
    GridError
        If there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    tables = installed_files(FORMAT)
    wanted = _ALIASES.get(str(name), str(name))
    if wanted in tables:
        return tables[wanted]
    near = close_matches(str(name), tables)
    remedy = f"did you mean {' or '.join(near)}?" if near else "give a table's name or the path of its file"
    raise GridError(
        f"there is no table of bolometric corrections '{name}'",
        expected="one of " + (", ".join(tables) or "(none installed)"),
        remedy=remedy,
    )


def correction_bands(name: str | Path = "corrections") -> tuple[str, ...]:
    """Return the bands of a table, without reading its arrays."""
    return tuple(_describe(name)["bands"])


def corrections_digest(name: str | Path = "corrections") -> str:
    """Return the digest of a table, without reading its arrays."""
    return str(_describe(name)["digest"])


def _describe(name: str | Path) -> dict[str, Any]:
    with open_packed(find_corrections(name), FORMAT, FORMAT_VERSION, _NOUN) as (_, metadata):
        return metadata


def _trilinear(axes: tuple[Array, Array, Array], table: NDArray[Any], values: Sequence[ArrayLike]) -> Array:
    """Interpolate a table (n_teff, n_log_g, n_mh, n_column) and return shape (..., n_column)."""
    shape = np.broadcast_shapes(*(np.shape(value) for value in values))
    cells = [_cell(axis, np.asarray(value, dtype=float)) for axis, value in zip(axes, values, strict=True)]
    stride = (table.shape[1] * table.shape[2], table.shape[2], 1)
    start = sum(cell[0] * step for cell, step in zip(cells, stride, strict=True))
    start = np.broadcast_to(start, shape).ravel()
    fractions = [np.broadcast_to(cell[1], shape).ravel() for cell in cells]
    rows = table.reshape(-1, table.shape[-1])
    out = np.empty((start.size, rows.shape[1]))
    for first in range(0, start.size, _CHUNK):
        part = slice(first, first + _CHUNK)
        t, g, z = (fraction[part, None] for fraction in fractions)
        near = start[part]

        def along_mh(offset: int, near: Any = near, z: Any = z) -> Array:
            low = rows[near + offset]
            return np.asarray(low + z * (rows[near + (offset + 1)] - low))

        def plane(offset: int, g: Any = g) -> Array:
            low = along_mh(offset)
            return low + g * (along_mh(offset + stride[1]) - low)

        cool = plane(0)
        out[part] = cool + t * (plane(stride[0]) - cool)
    return out.reshape(*shape, rows.shape[1])


def _cell(axis: Array, value: Array) -> tuple[NDArray[np.intp], Array]:
    """Return the cell of each value on an axis and its fraction within it, clipped to the axis."""
    if axis.size < 2:
        raise ValueError("an axis of the table needs at least two nodes")
    index = np.clip(np.searchsorted(axis, value, side="right") - 1, 0, axis.size - 2)
    fraction = np.clip((value - axis[index]) / (axis[index + 1] - axis[index]), 0.0, 1.0)
    return index, fraction
