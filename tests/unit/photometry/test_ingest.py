from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Column, Table
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry.ingest import ingest, table_checksum
from clusterbayes.photometry.ingested import ReadOptions


def catalogue(n=12, **more):
    v = np.linspace(12, 18, n)
    table = {"id": np.arange(n) + 6772762864267173248, "V": v, "V_error": 0.01, "B": v + 0.6, "B_error": 0.02}
    return Table({**{name: np.broadcast_to(value, n).copy() for name, value in table.items()}, **more})


def test_identifiers_stay_text():
    ids = ingest(catalogue(), ReadOptions(), "t").ids
    assert ids[1] == "6772762864267173249"


@pytest.mark.parametrize(
    ("ids", "note"),
    [
        (np.full(12, 6.77e18) + np.arange(12) * 2048, "digits are lost"),
        (np.array(["M67"] * 12), "names most stars alike"),
    ],
)
def test_identifiers_that_are_none_give_way_to_rows(ids, note):
    found = ingest(catalogue(id=ids), ReadOptions(), "t")
    assert found.ids[3] == "row 3"
    assert any(note in text for text in found.notes)
    assert (found.drop_reason == "").all()


def test_stars_without_identifier_are_named_by_row():
    ids = [f"s{i}" for i in range(12)]
    ids[4] = ids[7] = ""
    found = ingest(catalogue(id=ids), ReadOptions(), "t")
    assert found.ids[7] == "row 7"
    assert (found.drop_reason == "").all()


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), min_size=1, max_size=14))
def test_of_rows_with_one_id_the_first_usable_one_is_kept(rows):
    # Unique rows in front keep the column an identifier column.
    ids = [f"u{i}" for i in range(20)] + [name for name, _ in rows]
    usable = [True] * 20 + [good for _, good in rows]
    table = catalogue(len(ids), id=ids)
    table["V"][~np.array(usable)] = table["B"][~np.array(usable)] = np.nan
    reasons = ingest(table, ReadOptions(), "t").drop_reason
    seen = set()
    for name, good, reason in zip(ids, usable, reasons, strict=True):
        expected = "no usable magnitude" if not good else "duplicate id" if name in seen else ""
        assert reason == expected
        if good:
            seen.add(name)


def test_a_colour_alone_is_no_usable_magnitude():
    table = catalogue()
    table["B_V"], table["B_V_error"] = 0.5, 0.01
    table["V"][3] = np.nan
    found = ingest(table, ReadOptions("V,B-V"), "t")
    assert found.drop_reason[3] == "no usable magnitude"
    assert (found.drop_reason == "").sum() == 11


def test_a_missing_band_is_no_reason_to_drop_a_star():
    table = catalogue()
    table["V"][3] = np.nan
    found = ingest(table, ReadOptions(), "t")
    assert found.drop_reason[3] == ""
    assert np.isnan(found.errors[3]).tolist() == np.isnan(found.values[3]).tolist() == [True, False]


def test_nan_everywhere_is_refused():
    with pytest.raises(InputError, match="B has no usable value in any of the 12 rows"):
        ingest(catalogue(B=np.full(12, np.nan)), ReadOptions("V,B"), "t")


def test_parallaxes_need_errors():
    found = ingest(catalogue(parallax=np.ones(12)), ReadOptions(), "t")
    assert found.parallax is None
    assert any("parallaxes are not used" in note for note in found.notes)
    found = ingest(catalogue(plx=np.ones(12), e_plx=np.full(12, 0.1)), ReadOptions(), "t")
    np.testing.assert_array_equal(found.parallax, 1.0)


def test_parallaxes_are_brought_to_milliarcseconds():
    parallax, error = Column(np.full(12, 0.002), unit="arcsec"), np.full(12, 0.1)
    found = ingest(catalogue(parallax=parallax, parallax_error=error), ReadOptions(), "t")
    np.testing.assert_allclose(found.parallax, 2.0)
    with pytest.raises(InputError, match="expected|Expected: mas"):
        ingest(catalogue(parallax=Column(np.ones(12), unit="kpc"), parallax_error=error), ReadOptions(), "t")


def test_parallax_errors_must_be_positive():
    error = np.full(12, 0.1)
    error[5] = -1
    with pytest.raises(InputError, match="row 5"):
        ingest(catalogue(parallax=np.ones(12), parallax_error=error), ReadOptions(), "t")


@pytest.mark.parametrize(("option", "meta", "expected"), [
    (None, None, "raw"), (None, "applied", "applied"), ("raw", "applied", "raw"), ("applied", None, "applied")
])  # fmt: skip
def test_the_zero_point_of_parallaxes_is_asked_then_read_then_raw(option, meta, expected):
    table = catalogue()
    if meta:
        table.meta["Parallax_Zero_Point"] = meta
    assert ingest(table, ReadOptions(parallax_zero_point=option), "t").parallax_zero_point == expected


def test_an_unknown_zero_point_is_refused():
    with pytest.raises(SettingsError, match="raw, applied"):
        ingest(catalogue(), ReadOptions(parallax_zero_point="corrected"), "t")


def test_only_the_columns_that_were_used_are_kept():
    found = ingest(catalogue(mass=np.ones(12)), ReadOptions(), "t")
    assert found.table.colnames == ["id", "V", "V_error", "B", "B_error"]
    assert len(found.table) == 12


def test_an_empty_table_is_refused():
    with pytest.raises(InputError, match="no rows"):
        ingest(catalogue()[:0], ReadOptions(), "t")


def test_zero_point_errors_come_from_the_metadata():
    table = catalogue()
    table.meta["zero_point_error"] = {"V": 0.01}
    assert ingest(table, ReadOptions(), "t").zero_point_error == {"V": 0.01}


def test_the_checksum_tells_tables_apart():
    table, other = catalogue(), catalogue()
    assert table_checksum(table) == table_checksum(other)
    other["V"][0] += 1e-9
    assert table_checksum(table) != table_checksum(other)
