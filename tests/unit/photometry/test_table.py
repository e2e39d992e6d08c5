from __future__ import annotations

import pickle

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry import Photometry


def catalogue(n=300, seed=5):
    rng = np.random.default_rng(seed)
    v = rng.uniform(12, 18, n)
    return Table({
        "id": [f"s{i}" for i in range(n)],
        "ra": np.mod(rng.uniform(-2, 2, n), 360),
        "dec": rng.uniform(-2, 2, n),
        "parallax": rng.normal(1, 0.1, n),
        "parallax_error": np.full(n, 0.1),
        "V": v,
        "V_error": np.full(n, 0.01),
        "B_V": rng.normal(0.6, 0.2, n),
        "B_V_error": np.full(n, 0.02),
    })  # fmt: skip


@pytest.fixture(scope="module")
def photometry():
    table = catalogue()
    table["V"][7] = np.nan
    table["ra"][9] = np.nan
    return Photometry.from_table(table)


def check(photometry):
    """Every input row is used or has a reason, and arrays agree with the input rows that they name."""
    assert photometry.n_star + sum(photometry.dropped.values()) == photometry.n_input
    np.testing.assert_array_equal(photometry.input_row, np.flatnonzero(photometry.drop_reason == ""))
    np.testing.assert_array_equal(photometry.ids, photometry.input_ids[photometry.input_row])
    np.testing.assert_array_equal(photometry.values[:, 0], photometry.table["V"][photometry.input_row])
    np.testing.assert_array_equal(photometry.parallax, photometry.table["parallax"][photometry.input_row])
    np.testing.assert_array_equal(photometry.ra, photometry.table["ra"][photometry.input_row])
    assert photometry.values.shape == photometry.errors.shape == (photometry.n_star, 2)


def test_a_table_gives_its_stars(photometry):
    check(photometry)
    assert photometry.dropped == {"no usable magnitude": 1}
    assert photometry.bands == ("V", "B")
    assert photometry.magnitude_columns == (0,)
    assert photometry.values.dtype == photometry.errors.dtype == np.float64


@given(st.data())
def test_keeping_stars_twice_accounts_for_every_row(photometry, data):
    masks = st.lists(st.booleans(), min_size=photometry.n_star, max_size=photometry.n_star)
    first = np.array(data.draw(masks))
    once = photometry.keep(first, "too faint")
    check(once)
    assert once.dropped.get("too faint", 0) == (~first).sum()
    twice = once.keep(once.values[:, 0] < 15, "a much longer reason than any before it, with details")
    check(twice)
    assert set(twice.ids) == set(photometry.ids[first & (photometry.values[:, 0] < 15)])


def test_keeping_does_not_change_the_original(photometry):
    before = photometry.drop_reason.copy()
    photometry.keep(np.zeros(photometry.n_star, dtype=bool), "none")
    np.testing.assert_array_equal(photometry.drop_reason, before)


@pytest.mark.parametrize("mask", [np.ones(3, dtype=bool), np.ones(299)])
def test_a_mask_must_fit(photometry, mask):
    with pytest.raises(ValueError, match="mask must be bool"):
        photometry.keep(mask, "x")


def test_a_reason_is_needed(photometry):
    with pytest.raises(ValueError, match="reason"):
        photometry.keep(np.ones(photometry.n_star, dtype=bool), "")


def test_a_circle_parts_sample_and_field(photometry):
    sample, control = photometry.split((0.0, 0.0), 1.0)
    check(sample)
    check(control)
    distance = np.hypot(np.mod(photometry.ra + 180, 360) - 180, photometry.dec)  # flat enough at the equator
    clear = np.abs(distance - 1) > 1e-3
    assert set(sample.ids) >= set(photometry.ids[clear & (distance < 1)])
    assert not set(sample.ids) & set(photometry.ids[clear & (distance > 1)])
    assert not set(sample.ids) & set(control.ids)
    assert set(sample.dropped) == {
        "outside radius (used as field)",
        "between radius and 1.5 radii",
        "no position",
        "no usable magnitude",
    }
    assert sample.dropped["outside radius (used as field)"] == control.n_star
    assert control.dropped["inside radius (used as sample)"] == sample.n_star


def test_a_field_may_be_empty(photometry):
    _, control = photometry.split((0.0, 0.0), 2.9)
    assert control.n_star == 0


def test_splitting_needs_positions_and_stars(photometry):
    table = catalogue()
    table.remove_columns(["ra", "dec"])
    with pytest.raises(InputError, match="no positions"):
        Photometry.from_table(table).split((0.0, 0.0), 1.0)
    with pytest.raises(InputError, match="no star lies within 1 deg.*hours"):
        photometry.split((100.0, 20.0), 1.0)
    with pytest.raises(SettingsError, match="not a direction"):
        photometry.split((0.0, 120.0), 1.0)


def test_too_few_stars_are_refused_with_the_counts(photometry):
    few = photometry.keep(np.arange(photometry.n_star) < 9, "too faint")
    with pytest.raises(InputError, match=r"9 of 300 stars can be used \(290 too faint; 1 no usable magnitude\)"):
        few.require()
    assert few.require(9) is few


def test_the_description_names_what_matters(photometry):
    text = photometry.keep(photometry.values[:, 0] < 15, "too faint").describe()
    for part in ("of 300 rows used", "V, B-V", "median error 0.0100", "(too faint)", "zero point raw"):
        assert part in text
    nothing = photometry.keep(np.zeros(photometry.n_star, dtype=bool), "gone").describe()
    assert "B-V: no values" in nothing


@pytest.mark.parametrize("format", ["csv", "ascii.ecsv", "fits", "votable"])
def test_a_file_and_a_table_say_the_same(tmp_path, photometry, format):
    table = catalogue()
    table["V"][7] = np.nan
    table["ra"][9] = np.nan
    path = tmp_path / "cluster"
    table.write(path, format=format)
    found = Photometry.read(path)
    assert found.source == str(path)
    assert len(found.checksum) == 64
    for name in ("ids", "values", "errors", "drop_reason", "parallax", "ra"):
        np.testing.assert_array_equal(getattr(found, name), getattr(photometry, name), err_msg=name)


def test_reading_leaves_the_given_table_alone():
    table = catalogue()
    copy = table.copy()
    Photometry.from_table(table, observables="V,B-V", default_error=0.02)
    assert table.colnames == copy.colnames
    assert all((table[name] == copy[name]).all() for name in copy.colnames)


def test_mapped_identifiers_are_read_as_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("star,m,em,V,V_error\n007,14.1,0.01,13.5,0.02\n6772762864267173249,14.2,0.01,13.6,0.02\n")
    found = Photometry.read(path, columns={"star": "id", "m": "B", "em": "B_error"}, observables="V,B")
    assert found.ids.tolist() == ["007", "6772762864267173249"]


def test_photometry_survives_pickling(photometry):
    copy = pickle.loads(pickle.dumps(photometry))
    check(copy)
    assert copy.observables == photometry.observables


def test_shown_in_a_line(photometry):
    shown = repr(photometry)
    assert len(shown) < 200 and "\n" not in shown
    assert f"{photometry.n_star} of {photometry.n_input} rows used; V, B-V, parallax, ra, dec" in shown
