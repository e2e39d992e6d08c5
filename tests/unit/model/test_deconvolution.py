import numpy as np
import pytest
from scipy.stats import multivariate_normal

from clusterbayes.model.deconvolution import (
    EmOptions,
    GaussianMixture,
    _blocks,
    _bounded,
    _padded,
    _Prior,
    _step,
    fit_mixture,
)


def random_mixture(rng, n_component=3, n_dim=3):
    roots = rng.normal(size=(n_component, n_dim, n_dim))
    covariances = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(n_dim)
    return GaussianMixture(rng.dirichlet(np.ones(n_component) * 3), rng.normal(size=(n_component, n_dim)), covariances)


def random_stars(rng, n_star=40, n_dim=3, missing=0.3):
    values = rng.normal(size=(n_star, n_dim))
    values[:, 1:][rng.random((n_star, n_dim - 1)) < missing] = np.nan
    roots = 0.3 * rng.normal(size=(n_star, n_dim, n_dim))
    return values, roots @ roots.transpose(0, 2, 1)


def slow_step(mixture, values, noise, weights, background):
    """Extreme deconvolution as printed in the paper, star by star, without priors, beside a fixed background."""
    n_component, n_dim = mixture.means.shape
    shares, means, seconds = [], [], []
    log_density = 0.0
    for x, c, w in zip(values, noise, weights, strict=True):
        o = np.flatnonzero(~np.isnan(x))
        densities, b, big_b = [], [], []
        for k in range(n_component):
            v = mixture.covariances[k]
            total = v[np.ix_(o, o)] + c[np.ix_(o, o)]
            gain = v[:, o] @ np.linalg.inv(total)
            densities.append(mixture.weights[k] * multivariate_normal(mixture.means[k, o], total).pdf(x[o]))
            b.append(mixture.means[k] + gain @ (x[o] - mixture.means[k, o]))
            big_b.append(v - gain @ v[o, :])
        log_density += w * np.log(np.sum(densities) + background)
        shares.append(w * np.array(densities) / (np.sum(densities) + background))
        means.append(b)
        seconds.append(big_b)
    shares, means, seconds = np.array(shares), np.array(means), np.array(seconds)
    counts = shares.sum(axis=0)
    new_means = np.einsum("nk,nki->ki", shares, means) / counts[:, None]
    centred = means - new_means
    scatter = centred[..., :, None] * centred[..., None, :] + seconds
    return counts, new_means, np.einsum("nk,nkij->kij", shares, scatter) / counts[:, None, None], log_density


def test_log_components_match_scipy_with_gaps():
    rng = np.random.default_rng(1)
    mixture, (values, noise) = random_mixture(rng), random_stars(rng)
    found = mixture.log_components(values, noise)
    for n, x in enumerate(values):
        o = np.flatnonzero(~np.isnan(x))
        for k in range(3):
            total = mixture.covariances[k][np.ix_(o, o)] + noise[n][np.ix_(o, o)]
            expected = multivariate_normal(mixture.means[k, o], total).logpdf(x[o]) + np.log(mixture.weights[k])
            assert found[n, k] == pytest.approx(expected, abs=1e-9)


