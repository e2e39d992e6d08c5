"""The modes that the search found, over the draws of the posterior.

A posterior of age, metallicity, distance and reddening often has several summits. Each is marked where it is, as large
as its weight; a summit without draws about it was found and lost its case, one with many is part of the answer.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clusterbayes.errors import InputError
from clusterbayes.results.plots.style import (
    INK,
    ISOCHRONE,
    MEMBERS,
    new_figure,
    parameter_label,
    styled,
    write_title,
)
from clusterbayes.results.result import FitResult

__all__ = ["plot_modes"]

_PANELS = (("log_age", "mh"), ("dist_mod", "a_v"))
_MOST_DRAWS = 2000
_AREA = (30.0, 700.0)  # of the marks [points²], from a weight of 0 to 1


@styled
def plot_modes(result: FitResult, *, figure: Figure | None = None, title: str | None = None) -> NDArray[np.object_]:
    """Draw the modes that the search found, and the draws of the posterior.

    Parameters
    ----------
    result : FitResult
        The fit.
    figure : matplotlib Figure, optional
        Where to draw; a new one if left out.
    title : str, optional
        Title; the name of the input if left out.

    Returns
    -------
    ndarray of Axes, shape (2,)
        Metallicity over age, and extinction over distance modulus. Areas of the marks grow with the weight that the
        search gave a mode by its height and width; the key has this weight and the share of the draws that are near it.

    Raises
    ------
    InputError
        If the result has no modes: one of another sampler, for instance.
    """
    modes = result.diagnostics.get("modes") or []
    if not modes:
        raise InputError("the result has no modes of the search", "modes", remedy="fit again, with the default sampler")
    if figure is None:
        figure = new_figure(9.6, 4.6)
    panels = figure.subplots(1, 2)
    for ax, names in zip(panels, _PANELS, strict=True):
        _draw_panel(ax, result, modes, names)
    legend = panels[0].legend(loc="best", labelcolor=INK, title="mode: weight, share of draws", fontsize="small")
    for handle in legend.legend_handles:
        handle.set_sizes([40.0])
    write_title(panels[0], result, title)
    return np.asarray(panels)


def _draw_panel(ax: Axes, result: FitResult, modes: list[dict[str, float]], names: tuple[str, str]) -> None:
    step = max(1, result.n_draw // _MOST_DRAWS)
    drawn = [result.draws[name][::step] if name in result.draws else [modes[0][name]] for name in names]
    x, y = np.broadcast_arrays(*drawn)
    ax.scatter(x, y, s=4, color=MEMBERS(0.75), alpha=0.25, lw=0, rasterized=True)
    for k, mode in enumerate(modes, start=1):
        weight, share = mode.get("weight", np.nan), mode["share"]
        area = _AREA[0] + (_AREA[1] - _AREA[0]) * float(np.nan_to_num(weight))
        at_x, at_y = (mode[name] for name in names)
        said = f"{k}: {weight:.2f}, {share:.0%}" if np.isfinite(weight) else f"{k}: {share:.0%}"
        ax.scatter(at_x, at_y, s=area, facecolor="none", edgecolor=ISOCHRONE, lw=1.4, label=said, zorder=4)
        ax.annotate(str(k), (at_x, at_y), ha="center", va="center", color=INK, fontsize="small", zorder=5)
    x_label, y_label = (parameter_label(name, result.units.get(name, "")) for name in names)
    ax.set(xlabel=x_label, ylabel=y_label)
