"""Simulated catalogues: what was asked for, what was written down, and stars where the isochrone has them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from unit.model.mocks import GAIA, GRID, TRUTH

from clusterbayes.errors import BandError, GridRangeError, SettingsError
from clusterbayes.model.cluster import MassRatios
from clusterbayes.model.details import Details
from clusterbayes.model.imf import draw_masses
from clusterbayes.model.simulate import photometric_error, simulate_cluster
from clusterbayes.photometry.sky import separation


def simulate(n_members=400, n_field=100, **changes):
    options = {"grid": GRID, "mag_limit": "Gaia_G=16", "seed": 1} | TRUTH | changes
    return simulate_cluster(n_members=n_members, n_field=n_field, **options)


class TestCatalogue:
    def test_counts_and_columns(self):
        table = simulate(120, 30).table
        assert len(table) == 150
        assert np.count_nonzero(table["is_member"]) == 120
        assert len(set(table["id"])) == 150
        for band in GAIA:
            assert np.isfinite(table[band]).all()
            assert (table[f"{band}_error"] > 0).all()
        assert np.isnan(table["mass"][~table["is_member"]]).all()
        assert np.isnan(table["q"][~table["is_member"]]).all()

    def test_every_column_has_its_unit(self):
        table = simulate(30, 10, parallax=True, proper_motion=True, positions=True).table
        units = {name: str(table[name].unit or "") for name in table.colnames}
        pure = {"id", "pmra_pmdec_corr", "is_member", "q"}
        assert {name for name, unit in units.items() if not unit} == pure
        assert {units[band] for band in GAIA} == {units[f"{band}_error"] for band in GAIA} == {"mag"}
        assert (units["parallax_error"], units["pmra_error"], units["ra"]) == ("mas", "mas / yr", "deg")

    def test_members_and_field_are_shuffled(self):
        runs = np.count_nonzero(np.diff(simulate().table["is_member"].astype(int)))
        assert runs > 100

    def test_limits_hold_for_measured_magnitudes(self):
        table = simulate(mag_limit="Gaia_G=12..15.5").table
        assert table["Gaia_G"].min() >= 12.0
        assert table["Gaia_G"].max() <= 15.5

    def test_truth_is_written_down(self):
        truth = simulate(300, 100, alpha=(1.1, 2.5), floor=0.01).truth
        assert {name: truth[name] for name in TRUTH} == TRUTH
        assert truth["member_frac"] == 0.75
        assert truth["distance"] == pytest.approx(10 ** (TRUTH["dist_mod"] / 5 + 1))
        assert truth["ebv"] == pytest.approx(TRUTH["a_v"] / 3.1)
        assert truth["binary_frac_q05"] == pytest.approx(TRUTH["binary_frac"] * 0.5 / 0.9)
        assert (truth["alpha_1"], truth["alpha_2"], truth["floor"]) == (1.1, 2.5, 0.01)

    def test_reddening_is_for_the_grid_s_own_r_v(self):
        grid = replace(GRID, metadata={**GRID.metadata, "r_v": 5.0})
        assert simulate(20, 0, grid=grid).truth["ebv"] == pytest.approx(TRUTH["a_v"] / 5.0)

    def test_the_same_seed_gives_the_same_catalogue(self):
        one, two, other = simulate(seed=3).table, simulate(seed=3).table, simulate(seed=4).table
        assert all(np.array_equal(one[c], two[c], equal_nan=one[c].dtype.kind == "f") for c in one.colnames)
        assert not np.array_equal(one["Gaia_G"], other["Gaia_G"])

    def test_no_members_or_no_field(self):
        assert not simulate(0, 50).table["is_member"].any()
        assert simulate(50, 0).table["is_member"].all()

    def test_parallaxes(self):
        table = simulate(600, 50, parallax=True).table
        members = table[table["is_member"]]
        pull = (members["parallax"] - 10 ** (2 - 0.2 * TRUTH["dist_mod"])) / members["parallax_error"]
        assert table.meta["parallax_zero_point"] == "applied"
        assert stats.kstest(pull, "norm").pvalue > 1e-3

    def test_proper_motions(self):
        """Members scatter about the cluster's motion by errors and dispersion; the field is wider and elsewhere."""
        made = simulate(600, 400, proper_motion=True)
        table, truth = made.table, made.truth
        members = table[table["is_member"]]
        for axis, name in (("ra", "pmra"), ("dec", "pmdec")):
            sigma = np.hypot(members[f"{name}_error"], truth["pm_dispersion"])
            pull = (members[name] - truth[f"pm_{axis}"]) / sigma
            assert stats.kstest(pull, "norm").pvalue > 1e-3
            assert np.std(table[name][~table["is_member"]]) > 5 * truth["pm_dispersion"]
        assert (np.abs(table["pmra_pmdec_corr"]) < 0.5).all()

    def test_places_follow_a_plummer_profile(self):
        made = simulate(2000, 1000, positions=True)
        table, truth = made.table, made.truth
        offset = separation(table["ra"], table["dec"], (truth["ra"], truth["dec"])) / truth["radius"]
        assert offset.max() < 1 + 1e-5
        s2 = (truth["scale_radius"] / truth["radius"]) ** 2
        member = np.asarray(table["is_member"])
        profile = stats.kstest(offset[member], lambda x: x**2 * (1 + s2) / (x**2 + s2))
        assert profile.pvalue > 1e-3
        assert stats.kstest(offset[~member], lambda x: x**2).pvalue > 1e-3
        assert stats.kstest(offset[member], lambda x: x**2).pvalue < 1e-6  # negative control

    def test_astrometry_leaves_the_rest_as_it_was(self):
        plain = simulate(seed=3, parallax=True).table
        more = simulate(seed=3, parallax=True, proper_motion=True, positions=True).table
        assert all(np.array_equal(plain[name], more[name], equal_nan=name in ("mass", "q")) for name in plain.colnames)

    def test_field_stars_of_the_deep_sky_stay_out(self):
        """No star far beyond the limit is scattered into the catalogue by a monstrous error."""
        for seed in range(3):
            table = simulate(0, 3000, seed=seed).table
            assert max(table[f"{band}_error"].max() for band in GAIA) < 0.2
        assert photometric_error("Gaia_G", np.array([15.0, 40.0])) == pytest.approx([0.0028, 0.5], rel=0.02)


