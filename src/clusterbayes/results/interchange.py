"""Chains in the form that ArviZ and corner understand: named variables over (chain, draw).

An ensemble of walkers is one chain: its walkers know of each other, so that only whole ensembles are independent. Draws
are thinned by the longest autocorrelation time, and the walkers of one step follow each other; what is left is nearly
independent, and ArviZ may count it as it counts any chain.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from clusterbayes.errors import SettingsError
from clusterbayes.extras import require_extra
from clusterbayes.results.result import FitResult

__all__ = ["to_arviz"]


def to_arviz(result: FitResult, *, thin: int | None = None) -> Any:
    """Return the chain as ArviZ's tree of `xarray` datasets.

    Parameters
    ----------
    result : FitResult
    thin : int, optional
        Every so many steps are kept; the longest autocorrelation time, rounded up, by default.

    Returns
    -------
    arviz.InferenceData or xarray.DataTree
        Whichever the installed ArviZ works with. The group `posterior` has every sampled parameter with dimensions
        (chain, draw) and its unit as the attribute `units`; `sample_stats` has `lp`, the log posterior density. The
        attribute `converged` of `posterior` and of the whole is 1 or 0 (netCDF knows no truth values).

    Raises
    ------
    SettingsError
        If nothing would be left.
    MissingExtraError
        If ArviZ is not installed.
    """
    require_extra("arviz", "arviz", "xarray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it announces its next version once a day
        import arviz
    import xarray

    n_steps, n_walkers, _ = result.chain.shape
    if thin is None:
        thin = math.ceil(max(result.diagnostics["tau"].values(), default=1.0))
    if not 1 <= thin <= n_steps:
        raise SettingsError("the chain can't be thinned by this", "thin", thin, f"1 to {n_steps}")
    n_chain = int(result.diagnostics["n_ensembles"])

    def by_chain(values: np.ndarray) -> tuple[tuple[str, str], np.ndarray]:
        kept = values[::-1][::thin][::-1]
        return ("chain", "draw"), np.concatenate(np.split(kept[None], n_chain, axis=2)).reshape(n_chain, -1)

    verdict = {"converged": int(result.converged)}
    posterior = xarray.Dataset(
        {
            name: (*by_chain(result.chain[:, :, i]), {"units": result.units[name]})
            for i, name in enumerate(result.names)
        },
        attrs=verdict,
    )
    stats = xarray.Dataset({"lp": by_chain(result.log_prob)})
    if hasattr(arviz, "InferenceData"):
        return arviz.InferenceData(posterior=posterior, sample_stats=stats, attrs=verdict)
    tree = xarray.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
    tree.attrs.update(verdict)
    return tree
