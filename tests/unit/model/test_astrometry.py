"""The density of a member's astrometry against plain numbers, windows against quadrature, and the clump's finder."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from unit.model.mocks import GAIA, GRID, at_truth, make_model, mock_table

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.model import kernels
from clusterbayes.model.astrometry import find_clump, in_window, motion_priors, parse_window, pm_variance
from clusterbayes.model.cluster import ClusterModel
from clusterbayes.model.kernels_astrometry import gauss_nodes, member_astrometry, share_in_window
from clusterbayes.model.parameters import ParameterSet, default_priors
from clusterbayes.model.priors import Normal
from clusterbayes.model.selection import Selection
from clusterbayes.photometry import Photometry

NODES = gauss_nodes()


class Stars(NamedTuple):
    parallax: np.ndarray = np.empty(0)
    parallax_error: np.ndarray = np.empty(0)
    pm: np.ndarray = np.empty((0, 2))
    pm_variance: np.ndarray = np.empty((0, 3))
    offset: np.ndarray = np.empty(0)


def kernel(stars, n, *, window=(), dist_mod=9.0, zero_point=0.0, depth=0.0, pm=(0.0, 0.0), dispersion=0.0, scale=1.0):
    out = np.empty(n)
    window = np.array(window, float)
    # the library's own class: numba's cache on disk keeps the types of a call, and could not find one of the tests
    nothing = np.empty((0, 0))
    rest = dict.fromkeys(set(kernels.Stars._fields) - set(Stars._fields), nothing)
    stars = kernels.Stars(**rest, **stars._asdict())
    member_astrometry(stars, window, NODES, dist_mod, zero_point, depth, *pm, dispersion, scale, out)
    return out


class TestDensity:
    @given(
        st.tuples(*[st.floats(-3, 3)] * 4),
        st.tuples(*[st.floats(0.01, 2)] * 2),
        st.floats(-0.95, 0.95),
        st.floats(0, 1),
    )
    def test_is_scipy_s(self, places, errors, correlation, dispersion):
        """Parallax and proper motion are Gaussians with the errors, the depth and the dispersion of each star."""
        x, y, mx, my = places
        error = np.array([errors])
        stars = Stars(
            parallax=np.array([1.5]),
            parallax_error=np.array([0.05]),
            pm=np.array([[x, y]]),
            pm_variance=pm_variance(error, np.array([correlation])),
        )
        found = kernel(stars, 1, zero_point=0.03, depth=8.0, pm=(mx, my), dispersion=dispersion)[0]
        expected = 10 ** (2 - 0.2 * 9.0)
        sigma = np.hypot(0.05, 8.0 / 1000 * expected**2)
        covariance = np.diag(np.square(errors) + dispersion**2)
        covariance[0, 1] = covariance[1, 0] = correlation * errors[0] * errors[1]
        log_density = stats.multivariate_normal((mx, my), covariance).logpdf((x, y))
        log_density += stats.norm(expected, sigma).logpdf(1.53)
        assert found == pytest.approx(np.exp(log_density), rel=1e-9, abs=1e-300)

    def test_what_is_missing_is_left_out(self):
        stars = Stars(
            parallax=np.array([np.nan, 1.6]),
            parallax_error=np.array([np.nan, 0.1]),
            pm=np.array([[np.nan, np.nan], [np.nan, np.nan]]),
            pm_variance=np.zeros((2, 3)),
        )
        density = kernel(stars, 2)
        assert density[0] == 1.0
        assert density[1] == pytest.approx(stats.norm(10**0.2, 0.1).pdf(1.6))
        assert np.array_equal(kernel(Stars(), 3), np.ones(3))

    @pytest.mark.parametrize("scale", [0.05, 0.3, 2.0])
    def test_places_integrate_to_one_over_the_circle(self, scale):
        radius = (np.arange(200_000) + 0.5) / 200_000
        density = kernel(Stars(offset=radius), radius.size, scale=scale)
        assert np.mean(density * 2 * radius) == pytest.approx(1.0, abs=1e-6)
        assert density[0] / density[-1] == pytest.approx((1 + 1 / scale**2) ** 2, rel=1e-3)  # Plummer's law

    @pytest.mark.parametrize("window", [(0.3, -0.2, 0.8), (-0.7, 0.9, -0.5, 0.4)])
    def test_windows_normalise(self, window):
        """The density integrates to one over the window for each star's own errors; without the window it doesn't."""
        step = np.linspace(-1.2, 1.6, 701)
        x, y = (axis.ravel() for axis in np.meshgrid(step, step))
        inside = in_window(np.stack([x, y], axis=1), window)
        pm = np.stack([x, y], axis=1)[inside]
        variance = np.tile(pm_variance(np.array([[0.3, 0.2]]), np.array([0.5])), (len(pm), 1))
        stars = Stars(pm=pm, pm_variance=variance)
        area = (step[1] - step[0]) ** 2
        options = {"pm": (0.5, 0.1), "dispersion": 0.1}
        assert kernel(stars, len(pm), window=window, **options).sum() * area == pytest.approx(1.0, abs=4e-3)
        assert kernel(stars, len(pm), **options).sum() * area < 0.97


class TestWindows:
    @given(
        st.floats(-2, 2),
        st.floats(-2, 2),
        st.floats(0.01, 1.5),
        st.floats(0.01, 1.5),
        st.floats(-0.9, 0.9),
        st.sampled_from([(0.2, -0.3, 1.0), (-0.8, 0.5, -1.0, 0.3)]),
    )
    def test_share_is_the_integral(self, x, y, sx, sy, correlation, window):
        covariance = correlation * sx * sy
        found = share_in_window(np.array(window), NODES, x, y, sx**2, sy**2, covariance)
        rest = sy * np.sqrt(1 - correlation**2)
        start, stop = (window[0] - window[2], window[0] + window[2]) if len(window) == 3 else window[:2]
        t = np.linspace(start, stop, 20_001)
        half = np.sqrt(np.maximum(window[2] ** 2 - (t - window[0]) ** 2, 0.0))
        low, high = (window[1] - half, window[1] + half) if len(window) == 3 else window[2:]
        centre = y + correlation * sy / sx * (t - x)
        inside = special.ndtr((high - centre) / rest) - special.ndtr((low - centre) / rest)
        expected = np.trapezoid(np.exp(-0.5 * ((t - x) / sx) ** 2) * inside, t) / (sx * np.sqrt(2 * np.pi))
        assert found == pytest.approx(expected, abs=5e-3 if rest < 0.1 else 3e-4)

    def test_texts(self):
        assert parse_window(None) == ()
        assert parse_window("-11, -2.9, 1") == (-11.0, -2.9, 1.0)
        assert parse_window("-11.5..-10.5,-3.5..-2.5") == (-11.5, -10.5, -3.5, -2.5)
        assert parse_window([1, 2, 0.5]) == (1.0, 2.0, 0.5)

    @pytest.mark.parametrize("text", ["1,2", "1,2,-1", "2..1,0..1", "a,b,c", [1.0, 2.0], [1, 2, np.nan]])
    def test_mistakes(self, text):
        with pytest.raises(SettingsError, match="pm_window"):
            parse_window(text)


class TestClump:
    def sky(self, n_member, n_field, seed=1, sigma=6.0):
        rng = np.random.default_rng(seed)
        field = rng.normal(0, sigma, (n_field, 2))
        member = np.array([3.0, -4.0]) + 0.1 * rng.normal(size=(n_member, 2))
        error = rng.uniform(0.03, 0.2, (n_member + n_field, 2))
        pm = np.concatenate([member, field]) + error * rng.normal(size=error.shape)
        return pm, error

    @pytest.mark.parametrize("seed", range(3))
    def test_is_found_at_one_in_ten(self, seed):
        clump = find_clump(*self.sky(40, 400, seed))
        assert np.hypot(clump.centre[0] - 3, clump.centre[1] + 4) < 0.1
        assert 25 < clump.n_star < 60
        assert clump.apart > 0.7
        assert clump.dispersion < 0.3

    def test_a_list_of_members_has_nothing_apart(self):
        assert find_clump(*self.sky(300, 4)).apart < 0.05

    def test_a_prior_chooses_among_clumps(self):
        pm, error = self.sky(60, 300)
        rng = np.random.default_rng(2)
        pm = np.concatenate([pm, [-5.0, 5.0] + 0.1 * rng.normal(size=(30, 2))])
        error = np.concatenate([error, np.full((30, 2), 0.05)])
        assert find_clump(pm, error).centre[0] == pytest.approx(3.0, abs=0.2)
        chosen = find_clump(pm, error, priors=(Normal(-5.0, 0.5), Normal(5.0, 0.5)))
        assert chosen.centre[0] == pytest.approx(-5.0, abs=0.2)

    @pytest.mark.parametrize("seed", range(3))
    def test_a_narrow_clump_within_the_field_s_own(self, seed):
        """The field's core has more stars than the cluster: the narrower concentration is the cluster's."""
        clump = find_clump(*self.sky(80, 800, seed, sigma=1.5))
        assert np.hypot(clump.centre[0] - 3, clump.centre[1] + 4) < 0.1

    def test_a_control_field_takes_the_field_s_core_out(self):
        rng = np.random.default_rng(4)
        pm, error = self.sky(60, 0)
        core, control = 0.3 * rng.normal(size=(400, 2)), 0.3 * rng.normal(size=(2000, 2))
        pm, error = np.concatenate([pm, core]), np.concatenate([error, np.full((400, 2), 0.05)])
        found = find_clump(pm, error, field=control)
        assert np.hypot(found.centre[0] - 3, found.centre[1] + 4) < 0.1

    def test_too_few(self):
        assert find_clump(np.full((30, 2), np.nan), np.full((30, 2), np.nan)) is None


def motion_model(table, **options):
    photometry = Photometry.from_table(table, observables=list(GAIA))
    priors = default_priors(
        log_age_range=tuple(GRID.log_age[[0, -1]]),
        mh_range=tuple(GRID.mh[[0, -1]]),
        bands=GAIA,
        parallax_zero_point="applied" if photometry.parallax is not None else None,
        model_error=False,
        pm_priors=motion_priors(photometry.pm),
        radius=options["circle"][2] if "circle" in options else None,
    )
    return ClusterModel(
        photometry,
        GRID,
        ParameterSet.build(*priors),
        Selection("Gaia_G", faint=16.0),
        field=np.full(photometry.n_star, 0.01),
        thin=1,
        **options,
    )


class TestModel:
    def test_without_its_parameters_proper_motions_change_nothing(self):
        table = mock_table(60, 20, proper_motion=True)
        with_pm = make_model(table)
        without = make_model(table[[name for name in table.colnames if not name.startswith("pm")]])
        theta = at_truth(with_pm)
        assert with_pm.log_likelihood(theta)[0] == without.log_likelihood(theta)[0]

    def test_likelihood_has_the_density_of_each_star(self):
        """The mixture put together by hand from the model without astrometry, the field held at the same density."""
        cluster = mock_table(50, 30, proper_motion=True, positions=True)
        plain = make_model(cluster)
        model = motion_model(cluster, circle=(120.0, 30.0, 0.5))
        motion = {"pm_ra": 2.6, "pm_dec": -4.4, "pm_dispersion": 0.3, "scale_radius": 0.1}
        theta, base = at_truth(model, **motion), at_truth(plain)
        _, weights, *_ = plain._run(plain.parameters.unpack(base), weights=True, moments=False)
        order = plain.observed.order
        photometry = model.photometry
        density = np.empty(80)
        for i in range(80):
            error, rho = photometry.pm_error[i], photometry.pm_corr[i]
            covariance = np.diag(error**2 + 0.09)
            covariance[0, 1] = covariance[1, 0] = rho * error[0] * error[1]
            density[i] = stats.multivariate_normal((2.6, -4.4), covariance).pdf(photometry.pm[i])
        ra, dec = np.radians(photometry.ra), np.radians(photometry.dec)
        r0, d0 = np.radians([120.0, 30.0])
        x = np.degrees(np.arccos(np.sin(dec) * np.sin(d0) + np.cos(dec) * np.cos(d0) * np.cos(ra - r0)))
        density *= 0.25 / 0.01 / (1 + x**2 / 0.01) ** 2 * (0.25 + 0.01) / 0.25
        parts = weights[0]
        total = (parts[:, 0] + parts[:, 1]) * density[order] + parts[:, 2]
        assert model.log_likelihood(theta)[0] == pytest.approx(np.log(total).sum(), rel=1e-9)
        p_member = model.member_probability(theta)[0][order]
        assert p_member == pytest.approx(1 - parts[:, 2] / total, abs=1e-9)

    def test_stars_without_proper_motion_keep_their_density(self):
        table = mock_table(50, 20, proper_motion=True)
        table["pmra"][:10] = np.nan
        model, plain = motion_model(table), make_model(table)
        changed = at_truth(model, pm_ra=500.0, pm_dec=0.0, pm_dispersion=0.1)
        p_plain = plain.member_probability(at_truth(plain))[0]
        p_member = model.member_probability(changed)[0]
        assert p_member[:10] == pytest.approx(p_plain[:10], rel=1e-9)
        assert p_member[10:].max() < 1e-6

    def test_places_outside_the_circle_are_refused(self):
        table = mock_table(30, 30, proper_motion=True, positions=True)
        with pytest.raises(InputError, match="within the radius"):
            motion_model(table, circle=(120.0, 30.0, 0.2))
        with pytest.raises(InputError, match="places"):
            motion_model(mock_table(30, 5, proper_motion=True), circle=(120.0, 30.0, 0.5))

    def test_subsets_keep_their_astrometry(self):
        model = motion_model(mock_table(40, 20, parallax=True, proper_motion=True))
        theta = at_truth(model, pm_ra=2.6, pm_dec=-4.4, pm_dispersion=0.3)
        halves = [model.subset(np.arange(start, 60, 2)) for start in (0, 1)]
        parts = [half.log_likelihood(theta)[0] for half in halves]
        assert sum(parts) == pytest.approx(model.log_likelihood(theta)[0], rel=1e-10)


def test_priors_are_as_wide_as_the_data():
    rng = np.random.default_rng(1)
    pm = np.column_stack([rng.normal(-3, 8, 2000), rng.normal(2, 0.1, 2000)])
    ra, dec = motion_priors(pm)
    assert ra.mean == pytest.approx(-3, abs=0.8)
    assert 14 < ra.std < 18
    assert dec.std == 1.0
