"""The likelihood on whole isochrones: densities against dense integrals, normalisation, smoothness, threads."""

from __future__ import annotations

import numpy as np
import pytest
from unit.model import oracle
from unit.model.mocks import GAIA, GRID, OTHER, TRUTH, at_truth, fine_ratios, make_model, mock_table

from clusterbayes.bands import parse_observable
from clusterbayes.model import kernels, kernels_sequence
from clusterbayes.model.field import FieldDensity
from clusterbayes.model.imf import draw_masses
from clusterbayes.photometry import Photometry


def catalogue(values, error, observables):
    """Photometry of given values (n_star, n_obs), all with the same error."""
    n_star = len(values)
    nothing = np.full(n_star, "")
    return Photometry(
        ids=np.arange(n_star).astype(str),
        observables=tuple(parse_observable(o) for o in observables),
        values=values,
        errors=np.broadcast_to(error, values.shape).copy(),
        input_row=np.arange(n_star),
        input_ids=np.arange(n_star).astype(str),
        drop_reason=nothing,
    )


def sequence_density(model, theta):
    """Density of each star under the cluster sequence, normalised over the selected region; sorted order."""
    values = model.parameters.unpack(theta)
    weights = model._run(values, weights=True, moments=False)[1][0, :, 0]
    return weights / (values["member_frac"][0] * (1 - values["outlier_frac"][0]))


def patches(model, theta):
    """List (weight, centre, along, across) of every patch of the model's sequence."""
    population, seq = model._population(model.parameters.unpack(theta)), model._sequence
    n_eep, n_band = seq.nodes.shape[2], seq.matrix.shape[1]
    iso, number = np.empty((n_eep, 3 + n_band)), np.empty(n_eep)
    mu = np.empty((1 + seq.q_nodes.size, n_eep, seq.matrix.shape[0]))
    kernels.vertices(
        seq.nodes, *(getattr(population, name)[0] for name in ("i_age", "w_age", "i_mh", "w_mh", "dist_mod", "a_v")),
        population.zero_point[0], population.colour[0], seq.knots, seq.pattern, np.inf, iso,
    )  # fmt: skip
    kernels_sequence.system_magnitudes(iso, 0, seq.q_nodes, seq.matrix, seq.pair_table, mu)
    kernels_sequence.numbers(iso, 0, *population.alpha[0], seq.m_break, number)
    share = np.append(1 - population.binary_frac[0], population.binary_frac[0] * population.q_share[0])
    for k in range(seq.q_nodes.size):
        lower, upper = (0, 0) if k == 0 else (k, k + 1)
        for j in range(n_eep - 1):
            weight = share[k] * (number[j + 1] - number[j]) / (number[-1] - number[0])
            (a, b), (c, d) = mu[lower, j : j + 2], mu[upper, j : j + 2]
            if weight > 0:
                yield weight, (a + b + c + d) / 4, (b + d - a - c) / 2, (c + d - a - b) / 2


def dense_log_density(model, theta):
    """Log density of each star by exact integrals over the parallelograms of the model, in its sorted order."""
    listed = list(patches(model, theta))
    result = []
    for y, sigma in zip(model.observed.values, model.observed.errors, strict=True):
        have = np.isfinite(y)
        total = 0.0
        for weight, *corners in listed:
            centre, along, across = (v[have] for v in corners)
            if (np.abs(y[have] - centre) < 0.5 * (np.abs(along) + np.abs(across)) + 7 * sigma[have]).all():
                density = oracle.dot_density if not along.any() else oracle.patch_density
                total += weight * density(y[have], centre, along, across, np.diag(sigma[have] ** 2), 60)
        result.append(np.log(total))
    return np.array(result)
