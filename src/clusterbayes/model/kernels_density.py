"""Compiled density of stars under an isochrone with binaries: a chain of patches, each with a closed form.

Patch (k, j) joins vertices j and j+1 of two neighbouring mass-ratio sequences; single stars are the degenerate strip
of zero width. The sequence half-way between the two says where in a patch its population is. `whiten` divides the
stars by their errors, `star_densities` brings each together with the patches in its reach and adds up their parts
(`kernels_patch`), and the share of the population that passes the limits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from clusterbayes.model.kernels_patch import patch_integral
from clusterbayes.model.kernels_selection import cut_share, patch_share

__all__ = ["N_MOMENT", "Strips", "Whitened", "star_densities", "whiten"]

N_MOMENT = 8  # per star: weight, mass, mass², q, q², log Teff, log L, weight of companions

_REACH = 7.0  # distance in standard deviations beyond which a patch is not felt
_WIDE = 1.5  # reach in column 0 [mag] beyond which a star is held against every patch
_PARALLEL = 0.99  # squared cosine from which a patch counts as nearly folded into a line
_STEEPEST = 1.0  # largest slope of a population across a patch; what is more moves the patch
_SQRT_2PI = math.sqrt(2.0 * math.pi)


class Whitened(NamedTuple):
    """Stars with what divides them by their errors, filled by `whiten`; sorted by column 0."""

    values: np.ndarray  # (n_star, n_obs) 0 where missing
    scale: np.ndarray  # (n_star, n_obs) diagonal of the inverse Cholesky factor of Σ, 0 where missing
    below: np.ndarray  # (n_star, n_obs, n_obs) the rest of it; (0, n_obs, n_obs) where errors are independent
    reach: np.ndarray  # (n_star, n_obs) distance at which a star feels a patch, infinite where missing
    norm: np.ndarray  # (n_star,) |2πΣ|^(−1/2)
    upper: np.ndarray  # (n_star,) largest value + reach of column 0 among this star and those before it
    lower: np.ndarray  # (n_star,) smallest value − reach of column 0 among this star and those after it
    wide: np.ndarray  # (n_star,) bool: reaches too far in column 0 for `upper` and `lower`, which leave it out
    unknown: np.ndarray  # (n_star, n_cut) bool: whether the star passed a cut in a band that is not among its values


class Strips(NamedTuple):
    """An isochrone with binaries, and how its population is spread over it."""

    iso: np.ndarray  # (n_eep, 3 + n_band) mass, log Teff, log L, magnitudes
    first: int  # first vertex that matters; what lies below it is fainter than any star and not selected
    mu: np.ndarray  # (2 n_q, n_eep, n_obs) observables: single stars, one row per mass-ratio node, then their midpoints
    number: np.ndarray  # (n_eep,) integral of the mass function up to each vertex
    q_nodes: np.ndarray  # (n_q,)
    q_share: np.ndarray  # (n_q − 1,) share of binaries between neighbouring nodes
    q_lean: np.ndarray  # (n_q − 1,) their mean place between the nodes, from −½ to ½
    binary_frac: float
    n_fitted: int  # columns of `mu` that stars have values in; limits may act on others


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def whiten(errors, covariance, matrix, floor, out):
    """Divide stars by their errors: Σ = C + A diag(floor²) Aᵀ and its inverse Cholesky factor.

    Parameters
    ----------
    errors : (n_star, n_obs)
        NaN where missing.
    covariance : (n_star, n_obs, n_obs) or (0, n_obs, n_obs)
        Read where it has rows; else errors are independent.
    matrix : (n_obs, n_band)
    floor : (n_band,)
        [mag]
    out : Whitened
        Its `values` are read, the rest is filled.
    """
    n_star, n_obs = errors.shape
    values, scale, reach = out.values, out.scale, out.reach
    extra = np.zeros((n_obs, n_obs))
    for a in range(n_obs):
        for c in range(n_obs):
            for b in range(floor.size):
                extra[a, c] += matrix[a, b] * matrix[c, b] * floor[b] * floor[b]
    if covariance.shape[0] == 0:
        for i in range(n_star):
            norm = 1.0
            for a in range(n_obs):
                sigma = math.sqrt(errors[i, a] * errors[i, a] + extra[a, a])
                missing = math.isnan(sigma)
                reach[i, a] = np.inf if missing else _REACH * sigma
                scale[i, a] = 0.0 if missing else 1.0 / sigma
                norm *= 1.0 if missing else scale[i, a] / _SQRT_2PI
            out.norm[i] = norm
    else:
        for i in range(n_star):
            out.norm[i] = _factor(errors[i], covariance[i], extra, scale[i], out.below[i], reach[i])
    largest, smallest = -np.inf, np.inf
    for i in range(n_star):
        out.wide[i] = reach[i, 0] > _WIDE
        if not out.wide[i]:
            largest = max(largest, values[i, 0] + reach[i, 0])
        out.upper[i] = largest
    for i in range(n_star - 1, -1, -1):
        if not out.wide[i]:
            smallest = min(smallest, values[i, 0] - reach[i, 0])
        out.lower[i] = smallest


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _factor(errors, covariance, extra, scale, below, reach):
    """Whiten one star with correlated errors; returns |2πΣ|^(−1/2) over the observables that it has."""
    n_obs = errors.size
    norm = 1.0
    chol = np.zeros((n_obs, n_obs))
    for a in range(n_obs):
        below[a, :] = 0.0
        scale[a], reach[a] = 0.0, np.inf
        if math.isnan(errors[a]):
            continue
        variance = covariance[a, a] + extra[a, a]
        reach[a] = _REACH * math.sqrt(variance)
        for c in range(a):
            if math.isnan(errors[c]):
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
    return norm


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def star_densities(strips, stars, limits, cuts, table, density, moments):
    """Density of every star under the cluster sequence, and the selected share Z of the population.

    Parameters
    ----------
    strips : Strips
    stars : Whitened
    limits : Limits
    cuts : Cuts
    table : (n_node, 12)
        From `normal_table`.
    density : (n_star,)
        Filled with p_cl (not divided by Z).
    moments : (n_star, N_MOMENT) or (0, N_MOMENT)
        When it has rows, filled with weighted sums for per-star masses and mass ratios.

    Returns
    -------
    float
        Z, the probability that a star of the population is selected.
    """
    n_star, n_obs = stars.values.shape
    n_eep = strips.mu.shape[1]
    first, number, mu = strips.first, strips.number, strips.mu
    values, scale, below, reach = stars.values, stars.scale, stars.below, stars.reach
    upper, lower, wide = stars.upper, stars.lower, stars.wide
    apart = np.flatnonzero(wide)
    total = number[n_eep - 1] - number[0]
    placed = moments.shape[0] > 0
    density[:] = 0.0
    moments[:] = 0.0
    patch = np.empty((4, n_obs))  # centre, extent along, extent across, half of the bounding box
    margin = _REACH * math.hypot(limits.sigma_value.max(), limits.floor)
    safe_bright, safe_faint = limits.plain_bright + margin, limits.plain_faint - margin
    n_cut = cuts.column.size
    selected = 0.0
    for k in range(strips.q_nodes.size):  # strip 0: single stars; strip k: between mass-ratio nodes k-1 and k
        share = (1.0 - strips.binary_frac) if k == 0 else strips.binary_frac * strips.q_share[k - 1]
        if share <= 0.0:
            continue
        lean = 0.0 if k == 0 else strips.q_lean[k - 1]
        begin = end = 0
        for j in range(first, n_eep - 1):
            weight = share * (number[j + 1] - number[j]) / total
            if weight <= 0.0:
                continue
            slope = _lay(mu, k, j, lean, strips.n_fitted, patch)
            brightest, faintest = patch[0, 0] - patch[3, 0], patch[0, 0] + patch[3, 0]
            if n_cut == 0 and brightest > safe_bright and faintest < safe_faint:
                selected += weight
            else:
                selected += weight * patch_share(patch, slope, limits, cuts, table)
            # sequences are continuous, so the stars in reach are near those of the last patch
            while begin < n_star and upper[begin] < brightest:
                begin += 1
            while begin > 0 and upper[begin - 1] >= brightest:
                begin -= 1
            while end < n_star and lower[end] <= faintest:
                end += 1
            while end > 0 and lower[end - 1] > faintest:
                end -= 1
            stop = max(begin, end)
            for n in range(begin, stop + apart.size):
                if n < stop and wide[n]:
                    continue
                i = n if n < stop else apart[n - stop]
                near = True
                for a in range(n_obs):
                    if abs(values[i, a] - patch[0, a]) > patch[3, a] + reach[i, a]:
                        near = False
                        break
                if near:
                    rr, ru, rw, uu, uw, ww = _products(values, scale, below, i, patch)
                    part, along, across = patch_integral(rr, ru, rw, uu, uw, ww, slope, placed or n_cut > 0, table)
                    for c in range(n_cut):
                        if stars.unknown[i, c]:
                            part *= _passing(patch, along, across, uu, ww, cuts, c, table)
                    density[i] += weight * part
                    if placed and part > 0.0:
                        _add_moments(strips, k, j, weight * part, along + 0.5, across + 0.5, moments, i)
    for i in range(n_star):
        density[i] *= stars.norm[i]
    return selected


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _lay(mu, k, j, lean, n_fitted, patch):
    """Describe patch (k, j): rows of `patch` (4, n_obs) are centre, extent along, extent across, half of the box.

    The population of a strip is even in mass ratio, but not in light. A parabola through the edges and the middle says
    by how much: what it moves along the extent across becomes a slope s of the population, whose density at a place v
    in (−½, ½) is 1 + s v, and what is left moves the patch, so that its mean is right. Returns s.
    """
    n_obs = mu.shape[2]
    if k == 0:
        for a in range(n_obs):
            p00, p01 = mu[0, j, a], mu[0, j + 1, a]
            patch[0, a], patch[1, a], patch[2, a], patch[3, a] = 0.5 * (p00 + p01), p01 - p00, 0.0, 0.5 * abs(p01 - p00)
        return 0.0
    middle = mu.shape[0] // 2 + k
    dd = de = ee = em = 0.0
    for a in range(n_obs):
        p00, p01 = mu[k, j, a], mu[k, j + 1, a]
        p10, p11 = mu[k + 1, j, a], mu[k + 1, j + 1, a]
        centre = 0.25 * (p00 + p01 + p10 + p11)
        d = 0.5 * (p01 + p11 - p00 - p10)
        e = 0.5 * (p10 + p11 - p00 - p01)
        m = 0.5 * (mu[middle, j, a] + mu[middle, j + 1, a]) - centre
        patch[0, a], patch[1, a], patch[2, a], patch[3, a] = centre, d, e, m
        if a < n_fitted:
            dd += d * d
            de += d * e
            ee += e * e
            em += e * m
    slope = 12.0 * lean + (8.0 * em / ee if ee > 0.0 else 0.0)
    slope = min(max(slope, -_STEEPEST), _STEEPEST)
    rest = lean - slope / 12.0
    for a in range(n_obs):
        patch[0, a] += (2.0 / 3.0) * patch[3, a] + rest * patch[2, a]
        patch[3, a] = 0.5 * (abs(patch[1, a]) + abs(patch[2, a]))
    if de * de > _PARALLEL * dd * ee:  # the Gaussian part of the spread in `kernels_patch` goes beyond the patch
        for a in range(n_obs):
            patch[3, a] += 0.6 * min(abs(patch[1, a]), abs(patch[2, a]))
    return slope


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _passing(patch, along, across, uu, ww, cuts, c, table):
    """Probability that a star at a place on a patch passes cut c, in a band that was not measured.

    What is left of the patch once the star is known is taken as a smaller patch, of variances 1/(12 + u·u) along and
    1/(12 + w·w) across.
    """
    a = cuts.column[c]
    magnitude = patch[0, a] + along * patch[1, a] + across * patch[2, a]
    left = math.sqrt(12.0 / (12.0 + uu)) * patch[1, a]
    aside = patch[2, a] / math.sqrt(12.0 + ww)
    return 0.5 * (
        cut_share(magnitude - aside, left, cuts, c, table) + cut_share(magnitude + aside, left, cuts, c, table)
    )


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _products(values, scale, below, i, patch):
    """Inner products r·r, r·u, r·w, u·u, u·w, w·w of star i and a patch in whitened coordinates."""
    rr = ru = rw = uu = uw = ww = 0.0
    for a in range(values.shape[1]):
        s = scale[i, a]
        r_a = s * (values[i, a] - patch[0, a])
        u_a = s * patch[1, a]
        w_a = s * patch[2, a]
        if below.shape[0] > 0:
            for c in range(a):
                m = below[i, a, c]
                r_a += m * (values[i, c] - patch[0, c])
                u_a += m * patch[1, c]
                w_a += m * patch[2, c]
        rr += r_a * r_a
        ru += r_a * u_a
        rw += r_a * w_a
        uu += u_a * u_a
        uw += u_a * w_a
        ww += w_a * w_a
    return rr, ru, rw, uu, uw, ww


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _add_moments(strips, k, j, part, t, v, moments, i):
    """Add a patch's share of star i to the sums; t and v in (0, 1) place the star along and across it."""
    iso, q_nodes = strips.iso, strips.q_nodes
    mass = iso[j, 0] + t * (iso[j + 1, 0] - iso[j, 0])
    q = q_nodes[k - 1] + v * (q_nodes[k] - q_nodes[k - 1]) if k > 0 else 0.0
    moments[i, 0] += part
    moments[i, 1] += part * mass
    moments[i, 2] += part * mass * mass
    moments[i, 3] += part * q
    moments[i, 4] += part * q * q
    moments[i, 5] += part * (iso[j, 1] + t * (iso[j + 1, 1] - iso[j, 1]))
    moments[i, 6] += part * (iso[j, 2] + t * (iso[j + 1, 2] - iso[j, 2]))
    moments[i, 7] += part if k > 0 else 0.0
