"""Pictures of a fit, each a function of the result.

Every function takes a `FitResult`, draws on the axes that it is given or on a figure of its own, and returns the axes.
Figures are made without pyplot, so that nothing global is touched and no display is needed;
``plot_cmd(result).figure.savefig("cmd.pdf")`` writes any format that matplotlib knows. `KINDS` has them by name.
"""

from __future__ import annotations

from clusterbayes.results.plots.astrometry import plot_motions, plot_parallaxes, plot_sky
from clusterbayes.results.plots.census import plot_luminosity_function, plot_mass_function
from clusterbayes.results.plots.chains import plot_traces
from clusterbayes.results.plots.cmd import plot_cmd
from clusterbayes.results.plots.corner import plot_corner
from clusterbayes.results.plots.hr import plot_hr
from clusterbayes.results.plots.kinds import KINDS, draw
from clusterbayes.results.plots.membership import plot_membership
from clusterbayes.results.plots.modes import plot_modes
from clusterbayes.results.plots.panels import plot_cmds, plot_dereddening
from clusterbayes.results.plots.residuals import plot_cmd_with_residuals, plot_hess_residuals, plot_residuals

__all__ = [
    "KINDS", "draw", "plot_cmd", "plot_cmd_with_residuals", "plot_cmds", "plot_corner", "plot_dereddening",
    "plot_hess_residuals", "plot_hr", "plot_luminosity_function", "plot_mass_function", "plot_membership", "plot_modes",
    "plot_motions", "plot_parallaxes", "plot_residuals", "plot_sky", "plot_traces",
]  # fmt: skip
