"""Dust laws by name against the tables of their own papers, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.errors import SettingsError
from clusterbayes.isochrones.laws import DUST_LAWS, check_dust_law, dust_curve, dust_limits

OPTICAL = [law for law in DUST_LAWS if law not in ("VCG04", "GCC09", "D22")]


@pytest.mark.parametrize("r_v", [2.0, 3.1, 5.0])
def test_ccm89_table_3(r_v: float) -> None:
    # Cardelli, Clayton & Mathis 1989, Table 3: x [1/µm], a, b for U V R I J H K, with A/A(V) = a + b / R_V.  Its B is
    # known to be misprinted and its L lies outside of the formula's range.
    x = np.array([2.78, 1.82, 1.43, 1.11, 0.80, 0.63, 0.46])
    a = np.array([0.9530, 1.0, 0.8686, 0.6800, 0.4008, 0.2693, 0.1615])
    b = np.array([1.9090, 0.0, -0.3660, -0.6239, -0.3679, -0.2473, -0.1483])
    np.testing.assert_allclose(dust_curve("CCM89", 1.0 / x, r_v), a + b / r_v, atol=0.004)


def test_ccm89_at_the_usual_r_v() -> None:
    # The same table's column for R_V = 3.1, with B as corrected since.
    x = np.array([2.78, 2.27, 1.82, 1.43, 1.11, 0.80, 0.63, 0.46])
    expected = [1.569, 1.322, 1.000, 0.751, 0.479, 0.282, 0.190, 0.114]
    np.testing.assert_allclose(dust_curve("CCM89", 1.0 / x), expected, atol=0.003)


def test_o94_equation() -> None:
    # O'Donnell 1994, section 4: polynomials in y = x - 1.82 for 1.1 <= x <= 3.3.
    x = np.linspace(1.15, 3.25, 12)
    y = x - 1.82
    a = np.polyval([-0.505, 1.647, -0.827, -1.718, 1.137, 0.701, -0.609, 0.104, 1.0], y)
    b = np.polyval([3.347, -10.805, 5.491, 11.102, -7.985, -3.989, 2.908, 1.952, 0.0], y)
    np.testing.assert_allclose(dust_curve("O94", 1.0 / x, 4.0), a + b / 4.0, rtol=1e-9)


def test_f99_table_3() -> None:
    # Fitzpatrick 1999, Table 3: A/E(B-V) at the anchors of the spline for R_V = 3.1.
    wavelength = [2.65, 1.22, 0.600, 0.547, 0.467, 0.411, 0.270, 0.260]
    expected = np.array([0.265, 0.829, 2.688, 3.055, 3.806, 4.315, 6.265, 6.591]) / 3.1
    np.testing.assert_allclose(dust_curve("F99", wavelength), expected, atol=0.002)


def test_f04_infrared() -> None:
    # Fitzpatrick 2004, equation for the infrared: E(x)/E(B-V) = (0.63 R_V - 0.84) x^1.84.
    for r_v in (3.1, 5.0):
        x = np.array([0.5, 0.75])
        np.testing.assert_allclose(
            dust_curve("F04", 1.0 / x, r_v) * r_v, (0.63 * r_v - 0.84) * x**1.84, rtol=0.03, atol=0.01
        )


def test_f19_table_3() -> None:
    # Fitzpatrick et al. 2019, Table 3: k = E(λ - 0.55 µm)/E(0.44 µm - 0.55 µm) of the mean curve, R_V = 3.1.
    x = np.array([0.455, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6, 2.7])
    k = [-2.747, -2.222, -1.757, -1.300, -0.868, -0.407, -0.048, 0.438, 0.838, 1.181, 1.476, 1.632]
    at, at_v, at_b = dust_curve("F19", 1.0 / x), dust_curve("F19", 1.0 / 1.818), dust_curve("F19", 1.0 / 2.273)
    np.testing.assert_allclose((at - at_v) / (at_b - at_v), k, atol=0.002)


def test_m14_values() -> None:
    # Maíz Apellániz et al. 2014: A/A(5495 Å) at x = 0.5 and 2 for R_5495 = 3.1.
    np.testing.assert_allclose(dust_curve("M14", [2.0, 0.5]), [0.1323, 1.141], atol=1e-3)


def test_d22_power_law() -> None:
    # Decleir et al. 2022, abstract: A(λ)/A(V) = 0.377 λ^-1.78 at R_V = 3.1, 0.8 to 4 µm.
    wavelength = np.array([0.85, 1.25, 2.2, 3.6])
    np.testing.assert_allclose(dust_curve("D22", wavelength), 0.377 * wavelength**-1.78, rtol=1e-6)


def test_g23_joins_its_sources() -> None:
    # Gordon et al. 2023: the optical follows the spectra of F19, 1.5 % off in its normalisation (0.9854) and smoother;
    # the infrared at R_V = 3.1 is a power law, 0.38526 λ^-1.68467, until the silicate feature at 10 µm begins.
    optical, infrared = np.linspace(0.4, 0.8, 9), np.array([1.3, 1.6, 2.0])
    np.testing.assert_allclose(dust_curve("G23", optical), dust_curve("F19", optical), rtol=0.04)
    np.testing.assert_allclose(dust_curve("G23", infrared), 0.38526 * infrared**-1.68467 / 0.9854, rtol=0.003)
    assert dust_curve("G23", 9.7) > 1.8 * dust_curve("G23", 7.5)


@pytest.mark.parametrize("law", OPTICAL)
@pytest.mark.parametrize("r_v", [2.5, 3.1, 5.0])
def test_dust_reddens(law: str, r_v: float) -> None:
    wavelength = np.geomspace(0.33, 3.3, 120)  # further blue, the polynomial of O94 turns over at large R_V
    curve = dust_curve(law, wavelength, r_v)
    assert np.all(np.diff(curve) < 0)
    assert dust_curve(law, 0.549, r_v) == pytest.approx(1.0, abs=0.03)
    # E(B-V)/A(V) = 1/R_V to what the width of real bands does to it.
    assert dust_curve(law, 0.44, r_v) - dust_curve(law, 0.549, r_v) == pytest.approx(1.0 / r_v, rel=0.11)


@pytest.mark.parametrize("law", DUST_LAWS)
def test_every_law_keeps_to_its_range(law: str) -> None:
    (low, high), (blue, red) = dust_limits(law)
    assert low < 3.1 < high
    assert np.all(np.isfinite(dust_curve(law, [blue, np.sqrt(blue * red), red])))
    for wavelength in (0.99 * blue, 1.01 * red, np.nan):
        with pytest.raises(SettingsError, match=f"{law} does not reach") as error:
            dust_curve(law, [np.sqrt(blue * red), wavelength], band="Gaia_X")
        assert error.value.name == "Gaia_X"
    for r_v in (low - 0.1, high + 0.1, np.nan, np.inf):
        with pytest.raises(SettingsError, match=f"{law} does not hold at this R_V.*{low:g} to {high:g}"):
            check_dust_law(law, r_v)


def test_an_unknown_law_is_not_guessed() -> None:
    with pytest.raises(SettingsError, match=r"unknown extinction law 'f19'.*Did you mean F19"):
        dust_curve("f19", 0.5)


def test_shape_is_kept() -> None:
    assert dust_curve("F19", 0.5).shape == ()
    assert dust_curve("F19", np.full((2, 3), 0.5)).shape == (2, 3)
