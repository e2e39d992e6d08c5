"""Intervals hold the truth as often as they say, and not when the draws are shrunk by two about their median.

Truths are drawn from the priors, so that 90 % intervals must hold 90 % of them, whatever the posterior's shape.
"""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table, vstack
from scipy import stats
from statistical.gaussian import draws, summit
from unit.model.mocks import GAIA, fine_ratios, make_model, mock_table

from clusterbayes.inference.search import normal_posterior
from clusterbayes.model.parameters import ParameterSet
from clusterbayes.model.priors import Uniform
from clusterbayes.model.simulate import photometric_error

PRIORS = {
    "log_age": Uniform(8.6, 9.3),
    "dist_mod": Uniform(8.5, 9.5),
    "a_v": Uniform(0.1, 0.8),
    "binary_frac": Uniform(0.0, 1.0),
    "member_frac": Uniform(0.3, 1.0),
}
STEPS = np.array([0.01, 0.01, 0.01, 0.08, 0.05])
N_MOCKS, N_STAR, LEVEL = 40, 80, 0.90


def field_density(g, bp, rp):
    """Known density of field stars: even in G from 7 to 15, Gaussian in both colours."""
    even = np.where((g >= 7.0) & (g <= 15.0), 1 / 8.0, 0.0)
    return even * stats.norm(0.35, 0.3).pdf(bp - g) * stats.norm(0.45, 0.3).pdf(g - rp)


def catalogue(truth, rng, seed):
    """Table of members simulated at the truth and field stars from the known density."""
    n_members = int(rng.binomial(N_STAR, truth["member_frac"]))
    simulated = {name: truth[name] for name in ("log_age", "mh", "dist_mod", "a_v", "binary_frac")}
    members = mock_table(n_members, truth=simulated, seed=seed, faint=15.0)
    n_field = N_STAR - n_members
    g = rng.uniform(7.0, 15.0, n_field)
    values = {"Gaia_G": g, "Gaia_BP": g + rng.normal(0.35, 0.3, n_field), "Gaia_RP": g - rng.normal(0.45, 0.3, n_field)}
    errors = {f"{band}_error": photometric_error(band, magnitude) for band, magnitude in values.items()}
    field = Table({"id": [f"field_{i}" for i in range(n_field)], **values, **errors})
    return vstack([members[field.colnames], field]) if n_field else members


def fit_mock(seed):
    """Truth (n_dim,), draws of the posterior (n_draw, n_dim), and how many independent ones these are worth."""
    rng = np.random.default_rng(seed)
    truth = {name: float(rng.uniform(prior.low, prior.high)) for name, prior in PRIORS.items()} | {"mh": -0.1}
    table = catalogue(truth, rng, seed)
    field = field_density(*(np.asarray(table[band], float) for band in GAIA))
    model = make_model(table, faint=15.0, field=field, mass_ratios=fine_ratios(2))
    held = {"mh": truth["mh"], "alpha_1": 1.3, "alpha_2": 2.3, "outlier_frac": 1e-3}
    model = model.with_parameters(ParameterSet(PRIORS, {**model.parameters.fixed, **held}))
    known = np.array([truth[name] for name in PRIORS])
    edges = np.array([(prior.low, prior.high) for prior in PRIORS.values()]).T
    start = np.clip(known, edges[0] + 2 * STEPS, edges[1] - 2 * STEPS)
    z = model.parameters.to_normal(np.stack([start, start + STEPS]))
    centre, covariance = summit(lambda z: normal_posterior(model, z), z[0], z[1] - z[0])
    sample, n_effective = draws(lambda z: normal_posterior(model, z), centre, covariance, rng)
    return known, model.parameters.from_normal(sample), n_effective


@pytest.fixture(scope="module")
def fits():
    return [fit_mock(seed) for seed in range(N_MOCKS)]


def inside(fits, shrink):
    """Whether each interval holds its truth, shape (n_mock, n_dim); draws shrunk about their median."""
    held = []
    for truth, sample, _ in fits:
        median = np.median(sample, axis=0)
        low, high = np.quantile(median + (sample - median) / shrink, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        held.append((truth >= low) & (truth <= high))
    return np.array(held)


def surprise(held):
    """How far the coverage is from the level, in standard errors over the mocks; at least the binomial error."""
    error = max(held.mean(axis=1).std() / np.sqrt(len(held)), np.sqrt(LEVEL * (1 - LEVEL) / held.size))
    return (held.mean() - LEVEL) / error


def test_the_draws_are_good(fits):
    assert np.quantile([n for _, _, n in fits], 0.1) > 100
    assert np.median([n for _, _, n in fits]) > 500


def test_ninety_per_cent_hold_the_truth(fits):
    held = inside(fits, 1.0)
    assert abs(surprise(held)) < 3.5
    for name, share in zip(PRIORS, held.mean(axis=0), strict=True):
        low, high = stats.binom(len(fits), LEVEL).interval(0.999)
        assert low <= share * len(fits) <= high, name


def test_shrunken_draws_do_not(fits):
    """Negative control."""
    assert surprise(inside(fits, 2.0)) < -3.5


def test_the_posterior_is_narrower_than_the_prior(fits):
    """Otherwise the intervals would hold the truth without the data."""
    width = np.array([np.ptp(np.quantile(sample, [0.05, 0.95], axis=0), axis=0) for _, sample, _ in fits])
    prior = 0.9 * np.array([prior.high - prior.low for prior in PRIORS.values()])
    assert np.all(np.median(width, axis=0) < 0.6 * prior)
