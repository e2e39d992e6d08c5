"""Weighted draws: they find the mass of modes, and a picture that is worth proposing from."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy import special

from clusterbayes.inference import population as populations
from clusterbayes.inference.population import Population, learn, learn_more
from clusterbayes.inference.proposal import Mixture
from clusterbayes.inference.search import Mode

CENTRES = np.array([[0.0, 0.0, 0.0], [7.0, 1.0, 0.0]])


def two_modes(z):
    """Masses of 0.8 and 0.2, whatever the pictures of the modes say."""
    parts = [np.log(w) - 0.5 * ((z - c) ** 2).sum(axis=1) for w, c in zip((0.8, 0.2), CENTRES, strict=True)]
    return special.logsumexp(parts, axis=0)


def share_of_second(population, log_weight):
    weight = np.exp(log_weight)
    second = population.z[:, 0] > 3.5
    share = weight[second].sum() / weight.sum()
    return share, np.sqrt(share * (1.0 - share) / populations._effective(log_weight))


@pytest.fixture(scope="module")
def population():
    modes = [Mode(c, h, 2.0 * np.eye(3)) for c, h in zip(CENTRES, (0.0, 1.0), strict=True)]
    return learn(two_modes, modes, np.random.default_rng(1))


def test_weights_are_those_of_the_modes(population):
    """Negative control: with every draw counted alike the pictures' wrong weights show."""
    share, error = share_of_second(population, population.log_weight)
    assert abs(share - 0.2) < 4 * error
    share, error = share_of_second(population, np.zeros(len(population.z)))
    assert abs(share - 0.2) > 4 * error


def test_picture_is_worth_proposing_from(population):
    """Half of its draws would be accepted, in either mode; negative control: those of a single Gaussian would not."""
    rng = np.random.default_rng(2)
    exact = CENTRES[rng.choice(2, size=2000, p=[0.8, 0.2])] + rng.normal(size=(2000, 3))
    single = Mixture([1.0], [exact.mean(axis=0)], [np.cov(exact.T)])
    for proposal, good in ((population.picture, True), (single, False)):
        new = proposal.draw(2000, rng)
        log_ratio = two_modes(new) - proposal.log_density(new) - two_modes(exact) + proposal.log_density(exact)
        assert (np.minimum(1.0, np.exp(np.minimum(log_ratio, 0.0))).mean() > 0.5) == good


def test_starts_are_different_points_of_high_weight(population):
    starts = population.starts(30, np.random.default_rng(3))
    assert len(np.unique(starts, axis=0)) == 30
    assert np.mean(two_modes(starts)) > np.mean(two_modes(population.z))


def test_a_wrong_picture_is_left_behind():
    """The mode is four standard deviations off and twice too narrow."""

    def log_posterior(z):
        return -0.5 * ((z - 4.0) ** 2).sum(axis=1)

    population = learn(log_posterior, [Mode(np.full(2, 6.8), -8.0, 0.25 * np.eye(2))], np.random.default_rng(4))
    drawn = population.picture.draw(4000, np.random.default_rng(5))
    assert np.abs(np.median(drawn, axis=0) - 4.0).max() < 0.3


@pytest.mark.parametrize("seen", [True, False])
def test_a_mode_that_only_the_chain_found_gets_its_mass(seen):
    """The search missed a fifth of the mass. Negative control: a chain that did not go there leaves it missing."""
    away = np.array([30.0, 0.0, 0.0])

    def log_posterior(z):
        return np.logaddexp(np.log(0.8) - 0.5 * (z**2).sum(axis=1), np.log(0.2) - 0.5 * ((z - away) ** 2).sum(axis=1))

    before = learn(log_posterior, [Mode(np.zeros(3), 0.0, np.eye(3))], np.random.default_rng(9))
    assert before.z[:, 0].max() < 25.0
    rng = np.random.default_rng(10)
    there = rng.random(2400) < (0.02 if seen else 0.0)  # few, as of a walker that got there late
    visited = there[:, None] * away + rng.normal(size=(2400, 3))
    after = learn_more(before, visited, log_posterior(visited), log_posterior, rng)
    weight = np.exp(after.log_weight)
    share = weight[after.z[:, 0] > 15.0].sum() / weight.sum()
    error = np.sqrt(0.16 / populations._effective(after.log_weight))
    assert (abs(share - 0.2) < 4 * error) == seen
    assert (abs((after.picture.draw(4000, rng)[:, 0] > 15.0).mean() - 0.2) < 0.05) == seen
    assert np.array_equal(after.z[: len(before.z)], before.z)  # what was known is kept


def test_it_comes_back_to_the_last_digit(population, tmp_path):
    with h5py.File(tmp_path / "population.h5", "w") as file:
        population.write(file)
        found = Population.read(file)
    assert np.array_equal(found.log_weight, population.log_weight)
    more, again = (
        learn_more(known, known.z, known.log_prob, two_modes, np.random.default_rng(11))
        for known in (population, found)
    )
    assert len(more.z) > len(population.z)
    assert np.array_equal(more.z, again.z)
    assert np.array_equal(more.log_drawn, again.log_drawn)


def test_points_that_are_impossible_count_for_nothing():
    def log_posterior(z):
        return np.where(z[:, 0] > 0.0, -0.5 * (z**2).sum(axis=1), -np.inf)

    population = learn(log_posterior, [Mode(np.array([0.5, 0.0]), 0.0, np.eye(2))], np.random.default_rng(6))
    assert (population.starts(50, np.random.default_rng(7))[:, 0] > 0.0).all()


def test_the_budget_limits_the_rounds():
    """A posterior that no picture is good for; negative control: without a limit there are more rounds."""

    def log_posterior(z):
        return 8.0 * np.sin(1e4 * z.sum(axis=1)) - 0.5 * (z**2).sum(axis=1)

    mode = Mode(np.zeros(2), 0.0, np.eye(2))
    few, many = (learn(log_posterior, [mode], np.random.default_rng(8), n_most=n) for n in (3000, 6000))
    assert 3000 - few.sources[-1][1] < len(few.z) <= 3000 < len(many.z) <= 6000
    least = learn(log_posterior, [mode], np.random.default_rng(8), n_most=0)
    assert 0 < len(least.z) < len(few.z)
    rng = np.random.default_rng(12)
    one, more = (learn_more(few, few.z, few.log_prob, log_posterior, rng, n_most=n) for n in (0, 1000))
    assert 0 < len(one.z) - len(few.z) < len(more.z) - len(few.z) <= 1000
