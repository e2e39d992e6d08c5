"""Pictures of a grid's certificate: errors against age, the worst isochrone, and a map over age and metallicity."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from clusterbayes.bands import parse_observable
from clusterbayes.isochrones.certificate import Certificate
from clusterbayes.isochrones.comparison import GROUPS, Line, rms
from clusterbayes.results.plots.cmd import axis_label
from clusterbayes.results.plots.isochrones import COLOURS
from clusterbayes.results.plots.style import INK, ISOCHRONE, new_figure, styled

__all__ = ["plot_errors", "plot_map", "plot_worst"]

_SHORT = {"age": "one node of age left out", "mh": "one node of [M/H] left out", "raw": "published isochrones"}
_COLOURS = (*COLOURS[:6], "#b8bec5")
_SMALLEST = 1e-4  # errors below this are not told apart


def _panels(certificate: Certificate, tests: tuple[str, ...], width: float, height: float) -> tuple[Figure, Any]:
    """Make a row of panels for those of some tests that were made."""
    names = [test for test in tests if test in certificate.comparisons]
    figure = new_figure(0.6 + width * len(names), height)
    return figure, zip(names, figure.subplots(1, len(names), squeeze=False)[0], strict=True)


@styled
def plot_errors(certificate: Certificate) -> Figure:
    """Draw the rms against age, by phase, as it was measured.

    Parameters
    ----------
    certificate : Certificate
        The measurements.

    Returns
    -------
    matplotlib Figure
        With a panel for each test.
    """
    figure, panels = _panels(certificate, ("age", "mh", "raw"), 3.5, 3.9)
    nodes = certificate.nodes["log_age"]
    limits = (nodes[0] - 0.1, nodes[-1] + 0.1)
    for n, (test, ax) in enumerate(panels):
        found = certificate.comparisons[test]
        ages = sorted({round(c.log_age, 3) for c in found})
        for colour, (code, name) in zip(_COLOURS, GROUPS.items(), strict=True):
            values = []
            for age in ages:
                some = [c for c in found if round(c.log_age, 3) == age]
                values.append(rms(np.concatenate([c.distance[c.group == code] for c in some])))
            if np.any(np.isfinite(values)):
                size = 2.2 if len(ages) <= 40 else 0.0
                ax.plot(ages, np.maximum(values, _SMALLEST), color=colour, lw=1.1, marker="o", ms=size, label=name)
        ax.set(yscale="log", ylim=(_SMALLEST, 1.0), xlim=limits, xlabel="log age [log10 yr]")
        ax.set_title(_SHORT[test], fontsize=10, fontweight="normal")
        if n == 0:
            ax.set_ylabel("rms distance [mag]")
        else:
            ax.tick_params(labelleft=False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    narrow: dict[str, Any] = {"columnspacing": 0.9, "handlelength": 1.3}
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=7.5, **narrow)
    return figure


@styled
def plot_worst(certificate: Certificate) -> Figure:
    """Draw the isochrone of the largest rms at log_age 8 and above, true and interpolated, for each test."""
    figure, panels = _panels(certificate, ("age", "mh", "raw"), 3.4, 4.4)
    magnitude, blue, red = certificate.bands
    labels = [axis_label(parse_observable(name)) for name in (f"{blue}-{red}", magnitude)]
    for test, ax in panels:
        if test not in certificate.worst:
            ax.set_axis_off()
            continue
        comparison, true, made = certificate.worst[test]
        _overlay(ax, true, made, certificate.faintest, dots=test == "raw")
        place = f"log age {comparison.log_age:.2f}, [M/H] {comparison.mh:+.2f}"
        ax.set_title(f"{_SHORT[test]}\n{place}: rms {comparison.rms:.3f} mag", fontsize=9, fontweight="normal")
        raw = test == "raw"
        ax.set(xlabel="colour [mag]" if raw else labels[0], ylabel="magnitude [mag]" if raw else labels[1])
    shown = [ax for ax in figure.axes if ax.axison]
    if shown:
        shown[0].legend(loc="best")
    return figure


def _overlay(ax: Axes, true: Line, made: Line, faintest: float, *, dots: bool) -> None:
    """Draw the true line (or its points) in grey under the interpolated one."""
    for line, colour, width, name in ((true, "#9aa2ab", 3.0, "true"), (made, ISOCHRONE, 0.9, "interpolated")):
        gaps = np.flatnonzero(np.diff(line.phase)) + 1
        drawn = np.insert(line.points, gaps, np.nan, axis=0)
        style: dict[str, Any] = {"color": colour, "label": name}
        if dots and line is true:
            ax.plot(drawn[:, 1], drawn[:, 0], ls="", marker=".", ms=4, **style)
        else:
            ax.plot(drawn[:, 1], drawn[:, 0], lw=width, **style)
    bright = np.vstack([line.points[(line.points[:, 0] < faintest) & line.drawn()] for line in (true, made)])
    low, high = bright.min(axis=0), bright.max(axis=0)
    edge = 0.05 * (high - low)
    ax.set_xlim(low[1] - edge[1], high[1] + edge[1])
    ax.set_ylim(high[0] + edge[0], low[0] - edge[0])


@styled
def plot_map(certificate: Certificate) -> Figure:
    """Draw the rms of every node that was left out over age and metallicity, as it was measured."""
    figure, panels = _panels(certificate, ("age", "mh"), 4.2, 3.2)
    scale = ScalarMappable(LogNorm(1e-3, 0.3), matplotlib.colormaps["cividis"])
    for n, (test, ax) in enumerate(panels):
        found = certificate.comparisons[test]
        ages, metals = (np.array(sorted({getattr(c, name) for c in found})) for name in ("log_age", "mh"))
        values = np.full((metals.size, ages.size), np.nan)
        for c in found:
            values[np.searchsorted(metals, c.mh), np.searchsorted(ages, c.log_age)] = c.rms
        colours = {"cmap": scale.cmap, "norm": scale.norm, "rasterized": True}
        ax.pcolormesh(_edges(ages), _edges(metals), values, **colours)
        ax.set_xlabel("log age [log10 yr]")
        ax.set_title(_SHORT[test], fontsize=10, fontweight="normal")
        if n == 0:
            ax.set_ylabel("[M/H] [dex]")
    bar = figure.colorbar(scale, ax=figure.axes, pad=0.015, fraction=0.05, extend="both")
    bar.set_label("rms distance [mag]")
    bar.ax.tick_params(color=INK)
    return figure


def _edges(nodes: np.ndarray) -> np.ndarray:
    """Return the edges of cells around nodes."""
    if nodes.size == 1:
        return np.array([nodes[0] - 0.05, nodes[0] + 0.05])
    middle = 0.5 * (nodes[1:] + nodes[:-1])
    return np.concatenate([[2 * nodes[0] - middle[0]], middle, [2 * nodes[-1] - middle[-1]]])
