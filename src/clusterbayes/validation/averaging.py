"""Fits with several families of isochrones as one answer, the error of the families apart from the statistical one.

Two sets of weights are given. Equal ones say that no family is known to be better. Stacking chooses those whose
mixture predicts the stars best, each star left out in turn (Yao et al. 2018, Bayesian Analysis 13, 917). Weights by
evidence are not offered: with a thousand stars, any small fault that the families don't share decides, and one family
gets all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.results.result import FitResult

__all__ = ["Average", "average_fits", "stacking_weights"]

_QUANTILES = {"q05": 0.05, "q16": 0.16, "median": 0.5, "q84": 0.84, "q95": 0.95}
_ENOUGH, _MOST_TURNS = 1e-10, 20_000
# Settings that say which data a star's density is about, and within which limits.
_SPACE = ("counts", "proper_motion", "pm_window", "positions", "selection")


@dataclass(frozen=True)
class Average:
    """Several fits as one.

    Attributes
    ----------
    weights : dict of str to float
        By family, adding up to 1.
    parameters : dict of str to dict
        For each parameter that all fits have: "mean", "median", "q05", "q16", "q84" and "q95" of the mixture of the
        posteriors, "statistical" (root of the average variance within families), "family" (standard deviation of the
        families' means), "std" (of both together) and "unit".
    """

    weights: dict[str, float]
    parameters: dict[str, dict[str, Any]]


def average_fits(fits: Mapping[str, FitResult], *, method: str = "stacking") -> Average:
    """Combine fits of the same stars with different isochrones.

    Parameters
    ----------
    fits : mapping of str to FitResult
        By name of the family, two or more.
    method : {"stacking", "equal"}

    Raises
    ------
    SettingsError
        If there are fewer than two fits, the method is unknown, or the fits describe different data of the stars: one
        with proper motions, one without.
    InputError
        If the fits are not of the same stars and observables, or a fit did not converge.
    """
    if method not in ("stacking", "equal"):
        raise SettingsError.unknown("method", method, ("stacking", "equal"))
    _check(fits)
    names = list(fits)
    if method == "equal":
        weights = np.full(len(names), 1.0 / len(names))
    else:
        weights = stacking_weights(np.column_stack([_predicted(name, fits[name]) for name in names]))
    shared = [name for name in fits[names[0]].draws if all(name in fit.draws for fit in fits.values())]
    parameters = {
        name: {**_mixed([fit.draws[name] for fit in fits.values()], weights), "unit": fits[names[0]].units[name]}
        for name in shared
    }
    return Average(dict(zip(names, weights.tolist(), strict=True)), parameters)


def stacking_weights(log_predictive: np.ndarray) -> np.ndarray:
    """Return the weights of the mixture that predicts best.

    Parameters
    ----------
    log_predictive : ndarray, shape (n_star, n_family)
        Log predictive density of each star by each family.

    Returns
    -------
    ndarray, shape (n_family,)
        The maximum of the mean log of the mixed densities, which is concave, found by expectation-maximisation.
    """
    scaled = np.exp(log_predictive - log_predictive.max(axis=1, keepdims=True))
    weights = np.full(scaled.shape[1], 1.0 / scaled.shape[1])
    for _ in range(_MOST_TURNS):
        shares = scaled * weights
        new = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(new - weights).max() < _ENOUGH:
            return new
        weights = new
    return weights


def _check(fits: Mapping[str, FitResult]) -> None:
    if len(fits) < 2:
        raise SettingsError("an average needs two fits or more", value=len(fits))
    first_name, first = next(iter(fits.items()))
    for name, fit in fits.items():
        if not _same_stars(fit, first):
            problem = "the fits are not of the same stars and observables"
            raise InputError(problem, name, expected=f"those of {first_name}", remedy="fit the same table alike")
        settings, own = (result.provenance.get("settings") or {} for result in (first, fit))
        other = next((key for key in _SPACE if own.get(key) != settings.get(key)), None)
        if other is not None:
            problem = f"the fits {first_name} and {name} do not describe the same data of the stars"
            expected = f"{settings.get(other)}, as in {first_name}"
            raise SettingsError(problem, other, own.get(other), expected, remedy="fit with the same options")
        if not fit.converged:
            raise InputError("a fit did not converge", name, remedy="allow it more steps")


def _same_stars(fit: FitResult, other: FitResult) -> bool:
    """Whether two fits used the same rows of the same measurements."""
    if fit.observables != other.observables or len(fit.stars) != len(other.stars):
        return False
    columns = [*fit.observables, *(f"{name}_error" for name in fit.observables)]
    used = np.array_equal(np.asarray(fit.stars["used"], bool), np.asarray(other.stars["used"], bool))
    return used and all(np.array_equal(fit.column(name), other.column(name), equal_nan=True) for name in columns)


def _predicted(name: str, fit: FitResult) -> np.ndarray:
    if "log_predictive" not in fit.stars.colnames:
        raise InputError("the fit says nothing of predictive densities", name, "log_predictive", remedy="fit again")
    values = fit.column("log_predictive")[np.asarray(fit.stars["used"], bool)]
    if not np.isfinite(values).all():
        raise InputError("a predictive density is not finite", name, "log_predictive")
    return values


def _mixed(draws: Sequence[np.ndarray], weights: np.ndarray) -> dict[str, float]:
    means, variances = (np.array([getattr(np, kind)(draw) for draw in draws]) for kind in ("mean", "var"))
    mean = float(weights @ means)
    within, between = float(weights @ variances), float(weights @ (means - mean) ** 2)
    together = np.concatenate(draws)
    share = np.concatenate([np.full(d.size, w / d.size) for d, w in zip(draws, weights, strict=True)])
    order = np.argsort(together)
    reached = np.cumsum(share[order]) - 0.5 * share[order]
    values = {name: float(np.interp(level, reached, together[order])) for name, level in _QUANTILES.items()}
    errors = {"statistical": within**0.5, "family": between**0.5, "std": (within + between) ** 0.5}
    return {"mean": mean, **values, **errors}
