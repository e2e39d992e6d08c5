"""Theory grids out of sparse tables of isochrones.

The package lachesis-grids holds isochrones of many families in one layout: the rows of all isochrones one after the
other, the number of rows of each, and the number of its first evolutionary point.  Here such a table is read and
checked, its masses (32-bit numbers, whose differences are noise) are smoothed within their rounding, and every
isochrone is resampled at the points that `clusterbayes.isochrones.milestones` chooses.  Mass never falls along the
result, and a phase that an isochrone lacks is collapsed onto the end of the phase before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from clusterbayes.errors import GridError
from clusterbayes.isochrones import milestones
from clusterbayes.isochrones.milestones import Stars
from clusterbayes.isochrones.paths import path_length, phase_codes

__all__ = [
    "RECIPES",
    "Recipe",
    "SparseTable",
    "continue_to_low_mass",
    "read_sparse",
    "resample",
    "smooth_masses",
    "theory_arrays",
]

Array = NDArray[np.float64]

_COLUMNS = ("eep", "initial_mass", "log_Teff", "log_L", "log_g")
_LAYOUT = "sparse_v1"


@dataclass(frozen=True)
class SparseTable:
    """Isochrones of one family, as the source has them.

    Parameters
    ----------
    log_age : (n_age,) array
        log10 of the age [yr].
    mh : (n_mh,) array
        [Fe/H] [dex].
    rows : (n_row, 6) array
        eep, m_ini, log_teff, log_lum, log_g and the source's phase (NaN where it has none); one isochrone after the
        other, ages fastest.
    first : (n_mh * n_age + 1,) int array
        First row of each isochrone.
    """

    log_age: Array
    mh: Array
    rows: NDArray[np.float32]
    first: NDArray[np.int64]

    def isochrone(self, i_age: int, i_mh: int) -> tuple[Stars, Array]:
        """Return the points of one isochrone that have values, and the source's phase of each."""
        i = i_mh * self.log_age.size + i_age
        rows = self.rows[self.first[i] : self.first[i + 1]].astype(float)
        rows = rows[np.all(np.isfinite(rows[:, :5]), axis=1)]
        return Stars(*rows[:, :5].T), rows[:, 5]


def read_sparse(path: Path) -> SparseTable:
    """Read a sparse table of isochrones.

    Parameters
    ----------
    path : Path
        HDF5 file of the layout described above.

    Returns
    -------
    SparseTable
        The table.

    Raises
    ------
    GridError
        If the file cannot be read or its parts do not fit together.
    """
    try:
        with h5py.File(path, "r") as file:
            if str(file.attrs["storage"]) != _LAYOUT:
                raise GridError("the layout of the table is not known", path.name, _LAYOUT)
            names = [name.decode() if isinstance(name, bytes) else str(name) for name in file.attrs["columns"]]
            rows = file["values"][()][:, [names.index(name) for name in (*_COLUMNS, "phase")]]
            lengths = file["lengths"][()].astype(np.int64)
            log_age, mh = (np.asarray(file[f"{name}_values"][()], dtype=float) for name in ("age", "feh"))
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, GridError):
            raise
        raise GridError(f"the file cannot be read as a table of isochrones ({error})", path.name) from error
    first = np.concatenate([[0], np.cumsum(lengths)])
    if lengths.size != mh.size * log_age.size or first[-1] != len(rows):
        raise GridError(f"the table has {lengths.size} isochrones and {len(rows)} rows", path.name, "a whole file")
    return SparseTable(log_age, mh, rows, first)


def smooth_masses(m_ini: Array, breaks: NDArray[np.intp]) -> Array:
    """Undo the rounding of masses to 32 bits, so that their differences mean something.

    Local parabolas over 9, 17 and 33 points take the place of the masses wherever they agree with them to within the
    rounding; elsewhere the masses stay.  Pieces between breaks are smoothed on their own.

    Parameters
    ----------
    m_ini : (n_point,) array
        Initial masses [Msun], rounded to 32 bits.
    breaks : (n_break,) int array
        First points of new phases.

    Returns
    -------
    (n_point,) array
        Masses in 64 bits, non-decreasing.
    """
    smooth = np.array(m_ini, dtype=float)
    rounding = np.spacing(m_ini.astype(np.float32)).astype(float)
    for piece in np.split(np.arange(len(m_ini)), breaks):
        for half in (4, 8, 16):
            if piece.size > half:
                # Odd reflection goes on with the slope at the ends.
                padded = np.pad(m_ini[piece], half, mode="reflect", reflect_type="odd")
                curve = np.convolve(padded, _parabola(half), mode="valid")
                agrees = np.abs(curve - m_ini[piece]) <= 0.6 * rounding[piece]
                smooth[piece] = np.where(agrees, curve, smooth[piece])
    return np.maximum.accumulate(smooth)


