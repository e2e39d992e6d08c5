from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Column, MaskedColumn
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.errors import InputError
from clusterbayes.photometry.cells import as_numbers, as_text

MISSING_WORDS = st.sampled_from(["", "nan", "NaN", "NULL", "null", "--", "None", " ", "N/A"])


@given(st.lists(st.one_of(st.floats(-30, 30), MISSING_WORDS), min_size=1))
def test_text_gives_the_numbers_and_nan_for_what_is_missing(cells):
    numbers = as_numbers(Column([str(cell) for cell in cells]), "V", "t")
    expected = [np.nan if isinstance(cell, str) else cell for cell in cells]
    np.testing.assert_array_equal(numbers, expected)


@given(st.lists(st.tuples(st.floats(allow_nan=True), st.booleans()), min_size=1))
def test_masked_and_infinite_cells_are_missing(cells):
    values, mask = map(list, zip(*cells, strict=True))
    numbers = as_numbers(MaskedColumn(values, mask=mask), "V", "t")
    for number, value, masked in zip(numbers, values, mask, strict=True):
        assert np.isnan(number) if masked or not np.isfinite(value) else number == value


def test_a_cell_that_is_no_number_is_named():
    with pytest.raises(InputError) as caught:
        as_numbers(Column(["12.1", "", "<19.5"]), "Vmag", "a.csv")
    assert (caught.value.column, caught.value.row, caught.value.value) == ("Vmag", 2, "'<19.5'")


def test_cells_with_arrays_are_refused():
    with pytest.raises(InputError, match="array"):
        as_numbers(np.zeros((3, 2)), "V", "t")


def test_objects_with_none_are_read():
    np.testing.assert_array_equal(as_numbers(Column([1.5, None, "2"], dtype=object), "V", "t"), [1.5, np.nan, 2.0])


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1))
def test_whole_identifiers_keep_every_digit(ids):
    assert as_text(Column(np.array(ids, dtype=np.int64))).tolist() == [str(one) for one in ids]


def test_identifiers_in_floats_are_kept_only_where_they_are_exact():
    assert as_text(Column([1.0, np.nan, 42.0])).tolist() == ["1", "", "42"]
    assert as_text(Column([6772762864267173248.0])) is None
    assert as_text(Column([1.5])) is None


def test_bytes_and_blanks_become_text():
    assert as_text(Column([b" s1 ", b"", b"null"])).tolist() == ["s1", "", ""]
