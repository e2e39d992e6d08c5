"""The zero point of Gaia (E)DR3 parallaxes as a function of magnitude, colour and ecliptic latitude.

Lindegren et al. (2021, A&A 649, A4) give one function for sources with five and one for those with six astrometric
parameters: sums of products of functions of colour and latitude, with coefficients that are linear between nodes of
the G magnitude. The value is subtracted from the catalogue's parallax.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FIVE_PARAMETERS", "SIX_PARAMETERS", "parallax_zero_point", "sine_ecliptic_latitude"]

#: Values of `astrometric_params_solved` in the Gaia archive.
FIVE_PARAMETERS, SIX_PARAMETERS = 31, 95

# Nodes [mag] and coefficients [µas], Lindegren et al. (2021), tables 9 and 10.
_MAGNITUDE = np.array([6.0, 10.8, 11.2, 11.8, 12.2, 12.9, 13.1, 15.9, 16.1, 17.5, 19.0, 20.0, 21.0])
# The power of colour (j) and of latitude (k) that each column of coefficients belongs to.
_FIVE_TERMS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (3, 0), (4, 0))
_FIVE = np.array(
    [
        [-26.98, -9.62, 27.40, -25.1, 0.0, -1257.0, 0.0, 0.0],
        [-27.23, -3.07, 23.04, 35.3, 15.7, -1257.0, 0.0, 0.0],
        [-30.33, -9.23, 9.08, -88.4, -11.8, -1257.0, 0.0, 0.0],
        [-33.54, -10.08, 13.28, -126.7, 11.6, -1257.0, 0.0, 0.0],
        [-13.65, -0.07, 9.35, -111.4, 40.6, -1257.0, 0.0, 0.0],
        [-19.53, -1.64, 15.86, -66.8, 20.6, -1257.0, 0.0, 0.0],
        [-37.99, 2.63, 16.14, -5.7, 14.0, -1257.0, 107.9, 104.3],
        [-38.33, 5.61, 15.42, 0.0, 18.7, -1189.0, 243.8, 155.2],
        [-31.05, 2.83, 8.59, 0.0, 15.5, -1404.0, 105.5, 170.7],
        [-29.18, -0.09, 2.41, 0.0, 24.5, -1165.0, 189.7, 325.0],
        [-18.40, 5.98, -6.46, 0.0, 5.5, 0.0, 0.0, 276.6],
        [-12.65, -4.57, -7.46, 0.0, 97.9, 0.0, 0.0, 0.0],
        [-18.22, -15.24, -18.54, 0.0, 128.2, 0.0, 0.0, 0.0],
    ]
)
_SIX_TERMS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0))
_SIX = np.array(
    [
        [-27.85, -7.78, 27.47, -32.1, 14.4, 9.5, -67.0],
        [-28.91, -3.57, 22.92, 7.7, 12.6, 1.6, -572.0],
        [-26.72, -8.74, 9.36, -30.3, 5.6, 17.2, -1104.0],
        [-29.04, -9.69, 13.63, -49.4, 36.3, 17.7, -1129.0],
        [-12.39, -2.16, 10.23, -92.6, 19.8, 27.6, -365.0],
        [-18.99, -1.93, 15.90, -57.2, -8.0, 19.9, -554.0],
        [-38.29, 2.59, 16.20, -10.5, 1.4, 0.4, -960.0],
        [-36.83, 4.20, 15.76, 22.3, 11.1, 10.0, -1367.0],
        [-28.37, 1.99, 9.28, 50.4, 17.2, 13.7, -1351.0],
        [-24.68, -1.37, 3.52, 86.8, 19.8, 21.3, -1380.0],
        [-15.32, 4.01, -6.03, 29.2, 14.1, 0.4, -563.0],
        [-13.73, -10.92, -8.30, -74.4, 196.4, -42.0, 536.0],
        [-29.53, -20.34, -18.74, -39.5, 326.8, -262.3, 1598.0],
    ]
)
# Colours for which the functions were fitted [1/µm].
_FIVE_RANGE, _SIX_RANGE = (1.1, 1.9), (1.24, 1.72)
_OBLIQUITY = np.radians(23.0 + 26.0 / 60.0 + 21.406 / 3600.0)  # of the ecliptic at J2000 (IAU 2006)


def parallax_zero_point(
    magnitude: ArrayLike,
    nu_eff: ArrayLike,
    pseudocolour: ArrayLike,
    sine_latitude: ArrayLike,
    params_solved: ArrayLike,
) -> NDArray[np.float64]:
    """Return the zero point of parallaxes, to be subtracted from the catalogue's.

    Lindegren et al. (2021, A&A 649, A4), eqs. A.3 to A.5 with tables 9 and 10.

    Parameters
    ----------
    magnitude : array_like, shape (n_star,)
        G [mag]; beyond 6 to 21 the value at the end is taken.
    nu_eff, pseudocolour : array_like, shape (n_star,)
        Effective wavenumber used in the astrometry (five parameters) and astrometrically estimated (six) [1/µm].
    sine_latitude : array_like, shape (n_star,)
        Sine of the ecliptic latitude.
    params_solved : array_like, shape (n_star,)
        31 for solutions with five parameters, 95 for six.

    Returns
    -------
    ndarray, shape (n_star,)
        [mas]; NaN where something is missing, or a colour lies outside 1.1 to 1.9 (five parameters) or 1.24 to 1.72
        (six).
    """
    g, nu, pseudo, sine, solved = (
        np.asarray(column, dtype=np.float64)
        for column in np.broadcast_arrays(magnitude, nu_eff, pseudocolour, sine_latitude, params_solved)
    )
    result = np.full(g.shape, np.nan)
    kinds = (
        (FIVE_PARAMETERS, nu, _FIVE_RANGE, _FIVE, _FIVE_TERMS),
        (SIX_PARAMETERS, pseudo, _SIX_RANGE, _SIX, _SIX_TERMS),
    )
    for code, colour, (low, high), coefficients, terms in kinds:
        use = (solved == code) & (colour >= low) & (colour <= high) & np.isfinite(g) & np.isfinite(sine)
        by_colour, by_latitude = _colour_terms(colour[use]), _latitude_terms(sine[use])
        total = np.zeros(np.count_nonzero(use))
        for column, (j, k) in zip(coefficients.T, terms, strict=True):
            total += np.interp(g[use], _MAGNITUDE, column) * by_colour[j] * by_latitude[k]
        result[use] = 1e-3 * total
    return result


def sine_ecliptic_latitude(ra: ArrayLike, dec: ArrayLike) -> NDArray[np.float64]:
    """Return the sine of the ecliptic latitude of directions (n_star,) [deg] at J2000."""
    alpha, delta = np.radians(np.asarray(ra, dtype=np.float64)), np.radians(np.asarray(dec, dtype=np.float64))
    return np.cos(_OBLIQUITY) * np.sin(delta) - np.sin(_OBLIQUITY) * np.cos(delta) * np.sin(alpha)


def _colour_terms(colour: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    return (
        np.ones(colour.shape),
        np.clip(colour - 1.48, -0.24, 0.24),
        np.clip(1.48 - colour, 0.0, 0.24) ** 3,
        np.minimum(colour - 1.24, 0.0),
        np.maximum(colour - 1.72, 0.0),
    )


def _latitude_terms(sine: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    return np.ones(sine.shape), sine, sine**2 - 1.0 / 3.0
