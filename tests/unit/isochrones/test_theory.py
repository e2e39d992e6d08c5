"""Theory grids: tables read and checked, masses freed of their rounding, isochrones resampled."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
from unit.isochrones.sparse import LOG_AGE, MH, rows, write_sparse

from clusterbayes.errors import GridError
from clusterbayes.isochrones import theory
from clusterbayes.isochrones.milestones import Stars
from clusterbayes.isochrones.theory import continue_to_low_mass, read_sparse, resample, smooth_masses, theory_arrays

RECIPE = replace(theory.RECIPES["mist"], continued=())


@pytest.fixture
def table(tmp_path):
    return write_sparse(tmp_path / "table.h5")


def test_isochrones_are_found_in_the_table(table):
    read = read_sparse(table)
    assert read.log_age == pytest.approx(LOG_AGE)
    assert read.mh == pytest.approx(MH)
    for i, k in ((0, 0), (3, 0), (1, 2)):
        stars, phase = read.isochrone(i, k)
        expected = np.delete(rows(LOG_AGE[i], MH[k]), 100, axis=0)  # the missing row is left out
        assert stars.eep == pytest.approx(expected[:, 0])
        assert stars.m_ini == pytest.approx(expected[:, 2], rel=1e-6)
        assert stars.log_teff == pytest.approx(expected[:, 4], rel=1e-6)
        assert stars.log_g == pytest.approx(expected[:, 5], rel=1e-5, abs=1e-6)
        assert stars.log_lum == pytest.approx(expected[:, 6], rel=1e-6, abs=1e-6)
        assert phase == pytest.approx(expected[:, 7])


def damage_layout(file):
    file.attrs["storage"] = "dense_v2"


def damage_length(file):
    values = file["values"][()]
    del file["values"]
    file["values"] = values[:-3]


def damage_column(file):
    file.attrs["columns"] = np.array(["a"] * 8, dtype=h5py.string_dtype())


def damage_axis(file):
    del file["age_values"]


@pytest.mark.parametrize("damage", [damage_layout, damage_length, damage_column, damage_axis])
def test_damaged_tables_are_refused(table, damage):
    with h5py.File(table, "a") as file:
        damage(file)
    with pytest.raises(GridError, match="table"):
        read_sparse(table)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "page.h5"
    path.write_text("<html>not found</html>")
    with pytest.raises(GridError, match=r"page\.h5.*cannot be read"):
        read_sparse(path)


def test_smoothing_undoes_the_rounding():
    number = np.arange(120)
    true = 1.0 + 3e-4 * (number / 120) ** 1.5
    rounded = true.astype(np.float32).astype(float)
    smooth = smooth_masses(rounded, np.array([], dtype=int))
    ulp = np.spacing(np.float32(1.0))
    assert np.all(np.diff(smooth) >= 0)
    assert np.max(np.abs(smooth - rounded)) <= 0.6 * ulp * (1 + 1e-9)

    def noise(mass):
        return np.std((np.diff(mass) / np.diff(true))[20:-20])

    assert noise(smooth) < 0.2 * noise(rounded)


def test_smoothing_keeps_what_is_no_rounding():
    mass = np.concatenate([np.linspace(0.1, 1.0, 60), np.linspace(1.3, 1.3001, 60)])
    rounded = mass.astype(np.float32).astype(float)
    smooth = smooth_masses(rounded, np.array([60]))
    assert smooth == pytest.approx(mass, rel=1e-7)


def made_of(mass, mh):
    """Return an isochrone whose quantities are linear in metallicity."""
    x = np.log10(mass)
    return Stars(100.0 + 50 * x, mass, 3.7 + 0.5 * x - 0.03 * mh, 4.0 * x - 0.1 * mh, 4.4 - x + 0.05 * mh)


def test_continuation_follows_the_trend():
    whole = np.linspace(0.1, 1.0, 91)
    near, far, short = made_of(whole, 0.25), made_of(whole, 0.0), made_of(whole[40:], 0.5)
    longer = continue_to_low_mass(short, near, far)
    truth = made_of(longer.m_ini, 0.5)
    assert longer.m_ini[0] == pytest.approx(0.1)
    assert np.all(np.diff(longer.m_ini) > 0)
    assert np.all(np.diff(longer.eep) > 0)
    for name in ("log_teff", "log_lum", "log_g", "eep"):
        assert getattr(longer, name) == pytest.approx(getattr(truth, name), abs=1e-9)


def test_continuation_joins_without_a_step():
    whole = np.linspace(0.1, 1.0, 91)
    shifted = made_of(whole[40:], 0.5)
    shifted = replace(shifted, log_lum=shifted.log_lum + 0.2)
    longer = continue_to_low_mass(shifted, made_of(whole, 0.25), made_of(whole, 0.0))
    assert np.max(np.abs(np.diff(longer.log_lum))) < 0.2


def test_nothing_is_continued_that_the_neighbours_lack():
    short = made_of(np.linspace(0.5, 1.0, 50), 0.5)
    assert continue_to_low_mass(short, made_of(np.linspace(0.6, 1.0, 9), 0.25), short) is short


def test_phases_that_are_absent_have_no_length():
    table = rows(9.0, 0.0)
    stars = Stars(*table[table[:, 0] <= 620][:, [0, 2, 4, 6, 5]].T)
    phase = theory.phase_codes(RECIPE.layout)
    result = resample(stars, RECIPE.choose, RECIPE.layout)
    last = np.flatnonzero(phase == 3)[-1]
    assert np.all(result[phase > 3] == result[last])
    assert np.all(np.diff(result[:, 0]) >= 0)


def test_arrays_of_a_grid(table):
    told = []
    arrays = theory_arrays(table, RECIPE, (8.9, 9.1), (-0.25, 0.25), told.append)
    assert arrays["log_age"] == pytest.approx([8.9, 9.0, 9.1])
    assert arrays["mh"] == pytest.approx(MH)
    n_eep = sum(1 + sum(counts) for counts in RECIPE.layout.values())
    assert n_eep <= 400
    for name in ("m_ini", "log_teff", "log_lum", "log_g"):
        assert arrays[name].shape == (3, 3, n_eep)
        assert np.all(np.isfinite(arrays[name]))
    assert np.all(np.diff(arrays["m_ini"]) >= 0)
    assert np.all(np.diff(arrays["phase"]) >= 0)
    assert told == pytest.approx([1 / 3, 2 / 3, 1])
    # The isochrones were made linear in age at fixed stage, so the grid must be: that is what points are for.
    for name in ("log_teff", "log_lum"):
        middle = 0.5 * (arrays[name][0] + arrays[name][2])
        assert arrays[name][1][:, -180:] == pytest.approx(middle[:, -180:], abs=2e-3)


def test_values_that_are_no_numbers_are_refused(table):
    def broken(stars, phase):
        return replace(RECIPE.prepare(stars, phase), log_lum=np.full(len(RECIPE.prepare(stars, phase)), np.nan))

    with pytest.raises((GridError, ValueError)):
        theory_arrays(table, replace(RECIPE, prepare=broken), (8.8, 9.1), (-0.25, 0.25))
