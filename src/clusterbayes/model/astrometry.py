"""Proper motions of a cluster before the fit: where it is, how wide the priors are, which windows there may be.

Members of a cluster are a clump among the proper motions of a field. Finding it tells the search where to begin, and
whether the sample has any field stars that proper motions could tell from members: a list that was selected by proper
motion has nothing beside its clump, and the shape of what is left of the field there is not known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import logsumexp

from clusterbayes.errors import SettingsError
from clusterbayes.model.priors import Normal, Prior

__all__ = ["Clump", "find_clump", "in_window", "motion_priors", "parse_window", "pm_variance"]

_SCALES = (0.15, 0.3, 0.6, 1.2, 2.4)  # radii of circles in which stars are counted [mas/yr]
_RING = 3.0  # outer radius of the ring that the field is counted in, in units of the inner one
_APART = 5.0  # standard deviations beyond which a star is not of the clump
_MOST = 4000  # stars that are tried as centres
_N_STEP = 60
_GAIN = 30.0  # what a clump within the field's core must add to the log-likelihood
_FIELD_SCALES = (0.25, 1.0, 4.0, 16.0)  # widths of the field's parts to begin with, in units of its core's
_DENSE = 6.0  # logarithm of a contrast beyond which more of it says no more
_FEWEST_IN = 8.0  # stars of a clump
_FEWEST = 20  # stars of a control field from which it settles the field's part


@dataclass(frozen=True)
class Clump:
    """The narrowest concentration of proper motions.

    Attributes
    ----------
    centre : (float, float)
        [mas/yr]
    dispersion : float
        Scatter beyond the errors in each direction [mas/yr].
    n_star : float
        Stars in it.
    apart : float
        Share of the stars that lie beyond 5 standard deviations from the centre.
    """

    centre: tuple[float, float]
    dispersion: float
    n_star: float
    apart: float


def find_clump(
    pm: np.ndarray,
    pm_error: np.ndarray,
    *,
    priors: Sequence[Prior] = (),
    field: np.ndarray | None = None,
) -> Clump | None:
    """Find the clump of proper motions that stands out from what is around it.

    Around each star, stars are counted in circles of several radii and in rings about them, or in a control field. From
    the centre with the largest excess at each radius, a mixture of a clump and a field with cusp, core and wings is
    fitted. Of those that explain the stars better than the field alone, the clump that is dense and rich is taken; if
    there are none, since the field's parts can lie where the clump is, the largest excess itself.

    Parameters
    ----------
    pm, pm_error : (n_star, 2)
        NaN where missing [mas/yr].
    priors : sequence of Prior, optional
        For right ascension and declination: centres that they make unlikely are passed over.
    field : (n_control, 2), optional
        Proper motions of a control field [mas/yr].

    Returns
    -------
    Clump or None
        None where fewer than ten stars have a proper motion.
    """
    good = np.isfinite(pm).all(axis=1) & np.isfinite(pm_error).all(axis=1)
    pm, pm_error = pm[good], pm_error[good]
    if len(pm) < 10:
        return None
    # Stars with large errors only blur the clump.
    sharp = np.hypot(*pm_error.T) <= max(np.quantile(np.hypot(*pm_error.T), 0.7), _SCALES[0])
    points, control = pm[sharp], None if field is None else field[np.isfinite(field).all(axis=1)]
    tried = points[:: max(1, len(points) // _MOST)]
    log_prior = np.zeros(len(tried))
    for axis, prior in enumerate(priors):
        log_prior += np.maximum(prior.log_pdf(tried[:, axis]) - prior.log_pdf(prior.from_normal(np.zeros(1))), -1e4)
    variance = pm_error[:, 0] * pm_error[:, 1]
    some = slice(None, None, max(1, len(pm) // _MOST))
    settled = control is not None and len(control) >= _FEWEST
    if control is not None and settled:
        field_alone = _Mixture.field(control, np.zeros(len(control)))
    else:
        field_alone = _Mixture.field(pm[some], variance[some])
    without = field_alone.at(pm[some], variance[some])
    best, best_rank, highest = None, -np.inf, (-np.inf, tried[0], _SCALES[0], 0.0)
    for radius in _SCALES:
        excess, score = _excess(points, tried, radius, control)
        score = score + log_prior
        top = int(np.argmax(score))
        if score[top] > highest[0]:
            highest = (float(score[top]), tried[top], radius, float(excess[top] / sharp.mean()))
        mixture = field_alone.with_clump(pm[some], variance[some], tried[top], 0.5 * radius, not settled)
        gain, n_star = mixture.log_likelihood - without, float(mixture.weights[0] * len(pm))
        rank = mixture.rank + log_prior[top]
        if gain > _GAIN and n_star > _FEWEST_IN and rank > best_rank:
            best, best_rank = mixture, rank
    if best is not None:
        centre, dispersion, n_star = best.means[0], float(np.sqrt(best.variances[0])), float(best.weights[0] * len(pm))
    else:
        _, centre, radius, n_star = highest
        near = np.hypot(*(points - centre).T) < 1.5 * radius
        centre = np.median(points[near], axis=0)
        spread = 1.4826 * np.median(np.abs(points[near] - centre))
        dispersion = float(np.sqrt(max(spread**2 - np.median(variance[sharp][near]), (0.2 * spread) ** 2, 1e-4)))
    distance2 = ((pm - centre) ** 2).sum(axis=1) / (variance + dispersion**2)
    return Clump((float(centre[0]), float(centre[1])), dispersion, n_star, float(np.mean(distance2 > _APART**2)))


@dataclass(frozen=True)
class _Mixture:
    """Round Gaussians seen through errors: the clump first (if any), then those of the field, which share a centre."""

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    log_likelihood: float

    @classmethod
    def field(cls, pm: np.ndarray, variance: np.ndarray) -> _Mixture:
        """Fit the field alone: a cusp, since far stars hardly move, a core, and wings."""
        middle = np.median(pm, axis=0)
        core = float((1.4826 * np.median(np.abs(pm - middle))) ** 2)
        n = len(_FIELD_SCALES)
        variances = core * np.square(_FIELD_SCALES) + 1e-3
        return cls._run(pm, variance, np.full(n, 1.0 / n), np.tile(middle, (n, 1)), variances, np.ones(n, bool))

    def with_clump(
        self, pm: np.ndarray, variance: np.ndarray, centre: np.ndarray, sigma: float, free: bool
    ) -> _Mixture:
        """Fit a clump beside the field, from a centre and a scatter; `free` is whether the field may change."""
        return self._run(
            pm,
            variance,
            np.append(0.1, 0.9 * self.weights),
            np.concatenate([centre[None], self.means]),
            np.append(sigma**2, np.maximum(self.variances, 9.0 * sigma**2) if free else self.variances),
            np.append(True, np.full(len(self.weights), free)),
        )

    def at(self, pm: np.ndarray, variance: np.ndarray) -> float:
        """Log-likelihood of other stars."""
        frozen = np.zeros(len(self.weights), bool)
        return self._run(pm, variance, self.weights, self.means, self.variances, frozen).log_likelihood

    @property
    def rank(self) -> float:
        """How much the clump looks like a cluster: narrower than the field, dense beside it at its place, then rich."""
        if self.weights[1:][self.variances[1:] > self.variances[0]].sum() < 0.5 * self.weights[1:].sum():
            return -np.inf  # the field's parts are on the cluster, and the clump is the field
        offset2 = ((self.means[1:] - self.means[0]) ** 2).sum(axis=1)
        there = logsumexp(-0.5 * offset2 / self.variances[1:], b=self.weights[1:] / self.variances[1:])
        contrast = float(np.log(self.weights[0] / self.variances[0]) - there)
        return 4.0 * min(contrast, _DENSE) + float(np.log(self.weights[0]))

    @classmethod
    def _run(
        cls, pm: np.ndarray, noise: np.ndarray, weights: np.ndarray, means: np.ndarray, variances: np.ndarray,
        free: np.ndarray,
    ) -> _Mixture:  # fmt: skip
        last, n_field = -np.inf, len(_FIELD_SCALES)
        for _ in range(_N_STEP):
            total = variances + noise[:, None]
            offset = pm[:, None, :] - means
            log_part = np.log(weights) - np.log(2.0 * np.pi * total) - 0.5 * (offset**2).sum(axis=2) / total
            log_sum = logsumexp(log_part, axis=1)
            share = np.exp(log_part - log_sum[:, None])
            height = float(log_sum.sum())
            if abs(height - last) < 0.01:
                break
            last = height
            count = share.sum(axis=0) + 1e-10
            moved = offset * (variances / total)[:, :, None]  # expected noise-free values, from the mean
            shift = (share[:, :, None] * moved).sum(axis=0) / count[:, None]
            # The field has one centre: the mean of its parts, weighed by what each knows of it.
            known = (count / variances)[-n_field:, None]
            shift[-n_field:] = (known * shift[-n_field:]).sum(axis=0) / known.sum()
            apart = ((moved - shift) ** 2).sum(axis=2)
            wide = (share * (0.5 * apart + variances * noise[:, None] / total)).sum(axis=0) / count
            weights = (count + 1.0) / (count + 1.0).sum()
            means = np.where(free[:, None], means + shift, means)
            variances = np.where(free, np.maximum(wide, 1e-4), variances)
        return cls(weights, means, variances, last)


def _excess(
    points: np.ndarray, tried: np.ndarray, radius: float, control: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Stars in circles beyond those expected, and that in units of the Poisson error; both (n_tried,)."""
    tree = cKDTree(points)
    inside = tree.query_ball_point(tried, radius, return_length=True)
    around = tree.query_ball_point(tried, _RING * radius, return_length=True) - inside
    expected = around / (_RING**2 - 1.0)
    if control is not None and len(control):
        there = cKDTree(control).query_ball_point(tried, radius, return_length=True)
        expected = np.maximum(expected, there * len(points) / len(control))
    return inside - expected, (inside - expected) / np.sqrt(expected + 1.0)


