"""The distribution of field stars in magnitude.

Star counts rise smoothly towards the faint end, and the sample ends at hard limits. Their density is written as the
exponential of a polynomial between those limits, which is never negative, has a concave likelihood (one maximum, found
by Newton's method), and is normalised by Gauss-Legendre quadrature to rounding error. The degree is chosen by the
Bayesian information criterion, so that few stars give a flat or straight line and many give a curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial.legendre import leggauss, legval, legvander
from scipy.special import logsumexp

from clusterbayes.errors import SettingsError

__all__ = ["MagnitudeCounts"]

_NODES, _NODE_WEIGHTS = leggauss(256)
_LOG_NODE_WEIGHTS = np.log(_NODE_WEIGHTS)
# Standard deviation of a normal prior on each coefficient; it only stops a maximum that lies at infinity.
_COEFFICIENT_SCALE = 30.0


@dataclass(frozen=True)
class MagnitudeCounts:
    """Density of magnitudes between two hard limits, exp(polynomial) normalised to one.

    Parameters
    ----------
    bright, faint : float
        The limits [mag].
    coefficients : tuple of float
        Coefficients of the Legendre polynomials of degree 1, 2, ... in the magnitude scaled to [-1, 1]; empty for
        uniform counts.
    """

    bright: float
    faint: float
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (np.isfinite(self.bright) and np.isfinite(self.faint) and self.bright < self.faint):
            raise SettingsError(
                "the magnitude limits do not enclose a range",
                name="limits",
                value=(self.bright, self.faint),
                expected="two finite magnitudes, the bright (smaller) one first",
            )

    @classmethod
    def fit(
        cls,
        magnitudes: np.ndarray,
        limits: tuple[float, float],
        *,
        weights: np.ndarray | None = None,
        max_degree: int = 4,
    ) -> MagnitudeCounts:
        """Fit the counts by weighted maximum likelihood, the degree by the Bayesian information criterion.

        Parameters
        ----------
        magnitudes : ndarray, shape (n_star,)
            Magnitudes within the limits [mag].
        limits : tuple of float
            Bright and faint limit [mag].
        weights : ndarray, shape (n_star,), optional
            Weight of each star in [0, 1]; ones by default. Their sum counts as the number of stars.
        max_degree : int
            Largest degree of the polynomial.

        Returns
        -------
        MagnitudeCounts
        """
        uniform = cls(float(limits[0]), float(limits[1]))
        weights = np.ones(len(magnitudes)) if weights is None else weights
        total = float(weights.sum())
        if total < 2.0:
            return uniform
        moments = weights @ legvander(uniform._scaled(magnitudes), max_degree)[:, 1:] / total
        best, best_criterion = uniform, -2.0 * total * np.log(0.5)
        for degree in range(1, max_degree + 1):
            coefficients, mean_log_density = _maximise(moments[:degree], total)
            criterion = degree * np.log(total) - 2.0 * total * mean_log_density
            if criterion < best_criterion:
                best, best_criterion = cls(uniform.bright, uniform.faint, tuple(coefficients.tolist())), criterion
        return best

    def log_density(self, magnitudes: np.ndarray) -> np.ndarray:
        """Evaluate the log density.

        Parameters
        ----------
        magnitudes : ndarray, shape (n_star,)
            Magnitudes [mag].

        Returns
        -------
        ndarray, shape (n_star,)
            Natural log of the density [1/mag]; -inf outside the limits.
        """
        scaled = self._scaled(magnitudes)
        inside = np.abs(scaled) <= 1.0
        series = np.concatenate([[0.0], self.coefficients])
        log_norm = logsumexp(legval(_NODES, series) + _LOG_NODE_WEIGHTS) + np.log(0.5 * (self.faint - self.bright))
        return np.where(inside, legval(np.where(inside, scaled, 0.0), series) - log_norm, -np.inf)

    def sample(self, n_star: int, rng: np.random.Generator) -> np.ndarray:
        """Draw magnitudes by inverting the cumulative counts, piecewise linear over 4,000 intervals.

        Parameters
        ----------
        n_star : int
            Number of draws.
        rng : numpy.random.Generator
            Source of random numbers.

        Returns
        -------
        ndarray, shape (n_star,)
            Magnitudes between the limits [mag].
        """
        edges = np.linspace(self.bright, self.faint, 4001)
        density = np.exp(self.log_density(0.5 * (edges[1:] + edges[:-1])))
        cumulative = np.concatenate([[0.0], np.cumsum(density)])
        return np.interp(rng.random(n_star) * cumulative[-1], cumulative, edges)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain numbers that `from_dict` makes an equal object of."""
        return {"bright": self.bright, "faint": self.faint, "coefficients": list(self.coefficients)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> MagnitudeCounts:
        """Make the object again from what `to_dict` returned."""
        return cls(float(content["bright"]), float(content["faint"]), tuple(content["coefficients"]))

    def _scaled(self, magnitudes: np.ndarray) -> np.ndarray:
        # The division can overshoot 1 by rounding at the limits themselves, which belong to the range.
        scaled = (2.0 * magnitudes - self.bright - self.faint) / (self.faint - self.bright)
        at_limit = (magnitudes == self.bright) | (magnitudes == self.faint)
        return np.where(at_limit, np.clip(scaled, -1.0, 1.0), scaled)


def _maximise(moments: np.ndarray, total: float) -> tuple[np.ndarray, float]:
    """Find the coefficients whose density has the given mean Legendre polynomials.

    Parameters
    ----------
    moments : ndarray, shape (degree,)
        Weighted means of the polynomials of degree 1, 2, ... over the stars.
    total : float
        Sum of the weights.

    Returns
    -------
    coefficients : ndarray, shape (degree,)
    mean_log_density : float
        Mean log density of the stars in the scaled magnitude.
    """
    basis = legvander(_NODES, len(moments))[:, 1:]
    penalty = 1.0 / (total * _COEFFICIENT_SCALE**2)

    def value(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        terms = basis @ coefficients + _LOG_NODE_WEIGHTS
        log_norm = logsumexp(terms)
        objective = moments @ coefficients - log_norm - 0.5 * penalty * coefficients @ coefficients
        return float(objective), np.exp(terms - log_norm)

    coefficients = np.zeros(len(moments))
    objective, probability = value(coefficients)
    for _ in range(100):
        expected = probability @ basis
        centred = basis - expected
        curvature = (centred * probability[:, None]).T @ centred + penalty * np.eye(len(moments))
        gradient = moments - expected - penalty * coefficients
        step = np.linalg.solve(curvature, gradient)
        if gradient @ step < 1e-14:
            break
        size = 1.0
        while size > 1e-6:
            trial, trial_probability = value(coefficients + size * step)
            if trial > objective:
                coefficients, objective, probability = coefficients + size * step, trial, trial_probability
                break
            size *= 0.5
        else:
            break
    return coefficients, objective + 0.5 * penalty * float(coefficients @ coefficients)
