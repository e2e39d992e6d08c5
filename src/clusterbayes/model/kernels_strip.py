"""Compiled layout of the patches that an isochrone with binaries is made of.

Patch (k, j) joins vertices j and j+1 of two neighbouring mass-ratio sequences; single stars are the degenerate strip
of zero width. The sequence half-way between the two says where in a patch its population is. Patches are laid in runs
of `RUN` along a strip, row after row in one line of numbers, so that the processor lays several at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["RUN", "Strips", "laid_column", "laid_patch", "lay_run", "room_for_run"]

#: Patches laid at a time.
RUN = 64
_PARALLEL = 0.99  # squared cosine from which a patch counts as nearly folded into a line
_STEEPEST = 1.0  # largest slope of a population across a patch; what is more moves the patch
_SLOPE, _REST, _FOLDED, _DD, _DE, _EE, _EM, _HEAD = (RUN * row for row in range(8))
_CENTRE, _ALONG, _ACROSS, _HALF, _SIZE = (RUN * row for row in range(5))  # of each observable


class Strips(NamedTuple):
    """An isochrone with binaries, and how its population is spread over it."""

    iso: np.ndarray  # (n_eep, 3 + n_band) mass, log Teff, log L, magnitudes
    first: int  # first vertex that matters; what lies below it is fainter than any star and not selected
    mu: np.ndarray  # (2 n_q, n_obs, n_eep) observables: single stars, one row per mass-ratio node, then their midpoints
    number: np.ndarray  # (n_eep,) integral of the mass function up to each vertex
    q_nodes: np.ndarray  # (n_q,)
    q_share: np.ndarray  # (n_q − 1,) share of binaries between neighbouring nodes
    q_lean: np.ndarray  # (n_q − 1,) their mean place between the nodes, from −½ to ½
    binary_frac: float
    n_fitted: int  # columns of `mu` that stars have values in; limits may act on others


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def room_for_run(n_obs):
    """Room for a run of patches."""
    return np.zeros(_HEAD + _SIZE * n_obs)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def lay_run(mu, k, j, n, lean, n_fitted, run):
    """Lay patches (k, j) to (k, j + n − 1) into a run.

    The population of a strip is even in mass ratio, but not in light. A parabola through the edges and the middle says
    by how much: what it moves along the extent across becomes a slope s of the population, whose density at a place v
    in (−½, ½) is 1 + s v, and what is left moves the patch, so that its mean is right.
    """
    n_obs = mu.shape[1]
    run[_SLOPE:_HEAD] = 0.0
    if k == 0:
        for a in range(n_obs):
            _lay_line(mu[0, a, j:], n, run[_HEAD + a * _SIZE :])
        return
    for a in range(n_obs):
        column = run[_HEAD + a * _SIZE :]
        _span(mu[k, a, j:], mu[k + 1, a, j:], mu[mu.shape[0] // 2 + k, a, j:], n, column)
        if a < n_fitted:
            _add_products(n, column, run)
    for i in range(n):
        steep = 8.0 * run[_EM + i] / run[_EE + i] if run[_EE + i] > 0.0 else 0.0
        slope = min(max(12.0 * lean + steep, -_STEEPEST), _STEEPEST)
        run[_SLOPE + i] = slope
        run[_REST + i] = lean - slope / 12.0
        parallel = run[_DE + i] * run[_DE + i] > _PARALLEL * run[_DD + i] * run[_EE + i]
        run[_FOLDED + i] = 0.6 if parallel else 0.0
    for a in range(n_obs):
        _settle(n, run, run[_HEAD + a * _SIZE :])


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _lay_line(single, n, column):
    """Lay an observable of single stars."""
    for i in range(n):
        p, q = single[i], single[i + 1]
        column[_CENTRE + i] = 0.5 * (p + q)
        column[_ALONG + i] = q - p
        column[_ACROSS + i] = 0.0
        column[_HALF + i] = 0.5 * abs(q - p)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _span(lower, upper, middle, n, column):
    """Centres, extents and, in place of half of the box, how far the middle is off the centre, of one observable."""
    for i in range(n):
        p00, p01 = lower[i], lower[i + 1]
        p10, p11 = upper[i], upper[i + 1]
        centre = 0.25 * (p00 + p01 + p10 + p11)
        column[_CENTRE + i] = centre
        column[_ALONG + i] = 0.5 * (p01 + p11 - p00 - p10)
        column[_ACROSS + i] = 0.5 * (p10 + p11 - p00 - p01)
        column[_HALF + i] = 0.5 * (middle[i] + middle[i + 1]) - centre


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _add_products(n, column, run):
    """Add an observable to the inner products of the extents along and across, and of the latter with the middle."""
    for i in range(n):
        d, e, m = column[_ALONG + i], column[_ACROSS + i], column[_HALF + i]
        run[_DD + i] += d * d
        run[_DE + i] += d * e
        run[_EE + i] += e * e
        run[_EM + i] += e * m


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _settle(n, run, column):
    """Move an observable's centres to the mean of the population, and draw the box.

    Where a patch is nearly folded, the Gaussian part of the spread in `kernels_patch` goes beyond it.
    """
    for i in range(n):
        along, across = abs(column[_ALONG + i]), abs(column[_ACROSS + i])
        column[_CENTRE + i] += (2.0 / 3.0) * column[_HALF + i] + run[_REST + i] * column[_ACROSS + i]
        column[_HALF + i] = 0.5 * (along + across) + run[_FOLDED + i] * min(along, across)


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def laid_column(run, i):
    """Centre of patch i of a run, and half of its box, in column 0."""
    return run[_HEAD + _CENTRE + i], run[_HEAD + _HALF + i]


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def laid_patch(run, i, patch):
    """Copy patch i of a run: rows of `patch` (4, n_obs) are centre, extents along and across, half of the box.

    Returns the slope of the population across.
    """
    for a in range(patch.shape[1]):
        at = _HEAD + a * _SIZE + i
        patch[0, a], patch[1, a] = run[at + _CENTRE], run[at + _ALONG]
        patch[2, a], patch[3, a] = run[at + _ACROSS], run[at + _HALF]
    return run[_SLOPE + i]
