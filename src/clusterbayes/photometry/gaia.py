"""Gaia's own column names, and errors of magnitudes from the signal-to-noise of fluxes.

The archive publishes no magnitude errors: they follow from the flux over its error, to which the uncertainty of the
zero point of each band is added in quadrature (Riello et al. 2021, A&A 649, A3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ARCHIVE_COLOURS",
    "ARCHIVE_MAGNITUDES",
    "SIGNAL_TO_NOISE",
    "ZERO_POINT_ERROR",
    "magnitude_error",
]

ARCHIVE_MAGNITUDES: dict[str, str] = {
    "phot_g_mean_mag": "Gaia_G",
    "phot_bp_mean_mag": "Gaia_BP",
    "phot_rp_mean_mag": "Gaia_RP",
}

ARCHIVE_COLOURS: dict[str, str] = {
    "bp_rp": "Gaia_BP-Gaia_RP",
    "bp_g": "Gaia_BP-Gaia_G",
    "g_rp": "Gaia_G-Gaia_RP",
}

# One column with the ratio, or a flux and its error: the archive's names, then VizieR's.
SIGNAL_TO_NOISE: dict[str, tuple[tuple[str, ...], ...]] = {
    f"Gaia_{band.upper()}": (
        (f"phot_{band}_mean_flux_over_error",),
        (f"phot_{band}_mean_flux", f"phot_{band}_mean_flux_error"),
        (f"RF{band.upper()}",),
        (f"F{band.upper()}", f"e_F{band.upper()}"),
    )
    for band in ("g", "bp", "rp")
}

# Uncertainty of the EDR3 zero points [mag] (Gaia EDR3 documentation, photometric zero points).
ZERO_POINT_ERROR: dict[str, float] = {"Gaia_G": 0.0027553202, "Gaia_BP": 0.0027901700, "Gaia_RP": 0.0037793818}


def magnitude_error(snr: ArrayLike, band: str) -> NDArray[np.float64]:
    """Return the error of Gaia magnitudes from the signal-to-noise of the fluxes.

    σ² = (2.5 / ln 10 / SNR)² + σ_zp², with the zero point's uncertainty in EDR3.

    Parameters
    ----------
    snr : array_like, shape (n_star,)
        Mean flux over its error.
    band : str
        "Gaia_G", "Gaia_BP" or "Gaia_RP".

    Returns
    -------
    ndarray, shape (n_star,)
        Errors [mag]; NaN where the ratio is missing or not positive.
    """
    ratio = np.asarray(snr, dtype=np.float64)
    ratio = np.where(ratio > 0, ratio, np.nan)
    return np.hypot(2.5 / np.log(10.0) / ratio, ZERO_POINT_ERROR[band])
