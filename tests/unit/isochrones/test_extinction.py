"""Extinction against published coefficients, laws and R_V by way of the tables, and the arithmetic of coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.errors import BandError, GridRangeError, SettingsError
from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.isochrones.bolometric import CorrectionTable, ExtinctionTable
from clusterbayes.isochrones.extinction import (
    EXTINCTION_LAWS,
    MAX_A_V,
    _under_other_law,
    band_extinction,
    check_extinction_law,
    extinction_coefficients,
    fit_coefficients,
)
from clusterbayes.isochrones.laws import dust_curve

GAIA = ("Gaia_G", "Gaia_BP", "Gaia_RP")
OPTICAL = ("U", "B", "V", "R", "I", "SDSS_g", "SDSS_r", "SDSS_i", "2MASS_J", "2MASS_H", "2MASS_Ks")
DWARFS = (np.log10([3500.0, 4000.0, 5770.0, 10000.0, 20000.0]), 4.5, 0.0)

# Gaia (E)DR3 extinction law of ESA (cosmos.esa.int/web/gaia/edr3-extinction-law, main sequence): k = A_b / A_0 as a
# cubic in X = Teff / 5040 K and A_0, from F19 and the spectra of Castelli & Kurucz 2003; 3500 to 10000 K.
GAIA_EDR3 = {
    "Gaia_G": (
        0.259021858973784, 0.93676111876298, -0.437446499585492, 0.0783508476444952, -0.00136127433235224,
        0.000797222688660053, -2.52364537395233e-05, -0.029981504413869, 0.00555506017434798, 0.000402778419603886,
    ),
    "Gaia_BP": (
        0.888088914696666, 0.11318390480077, 0.0846337732558566, -0.0371265818793239, -0.00296140793334905,
        0.000538660562947277, -1.31018008013512e-05, -0.0164152179931537, 0.00323902299833464, 0.000169011297620409,
    ),
    "Gaia_RP": (
        0.382719668454633, 0.505895415656219, -0.314981478333036, 0.0665302085130136, -0.00383780468169498,
        6.50490784002505e-05, 1.57894227640801e-06, -0.00348740736346628, 0.00110877159426768, -1.8313141658225e-05,
    ),
}  # fmt: skip


def gaia_edr3(band: str, teff: float, a_0: float) -> float:
    """Return A_b / A_0 of the published polynomial."""
    x = teff / 5040.0
    terms = (1.0, x, x**2, x**3, a_0, a_0**2, a_0**3, x * a_0, a_0 * x**2, x * a_0**2)
    return float(np.dot(GAIA_EDR3[band], terms))


def ratio(band: str, teff: float, a_v: float, **options) -> float:
    """Return A_b / A_V of a solar dwarf."""
    return float(band_extinction(extinction_coefficients([band], np.log10(teff), 4.5, 0.0, **options), a_v)[0] / a_v)


# --- the tables ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("teff", "expected"), [(4000.0, 0.765), (5770.0, 0.876), (10000.0, 0.996)])
def test_gaia_g_follows_the_published_ratios(teff: float, expected: float) -> None:
    # A_G / A_V at [Fe/H] = 0, log g = 4.5, A_V = 0.05 mag, from the MIST bolometric corrections.
    assert ratio("Gaia_G", teff, 0.05) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("band", GAIA)
@pytest.mark.parametrize("a_v", [0.05, 1.0, 3.0, 6.0])
def test_tables_agree_with_the_gaia_polynomial(band: str, a_v: float) -> None:
    # The polynomial's own error is up to 3.5, 1.5 and 1 % (G, BP, RP), says its page.
    for teff in (4000.0, 5000.0, 5770.0, 7000.0, 8000.0, 10000.0):
        assert ratio(band, teff, a_v) == pytest.approx(gaia_edr3(band, teff, a_v), rel=0.015)


def test_bands_are_ordered_as_the_extinction_law_wants() -> None:
    bands = [*OPTICAL, "J", "H", "K", "SDSS_u", "SDSS_z", *(f"DECam_{b}" for b in "ugrizY"), *GAIA]
    coefficients = extinction_coefficients(bands, np.log10(5772.0), 4.44, 0.0)
    at = dict(zip(bands, band_extinction(coefficients, 1.0), strict=True))
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


def test_bands_without_a_table_follow_their_neighbour() -> None:
    found = extinction_coefficients(["J", "2MASS_J"], *DWARFS)
    expected = dust_curve("G23", 1.220) / dust_curve("G23", 1.235)
    np.testing.assert_allclose(found[:, 0] / found[:, 1], np.full((5, 3), expected), rtol=1e-6)


def test_reddening_of_a_wide_band_saturates(parsec: IsochroneGrid) -> None:
    # The more dust, the redder the light that is left, and the less of it the next magnitude of A_V removes.
    isochrone = parsec.isochrone(9.5, 0.0)
    thin, thick = (isochrone.extinction(a_v)["Gaia_G"] / a_v for a_v in (0.1, 4.0))
    assert np.all(thick < thin)
    assert np.median(thin - thick) > 0.05


def test_grid_has_the_coefficients_at_its_points() -> None:
    bands = ("V", "Gaia_BP")
    for law, r_v in (("tables", 3.1), ("F19", 4.0)):
        grid = IsochroneGrid.load("parsec", bands=bands, law=law, r_v=r_v, refine=False)
        i, k = 20, 8
        theory = (grid.log_teff[i, k], grid.log_g[i, k], grid.mh[k])
        expected = extinction_coefficients(bands, *theory, law=law, r_v=r_v)
        np.testing.assert_allclose(grid.ext[i, k], expected, atol=2e-5)
        assert (grid.metadata["law"], grid.r_v) == (law, r_v)


# --- other laws and R_V ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("band", [*GAIA, *OPTICAL, "J", "DECam_g", "WISE_W1", "GALEX_NUV"])
def test_tables_and_their_own_law_agree_at_3_1(band: str) -> None:
    tables = extinction_coefficients([band], *DWARFS)
    np.testing.assert_allclose(extinction_coefficients([band], *DWARFS, r_v=3.1 + 1e-9), tables, atol=1e-7)
    if band != "WISE_W1":  # beyond the range of the law
        np.testing.assert_allclose(extinction_coefficients([band], *DWARFS, law="CCM89"), tables, atol=1e-7)


@pytest.mark.parametrize("law", ["tables", "CCM89", "O94", "F99", "F04", "M14", "F19", "G23"])
@pytest.mark.parametrize("r_v", [2.5, 3.1, 5.0])
def test_other_laws_redden_and_keep_the_shape(law: str, r_v: float) -> None:
    bands = ["U", "B", "V", "R", "I", "2MASS_J", "2MASS_H", "2MASS_Ks"]
    at = band_extinction(extinction_coefficients(bands, *DWARFS, law=law, r_v=r_v), 1.0)
    assert np.all(np.diff(at, axis=1) < 0)
    np.testing.assert_allclose(at[:, 2], 1.0, atol=0.06)
    # E(B-V) of the hot star, whose V and B are what R_V was measured in; real bands give 3.1 to 3.4 for 3.1.
    np.testing.assert_allclose((at[-1, 1] - at[-1, 2]) * r_v, 1.0, atol=0.09)
    wide = band_extinction(extinction_coefficients(["Gaia_G"], *DWARFS, law=law, r_v=r_v), 1.0)[:, 0]
    assert np.all(np.diff(wide) > 0)  # the hotter, the bluer, the more


@pytest.mark.parametrize("law", ["tables", "G23", "CCM89"])
def test_more_grey_dust_at_larger_r_v(law: str) -> None:
    bands = ["B", "I", "2MASS_Ks"]
    low, high = (extinction_coefficients(bands, *DWARFS, law=law, r_v=r_v)[..., 0] for r_v in (2.5, 5.5))
    assert np.all(high[:, 0] < low[:, 0])
    assert np.all(high[:, 1:] > low[:, 1:])


def test_beyond_g23_f19_scales_the_tables() -> None:
    last, beyond = (extinction_coefficients(["B"], 3.76, 4.5, 0.0, r_v=r_v)[0, 0] for r_v in (5.59, 5.61))
    assert beyond == pytest.approx(last, rel=0.01)
    assert beyond != last


def synthetic_band(band: str, law: str, r_v: float, teff: float) -> np.ndarray:
    """Return c0, c1, c2 by integrating a black body's photons through a box of a passband, shape (3,)."""
    low, high = {"Gaia_G": (0.35, 0.95), "Gaia_BP": (0.34, 0.67), "I": (0.71, 0.88), "B": (0.39, 0.49)}[band]
    wavelength = np.linspace(low, high, 800)
    photons = wavelength**-4 / np.expm1(14387.77 / (wavelength * teff))
    a_v = np.array([0.05, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0])
    dimmed = photons * 10 ** (-0.4 * a_v[:, None] * dust_curve(law, wavelength, r_v))
    return fit_coefficients(a_v, -2.5 * np.log10(dimmed.sum(axis=1) / photons.sum()))


