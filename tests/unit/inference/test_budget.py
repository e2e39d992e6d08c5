"""A budget of seconds: where it ends sampling, what is said, and that more of it goes on as if nothing had been cut."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from unit.inference.toys import correlated

from clusterbayes.errors import SettingsError
from clusterbayes.inference import ensembles
from clusterbayes.inference.budget import TimeLimit
from clusterbayes.inference.checkpoint import Checkpoint, NothingKept
from clusterbayes.inference.diagnostics import Convergence
from clusterbayes.inference.sampler import SamplingOptions, sample
from clusterbayes.inference.search import Mode

COVARIANCE = correlated(3, 5)
INVERSE = np.linalg.inv(COVARIANCE)
MODES = [Mode(np.zeros(3), -1.5, 4.0 * np.diag(np.diag(COVARIANCE)))]
OPTIONS = SamplingOptions(max_steps=90, target_ess=10**6, burn_rounds=4, burn_steps=40)
STEP = 4  # evaluations of an ensemble's longest step, a snooker move of quarters
DRAWS = 37  # evaluations of a round of weighted draws


@pytest.fixture(autouse=True)
def step_by_step(monkeypatch):
    """Ensembles that wait for each other after every step, however short it is."""
    monkeypatch.setattr(ensembles, "_APART", 0.0)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def opened(path, clock):
    return Checkpoint(path, {"seed": 1}, np.random.default_rng(1), clock=clock)


def run(keeper, clock, **options):
    """Sample the toy; every evaluation takes a second of the clock."""

    def slow(z):
        clock.now += 1.0
        return -0.5 * np.einsum("ni,ij,nj->n", z, INVERSE, z)

    with keeper:
        chain = sample(slow, MODES, replace(OPTIONS, **options), keeper._rng, names=("a", "b", "c"), keeper=keeper)
        keeper.save()
    return chain


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    clock = Clock()
    keeper = opened(tmp_path_factory.mktemp("unbroken") / "fit.h5", clock)
    return run(keeper, clock), keeper.sampling_seconds


def same(one, other):
    assert np.array_equal(one.z, other.z)
    assert np.array_equal(one.log_prob, other.log_prob)
    assert (one.acceptance, one.n_burn, one.convergence) == (other.acceptance, other.n_burn, other.convergence)


# --- where it ends ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.01, 0.2, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99])
def test_sampling_ends_soon_after_wherever_it_is(tmp_path, unbroken, share):
    """Within a step or two, or within ten steps, and a round of draws, if there is no chain yet."""
    clock, seconds = Clock(), max(1.0, round(share * unbroken[1]))
    keeper = opened(tmp_path / "fit.h5", clock)
    chain = run(keeper, clock, max_seconds=seconds)
    late = keeper.sampling_seconds - seconds
    assert 0 <= late <= (2 * STEP if len(chain.z) > 10 else 10 * 2 * STEP + DRAWS + 2 * STEP)
    assert 10 <= len(chain.z) < 90
    assert not chain.convergence.converged
    assert chain.convergence.reasons[0].startswith(f"the budget of {seconds:g} seconds was spent ")
    assert np.all(np.isfinite(chain.log_prob))


def test_the_reason_says_whether_burn_in_was_over(tmp_path, unbroken):
    reasons = []
    for name, share in (("early", 0.02), ("late", 0.95)):
        clock = Clock()
        chain = run(opened(tmp_path / name, clock), clock, max_seconds=share * unbroken[1])
        reasons.append(chain.convergence.reasons[0])
    assert "before burn-in was over, and 10 steps were added" in reasons[0]
    assert f"after {len(chain.z)} steps" in reasons[1]


def test_a_budget_that_is_not_spent_changes_nothing_and_is_not_named(tmp_path, unbroken):
    """Negative control: without a limit, and with one that is not reached, the chain ends by its steps."""
    clock = Clock()
    chain = run(opened(tmp_path / "fit.h5", clock), clock, max_seconds=10.0 * unbroken[1])
    same(chain, unbroken[0])
    assert not any("seconds" in reason for reason in chain.convergence.reasons)


def test_real_seconds_count_without_a_checkpoint():
    """The limit is a millisecond; negative control: a chain of the same seed with an hour has all of its steps."""
    lengths = []
    for seconds in (1e-3, 3600.0):
        chain = sample(
            lambda z: -0.5 * (z**2).sum(axis=1), [Mode(np.zeros(2), 0.0, np.eye(2))],
            replace(OPTIONS, max_seconds=seconds), np.random.default_rng(2), names=("a", "b"),
        )  # fmt: skip
        lengths.append(len(chain.z))
    assert lengths == [10, 90]


def test_progress_follows_the_budget(tmp_path, unbroken):
    """A chain of a million steps is nearly done when its time is."""
    clock, told = Clock(), []

    def slow(z):
        clock.now += 1.0
        return -0.5 * np.einsum("ni,ij,nj->n", z, INVERSE, z)

    keeper = opened(tmp_path / "fit.h5", clock)
    options = replace(OPTIONS, max_steps=10**6, max_seconds=1000.0)
    with keeper:
        sample(
            slow, MODES, options, keeper._rng, names=("a", "b", "c"), keeper=keeper,
            report=lambda percent, message: told.append((keeper.sampling_seconds, percent)),
        )  # fmt: skip
    late = [percent for seconds, percent in told if 900.0 < seconds < 1000.0]
    assert late and min(late) > 90.0


# --- more of it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "burnt"), [(0.01, 0), (0.2, 0), (0.38, 20), (0.45, 30), (0.7, 40), (0.95, 40)])
def test_the_same_budget_gives_the_same_and_a_larger_one_goes_on(tmp_path, unbroken, share, burnt):
    """In the weighted draws, in burn-in, in the chain; draws that were cut short are made again, perhaps fewer."""
    path, seconds = tmp_path / "fit.h5", max(1.0, share * unbroken[1])
    clock = Clock()
    first = run(opened(path, clock), clock, max_seconds=seconds)
    assert (first.n_burn, unbroken[0].n_burn) == (burnt, 40)
    assert len(first.z) < len(unbroken[0].z)  # negative control: something was cut
    again = run(opened(path, clock), clock, max_seconds=seconds)
    if burnt:
        same(again, first)
    found = run(opened(path, clock), clock, max_seconds=10.0 * unbroken[1])
    same(found, unbroken[0])


def test_time_before_a_break_counts_and_time_between_does_not(tmp_path):
    clock = Clock()
    keeper = opened(tmp_path / "fit.h5", clock)
    clock.now += 50.0  # the search
    assert keeper.sampling_seconds == 0.0
    keeper.begin_sampling()
    clock.now += 7.0
    keeper.save()
    clock.now += 1000.0
    again = opened(tmp_path / "fit.h5", clock)
    clock.now += 20.0
    assert again.sampling_seconds == 7.0
    again.begin_sampling()
    clock.now += 2.0
    assert again.sampling_seconds == 9.0


# --- words and settings ----------------------------------------------------------------------------------------------


def test_a_chain_that_has_converged_all_the_same_is_believed():
    good = Convergence(True, [], {"a": 1.0}, {"a": 2000.0}, {"a": 1.0}, 1, 50.0, 1.0)
    bad = replace(good, converged=False, reasons=["too short"])
    limit = TimeLimit(20.0, NothingKept())
    assert limit.verdict(good, 100, burnt_in=True) is good
    said = limit.verdict(bad, 100, burnt_in=True)
    assert said.reasons == ["the budget of 20 seconds was spent after 100 steps", "too short"]
    assert not said.converged


@pytest.mark.parametrize("seconds", [0, 0.0, -5.0, math.nan, math.inf])
def test_a_budget_that_is_none_is_refused(seconds):
    with pytest.raises(SettingsError, match="max_seconds.*above 0, or None"):
        SamplingOptions(max_seconds=seconds)
    assert SamplingOptions(max_seconds=0.5).max_seconds == 0.5
    assert SamplingOptions().max_seconds is None
