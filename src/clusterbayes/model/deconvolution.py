"""Mixtures of Gaussians seen through noise and gaps.

Each value carries its own error and some values are missing, so an ordinary mixture fit would describe the noise as
well as the stars. Extreme deconvolution (Bovy, Hogg & Roweis 2011, Annals of Applied Statistics 5, 1657) maximises the
likelihood of the noisy values under a mixture of the noise-free ones. Stars with the same values missing share one
index set, so every step is a vectorised Cholesky factorisation over stars and components. Covariances are held above
a fraction of the covariance of the whole sample, and drawn towards it where few stars speak.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from clusterbayes.heartbeat import beat

__all__ = ["EmOptions", "GaussianMixture", "fit_mixture"]

_LOG_2PI = float(np.log(2.0 * np.pi))
# Matrix entries handled at once for each component: keeps the work arrays inside the processor's cache.
_BLOCK_ENTRIES = 20_000
# Patterns of missing values with fewer stars share one block in a fit.
_RARE = 200
_PADDING = 1e8


@dataclass(frozen=True)
class EmOptions:
    """How expectation maximisation is run.

    Parameters
    ----------
    min_scale : float
        No covariance falls below min_scale**2 times that of the whole sample, in any direction.
    n_starts : int
        Number of random starts, on `start_size` stars at most; the best after `start_steps` iterations is carried on.
    start_steps, max_steps : int
        Iterations of each start, and of the one carried on.
    start_size : int
        Largest number of stars used for the starts.
    tolerance : float
        Iterations end when the mean log density of the stars grows by less than this.
    """

    min_scale: float = 0.05
    n_starts: int = 6
    start_steps: int = 15
    max_steps: int = 200
    start_size: int = 4000
    tolerance: float = 2e-5


@dataclass(frozen=True)
class GaussianMixture:
    """A mixture of Gaussians over noise-free values.

    Parameters
    ----------
    weights : ndarray, shape (n_component,)
        Fractions, summing to one.
    means : ndarray, shape (n_component, n_dim)
    covariances : ndarray, shape (n_component, n_dim, n_dim)
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @property
    def n_component(self) -> int:
        """Number of components."""
        return len(self.weights)

    def log_components(self, values: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Evaluate the log density of noisy values under each component, fraction included.

        Parameters
        ----------
        values : ndarray, shape (n_star, n_dim)
            NaN marks a missing value; its dimension is left out for that star.
        noise : ndarray, shape (n_star, n_dim, n_dim)
            Noise covariance; entries of missing values are ignored.

        Returns
        -------
        ndarray, shape (n_star, n_component)
            A star with nothing observed has density one under each component.
        """
        result = np.empty((len(values), self.n_component))
        nothing = np.zeros(len(values))
        for block in _blocks(values, noise, nothing, nothing):
            inverse, residual = _whiten(self, block)
            result[block.rows] = _log_gaussian(inverse, residual).T
        return result + np.log(self.weights)

    def log_density(self, values: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Evaluate the log density of noisy values, shape (n_star,); arguments as in `log_components`."""
        return logsumexp(self.log_components(values, noise), axis=1)

    def marginal(self, dims: Sequence[int]) -> GaussianMixture:
        """Return the mixture over some of the dimensions only."""
        index = list(dims)
        covariances = self.covariances[:, np.array(index)[:, None], index]
        return GaussianMixture(self.weights, self.means[:, index], covariances)

    def rescaled(self, centre: np.ndarray, scale: np.ndarray) -> GaussianMixture:
        """Return the mixture of centre + scale * x, where this one is the mixture of x; both (n_dim,)."""
        return GaussianMixture(self.weights, centre + scale * self.means, self.covariances * np.outer(scale, scale))

    def to_dict(self) -> dict[str, Any]:
        """Return the plain numbers that `from_dict` makes an equal object of."""
        return {name: getattr(self, name).tolist() for name in ("weights", "means", "covariances")}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> GaussianMixture:
        """Make the object again from what `to_dict` returned."""
        return cls(*(np.array(content[name], dtype=float) for name in ("weights", "means", "covariances")))


def fit_mixture(
    values: np.ndarray,
    noise: np.ndarray,
    n_component: int,
    *,
    weights: np.ndarray,
    rng: np.random.Generator,
    log_background: np.ndarray | None = None,
    options: EmOptions | None = None,
) -> GaussianMixture:
    """Fit a mixture by extreme deconvolution.

    Parameters
    ----------
    values : ndarray, shape (n_star, n_dim)
        Values of order one (centred and scaled by the caller); NaN marks a missing value.
    noise : ndarray, shape (n_star, n_dim, n_dim)
        Noise covariances in the same units.
    n_component : int
        Number of components.
    weights : ndarray, shape (n_star,)
        Weight of each star in [0, 1]; their sum counts as the number of stars.
    rng : numpy.random.Generator
        Used for the starting positions.
    log_background : ndarray, shape (n_star,), optional
        Log of a fixed density added to the mixture's at each star (over the values that the star has), which takes up
        the stars that fit nowhere; none by default.
    options : EmOptions, optional
        How the iteration is run.

    Returns
    -------
    GaussianMixture
    """
    options = options or EmOptions()
    n_dim = values.shape[1]
    log_background = np.full(len(values), -np.inf) if log_background is None else log_background
    values, noise, log_background = _padded(values, noise, log_background)
    blocks = list(_blocks(values, noise, weights, log_background))
    unit = GaussianMixture(np.ones(1), np.zeros((1, n_dim)), np.eye(n_dim)[None])
    weak = _Prior(np.eye(n_dim), n_pseudo=1.0, min_scale=0.02)
    single, _ = _iterate(unit, blocks, weak, options.max_steps, options.tolerance)
    if n_component == 1:
        return single
    whole = single.covariances[0]
    prior = _Prior(whole, n_pseudo=n_dim + 1.0, min_scale=options.min_scale)
    rows = rng.permutation(len(values))[: options.start_size]
    some = list(_blocks(values[rows], noise[rows], weights[rows], log_background[rows]))
    positions = _expected_values(single, some, (len(rows), n_dim))
    best, best_score = single, -np.inf
    for _ in range(options.n_starts):
        start = _start(positions, weights[rows], n_component, whole, rng)
        mixture, score = _iterate(start, some, prior, options.start_steps, options.tolerance)
        if score > best_score:
            best, best_score = mixture, score
    return _iterate(best, blocks, prior, options.max_steps, options.tolerance)[0]


@dataclass(frozen=True)
class _Prior:
    """What is known of the covariances beforehand.

    `whole` (n_dim, n_dim) is the covariance of the whole sample; each component is drawn towards its share of it with
    the weight of `n_pseudo` stars, and never falls below min_scale**2 times it.
    """

    whole: np.ndarray
    n_pseudo: float
    min_scale: float


@dataclass(frozen=True)
class _Block:
    """Stars that have the same values, stars on the last axis.

    `dims` (n_obs,) the dimensions observed; `rows` (n,) the stars; `values` (n_obs, n); `noise` (n_obs, n_obs, n);
    `weights` (n,); `log_background` (n,) the fixed density beside the mixture.
    """

    dims: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    noise: np.ndarray
    weights: np.ndarray
    log_background: np.ndarray


def _blocks(values: np.ndarray, noise: np.ndarray, weights: np.ndarray, log_background: np.ndarray) -> Iterator[_Block]:
    """Group stars by the values that they have, in blocks that fit the processor's cache."""
    observed = ~np.isnan(values)
    codes = observed @ (1 << np.arange(values.shape[1]))  # the pattern of a star as a number, one bit a value
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        dims = np.flatnonzero(observed[members[0]])
        size = _BLOCK_ENTRIES // max(len(dims), 1) ** 2
        for first in range(0, len(members), size):
            rows = members[first : first + size]
            block_noise = np.ascontiguousarray(noise[np.ix_(rows, dims, dims)].transpose(1, 2, 0))
            block_values = np.ascontiguousarray(values[np.ix_(rows, dims)].T)
            yield _Block(dims, rows, block_values, block_noise, weights[rows], log_background[rows])


def _padded(
    values: np.ndarray, noise: np.ndarray, log_background: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write the gaps of rare patterns as values of zero with a huge variance, so that few large blocks remain.

    In values of order one this differs from a gap by one part in 1e8, and by a constant in the log density, which the
    background is given too. Densities that are compared are computed from the patterns themselves.
    """
    missing = np.isnan(values)
    codes = missing @ (1 << np.arange(values.shape[1]))
    _, group, size = np.unique(codes, return_inverse=True, return_counts=True)
    rare = missing & (size[group] < _RARE)[:, None]
    gap = rare[:, :, None] | rare[:, None, :]
    padding = np.where(rare, _PADDING, 0.0)[:, :, None] * np.eye(values.shape[1])
    log_background = log_background - 0.5 * (_LOG_2PI + np.log(_PADDING)) * rare.sum(axis=1)
    return np.where(rare, 0.0, values), np.where(gap, padding, noise), log_background


def _whiten(mixture: GaussianMixture, block: _Block) -> tuple[np.ndarray, np.ndarray]:
    """Return the inverse Cholesky factors (n_obs, n_obs, K, n) of component plus noise, and residuals (n_obs, K, n)."""
    covariances = mixture.covariances[:, block.dims[:, None], block.dims].transpose(1, 2, 0)
    total = covariances[..., None] + block.noise[:, :, None, :]
    residual = block.values[:, None, :] - mixture.means[:, block.dims].T[:, :, None]
    return _inverse_cholesky(total), residual


def _inverse_cholesky(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse of the lower Cholesky factor of matrices on the first two axes, shape (n, n, ...).

    Only the lower triangle of the input is read, and only that of the result is set.
    """
    size = len(matrix)
    factor, inverse = np.empty_like(matrix), np.empty_like(matrix)
    for j in range(size):
        inverse[j, j] = 1.0 / np.sqrt(matrix[j, j] - sum(factor[j, k] ** 2 for k in range(j)))
        for i in range(j + 1, size):
            partial = sum(factor[i, k] * factor[j, k] for k in range(j))
            factor[i, j] = (matrix[i, j] - partial) * inverse[j, j]
    for j in range(size):
        for i in range(j + 1, size):
            inverse[i, j] = -inverse[i, i] * sum(factor[i, k] * inverse[k, j] for k in range(j, i))
    return inverse


def _log_gaussian(inverse: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Return log N of residuals (n_obs, K, n) from the inverse Cholesky factors (n_obs, n_obs, K, n), shape (K, n)."""
    result = np.full(residual.shape[1:], -0.5 * len(residual) * _LOG_2PI)
    for i in range(len(residual)):
        whitened = sum(inverse[i, k] * residual[k] for k in range(i + 1))
        result += np.log(inverse[i, i]) - 0.5 * whitened**2
    return result


def _solve(inverse: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Return the inverse total covariance times the residuals, shape (n_obs, K, n)."""
    size = len(residual)
    whitened = [sum(inverse[i, k] * residual[k] for k in range(i + 1)) for i in range(size)]
    return np.stack([sum(inverse[k, i] * whitened[k] for k in range(i, size)) for i in range(size)])


def _iterate(
    mixture: GaussianMixture, blocks: list[_Block], prior: _Prior, max_steps: int, tolerance: float
) -> tuple[GaussianMixture, float]:
    """Run expectation maximisation until the mean log density gains less than the tolerance.

    Returns the mixture, and the mean log density of the stars before the last step.
    """
    total = sum(float(block.weights.sum()) for block in blocks)
    previous = -np.inf
    for _ in range(max_steps):
        mixture, score = _step(mixture, blocks, prior)
        score /= total
        if score - previous < tolerance:
            break
        previous = score
    return mixture, score


def _step(mixture: GaussianMixture, blocks: list[_Block], prior: _Prior) -> tuple[GaussianMixture, float]:
    """Take one expectation-maximisation step; return the new mixture and the weighted log density of the old one."""
    n_component, n_dim = mixture.means.shape
    counts, score = np.zeros(n_component), 0.0
    # With g = T^-1 r, a component's mean moves by V <g> and its covariance by V (<g g'> - <T^-1>) V: the update of Bovy
    # et al. with the sums over stars taken before the products, zero in missing dimensions.
    gradient, curvature = np.zeros((n_component, n_dim)), np.zeros((n_component, n_dim, n_dim))
    for block in blocks:
        beat()
        inverse, residual = _whiten(mixture, block)
        log_components = _log_gaussian(inverse, residual) + np.log(mixture.weights)[:, None]
        highest = np.maximum(log_components.max(axis=0), block.log_background)
        share = np.exp(log_components - highest)
        density = share.sum(axis=0) + np.exp(block.log_background - highest)
        share *= block.weights / density
        score += float(block.weights @ (highest + np.log(density)))
        counts += share.sum(axis=1)
        solved = _solve(inverse, residual)
        gradient[:, block.dims] += (share * solved).sum(axis=2).T
        for i, row in enumerate(block.dims):
            for j, column in enumerate(block.dims[: i + 1]):
                precision = sum(inverse[k, i] * inverse[k, j] for k in range(i, len(block.dims)))
                sums = (share * (solved[i] * solved[j] - precision)).sum(axis=1)
                curvature[:, row, column] += sums
                if i != j:
                    curvature[:, column, row] += sums
    return _maximise(mixture, counts, gradient, curvature, prior), score


def _maximise(
    mixture: GaussianMixture,
    counts: np.ndarray,
    gradient: np.ndarray,
    curvature: np.ndarray,
    prior: _Prior,
) -> GaussianMixture:
    """Turn the sums over stars into a new mixture, with a Wishart prior on the covariances and their lower bound."""
    n_component, n_dim = mixture.means.shape
    old = mixture.covariances
    safe = counts + 1e-10
    shift = np.einsum("kij,kj->ki", old, gradient) / safe[:, None]
    covariances = old + old @ curvature @ old / safe[:, None, None] - shift[:, :, None] * shift[:, None, :]
    # The expected size is that of n_component equal shares of the sample's volume.
    expected = prior.whole * n_component ** (-2.0 / n_dim)
    mass = counts[:, None, None]
    covariances = (mass * covariances + prior.n_pseudo * expected) / (mass + prior.n_pseudo)
    weights = (counts + 1.0) / (counts.sum() + n_component)
    return GaussianMixture(weights, mixture.means + shift, _bounded(covariances, prior.whole, prior.min_scale))


def _bounded(covariances: np.ndarray, whole: np.ndarray, min_scale: float) -> np.ndarray:
    """Raise covariances (K, n_dim, n_dim) to at least min_scale**2 times the whole sample's, in every direction."""
    root = np.linalg.cholesky(whole)
    inverse = np.linalg.inv(root)
    values, vectors = np.linalg.eigh(inverse @ covariances @ inverse.T)
    vectors = root @ vectors
    bounded = (vectors * np.maximum(values, min_scale**2)[:, None, :]) @ vectors.transpose(0, 2, 1)
    return 0.5 * (bounded + bounded.transpose(0, 2, 1))


def _expected_values(single: GaussianMixture, blocks: list[_Block], shape: tuple[int, ...]) -> np.ndarray:
    """Return the expected noise-free values (n_star, n_dim) under one Gaussian, gaps filled in."""
    result = np.empty(shape)
    for block in blocks:
        solved = _solve(*_whiten(single, block))[:, 0, :]
        result[block.rows] = single.means[0] + (single.covariances[0][:, block.dims] @ solved).T
    return result


def _start(
    positions: np.ndarray, weights: np.ndarray, n_component: int, whole: np.ndarray, rng: np.random.Generator
) -> GaussianMixture:
    """Choose a starting mixture by weighted k-means.

    Written out here, because scikit-learn's sums depend on the number of threads and equal seeds must give equal fits.
    """
    points = positions @ np.linalg.inv(np.linalg.cholesky(whole)).T
    centres = points[rng.choice(len(points), 1, p=weights / weights.sum())]
    for _ in range(n_component - 1):
        odds = weights * ((points[:, None] - centres) ** 2).sum(axis=2).min(axis=1)
        odds = odds if odds.sum() > 0.0 else weights
        centres = np.concatenate([centres, points[rng.choice(len(points), 1, p=odds / odds.sum())]])
    for _ in range(10):
        nearest = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        share = (nearest[:, None] == np.arange(n_component)) * weights[:, None]
        mass = share.sum(axis=0)
        centres = np.where(mass[:, None] > 0.0, share.T @ points / np.maximum(mass, 1e-10)[:, None], centres)
    fractions = (mass + 1.0) / (mass.sum() + n_component)
    # The mean of a whole cluster's points in the original coordinates is the same linear map of its centre.
    means = centres @ np.linalg.cholesky(whole).T
    spread = np.repeat(0.1 * whole[None], n_component, axis=0)  # narrow starts settle in better maxima
    return GaussianMixture(fractions, means, spread)
