"""Memberships as a histogram, with what they promise: how pure and how complete a list of members would be.

If the probabilities are calibrated, a share p of the stars with probability p are members. A list of all stars above a
threshold then has a purity and a completeness that can be worked out beforehand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator, StrMethodFormatter
from numpy.typing import NDArray

from clusterbayes.results.plots.style import (
    INK,
    ISOCHRONE,
    MEMBERS,
    new_figure,
    styled,
    write_title,
)
from clusterbayes.results.result import FitResult

__all__ = ["expected_purity", "plot_membership"]

Array = NDArray[np.float64]
_BINS = 25


def expected_purity(p_member: Array, thresholds: Array) -> tuple[Array, Array]:
    """Return what the probabilities promise of lists of members.

    Parameters
    ----------
    p_member : ndarray, shape (n_star,)
        Probabilities; NaN is left out.
    thresholds : ndarray, shape (n,)
        A list holds the stars with at least this probability.

    Returns
    -------
    purity, completeness : ndarray, shape (n,)
        Expected share of the list that are members, and of the members that are in the list; NaN for an empty list.
    """
    p = np.sort(p_member[np.isfinite(p_member)])
    above = np.append(np.cumsum(p[::-1])[::-1], 0.0)  # members among the stars from each place up
    first = np.searchsorted(p, thresholds)
    count = len(p) - first
    with np.errstate(invalid="ignore", divide="ignore"):
        return above[first] / count, above[first] / above[0]


@styled
def plot_membership(result: FitResult, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Draw the histogram of the membership probabilities.

    Parameters
    ----------
    result, ax, title
        As in `plot_cmd`.

    Returns
    -------
    matplotlib Axes
        Bars split into the members and the field stars that are expected among them; expected purity and completeness
        of lists cut at a threshold on an axis at the right, which is ``ax.figure.axes``' last.
    """
    if ax is None:
        ax = new_figure(6.6, 4.6).subplots()
    p = result.p_member[np.isfinite(result.p_member)]
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    count = np.histogram(p, edges)[0]
    members = np.histogram(p, edges, weights=p)[0]
    bars: dict[str, Any] = {"width": np.diff(edges), "align": "edge", "edgecolor": "white", "lw": 0.6}
    ax.bar(edges[:-1], members, color=MEMBERS(0.75), label=f"members expected ({p.sum():.0f})", **bars)
    rest = f"field stars expected ({(1 - p).sum():.0f})"
    ax.bar(edges[:-1], count - members, bottom=members, color=MEMBERS(0.0), label=rest, **bars)
    ax.set_yscale("symlog", linthresh=10.0)
    highest = max(10.0, 1.3 * count.max(initial=1))  # a fifth of the height above it is the key's
    ax.set(xlim=(0, 1), ylim=(0, highest * 10 ** (0.25 * (1.0 + np.log10(highest / 10.0)))))
    ax.set(xlabel="membership probability, or threshold", ylabel="stars (logarithmic above 10)")
    ax.tick_params(axis="y", which="both", right=False)
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    right = ax.twinx()
    thresholds = np.linspace(0.0, 1.0, 201)
    for values, dash, name in zip(expected_purity(p, thresholds), ("-", (0, (4, 2))), ("purity", "completeness"),
                                  strict=True):  # fmt: skip
        right.plot(thresholds, values, color=ISOCHRONE, lw=1.5, ls=dash, label=f"{name} of the stars above")
    right.set(ylim=(0, 1.28), yticks=np.linspace(0.0, 1.0, 6), ylabel="expected share")
    right.yaxis.set_minor_locator(NullLocator())
    right.tick_params(axis="y", which="both", left=False)
    handles = [part for side in (ax, right) for part in side.get_legend_handles_labels()[0]]
    right.legend(handles=handles, loc="upper center", ncols=2, labelcolor=INK).set_zorder(6)
    write_title(ax, result, title)
    return ax
