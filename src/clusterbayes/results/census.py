"""Counting a cluster's stars: luminosity function, mass function, total mass, and the table for the HR diagram.

Stars count by their probability to be members. The total mass follows from the number of members in the range of
masses that the sample covers: the mass function of each draw carries it to the stars that are too faint or too bright
to be in the sample, between limits that are stated. Remnants are not part of it.
"""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.special import ndtr

from clusterbayes.model.binaries import MassRatios
from clusterbayes.model.imf import mass_function
from clusterbayes.results.result import FitResult

__all__ = [
    "hr_table",
    "luminosity_function",
    "mass_function_table",
    "mean_mass_ratio",
    "number_density",
    "star_mass_range",
    "total_mass",
]

_Array = NDArray[np.float64]

_N_MASS = 400
_HR_COLUMNS = (
    *("id", "p_member", "log_teff", "log_teff_std", "log_lum", "log_lum_std", "mass", "mass_std", "q", "q_std"),
    *("p_binary", "used"),
)


def hr_table(result: FitResult) -> Table:
    """Return what a Hertzsprung-Russell diagram needs, one row for every input row in input order."""
    return result.stars[[name for name in _HR_COLUMNS if name in result.stars.colnames]]


def luminosity_function(result: FitResult, width: float = 0.5) -> Table:
    """Count the members against magnitude.

    Parameters
    ----------
    result : FitResult
        The fit.
    width : float
        Width of a bin [mag].

    Returns
    -------
    Table
        For each bin of the primary magnitude: `low`, `high` [mag], `n_member` (the sum of p_member), its standard
        deviation `n_member_std` (of the memberships, and Poisson's of the cluster), the absolute magnitudes
        `absolute_low`, `absolute_high` [mag] of the bin at the median distance modulus (extinction is left in), and
        `complete`, whether the bin lies inside the limits of the sample.
    """
    limits = result.mag_limits or (_first_magnitude(result), -np.inf, np.inf)
    magnitude, p = result.column(limits[0]), np.nan_to_num(result.p_member)
    known = np.isfinite(magnitude) & (p > 0)
    low = width * np.floor(magnitude[known].min() / width) if known.any() else 0.0
    high = width * (np.floor(magnitude[known].max() / width) + 1.0) if known.any() else width
    edges = np.arange(low, high + 0.5 * width, width)
    count = np.histogram(magnitude[known], edges, weights=p[known])[0]
    shift = float(np.median(result.draws["dist_mod"])) if "dist_mod" in result.draws else np.nan
    table = Table({"low": edges[:-1], "high": edges[1:], "n_member": count})
    table["n_member_std"] = np.sqrt(count + np.histogram(magnitude[known], edges, weights=(p * (1 - p))[known])[0])
    table["absolute_low"], table["absolute_high"] = edges[:-1] - shift, edges[1:] - shift
    table["complete"] = (edges[:-1] >= limits[1]) & (edges[1:] <= limits[2])
    for name in ("low", "high", "absolute_low", "absolute_high"):
        table[name].unit = "mag"
    table.meta["observable"] = limits[0]
    return table


def _first_magnitude(result: FitResult) -> str:
    return next((name for name in result.observables if "-" not in name), result.observables[0])


def mass_function_table(result: FitResult, width: float = 0.1) -> Table:
    """Count the members against the initial mass of their primaries.

    Parameters
    ----------
    result : FitResult
        The fit.
    width : float
        Width of a bin [dex].

    Returns
    -------
    Table
        For each bin: `low`, `high` [Msun], `n_member` (each star spread over the bins as its mass is uncertain),
        `n_member_std`, `dn_dm` (members for each solar mass), and `complete`, whether the bin lies within the masses
        that the limits of the sample let pass.
    """
    mass, spread, p = result.column("mass"), result.column("mass_std"), np.nan_to_num(result.p_member)
    known = np.isfinite(mass) & (mass > 0) & (p > 0)
    mass, p = mass[known], p[known]
    spread = np.maximum(np.nan_to_num(spread[known]), 1e-6)
    ends = np.log10([mass.min(), mass.max()]) if mass.size else np.array([-1.0, 0.0])
    log_edges = width * np.arange(np.floor(ends[0] / width), np.ceil(ends[1] / width) + 1.5)
    edges = 10.0**log_edges
    # A mass is positive, and what lies beyond the outermost edges is counted at the ends.
    cumulative = ndtr((edges[None, :] - mass[:, None]) / spread[:, None])
    cumulative[:, 0], cumulative[:, -1] = 0.0, 1.0
    share = np.diff(cumulative, axis=1) * p[:, None]
    count = share.sum(axis=0)
    low, high = star_mass_range(result)
    table = Table({"low": edges[:-1], "high": edges[1:], "n_member": count})
    table["n_member_std"] = np.sqrt(count + (share * (1.0 - share)).sum(axis=0))
    table["dn_dm"] = count / np.diff(edges)
    table["complete"] = (edges[:-1] >= low) & (edges[1:] <= high)
    table["low"].unit = table["high"].unit = "solMass"
    table["dn_dm"].unit = "1/solMass"
    return table


