"""Many stars as few: neighbours in the space of the data share a cell, and a cell is evaluated at a few points.

Stars of 1e5 and more lie closer together than their errors. They are sorted into cells whose sides are multiples of
the error of stars of their magnitude; where a cell holds more stars than a simplex has corners, points at the corners
of a simplex with the same mean and covariance stand for them, each with its share of their number. A sum of any smooth
function over the stars is then right to second order in the size of the cells. Stars of sparse cells stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clusterbayes.model import kernels
from clusterbayes.model.selection import ErrorCurve

__all__ = ["Cells", "sort_into_cells"]

_ERROR_CLASS = 0.5  # width of a class of errors, in ln σ, as a share of the step
_OFFSET = 0.1  # width of a class of distances from the centre [radii], as a share of the step


@dataclass(frozen=True)
class Cells:
    """Points that stand for stars.

    Attributes
    ----------
    step : float
        Sides of the cells in units of the errors.
    label : (n_star,)
        Cell of each star; stars that stay as they are have one for themselves.
    cell : (n_point,)
        Cell of each point.
    weight : (n_point,)
        Number of stars that a point stands for.
    order : (n_point,)
        Brings points into order of the primary magnitude.
    place : (n_point, n_place)
        Values, parallax and proper motions of the points, as `_places` joins them.
    """

    step: float
    label: np.ndarray
    cell: np.ndarray
    weight: np.ndarray
    order: np.ndarray
    place: np.ndarray

    @property
    def n_point(self) -> int:
        """Number of points."""
        return self.cell.size

    def mean(self, array: np.ndarray) -> np.ndarray:
        """Mean of an array (n_star, ...) over the stars of each point's cell, (n_point, ...) in order."""
        n_cell = int(self.label.max()) + 1
        flat = array.reshape(array.shape[0], -1).astype(float)
        count = np.bincount(self.label, minlength=n_cell)
        sums = [np.bincount(self.label, weights=column, minlength=n_cell) for column in flat.T]
        means = np.stack(sums, axis=1) / count[:, None] if sums else np.empty((n_cell, 0))
        return means[self.cell[self.order]].reshape(self.n_point, *array.shape[1:])

    def stars(self, stars: kernels.Stars) -> kernels.Stars:
        """Return the points as the kernels take stars."""
        place = self.place[self.order]
        n_obs, n_parallax = stars.values.shape[1], int(stars.parallax.size > 0)
        pm = place[:, n_obs + n_parallax :]

        def per_star(array: np.ndarray) -> np.ndarray:
            return self.mean(array) if array.shape[0] else array

        return kernels.Stars(
            values=np.ascontiguousarray(place[:, :n_obs]),
            errors=np.sqrt(self.mean(stars.errors**2)),
            covariance=per_star(stars.covariance),
            field=self.mean(stars.field),
            outlier=self.mean(stars.outlier),
            passing=self.mean(stars.passing),
            unknown=self.mean(stars.unknown) > 0.5,
            parallax=np.ascontiguousarray(place[:, n_obs]) if n_parallax else stars.parallax,
            parallax_error=np.sqrt(per_star(stars.parallax_error**2)),
            pm=np.ascontiguousarray(pm) if pm.shape[1] else stars.pm,
            pm_variance=per_star(stars.pm_variance),
            offset=per_star(stars.offset),
            weight=self.weight[self.order],
        )


def sort_into_cells(stars: kernels.Stars, magnitudes: Sequence[bool], step: float, floor: float = 0.0) -> Cells:
    """Sort stars into cells.

    Parameters
    ----------
    stars : Stars
        In order of the primary magnitude.
    magnitudes : sequence of bool
        Which of the first columns of the values are magnitudes; those beyond the primary one are taken as colours.
    step : float
        Sides of a cell in units of the errors of stars of its magnitude.
    floor : float
        Added to the errors in quadrature [mag]: what the model will add at the least.

    Returns
    -------
    Cells
    """
    place = _places(stars)
    label = np.zeros(len(place), dtype=np.int64)
    for key in _keys(stars, place, magnitudes, step, floor):
        label = _joined(label, key)
    count = np.bincount(label)
    missing = np.isnan(place)
    corners = (~missing).sum(axis=1) + 1  # of a simplex in the dimensions that a star has
    alone = count[label] <= corners
    label = np.unique(np.where(alone, label.size + np.arange(label.size), label), return_inverse=True)[1]
    parts = [_of_single_stars(place, label, alone)]
    for n in np.unique(corners[~alone]):
        parts += _of_cells(place, label, ~alone & (corners == n), int(n))
    cell, weight, places = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((cell, places[:, 0]))
    return Cells(step, label, cell, weight, order, places)


def _places(stars: kernels.Stars) -> np.ndarray:
    """Values, parallaxes and proper motions of the stars side by side, NaN where missing."""
    parts = [stars.values]
    if stars.parallax.size:
        parts.append(stars.parallax[:, None])
    if stars.pm.shape[0]:
        parts.append(stars.pm)
    return np.concatenate(parts, axis=1)


