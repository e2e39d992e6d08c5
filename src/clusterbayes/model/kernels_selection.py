"""Compiled probability that a star of the population is in the sample at all.

The sample is limited in the primary magnitude as it was measured, by a curve of fractions that is made of straight
pieces (a hard limit is a jump), and in other bands by hard limits. Noise and the extent of a patch are integrated in
closed form: a jump turns into a mean of Φ, a change of slope into a mean of the integral of Φ.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from clusterbayes.model.kernels_normal import ramp, ramp_mean, tail

__all__ = ["Cuts", "Limits", "cut_share", "patch_share", "sigma_at"]

_REACH = 7.0  # standard deviations beyond which a knot is not felt
_NODES = np.polynomial.legendre.leggauss(8)
_NODE, _WEIGHT = np.ascontiguousarray(0.5 * _NODES[0]), np.ascontiguousarray(0.5 * _NODES[1])


class Limits(NamedTuple):
    """Share of the measured primary magnitudes that are kept, and their error as a function of the true magnitude.

    Piece p of the curve, from knot p − 1 to knot p, is value[p] + slope[p] (m − anchor[p]).
    """

    knots: np.ndarray  # (n_knot,) ascending
    anchor: np.ndarray  # (n_knot + 1,)
    value: np.ndarray  # (n_knot + 1,)
    slope: np.ndarray  # (n_knot + 1,) per mag
    jump: np.ndarray  # (n_knot,) what the curve gains at a knot, towards fainter magnitudes
    plain_bright: float  # the curve is 1 from here
    plain_faint: float  # to here
    faint: float  # beyond this it is 0
    sigma_mag: np.ndarray  # (n,) evenly spaced
    sigma_value: np.ndarray  # (n,)
    floor: float


class Cuts(NamedTuple):
    """Hard limits in other bands, each of which is a column of the observables."""

    column: np.ndarray  # (n_cut,) int
    bright: np.ndarray  # (n_cut,)
    faint: np.ndarray  # (n_cut,)
    sigma_mag: np.ndarray  # (n_cut, n) evenly spaced
    sigma_value: np.ndarray  # (n_cut, n)
    floor: np.ndarray  # (n_cut,)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def sigma_at(magnitude, sigma_mag, sigma_value, floor):
    """Total error at a true magnitude."""
    x = (magnitude - sigma_mag[0]) / (sigma_mag[1] - sigma_mag[0])
    x = min(max(x, 0.0), sigma_mag.size - 1.000001)
    i = int(x)
    sigma = sigma_value[i] + (x - i) * (sigma_value[i + 1] - sigma_value[i])
    return math.sqrt(sigma * sigma + floor * floor)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _bow(x, table):
    """Integral of `ramp` from minus infinity to x."""
    if x < -8.5:
        return 0.0
    z = abs(x)
    lower = tail(z, table)
    inside = lower if x < 0.0 else 1.0 - lower
    return 0.5 * (inside + x * ramp(x, table))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _ramp_average(z_start, z_stop, table):
    """Mean of `ramp` for z spread evenly between two values."""
    if abs(z_stop - z_start) < 1e-3:
        return ramp(0.5 * (z_start + z_stop), table)
    return (_bow(z_stop, table) - _bow(z_start, table)) / (z_stop - z_start)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _segment_share(m, along, sigma, limits, table):
    """Mean of the curve over a segment of true magnitudes m ± along/2, with noise."""
    knots, slope = limits.knots, limits.slope
    piece = 0
    while piece < knots.size and knots[piece] < m:
        piece += 1
    total = limits.value[piece] + slope[piece] * (m - limits.anchor[piece])
    half = 0.5 * abs(along)
    reach = half + _REACH * sigma
    k = piece
    while k < knots.size and knots[k] - m < reach:
        low, high = (m - half - knots[k]) / sigma, (m + half - knots[k]) / sigma
        if limits.jump[k] != 0.0:
            total += limits.jump[k] * ramp_mean(low, high, table)
        bend = slope[k + 1] - slope[k]
        if bend != 0.0:
            total += bend * sigma * _ramp_average(low, high, table)
        k += 1
    k = piece - 1
    while k >= 0 and m - knots[k] < reach:
        low, high = (knots[k] - m - half) / sigma, (knots[k] - m + half) / sigma
        if limits.jump[k] != 0.0:
            total -= limits.jump[k] * ramp_mean(low, high, table)
        bend = slope[k + 1] - slope[k]
        if bend != 0.0:
            total += bend * sigma * _ramp_average(low, high, table)
        k -= 1
    return total


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def cut_share(magnitude, along, cuts, c, table):
    """Share of a segment of true magnitudes ± along/2 in cut c whose measured ones are within its limits."""
    sigma = sigma_at(magnitude, cuts.sigma_mag[c], cuts.sigma_value[c], cuts.floor[c])
    half = 0.5 * abs(along)
    x = cuts.faint[c] - magnitude
    total = ramp_mean((x - half) / sigma, (x + half) / sigma, table)
    x = cuts.bright[c] - magnitude
    return total - ramp_mean((x - half) / sigma, (x + half) / sigma, table)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def patch_share(patch, slope, limits, cuts, table):
    """Share of a patch that is in the sample.

    Parameters
    ----------
    patch : (4, n_obs)
        Centre, extent along and across in the observables; column 0 is the primary magnitude.
    slope : float
        Of the population across the patch.
    """
    sigma = sigma_at(patch[0, 0], limits.sigma_mag, limits.sigma_value, limits.floor)
    size = 0.5 * (abs(patch[1, 0]) + abs(patch[2, 0])) + _REACH * sigma
    uneven = 0
    if patch[0, 0] - size > limits.faint:
        return 0.0
    if patch[0, 0] + size > limits.plain_faint or patch[0, 0] - size < limits.plain_bright:
        uneven = 1
    for c in range(cuts.column.size):
        a = cuts.column[c]
        error = sigma_at(patch[0, a], cuts.sigma_mag[c], cuts.sigma_value[c], cuts.floor[c])
        size = 0.5 * (abs(patch[1, a]) + abs(patch[2, a])) + _REACH * error
        if patch[0, a] - size > cuts.faint[c] or patch[0, a] + size < cuts.bright[c]:
            return 0.0
        if patch[0, a] + size > cuts.faint[c] or patch[0, a] - size < cuts.bright[c]:
            uneven += 1
    if uneven == 0:
        return 1.0
    total = 0.0
    for side in (-1.0, 1.0):
        place = side / (2.0 * math.sqrt(3.0))
        weight = 0.5 * (1.0 + slope * place)
        if uneven > 1:  # limits that are felt together: points along the segment
            for n in range(_NODE.size):
                part = _segment_share(_at(patch, 0, _NODE[n], place), 0.0, sigma, limits, table)
                for c in range(cuts.column.size):
                    part *= cut_share(_at(patch, cuts.column[c], _NODE[n], place), 0.0, cuts, c, table)
                total += weight * _WEIGHT[n] * part
        else:
            part = _segment_share(_at(patch, 0, 0.0, place), patch[1, 0], sigma, limits, table)
            for c in range(cuts.column.size):
                a = cuts.column[c]
                part *= cut_share(_at(patch, a, 0.0, place), patch[1, a], cuts, c, table)
            total += weight * part
    return total


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _at(patch, a, t, v):
    """Value of observable a at a place on the patch."""
    return patch[0, a] + t * patch[1, a] + v * patch[2, a]
