"""Where the phases of a star's life begin on an isochrone, and which of its points are kept.

Every family marks evolution in its own way: MIST numbers its points by primary points of evolution, BaSTI by fixed
lines, Dartmouth and YaPSI only by shape.  The functions of this module turn each of them into positions (fractional
indices) for the phases of `clusterbayes.isochrones.eep.PHASES`, the same number of positions for every isochrone of a
family, so that equal positions are equal stages.  A phase that an isochrone lacks is left out of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clusterbayes.isochrones.eep import RawIsochrone, main_sequence_anchors
from clusterbayes.isochrones.paths import MASS_WEIGHT, along_path, knee

__all__ = [
    "BASTI_LAYOUT",
    "BASTI_LINES",
    "DARTMOUTH_LAYOUT",
    "MIST_LAST",
    "MIST_LAYOUT",
    "MIST_PRIMARY",
    "SHAPE_LAYOUT",
    "Stars",
    "basti_points",
    "dartmouth_points",
    "mist_points",
    "shape_points",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stars:
    """The points of one isochrone, in the order of mass.

    Parameters
    ----------
    eep : (n_point,) array
        The source's own number of each point, increasing.
    m_ini, log_teff, log_lum, log_g : (n_point,) array
        Initial mass [Msun], log10 Teff [K], log10 L [Lsun], log10 g [cm/s2].
    """

    eep: Array
    m_ini: Array
    log_teff: Array
    log_lum: Array
    log_g: Array

    def __len__(self) -> int:
        return len(self.m_ini)

    def take(self, index: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Stars:
        """Return some of the points."""
        return Stars(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def position(self, eep: ArrayLike) -> Array:
        """Return the fractional index of numbers of the source; beyond the ends, the end."""
        return np.asarray(np.interp(np.asarray(eep, dtype=float), self.eep, np.arange(len(self), dtype=float)))

    def table(self) -> Array:
        """Return m_ini, log_teff, log_lum, log_g side by side, shape (n_point, 4)."""
        return np.column_stack([self.m_ini, self.log_teff, self.log_lum, self.log_g])


# --- MIST -------------------------------------------------------------------------------------------------------

# Primary points of MIST (Dotter 2016, ApJS 222, 8; Choi et al. 2016, ApJ 823, 102): zero-age main sequence,
# intermediate age (X_c = 0.3), terminal age, tip of the giant branch, start and end of core helium burning, pulses.
MIST_PRIMARY = (202, 353, 454, 605, 631, 707, 808)
_ZAMS, _IAMS, _TAMS, _TIP, _HELIUM, _HELIUM_END, MIST_LAST = MIST_PRIMARY

MIST_LAYOUT: dict[int, tuple[int, ...]] = {0: (30, 16, 20, 56, 50), 2: (36,), 3: (56,), 4: (8, 12, 64), 7: (14, 24)}
"""Steps between the anchors of each phase."""

_TURN_ON = (-0.22, 0.0, 0.15)
_LOWEST_TURN_ON = -0.55


def mist_points(stars: Stars) -> dict[int, Array]:
    """Choose the points of a MIST isochrone.

    Parameters
    ----------
    stars : Stars
        The isochrone with MIST's own numbers.

    Returns
    -------
    dict of int to array
        Positions by phase, ``1 + sum(MIST_LAYOUT[phase])`` of them.
    """
    last = stars.eep[-1]
    log_m, index = np.log10(stars.m_ini), np.arange(len(stars), dtype=float)
    turn_on = np.interp(_mist_turn_on(stars) + np.array(_TURN_ON), log_m, index)
    middle = np.maximum(stars.position(np.linspace(_IAMS, _TAMS, MIST_LAYOUT[0][-1] + 1)), turn_on[-1])
    lower = along_path(stars, [0.0, *turn_on, middle[0]], MIST_LAYOUT[0][:-1], MASS_WEIGHT)
    points = {0: np.concatenate([lower[:-1], middle])}
    if last < _TIP:
        return points
    # The coolest point before core helium burning: the tip of the giant branch, or the end of the crossing in stars
    # that ignite helium on their way.
    after, helium = int(np.ceil(middle[-1])), int(stars.position(_HELIUM))
    tip = after + int(np.argmin(stars.log_teff[after : helium + 1]))
    base = knee(stars, after, tip)
    points[2] = along_path(stars, [middle[-1], base], MIST_LAYOUT[2])
    points[3] = along_path(stars, [base, tip], MIST_LAYOUT[3])
    if last < _HELIUM_END:
        return points
    points[4] = _mist_helium(stars, tip, helium)
    if last >= MIST_LAST:
        end, stop = int(stars.position(_HELIUM_END)), int(stars.position(MIST_LAST))
        points[7] = along_path(stars, [end, knee(stars, end, stop), stop], MIST_LAYOUT[7])
    return points


def _mist_helium(stars: Stars, tip: int, helium: int) -> Array:
    """Return the positions of core helium burning, with the way down to it from the tip of the giant branch.

    Stars that ignite helium in a flash are not found between: there the way down is left out.  The faintest point
    before the bluest one is an anchor, since younger stars are still on their way to it when helium burning begins.
    """
    end = int(stars.position(_HELIUM_END))
    share = (stars.m_ini[helium] - stars.m_ini[tip]) / max(stars.m_ini[end] - stars.m_ini[helium], 1e-12)
    blue = helium + int(np.argmax(stars.log_teff[helium : end + 1]))
    faint = helium + int(np.argmin(stars.log_lum[helium : blue + 1]))
    return along_path(stars, [tip if share > 0.02 else helium, helium, faint, end], MIST_LAYOUT[4])


def _mist_turn_on(stars: Stars) -> float:
    """Return log10 of the mass that reaches the main sequence, held above a floor so that its anchor stays useful."""
    present = stars.eep[0] <= _ZAMS
    mass = np.interp(_ZAMS, stars.eep, stars.m_ini) if present else stars.m_ini[0]
    return float(_LOWEST_TURN_ON + 0.02 * np.logaddexp(0.0, (np.log10(mass) - _LOWEST_TURN_ON) / 0.02))


# --- BaSTI ------------------------------------------------------------------------------------------------------

# Lines of a BaSTI-IAC isochrone, counted from 0, that stand for fixed stages (seen in the tables, at all ages): coolest
# point of the main sequence before the hook and its hot end; halfway over to the base of the giant branch, and the
# base; the bump's two turns and the tip; core helium burning from zero age to its end; end of the table.
_RED, _HOT = 299, 359
_CROSSING = (_HOT, 419, 489)
_GIANTS = (489, 859, 889, 1289)
_BURNING = (1299, 1449, 1549, 1649, 1729, 1809, 1949)
_ASYMPTOTIC = (1949, 2099)
BASTI_LINES = (_RED, *_CROSSING, *_GIANTS[1:], *_BURNING, _ASYMPTOTIC[-1])

BASTI_LAYOUT: dict[int, tuple[int, ...]] = {0: (70, 40, 20), 2: (14, 26), 3: (34, 6, 34), 4: (12,) * 6, 7: (30,)}
"""Steps between the anchors of each phase."""

_UNEVOLVED = 0.15  # dex in mass below the hook, where stars have hardly evolved


def basti_points(stars: Stars) -> dict[int, Array]:
    """Choose the points of a BaSTI isochrone.

    Parameters
    ----------
    stars : Stars
        The isochrone with the numbers of its 2100 lines, from 0.

    Returns
    -------
    dict of int to array
        Positions by phase, ``1 + sum(BASTI_LAYOUT[phase])`` of them.
    """
    red, hot = (float(stars.position(line)) for line in (_RED, _HOT))
    later = {2: _CROSSING, 3: _GIANTS, 4: _BURNING, 7: _ASYMPTOTIC}
    return {
        0: along_path(stars, [0.0, _below(stars, red, _UNEVOLVED), red, hot], BASTI_LAYOUT[0], MASS_WEIGHT),
        **{phase: along_path(stars, stars.position(at).tolist(), BASTI_LAYOUT[phase]) for phase, at in later.items()},
    }


def _below(stars: Stars, position: float, step: float) -> float:
    """Return the position of the star whose log10 mass is a step less than that of another one."""
    log_m, index = np.log10(stars.m_ini), np.arange(len(stars), dtype=float)
    return float(np.interp(np.interp(position, index, log_m) - step, log_m, index))


# --- Dartmouth --------------------------------------------------------------------------------------------------

# Its numbers stand for equal stages from the upper main sequence on (seen in the tables: the hook's coolest point is
# near 108, its hot end near 145 to 150 at all ages and metallicities); the tip of the giant branch is the last point.
_DSEP_EVOLVED, _DSEP_HOT = 70, 146

DARTMOUTH_LAYOUT: dict[int, tuple[int, ...]] = {0: (70, 76), 2: (36,), 3: (70,)}
"""Steps between the anchors of each phase."""


def dartmouth_points(stars: Stars) -> dict[int, Array]:
    """Choose the points of a Dartmouth isochrone.

    Parameters
    ----------
    stars : Stars
        The isochrone with Dartmouth's own numbers; it ends at the tip of the giant branch.

    Returns
    -------
    dict of int to array
        Positions by phase, ``1 + sum(DARTMOUTH_LAYOUT[phase])`` of them.
    """
    lower, upper = DARTMOUTH_LAYOUT[0]
    evolved = stars.position(np.linspace(_DSEP_EVOLVED, _DSEP_HOT, upper + 1))
    unevolved = along_path(stars, [0.0, evolved[0]], [lower], MASS_WEIGHT)
    hot, last = float(evolved[-1]), len(stars) - 1
    base = float(knee(stars, int(np.ceil(hot)), last))
    return {
        0: np.concatenate([unevolved[:-1], evolved]),
        2: along_path(stars, [hot, base], DARTMOUTH_LAYOUT[2]),
        3: along_path(stars, [base, last], DARTMOUTH_LAYOUT[3]),
    }


# --- families without marks: YaPSI ------------------------------------------------------------------------------

_UPPER = 0.08  # dex in mass below the hook: YaPSI's lowest mass is never nearer

SHAPE_LAYOUT: dict[int, tuple[int, ...]] = {0: (70, 40, 16), 2: (34,), 3: (70,)}
"""Steps between the anchors of each phase, main sequence to the giant branch."""


def shape_points(stars: Stars) -> dict[int, Array]:
    """Choose the points of an isochrone of old stars that has no marks and ends on the giant branch.

    Parameters
    ----------
    stars : Stars
        The isochrone, past the turn-off.

    Returns
    -------
    dict of int to array
        Positions by phase, ``1 + sum(SHAPE_LAYOUT[phase])`` of them.
    """
    unmarked = RawIsochrone(
        stars.m_ini,
        stars.log_teff,
        stars.log_lum,
        stars.log_g,
        mags=np.empty((len(stars), 0)),
        label=np.zeros(len(stars), dtype=int),
    )
    red, hot = main_sequence_anchors(unmarked, _LOWEST_TURN_ON)
    last = len(stars) - 1
    base = float(knee(stars, int(np.ceil(hot)), last))
    return {
        0: along_path(stars, [0.0, _below(stars, red, _UPPER), red, hot], SHAPE_LAYOUT[0], MASS_WEIGHT),
        2: along_path(stars, [hot, base], SHAPE_LAYOUT[2]),
        3: along_path(stars, [base, last], SHAPE_LAYOUT[3]),
    }
