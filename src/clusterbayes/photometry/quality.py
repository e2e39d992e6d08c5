"""What of Gaia's photometry and astrometry is not to be trusted: saturation, faint BP, crowded BP and RP, RUWE.

Two guards act always: BP magnitudes that are too faint are biased, and those of very bright stars saturate; they count
as missing, and the star is used with what else it has. Two cuts act when they are asked for: on RUWE, and on the BP/RP
flux excess corrected for colour. Sources: Riello et al. (2021, A&A 649, A3) and Lindegren et al. (2021, A&A 649, A2).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clusterbayes.errors import SettingsError

__all__ = ["Guarded", "corrected_excess", "excess_scatter", "guarded", "too_noisy"]

FAINT_BP = 20.3
"""Faintest BP to be used [mag]; beyond it fluxes are overestimated (Riello et al. 2021, section 8.1)."""
SATURATED = {"Gaia_G": 2.0, "Gaia_BP": 3.94, "Gaia_RP": 3.45}
"""Magnitudes above which detectors saturate: of G for G and BP, of RP for RP (Riello et al. 2021, appendix C.1)."""

# Colour at the lower end of each piece, and its coefficients by rising power (Riello et al. 2021, table 2).
_EXCESS = (
    (-np.inf, (1.154360, 0.033772, 0.032277)),
    (0.5, (1.162004, 0.011464, 0.049255, -0.005879)),
    (4.0, (1.057572, 0.140537)),
)

Guarded = dict[str, list[tuple[NDArray[np.bool_], str]]]
"""For each band, which values (n_input,) are not to be used, and why."""


def corrected_excess(excess: ArrayLike, bp_rp: ArrayLike) -> NDArray[np.float64]:
    """Return the BP/RP flux excess factor with its dependence on colour taken out: near zero for a well-behaved star.

    Riello et al. (2021, A&A 649, A3), eq. 6 with table 2.

    Parameters
    ----------
    excess : array_like, shape (n_star,)
        `phot_bp_rp_excess_factor`.
    bp_rp : array_like, shape (n_star,)
        BP−RP [mag].

    Returns
    -------
    ndarray, shape (n_star,)
        NaN where either is missing.
    """
    colour = np.asarray(bp_rp, dtype=np.float64)
    expected = np.full(colour.shape, np.nan)
    for low, coefficients in _EXCESS:
        piece = colour >= low
        expected[piece] = np.polynomial.polynomial.polyval(colour[piece], coefficients)
    return np.asarray(excess, dtype=np.float64) - expected


def excess_scatter(magnitude: ArrayLike) -> NDArray[np.float64]:
    """Return the scatter of the corrected excess factor of well-behaved stars at a magnitude G (n_star,) [mag].

    Riello et al. (2021, A&A 649, A3), eq. 18.
    """
    return 0.0059898 + 8.817481e-12 * np.asarray(magnitude, dtype=np.float64) ** 7.618399


def guarded(magnitudes: Mapping[str, NDArray[np.float64]]) -> Guarded:
    """Find the Gaia magnitudes that are not to be used.

    Parameters
    ----------
    magnitudes : mapping of str to ndarray, shape (n_input,)
        Those of Gaia_G, Gaia_BP and Gaia_RP that the table has [mag].

    Returns
    -------
    dict of str to list of (ndarray of bool, str)
        For each band, masks with their reason.
    """
    found: Guarded = {}
    bp, g = magnitudes.get("Gaia_BP"), magnitudes.get("Gaia_G")
    if bp is not None:
        found["Gaia_BP"] = [(bp > FAINT_BP, f"fainter than BP={FAINT_BP:g}, where fluxes are overestimated,")]
    for band, reference in (("Gaia_G", g), ("Gaia_BP", bp if g is None else g), ("Gaia_RP", magnitudes.get("Gaia_RP"))):
        if reference is not None:
            found.setdefault(band, []).append((reference < SATURATED[band], "of saturated stars"))
    return found


def too_noisy(name: str, limit: float | None) -> float | None:
    """Check the limit of a cut: a positive number, or None for no cut.

    Raises
    ------
    SettingsError
        If it is something else.
    """
    if limit is None:
        return None
    try:
        number = float(limit)
    except (TypeError, ValueError):
        number = np.nan
    if not (np.isfinite(number) and number > 0.0):
        raise SettingsError("not a limit", name, limit, "a number above 0")
    return number
