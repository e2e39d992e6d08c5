"""Compiled likelihood of many parameter vectors: arrays in, arrays out, nothing of the library above them.

`evaluate` is what the model calls. It places the isochrone (`kernels_sequence`), convolves it with every star's errors
(`kernels_density`) and mixes in field stars and outliers. Numba's cache follows the files one by one: after an edit in
one of the modules that are called from here, delete the cached machine code of all of them (`*.nbi`, `*.nbc`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from clusterbayes.model.kernels_astrometry import gauss_nodes, member_astrometry
from clusterbayes.model.kernels_density import N_MOMENT, star_densities
from clusterbayes.model.kernels_normal import normal_table
from clusterbayes.model.kernels_selection import Cuts, Limits
from clusterbayes.model.kernels_sequence import numbers, system_magnitudes, vertices
from clusterbayes.model.kernels_stars import arrange, whiten
from clusterbayes.model.kernels_strip import Strips

__all__ = [
    "N_MOMENT",
    "Cuts",
    "Limits",
    "Population",
    "Sequence",
    "Stars",
    "evaluate",
    "gauss_nodes",
    "normal_table",
    "star_densities",
    "vertices",
]

_UNSEEN = 1e-12  # selected share of a population below which it counts as invisible
_NOWHERE = 1e-10  # density of the primary magnitude [1/mag] below which an isochrone does not come near


class Stars(NamedTuple):
    """What was observed, sorted by the primary magnitude (column 0 of the observables)."""

    values: np.ndarray  # (n_star, n_obs) NaN where missing, never in column 0
    errors: np.ndarray  # (n_star, n_obs)
    covariance: np.ndarray  # (n_star, n_obs, n_obs), or (0, n_obs, n_obs) where errors are independent
    field: np.ndarray  # (n_star,) density of field stars
    outlier: np.ndarray  # (n_star,) density of the cluster's outliers
    passing: np.ndarray  # (n_star,) share of the stars of this primary magnitude that are kept
    unknown: np.ndarray  # (n_star, n_cut) bool, see `kernels_stars.Whitened`
    parallax: np.ndarray  # (n_star,) mas, NaN where missing; (0,) where there are none
    parallax_error: np.ndarray  # (n_star,) mas
    pm: np.ndarray  # (n_star, 2) proper motion [mas/yr], NaN where missing; (0, 2) where there are none
    pm_variance: np.ndarray  # (n_star, 3) variances in right ascension and declination, and covariance
    offset: np.ndarray  # (n_star,) distance from the centre in units of the sample's radius; (0,) where not used
    weight: np.ndarray  # (n_star,) how many stars each of them stands for


class Sequence(NamedTuple):
    """What does not change from one parameter vector to the next."""

    nodes: np.ndarray  # (n_age, n_mh, n_eep, 3 + 4 n_band): see `vertices`
    matrix: np.ndarray  # (n_obs, n_band): observables from bands
    q_nodes: np.ndarray  # (n_q,) mass ratios
    knots: np.ndarray  # (n_knot,) log Teff at which the colour discrepancy has its amplitudes, ascending
    pattern: np.ndarray  # (n_knot, n_band): share of each colour amplitude
    n_fitted: int  # observables; `matrix` may have rows for limits behind them
    imf: np.ndarray  # (3,) shape of the mass function, see `numbers`
    limits: Limits  # with a floor of 0
    cuts: Cuts  # with floors of 0
    cut_band: np.ndarray  # (n_cut,) band of each cut
    conditional: bool  # whether densities are those of the other observables given the primary magnitude
    table: np.ndarray  # from `normal_table`
    pm_window: np.ndarray  # (0,), (3,) or (4,): limits of the proper motion, see `member_astrometry`
    gauss_nodes: np.ndarray  # from `gauss_nodes`


class Population(NamedTuple):
    """Parameters, one row a walker."""

    i_age: np.ndarray  # (n_walkers,) lower grid node
    w_age: np.ndarray  # weight of the upper one
    i_mh: np.ndarray
    w_mh: np.ndarray
    dist_mod: np.ndarray
    a_v: np.ndarray
    alpha: np.ndarray  # (n_walkers, 2) slopes of the mass function
    binary_frac: np.ndarray
    q_share: np.ndarray  # (n_walkers, n_q - 1)
    q_lean: np.ndarray  # (n_walkers, n_q - 1)
    member_frac: np.ndarray
    outlier_frac: np.ndarray
    floor: np.ndarray  # (n_walkers, n_band) mag
    zero_point: np.ndarray  # (n_walkers, n_band) mag
    reddening: np.ndarray  # (n_walkers, n_band) dispersion of the extinction [mag]
    colour: np.ndarray  # (n_walkers, n_knot) mag
    parallax_zero_point: np.ndarray  # mas, to be added to the catalogue's
    depth: np.ndarray  # spread of the members along the line of sight [pc]
    pm: np.ndarray  # (n_walkers, 2) mas/yr
    pm_dispersion: np.ndarray  # mas/yr
    scale_radius: np.ndarray  # of the Plummer profile, in units of the sample's radius


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def evaluate(start, stop, stars, seq, pop, log_likelihood, cluster, moments, log_z):
    """Log-likelihood of walkers `start` to `stop`.

    Parameters
    ----------
    stars, seq, pop : Stars, Sequence, Population
    log_likelihood : (n_walkers,)
        Filled.
    cluster : (n_walkers, n_star, 3) or (0, n_star, 3)
        When it has rows, filled with the weights in the mixture of: cluster sequence, cluster outliers, field.
    moments : (n_walkers, n_star, N_MOMENT + n_fitted) or (0, …)
        When it has rows, filled as by `star_densities`.
    log_z : (n_walkers,)
        Filled with the log of the selected share of the population.
    """
    n_star = stars.values.shape[0]
    n_eep = seq.nodes.shape[2]
    correlated = stars.covariance.shape[0] > 0
    reddened = bool((pop.reddening[start:stop] != 0.0).any())
    whitened = arrange(stars.values, stars.errors, correlated, reddened, stars.unknown)
    iso = np.empty((n_eep, 3 + seq.matrix.shape[1]))
    ratios = np.concatenate((seq.q_nodes, 0.5 * (seq.q_nodes[1:] + seq.q_nodes[:-1])))
    mu = np.empty((1 + ratios.size, seq.matrix.shape[0], n_eep))
    number = np.empty(n_eep)
    density = np.empty(n_star)
    primary = whitened
    if seq.conditional:
        alone = np.full(stars.errors.shape, np.nan)
        alone[:, 0] = stars.errors[:, 0]
        primary = arrange(stars.values, alone, correlated, reddened, np.ones(stars.unknown.shape, np.bool_))
    number_here = np.ones(n_star)
    astrometry = np.ones(n_star)
    no_moments = np.empty((0, N_MOMENT))
    for w in range(start, stop):
        limits = _with_floor(seq.limits, math.hypot(pop.floor[w, 0], pop.reddening[w, 0]))
        cuts = _with_floors(seq.cuts, seq.cut_band, np.hypot(pop.floor[w], pop.reddening[w]))
        first = vertices(
            seq.nodes, pop.i_age[w], pop.w_age[w], pop.i_mh[w], pop.w_mh[w], pop.dist_mod[w], pop.a_v[w],
            pop.zero_point[w], pop.colour[w], seq.knots, seq.pattern, _faintest_primary(limits), iso,
        )  # fmt: skip
        if math.isnan(iso[n_eep - 1, 3]):  # never hidden behind an isochrone that nobody would see
            log_likelihood[w] = np.nan
            continue
        system_magnitudes(iso, first, ratios, seq.matrix, mu)
        numbers(iso, first, pop.alpha[w, 0], pop.alpha[w, 1], seq.imf, number)
        if w == start or (pop.floor[w] != pop.floor[w - 1]).any() or (pop.reddening[w] != pop.reddening[w - 1]).any():
            whiten(stars.covariance, seq.matrix, pop.floor[w], pop.reddening[w], whitened)
            if seq.conditional:
                whiten(stars.covariance, seq.matrix, pop.floor[w], pop.reddening[w], primary)
        strips = Strips(
            iso, first, mu, number, seq.q_nodes, pop.q_share[w], pop.q_lean[w], pop.binary_frac[w], seq.n_fitted
        )
        sums = moments[w] if moments.shape[0] > 0 else no_moments
        z = star_densities(strips, whitened, limits, cuts, seq.table, density, sums)
        log_z[w] = math.log(z) if z > 0.0 else -np.inf
        if z < _UNSEEN:
            log_likelihood[w] = -np.inf
            if cluster.shape[0] > 0:
                cluster[w, :, 2] = 1.0  # no star can be a member of a cluster that is not seen
            continue
        member_astrometry(
            stars, seq.pm_window, seq.gauss_nodes, pop.dist_mod[w], pop.parallax_zero_point[w], pop.depth[w],
            pop.pm[w, 0], pop.pm[w, 1], pop.pm_dispersion[w], pop.scale_radius[w], astrometry,
        )  # fmt: skip
        if seq.conditional:
            star_densities(strips, primary, limits, cuts, seq.table, number_here, no_moments)
            number_here += _NOWHERE
        else:
            number_here[:] = z
        f, eta = pop.member_frac[w], pop.outlier_frac[w]
        total = 0.0
        for i in range(n_star):
            sequence = f * (1.0 - eta) * density[i] / number_here[i] * stars.passing[i] * astrometry[i]
            outlier = f * eta * stars.outlier[i] * astrometry[i]
            field = (1.0 - f) * stars.field[i]
            total += stars.weight[i] * math.log(sequence + outlier + field)
            if cluster.shape[0] > 0:
                cluster[w, i, 0] = sequence
                cluster[w, i, 1] = outlier
                cluster[w, i, 2] = field
        log_likelihood[w] = total


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _with_floor(limits, floor):
    """Return the same limits with a floor of the primary magnitude's error."""
    return Limits(
        limits.knots, limits.anchor, limits.value, limits.slope, limits.jump, limits.plain_bright, limits.plain_faint,
        limits.faint, limits.sigma_mag, limits.sigma_value, floor,
    )  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _with_floors(cuts, band, floor):
    """Return the same cuts with the floors (n_band,) of their bands."""
    floors = np.zeros(band.size)
    for c in range(band.size):
        floors[c] = floor[band[c]]
    return Cuts(cuts.column, cuts.bright, cuts.faint, cuts.sigma_mag, cuts.sigma_value, floors)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _faintest_primary(limits):
    """Magnitude from which neither a star nor an equal pair comes within reach of the faint limit."""
    if limits.faint >= 90.0:
        return np.inf
    sigma = math.sqrt(limits.sigma_value[-1] ** 2 + limits.floor**2)
    return limits.faint + 0.7526 + 8.5 * sigma
