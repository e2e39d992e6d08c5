"""A tiny grid of isochrones in closed form, for tests and demonstrations.

No stellar model is behind it, only smooth functions with the right shape: a main sequence that bends at a turn-off
whose mass falls with age, a crossing to the red, and a giant branch; metal-rich stars are cooler and redder, and
extinction in wide bands depends on temperature.  Age, metallicity, distance and reddening leave different marks on it,
as on real isochrones, so everything downstream can be tested with it in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clusterbayes.isochrones.grid import IsochroneGrid

__all__ = ["analytic_grid"]

Array = NDArray[np.float64]

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP", "B", "V")
LOWEST_MASS = 0.1
_POINTS = {0: 40, 2: 8, 3: 12}

# Mean, swing with temperature, and slopes with A_V of A_b/A_V in each band.
_EXTINCTION = {
    "Gaia_G": (0.880, 0.180, -0.016, 0.0005),
    "Gaia_BP": (1.060, 0.120, -0.020, 0.0006),
    "Gaia_RP": (0.610, 0.025, -0.006, 0.0002),
    "B": (1.290, 0.040, -0.010, 0.0002),
    "V": (1.000, 0.020, -0.004, 0.0001),
}


def analytic_grid(
    log_age: Sequence[float] = (8.0, 8.5, 9.0, 9.5, 10.0), mh: Sequence[float] = (-1.0, -0.3, 0.4)
) -> IsochroneGrid:
    """Make the closed-form grid.

    Parameters
    ----------
    log_age : sequence of float
        Nodes in log10 of the age [yr].
    mh : sequence of float
        Nodes in [M/H] [dex].

    Returns
    -------
    IsochroneGrid
        60 points an isochrone in the bands Gaia_G, Gaia_BP, Gaia_RP, B and V.
    """
    ages, metals = np.asarray(log_age, dtype=float), np.asarray(mh, dtype=float)
    nodes = [[_stars(age, metal) for metal in metals] for age in ages]
    m_ini, log_teff, log_lum = (np.array([[node[c] for node in row] for row in nodes]) for c in range(3))
    log_g = np.log10(m_ini) + 4.0 * (log_teff - np.log10(5772.0)) - log_lum + 4.438
    phase = np.repeat(list(_POINTS), list(_POINTS.values()))
    return IsochroneGrid(
        log_age=ages,
        mh=metals,
        eep=np.arange(phase.size),
        phase=phase,
        m_ini=m_ini,
        log_teff=log_teff,
        log_lum=log_lum,
        log_g=log_g,
        bands=BANDS,
        mags=_magnitudes(log_teff, log_lum, metals[None, :, None]),
        ext=_extinction(log_teff),
        metadata={
            "name": "analytic",
            "family": "analytic",
            "release": "1",
            "citation": "closed-form shapes of clusterbayes; no stellar model",
            "source": "clusterbayes.isochrones.analytic",
            "solar_scale": "none",
            "r_v": 3.1,
        },
    )


def _stars(log_age: float, mh: float) -> tuple[Array, Array, Array]:
    """Return mass, log Teff and log L along one isochrone."""
    log_turn_off = (10.0 - log_age) / 2.9 + 0.03 * mh
    x = np.linspace(np.log10(LOWEST_MASS), log_turn_off, 400)
    # Points crowd towards the turn-off, where the path bends.
    share = np.linspace(0.0, 1.0, _POINTS[0])
    x = np.interp(share, np.linspace(0.0, 1.0, x.size) ** 1.6, x)
    lived = 10.0 ** (2.9 * (x - log_turn_off))
    lum = 4.0 * x + 0.4 * x**2 - 0.08 * mh + 0.30 * lived + 0.20 * lived**6
    teff = 3.762 + 0.47 * x + 0.17 * (np.hypot(x, 0.2) - 0.2) - 0.030 * mh + 0.010 * lived - 0.045 * lived**5

    crossing = np.linspace(0.0, 1.0, _POINTS[2])
    sub_lum = lum[-1] + 0.05 * np.sin(np.pi * crossing)
    sub_teff = teff[-1] + (_giant_log_teff(lum[-1], mh) - teff[-1]) * crossing
    climb = np.linspace(0.0, 1.0, _POINTS[3])
    top = lum[-1] + 0.8 + 2.0 / (1.0 + np.exp(-(log_age - 9.1) / 0.15))
    red_lum = lum[-1] + (top - lum[-1]) * climb
    m_turn_off = 10.0**log_turn_off
    mass = np.concatenate([10.0**x, m_turn_off * (1.0 + 0.012 * crossing), m_turn_off * (1.012 + 0.012 * climb**0.5)])
    return (
        mass,
        np.concatenate([teff, sub_teff, _giant_log_teff(red_lum, mh)]),
        np.concatenate([lum, sub_lum, red_lum]),
    )


def _giant_log_teff(log_lum: Array | float, mh: float) -> Array:
    """Return log Teff on the giant branch."""
    return np.asarray(3.695 - 0.055 * (np.asarray(log_lum) - 0.5) - 0.035 * mh)


def _softplus(x: Array) -> Array:
    return np.logaddexp(0.0, x / 0.05) * 0.05


def _magnitudes(log_teff: Array, log_lum: Array, mh: Array) -> Array:
    """Return absolute magnitudes, shape (..., n_band)."""
    warmth = log_teff - 3.80
    correction = -24.0 * np.minimum(warmth, 0.0) ** 2 - 9.0 * np.maximum(warmth, 0.0) ** 2
    v = 4.74 - 2.5 * log_lum - correction
    b = v - 0.28 + 3.3 * _softplus(4.02 - log_teff) + 0.08 * mh
    bp_rp = -0.35 + 4.6 * _softplus(4.03 - log_teff) + 0.03 * mh
    g = v - 0.02 - 0.13 * bp_rp**2
    bp = g + 0.42 * bp_rp
    return np.stack([g, bp, bp - bp_rp, b, v], axis=-1)


def _extinction(log_teff: Array) -> Array:
    """Return the extinction coefficients, shape (..., n_band, 3)."""
    swing = np.tanh((log_teff - 3.76) / 0.35)
    rows = []
    for mean, amplitude, slope, curve in (_EXTINCTION[band] for band in BANDS):
        rows.append(
            np.stack([mean + amplitude * swing, np.full_like(swing, slope), np.full_like(swing, curve)], axis=-1)
        )
    return np.stack(rows, axis=-2)
