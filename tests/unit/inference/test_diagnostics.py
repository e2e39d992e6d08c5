"""Verdicts about chains: they pass good ones and find ensembles that disagree, drift, or are too short."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.inference.diagnostics import assess, longest_rest, split_rhat, walker_variance_ratio

NAMES = ("log_age", "mh")


def independent(n_steps=600, n_walkers=40, n_dim=2, seed=1):
    return np.random.default_rng(seed).normal(size=(n_steps, n_walkers, n_dim))


def autoregressive(rho, n_steps=6000, n_walkers=20, seed=2):
    """Walkers with autocorrelation rho^lag: τ = (1 + rho)/(1 − rho)."""
    rng = np.random.default_rng(seed)
    chain = np.empty((n_steps, n_walkers, 1))
    chain[0] = rng.normal(size=(n_walkers, 1))
    for i in range(1, n_steps):
        chain[i] = rho * chain[i - 1] + np.sqrt(1 - rho**2) * rng.normal(size=(n_walkers, 1))
    return chain


def test_independent_draws_converge():
    verdict = assess(independent(), 2, 1000, NAMES)
    assert verdict.converged
    assert verdict.reasons == []
    assert verdict.rhat_max < 1.005
    assert verdict.tau_max == pytest.approx(1.0, abs=0.3)
    assert verdict.ess_min > 0.7 * 600 * 40
    assert verdict.progress == 1.0


def test_displaced_ensembles_are_found():
    """Negative control: two ensembles half a standard deviation apart in one parameter."""
    chain = independent()
    chain[:, 20:, 1] += 0.5
    verdict = assess(chain, 2, 1000, NAMES)
    assert not verdict.converged
    assert any("R-hat of mh" in reason for reason in verdict.reasons)
    assert verdict.rhat["mh"] > 1.01 > verdict.rhat["log_age"]


def test_drifting_ensembles_are_found():
    """Both ensembles agree with each other but not with their own past."""
    chain = independent()
    chain[:, :, 0] += np.linspace(0.0, 1.0, 600)[:, None]
    verdict = assess(chain, 2, 100, NAMES)
    assert not verdict.converged
    assert any("R-hat of log_age" in reason for reason in verdict.reasons)


def test_walkers_of_one_ensemble_may_be_anywhere():
    """Walkers are pooled: that each of them has its own place is no disagreement."""
    chain = independent()
    offsets = np.tile(np.linspace(-1, 1, 20), 2)[None, :, None]
    groups = [part.reshape(-1, 2) for block in np.split(chain + offsets, 2, axis=1) for part in np.split(block, 2)]
    assert split_rhat(np.array(groups)).max() < 1.01


def test_autocorrelation_time_and_sample_size():
    verdict = assess(autoregressive(0.8), 2, 1000, ("a",))
    assert verdict.tau["a"] == pytest.approx(9.0, rel=0.1)
    assert verdict.ess["a"] == pytest.approx(6000 * 20 / 9.0, rel=0.1)
    assert verdict.converged


def test_short_chains_do_not_pass():
    verdict = assess(autoregressive(0.9, n_steps=300, n_walkers=200), 2, 100, ("a",))
    assert not verdict.converged
    assert any("fewer than 50" in reason for reason in verdict.reasons)
    assert verdict.progress < 1.0


def test_few_effective_draws_do_not_pass():
    verdict = assess(independent(n_steps=60, n_walkers=4), 2, 5000, NAMES)
    assert any("effective sample size" in reason for reason in verdict.reasons)


def test_a_parameter_that_never_moves_is_no_success():
    chain = independent()
    chain[:, :, 1] = 0.3
    verdict = assess(chain, 2, 1000, NAMES)
    assert not verdict.converged
    assert np.isfinite(verdict.tau["mh"])


def test_walkers_that_never_moved_are_no_sample():
    """Forty walkers that stay where they began look independent of each other and of nothing else."""
    chain = np.repeat(independent(n_steps=1), 600, axis=0)
    chain[:, 20:] = chain[:, :20]
    verdict = assess(chain, 2, 30, NAMES)
    assert not verdict.converged
    assert verdict.ess_min == pytest.approx(40.0)


def test_a_stuck_walker_is_found():
    """One of forty walkers waits for a tenth of the chain, and one step more."""
    chain = independent()
    chain[100:160, 7] = chain[100, 7]
    assert assess(chain, 2, 1000, NAMES).converged
    chain[160, 7] = chain[100, 7]
    verdict = assess(chain, 2, 1000, NAMES)
    assert verdict.longest_rest == 61
    assert verdict.length_needed == pytest.approx(610.0)
    assert verdict.reasons == ["a walker stayed in one place for 61 of 600 steps, more than a tenth: it was stuck"]


def test_rests_end_where_any_coordinate_moves():
    chain = independent(n_steps=50, n_walkers=4)
    assert longest_rest(chain) == 1
    chain[10:20, 2, 0] = 0.5
    assert longest_rest(chain) == 1
    chain[10:20, 2, 1] = 0.5
    assert longest_rest(chain) == 10


def test_rhat_of_equal_groups():
    groups = np.random.default_rng(3).normal(size=(4, 20_000, 3))
    assert split_rhat(groups) == pytest.approx(1.0, abs=1e-3)
    shifted = groups + np.array([0.0, 0.0, 0.2, 0.2])[:, None, None]
    assert split_rhat(shifted) == pytest.approx(np.sqrt(1 + 0.04 / 3), abs=2e-3)


def test_walkers_that_go_everywhere_differ_as_their_autocorrelation_says():
    chain = autoregressive(0.8, n_walkers=400)
    assert walker_variance_ratio(chain, np.array([9.0])) == pytest.approx(1.0, abs=4 * np.sqrt(2 / 400))
    assert walker_variance_ratio(chain[:, :1], np.array([9.0])) == 0.0  # of one walker nothing can be said


@pytest.mark.parametrize("n_tied", [0, 1, 6])
def test_walkers_that_keep_to_their_modes_are_found(n_tied):
    """Some walkers of each ensemble stay in one of two modes; control: all go from one to the other.

    Ensembles agree, and draws within a mode are independent: nothing else shows it.
    """
    rng = np.random.default_rng(7)
    mode = rng.integers(0, 2, size=(400, 24))
    for first in (0, 12):
        mode[:, first : first + n_tied] = np.arange(n_tied) % 2 if n_tied > 1 else 1
    chain = rng.normal(size=(400, 24, 2))
    chain[:, :, 1] += 8.0 * mode
    verdict = assess(chain, 2, 1000, NAMES)
    assert verdict.converged == (n_tied == 0)
    assert any("of mh" in r and "places of their own" in r for r in verdict.reasons) == (n_tied > 0)
    if n_tied:
        assert verdict.length_needed > 3 * 400
        assert verdict.tau["log_age"] == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize(("share", "found"), [(0.05, True), (0.0, False)])
def test_a_slow_part_of_the_variance_is_in_the_autocorrelation_time(share, found):
    """White noise with 5 % of slow motion (τ = 199 of its own, 10.9 in all); control: white noise alone.

    The window of the usual estimate closes at 10 steps, where its sum is 2.
    """
    noise = independent(n_steps=4000, n_walkers=24, n_dim=1, seed=11)
    slow = autoregressive(0.99, n_steps=4000, n_walkers=24, seed=12)
    verdict = assess(np.sqrt(1 - share) * noise + np.sqrt(share) * slow, 2, 1000, ("a",))
    expected = (1 - share) + share * 199.0
    assert verdict.tau["a"] == pytest.approx(expected, rel=0.6 if found else 0.1)  # of 24 walkers' means: 30 % at 1 σ
    assert verdict.ess["a"] == pytest.approx(4000 * 24 / verdict.tau["a"])
