"""Proper motions from tables: names, units, gaps, errors."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from clusterbayes.errors import InputError
from clusterbayes.photometry import Photometry

NAMES = {
    "archive": ("pmra", "pmra_error", "pmdec", "pmdec_error", "pmra_pmdec_corr"),
    "VizieR": ("pmRA", "e_pmRA", "pmDE", "e_pmDE", "pmRApmDEcor"),
    "Astromancer": ("pm_ra", "pm_ra_error", "pm_dec", "pm_dec_error", "pm_corr"),
}
VALUES = ([1.0, -2.0, np.nan], [0.1, 0.2, 0.1], [3.0, 4.0, 5.0], [0.3, 0.1, 0.2], [0.5, -0.2, 0.1])


def table(names, without=()):
    made = Table({"id": ["a", "b", "c"], "V": [12.0, 13.0, 14.0], "V_error": [0.01, 0.01, 0.01]})
    made["B-V"], made["B-V_error"] = [0.5, 0.6, 0.7], [0.01, 0.01, 0.01]
    for name, values in zip(names, VALUES, strict=True):
        if name not in without:
            made[name] = values
    return made


@pytest.mark.parametrize("kind", NAMES)
def test_names_of_archive_vizier_and_astromancer(kind):
    made = Photometry.from_table(table(NAMES[kind]))
    assert made.pm[:2].tolist() == [[1.0, 3.0], [-2.0, 4.0]]
    assert made.pm_error[:2].tolist() == [[0.1, 0.3], [0.2, 0.1]]
    assert made.pm_corr.tolist() == [0.5, -0.2, 0.0]
    assert np.isnan(made.pm[2]).all() and np.isnan(made.pm_error[2]).all()
    assert "proper motion: 2 values" in made.describe()
    assert set(NAMES[kind]) <= set(made.table.colnames)


def test_stars_keep_theirs_in_subsets():
    part = Photometry.from_table(table(NAMES["archive"])).subset([1], "left out")
    assert part.pm.tolist() == [[-2.0, 4.0]]
    assert part.pm_corr.tolist() == [-0.2]


def test_correlations_may_be_missing():
    made = Photometry.from_table(table(NAMES["archive"], without=["pmra_pmdec_corr"]))
    assert made.pm_corr.tolist() == [0.0, 0.0, 0.0]


def test_without_errors_they_are_not_used_and_a_default_helps():
    plain = table(NAMES["Astromancer"], without=["pm_ra_error", "pm_dec_error"])
    made = Photometry.from_table(plain)
    assert made.pm is None
    assert any("no errors" in note for note in made.notes)
    helped = Photometry.from_table(plain, default_error={"pm": 0.05})
    assert helped.pm_error[:2].tolist() == [[0.05, 0.05]] * 2
    assert any("set to 0.05 mas/yr" in note for note in helped.notes)


def test_default_errors_of_parallaxes():
    plain = table(NAMES["archive"])
    plain["parallax"] = [1.0, 2.0, np.nan]
    made = Photometry.from_table(plain, default_error={"parallax": 0.04, "V": 0.02})
    assert made.parallax_error[:2].tolist() == [0.04, 0.04]
    assert made.errors[0, 0] == 0.01


def test_units_are_turned_into_mas_a_year():
    with_unit = table(NAMES["archive"])
    for name in ("pmra", "pmra_error"):
        with_unit[name] = with_unit[name] / 1000 * u.arcsec / u.yr
    assert Photometry.from_table(with_unit).pm[0, 0] == pytest.approx(1.0)
    with_unit["pmdec"].unit = "km / s"
    with pytest.raises(InputError, match="km / s"):
        Photometry.from_table(with_unit)


@pytest.mark.parametrize(("column", "value"), [("pmra_error", 0.0), ("pmdec_error", -1.0), ("pmra_pmdec_corr", 1.5)])
def test_impossible_numbers_are_named(column, value):
    broken = table(NAMES["archive"])
    broken[column][1] = value
    with pytest.raises(InputError, match=f"{column}.*row 1"):
        Photometry.from_table(broken)