def test_step_agrees_with_the_paper():
    rng = np.random.default_rng(2)
    mixture, (values, noise), weights = random_mixture(rng), random_stars(rng), rng.random(40)
    background = np.full(40, np.log(0.02))
    no_prior = _Prior(np.eye(3), n_pseudo=0.0, min_scale=1e-9)
    new, log_density = _step(mixture, list(_blocks(values, noise, weights, background)), no_prior)
    counts, means, covariances, slow_log_density = slow_step(mixture, values, noise, weights, 0.02)
    assert log_density == pytest.approx(slow_log_density, rel=1e-10)
    np.testing.assert_allclose(new.weights, (counts + 1) / (counts.sum() + 3), rtol=1e-9)
    np.testing.assert_allclose(new.means, means, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(new.covariances, covariances, rtol=1e-7, atol=1e-9)


def test_padded_gaps_give_the_same_step():
    rng = np.random.default_rng(3)
    mixture, (values, noise), weights = random_mixture(rng), random_stars(rng, 150), np.ones(150)
    background = np.full(150, np.log(0.02))
    prior = _Prior(np.eye(3), n_pseudo=2.0, min_scale=0.05)
    filled, filled_noise, filled_background = _padded(values, noise, background)
    assert not np.isnan(filled).any()
    exact, _ = _step(mixture, list(_blocks(values, noise, weights, background)), prior)
    padded, _ = _step(mixture, list(_blocks(filled, filled_noise, weights, filled_background)), prior)
    np.testing.assert_allclose(padded.means, exact.means, atol=1e-5)
    np.testing.assert_allclose(padded.covariances, exact.covariances, atol=1e-5)


def test_common_patterns_are_not_padded():
    values = np.column_stack([np.zeros(500), np.repeat([0.0, np.nan], 250)])
    filled, _, _ = _padded(values, np.zeros((500, 2, 2)), np.zeros(500))
    assert np.isnan(filled).sum() == 250


def test_blocks_hold_every_star_once():
    values, noise = random_stars(np.random.default_rng(4), n_star=6000)
    rows = np.concatenate([block.rows for block in _blocks(values, noise, np.ones(6000), np.zeros(6000))])
    assert np.array_equal(np.sort(rows), np.arange(6000))


def test_lower_bound_holds_in_every_direction():
    rng = np.random.default_rng(5)
    whole = np.array([[1.0, 0.9], [0.9, 1.0]])
    direction = np.array([np.cos(0.4), np.sin(0.4)])
    thin = (direction[:, None] * direction)[None] + 1e-8 * np.eye(2)
    bounded = _bounded(thin, whole, 0.3)[0]
    for vector in rng.normal(size=(50, 2)):
        assert vector @ bounded @ vector >= 0.09 * (vector @ whole @ vector) * (1 - 1e-9)
    wide = 2.0 * whole[None]
    np.testing.assert_allclose(_bounded(wide, whole, 0.3), wide, rtol=1e-12)


def test_fit_removes_the_noise():
    rng = np.random.default_rng(6)
    truth = rng.normal(0.0, [1.0, 0.5], size=(4000, 2))
    error = 0.8
    noise = np.repeat(error**2 * np.eye(2)[None], 4000, axis=0)
    values = truth + error * rng.standard_normal(truth.shape)
    fitted = fit_mixture(values, noise, 1, weights=np.ones(4000), rng=rng)
    # Standard error of a variance estimated through noise: sqrt(2/n) times the total variance.
    for dim, variance in enumerate((1.0, 0.25)):
        tolerance = 4 * np.sqrt(2 / 4000) * (variance + error**2)
        assert fitted.covariances[0, dim, dim] == pytest.approx(variance, abs=tolerance)
    ignoring = fit_mixture(values, np.zeros_like(noise), 1, weights=np.ones(4000), rng=rng)
    assert ignoring.covariances[0, 1, 1] > 0.25 + 4 * np.sqrt(2 / 4000) * (0.25 + error**2)  # negative control


def test_fit_is_repeatable_and_follows_the_seed():
    rng = np.random.default_rng(7)
    values, noise = random_stars(rng, 300)
    options = EmOptions(n_starts=2, max_steps=20)
    fits = [
        fit_mixture(values, noise, 3, weights=np.ones(300), rng=np.random.default_rng(seed), options=options).means
        for seed in (1, 1)
    ]
    assert np.array_equal(*fits)


def test_marginal_and_rescaled():
    rng = np.random.default_rng(8)
    mixture, (values, noise) = random_mixture(rng), random_stars(rng, missing=0.0)
    only_two = np.where(np.array([False, True, False]), np.nan, values)
    np.testing.assert_allclose(
        mixture.marginal([0, 2]).log_density(values[:, [0, 2]], noise[:, [[0], [2]], [0, 2]]),
        mixture.log_density(only_two, noise),
    )
    scale, centre = np.array([2.0, 0.5, 3.0]), np.array([1.0, -1.0, 4.0])
    moved = mixture.rescaled(centre, scale).log_density(centre + scale * values, noise * np.outer(scale, scale))
    np.testing.assert_allclose(moved, mixture.log_density(values, noise) - np.log(scale).sum())
