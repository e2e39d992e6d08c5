"""Fits of real clusters beside their reference values, one panel a parameter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure

from clusterbayes.results.plots.style import INK, ISOCHRONE, new_figure, parameter_label, styled

__all__ = ["plot_benchmark"]

_BLUE = "#1f62ab"


@styled
def plot_benchmark(table: Table, names: Sequence[str]) -> Figure:
    """Draw fit minus reference of every catalogue.

    Parameters
    ----------
    table : astropy.table.Table
        One row a catalogue: `file`, `converged`, and for each name `_fit`, `_fit_sigma`, `_ref` and `_ref_sigma`.
    names : sequence of str
        Parameters.

    Returns
    -------
    matplotlib.figure.Figure
        Grey bars are what the references allow, blue lines the posterior's standard deviation; fits that did not
        converge are open symbols.
    """
    table = table[np.argsort(table["log_age_ref"])]
    figure = new_figure(3.0 * len(names) + 1.2, 0.27 * len(table) + 1.6)
    panels = np.atleast_1d(figure.subplots(1, len(names), sharey=True))
    rows = np.arange(len(table))
    converged = np.asarray(table["converged"], bool)
    for ax, name in zip(panels, names, strict=True):
        apart = np.asarray(table[f"{name}_fit"] - table[f"{name}_ref"], float)
        ax.barh(rows, 2.0 * table[f"{name}_ref_sigma"], left=-table[f"{name}_ref_sigma"], color="#dfe2e6", height=0.8)
        ax.errorbar(apart, rows, xerr=table[f"{name}_fit_sigma"], fmt="none", ecolor=_BLUE, elinewidth=1.6)
        for state, face in ((converged, _BLUE), (~converged, "white")):
            ax.plot(apart[state], rows[state], "o", ms=4.5, mfc=face, mec=_BLUE)
        ax.axvline(0.0, color=ISOCHRONE, lw=0.8)
        ax.set_xlabel(f"fit − reference: {parameter_label(name)}")
    panels[0].set_yticks(rows, [str(file) for file in table["file"]], color=INK)
    panels[0].tick_params(axis="y", which="minor", left=False)
    return figure
