"""The density of field stars for a fit: from a control field where there is one, else learned with the cluster.

A control field gives the shape directly. Without one, field and cluster are learned in turns: fit the cluster, weigh
every star by its probability of being field, refit the field with few wide components, until the member fraction
settles. Parallaxes and proper motions that the control field lacks are learned from the sample in the same way.
"""

from __future__ import annotations

import numpy as np

from clusterbayes.model.cluster import ClusterModel, Observed
from clusterbayes.model.cuts import share_inside
from clusterbayes.model.field import FieldDensity
from clusterbayes.model.selection import NO_LIMIT, ErrorCurve
from clusterbayes.photometry import Photometry

__all__ = ["MIN_CONTROL", "FieldLearner"]

#: Fewer stars than this in a control field say too little about its shape.
MIN_CONTROL = 20
# Smallest width of a component learned from the sample, as a share of the sample's: narrower ones settle on the giant
# branch or the upper main sequence and take them from the cluster.
_WIDE = 0.8
_N_WIDE = 2
_N_TAUGHT = 20_000  # stars that a density is learned from; more of them would say little more
_N_DRAWN = 20_000  # random stars that shares within limits are counted over
# Proper motions of field stars have a narrow core and wide wings, and their density has to be right where the cluster
# is; what it is learned from leaves the cluster out by the members' proper motions themselves.
_N_MOTION, _MOTION_SCALE = 3, 0.3


