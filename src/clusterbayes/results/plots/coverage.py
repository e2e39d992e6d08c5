"""Whether truths lie evenly among draws: differences of distributions with their band, and histograms of ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clusterbayes.results.plots.style import ISOCHRONE, new_figure, styled

__all__ = ["plot_ecdf", "plot_ranks"]

_BLUE, _BAND = "#1f62ab", "#dfe2e6"
_COLUMNS, _BINS = 4, 20


@styled
def plot_ecdf(names: Sequence[str], places: NDArray[np.float64], deviation: float) -> Figure:
    """Draw the distribution of the places minus the even one.

    Parameters
    ----------
    names : sequence of str
    places : ndarray, shape (n, n_name)
        Places of the truths among the draws, from 0 to 1.
    deviation : float
        Half width of the simultaneous band, in standard deviations.
    """
    figure, panels = _panels(len(names))
    grid = np.linspace(0.0, 1.0, 201)
    band = deviation * np.sqrt(grid * (1.0 - grid) / len(places))
    for ax, name, column in zip(panels, names, places.T, strict=False):
        reached = np.searchsorted(np.sort(column), grid, side="right") / len(column)
        ax.fill_between(grid, -band, band, color=_BAND, lw=0)
        ax.plot(grid, reached - grid, color=_BLUE, lw=1.2)
        ax.axhline(0.0, color=ISOCHRONE, lw=0.6)
        ax.set_title(name, fontsize=9)
    figure.supxlabel("place of the truth among the draws", fontsize=10)
    figure.supylabel("distribution − even distribution", fontsize=10)
    return figure


@styled
def plot_ranks(names: Sequence[str], places: NDArray[np.float64]) -> Figure:
    """Draw histograms of the places (n, n_name); the grey band is where 99 % of the bars of perfect code end."""
    from scipy import stats

    figure, panels = _panels(len(names))
    n_bins = int(np.clip(len(places) // 10, 2, _BINS))
    low, high = stats.binom.ppf([0.005, 0.995], len(places), 1.0 / n_bins)
    for ax, name, column in zip(panels, names, places.T, strict=False):
        ax.axhspan(low, high, color=_BAND, lw=0)
        ax.hist(column, bins=n_bins, range=(0.0, 1.0), color=_BLUE, rwidth=0.9)
        ax.set_title(name, fontsize=9)
    figure.supxlabel("place of the truth among the draws", fontsize=10)
    figure.supylabel("clusters", fontsize=10)
    return figure


def _panels(n: int) -> tuple[Figure, NDArray[np.object_]]:
    rows = -(-n // _COLUMNS)
    figure = new_figure(2.3 * _COLUMNS, 1.9 * rows + 0.6)
    panels = np.atleast_1d(figure.subplots(rows, _COLUMNS, sharex=True, squeeze=False)).ravel()
    for ax in panels[n:]:
        ax.set_visible(False)
    return figure, panels
