"""Bolometric corrections: the Sun, MIST's own magnitudes, dust, interpolation, edges and files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.bands import BANDS
from clusterbayes.errors import GridError
from clusterbayes.isochrones.bolometric import (
    CorrectionTable,
    ExtinctionTable,
    correction_bands,
    corrections_digest,
    find_corrections,
)

SUN = (0.0, np.log10(5772.0), 4.438, 0.0)
# Absolute magnitudes of the Sun (Willmer 2018, ApJS 236, 47); Gaia: Casagrande & VandenBerg 2018, MNRAS 479, L102.
SOLAR_MAGNITUDES = {
    "V": 4.81, "B": 5.44, "R": 4.43, "I": 4.10, "2MASS_J": 3.67, "2MASS_H": 3.32, "2MASS_Ks": 3.27,
    "SDSS_g": 5.11, "SDSS_r": 4.65, "SDSS_i": 4.53, "SDSS_z": 4.50, "PS1_g": 5.03, "PS1_r": 4.64, "PS1_i": 4.52,
    "PS1_z": 4.51, "PS1_y": 4.50, "WISE_W1": 3.26, "WISE_W2": 3.28, "Gaia_G": 4.67,
}  # fmt: skip


@pytest.fixture(scope="module")
def table() -> CorrectionTable:
    """Return the installed table in all of its bands."""
    return CorrectionTable.load()


@pytest.fixture
def small() -> CorrectionTable:
    """Return a table of two bands with random numbers, on axes of uneven steps."""
    rng = np.random.default_rng(3)
    axes = (np.array([3.5, 3.6, 3.8, 4.2]), np.array([0.0, 2.0, 5.0]), np.array([-1.0, 0.0, 0.5]))
    extinction = ExtinctionTable(*axes, ("B", "V"), rng.normal(size=(4, 3, 3, 2, 3)))
    return CorrectionTable(*axes, ("B", "V"), rng.normal(size=(4, 3, 3, 2)), extinction, {"citation": "none"})


def test_the_sun(table: CorrectionTable) -> None:
    sun = dict(zip(table.bands, table.magnitudes(*SUN), strict=True))
    # The tables' Sun is 0.01 to 0.04 mag too bright in the optical, and 0.03 mag too blue in BP-RP (grids/README.md).
    for band, magnitude in SOLAR_MAGNITUDES.items():
        assert sun[band] == pytest.approx(magnitude, abs=0.045), band
    assert sun["Gaia_BP"] - sun["Gaia_RP"] == pytest.approx(0.82, abs=0.04)
    assert sun["B"] - sun["V"] == pytest.approx(0.653, abs=0.02)  # Ramirez et al. 2012, ApJ 752, 5
    assert sun["V"] - sun["I"] == pytest.approx(0.702, abs=0.02)


def test_vega_is_the_zero_point_of_vega_magnitudes(table: CorrectionTable) -> None:
    # An A0 V star has no colour in Vega magnitudes; in AB Vega has u = 0.93, i = 0.37 (Blanton & Roweis 2007, AJ 133,
    # 734, Table 1).
    vega = dict(zip(table.bands, table.magnitudes(1.6, np.log10(9550.0), 3.95, -0.5), strict=True))
    for band in ("B", "R", "I", "2MASS_J", "2MASS_Ks", "Gaia_G", "Gaia_BP", "Gaia_RP", "WISE_W1", "TESS", "Tycho_B"):
        assert vega[band] - vega["V"] == pytest.approx(0.0, abs=0.05), band
        assert BANDS[band].system == "Vega"
    assert vega["SDSS_i"] - vega["V"] == pytest.approx(0.37, abs=0.05)
    assert vega["SDSS_u"] - vega["V"] == pytest.approx(0.93, abs=0.1)
    assert {BANDS[band].system for band in ("SDSS_u", "PS1_g", "SkyMapper_v", "GALEX_NUV")} == {"AB"}


def test_a_star_has_the_magnitudes_that_mist_gives_it(table: CorrectionTable, shared_data: Path) -> None:
    # The file is MIST's own synthetic photometry of an isochrone at surface metallicities off the table's nodes.
    text = (shared_data / "isochrones" / "MIST_iso_5fd2532653c27.iso.cmd").read_text()
    rows = np.array([line.split() for line in text.splitlines() if line and not line.startswith("#")], dtype=float)
    log_teff, log_g, log_lum, mh = rows[:, 4], rows[:, 5], rows[:, 6], rows[:, 8]
    bands = ["PS1_g", "PS1_r", "PS1_i", "PS1_z", "PS1_y", "PS1_w"]
    index = [table.bands.index(band) for band in bands]
    error = table.magnitudes(log_lum, log_teff, log_g, mh)[:, index] - rows[:, 9:15]
    cool = (log_teff > 3.5) & (log_teff < 3.8)
    assert np.abs(np.median(error[cool], axis=0)).max() < 0.001
    assert np.sqrt(np.mean(error[cool] ** 2, axis=0)).max() < 0.004
    # On the way to white dwarfs nothing but the zero point is left.
    assert np.abs(np.median(error[log_teff > 4.5], axis=0)).max() < 0.001
    linear = replace(table, corrections=table.corrections)
    linear.__dict__["_finer"] = (table.log_teff, table.log_g, table.mh), np.asarray(table.corrections, dtype=float)
    straight = linear.magnitudes(log_lum, log_teff, log_g, mh)[:, index] - rows[:, 9:15]
    assert np.sqrt(np.mean(straight[cool] ** 2)) > 2.0 * np.sqrt(np.mean(error[cool] ** 2))


@pytest.mark.parametrize(("teff", "ratio"), [(4000.0, 0.765), (5770.0, 0.876), (10000.0, 0.996)])
def test_gaia_g_follows_the_published_ratios(table: CorrectionTable, teff: float, ratio: float) -> None:
    # A_G / A_V at [Fe/H] = 0, log g = 4.5, A_V = 0.05 mag.
    c = table.extinction.select(["Gaia_G"]).evaluate(np.log10(teff), 4.5, 0.0)[0]
    assert c @ [1.0, 0.05, 0.0025] == pytest.approx(ratio, rel=0.01)


def test_every_band_is_described_and_dimmed_by_dust(table: CorrectionTable) -> None:
    assert set(table.bands) <= set(BANDS)
    assert correction_bands() == table.bands
    assert corrections_digest() == table.digest
    assert np.all(np.isfinite(table.corrections))
    assert np.all(table.extinction.coefficients[..., 0] > 0)
    at_sun = dict(zip(table.bands, table.extinction.evaluate(*SUN[1:])[:, 0], strict=True))
    assert at_sun["V"] == pytest.approx(1.0, abs=0.03)
    for blue, red in (
        ("GALEX_NUV", "U"), ("SkyMapper_u", "SkyMapper_v"), ("SkyMapper_v", "SkyMapper_g"), ("PS1_g", "PS1_r"),
        ("PS1_r", "PS1_i"), ("PS1_i", "PS1_z"), ("PS1_z", "PS1_y"), ("Tycho_B", "Tycho_V"), ("2MASS_Ks", "WISE_W1"),
        ("WISE_W1", "WISE_W2"), ("Gaia_G", "TESS"),
    ):  # fmt: skip
        assert at_sun[blue] > at_sun[red], (blue, red)


def test_exact_at_nodes_and_linear_in_luminosity(small: CorrectionTable) -> None:
    for i, j, k in np.ndindex(4, 3, 3):
        star = (small.log_teff[i], small.log_g[j], small.mh[k])
        np.testing.assert_allclose(small.magnitudes(0.0, *star), 4.74 - small.corrections[i, j, k], atol=1e-12)
        np.testing.assert_allclose(small.extinction.evaluate(*star), small.extinction.coefficients[i, j, k], atol=1e-12)
    brighter = small.magnitudes(2.0, 3.7, 3.0, -0.2) - small.magnitudes(0.0, 3.7, 3.0, -0.2)
    np.testing.assert_allclose(brighter, -5.0, atol=1e-12)


@given(st.floats(3.5, 4.2), st.floats(0.0, 5.0), st.floats(-1.0, 0.5))
def test_between_nodes_it_stays_within_the_cell(log_teff: float, log_g: float, mh: float) -> None:
    # PCHIP does not overshoot along an axis, so neither does the whole beyond the corners that it uses.
    axes = (np.array([3.5, 3.6, 3.8, 4.2]), np.array([0.0, 2.0, 5.0]), np.array([-1.0, 0.0, 0.5]))
    values = np.random.default_rng(4).uniform(-1.0, 1.0, size=(4, 3, 3, 1))
    extinction = ExtinctionTable(*axes, ("V",), np.zeros((4, 3, 3, 1, 3)))
    found = CorrectionTable(*axes, ("V",), values, extinction).magnitudes(4.74 / 2.5, log_teff, log_g, mh)
    cell = tuple(
        slice(low := min(int(np.searchsorted(axis, value, side="right")) - 1, axis.size - 2), low + 2)
        for axis, value in zip(axes, (log_teff, log_g, mh), strict=True)
    )
    assert values[cell].min() - 1e-9 <= -found[0] <= values[cell].max() + 1e-9


def test_shapes_are_broadcast(small: CorrectionTable) -> None:
    log_teff, mh = np.linspace(3.4, 4.4, 10).reshape(2, 1, 5), np.linspace(-1.5, 0.8, 3)[None, :, None]
    log_lum = np.zeros((2, 3, 5))
    whole = small.magnitudes(log_lum, log_teff, 4.0, mh)
    assert whole.shape == (2, 3, 5, 2)
    np.testing.assert_allclose(whole[1, 2, 3], small.magnitudes(0.0, log_teff[1, 0, 3], 4.0, 0.8), atol=1e-12)
    assert small.extinction.evaluate(log_teff, 4.0, mh).shape == (2, 3, 5, 2, 3)


def test_outside_the_nearest_edge_is_used_and_told(small: CorrectionTable) -> None:
    np.testing.assert_allclose(small.magnitudes(0.0, 3.0, 9.0, 3.0), 4.74 - small.corrections[0, -1, -1])
    outside = small.outside(np.array([3.4, 3.5, 4.2, 4.3]), 1.0, 0.5)
    assert outside.tolist() == [True, False, False, True]
    assert small.outside(3.6, 1.0, 0.51)


def test_bands_by_alias_in_the_order_asked_for(table: CorrectionTable) -> None:
    some = CorrectionTable.load("mist", ["RP", "PS_g", "Gaia_RP"])
    assert some.bands == some.extinction.bands == ("Gaia_RP", "PS1_g")
    index = [table.bands.index(band) for band in some.bands]
    np.testing.assert_array_equal(some.corrections, table.corrections[..., index])
    np.testing.assert_array_equal(some.extinction.coefficients, table.extinction.coefficients[..., index, :])


def test_round_trip_and_damage(small: CorrectionTable, tmp_path: Path) -> None:
    back = small.save(tmp_path / "mine.h5")
    assert back.metadata["name"] == "mine"
    assert back.bands == small.bands
    np.testing.assert_allclose(back.corrections, small.corrections, atol=1e-6)
    np.testing.assert_allclose(back.extinction.coefficients, small.extinction.coefficients, atol=1e-6)
    other = replace(small, corrections=small.corrections + 0.01).save(tmp_path / "other.h5")
    assert len(back.digest) == 64
    assert other.digest != back.digest
    with h5py.File(tmp_path / "mine.h5", "r+") as file:
        file["corrections/V"][0, 0, 0] += 0.1
    with pytest.raises(GridError, match="corrections/V"):
        CorrectionTable.load(tmp_path / "mine.h5")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="no table of bolometric corrections 'correction'.*did you mean corrections"):
        find_corrections("correction")
    with pytest.raises(GridError, match="correction table has no band DECam_g"):
        CorrectionTable.load(bands=["DECam_g"])
    plain = tmp_path / "plain.h5"
    with h5py.File(plain, "w") as file:
        file["x"] = 1.0
    with pytest.raises(GridError, match="not a table of bolometric corrections"):
        CorrectionTable.load(plain)
