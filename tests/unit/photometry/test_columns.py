from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.bands import BANDS, parse_observable
from clusterbayes.errors import BandError, InputError
from clusterbayes.photometry.columns import recognise

ARCHIVE = [
    *("source_id", "ra", "dec", "parallax", "parallax_error", "phot_g_mean_mag", "phot_g_mean_flux_over_error"),
    *("bp_rp", "phot_bp_mean_flux_over_error", "phot_rp_mean_flux_over_error", "g_rp"),
]


def test_the_gaia_archive_is_recognised():
    columns = recognise(ARCHIVE)
    assert columns.values == {
        "Gaia_G": "phot_g_mean_mag",
        "Gaia_BP-Gaia_RP": "bp_rp",
        "Gaia_G-Gaia_RP": "g_rp",
    }
    assert columns.snr["Gaia_RP"] == ("phot_rp_mean_flux_over_error",)
    assert columns.roles == {name: name for name in ("ra", "dec", "parallax", "parallax_error")} | {"id": "source_id"}
    assert columns.errors == {}


def test_vizier_is_recognised():
    names = ["Source", "RA_ICRS", "DE_ICRS", "Plx", "e_Plx", "Gmag", "e_Gmag", "BP-RP", "e_BP-RP", "Vmag", "g'mag"]
    columns = recognise(names)
    assert columns.values == {"Gaia_G": "Gmag", "Gaia_BP-Gaia_RP": "BP-RP", "V": "Vmag", "SDSS_g": "g'mag"}
    assert columns.errors == {"Gaia_G": "e_Gmag", "Gaia_BP-Gaia_RP": "e_BP-RP"}
    roles = {"id": "Source", "ra_degs": "RA_ICRS", "dec": "DE_ICRS", "parallax": "Plx", "parallax_error": "e_Plx"}
    assert columns.roles == roles


@pytest.mark.parametrize(
    "pattern",
    ["{}_error", "{}_err", "e_{}", "err_{}", "sigma_{}", "{}_sigma", "{}_unc", "{}err", "{}mag_err", "e_{}mag"],
)
@given(name=st.sampled_from(["G", "BP", "B_V", "BP-RP", "Ks", "i", "SDSS_g"]))
def test_errors_are_found_by_their_affix(pattern, name):
    columns = recognise([name, pattern.format(name)])
    canonical = parse_observable(name).name
    assert columns.values == {canonical: name}
    assert columns.errors == {canonical: pattern.format(name)}


@given(st.permutations(list(BANDS)), st.integers(1, 8), st.sampled_from(["_error", "_err"]))
def test_any_choice_of_bands_is_recognised_in_any_order(bands, count, suffix):
    chosen = bands[:count]
    if "2MASS_Ks" in chosen:  # beside which J and H are 2MASS's
        chosen = [band for band in chosen if band not in ("J", "H")]
    columns = recognise([*chosen, *(band + suffix for band in reversed(chosen))])
    assert columns.values == {band: band for band in chosen}
    assert columns.errors == {band: band + suffix for band in chosen}


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=8))
def test_any_names_can_be_looked_at(names):
    columns = recognise(names)
    assert set(columns.values.values()) | set(columns.errors.values()) | set(columns.roles.values()) <= set(names)


@pytest.mark.parametrize(
    "name", ["E(B-V)", "A_V", "M_G", "pmra", "pmdec_error", "ruwe", "radius_deg", "mass", "g_lsst", "v"]
)
def test_other_columns_are_left_alone(name):
    columns = recognise([name])
    assert not columns.values
    assert not columns.errors


def test_g_bp_beside_g_rp_are_magnitudes_but_g_rp_alone_is_a_colour():
    assert set(recognise(["G", "G_BP", "G_RP"]).values) == {"Gaia_G", "Gaia_BP", "Gaia_RP"}
    assert set(recognise(["G", "G_RP"]).values) == {"Gaia_G", "Gaia_G-Gaia_RP"}


def test_j_and_h_beside_ks_are_2mass():
    columns = recognise(["J", "J_error", "H", "Ks", "V"])
    assert columns.values == {"2MASS_J": "J", "2MASS_H": "H", "2MASS_Ks": "Ks", "V": "V"}
    assert columns.errors == {"2MASS_J": "J_error"}
    assert columns.in_context(parse_observable("J-Ks")).name == "2MASS_J-2MASS_Ks"
    assert recognise(["J", "H", "K"]).in_context(parse_observable("J")).name == "J"


def test_j_h_and_k_beside_a_2mass_designation_are_2mass():
    columns = recognise(["_2MASS", "Jmag", "e_Jmag", "Hmag", "Kmag", "e_Kmag", "J-K"])
    assert columns.values == {"2MASS_J": "Jmag", "2MASS_H": "Hmag", "2MASS_Ks": "Kmag", "2MASS_J-2MASS_Ks": "J-K"}
    assert columns.errors == {"2MASS_J": "e_Jmag", "2MASS_Ks": "e_Kmag"}
    assert recognise(["2MASS", "Jmag"], {"Jmag": "J"}).values == {"J": "Jmag"}  # the user's word


@pytest.mark.parametrize(
    ("name", "role"), [("E(BP/RP)", "bp_rp_excess"), ("E_BP_RP_", "bp_rp_excess"), ("E(BP-RP)", None)]
)
def test_an_excess_is_no_reddening(name, role):
    assert recognise([name]).roles == ({role: name} if role else {})


def test_the_archives_names_in_capitals():
    columns = recognise(["SOURCE_ID", "PHOT_G_MEAN_MAG", "PHOT_G_MEAN_FLUX_OVER_ERROR", "BP_RP"])
    assert columns.values == {"Gaia_G": "PHOT_G_MEAN_MAG", "Gaia_BP-Gaia_RP": "BP_RP"}
    assert columns.snr == {"Gaia_G": ("PHOT_G_MEAN_FLUX_OVER_ERROR",)}
    assert columns.archive == {"Gaia_G", "Gaia_BP-Gaia_RP"}


def test_archive_names_win_over_others_and_it_is_said():
    columns = recognise(["Gmag", "phot_g_mean_mag", "Source", "dr3_source_id"])
    assert columns.values["Gaia_G"] == "phot_g_mean_mag"
    assert columns.roles["id"] == "dr3_source_id"
    assert "phot_g_mean_mag is used" in columns.notes_on([parse_observable("G")])[0]
    assert columns.notes_on([parse_observable("V")]) == []


def test_a_map_wins_over_everything():
    mapping = {"mymag": "Gaia_G", "e_my": "Gaia_G_error", "star": "id", "alpha2000": "ra_hours", "col": "BP-RP"}
    columns = recognise(["mymag", "e_my", "star", "alpha2000", "col", "G", "G_error", "source_id", "ra"], mapping)
    assert columns.values == {"Gaia_G": "mymag", "Gaia_BP-Gaia_RP": "col"}
    assert columns.errors == {"Gaia_G": "e_my"}
    assert columns.roles == {"id": "star", "ra_hours": "alpha2000"}


def test_a_map_from_a_missing_column_is_refused_with_a_suggestion():
    with pytest.raises(InputError, match="did you mean mymag"):
        recognise(["mymag", "V"], {"mymga": "V"})


def test_a_map_to_an_unknown_name_is_refused_with_a_suggestion():
    with pytest.raises(BandError, match="Did you mean Gaia_G_error"):
        recognise(["mymag"], {"mymag": "Gaia_G_eror"})
