"""What the stars' parallaxes, proper motions and places say, beside what the fit says.

The columns are those of the input, which the result keeps. A table without them is refused with a word on what is
missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy import units as u
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle
from numpy.typing import NDArray

from clusterbayes.errors import InputError
from clusterbayes.photometry.astrometry import CORRECTED_PARALLAX, numbers, read_parallaxes, read_proper_motions
from clusterbayes.photometry.columns import recognise
from clusterbayes.photometry.sky import positions, separation
from clusterbayes.results.derived import mean_direction
from clusterbayes.results.plots.cmd import find_cmd_axes, magnitude_label
from clusterbayes.results.plots.style import (
    BINARY,
    INK,
    ISOCHRONE,
    MEMBERS,
    MOST_VECTORS,
    draw_members,
    faintness,
    key_ring,
    name_beyond,
    new_figure,
    styled,
    write_title,
)
from clusterbayes.results.result import FitResult

__all__ = ["plot_motions", "plot_parallaxes", "plot_sky"]

Array = NDArray[np.float64]
_HEADROOM = 1.35  # of half the height, for the key above the stars


def _missing(what: str) -> InputError:
    remedy = "fit a table that has them, under names that are recognised, or say which columns they are"
    return InputError(f"the stars have no {what}", "stars", remedy=remedy)


def _spans(ax: Axes, x: Array, y: Array, dy: Array, p: Array) -> None:
    """Draw errors of likely members as thin vertical lines."""
    likely = (p > 0.5) & np.isfinite(x + y + dy)
    lines = np.stack([np.stack([x, y - dy], axis=1), np.stack([x, y + dy], axis=1)], axis=1)[likely]
    alpha = faintness(len(lines))
    look: dict[str, Any] = {"colors": MEMBERS(p[likely]), "linewidths": 0.5, "alpha": alpha, "zorder": 2}
    look["rasterized"] = len(lines) > MOST_VECTORS
    ax.add_collection(LineCollection(list(lines), **look), autolim=False)


@styled
def plot_parallaxes(
    result: FitResult,
    ax: Axes | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the parallaxes against magnitude, with that of the fitted distance.

    Parameters
    ----------
    result, ax, title
        As in `plot_cmd`.
    columns : mapping of str to str, optional
        What columns are, where their names don't tell: column to "parallax", …

    Returns
    -------
    matplotlib Axes
        Parallaxes [mas] as they were fitted (those of the table, or what is left of them where a zero point was taken
        out star by star, which the label says), errors of likely members, and a band: 1000/distance minus the zero
        point that was fitted, 5 to 95 %.

    Raises
    ------
    InputError
        If the stars have no parallaxes with errors.
    """
    read = read_parallaxes(result.stars, recognise(result.stars.colnames, dict(columns or {})), None, "stars", [])
    if read.values is None or read.errors is None:
        raise _missing("parallaxes with errors")
    parallax, label = read.values, "parallax [mas]"
    if CORRECTED_PARALLAX in result.stars.colnames:
        parallax = numbers(result.stars, CORRECTED_PARALLAX, "stars", u.mas)
        label = "parallax − zero point (Lindegren et al. 2021) [mas]"
    axes = find_cmd_axes(result)
    magnitude = axes.project(result.at_one_distance()[0])[:, 1]
    if ax is None:
        ax = new_figure(6.6, 4.8).subplots()
    draw_members(ax, magnitude, parallax, result)
    _spans(ax, magnitude, parallax, read.errors, result.p_member)
    fixed = (result.provenance.get("fixed") or {}).get("parallax_zero_point", 0.0)
    values = 1000.0 / result.draws["distance"] - result.draws.get("parallax_zero_point", fixed)
    low, middle, high = np.percentile(values, [5, 50, 95])
    ax.axhspan(low, high, color=ISOCHRONE, alpha=0.25, lw=0, zorder=2.5)
    ax.axhline(
        middle, color=ISOCHRONE, lw=1.2, zorder=3.5, label="fitted distance, seen with the zero point; 5 to 95 %"
    )
    likely = parallax[(result.p_member > 0.5) & np.isfinite(parallax)]
    around = np.percentile(np.append(likely, [low, high]), [2, 98])
    half = max(1.6 * float(np.abs(around - middle).max()), 0.1)
    ax.set(
        ylim=(middle - half, middle + _HEADROOM * half), xlabel=magnitude_label(result, axes.magnitude), ylabel=label
    )
    name_beyond(ax, magnitude, parallax, result)
    ax.legend(loc="upper left")
    write_title(ax, result, title)
    return ax


