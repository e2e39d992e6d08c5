"""Pictures of a fit: the colour-magnitude diagram, the Hertzsprung-Russell diagram and the corner plot.

Every function takes a `FitResult`, draws on the axes that it is given or on a figure of its own, and returns the axes.
Figures are made without pyplot, so that nothing global is touched and no display is needed;
``plot_cmd(result).figure.savefig("cmd.pdf")`` writes any format that matplotlib knows.
"""

from __future__ import annotations

from clusterbayes.results.plots.cmd import plot_cmd
from clusterbayes.results.plots.corner import plot_corner
from clusterbayes.results.plots.hr import plot_hr

__all__ = ["plot_cmd", "plot_corner", "plot_hr"]
