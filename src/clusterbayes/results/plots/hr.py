"""The Hertzsprung-Russell diagram: luminosity against temperature of every star, as the fit places it.

A star's temperature and luminosity are posterior means under the model, given that it is a member; they say little
about stars that are not, so these are drawn faintly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from clusterbayes.results.plots.style import (
    INK,
    MEMBERS,
    MOST_VECTORS,
    draw_curves,
    draw_members,
    faintness,
    free_corners,
    name_beyond,
    new_figure,
    styled,
    write_key,
    write_parameters,
    write_title,
)
from clusterbayes.results.result import Curve, FitResult

__all__ = ["plot_hr"]

_MASSES = (0.2, 0.3, 0.5, 0.7, 1.0, 1.3, 1.6, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)  # Msun, marked along the main sequence
_LABEL_HEIGHT = 0.035  # of the axes
_TEMPERATURES = (2500, 3000, 4000, 5000, 6000, 8000, 10000, 15000, 20000, 30000, 40000)  # K


@styled
def plot_hr(result: FitResult, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Draw the Hertzsprung-Russell diagram.

    Parameters
    ----------
    result, ax, title
        As in `plot_cmd`.

    Returns
    -------
    matplotlib Axes
        log L/Lsun against log Teff [K] (hot stars left), stars coloured by membership probability with their spreads,
        the best isochrone with initial masses marked, and a fan of posterior draws.
    """
    if ax is None:
        ax = new_figure(6.6, 6.8).subplots()
    x, y, x_std, y_std = (result.column(name) for name in ("log_teff", "log_lum", "log_teff_std", "log_lum_std"))
    likely = result.p_member > 0.5
    _set_limits(ax, x, y, likely if likely.any() else np.isfinite(x))
    _draw_spreads(ax, np.stack([x, y, x_std, y_std], axis=1)[likely], result.p_member[likely])
    draw_members(ax, x, y, result)
    draw_curves(ax, result, _points, binaries=False, on_top=False)
    for curve in result.curves:
        if curve.kind == "best":
            _mark_masses(ax, curve)
    ax.set(xlabel=r"$\log_{10}\,T_\mathrm{eff}$ [K]", ylabel=r"$\log_{10}\,L/L_\odot$")
    _add_kelvin(ax)
    shown = np.vstack(
        [np.stack([x, y], axis=1)[likely], *(_points(curve) for curve in result.curves if curve.kind != "fan")]
    )
    first, second = free_corners(ax, shown)[:2]
    name_beyond(ax, x, y, result)
    write_parameters(ax, result, ("log_age", "mh"), first)
    write_key(ax, second)
    write_title(ax, result, title)
    return ax


def _points(curve: Curve) -> NDArray[np.float64]:
    return np.stack([curve.log_teff, curve.log_lum], axis=1)


def _set_limits(ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], shown: NDArray[np.bool_]) -> None:
    shown = shown & np.isfinite(x) & np.isfinite(y)
    if not shown.any():
        ax.set(xlim=(4.2, 3.4), ylim=(-3.0, 4.0))
        return
    (left, right), (low, high) = (np.percentile(values[shown], [0.1, 99.9]) for values in (x, y))
    ax.set_xlim(right + 0.12 * (right - left) + 0.01, left - 0.12 * (right - left) - 0.01)
    ax.set_ylim(low - 0.08 * (high - low) - 0.05, high + 0.10 * (high - low) + 0.05)


def _draw_spreads(ax: Axes, rows: NDArray[np.float64], p_member: NDArray[np.float64]) -> None:
    """Draw the spreads of likely members as thin crosses; rows are x, y, x_std, y_std."""
    x, y, dx, dy = rows.T
    bars = [np.stack([x - dx, y, x + dx, y], axis=1), np.stack([x, y - dy, x, y + dy], axis=1)]
    lines = np.concatenate(bars).reshape(-1, 2, 2)
    keep = np.isfinite(lines).all(axis=(1, 2))
    look: dict[str, Any] = {"colors": MEMBERS(np.tile(p_member, 2)[keep]), "linewidths": 0.5}
    look["alpha"] = faintness(len(rows))
    look["rasterized"] = len(rows) > MOST_VECTORS
    ax.add_collection(LineCollection(list(lines[keep]), zorder=2, **look), autolim=False)


def _mark_masses(ax: Axes, curve: Curve) -> None:
    """Mark round initial masses on the main sequence of a curve."""
    main = curve.phase == 0
    mass = curve.m_ini[main]
    if mass.size < 2:
        return
    (right, left), (low, high) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    for wanted in _MASSES:
        x, y = (float(np.interp(wanted, mass, values[main])) for values in (curve.log_teff, curve.log_lum))
        inset = _LABEL_HEIGHT * (high - low)  # a label below its mark stays inside
        if mass[0] < wanted < mass[-1] and right < x < left and low + inset < y < high:
            ax.plot(x, y, "o", ms=4.2, mfc="white", mec=INK, mew=0.9, zorder=4.5)
            beside: dict[str, Any] = {
                "xytext": (-7, -7),
                "textcoords": "offset points",
                "ha": "right",
                "va": "center",
                "fontsize": 8,
            }
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
            ax.annotate(rf"{wanted:g} $M_\odot$", (x, y), zorder=4.4, bbox=box, **beside)


def _add_kelvin(ax: Axes) -> None:
    """Add round temperatures [K] along the top."""
    ax.tick_params(axis="x", which="both", top=False)
    top = ax.secondary_xaxis("top")
    top.xaxis.set_major_locator(FixedLocator([float(np.log10(kelvin)) for kelvin in _TEMPERATURES]))
    top.xaxis.set_minor_locator(NullLocator())
    top.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{10**value:.0f}"))
    top.set_xlabel(r"$T_\mathrm{eff}$ [K]")
