"""Remarks: parameters that the prior rules, posteriors that lean on a bound, and the modes with their shares."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.inference.remarks import at_bounds, mode_table, prior_dominated, remarks
from clusterbayes.inference.search import Mode
from clusterbayes.model.parameters import ParameterSet, default_priors
from clusterbayes.model.priors import parse_prior

PRIORS = {
    "log_age": parse_prior("uniform(6, 10.2)"), "mh": parse_prior("normal(0, 0.3)"),
    "dist_mod": parse_prior("uniform(0, 20)"), "a_v": parse_prior("uniform(0, 6)"),
}  # fmt: skip
ENDS = {"log_age": (6.0, 10.2), "mh": (-2.0, 0.5)}


def test_a_posterior_as_wide_as_its_prior_is_named():
    z = np.random.default_rng(1).normal(size=(4000, 4)) * [1.0, 0.5, 1.02, 1.0]
    names = ["alpha_1", "log_age", "colour_4.05", "log_age_offset"]  # the last one always is
    assert prior_dominated(z, names) == ["alpha_1", "colour_4.05"]


@pytest.mark.parametrize(
    ("draw", "piled"),
    [
        (lambda rng, n: rng.exponential(0.3, n), True),
        (lambda rng, n: np.abs(rng.normal(0.0, 0.3, n)), True),
        (lambda rng, n: rng.uniform(0.0, 0.8, n), True),
        (lambda rng, n: np.abs(rng.normal(0.6, 0.3, n)), False),
        (lambda rng, n: rng.normal(1.5, 0.1, n), False),
    ],
)
def test_piles_at_either_end_are_found(draw, piled):
    distance = draw(np.random.default_rng(2), 20_000)
    for name, bound, sign in (("log_age", 10.2, -1.0), ("a_v", 0.0, 1.0)):
        found = at_bounds((bound + sign * distance)[:, None], [name], PRIORS)
        assert found == ({name: bound} if piled else {})


def test_a_floor_at_zero_is_no_pile():
    """Model floors end at zero by nature; only age, metallicity, distance and extinction are watched."""
    draws = np.random.default_rng(3).exponential(size=(1000, 1))
    assert at_bounds(draws, ["floor_Gaia_G"], {"floor_Gaia_G": parse_prior("halfnormal(0.02)")}) == {}


def test_modes_share_the_draws():
    parameters, rng = ParameterSet(PRIORS, {}), np.random.default_rng(4)
    places = np.array([[-1.0, 0.0, 0.0, 0.0], [1.0, 0.5, 0.0, 0.0]])
    modes = [Mode(place, height, 0.04 * np.eye(4)) for place, height in zip(places, (-3.0, -4.0), strict=True)]
    z = np.concatenate([place + 0.2 * rng.normal(size=(n, 4)) for place, n in zip(places, (700, 300), strict=True)])
    table = mode_table(modes, z, parameters)
    assert [row["share"] for row in table] == pytest.approx([0.7, 0.3], abs=0.003)
    assert [row["log_prob"] for row in table] == [-3.0, -4.0]
    assert [row["weight"] for row in table] == pytest.approx(np.array([1.0, np.exp(-1.0)]) / (1.0 + np.exp(-1.0)))
    assert table[0]["log_age"] == pytest.approx(6.0 + 4.2 * 0.158655, abs=1e-4)


def test_everything_is_said():
    modes = [{"log_age": 8.0, "mh": 0.1, "share": 0.6}, {"log_age": 9.0, "mh": -0.3, "share": 0.4}]
    said = remarks(["alpha_1"], {"a_v": 0.0}, modes, ENDS)
    assert [any(word in text for text in said) for word in ("a_v piles up at 0", "alpha_1", "40% at log_age 9.00")] == [
        True
    ] * 3
    assert remarks([], {}, modes[:1], ENDS) == []


@pytest.mark.parametrize(
    ("name", "bound", "whose"),
    [
        ("log_age", 10.2, "the grid"), ("mh", -2.0, "the grid"), ("log_age", 9.0, "its prior"),
        ("mh", 0.1, "its prior"), ("dist_mod", 20.0, "its prior"), ("a_v", 0.0, "its prior"),
    ],
)  # fmt: skip
def test_the_end_of_a_prior_is_not_called_that_of_the_grid(name, bound, whose):
    (said,) = remarks([], {name: bound}, [], ENDS)
    assert said.startswith(f"{name} piles up at {bound:g}, the end of {whose}:")


@pytest.mark.parametrize(
    ("prior", "whose"), [("uniform(8, 9)", "its prior"), ("uniform(8, 12)", "the grid"), (None, "the grid")]
)
def test_a_prior_is_cut_at_the_grid_whose_end_it_then_has(prior, whose):
    """The bound of a prior that reaches beyond the grid is exactly the grid's end."""
    default, held = default_priors(log_age_range=ENDS["log_age"], mh_range=ENDS["mh"], bands=("Gaia_G",))
    priors = ParameterSet.build(default, held, user_priors={} if prior is None else {"log_age": prior}).priors
    bound = priors["log_age"].high
    draws = bound - np.random.default_rng(5).exponential(0.05, size=(4000, 1))
    (said,) = remarks([], at_bounds(draws, ["log_age"], priors), [], ENDS)
    assert f"at {bound:g}, the end of {whose}" in said
