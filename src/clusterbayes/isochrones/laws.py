"""Published extinction laws by name: A(λ)/A(V) at any wavelength, for any R_V that the law was made for.

The curves themselves are those of the `dust_extinction` package (Gordon 2024, JOSS 9, 7023).  Here they get their names
and their limits, so that a mistyped name, an R_V or a wavelength that a law knows nothing about is refused with a clear
word.  Each law is named by its paper.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clusterbayes.errors import SettingsError

__all__ = ["DUST_LAWS", "check_dust_law", "dust_curve", "dust_limits"]

DUST_LAWS = {
    "CCM89": "Cardelli, Clayton & Mathis 1989, ApJ 345, 245",
    "O94": "O'Donnell 1994, ApJ 422, 158",
    "F99": "Fitzpatrick 1999, PASP 111, 63",
    "F04": "Fitzpatrick 2004, ASP Conf. Ser. 309, 33",
    "VCG04": "Valencic, Clayton & Gordon 2004, ApJ 616, 912",
    "GCC09": "Gordon, Cartledge & Clayton 2009, ApJ 705, 1320",
    "M14": "Maíz Apellániz et al. 2014, A&A 564, A63",
    "F19": "Fitzpatrick et al. 2019, ApJ 886, 108",
    "D22": "Decleir et al. 2022, ApJ 930, 15",
    "G23": "Gordon et al. 2023, ApJ 950, 86",
}
"""Name of each law, as `dust_extinction` has it, and its paper."""


def dust_limits(law: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where a law holds: the range of R_V, and that of the wavelength [µm].

    Raises
    ------
    SettingsError
        If there is no such law.
    """
    model = _model_class(law)
    low, high = (float(x) for x in model.x_range)  # wavenumbers [1/µm]
    return (float(model.Rv_range[0]), float(model.Rv_range[1])), (1.0 / high, 1.0 / low)


def check_dust_law(law: str, r_v: float) -> None:
    """Refuse a law that does not exist, or an R_V that it was not made for.

    Raises
    ------
    SettingsError
        Naming the law, the value and the range.
    """
    (low, high), _ = dust_limits(law)
    if not (math.isfinite(r_v) and low <= r_v <= high):
        raise SettingsError(
            f"the extinction law {law} does not hold at this R_V", "r_v", r_v, f"a number from {low:g} to {high:g}"
        )


def dust_curve(law: str, wavelength: ArrayLike, r_v: float = 3.1, band: str = "") -> NDArray[np.float64]:
    """Return A(λ)/A(V) of a law.

    Parameters
    ----------
    law : str
        One of `DUST_LAWS`.
    wavelength : array
        [µm]
    r_v : float
        Ratio of total to selective extinction, A(V)/E(B−V).
    band : str
        What the wavelength stands for, for messages.

    Returns
    -------
    array of the shape of `wavelength`

    Raises
    ------
    SettingsError
        If the law does not exist, or does not hold at this R_V or at one of the wavelengths.
    """
    check_dust_law(law, r_v)
    wavelength = np.asarray(wavelength, dtype=float)
    _, (low, high) = dust_limits(law)
    outside = ~((wavelength >= low) & (wavelength <= high))
    if outside.any():
        raise SettingsError(
            f"the extinction law {law} does not reach this wavelength",
            band or "wavelength",
            f"{wavelength[outside].flat[0]:.4g} µm",
            f"{low:.4g} to {high:.4g} µm",
            "choose another law, or leave out the bands there",
        )
    # Rounding may put a wavelength at the very edge outside of it.
    x = np.clip(1.0 / wavelength.ravel(), *_model_class(law).x_range)
    return np.asarray(_model_class(law)(Rv=r_v).evaluate(x, r_v), dtype=float).reshape(wavelength.shape)


@cache
def _model_class(law: str) -> Any:
    if law not in DUST_LAWS:
        raise SettingsError.unknown("extinction law", law, DUST_LAWS)
    from dust_extinction import parameter_averages  # takes a while to import

    return getattr(parameter_averages, law)
