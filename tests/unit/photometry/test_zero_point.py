"""The parallax zero point against values of the authors' own implementation, and how tables get it."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.zero_point import parallax_zero_point, sine_ecliptic_latitude

# G, nu_eff, pseudocolour, ecliptic latitude, parameters solved, zero point [mas]: from gaiadr3-zeropoint 0.1.0, which
# rounds to 1e-6 mas and is by authors of Lindegren et al. (2021).
PUBLISHED = (
    (8.5, 1.6, 0, -60, 31, -0.01135),
    (12.05, 1.4, 0, 10, 31, -0.01674),
    (13.0, 1.3, 0, 80, 31, -0.021961),
    (14.0, 1.15, 0, 35, 31, -0.068034),
    (16.0, 1.75, 0, -5, 31, -0.034437),
    (17.1, 1.5, 0, 45, 31, -0.028182),
    (18.3, 1.85, 0, -25, 31, 0.013035),
    (20.4, 1.45, 0, 70, 31, -0.032821),
    (5.0, 1.6, 0, 20, 31, -0.03921),
    (9.0, 0, 1.5, -40, 95, -0.023545),
    (12.5, 0, 1.3, 15, 95, -0.00699),
    (15.0, 0, 1.7, 60, 95, -0.022743),
    (18.0, 0, 1.45, -75, 95, -0.023564),
    (20.7, 0, 1.55, 5, 95, -0.018501),
    (21.5, 0, 1.6, 30, 95, -0.020647),
)


def test_published_values():
    g, nu, pseudo, latitude, solved, expected = np.array(PUBLISHED, float).T
    found = parallax_zero_point(g, nu, pseudo, np.sin(np.radians(latitude)), solved)
    np.testing.assert_allclose(found, expected, atol=6e-7)


def test_what_the_functions_do_not_cover_is_missing():
    nan = np.nan
    g, nu, pseudo = [15, nan, 15, 15, 15, 15], [1.5, 1.5, 1.05, 1.95, nan, 1.5], [nan, nan, nan, nan, 1.8, nan]
    found = parallax_zero_point(g, nu, pseudo, 0.1, [31, 31, 31, 31, 95, 3])
    assert np.array_equal(np.isfinite(found), [True, False, False, False, False, False])


def test_ecliptic_latitude_follows_from_the_direction():
    ra, dec = np.array([0.0, 83.8, 266.4, 132.8, 10.0]), np.array([0.0, -5.4, -29.0, 11.8, 85.0])
    sky = SkyCoord(ra, dec, unit="deg").transform_to("barycentricmeanecliptic")
    np.testing.assert_allclose(sine_ecliptic_latitude(ra, dec), np.sin(sky.lat.rad), atol=2e-6)


def table(**columns):
    n = 4
    content = {
        "source_id": np.arange(n) + 10,
        "phot_g_mean_mag": [13.0, 14.0, 15.0, 16.0],
        "phot_g_mean_flux_over_error": np.full(n, 1000.0),
        "bp_rp": np.full(n, 1.0),
        "phot_bp_mean_flux_over_error": np.full(n, 500.0),
        "phot_rp_mean_flux_over_error": np.full(n, 500.0),
        "parallax": [1.0, 1.1, 1.2, 1.3],
        "parallax_error": np.full(n, 0.03),
        "astrometric_params_solved": [31, 31, 95, 31],
        "nu_eff_used_in_astrometry": [1.5, 1.4, np.nan, 2.2],
        "pseudocolour": [np.nan, np.nan, 1.5, np.nan],
        "ecl_lat": [10.0, 20.0, 30.0, 40.0],
    }
    return Table({name: value for name, value in (content | columns).items() if value is not None})


class TestTables:
    def test_the_zero_point_is_subtracted_and_counted(self):
        made = Photometry.from_table(table(), parallax_zero_point="lindegren")
        sine = np.sin(np.radians([10.0, 20.0, 30.0, 40.0]))
        offset = parallax_zero_point([13, 14, 15, 16], [1.5, 1.4, 0, 2.2], [0, 0, 1.5, 0], sine, [31, 31, 95, 31])
        np.testing.assert_allclose(made.parallax[:3], np.array([1.0, 1.1, 1.2]) - offset[:3])
        assert np.isnan(made.parallax[3]) and np.isnan(made.parallax_error[3])
        assert made.parallax_zero_point == "applied"
        np.testing.assert_array_equal(made.table["parallax_corrected"].quantity.to_value("mas"), made.parallax)
        assert made.table["parallax"].tolist() == table()["parallax"].tolist()
        assert any("subtracted from 3 stars" in note and "1 parallax without" in note for note in made.notes)

    def test_vizier_s_names_and_the_latitude_from_the_direction(self):
        ra, dec = np.full(4, 120.0), np.full(4, 30.0)
        named = table(ecl_lat=None, ra=ra, dec=dec)
        named.rename_columns(
            ["astrometric_params_solved", "nu_eff_used_in_astrometry", "pseudocolour"], ["Solved", "nueff", "pscol"]
        )
        made = Photometry.from_table(named, parallax_zero_point="lindegren")
        offset = parallax_zero_point(13.0, 1.5, np.nan, sine_ecliptic_latitude(120.0, 30.0), 31)
        assert made.parallax[0] == pytest.approx(1.0 - float(offset))

    @pytest.mark.parametrize("missing", ["astrometric_params_solved", "nu_eff_used_in_astrometry", "ecl_lat"])
    def test_a_missing_column_is_said(self, missing):
        with pytest.raises(InputError, match="raw"):
            Photometry.from_table(table(**{missing: None}), parallax_zero_point="lindegren")

    def test_it_is_not_subtracted_twice(self):
        twice = table()
        twice.meta["parallax_zero_point"] = "applied"
        with pytest.raises(SettingsError, match="applied"):
            Photometry.from_table(twice, parallax_zero_point="lindegren")

    def test_without_parallaxes_there_is_nothing_to_correct(self):
        with pytest.raises(InputError, match="no parallaxes"):
            Photometry.from_table(table(parallax=None), parallax_zero_point="lindegren")