@pytest.mark.parametrize(
    ("band", "limit"), [("Gaia_G", 0.025), ("Gaia_BP", 0.02), ("B", 0.006), ("I", 0.006)], ids=lambda v: str(v)
)
def test_other_laws_are_as_integrated_through_the_band(band: str, limit: float) -> None:
    """Coefficients made with CCM89 and turned into another law's are those that the integral gives with that law."""
    worst_band = 0.0
    for teff in (4000.0, 6000.0, 12000.0):
        known = synthetic_band(band, "CCM89", 3.1, teff)
        for law, r_v in (("F19", 3.1), ("G23", 3.1), ("O94", 3.1), ("F19", 4.5), ("G23", 2.5), ("CCM89", 4.5)):
            found = _under_other_law(known, band, law, r_v)
            for a_v in (0.1, 1.0, 3.0):
                truth = band_extinction(synthetic_band(band, law, r_v, teff), a_v)
                assert band_extinction(found, a_v) == pytest.approx(truth, rel=limit), (teff, law, r_v, a_v)
                worst_band = max(worst_band, abs(band_extinction(known, a_v) / truth - 1.0))
    assert worst_band > 2 * limit  # the laws do differ by more than what is left


@pytest.mark.parametrize("band", GAIA)
def test_f19_agrees_with_the_gaia_polynomial(band: str) -> None:
    for teff in (4000.0, 5770.0, 10000.0):
        for a_v in (0.05, 3.0):
            assert ratio(band, teff, a_v, law="F19") == pytest.approx(gaia_edr3(band, teff, a_v), rel=0.03)


