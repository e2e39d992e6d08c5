"""Densities of samples with a completeness, limits in other bands, and given the magnitude: all integrate to one."""

from __future__ import annotations

import numpy as np
import pytest
from unit.model.mocks import at_truth, make_model, mock_table
from unit.model.test_likelihood import catalogue, lattice, sequence_density

from clusterbayes.inference.field import FieldLearner
from clusterbayes.model.completeness import Completeness
from clusterbayes.model.selection import BandLimit
from clusterbayes.photometry import Photometry

GENTLE = Completeness((11.0, 12.5, 13.5, 16.0), (0.4, 1.0, 0.9, 0.1))
CHANGES = ({}, {"log_age": 9.4, "mh": 0.2, "binary_frac": 0.9, "alpha_2": 1.5})


@pytest.mark.parametrize(
    ("observables", "sigma", "bright"),
    [(("G", "BP"), 0.05, 9.0), (("G", "BP", "RP"), 0.1, 9.0), (("G", "BP-RP"), 0.1, 9.0)],
)
def test_completeness(observables, sigma, bright):
    points, weights = lattice(observables, bright, 15.0, sigma)
    model = make_model(catalogue(points, sigma, observables), bright=bright, faint=15.0, completeness=GENTLE)
    for changes in CHANGES:
        density = sequence_density(model, at_truth(model, **changes))
        assert weights @ density == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("observables", "sigma"), [(("G", "BP"), 0.03), (("G", "BP"), 0.1), (("G", "BP", "RP"), 0.1)])
def test_limit_in_another_band_that_is_fitted(observables, sigma):
    points, weights = lattice(observables, 9.0, 16.0, sigma)
    limit = BandLimit("Gaia_BP", faint=14.6)
    inside = points[:, 1] <= limit.faint
    model = make_model(catalogue(points, sigma, observables), bright=9.0, faint=16.0, others=(limit,))
    for changes in CHANGES:
        density = sequence_density(model, at_truth(model, **changes))
        # the edge of the limit cuts the trapezoidal rule off: half a step of the density there
        assert weights[inside] @ density[inside] == pytest.approx(1.0, abs=4e-3)


@pytest.mark.parametrize("sigma", [0.02, 0.1])
@pytest.mark.parametrize("error", [0.02, 0.2])
def test_limit_in_a_band_that_is_not_fitted(sigma, error, monkeypatch):
    """The probability to have passed the limit is part of the density of each star.

    It is taken at the star's mean place on each patch: 3e-3 are lost where errors are wider than patches.
    """
    monkeypatch.setattr("clusterbayes.model.cuts.UNKNOWN_ERROR", error)
    points, weights = lattice(("G", "BP"), 9.0, 16.0, sigma)
    limit = BandLimit("Gaia_RP", 9.0, 13.6)
    model = make_model(catalogue(points, sigma, ("G", "BP")), bright=9.0, faint=16.0, others=(limit,))
    for changes in CHANGES:
        theta = at_truth(model, **changes)
        assert model.log_selected(theta)[0] < np.log(0.8)
        assert weights @ sequence_density(model, theta) == pytest.approx(1.0, abs=3e-3 if sigma > 0.05 else 1e-3)


def test_a_limit_far_away_changes_nothing():
    table = mock_table(80, seed=3)
    plain = make_model(table)
    far = make_model(table, others=(BandLimit("Gaia_BP", faint=25.0), BandLimit("V", faint=25.0)))
    flat = make_model(table, completeness=Completeness((10.0, 20.0), (1.0, 1.0)))
    for changes in CHANGES:
        expected = plain.log_likelihood(at_truth(plain, **changes))
        assert far.log_likelihood(at_truth(far, **changes)) == pytest.approx(expected, abs=2e-3)
        assert flat.log_likelihood(at_truth(flat, **changes)) == pytest.approx(expected, rel=1e-12)


def test_a_limit_in_the_primary_band_by_another_way():
    """A faint limit is a completeness that falls to nothing within a thousandth of a magnitude."""
    table = mock_table(80, seed=4)
    plain, steep = (
        make_model(table),
        make_model(table, faint=99.0, completeness=Completeness((16.0, 16.001), (1.0, 0.0))),
    )
    for changes in CHANGES:
        z = [model.log_selected(at_truth(model, **changes))[0] for model in (plain, steep)]
        assert z[0] == pytest.approx(z[1], abs=1e-3)


