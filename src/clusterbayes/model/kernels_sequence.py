"""Compiled placement of an isochrone: from grid nodes to the apparent magnitudes of single stars and binaries.

`vertices` interpolates, shifts and reddens one isochrone; `system_magnitudes` adds companions and turns bands into
observables; `numbers` integrates the mass function up to every vertex.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from clusterbayes.model.kernels_normal import together

__all__ = ["numbers", "system_magnitudes", "vertices"]


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
    pattern : (n_band,)
        Share of a colour amplitude that each band takes.
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
        shift = _discrepancy(out[j, 1], knots, colour)
        for b in range(n_band):
            c = 3 + 4 * b
            mag = w00 * c00[j, c] + w01 * c01[j, c] + w10 * c10[j, c] + w11 * c11[j, c]
            k0 = w00 * c00[j, c + 1] + w01 * c01[j, c + 1] + w10 * c10[j, c + 1] + w11 * c11[j, c + 1]
            k1 = w00 * c00[j, c + 2] + w01 * c01[j, c + 2] + w10 * c10[j, c + 2] + w11 * c11[j, c + 2]
            k2 = w00 * c00[j, c + 3] + w01 * c01[j, c + 3] + w10 * c10[j, c + 3] + w11 * c11[j, c + 3]
            mag += dist_mod + a_v * (k0 + a_v * (k1 + a_v * k2)) + zero_point[b] + shift * pattern[b]
            out[j, 3 + b] = mag
        if first < 0 and out[j, 3] < first_mag:
            first = j
    return max(first - 1, 0) if first >= 0 else n_eep - 1


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _discrepancy(log_teff, knots, colour):
    """Colour discrepancy at a temperature: linear between knots (ascending in log Teff), constant beyond them."""
    last = knots.size - 1
    if log_teff <= knots[0]:
        return colour[0]
    if log_teff >= knots[last]:
        return colour[last]
    m = 0
    while log_teff > knots[m + 1]:
        m += 1
    t = (log_teff - knots[m]) / (knots[m + 1] - knots[m])
    return colour[m] + t * (colour[m + 1] - colour[m])


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def system_magnitudes(iso, first, q_nodes, matrix, table, mu):
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
    table : (n_node, 6)
        From `pair_table`.
    mu : (1 + n_q, n_eep, n_obs)
        Filled.
    """
    n_eep, n_band = iso.shape[0], matrix.shape[1]
    system = np.empty(n_band)
    m_low = iso[0, 0]
    for j in range(first, n_eep):
        for b in range(n_band):
            system[b] = iso[j, 3 + b]
        _observe(system, matrix, mu, 0, j)
    for k in range(q_nodes.size):
        low = 0
        for j in range(first, n_eep):
            mass = q_nodes[k] * iso[j, 0]
            fade, t = 0.0, 0.0
            if mass <= m_low:
                fade = 12.5 * math.log10(m_low / mass)
                low = 0
            else:
                while low < j - 1 and iso[low + 1, 0] < mass:
                    low += 1
                span = iso[low + 1, 0] - iso[low, 0]
                t = min((mass - iso[low, 0]) / span, 1.0) if span > 0.0 else 0.0
            for b in range(3, 3 + n_band):
                companion = iso[low, b] + t * (iso[low + 1, b] - iso[low, b]) + fade
                system[b - 3] = together(iso[j, b], companion, table)
            _observe(system, matrix, mu, k + 1, j)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _observe(magnitudes, matrix, mu, k, j):
    """Turn magnitudes (n_band,) into the observables mu[k, j]."""
    for a in range(matrix.shape[0]):
        value = 0.0
        for b in range(matrix.shape[1]):
            value += matrix[a, b] * magnitudes[b]
        mu[k, j, a] = value


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
