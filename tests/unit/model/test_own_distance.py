"""Stars of near clusters are moved to one distance by their own parallaxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.model.mocks import GAIA, TRUTH, at_truth, make_model, mock_table

from clusterbayes.model.own_distance import OwnDistance
from clusterbayes.model.priors import HalfNormal
from clusterbayes.photometry import Photometry

NEAR = TRUTH | {"dist_mod": 5.0}  # 100 pc
DEPTH = HalfNormal(5.0)


def parallaxes(n=400, *, distance=100.0, depth=4.0, n_field=0, underrated=1.0, seed=1):
    """Parallaxes of members and of field stars, their errors [mas], and the members' distance moduli less the mean."""
    rng = np.random.default_rng(seed)
    true = distance + depth * rng.normal(size=n)
    error = 0.02 * 10.0 ** rng.uniform(0.0, 0.8, n + n_field)
    field = 1000.0 / rng.uniform(30.0, 2000.0, n_field)
    parallax = np.concatenate([1000.0 / true, field]) + underrated * error * rng.normal(size=n + n_field)
    return parallax, error, 5.0 * np.log10(true / distance)


class TestFinding:
    @pytest.mark.parametrize("n_field", [0, 200])
    @pytest.mark.parametrize(("distance", "depth"), [(47.0, 5.0), (135.0, 3.0), (180.0, 6.0)])
    def test_mean_and_depth_are_recovered(self, distance, depth, n_field):
        parallax, error, _ = parallaxes(distance=distance, depth=depth, n_field=n_field)
        own = OwnDistance.find(parallax, error, DEPTH)
        assert own is not None
        assert own.parallax == pytest.approx(1000.0 / distance, abs=4.0 * 1000.0 * depth / distance**2 / 20.0)
        assert own.depth == pytest.approx(depth, rel=0.2)

    def test_the_zero_point_is_added_before_distances_are_taken(self):
        parallax, error, _ = parallaxes(distance=180.0, depth=6.0)
        plain, raw = OwnDistance.find(parallax, error, DEPTH), OwnDistance.find(parallax - 0.5, error, DEPTH, 0.5)
        assert plain is not None
        assert raw is not None
        assert raw.depth == pytest.approx(plain.depth, rel=1e-2)
        assert raw.shift(parallax - 0.5, error) == pytest.approx(plain.shift(parallax, error), abs=1e-3)

    def test_nothing_is_moved_without_a_depth(self):
        parallax, error, _ = parallaxes(depth=0.0)
        assert OwnDistance.find(parallax, error, DEPTH) is None
        parallax, error, _ = parallaxes(depth=4.0)
        assert OwnDistance.find(parallax, error, 0.0) is None
        assert OwnDistance.find(parallax, error, DEPTH) is not None

    def test_errors_that_are_too_small_are_no_depth(self):
        parallax, error, _ = parallaxes(n=1000, distance=850.0, depth=3.0, underrated=1.2)
        assert OwnDistance.find(parallax, error, DEPTH) is None

    def test_missing_and_few_parallaxes(self):
        parallax, error, _ = parallaxes(n=60)
        assert OwnDistance.find(np.where(np.arange(60) < 15, parallax, np.nan), error, DEPTH) is None
        own = OwnDistance.find(np.where(np.arange(60) < 50, parallax, np.nan), error, DEPTH)
        assert own is not None
        assert own.shift(np.array([np.nan]), np.array([np.nan])).tolist() == [0.0]
        assert own.error(np.array([np.nan]))[0] == pytest.approx(own.error(np.array([1e6]))[0])


class TestShift:
    def test_true_offsets_are_found_within_their_errors(self):
        parallax, error, offset = parallaxes(n=4000)
        own = OwnDistance.find(parallax, error, DEPTH)
        assert own is not None
        pull = (own.shift(parallax, error) - offset) / own.error(error)
        assert pull.std() == pytest.approx(1.0, abs=0.1)
        assert np.std(own.shift(parallax, error) - offset) < 0.5 * np.std(offset)

    def test_strangers_are_moved_no_further_than_members_may_be(self):
        own = OwnDistance(10.0, 0.4, 0.0)
        far = own.shift(np.array([0.1, -5.0, 60.0]), np.full(3, 0.02))
        assert np.all(np.abs(far) < 0.6)


def own_of(photometry):
    own = OwnDistance.find(photometry.parallax, photometry.parallax_error, DEPTH)
    assert own is not None
    return own


class TestLikelihood:
    def near(self, observables=GAIA, *, depth=5.0, n=120):
        table = mock_table(n, truth=NEAR, depth=depth, parallax=True, seed=4, faint=14.0)
        return Photometry.from_table(table, observables=list(observables))

    @pytest.mark.parametrize("observables", [GAIA, ("G", "BP-RP")])
    def test_density_is_the_mean_over_what_is_unknown(self, observables):
        """The slow way: stars at many places along the line of sight, each with independent errors."""
        photometry = self.near(observables)
        own = own_of(photometry)
        moved = make_model(photometry, faint=99.0, own_distance=own)
        theta = at_truth(moved, dist_mod=5.0)
        shift, error = moved.distance_shift
        kinds = np.array([observable.is_magnitude for observable in photometry.observables])
        nodes = np.linspace(-5.0, 5.0, 161)
        weights = np.exp(-0.5 * nodes**2)
        total = np.zeros(photometry.n_star)
        for node, weight in zip(nodes, weights / weights.sum(), strict=True):
            values = photometry.values - np.where(kinds, (shift + node * error)[:, None], 0.0)
            there = make_model(replace(photometry, values=values), faint=99.0)
            density = np.exp(there.log_density(theta)[0])
            total += weight * density
        assert moved.log_density(theta)[0] == pytest.approx(np.log(total), abs=0.02)

    def test_expected_magnitudes_are_those_of_the_star_where_it_is(self):
        photometry = self.near()
        own = own_of(photometry)
        residual = {}
        for name, option in (("moved", own), ("as they are", None)):
            model = make_model(photometry, own_distance=option)
            expected = model.star_properties(at_truth(model, dist_mod=5.0)).expected
            residual[name] = np.nanstd((photometry.values - expected)[:, 0])
        assert residual["moved"] < 0.03
        assert np.std(own.shift(photometry.parallax, photometry.parallax_error)) > 0.05

    def test_limits_act_on_measured_magnitudes(self):
        photometry = self.near()
        faintest = float(photometry.values[:, 0].max())
        model = make_model(photometry, faint=faintest, own_distance=own_of(photometry))
        assert np.any(photometry.values[:, 0] - model.distance_shift[0] > faintest)
        assert np.all(model._stars.passing > 0.0)

    @pytest.mark.parametrize("moved", [True, False])
    def test_binary_fraction_of_a_deep_cluster(self, moved):
        """Without moving the stars, the control, depth is taken for pairs."""
        photometry = self.near(n=600, depth=6.0)
        model = make_model(photometry, own_distance=own_of(photometry) if moved else None)
        grid = np.linspace(0.02, 0.98, 49)
        theta = np.concatenate([at_truth(model, dist_mod=5.0, binary_frac=f, member_frac=0.99) for f in grid])
        log_probability = model.log_likelihood(theta)
        weight = np.exp(log_probability - log_probability.max())
        mean = np.average(grid, weights=weight)
        pull = (mean - NEAR["binary_frac"]) / np.sqrt(np.average((grid - mean) ** 2, weights=weight))
        assert (abs(pull) < 3.0) == moved
