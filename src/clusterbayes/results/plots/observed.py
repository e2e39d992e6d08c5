"""The colour-magnitude diagram of a table before any fit: what would be used, over what would not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clusterbayes.photometry import Photometry
from clusterbayes.results.plots.cmd import axis_label, cmd_axes
from clusterbayes.results.plots.style import INK, new_figure, save_figure, styled

__all__ = ["plot_observed", "save_observed"]

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
        On a figure of its own.

    Raises
    ------
    SettingsError
        If the observables make no colour and magnitude.
    """
    chosen = photometry if chosen is None else chosen
    axes = cmd_axes(photometry.observables)
    points, used = axes.project(photometry.values), axes.project(chosen.values)
    shown, drawn = (np.isfinite(part).all(axis=1) for part in (points, used))
    ax = new_figure(6.0, 6.8).subplots()
    size = float(np.clip(400.0 / np.sqrt(max(int(shown.sum()), 1)), 1.0, 14.0))
    look: dict[str, Any] = {"linewidths": 0, "rasterized": True}
    ax.scatter(points[shown, 0], points[shown, 1], s=size, c=_LEFT_OUT, label=f"read: {shown.sum()}", **look)
    ax.scatter(used[drawn, 0], used[drawn, 1], s=size, c=_USED, label=f"would be fitted: {drawn.sum()}", **look)
    ax.set(xlabel=axis_label(axes.colour), ylabel=axis_label(axes.magnitude))
    if shown.any():
        low, high = np.percentile(points[shown], [0.5, 99.5], axis=0)
        margin = 0.08 * (high - low) + 0.05
        ax.set_xlim(low[0] - margin[0], high[0] + margin[0])
        ax.set_ylim(high[1] + margin[1], min(low[1], points[shown][:, 1].min()) - margin[1])
    ax.legend(loc="best", markerscale=2.0)
    ax.set_title(title if title is not None else photometry.source.rsplit("/", 1)[-1], color=INK)
    return ax


def save_observed(path: str | os.PathLike[str], photometry: Photometry, chosen: Photometry | None = None) -> Path:
    """Draw as `plot_observed` and write the figure; the ending says how (.png, .pdf, .svg)."""
    return save_figure(cast(Figure, plot_observed(photometry, chosen).figure), path)
