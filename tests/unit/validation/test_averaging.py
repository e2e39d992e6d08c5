"""Weights of model families, and what a mixture of posteriors says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from unit.results.synthetic import make_result

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.model.leave_one_out import log_predictive
from clusterbayes.validation.averaging import average_fits, stacking_weights


def fit(mean, std, *, better=0.0, converged=True):
    """A fit with a given posterior of log_age whose stars are better predicted by so much."""
    result = make_result()
    rng = np.random.default_rng(7)
    stars = result.stars.copy()
    stars["log_predictive"] = -1.0 + better + 0.01 * np.arange(len(stars)) / len(stars)
    noise = rng.normal(size=20_000)
    draws = {"log_age": mean + std * (noise - noise.mean()) / noise.std()}
    diagnostics = {**result.diagnostics, "converged": converged}
    return replace(result, draws=draws, stars=stars, diagnostics=diagnostics)


def test_equal_weights_part_the_errors():
    made = average_fits({"a": fit(9.0, 0.02), "b": fit(9.1, 0.04)}, method="equal")
    row = made.parameters["log_age"]
    assert made.weights == {"a": 0.5, "b": 0.5}
    assert row["mean"] == pytest.approx(9.05)
    assert row["statistical"] == pytest.approx(np.sqrt((0.02**2 + 0.04**2) / 2))
    assert row["family"] == pytest.approx(0.05)
    assert row["std"] == pytest.approx(np.hypot(row["statistical"], row["family"]))
    share = norm.cdf(row["q84"], [9.0, 9.1], [0.02, 0.04]).mean()
    assert share == pytest.approx(0.84, abs=0.01)


def test_stacking_leaves_out_a_family_that_predicts_every_star_worse():
    made = average_fits({"a": fit(9.0, 0.02, better=0.5), "b": fit(9.1, 0.04)})
    assert made.weights["a"] == pytest.approx(1.0, abs=1e-3)
    assert made.parameters["log_age"]["family"] < 0.005


def test_families_that_are_better_for_different_stars_share_the_weight():
    three_of_four = np.arange(400) % 4 > 0
    log_density = np.column_stack([np.where(three_of_four, 0.0, -20.0), np.where(three_of_four, -20.0, 0.0)])
    np.testing.assert_allclose(stacking_weights(log_density), [0.75, 0.25], atol=1e-6)


def test_fits_that_do_not_belong_together_are_refused():
    good = fit(9.0, 0.02)
    with pytest.raises(SettingsError, match="two fits or more"):
        average_fits({"a": good})
    with pytest.raises(SettingsError, match="unknown method"):
        average_fits({"a": good, "b": good}, method="evidence")
    with pytest.raises(InputError, match="did not converge"):
        average_fits({"a": good, "b": fit(9.0, 0.02, converged=False)})
    stars = good.stars.copy()
    stars["used"] = ~np.asarray(stars["used"], bool)
    with pytest.raises(InputError, match="not of the same stars"):
        average_fits({"a": good, "b": replace(good, stars=stars)})


def test_fits_of_other_measurements_are_refused_although_they_have_as_many_rows():
    good = fit(9.0, 0.02)
    stars = good.stars.copy()
    stars[good.observables[0]][3] += 0.01
    with pytest.raises(InputError, match="not of the same stars"):
        average_fits({"a": good, "b": replace(good, stars=stars)})


@pytest.mark.parametrize(("key", "value"), [("proper_motion", True), ("counts", "ignore"), ("positions", True)])
def test_densities_of_different_data_are_refused(key, value):
    """With proper motions, a star's density is per mag³ (mas/yr)²: it can't be stacked with one per mag³."""
    good = fit(9.0, 0.02)
    settings = {**good.provenance.get("settings", {}), key: value}
    other = replace(good, provenance={**good.provenance, "settings": settings})
    with pytest.raises(SettingsError, match="the same data") as caught:
        average_fits({"a": good, "b": other})
    assert key in str(caught.value) and "Remedy" in str(caught.value)


def test_leaving_a_star_out_is_what_a_fit_without_it_would_predict():
    """Known answer: Gaussian data about a mean with a flat prior."""
    rng = np.random.default_rng(3)
    y = rng.normal(size=30)
    draws = y.mean() + rng.normal(size=20_000) / np.sqrt(y.size)
    found = log_predictive(norm.logpdf(y[None, :], draws[:, None], 1.0))
    others = (y.sum() - y) / (y.size - 1)
    known = norm.logpdf(y, others, np.sqrt(1.0 + 1.0 / (y.size - 1)))
    np.testing.assert_allclose(found, known, atol=0.01)
    naive = np.log(norm.pdf(y[None, :], draws[:, None], 1.0).mean(axis=0))
    assert np.abs(naive - known).max() > 0.05