def _keys(
    stars: kernels.Stars, place: np.ndarray, magnitudes: Sequence[bool], step: float, floor: float
) -> list[np.ndarray]:
    """Whole numbers (n_star,) that are equal for stars of one cell."""
    n_obs, primary = stars.values.shape[1], stars.values[:, 0]
    errors = [*stars.errors.T]
    if stars.parallax.size:
        errors.append(stars.parallax_error)
    if stars.pm.shape[0]:
        errors += [np.sqrt(variance) for variance in stars.pm_variance.T[:2]]
    run = _error_along(ErrorCurve.fit(primary, stars.errors[:, 0]), primary, floor)
    keys = [np.floor(run / step)]
    bin_of = _joined(np.zeros(primary.size, dtype=np.int64), keys[0])
    middle = (np.bincount(bin_of, weights=primary) / np.bincount(bin_of))[bin_of]
    for a, error in enumerate(errors):
        have = np.isfinite(place[:, a])
        keys.append(have)
        if not have.any():
            continue
        least = floor if a < n_obs else 0.0
        typical = np.hypot(ErrorCurve.fit(primary, error)(middle), least)
        keys.append(np.where(have, np.round(np.log(np.hypot(error, least) / typical) / (_ERROR_CLASS * step)), 0.0))
        if a > 0:
            against = primary if a < len(magnitudes) and magnitudes[a] else 0.0
            keys.append(np.where(have, np.floor((place[:, a] - against) / (step * typical)), 0.0))
    keys += [*stars.unknown.T]
    if stars.offset.size:
        keys.append(np.floor(stars.offset / (_OFFSET * step)))
    return keys


def _error_along(curve: ErrorCurve, magnitude: np.ndarray, floor: float) -> np.ndarray:
    """Magnitudes (n_star,) counted in errors: the integral of dm/σ(m)."""
    rate = 1.0 / np.hypot(curve.sigma, floor)
    between = 0.5 * (rate[1:] + rate[:-1]) * np.diff(curve.magnitude)
    return np.interp(magnitude, curve.magnitude, np.concatenate([[0.0], np.cumsum(between)]))


def _joined(label: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return labels that tell apart what either of two arrays (n_star,) tells apart, numbered without gaps."""
    key = np.unique(key, return_inverse=True)[1].astype(np.int64)
    return np.unique(label * (int(key.max()) + 1) + key, return_inverse=True)[1]


def _of_single_stars(
    place: np.ndarray, label: np.ndarray, alone: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell, weight and place of the stars that stand for themselves."""
    return label[alone], np.ones(int(alone.sum())), place[alone]


def _of_cells(
    place: np.ndarray, label: np.ndarray, chosen: np.ndarray, n_corner: int
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Cell, weight and place of the corners of simplices, for stars that have n_corner − 1 dimensions each."""
    cells, inner = np.unique(label[chosen], return_inverse=True)
    count = np.bincount(inner).astype(float)
    own = place[chosen]
    have = np.isfinite(own)  # the same for all stars of a cell
    own = np.where(have, own, 0.0)
    mean = np.stack([np.bincount(inner, weights=column) for column in own.T], axis=1) / count[:, None]
    off = own - mean[inner]
    n_dim = place.shape[1]
    covariance = np.empty((cells.size, n_dim, n_dim))
    for a in range(n_dim):
        for b in range(a + 1):
            covariance[:, a, b] = covariance[:, b, a] = np.bincount(inner, weights=off[:, a] * off[:, b]) / count
    root = _root(covariance, n_corner - 1)
    first = np.zeros(cells.size, dtype=np.int64)
    first[inner[::-1]] = np.arange(inner.size)[::-1]
    gap = np.where(have[first], 0.0, np.nan)
    side = np.where(np.arange(cells.size) % 2 == 0, 1.0, -1.0)[:, None]  # third moments cancel from cell to cell
    return [(cells, count / n_corner, mean + gap + side * (root @ corner)) for corner in _simplex(n_corner - 1)]


def _root(covariance: np.ndarray, rank: int) -> np.ndarray:
    """Factors (n, n_dim, rank) whose squares are covariances (n, n_dim, n_dim) with at most this rank."""
    value, vector = np.linalg.eigh(covariance)
    return (vector * np.sqrt(np.maximum(value, 0.0))[:, None, :])[:, :, covariance.shape[1] - rank :]


def _simplex(n_dim: int) -> np.ndarray:
    """Corners (n_dim + 1, n_dim) of a regular simplex with mean zero and unit covariance."""
    centred = np.eye(n_dim + 1) - 1.0 / (n_dim + 1)
    vector, value, _ = np.linalg.svd(centred)
    return vector[:, :n_dim] * value[:n_dim] * np.sqrt(n_dim + 1.0)