class FieldLearner:
    """Gives the field density at every star of a model, for given probabilities of membership.

    Attributes
    ----------
    learns : bool
        Whether the density depends on the membership probabilities at all.

    Parameters
    ----------
    model : ClusterModel
    control : Photometry or None
        Stars of the control field within the same limits.
    seed : int
        For the starting positions of the mixture; the same at every turn, so that turns converge.
    """

    def __init__(self, model: ClusterModel, control: Photometry | None, seed: int) -> None:
        self.model, self.seed = model, seed
        observed = model.observed
        self.values, self.errors, kinds = observed.field_columns()
        self.kinds = ["magnitude" if kind else "other" for kind in kinds]
        n, n_columns = len(observed.observables), self.values.shape[1]
        n_pm = observed.pm.shape[1] if observed.pm.shape[0] else 0
        self.photometric, self.motions = list(range(n)), list(range(n_columns - n_pm, n_columns))
        self.parallax = list(range(n, n_columns - n_pm))
        self.limits = _limits(model, control)
        self.control: FieldDensity | None = None
        self.known: list[int] = []  # columns that the control field describes
        if control is not None:
            self._use_control(control)
        self.learns = len(self.known) < n_columns

    def _use_control(self, control: Photometry) -> None:
        observed = Observed.arrange(
            control,
            self.model.selection.band,
            proper_motion=bool(self.motions),
            own_distance=self.model.own_distance,
        )
        values, errors = [observed.values], [observed.errors]
        self.known = list(self.photometric)
        for columns, value, error in (
            (self.parallax, observed.parallax, observed.parallax_error),
            (self.motions, observed.pm, observed.pm_error),
        ):
            if columns and np.isfinite(value).sum() >= len(columns) * MIN_CONTROL:
                self.known += columns
                values.append(value)
                errors.append(error)
        joined, joined_errors = np.column_stack(values), np.column_stack(errors)
        taught, weights = _taught(np.ones(len(joined)), self.seed)
        self.control = FieldDensity.fit(
            joined[taught],
            joined_errors[taught],
            weights=weights,
            limits=self.limits,
            kinds=[self.kinds[c] for c in self.known],
            rng=np.random.default_rng(self.seed),
            cover=np.concatenate([self.values[:, self.known], joined]),
        )

    def initial(self) -> np.ndarray:
        """Field density (n_star,) before anything is known of the cluster: the control field's, or flat.

        A density learned from a sample that is mostly cluster would describe the cluster, and nothing would be left to
        find.
        """
        if not self.learns:
            return self.density(np.zeros(self.values.shape[0]))
        flat = self.model.observed.outlier_density(self.model.selection, conditional=self.model.conditional)
        for columns, narrowest in ((self.parallax, 0.1), (self.motions, 1.0)):
            for column in columns:
                value = self.values[:, column]
                low, high = np.nanpercentile(value, [2.0, 98.0])
                flat = np.where(np.isfinite(value), flat / max(high - low, narrowest), flat)
        result = np.empty(flat.size)
        result[self.model.observed.order] = flat
        return result

    def density(self, p_member: np.ndarray) -> np.ndarray:
        """Field density of each star, given probabilities of membership; both (n_star,) in the photometry's order."""
        p_field = 1.0 - np.clip(p_member[self.model.observed.order], 0.0, 1.0)
        result = np.empty(p_field.size)
        result[self.model.observed.order] = np.exp(self._log_density(p_field))
        return result

    def _log_density(self, p_field: np.ndarray) -> np.ndarray:
        """Log field density of the sorted stars: a factor that a control field gives, and factors that are learned."""
        if self.control is not None:
            total = self.control.log_density(self.values[:, self.known], self.errors[:, self.known])
            total -= self._log_selected(self.control, self.known)
            if set(self.motions) <= set(self.known):
                total -= self._log_in_window(self.control, self.known)
            if self.parallax and not set(self.parallax) <= set(self.known):
                total += self._conditional(
                    p_field, [0, *self.parallax], self.parallax, n_components=_N_WIDE, scale=_WIDE
                )
        else:
            columns = [*self.photometric, *self.parallax]
            learned = self._learned(p_field, columns, n_components=_N_WIDE, scale=_WIDE)
            total = learned.log_density(self.values[:, columns], self.errors[:, columns])
            total -= self._log_selected(learned, columns)
        if self.motions and not set(self.motions) <= set(self.known):
            columns = [0, *self.parallax, *self.motions]
            total += self._conditional(p_field, columns, self.motions, n_components=_N_MOTION, scale=_MOTION_SCALE)
        return total

    def _learned(self, p_field: np.ndarray, columns: list[int], *, n_components: int, scale: float) -> FieldDensity:
        taught, weights = _taught(p_field, self.seed)
        return FieldDensity.fit(
            self.values[taught][:, columns],
            self.errors[taught][:, columns],
            limits=self.limits,
            kinds=[self.kinds[c] for c in columns],
            weights=weights,
            n_components=n_components,
            min_scale=scale,
            rng=np.random.default_rng(self.seed),
            cover=self.values[:, columns],
        )

    def _conditional(
        self, p_field: np.ndarray, columns: list[int], wanted: list[int], *, n_components: int, scale: float
    ) -> np.ndarray:
        """Log density (n_star,) of the wanted columns given the other ones, learned from the stars that are field."""
        learned = self._learned(p_field, columns, n_components=n_components, scale=scale)
        values, errors = self.values[:, columns], self.errors[:, columns]
        alone = values.copy()
        alone[:, [columns.index(c) for c in wanted]] = np.nan
        result = learned.log_density(values, errors) - learned.log_density(alone, errors)
        return result - self._log_in_window(learned, columns) if wanted == self.motions else result

    def _log_selected(self, density: FieldDensity, columns: list[int]) -> np.ndarray | float:
        """Log of what a density is to be divided by: the share within limits of other bands, the magnitude's density.

        The second one where the model is conditional on the primary magnitude. The share is counted over random stars
        of the density with the errors of the sample.
        """
        total: np.ndarray | float = 0.0
        if self.model.conditional:
            alone = np.full((self.values.shape[0], len(columns)), np.nan)
            alone[:, 0] = self.values[:, 0]
            total = density.log_density(alone, self.errors[:, columns])
        if self.model.selection.others:
            rng = np.random.default_rng(self.seed)
            points = density.sample(_N_DRAWN, rng)[:, : len(self.photometric)]
            for a in range(1, points.shape[1]):
                if np.isfinite(self.values[:, a]).any():
                    curve = ErrorCurve.fit(self.values[:, 0], self.errors[:, a])
                    points[:, a] += curve(points[:, 0]) * rng.normal(size=len(points))
            at = self.values[:, 0] if self.model.conditional else None
            observables = self.model.observed.observables
            total = total + np.log(share_inside(observables, points, self.model.selection.others, at))
        return total

    def _log_in_window(self, density: FieldDensity, columns: list[int]) -> np.ndarray:
        """Log share (n_star,) of the field's proper motions within the window, 0 where a star has none."""
        window = self.model.pm_window
        if not window.size or not self.motions:
            return np.zeros(self.values.shape[0])
        pair = [columns.index(c) for c in self.motions]
        share = density.share_in_window(self.values[:, columns], self.errors[:, columns], pair, window)
        return np.log(np.where(np.isfinite(self.values[:, self.motions[0]]), np.maximum(share, 1e-9), 1.0))


def _taught(weights: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose the stars that a density is learned from, and their weights; all of them, unless they are too many.

    Stars are drawn with chances in proportion to their weights (n_star,) as far as that goes, and count for those that
    were not: means over them keep their expectation. The same seed gives every star the same luck at every turn.
    """
    if len(weights) <= _N_TAUGHT or not weights.sum() > 0.0:
        return np.arange(len(weights)), weights
    share = _N_TAUGHT / float(weights.sum())
    chance = np.minimum(1.0, weights * share)
    rows = np.flatnonzero(np.random.default_rng(seed).random(len(weights)) < chance)
    return rows, weights[rows] / chance[rows] * min(1.0, share)


def _limits(model: ClusterModel, control: Photometry | None) -> tuple[float, float]:
    """Return the range of the primary magnitude over which the field is normalised: the limits, where they are set."""
    selection, magnitude = model.selection, model.observed.values[:, 0]
    low, high = float(magnitude.min()), float(magnitude.max())
    if control is not None:
        column = [o.is_magnitude and o.bands[0] == selection.band for o in control.observables].index(True)
        low = min(low, float(control.values[:, column].min()))
        high = max(high, float(control.values[:, column].max()))
    bright = selection.bright if selection.bright > -NO_LIMIT else low - 0.5
    return bright, selection.faint if selection.faint < NO_LIMIT else high + 0.05
