"""The stars as the likelihood takes them: sorted by the primary magnitude, with the density of outliers among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clusterbayes.bands import Observable, bands_of
from clusterbayes.errors import InputError
from clusterbayes.model.cuts import share_inside
from clusterbayes.model.own_distance import OwnDistance
from clusterbayes.model.selection import Selection
from clusterbayes.photometry import Photometry

__all__ = ["Observed"]


@dataclass(frozen=True)
class Observed:
    """Photometry arranged for the model: primary magnitude first, stars sorted by it.

    Attributes
    ----------
    observables : tuple of Observable
        The primary magnitude first.
    bands : tuple of str
        The primary band first.
    order : (n_star,)
        Row of the photometry that each sorted star comes from.
    values, errors : (n_star, n_obs)
        Sorted [mag].
    parallax, parallax_error : (n_star,) or (0,)
        Sorted [mas].
    pm, pm_error : (n_star, 2) or (0, 2)
        Sorted [mas/yr].
    pm_corr : (n_star,) or (0,)
        Correlation of the errors.
    shift, shift_error : (n_star,)
        What was taken off the magnitudes because the star is nearer or farther than the cluster, and the error of it,
        which all its magnitudes share and which is part of `errors` [mag]; 0 where nothing was.
    """

    observables: tuple[Observable, ...]
    bands: tuple[str, ...]
    order: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    parallax: np.ndarray
    parallax_error: np.ndarray
    pm: np.ndarray
    pm_error: np.ndarray
    pm_corr: np.ndarray
    shift: np.ndarray
    shift_error: np.ndarray

    @classmethod
    def arrange(
        cls,
        photometry: Photometry,
        primary: str,
        *,
        proper_motion: bool = True,
        own_distance: OwnDistance | None = None,
    ) -> Observed:
        """Sort photometry by its `primary` band; every star must have been measured in it.

        Proper motions are left out unless `proper_motion`. With `own_distance`, stars are moved to the distance of the
        cluster by their parallaxes.

        Raises
        ------
        InputError
            If the primary band is not itself an observable, or is missing for a star.
        """
        names = [o.name for o in photometry.observables]
        first = [i for i, o in enumerate(photometry.observables) if o.is_magnitude and o.bands[0] == primary]
        if not first:
            raise InputError(
                f"{primary} carries the magnitude limit but is not among the observables {', '.join(names)}",
                remedy=f"add {primary} to the observables, or set the limit in a band that is one",
            )
        columns = [first[0], *[i for i in range(len(names)) if i != first[0]]]
        values = photometry.values[:, columns]
        if not np.isfinite(values[:, 0]).all():
            raise InputError(f"some stars have no {primary}, the band of the magnitude limit")
        observables = tuple(photometry.observables[i] for i in columns)
        shift, shift_error = _moved(photometry, own_distance)
        kinds = np.array([observable.is_magnitude for observable in observables])
        values = values - np.where(kinds, shift[:, None], 0.0)
        errors = np.hypot(photometry.errors[:, columns], np.where(kinds, shift_error[:, None], 0.0))
        order = np.argsort(values[:, 0], kind="stable")

        def in_order(array: np.ndarray | None, used: bool, *width: int) -> np.ndarray:
            return np.ascontiguousarray(array[order]) if used and array is not None else np.empty((0, *width))

        has_parallax = photometry.parallax is not None
        has_pm = proper_motion and photometry.pm is not None
        return cls(
            observables=observables,
            bands=tuple(dict.fromkeys([primary, *bands_of(observables)])),
            order=order,
            values=np.ascontiguousarray(values[order]),
            errors=np.ascontiguousarray(errors[order]),
            parallax=in_order(photometry.parallax, has_parallax),
            parallax_error=in_order(photometry.parallax_error, has_parallax),
            pm=in_order(photometry.pm, has_pm, 2),
            pm_error=in_order(photometry.pm_error, has_pm, 2),
            pm_corr=in_order(photometry.pm_corr, has_pm),
            shift=shift[order],
            shift_error=shift_error[order],
        )

    @property
    def measured(self) -> np.ndarray:
        """Primary magnitude as it was measured (n_star,), which is what limits act on."""
        return self.values[:, 0] + self.shift

    def field_columns(self) -> tuple[np.ndarray, np.ndarray, tuple[bool, ...]]:
        """Values and errors of the space that the field density lives in, and which columns are magnitudes."""
        pairs = [(self.values, self.errors), (self.parallax, self.parallax_error), (self.pm, self.pm_error)]
        pairs = [pair for pair in pairs if pair[0].shape[0]]
        values, errors = (np.column_stack(parts) for parts in zip(*pairs, strict=True))
        kinds = [o.is_magnitude for o in self.observables]
        return values, errors, (*kinds, *[False] * (values.shape[1] - len(kinds)))

    def outlier_density(self, selection: Selection, *, conditional: bool = False) -> np.ndarray:
        """Flat density over the selected region of the magnitudes and colours that each star has, shape (n_star,).

        It follows the completeness in the primary magnitude; `conditional` leaves that magnitude out.
        """
        low = max(selection.bright, float(self.values[:, 0].min()) - 1.0)
        high = min(selection.faint, float(self.values[:, 0].max()) + 0.5)
        log_density = np.full(self.values.shape[0], 0.0 if conditional else -np.log(high - low))
        if selection.completeness is not None and not conditional:
            even = np.linspace(low, high, 2001)
            passing = selection.passing(self.measured)
            log_density += np.log(np.maximum(passing, 1e-300) / np.mean(selection.passing(even)))
        for a, observable in enumerate(self.observables[1:], start=1):
            colour = self.values[:, 0] - self.values[:, a] if observable.is_magnitude else self.values[:, a]
            have = np.isfinite(colour)
            if have.any():
                span = float(np.ptp(colour[have])) + 0.5
                log_density[have] -= np.log(span)
        if selection.others:
            log_density -= np.log(self._share_of_box(selection, low, high, conditional=conditional))
        return np.exp(log_density)

    def _share_of_box(self, selection: Selection, low: float, high: float, *, conditional: bool) -> np.ndarray:
        """Share (n_star,) of the outliers' box that is within the limits of other bands, by random points."""
        rng = np.random.default_rng(1)
        points = np.empty((20_000, len(self.observables)))
        points[:, 0] = rng.uniform(low, high, len(points))
        for a, observable in enumerate(self.observables[1:], start=1):
            colour = self.values[:, 0] - self.values[:, a] if observable.is_magnitude else self.values[:, a]
            colour = colour[np.isfinite(colour)]
            first, last = (colour.min() - 0.25, colour.max() + 0.25) if colour.size else (0.0, 0.0)
            points[:, a] = first + (last - first) * rng.random(len(points))
            if observable.is_magnitude:
                points[:, a] = points[:, 0] - points[:, a]
        at = self.values[:, 0] if conditional else None
        return share_inside(self.observables, points, selection.others, at)


def _moved(photometry: Photometry, own_distance: OwnDistance | None) -> tuple[np.ndarray, np.ndarray]:
    """Shifts of the stars and their errors [mag], each (n_star,)."""
    if own_distance is None:
        return np.zeros(photometry.n_star), np.zeros(photometry.n_star)
    nothing = np.full(photometry.n_star, np.nan)
    parallax, error = (
        nothing if column is None else column for column in (photometry.parallax, photometry.parallax_error)
    )
    return own_distance.shift(parallax, error), own_distance.error(error)
