from __future__ import annotations

import h5py
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn, Table
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clusterbayes.results.tables import plain, plain_table, read_table, same, write_table

NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name.strip())
# NumPy drops NULs at the end of text, before any of this code sees it.
TEXT = st.text(max_size=15).map(lambda text: text.rstrip("\x00"))


@st.composite
def columns(draw, n_row: int) -> Column:
    kind = draw(st.sampled_from(["float", "int", "bool", "text", "pair"]))
    if kind == "text":
        data = np.array(draw(st.lists(TEXT, min_size=n_row, max_size=n_row)), dtype=str)
    else:
        dtype = {"float": "f8", "int": "i8", "bool": "?", "pair": "f4"}[kind]
        data = draw(hnp.arrays(dtype, (n_row, 2) if kind == "pair" else n_row))
    about = {"description": draw(st.none() | TEXT.filter(bool)), "unit": draw(st.sampled_from([None, "mag", "deg"]))}
    if draw(st.booleans()) and kind != "pair":
        return MaskedColumn(data, mask=draw(hnp.arrays("?", n_row)), **about)
    return Column(data, **about)


@st.composite
def tables(draw) -> Table:
    n_row = draw(st.integers(0, 5))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    return Table({name: draw(columns(n_row)) for name in names}, meta={"a": draw(st.floats()), "b": [1, None, "x"]})


@given(tables())
def test_any_table_comes_back(table):
    table = plain_table(table)
    with h5py.File.in_memory() as file:
        write_table(file, table)
        back = read_table(file)
    assert same(back, table)
    assert back.colnames == table.colnames


def test_special_columns_become_plain():
    table = Table({"size": [1.0, 2.0] * u.arcsec, "when": Time([2000.0, 2016.5], format="jyear")})
    table["old"] = np.array([1.5, 2.5], dtype=">f8")
    copy = plain_table(table)
    assert copy["size"].unit == u.arcsec
    assert type(copy["size"]) is Column
    assert copy["when"].tolist() == ["2000.0", "2016.5"]
    assert copy["old"].dtype == np.dtype("=f8")
    assert copy["old"].dtype.isnative


def test_column_names_that_hdf5_does_not_take(tmp_path):
    names = ["a/b", "a|b", ".", "..", "a", "x\x00y"]
    table = plain_table(Table({name: [float(k)] for k, name in enumerate(names)}))
    with h5py.File(tmp_path / "t.h5", "w") as file:
        write_table(file, table)
        assert same(read_table(file), table)


def test_text_is_readable_by_others(tmp_path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        write_table(file, plain_table(Table({"id": ["größe", "b"]})))
        assert file["columns/id"].asstr()[...].tolist() == ["größe", "b"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), [1, 2]),
        ({"a": np.float64(1.5), 3: np.arange(2)}, {"a": 1.5, "3": [0, 1]}),
        ({"x", "a"}, ["a", "x"]),
        (np.bool_(True), True),
        (u.mag, "mag"),
    ],
)
def test_documents_become_plain(value, expected):
    assert plain(value) == expected


def test_sameness_is_exact():
    assert same(float("nan"), float("nan"))
    assert not same(1.0, 1.0 + 2e-16 * 2)
    assert not same(1, 1.0)
    assert not same(np.zeros(2), np.zeros(2, dtype=np.float32))
    assert not same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    one, two = Table({"a": [1.0]}), Table({"a": [1.0]})
    assert same(one, two)
    two["a"].unit = "mag"
    assert not same(one, two)


def test_values_under_a_mask_do_not_count():
    one = Table({"a": MaskedColumn([1, 2], mask=[True, False])})
    two = Table({"a": MaskedColumn([9, 2], mask=[True, False])})
    assert same(one, two)
    two["a"].mask = [False, False]
    assert not same(one, two)
