"""Compiled arrangement of the stars: divided by their errors, and held against a patch many at a time.

Stars are sorted by the primary magnitude, so that those in reach of a patch are neighbours. The few whose errors reach
far across the diagram come last and are held against every patch. Arrays have the stars on their last axis, so that the
processor takes several at a time.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from clusterbayes.model.kernels_patch import out_of_reach

__all__ = [
    "CHUNK",
    "N_PRODUCT",
    "REACH",
    "Whitened",
    "arrange",
    "is_near",
    "products_of",
    "products_of_chunk",
    "whiten",
]

#: Stars held against a patch at a time, and how many of them the processor takes at once.
CHUNK, LANES = 128, 8
#: Distance in standard deviations beyond which a star does not feel a patch.
REACH = 7.0
_WIDE = 1.0  # reach of the primary magnitude [mag] beyond which a star comes last
_SQRT_2PI = math.sqrt(2.0 * math.pi)
# Rows of the products of a chunk with a patch, in one line of numbers.
N_PRODUCT = 11 * CHUNK
_RR, _RU, _RW, _UU, _UW, _WW, _OFF, _NEAR, _R, _U, _W = (CHUNK * row for row in range(11))


class Whitened(NamedTuple):
    """Stars with what divides them by their errors: arranged by `arrange`, the rest filled by `whiten`."""

    star: np.ndarray  # (n_star,) which star is at each place
    n_sorted: int  # places in order of the primary magnitude; those behind them hold the stars of large error
    values: np.ndarray  # (n_obs, n_star + LANES) 0 where missing, and at the empty places at the end
    variance: np.ndarray  # (n_obs, n_star + LANES) of the catalogue, infinite where missing
    scale: np.ndarray  # (n_obs, n_star + LANES) diagonal of the inverse Cholesky factor of Σ, 0 where missing
    reach: np.ndarray  # (n_obs, n_star + LANES) distance at which a star feels a patch, infinite where missing
    below: np.ndarray  # (n_obs, n_obs, n_star + LANES) the rest of it; (n_obs, n_obs, 0) where errors are independent
    dust: np.ndarray  # (n_obs, n_star + LANES) from `_share`; (n_obs, 0) where no error is shared
    norm: np.ndarray  # (n_star,) |2πΣ|^(−1/2)
    upper: np.ndarray  # (n_sorted,) largest value + reach of column 0 at this place and those before it
    lower: np.ndarray  # (n_sorted,) smallest value − reach of column 0 at this place and those after it
    unknown: np.ndarray  # (n_star, n_cut) bool: whether the star passed a cut in a band that is not among its values


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def arrange(values, errors, correlated, reddened, unknown):
    """Arrange stars.

    Parameters
    ----------
    values, errors : (n_star, n_obs)
        Sorted by column 0; NaN where missing.
    correlated : bool
        Whether the errors of a star are, before the stars' own extinction.
    reddened : bool
        Whether the extinction of the stars may differ.
    unknown : (n_star, n_cut)
        See `Whitened`.

    Returns
    -------
    Whitened
    """
    n_star, n_obs = values.shape
    wide = REACH * errors[:, 0] > _WIDE
    star = np.concatenate((np.flatnonzero(~wide), np.flatnonzero(wide)))
    n_sorted = n_star - np.sum(wide)
    shape = (n_obs, n_star + LANES)
    placed, variance = np.zeros(shape), np.full(shape, np.inf)
    for n in range(n_star):
        for a in range(n_obs):
            if not math.isnan(errors[star[n], a]):
                placed[a, n] = values[star[n], a]
                variance[a, n] = errors[star[n], a] ** 2
    return Whitened(
        star, n_sorted, placed, variance, np.zeros(shape), np.full(shape, np.inf),
        np.zeros((n_obs, n_obs, n_star + LANES if correlated else 0)),
        np.zeros((n_obs, n_star + LANES if reddened and not correlated else 0)),
        np.empty(n_star), np.empty(n_sorted), np.empty(n_sorted),
        unknown,
    )  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def whiten(covariance, matrix, floor, reddening, out):
    """Divide stars by their errors: Σ = C + A (diag(floor²) + d dᵀ) Aᵀ, where d is the dispersion of the extinction.

    Where errors are independent but for d, the inverse Cholesky factor is that of the rest, and d takes the square of
    one more product off every inner product (Sherman & Morrison 1950, Ann. Math. Stat. 21, 124).

    Parameters
    ----------
    covariance : (n_star, n_obs, n_obs) or (0, n_obs, n_obs)
        Read where it has rows; else errors are independent.
    matrix : (n_obs, n_band)
    floor, reddening : (n_band,)
        [mag]
    out : Whitened
        From `arrange`; filled.
    """
    n_obs, n_star = out.values.shape[0], out.star.size
    extra, shared = np.zeros((n_obs, n_obs)), np.zeros(n_obs)
    for a in range(n_obs):
        for b in range(floor.size):
            shared[a] += matrix[a, b] * reddening[b]
        for c in range(n_obs):
            for b in range(floor.size):
                extra[a, c] += matrix[a, b] * matrix[c, b] * floor[b] * floor[b]
    if covariance.shape[0] == 0:
        out.norm[:] = 1.0
        for a in range(n_obs):
            _divide(out.variance[a], extra[a, a], shared[a] ** 2, out.scale[a], out.reach[a], out.norm)
        if out.dust.shape[1] > 0:
            _share(shared, out.scale, out.dust, out.norm)
    else:
        for a in range(n_obs):
            for c in range(n_obs):
                extra[a, c] += shared[a] * shared[c]
        for n in range(n_star):
            _factor(n, covariance[out.star[n]], extra, out)
    _reaches(out.values[0], out.reach[0], out.upper, out.lower)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _divide(variance, extra, shared, scale, reach, norm):
    """Fill scales and reaches of one observable, and multiply the normalisations by the scales."""
    for i in range(norm.size):
        s = 1.0 / math.sqrt(variance[i] + extra)
        scale[i], reach[i] = s, REACH * math.sqrt(variance[i] + extra + shared)
        norm[i] *= s * (1.0 / _SQRT_2PI) if s > 0.0 else 1.0


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _share(shared, scale, dust, norm):
    """Account for an error d that the observables share, `shared` (n_obs,) [mag], beside independent ones Σ.

    `dust` (n_obs, n_star + LANES) is filled with Σ⁻¹d / √(1 + dᵀΣ⁻¹d), whose product with two vectors comes off theirs;
    the normalisations (n_star,) are divided by that root.
    """
    for i in range(norm.size):
        total = 0.0
        for a in range(shared.size):
            total += (shared[a] * scale[a, i]) ** 2
        less = 1.0 / math.sqrt(1.0 + total)
        for a in range(shared.size):
            dust[a, i] = shared[a] * scale[a, i] ** 2 * less
        norm[i] *= less


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _reaches(values, reach, upper, lower):
    """Fill `upper` and `lower`."""
    largest, smallest = -np.inf, np.inf
    for i in range(upper.size):
        largest = max(largest, values[i] + reach[i])
        upper[i] = largest
    for i in range(lower.size - 1, -1, -1):
        smallest = min(smallest, values[i] - reach[i])
        lower[i] = smallest


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _factor(n, covariance, extra, out):
    """Whiten the star at place n, whose errors are correlated."""
    n_obs = covariance.shape[0]
    norm = 1.0
    chol = np.zeros((n_obs, n_obs))
    scale, below = out.scale[:, n], out.below[:, :, n]
    for a in range(n_obs):
        below[a, :] = 0.0
        scale[a], out.reach[a, n] = 0.0, np.inf
        if math.isinf(out.variance[a, n]):
            continue
        variance = covariance[a, a] + extra[a, a]
        out.reach[a, n] = REACH * math.sqrt(variance)
        for c in range(a):
            if math.isinf(out.variance[c, n]):
                continue
            value = covariance[a, c] + extra[a, c]
            for m in range(c):
                value -= chol[a, m] * chol[c, m]
            chol[a, c] = value * scale[c]
            variance -= chol[a, c] * chol[a, c]
        scale[a] = 1.0 / math.sqrt(variance)
        norm *= scale[a] / _SQRT_2PI
        for c in range(a):
            value = chol[a, c] * scale[c]
            for m in range(c + 1, a):
                value += chol[a, m] * below[m, c]
            below[a, c] = -value * scale[a]
    out.norm[n] = norm


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def products_of_chunk(values, scale, reach, below, dust, first, n, patch, products):
    """Inner products of n stars from a place on and a patch (4, n_obs), in whitened coordinates, and who is in reach.

    `products` (N_PRODUCT,) is filled: r·r, r·u, r·w, u·u, u·w, w·w, and 1 where the star feels the patch, else 0.
    Places are counted without a sign, which spares a test for negative ones, and in whole lanes: arrays end with empty
    places.
    """
    start = np.uint64(first)
    n = (n + LANES - 1) // LANES * LANES
    for i in range(n):
        products[_RR + i] = products[_RU + i] = products[_RW + i] = 0.0
        products[_UU + i] = products[_UW + i] = products[_WW + i] = products[_OFF + i] = 0.0
    for a in range(patch.shape[1]):
        centre, along, across, half = patch[0, a], patch[1, a], patch[2, a], patch[3, a]
        if below.shape[2] > 0:
            _add_correlated(values, scale, reach, below, start, n, a, patch, products)
            continue
        for i in range(n):
            at = start + np.uint64(i)
            offset = values[a, at] - centre
            products[_OFF + i] = max(products[_OFF + i], abs(offset) - half - reach[a, at])
            r, u, w = scale[a, at] * offset, scale[a, at] * along, scale[a, at] * across
            products[_RR + i] += r * r
            products[_RU + i] += r * u
            products[_RW + i] += r * w
            products[_UU + i] += u * u
            products[_UW + i] += u * w
            products[_WW + i] += w * w
    if dust.shape[1] > 0:
        _take_shared(values, dust, start, n, patch, products)
    _mark_near(n, products)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _take_shared(values, dust, start, n, patch, products):
    """Take off the products what lies along the error that the observables share."""
    for i in range(n):
        products[_R + i] = products[_U + i] = products[_W + i] = 0.0
    for a in range(patch.shape[1]):
        centre, along, across = patch[0, a], patch[1, a], patch[2, a]
        for i in range(n):
            at = start + np.uint64(i)
            products[_R + i] += dust[a, at] * (values[a, at] - centre)
            products[_U + i] += dust[a, at] * along
            products[_W + i] += dust[a, at] * across
    for i in range(n):
        r, u, w = products[_R + i], products[_U + i], products[_W + i]
        products[_RR + i] -= r * r
        products[_RU + i] -= r * u
        products[_RW + i] -= r * w
        products[_UU + i] -= u * u
        products[_UW + i] -= u * w
        products[_WW + i] -= w * w


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _add_correlated(values, scale, reach, below, start, n, a, patch, products):
    """Add row a of the inverse Cholesky factors to the products."""
    for i in range(n):
        at = start + np.uint64(i)
        offset = values[a, at] - patch[0, a]
        products[_OFF + i] = max(products[_OFF + i], abs(offset) - patch[3, a] - reach[a, at])
        products[_R + i] = scale[a, at] * offset
        products[_U + i], products[_W + i] = scale[a, at] * patch[1, a], scale[a, at] * patch[2, a]
    for c in range(a):
        for i in range(n):
            at = start + np.uint64(i)
            products[_R + i] += below[a, c, at] * (values[c, at] - patch[0, c])
            products[_U + i] += below[a, c, at] * patch[1, c]
            products[_W + i] += below[a, c, at] * patch[2, c]
    for i in range(n):
        r, u, w = products[_R + i], products[_U + i], products[_W + i]
        products[_RR + i] += r * r
        products[_RU + i] += r * u
        products[_RW + i] += r * w
        products[_UU + i] += u * u
        products[_UW + i] += u * w
        products[_WW + i] += w * w


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _mark_near(n, products):
    for i in range(n):
        rr, ru, rw = products[_RR + i], products[_RU + i], products[_RW + i]
        uu, uw, ww = products[_UU + i], products[_UW + i], products[_WW + i]
        turned = ww > uu
        far = out_of_reach(rr, rw if turned else ru, ru if turned else rw, max(uu, ww), uw, min(uu, ww))
        products[_NEAR + i] = 0.0 if far | (products[_OFF + i] > 0.0) else 1.0


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def is_near(products, i):
    """Whether star i of the chunk feels the patch."""
    return products[_NEAR + i] > 0.0


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def products_of(products, i):
    """Inner products r·r, r·u, r·w, u·u, u·w, w·w of star i of the chunk."""
    return (
        products[_RR + i], products[_RU + i], products[_RW + i],
        products[_UU + i], products[_UW + i], products[_WW + i],
    )  # fmt: skip
