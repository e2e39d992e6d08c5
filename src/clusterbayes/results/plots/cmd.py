"""The colour-magnitude diagram: the data, coloured by membership, under the isochrones that fit them.

The axes are found from the fitted observables: a colour if one was fitted, else the difference of two magnitudes, over
the magnitude that goes with it by custom. Any other pair can be asked for, as long as the observables determine it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from clusterbayes.bands import BANDS, Observable, bands_of, observable_matrix, parse_observable
from clusterbayes.errors import SettingsError
from clusterbayes.results.plots.style import (
    INK,
    draw_curves,
    draw_members,
    free_corners,
    name_beyond,
    new_figure,
    styled,
    write_key,
    write_parameters,
    write_title,
)
from clusterbayes.results.result import FitResult

__all__ = ["CmdAxes", "axis_label", "cmd_axes", "find_cmd_axes", "find_cmd_pairs", "magnitude_label", "plot_cmd"]

# Blue band, red band, and the magnitude they are drawn against, best first.
_CUSTOM = (
    ("Gaia_BP", "Gaia_RP", "Gaia_G"), ("B", "V", "V"), ("V", "I", "V"), ("SDSS_g", "SDSS_r", "SDSS_r"),
    ("SDSS_g", "SDSS_i", "SDSS_i"), ("DECam_g", "DECam_r", "DECam_r"), ("2MASS_J", "2MASS_Ks", "2MASS_Ks"),
)  # fmt: skip
_SYMBOLS = {
    "Gaia_BP": r"G_\mathrm{BP}", "Gaia_RP": r"G_\mathrm{RP}", "2MASS_Ks": "K_s",
}  # fmt: skip


@dataclass(frozen=True)
class CmdAxes:
    """What a colour-magnitude diagram shows, as combinations of the fitted observables.

    Parameters
    ----------
    colour, magnitude : Observable
        The axes.
    colour_weights, magnitude_weights : ndarray, shape (n_obs,)
        Factors of the fitted observables that make them.
    """

    colour: Observable
    magnitude: Observable
    colour_weights: NDArray[np.float64]
    magnitude_weights: NDArray[np.float64]

    def project(self, observables: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn observables (n, n_obs) into points (n, 2); a missing value only matters where it is used."""
        weights = np.stack([self.colour_weights, self.magnitude_weights])
        return np.stack([np.sum(observables[:, w != 0] * w[w != 0], axis=1) for w in weights], axis=1)

    def errors(self, errors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn errors of observables (n, n_obs) into errors (n, 2) of the points."""
        weights = np.stack([self.colour_weights, self.magnitude_weights])
        return np.stack([np.sqrt(np.sum((errors[:, w != 0] * w[w != 0]) ** 2, axis=1)) for w in weights], axis=1)


def find_cmd_axes(result: FitResult, colour: str | None = None, magnitude: str | None = None) -> CmdAxes:
    """Find the axes of the colour-magnitude diagram.

    Parameters
    ----------
    result : FitResult
        Its observables are used.
    colour, magnitude : str, optional
        For instance "V-I" and "V"; chosen by custom if left out.

    Returns
    -------
    CmdAxes
        The axes.

    Raises
    ------
    BandError
        If a band is not known.
    SettingsError
        If the fitted observables don't determine what is asked for.
    """
    return cmd_axes(tuple(parse_observable(name) for name in result.observables), colour, magnitude)


def find_cmd_pairs(result: FitResult, most: int = 6) -> list[CmdAxes]:
    """Find several colour-magnitude diagrams of a fit: the usual one, then every colour over the same magnitude.

    Parameters
    ----------
    result : FitResult
        Its observables are used.
    most : int
        How many at most; colours of neighbouring bands come before those of distant ones.

    Returns
    -------
    list of CmdAxes
        At least one.

    Raises
    ------
    SettingsError
        If the fitted observables make no colour and magnitude.
    """
    usual = find_cmd_axes(result)
    observables = tuple(parse_observable(name) for name in result.observables)
    fitted = set(bands_of(observables))
    ordered = sorted(fitted, key=lambda band: BANDS[band].wavelength)
    pairs = [(ordered[i], ordered[i + step]) for step in range(1, len(ordered)) for i in range(len(ordered) - step)]
    found = [usual]
    for blue, red in pairs:
        colour = parse_observable(f"{blue}-{red}")
        weights = _express(colour, observables)
        if colour.name != usual.colour.name and weights is not None:
            found.append(CmdAxes(colour, usual.magnitude, weights, usual.magnitude_weights))
    return found[:most]


def cmd_axes(observables: Sequence[Observable], colour: str | None = None, magnitude: str | None = None) -> CmdAxes:
    """Find the axes of a colour-magnitude diagram of observables; as `find_cmd_axes`."""
    names = {observable.name for observable in observables}
    for blue, red, mag in _candidates(observables):
        axes = [parse_observable(colour or f"{blue}-{red}"), parse_observable(magnitude or mag)]
        weights = [_express(axis, observables) for axis in axes]
        if weights[0] is not None and weights[1] is not None:
            return CmdAxes(axes[0], axes[1], weights[0], weights[1])
    raise SettingsError(
        "the colour-magnitude diagram can't be drawn from these observables",
        value=f"{colour or 'a colour'} against {magnitude or 'a magnitude'}",
        expected=f"combinations of {', '.join(sorted(names))}",
    )


def _candidates(observables: Sequence[Observable]) -> Iterator[tuple[str, str, str]]:
    """Yield (blue band, red band, magnitude) to be tried in turn."""
    fitted = set(bands_of(observables))
    magnitudes = [observable.name for observable in observables if observable.is_magnitude]
    custom = [row for row in _CUSTOM if {row[0], row[1]} <= fitted]
    for observable in observables:
        if observable.is_colour:
            blue, red = observable.bands
            usual = [row[2] for row in custom if row[:2] == (blue, red)]
            yield from ((blue, red, mag) for mag in (*usual, *magnitudes))
    yield from custom
    ordered = sorted(fitted, key=lambda band: BANDS[band].wavelength)
    yield from ((ordered[0], ordered[-1], mag) for mag in magnitudes)


def _express(target: Observable, observables: Sequence[Observable]) -> NDArray[np.float64] | None:
    """Find the factors (n_obs,) that make an observable of the fitted ones, with as few of them as possible."""
    bands = bands_of((*observables, target))
    goal = observable_matrix([target], bands)[0]
    rows = observable_matrix(observables, bands)
    for count in range(1, len(observables) + 1):
        for chosen in combinations(range(len(observables)), count):
            factors = np.linalg.lstsq(rows[list(chosen)].T, goal, rcond=None)[0]
            if np.allclose(factors @ rows[list(chosen)], goal, atol=1e-9):
                weights = np.zeros(len(observables))
                weights[list(chosen)] = np.where(np.abs(factors) > 1e-12, factors, 0.0)
                return weights
    return None


def axis_label(observable: Observable) -> str:
    """Return an axis label such as "$B - V$ [mag]"."""
    names = [_SYMBOLS.get(band, band.split("_")[-1]) for band in observable.bands]
    return f"${' - '.join(names)}$ [mag]"


def magnitude_label(result: FitResult, observable: Observable) -> str:
    """Return the label of an axis of magnitudes as `FitResult.at_one_distance` gives them."""
    label = axis_label(observable)
    return f"{label}, stars moved to one distance" if result.distance_shift.any() else label


@styled
def plot_cmd(
    result: FitResult,
    ax: Axes | None = None,
    *,
    colour: str | None = None,
    magnitude: str | None = None,
    title: str | None = None,
    details: bool = True,
) -> Axes:
    """Draw the colour-magnitude diagram.

    Parameters
    ----------
    result : FitResult
        The fit.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    colour, magnitude : str, optional
        The axes, for instance "V-I" and "V"; chosen by custom if left out.
    title : str, optional
        Title; the name of the input if left out.
    details : bool
        Whether parameters, legend and colour bar are drawn; a panel among others does without.

    Returns
    -------
    matplotlib Axes
        With stars coloured by membership probability, outliers marked, the best isochrone, a fan of posterior draws,
        the sequence of equal-mass binaries, typical errors at the edge, and the magnitude limit.
    """
    axes = find_cmd_axes(result, colour, magnitude)
    values, errors = result.at_one_distance()
    points = axes.project(values)
    if ax is None:
        ax = new_figure(6.6, 7.2).subplots()
    _set_limits(ax, points, result.p_member)
    draw_members(ax, points[:, 0], points[:, 1], result, outliers=True, scale=details)
    draw_curves(ax, result, lambda curve: axes.project(curve.observables), binaries=True, on_top=True)
    ax.set(xlabel=axis_label(axes.colour), ylabel=magnitude_label(result, axes.magnitude))
    curves = [axes.project(curve.observables) for curve in result.curves if curve.kind == "best"]
    first, second = free_corners(ax, np.vstack([points[result.p_member > 0.5], *curves]))[:2]
    _draw_limit(ax, axes, result, at_right=details and second[0] == 0.0)
    _draw_typical_errors(ax, points, axes.errors(errors), at_right=(0.0, 0.0) in (first, second))
    if details:
        name_beyond(ax, points[:, 0], points[:, 1], result)
        write_parameters(ax, result, ("log_age", "mh", "dist_mod", "a_v"), first)
        write_key(ax, second)
    write_title(ax, result, title)
    return ax


def _set_limits(ax: Axes, points: NDArray[np.float64], p_member: NDArray[np.float64]) -> None:
    """Show all likely members and nearly all other stars, faint stars at the bottom."""
    finite = points[np.isfinite(points).all(axis=1) & np.isfinite(p_member)]
    if not len(finite):
        ax.set(xlim=(-0.5, 3.0), ylim=(20.0, 5.0))
        return
    members = points[np.isfinite(points).all(axis=1) & (p_member > 0.5)]
    low, high = np.percentile(finite, [0.5, 99.5], axis=0)
    if len(members):
        ends = np.percentile(members, [0.2, 99.8], axis=0)
        low, high = np.minimum(low, ends[0]), np.maximum(high, ends[1])
    bright = float(min(np.percentile(finite[:, 1], 0.1), low[1]))
    width, height = high - low
    ax.set_xlim(low[0] - 0.10 * width - 0.05, high[0] + 0.08 * width + 0.05)
    ax.set_ylim(high[1] + 0.05 * height + 0.1, bright - 0.05 * height - 0.1)


def _draw_limit(ax: Axes, axes: CmdAxes, result: FitResult, *, at_right: bool) -> None:
    """Draw the magnitude limits, slanted where the limited observable is not on the axis itself, and name them."""
    if result.mag_limits is None:
        return
    name, *limits = result.mag_limits
    factors = _express(parse_observable(name), (axes.colour, axes.magnitude))
    if factors is None or factors[1] == 0:
        return
    x = np.array(ax.get_xlim())
    bottom, top = ax.get_ylim()
    for limit, word in zip(limits, ("bright", "faint"), strict=True):
        y = (limit - factors[0] * x) / factors[1]
        if not np.isfinite(y).all() or not (top < y[0] < bottom):
            continue
        ax.plot(x, y, color=INK, lw=0.9, ls=(0, (1, 1.5)), zorder=2.8)
        beyond: dict[str, Any] = {  # the line, on the side where no stars are
            "xytext": (-6 if at_right else 6, 3 if word == "bright" else -3),
            "textcoords": "offset points",
            "ha": "right" if at_right else "left",
            "va": "bottom" if word == "bright" else "top",
            "fontsize": 8,
            "zorder": 5.5,
            "bbox": {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
        }
        end = 1 if at_right else 0
        ax.annotate(f"{word} limit", (x[end], y[end]), annotation_clip=True, **beyond)
    ax.set_xlim(*x)


def _draw_typical_errors(ax: Axes, points: NDArray[np.float64], errors: NDArray[np.float64], *, at_right: bool) -> None:
    """Draw the median error of each part of the magnitude range at the left or right edge."""
    good = np.isfinite(points).all(axis=1) & np.isfinite(errors).all(axis=1)
    if good.sum() < 20:
        return
    bottom, top = ax.get_ylim()
    edges = np.linspace(top, bottom, 9)
    left, right = ax.get_xlim()
    label: str | None = "typical errors"
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = good & (points[:, 1] >= low) & (points[:, 1] < high)
        half = np.median(errors[inside], axis=0) if inside.sum() >= 5 else np.zeros(2)
        if half[0] > 0.004 * (right - left):  # smaller ones could not be seen
            inset = 0.02 * (right - left) + half[0]
            at = (right - inset if at_right else left + inset, float(np.median(points[inside, 1])))
            ax.errorbar(*at, xerr=half[0], yerr=half[1], color=INK, lw=0.9, capsize=0, zorder=5, label=label)
            label = None
