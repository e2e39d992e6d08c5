"""How much light dust takes away in a band, for a star of given temperature, gravity and metallicity.

In a wide band the extinction depends on the star's spectrum and on the amount of dust already in front of it, so a
constant A_b/A_V will not do.  Here A_b = A_V (c0 + c1 A_V + c2 A_V^2) for 0 <= A_V <= 6 mag, with coefficients from the
tables of bolometric corrections, which hold for R_V = 3.1 and the law of Cardelli, Clayton & Mathis (1989).  Another
law, another R_V and bands without a table follow from them, star by star: the tables' value says where in the spectrum
the band's light sits, and the other law is read there (docs/extinction.md).  Catalogues that were simulated with one
number a band are met by such numbers in place of a law's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clusterbayes.bands import BANDS, resolve_band
from clusterbayes.errors import BandError, SettingsError
from clusterbayes.isochrones.bolometric import CorrectionTable, correction_bands
from clusterbayes.isochrones.laws import DUST_LAWS, check_dust_law, dust_curve, dust_limits

__all__ = [
    "ASTROMANCER_WAVELENGTHS",
    "EXTINCTION_LAWS",
    "MAX_A_V",
    "band_extinction",
    "check_extinction_law",
    "extinction_coefficients",
    "fit_coefficients",
]

Array = NDArray[np.float64]

MAX_A_V = 6.0
"""Largest A_V [mag] for which the coefficients hold."""

EXTINCTION_LAWS = ("tables", *DUST_LAWS, "astromancer")
"""Names that `extinction_coefficients` takes; beside them it takes numbers, as in ``G=0.84,BP=1.08,RP=0.63``."""

_TABLE_LAW, _TABLE_R_V = "CCM89", 3.1
_A_V_NODES = np.array([0.05, 0.5, 1.0, 2.0, 4.0, 6.0])

# Wide bands average a law over more of the spectrum, and follow the star too closely to stand in for others.
_WIDE_BANDS = {"Gaia_G", "Gaia_BP", "Gaia_RP", "R", "TESS", "PS1_w", "Hipparcos_Hp"}
_HALF_WIDTH, _WIDE_HALF_WIDTH = 0.1, 0.2  # in ln(wavelength)

# A band without a table: its wavelength [µm], and the tabulated band nearest to it with its own.  Both are pivot
# wavelengths, since two conventions would mix to errors of 2 %.
_NEIGHBOURS = {
    "J": (1.220, "2MASS_J", 1.235),
    "H": (1.630, "2MASS_H", 1.662),
    "K": (2.190, "2MASS_Ks", 2.159),
    "DECam_u": (0.3814, "SDSS_u", 0.3557),
    "DECam_g": (0.4808, "PS1_g", 0.4849),
    "DECam_r": (0.6418, "PS1_r", 0.6201),
    "DECam_i": (0.7813, "PS1_i", 0.7535),
    "DECam_z": (0.9180, "SDSS_z", 0.8947),
    "DECam_Y": (0.9874, "PS1_y", 0.9628),
}

ASTROMANCER_WAVELENGTHS = {
    **{"U": 0.364, "B": 0.442, "V": 0.54, "R": 0.647, "I": 0.7865, "J": 1.25, "H": 1.65, "K": 2.15},
    **{"SDSS_u": 0.354, "SDSS_g": 0.475, "SDSS_r": 0.622, "SDSS_i": 0.763, "SDSS_z": 0.905},
    **{"2MASS_J": 1.25, "2MASS_H": 1.65, "2MASS_Ks": 2.15},
    **{"WISE_W1": 3.4, "WISE_W2": 4.6, "WISE_W3": 12.0, "WISE_W4": 22.0},
    **{"Gaia_BP": 0.532, "Gaia_G": 0.673, "Gaia_RP": 0.797},
}
"""Wavelength [µm] that the Astromancer tool gives each band (github.com/SkynetRTN/astromancer, 2024)."""


def band_extinction(coefficients: ArrayLike, a_v: float) -> Array:
    """Return A_b = A_V (c0 + c1 A_V + c2 A_V^2).

    Parameters
    ----------
    coefficients : (..., 3) array
        c0, c1 [1/mag], c2 [1/mag2].
    a_v : float
        Extinction in V [mag].

    Returns
    -------
    (...) array
        Extinction in the band [mag].
    """
    c = np.asarray(coefficients, dtype=float)
    return np.asarray(a_v * (c[..., 0] + a_v * (c[..., 1] + a_v * c[..., 2])))


def fit_coefficients(a_v: ArrayLike, a_band: ArrayLike) -> Array:
    """Fit c0, c1, c2 to tabulated extinctions by weighted least squares on A_b/A_V.

    Small A_V counts most: half weight at A_V = 1.5 mag, so that the curve is right where most clusters are.

    Parameters
    ----------
    a_v : (n,) array
        Positive A_V nodes [mag].
    a_band : (..., n) array
        A_b [mag] at those nodes.

    Returns
    -------
    (..., 3) array
        c0, c1, c2.
    """
    a_v = np.asarray(a_v, dtype=float)
    ratio = np.asarray(a_band, dtype=float) / a_v
    weight = 1.0 / (1.0 + (a_v / 1.5) ** 2)
    design = a_v[:, None] ** np.arange(3) * weight[:, None]
    solve = np.linalg.pinv(design) * weight
    return np.asarray(ratio @ solve.T)


def check_extinction_law(law: str, r_v: float) -> None:
    """Refuse a law that does not exist, or an R_V that it was not made for.

    Raises
    ------
    SettingsError
        Naming the law, the value and what would do.
    BandError
        If numbers are given for a band that is not known.
    """
    if "=" in law:
        _constants(law)
        return
    if law not in EXTINCTION_LAWS:
        raise SettingsError.unknown("extinction law", law, EXTINCTION_LAWS)
    if (law, r_v) == ("tables", _TABLE_R_V):
        return  # nothing to ask of a dust law
    check_dust_law(_dust_law(law, r_v), r_v)


def extinction_coefficients(
    bands: Sequence[str],
    log_teff: ArrayLike,
    log_g: ArrayLike,
    mh: ArrayLike,
    *,
    law: str = "tables",
    r_v: float = 3.1,
) -> Array:
    """Return the extinction coefficients of stars in some bands.

    Parameters
    ----------
    bands : sequence of str
        Canonical names.
    log_teff, log_g, mh : array, broadcastable to one shape
        log10 of Teff [K] and g [cm/s2], and [M/H] [dex].
    law : str
        "tables": those of the bolometric corrections; for other R_V multiplied by the ratio of the law G23 at that R_V
        to G23 at 3.1 (F19 where R_V is beyond G23).  A name of `DUST_LAWS`: that law, where the band's light sits in
        the star's spectrum according to the tables.  "astromancer": CCM89 at one wavelength a band.
        "BAND=NUMBER,...": A_b/A_V of each band, the same for all stars; R_V then only turns A_V into E(B-V).
    r_v : float
        Ratio of total to selective extinction, A(V)/E(B-V).

    Returns
    -------
    (..., n_band, 3) array
        c0, c1, c2 of every band, for `band_extinction`.

    Raises
    ------
    SettingsError
        If the law is unknown or does not reach R_V or a band.
    BandError
        If a band is unknown.
    """
    check_extinction_law(law, r_v)
    unknown = [band for band in bands if band not in BANDS]
    if unknown:
        raise BandError(unknown[0], f"the wavelength of the band {unknown[0]} is not known, and so not its extinction")
    if "=" in law or law == "astromancer":
        ratios = _constants(law, bands) if "=" in law else {band: _astromancer(band, r_v) for band in bands}
        shape = np.broadcast_shapes(*(np.shape(values) for values in (log_teff, log_g, mh)))
        out = np.zeros((*shape, len(bands), 3))
        out[..., 0] = [ratios[band] for band in bands]
        return out
    present = correction_bands()
    sources = {band: _source(band, present) for band in bands}
    needed = tuple(dict.fromkeys(source for source, _ in sources.values()))
    table = CorrectionTable.load(bands=needed).extinction.evaluate(log_teff, log_g, mh)
    out = np.stack([ratio * table[..., needed.index(source), :] for source, ratio in sources.values()], axis=-2)
    if (law, r_v) != ("tables", _TABLE_R_V):
        for b, band in enumerate(sources):
            out[..., b, :] = _under_other_law(out[..., b, :], band, law, r_v)
    return out[..., [list(sources).index(band) for band in bands], :]


def _constants(law: str, needed: Sequence[str] = ()) -> dict[str, float]:
    """Return A_b/A_V by band of a text such as "G=0.84,BP=1.08"; refuse one that lacks a needed band."""
    ratios: dict[str, float] = {}
    for part in law.split(","):
        name, _, text = part.partition("=")
        try:
            ratio = float(text)
        except ValueError:
            ratio = math.nan
        if not 0.0 <= ratio < math.inf:
            raise SettingsError("this is no number A_b/A_V of a band", "extinction_law", part, "such as Gaia_G=0.84")
        ratios[resolve_band(name.strip()).name] = ratio
    missing = [band for band in needed if band not in ratios]
    if missing:
        remedy = f"add {missing[0]}=NUMBER, its A_b/A_V"
        raise SettingsError("the extinction of a band is missing", "extinction_law", law, missing[0], remedy)
    return ratios


def _dust_law(law: str, r_v: float) -> str:
    """Return the dust law that a name stands for, or that scales the tables."""
    if law == "tables":
        (low, high), _ = dust_limits("G23")
        return "G23" if low <= r_v <= high else "F19"
    return _TABLE_LAW if law == "astromancer" else law


def _astromancer(band: str, r_v: float) -> float:
    """Return A_b/A_V of CCM89 at the band's one wavelength; 0 beyond 3.3 µm, as the Astromancer tool has it."""
    wavelength = ASTROMANCER_WAVELENGTHS.get(band, BANDS[band].wavelength)
    return float(dust_curve(_TABLE_LAW, wavelength, r_v, band)) if wavelength < 1.0 / 0.3 else 0.0