def _parabola(half: int) -> Array:
    """Return the weights of the least-squares parabola's middle (Savitzky & Golay 1964, Anal. Chem. 36, 1627)."""
    j = np.arange(-half, half + 1)
    return 3.0 * (3 * half**2 + 3 * half - 1 - 5.0 * j**2) / ((2 * half + 3) * (2 * half + 1) * (2 * half - 1))


def continue_to_low_mass(stars: Stars, near: Stars, far: Stars) -> Stars:
    """Continue an isochrone below its lowest mass by the trend of the two metallicities next to it.

    At each mass below, every quantity is that of the neighbour plus the neighbour's change from the metallicity one
    step further, shifted as a whole to join the isochrone at its lowest mass.

    Parameters
    ----------
    stars : Stars
        The isochrone that ends early.
    near, far : Stars
        The isochrones of the same age one and two equal steps in metallicity away; they reach lower.

    Returns
    -------
    Stars
        The isochrone with the added points.
    """
    low = float(stars.m_ini[0])
    # A point next to the join would make a step of no length there.
    use = (near.m_ini < 0.99 * low) & (near.m_ini >= far.m_ini[0])
    if not use.any():
        return stars
    at = np.append(near.m_ini[use], low)
    columns = [at]
    for name in ("log_teff", "log_lum", "log_g"):
        here, there = (np.interp(at, each.m_ini, getattr(each, name)) for each in (near, far))
        trend = 2.0 * here - there
        columns.append(trend + getattr(stars, name)[0] - trend[-1])
    number = np.interp(at, near.m_ini, near.eep)
    added = Stars(number + stars.eep[0] - number[-1], *columns).take(slice(None, -1))
    return Stars(*(np.append(getattr(added, name), getattr(stars, name)) for name in stars.__dataclass_fields__))


def resample(
    stars: Stars,
    choose: Callable[[Stars], dict[int, Array]],
    layout: Mapping[int, tuple[int, ...]],
    mags: Array | None = None,
) -> Array:
    """Resample one isochrone.

    Parameters
    ----------
    stars : Stars
        Points with non-decreasing mass.
    choose : callable
        Gives the positions by phase.
    layout : mapping of int to tuple of int
        Phases in order, with the steps between their anchors.
    mags : (n_point, n_band) array, optional
        Magnitudes [mag] to be resampled as well.

    Returns
    -------
    (n_eep, 4 + n_band) array
        m_ini, log_teff, log_lum, log_g and the magnitudes; between points by monotone cubics along the path.
    """
    points = choose(stars)
    positions: list[Array] = []
    for phase, counts in layout.items():
        absent = np.full(sum(counts) + 1, positions[-1][-1] if positions else 0.0)
        positions.append(points.get(phase, absent))
    path = path_length(stars)
    at = np.interp(np.concatenate(positions), np.arange(len(path)), path)
    columns = stars.table() if mags is None else np.column_stack([stars.table(), mags])
    table = PchipInterpolator(path, columns, axis=0)(at)
    table[:, 0] = np.maximum.accumulate(table[:, 0])
    return np.asarray(table)


@dataclass(frozen=True)
class Recipe:
    """How the isochrones of one family are made into a grid.

    Parameters
    ----------
    layout : mapping of int to tuple of int
        Phases in order, with the steps between their anchors.
    choose : callable
        Gives the positions of an isochrone by phase.
    prepare : callable
        Gives the usable points of an isochrone, from its points and the source's phases.
    continued : tuple of float
        [M/H] whose isochrones are continued to low mass by the two nodes below.
    """

    layout: Mapping[int, tuple[int, ...]]
    choose: Callable[[Stars], dict[int, Array]]
    prepare: Callable[[Stars, Array], Stars]
    continued: tuple[float, ...] = ()


