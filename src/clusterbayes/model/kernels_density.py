"""Compiled density of stars under an isochrone with binaries: a chain of patches, each with a closed form.

Patch (k, j) joins vertices j and j+1 of two neighbouring mass-ratio sequences; single stars are the degenerate strip
of zero width. `star_densities` lays the patches (`kernels_strip`), brings each together with the stars in its reach
(`kernels_stars`), and adds up their parts (`kernels_patch`) and the share of the population that passes the limits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from clusterbayes.model.kernels_patch import (
    N_PAIR,
    N_ROW,
    PART,
    PLACE_ACROSS,
    PLACE_ALONG,
    add_pair,
    extents,
    integrate,
)
from clusterbayes.model.kernels_selection import cut_share, patch_share
from clusterbayes.model.kernels_stars import (
    CHUNK,
    N_PRODUCT,
    REACH,
    is_near,
    products_of,
    products_of_chunk,
)
from clusterbayes.model.kernels_strip import RUN, laid_column, laid_patch, lay_run, room_for_run

__all__ = ["N_MOMENT", "star_densities"]

# Per star: weight, mass, mass², q, q², log Teff, log L, weight of companions, (log Teff)², (log L)²; behind them, one
# for each observable.
N_MOMENT = 10


class _Pairs(NamedTuple):
    """Pairs of a star and a patch that wait for their integrals."""

    products: np.ndarray  # see `kernels_stars`
    batch: np.ndarray  # see `kernels_patch`
    star: np.ndarray  # (N_PAIR,)
    strip: np.ndarray  # (N_PAIR,)
    vertex: np.ndarray  # (N_PAIR,)
    cut: np.ndarray  # (n_cut, 3, N_PAIR) centre and extents along and across of the patch in the columns of cuts


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
    moments : (n_star, N_MOMENT + n_fitted) or (0, N_MOMENT)
        When it has rows, filled with weighted sums for per-star masses and mass ratios.

    Returns
    -------
    float
        Z, the probability that a star of the population is selected.
    """
    n_obs, n_eep = strips.mu.shape[1:]
    n_cut, number = cuts.column.size, strips.number
    total = number[n_eep - 1] - number[0]
    density[:] = 0.0
    moments[:] = 0.0
    run, patch = room_for_run(n_obs), np.empty((4, n_obs))
    values, scale, reach, below, dust = stars.values, stars.scale, stars.reach, stars.below, stars.dust
    norm, whose = stars.norm, stars.star
    upper, lower = stars.upper, stars.lower
    pairs = _room_for_pairs(n_cut)
    products, batch, star, strip, vertex = pairs.products, pairs.batch, pairs.star, pairs.strip, pairs.vertex
    waiting = 0
    margin = REACH * math.hypot(limits.sigma_value.max(), limits.floor)
    safe_bright, safe_faint = limits.plain_bright + margin, limits.plain_faint - margin
    n_star, n_sorted = stars.star.size, stars.n_sorted
    selected = 0.0
    for k in range(strips.q_nodes.size):  # strip 0: single stars; strip k: between mass-ratio nodes k-1 and k
        share = (1.0 - strips.binary_frac) if k == 0 else strips.binary_frac * strips.q_share[k - 1]
        if share <= 0.0:
            continue
        lean = 0.0 if k == 0 else strips.q_lean[k - 1]
        begin = end = 0
        for j in range(strips.first, n_eep - 1):
            i_run = (j - strips.first) % RUN
            if i_run == 0:
                lay_run(strips.mu, k, j, min(RUN, n_eep - 1 - j), lean, strips.n_fitted, run)
            weight = share * (number[j + 1] - number[j]) / total
            if weight <= 0.0:
                continue
            centre, half = laid_column(run, i_run)
            brightest, faintest = centre - half, centre + half
            begin, end = _window(upper, lower, brightest, faintest, begin, end)
            safe = n_cut == 0 and brightest > safe_bright and faintest < safe_faint
            if safe:
                selected += weight
                if begin >= end and n_star == n_sorted:
                    continue
            slope = laid_patch(run, i_run, patch)
            if not safe:
                selected += weight * patch_share(patch, slope, limits, cuts, table)
            stop = max(begin, end)
            for first, last in ((begin, stop), (n_sorted, n_star)):  # those in reach, and those of large error
                while first < last:
                    n = min(CHUNK, last - first)
                    products_of_chunk(values, scale, reach, below, dust, first, n, patch, products)
                    for i in range(n):
                        if is_near(products, i):
                            added = add_pair(batch, waiting, products_of(products, i), slope, weight * norm[first + i])
                            for place in range(waiting, waiting + added):
                                star[place], strip[place], vertex[place] = whose[first + i], k, j
                            if n_cut > 0:
                                _note_cuts(patch, cuts.column, waiting, added, pairs.cut)
                            waiting += added
                            if waiting >= N_PAIR - 1:
                                waiting = _collect(pairs, waiting, strips, stars, cuts, table, density, moments)
                    first += n
    _collect(pairs, waiting, strips, stars, cuts, table, density, moments)
    return selected


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _window(upper, lower, brightest, faintest, begin, end):
    """Range of sorted places in reach of a patch; sequences are continuous, so it is near that of the last patch."""
    while begin < upper.size and upper[begin] < brightest:
        begin += 1
    while begin > 0 and upper[begin - 1] >= brightest:
        begin -= 1
    while end < lower.size and lower[end] <= faintest:
        end += 1
    while end > 0 and lower[end - 1] > faintest:
        end -= 1
    return begin, end


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _note_cuts(patch, column, first, n, cut):
    """Note centre and extents of a patch in the columns of cuts for n pairs from a place on."""
    for c in range(column.size):
        for row in range(3):
            cut[c, row, first : first + n] = patch[row, column[c]]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _room_for_pairs(n_cut):
    """Room for pairs of stars and patches."""
    return _Pairs(
        np.zeros(N_PRODUCT),
        np.ones(N_ROW * N_PAIR),
        np.empty(N_PAIR, np.int64),
        np.empty(N_PAIR, np.int64),
        np.empty(N_PAIR, np.int64),
        np.empty((n_cut, 3, N_PAIR)),
    )


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _collect(pairs, n_pair, strips, stars, cuts, table, density, moments):
    """Integrate the first n pairs and add them to their stars; returns how many are left waiting, none."""
    if n_pair == 0:
        return 0
    integrate(pairs.batch)
    for n in range(n_pair):
        i, part = pairs.star[n], pairs.batch[PART + n]
        along, across = pairs.batch[PLACE_ALONG + n], pairs.batch[PLACE_ACROSS + n]
        for c in range(cuts.column.size):
            if stars.unknown[i, c]:
                part *= _passing(pairs, n, along, across, cuts, c, table)
        density[i] += part
        if moments.shape[0] > 0 and part > 0.0:
            _add_moments(strips, pairs.strip[n], pairs.vertex[n], part, along + 0.5, across + 0.5, moments, i)
    return 0


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _passing(pairs, n, along, across, cuts, c, table):
    """Probability that the star of pair n passes cut c, in a band that was not measured.

    What is left of the patch once the star is known is taken as a smaller patch, of variances 1/(12 + u·u) along and
    1/(12 + w·w) across.
    """
    uu, ww = extents(pairs.batch, n)
    magnitude = pairs.cut[c, 0, n] + along * pairs.cut[c, 1, n] + across * pairs.cut[c, 2, n]
    left = math.sqrt(12.0 / (12.0 + uu)) * pairs.cut[c, 1, n]
    aside = pairs.cut[c, 2, n] / math.sqrt(12.0 + ww)
    return 0.5 * (
        cut_share(magnitude - aside, left, cuts, c, table) + cut_share(magnitude + aside, left, cuts, c, table)
    )


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _add_moments(strips, k, j, part, t, v, moments, i):
    """Add a patch's share of star i to the sums; t and v in (0, 1) place the star along and across it."""
    iso, q_nodes = strips.iso, strips.q_nodes
    mass = iso[j, 0] + t * (iso[j + 1, 0] - iso[j, 0])
    q = q_nodes[k - 1] + v * (q_nodes[k] - q_nodes[k - 1]) if k > 0 else 0.0
    log_teff = iso[j, 1] + t * (iso[j + 1, 1] - iso[j, 1])
    log_lum = iso[j, 2] + t * (iso[j + 1, 2] - iso[j, 2])
    moments[i, 0] += part
    moments[i, 1] += part * mass
    moments[i, 2] += part * mass * mass
    moments[i, 3] += part * q
    moments[i, 4] += part * q * q
    moments[i, 5] += part * log_teff
    moments[i, 6] += part * log_lum
    moments[i, 7] += part if k > 0 else 0.0
    moments[i, 8] += part * log_teff * log_teff
    moments[i, 9] += part * log_lum * log_lum
    for a in range(strips.n_fitted):
        place = strips.mu[k, a, j] + t * (strips.mu[k, a, j + 1] - strips.mu[k, a, j])
        if k > 0:
            above = strips.mu[k + 1, a, j] + t * (strips.mu[k + 1, a, j + 1] - strips.mu[k + 1, a, j])
            place += v * (above - place)
        moments[i, N_MOMENT + a] += part * place
