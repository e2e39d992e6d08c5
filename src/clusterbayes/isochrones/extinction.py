"""How much light dust takes away in a band, for a star of given temperature, gravity and metallicity.

In a wide band the extinction depends on the star's spectrum and on the amount of dust already in front of it, so a
constant A_b/A_V will not do.  Here A_b = A_V (c0 + c1 A_V + c2 A_V^2) with coefficients tabulated against log Teff,
log g and [M/H]; the table travels with the isochrone grid and is evaluated at every isochrone point when the grid is
loaded.  It holds for R_V = 3.1 and 0 <= A_V <= 6 mag.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MAX_A_V", "ExtinctionTable", "band_extinction", "fit_coefficients"]

MAX_A_V = 6.0
"""Largest A_V [mag] for which the coefficients hold."""


def band_extinction(coefficients: ArrayLike, a_v: float) -> NDArray[np.float64]:
    """Return A_b = A_V (c0 + c1 A_V + c2 A_V^2).

    Parameters
    ----------
    coefficients : (..., 3) array
        c0, c1 [1/mag], c2 [1/mag2].
    a_v : float
        Extinction in V [mag].

    Returns
    -------
    (...) array
        Extinction in the band [mag].
    """
    c = np.asarray(coefficients, dtype=float)
    return np.asarray(a_v * (c[..., 0] + a_v * (c[..., 1] + a_v * c[..., 2])))


def fit_coefficients(a_v: ArrayLike, a_band: ArrayLike) -> NDArray[np.float64]:
    """Fit c0, c1, c2 to tabulated extinctions by weighted least squares on A_b/A_V.

    Small A_V counts most: half weight at A_V = 1.5 mag, so that the curve is right where most clusters are.

    Parameters
    ----------
    a_v : (n,) array
        Positive A_V nodes [mag].
    a_band : (..., n) array
        A_b [mag] at those nodes.

    Returns
    -------
    (..., 3) array
        c0, c1, c2.
    """
    a_v = np.asarray(a_v, dtype=float)
    ratio = np.asarray(a_band, dtype=float) / a_v
    weight = 1.0 / (1.0 + (a_v / 1.5) ** 2)
    design = a_v[:, None] ** np.arange(3) * weight[:, None]
    solve = np.linalg.pinv(design) * weight
    return np.asarray(ratio @ solve.T)


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

    log_teff: NDArray[np.float64]
    log_g: NDArray[np.float64]
    mh: NDArray[np.float64]
    bands: tuple[str, ...]
    coefficients: NDArray[np.float32]

    def select(self, bands: Sequence[str]) -> ExtinctionTable:
        """Return the table of some bands, in the order given."""
        index = [self.bands.index(band) for band in bands]
        return ExtinctionTable(self.log_teff, self.log_g, self.mh, tuple(bands), self.coefficients[..., index, :])

    def evaluate(self, log_teff: ArrayLike, log_g: ArrayLike, mh: ArrayLike) -> NDArray[np.float64]:
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
        values = np.broadcast_arrays(log_teff, log_g, mh)
        shape = values[0].shape
        cells = [_cell(axis, v.ravel()) for axis, v in zip((self.log_teff, self.log_g, self.mh), values, strict=True)]
        table = self.coefficients.reshape(*self.coefficients.shape[:3], -1)
        out = np.zeros((values[0].size, table.shape[-1]))
        for corner in np.ndindex(2, 2, 2):
            index = tuple(cell[0] + side for cell, side in zip(cells, corner, strict=True))
            weight = np.prod(
                [cell[1] if side else 1.0 - cell[1] for cell, side in zip(cells, corner, strict=True)], axis=0
            )
            out += weight[:, None] * table[index]
        return out.reshape(*shape, len(self.bands), 3)


def _cell(axis: NDArray[np.float64], value: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the cell of each value on an axis and its fraction within it, clipped to the axis."""
    if axis.size < 2:
        raise ValueError("an axis of the extinction table needs at least two nodes")
    index = np.clip(np.searchsorted(axis, value, side="right") - 1, 0, axis.size - 2)
    fraction = np.clip((value - axis[index]) / (axis[index + 1] - axis[index]), 0.0, 1.0)
    return index, fraction
