"""How isochrones may be wrong in colour: a shift against log Teff that bands share by their wavelengths.

The likelihood and the simulator use the same pattern and the same straight lines between the knots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from clusterbayes.bands import resolve_band

__all__ = ["colour_pattern", "colour_shift"]


def colour_pattern(bands: Sequence[str], n_fitted: int) -> np.ndarray:
    """Share of a colour amplitude that each band takes, shape (n_band,).

    Parameters
    ----------
    bands : sequence of str
        The fitted bands first.
    n_fitted : int
        Number of fitted bands: the bluest of them takes ½ and the reddest −½, by the logarithm of the wavelength.
    """
    wavelength = np.log([resolve_band(band).wavelength for band in bands])
    fitted = wavelength[:n_fitted]
    span = np.ptp(fitted)
    return (np.mean([fitted.min(), fitted.max()]) - wavelength) / (span if span > 0 else 1.0)


def colour_shift(log_teff: np.ndarray, amplitudes: Mapping[float, float], bands: Sequence[str]) -> np.ndarray:
    """Shift of each band [mag], shape (n, n_band), for amplitudes [mag] at knots in log Teff.

    Straight lines between the knots, constant beyond them. No amplitudes: no shift.
    """
    if not amplitudes:
        return np.zeros((np.size(log_teff), len(bands)))
    knots = np.array(sorted(amplitudes))
    shift = np.interp(log_teff, knots, [amplitudes[knot] for knot in knots])
    return shift[:, None] * colour_pattern(bands, len(bands))