@pytest.mark.parametrize("observables", [("G", "BP"), ("G", "BP-RP"), ("G", "BP", "RP")])
def test_given_the_magnitude(observables):
    """At each primary magnitude that the isochrone has, the density of the other observables integrates to one."""
    sigma = 0.1
    points, weights = lattice(observables, 11.0, 15.0, sigma)
    model = make_model(catalogue(points, sigma, observables), bright=11.0, faint=15.0, counts="ignore")
    for changes in CHANGES:
        theta = at_truth(model, **changes)
        density = sequence_density(model, theta)
        for magnitude in np.unique(points[:, 0])[::40]:
            here = points[:, 0] == magnitude
            width = weights[here].sum() / (np.ptp(points[here][:, 1:], axis=0) + 0.7 * sigma).prod()
            assert weights[here] @ density[here] / width == pytest.approx(1.0, abs=5e-3)


def test_given_the_magnitude_counts_say_nothing():
    """Leaving out every other faint star moves the slope of the mass function in one model and not in the other."""
    table = mock_table(600, seed=5, faint=15.0, floor=0.01)
    thinned = table[(table["Gaia_G"] < 14.0) | (np.arange(len(table)) % 4 == 0)]
    slopes = np.linspace(-1.5, 4.5, 61)
    best = {}
    for counts in ("model", "ignore"):
        for name, part in (("whole", table), ("thinned", thinned)):
            model = make_model(part, faint=15.0, counts=counts, fixed={"outlier_frac": 1e-6, "member_frac": 1.0 - 1e-9})
            theta = np.concatenate([at_truth(model, alpha_2=slope, alpha_1=slope - 1.0) for slope in slopes])
            height = model.log_likelihood(theta)
            weight = np.exp(height - height.max())
            mean = weight @ slopes / weight.sum()
            best[counts, name] = mean, np.sqrt(weight @ (slopes - mean) ** 2 / weight.sum())
    moved = {counts: best[counts, "whole"][0] - best[counts, "thinned"][0] for counts in ("model", "ignore")}
    assert moved["model"] > 8 * best["model", "whole"][1]
    assert abs(moved["ignore"]) < 2 * best["ignore", "thinned"][1]
    assert best["ignore", "whole"][1] > 3 * best["model", "whole"][1]


def test_field_is_given_the_magnitude_too():
    """The field of a conditional model integrates to one over the other observables at a magnitude."""
    table = mock_table(200, 300, faint=15.0, seed=6)
    model = make_model(Photometry.from_table(table, observables=["G", "BP-RP"]), faint=15.0, counts="ignore")
    learner = FieldLearner(model, None, 1)
    p_member = np.asarray(table["is_member"], float)
    learner.density(p_member)
    colour = np.arange(-2.0, 5.0, 0.01)
    learned = learner._learned(1 - p_member[model.observed.order], [0, 1], n_components=2, scale=0.8)
    for magnitude in (11.0, 13.0, 14.8):
        learner.values = np.column_stack([np.full(colour.size, magnitude), colour])
        learner.errors = np.full((colour.size, 2), 0.05)
        log_density = learned.log_density(learner.values, learner.errors) - learner._log_selected(learned, [0, 1])
        assert np.exp(log_density).sum() * 0.01 == pytest.approx(1.0, abs=1e-3)


def test_field_within_limits_of_other_bands():
    table = mock_table(100, 600, faint=15.0, seed=7)
    table = table[table["Gaia_BP"] < 14.8]
    limit = BandLimit("Gaia_BP", faint=14.8)
    photometry = Photometry.from_table(table, observables=["G", "BP"])
    model = make_model(photometry, faint=15.0, others=(limit,))
    learner = FieldLearner(model, None, 1)
    learned = learner._learned(
        1 - np.asarray(table["is_member"], float)[model.observed.order], [0, 1], n_components=2, scale=0.8
    )
    low = learner.limits[0]
    points, weights = lattice(("G", "BP"), low, 15.0, 0.05)
    inside = points[:, 1] <= limit.faint
    share = np.exp(learner._log_selected(learned, [0, 1]))
    density = np.exp(learned.log_density(points, np.full(points.shape, 0.05)))
    assert 0.5 < share < 0.99
    assert weights[inside] @ density[inside] / share == pytest.approx(1.0, abs=0.02)


def test_negative_control_of_the_shares():
    """Without the share of the band's limit the density would not integrate to one."""
    points, weights = lattice(("G", "BP"), 9.0, 16.0, 0.1)
    model = make_model(catalogue(points, 0.1, ("G", "BP")), bright=9.0, faint=16.0)
    inside = points[:, 1] <= 14.6
    assert weights[inside] @ sequence_density(model, at_truth(model))[inside] < 0.8
