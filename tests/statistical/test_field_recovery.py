"""The field density is found again from noisy stars with gaps, and not by a fit that ignores errors or weights.

The truth is written out here on its own: exponential counts, and dwarfs and giants whose share, colours and parallax
change with magnitude. Its density with noise and gaps is a closed form.
"""

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from scipy.stats import norm

from clusterbayes.model.field import FieldDensity

LIMITS = (10.0, 18.0)
SLOPE = 0.6  # of the log counts, per mag
CENTRES = np.array([[0.8, 0.5, 0.6], [1.4, 1.1, 0.3]])  # at magnitude 15, (dwarf, giant) by (colour, colour, parallax)
SLOPES = np.array([[0.08, 0.05, -0.04], [-0.03, -0.02, -0.02]])
SPREADS = np.array([[0.12, 0.10, 0.25], [0.15, 0.12, 0.15]])


def giant_share(magnitude):
    return expit(-0.5 * (magnitude - 13.5))


def drawn(n_star, seed):
    rng = np.random.default_rng(seed)
    span = np.exp(SLOPE * (LIMITS[1] - LIMITS[0])) - 1.0
    magnitude = LIMITS[0] + np.log1p(rng.random(n_star) * span) / SLOPE
    kind = (rng.random(n_star) < giant_share(magnitude)).astype(int)
    rest = CENTRES[kind] + SLOPES[kind] * (magnitude - 15.0)[:, None] + SPREADS[kind] * rng.normal(size=(n_star, 3))
    errors = np.array([0.15, 0.2, 0.4]) * 10 ** (0.2 * (magnitude[:, None] - 18.0)) * rng.uniform(0.7, 1.3, (n_star, 3))
    rest += errors * rng.standard_normal(rest.shape)
    rest[rng.random(rest.shape) < 0.1] = np.nan
    return np.column_stack([magnitude, rest]), np.column_stack([np.full(n_star, 0.002), errors])


def log_truth(values, errors):
    magnitude, rest = values[:, 0], values[:, None, 1:]
    log_counts = SLOPE * (magnitude - LIMITS[0]) + np.log(SLOPE / np.expm1(SLOPE * (LIMITS[1] - LIMITS[0])))
    centre = CENTRES + SLOPES * (magnitude - 15.0)[:, None, None]
    terms = norm(centre, np.hypot(SPREADS, errors[:, None, 1:])).logpdf(rest)
    share = giant_share(magnitude)
    log_share = np.log(np.column_stack([1.0 - share, share]))
    return log_counts + logsumexp(log_share + np.where(np.isnan(rest), 0.0, terms).sum(axis=2), axis=1)


def loss(density, sample):
    """Mean log density lost against the truth, and its standard error."""
    difference = log_truth(*sample) - density.log_density(*sample)
    return difference.mean(), difference.std() / np.sqrt(len(difference))


def fit(sample, **options):
    return FieldDensity.fit(*sample, limits=LIMITS, rng=np.random.default_rng(3), **options)


@pytest.mark.parametrize(("n_star", "share"), [(2000, 0.03), (5000, 0.02)])
def test_recovers_the_density(n_star, share):
    """Loses at most 2 % of the held-out log score with 5,000 stars; p free numbers alone lose p/(2 n_star) per star."""
    train, held = drawn(n_star, 1), drawn(10_000, 2)
    limit = share * abs(log_truth(*held).mean())
    lost, error = loss(fit(train), held)
    assert -3 * error < lost < limit
    values, errors = train
    for control in (fit(train, n_components=1), fit((values, 1e-3 * errors)), fit((values, 2.0 * errors))):
        lost, error = loss(control, held)  # negative controls: one Gaussian, errors left out, errors doubled
        assert lost - 3 * error > limit


def test_more_stars_give_a_better_density():
    held = drawn(5000, 2)
    few, many = (loss(fit(drawn(n_star, 4)), held)[0] for n_star in (100, 4000))
    assert many < 0.5 * few


@pytest.mark.parametrize("n_components", [None, 3])
def test_weights_take_the_cluster_out(n_components):
    rng = np.random.default_rng(5)
    field, errors = drawn(1000, 6)
    magnitude = rng.uniform(12.0, 18.0, 1000)
    colour = 0.1 * (magnitude - 11.0)
    cluster = np.column_stack([magnitude, colour, 0.8 * colour, np.full(1000, 1.2)])
    cluster[:, 1:] += 0.02 * rng.standard_normal((1000, 3))
    both = np.concatenate([field, cluster]), np.concatenate([errors, np.full((1000, 4), 0.02)])
    # The probability of being field of a star that is known to be one with 95 % certainty.
    weights = np.repeat([0.95, 0.05], 1000)
    held = drawn(5000, 7)
    weighted, error = loss(fit(both, weights=weights, n_components=n_components), held)
    unweighted, _ = loss(fit(both, n_components=n_components), held)
    assert weighted + 3 * error < 0.5 * unweighted
    assert unweighted > 0.3  # negative control