def test_astromancer_is_one_wavelength_a_band() -> None:
    bands = ["Gaia_G", "V", "SDSS_r", "2MASS_J", "DECam_g", "WISE_W1"]
    found = extinction_coefficients(bands, *DWARFS, law="astromancer")
    assert found.shape == (5, 6, 3)
    np.testing.assert_array_equal(found[..., 1:], 0.0)
    np.testing.assert_array_equal(found[0], found[-1])
    # CCM89 by hand: the infrared power law and the optical polynomial, at the tool's wavelengths.
    assert found[0, 3, 0] == pytest.approx((0.574 - 0.527 / 3.1) * 1.25**-1.61, rel=1e-6)
    y = 1.0 / 0.673 - 1.82
    a = np.polyval([0.32999, -0.77530, 0.01979, 0.72085, -0.02427, -0.50447, 0.17699, 1.0], y)
    b = np.polyval([-2.09002, 5.30260, -0.62251, -5.38434, 1.07233, 2.28305, 1.41338, 0.0], y)
    assert found[0, 0, 0] == pytest.approx(a + b / 3.1, rel=1e-6)
    assert found[0, 4, 0] == pytest.approx(dust_curve("CCM89", 0.480), rel=1e-9)
    assert found[0, 5, 0] == 0.0


def test_numbers_hold_for_all_stars() -> None:
    found = extinction_coefficients(["V", "Gaia_BP"], *DWARFS, law="BP=1.08, V=1,RP=0.63")
    np.testing.assert_array_equal(found, np.broadcast_to([[1.0, 0.0, 0.0], [1.08, 0.0, 0.0]], (5, 2, 3)))


def test_shapes_follow_the_stars() -> None:
    log_teff = np.full((2, 4, 3), 3.8)
    for law in ("tables", "F19", "astromancer"):
        found = extinction_coefficients(["V", "B", "V"], log_teff, 4.0, np.zeros((4, 1)), law=law)
        assert found.shape == (2, 4, 3, 3, 3)
        np.testing.assert_array_equal(found[..., 0, :], found[..., 2, :])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"law": "f19"}, r"unknown extinction law 'f19'.*astromancer.*Did you mean F19"),
        ({"law": "Fitzpatrick"}, "unknown extinction law"),
        ({"law": "G23", "r_v": 6.0}, "2.3 to 5.6"),
        ({"law": "astromancer", "r_v": 1.0}, "CCM89.*2 to 6"),
        ({"r_v": 1.5}, "F19.*2 to 6"),
        ({"r_v": np.nan}, "r_v, value nan"),
        ({"law": "D22"}, "V, value.*D22 does not reach.*0.8 to 4"),
        ({"law": "V=1"}, "missing.*2MASS_J.*add 2MASS_J=NUMBER"),
        ({"law": "V=1,2MASS_J=-0.3"}, "2MASS_J=-0.3.*no number"),
        ({"law": "V=one"}, "V=one.*no number"),
        ({"law": "VCG04"}, "2MASS_J, value.*VCG04 does not reach"),
    ],
)
def test_what_a_law_cannot_do_is_said(options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        extinction_coefficients(["2MASS_J", "V"], *DWARFS, **options)


def test_a_law_with_a_short_range_serves_the_bands_within() -> None:
    assert extinction_coefficients(["2MASS_J", "2MASS_Ks"], *DWARFS, law="D22").shape == (5, 2, 3)
    assert extinction_coefficients(["GALEX_FUV"], *DWARFS, law="GCC09")[2, 0, 0] > 2.0
    with pytest.raises(SettingsError, match="WISE_W3, value.*CCM89"):
        extinction_coefficients(["WISE_W3"], *DWARFS, law="CCM89")


def test_an_unknown_band_is_refused() -> None:
    with pytest.raises(BandError, match="F606W"):
        extinction_coefficients(["V", "F606W"], *DWARFS)


@pytest.mark.parametrize("law", EXTINCTION_LAWS)
def test_every_law_is_known_at_3_1(law: str) -> None:
    check_extinction_law(law, 3.1)


# --- arithmetic ------------------------------------------------------------------------------------------------------


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


def test_the_installed_tables_are_physical_everywhere() -> None:
    table = CorrectionTable.load(bands=[*GAIA, *OPTICAL]).extinction
    for a_v in (0.05, 1.0, 3.0, MAX_A_V):
        taken = band_extinction(table.coefficients, a_v) / a_v
        assert np.all((taken > 0.05) & (taken < 1.9))
