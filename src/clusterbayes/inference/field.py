"""The density of field stars for a fit: from a control field where there is one, else learned with the cluster.

A control field gives the shape directly. Without one, field and cluster are learned in turns: fit the cluster, weigh
every star by its probability of being field, refit the field with few wide components, until the member fraction
settles. Parallaxes that the control field lacks are learned from the sample in the same way.
"""

from __future__ import annotations

import numpy as np

from clusterbayes.model.cluster import ClusterModel, Observed
from clusterbayes.model.field import FieldDensity
from clusterbayes.model.selection import NO_LIMIT
from clusterbayes.photometry import Photometry

__all__ = ["MIN_CONTROL", "FieldLearner"]

#: Fewer stars than this in a control field say too little about its shape.
MIN_CONTROL = 20
# Smallest width of a component learned from the sample, as a share of the sample's: narrower ones settle on the giant
# branch or the upper main sequence and take them from the cluster.
_WIDE = 0.8
_N_WIDE = 2


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
        self.values, self.errors, kinds = model.observed.field_columns()
        self.kinds = ["magnitude" if kind else "other" for kind in kinds]
        self.n_photometric = len(model.observed.observables)
        self.limits = _limits(model, control)
        self.control: FieldDensity | None = None
        self.learns = True
        if control is not None:
            self._use_control(control)

    def _use_control(self, control: Photometry) -> None:
        observed = Observed.arrange(control, self.model.selection.band)
        values, errors, _ = observed.field_columns()
        n_columns = self.n_photometric
        if values.shape[1] == self.values.shape[1]:
            has_parallax = np.isfinite(values[:, -1]) if values.shape[1] > n_columns else np.ones(values.shape[0], bool)
            if np.count_nonzero(has_parallax) >= MIN_CONTROL:
                n_columns = values.shape[1]
        self.learns = n_columns < self.values.shape[1]
        self.control = FieldDensity.fit(
            values[:, :n_columns],
            errors[:, :n_columns],
            limits=self.limits,
            kinds=self.kinds[:n_columns],
            rng=np.random.default_rng(self.seed),
            cover=self.values[:, :n_columns],
        )

    def initial(self) -> np.ndarray:
        """Field density (n_star,) before anything is known of the cluster: the control field's, or flat.

        A density learned from a sample that is mostly cluster would describe the cluster, and nothing would be left to
        find.
        """
        if self.control is not None and not self.learns:
            return self.density(np.zeros(self.values.shape[0]))
        flat = self.model.observed.outlier_density(self.model.selection)
        if self.values.shape[1] > self.n_photometric:
            parallax = self.values[:, -1]
            low, high = np.nanpercentile(parallax, [2.0, 98.0])
            flat = np.where(np.isfinite(parallax), flat / max(high - low, 0.1), flat)
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
        """Log field density of the sorted stars."""
        if self.control is not None and not self.learns:
            return self.control.log_density(self.values, self.errors)
        n = self.n_photometric
        columns = list(range(self.values.shape[1])) if self.control is None else [0, *range(n, self.values.shape[1])]
        values, errors = self.values[:, columns], self.errors[:, columns]
        learned = FieldDensity.fit(
            values,
            errors,
            limits=self.limits,
            kinds=[self.kinds[c] for c in columns],
            weights=p_field,
            n_components=_N_WIDE,
            min_scale=_WIDE,
            rng=np.random.default_rng(self.seed),
        )
        if self.control is None:
            return learned.log_density(values, errors)
        alone = values.copy()
        alone[:, 1:] = np.nan
        parallax = learned.log_density(values, errors) - learned.log_density(alone, errors)
        return self.control.log_density(self.values[:, :n], self.errors[:, :n]) + parallax


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
