"""Points that stand for many stars: what sums over them keep, and what they do to a likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from unit.model.mocks import at_truth, make_model, mock_table

from clusterbayes.model import kernels
from clusterbayes.model.cells import sort_into_cells
from clusterbayes.photometry import Photometry

KINDS = (True, True, True)


def crowd(n=4000, *, seed=1, gaps=0.0, astrometry=False):
    """Stars along a band, in order of their primary magnitude."""
    rng = np.random.default_rng(seed)
    magnitude = np.sort(rng.uniform(12.0, 14.0, n))
    values = magnitude[:, None] + np.array([0.0, 0.4, -0.3]) + 0.05 * rng.normal(size=(n, 3)) * [0.0, 1.0, 1.0]
    errors = np.full((n, 3), 0.02)
    missing = rng.random((n, 3)) < [0.0, gaps, gaps]
    values[missing] = errors[missing] = np.nan
    some = n if astrometry else 0
    return kernels.Stars(
        values=values,
        errors=errors,
        covariance=np.empty((0, 3, 3)),
        field=rng.random(n),
        outlier=rng.random(n),
        passing=np.ones(n),
        unknown=np.zeros((n, 0), bool),
        parallax=1.0 + 0.1 * rng.normal(size=some),
        parallax_error=np.full(some, 0.1),
        pm=0.1 * rng.normal(size=(some, 2)),
        pm_variance=np.tile([0.01, 0.01, 0.0], (some, 1)),
        offset=np.empty(0),
        weight=np.ones(n),
    )


def moments(values, weight):
    """Sum of weights, weighted mean and second moments."""
    values = np.nan_to_num(values)
    return weight.sum(), weight @ values, values.T @ (weight[:, None] * values)


class TestPoints:
    @pytest.mark.parametrize("options", [{}, {"gaps": 0.3}, {"astrometry": True}])
    def test_number_mean_and_second_moments_are_those_of_the_stars(self, options):
        stars = crowd(**options)
        cells = sort_into_cells(stars, KINDS, 4.0)
        points = cells.stars(stars)
        assert cells.n_point < (0.9 if options else 0.5) * len(stars.values)
        for pattern in np.unique(np.isnan(stars.values), axis=0):
            old, new = ((np.isnan(s.values) == pattern).all(axis=1) for s in (stars, points))
            before, after = (moments(_all(s)[part], s.weight[part]) for s, part in ((stars, old), (points, new)))
            for a, b in zip(before, after, strict=True):
                assert b == pytest.approx(a, rel=1e-9, abs=1e-9)

    def test_they_are_in_order_and_carry_the_means_of_the_rest(self):
        stars = crowd(gaps=0.2)
        points = sort_into_cells(stars, KINDS, 3.0).stars(stars)
        assert np.all(np.diff(points.values[:, 0]) >= 0)
        assert points.weight @ points.field == pytest.approx(stars.field.sum())
        assert points.weight @ points.outlier == pytest.approx(stars.outlier.sum())
        assert np.array_equal(np.isnan(points.errors), np.isnan(points.values))

    def test_sparse_stars_stay_as_they_are(self):
        stars = crowd(gaps=0.2)
        points = sort_into_cells(stars, KINDS, 0.01).stars(stars)
        for name, array in stars._asdict().items():
            assert np.allclose(getattr(points, name), array, rtol=1e-12, atol=0.0, equal_nan=True), name

    def test_stars_of_other_errors_have_other_cells(self):
        stars = crowd()
        stars.errors[::2] = 0.2
        cells = sort_into_cells(stars, KINDS, 2.0)
        assert not set(cells.label[::2]) & set(cells.label[1::2])
        assert set(np.round(cells.stars(stars).errors.ravel(), 12)) == {0.02, 0.2}

    def test_a_larger_floor_makes_fewer_points(self):
        stars = crowd()
        assert sort_into_cells(stars, KINDS, 1.0, 0.05).n_point < 0.7 * sort_into_cells(stars, KINDS, 1.0).n_point


def _all(stars):
    return np.column_stack([stars.values, *([stars.parallax, stars.pm] if stars.parallax.size else [])])


@pytest.fixture(scope="module")
def exact():
    photometry = Photometry.from_table(mock_table(8000, 400, seed=4), observables=["G", "BP-RP"])
    return make_model(photometry, field=np.linspace(0.01, 0.02, photometry.n_star), model_error=True)


@pytest.fixture(scope="module")
def places(exact):
    """Points spread as the posterior of a thousand stars would be."""
    rng = np.random.default_rng(2)
    spread = {"log_age": 0.01, "mh": 0.02, "dist_mod": 0.02, "a_v": 0.02, "binary_frac": 0.02}
    centre = dict(log_age=8.7, mh=-0.1, dist_mod=9.0, a_v=0.4, binary_frac=0.4)
    return np.concatenate([
        at_truth(exact, **{name: centre[name] + width * rng.normal() for name, width in spread.items()})
        for _ in range(12)
    ])  # fmt: skip


class TestModel:
    def test_the_likelihood_is_that_of_all_stars_but_for_a_constant(self, exact, places):
        everything = exact.log_likelihood(places)
        binned = exact.binned(2.0)
        assert binned.n_point < 0.9 * exact.n_point
        assert (binned.log_likelihood(places) - everything).std() < 0.01 * everything.std()

    def test_means_alone_would_not_do(self, exact, places):
        """What the corners of the simplices are for: the same cells, each at its mean."""
        everything = exact.log_likelihood(places)
        corners, alone = exact.binned(2.0), exact.binned(2.0)
        points = alone._points
        alone._points = points._replace(**{
            name: alone.cells.mean(getattr(exact._stars, name)) for name in ("values",)
        })  # fmt: skip
        order = np.argsort(alone._points.values[:, 0], kind="stable")
        alone._points = kernels.Stars(*(a[order] if a.shape[0] == order.size else a for a in alone._points))
        error, worse = ((m.log_likelihood(places) - everything).std() for m in (corners, alone))
        assert error < 0.5 * worse

    def test_a_new_field_reaches_the_points(self, exact, places):
        density = np.linspace(0.5, 0.1, exact.photometry.n_star)
        one = exact.binned(2.0).with_field(density).log_likelihood(places[:2])
        two = exact.with_field(density).binned(2.0).log_likelihood(places[:2])
        assert np.array_equal(one, two)
        assert np.all(one != exact.binned(2.0).log_likelihood(places[:2]))

    def test_memberships_and_subsets_are_of_the_stars_themselves(self, exact, places):
        binned = exact.binned(2.0)
        assert np.array_equal(binned.member_probability(places[:1]), exact.member_probability(places[:1]))
        assert binned.subset(np.arange(100)).n_point == 100
        assert np.array_equal(binned.unbinned().log_likelihood(places), exact.log_likelihood(places))

    def test_any_number_of_threads_gives_the_same(self, exact, places):
        binned = exact.binned(2.0)
        assert np.array_equal(binned.log_likelihood(places), binned.with_threads(2).log_likelihood(places))

    def test_properties_do_not_depend_on_the_blocks(self, exact, places, monkeypatch):
        whole = exact.star_properties(places[:2])
        monkeypatch.setattr("clusterbayes.model.cluster._STAR_BLOCK", 1000)
        parts = exact.star_properties(places[:2])
        for name in ("p_member", "mass", "q", "log_teff_std"):
            assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-9, nan_ok=True)
