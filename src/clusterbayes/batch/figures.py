"""Pictures of a catalogue: how its parameters are distributed, and how they compare with another catalogue."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clusterbayes.batch.comparison import Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["comparison_image", "distribution_image"]

_SHOWN = {"log_age": "log10(yr)", "mh": "dex", "dist_mod": "mag", "a_v": "mag", "binary_frac_q05": "", "n_member": ""}
_DOUBTFUL = "#c6cacf"
_FILL = "#5b9bc9"
_MOST = 6  # panels of the comparison
_DPI = 110


def distribution_image(rows: Iterable[Mapping[str, Any]]) -> str | None:
    """Return histograms of the parameters as PNG in base 64; None if no cluster is done.

    Parameters
    ----------
    rows : iterable of mapping
        Of a summary. Fits that did not converge are drawn on top in grey.
    """
    done = [row for row in rows if row["status"] == "done"]
    return _drawn(_histograms, done) if done else None


def comparison_image(comparisons: Sequence[Comparison]) -> str | None:
    """Return fitted against reference values as PNG in base 64; None if there is nothing to compare."""
    return _drawn(_against, comparisons[:_MOST]) if comparisons else None


def _histograms(rows: Sequence[Mapping[str, Any]]) -> Figure:
    from clusterbayes.results.plots.style import new_figure, parameter_label

    figure = new_figure(11.0, 5.6)
    good = np.array([bool(row.get("converged")) for row in rows])
    for ax, (name, unit) in zip(figure.subplots(2, 3).flat, _SHOWN.items(), strict=True):
        values = _values(rows, name)
        known = np.isfinite(values)
        logarithmic = name == "n_member"
        if logarithmic:
            known &= values > 0
            ax.set_xscale("log")
        ax.set_xlabel("members" if logarithmic else parameter_label(name, unit))
        ax.set_ylabel("clusters")
        if known.any():
            edges = _edges(values[known], logarithmic)
            ax.hist([values[known & good], values[known & ~good]], edges, stacked=True, color=[_FILL, _DOUBTFUL])
    return figure


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    return np.array([row[name] if isinstance(row.get(name), int | float) else math.nan for row in rows], dtype=float)


def _edges(values: NDArray[np.float64], logarithmic: bool) -> NDArray[np.float64]:
    number = int(np.clip(2.0 * np.sqrt(values.size), 5, 40))
    low, high = float(values.min()), float(values.max())
    if logarithmic:
        return np.geomspace(0.9 * low, 1.1 * high, number + 1)
    margin = 0.02 * (high - low) or 0.5
    return np.linspace(low - margin, high + margin, number + 1)


def _against(comparisons: Sequence[Comparison]) -> Figure:
    from clusterbayes.results.plots.style import INK, ISOCHRONE, new_figure, parameter_label

    n_column = min(3, len(comparisons))
    n_row = math.ceil(len(comparisons) / n_column)
    figure = new_figure(3.7 * n_column, 3.4 * n_row)
    axes = figure.subplots(n_row, n_column, squeeze=False).flat
    for ax, found in zip(axes, comparisons, strict=False):
        for chosen, colour in ((found.good, INK), (~found.good, _DOUBTFUL)):
            ax.errorbar(
                found.reference[chosen], found.fitted[chosen], yerr=found.fitted_sigma[chosen],
                xerr=np.nan_to_num(found.reference_sigma[chosen]), fmt="o", ms=3, lw=0.8, color=colour,
            )  # fmt: skip
        middle = float(found.reference.mean())
        ax.axline((middle, middle), slope=1.0, color=ISOCHRONE, lw=1.0, zorder=0)
        ax.set_xlabel(f"reference {parameter_label(found.parameter)}")
        ax.set_ylabel(parameter_label(found.parameter))
    for ax in list(figure.axes)[len(comparisons) :]:
        ax.set_axis_off()
    return figure


def _drawn(draw: Callable[[Any], Figure], content: Any) -> str:
    """Return a picture in the common look as PNG in base 64."""
    from clusterbayes.results.plots.style import styled

    file = io.BytesIO()
    styled(draw)(content).savefig(file, format="png", dpi=_DPI)
    return base64.b64encode(file.getvalue()).decode("ascii")
