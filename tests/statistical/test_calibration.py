"""The judgement of calibration on a posterior that is known: right draws pass, and each kind of wrong ones fails."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.validation.coverage import JOINT, critical_deviation, judge
from clusterbayes.validation.sbc import places_of_truth

N_CLUSTER, N_DRAW = 400, 99
NAMES = ("a", "b", JOINT)
COVARIANCE = np.array([[1.0, 0.8], [0.8, 1.0]])


def judged(seed, *, scale=1.0, shift=0.0, covariance=COVARIANCE):
    """Judge draws about a noisy estimate: with scale 1, no shift and the right covariance they are from the posterior.

    Truths are even over a range so wide that the posterior is the Gaussian of the noise.
    """
    rng = np.random.default_rng(seed)
    right, used = np.linalg.cholesky(COVARIANCE), np.linalg.cholesky(covariance)
    found = []
    for truth in rng.uniform(-1000.0, 1000.0, (N_CLUSTER, 2)):
        estimate = truth + right @ rng.normal(size=2) + shift
        draws = estimate + scale * rng.normal(size=(N_DRAW, 2)) @ used.T
        found.append(places_of_truth(draws, truth, rng))
    return judge(NAMES, np.array(found))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_draws_of_the_posterior_pass(seed):
    assert judged(seed).holds


def test_draws_shrunk_by_two_fail_everywhere():
    judgement = judged(1, scale=0.5)
    assert not np.any(judgement.coverage["holds"])
    assert not np.any(judgement.ranks["holds"])


def test_draws_that_are_too_wide_fail():
    assert not np.any(judged(1, scale=2.0).coverage["holds"])


def test_a_shift_of_half_a_standard_deviation_fails_the_rank_test():
    assert not np.any(judged(1, shift=0.5).ranks["holds"][:2])


def test_a_wrong_correlation_is_seen_by_the_joint_check_alone():
    ranks = judged(1, covariance=np.array([[1.0, -0.8], [-0.8, 1.0]])).ranks
    assert list(ranks["holds"]) == [True, True, False]


def test_perfect_code_stays_within_all_bands_as_often_as_stated():
    rng = np.random.default_rng(5)
    shares, n_cluster, n_parameter, n_repeat = np.array([0.5, 0.18, 0.22, 0.1]), 300, 10, 2000
    deviation = critical_deviation(n_cluster, shares, n_parameter)
    level = np.cumsum(shares)[:-1]
    counts = np.cumsum(rng.multinomial(n_cluster, shares, size=(n_repeat, n_parameter)), axis=2)[..., :-1]
    off = np.abs(counts - n_cluster * level) / np.sqrt(n_cluster * level * (1.0 - level))
    within = np.mean(off.max(axis=(1, 2)) <= deviation)
    assert within == pytest.approx(0.99, abs=3 * np.sqrt(0.99 * 0.01 / n_repeat) + 0.002)
