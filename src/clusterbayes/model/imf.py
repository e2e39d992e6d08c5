"""Stellar masses drawn from the broken power law that the likelihood integrates."""

from __future__ import annotations

import numpy as np

__all__ = ["MASS_BREAK", "draw_masses"]

#: Break of the mass function [Msun], Kroupa (2001), MNRAS 322, 231, eq. 2.
MASS_BREAK = 0.5


def draw_masses(
    rng: np.random.Generator, n: int, low: float, high: float, alpha_1: float = 1.3, alpha_2: float = 2.3
) -> np.ndarray:
    """Draw initial masses by inverting the cumulative mass function.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
    low, high : float
        Bounds [Msun].
    alpha_1, alpha_2 : float
        Slopes dN/dM ∝ M^−alpha below and above 0.5 Msun; Kroupa (2001), MNRAS 322, 231, eq. 2 by default.

    Returns
    -------
    numpy.ndarray
        Shape (n,) [Msun].
    """
    pieces = [(low, min(high, MASS_BREAK), alpha_1), (max(low, MASS_BREAK), high, alpha_2)]
    pieces = [(a, b, s) for a, b, s in pieces if b > a]
    weight = np.array([_integral(a, b, s) for a, b, s in pieces])
    which = rng.choice(len(pieces), size=n, p=weight / weight.sum())
    u = rng.random(n)
    mass = np.empty(n)
    for i, (a, b, slope) in enumerate(pieces):
        here = which == i
        mass[here] = _quantile(u[here], a, b, slope)
    return mass


def _integral(a: float, b: float, slope: float) -> float:
    p = 1.0 - slope
    scale = MASS_BREAK**slope
    return scale * (np.log(b / a) if abs(p) < 1e-9 else (b**p - a**p) / p)


def _quantile(u: np.ndarray, a: float, b: float, slope: float) -> np.ndarray:
    p = 1.0 - slope
    if abs(p) < 1e-9:
        return a * (b / a) ** u
    return (a**p + u * (b**p - a**p)) ** (1.0 / p)
