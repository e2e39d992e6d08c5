"""The common look of the plots: colours, lines, labels and the pieces that all of them draw.

Colours are told apart with every kind of colour vision: membership runs from light grey to dark blue with falling
lightness, isochrones are vermilion, outliers differ by their marker too. The settings are applied inside each plotting
function only, and leave a user's own matplotlib settings alone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from textwrap import wrap
from typing import Any, ParamSpec, TypeVar, cast

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clusterbayes.errors import SettingsError
from clusterbayes.results.result import Curve, FitResult
from clusterbayes.wording import counted
from clusterbayes.writing import replacing

__all__ = [
    "BINARY", "DPI", "INK", "ISOCHRONE", "MEMBERS", "MOST_VECTORS", "OUTLIER", "beyond_axes", "draw_curves",
    "draw_members", "faintness", "free_corners", "key_ring", "name_beyond", "new_figure", "parameter_label",
    "parameter_text", "save_figure", "styled", "title_text", "value_text", "write_key", "write_parameters",
    "write_title",
]  # fmt: skip

INK = "#22262b"
ISOCHRONE = "#d55e00"
BINARY = "#e69f00"
OUTLIER = "#a3217f"
DPI = 170
_TITLE_LETTERS = 8.5  # an inch
MOST_VECTORS = 3000  # stars; more are drawn in dots, so that SVG and PDF files stay small
MEMBERS = LinearSegmentedColormap.from_list("members", ["#c6cacf", "#a3c3dc", "#5b9bc9", "#1f62ab", "#08245c"])

_SETTINGS: dict[str, Any] = {
    "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.labelsize": 11, "axes.linewidth": 0.8, "axes.titlesize": 12,
    "axes.facecolor": "white", "axes.grid": False, "axes.titlelocation": "left", "axes.titleweight": "bold",
    "figure.facecolor": "white", "font.size": 10, "font.family": "sans-serif", "legend.fontsize": 8.5,
    "legend.frameon": True, "legend.framealpha": 0.85, "legend.edgecolor": "none", "legend.handlelength": 1.8,
    "mathtext.fontset": "dejavusans", "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "xtick.direction": "in", "ytick.direction": "in", "xtick.top": True, "ytick.right": True, "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5, "xtick.minor.visible": True, "ytick.minor.visible": True,
}  # fmt: skip

# The symbols of the parameters, in mathtext; others are shown by their names.
_SYMBOLS = {
    "log_age": r"\log_{10}\,\mathrm{age}", "age_gyr": r"\mathrm{age}", "mh": r"\mathrm{[M/H]}", "dist_mod": r"(m-M)_0",
    "distance": "d", "a_v": "A_V", "ebv": "E(B-V)", "binary_frac": r"f_\mathrm{bin}",
    "binary_frac_q05": r"f_\mathrm{bin}(q>0.5)", "member_frac": r"f_\mathrm{member}", "outlier_frac": r"\eta",
    "alpha_1": r"\alpha_1", "alpha_2": r"\alpha_2",
}  # fmt: skip
_UNITS = {"log10(yr)": "yr", "dex": "", "mag": "mag", "pc": "pc", "Gyr": "Gyr"}
_FIRST_CORE_HELIUM_PHASE = 4

P = ParamSpec("P")
R = TypeVar("R")


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run a plotting function with the settings of this module, and restore the caller's."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(cast(Any, _SETTINGS)):
            return function(*args, **kwargs)

    return inside


def new_figure(width: float, height: float) -> Figure:
    """Make a figure without pyplot; width and height in inches."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = DPI) -> Path:
    """Write a figure, all of it or nothing; the ending says the format.

    Raises
    ------
    SettingsError
        If the ending is none that matplotlib knows.
    """
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        endings = ", ".join(f".{name}" for name in sorted(known))
        raise SettingsError("the picture format is not known", str(path), expected=f"a name ending in one of {endings}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as partial, open(partial, "wb") as file:  # matplotlib would add an ending to a name
        with nullcontext() if kind == "png" else _laid_out(figure, dpi):
            figure.savefig(file, format=kind, dpi=dpi)
    return target


@contextmanager
def _laid_out(figure: Figure, dpi: int) -> Iterator[None]:
    """Lay out a figure, as for a PNG, and hold it so: savefig would draw all dots of a vector file for that, too."""
    engine, before = figure.get_layout_engine(), figure.dpi
    with matplotlib.rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        try:
            figure.dpi = dpi  # sizes of letters, in dots, depend on it
            figure.draw_without_rendering()
            figure.set_layout_engine(None)  # "none" would leave one that savefig draws for
            yield
        finally:
            figure.set_layout_engine(engine)
            figure.dpi = before


def parameter_label(name: str, unit: str = "") -> str:
    """Return an axis label for a parameter, with its unit in brackets."""
    shown = _UNITS.get(unit, unit)
    symbol = f"${_SYMBOLS[name]}$" if name in _SYMBOLS else name.replace("_", " ")
    return f"{symbol} [{shown}]" if shown else symbol


def value_text(median: float, low: float, high: float) -> str:
    """Return "median^{+up}_{-down}" in mathtext, with two digits of the smaller uncertainty."""
    up, down = high - median, median - low
    smallest = min((width for width in (up, down) if width > 0), default=0.0)
    if not (math.isfinite(median) and math.isfinite(up) and math.isfinite(down)) or smallest == 0:
        return f"{median:.4g}"
    digits = min(max(0, 1 - math.floor(math.log10(smallest))), 6)
    return f"{median:.{digits}f}^{{+{up:.{digits}f}}}_{{-{down:.{digits}f}}}"


def parameter_text(result: FitResult, name: str) -> str:
    """Return one line "symbol = value unit" with the 16 and 84 % limits."""
    row = result.summary()[name]
    unit = _UNITS.get(row["unit"], row["unit"]) if name != "log_age" else ""
    value = value_text(row["median"], row["q16"], row["q84"])
    symbol = _SYMBOLS.get(name, rf"\mathrm{{{name}}}".replace("_", r"\_"))
    return rf"${symbol} = {value}$" + (f" {unit}" if unit else "")


def broken(points: NDArray[np.float64], phase: NDArray[np.int64]) -> NDArray[np.float64]:
    """Insert a gap where a curve jumps from the giant branch to core helium burning.

    Parameters
    ----------
    points : ndarray, shape (n_vertex, 2)
        The curve.
    phase : ndarray, shape (n_vertex,)
        Phase of each vertex.

    Returns
    -------
    ndarray, shape (n_vertex + n_gap, 2)
        The curve with rows of NaN.
    """
    late = phase >= _FIRST_CORE_HELIUM_PHASE
    jumps = np.flatnonzero(late[1:] != late[:-1]) + 1
    return np.insert(points, jumps, np.nan, axis=0)


def draw_curves(
    ax: Axes, result: FitResult, project: Callable[[Curve], NDArray[np.float64]], *, binaries: bool, on_top: bool
) -> None:
    """Draw the posterior fan, the binary sequence and the best isochrone.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    result : FitResult
        Holds the curves.
    project : callable
        Turns a curve into points (n_vertex, 2) of this plot.
    binaries : bool
        Whether the sequence of equal masses is drawn.
    on_top : bool
        Whether the best isochrone lies above the stars; the other curves lie below them.
    """
    points: dict[str, list[NDArray[np.float64]]] = {}
    for curve in result.curves:
        points.setdefault(curve.kind, []).append(broken(project(curve), curve.phase))
    fan = points.get("fan", [])
    if fan:
        alpha = float(np.clip(2.5 / len(fan), 0.04, 0.3))
        ax.add_collection(LineCollection(fan, colors=ISOCHRONE, linewidths=1.0, alpha=alpha, zorder=2.5), autolim=False)
        ax.plot([], [], color=ISOCHRONE, lw=4, alpha=0.3, label="posterior isochrones")
    for line in points.get("binary", []) if binaries else []:
        ax.plot(*line.T, color=BINARY, lw=1.3, ls=(0, (4, 2)), zorder=2.6, label="equal-mass binaries")
    for line in points.get("best", []):
        ax.plot(*line.T, color=ISOCHRONE, lw=1.2, zorder=3.7 if on_top else 2.7, label="best isochrone")


def draw_members(
    ax: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    result: FitResult,
    *,
    outliers: bool = False,
    scale: bool = True,
) -> None:
    """Draw the used stars, coloured by membership probability.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    x, y : ndarray, shape (n_input,)
        Positions; NaN is not drawn.
    result : FitResult
        Holds the probabilities.
    outliers : bool
        Whether stars that are outliers rather than not are marked.
    scale : bool
        Whether a colour bar says what the colours mean.
    """
    p = result.p_member
    shown = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & np.isfinite(p))
    shown = shown[np.argsort(p[shown], kind="stable")]
    size = float(np.clip(260.0 / np.sqrt(max(len(shown), 1)), 3.5, 16.0))
    sizes = size * np.where(p[shown] > 0.5, 1.0, 0.55)
    options: dict[str, Any] = {
        "cmap": MEMBERS,
        "vmin": 0,
        "vmax": 1,
        "zorder": 3,
        "rasterized": len(shown) > MOST_VECTORS,
    }
    dots = ax.scatter(x[shown], y[shown], c=p[shown], s=sizes, lw=0.25 * (size > 7), edgecolors="white", **options)
    if outliers and "p_outlier" in result.stars.colnames:
        odd = shown[np.asarray(result.stars["p_outlier"], dtype=float)[shown] > 0.5]
        if len(odd):
            marker: dict[str, Any] = {
                "marker": "D",
                "s": max(3.0 * size, 24.0),
                "facecolors": "none",
                "edgecolors": OUTLIER,
                "lw": 1.0,
                "rasterized": len(odd) > MOST_VECTORS,
            }
            ax.scatter(x[odd], y[odd], zorder=4, label=f"outliers ({len(odd)})", **marker)
    if not scale:
        return
    bar = ax.figure.colorbar(dots, ax=ax, pad=0.015, fraction=0.04, aspect=36)
    bar.set_label("membership probability")
    bar.outline.set_linewidth(0.6)


