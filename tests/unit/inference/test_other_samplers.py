"""Samplers other than emcee behind the same interface: nested sampling gives the same posterior, and is judged too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from unit.inference.toys import correlated
from unit.model.mocks import GRID, mock_table

from clusterbayes import FitResult, fit_cluster
from clusterbayes.inference.population import learn
from clusterbayes.inference.proposal import resample
from clusterbayes.inference.sampler import Chain, SamplingOptions
from clusterbayes.inference.search import Mode
from clusterbayes.photometry import Photometry


def nested(log_posterior, modes, options, rng, *, names, n_threads=1, report=None, keeper=None):
    """Sample with dynesty, as docs/samplers.md shows."""
    from dynesty import NestedSampler

    def log_likelihood(z):
        return float(log_posterior(z[None, :])[0] + 0.5 * z @ z)  # the prior is a unit Gaussian in z

    sampler = NestedSampler(log_likelihood, special.ndtri, len(names), nlive=200, rstate=rng)
    sampler.run_nested(print_progress=False)
    z = rng.permutation(sampler.results.samples_equal(rstate=rng))
    return Chain.from_draws(z, log_posterior(z), names, target_ess=options.target_ess)


def weighted(log_posterior, modes, options, rng, *, names, n_threads=1, report=None, keeper=None):
    """Draw once, and resample by weight."""
    population = learn(log_posterior, modes, rng)
    z = population.picture.draw(3000, rng)
    height = log_posterior(z)
    log_weight = height - population.picture.log_density(z)
    kept = rng.permutation(resample(np.exp(log_weight - log_weight.max()), 1000, rng))
    return Chain.from_draws(z[kept], height[kept], names, target_ess=500, reasons=["drawn once only"])


def test_nested_sampling_finds_the_same_moments():
    mean, covariance = np.array([0.3, -0.5, 0.2]), 0.2 * correlated(3, 9)
    inverse = np.linalg.inv(covariance)

    def log_posterior(z):
        return -0.5 * np.einsum("ni,ij,nj->n", z - mean, inverse, z - mean)

    modes = [Mode(mean, 0.0, covariance)]
    chain = nested(
        log_posterior, modes, SamplingOptions(target_ess=200), np.random.default_rng(3), names=("a", "b", "c")
    )
    flat = chain.z.reshape(-1, 3)
    sigma, n = np.sqrt(np.diag(covariance)), 200  # live points: what the draws are worth, at least
    assert np.all(np.abs(flat.mean(axis=0) - mean) < 4 * sigma / np.sqrt(n))
    assert np.all(np.abs(flat.std(axis=0) / sigma - 1) < 4 / np.sqrt(2 * n))
    np.testing.assert_allclose(chain.log_prob.ravel(), log_posterior(flat))


def test_draws_in_order_are_no_independent_draws():
    """Negative control: sorted draws differ between their halves."""
    z = np.random.default_rng(4).normal(size=(4000, 1))
    assert Chain.from_draws(z, -0.5 * z[:, 0] ** 2, ("a",), target_ess=1000).convergence.converged
    verdict = Chain.from_draws(np.sort(z, axis=0), -0.5 * z[:, 0] ** 2, ("a",), target_ess=1000).convergence
    assert not verdict.converged
    assert "R-hat" in verdict.reasons[0]


@pytest.fixture(scope="module")
def result() -> FitResult:
    photometry = Photometry.from_table(mock_table(50, 0, seed=8), observables=["G", "BP", "RP"])
    fixed = {"alpha_1": 1.3, "alpha_2": 2.3}
    return fit_cluster(photometry, grid=GRID, model_error="none", fixed=fixed, sampler=weighted)


def test_a_fit_takes_another_sampler(result):
    assert result.chain.shape == (500, 2, len(result.names))
    assert not result.converged
    assert result.diagnostics["reasons"][0] == "drawn once only"
    assert result.summary()["dist_mod"]["std"] > 0


def test_parameters_that_were_held_have_their_units(result):
    units = {name: row["unit"] for name, row in result.summary().items()}
    held = [name for name in units if name.startswith(("floor_", "zero_point_", "colour_"))]
    assert len(held) > 6 and {units[name] for name in held} == {"mag"}
    assert (units["depth"], units["alpha_1"]) == ("pc", "")
