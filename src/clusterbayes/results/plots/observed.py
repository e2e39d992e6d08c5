"""The colour-magnitude diagram of a table before any fit: what would be used, over what would not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clusterbayes.photometry import Photometry
from clusterbayes.results.plots.cmd import axis_label, cmd_axes
from clusterbayes.results.plots.style import INK, beyond_axes, new_figure, save_figure, styled

__all__ = ["plot_observed", "save_observed"]

Array = NDArray[np.float64]
_REACH, _NEAR = 3.0, 0.5  # stars up to so many times as far from the median as 96 % of all, or so near [mag], are shown
_USED, _LEFT_OUT = "#1f62ab", "#c6cacf"


@styled
def plot_observed(photometry: Photometry, chosen: Photometry | None = None, *, title: str | None = None) -> Axes:
    """Draw the colour-magnitude diagram of a table.

    Parameters
    ----------
    photometry : Photometry
        As it was read.
    chosen : Photometry, optional
        The stars that would be fitted, in blue over all others; all of `photometry` if left out.
    title : str, optional
        Title; the source if left out.

    Returns
    -------
    matplotlib Axes
        On a figure of its own. Stars far from all others lie beyond the axes; the key counts them, and those without
        a colour or magnitude.

    Raises
    ------
    SettingsError
        If the observables make no colour and magnitude.
    """
    chosen = photometry if chosen is None else chosen
    axes = cmd_axes(photometry.observables)
    points, used = axes.project(photometry.values), axes.project(chosen.values)
    shown = np.isfinite(points).all(axis=1)
    ax = new_figure(6.0, 6.8).subplots()
    ax.set(xlabel=axis_label(axes.colour), ylabel=axis_label(axes.magnitude))
    if shown.any():
        _set_limits(ax, points[shown])
    size = float(np.clip(400.0 / np.sqrt(max(int(shown.sum()), 1)), 1.0, 14.0))
    look: dict[str, Any] = {"s": size, "linewidths": 0, "rasterized": True}
    for part, colour, words in ((points, _LEFT_OUT, "read"), (used, _USED, "would be fitted")):
        ax.scatter(part[:, 0], part[:, 1], c=colour, label=_key_text(words, part, ax), **look)
    ax.legend(loc="best", markerscale=2.0)
    ax.set_title(title if title is not None else photometry.source.rsplit("/", 1)[-1], color=INK)
    return ax


def _set_limits(ax: Axes, points: Array) -> None:
    """Show all but stars far from the others, faint stars at the bottom."""
    ends, middle = np.percentile(points, [2, 98], axis=0), np.median(points, axis=0)
    reach = np.maximum(_REACH * np.abs(ends - middle), _NEAR)
    near = points[((points >= middle - reach[0]) & (points <= middle + reach[1])).all(axis=1)]
    low, high = near.min(axis=0), near.max(axis=0)
    margin = 0.04 * (high - low) + 0.05
    ax.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(high[1] + margin[1], low[1] - margin[1]))


def _key_text(words: str, points: Array, ax: Axes) -> str:
    """Return words for the key: how many stars there are, and how many of them the picture does not show."""
    unknown = int((~np.isfinite(points).all(axis=1)).sum())
    parts = [(beyond_axes(ax, *points.T), "beyond the axes"), (unknown, "without colour or magnitude")]
    return "\n".join([f"{words}: {len(points)}", *(f"  {count} {what}" for count, what in parts if count)])


def save_observed(path: str | os.PathLike[str], photometry: Photometry, chosen: Photometry | None = None) -> Path:
    """Draw as `plot_observed` and write the figure; the ending says how (.png, .pdf, .svg)."""
    return save_figure(cast(Figure, plot_observed(photometry, chosen).figure), path)
