"""The model of a catalogue: membership, properties of stars, arrangement, and its own reduced forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from unit.model.mocks import GAIA, TRUTH, at_truth, make_model, mock_table

from clusterbayes.errors import FitError, InputError
from clusterbayes.model.cluster import MassRatios, Observed
from clusterbayes.photometry import Photometry


def photometry_of(table, observables=GAIA):
    return Photometry.from_table(table, observables=list(observables))


class TestMassRatios:
    @pytest.mark.parametrize("slope", [-1.0, -0.3, 0.0, 2.0])
    def test_shares(self, slope):
        ratios = MassRatios((0.1, 0.4, 0.8, 1.0))
        share = ratios.share(np.array([slope, slope]))
        q = np.linspace(0.1, 1.0, 200_001)
        weight = q**slope / np.trapezoid(q**slope, q)
        expected = [
            np.trapezoid(np.where((q >= a) & (q <= b), weight, 0), q) for a, b in ((0.1, 0.4), (0.4, 0.8), (0.8, 1))
        ]
        assert share.shape == (2, 3)
        assert share[0] == pytest.approx(expected, abs=1e-4)
        assert share.sum(axis=1) == pytest.approx(1.0)
        above = np.trapezoid(np.where(q >= 0.5, weight, 0), q)
        assert ratios.share_above(0.5, np.array([slope]))[0] == pytest.approx(above, abs=1e-4)

    def test_slopes_near_minus_one_are_continuous(self):
        ratios = MassRatios()
        near, at = ratios.share(np.array([-1.0 + 1e-6])), ratios.share(np.array([-1.0]))
        assert near == pytest.approx(at, abs=1e-5)


class TestArrangement:
    def test_sorted_by_the_primary_with_it_in_front(self):
        photometry = photometry_of(mock_table(50, seed=1), ("BP-RP", "G"))
        observed = Observed.arrange(photometry, "Gaia_G")
        assert [o.name for o in observed.observables] == ["Gaia_G", "Gaia_BP-Gaia_RP"]
        assert observed.bands == ("Gaia_G", "Gaia_BP", "Gaia_RP")
        assert np.all(np.diff(observed.values[:, 0]) >= 0)
        assert np.array_equal(observed.values[:, ::-1], photometry.values[observed.order])

    def test_the_primary_must_be_an_observable(self):
        with pytest.raises(InputError, match="Gaia_BP"):
            Observed.arrange(photometry_of(mock_table(20), ("G", "BP-RP")), "Gaia_BP")

    def test_the_primary_must_be_there_for_all(self):
        table = mock_table(20)
        table["Gaia_G"][3] = np.nan
        with pytest.raises(InputError, match="Gaia_G"):
            Observed.arrange(photometry_of(table), "Gaia_G")

    def test_shared_bands_make_correlated_errors(self):
        assert make_model(mock_table(20))._stars.covariance.shape[0] == 0
        assert make_model(photometry_of(mock_table(20), ("G", "BP-RP")))._stars.covariance.shape[0] == 0
        shared = mock_table(20, bands=("V", "B"))
        assert make_model(photometry_of(shared, ("V", "B-V")))._stars.covariance.shape == (20, 2, 2)

    @pytest.mark.parametrize("observables", [GAIA, ("G", "BP-RP")])
    def test_order_of_the_input_does_not_matter(self, observables):
        table = mock_table(60, 20, seed=2)
        rng = np.random.default_rng(3)
        shuffled = rng.permutation(len(table))
        one = make_model(photometry_of(table, observables))
        two = make_model(photometry_of(table[shuffled], observables))
        theta = at_truth(one)
        assert one.log_likelihood(theta)[0] == pytest.approx(two.log_likelihood(theta)[0], rel=1e-12)
        assert np.array_equal(one.member_probability(theta)[0, shuffled], two.member_probability(theta)[0])
        for name in ("mass", "q", "p_member"):
            a, b = getattr(one.star_properties(theta), name), getattr(two.star_properties(theta), name)
            assert np.array_equal(a[shuffled], b, equal_nan=True)


@pytest.fixture(scope="module")
def mock():
    table = mock_table(600, 300, faint=15.0, seed=4)
    colour = np.asarray(table["Gaia_BP"] - table["Gaia_RP"])
    values = np.stack([np.asarray(table["Gaia_G"]), colour, np.asarray(table["Gaia_G"] - table["Gaia_RP"])], axis=1)
    field = stats.gaussian_kde(values[~table["is_member"]].T, bw_method=0.5)
    model = make_model(table, faint=15.0, field=field(values.T))
    return table, model, at_truth(model, member_frac=2 / 3)


class TestStars:
    def test_members_are_told_from_the_field(self, mock):
        """At the truth the probabilities are calibrated: in ten groups the members are as many as expected."""
        table, model, theta = mock
        p = model.member_probability(theta)[0]
        member = np.asarray(table["is_member"])
        assert np.mean(p[member]) > np.mean(p[~member]) + 0.5
        for group in np.array_split(np.argsort(p), 6):
            expected, error = p[group].sum(), np.sqrt((p[group] * (1 - p[group])).sum())
            assert abs(member[group].sum() - expected) < 4 * error + 2

    def test_masses_are_recovered(self, mock):
        """Pulls of masses are as wide as the stated errors say; singles and pairs together."""
        table, model, theta = mock
        stars = model.star_properties(theta)
        use = np.asarray(table["is_member"]) & (stars.p_member > 0.5)
        pull = (stars.mass - table["mass"])[use] / np.hypot(stars.mass_std[use], 1e-3 * stars.mass[use])
        assert np.median(np.abs(stars.mass / table["mass"] - 1)[use]) < 0.02
        assert 0.6 < np.sqrt(np.mean(np.clip(pull, -5, 5) ** 2)) < 1.4

    def test_mass_ratios_are_recovered(self, mock):
        table, model, theta = mock
        stars = model.star_properties(theta)
        use = np.asarray(table["is_member"]) & (stars.p_member > 0.9) & (table["Gaia_G"] > 11)
        high = use & (table["q"] > 0.65) & (table["q"] < 0.95)
        assert np.median(np.abs(stars.q - table["q"])[high]) < 0.05
        assert np.mean(stars.p_binary[high]) > 0.9
        assert np.mean(stars.p_binary[use & (table["q"] == 0)]) < 0.35
        share = stars.p_binary[use].sum(), np.count_nonzero(table["q"][use] > 0)
        assert share[0] == pytest.approx(share[1], abs=4 * np.sqrt(share[1]))

    def test_temperature_and_luminosity_belong_to_the_mass(self, mock):
        table, model, theta = mock
        stars = model.star_properties(theta)
        iso = model.grid.isochrone(TRUTH["log_age"], TRUTH["mh"])
        use = np.asarray(table["is_member"]) & (table["mass"] < 1.5) & (stars.p_member > 0.9)
        assert np.median(np.abs(stars.log_teff - np.interp(stars.mass, iso.m_ini, iso.log_teff))[use]) < 0.005
        assert np.median(np.abs(stars.log_lum - np.interp(stars.mass, iso.m_ini, iso.log_lum))[use]) < 0.02

    def test_temperature_and_luminosity_are_as_uncertain_as_the_mass(self, mock):
        """The parameters are known here: what is left is the star's own place on the isochrone."""
        table, model, theta = mock
        stars = model.star_properties(theta)
        iso = model.grid.isochrone(TRUTH["log_age"], TRUTH["mh"])
        use = np.asarray(table["is_member"]) & (stars.p_member > 0.9) & (stars.mass > 0.5) & (stars.mass < 1.1)
        step = 0.01
        for std, column in ((stars.log_teff_std, iso.log_teff), (stars.log_lum_std, iso.log_lum)):
            above, below = (np.interp(stars.mass + side * step, iso.m_ini, column) for side in (1, -1))
            from_mass = np.abs(above - below) / (2.0 * step) * stars.mass_std
            assert np.count_nonzero(use) > 30
            assert np.median(std[use] / from_mass[use]) == pytest.approx(1.0, abs=0.1)

    def test_expected_observables_are_where_the_star_is(self, mock):
        table, model, theta = mock
        stars = model.star_properties(theta)
        pull = (model.photometry.values - stars.expected) / model.photometry.errors
        use = np.asarray(table["is_member"]) & (stars.p_member > 0.9) & (stars.p_outlier < 0.1)
        # Three observables less mass and, for pairs, mass ratio: less scatter than the errors, and no outliers.
        assert 0.3 < np.sqrt(np.mean(pull[use] ** 2)) < 1.0
        assert np.abs(pull[use]).max() < 5.0
        # A star that is single for sure lies on the isochrone at its mass; its companion would make it brighter.
        single = use & (stars.q < 0.01)
        curve = model.sequences(theta)[0]
        for a in range(stars.expected.shape[1]):
            on_curve = np.interp(stars.mass[single], curve["m_ini"], curve["observables"][:, a])
            assert np.median(np.abs(stars.expected[single, a] - on_curve)) < 0.01
        assert single.sum() >= 3

    def test_expected_observables_are_in_the_photometrys_order(self, mock):
        table, _, _ = mock
        photometry = photometry_of(table, ("BP-RP", "G"))  # the model has G in front
        model = make_model(photometry, faint=15.0)
        stars = model.star_properties(at_truth(model))
        pull = ((photometry.values - stars.expected) / photometry.errors)[np.asarray(table["is_member"])]
        assert np.median(np.abs(pull), axis=0) == pytest.approx([0.4, 0.4], abs=0.4)

    def test_missing_observables_are_expected_too(self, mock):
        table, full, theta = mock
        gaps = table.copy()
        gaps["Gaia_RP"][::2] = np.nan
        stars = make_model(gaps, faint=15.0).star_properties(at_truth(full))
        use = np.asarray(table["is_member"]) & (np.arange(len(table)) % 2 == 0) & (stars.p_member > 0.5)
        missed = np.abs(stars.expected[:, 2] - np.asarray(table["Gaia_RP"]))[use]
        assert np.median(missed) < 3 * np.median(full.photometry.errors[use, 2])

    def test_outliers_are_members_of_another_kind(self, mock):
        table, model, theta = mock
        moved = table.copy()
        star = int(np.flatnonzero(table["is_member"] & (table["Gaia_G"] > 12) & (table["Gaia_G"] < 13))[0])
        for band, shift in (("Gaia_G", 0.0), ("Gaia_BP", -0.6), ("Gaia_RP", 0.5)):
            moved[band][star] += shift
        other = make_model(moved, faint=15.0, field=np.full(len(table), 1e-6))
        stars = other.star_properties(at_truth(other))
        assert stars.p_outlier[star] > 0.9
        assert stars.p_member[star] > 0.9
        assert np.isnan(stars.mass[star]) or stars.p_outlier[star] > 0.9

    def test_draws_are_averaged(self, mock):
        _, model, theta = mock
        both = np.concatenate([theta, at_truth(model, member_frac=0.3)])
        each = model.member_probability(both)
        assert model.star_properties(both).p_member == pytest.approx(each.mean(axis=0), abs=1e-12)

    def test_stars_with_one_band_have_wide_masses(self, mock):
        table, _, _ = mock
        gaps = table.copy()
        gaps["Gaia_BP"][:200] = np.nan
        gaps["Gaia_RP"][:200] = np.nan
        model = make_model(gaps, faint=15.0)
        stars = model.star_properties(at_truth(model))
        full = make_model(table, faint=15.0)
        known = full.star_properties(at_truth(full))
        use = np.flatnonzero(table["is_member"][:200] & (table["Gaia_G"][:200] > 11))
        assert np.isfinite(stars.mass[use]).all()
        assert np.mean(stars.mass_std[use] > known.mass_std[use]) > 0.8
        assert np.mean(np.abs(stars.mass - table["mass"])[use] < 3.5 * stars.mass_std[use]) > 0.95


