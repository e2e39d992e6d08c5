"""The corner plot: every pair of parameters, and every parameter alone.

The panels are drawn by the corner package (Foreman-Mackey 2016, JOSS 1, 24) and finished here. Regions hold 50 and 90 %
of the draws; the density behind them is a smoothed histogram. Parameters that were held fixed have no spread and are
left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from numpy.typing import NDArray

from clusterbayes.errors import SettingsError
from clusterbayes.model.priors import parse_prior
from clusterbayes.results.plots.style import (
    DPI,
    INK,
    ISOCHRONE,
    MEMBERS,
    OUTLIER,
    parameter_label,
    styled,
    title_text,
    value_text,
)
from clusterbayes.results.result import FitResult

__all__ = ["plot_corner"]

_DEFAULT = ("log_age", "mh", "dist_mod", "a_v", "binary_frac_q05", "member_frac")
_WIDEST = 8.0  # ranges of the draws; bins grow in wider ones
_MASSES = (0.5, 0.9)  # posterior mass inside the contours
_FEWEST_BESIDE_KEY = 3  # parameters
# Of the layout [inch]: a panel, the margins, a title, a line of text, the value above a panel; letters an inch.
_PANEL, _LEFT, _RIGHT, _BOTTOM = 1.75, 0.95, 0.25, 0.95
_TITLE, _LINE, _VALUE, _LETTERS = 0.42, 0.17, 0.35, 13.0


@styled
def plot_corner(
    result: FitResult,
    names: Sequence[str] | None = None,
    *,
    truths: Mapping[str, float] | None = None,
    truth_name: str = "truth",
    figure: Figure | None = None,
    title: str | None = None,
    note: str = "",
) -> NDArray[np.object_]:
    """Draw the posterior of some parameters, in pairs and alone.

    Parameters
    ----------
    result : FitResult
        The fit.
    names : sequence of str, optional
        Parameters; the astrophysical ones if left out.
    truths : dict of str to float, optional
        True values, where they are known, or others that are set beside the posterior, drawn as lines.
    truth_name : str
        What the key calls them.
    figure : matplotlib Figure, optional
        Where to draw, without axes so far; a new one if left out.
    title : str, optional
        Title; the name of the input if left out.
    note : str
        A sentence or two below the title.

    Returns
    -------
    ndarray of Axes, shape (n, n)
        The lower triangle; None above it.

    Raises
    ------
    SettingsError
        If a parameter has no draws, or the figure holds axes already.

    Notes
    -----
    corner imports pyplot. It is given a figure to draw on, so that no pyplot figure is made and none is changed.
    """
    chosen = _choose(result, names)
    n = len(chosen)
    truths = dict(truths or {})
    width = _LEFT + _RIGHT + max(_PANEL * n, 3.4) if figure is None else figure.get_figwidth()
    head = wrap(note, int(_LETTERS * (width - _LEFT - _RIGHT)))
    key = _key(result, truth_name if truths else "")
    beside = key if n >= _FEWEST_BESIDE_KEY else []  # smaller triangles leave no room
    above = head if beside else [*head, *([""] if head else []), *key]
    words = title_text(result, title, width - _LEFT - _RIGHT)
    above[:0] = [""] * words.count("\n")
    top = _TITLE + _LINE * len(above) + _VALUE
    if figure is None:
        figure = Figure(figsize=(width, width - _LEFT - _RIGHT + _BOTTOM + top), dpi=DPI)
    if figure.axes:
        raise SettingsError("a corner plot needs a figure without axes", "figure", remedy="give an empty one")
    ranges = [_range(result.draws[name], truths.get(name)) for name in chosen]
    panels = _panels(figure, np.stack([result.draws[name] for name in chosen], axis=1), ranges)
    height = figure.get_figheight()
    edges = {"left": _LEFT / width, "right": 1 - _RIGHT / width, "bottom": _BOTTOM / height, "top": 1 - top / height}
    figure.subplots_adjust(**edges, wspace=0.06, hspace=0.06)
    for row, column in np.ndindex(n, n):
        ax: Any = panels[row, column]
        names_here = (chosen[column], chosen[row])
        if row < column:
            ax.remove()
            panels[row, column] = None
            continue
        if row == column:
            _finish_one(ax, result, chosen[row])
        elif all(name in result.best for name in names_here):
            at = [result.best[name] for name in names_here]
            ax.plot(*at, marker="P", ms=6, mfc=ISOCHRONE, mec="white", mew=0.7, zorder=4)
        _draw_truth(ax, names_here, truths, row == column)
        _label(ax, result, names_here, (row, column, n))
    _explain(figure, words, result.converged, above, beside)
    return panels


def _panels(figure: Figure, draws: NDArray[np.float64], ranges: Sequence[tuple[float, float]]) -> NDArray[np.object_]:
    """Let corner draw (n_draw, n) draws on an empty figure; return its axes (n, n)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # ArviZ, which it imports, announces its next version once a day
        import corner  # heavy, and it imports pyplot

    corner.corner(
        draws,
        bins=[_bin_count(draw, ends) for draw, ends in zip(draws.T, ranges, strict=True)],
        range=ranges,
        fig=figure,
        color=MEMBERS(0.95),
        smooth=1.1,
        smooth1d=0.8,
        levels=_MASSES,
        quiet=True,
        plot_density=False,
        fill_contours=True,
        hist_kwargs={"lw": 1.2},
        data_kwargs={"ms": 1.2, "color": MEMBERS(0.45), "alpha": 0.4},
        contour_kwargs={"linewidths": 0.8},
        contourf_kwargs={"colors": [(1.0, 1.0, 1.0, 0.0), MEMBERS(0.25), MEMBERS(0.62)]},
    )
    return np.array(figure.axes, dtype=object).reshape(draws.shape[1], draws.shape[1])


