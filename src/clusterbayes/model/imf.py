"""Mass functions: laws of the initial mass of single stars and primaries, for the likelihood and the simulator.

A law has a slope that is a parameter, `alpha_2` for the massive stars, and a shape below. The likelihood integrates the
same laws exactly from one vertex of an isochrone to the next (`kernels_sequence.numbers`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from clusterbayes.errors import SettingsError

__all__ = ["MASS_BREAK", "MASS_FUNCTIONS", "MassFunction", "draw_masses", "mass_function"]

#: Break of the mass function [Msun], Kroupa (2001), MNRAS 322, 231, eq. 2.
MASS_BREAK = 0.5


@dataclass(frozen=True)
class MassFunction:
    """A law dN/dM of the initial mass.

    Attributes
    ----------
    name, source : str
    mass_break : float
        Mass above which it is a power law M^−alpha_2 [Msun].
    centre, width : float
        Of the lognormal below the break: mass [Msun] and standard deviation in log10 M. A width of 0 stands for a
        power law M^−alpha_1 there.
    alpha_1, alpha_2 : str
        Prior of the slopes, or the number at which a slope is held; empty where there is no such slope, which
        is then that of the massive stars.
    """

    name: str
    source: str
    mass_break: float
    centre: float = 1.0
    width: float = 0.0
    alpha_1: str = ""
    alpha_2: str = "normal(2.3, 0.7)"


#: The laws by name.
MASS_FUNCTIONS = {
    law.name: law
    for law in (
        MassFunction("kroupa", "Kroupa (2001), MNRAS 322, 231, eq. 2", MASS_BREAK, alpha_1="normal(1.3, 0.7)"),
        MassFunction("chabrier", "Chabrier (2003), PASP 115, 763, eq. 18 (systems)", 1.0, 0.22, 0.57),
        MassFunction("chabrier-single", "Chabrier (2003), PASP 115, 763, eq. 17 (single stars)", 1.0, 0.079, 0.69),
        MassFunction("salpeter", "Salpeter (1955), ApJ 121, 161", MASS_BREAK, alpha_2="2.35"),
    )
}


def mass_function(name: str) -> MassFunction:
    """Return a mass function by its name.

    Raises
    ------
    SettingsError
        If there is none of that name.
    """
    if name not in MASS_FUNCTIONS:
        raise SettingsError.unknown("mass function", name, MASS_FUNCTIONS)
    return MASS_FUNCTIONS[name]


def draw_masses(
    rng: np.random.Generator,
    n: int,
    low: float,
    high: float,
    alpha_1: float = 1.3,
    alpha_2: float = 2.3,
    law: str = "kroupa",
) -> np.ndarray:
    """Draw initial masses by inverting the cumulative mass function.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
    low, high : float
        Bounds [Msun].
    alpha_1, alpha_2 : float
        Slopes dN/dM ∝ M^−alpha below and above the law's break; the first one is read where the law has it.
    law : str
        Name of the mass function.

    Returns
    -------
    numpy.ndarray
        Shape (n,) [Msun].
    """
    shape = mass_function(law)
    joint = shape.mass_break
    slope = alpha_1 if shape.alpha_1 else alpha_2
    pieces = [(low, min(high, joint), slope, shape.width > 0.0), (max(low, joint), high, alpha_2, False)]
    pieces = [piece for piece in pieces if piece[1] > piece[0]]
    weight = np.array([(_lognormal if bell else _integral)(a, b, s, shape) for a, b, s, bell in pieces])
    which = rng.choice(len(pieces), size=n, p=weight / weight.sum())
    u = rng.random(n)
    mass = np.empty(n)
    for i, (a, b, s, bell) in enumerate(pieces):
        here = which == i
        mass[here] = _lognormal_quantile(u[here], a, b, shape) if bell else _quantile(u[here], a, b, s)
    return mass


def _integral(a: float, b: float, slope: float, law: MassFunction) -> float:
    """Integral of a power law with the value 1 at the break."""
    p = 1.0 - slope
    scale = law.mass_break**slope
    return scale * (np.log(b / a) if abs(p) < 1e-9 else (b**p - a**p) / p)


def _quantile(u: np.ndarray, a: float, b: float, slope: float) -> np.ndarray:
    p = 1.0 - slope
    if abs(p) < 1e-9:
        return a * (b / a) ** u
    return (a**p + u * (b**p - a**p)) ** (1.0 / p)


def _lognormal(a: float, b: float, _slope: float, law: MassFunction) -> float:
    """Integral of a lognormal with the value 1 at the break."""
    spread = law.width * np.log(10.0)
    low, high, joint = (np.log(np.array([a, b, law.mass_break]) / law.centre) / spread).tolist()
    scale = law.mass_break * np.exp(0.5 * joint**2) * spread * np.sqrt(2.0 * np.pi)
    return float(scale * (special.ndtr(high) - special.ndtr(low)))


def _lognormal_quantile(u: np.ndarray, a: float, b: float, law: MassFunction) -> np.ndarray:
    spread = law.width * np.log(10.0)
    low, high = special.ndtr(np.log(np.array([a, b]) / law.centre) / spread)
    return law.centre * np.exp(spread * special.ndtri(low + u * (high - low)))
