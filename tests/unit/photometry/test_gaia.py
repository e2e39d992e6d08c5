from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.photometry.gaia import ZERO_POINT_ERROR, magnitude_error


def test_the_error_of_a_faint_star_is_that_of_its_flux():
    # 1.0857 / 50 = 0.0217 mag, beside which the zero point is nothing.
    np.testing.assert_allclose(magnitude_error([50.0], "Gaia_BP"), [0.02189], atol=2e-5)


@pytest.mark.parametrize("band", ZERO_POINT_ERROR)
def test_the_error_of_a_bright_star_is_that_of_the_zero_point(band):
    np.testing.assert_allclose(magnitude_error(1e9, band), ZERO_POINT_ERROR[band])


def test_terms_add_in_quadrature():
    # With the flux term equal to the zero point's, the sum is √2 of either.
    snr = 2.5 / np.log(10) / ZERO_POINT_ERROR["Gaia_G"]
    np.testing.assert_allclose(magnitude_error(snr, "Gaia_G"), np.sqrt(2) * ZERO_POINT_ERROR["Gaia_G"])


def test_ratios_that_are_missing_or_not_positive_give_no_error():
    assert np.isnan(magnitude_error([0.0, -3.0, np.nan], "Gaia_RP")).all()