class TestMembers:
    def truth_magnitudes(self, table, band, floor=0.0):
        iso = GRID.isochrone(TRUTH["log_age"], TRUTH["mh"])
        apparent = iso.magnitudes[band] + iso.extinction(TRUTH["a_v"])[band] + TRUTH["dist_mod"]
        mass, q = np.asarray(table["mass"]), np.asarray(table["q"])
        companion = np.interp(q * mass, iso.m_ini, apparent)
        companion = companion + 12.5 * np.log10(np.maximum(iso.m_ini[0] / np.maximum(q * mass, 1e-9), 1.0))
        single = np.interp(mass, iso.m_ini, apparent)
        return np.where(q > 0, -2.5 * np.log10(10 ** (-0.4 * single) + 10 ** (-0.4 * companion)), single)

    @pytest.mark.parametrize("floor", [0.0, 0.02])
    def test_lie_on_the_isochrone_within_their_errors(self, floor):
        table = simulate(1500, 0, floor=floor).table
        for band in ("Gaia_BP", "Gaia_RP"):  # G is cut at the limit
            sigma = np.hypot(table[f"{band}_error"], floor)
            pull = (table[band] - self.truth_magnitudes(table, band)) / sigma
            assert stats.kstest(pull, "norm").pvalue > 1e-3
            assert stats.kstest(1.4 * pull, "norm").pvalue < 1e-3  # negative control

    @pytest.mark.parametrize("dispersion", [0.1, 0.0])
    def test_extinctions_differ_along_the_law(self, dispersion):
        """Single stars, from two bands apart; negative control: without a dispersion the two have nothing in common."""
        table = simulate(3000, 0, a_v_dispersion=dispersion, seed=8).table
        table = table[(table["q"] == 0) & (table["Gaia_G"] < 15.0)]
        iso = GRID.isochrone(TRUTH["log_age"], TRUTH["mh"])
        own = []
        for band in ("Gaia_BP", "Gaia_RP"):
            change = (iso.extinction(TRUTH["a_v"] + 0.01)[band] - iso.extinction(TRUTH["a_v"])[band]) / 0.01
            own.append((table[band] - self.truth_magnitudes(table, band)) / np.interp(table["mass"], iso.m_ini, change))
        assert (np.corrcoef(own)[0, 1] > 0.95) == (dispersion > 0.0)
        if dispersion:
            assert np.std(own[0]) == pytest.approx(dispersion, rel=4 / np.sqrt(2 * len(table)))
            assert abs(np.mean(own[0])) < 4 * dispersion / np.sqrt(len(table))

    def test_an_older_cluster_may_look_younger(self):
        """Stars of the isochrone that is younger by the offset; control: those of the cluster's own age are others."""
        old = simulate(200, 0, log_age=8.9, details=Details(log_age_offset=0.2)).table["Gaia_BP"]
        young, other = (simulate(200, 0, log_age=age, details=Details()).table["Gaia_BP"] for age in (8.7, 8.9))
        assert np.asarray(old) == pytest.approx(np.asarray(young), abs=1e-4)
        assert np.abs(np.asarray(old) - np.asarray(other)).max() > 0.01

    def test_no_extinction_is_negative(self):
        clear = simulate(400, 0, a_v=0.0, seed=9, mag_limit="Gaia_G=30").table
        dusty = simulate(400, 0, a_v=0.0, a_v_dispersion=0.5, seed=9, mag_limit="Gaia_G=30").table
        shift = np.sort(np.asarray(dusty["Gaia_G"])) - np.sort(np.asarray(clear["Gaia_G"]))
        assert 0.05 < shift.mean() < 0.5

    def test_binary_fraction_before_the_limit(self):
        """Bright pairs enter the catalogue from further down, so the share is taken where the limit cuts nobody."""
        table = simulate(4000, 0, mag_limit="Gaia_G=30", seed=5).table
        share = np.mean(table["q"] > 0)
        assert share == pytest.approx(TRUTH["binary_frac"], abs=4 * np.sqrt(0.24 / 4000))
        q = table["q"][table["q"] > 0]
        assert stats.kstest(q, "uniform", args=(MassRatios().nodes[0], 1 - MassRatios().nodes[0])).pvalue > 1e-3

    def test_masses_follow_the_mass_function(self):
        table = simulate(4000, 0, mag_limit="Gaia_G=30", seed=6, binary_frac=0.0).table
        iso = GRID.isochrone(TRUTH["log_age"], TRUTH["mh"])
        drawn = draw_masses(np.random.default_rng(7), 40_000, iso.m_ini[0], iso.m_ini[-1])
        assert stats.ks_2samp(np.asarray(table["mass"]), drawn).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [(1.3, 2.3), (1.0, 1.0), (-0.5, 3.0)])
