"""Limits in other bands than the primary one, brought to the form that the kernels take.

Each limit is on a column of the observables. Where its band is not one of them, a column is added that no star has a
value in; where a star's magnitude in the band does not follow from its observables, the probability that it passed
becomes part of its density.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clusterbayes.bands import Observable, bands_of, observable_matrix
from clusterbayes.model.completeness import share_kept
from clusterbayes.model.kernels_selection import Cuts
from clusterbayes.model.selection import BandLimit, ErrorCurve

__all__ = ["UNKNOWN_ERROR", "LimitColumns", "measured_in", "share_inside"]

#: Error of a magnitude that the table does not hold [mag].
UNKNOWN_ERROR = 0.02
_N_SIGMA = 101


def measured_in(
    observables: Sequence[Observable], values: np.ndarray, errors: np.ndarray, band: str
) -> tuple[np.ndarray, np.ndarray]:
    """Magnitude and error of a band as far as the observables say (V and B−V say B), NaN where they don't.

    Parameters
    ----------
    observables : sequence of Observable
    values, errors : (n_star, n_obs)
    band : str

    Returns
    -------
    magnitude, error : (n_star,)
    """
    bands = tuple(dict.fromkeys([*bands_of(observables), band]))
    matrix = observable_matrix(tuple(observables), bands)
    wanted = np.array([float(b == band) for b in bands])
    parts = np.linalg.lstsq(matrix.T, wanted, rcond=None)[0]
    if np.abs(matrix.T @ parts - wanted).max() > 1e-9:
        return np.full(values.shape[0], np.nan), np.full(values.shape[0], np.nan)
    used = np.abs(parts) > 1e-9
    return values[:, used] @ parts[used], np.sqrt(errors[:, used] ** 2 @ parts[used] ** 2)


def share_inside(
    observables: Sequence[Observable], points: np.ndarray, limits: Sequence[BandLimit], at: np.ndarray | None = None
) -> np.ndarray:
    """Share of points (n, n_obs) within limits of other bands; with `at`, of those about each primary magnitude."""
    inside = np.ones(points.shape[0], dtype=bool)
    for limit in limits:
        magnitude, _ = measured_in(observables, points, np.zeros(points.shape), limit.band)
        inside &= ~((magnitude < limit.bright) | (magnitude > limit.faint))
    if at is None:
        return np.maximum(inside.mean(), 1e-4)
    return share_kept(points[:, 0], inside)(at)


class LimitColumns:
    """Where the limits of other bands act.

    Parameters
    ----------
    observables : sequence of Observable
        The primary magnitude first.
    limits : sequence of BandLimit
    measured : sequence of (magnitude, error)
        Of each limit's band, arrays (n_star,), NaN where they don't follow from the observables.

    Attributes
    ----------
    added : tuple of str
        Bands of the columns to be added behind the observables.
    unknown : (n_star, n_limit)
        Whether the star's magnitude in the band is unknown.
    cuts : Cuts
        With floors of 0.
    """

    def __init__(
        self,
        observables: Sequence[Observable],
        limits: Sequence[BandLimit],
        measured: Sequence[tuple[np.ndarray, np.ndarray]],
        n_star: int,
    ) -> None:
        own = {o.bands[0]: i for i, o in enumerate(observables) if o.is_magnitude}
        self.added = tuple(limit.band for limit in limits if limit.band not in own)
        own |= {band: len(observables) + i for i, band in enumerate(self.added)}
        self.unknown = np.zeros((n_star, len(limits)), dtype=bool)
        sigma_mag, sigma = np.empty((len(limits), _N_SIGMA)), np.empty((len(limits), _N_SIGMA))
        for c, (magnitude, error) in enumerate(measured):
            self.unknown[:, c] = ~np.isfinite(magnitude)
            if np.isfinite(magnitude).any():
                curve = ErrorCurve.fit(magnitude, error)
                sigma_mag[c] = np.linspace(curve.magnitude[0], curve.magnitude[-1], _N_SIGMA)
                sigma[c] = curve(sigma_mag[c])
            else:
                sigma_mag[c], sigma[c] = np.linspace(0.0, 30.0, _N_SIGMA), UNKNOWN_ERROR
        self.cuts = Cuts(
            column=np.array([own[limit.band] for limit in limits], dtype=np.int64),
            bright=np.array([limit.bright for limit in limits], dtype=float),
            faint=np.array([limit.faint for limit in limits], dtype=float),
            sigma_mag=sigma_mag,
            sigma_value=sigma,
            floor=np.zeros(len(limits)),
        )

    def widen(self, values: np.ndarray) -> np.ndarray:
        """Add the columns that no star has a value in to values or errors (n_star, n_obs)."""
        if not self.added:
            return values
        return np.column_stack([values, np.full((values.shape[0], len(self.added)), np.nan)])
