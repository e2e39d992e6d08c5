"""A packed grid of isochrones, and one isochrone interpolated from it.

`IsochroneGrid` holds, at every node of log_age and [M/H], a star's mass, temperature, luminosity, gravity, absolute
magnitudes and extinction coefficients at equivalent evolutionary points (see `clusterbayes.isochrones.eep`).  Between
nodes it is interpolated bilinearly at fixed point.  Magnitudes are those that the models come with or are made of
bolometric corrections, and extinction follows a chosen law, both when a grid is loaded; its digest covers all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clusterbayes.bands import BANDS
from clusterbayes.errors import GridError, GridRangeError, SettingsError
from clusterbayes.isochrones import storage
from clusterbayes.isochrones.extinction import MAX_A_V, band_extinction
from clusterbayes.isochrones.loading import digest_of, load_fields
from clusterbayes.isochrones.refine import default_factors, refine_fields

__all__ = ["Isochrone", "IsochroneGrid", "available_grids"]

Array = NDArray[np.float64]

SINGLE_NODE_TOLERANCE = 1e-4  # so that a value may be given as it is printed
"""How far a value may lie from the only node of an axis."""


@dataclass(frozen=True, repr=False)
class Isochrone:
    """Stars of one age and composition, ordered by evolutionary point.

    Parameters
    ----------
    log_age : float
        log10 of the age [yr].
    mh : float
        [M/H] [dex].
    eep : (n_eep,) int array
        Equivalent evolutionary points.
    phase : (n_eep,) int array
        Phase codes (`clusterbayes.isochrones.eep.PHASES`).
    m_ini : (n_eep,) array
        Initial mass [Msun], non-decreasing.
    log_teff, log_lum, log_g : (n_eep,) array
        log10 of Teff [K], L [Lsun] and g [cm/s2].
    magnitudes : dict of str to (n_eep,) array
        Absolute, unreddened magnitudes [mag] by band.
    coefficients : dict of str to (n_eep, 3) array
        Extinction coefficients c0, c1, c2 by band.
    """

    log_age: float
    mh: float
    eep: NDArray[np.int64]
    phase: NDArray[np.int64]
    m_ini: Array
    log_teff: Array
    log_lum: Array
    log_g: Array
    magnitudes: dict[str, Array]
    coefficients: dict[str, Array]

    def __repr__(self) -> str:
        masses = f"{self.m_ini[0]:.3g} to {self.m_ini[-1]:.3g} Msun"
        bands = ", ".join(self.magnitudes)
        return f"Isochrone(log_age={self.log_age:g}, mh={self.mh:g}; {self.eep.size} points, {masses}; {bands})"

    def extinction(self, a_v: float) -> dict[str, Array]:
        """Return the extinction of every point in every band.

        Parameters
        ----------
        a_v : float
            Extinction in V [mag], 0 to 6.

        Returns
        -------
        dict of str to (n_eep,) array
            A_b [mag] by band.

        Raises
        ------
        GridRangeError
            If a_v lies outside the range of the coefficients.
        """
        if not 0.0 <= a_v <= MAX_A_V:
            raise GridRangeError("a_v", a_v, 0.0, MAX_A_V)
        return {band: band_extinction(c, a_v) for band, c in self.coefficients.items()}


@dataclass(frozen=True, repr=False)
class IsochroneGrid:
    """Isochrones on a regular grid of age and metallicity, resampled at equivalent evolutionary points.

    Parameters
    ----------
    log_age : (n_age,) array
        log10 of the age [yr], increasing; a single value holds the age.
    mh : (n_mh,) array
        [M/H] [dex], increasing; a single value holds the metallicity.
    eep : (n_eep,) int array
        Equivalent evolutionary points.
    phase : (n_eep,) int array
        Phase code of each point, non-decreasing.
    m_ini : (n_age, n_mh, n_eep) array
        Initial mass [Msun], non-decreasing along the last axis.
    log_teff, log_lum, log_g : (n_age, n_mh, n_eep) array
        log10 of Teff [K], L [Lsun] and g [cm/s2].
    bands : tuple of str
        Names of the bands.
    mags : (n_age, n_mh, n_eep, n_band) array
        Absolute, unreddened magnitudes [mag].
    ext : (n_age, n_mh, n_eep, n_band, 3) array
        Extinction coefficients: A_b = A_V (c0 + c1 A_V + c2 A_V^2) for 0 <= A_V <= 6 mag.
    metadata : dict
        family, release, citation, source, solar_scale, whatever else the file says; of a loaded grid also corrections
        (what made the magnitudes), law and r_v (of the extinction), and the digests of the files.

    Raises
    ------
    GridError
        If shapes do not fit together, an axis does not increase, a value is not finite, or mass or phase falls.
    """

    log_age: Array
    mh: Array
    eep: NDArray[np.int64]
    phase: NDArray[np.int64]
    m_ini: Array
    log_teff: Array
    log_lum: Array
    log_g: Array
    bands: tuple[str, ...]
    mags: Array
    ext: Array
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (self.log_age.size, self.mh.size, self.eep.size)
        n_band = len(self.bands)
        expected: dict[str, tuple[int, ...]] = {name: shape for name in ("m_ini", "log_teff", "log_lum", "log_g")}
        expected |= {"phase": shape[2:], "mags": (*shape, n_band), "ext": (*shape, n_band, 3)}
        for name, wanted in expected.items():
            if getattr(self, name).shape != wanted:
                raise GridError(f"{name} has shape {getattr(self, name).shape}", self.name, f"shape {wanted}")
        for name in ("log_age", "mh"):
            axis = getattr(self, name)
            if axis.size < 1 or not np.all(np.diff(axis) > 0) or not np.all(np.isfinite(axis)):
                raise GridError(f"axis {name} is not usable", self.name, "increasing values")
        for name in ("m_ini", "log_teff", "log_lum", "log_g", "mags", "ext"):
            if not np.all(np.isfinite(getattr(self, name))):
                raise GridError(f"{name} has values that are not finite", self.name, "numbers everywhere")
        for name in ("m_ini", "phase"):
            if np.any(np.diff(getattr(self, name), axis=-1) < 0):
                raise GridError(f"{name} falls along an isochrone", self.name, "points in the order of evolution")

    def __repr__(self) -> str:
        axes = (("log_age", self.log_age), ("mh", self.mh))
        ranges = ", ".join(f"{name} {axis[0]:g} to {axis[-1]:g} ({axis.size})" for name, axis in axes)
        return f"IsochroneGrid({self.name}: {ranges}, {self.eep.size} points; {', '.join(self.bands)})"

    @property
    def name(self) -> str:
        """Name of the grid, for messages and provenance."""
        return str(self.metadata.get("name", "isochrone grid"))

    @property
    def digest(self) -> str:
        """SHA-256 of what all numbers follow from: file, corrections, law, R_V, refinement; empty if it has no file."""
        return digest_of(self.metadata)

    @property
    def r_v(self) -> float:
        """Ratio of total to selective extinction that the coefficients are for."""
        return float(self.metadata.get("r_v", 3.1))

    @property
    def phase_edges(self) -> NDArray[np.int64]:
        """Index of the first point of each phase, and the number of points at the end, shape (n_phase + 1,)."""
        return np.concatenate([[0], np.flatnonzero(np.diff(self.phase)) + 1, [self.eep.size]]).astype(np.int64)

    @property
    def segments(self) -> NDArray[np.bool_]:
        """Which of the segments j to j + 1 lie within one phase, shape (n_eep - 1,); no others may be drawn or used."""
        return np.asarray(np.diff(self.phase) == 0)

    @classmethod
    def load(
        cls,
        name: str | Path = "parsec",
        bands: Iterable[str] | None = None,
        *,
        corrections: str | Path | None = None,
        law: str = "tables",
        r_v: float = 3.1,
        refine: bool = True,
        progress: Callable[[str, float], None] | None = None,
    ) -> IsochroneGrid:
        """Load a grid that is installed with the package, another family of models, or a grid file.

        Parameters
        ----------
        name : str or Path
            Name of an installed grid (see `available_grids`) or of a family, which is composed into the user's cache
            when it is first asked for, or the path of a grid file.
        bands : iterable of str, optional
            Bands to load, in this order; any alias will do, and a single text is one band.  All if left out, which for
            a theory grid are those of the correction table (38, gigabytes of memory): name them.
        corrections : str or Path, optional
            Table of bolometric corrections that the magnitudes are made of: "corrections" or a file.  If left out,
            the magnitudes that the models come with are used, and the installed table where there are none.
        law : str
            Extinction law: "tables" (of the bolometric corrections) or a law's name, see
            `clusterbayes.isochrones.extinction`.
        r_v : float
            Ratio of total to selective extinction.
        refine : bool
            Whether nodes are inserted between the file's own by interpolation of higher order.
        progress : callable, optional
            Called with a stage's name and a fraction while a family is composed.

        Returns
        -------
        IsochroneGrid
            The grid.

        Raises
        ------
        GridError
            If there is no such grid, the file is damaged or of another version, or a band is missing.
        SettingsError
            If the law is unknown, or the grid carries extinction coefficients of its own for another one.
        """
        grid = cls(**load_fields(name, bands, corrections, law, r_v, progress))
        return grid.refine() if refine else grid

    def save(self, path: str | Path) -> IsochroneGrid:
        """Write the grid to a file, replacing it as a whole.

        Parameters
        ----------
        path : str or Path
            The file, usually ending in ``.h5``.

        Returns
        -------
        IsochroneGrid
            The grid as read back, with its digest.

        Raises
        ------
        GridError
            If there is no such folder.
        """
        arrays = {name: getattr(self, name) for name in storage.ARRAYS}
        storage.write_grid(Path(path), arrays, self.bands, self.mags, self.ext, self.metadata)
        return type(self).load(Path(path), refine=False)

    def select(self, bands: Iterable[str]) -> IsochroneGrid:
        """Return the grid with some of its bands, in the order given."""
        names = storage.match_bands(bands, self.bands, self.name)
        index = [self.bands.index(band) for band in names]
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values |= {"bands": names, "mags": self.mags[..., index], "ext": self.ext[..., index, :]}
        return type(self)(**values)

    def refine(self, age: int | None = None, mh: int | None = None) -> IsochroneGrid:
        """Insert nodes between the grid's own by interpolation of higher order (see `clusterbayes.isochrones.refine`).

        Parameters
        ----------
        age, mh : int, optional
            Cells that each cell is divided into along either axis; what `load` takes for this grid if left out.

        Returns
        -------
        IsochroneGrid
            The grid with more nodes and `native_log_age`, `native_mh` and `refined` (the factors) in its metadata, or
            the same grid if there is nothing to insert or it was refined before.

        Raises
        ------
        SettingsError
            If a cell is to be divided into less than one.
        """
        factors = default_factors(self.metadata, self.log_age, self.mh)
        factors = (factors[0] if age is None else age, factors[1] if mh is None else mh)
        if min(factors) < 1:
            raise SettingsError("a cell is divided into one or more", "refine", factors)
        if factors == (1, 1) or "refined" in self.metadata:
            return self
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        known = {"native_log_age": self.log_age.tolist(), "native_mh": self.mh.tolist(), "refined": list(factors)}
        return replace(self, **refine_fields(fields, *factors), metadata={**self.metadata, **known})

    def locate(self, log_age: float, mh: float) -> tuple[int, int, float, float]:
        """Return the cell of a point and the fractions within it.

        Parameters
        ----------
        log_age : float
            log10 of the age [yr].
        mh : float
            [M/H] [dex].

        Returns
        -------
        i_age, i_mh : int
            Indices of the lower node.
        f_age, f_mh : float
            Fractions of the way to the upper node, 0 to 1.

        Raises
        ------
        GridRangeError
            If the point lies outside the grid or is not a number.
        """
        i_age, f_age = _cell("log_age", self.log_age, log_age)
        i_mh, f_mh = _cell("mh", self.mh, mh)
        return i_age, i_mh, f_age, f_mh

    def isochrone(self, log_age: float, mh: float) -> Isochrone:
        """Interpolate one isochrone, bilinearly at fixed evolutionary point.

        Parameters
        ----------
        log_age : float
            log10 of the age [yr].
        mh : float
            [M/H] [dex].

        Returns
        -------
        Isochrone
            The isochrone; at a node it is the node's, exactly.

        Raises
        ------
        GridRangeError
            If the point lies outside the grid or is not a number.
        """
        i, k, f, g = self.locate(log_age, mh)
        above, beside = min(i + 1, self.log_age.size - 1), min(k + 1, self.mh.size - 1)  # an axis may have one node

        def blend(values: Array) -> Array:
            lower = (1.0 - g) * values[i, k] + g * values[i, beside]
            upper = (1.0 - g) * values[above, k] + g * values[above, beside]
            return np.asarray((1.0 - f) * lower + f * upper)

        mags, ext = blend(self.mags), blend(self.ext)
        return Isochrone(
            log_age=float(log_age),
            mh=float(mh),
            eep=self.eep,
            phase=self.phase,
            m_ini=blend(self.m_ini),
            log_teff=blend(self.log_teff),
            log_lum=blend(self.log_lum),
            log_g=blend(self.log_g),
            magnitudes={band: mags[:, b] for b, band in enumerate(self.bands)},
            coefficients={band: ext[:, b] for b, band in enumerate(self.bands)},
        )

    def info(self) -> dict[str, Any]:
        """Return what the grid is and what it covers, as plain values."""
        return {
            "name": self.name,
            **{key: value for key, value in self.metadata.items() if key != "name"},
            "digest": self.digest,
            "log_age": [float(self.log_age[0]), float(self.log_age[-1])],
            "mh": [float(self.mh[0]), float(self.mh[-1])],
            "n_age": int(self.log_age.size),
            "n_mh": int(self.mh.size),
            "n_eep": int(self.eep.size),
            "bands": {band: BANDS[band].system if band in BANDS else "" for band in self.bands},
        }


def available_grids() -> dict[str, dict[str, Any]]:
    """Return the grids that are installed: name to what it is and what it covers.

    Returns
    -------
    dict of str to dict
        Sorted by name; each value has family, release, citation, source, digest, path, ranges and bands.
    """
    return {name: storage.describe_grid(path) for name, path in storage.installed_grids().items()}


def _cell(name: str, axis: Array, value: float) -> tuple[int, float]:
    """Return the lower node and the fraction within its cell."""
    if not isinstance(value, (int, float, np.integer, np.floating)):
        raise SettingsError("one number is needed", name, value)
    if axis.size == 1 and abs(value - axis[0]) <= SINGLE_NODE_TOLERANCE:
        return 0, 0.0
    if not axis[0] <= value <= axis[-1]:
        raise GridRangeError(name, float(value), float(axis[0]), float(axis[-1]))
    i = int(np.clip(np.searchsorted(axis, value, side="right") - 1, 0, axis.size - 2))
    return i, float((value - axis[i]) / (axis[i + 1] - axis[i]))
