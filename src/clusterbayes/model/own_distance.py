"""Stars of a near cluster at one distance: each is moved by what its own parallax says of its place along our line.

A cluster some parsecs deep at a hundred parsecs spreads its sequence by a tenth of a magnitude, far more than
photometric errors; an isochrone takes that for pairs, for other colours, for another age. With a Gaussian spread and a
Gaussian parallax, a star's own offset is Gaussian, too: its mean is taken off the magnitudes, what stays unknown is an
error that all magnitudes of the star share. Moving magnitudes by a function of the parallax leaves every density in
the space of both as it is (the map has a determinant of one), so cluster, field and outliers are treated alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from clusterbayes.model.priors import Prior

__all__ = ["OwnDistance"]

_PER_RATIO = 5.0 / np.log(10.0)  # magnitudes of distance modulus that a small relative change of distance is
_LEAST = 0.01  # mag: where stars are moved by less (rms), nothing is
_FARTHEST = 5.0  # standard deviations beyond which a star is moved no further: it is no member anyway
_FEWEST, _MOST = 20, 20_000  # stars with parallaxes that the spread is found from
_HALO = 50.0  # pc: what stars of a field are spread over at the least, and those of a cluster are not
#: Error of parallaxes beyond the listed ones that neighbours share [mas]: Gaia EDR3 has some hundredths (Lindegren
#: et al. 2021, A&A 649, A2).
_SYSTEMATIC = 0.02
_WITHIN = np.array([8.0, 12.0, 12.0, 1.0])  # of the logarithms of depth, odds, field's width and error factor
_UNSURE = 0.15  # relative uncertainty of listed errors, so that errors that are too small do not count as a depth


@dataclass(frozen=True)
class OwnDistance:
    """Where the members of a cluster are along the line of sight, in parallax.

    Attributes
    ----------
    parallax : float
        Mean of the members [mas], in the catalogue's own zero.
    spread : float
        Standard deviation of their true parallaxes [mas].
    zero_point : float
        To be added to the catalogue's parallaxes [mas].
    """

    parallax: float
    spread: float
    zero_point: float

    @classmethod
    def find(
        cls, parallax: np.ndarray, error: np.ndarray, depth: Prior | float, zero_point: float = 0.0
    ) -> OwnDistance | None:
        """Find the clump of a cluster in parallax, and how deep it is.

        The most probable mean and spread of a Gaussian beside a wide one of the field, both convolved with the errors.

        Parameters
        ----------
        parallax, error : (n_star,)
            [mas], NaN where missing.
        depth : Prior or float
            Of the spread along the line of sight [pc]; a number holds it there.
        zero_point : float
            To be added to the parallaxes [mas].

        Returns
        -------
        OwnDistance or None
            None where it would move members by less than 0.01 mag (rms): the cluster is far, its parallaxes are poor or
            few, or it has no depth.
        """
        have = np.flatnonzero(np.isfinite(parallax) & np.isfinite(error) & (error > 0.0))
        if have.size < _FEWEST:
            return None
        if have.size > _MOST:
            have = have[np.linspace(0, have.size - 1, _MOST).astype(int)]
        p, e = np.asarray(parallax, float)[have], np.hypot(error[have], _SYSTEMATIC)
        found = _most_probable(p, e, depth, zero_point)
        if found is None:
            return None
        mean, spread, p_member = found
        own = cls(mean, spread, zero_point)
        moved = own.shift(p, error[have])
        rms = float(np.sqrt(np.average(moved**2, weights=np.maximum(p_member, 1e-12))))
        return own if rms > _LEAST else None

    def shift(self, parallax: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Distance modulus of each star less that of the cluster [mag], (n_star,); 0 without a parallax."""
        off = np.asarray(parallax, float) - self.parallax
        most = _FARTHEST * np.hypot(np.hypot(error, _SYSTEMATIC), self.spread)
        likely = self._true + self._known(error) * np.clip(off, -most, most)
        return np.nan_to_num(5.0 * np.log10(self._true / np.maximum(likely, 0.1 * self._true)))

    def error(self, error: np.ndarray) -> np.ndarray:
        """Return the standard deviation of what stays unknown of the shift [mag], (n_star,)."""
        known = np.nan_to_num(self._known(error))
        return _PER_RATIO * self.spread / self._true * np.sqrt(1.0 - known)

    @property
    def depth(self) -> float:
        """Standard deviation along the line of sight [pc]."""
        return 1e3 * self.spread / self._true**2

    @property
    def _true(self) -> float:
        return self.parallax + self.zero_point

    def _known(self, error: np.ndarray) -> np.ndarray:
        """Share of a star's offset that its parallax tells, 0 to 1."""
        return self.spread**2 / (self.spread**2 + np.asarray(error, float) ** 2 + _SYSTEMATIC**2)