def _choose(result: FitResult, names: Sequence[str] | None) -> list[str]:
    for name in names or ():
        if name not in result.draws:
            raise SettingsError.unknown("parameter", name, result.draws)
    wanted = [name for name in (names or _DEFAULT) if name in result.draws]
    spread = [name for name in wanted if np.ptp(result.draws[name]) > 0 and np.isfinite(result.draws[name]).all()]
    if not spread:
        raise SettingsError("no parameter has a spread that could be drawn", value=list(names or _DEFAULT))
    return spread


def _range(draw: NDArray[np.float64], truth: float | None) -> tuple[float, float]:
    low, high = np.percentile(draw, [0.3, 99.7])
    pad = 0.12 * (high - low) or 0.1
    low, high = max(low - pad, draw.min() - pad / 4), min(high + pad, draw.max() + pad / 4)
    if truth is not None:
        low, high = min(low, truth - pad), max(high, truth + pad)
    return float(low), float(high)


def _bin_count(draw: NDArray[np.float64], ends: tuple[float, float]) -> int:
    """Return a number of bins that makes them as fine where a far truth widens the range as where none does."""
    usual = _range(draw, None)
    wider = (ends[1] - ends[0]) / (usual[1] - usual[0])
    return int(np.clip(2.0 * draw.size ** (1 / 3), 12, 45) * min(wider, _WIDEST))


def _finish_one(ax: Axes, result: FitResult, name: str) -> None:
    """Shade the distribution of one parameter, and mark its median and its central 68 %."""
    (line,) = ax.lines  # corner's steps: two points a bin
    edges, steps = (np.asarray(data, dtype=float) for data in line.get_data())
    centres, counts = edges.reshape(-1, 2).mean(axis=1), steps[::2]
    line.set_data(centres, counts)
    row = result.summary()[name]
    ax.fill_between(centres, counts, color=MEMBERS(0.35), lw=0, alpha=0.55)
    inside = np.linspace(row["q16"], row["q84"], 60)
    ax.fill_between(inside, np.interp(inside, centres, counts), color=MEMBERS(0.65), lw=0, alpha=0.75)
    ax.axvline(row["median"], color=MEMBERS(1.0), lw=1.0)
    ax.set_ylim(0, counts.max() * 1.12)
    _draw_prior(ax, result, name, float(np.trapezoid(counts, centres)))
    ax.set_title(f"${value_text(row['median'], row['q16'], row['q84'])}$", fontsize=9.5, weight="normal", loc="center")


