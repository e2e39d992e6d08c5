"""The chain itself: each parameter along the steps, and how long it remembers where it was.

A chain that has converged looks like noise about one level; its autocorrelation falls to zero within a small part of
its length. The autocorrelation is emcee's estimate (Foreman-Mackey et al. 2013, PASP 125, 306), averaged over walkers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from clusterbayes.errors import SettingsError
from clusterbayes.results.plots.style import DPI, INK, ISOCHRONE, MEMBERS, parameter_label, styled, write_title
from clusterbayes.results.result import FitResult

__all__ = ["autocorrelation", "plot_traces"]

Array = NDArray[np.float64]
_DEFAULT = ("log_age", "mh", "dist_mod", "a_v", "binary_frac", "member_frac")
_MOST_WALKERS = 12
_MOST_STEPS = 600  # drawn; more could not be told apart


def autocorrelation(chain: Array) -> Array:
    """Return the normalised autocorrelation of one parameter, averaged over walkers.

    Parameters
    ----------
    chain : ndarray, shape (n_steps, n_walkers)
        The parameter along the chain.

    Returns
    -------
    ndarray, shape (n_steps,)
        1 at lag 0; walkers that never moved are left out, and all NaN if none did.
    """
    from emcee.autocorr import function_1d

    moving = np.ptp(chain, axis=0) > 0 if len(chain) else np.zeros(chain.shape[1], bool)
    if not moving.any():
        return np.full(len(chain), np.nan)
    return np.asarray(np.mean([function_1d(walker) for walker in chain[:, moving].T], axis=0))


@styled
def plot_traces(
    result: FitResult,
    names: Sequence[str] | None = None,
    *,
    figure: Figure | None = None,
    title: str | None = None,
) -> NDArray[np.object_]:
    """Draw the walkers' paths in some parameters, and the autocorrelation beside them.

    Parameters
    ----------
    result : FitResult
        The fit.
    names : sequence of str, optional
        Sampled parameters; the astrophysical ones if left out.
    figure : matplotlib Figure, optional
        Where to draw; a new one if left out.
    title : str, optional
        Title; the name of the input if left out.

    Returns
    -------
    ndarray of Axes, shape (n, 2)
        Values against steps (up to 12 walkers), and autocorrelation against lag with the time τ of the diagnostics.

    Raises
    ------
    SettingsError
        If a parameter was not sampled.
    """
    for name in names or ():
        if name not in result.names:
            raise SettingsError.unknown("sampled parameter", name, result.names)
    chosen = list(names or [name for name in _DEFAULT if name in result.names] or result.names)
    if figure is None:  # fixed margins: finding them for so many panels would take seconds
        figure = Figure(figsize=(9.6, 1.1 + 1.3 * len(chosen)), dpi=DPI)
        inch = 1.0 / figure.get_figheight()
        sides = {"left": 0.11, "right": 0.985, "bottom": 0.54 * inch, "top": 1.0 - 0.56 * inch}
        figure.subplots_adjust(**sides, hspace=0.1, wspace=0.12)
    panels = figure.subplots(len(chosen), 2, squeeze=False, sharex="col", width_ratios=(2.2, 1.0))
    n_steps, n_walkers, _ = result.chain.shape
    stride = max(1, -(-n_steps // _MOST_STEPS))
    steps = np.arange(0, n_steps, stride)
    shade = MEMBERS(np.linspace(0.35, 1.0, min(n_walkers, _MOST_WALKERS)))
    taus = result.diagnostics.get("tau") or {}
    for name, (left, right) in zip(chosen, panels, strict=True):
        chain = result.chain[:, :, result.names.index(name)]
        for path, colour in zip(chain[::stride, :_MOST_WALKERS].T, shade, strict=True):
            left.plot(steps, path, color=colour, lw=0.4, alpha=0.7, rasterized=True)
        left.set_ylabel(parameter_label(name, result.units.get(name, "")), fontsize=9)
        left.yaxis.set_major_locator(MaxNLocator(3))
        left.minorticks_off()
        right.minorticks_off()
        right.plot(autocorrelation(chain), color=MEMBERS(0.9), lw=1.1)
        right.axhline(0.0, color=INK, lw=0.6)
        tau = taus.get(name)
        if tau is not None and np.isfinite(tau):
            right.axvline(tau, color=ISOCHRONE, lw=1.2)
            right.text(0.97, 0.86, rf"$\tau = {tau:.0f}$", transform=right.transAxes, ha="right", va="top")
        right.set_ylim(-0.35, 1.05)
    panels[-1, 0].set(xlabel="step after burn-in", xlim=(0, max(n_steps - 1, 1)))
    longest = max((float(taus[n]) for n in chosen if taus.get(n) is not None and np.isfinite(taus[n])), default=0.0)
    panels[-1, 1].set(xlabel="lag [steps]", xlim=(0, max(min(n_steps / 2, max(10.0 * longest, 20.0)), 1.0)))
    panels[0, 1].set_title("autocorrelation", fontsize=10)
    write_title(panels[0, 0], result, title)
    return np.asarray(panels, dtype=object)