class TestReducedForms:
    def test_coarse_model_is_near(self):
        model = make_model(mock_table(100, 20, seed=5, floor=0.02), fixed={"floor_Gaia_G": 0.05})
        theta = at_truth(model)
        theta = np.concatenate([theta, at_truth(model, dist_mod=8.7)])
        full, coarse = model.log_likelihood(theta), model.coarse().log_likelihood(theta)
        assert np.diff(coarse) == pytest.approx(np.diff(full), rel=0.3)

    def test_subset_adds_up(self):
        model = make_model(mock_table(60, 20, seed=6), model_error=True)
        theta = at_truth(model)
        parts = [model.subset(np.arange(i, 80, 2)).log_likelihood(theta)[0] for i in range(2)]
        assert sum(parts) == pytest.approx(model.log_likelihood(theta)[0], rel=1e-12)

    def test_other_parameters(self):
        model = make_model(mock_table(60, seed=7))
        held = make_model(model.photometry, fixed={"mh": TRUTH["mh"]})
        other = model.with_parameters(held.parameters)
        assert other.log_likelihood(at_truth(other)) == pytest.approx(model.log_likelihood(at_truth(model)), rel=1e-14)

    def test_tolerance_raises_to_a_power(self):
        table = mock_table(50, seed=8)
        plain, coarsened = make_model(table), make_model(table, tolerance=50.0)
        theta = at_truth(plain)
        assert coarsened.log_likelihood(theta) == pytest.approx(0.5 * plain.log_likelihood(theta), rel=1e-13)

    def test_outside_the_prior_there_is_nothing(self):
        model = make_model(mock_table(30))
        assert model.log_prob(at_truth(model, binary_frac=1.1))[0] == -np.inf
        assert np.isfinite(model.log_prob(at_truth(model))[0])

    def test_nan_is_an_error(self):
        model = make_model(mock_table(30))
        with pytest.raises(FitError, match="log_age=nan"):
            model.log_likelihood(at_truth(model, log_age=np.nan))

    def test_an_older_cluster_may_look_younger(self):
        """What counts is the age of the isochrone: the cluster's less the offset, no further than the grid goes."""
        model = make_model(mock_table(60, seed=7), model_error=True)
        plain, moved = (at_truth(model, log_age=8.7 + off, log_age_offset=off) for off in (0.0, 0.1))
        assert model.log_likelihood(moved) == pytest.approx(model.log_likelihood(plain), abs=1e-8)
        assert model.log_likelihood(at_truth(model, log_age=8.8))[0] < model.log_likelihood(plain)[0] - 1.0
        end = float(model.grid.log_age[-1])
        last, beyond = (at_truth(model, log_age=end, log_age_offset=off) for off in (0.0, -0.2))
        assert model.log_likelihood(beyond) == model.log_likelihood(last)

    def test_sequences(self):
        model = make_model(photometry_of(mock_table(30), ("G", "BP-RP")))
        sequence = model.sequences(at_truth(model))[0]
        iso = model.grid.isochrone(TRUTH["log_age"], TRUTH["mh"])
        extinction = iso.extinction(TRUTH["a_v"])
        g = iso.magnitudes["Gaia_G"] + extinction["Gaia_G"] + TRUTH["dist_mod"]
        colour = iso.magnitudes["Gaia_BP"] + extinction["Gaia_BP"] - iso.magnitudes["Gaia_RP"] - extinction["Gaia_RP"]
        assert sequence["observables"] == pytest.approx(np.stack([g, colour], axis=1), abs=1e-10)
        shift = sequence["binary"] - sequence["observables"]
        assert shift == pytest.approx(np.tile([-2.5 * np.log10(2), 0.0], (g.size, 1)), abs=1e-12)
        assert sequence["m_ini"] == pytest.approx(iso.m_ini)


def test_shown_in_a_line():
    model = make_model(mock_table(30), fixed={"a_v": 0.4})
    shown = repr(model)
    assert len(shown) < 200 and "\n" not in shown
    assert f"30 stars in {', '.join(GAIA)}; {model.parameters.n_dim} parameters free" in shown
