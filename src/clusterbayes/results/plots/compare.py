"""A by-eye answer, drawn over the posterior in which it is placed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
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
    return plot_corner(result, tuple(values), truths=values, truth_name="your answer", note=comparison.sentence())


def save_comparison(path: str | os.PathLike[str], result: FitResult, comparison: Comparison) -> Path:
    """Draw as `plot_comparison` and write the figure; the ending says how (.png, .pdf, .svg)."""
    return save_figure(plot_comparison(result, comparison)[0, 0].figure, path)
