"""The path of an isochrone: how long it is, points spread along it, where it turns up a giant branch.

Length is measured in log Teff, log L and log mass, weighted so that every phase gets its share of points.  What is here
serves isochrones of all families, whether their source marks evolution (`clusterbayes.isochrones.milestones`) or not
(`clusterbayes.isochrones.eep`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["MASS_WEIGHT", "along_path", "knee", "path_length", "phase_codes", "spread"]

Array = NDArray[np.float64]

_TEFF_WEIGHT, _LUM_WEIGHT = 15.0, 2.5
MASS_WEIGHT = 12.0
"""Length of one dex in mass where mass counts."""


class Points(Protocol):
    """Points of an isochrone in the order of mass: arrays (n_point,)."""

    @property
    def m_ini(self) -> Array:
        """Initial mass [Msun]."""

    @property
    def log_teff(self) -> Array:
        """log10 Teff [K]."""

    @property
    def log_lum(self) -> Array:
        """log10 L [Lsun]."""


def path_length(stars: Points, mass_weight: float = MASS_WEIGHT) -> Array:
    """Return the length of the path up to each point, strictly increasing, in log Teff, log L and log mass.

    Parameters
    ----------
    stars : Points
        Points with non-decreasing mass.
    mass_weight : float
        Length of one dex in mass; the hook and the later phases have next to none of it anyway.

    Returns
    -------
    (n_point,) array
        The length, 0 at the first point.
    """
    steps = np.hypot(_TEFF_WEIGHT * np.diff(stars.log_teff), _LUM_WEIGHT * np.diff(stars.log_lum))
    steps = steps + mass_weight * np.diff(np.log10(stars.m_ini)) + 1e-9
    return np.concatenate([[0.0], np.cumsum(steps)])


def spread(path: Array, anchors: Sequence[float], counts: Sequence[int]) -> Array:
    """Spread positions evenly in a given path length between anchors.

    Parameters
    ----------
    path : (n_point,) array
        Length up to each point, increasing.
    anchors : sequence of float
        Positions (fractional indices), non-decreasing.
    counts : sequence of int
        Number of steps between each anchor and the next.

    Returns
    -------
    (1 + sum(counts),) array
        Positions, the anchors among them.
    """
    index = np.arange(len(path), dtype=float)
    at = np.interp(anchors, index, path)
    pieces = [np.linspace(low, high, n + 1)[:-1] for low, high, n in zip(at[:-1], at[1:], counts, strict=True)]
    return np.asarray(np.interp(np.concatenate([*pieces, at[-1:]]), path, index))


def along_path(stars: Points, anchors: Sequence[float], counts: Sequence[int], mass_weight: float = 0.0) -> Array:
    """Spread positions evenly along an isochrone between anchors: `spread` over its `path_length`."""
    return spread(path_length(stars, mass_weight), anchors, counts)


def knee(stars: Points, start: int, stop: int) -> int:
    """Return where a path that crosses to the red turns up a giant branch: the least log L + 6 log Teff."""
    return start + int(np.argmin((stars.log_lum + 6.0 * stars.log_teff)[start : stop + 1]))


def phase_codes(layout: Mapping[int, tuple[int, ...]]) -> NDArray[np.int64]:
    """Return the phase of every point of a layout (steps between the anchors, by phase), shape (n_eep,)."""
    return np.concatenate([np.full(sum(counts) + 1, phase, dtype=np.int64) for phase, counts in layout.items()])
