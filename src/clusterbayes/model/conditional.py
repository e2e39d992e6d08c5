"""Fit a mixture that is used as a density of the other columns given the first.

Only the conditional matters for a field density, because the primary magnitude has counts of its own. So the stars can
be weighted by any function of that magnitude (the few bright ones get more say than their number), and the number of
components is chosen by the cross-validated log density of the whole, with its counts and its uniform part. The uniform
part is present in the fit as well and takes up the stars that fit nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from clusterbayes.model.deconvolution import EmOptions, GaussianMixture, fit_mixture

__all__ = [
    "Training",
    "centre_and_scale",
    "conditional_log_density",
    "flattened_weights",
    "log_uniform_part",
    "select_components",
]

_MAX_COMPONENTS = 6
_N_FOLD = 3
_SELECTION_SIZE = 2000
# Each star weighs its counts**-0.3 in the mixture fit, so that the few bright stars shape their colours too.
_FLATTENING = 0.3


def conditional_log_density(mixture: GaussianMixture, data: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return log p(columns 1... | column 0) of noisy data, shape (n_star,).

    The noise is in the joint density and in the marginal of column 0 alike, so the conditional is normalised.
    """
    joint = mixture.log_density(data, noise)
    return joint - mixture.marginal([0]).log_density(data[:, :1], noise[:, :1, :1])


@dataclass(frozen=True)
class Training:
    """What the mixture is fitted to, centred and scaled, and what its fits are scored with.

    `data` (n_star, n_dim); `noise` (n_star, n_dim, n_dim); `weights` (n_star,) of the score and `flattened` of the fit;
    `log_counts` (n_star,) log density of column 0; `log_uniform` (n_star,) log of the uniform part, its share included.
    """

    data: np.ndarray
    noise: np.ndarray
    weights: np.ndarray
    flattened: np.ndarray
    log_counts: np.ndarray
    log_uniform: np.ndarray

    def subset(self, rows: np.ndarray) -> Training:
        """Return some of the stars, by index or bool mask (n_star,)."""
        return Training(*(getattr(self, field.name)[rows] for field in fields(self)))

    def mixture(self, n_component: int, options: EmOptions, rng: np.random.Generator) -> GaussianMixture:
        """Fit a mixture beside the uniform part."""
        return fit_mixture(
            self.data,
            self.noise,
            n_component,
            weights=self.flattened,
            rng=rng,
            log_background=self.log_uniform,
            options=options,
        )

    def score(self, mixture: GaussianMixture) -> np.ndarray:
        """Return the log density (n_star,) under a mixture, uniform part and counts included."""
        return np.logaddexp(self.log_counts + conditional_log_density(mixture, self.data, self.noise), self.log_uniform)


def log_uniform_part(data: np.ndarray, fraction: float) -> np.ndarray:
    """Return the log of the uniform part (n_star,) of the given share over the box of the data (n_star, n_dim)."""
    missing = np.isnan(data)
    extent = np.where(missing, -np.inf, data).max(axis=0) + np.where(missing, -np.inf, -data).max(axis=0)
    log_width = np.log(np.where(extent > 0.0, extent, 1.0))  # a column without extent counts as one unit wide
    return np.log(fraction) - np.where(missing, 0.0, log_width).sum(axis=1)


def select_components(training: Training, options: EmOptions, rng: np.random.Generator) -> int:
    """Choose the number of components by three-fold cross-validation of the log density.

    Parameters
    ----------
    training : Training
    options : EmOptions
    rng : numpy.random.Generator

    Returns
    -------
    int
        The smallest number whose score is within half a standard error of the best score.
    """
    n_dim = training.data.shape[1]
    largest = int(min(_MAX_COMPONENTS, training.weights.sum() // (10 * n_dim)))
    if largest < 2 or n_dim < 2:
        return 1
    training = training.subset(rng.permutation(len(training.data))[:_SELECTION_SIZE])
    weights = training.weights
    fold = np.arange(len(weights)) % _N_FOLD
    quick = EmOptions(options.min_scale, n_starts=2, start_steps=10, max_steps=40, tolerance=2e-4)
    scores: list[np.ndarray] = []
    for n_component in range(1, largest + 1):
        score = np.empty(len(weights))
        for held in range(_N_FOLD):
            mixture = training.subset(fold != held).mixture(n_component, quick, rng)
            score[fold == held] = training.subset(fold == held).score(mixture)
        scores.append(score)
        best = int(np.argmax([float(weights @ s) for s in scores]))
        if n_component - best > 2:  # no gain from two more components
            break
    for index in range(best):
        difference = weights * (scores[best] - scores[index])
        if difference.sum() < 0.5 * difference.std() * np.sqrt(len(weights)):
            return index + 1
    return best + 1


def centre_and_scale(data: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean and standard deviation (n_dim,) of each column, values clipped to the central 98 %."""
    centre, scale = np.zeros(data.shape[1]), np.ones(data.shape[1])
    for column in range(data.shape[1]):
        present = ~np.isnan(data[:, column])
        if present.sum() < 2:
            continue
        order = np.argsort(data[present, column], kind="stable")
        sorted_values, sorted_weights = data[present, column][order], weights[present][order]
        cumulative = np.cumsum(sorted_weights) - 0.5 * sorted_weights
        low, high = np.interp([0.01, 0.99], cumulative / sorted_weights.sum(), sorted_values)
        clipped = np.clip(sorted_values, low, high)
        centre[column] = np.average(clipped, weights=sorted_weights)
        spread = np.sqrt(np.average((clipped - centre[column]) ** 2, weights=sorted_weights))
        scale[column] = spread if spread > 0.0 else 1.0
    return centre, scale


def flattened_weights(weights: np.ndarray, log_counts: np.ndarray) -> np.ndarray:
    """Return weights (n_star,) that even out the magnitudes, with the sum of the old ones.

    Any weight that depends on column 0 only leaves p(rest | column 0) as it is.
    """
    # The bound keeps a single star in an empty stretch from ruling.
    flattened = weights * np.minimum(np.exp(_FLATTENING * (log_counts.max() - log_counts)), 10.0)
    return flattened * weights.sum() / flattened.sum()
