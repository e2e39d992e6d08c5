"""How far the stars lie from the isochrone: residuals star by star, and counts against those that the model expects.

The first says where single stars lie beside the best isochrone. The second divides the diagram into cells and compares
the members in each with the prediction of `clusterbayes.results.prediction`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import ndtr

from clusterbayes.errors import InputError
from clusterbayes.results.plots.cmd import CmdAxes, axis_label, find_cmd_axes, magnitude_label, plot_cmd
from clusterbayes.results.plots.style import (
    BINARY,
    INK,
    ISOCHRONE,
    broken,
    draw_members,
    free_corners,
    name_beyond,
    new_figure,
    styled,
    write_key,
    write_title,
)
from clusterbayes.results.prediction import predicted_members
from clusterbayes.results.result import Curve, FitResult

__all__ = ["colour_residuals", "plot_cmd_with_residuals", "plot_hess_residuals", "plot_residuals"]

Array = NDArray[np.float64]
_FLOOR = 0.02  # mag; the isochrones are not better than this
_STEP = 0.004  # mag between the points of the densified isochrone
_HOOK = 1.0  # mag below the turn-off, where nothing bends back
_SCALE = 3.0, 6.0  # the least and the largest end of the colours; one cell far off would pale all others
_EXTEND = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
_SHOWN = 0.5  # mag; residuals beyond this are left out


def colour_residuals(points: Array, curve: Array, scale: Array) -> Array:
    """Return the colour of each star minus that of the nearest point of a curve.

    Parameters
    ----------
    points : ndarray, shape (n_star, 2)
        Colour and magnitude [mag]; NaN gives NaN.
    curve : ndarray, shape (n_vertex, 2)
        The curve; rows of NaN are gaps.
    scale : ndarray, shape (2,)
        Errors [mag] of colour and magnitude, in units of which nearness is measured.

    Returns
    -------
    ndarray, shape (n_star,)
        [mag].
    """
    pieces = []
    for start, end in zip(curve[:-1], curve[1:], strict=True):
        if np.isfinite(start).all() and np.isfinite(end).all():
            count = int(np.clip(np.hypot(*(end - start)) / _STEP, 1, 500))
            pieces.append(start + np.linspace(0.0, 1.0, count + 1)[:, None] * (end - start))
    line = np.vstack(pieces)
    residual = np.full(len(points), np.nan)
    known = np.isfinite(points).all(axis=1)
    if known.any():
        _, nearest = cKDTree(line / scale).query(points[known] / scale)
        residual[known] = points[known, 0] - line[nearest, 0]
    return residual


def _curve(result: FitResult, kind: str) -> Curve:
    found = result.curve(kind)
    if found is None:
        raise InputError(f"the result has no {kind} isochrone to compare with", "curves", remedy="fit again")
    return found


def _scale(result: FitResult, axes: CmdAxes, errors: Array) -> Array:
    """Return typical errors (2,) of the likely members, with a floor [mag]."""
    likely = axes.errors(errors)[result.p_member > 0.5]
    likely = likely[np.isfinite(likely).all(axis=1)]
    return np.hypot(np.median(likely, axis=0) if len(likely) else 0.0, _FLOOR) * np.ones(2)


@styled
def plot_residuals(
    result: FitResult,
    ax: Axes | None = None,
    *,
    colour: str | None = None,
    magnitude: str | None = None,
    title: str | None = None,
    scale: bool = True,
) -> Axes:
    """Draw how much redder or bluer each star is than the nearest point of the best isochrone, against magnitude.

    Parameters
    ----------
    result, ax, colour, magnitude, title
        As in `plot_cmd`.
    scale : bool
        Whether a colour bar says what the colours mean.

    Returns
    -------
    matplotlib Axes
        Residual in colour [mag], faint stars at the bottom; unresolved binaries lie to the right, along the dashed line
        if their masses are equal. Stars that are farther away than 0.5 mag are left out.
    """
    axes = find_cmd_axes(result, colour, magnitude)
    values, errors = result.at_one_distance()
    points, best = axes.project(values), _curve(result, "best")
    unit = _scale(result, axes, errors)
    line = broken(axes.project(best.observables), best.phase)
    residual = colour_residuals(points, line, unit)
    beside = residual.copy()
    residual[np.abs(residual) > _SHOWN] = np.nan
    if ax is None:
        ax = new_figure(4.2, 6.8).subplots()
    draw_members(ax, residual, points[:, 1], result, scale=scale)
    ax.axvline(0.0, color=ISOCHRONE, lw=1.2, zorder=2.7)
    pairs = [curve for curve in result.curves if curve.kind == "binary"]
    for pair in pairs[:1]:
        main = axes.project(pair.observables)[pair.phase == 0]
        main = main[main[:, 1] > main[np.argmin(main[:, 0]), 1] + _HOOK]
        style: dict[str, Any] = {"color": BINARY, "lw": 1.3, "ls": (0, (4, 2)), "zorder": 2.6}
        ax.plot(colour_residuals(main, line, unit), main[:, 1], **style)
    likely = np.abs(residual[(result.p_member > 0.5) & np.isfinite(residual)])
    half = float(np.clip(1.25 * np.percentile(likely, 99), 0.08, _SHOWN)) if likely.size else 0.2
    shown = points[np.isfinite(residual) & np.isfinite(result.p_member), 1]
    ax.set_xlim(-half, half)
    if shown.size:
        ax.set_ylim(shown.max() + 0.3, shown.min() - 0.3)
    ax.set(xlabel=f"{axis_label(axes.colour).removesuffix(' [mag]')} minus isochrone [mag]")
    ax.set_ylabel(magnitude_label(result, axes.magnitude))
    name_beyond(ax, beside, points[:, 1], result)
    if ax.get_legend_handles_labels()[1]:
        write_key(ax, free_corners(ax, np.stack([residual, points[:, 1]], axis=1))[0])
    write_title(ax, result, title)
    return ax


@styled
def plot_cmd_with_residuals(
    result: FitResult, figure: Figure | None = None, *, title: str | None = None
) -> NDArray[np.object_]:
    """Draw the colour-magnitude diagram, and the residuals beside it against the same magnitudes.

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
        As `plot_cmd` and `plot_residuals` return them.
    """
    figure = figure or new_figure(9.6, 7.0)
    panels = figure.subplots(1, 2, width_ratios=(2.1, 1.0))
    plot_cmd(result, panels[0], title=title)
    limits = panels[0].get_ylim()
    plot_residuals(result, panels[1], title="", scale=False)
    panels[1].set_ylim(*limits)
    panels[1].set_title("", loc="right")  # the first says whether the fit converged
    panels[1].set_ylabel("")
    panels[1].tick_params(labelleft=False)
    return np.asarray(panels, dtype=object)


@styled
def plot_hess_residuals(
    result: FitResult,
    ax: Axes | None = None,
    *,
    colour: str | None = None,
    magnitude: str | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the members in cells of the colour-magnitude diagram against those that the best model expects.

    Parameters
    ----------
    result, ax, colour, magnitude, title
        As in `plot_cmd`.

    Returns
    -------
    matplotlib Axes
        (observed − expected) / √(expected + 1) in each cell: purple where there are more members than expected, orange
        where there are fewer. Members are counted by their probability, which the model has given them: few members
        where few are expected prove little. Cells beyond ±6 have the colours of the ends, where the bar is pointed.

    Raises
    ------
    InputError
        If the result holds no isochrone, or no star with both values.
    """
    axes = find_cmd_axes(result, colour, magnitude)
    points, p = axes.project(result.at_one_distance()[0]), np.nan_to_num(result.p_member)
    known = np.isfinite(points).all(axis=1) & (p > 0)
    if not (p[known] > 0.5).any():
        raise InputError("no likely member has both a colour and a magnitude", "stars", "p_member")
    edges = _cells(points[known & (p > 0.5)])
    counts = np.histogram2d(points[known, 0], points[known, 1], bins=list(edges), weights=p[known])[0]
    expected = _expected(result, axes, edges)
    residual = (counts - expected) / np.sqrt(expected + 1.0)
    residual[(counts < 0.05) & (expected < 0.05)] = np.nan
    if ax is None:
        ax = new_figure(5.6, 6.6).subplots()
    low, high = float(np.nanmin(residual)), float(np.nanmax(residual))
    limit = float(np.clip(max(-low, high), *_SCALE))
    look: dict[str, Any] = {"cmap": "PuOr", "vmin": -limit, "vmax": limit, "rasterized": True}
    cells = ax.pcolormesh(*edges, residual.T, **look)
    best = _curve(result, "best")
    ax.plot(*broken(axes.project(best.observables), best.phase).T, color=INK, lw=0.8, scalex=False, scaley=False)
    ax.set(xlim=edges[0][[0, -1]], ylim=edges[1][[-1, 0]])
    ax.set(xlabel=axis_label(axes.colour), ylabel=magnitude_label(result, axes.magnitude))
    bar = ax.figure.colorbar(
        cells, ax=ax, pad=0.015, fraction=0.05, aspect=34, extend=_EXTEND[low < -limit, high > limit]
    )
    bar.set_label(r"(members $-$ expected) / (expected + 1)$^{1/2}$")
    write_title(ax, result, title)
    return ax


def _cells(points: Array) -> tuple[Array, Array]:
    """Return edges of cells: as wide as the number of stars bears, with a margin about the likely members."""
    low, high = np.percentile(points, 0.5, axis=0), np.percentile(points, 99.5, axis=0)
    margin = 0.08 * (high - low) + 0.1
    low, high = low - margin, high + margin
    count = int(np.clip(1.6 * np.sqrt(len(points)), 12, 60))
    return np.linspace(low[0], high[0], count), np.linspace(low[1], high[1], int(1.4 * count))


def _expected(result: FitResult, axes: CmdAxes, edges: tuple[Array, Array]) -> Array:
    """Return the members (n_colour, n_magnitude) that the best model expects in each cell."""
    predicted = predicted_members(result)
    centre = axes.project(predicted.observables)
    width = np.hypot(axes.errors(predicted.errors), _FLOOR)
    share = [
        np.diff(ndtr((edge[None, :] - centre[:, [k]]) / width[:, [k]]), axis=1) for k, edge in enumerate(edges)
    ]  # fmt: skip
    return np.asarray((predicted.weights[:, None] * share[0]).T @ share[1])
