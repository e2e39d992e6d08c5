"""Particulars of simulations: taken from a fit's parameters, and seen in the stars."""

from __future__ import annotations

import numpy as np
import pytest
from unit.model.mocks import GAIA, mock_table

from clusterbayes.model.details import Details
from clusterbayes.model.discrepancy import colour_pattern, colour_shift


def test_particulars_are_taken_from_parameters_by_name():
    values = {"alpha_2": 2.1, "q_slope": 0.5, "outlier_frac": 0.03, "floor_Gaia_G": 0.01, "colour_3.60": -0.02}
    details = Details.from_parameters({**values, "zero_point_Gaia_BP": 0.04, "mh": 0.1}, binary_law="power")
    assert details.alpha == (2.1, 2.1) and details.q_slope == 0.5 and details.outlier_frac == 0.03
    assert details.floor == {"Gaia_G": 0.01} and details.colour == {3.6: -0.02}
    assert details.zero_point == {"Gaia_BP": 0.04} and details.binary_law == "power"


def test_a_zero_point_shifts_its_band_alone():
    plain, moved = (mock_table(60, details=Details(zero_point=zero)) for zero in ({}, {"Gaia_BP": 0.3}))
    shift = [np.median(np.asarray(moved[band]) - np.asarray(plain[band])) for band in GAIA]
    assert shift == pytest.approx([0.0, 0.3, 0.0], abs=0.01)


def test_outliers_are_members_without_a_mass():
    table = mock_table(400, 50, details=Details(outlier_frac=0.25))
    n_outliers = np.count_nonzero(np.asarray(table["is_member"]) & np.isnan(np.asarray(table["mass"])))
    assert abs(n_outliers - 100) < 4 * np.sqrt(400 * 0.25 * 0.75)


def test_a_colour_shift_is_straight_between_knots_and_shared_by_wavelength():
    shift = colour_shift(np.array([3.4, 3.55, 3.9]), {3.5: 0.1, 3.6: 0.0}, GAIA)
    pattern = colour_pattern(GAIA, 3)
    assert np.ptp(pattern) == pytest.approx(1.0) and pattern[1] == pytest.approx(0.5)
    np.testing.assert_allclose(shift, np.array([[0.1], [0.05], [0.0]]) * pattern, atol=1e-12)
