"""How often intervals hold the truth, and whether its ranks are even: tables with bands that perfect code stays within.

Everything starts from places of truths among draws, numbers that are even from 0 to 1 if the fits are right
(`clusterbayes.validation.sbc`). A central interval of level L holds the truth if its place is within L/2 of the middle.
Bands are simultaneous: perfect code stays within all of them, over all parameters and levels, with the stated chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from scipy import stats

from clusterbayes.errors import InputError

__all__ = ["CONFIDENCE", "JOINT", "LEVELS", "Judgement", "critical_deviation", "judge", "places", "width_ratios"]

LEVELS = (0.50, 0.68, 0.90)
CONFIDENCE = 0.99
#: Name of the joint check among the parameters.
JOINT = "joint"

_N_PERFECT = 40_000
_SEED = 3
_ECDF_BINS = 50
_TEST_BINS = 20
_PER_BIN = 10  # expected in each bin of the rank test, at least


@dataclass(frozen=True)
class Judgement:
    """What places of truths say.

    Attributes
    ----------
    n : int
        Clusters.
    coverage : astropy.table.Table
        One row for each parameter and level: `parameter`, `level`, `share` of the truths held, `low` and `high` of the
        simultaneous band, `holds`.
    ranks : astropy.table.Table
        One row for each parameter and for the joint check: `parameter`, `p` of the test that ranks are even, the
        `threshold` that it has to exceed, `holds`.
    ecdf_deviation : float
        Half width of the simultaneous band about the empirical distribution of the places, in standard deviations.
    """

    n: int
    coverage: Table
    ranks: Table
    ecdf_deviation: float

    @property
    def holds(self) -> bool:
        """Whether everything stays within its bands."""
        return bool(np.all(self.coverage["holds"]) and np.all(self.ranks["holds"]))


def places(
    outcomes: Sequence[Mapping[str, Any]], *, converged_only: bool = False, shrunk: bool = False
) -> tuple[tuple[str, ...], np.ndarray]:
    """Gather places of truths.

    Parameters
    ----------
    outcomes : sequence of dict
        As `run_sbc` returns them; fits that ended with an error have no place.
    converged_only : bool
        Leave out what did not converge.
    shrunk : bool
        Take the places among the draws of the negative control.

    Returns
    -------
    names : tuple of str
        Parameters, the last one `JOINT`.
    places : ndarray, shape (n_cluster, n_name)

    Raises
    ------
    InputError
        If no cluster was fitted.
    """
    key = "place_shrunk" if shrunk else "place"
    kept = [o[key] for o in outcomes if key in o and (o["converged"] or not converged_only)]
    if not kept:
        raise InputError("no cluster was fitted", expected="outcomes with places of the truth")
    names = tuple(kept[0])
    return names, np.array([[place[name] for name in names] for place in kept])


def judge(names: Sequence[str], found: np.ndarray, *, levels: Sequence[float] = LEVELS) -> Judgement:
    """Compare places of truths with even ones.

    Parameters
    ----------
    names : sequence of str
        Of the columns; coverage leaves `JOINT` out.
    found : ndarray, shape (n_cluster, n_name)
        From 0 to 1.
    levels : sequence of float
        Of central intervals, ascending.
    """
    n, singles = len(found), [name for name in names if name != JOINT]
    nominal = np.asarray(levels, float)
    deviation = critical_deviation(n, np.diff([0.0, *nominal, 1.0]), max(1, len(singles)))
    half = deviation * np.sqrt(nominal * (1.0 - nominal) / n)
    rows = []
    for name in singles:
        offset = np.abs(found[:, list(names).index(name)] - 0.5)
        for level, width in zip(nominal.tolist(), half.tolist(), strict=True):
            share = float(np.mean(offset <= 0.5 * level))
            band = {"low": max(0.0, level - width), "high": min(1.0, level + width)}
            holds = band["low"] - 1e-12 <= share <= band["high"] + 1e-12
            rows.append({"parameter": name, "level": level, "share": share, **band, "holds": bool(holds)})
    threshold = (1.0 - CONFIDENCE) / len(names)
    p = [_p_even(column) for column in found.T]
    ranks = [
        {"parameter": name, "p": value, "threshold": threshold, "holds": bool(value > threshold)}
        for name, value in zip(names, p, strict=True)
    ]
    ecdf = critical_deviation(n, np.full(_ECDF_BINS, 1.0 / _ECDF_BINS), len(names))
    return Judgement(n, Table(rows=rows), Table(rows=ranks), ecdf)


def critical_deviation(n: int, shares: np.ndarray, n_sets: int) -> float:
    """Largest deviation of cumulated counts that perfect code exceeds with a chance of 1 − `CONFIDENCE`.

    Counted over simulations of perfect code: n independent places fall into classes with the given shares, and the
    cumulated counts are compared with their expectations, in standard deviations. Parameters are taken as independent,
    which is the widest case.

    Parameters
    ----------
    n : int
        Clusters.
    shares : ndarray, shape (n_class,)
        Adding up to 1.
    n_sets : int
        Number of parameters that have to stay within at the same time.
    """
    rng = np.random.default_rng(_SEED)
    expected = np.cumsum(shares)[:-1]
    counts = np.cumsum(rng.multinomial(n, shares, size=_N_PERFECT), axis=1)[:, :-1]
    deviation = np.abs(counts - n * expected) / np.sqrt(n * expected * (1.0 - expected))
    return float(np.quantile(deviation.max(axis=1), CONFIDENCE ** (1.0 / n_sets), method="higher"))


def _p_even(column: np.ndarray) -> float:
    """Chance of counts in even bins to be as uneven as these (chi square; Kolmogorov and Smirnov where too few)."""
    bins = min(_TEST_BINS, column.size // _PER_BIN)
    if bins < 5:
        return float(stats.kstest(column, "uniform").pvalue)
    counts = np.histogram(column, bins=bins, range=(0.0, 1.0))[0]
    return float(stats.chisquare(counts).pvalue)


def width_ratios(
    outcomes: Sequence[Mapping[str, Any]], matched: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> dict[str, float]:
    """Ratio of median posterior standard deviations: of an experiment to those of its matched counterpart."""

    def median(found: Sequence[Mapping[str, Any]], name: str) -> float:
        return float(np.median([o["summary"][name]["std"] for o in found if "summary" in o]))

    return {name: median(outcomes, name) / median(matched, name) for name in names}
