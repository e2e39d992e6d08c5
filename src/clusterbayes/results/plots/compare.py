"""A by-eye answer, drawn over the posterior in which it is placed."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import fill
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clusterbayes.results.compare import Comparison
from clusterbayes.results.plots.corner import plot_corner
from clusterbayes.results.plots.style import save_figure
from clusterbayes.results.result import FitResult

__all__ = ["plot_comparison", "save_comparison"]


def plot_comparison(result: FitResult, comparison: Comparison) -> NDArray[np.object_]:
    """Draw the posterior of the compared parameters, the answer as dashed lines, and the verdict above.

    Parameters
    ----------
    result : FitResult
        The fit.
    comparison : Comparison
        The answer, placed in it.

    Returns
    -------
    ndarray of Axes, shape (n, n)
        As `clusterbayes.results.plots.plot_corner` returns them.
    """
    values = {placed.name: placed.value for placed in comparison.parameters}
    panels = plot_corner(result, tuple(values), truths=values, truth_name="your answer")
    figure = cast(Figure, cast(Axes, panels[0, 0]).figure)
    figure.text(0.11, 0.99, fill(comparison.sentence(), 30 + 18 * len(values)), ha="left", va="top", fontsize=9.5)
    figure.subplots_adjust(top=0.86)
    return panels


def save_comparison(path: str | os.PathLike[str], result: FitResult, comparison: Comparison) -> Path:
    """Draw as `plot_comparison` and write the figure; the ending says how (.png, .pdf, .svg)."""
    return save_figure(plot_comparison(result, comparison)[0, 0].figure, path)
