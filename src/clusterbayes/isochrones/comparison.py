"""One isochrone against another: distances in a colour-magnitude diagram, by phase.

Points of one line are held against the segments of the other, which are drawn within a phase only.  The error in mass
is read where the other line is nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clusterbayes.isochrones.eep import first_ascent_end
from clusterbayes.isochrones.grid import Isochrone

__all__ = ["AGB_TAIL", "GROUPS", "PRE_MAIN_SEQUENCE", "Comparison", "Line", "compare", "line_of", "rms"]

Array = NDArray[np.float64]

PRE_MAIN_SEQUENCE, AGB_TAIL = -1, 8
_EARLY_AGB = 7
GROUPS: dict[int, str] = {
    PRE_MAIN_SEQUENCE: "pre-main sequence",
    0: "main sequence",
    2: "subgiants",
    3: "giant branch",
    4: "core helium",
    7: "early AGB",
    AGB_TAIL: "AGB tail",
}
"""Phases that the certificate tells apart: the codes of `eep.PHASES`, the first one split at the turn-on mass, the last
one where its first ascent ends: what follows, pulses and the loss of the envelope, is short and differs wildly."""
_LATE = 4  # from this phase on, an isochrone is a second path: it begins anew after the helium flash


@dataclass(frozen=True)
class Line:
    """An isochrone in a colour-magnitude diagram.

    Parameters
    ----------
    points : (n, 2) array
        Magnitude and colour [mag].
    log_mass : (n,) array
        log10 of the initial mass [Msun].
    phase : (n,) int array
        Codes of `eep.PHASES`.
    log_lum : (n,) array
        log10 L [Lsun].
    """

    points: Array
    log_mass: Array
    phase: NDArray[np.int64]
    log_lum: Array

    @property
    def segments(self) -> NDArray[np.bool_]:
        """Which of the segments j to j + 1 are part of the line, shape (n - 1,)."""
        return np.asarray(np.diff(self.phase) == 0)

    def groups(self, turn_on: float) -> NDArray[np.int8]:
        """Return the keys of `GROUPS` of the points (n,), given log10 of the turn-on mass [Msun]."""
        group = self.phase.astype(np.int8)
        group[(self.phase == 0) & (self.log_mass < turn_on)] = PRE_MAIN_SEQUENCE
        agb = np.flatnonzero(self.phase == _EARLY_AGB)
        if agb.size:
            group[agb[first_ascent_end(self.log_lum[agb]) + 1 :]] = AGB_TAIL
        return group

    def drawn(self) -> NDArray[np.bool_]:
        """Return which points belong to a phase that the isochrone has, shape (n,); a collapsed one is a dot."""
        there = np.zeros(self.phase.size, dtype=bool)
        for code in np.unique(self.phase):
            of_phase = self.phase == code
            there[of_phase] = np.any(np.ptp(self.points[of_phase], axis=0) > 1e-9)
        return there


@dataclass(frozen=True)
class Comparison:
    """One interpolated isochrone against the true one.

    Parameters
    ----------
    log_age, mh : float
        Where.
    divisor : float
        What the distances are to be divided by for a point midway between neighbouring nodes, for errors that grow with
        the square of the spacing; 1 for published isochrones.
    group : (n,) int array
        Keys of `GROUPS`.
    distance : (n,) array
        Distance to the other line [mag].
    mass_error : (n,) array
        log10 of the interpolated over the true mass.
    """

    log_age: float
    mh: float
    divisor: float
    group: NDArray[np.int8]
    distance: NDArray[np.float32]
    mass_error: NDArray[np.float32]

    @property
    def rms(self) -> float:
        """Root mean square of the distances [mag]."""
        return rms(self.distance)


def line_of(isochrone: Isochrone, bands: Sequence[str]) -> Line:
    """Return an isochrone in the diagram of a magnitude and two bands."""
    magnitude, blue, red = (isochrone.magnitudes[band] for band in bands)
    return Line(np.column_stack([magnitude, blue - red]), np.log10(isochrone.m_ini), isochrone.phase, isochrone.log_lum)


def compare(
    true: Line, made: Line, node: tuple[float, float], divisor: float, faintest: float, both_ways: bool = True
) -> Comparison | None:
    """Measure two lines against each other; None if nothing is bright enough.

    Points of the true line are held against the interpolated one and the reverse: a loop that only the interpolation
    has would not be seen otherwise. The two paths of an isochrone, up to the tip of the giant branch and from core
    helium burning on, are held apart where both sides have the same phases (``both_ways``).
    """
    turn_on = _turn_on(*node)
    groups, distances, masses = [], [], []
    for points, line, sign in ((true, made, 1.0), (made, true, -1.0)) if both_ways else ((true, made, 1.0),):
        use = (points.points[:, 0] < faintest) & points.drawn()
        for late in (False, True) if both_ways else (None,):
            some = use if late is None else use & ((points.phase >= _LATE) == late)
            kept = line.segments if late is None else line.segments & ((line.phase[1:] >= _LATE) == late)
            if not np.any(some) or not np.any(kept):
                continue
            distance, log_mass = _nearest(points.points[some], line, kept)
            groups.append(points.groups(turn_on)[some])
            distances.append(distance)
            masses.append(sign * (log_mass - points.log_mass[some]))
    if not groups:
        return None
    group, distance, mass = (np.concatenate(parts) for parts in (groups, distances, masses))
    return Comparison(*node, divisor, group, distance.astype(np.float32), mass.astype(np.float32))


def _turn_on(log_age: float, mh: float) -> float:
    """Return log10 of the mass [Msun] that reaches the main sequence at an age: a fit to PARSEC 1.2S, good to 0.1."""
    return 0.63 + 0.1 * mh - (0.43 + 0.015 * mh) * (log_age - 6.0)


def _nearest(points: Array, line: Line, kept: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return the distance of each point to a broken line, and log10 mass where it is nearest."""
    start, step = line.points[:-1][kept], np.diff(line.points, axis=0)[kept]
    mass, growth = line.log_mass[:-1][kept], np.diff(line.log_mass)[kept]
    square = np.maximum(np.sum(step**2, axis=1), 1e-18)
    dy, dx = (points[:, c, None] - start[:, c] for c in range(2))
    along = np.clip((dy * step[:, 0] + dx * step[:, 1]) / square, 0.0, 1.0)
    away = (dy - along * step[:, 0]) ** 2 + (dx - along * step[:, 1]) ** 2
    at = np.argmin(away, axis=1)
    rows = np.arange(at.size)
    return np.sqrt(away[rows, at]), mass[at] + along[rows, at] * growth[at]


def rms(values: NDArray[Any]) -> float:
    """Return the root mean square, NaN of nothing."""
    return float(np.sqrt(np.mean(np.asarray(values, dtype=float) ** 2))) if values.size else np.nan
