"""The density of field stars in the space of the observables.

It is learned from a control field, an annulus, or the sample itself weighted by the probability of being field. The
density is factorised, p(y) = p(y_0) p(y_rest | y_0): the primary magnitude has its own one-dimensional counts between
hard limits, normalised exactly, and the remaining columns follow the conditional of a Gaussian mixture fitted by
extreme deconvolution, in which each star's errors and gaps enter in closed form. A fixed small uniform part keeps odd
stars from having no density at all. Whatever columns are missing and whatever the errors are, the density integrates
to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.model.conditional import (
    Training,
    centre_and_scale,
    conditional_log_density,
    flattened_weights,
    log_uniform_part,
    select_components,
)
from clusterbayes.model.deconvolution import EmOptions, GaussianMixture
from clusterbayes.model.kernels_astrometry import gauss_nodes, shares_in_window
from clusterbayes.model.magnitude_counts import MagnitudeCounts

__all__ = ["UNIFORM_FRACTION", "FieldDensity"]

UNIFORM_FRACTION = 1e-3
"""Share of the uniform part, spread over the box of the data."""

_FEW_STARS = 8.0
_AT_ONCE = 50_000  # stars: bounds the memory for their noise covariances
_MIN_SCALE = 0.05


@dataclass(frozen=True)
class FieldDensity:
    """Density of field stars, normalised over [bright, faint] in column 0 and all values of the other columns.

    Parameters
    ----------
    kinds : tuple of str
        "magnitude" or "other" for each column; magnitudes beyond column 0 are used as colours against it.
    counts : MagnitudeCounts
        Density of column 0.
    mixture : GaussianMixture
        Noise-free mixture over column 0, the magnitudes minus column 0, and the other columns as they are.
    box : ndarray, shape (n_dim, 2)
        Lower and upper edge of each column for the uniform part.
    n_effective : float
        Sum of the weights of the stars that it was learned from.
    """

    kinds: tuple[str, ...]
    counts: MagnitudeCounts
    mixture: GaussianMixture
    box: np.ndarray
    n_effective: float

    @classmethod
    def fit(
        cls,
        values: np.ndarray,
        errors: np.ndarray,
        *,
        limits: tuple[float, float],
        rng: np.random.Generator,
        kinds: Sequence[str] | None = None,
        weights: np.ndarray | None = None,
        n_components: int | None = None,
        min_scale: float | None = None,
        cover: np.ndarray | None = None,
    ) -> FieldDensity:
        """Learn the density from stars.

        Parameters
        ----------
        values, errors : ndarray, shape (n_star, n_dim)
            Observables and their standard deviations. Column 0 is the primary magnitude and never missing; NaN marks a
            missing value elsewhere. Stars outside `limits` are left out.
        limits : tuple of float
            Bright and faint limit of column 0 [mag].
        rng : numpy.random.Generator
            Chooses starting positions, folds and the subsample for the number of components.
        kinds : sequence of str, optional
            "magnitude" or "other" for each column; by default all but column 0 are "other".
        weights : ndarray, shape (n_star,), optional
            Probability of each star to be field; ones by default. Where they sum to less than 8 the density is a single
            Gaussian with the covariance of all stars, and uniform in magnitude.
        n_components : int, optional
            Number of Gaussians; by default the smallest of 1 to 6 whose cross-validated log density is within half
            a standard error of the best.
        min_scale : float, optional
            Smallest width of a component as a fraction of the sample's in every direction; 0.05 by default. Wide
            components (0.8) keep a field learned from the sample itself from following the cluster's sequence.
        cover : ndarray, shape (n, n_dim), optional
            Other stars over which the uniform part has to reach, besides those that the density is learned from.

        Returns
        -------
        FieldDensity

        Raises
        ------
        InputError
            If the arrays do not match, a value or error cannot be used, or no star lies within the limits.
        SettingsError
            If the limits, kinds, n_components or min_scale are out of range.
        """
        kinds = _checked_kinds(kinds, np.shape(values))
        if n_components is not None and n_components < 1:
            raise SettingsError("too few components", name="n_components", value=n_components, expected="at least 1")
        min_scale = _MIN_SCALE if min_scale is None else float(min_scale)
        if not 0.0 < min_scale < 1.0:
            raise SettingsError("the width is out of range", name="min_scale", value=min_scale, expected="0 < x < 1")
        uniform = MagnitudeCounts(float(limits[0]), float(limits[1]))
        values, errors, weights = _selected(values, errors, weights, uniform)
        widest = values if cover is None else np.concatenate([values, cover])
        box, total = _box(widest, uniform), float(weights.sum())
        data, noise = _transformed(values, errors, kinds)
        if total < _FEW_STARS:
            return cls(kinds, uniform, _broad_gaussian(data), box, total)
        keep = weights > 1e-6 * weights.max()
        values, data, noise, weights = values[keep], data[keep], noise[keep], weights[keep]
        counts = MagnitudeCounts.fit(values[:, 0], limits, weights=weights)
        centre, scale = centre_and_scale(data, weights)
        data, noise = (data - centre) / scale, noise / np.outer(scale, scale)
        log_counts = counts.log_density(values[:, 0])
        flattened = flattened_weights(weights, log_counts)
        training = Training(data, noise, weights, flattened, log_counts, log_uniform_part(data, UNIFORM_FRACTION))
        options = EmOptions(min_scale=min_scale)
        n_components = n_components or select_components(training, options, rng)
        mixture = training.mixture(n_components, options, rng)
        return cls(kinds, counts, mixture.rescaled(centre, scale), box, total)

    @property
    def n_dim(self) -> int:
        """Number of columns."""
        return len(self.kinds)

    @property
    def limits(self) -> tuple[float, float]:
        """Bright and faint limit of column 0 [mag]."""
        return self.counts.bright, self.counts.faint

    def log_density(self, values: np.ndarray, errors: np.ndarray) -> np.ndarray:
        """Evaluate the log density of noisy observables.

        Parameters
        ----------
        values, errors : ndarray, shape (n_star, n_dim)
            As in `fit`; errors of zero are allowed here.

        Returns
        -------
        ndarray, shape (n_star,)
            Natural log of the density over the columns that the star has; -inf outside the limits of column 0.
        """
        values, errors = _checked_arrays(values, errors, self.n_dim)
        blocks = [slice(first, first + _AT_ONCE) for first in range(0, len(values), _AT_ONCE)]
        return np.concatenate([np.empty(0), *(np.logaddexp(*self._log_parts(values[b], errors[b])) for b in blocks)])

    def _log_parts(self, values: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log density of the mixture and of the uniform part, shares included; both (n_star,)."""
        log_counts = self.counts.log_density(values[:, 0])
        conditional = conditional_log_density(self.mixture, *_transformed(values, errors, self.kinds))
        widths = self.box[:, 1] - self.box[:, 0]
        missing = np.isnan(values)
        inside = ((values >= self.box[:, 0]) & (values <= self.box[:, 1]) | missing).all(axis=1)
        log_uniform = np.where(inside, -np.where(missing, 0.0, np.log(widths)).sum(axis=1), -np.inf)
        return np.log1p(-UNIFORM_FRACTION) + log_counts + conditional, np.log(UNIFORM_FRACTION) + log_uniform

    def share_in_window(
        self, values: np.ndarray, errors: np.ndarray, pair: Sequence[int], window: np.ndarray
    ) -> np.ndarray:
        """Return the probability that two columns lie in a window, given the other columns of each star.

        Parameters
        ----------
        values, errors : ndarray, shape (n_star, n_dim)
            As in `log_density`; those of the pair are not read, apart from the errors.
        pair : sequence of int
            The two columns.
        window : ndarray, shape (3,) or (4,)
            See `kernels_astrometry.member_astrometry`.

        Returns
        -------
        ndarray, shape (n_star,)
        """
        values, errors = _checked_arrays(values, errors, self.n_dim)
        alone, two = values.copy(), np.array(pair, int)
        alone[:, two] = np.nan
        data, noise = _transformed(alone, errors, self.kinds)
        odds = self.mixture.log_components(data, noise)
        odds = np.exp(odds - odds.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        share = np.zeros(len(values))
        for k in range(self.mixture.n_component):
            ellipse = _given(self.mixture.means[k], self.mixture.covariances[k], data, noise, two)
            share += odds[:, k] * shares_in_window(window, gauss_nodes(), *ellipse)
        mixed, uniform = self._log_parts(alone, errors)
        weight = np.exp(uniform - np.logaddexp(mixed, uniform))
        return (1.0 - weight) * share + weight * self._box_in_window(pair, window)

    def _box_in_window(self, pair: Sequence[int], window: np.ndarray) -> float:
        """Share of the box of the uniform part that lies in a window."""
        fine = (np.arange(400) + 0.5) / 400
        x, y = (low + fine * (high - low) for low, high in self.box[list(pair)])
        if len(window) == 3:
            return float(np.mean(np.hypot(x[:, None] - window[0], y - window[1]) <= window[2]))
        inside_x, inside_y = (x >= window[0]) & (x <= window[1]), (y >= window[2]) & (y <= window[3])
        return float(np.mean(inside_x) * np.mean(inside_y))

    def sample(self, n_star: int, rng: np.random.Generator) -> np.ndarray:
        """Draw noise-free observables.

        Parameters
        ----------
        n_star : int
            Number of draws.
        rng : numpy.random.Generator
            Source of random numbers.

        Returns
        -------
        ndarray, shape (n_star, n_dim)
            No value is missing; column 0 lies within the limits.
        """
        magnitude = self.counts.sample(n_star, rng)
        component = self._drawn_components(magnitude, rng)
        means, covariances = self.mixture.means[component], self.mixture.covariances[component]
        slope = covariances[:, 1:, 0] / covariances[:, :1, 0]
        centre = means[:, 1:] + slope * (magnitude - means[:, 0])[:, None]
        rest = covariances[:, 1:, 1:] - slope[:, :, None] * covariances[:, :1, 1:]
        normal = rng.standard_normal((n_star, self.n_dim - 1, 1))
        data = np.column_stack([magnitude, centre + (np.linalg.cholesky(rest) @ normal)[:, :, 0]])
        data[:, _relative_columns(self.kinds)] += magnitude[:, None]
        uniform = self.box[:, 0] + (self.box[:, 1] - self.box[:, 0]) * rng.random((n_star, self.n_dim))
        return np.where(rng.random((n_star, 1)) < UNIFORM_FRACTION, uniform, data)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, fit for JSON, that `from_dict` makes an equal density of."""
        return {
            "kinds": list(self.kinds),
            "counts": self.counts.to_dict(),
            "mixture": self.mixture.to_dict(),
            "box": self.box.tolist(),
            "n_effective": self.n_effective,
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> FieldDensity:
        """Make the density again from what `to_dict` returned."""
        return cls(
            tuple(content["kinds"]),
            MagnitudeCounts.from_dict(content["counts"]),
            GaussianMixture.from_dict(content["mixture"]),
            np.array(content["box"], dtype=float).reshape(-1, 2),
            float(content["n_effective"]),
        )

    def _drawn_components(self, magnitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the component of each star given its magnitude, int (n_star,)."""
        log_odds = self.mixture.marginal([0]).log_components(magnitude[:, None], np.zeros((len(magnitude), 1, 1)))
        # The largest of log odds plus Gumbel noise is distributed as the odds.
        return (log_odds + rng.gumbel(size=log_odds.shape)).argmax(axis=1)


def _given(
    mean: np.ndarray, covariance: np.ndarray, data: np.ndarray, noise: np.ndarray, two: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means (n_star, 2) and covariances (n_star, 2, 2) of two columns of a noisy Gaussian, given each star's others.

    `data` (n_star, n_dim) is NaN where a value is missing, and in the two columns.
    """
    means, rest = np.empty((len(data), 2)), np.empty((len(data), 2, 2))
    have = ~np.isnan(data)
    for pattern in np.unique(have, axis=0):
        rows, known = np.flatnonzero((have == pattern).all(axis=1)), np.flatnonzero(pattern)
        total = covariance + noise[rows]
        across = total[:, known[:, None], two]
        gain = np.linalg.solve(total[:, known[:, None], known], across).transpose(0, 2, 1)
        means[rows] = mean[two] + (gain @ (data[rows][:, known] - mean[known])[:, :, None])[:, :, 0]
        rest[rows] = total[:, two[:, None], two] - gain @ across
    return means, rest


def _checked_kinds(kinds: Sequence[str] | None, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return one kind for each column, the default filled in."""
    if len(shape) != 2 or shape[1] < 1:
        raise InputError("field values must be a table", value=shape, expected="shape (n_star, n_dim)")
    kinds = ("magnitude",) + ("other",) * (shape[1] - 1) if kinds is None else tuple(kinds)
    if len(kinds) != shape[1] or kinds[0] != "magnitude" or set(kinds) - {"magnitude", "other"}:
        raise SettingsError(
            "kinds do not describe the columns",
            name="kinds",
            value=kinds,
            expected=f"{shape[1]} of 'magnitude' or 'other', the first a magnitude",
        )
    return kinds


def _checked_arrays(values: np.ndarray, errors: np.ndarray, n_dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float arrays (n_star, n_dim), the errors of missing values set to zero."""
    values, errors = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    if values.ndim != 2 or values.shape[1] != n_dim or errors.shape != values.shape:
        raise InputError(
            f"field values and errors have shapes {values.shape} and {errors.shape}", expected=f"both (n_star, {n_dim})"
        )
    missing = np.isnan(values)
    errors = np.where(missing, 0.0, errors)
    for wrong, problem, expected in (
        (missing[:, :1], "the primary magnitude of a field star is missing", "a magnitude for every star"),
        (np.isinf(values), "a field value is infinite", "finite values, NaN where missing"),
        (~((errors >= 0.0) & np.isfinite(errors)), "the error of a field value cannot be used", "a finite error >= 0"),
    ):
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            raise InputError(problem, column=str(column), row=row, expected=expected)
    return values, errors


def _selected(
    values: np.ndarray, errors: np.ndarray, weights: np.ndarray | None, counts: MagnitudeCounts
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the checked values, errors and weights of the stars within the limits."""
    values, errors = _checked_arrays(values, errors, np.shape(values)[1])
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    if weights.shape != (len(values),) or not ((weights >= 0.0) & (weights <= 1.0 + 1e-9)).all():
        raise InputError("the weights of field stars cannot be used", expected="one number in [0, 1] for each star")
    inside = (values[:, 0] >= counts.bright) & (values[:, 0] <= counts.faint)
    if not inside.any():
        raise InputError(
            f"none of {len(values)} field stars lies between magnitudes {counts.bright:g} and {counts.faint:g}",
            remedy="widen the magnitude limits or use another control field",
        )
    return values[inside], errors[inside], weights[inside]


def _relative_columns(kinds: Sequence[str]) -> np.ndarray:
    """Return which columns the mixture holds as differences from column 0, bool (n_dim,)."""
    return np.array([kind == "magnitude" and column > 0 for column, kind in enumerate(kinds)])


def _transformed(values: np.ndarray, errors: np.ndarray, kinds: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return values with magnitudes as colours against column 0, and their noise covariances (n_star, n_dim, n_dim)."""
    relative = _relative_columns(kinds)
    linear = np.eye(len(kinds))
    linear[relative, 0] = -1.0
    data = np.where(relative, values - values[:, :1], values)
    return data, np.einsum("ij,nj,kj->nik", linear, errors**2, linear)


def _box(values: np.ndarray, counts: MagnitudeCounts) -> np.ndarray:
    """Return the edges (n_dim, 2) of the box of the data, a tenth wider on each side, and the limits in column 0."""
    box = [(counts.bright, counts.faint)]
    for column in values.T[1:]:
        present = column[~np.isnan(column)]
        low, high = (present.min(), present.max()) if len(present) else (-1.0, 1.0)
        margin = 0.1 * (high - low) if high > low else 0.5  # a box without width has no uniform density
        box.append((low - margin, high + margin))
    return np.array(box)


def _broad_gaussian(data: np.ndarray) -> GaussianMixture:
    """Return one Gaussian with the mean and the covariance of all stars, data (n_star, n_dim) with NaN missing.

    Columns or samples too small to have a spread get unit variance, and correlations of pairs that few stars share are
    left out.
    """
    observed = ~np.isnan(data)
    number = observed.sum(axis=0)
    filled = np.where(observed, data, 0.0)
    mean = filled.sum(axis=0) / np.maximum(number, 1)
    deviation = np.where(observed, data - mean, 0.0)
    variance = (deviation**2).sum(axis=0) / np.maximum(number - 1, 1)
    variance = np.where((number >= 3) & (variance > 0.0), variance, 1.0)
    complete = deviation[observed.all(axis=1)]
    covariance = np.diag(variance)
    if len(complete) > 2 * data.shape[1]:
        # Half of the correlation: close to singular samples stay broad.
        covariance = 0.5 * covariance + 0.5 * np.cov(complete, rowvar=False).reshape(covariance.shape)
    return GaussianMixture(np.ones(1), mean[None], covariance[None])
