"""How many members the best model expects where: the isochrone, peopled by its mass function and its binaries.

The most probable draw is taken for the truth. Everything that is needed comes from the result: the isochrone gives the
magnitudes, the mass function and the law of mass ratios the numbers, the observed stars the errors. Where the fitted
observables leave single bands open (a magnitude and a colour of other bands), the light of two stars is added as if
the magnitude lay midway between the bands of the colour, which moves no pair by more than some hundredths of a
magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clusterbayes.bands import bands_of, observable_matrix, parse_observable
from clusterbayes.errors import InputError
from clusterbayes.model.binaries import MassRatios
from clusterbayes.results.census import number_density
from clusterbayes.results.result import Curve, FitResult

__all__ = ["Prediction", "predicted_members"]

Array = NDArray[np.float64]
_RATIOS = tuple(np.linspace(0.1, 1.0, 16))
_FINER = 6  # points for each piece of the isochrone


@dataclass(frozen=True)
class Prediction:
    """Expected members.

    Attributes
    ----------
    observables, errors : ndarray, shape (n, n_obs)
        Where they lie and how far errors scatter them [mag], in the order of `FitResult.observables`.
    weights : ndarray, shape (n,)
        How many there are; their sum is the number of members of the fit.
    """

    observables: Array
    errors: Array
    weights: Array


def predicted_members(result: FitResult) -> Prediction:
    """Predict the members of a cluster under the most probable parameters.

    Parameters
    ----------
    result : FitResult
        The fit.

    Returns
    -------
    Prediction
        Single stars and binaries within the magnitude limits.

    Raises
    ------
    InputError
        If the result holds no isochrone, or its limits leave nothing of it.
    """
    best = result.curve("best")
    if best is None:
        raise InputError("the result has no best isochrone to predict from", "curves", remedy="fit again")
    mass, observables = _finer(best)
    values = {**(result.provenance.get("fixed") or {}), **result.best}
    settings = result.provenance.get("settings") or {}
    alpha_1, alpha_2 = (
        np.array([float(values.get(name, default))]) for name, default in (("alpha_1", 1.3), ("alpha_2", 2.3))
    )
    law = str(settings.get("mass_function") or "kroupa")
    number = number_density(mass, alpha_1, alpha_2, law)[0] * np.gradient(mass)
    pairs, shares = _pairs(result, mass, observables, float(values.get("q_slope", 0.0)))
    fraction = float(values.get("binary_frac", 0.0))
    points = np.concatenate([observables[None], pairs])
    weights = np.concatenate([[1.0 - fraction], fraction * shares])[:, None] * number
    points, weights = points.reshape(-1, points.shape[-1]), weights.ravel()
    inside = _inside(result, points) & (weights > 0)
    if not inside.any():
        raise InputError("the limits of the sample leave nothing of the best isochrone", "curves")
    points, weights = points[inside], weights[inside]
    return Prediction(points, _errors(result, points), weights * float(np.nansum(result.p_member)) / weights.sum())


def _finer(curve: Curve) -> tuple[Array, Array]:
    """Return masses and observables at more points of an isochrone, none between phases."""
    at = np.arange(len(curve.m_ini), dtype=float)
    fine = np.linspace(0.0, at[-1], _FINER * (len(at) - 1) + 1)
    same = curve.phase[np.floor(fine).astype(int)] == curve.phase[np.ceil(fine).astype(int)]
    fine = fine[same]
    columns = [np.interp(fine, at, column) for column in curve.observables.T]
    return np.interp(fine, at, curve.m_ini), np.stack(columns, axis=1)


def _pairs(result: FitResult, mass: Array, observables: Array, slope: float) -> tuple[Array, Array]:
    """Return binaries (n_ratio, n_mass, n_obs) of every mass ratio, and the share (n_ratio,) that each ratio has."""
    law = str((result.provenance.get("settings") or {}).get("binary_law") or "flat")
    ratios = MassRatios(_RATIOS, law)
    middle = 0.5 * (np.array(_RATIOS[1:]) + np.array(_RATIOS[:-1]))
    parsed = [parse_observable(name) for name in result.observables]
    bands = bands_of(parsed)
    matrix = observable_matrix(parsed, bands)
    level = observables[:, [observable.is_magnitude for observable in parsed]].mean(axis=1, keepdims=True)
    # The magnitudes closest to their common level that give the observables.
    light = 10.0 ** (-0.4 * (level + (observables - level * matrix.sum(axis=1)) @ np.linalg.pinv(matrix).T))
    order = np.argsort(mass, kind="stable")
    companion = middle[:, None] * mass
    added = np.stack([np.interp(companion, mass[order], light[order, b]) for b in range(len(bands))], axis=2)
    added[companion < mass[order[0]]] = 0.0
    return -2.5 * np.log10(light + added) @ matrix.T, ratios.share(np.array([slope]))[0]


def _inside(result: FitResult, points: Array) -> NDArray[np.bool_]:
    if result.mag_limits is None or result.mag_limits[0] not in result.observables:
        return np.ones(len(points), bool)
    name, bright, faint = result.mag_limits
    magnitude = points[:, result.observables.index(name)]
    return (magnitude >= bright) & (magnitude <= faint)


def _errors(result: FitResult, points: Array) -> Array:
    """Return the errors (n, n_obs) that stars as bright have: running medians of those observed."""
    errors = np.empty_like(points)
    for k, (value, error) in enumerate(zip(*(part.T for part in result.at_one_distance()), strict=True)):
        good = np.flatnonzero(np.isfinite(value) & np.isfinite(error) & np.isfinite(result.p_member))
        if not good.size:
            errors[:, k] = 0.0
            continue
        parts = np.array_split(good[np.argsort(value[good])], max(1, min(20, good.size // 10)))
        middles, typical = (np.array([np.median(column[part]) for part in parts]) for column in (value, error))
        errors[:, k] = np.interp(points[:, k], middles, typical)
    return errors
