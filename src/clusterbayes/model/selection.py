"""Which stars could have been in the catalogue: magnitude limits and the photometric error as a function of magnitude.

A magnitude-limited sample says something about stars that are not in it, so the limit is part of the likelihood. The
main limits act on one band, the primary magnitude, as it was measured, and so does a completeness; other bands may have
limits of their own. The same smooth error σ(true magnitude) serves the normalisation of the likelihood, the simulator
and the tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from clusterbayes.bands import resolve_band
from clusterbayes.errors import SettingsError
from clusterbayes.model.completeness import Completeness
from clusterbayes.model.kernels_selection import Limits

__all__ = ["BandLimit", "ErrorCurve", "Selection", "find_faint_limit", "parse_limits", "parse_other_limits"]

_LIKE_THE_HIGHEST = 0.7  # share of the highest mode's counts that makes another mode count
NO_LIMIT = 99.0  # mag, stands for "no faint limit"; its negative for "no bright limit"


@dataclass(frozen=True)
class BandLimit:
    """Limits of the measured magnitude in a band that is not the primary one [mag]."""

    band: str
    bright: float = -NO_LIMIT
    faint: float = NO_LIMIT


@dataclass(frozen=True)
class Selection:
    """Limits of the primary magnitude, and of others.

    Attributes
    ----------
    band : str
        Canonical name of the band that the limits act on.
    bright, faint : float
        Stars with a measured magnitude between them are in the sample [mag].
    reason : str
        Where the limits come from, in words.
    completeness : Completeness, optional
        Share of the stars that the catalogue holds against the measured primary magnitude.
    others : tuple of BandLimit
        Limits in other bands.
    """

    band: str
    bright: float = -NO_LIMIT
    faint: float = NO_LIMIT
    reason: str = "no limit"
    completeness: Completeness | None = None
    others: tuple[BandLimit, ...] = ()

    def inside(self, magnitude: np.ndarray) -> np.ndarray:
        """Whether measured magnitudes (n_star,) are within the limits; False where NaN."""
        return (magnitude >= self.bright) & (magnitude <= self.faint)

    def passing(self, magnitude: np.ndarray) -> np.ndarray:
        """Share of the stars of measured magnitudes (n_star,) within the limits that are kept."""
        return np.ones(np.shape(magnitude)) if self.completeness is None else self.completeness(magnitude)

    def limits(self, errors: ErrorCurve) -> Limits:
        """Write limits and completeness as the curve of straight pieces that the kernels take."""
        table = self.completeness or Completeness((0.0, 1.0), (1.0, 1.0))
        inner = [m for m in table.magnitude if self.bright < m < self.faint] if self.completeness is not None else []
        ends = [m for m in (self.bright, self.faint) if abs(m) < NO_LIMIT]
        knots = np.unique(np.array([*ends, *inner]))
        inside = np.concatenate([knots[:1] - 1.0, 0.5 * (knots[1:] + knots[:-1]), knots[-1:] + 1.0])
        inside = inside if knots.size else np.zeros(1)
        open_ = (inside > self.bright) & (inside < self.faint)
        step = 0.25 * np.min(np.diff(knots), initial=1.0)
        slope = np.where(open_, (table(inside + step) - table(inside - step)) / (2.0 * step), 0.0)
        value = np.where(open_, table(inside), 0.0)
        left = value[:-1] + slope[:-1] * (knots - inside[:-1])
        right = value[1:] + slope[1:] * (knots - inside[1:])
        turns = (np.abs(right - left) > 1e-12) | (np.abs(np.diff(slope)) > 1e-12)  # at the other knots nothing happens
        pieces = np.concatenate([[True], turns])
        knots, left, right, inside, value, slope, open_ = (
            array[turns if array.size == turns.size else pieces]
            for array in (knots, left, right, inside, value, slope, open_)
        )
        plain = (np.abs(value - 1.0) < 1e-12) & (slope == 0.0) & open_
        edges = np.concatenate([[-np.inf], knots, [np.inf]])
        widest = int(np.argmax(np.where(plain, np.minimum(edges[1:], 50.0) - np.maximum(edges[:-1], -50.0), -1.0)))
        return Limits(
            knots=knots,
            anchor=inside,
            value=value,
            slope=slope,
            jump=right - left,
            plain_bright=float(edges[widest]) if plain.any() else np.inf,
            plain_faint=float(edges[widest + 1]) if plain.any() else -np.inf,
            faint=self.faint,
            sigma_mag=errors.magnitude,
            sigma_value=errors.sigma,
            floor=0.0,
        )


def parse_limits(text: str) -> tuple[str, float, float]:
    """Read ``Gaia_G=18`` (faint limit) or ``Gaia_G=5..18`` (bright and faint limit).

    Returns
    -------
    band : str
        Canonical name.
    bright, faint : float
        [mag]

    Raises
    ------
    SettingsError
        If the text has another form or the limits are out of order.
    BandError
        If the band is unknown.
    """
    number = r"[-+]?\d+(?:\.\d*)?"
    match = re.fullmatch(rf"\s*([^=\s]+)\s*=\s*(?:({number})\s*\.\.\s*)?({number})\s*", text)
    if match is None:
        raise SettingsError(
            f"magnitude limit {text!r} was not understood; write auto, none, Gaia_G=18 or Gaia_G=5..18 (bright..faint)"
        )
    band = resolve_band(match.group(1)).name
    bright = float(match.group(2)) if match.group(2) else -NO_LIMIT
    faint = float(match.group(3))
    if not bright < faint:
        raise SettingsError(f"magnitude limit {text!r}: the bright limit must be a smaller number than the faint one")
    return band, bright, faint


def parse_other_limits(text: str) -> tuple[str, tuple[BandLimit, ...]]:
    """Part a list of limits: ``Gaia_G=18,Gaia_BP=9..18.5`` limits G as the primary band, and BP besides.

    Returns
    -------
    primary : str
        The first entry as it is: ``auto``, ``none``, or the limit of a band.
    others : tuple of BandLimit

    Raises
    ------
    SettingsError
        If an entry was not understood, or a band is named twice.
    """
    primary, *rest = text.split(",")
    others = tuple(BandLimit(*parse_limits(part)) for part in rest)
    bands = [limit.band for limit in others]
    if primary.strip() not in ("auto", "none"):
        bands.append(parse_limits(primary)[0])
    if len(set(bands)) < len(bands):
        raise SettingsError(f"magnitude limit {text!r} names a band twice; write both ends as G=5..18")
    return primary.strip(), others


def find_faint_limit(magnitude: np.ndarray) -> tuple[float, str]:
    """Find the magnitude down to which a catalogue can be called complete.

    Where the counts end in a sharp edge, the edge is the limit. Otherwise it is 0.25 mag brighter than the mode of the
    counts, the faintest one where several are nearly as high: beyond it they fall because stars are missing.

    Parameters
    ----------
    magnitude : (n_star,)
        Measured magnitudes, finite [mag].

    Returns
    -------
    limit : float
        [mag]
    reason : str
    """
    m = np.sort(np.asarray(magnitude, float))
    last = m[-1]
    width = 0.2
    at_edge = np.count_nonzero(m > last - width)
    before = np.count_nonzero((m > last - 4 * width) & (m <= last - width)) / 3.0
    if at_edge >= 6 and at_edge >= 0.6 * before:
        gap = min(width / at_edge, 0.05)
        return float(last + gap), "edge of the counts"
    scale = max(0.2, 1.06 * np.std(m) * m.size**-0.2 * 0.7)
    grid = np.arange(m[0], last + 0.02, 0.02)
    density = np.zeros(grid.size)
    for block in np.array_split(m, max(1, m.size // 2000)):
        density += np.exp(-0.5 * ((grid[:, None] - block[None, :]) / scale) ** 2).sum(axis=1)
    peak = (density >= np.append(density[1:], 0.0)) & (density >= np.append(0.0, density[:-1]))
    mode = grid[np.flatnonzero(peak & (density >= _LIKE_THE_HIGHEST * density.max()))[-1]]
    return float(mode - 0.25), "faintest mode of the magnitude counts − 0.25 mag"


@dataclass(frozen=True)
class ErrorCurve:
    """Photometric error against true magnitude, piecewise linear on an even grid.

    Attributes
    ----------
    magnitude : (n,)
        Evenly spaced [mag].
    sigma : (n,)
        [mag]
    """

    magnitude: np.ndarray
    sigma: np.ndarray

    @classmethod
    def fit(cls, magnitude: np.ndarray, error: np.ndarray, *, step: float = 0.1) -> ErrorCurve:
        """Fit a smooth curve to a catalogue: medians of log σ in bins of equal numbers, joined and never falling.

        Parameters
        ----------
        magnitude, error : (n_star,)
            [mag]; pairs with NaN are ignored.
        step : float
            Spacing of the grid [mag].
        """
        good = np.isfinite(magnitude) & np.isfinite(error) & (error > 0)
        m, log_error = magnitude[good], np.log(error[good])
        order = np.argsort(m, kind="stable")
        groups = np.array_split(order, int(np.clip(m.size // 15, 1, 40)))
        x = np.array([np.median(m[g]) for g in groups])
        y = np.maximum.accumulate([np.median(log_error[g]) for g in groups])
        grid = np.arange(m.min() - 3.0, m.max() + 3.0 + step, step)
        curve = np.interp(grid, x, y)
        if x.size > 1:  # errors go on growing beyond the faintest bin, by at most 0.92 per mag (sky-limited)
            slope = np.clip((y[-1] - y[-2]) / max(x[-1] - x[-2], 0.05), 0.0, 0.92)
            curve = curve + np.clip(grid - x[-1], 0.0, 1.0) * slope
        return cls(grid, np.exp(curve))

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Error at a true magnitude [mag]."""
        return np.interp(magnitude, self.magnitude, self.sigma)
