"""Extinction against published coefficients, and the arithmetic of the coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.errors import GridRangeError
from clusterbayes.isochrones import IsochroneGrid, available_grids
from clusterbayes.isochrones.extinction import MAX_A_V, ExtinctionTable, band_extinction, fit_coefficients
from clusterbayes.isochrones.storage import read_extinction_table


@pytest.fixture(scope="module")
def table() -> ExtinctionTable:
    """Return the table that travels with the default grid."""
    return read_extinction_table(available_grids()["parsec"]["path"])


@pytest.mark.parametrize(("teff", "ratio"), [(4000.0, 0.765), (5770.0, 0.876), (10000.0, 0.996)])
def test_gaia_g_follows_the_published_ratios(table: ExtinctionTable, teff: float, ratio: float) -> None:
    # A_G / A_V at [Fe/H] = 0, log g = 4.5, A_V = 0.05 mag, from the MIST bolometric corrections.
    found = band_extinction(table.select(["Gaia_G"]).evaluate(np.log10(teff), 4.5, 0.0), 0.05) / 0.05
    assert found == pytest.approx(ratio, rel=0.01)


def test_bands_are_ordered_as_the_extinction_law_wants(table: ExtinctionTable) -> None:
    sun = band_extinction(table.evaluate(np.log10(5772.0), 4.44, 0.0), 1.0)
    at = dict(zip(table.bands, sun, strict=True))
    for blue, red in (
        ("U", "B"), ("B", "V"), ("V", "R"), ("R", "I"), ("I", "J"), ("J", "H"), ("H", "K"),
        ("SDSS_u", "SDSS_g"), ("SDSS_g", "SDSS_r"), ("SDSS_r", "SDSS_i"), ("SDSS_i", "SDSS_z"),
        ("DECam_u", "DECam_g"), ("DECam_g", "DECam_r"), ("DECam_r", "DECam_i"), ("DECam_i", "DECam_z"),
        ("DECam_z", "DECam_Y"), ("Gaia_BP", "Gaia_G"), ("Gaia_G", "Gaia_RP"), ("2MASS_J", "2MASS_Ks"),
    ):  # fmt: skip
        assert at[blue] > at[red], (blue, red)
    assert at["V"] == pytest.approx(1.0, abs=0.03)
    assert at["J"] == pytest.approx(at["2MASS_J"], rel=0.04)
    assert at["DECam_g"] == pytest.approx(at["SDSS_g"], rel=0.05)


def test_reddening_of_a_wide_band_saturates(parsec: IsochroneGrid) -> None:
    # The more dust, the redder the light that is left, and the less of it the next magnitude of A_V removes.
    isochrone = parsec.isochrone(9.5, 0.0)
    thin, thick = (isochrone.extinction(a_v)["Gaia_G"] / a_v for a_v in (0.1, 4.0))
    assert np.all(thick < thin)
    assert np.median(thin - thick) > 0.05


def test_grid_carries_the_table_at_its_points(parsec: IsochroneGrid, table: ExtinctionTable) -> None:
    i, k = 20, 8
    expected = table.select(parsec.bands).evaluate(parsec.log_teff[i, k], parsec.log_g[i, k], parsec.mh[k])
    np.testing.assert_allclose(parsec.ext[i, k], expected, rtol=1e-12)


def test_no_dust_takes_nothing_and_too_much_is_refused(parsec: IsochroneGrid) -> None:
    isochrone = parsec.isochrone(9.0, 0.0)
    assert all(np.all(a == 0) for a in isochrone.extinction(0.0).values())
    for a_v in (-0.1, MAX_A_V + 0.1, np.nan):
        with pytest.raises(GridRangeError, match="a_v="):
            isochrone.extinction(a_v)


def test_fit_finds_a_quadratic_again() -> None:
    a_v = np.array([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 2.0, 4.0, 6.0])
    truth = np.array([[0.9, -0.02, 0.001], [1.2, 0.0, -0.0004]])
    found = fit_coefficients(a_v, np.stack([band_extinction(truth, a) for a in a_v], axis=-1))
    np.testing.assert_allclose(found, truth, atol=1e-10)


def test_table_is_exact_at_nodes_and_clipped_outside() -> None:
    rng = np.random.default_rng(5)
    axes = (np.array([3.5, 3.8, 4.2]), np.array([0.0, 5.0]), np.array([-1.0, 0.0]))
    table = ExtinctionTable(*axes, ("B", "V"), rng.normal(size=(3, 2, 2, 2, 3)))
    np.testing.assert_allclose(table.evaluate(3.8, 5.0, -1.0), table.coefficients[1, 1, 0])
    np.testing.assert_allclose(table.evaluate(3.0, 9.0, 3.0), table.coefficients[0, 1, 1])
    middle = table.evaluate(np.full(4, 3.65), 0.0, 0.0)
    assert middle.shape == (4, 2, 3)
    np.testing.assert_allclose(middle[2], table.coefficients[:2, 0, 1].mean(axis=0))
