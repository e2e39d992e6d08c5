"""Which stars could have been in the catalogue: magnitude limits and the photometric error as a function of magnitude.

A magnitude-limited sample says something about stars that are not in it, so the limit is part of the likelihood. The
limits act on one band, the primary magnitude, as it was measured. The same smooth error σ(true magnitude) serves the
normalisation of the likelihood, the simulator and the tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from clusterbayes.bands import resolve_band
from clusterbayes.errors import SettingsError

__all__ = ["ErrorCurve", "Selection", "find_faint_limit", "parse_limits"]

_LIKE_THE_HIGHEST = 0.7  # share of the highest mode's counts that makes another mode count
NO_LIMIT = 99.0  # mag, stands for "no faint limit"; its negative for "no bright limit"


@dataclass(frozen=True)
class Selection:
    """Limits of the primary magnitude.

    Attributes
    ----------
    band : str
        Canonical name of the band that the limits act on.
    bright, faint : float
        Stars with a measured magnitude between them are in the sample [mag].
    reason : str
        Where the limits come from, in words.
    """

    band: str
    bright: float = -NO_LIMIT
    faint: float = NO_LIMIT
    reason: str = "no limit"

    def inside(self, magnitude: np.ndarray) -> np.ndarray:
        """Whether measured magnitudes (n_star,) are within the limits; False where NaN."""
        return (magnitude >= self.bright) & (magnitude <= self.faint)


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