def _source(band: str, present: Sequence[str]) -> tuple[str, float]:
    """Return the band whose table serves, and the factor that its coefficients need: 1, or a ratio of the law G23."""
    if band in present:
        return band, 1.0
    wavelength, source, other = _NEIGHBOURS.get(band, (BANDS[band].wavelength, "", 0.0))
    if not source:
        near = {name: BANDS[name].wavelength for name in present if name in BANDS and name not in _WIDE_BANDS}
        source, other = min(near.items(), key=lambda item: abs(np.log(item[1] / wavelength)))
    here, there = dust_curve("G23", [wavelength, other], _TABLE_R_V, band)
    return source, float(here / there)


def _under_other_law(coefficients: Array, band: str, law: str, r_v: float) -> Array:
    """Turn the tables' coefficients of a band, shape (..., 3), into those for another law or R_V.

    A law stands for its average over the band's width here, so that the wiggles of its formula do not count.  Where the
    average of the tables' law equals the tables' value, there the band's light sits for this star and A_V; there the
    other law is read.
    """
    wanted, scaled = _dust_law(law, r_v), law == "tables"
    half_width = _WIDE_HALF_WIDTH if band in _WIDE_BANDS else _HALF_WIDTH

    def factor(wavelength: Array) -> Array:
        value = _averaged(lambda x: dust_curve(wanted, x, r_v, band), wavelength, half_width)
        if scaled:
            return value / _averaged(lambda x: dust_curve(wanted, x, _TABLE_R_V, band), wavelength, half_width)
        return value / _averaged(_table_curve, wavelength, half_width)

    middle = BANDS[band].wavelength
    if not 0.32 < middle < 2.8:  # here CCM89 does not fall with wavelength, or is an extrapolation
        return coefficients * factor(np.array([middle]))
    ratio = coefficients @ np.vander(_A_V_NODES, 3, increasing=True).T  # A_b/A_V at the nodes
    effective = np.interp(ratio, *_table_inverse(half_width))
    # Laws are smooth: the factor at a few hundred wavelengths, over the range that occurs, does for all the stars.
    few = np.unique(np.geomspace(effective.min(), effective.max(), 256))
    return fit_coefficients(_A_V_NODES, _A_V_NODES * ratio * np.interp(effective, few, factor(few)))


@cache
def _table_inverse(half_width: float) -> tuple[Array, Array]:
    """Return A_b/A_V of the tables' law, increasing, and the wavelengths [µm] at which it takes that."""
    wavelength = np.geomspace(2.9, 0.3, 1024)
    return _averaged(_table_curve, wavelength, half_width), wavelength


def _averaged(curve: Callable[[Array], Array], wavelength: Array, half_width: float) -> Array:
    """Return the average of a curve over ln(wavelength) - half_width to ln(wavelength) + half_width."""
    return np.asarray(curve(wavelength * np.exp(np.linspace(-half_width, half_width, 9))[:, None]).mean(axis=0))


def _table_curve(wavelength: Array) -> Array:
    """Return the law of the tables; beyond the range of CCM89 its infrared power law goes on, as in WISE's tables."""
    last = dust_limits(_TABLE_LAW)[1][1]
    near = dust_curve(_TABLE_LAW, np.minimum(wavelength, last), _TABLE_R_V)
    return near * np.maximum(wavelength / last, 1.0) ** -1.61
