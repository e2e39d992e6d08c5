from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Column, MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry.sky import check_circle, positions, separation

RA = st.floats(0, 360)
DEC = st.floats(-90, 90)
ROLES = {"ra": "ra", "dec": "dec"}


@given(RA, DEC, RA, DEC)
def test_separations_agree_with_astropy(ra, dec, ra0, dec0):
    expected = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(ra0, dec0, unit="deg")).deg
    np.testing.assert_allclose(separation([ra], [dec], (ra0, dec0)), [expected], atol=2e-6)


def test_separations_hold_across_zero_hours_and_at_the_pole():
    np.testing.assert_allclose(separation([359.5], [0.0], (0.5, 0.0)), [1.0])
    np.testing.assert_allclose(separation([0.0], [89.0], (180.0, 89.0)), [2.0])
    assert np.isnan(separation([np.nan], [0.0], (0.5, 0.0)))[0]


def field(center=(10.0, 50.0), size=1.0, n=200):
    rng = np.random.default_rng(4)
    dec = center[1] + rng.normal(0, size, n)
    return center[0] + rng.normal(0, size, n) / np.cos(np.radians(center[1])), dec


def test_degrees_are_taken_as_they_are():
    ra, dec = field()
    found_ra, found_dec, notes = positions({"ra": ra, "dec": dec}, ROLES, ra_unit=None, source="t")
    np.testing.assert_allclose(found_ra, ra)
    np.testing.assert_allclose(found_dec, dec)
    assert notes == []


def test_hours_that_do_not_say_so_are_refused():
    ra, dec = field()
    with pytest.raises(InputError, match="look like hours") as caught:
        positions({"ra": ra / 15, "dec": dec}, ROLES, ra_unit=None, source="t")
    assert "ra_hours" in str(caught.value)


@pytest.mark.parametrize("how", ["name", "unit", "option", "text"])
def test_hours_that_say_so_are_converted(how):
    ra, dec = field()
    table, roles, ra_unit = Table({"ra": ra / 15, "dec": dec}), ROLES, None
    if how == "name":
        table.rename_column("ra", "ra_hours")
        roles = {"ra_hours": "ra_hours", "dec": "dec"}
    elif how == "unit":
        table["ra"].unit = "hourangle"
    elif how == "option":
        ra_unit = "hour"
    else:
        table["ra"] = SkyCoord(ra, dec, unit="deg").ra.to_string("hour", sep=":", precision=6)
        table["dec"] = SkyCoord(ra, dec, unit="deg").dec.to_string("deg", sep=" ", precision=6)
    found_ra, found_dec, notes = positions(table, roles, ra_unit=ra_unit, source="t")
    np.testing.assert_allclose(found_ra, ra, atol=1e-6)
    np.testing.assert_allclose(found_dec, dec, atol=1e-6)
    assert "multiplied by 15" in notes[0]


@pytest.mark.parametrize(("role", "ra_unit"), [("ra", "deg"), ("ra_degs", None)])
def test_a_strip_near_zero_hours_passes_if_the_unit_is_given(role, ra_unit):
    ra, dec = field()
    found_ra, _, _ = positions({"ra": ra / 15, "dec": dec}, {role: "ra", "dec": "dec"}, ra_unit=ra_unit, source="t")
    np.testing.assert_allclose(found_ra, ra / 15)


def test_missing_sexagesimal_cells_are_missing():
    table = {"ra": MaskedColumn(["09:00:00", "x", "09:00:00"], mask=[0, 1, 0]), "dec": Column([1.0, 2.0, 3.0])}
    ra, _, _ = positions(table, ROLES, ra_unit=None, source="t")
    np.testing.assert_allclose(ra, [135.0, np.nan, 135.0])


def test_directions_out_of_range_are_refused():
    with pytest.raises(InputError, match="row 1 .*no such direction"):
        positions({"ra": np.array([1.0, 2.0]), "dec": np.array([3.0, 91.0])}, ROLES, ra_unit=None, source="t")


def test_unreadable_angles_are_refused():
    with pytest.raises(InputError, match="cannot be read"):
        positions({"ra": Column(["9:99:xx"]), "dec": Column([1.0])}, ROLES, ra_unit=None, source="t")


def test_a_table_without_positions_has_none():
    assert positions({"ra": np.zeros(3)}, {"ra": "ra"}, ra_unit=None, source="t") is None


def test_an_unknown_unit_is_refused():
    with pytest.raises(SettingsError, match="unit of right ascension"):
        positions({}, {}, ra_unit="radian", source="t")


@pytest.mark.parametrize(("center", "radius"), [((400, 0), 1), ((0, 95), 1), ((0, 0), 0), ((0, 0), np.nan)])
def test_impossible_circles_are_refused(center, radius):
    with pytest.raises(SettingsError):
        check_circle(center, radius)
