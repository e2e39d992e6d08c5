"""The corner plot: every pair of parameters, and every parameter alone.

Regions hold 50 and 90 % of the draws; the density behind them is a smoothed histogram. Parameters that were held fixed
have no spread and are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from clusterbayes.errors import SettingsError
from clusterbayes.results.plots.style import DPI, INK, ISOCHRONE, MEMBERS, OUTLIER, parameter_label, styled, value_text
from clusterbayes.results.result import FitResult

__all__ = ["credible_levels", "plot_corner"]

_DEFAULT = ("log_age", "mh", "dist_mod", "a_v", "binary_frac_q05", "member_frac")
_MASSES = (0.9, 0.5)  # posterior mass inside the contours


@styled
def plot_corner(
    result: FitResult,
    names: Sequence[str] | None = None,
    *,
    truths: Mapping[str, float] | None = None,
    figure: Figure | None = None,
    title: str | None = None,
) -> NDArray[np.object_]:
    """Draw the posterior of some parameters, in pairs and alone.

    Parameters
    ----------
    result : FitResult
        The fit.
    names : sequence of str, optional
        Parameters; the astrophysical ones if left out.
    truths : dict of str to float, optional
        True values, where they are known, drawn as lines.
    figure : matplotlib Figure, optional
        Where to draw; a new one if left out.
    title : str, optional
        Title; none if left out.

    Returns
    -------
    ndarray of Axes, shape (n, n)
        The lower triangle; None above it.

    Raises
    ------
    SettingsError
        If a parameter has no draws.
    """
    chosen = _choose(result, names)
    n = len(chosen)
    if figure is None:
        figure = Figure(figsize=(1.0 + 1.75 * max(n, 2), 1.0 + 1.75 * max(n, 2)), dpi=DPI)
    grid = figure.add_gridspec(n, n, left=0.11, right=0.975, bottom=0.09, top=0.92, wspace=0.06, hspace=0.06)
    panels = np.full((n, n), None, dtype=object)
    ranges = [_range(result.draws[name], (truths or {}).get(name)) for name in chosen]
    for row in range(n):
        for column in range(row + 1):
            ax = panels[row, column] = figure.add_subplot(grid[row, column])
            if row == column:
                _draw_one(ax, result, chosen[row], ranges[row])
            else:
                _draw_pair(ax, result, (chosen[column], chosen[row]), (ranges[column], ranges[row]))
            _draw_truth(ax, (chosen[column], chosen[row]), truths or {}, row == column)
            _label(ax, result, (chosen[column], chosen[row]), (row, column, n))
    _explain(figure, result, title, bool(truths))
    return panels


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


def _bin_count(n_draw: int) -> int:
    return int(np.clip(2.0 * n_draw ** (1 / 3), 12, 45))


def credible_levels(density: NDArray[np.float64], masses: Sequence[float]) -> NDArray[np.float64]:
    """Return the density levels whose highest-density regions hold given masses.

    Parameters
    ----------
    density : ndarray
        Non-negative, on equal cells; any shape.
    masses : sequence of float
        Falling fractions of the total, 0 to 1.

    Returns
    -------
    ndarray, shape (n_masses,)
        Rising levels.
    """
    ordered = np.sort(density.ravel())[::-1]
    cumulated = np.cumsum(ordered)
    inside = np.searchsorted(cumulated, np.asarray(masses) * cumulated[-1])
    return ordered[np.minimum(inside, ordered.size - 1)]


def _draw_one(ax: Axes, result: FitResult, name: str, limits: tuple[float, float]) -> None:
    """Draw the distribution of one parameter, its median and its central 68 %."""
    draw = result.draws[name]
    bins = np.linspace(*limits, _bin_count(len(draw)) + 1)
    counts = gaussian_filter(np.histogram(draw, bins)[0].astype(float), 0.8, mode="nearest")
    centres = 0.5 * (bins[1:] + bins[:-1])
    row = result.summary()[name]
    ax.fill_between(centres, counts, color=MEMBERS(0.35), lw=0, alpha=0.55)
    inside = np.linspace(row["q16"], row["q84"], 60)
    ax.fill_between(inside, np.interp(inside, centres, counts), color=MEMBERS(0.65), lw=0, alpha=0.75)
    ax.plot(centres, counts, color=MEMBERS(0.95), lw=1.2)
    ax.axvline(row["median"], color=MEMBERS(1.0), lw=1.0)
    ax.set(xlim=limits, ylim=(0, counts.max() * 1.12))
    ax.set_title(f"${value_text(row['median'], row['q16'], row['q84'])}$", fontsize=9.5, weight="normal", loc="center")


def _draw_pair(ax: Axes, result: FitResult, names: tuple[str, str], limits: tuple[tuple[float, float], ...]) -> None:
    """Draw the 50 and 90 % regions of two parameters and the draws outside them."""
    x, y = (result.draws[name] for name in names)
    n_bin = _bin_count(len(x))
    counts, *edges = np.histogram2d(x, y, bins=n_bin, range=limits)
    density = gaussian_filter(counts, 1.1, mode="constant")
    levels = credible_levels(density, _MASSES)
    centres = [0.5 * (edge[1:] + edge[:-1]) for edge in edges]
    every = max(1, len(x) // 1500)
    ax.plot(x[::every], y[::every], ".", ms=1.4, color=MEMBERS(0.45), alpha=0.5, rasterized=True, zorder=1)
    if 0 < levels[0] < levels[1] < density.max():
        shades = [MEMBERS(0.25), MEMBERS(0.62)]
        ax.contourf(*centres, density.T, levels=[*levels, density.max()], colors=shades, zorder=2)
        ax.contour(*centres, density.T, levels=levels, colors=[MEMBERS(0.95)], linewidths=0.8, zorder=3)
    if all(name in result.best for name in names):
        at = (result.best[names[0]], result.best[names[1]])
        ax.plot(*at, marker="P", ms=6, mfc=ISOCHRONE, mec="white", mew=0.7, zorder=4)
    ax.set(xlim=limits[0], ylim=limits[1])


def _draw_truth(ax: Axes, names: tuple[str, str], truths: Mapping[str, float], alone: bool) -> None:
    style: dict[str, Any] = {"color": OUTLIER, "lw": 1.0, "ls": (0, (4, 2)), "zorder": 5}
    if names[0] in truths:
        ax.axvline(truths[names[0]], **style)
    if names[1] in truths and not alone:
        ax.axhline(truths[names[1]], **style)


def _label(ax: Axes, result: FitResult, names: tuple[str, str], place: tuple[int, int, int]) -> None:
    """Set ticks and labels: outer panels only."""
    row, column, n = place
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
        ax.xaxis.set_label_coords(0.5, -0.34)
    if row == column:
        ax.set_yticks([])
    elif column == 0:
        ax.set_ylabel(parameter_label(names[1], result.units.get(names[1], "")), fontsize=10)
        ax.yaxis.set_label_coords(-0.42, 0.5)


def _explain(figure: Figure, result: FitResult, title: str | None, with_truths: bool) -> None:
    """Write the title, the key and, where it is due, the warning above the panels."""
    lines = [
        f"{result.n_draw} draws; regions hold 50 and 90 %",
        "bars: median, 16 to 84 %",
        "orange: most probable draw",
    ]
    lines += ["dashed: truth"] if with_truths else []
    figure.text(0.975, 0.90, "\n".join(lines), ha="right", va="top", fontsize=9, color=INK, linespacing=1.5)
    if title:
        figure.text(0.11, 0.975, title, ha="left", va="top", fontsize=12, weight="bold")
    if not result.converged:
        style: dict[str, Any] = {"ha": "right", "va": "top", "fontsize": 12, "weight": "bold", "color": ISOCHRONE}
        figure.text(0.975, 0.975, "not converged", **style)
