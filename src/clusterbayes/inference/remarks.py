"""What a reader must know about a posterior beside its numbers.

Some parameters are only what the prior said, some pile up at the end of the grid or of their prior, where the numbers
say as much about that end as about the cluster, and some posteriors have several modes. None of this is an error; all
of it is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clusterbayes.inference.search import Mode
from clusterbayes.model.parameters import ParameterSet
from clusterbayes.model.priors import Prior

__all__ = ["at_bounds", "mode_table", "prior_dominated", "remarks"]

_AS_WIDE = 0.9  # of the prior's spread, from which a posterior is no more than the prior
_PILED = 0.2  # see `at_bounds`
_MAIN = ("log_age", "mh", "dist_mod", "a_v")  # watched at bounds, and listed for each mode


def prior_dominated(z: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return the parameters of which the data said nothing: their posterior is as wide as the prior.

    The error of the isochrones' ages is not among them: a single cluster never tells it.

    Parameters
    ----------
    z : (n_draw, n_dim)
        Draws in the coordinates in which the prior is a standard normal distribution.
    names : sequence of str
    """
    wide = [name for name, spread in zip(names, z.std(axis=0), strict=True) if spread > _AS_WIDE]
    return [name for name in wide if name != "log_age_offset"]


def at_bounds(theta: np.ndarray, names: Sequence[str], priors: Mapping[str, Prior]) -> dict[str, float]:
    """Return the parameters whose posterior piles up at a bound, and the bound.

    It does so where the distance of the outermost 5 % of the draws from the bound is less than a fifth of what lies
    between them and the median: 0.08 for a density that falls exponentially from the bound, 0.1 for half a normal
    distribution, 0.11 for a flat one; more than 0.2 once the maximum lies 1.4 standard deviations inside.

    Parameters
    ----------
    theta : (n_draw, n_dim)
    names : sequence of str
    priors : mapping of str to Prior
        Their `low` and `high` are the bounds: for age and metallicity those of the grid, unless the prior is narrower.
    """
    found = {}
    for name, column in zip(names, theta.T, strict=True):
        if name not in _MAIN:
            continue
        low, median, high = np.percentile(column, [5.0, 50.0, 95.0])
        for bound, outer in ((priors[name].low, low), (priors[name].high, high)):
            if abs(outer - bound) < _PILED * abs(median - outer):
                found[name] = float(bound)
    return found


def mode_table(modes: Sequence[Mode], z: np.ndarray, parameters: ParameterSet) -> list[dict[str, float]]:
    """Describe the modes that the search found, with the share of the draws that ended near each.

    Parameters
    ----------
    modes : sequence of Mode
    z : (n_draw, n_dim)
        Draws; each counts for the mode that is nearest by that mode's own covariance.
    parameters : ParameterSet

    Returns
    -------
    list of dict
        log_age, mh, dist_mod, a_v at the summit, its height `log_prob`, its `weight` among the modes as the search
        saw it, by height and width, and the `share` of the draws.
    """
    log_weight = np.array([mode.log_weight for mode in modes])
    weight = np.exp(log_weight - np.logaddexp.reduce(log_weight))
    distance = np.empty((len(modes), len(z)))
    for k, mode in enumerate(modes):
        x = np.linalg.solve(np.linalg.cholesky(mode.covariance), (z - mode.z).T)
        distance[k] = (x**2).sum(axis=0)
    nearest = distance.argmin(axis=0)
    rows = []
    for k, mode in enumerate(modes):
        values = parameters.unpack(parameters.from_normal(mode.z[None, :]))
        row = {name: float(values[name][0]) for name in _MAIN}
        shares = {"weight": float(weight[k]), "share": float((nearest == k).mean())}
        rows.append(row | {"log_prob": mode.log_prob, **shares})
    return rows


def remarks(
    dominated: Sequence[str],
    bounded: Mapping[str, float],
    modes: Sequence[Mapping[str, Any]],
    ends: Mapping[str, tuple[float, float]],
) -> list[str]:
    """Put into words what `prior_dominated`, `at_bounds` and `mode_table` found.

    Parameters
    ----------
    dominated, bounded, modes
        What these functions returned.
    ends : mapping of str to (float, float)
        Where the grid ends, by parameter. Any other bound is one of the parameter's prior.
    """
    said = []
    for name, bound in bounded.items():
        whose = "the grid" if bound in ends.get(name, ()) else "its prior"
        said.append(f"{name} piles up at {bound:g}, the end of {whose}: the data may ask for values beyond")
    if dominated:
        said.append(f"the data say nothing about {', '.join(dominated)}: the posterior is as wide as the prior")
    if sum(mode["share"] > 0.05 for mode in modes) > 1:
        shares = ", ".join(f"{m['share']:.0%} at log_age {m['log_age']:.2f}, mh {m['mh']:.2f}" for m in modes)
        said.append(f"several modes: {shares}")
    return said
