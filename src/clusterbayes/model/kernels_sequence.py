"""Compiled placement of an isochrone: from grid nodes to the apparent magnitudes of single stars and binaries.

`vertices` interpolates, shifts and reddens one isochrone; `system_magnitudes` adds companions and turns bands into
observables; `numbers` integrates the mass function up to every vertex.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from clusterbayes.model.kernels_gauss import exp_minus

__all__ = ["numbers", "system_magnitudes", "together", "vertices"]

_MAG = 0.4 * math.log(10.0)
# Terms of atanh(s)/s in s² (Chebyshev nodes), s from 0 to a third.
_L1, _L2, _L3, _L4 = 0.33333333333221238, 0.20000000036509585, 0.14285710414015815, 0.11111305647475185
_L5, _L6, _L7, _L8 = 0.090855887511899797, 0.077757086186311539, 0.059253763747826024, 0.092606298905239581


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def vertices(nodes, i_age, w_age, i_mh, w_mh, dist_mod, a_v, zero_point, colour, knots, pattern, first_mag, out):
    """Place one isochrone in apparent, reddened magnitudes.

    Parameters
    ----------
    nodes : (n_age, n_mh, n_eep, 3 + 4 n_band)
        Initial mass, log Teff, log L, then per band: absolute magnitude and three extinction coefficients.
    i_age, w_age, i_mh, w_mh : int, float
        Lower node and the weight of the upper one on both axes.
    dist_mod, a_v : float
        [mag]
    zero_point : (n_band,)
        Offsets added to every magnitude [mag].
    colour : (n_knot,)
        Amplitudes of the colour discrepancy at `knots` [mag].
    knots : (n_knot,)
        log Teff, ascending.
    pattern : (n_knot, n_band)
        Share of each colour amplitude that each band takes.
    first_mag : float
        Vertices of low mass that are all fainter than this in band 0 are not needed.
    out : (n_eep, 3 + n_band)
        Filled: mass, log Teff, log L, magnitudes.

    Returns
    -------
    int
        Index of the first vertex that matters.
    """
    n_eep = nodes.shape[2]
    n_band = (nodes.shape[3] - 3) // 4
    w00 = (1.0 - w_age) * (1.0 - w_mh)
    w01 = (1.0 - w_age) * w_mh
    w10 = w_age * (1.0 - w_mh)
    w11 = w_age * w_mh
    j_age = i_age + 1 if w_age > 0.0 else i_age
    j_mh = i_mh + 1 if w_mh > 0.0 else i_mh
    c00, c01 = nodes[i_age, i_mh], nodes[i_age, j_mh]
    c10, c11 = nodes[j_age, i_mh], nodes[j_age, j_mh]
    first = -1
    for j in range(n_eep):
        for c in range(3):
            out[j, c] = w00 * c00[j, c] + w01 * c01[j, c] + w10 * c10[j, c] + w11 * c11[j, c]
        m, t = _between(out[j, 1], knots)
        lower, upper = (1.0 - t) * colour[m], t * colour[m + 1]
        for b in range(n_band):
            c = 3 + 4 * b
            mag = w00 * c00[j, c] + w01 * c01[j, c] + w10 * c10[j, c] + w11 * c11[j, c]
            k0 = w00 * c00[j, c + 1] + w01 * c01[j, c + 1] + w10 * c10[j, c + 1] + w11 * c11[j, c + 1]
            k1 = w00 * c00[j, c + 2] + w01 * c01[j, c + 2] + w10 * c10[j, c + 2] + w11 * c11[j, c + 2]
            k2 = w00 * c00[j, c + 3] + w01 * c01[j, c + 3] + w10 * c10[j, c + 3] + w11 * c11[j, c + 3]
            mag += dist_mod + a_v * (k0 + a_v * (k1 + a_v * k2)) + zero_point[b]
            mag += lower * pattern[m, b] + upper * pattern[m + 1, b]
            out[j, 3 + b] = mag
        if first < 0 and out[j, 3] < first_mag:
            first = j
    return max(first - 1, 0) if first >= 0 else n_eep - 1


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _between(log_teff, knots):
    """Knot (ascending in log Teff) below a temperature and the weight of the one above; the nearest beyond all."""
    m = 0
    while m < knots.size - 2 and log_teff > knots[m + 1]:
        m += 1
    t = (log_teff - knots[m]) / (knots[m + 1] - knots[m])
    return m, min(max(t, 0.0), 1.0)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def system_magnitudes(iso, first, q_nodes, matrix, mu):
    """Observables of every (mass ratio, vertex); strip 0 is the single star.

    A companion below the lowest mass of the grid fades as the fifth power of its mass.

    Parameters
    ----------
    iso : (n_eep, 3 + n_band)
        From `vertices`.
    first : int
        Vertices before this one are left alone.
    q_nodes : (n_q,)
        Mass ratios.
    matrix : (n_obs, n_band)
        Observables from bands.
    mu : (1 + n_q, n_obs, n_eep)
        Filled.
    """
    n_eep, n_band = iso.shape[0], matrix.shape[1]
    single, system = np.empty((n_band, n_eep)), np.empty((n_band, n_eep))
    mass, per_mass = iso[:, 0].copy(), np.zeros(n_eep)
    for j in range(n_eep - 1):
        span = mass[j + 1] - mass[j]
        per_mass[j] = 1.0 / span if span > 0.0 else 0.0
    for b in range(n_band):
        single[b] = iso[:, 3 + b]
    _observe(single, matrix, first, mu[0])
    for k in range(q_nodes.size):
        _companions(iso, mass, per_mass, q_nodes[k], first, system)
        for b in range(n_band):
            _join(single[b, first:], system[b, first:])
        _observe(system, matrix, first, mu[k + 1])


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _companions(iso, mass, per_mass, q, first, out):
    """Magnitudes (n_band, n_eep) of the companions of mass ratio q; `per_mass` is 1 over the mass between vertices."""
    low = 0
    for j in range(first, mass.size):
        fade, t = 0.0, 0.0
        wanted = q * mass[j]
        if wanted <= mass[0]:
            fade = 12.5 * math.log10(mass[0] / wanted)
            low = 0
        else:
            while low < j - 1 and mass[low + 1] < wanted:
                low += 1
            t = min((wanted - mass[low]) * per_mass[low], 1.0)
        for b in range(out.shape[0]):
            out[b, j] = iso[low, 3 + b] + t * (iso[low + 1, 3 + b] - iso[low, 3 + b]) + fade


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _join(primary, system):
    """Turn magnitudes of companions into those of the systems; both (n,)."""
    for j in range(system.size):
        system[j] = together(primary[j], system[j])


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def together(magnitude, other):
    """Magnitude of two stars seen as one, to 1e-13: log(1 + y) as a series in y/(2 + y) for y up to 1."""
    y = exp_minus(min(_MAG * abs(other - magnitude), 40.0))
    s = y / (2.0 + y)
    s2 = s * s
    series = _L4 + s2 * (_L5 + s2 * (_L6 + s2 * (_L7 + s2 * _L8)))
    series = 1.0 + s2 * (_L1 + s2 * (_L2 + s2 * (_L3 + s2 * series)))
    return min(magnitude, other) - (2.0 / _MAG) * s * series


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _observe(magnitudes, matrix, first, mu):
    """Turn magnitudes (n_band, n_eep) into observables (n_obs, n_eep)."""
    for a in range(matrix.shape[0]):
        mu[a, first:] = 0.0
        for b in range(matrix.shape[1]):
            if matrix[a, b] != 0.0:
                _add_scaled(matrix[a, b], magnitudes[b, first:], mu[a, first:])


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _add_scaled(factor, values, out):
    for j in range(out.size):
        out[j] += factor * values[j]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def numbers(iso, first, slope_low, slope_high, shape, out):
    """Integrate the mass function up to each vertex: filled `out` (n_eep,) at 0 and from `first` on.

    `shape` (3,) holds the break [Msun], and centre [Msun] and width in log10 M of a lognormal below it; a width of 0
    stands for a power law there. The function is continuous at the break with value 1, and so is the integral, with
    value 0.
    """
    n_eep = iso.shape[0]
    out[0] = _imf_integral(iso[0, 0], slope_low, slope_high, shape)
    for j in range(first, n_eep):
        if j > first and iso[j, 0] == iso[j - 1, 0]:
            out[j] = out[j - 1]
        else:
            out[j] = _imf_integral(iso[j, 0], slope_low, slope_high, shape)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _imf_integral(mass, slope_low, slope_high, shape):
    m_break = shape[0]
    x = math.log(mass / m_break)
    if shape[2] > 0.0 and mass < m_break:
        spread = shape[2] * math.log(10.0) * math.sqrt(2.0)
        joint = math.log(m_break / shape[1]) / spread
        scale = 0.5 * m_break * math.exp(joint * joint) * spread * math.sqrt(math.pi)
        return scale * (math.erf(joint + x / spread) - math.erf(joint))
    slope = slope_low if mass < m_break else slope_high
    g = (1.0 - slope) * x
    if abs(g) < 1e-8:
        return m_break * x * (1.0 + 0.5 * g)
    return m_break * x * math.expm1(g) / g
