"""The pictures by name, for the command line and the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from matplotlib.figure import Figure

from clusterbayes.errors import SettingsError
from clusterbayes.results.plots.astrometry import plot_motions, plot_parallaxes, plot_sky
from clusterbayes.results.plots.census import plot_luminosity_function, plot_mass_function
from clusterbayes.results.plots.chains import plot_traces
from clusterbayes.results.plots.cmd import plot_cmd
from clusterbayes.results.plots.corner import plot_corner
from clusterbayes.results.plots.hr import plot_hr
from clusterbayes.results.plots.membership import plot_membership
from clusterbayes.results.plots.modes import plot_modes
from clusterbayes.results.plots.panels import plot_cmds, plot_dereddening
from clusterbayes.results.plots.residuals import plot_cmd_with_residuals, plot_hess_residuals
from clusterbayes.results.result import FitResult

__all__ = ["KINDS", "Kind", "draw"]


@dataclass(frozen=True)
class Kind:
    """A picture: what it shows, in words, and the function that draws it."""

    about: str
    function: Callable[..., Any]


#: Every picture by name.
KINDS: dict[str, Kind] = {
    "cmd": Kind("colour-magnitude diagram with members and isochrones", plot_cmd),
    "residuals": Kind("colour-magnitude diagram with the stars' distances from the isochrone", plot_cmd_with_residuals),
    "cmds": Kind("colour-magnitude diagrams of several pairs of bands", plot_cmds),
    "hr": Kind("Hertzsprung-Russell diagram", plot_hr),
    "corner": Kind("posterior of the main parameters, with their priors", plot_corner),
    "membership": Kind("histogram of membership probabilities, with expected purity", plot_membership),
    "hess": Kind("members against those that the model expects, cell by cell", plot_hess_residuals),
    "traces": Kind("paths of the walkers, and autocorrelation", plot_traces),
    "modes": Kind("modes that the search found, with their weights, over the posterior", plot_modes),
    "parallax": Kind("parallaxes, with that of the fitted distance", plot_parallaxes),
    "motions": Kind("proper motions, with the cluster's mean", plot_motions),
    "sky": Kind("places on the sky, with the half-number radius", plot_sky),
    "luminosity": Kind("luminosity function", plot_luminosity_function),
    "mass": Kind("mass function", plot_mass_function),
    "dereddening": Kind("colour-magnitude diagram before and after dereddening", plot_dereddening),
}


def draw(result: FitResult, kind: str, title: str | None = None) -> Figure:
    """Draw one of `KINDS` on a figure of its own.

    Parameters
    ----------
    result : FitResult
        The fit.
    kind : str
        Name of the picture.
    title : str, optional
        Title; the name of the input if left out.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    SettingsError
        If there is no such kind.
    InputError
        If the result lacks what the picture shows: parallaxes, for instance.
    """
    if kind not in KINDS:
        raise SettingsError.unknown("kind of plot", kind, KINDS)
    drawn = KINDS[kind].function(result, title=title)
    return cast(Figure, np.atleast_1d(drawn).ravel()[0].figure)