def test_drawn_masses_follow_the_broken_power_law(alpha):
    mass = draw_masses(np.random.default_rng(8), 20_000, 0.2, 3.0, *alpha)
    edges = np.linspace(0.2, 3.0, 20_001)
    middle = 0.5 * (edges[1:] + edges[:-1])
    density = np.where(middle < 0.5, (middle / 0.5) ** -alpha[0], (middle / 0.5) ** -alpha[1])
    cumulative = np.concatenate([[0.0], np.cumsum(density)]) / density.sum()
    assert stats.kstest(mass, lambda m: np.interp(m, edges, cumulative)).pvalue > 1e-3


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"binary_frac": 1.2}, SettingsError, "binary_frac=1.2"),
        ({"n_members": -1}, SettingsError, "n_members=-1"),
        ({"n_members": 0, "n_field": 0}, SettingsError, "at least one"),
        ({"mag_limit": "V=16"}, SettingsError, "not among the bands"),
        ({"mag_limit": "Gaia_G=-5"}, SettingsError, "no star of this cluster"),
        ({"log_age": 12.0}, GridRangeError, "log_age"),
        ({"bands": ("Gaia_G", "Gaia_Q")}, BandError, "Gaia_Q"),
    ],
)
def test_mistakes(changes, error, message):
    with pytest.raises(error, match=message):
        simulate(**changes)


def test_shown_in_a_line():
    shown = repr(simulate(12, 3))
    assert len(shown) < 200 and "\n" not in shown
    assert "log_age=8.7" in shown and "12 members, 3 field stars" in shown
