from __future__ import annotations

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.bands import parse_observable
from clusterbayes.errors import BandError, InputError, SettingsError
from clusterbayes.photometry.columns import recognise
from clusterbayes.photometry.gaia import magnitude_error
from clusterbayes.photometry.measure import Defaults, Measurer


def measure(table, name, default_error=None):
    table = Table(table)
    measurer = Measurer(table, recognise(table.colnames), Defaults(default_error), "t")
    return measurer.measure(parse_observable(name))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.floats(1, 25), st.floats(1e-3, 1), st.just(True)),
            st.tuples(
                st.sampled_from([0.0, np.nan, -9.99, -99.0, 99.99, 99.999, 9999.0, np.inf]),
                st.sampled_from([0.0, np.nan, -1.0, 0.01, 9.99, 99.0]),
                st.just(False),
            ),
            st.tuples(st.floats(1, 25), st.sampled_from([np.nan, np.inf, 9.999, 99.0]), st.just(False)),
        ),
        min_size=5,
    )
)
def test_values_are_used_exactly_where_they_and_their_errors_are_good(rows):
    values, errors, good = map(np.array, zip(*rows, strict=True))
    measured = measure({"V": values, "V_error": errors}, "V")
    np.testing.assert_array_equal(measured.values, np.where(good, values, np.nan))
    np.testing.assert_array_equal(measured.errors, np.where(good, errors, np.nan))


def test_zeros_for_missing_are_counted():
    measured = measure({"g": [14.0, 0.0, 0.0], "g_error": [0.01, 0.0, 0.02]}, "g")
    assert "2 values of 0.0 in column g counted as missing" in measured.notes


def test_a_colour_of_zero_is_a_white_star_if_its_error_is_good():
    measured = measure({"B_V": [0.0, 0.0, 0.5], "B_V_error": [0.01, 0.0, 0.01]}, "B-V")
    np.testing.assert_array_equal(measured.values, [0.0, np.nan, 0.5])


@pytest.mark.parametrize("error", [0.0, -0.02])
def test_errors_that_are_not_positive_are_refused(error):
    with pytest.raises(InputError) as caught:
        measure({"Vmag": [14.0, 15.0], "e_Vmag": [0.01, error]}, "V")
    assert (caught.value.column, caught.value.row) == ("e_Vmag", 1)
    assert "--default-error V=0.02" in str(caught.value)


def test_a_default_takes_the_place_of_bad_and_missing_errors():
    measured = measure({"V": [14.0, 15.0, 16.0, np.nan], "V_error": [0.01, 0.0, np.nan, 0.0]}, "V", 0.03)
    np.testing.assert_array_equal(measured.errors, [0.01, 0.03, 0.03, np.nan])
    assert any("2 errors set to 0.03" in note for note in measured.notes)


def test_a_colour_from_two_magnitudes_adds_errors_in_quadrature():
    table = {"BP": [15.0, 16.0], "BP_error": [0.03, 0.01], "RP": [14.0, np.nan], "RP_error": [0.04, 0.01]}
    measured = measure(table, "BP-RP")
    np.testing.assert_allclose(measured.values, [1.0, np.nan])
    np.testing.assert_allclose(measured.errors, [0.05, np.nan])
    assert measured.columns == ("BP", "BP_error", "RP", "RP_error")


def test_a_colour_column_without_errors_takes_those_of_its_magnitudes():
    table = {"B": [15.0], "B_error": [0.03], "V": [14.0], "V_error": [0.04], "B_V": [1.01]}
    measured = measure(table, "B-V", 0.5)
    np.testing.assert_allclose((measured.values[0], measured.errors[0]), (1.01, 0.05))


def test_an_archive_colour_takes_its_error_from_the_signal_to_noise():
    table = {
        "bp_rp": [1.0],
        "e_BP-RP": [0.5],
        "phot_bp_mean_flux_over_error": [100.0],
        "phot_rp_mean_flux": [500.0],
        "phot_rp_mean_flux_error": [2.0],
    }
    expected = np.hypot(magnitude_error(100.0, "Gaia_BP"), magnitude_error(250.0, "Gaia_RP"))
    np.testing.assert_allclose(measure(table, "BP-RP").errors, [expected])


@pytest.mark.parametrize("unit", ["Jy", "electron / s", "adu"])
def test_a_unit_of_flux_is_refused(unit):
    table = Table({"V": MaskedColumn([14.0, 15.0], unit=unit), "V_error": [0.01, 0.01]})
    with pytest.raises(InputError, match="unit of this column"):
        measure(table, "V")


def test_a_unit_of_magnitudes_is_fine():
    table = Table({"V": MaskedColumn([14.0, 15.0], unit="mag"), "V_error": [0.01, 0.01]})
    np.testing.assert_array_equal(measure(table, "V").values, [14.0, 15.0])


@given(st.lists(st.floats(100, 1e6).filter(lambda x: int(x) not in (999, 9999)), min_size=3))
def test_fluxes_in_a_magnitude_column_are_refused(fluxes):
    with pytest.raises(InputError, match="look like fluxes"):
        measure({"V": fluxes, "V_error": np.full(len(fluxes), 0.1)}, "V")


def test_fillers_are_not_mistaken_for_fluxes():
    measured = measure({"V": [14.0, 99.999, 99.999, 99.99, -99.9], "V_error": np.full(5, 0.01)}, "V")
    assert np.isfinite(measured.values).tolist() == [True, False, False, False, False]


@pytest.mark.parametrize("value", [0, -0.1, np.nan, "x", 20, None])
def test_defaults_must_be_errors(value):
    with pytest.raises(SettingsError, match="not an error for V"):
        Defaults({"V": value})


def test_defaults_must_name_bands_that_are_fitted():
    with pytest.raises(BandError):
        Defaults({"W9": 0.1})
    with pytest.raises(SettingsError, match="unknown observable"):
        Defaults({"U": 0.1}).check_used([parse_observable("V")])
    Defaults({"B": 0.1, "B-V": 0.1}).check_used([parse_observable("B-V")])


def test_defaults_of_bands_make_that_of_a_colour_and_a_named_colour_wins():
    table = {"B": [15.0], "V": [14.0]}
    np.testing.assert_allclose(measure(table, "B-V", {"B": 0.03, "V": 0.04}).errors, [0.05])
    np.testing.assert_allclose(measure(table, "B-V", {"B-V": 0.02}).errors, [0.02])