def motion_priors(pm: np.ndarray) -> tuple[Normal, Normal]:
    """Priors of a cluster's proper motion from the range of the stars' (n_star, 2) [mas/yr], wide and weak."""
    priors = []
    for column in pm.T:
        column = column[np.isfinite(column)]
        low, middle, high = np.percentile(column, [16.0, 50.0, 84.0])
        priors.append(Normal(round(float(middle), 3), round(max(float(high - low), 1.0), 3)))
    return priors[0], priors[1]


def pm_variance(pm_error: np.ndarray, pm_corr: np.ndarray) -> np.ndarray:
    """Variances and covariance (n_star, 3) from errors (n_star, 2) and correlations (n_star,) of proper motions."""
    covariance = pm_error[:, 0] * pm_error[:, 1] * pm_corr
    return np.ascontiguousarray(np.column_stack([pm_error**2, covariance]))


def parse_window(text: str | Sequence[float] | None) -> tuple[float, ...]:
    """Read limits of proper motions: ``-11,-2.9,1`` (centre and radius) or ``-11.5..-10.5,-3.5..-2.5`` (a box).

    Returns
    -------
    tuple of float
        Nothing; centre and radius of a circle; or lowest and highest in right ascension and in declination [mas/yr].

    Raises
    ------
    SettingsError
        If the text has another form, or the limits are out of order.
    """
    if text is None:
        return ()
    number = r"\s*([-+]?\d+(?:\.\d*)?)\s*"
    expected = "RA,DEC,RADIUS (a circle) or LOW..HIGH,LOW..HIGH (a box) in mas/yr, e.g. -11,-2.9,1"
    if isinstance(text, str):
        circle = re.fullmatch(rf"{number},{number},{number}", text)
        box = re.fullmatch(rf"{number}\.\.{number},{number}\.\.{number}", text)
        match = circle or box
        if match is None:
            raise SettingsError("the window of proper motions was not understood", "pm_window", text, expected)
        values = tuple(float(group) for group in match.groups())
    else:
        values = tuple(float(value) for value in text)
    good = np.isfinite(values).all() and (
        (len(values) == 3 and values[2] > 0.0) or (len(values) == 4 and values[0] < values[1] and values[2] < values[3])
    )
    if not good:
        raise SettingsError("the window of proper motions is empty", "pm_window", text, expected)
    return values


def in_window(pm: np.ndarray, window: Sequence[float]) -> np.ndarray:
    """Whether proper motions (n_star, 2) lie in a window (see `parse_window`), bool (n_star,); False where missing."""
    ra, dec = pm.T
    if len(window) == 3:
        return np.hypot(ra - window[0], dec - window[1]) <= window[2]
    return (ra >= window[0]) & (ra <= window[1]) & (dec >= window[2]) & (dec <= window[3])
