from __future__ import annotations

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.treatment import Treatment, without_fillers


def stars(**changed):
    table = Table({"id": ["a", "b", "c"], "B": [14.0, 15.0, 16.0], "V": [13.5, 14.4, 15.1]})
    table["B_error"], table["V_error"] = 0.01, 0.01
    for name, values in changed.items():
        table[name] = values
    return table


def test_fillers_that_the_user_names_are_missing_in_any_column():
    table = stars(V=[13.5, 7.77, 15.1], B=[7.77, 15.0, 16.0])
    photometry = Photometry.from_table(table, treatment=Treatment(missing=(7.77,)))
    np.testing.assert_array_equal(np.isnan(photometry.values), [[True, False], [False, True], [False, False]])
    assert [note for note in photometry.notes if "7.77" in note] == [
        "1 cell of 7.77 in column B counted as missing",
        "1 cell of 7.77 in column V counted as missing",
    ]
    assert table["V"][1] == 7.77  # the user's table is left alone


def test_a_filler_may_be_text_and_identifiers_are_left_alone():
    table = stars(V=["13.5", "saturated", "15.1"], id=["a", "saturated", "c"])
    photometry = Photometry.from_table(table, treatment=Treatment(missing=("saturated",)))
    assert photometry.ids.tolist() == ["a", "saturated", "c"]
    assert np.isnan(photometry.values[1, 1])


def test_single_precision_and_masks_do_not_hide_a_filler():
    table = Table({"V": MaskedColumn(np.array([-9.99, 14.0, 3.0], dtype=np.float32), mask=[False, True, False])})
    kept, _ = without_fillers(table, Treatment(missing=("-9.99",)), frozenset())
    assert kept["V"].mask.tolist() == [True, True, False]


def test_a_filler_that_is_nowhere_is_said():
    assert without_fillers(stars(), Treatment(missing=("-99",)), frozenset())[1] == ["no cell holds -99"]


def test_small_errors_are_raised_to_the_floor_and_counted():
    table = stars(V_error=[0.0, -1.0, 0.05])
    with pytest.raises(InputError, match="--error-floor"):
        Photometry.from_table(table)
    photometry = Photometry.from_table(table, treatment=Treatment(error_floor=0.02))
    np.testing.assert_array_equal(photometry.errors, [[0.02, 0.02], [0.02, 0.02], [0.02, 0.05]])
    assert "V: 2 errors below 0.02 mag raised to it (error_floor)" in photometry.notes


@pytest.mark.parametrize("floor", [0.0, -0.1, np.nan, 2.0])
def test_impossible_floors_are_refused(floor):
    with pytest.raises(SettingsError, match="error_floor"):
        Treatment(error_floor=floor)


def test_millimagnitudes_are_read_as_such():
    table = stars(V=[13500.0, 14400.0, 15100.0], V_error=[10.0, 20.0, 30.0])
    table["V"].unit = table["V_error"].unit = "mmag"
    photometry = Photometry.from_table(table)
    np.testing.assert_allclose(photometry.values[:, 1], [13.5, 14.4, 15.1])
    np.testing.assert_allclose(photometry.errors[:, 1], [0.01, 0.02, 0.03])
