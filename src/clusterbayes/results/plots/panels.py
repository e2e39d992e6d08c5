"""Several colour-magnitude diagrams side by side, and one before and after dereddening.

A fit with more than two bands makes more than one colour, and has to be right in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clusterbayes.bands import bands_of, observable_matrix, parse_observable
from clusterbayes.errors import InputError
from clusterbayes.isochrones.extinction import band_extinction, extinction_coefficients
from clusterbayes.results.plots.cmd import axis_label, find_cmd_axes, find_cmd_pairs, magnitude_label, plot_cmd
from clusterbayes.results.plots.style import (
    INK,
    MEMBERS,
    draw_members,
    free_corners,
    new_figure,
    styled,
    write_key,
    write_title,
)
from clusterbayes.results.result import FitResult

__all__ = ["observable_extinction", "plot_cmds", "plot_dereddening"]

Array = NDArray[np.float64]
_COLUMNS = 3
# log g = log M + 4 log Teff - log L + this, in solar and cgs units: IAU 2015 nominal values, Teff_sun = 5772 K.
_LOG_G = 4.438 - 4.0 * np.log10(5772.0)


@styled
def plot_cmds(
    result: FitResult,
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    figure: Figure | None = None,
    title: str | None = None,
) -> NDArray[np.object_]:
    """Draw a colour-magnitude diagram for each of several pairs of bands.

    Parameters
    ----------
    result : FitResult
        The fit.
    pairs : sequence of (str, str), optional
        Colours and magnitudes, for instance [("B-V", "V"), ("V-I", "I")]; up to six colours that the observables make
        if left out.
    figure : matplotlib Figure, optional
        Where to draw; a new one if left out.
    title : str, optional
        Title of the first; the name of the input if left out.

    Returns
    -------
    ndarray of Axes, shape (n,)
        One a pair, without legends.
    """
    if pairs is None:
        chosen = [(axes.colour.name, axes.magnitude.name) for axes in find_cmd_pairs(result)]
    else:
        chosen = list(pairs)
    columns = min(_COLUMNS, max(len(chosen), 1))
    rows = max(1, -(-len(chosen) // columns))
    figure = figure or new_figure(0.6 + 3.4 * columns, 0.4 + 4.3 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for n, (ax, (colour, magnitude)) in enumerate(zip(panels, chosen, strict=False)):
        plot_cmd(result, ax, colour=colour, magnitude=magnitude, title=title if n == 0 else "", details=False)
        if n > 0:
            ax.set_title("", loc="right")  # the first says whether the fit converged
    for ax in panels[len(chosen) :]:
        ax.remove()
    return np.asarray(panels[: len(chosen)], dtype=object)


def observable_extinction(result: FitResult) -> Array:
    """Return by how much the median extinction of a fit dims and reddens each star.

    Parameters
    ----------
    result : FitResult
        The fit; its law, R_V and median A_V are taken.

    Returns
    -------
    ndarray, shape (n_input, n_obs)
        Extinction of magnitudes and reddening of colours [mag], at the star's own temperature and gravity; the likely
        members' median where these are not known.

    Raises
    ------
    InputError
        If no star has a temperature.
    """
    grid = result.provenance.get("grid") or {}
    teff, lum, mass = (result.column(name) for name in ("log_teff", "log_lum", "mass"))
    with np.errstate(invalid="ignore", divide="ignore"):
        log_g = np.log10(mass) + 4.0 * teff - lum + _LOG_G
    known = np.isfinite(teff) & np.isfinite(log_g)
    if not known.any():
        raise InputError("no star has a temperature, on which its extinction depends", "stars", "log_teff")
    values = {name: row["median"] for name, row in result.summary().items()}
    parsed = [parse_observable(name) for name in result.observables]
    bands = bands_of(parsed)
    law: dict[str, Any] = {"law": grid.get("extinction_law") or "tables", "r_v": float(grid.get("r_v") or 3.1)}
    coefficients = extinction_coefficients(
        bands, teff[known], log_g[known], np.full(int(known.sum()), values["mh"]), **law
    )
    dimming = band_extinction(coefficients, values["a_v"]) @ observable_matrix(parsed, bands).T
    likely = result.p_member[known] > 0.5
    found = np.tile(np.median(dimming[likely] if likely.any() else dimming, axis=0), (len(teff), 1))
    found[known] = dimming
    return found


@styled
def plot_dereddening(
    result: FitResult,
    ax: Axes | None = None,
    *,
    colour: str | None = None,
    magnitude: str | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the colour-magnitude diagram as it is seen, and as it would be without dust.

    Parameters
    ----------
    result, ax, colour, magnitude, title
        As in `plot_cmd`.

    Returns
    -------
    matplotlib Axes
        Stars as they are seen in grey, dereddened by the fit's median extinction coloured by membership, and an arrow
        that says how far the dust moves the likely members.
    """
    axes = find_cmd_axes(result, colour, magnitude)
    values = result.at_one_distance()[0]
    seen, freed = axes.project(values), axes.project(values - observable_extinction(result))
    shown = np.isfinite(seen).all(axis=1) & np.isfinite(result.p_member)
    if ax is None:
        ax = new_figure(6.4, 7.0).subplots()
    dots: dict[str, Any] = {"s": 7, "lw": 0, "color": "#8d949c", "alpha": 0.75, "zorder": 1, "rasterized": True}
    ax.scatter(*seen[shown].T, label="as seen", **dots)
    draw_members(ax, freed[:, 0], freed[:, 1], result)
    likely = shown & (result.p_member > 0.5)
    both = np.vstack([seen[likely], freed[likely]] if likely.any() else [seen[shown], freed[shown]])
    if len(both):
        low, high = np.percentile(both, [0.3, 99.7], axis=0)
        margin = 0.08 * (high - low) + 0.05
        ax.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(high[1] + margin[1], low[1] - margin[1]))
    first, second = free_corners(ax, both)[:2]
    if likely.any():
        shift = np.median(freed[likely] - seen[likely], axis=0)
        at = (0.86 if first[0] else 0.14, 0.9 if first[1] else 0.12)  # of the axes
        x, y = ax.transData.inverted().transform(ax.transAxes.transform(at)).tolist()
        style: dict[str, Any] = {"arrowprops": {"arrowstyle": "->", "color": INK, "lw": 1.3}, "zorder": 6}
        ax.annotate("", xy=(x + float(shift[0]), y + float(shift[1])), xytext=(x, y), **style)
        words = rf"$A_V = {result.summary()['a_v']['median']:.2f}$ mag"
        ax.annotate(
            words, at, xycoords="axes fraction", xytext=(0, -8), textcoords="offset points", ha="center", va="top"
        )
    ax.set(xlabel=axis_label(axes.colour), ylabel=magnitude_label(result, axes.magnitude))
    ax.scatter([], [], s=16, lw=0, color=MEMBERS(0.9), label="without dust")
    write_key(ax, second)
    write_title(ax, result, title)
    return ax
