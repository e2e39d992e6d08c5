"""How isochrones may be wrong in colour: a shift against log Teff that bands share as the colours of stars go together.

Colours of real stars and of models follow the same locus in a colour–colour diagram to a few thousandths of a
magnitude, also where the models' colours are wrong by a tenth: a model star has the colours of another temperature. A
discrepancy therefore moves stars along the locus of the main sequence. The likelihood and the simulator use the same
pattern and the same straight lines between the knots. What clusters have shown of it travels with the package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from clusterbayes.bands import resolve_band
from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.isochrones.certified import rows_of
from clusterbayes.model.parameters import FAMILY_PATTERN

__all__ = ["colour_amplitudes", "colour_pattern", "colour_shift", "known_discrepancy"]

_TABLE = "discrepancies.csv"
_DWARF = 3.7  # log g [cm/s2] from which a point counts as main sequence
_AROUND = 0.03  # in log Teff about a knot, widened until there are points enough
_ENOUGH = 12
_LEAST_RANGE = 0.02  # of the colour [mag], without which no slope can be told
_AGES = (7.3, 8.3, 9.3)  # log10(yr) of the isochrones that show the locus


def colour_amplitudes(values: Mapping[str, Any]) -> dict[float, Any]:
    """Return the colour discrepancy at each knot [mag]: the knot's own, and its part of what families share.

    Parameters
    ----------
    values : mapping
        Parameters by name, numbers or arrays (n_walkers,).

    Returns
    -------
    dict
        By log Teff, of the knots that are among the parameters.
    """
    family = values.get("colour_family", 0.0)
    own = {
        name: float(name.removeprefix("colour_"))
        for name in values
        if name.startswith("colour_") and name != "colour_family"
    }
    return {knot: values[name] + family * FAMILY_PATTERN.get(knot, 0.0) for name, knot in own.items()}


def colour_pattern(bands: Sequence[str], n_fitted: int, knots: Sequence[float], grid: IsochroneGrid) -> np.ndarray:
    """Share of a colour amplitude that each band takes at each knot, shape (n_knot, n_band).

    The bluest fitted band takes ½ and the reddest −½. Of the others each takes what keeps its colours on the locus of
    the grid's main sequence at the temperature of the knot, or at the nearest one that the grid has.

    Parameters
    ----------
    bands : sequence of str
        The fitted bands first.
    n_fitted : int
        Number of fitted bands.
    knots : sequence of float
        log Teff.
    grid : IsochroneGrid
        With these bands.
    """
    wavelength = np.array([resolve_band(band).wavelength for band in bands])
    blue, red = int(np.argmin(wavelength[:n_fitted])), int(np.argmax(wavelength[:n_fitted]))
    if blue == red:
        return np.zeros((len(knots), len(bands)))
    log_teff, magnitudes = _main_sequence(grid, bands)
    colour = magnitudes[:, blue] - magnitudes[:, red]
    centred = magnitudes - 0.5 * (magnitudes[:, [blue]] + magnitudes[:, [red]])
    slopes = [_slopes(log_teff - knot, colour, centred) for knot in knots]
    return np.array(slopes).reshape(len(knots), len(bands))


def known_discrepancy(metadata: Mapping[str, Any], bands: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return mean and scatter of how a grid is wrong, as clusters have shown it.

    Parameters
    ----------
    metadata : mapping
        The grid's.
    bands : sequence of str
        The fitted ones.

    Returns
    -------
    dict of str to (float, float)
        By parameter: colour discrepancies [mag], and what ages are off by [dex]. Empty where nothing is known.
    """
    ends = tuple(end(bands, key=lambda name: resolve_band(name).wavelength) for end in (min, max))
    rows = rows_of(metadata, files("clusterbayes.model") / _TABLE)
    return {
        row["parameter"]: (float(row["mean"]), float(row["scatter"]))
        for row in rows
        if (row["blue"], row["red"]) in (ends, ("", ""))
    }


def _main_sequence(grid: IsochroneGrid, bands: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Temperatures (n,) and magnitudes (n, n_band) of main-sequence stars of some ages near solar composition."""
    columns = [grid.bands.index(band) for band in bands]
    m = int(np.argmin(np.abs(grid.mh)))
    ages = sorted({int(np.argmin(np.abs(grid.log_age - age))) for age in _AGES})
    log_teff = grid.log_teff[ages, m].ravel()
    magnitudes = grid.mags[ages, m][..., columns].reshape(log_teff.size, len(columns))
    dwarf = (grid.log_g[ages, m].ravel() > _DWARF) & np.isfinite(magnitudes).all(axis=1)
    return log_teff[dwarf], magnitudes[dwarf]


def _slopes(off: np.ndarray, colour: np.ndarray, centred: np.ndarray) -> np.ndarray:
    """Slopes (n_band,) of magnitudes (n, n_band) against the colour (n,) for the stars of smallest `off` (n,)."""
    nearest = np.argsort(np.abs(off), kind="stable")
    for width in _AROUND * 2.0 ** np.arange(8):
        near = nearest[: max(int(np.sum(np.abs(off) < width)), _ENOUGH)]
        x = colour[near] - colour[near].mean()
        if np.ptp(x) > _LEAST_RANGE:
            break
    return x @ (centred[near] - centred[near].mean(axis=0)) / max(float(x @ x), 1e-12)


def colour_shift(log_teff: np.ndarray, amplitudes: Mapping[float, float], pattern: np.ndarray) -> np.ndarray:
    """Shift of each band [mag], shape (n, n_band), for amplitudes [mag] at knots in log Teff.

    Straight lines between the knots, constant beyond them. No amplitudes: no shift.

    Parameters
    ----------
    log_teff : (n,)
    amplitudes : mapping of float to float
    pattern : (n_knot, n_band)
        From `colour_pattern`, for the knots in ascending order.
    """
    if not amplitudes:
        return np.zeros((np.size(log_teff), pattern.shape[1]))
    knots = sorted(amplitudes)
    at_knots = np.array([amplitudes[knot] for knot in knots])[:, None] * pattern
    return np.stack([np.interp(log_teff, knots, column) for column in at_knots.T], axis=1)
