"""Compiled closed form of one patch of an isochrone with binaries, convolved with a star's errors.

In observables divided by the star's errors, a patch has a centre, a vector u along the sequence and a vector w across
it, and holds weight spread evenly along and linearly across. Its density at the star is a difference of normal
distribution functions along the longer of the two times one across the perpendicular part of the other; the shear
between them enters through the mean and the variance of the position across. The plain oracle of this lives beside
the tests.
"""

from __future__ import annotations

import math

from numba import njit

from clusterbayes.model.kernels_normal import interval, ramp_interval, tail_pair

__all__ = ["patch_integral"]

_CUT = 50.0  # squared distance at which exp(-x/2) is below 2e-11
_NARROW2 = 0.1**2  # squared width (in σ) below which a strip is treated by its expansion about the middle
_EVEN2 = 0.1**2  # squared displacement (in σ) below which an even spread counts as a Gaussian one
_ALIKE = 0.8  # ratio of squared extents above which a patch is as long as wide
_SQRT_2PI = math.sqrt(2.0 * math.pi)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def patch_integral(rr, ru, rw, uu, uw, ww, slope, placed, table):
    """Gaussian mass of one patch in whitened coordinates, without its normalisation.

    Arguments are the inner products of the offset r (star minus centre), the vector u along and w across:
    r·r, r·u, r·w, u·u, u·w, w·w; and the slope of the population across, whose density at v is 1 + slope v. Returns
    the integral and, where `placed`, the mean position along and across in (−½, ½).
    """
    placed = placed or slope != 0.0
    if ww <= _ALIKE * uu:
        part, along, across = _oriented(rr, ru, rw, uu, uw, ww, placed, table)
        return part * (1.0 + slope * across), along, across
    if uu <= _ALIKE * ww:
        part, across, along = _oriented(rr, rw, ru, ww, uw, uu, placed, table)
        return part * (1.0 + slope * across), along, across
    # nearly as long as wide: either may be the line, and the step from one to the other is made smooth
    share = (ww / uu - _ALIKE) / (1.0 / _ALIKE - _ALIKE)
    part, along, across = _oriented(rr, ru, rw, uu, uw, ww, placed, table)
    other, across_other, along_other = _oriented(rr, rw, ru, ww, uw, uu, placed, table)
    part *= (1.0 - share) * (1.0 + slope * across)
    other *= share * (1.0 + slope * across_other)
    total = part + other
    if total > 0.0:
        along = (part * along + other * along_other) / total
        across = (part * across + other * across_other) / total
    return total, along, across


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _oriented(rr, ru, rw, a, b, c, placed, table):
    """As `patch_integral` for a population without slope, with u as the line; a = u·u, b = u·w, c = w·w."""
    if a < _NARROW2:  # a dot
        if rr > _CUT:
            return 0.0, 0.0, 0.0
        across, mean, variance = _average(rw, c)
        along, position, _ = _average(ru - b * mean, a - b * b * variance)
        return across * along * math.exp(-0.5 * rr), position, mean - variance * b * position
    inverse = 1.0 / a
    shear = b * inverse
    rest = rr - ru * ru * inverse
    c_perp = max(c - b * shear, 0.0)
    rw_perp = rw - ru * shear
    if c_perp < _NARROW2:
        if rest > _CUT:
            return 0.0, 0.0, 0.0
        across, mean, variance = _average(rw_perp, c_perp)
    else:
        width, inverse_c = math.sqrt(c_perp), 1.0 / c_perp
        z = rw_perp * inverse_c * width
        rest -= z * z
        outside = max(abs(z) - 0.5 * width, 0.0)
        if rest + outside * outside > _CUT:
            return 0.0, 0.0, 0.0
        across, mean, variance = _across(z, width, inverse_c, table)
    along, position, moved = _along(ru * inverse, math.sqrt(a), shear, mean, variance, placed, table)
    return across * along * math.exp(-0.5 * rest), position, mean + moved


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _along(place, length, shear, mean, variance, placed, table):
    """Average of a Gaussian along a line, and where `placed` the mean position on it, and what it adds to that across.

    The star is beside `place` of the line (0 is its middle). The position v across, of the given mean and variance,
    moves the line along itself by v times the shear. A share 12 times its variance of this spread is taken as even,
    the rest as Gaussian: right for narrow strips, where v is spread evenly over (−½, ½), and for wide ones, where it
    follows the star's own Gaussian.
    """
    centre = abs(place - mean * shear) * length
    tilt = shear * length
    spread2 = tilt * tilt * variance
    even2 = 12.0 * variance * spread2
    rest2 = 1.0 + spread2 - even2
    gaussian = 3.0 * even2 < _EVEN2 * rest2
    share = inside = slope = 0.0
    scale = 1.0 / math.sqrt(1.0 + spread2)
    if placed:  # with all of the spread taken as Gaussian
        near, far = (centre - 0.5 * length) * scale, (centre + 0.5 * length) * scale
        tail_near, phi_near = tail_pair(abs(near), table)
        tail_far, phi_far = tail_pair(far, table)
        share = (tail_near if near > 0.0 else 1.0 - tail_near) - tail_far
        inside, slope = max(share, 1e-300), phi_near - phi_far
    elif gaussian:
        share = interval(centre * scale, 0.5 * length * scale, table)
    if not gaussian:
        even_scale = 1.0 / math.sqrt(rest2)
        spread = math.sqrt(3.0 * even2) * even_scale
        share = ramp_interval(centre * even_scale, 0.5 * length * even_scale, spread, table)
    if share <= 1e-300:
        return 0.0, 0.0, 0.0
    position = moved = 0.0
    if placed:
        position = min(max((centre - slope / (inside * scale)) / length, -0.5), 0.5)
        moved = (position * length - centre) * scale * scale * tilt * variance
        if place > mean * shear:
            moved = -moved
        else:
            position = -position
        moved = min(max(mean + moved, -0.5), 0.5) - mean
    return _SQRT_2PI * share / length, position, moved


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _average(s, c):
    """Average of exp(s v − ½ c v²) over v in (−½, ½) for small s² and c, and mean and variance of v under it.

    Sixth order in √c: the terms are c^(n/2) He_n(s/√c) / (2^n (n + 1)!).
    """
    s2 = s * s
    t1, t2, t3 = 1.0 / 24.0, 1.0 / 1920.0, 1.0 / 322560.0
    value = 1.0 + (s2 - c) * t1 + (s2 * (s2 - 6.0 * c) + 3.0 * c * c) * t2
    value += (s2 * (s2 * (s2 - 15.0 * c) + 45.0 * c * c) - 15.0 * c * c * c) * t3
    inverse = 1.0 / value
    slope = 2.0 * t1 + (4.0 * s2 - 12.0 * c) * t2 + (s2 * (6.0 * s2 - 60.0 * c) + 90.0 * c * c) * t3
    bend = 2.0 * t1 + 12.0 * (s2 - c) * t2 + (s2 * (30.0 * s2 - 180.0 * c) + 90.0 * c * c) * t3
    mean = s * slope * inverse
    return value, mean, bend * inverse - mean * mean


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _across(z, width, inverse_c, table):
    """Average of exp(−½ (z − v width)²) over v in (−½, ½), and mean and variance of v under it.

    `inverse_c` is 1/width².
    """
    near, far = abs(z) - 0.5 * width, abs(z) + 0.5 * width
    tail_near, phi_near = tail_pair(abs(near), table)
    tail_far, phi_far = tail_pair(far, table)
    share = (tail_near if near > 0.0 else 1.0 - tail_near) - tail_far
    if share <= 1e-300:
        return 0.0, 0.0, 0.0
    inverse, scale = 1.0 / share, inverse_c * width
    slope = (phi_near - phi_far) * inverse
    mean = min(max((abs(z) - slope) * scale, -0.5), 0.5)
    variance = (1.0 + (near * phi_near - far * phi_far) * inverse - slope * slope) * inverse_c
    return _SQRT_2PI * scale * share, mean if z > 0.0 else -mean, min(max(variance, 0.0), 1.0 / 12.0)
