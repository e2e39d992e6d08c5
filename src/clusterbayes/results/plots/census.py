"""Members counted against magnitude and against mass, with the mass function that the fit assumed."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter
from numpy.typing import NDArray

from clusterbayes.bands import parse_observable
from clusterbayes.errors import InputError
from clusterbayes.results.census import luminosity_function, mass_function_table, number_density
from clusterbayes.results.plots.cmd import axis_label
from clusterbayes.results.plots.style import (
    INK,
    ISOCHRONE,
    MEMBERS,
    new_figure,
    styled,
    write_title,
)
from clusterbayes.results.result import FitResult

__all__ = ["plot_luminosity_function", "plot_mass_function"]

Array = NDArray[np.float64]
_MASSES = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0)  # Msun, ticks


def _draw_counts(ax: Axes, table: Table, x: tuple[Array, Array], y: Array, error: Array, *, log: bool) -> None:
    """Draw counts with errors; filled where the bins are complete, open where they are not."""
    low, high = x
    middle = np.sqrt(low * high) if log else 0.5 * (low + high)
    known = np.asarray(table["n_member"]) > 0
    complete = np.asarray(table["complete"], dtype=bool)
    groups = (("inside the sample's limits", complete, MEMBERS(0.85)), ("partly outside", ~complete, "white"))
    for name, pick, fill in groups:
        pick = pick & known
        if pick.any():
            sides = np.stack([middle - low, high - middle])[:, pick]
            look: dict[str, Any] = {"fmt": "o", "ms": 5, "mfc": fill, "mec": MEMBERS(0.85), "color": MEMBERS(0.7)}
            ax.errorbar(middle[pick], y[pick], error[pick], sides, lw=0.9, label=name, **look)
    if not known.any():
        raise InputError("no star may be a member: there is nothing to count", "stars", "p_member")


@styled
def plot_luminosity_function(
    result: FitResult, ax: Axes | None = None, *, width: float = 0.5, title: str | None = None
) -> Axes:
    """Draw the number of members against magnitude.

    Parameters
    ----------
    result, ax, title
        As in `plot_cmd`.
    width : float
        Width of a bin [mag].

    Returns
    -------
    matplotlib Axes
        Members in each bin with their standard deviation; bins that reach beyond the limits of the sample are open.

    Raises
    ------
    InputError
        If no star may be a member.
    """
    table = luminosity_function(result, width)
    if ax is None:
        ax = new_figure(6.0, 4.4).subplots()
    low, high, count, error = (
        np.asarray(table[name], dtype=float) for name in ("low", "high", "n_member", "n_member_std")
    )
    _draw_counts(ax, table, (low, high), count, error, log=False)
    ax.set(xlabel=axis_label(parse_observable(table.meta["observable"])), ylabel=f"members in {width:g} mag")
    ax.set_ylim(0.0, 1.3 * float(np.nanmax(count + error)))  # room for the key
    ax.legend(loc="upper left")
    write_title(ax, result, title)
    return ax


@styled
def plot_mass_function(
    result: FitResult, ax: Axes | None = None, *, width: float = 0.1, title: str | None = None
) -> Axes:
    """Draw the number of members against the mass of their primaries, with the fitted mass function.

    Parameters
    ----------
    result, ax, title
        As in `plot_cmd`.
    width : float
        Width of a bin [dex].

    Returns
    -------
    matplotlib Axes
        dN/dM [1/Msun] on logarithmic axes, and the most probable mass function, scaled to the complete bins.

    Raises
    ------
    InputError
        If no star may be a member.
    """
    table = mass_function_table(result, width)
    if ax is None:
        ax = new_figure(6.0, 4.4).subplots()
    low, high, density = (np.asarray(table[name], dtype=float) for name in ("low", "high", "dn_dm"))
    error = np.asarray(table["n_member_std"], dtype=float) / (high - low)
    _draw_counts(ax, table, (low, high), density, error, log=True)
    _draw_law(ax, result, table)
    positive = density[density > 0]
    ax.set(xscale="log", yscale="log", ylim=(0.5 * positive.min(), 3.0 * positive.max()))
    ax.set(xlabel=r"initial mass of the primary [$M_\odot$]", ylabel=r"$dN/dM$ [$1/M_\odot$]")
    ax.xaxis.set_major_locator(FixedLocator(_MASSES))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend(loc="best", labelcolor=INK)
    write_title(ax, result, title)
    return ax


def _draw_law(ax: Axes, result: FitResult, table: Table) -> None:
    """Draw the mass function of the most probable draw, with as many stars in the complete bins as were counted."""
    complete = np.asarray(table["complete"], dtype=bool)
    values = {**(result.provenance.get("fixed") or {}), **result.best}
    if not complete.any() or "alpha_2" not in values:
        return
    settings = result.provenance.get("settings") or {}
    alpha_1, alpha_2 = (np.array([float(values.get(name, values["alpha_2"]))]) for name in ("alpha_1", "alpha_2"))
    law = str(settings.get("mass_function") or "kroupa")
    edges = np.append(np.asarray(table["low"], dtype=float), float(table["high"][-1]))
    mass = np.geomspace(edges[0], edges[-1], 20 * len(table) + 1)
    shape = number_density(mass, alpha_1, alpha_2, law)[0]
    whole = np.array([np.trapezoid(part, x) for part, x in _cut(shape, mass, len(table))])
    factor = float(np.asarray(table["n_member"])[complete].sum() / whole[complete].sum())
    ax.plot(
        mass, factor * shape, color=ISOCHRONE, lw=1.3, zorder=3.5, label=f"{law.capitalize()} mass function, scaled"
    )


def _cut(shape: Array, mass: Array, count: int) -> list[tuple[Array, Array]]:
    """Cut a curve with 20 pieces for each of some bins at the bins' edges."""
    return [(shape[20 * k : 20 * k + 21], mass[20 * k : 20 * k + 21]) for k in range(count)]
