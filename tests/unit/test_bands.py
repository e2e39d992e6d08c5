from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.bands import BANDS, Observable, bands_of, observable_matrix, parse_observable, resolve_band
from clusterbayes.errors import BandError

PAIRS = list(itertools.permutations(BANDS, 2))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("G", "Gaia_G"),
        ("g", "SDSS_g"),
        ("bp", "Gaia_BP"),
        ("GBP", "Gaia_BP"),
        ("phot_rp_mean_mag", "Gaia_RP"),
        ("I", "I"),
        ("i", "SDSS_i"),
        ("Ic", "I"),
        ("Rc", "R"),
        ("g'", "SDSS_g"),
        ("gprime", "SDSS_g"),
        ("z_SDSS", "SDSS_z"),
        ("Johnson_V", "V"),
        ("bessell v", "V"),
        ("J", "J"),
        ("2mass_j", "2MASS_J"),
        ("Ks", "2MASS_Ks"),
        ("K_s", "2MASS_Ks"),
        ("decam_Y", "DECam_Y"),
        ("Gaia_G_EDR3", "Gaia_G"),
        ("  V ", "V"),
        ("PS_g", "PS1_g"),
        ("gP1", "PS1_g"),
        ("W1", "WISE_W1"),
        ("B_T", "Tycho_B"),
        ("VT", "Tycho_V"),
        ("Hp", "Hipparcos_Hp"),
        ("NUV", "GALEX_NUV"),
        ("SkyMapper_v", "SkyMapper_v"),
    ],
)
def test_spellings_are_understood(text, name):
    assert resolve_band(text) is BANDS[name]


@pytest.mark.parametrize("name", BANDS)
def test_every_band_knows_itself_in_any_case(name):
    assert resolve_band(name) is BANDS[name]
    if len(name) > 1:
        assert resolve_band(name.lower()) is resolve_band(name.upper()) is BANDS[name]
    for alias in BANDS[name].aliases:
        assert resolve_band(alias) is BANDS[name]


def test_bands_are_ordered_by_wavelength_within_a_system():
    for bands in (
        ("Gaia_BP", "Gaia_G", "Gaia_RP"),
        tuple("UBVRIJHK"),
        ("2MASS_J", "2MASS_H", "2MASS_Ks"),
        tuple(f"PS1_{letter}" for letter in "grizy"),
        tuple(f"WISE_W{number}" for number in "1234"),
        tuple(f"SkyMapper_{letter}" for letter in "uvgriz"),
        ("GALEX_FUV", "GALEX_NUV", "Tycho_B", "Tycho_V", "Hipparcos_Hp", "TESS"),
    ):
        wavelengths = [BANDS[band].wavelength for band in bands]
        assert wavelengths == sorted(wavelengths)
    assert BANDS["SDSS_g"].system == "AB"
    assert BANDS["V"].system == "Vega"


@pytest.mark.parametrize(
    ("text", "hint"), [("v", "V?"), ("Gaia_H", "Gaia_G"), ("SDDS_g", "SDSS_g"), ("b_v", "B?"), ("Q9", "Known bands")]
)
def test_unknown_bands_come_with_a_hint(text, hint):
    with pytest.raises(BandError) as caught:
        parse_observable(text)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("G", "Gaia_G"),
        ("BP-RP", "Gaia_BP-Gaia_RP"),
        ("BP_RP", "Gaia_BP-Gaia_RP"),
        ("bp_rp", "Gaia_BP-Gaia_RP"),
        ("g_rp", "Gaia_G-Gaia_RP"),
        ("bp_g", "Gaia_BP-Gaia_G"),
        ("B_V", "B-V"),
        ("(B−V)", "B-V"),
        ("V - I", "V-I"),
        ("g_r", "SDSS_g-SDSS_r"),
        ("SDSS_g_SDSS_r", "SDSS_g-SDSS_r"),
        ("2MASS_J-Ks", "2MASS_J-2MASS_Ks"),
        ("V-Gaia_RP", "V-Gaia_RP"),
    ],
)
def test_observables_get_canonical_names(text, name):
    assert parse_observable(text).name == name


@given(st.sampled_from(PAIRS), st.sampled_from(["-", "_", " - "]))
def test_any_pair_of_bands_makes_a_colour_that_parses_back(pair, separator):
    colour = parse_observable(separator.join(pair))
    assert colour.bands == pair
    assert colour.is_colour
    assert not colour.is_magnitude
    assert parse_observable(colour.name) == colour


@pytest.mark.parametrize("name", BANDS)
def test_any_band_makes_a_magnitude(name):
    magnitude = parse_observable(name)
    assert magnitude.is_magnitude
    assert not magnitude.is_colour
    assert magnitude.bands == (name,)


@given(st.text(max_size=12))
def test_any_text_gives_an_observable_or_a_band_error(text):
    try:
        assert set(parse_observable(text).bands) <= set(BANDS)
    except BandError as error:
        assert str(error)


def test_bands_come_in_order_and_once():
    assert bands_of(map(parse_observable, ("V", "B-V", "I", "V-I", "B-K"))) == ("V", "B", "I", "K")
    assert bands_of([]) == ()


def test_the_matrix_maps_magnitudes_to_observables():
    observables = [parse_observable(text) for text in ("V", "B-V", "V-I")]
    matrix = observable_matrix(observables, ("B", "V", "I"))
    np.testing.assert_array_equal(matrix, [[0, 1, 0], [1, -1, 0], [0, 1, -1]])
    np.testing.assert_allclose(matrix @ [15.3, 14.5, 13.4], [14.5, 0.8, 1.1])


def test_the_matrix_refuses_bands_that_are_not_there():
    with pytest.raises(BandError, match="B-V needs band B"):
        observable_matrix([parse_observable("B-V")], ("V", "I"))


@pytest.mark.parametrize(
    "coefficients", [(), (("V", 0.0),), (("V", 1.0), ("V", -1.0)), (("V", float("nan")),)], ids=str
)
def test_observables_that_make_no_sense_are_refused(coefficients):
    with pytest.raises(BandError):
        Observable("odd", coefficients)


def test_a_colour_needs_two_bands():
    with pytest.raises(BandError, match="two different bands"):
        parse_observable("B-B")