def faintness(count: int) -> float:
    """Return how opaque thin bars of errors are: so many that they would cover the picture are fainter."""
    return 0.35 * min(1.0, float(np.sqrt(300.0 / max(count, 1))))


def beyond_axes(ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> int:
    """Return how many points lie beyond the axes.

    Parameters
    ----------
    ax : Axes
        With its final limits.
    x, y : ndarray, shape (n,)
        Positions in data units; points without both are not counted.
    """
    (left, right), (low, high) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    inside = (x >= left) & (x <= right) & (y >= low) & (y <= high)
    return int((np.isfinite(x) & np.isfinite(y) & ~inside).sum())


def name_beyond(ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], result: FitResult) -> None:
    """Add to the key how many likely members lie beyond the axes, whose limits are final, if any do."""
    likely = result.p_member > 0.5
    count = beyond_axes(ax, x[likely], y[likely])
    if count:
        ax.plot([], [], ls="none", label=f"{counted(count, 'likely member')} beyond the axes")


def key_ring(ax: Axes, label: str, **style: Any) -> None:
    """Add a ring to the key: for a circle on the axes matplotlib would show a box."""
    ax.plot([], [], ls="none", marker="o", mfc="none", ms=9, label=label, **style)


def free_corners(ax: Axes, points: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return the corners of the axes (in axes fractions, 0 or 1), the emptiest first.

    Parameters
    ----------
    ax : Axes
        With its final limits.
    points : ndarray, shape (n, 2)
        What is drawn, in data units; NaN is ignored.
    """
    finite = points[np.isfinite(points).all(axis=1)]
    at = ax.transAxes.inverted().transform(ax.transData.transform(finite)) if len(finite) else finite
    # What counts is the area that is covered, not the number of points that cover it.
    at = np.unique(np.floor(40 * at[((at >= 0) & (at <= 1)).all(axis=1)]), axis=0) / 40
    preferred = [(1.0, 1.0), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0)]

    def crowd(corner: tuple[float, float]) -> int:
        return int((np.abs(at - np.array(corner)) < (0.42, 0.26)).all(axis=1).sum())

    return sorted(preferred, key=crowd)


def write_parameters(ax: Axes, result: FitResult, names: Sequence[str], corner: tuple[float, float]) -> None:
    """Write the values of some parameters into a corner of the axes."""
    known = result.summary()
    text = "\n".join(parameter_text(result, name) for name in names if name in known)
    x, y = (0.97 if corner[0] else 0.03), (0.97 if corner[1] else 0.03)
    place: dict[str, Any] = {"ha": "right" if corner[0] else "left", "va": "top" if corner[1] else "bottom"}
    box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "alpha": 0.85, "edgecolor": "none"}
    ax.text(x, y, text, transform=ax.transAxes, fontsize=9.5, linespacing=1.5, bbox=box, zorder=6, **place)


def write_key(ax: Axes, corner: tuple[float, float]) -> None:
    """Write the legend into a corner of the axes."""
    place: Any = f"{'upper' if corner[1] else 'lower'} {'right' if corner[0] else 'left'}"
    ax.legend(loc=place, borderaxespad=1.0).set_zorder(6)


def title_text(result: FitResult, title: str | None, width: float) -> str:
    """Return the title, or the name of the input file if none is given, in lines no wider than a width [inch].

    If the fit did not converge, the last line leaves room for the warning at its right. A title that was given is not
    cut into lines.
    """
    source = str((result.provenance.get("input") or {}).get("source") or "")
    letters = max(int(_TITLE_LETTERS * width), 8)
    lines = [title] if title is not None else wrap(Path(source.removeprefix("example:")).stem, letters)
    if not result.converged and lines and len(lines[-1]) + len("  not converged") > letters:
        lines.append("")
    return "\n".join(lines)


def write_title(ax: Axes, result: FitResult, title: str | None) -> None:
    """Write the title (the name of the input file if none is given), and beside it if the fit did not converge."""
    width = float(ax.get_window_extent().width) / ax.figure.dpi
    ax.set_title(title_text(result, title, width))
    if not result.converged:
        ax.set_title("not converged", loc="right", color=ISOCHRONE)