def _draw_prior(ax: Axes, result: FitResult, name: str, area: float) -> None:
    """Draw the prior density on the scale of the posterior's, over the range that is shown."""
    spec = (result.provenance.get("priors") or {}).get(name)
    if spec is None:
        return  # derived parameters have none of their own
    x = np.linspace(*ax.get_xlim(), 300)
    density = np.exp(parse_prior(spec).log_pdf(x))
    ax.plot(x, area * density, color=INK, lw=1.0, ls=(0, (1.5, 1.5)), zorder=1.5, scalex=False, scaley=False)


def _draw_truth(ax: Axes, names: tuple[str, str], truths: Mapping[str, float], alone: bool) -> None:
    style: dict[str, Any] = {"color": OUTLIER, "lw": 1.0, "ls": (0, (4, 2)), "zorder": 5}
    if names[0] in truths:
        ax.axvline(truths[names[0]], **style)
    if names[1] in truths and not alone:
        ax.axhline(truths[names[1]], **style)


def _label(ax: Axes, result: FitResult, names: tuple[str, str], place: tuple[int, int, int]) -> None:
    """Set ticks and labels: outer panels only."""
    row, column, n = place
    wide, high = ax.get_position().size * cast(Figure, ax.figure).get_size_inches()
    ax.minorticks_off()
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(4, prune="both", min_n_ticks=2))
        plain = ScalarFormatter(useOffset=False)
        axis.set_major_formatter(plain)
    ax.tick_params(labelsize=8.5, length=3)
    ax.tick_params(axis="x", labelrotation=40, labelbottom=row == n - 1)
    ax.tick_params(axis="y", labelrotation=0, labelleft=column == 0 and row > 0)
    if row == n - 1:
        ax.set_xlabel(parameter_label(names[0], result.units.get(names[0], "")), fontsize=10)
        ax.xaxis.set_label_coords(0.5, -0.62 / high)
    if row == column:
        ax.set_yticks([])
    elif column == 0:
        ax.set_ylabel(parameter_label(names[1], result.units.get(names[1], "")), fontsize=10)
        ax.yaxis.set_label_coords(-0.68 / wide, 0.5)


def _key(result: FitResult, truth_name: str) -> list[str]:
    """Return what the marks mean, line by line."""
    lines = [
        f"{result.n_draw} draws; regions hold 50 and 90 %",
        "bars: median, 16 to 84 %",
        "orange: most probable draw",
        "dotted: prior",
    ]
    return [*lines, f"dashed: {truth_name}"] if truth_name else lines


def _explain(figure: Figure, title: str, converged: bool, above: list[str], beside: list[str]) -> None:
    """Write the title, where it is due the warning, the lines below them, and those right of the first panel."""
    width, height = figure.get_size_inches()
    left, right = _LEFT / width, 1 - _RIGHT / width
    first: dict[str, Any] = {"va": "top", "fontsize": 12, "weight": "bold"}
    figure.text(left, 1 - 0.12 / height, title, ha="left", **first)
    if not converged:
        figure.text(
            right,
            1 - (0.12 + _LINE * title.count("\n")) / height,
            "not converged",
            ha="right",
            color=ISOCHRONE,
            **first,
        )
    text: dict[str, Any] = {"va": "top", "fontsize": 9, "color": INK, "linespacing": 1.3}
    figure.text(left, 1 - _TITLE / height, "\n".join(above), ha="left", **text)
    start = _TITLE + _LINE * len(above) + _VALUE
    figure.text(right, 1 - start / height, "\n".join(beside), ha="right", **text)