def star_mass_range(result: FitResult) -> tuple[float, float]:
    """Return the initial masses between which single stars are inside the sample's limits [Msun].

    Read off the best isochrone: the lowest mass that is brighter than the faint limit, and the highest that lives.
    Without a limit or an isochrone, it is the range of the likely members' masses.
    """
    best = result.curve("best")
    mass = result.column("mass")[result.p_member > 0.5]
    mass = mass[np.isfinite(mass)]
    low, high = (float(mass.min()), float(mass.max())) if mass.size else (np.nan, np.nan)
    if best is None or result.mag_limits is None or result.mag_limits[0] not in result.observables:
        return low, high
    name, bright, faint = result.mag_limits
    magnitude = best.observables[:, result.observables.index(name)]
    inside = (magnitude <= faint) & (magnitude >= bright) & np.isfinite(magnitude)
    if not inside.any():
        return low, high
    if np.isfinite(faint):
        low = float(best.m_ini[inside].min())
    return low, float(best.m_ini[inside].max())


def mean_mass_ratio(law: str, slope: _Array) -> _Array:
    """Return the mean mass ratio of binaries (n_draw,) for slopes (n_draw,) of their law."""
    nodes = np.linspace(0.1, 1.0, 91)
    ratios = MassRatios(tuple(nodes), law)
    share = ratios.share(slope)
    return np.asarray((share * 0.5 * (nodes[1:] + nodes[:-1])).sum(axis=1) / share.sum(axis=1))


def number_density(mass: _Array, alpha_1: _Array, alpha_2: _Array, law: str) -> _Array:
    """Return dN/dM (n_draw, n_mass), 1 at the break of the law."""
    shape = mass_function(law)
    x = mass[None, :] / shape.mass_break
    upper = x ** -alpha_2[:, None]
    if shape.width > 0:
        bell = np.exp(-0.5 * ((np.log10(mass / shape.centre)) / shape.width) ** 2) / mass
        at_break = np.exp(-0.5 * ((np.log10(shape.mass_break / shape.centre)) / shape.width) ** 2) / shape.mass_break
        lower = np.broadcast_to(bell / at_break, upper.shape)
    else:
        lower = x ** -(alpha_1 if shape.alpha_1 else alpha_2)[:, None]
    return np.where(x < 1.0, lower, upper)


def _integral(low: float, high: float, power: int, alpha_1: _Array, alpha_2: _Array, law: str) -> _Array:
    """Integrate M^power dN/dM between two masses (n_draw,), by the trapezium rule in log M."""
    mass = np.geomspace(low, high, _N_MASS)
    return np.asarray(
        np.trapezoid(number_density(mass, alpha_1, alpha_2, law) * mass ** (power + 1), np.log(mass), axis=1)
    )


def total_mass(
    n_member: _Array,
    slopes: tuple[_Array, _Array],
    *,
    law: str,
    covered: tuple[float, float],
    limits: tuple[float, float],
    companions: _Array,
) -> _Array:
    """Return the mass of a cluster's stars, draw by draw.

    M = N (1 + f ⟨q⟩) ∫_limits M φ dM / ∫_covered φ dM, with N members of primary mass in the covered range, the mass
    function φ of the primaries, and the binary fraction f with the mean mass ratio ⟨q⟩.

    Parameters
    ----------
    n_member : ndarray, shape (n_draw,)
        Members in the covered range.
    slopes : tuple of ndarray, shape (n_draw,)
        alpha_1 and alpha_2 of the mass function.
    law : str
        Its name.
    covered, limits : tuple of float
        Range of masses that the sample covers, and between which masses are summed up [Msun].
    companions : ndarray, shape (n_draw,)
        f ⟨q⟩.

    Returns
    -------
    ndarray, shape (n_draw,)
        [Msun].
    """
    mass = _integral(*limits, 1, *slopes, law)
    number = _integral(*covered, 0, *slopes, law)
    return n_member * (1.0 + companions) * mass / number