@styled
def plot_motions(
    result: FitResult,
    ax: Axes | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the proper motions, with the cluster's mean.

    Parameters
    ----------
    result, ax, title
        As in `plot_cmd`.
    columns : mapping of str to str, optional
        What columns are, where their names don't tell: column to "pm_ra", …

    Returns
    -------
    matplotlib Axes
        μ_α cos δ (east to the left) and μ_δ [mas/yr] about the likely members; a cross at the mean and a circle of two
        dispersions: the fit's own where it sampled them, else the members' with their errors.

    Raises
    ------
    InputError
        If the stars have no proper motions.
    """
    table_columns = recognise(result.stars.colnames, dict(columns or {}))
    anything = 1.0  # errors are not shown, and motions are without them, too
    read = read_proper_motions(result.stars, table_columns, anything, "stars", [])
    if read.values is None:
        raise _missing("proper motions")
    if ax is None:
        ax = new_figure(6.4, 5.6).subplots()
    x, y = read.values.T
    draw_members(ax, x, y, result)
    centre, spread, words = _mean_motion(result, read.values)
    ax.plot(*centre, marker="+", ms=14, mew=1.8, color=ISOCHRONE, zorder=5, ls="none", label=words)
    ring: dict[str, Any] = {"fill": False, "color": ISOCHRONE, "lw": 1.3, "zorder": 4.5}
    ax.add_patch(Circle((float(centre[0]), float(centre[1])), 2.0 * spread, **ring))
    fitted = "pm_dispersion" in result.draws
    key_ring(ax, f"two {'dispersions, as fitted' if fitted else 'standard deviations of the members'}", mec=ISOCHRONE)
    likely = read.values[(result.p_member > 0.5) & np.isfinite(read.values).all(axis=1)]
    half = max(2.5 * spread, 1.15 * float(np.percentile(np.abs(likely - centre), 98)) if len(likely) else 1.0, 0.2)
    ax.set(xlim=(centre[0] + half, centre[0] - half), ylim=(centre[1] - half, centre[1] + _HEADROOM * half))
    ax.set_aspect("equal", adjustable="box")
    name_beyond(ax, x, y, result)
    ax.set(xlabel=r"$\mu_\alpha \cos\delta$ [mas/yr]", ylabel=r"$\mu_\delta$ [mas/yr]")
    ax.legend(loc="upper left")
    write_title(ax, result, title)
    return ax


def _mean_motion(result: FitResult, motion: Array) -> tuple[Array, float, str]:
    """Return the mean (2,), the dispersion in one dimension, and where they are from."""
    names = ("pm_ra", "pm_dec", "pm_dispersion")
    if all(name in result.draws for name in names):
        ra, dec, spread = (float(np.median(result.draws[name])) for name in names)
        return np.array([ra, dec]), spread, "mean motion of the cluster, as fitted"
    known = np.isfinite(motion).all(axis=1)
    weight = np.nan_to_num(result.p_member)[known, None] * (result.p_member[known, None] > 0.5)
    if not weight.sum() > 0:
        raise InputError("no likely member has a proper motion", "stars", "p_member")
    mean = (weight * motion[known]).sum(axis=0) / weight.sum()
    spread = np.sqrt(float((weight * (motion[known] - mean) ** 2).sum() / (2.0 * weight.sum())))
    return mean, float(spread), "mean of the members"


@styled
def plot_sky(
    result: FitResult,
    ax: Axes | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the stars on the sky, with the centre and the radius that holds half of the members.

    Parameters
    ----------
    result, ax, title
        As in `plot_cmd`.
    columns : mapping of str to str, optional
        What columns are, where their names don't tell: column to "ra", "dec", …

    Returns
    -------
    matplotlib Axes
        Offsets from the centre [deg] on a plane that touches the sky there (gnomonic projection), east to the left; the
        centre of the fit or else the members' mean, and the fit's radius where it had one.

    Raises
    ------
    InputError
        If the stars have no directions.
    """
    where = positions(
        result.stars, recognise(result.stars.colnames, dict(columns or {})).roles, ra_unit=None, source="stars"
    )
    if where is None:
        raise _missing("directions on the sky")
    ra, dec, _ = where
    weight = np.where(np.isfinite(ra) & np.isfinite(dec), np.nan_to_num(result.p_member), 0.0)
    if not weight.sum() > 0:
        raise InputError("no likely member has a direction", "stars", "p_member")
    settings = result.provenance.get("settings") or {}
    known = weight > 0
    centre = tuple(settings.get("center") or mean_direction(ra[known], dec[known], weight[known]))
    x, y = _plane(ra, dec, centre)
    if ax is None:
        ax = new_figure(6.4, 5.6).subplots()
    draw_members(ax, x, y, result)
    ax.plot(0, 0, marker="+", ms=14, mew=1.8, color=ISOCHRONE, zorder=5, ls="none", label=_place(centre))
    ring: dict[str, Any] = {"fill": False, "lw": 1.4, "zorder": 4.5}
    half = _half_radius(separation(ra, dec, centre)[known], weight[known])
    ax.add_patch(Circle((0, 0), half, color=ISOCHRONE, **ring))
    key_ring(ax, f"half of the members: {half:.3g}°", mec=ISOCHRONE)
    if settings.get("radius"):
        radius = float(settings["radius"])
        ax.add_patch(Circle((0, 0), radius, color=BINARY, ls=(0, (4, 2)), **ring))
        key_ring(ax, f"radius of the fit: {radius:g}°", mec=BINARY)
    shown = np.isfinite(x + y + result.p_member)
    edge = 1.06 * max(float(np.abs(np.stack([x, y])[:, shown]).max()), half)
    ax.set(xlim=(edge, -edge), ylim=(-edge, _HEADROOM * edge), xlabel="east of the centre [deg]")
    ax.set_ylabel("north of the centre [deg]")
    ax.set_aspect("equal", adjustable="box")
    ax.legend(loc="upper left", labelcolor=INK)
    write_title(ax, result, title)
    return ax


def _plane(ra: Array, dec: Array, centre: tuple[float, float]) -> tuple[Array, Array]:
    """Project directions [deg] onto the plane that touches the sky at a centre [deg]; NaN from 90 degrees on."""
    lon, lat = np.radians(ra - centre[0]), np.radians(dec)
    lat0 = np.radians(centre[1])
    cosine = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(lon)
    with np.errstate(invalid="ignore", divide="ignore"):
        ahead = np.where(cosine > 1e-6, cosine, np.nan)
    x = np.cos(lat) * np.sin(lon) / ahead
    y = (np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(lon)) / ahead
    return np.degrees(x), np.degrees(y)


def _half_radius(away: Array, weight: Array) -> float:
    """Return the distance within which half of the weight lies."""
    order = np.argsort(away)
    return float(np.interp(0.5 * weight.sum(), np.cumsum(weight[order]), away[order]))


def _place(centre: tuple[float, float]) -> str:
    return f"centre: {centre[0] % 360.0:.3f}°, {centre[1]:+.3f}°"
