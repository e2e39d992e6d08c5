"""What was measured of a grid's interpolation, and the statistics of it.

A `Certificate` keeps every compared isochrone (`clusterbayes.isochrones.certify` makes them) and sums them up by test,
phase and range of ages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from clusterbayes.isochrones.comparison import AGB_TAIL, GROUPS, Comparison, Line, rms

__all__ = ["AGE_RANGES", "SAME_AGE", "TESTS", "Certificate"]

Array = NDArray[np.float64]

TESTS: dict[str, str] = {
    "age": "leave one out in age",
    "mh": "leave one out in [M/H]",
    "age_wide": "leave three out in age",
    "mh_wide": "leave three out in [M/H]",
    "raw": "published isochrones between the nodes",
    "raw_mh": "leave one out in [M/H] beside published isochrones",
}
"""What is compared. The wide ones, with nodes twice as far apart again, show how fast errors fall with spacing."""

_ENOUGH_AGES = 5
SAME_AGE = 0.003
"""Within this difference of log_age a published isochrone has the age of a node."""

AGE_RANGES: tuple[tuple[float, float], ...] = (
    (6.0, 7.0), (7.0, 7.5), (7.5, 8.0), (8.0, 8.5), (8.5, 9.0), (9.0, 9.5), (9.5, 10.11), (10.11, 10.31),
    (7.0, 8.0), (7.5, 10.11), (8.0, 10.11),
)  # fmt: skip
"""Ranges of log_age in the tables: the lower end belongs to a range, the upper one does not."""


_USED = tuple(name for code, name in GROUPS.items() if code != AGB_TAIL)
_BEFORE_TAIL = tuple(code for code in GROUPS if code != AGB_TAIL)
_SELECTIONS: dict[str, tuple[int, ...]] = {
    **{name: (code,) for code, name in GROUPS.items()},
    "all but the AGB tail": _BEFORE_TAIL,
    "all": tuple(GROUPS),
}


@dataclass(frozen=True)
class Certificate:
    """What was measured of a grid's interpolation.

    Parameters
    ----------
    name : str
        Name of the grid.
    info : dict
        What the grid says about itself, with its digest.
    bands : tuple of str
        Magnitude, and the two bands of the colour, of the diagram of the leave-one-out tests.
    faintest : float
        Faintest absolute magnitude that counts.
    nodes : dict of str to array
        The grid's own log_age and mh.
    comparisons : dict of str to list of Comparison
        By test (`TESTS`).
    worst : dict of str to tuple of (Comparison, Line, Line)
        By test, the comparison of the largest rms at log_age 8 and above with the true and the interpolated line.
    """

    name: str
    info: dict[str, Any]
    bands: tuple[str, str, str]
    faintest: float
    nodes: dict[str, Array]
    comparisons: dict[str, list[Comparison]]
    worst: dict[str, tuple[Comparison, Line, Line]] = field(repr=False)

    def summary(self) -> Table:
        """Return the statistics by test, phase and range of ages.

        Returns
        -------
        astropy.table.Table
            Columns test, phase, log_age_min, log_age_max, n, then in mag median, rms, q99, worst and rms_mid (the rms
            midway between neighbouring nodes if errors are of second order), and in dex, also midway, mass_bias
            (median) and mass_rms.
        """
        rows = []
        for test, found in self.comparisons.items():
            for ages in AGE_RANGES:
                group, distance, mid, mass = _joined(_within(found, ages))
                for name, codes in _SELECTIONS.items():
                    use = np.isin(group, codes)
                    if np.any(use):
                        d, m = distance[use], mass[use]
                        numbers = (np.median(d), rms(d), np.percentile(d, 99), d.max(), rms(mid[use]))
                        rows.append((test, name, *ages, d.size, *numbers, np.median(m), rms(m)))
        names = ("test", "phase", "log_age_min", "log_age_max", "n", "median", "rms", "q99", "worst", "rms_mid",
                 "mass_bias", "mass_rms")  # fmt: skip
        table = Table(rows=rows, names=names) if rows else Table(names=names)
        for column in names[5:]:
            table[column].unit = "dex" if column.startswith("mass") else "mag"
            table[column].info.format = ".5f"
        table.meta = {"grid": self.name, "digest": self.info.get("digest", ""), "bands": list(self.bands),
                      "faintest": self.faintest}  # fmt: skip
        return table

    def metallicities(self, test: str, log_age: tuple[float, float] = (8.0, 10.11)) -> Table:
        """Return the statistics of one test by metallicity, for a range of ages.

        Returns
        -------
        astropy.table.Table
            Columns mh, phase ("all but the AGB tail" and "all"), n, and in mag median, rms and q99.
        """
        found = _within(self.comparisons.get(test, ()), log_age)
        rows = []
        for mh in sorted({c.mh for c in found}):
            group, distance, _, _ = _joined([c for c in found if c.mh == mh])
            for name in ("all but the AGB tail", "all"):
                d = distance[np.isin(group, _SELECTIONS[name])]
                if d.size:
                    rows.append((mh, name, d.size, np.median(d), rms(d), np.percentile(d, 99)))
        return Table(rows=rows or None, names=("mh", "phase", "n", "median", "rms", "q99"))

    def measured(
        self,
        test: str,
        log_age: tuple[float, float],
        *,
        mh: tuple[float, float] = (-np.inf, np.inf),
        tail: bool = True,
    ) -> dict[str, float]:
        """Return the statistics of one test for a choice of isochrones, as measured.

        Parameters
        ----------
        test : str
            One of `TESTS`.
        log_age : (float, float)
            Range of ages: from the first up to, but not including, the second.
        mh : (float, float)
            Range of [M/H], both ends included.
        tail : bool
            Whether the AGB tail counts.

        Returns
        -------
        dict
            n, and in mag median, rms and q99; without points, n is 0 and the others are missing.
        """
        found = [c for c in _within(self.comparisons.get(test, ()), log_age) if mh[0] - 1e-4 <= c.mh <= mh[1] + 1e-4]
        group, distance, _, _ = _joined(found)
        d = distance if tail else distance[group != AGB_TAIL]
        if not d.size:
            return {"n": 0}
        return {"n": d.size, "median": float(np.median(d)), "rms": rms(d), "q99": float(np.percentile(d, 99))}

    def phases(self, log_age: tuple[float, float] = (8.0, 10.11)) -> Table:
        """Return the rms to expect midway between nodes, by phase.

        Where nodes were left out, the rms is divided by its growth from two to four steps (`orders`), by four at most:
        what comes of the models' roughness from node to node does not shrink with the step as smooth curvature does.
        With too few nodes to measure that growth, it is not divided. Published isochrones have the last word if there
        are enough between the nodes: at least five ages; else the larger of the two figures stands.

        Parameters
        ----------
        log_age : (float, float)
            Range of ages: from the first up to, but not including, the second.

        Returns
        -------
        astropy.table.Table
            Columns phase, and in mag age and mh (leave-one-out), raw (published isochrones; NaN where there are none)
            and certified: raw, or age and mh added in quadrature.
        """
        nodes = self.nodes["log_age"]
        ages = {round(c.log_age, 3) for c in _within(self.comparisons.get("raw", ()), log_age)}
        enough = sum(np.min(np.abs(nodes - age)) > SAME_AGE for age in ages) >= _ENOUGH_AGES
        rows = []
        for name, codes in _SELECTIONS.items():
            age, mh = (self._midway(axis, codes, log_age) for axis in ("age", "mh"))
            raw = self._rms("raw", codes, log_age)
            if np.isfinite([age, mh, raw]).any():
                left_out = float(np.hypot(*np.nan_to_num([age, mh])))
                certified = raw if enough and np.isfinite(raw) else float(np.fmax(raw, left_out))
                rows.append((name, age, mh, raw, certified))
        table = Table(rows=rows or None, names=("phase", "age", "mh", "raw", "certified"))
        for column in table.colnames[1:]:
            table[column].unit, table[column].info.format = "mag", ".5f"
        return table

    def floor(self) -> float:
        """Return the worst phase's certified rms at log_age 8 and above [mag], the AGB tail left out.

        The default scale of the fitted model floor is to be no smaller than this.  NaN if the grid has no such ages.
        """
        return max((float(row["certified"]) for row in self.phases() if row["phase"] in _USED), default=np.nan)

    def orders(self, log_age: tuple[float, float] = (8.0, 10.11)) -> Table:
        """Return how errors grow with the spacing of the nodes, by axis and phase.

        Returns
        -------
        astropy.table.Table
            Columns axis, phase, narrow and wide (rms with nodes two and four steps apart [mag]), ratio (4 where errors
            grow with the square of the spacing).
        """
        rows = []
        for axis in ("age", "mh"):
            for name, codes in _SELECTIONS.items():
                narrow, wide = (self._rms(axis + end, codes, log_age) for end in ("", "_wide"))
                if np.isfinite(narrow) and np.isfinite(wide):
                    rows.append((axis, name, narrow, wide, wide / narrow if narrow > 0 else np.nan))
        return Table(rows=rows or None, names=("axis", "phase", "narrow", "wide", "ratio"))

    def scaling(self, log_age: tuple[float, float] = (8.0, 10.11)) -> Table:
        """Return what published isochrones say of the scaling from left-out nodes to true spacing in metallicity.

        Published isochrones at the ages of nodes have an error in metallicity only. A fraction f of the way between two
        nodes, 4 f (1 - f) times the error midway is expected for errors that grow with the square of the spacing.

        Returns
        -------
        astropy.table.Table
            Columns phase, n (published points), measured and expected (rms [mag]); empty without published isochrones.
        """
        nodes = self.nodes["log_age"]
        at_nodes = [c for c in self.comparisons.get("raw", ()) if np.min(np.abs(nodes - c.log_age)) < SAME_AGE]
        group, distance, _, _ = _joined(_within(at_nodes, log_age))
        near, _, expected, _ = _joined(_within(self.comparisons.get("raw_mh", ()), log_age))
        rows = []
        for name, codes in _SELECTIONS.items():
            use, foretold = np.isin(group, codes), np.isin(near, codes)
            if np.any(use) and np.any(foretold):
                rows.append((name, int(use.sum()), rms(distance[use]), rms(expected[foretold])))
        return Table(rows=rows or None, names=("phase", "n", "measured", "expected"))

    def _midway(self, axis: str, codes: tuple[int, ...], ages: tuple[float, float]) -> float:
        """Return the leave-one-out rms of some phases, brought to midway between nodes."""
        group, _, mid, _ = _joined(_within(self.comparisons.get(axis, ()), ages))
        found = rms(mid[np.isin(group, codes)])
        growth = self._rms(f"{axis}_wide", codes, ages) / max(self._rms(axis, codes, ages), 1e-9)
        # `mid` is divided by four, or by as much more or less as the steps are unequal.
        return found * 4.0 / float(np.clip(growth, 1.0, 4.0)) if np.isfinite(growth) else found * 4.0

    def _rms(self, test: str, codes: tuple[int, ...], ages: tuple[float, float]) -> float:
        """Return the rms of one test and some phases as it was measured; NaN if there is none."""
        group, distance, _, _ = _joined(_within(self.comparisons.get(test, ()), ages))
        return rms(distance[np.isin(group, codes)])


def _within(found: Iterable[Comparison], ages: tuple[float, float]) -> list[Comparison]:
    """Return the comparisons of a range of ages, its upper end excluded."""
    return [c for c in found if ages[0] - 1e-4 <= c.log_age < ages[1] - 1e-4]


def _joined(found: list[Comparison]) -> tuple[NDArray[np.int8], Array, Array, Array]:
    """Return group, distance, and distance and mass error midway between nodes, of many comparisons, end to end."""

    def end_to_end(parts: list[NDArray[Any]]) -> Array:
        return np.concatenate([np.empty(0), *parts])

    return (
        end_to_end([c.group for c in found]).astype(np.int8),
        end_to_end([c.distance for c in found]),
        end_to_end([c.distance / c.divisor for c in found]),
        end_to_end([c.mass_error / c.divisor for c in found]),
    )
