"""Equivalent evolutionary points: the same index means the same stage of a star's life on every isochrone.

A raw isochrone is a list of points ordered by initial mass, and neighbouring ages have their points in unrelated
places.  Here every isochrone is cut at anchors that all of them have (the turn-on of the main sequence, the red hook at
core hydrogen exhaustion, the base of the giant branch, the loops of core helium burning), and each piece is resampled
at fixed fractions of a path length in log Teff, log L and log mass.  Interpolation at fixed index then moves features
instead of blurring them.  A phase that an isochrone lacks is collapsed onto the end of the phase before it, with equal
mass and equal magnitudes, so it carries no weight and draws no line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from clusterbayes.isochrones.paths import MASS_WEIGHT, knee, path_length, spread

__all__ = [
    "EEP_LAYOUT",
    "PHASES",
    "RawIsochrone",
    "first_ascent_end",
    "main_sequence_anchors",
    "resample_isochrone",
    "turn_on_masses",
]

PHASES: dict[int, str] = {
    0: "pre-main sequence and main sequence",
    2: "subgiant branch",
    3: "red giant branch",
    4: "core helium burning",
    7: "early asymptotic giant branch",
}
"""Phase codes, in evolutionary order."""

EEP_LAYOUT: dict[int, tuple[int, ...]] = {
    0: (36, 26, 14, 14, 30, 46, 14),
    2: (28, 12),
    3: (50,),
    4: (16, 30, 34),
    7: (10, 24, 4, 10, 4),
}
"""For each phase the number of segments between its successive anchors; even, so that every second point will do."""

_TURN_ON = (-0.22, 0.0, 0.07, 0.15)
_UNEVOLVED = -0.15
_LOWEST_TURN_ON = -0.55
_FEW_PEAKS = 5
_LOOP, _COOL_SIDE = 0.05, 3.9
_BEND = 0.6
_PEAK_DROP, _DEEPEST_DIP = 0.01, 0.2


@dataclass(frozen=True)
class RawIsochrone:
    """One isochrone as published: points ordered by initial mass.

    Parameters
    ----------
    m_ini, log_teff, log_lum, log_g : (n_point,) array
        Initial mass [Msun], log10 Teff [K], log10 L [Lsun], log10 g [cm/s2].
    mags : (n_point, n_band) array
        Absolute magnitudes [mag].
    label : (n_point,) int array
        Evolutionary label of the source: 0, 1 up to the turn-off, 2 subgiants, 3 red giants, 4 to 6 core helium
        burning, 7 early asymptotic giant branch.
    """

    m_ini: np.ndarray
    log_teff: np.ndarray
    log_lum: np.ndarray
    log_g: np.ndarray
    mags: np.ndarray
    label: np.ndarray

    def take(self, index: np.ndarray) -> RawIsochrone:
        """Return the points selected by a mask or an index array."""
        return RawIsochrone(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def table(self) -> np.ndarray:
        """Return all continuous quantities side by side, shape (n_point, 4 + n_band)."""
        return np.column_stack([self.m_ini, self.log_teff, self.log_lum, self.log_g, self.mags])


def turn_on_masses(isochrones: list[RawIsochrone], log_age: np.ndarray, mh: float) -> np.ndarray:
    """Find the mass that has just reached the main sequence, for isochrones of one metallicity.

    It is the local maximum of log L - 4 log M that the end of pre-main-sequence contraction leaves.  It fades above
    log_age 8; from there the trend of younger ages is continued down to a floor.  Any number of ages will do.

    Parameters
    ----------
    isochrones : list of RawIsochrone
        One per age.
    log_age : (n_age,) array
        log10 of the age [yr].
    mh : float
        [M/H] [dex]; it only places the search window.

    Returns
    -------
    (n_age,) array
        log10 of the turn-on mass [Msun].
    """
    guess = 0.63 + 0.1 * mh - (0.43 + 0.015 * mh) * (log_age - 6.0)
    found = np.full(len(log_age), np.nan)
    for i, isochrone in enumerate(isochrones):
        if log_age[i] < 8.1:
            found[i] = _excess_peak(isochrone, guess[i])
    good = np.isfinite(found)
    if good.sum() < _FEW_PEAKS:
        # Too few ages for a trend of their own: that of the guess, at their level.
        smooth = guess + (np.mean((found - guess)[good]) if good.any() else 0.0)
    else:
        for _ in range(2):
            trend = np.polyfit(log_age[good], found[good], 2)
            close = good & (np.abs(found - np.polyval(trend, log_age)) < 0.025)
            good = close if close.sum() > 2 else good
        smooth = np.polyval(trend, np.minimum(log_age, 8.1))
        smooth += np.polyval(np.polyder(trend), 8.1) * np.maximum(log_age - 8.1, 0.0)
    peak = np.where(good, found, smooth)
    return _LOWEST_TURN_ON + 0.02 * np.logaddexp(0.0, (peak - _LOWEST_TURN_ON) / 0.02)


def _excess_peak(isochrone: RawIsochrone, guess: float) -> float:
    """Return log10 of the mass where log L - 4 log M peaks near a guess, NaN where it has no peak."""
    log_m = np.log10(isochrone.m_ini)
    near = np.flatnonzero((isochrone.label < 2) & (np.abs(log_m - guess) < 0.10))
    if near.size < 5:
        return np.nan
    x, y = log_m[near], (isochrone.log_lum - 4.0 * log_m)[near]
    peaks = np.flatnonzero((y[1:-1] > y[:-2]) & (y[1:-1] >= y[2:])) + 1
    if not peaks.size:
        return np.nan
    top = peaks[np.argmax(y[peaks])]
    curve = np.polyfit(x[top - 1 : top + 2] - x[top], y[top - 1 : top + 2], 2)
    return float(x[top] + np.clip(-0.5 * curve[1] / curve[0], x[top - 1] - x[top], x[top + 1] - x[top]))


def main_sequence_anchors(isochrone: RawIsochrone, log_m_on: float) -> tuple[float, float]:
    """Find the red hook and the blue end of the hook at core hydrogen exhaustion.

    Stars below about 1.2 Msun have no hook; there the two anchors are points just after the bluest point of the
    turn-off, chosen so that they join the hook of slightly younger isochrones.

    Parameters
    ----------
    isochrone : RawIsochrone
        Points with increasing mass.
    log_m_on : float
        log10 of the turn-on mass [Msun].

    Returns
    -------
    red, tip : float
        Positions (fractional index) of the coolest point before the hook and of its hot end.
    """
    label, log_m = isochrone.label, np.log10(isochrone.m_ini)
    first = int(np.searchsorted(log_m, log_m_on + _TURN_ON[-1]))
    labelled = _has_all_phases(isochrone)
    stop, limit = (int(np.flatnonzero(label == 2)[0]) + 3, 0.9) if labelled else (len(label), 0.5)
    turn_off, hooks = _hooks(isochrone.log_teff[:stop], first, limit)
    if hooks and labelled:
        # Where labels end the search, wiggles of the table are told from the hook by its height.
        return max(hooks, key=lambda hook: isochrone.log_teff[hook[1]] - isochrone.log_teff[hook[0]])
    if hooks:
        return hooks[0]
    return _cooler_by(isochrone.log_teff, turn_off, 0.004), _cooler_by(isochrone.log_teff, turn_off, 0.010)


def _has_all_phases(isochrone: RawIsochrone) -> bool:
    """Return whether labels show subgiants, giants and core helium burning in this order, from the turn-off on."""
    first = {k: np.flatnonzero(isochrone.label == k) for k in (2, 3, 4)}
    if not all(rows.size for rows in first.values()):
        return False
    start = [int(rows[0]) for rows in first.values()]
    return start == sorted(start) and not np.any(isochrone.label[start[0] :] < 2) and _is_hot(isochrone, start[0])


def _is_hot(isochrone: RawIsochrone, i: int) -> bool:
    """Return whether point i is near the hottest of the preceding main sequence, as the first subgiant is."""
    return bool(isochrone.log_teff[i] > isochrone.log_teff[max(0, i - 40) : i].max() - 0.15)


def _hooks(teff: np.ndarray, first: int, limit: float) -> tuple[int, list[tuple[int, int]]]:
    """Return the bluest point of the turn-off and the hooks after it, as (coolest point, hot end)."""
    turn_off = red = tip = first
    hooks: list[tuple[int, int]] = []
    state = "rise"
    for i in range(first, len(teff)):
        if state == "rise":
            turn_off = i if teff[i] > teff[turn_off] else turn_off
            if teff[i] < teff[turn_off] - 0.002:
                state, red = "fall", i
        elif state == "fall":
            red = i if teff[i] <= teff[red] else red
            if teff[i] > teff[red] + 0.0015:
                state, tip = "hook", i
            elif teff[i] < teff[turn_off] - limit:
                break
        elif teff[i] > teff[turn_off] + 0.02:
            break
        elif teff[i] < teff[tip] - 0.004:
            hooks.append((red, tip))
            state, red = "fall", i
        else:
            tip = i if teff[i] > teff[tip] else tip
    if state == "hook":
        hooks.append((red, tip))
    return turn_off, hooks


def _cooler_by(teff: np.ndarray, start: int, step: float) -> float:
    """Return the first position after start where log Teff has fallen by step."""
    below = np.flatnonzero(teff[start:] < teff[start] - step)
    if not below.size:
        return float(len(teff) - 1)
    i = start + int(below[0])
    return i - 1 + (teff[i - 1] - (teff[start] - step)) / (teff[i - 1] - teff[i])


def _later_anchors(isochrone: RawIsochrone, tip: float) -> dict[int, list[float]]:
    """Return the anchors of each phase after the main sequence, as positions; a phase that is absent is left out."""
    teff, lum, label = isochrone.log_teff, isochrone.log_lum, isochrone.label
    after = int(np.ceil(tip))
    if _has_all_phases(isochrone):
        helium = np.flatnonzero((label >= 4) & (label <= 6))
        agb = np.flatnonzero(label == 7)
        start, end = int(helium[0]), int(agb[0]) if agb.size else int(helium[-1])
        joined = abs(lum[start] - lum[start - 1]) < 0.15
        giant_end, last = start if joined else start - 1, int(agb[-1]) if agb.size else end
    else:
        last = _last_before_stripping(teff, after)
        if last - after < 8:
            return {}
        giant_end = start = _first_giant_end(isochrone, after, last)
        blue = start + int(np.argmax(teff[start : last + 1]))
        end = knee(isochrone, blue, last)
    base = knee(isochrone, after, giant_end)
    anchors = {2: [tip, _approach(isochrone, tip, base), float(base)], 3: [float(base), float(giant_end)]}
    if end > start:
        blue = start + int(np.argmax(teff[start : end + 1]))
        faint = start + int(np.argmin(lum[start : blue + 1]))
        anchors[4] = [float(start), float(faint), float(blue), float(end)]
    if last > end:
        anchors[7] = [float(i) for i in _agb_anchors(isochrone, end, last)]
    return anchors


def first_ascent_end(log_lum: np.ndarray) -> int:
    """Return where the first ascent of a giant branch ends: its first luminosity peak above half its height.

    Parameters
    ----------
    log_lum : (n_point,) array
        log10 L [Lsun] in order of mass, from the base of the branch on.

    Returns
    -------
    int
        Index of the point after which log L falls by more than 0.01; the brightest one where it never does.
    """
    peak = int(np.argmax(log_lum >= 0.5 * (log_lum[0] + log_lum.max())))
    for i in range(peak, len(log_lum)):
        if log_lum[i] > log_lum[peak]:
            peak = i
        elif log_lum[i] < log_lum[peak] - _PEAK_DROP:
            break
    return peak


def _agb_anchors(isochrone: RawIsochrone, start: int, last: int) -> list[int]:
    """Return start, base, end of the first ascent, dip, coolest point after it and end of the early AGB.

    After the first ascent come wiggles as helium and hydrogen shells take turns, then a last rise to the first thermal
    pulse or, in old stars that lose their envelope, a way to the blue.
    """
    lum, teff = isochrone.log_lum, isochrone.log_teff
    base = knee(isochrone, start, start + int(np.argmin(teff[start : last + 1])))
    peak = base + first_ascent_end(lum[base : last + 1])
    after = lum[peak : last + 1]
    dip = peak + int(np.argmin(np.where(after > lum[peak] - _DEEPEST_DIP, after, np.inf)))
    cool = dip + int(np.argmin(teff[dip : last + 1]))
    return [start, base, peak, dip, cool, last]


def _approach(isochrone: RawIsochrone, tip: float, base: int) -> float:
    """Return where the last stretch to the base of the giant branch begins, a sharp bend that needs its own points."""
    path = path_length(isochrone, 0.0)
    position = np.arange(len(path), dtype=float)
    start = float(np.interp(tip, position, path))
    return float(np.interp(path[base] - min(_BEND, 0.4 * (path[base] - start)), path, position))


def _last_before_stripping(teff: np.ndarray, start: int) -> int:
    """Return the last point before an isochrone turns hotter than its turn-off for good (Wolf-Rayet stars).

    The most massive stars may grow hotter while they still burn hydrogen and cross to the red afterwards; where there
    are cool giants, stripping is what comes after them.
    """
    giants = np.flatnonzero(teff[start:] < _COOL_SIDE)
    first = start + int(giants[0]) if giants.size else start
    hot = np.flatnonzero(teff[first:] > teff[start] + 0.02)
    return first + int(hot[0]) - 1 if hot.size else len(teff) - 1


def _first_giant_end(isochrone: RawIsochrone, start: int, last: int) -> int:
    """Return the end of the first stay at the red side: where a blue loop begins, else the first luminosity peak."""
    teff, lum = isochrone.log_teff, isochrone.log_lum
    red = start + int(np.argmin(teff[start : last + 1]))
    coolest = start
    for i in range(start, red + 1):
        if teff[i] < teff[coolest]:
            coolest = i
        elif teff[coolest] < _COOL_SIDE and teff[i] > teff[coolest] + _LOOP:
            return coolest
    cool = start + int(np.flatnonzero(teff[start : last + 1] < teff[red] + 0.04)[0])
    base, top = knee(isochrone, cool, red), cool
    for i in range(base, last + 1):
        if lum[i] > lum[top] or i <= base:
            top = i
        elif lum[i] < lum[top] - 0.02 or teff[i] > teff[top] + 0.015:
            break
    return top


def resample_isochrone(isochrone: RawIsochrone, log_m_on: float) -> np.ndarray:
    """Resample one isochrone onto equivalent evolutionary points.

    Parameters
    ----------
    isochrone : RawIsochrone
        Points with non-decreasing mass.
    log_m_on : float
        log10 of the turn-on mass [Msun], from `turn_on_masses`.

    Returns
    -------
    (n_eep, 4 + n_band) array
        Columns m_ini, log_teff, log_lum, log_g and the magnitudes; mass is non-decreasing.
    """
    red, tip = main_sequence_anchors(isochrone, log_m_on)
    log_m = np.log10(isochrone.m_ini)
    position = np.arange(len(log_m), dtype=float)
    turn_on = np.interp(log_m_on + np.array(_TURN_ON), log_m[: int(red) + 1], position[: int(red) + 1])
    evolved = np.interp(np.interp(red, position, log_m) + _UNEVOLVED, log_m[: int(red) + 1], position[: int(red) + 1])
    anchors = {0: [0.0, *turn_on, max(evolved, turn_on[-1]), red, tip], **_later_anchors(isochrone, tip)}
    points, last = [], tip
    for phase, counts in EEP_LAYOUT.items():
        if phase in anchors:
            points.append(_spread(isochrone, anchors[phase], counts, phase))
            last = anchors[phase][-1]
        else:
            points.append(np.full(sum(counts) + 1, last))
    table = _interpolate(isochrone, np.concatenate(points))
    table[:, 0] = np.maximum.accumulate(table[:, 0])
    return table


def _spread(isochrone: RawIsochrone, anchors: list[float], counts: tuple[int, ...], phase: int) -> np.ndarray:
    """Return positions evenly spread in path length between anchors, anchors included."""
    path = path_length(isochrone, MASS_WEIGHT if phase == 0 else 0.0)
    if phase == 7:
        path = _forward_path(path, isochrone.log_teff, int(anchors[3]), int(anchors[4]))
    return spread(path, anchors, counts)


def _forward_path(path: np.ndarray, teff: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return a path length that from start to stop grows only where the isochrone is cooler than ever since start."""
    if stop == start:
        return path
    lowest = np.minimum.accumulate(teff[start : stop + 1])
    forward = np.concatenate([[0.0], np.cumsum(np.maximum(-np.diff(lowest), 1e-9))])
    return np.concatenate(
        [path[:start], path[start] + forward, path[start] + forward[-1] + np.diff(path[stop:]).cumsum()]
    )


def _interpolate(isochrone: RawIsochrone, position: np.ndarray) -> np.ndarray:
    """Return all quantities at fractional positions, by monotone cubics along the path length."""
    path = path_length(isochrone)
    at = np.interp(position, np.arange(len(path)), path)
    return PchipInterpolator(path, isochrone.table(), axis=0)(at)
