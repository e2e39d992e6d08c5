"""Compiled closed form of patches of an isochrone with binaries, convolved with the errors of stars.

In observables divided by the star's errors, a patch has a centre, a vector u along the sequence and a vector w across
it, and holds weight spread evenly along and linearly across. Its density at the star is a difference of normal
distribution functions along the longer of the two times one across the perpendicular part of the other; the shear
between them enters through the mean and the variance of the position across.

Pairs of a star and a patch wait in a batch (`add_pair`) and are integrated together (`integrate`), in one loop without
branches whose turns the processor takes several at a time. The plain oracle of this lives beside the tests.
"""

from __future__ import annotations

import math

from numba import njit

from clusterbayes.model.kernels_gauss import END, exp_minus, normal_pairs

__all__ = ["N_PAIR", "N_ROW", "PART", "PLACE_ACROSS", "PLACE_ALONG", "add_pair", "extents", "integrate", "out_of_reach"]

#: Pairs in a batch, and the numbers kept of each.
N_PAIR, N_ROW = 128, 13
# A batch is one line of numbers, row after row: distances between rows that are known beforehand let the compiler see
# that rows do not overlap.
_RR, _RU, _RW, _A, _B, _C, _WEIGHT, _ALONG, _ACROSS, _TURNED = (N_PAIR * row for row in range(10))
#: Rows that `integrate` fills: weight times integral, mean position along and across in (−½, ½).
PART, PLACE_ALONG, PLACE_ACROSS = N_PAIR * 10, N_PAIR * 11, N_PAIR * 12
_CUT = 50.0  # squared distance at which exp(-x/2) is below 2e-11
_NARROW2 = 0.1**2  # squared width (in σ) below which a strip is treated by its expansion about the middle
_EVEN2 = 0.1**2  # squared displacement (in σ) below which an even spread counts as a Gaussian one
_ALIKE = 0.8  # ratio of squared extents above which a patch is as long as wide
_SQRT_2PI = math.sqrt(2.0 * math.pi)


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def add_pair(batch, n, products, slope, weight):
    """Put a pair at place n of the batch and return how many places it took.

    `products` are inner products of the offset r (star minus centre), the vector u along and w across: r·r, r·u, r·w,
    u·u, u·w, w·w; `slope` is that of the population across, whose density at v is 1 + slope v; `weight` multiplies the
    integral. The longer vector becomes the line. Where they are nearly alike, either may be, and the step from one to
    the other is made smooth: the pair takes two places.
    """
    rr, ru, rw, uu, uw, ww = products
    if ww <= _ALIKE * uu:
        _place(batch, n, rr, ru, rw, uu, uw, ww, weight, 0.0, slope, 0.0)
        return 1
    if uu <= _ALIKE * ww:
        _place(batch, n, rr, rw, ru, ww, uw, uu, weight, slope, 0.0, 1.0)
        return 1
    share = (ww / uu - _ALIKE) / (1.0 / _ALIKE - _ALIKE)
    _place(batch, n, rr, ru, rw, uu, uw, ww, weight * (1.0 - share), 0.0, slope, 0.0)
    _place(batch, n + 1, rr, rw, ru, ww, uw, uu, weight * share, slope, 0.0, 1.0)
    return 2


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def out_of_reach(rr, ru, rw, a, b, c):
    """Whether a star is more than 7 standard deviations from a patch and what continues it along u, the longer extent.

    With the area² = a c − b² of the patch and aside = |a r·w − b r·u|, squared distances are a times theirs.
    """
    area2 = a * c - b * b
    aside = abs(rw * a - ru * b)
    beyond = rr * a - ru * ru - _CUT * a
    within = 2.0 * aside <= area2
    return (beyond * area2 > aside * aside) if within else (beyond > aside - 0.25 * area2)


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _place(batch, n, rr, ru, rw, a, b, c, weight, along, across, turned):
    batch[_RR + n], batch[_RU + n], batch[_RW + n] = rr, ru, rw
    batch[_A + n], batch[_B + n], batch[_C + n] = a, b, c
    batch[_WEIGHT + n], batch[_ALONG + n], batch[_ACROSS + n], batch[_TURNED + n] = weight, along, across, turned


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def extents(batch, n):
    """Squared extents u·u along and w·w across of pair n."""
    if batch[_TURNED + n] > 0.0:
        return batch[_C + n], batch[_A + n]
    return batch[_A + n], batch[_C + n]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def integrate(batch):
    """Integrate all pairs of a batch (N_ROW N_PAIR,); rows `PART`, `PLACE_ALONG` and `PLACE_ACROSS` are filled.

    The turns of the loop are alike for every pair: of two formulas that hold on either side of a threshold both are
    evaluated, and one is taken.
    """
    for n in range(N_PAIR):
        ru, a, b = batch[_RU + n], batch[_A + n], batch[_B + n]
        inverse = 1.0 / a
        length = math.sqrt(a)
        per_length = length * inverse
        shear = b * inverse
        c_perp = max(batch[_C + n] - b * shear, 0.0)
        rw_perp = batch[_RW + n] - ru * shear
        value, mean, variance = _average(rw_perp, c_perp)
        far2 = 0.0
        c_wide = max(c_perp, _NARROW2)
        inverse_c = 1.0 / c_wide
        width = math.sqrt(c_wide)
        z = rw_perp * inverse_c * width
        wide_value, wide_mean, wide_variance = _across(z, width, inverse_c)
        wide = c_perp >= _NARROW2
        value = wide_value if wide else value
        mean = wide_mean if wide else mean
        variance = wide_variance if wide else variance
        far2 = z * z if wide else far2
        share, position, moved = _along(ru * inverse, length, per_length, shear, mean, variance)
        rest = max(batch[_RR + n] - ru * ru * inverse - far2, 0.0)
        across = min(max(mean + moved, -0.5), 0.5)
        part = value * share * (_SQRT_2PI * per_length) * exp_minus(min(0.5 * rest, 40.0))
        part *= batch[_WEIGHT + n] * (1.0 + batch[_ALONG + n] * position + batch[_ACROSS + n] * across)
        turned = batch[_TURNED + n] > 0.0
        batch[PART + n] = part
        batch[PLACE_ALONG + n] = across if turned else position
        batch[PLACE_ACROSS + n] = position if turned else across
    for n in range(N_PAIR):
        if batch[_A + n] < _NARROW2:
            _integrate_dot(batch, n)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _integrate_dot(batch, n):
    """Integrate a pair whose patch is small in both directions, by expansions about its centre."""
    rr, ru, rw = batch[_RR + n], batch[_RU + n], batch[_RW + n]
    a, b, c = batch[_A + n], batch[_B + n], batch[_C + n]
    value, mean, variance = _average(rw, c)
    share, position, _ = _average(ru - b * mean, a - b * b * variance)
    across = mean - variance * b * position
    part = batch[_WEIGHT + n] * (1.0 + batch[_ALONG + n] * position + batch[_ACROSS + n] * across)
    batch[PART + n] = part * value * share * math.exp(-0.5 * rr) if rr < _CUT else 0.0
    turned = batch[_TURNED + n] > 0.0
    batch[PLACE_ALONG + n] = across if turned else position
    batch[PLACE_ACROSS + n] = position if turned else across


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _along(place, length, per_length, shear, mean, variance):
    """Average of a Gaussian along a line, the mean position on it, and what that adds to the mean position across.

    The star is beside `place` of the line (0 is its middle). The position v across, of the given mean and variance,
    moves the line along itself by v times the shear. A share 12 times its variance of this spread is taken as even,
    the rest as Gaussian: right for narrow strips, where v is spread evenly over (−½, ½), and for wide ones, where it
    follows the star's own Gaussian. For the mean position all of the spread is taken as Gaussian.
    """
    side = place - mean * shear
    centre = abs(side) * length
    half = 0.5 * length
    tilt = shear * length
    spread2 = tilt * tilt * variance
    even2 = 12.0 * variance * spread2
    rest2 = 1.0 + spread2 - even2
    sigma = math.sqrt(1.0 + spread2)
    scale = 1.0 / sigma
    near, far = (centre - half) * scale, (centre + half) * scale
    tail_near, phi_near, tail_far, phi_far = normal_pairs(min(abs(near), END), min(far, END))
    share = (tail_near if near > 0.0 else 1.0 - tail_near) - tail_far
    inside, slope = max(share, 1e-300), phi_near - phi_far
    position = min(max((centre - slope * sigma / inside) * per_length, -0.5), 0.5)
    moved = (position * length - centre) * scale * scale * tilt * variance
    even_scale2 = 1.0 / rest2
    even_scale = math.sqrt(even_scale2)
    spread = max(math.sqrt(3.0 * even2 * even_scale2), 0.5 * _EVEN2)
    even_share = _spread_interval(centre * even_scale, half * even_scale, spread)
    share = share if 3.0 * even2 < _EVEN2 * rest2 else even_share
    return max(share, 0.0), position if side > 0.0 else -position, -moved if side > 0.0 else moved


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _spread_interval(centre, half, spread):
    """Mean of the probability between centre ± half over centres spread evenly by ± spread; centre and half ≥ 0."""
    above, below = half - centre, -half - centre
    return (_ramps(above + spread, above - spread) - _ramps(below + spread, below - spread)) / (2.0 * spread)


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _ramps(x, y):
    """Integral of Φ from y to x: the difference of two integrals from minus infinity."""
    x_abs, y_abs = min(abs(x), END), min(abs(y), END)
    tail_x, phi_x, tail_y, phi_y = normal_pairs(x_abs, y_abs)
    return max(x, 0.0) - max(y, 0.0) + ((phi_x - x_abs * tail_x) - (phi_y - y_abs * tail_y))


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
def _across(z, width, inverse_c):
    """Average of exp(−½ (z − v width)²) over v in (−½, ½), and mean and variance of v under it.

    `inverse_c` is 1/width².
    """
    near, far = abs(z) - 0.5 * width, abs(z) + 0.5 * width
    tail_near, phi_near, tail_far, phi_far = normal_pairs(min(abs(near), END), min(far, END))
    share = (tail_near if near > 0.0 else 1.0 - tail_near) - tail_far
    inverse, scale = 1.0 / max(share, 1e-300), inverse_c * width
    slope = (phi_near - phi_far) * inverse
    mean = min(max((abs(z) - slope) * scale, -0.5), 0.5)
    variance = (1.0 + (near * phi_near - far * phi_far) * inverse - slope * slope) * inverse_c
    return _SQRT_2PI * scale * share, mean if z > 0.0 else -mean, min(max(variance, 0.0), 1.0 / 12.0)