def theory_arrays(
    path: Path,
    recipe: Recipe,
    log_age: tuple[float, float],
    mh: tuple[float, float],
    progress: Callable[[float], None] | None = None,
) -> dict[str, NDArray[Any]]:
    """Make the arrays of a theory grid out of a sparse table.

    Parameters
    ----------
    path : Path
        The table.
    recipe : Recipe
        How.
    log_age, mh : (float, float)
        First and last node to keep.
    progress : callable, optional
        Told the fraction that is done.

    Returns
    -------
    dict of str to array
        The arrays of `clusterbayes.isochrones.storage.ARRAYS`.

    Raises
    ------
    GridError
        If the table cannot be read or leaves a value that is not a number.
    """
    table = read_sparse(path)
    ages, metals = (
        np.flatnonzero((axis > low - 1e-4) & (axis < high + 1e-4))
        for axis, (low, high) in ((table.log_age, log_age), (table.mh, mh))
    )
    phase = phase_codes(recipe.layout)
    result = np.empty((ages.size, metals.size, phase.size, 4))
    for a, i in enumerate(ages):
        stars = [recipe.prepare(*table.isochrone(int(i), int(k))) for k in metals]
        for k in range(metals.size):
            whole = stars[k]
            if any(abs(table.mh[metals[k]] - value) < 1e-4 for value in recipe.continued):
                whole = continue_to_low_mass(whole, stars[k - 1], stars[k - 2])
            result[a, k] = resample(whole, recipe.choose, recipe.layout)
        if progress is not None:
            progress((a + 1) / ages.size)
    if not np.all(np.isfinite(result)):
        raise GridError("resampling left values that are not numbers", path.name)
    names = ("m_ini", "log_teff", "log_lum", "log_g")
    return {
        "log_age": np.round(table.log_age[ages], 6),
        "mh": np.round(table.mh[metals], 6),
        "eep": np.arange(phase.size),
        "phase": phase,
        **{name: result[..., c] for c, name in enumerate(names)},
    }


def _mist_stars(stars: Stars, phase: Array) -> Stars:
    """Keep what comes before the first thermal pulse and before the loss of the envelope (Wolf-Rayet stars)."""
    stripped = np.flatnonzero(phase == 9)
    end = min(int(np.searchsorted(stars.eep, milestones.MIST_LAST, side="right")), *stripped[:1], len(stars))
    stars = stars.take(slice(None, end))
    return _smoothed(stars, np.searchsorted(stars.eep, milestones.MIST_PRIMARY))


def _smoothed(stars: Stars, breaks: NDArray[np.intp]) -> Stars:
    masses = smooth_masses(stars.m_ini, breaks)
    return Stars(stars.eep, masses, stars.log_teff, stars.log_lum, stars.log_g)


def _basti_stars(stars: Stars, phase: Array) -> Stars:
    return _smoothed(stars, np.searchsorted(stars.eep, milestones.BASTI_LINES))


def _from_mass(lowest: float) -> Callable[[Stars, Array], Stars]:
    """Return the preparation that starts every isochrone at one mass and drops points below an earlier one's mass."""

    def prepare(stars: Stars, phase: Array) -> Stars:
        before = np.concatenate([[-np.inf], np.maximum.accumulate(stars.m_ini)[:-1]])
        stars = stars.take(stars.m_ini > before)
        above = int(np.searchsorted(stars.m_ini, lowest, side="right"))
        names = stars.__dataclass_fields__
        start = [np.interp(lowest, stars.m_ini, getattr(stars, name)) for name in names]
        stars = Stars(*(np.append(s, getattr(stars, n)[above:]) for s, n in zip(start, names, strict=True)))
        return _smoothed(stars, np.array([], dtype=np.intp))

    return prepare


RECIPES: dict[str, Recipe] = {
    "mist": Recipe(milestones.MIST_LAYOUT, milestones.mist_points, _mist_stars, continued=(0.5,)),
    "basti": Recipe(milestones.BASTI_LAYOUT, milestones.basti_points, _basti_stars),
    "dartmouth": Recipe(milestones.DARTMOUTH_LAYOUT, milestones.dartmouth_points, _from_mass(0.14)),
    "yapsi": Recipe(milestones.SHAPE_LAYOUT, milestones.shape_points, _from_mass(0.615)),
}
"""Recipes by the name of the family."""