def _most_probable(
    p: np.ndarray, e: np.ndarray, depth: Prior | float, zero_point: float
) -> tuple[float, float, np.ndarray] | None:
    """Mean and spread [mas] of the clump, and the probability of each star to be in it (n_star,).

    Parallaxes `p` and errors `e` are (n_star,) [mas], the others as for `OwnDistance.find`. The parameters that are
    sought: mean of the cluster [mas], log of its depth [pc], log odds of being in it, mean [mas] and log of the width
    [mas] of the field, and log of a factor of the errors.
    """
    crest = _crest(p[e <= np.percentile(e, 50.0)])
    if not crest + zero_point > 0.0:
        return None
    halo = 1e-3 * _HALO * (crest + zero_point) ** 2
    scale = max(float(np.subtract(*np.percentile(p, [84.0, 16.0]))) / 2.0, 1e-3)

    def spread_of(mean: float, log_depth: float) -> float:
        parsec = depth if isinstance(depth, float) else float(np.exp(log_depth))
        return 1e-3 * parsec * (mean + zero_point) ** 2

    def densities(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, log_depth, log_odds, field_mean, log_width, log_factor = x
        share = 1.0 / (1.0 + np.exp(-log_odds))
        noise = (e * np.exp(log_factor)) ** 2
        inner, outer = noise + spread_of(mean, log_depth) ** 2, noise + np.exp(2.0 * log_width)
        cluster = share * np.exp(-0.5 * (p - mean) ** 2 / inner) / np.sqrt(inner)
        return cluster, (1.0 - share) * np.exp(-0.5 * (p - field_mean) ** 2 / outer) / np.sqrt(outer)

    def cost(x: np.ndarray) -> float:
        mean, log_depth, log_odds, _, log_width, log_factor = x
        if mean + zero_point <= 0.0 or (np.abs([log_depth, log_odds, log_width, log_factor]) > _WITHIN).any():
            return np.inf
        if np.exp(log_width) < 1e-3 * _HALO * (mean + zero_point) ** 2:  # else it takes the halo of the cluster
            return np.inf
        prior = 0.0 if isinstance(depth, float) else float(depth.log_pdf(np.exp(x[1:2]))[0])
        prior -= 0.5 * (log_factor / _UNSURE) ** 2
        return -float(np.log(np.sum(densities(x), axis=0) + 1e-300).sum()) - prior

    best = None
    for start in (0.5, 5.0):
        begin = np.array([crest, np.log(start), 1.0, float(np.median(p)), np.log(max(5.0 * scale, 3.0 * halo)), 0.0])
        simplex = begin + np.vstack([np.zeros(6), np.diag([0.3 * scale, 0.7, 1.0, scale, -0.7, 0.1])])
        options = {"initial_simplex": simplex, "maxiter": 4000, "xatol": 1e-3, "fatol": 1e-2}
        found = optimize.minimize(cost, begin, method="Nelder-Mead", options=options)
        if np.isfinite(found.fun) and (best is None or found.fun < best.fun):
            best = found
    if best is None:
        return None
    cluster, field = densities(best.x)
    return float(best.x[0]), spread_of(*best.x[:2]), cluster / (cluster + field + 1e-300)


def _crest(p: np.ndarray) -> float:
    """Where numbers lie most densely: the half-sample mode (Robertson & Cryer 1974, JASA 69, 1012)."""
    p = np.sort(p)
    while p.size > 3:
        half = (p.size + 1) // 2
        first = int(np.argmin(p[half:] - p[: p.size - half])) if p.size > half else 0
        p = p[first : first + half]
    return float(p.mean())
