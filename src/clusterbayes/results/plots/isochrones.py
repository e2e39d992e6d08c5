"""Isochrones in a colour-magnitude diagram, from grids and from files side by side, over stars if there are any.

A line is drawn within a phase only: nothing joins the tip of the giant branch to the clump, nor the ends of phases that
a source leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from clusterbayes.bands import Observable, observable_matrix
from clusterbayes.errors import BandError, SettingsError
from clusterbayes.isochrones.extinction import band_extinction, extinction_coefficients
from clusterbayes.isochrones.formats import RawTable
from clusterbayes.isochrones.grid import IsochroneGrid
from clusterbayes.results.plots.cmd import axis_label
from clusterbayes.results.plots.style import INK, new_figure, styled

__all__ = ["COLOURS", "Track", "file_tracks", "grid_tracks", "plot_isochrones"]

Array = NDArray[np.float64]

#: Told apart with every kind of colour vision; the order of Okabe & Ito, without their yellow.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a4f9e", "#22262b")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.4, 1.2)), (0, (5, 1.4, 1.4, 1.4)))
_MOST_NAMED = 8  # with more lines than this, ages are told by colour along a scale instead of by name
_LONGEST_NAME = 32


@dataclass(frozen=True)
class Track:
    """One isochrone to be drawn.

    Parameters
    ----------
    source : str
        Grid or file that it is from.
    log_age, mh : float
        log10 of the age [yr]; [M/H] [dex].
    phase : (n,) int array
        Phase codes; a line never goes from one to another.
    magnitudes : dict of str to (n,) array
        Magnitudes [mag] by band, absolute or as they are seen.
    """

    source: str
    log_age: float
    mh: float
    phase: NDArray[np.int64]
    magnitudes: dict[str, Array]

    def points(self, axes: Sequence[Observable]) -> Array:
        """Return the line (n + n_gap, n_axes) in a diagram, with a row of NaN between phases.

        Raises
        ------
        BandError
            If a band is missing.
        """
        bands = [band for band in self.magnitudes if any(band in axis.bands for axis in axes)]
        try:
            matrix = observable_matrix(axes, bands)
        except BandError as error:
            known = ", ".join(self.magnitudes)
            raise BandError(error.name, f"{self.source} has no band {error.name}", remedy=f"it has {known}") from None
        values = np.stack([self.magnitudes[band] for band in bands], axis=-1) @ matrix.T
        return np.insert(values, np.flatnonzero(np.diff(self.phase)) + 1, np.nan, axis=0)


def grid_tracks(
    grid: IsochroneGrid,
    log_age: Iterable[float],
    mh: Iterable[float],
    *,
    source: str = "",
    dist_mod: float = 0.0,
    a_v: float = 0.0,
) -> list[Track]:
    """Interpolate isochrones of a grid, to be drawn.

    Parameters
    ----------
    grid : IsochroneGrid
        The grid.
    log_age, mh : iterable of float
        Ages [log10 yr] and metallicities [dex]; every pair is drawn.
    source : str
        What to call the grid; its name if left out.
    dist_mod, a_v : float
        True distance modulus and extinction A_V [mag] that the magnitudes are to have.

    Returns
    -------
    list of Track
        One a pair.

    Raises
    ------
    GridRangeError
        If a value lies outside the grid.
    """
    metals = list(mh)
    tracks = []
    for age in log_age:
        for metal in metals:
            isochrone = grid.isochrone(age, metal)
            dust = isochrone.extinction(a_v)
            seen = {band: value + dist_mod + dust[band] for band, value in isochrone.magnitudes.items()}
            tracks.append(Track(source or grid.name, age, metal, isochrone.phase, seen))
    return tracks


def file_tracks(
    tables: Iterable[RawTable], bands: Sequence[str], *, dist_mod: float = 0.0, a_v: float = 0.0
) -> list[Track]:
    """Take isochrones from files as they are, to be drawn.

    Parameters
    ----------
    tables : iterable of RawTable
        From `clusterbayes.isochrones.formats.read_isochrones`.
    bands : sequence of str
        Bands that are needed; only these are reddened.
    dist_mod, a_v : float
        As in `grid_tracks`.

    Returns
    -------
    list of Track
        One a table.

    Raises
    ------
    BandError
        If a table lacks a band.
    """
    tracks = []
    for table in tables:
        for band in bands:
            if band not in table.bands:
                known = ", ".join(table.bands) or "no band at all"
                raise BandError(band, f"{table.source} has no band {band}", remedy=f"it has {known}")
        columns = [table.bands.index(band) for band in bands]
        seen = table.mags[:, columns] + dist_mod
        if a_v:
            coefficients = extinction_coefficients(bands, table.log_teff, table.log_g, np.full(seen.shape[0], table.mh))
            seen = seen + band_extinction(coefficients, a_v)
        magnitudes = dict(zip(bands, seen.T, strict=True))
        tracks.append(Track(table.source, table.log_age, table.mh, table.phase, magnitudes))
    return tracks


@styled
def plot_isochrones(
    tracks: Sequence[Track],
    magnitude: Observable,
    colour: Observable,
    ax: Axes | None = None,
    *,
    stars: Array | None = None,
    stars_name: str = "stars",
    title: str | None = None,
) -> Axes:
    """Draw isochrones in a colour-magnitude diagram.

    Parameters
    ----------
    tracks : sequence of Track
        The isochrones.
    magnitude, colour : Observable
        The axes.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    stars : ndarray, shape (n_star, 2), optional
        Colour and magnitude [mag] of stars to be drawn below the lines; the diagram is then cut to them.
    stars_name : str
        What they are, for the legend.
    title : str, optional
        Title; what the isochrones share if left out.

    Returns
    -------
    matplotlib Axes
        With a colour for every line and a legend, or, where there are many, a colour scale of ages and a dash for every
        source.

    Raises
    ------
    BandError
        If a source lacks a band.
    SettingsError
        If there is nothing to draw.
    """
    if not tracks:
        raise SettingsError("there is no isochrone to draw", expected="ages and metallicities that the sources have")
    lines = [track.points((colour, magnitude)) for track in tracks]
    if ax is None:
        ax = new_figure(6.2, 6.8).subplots()
    if stars is not None:
        dots: dict[str, Any] = {"s": 7, "lw": 0, "color": "#8d949c", "zorder": 1}
        ax.scatter(stars[:, 0], stars[:, 1], label=stars_name, **dots)
    if len(tracks) <= _MOST_NAMED:
        shared = _draw_by_name(ax, tracks, lines)
    else:
        shared = _draw_by_age(ax, tracks, lines)
    _set_limits(ax, np.vstack(lines), stars)
    ax.set(xlabel=axis_label(colour), ylabel=axis_label(magnitude), title=", ".join(shared) if title is None else title)
    ax.title.set_fontsize(10.5)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="best")
    return ax


def _words(track: Track) -> tuple[str, str, str]:
    """Return the source, the age and the metallicity of an isochrone in words."""
    name = Path(track.source).name
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME // 2]}…{name[-_LONGEST_NAME // 2 :]}"
    return name, f"log age {track.log_age:.4g}", f"[M/H] {track.mh:+.2f}"


def _draw_by_name(ax: Axes, tracks: Sequence[Track], lines: Sequence[Array]) -> list[str]:
    """Draw every line in a colour of its own, named by what tells it from the others; return what they share."""
    words = [_words(track) for track in tracks]
    shared = [part[0] for part in zip(*words, strict=True) if len(set(part)) == 1]
    for n, (parts, line) in enumerate(zip(words, lines, strict=True)):
        label = ", ".join(part for part in parts if part not in shared)
        ax.plot(*line.T, color=COLOURS[n % len(COLOURS)], lw=1.15, label=label or None, zorder=3)
    return shared


def _draw_by_age(ax: Axes, tracks: Sequence[Track], lines: Sequence[Array]) -> list[str]:
    """Draw lines coloured by age, with a dash for every source; return what they share."""
    ages = [track.log_age for track in tracks]
    scale = ScalarMappable(Normalize(min(ages), max(ages) + 1e-9), matplotlib.colormaps["viridis"])
    words = [_words(track) for track in tracks]
    sources = list(dict.fromkeys(name for name, _, _ in words))
    for (name, _, _), track, line in zip(words, tracks, lines, strict=True):
        dash = _DASHES[sources.index(name) % len(_DASHES)]
        ax.plot(*line.T, color=scale.to_rgba(np.array(track.log_age)), lw=0.8, ls=dash, zorder=3)
    for n, name in enumerate(sources if len(sources) > 1 else ()):
        ax.plot([], [], color=INK, lw=1.0, ls=_DASHES[n % len(_DASHES)], label=name)
    bar = ax.figure.colorbar(scale, ax=ax, pad=0.015, fraction=0.04, aspect=36)
    bar.set_label("log age [log10 yr]")
    return [part[0] for part in zip(*words, strict=True) if len(set(part)) == 1]


def _set_limits(ax: Axes, lines: Array, stars: Array | None) -> None:
    """Show the stars with a margin, or else the lines; bright is up."""
    shown = lines if stars is None else stars
    shown = shown[np.isfinite(shown).all(axis=1)]
    low, high = shown.min(axis=0), shown.max(axis=0)
    if stars is not None:
        low, high = np.percentile(shown, 0.5, axis=0), np.percentile(shown, 99.5, axis=0)
    margin = (0.06 if stars is None else 0.12) * (high - low)
    ax.set_xlim(low[0] - margin[0], high[0] + margin[0])
    ax.set_ylim(high[1] + margin[1], low[1] - margin[1])
