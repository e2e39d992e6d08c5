import numpy as np
import pytest
from scipy.integrate import quad

from clusterbayes.errors import SettingsError
from clusterbayes.model.magnitude_counts import MagnitudeCounts


@pytest.mark.parametrize("coefficients", [(), (1.5,), (2.0, -0.7), (3.0, -1.0, 0.4, 0.2), (20.0, -30.0)])
def test_density_integrates_to_one(coefficients):
    counts = MagnitudeCounts(9.0, 18.5, coefficients)
    integral, _ = quad(lambda m: np.exp(counts.log_density(np.array([m]))[0]), 9.0, 18.5, epsabs=1e-10, limit=200)
    assert integral == pytest.approx(1.0, abs=1e-8)


def test_limits_belong_to_the_range_and_nothing_beyond_does():
    counts = MagnitudeCounts(9.1, 17.3, (1.0,))
    log_density = counts.log_density(np.array([9.1 - 1e-9, 9.1, 17.3, 17.3 + 1e-9]))
    assert np.isfinite(log_density).tolist() == [False, True, True, False]


def test_exponential_counts_are_recovered():
    # log density linear in magnitude: slope b per mag is one Legendre coefficient b * (faint - bright) / 2.
    slope, limits = 0.8, (10.0, 18.0)
    truth = MagnitudeCounts(*limits, (slope * 4.0,))
    stars = truth.sample(5000, np.random.default_rng(1))
    counts = MagnitudeCounts.fit(stars, limits)
    assert len(counts.coefficients) == 1
    # Fisher information of the slope is n times the variance of the magnitudes.
    standard_error = 1.0 / (stars.std() * np.sqrt(len(stars)))
    assert counts.coefficients[0] / 4.0 == pytest.approx(slope, abs=4 * standard_error)


def test_curved_counts_need_a_higher_degree():
    truth = MagnitudeCounts(10.0, 18.0, (1.0, -2.0))
    counts = MagnitudeCounts.fit(truth.sample(3000, np.random.default_rng(2)), (10.0, 18.0))
    assert len(counts.coefficients) == 2


def test_uniform_stars_stay_uniform():
    stars = np.random.default_rng(3).uniform(10.0, 18.0, 500)
    assert MagnitudeCounts.fit(stars, (10.0, 18.0)).coefficients == ()


def test_weights_count_as_stars():
    rng = np.random.default_rng(4)
    stars = MagnitudeCounts(10.0, 18.0, (3.0,)).sample(400, rng)
    doubled = MagnitudeCounts.fit(np.concatenate([stars, stars]), (10.0, 18.0), weights=np.full(800, 0.5))
    assert doubled.coefficients == pytest.approx(MagnitudeCounts.fit(stars, (10.0, 18.0)).coefficients, rel=1e-8)
    others = rng.uniform(10.0, 11.0, 400)
    weights = np.repeat([1.0, 0.0], 400)
    ignored = MagnitudeCounts.fit(np.concatenate([stars, others]), (10.0, 18.0), weights=weights)
    assert ignored.coefficients == pytest.approx(doubled.coefficients, rel=1e-6)


def test_stars_piled_on_a_limit_do_not_diverge():
    counts = MagnitudeCounts.fit(np.full(50, 18.0), (10.0, 18.0))
    assert np.isfinite(counts.log_density(np.array([10.0, 14.0, 18.0]))).all()


def test_sample_follows_the_density():
    counts = MagnitudeCounts(10.0, 18.0, (2.0, -1.0))
    draws = counts.sample(20_000, np.random.default_rng(5))
    grid = np.linspace(10.0, 18.0, 2001)
    density = np.exp(counts.log_density(grid))
    mean = np.trapezoid(grid * density, grid)
    assert draws.min() >= 10.0 and draws.max() <= 18.0
    assert draws.mean() == pytest.approx(mean, abs=4 * draws.std() / np.sqrt(len(draws)))


@pytest.mark.parametrize("limits", [(18.0, 10.0), (10.0, 10.0), (np.nan, 18.0), (10.0, np.inf)])
def test_bad_limits_are_refused(limits):
    with pytest.raises(SettingsError, match="limits"):
        MagnitudeCounts(*limits)


def test_round_trip():
    counts = MagnitudeCounts(10.0, 18.0, (2.0, -1.0))
    assert MagnitudeCounts.from_dict(counts.to_dict()) == counts
