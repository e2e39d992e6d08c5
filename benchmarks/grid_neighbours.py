"""Measure how much published PARSEC isochrones jump: each foretold by its own neighbours in age.

Every published isochrone is compared with the mean of the two that are 0.05 dex younger and older, at the very same
metallicity: nodes closer than those of the grid and no step in metallicity.  To take the blame from the evolutionary
points, the two may also be shifted against each other by up to SHIFT points within a phase, anew for every single
star, whichever fits best.  It is a yardstick, not a bound: one bad table spoils two forecasts here, while a grid whose
nodes miss it does better, as the default grid does below log_age 8.

    python benchmarks/grid_neighbours.py isochrones_ubvrijhk.dat isochrones_ugriz.dat [--shift 0 2 5 12]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from grid_offnode import FAINTEST, SETS, TARGET_MH, TARGETS, distance, published, report, with_late

from clusterbayes.isochrones import eep
from clusterbayes.isochrones.paths import phase_codes

Tables = dict[tuple[float, float], dict[str, np.ndarray]]


def resampled(tables: Tables, columns: list[str]) -> dict[tuple[float, float], np.ndarray]:
    """Return magnitudes at evolutionary points by (log_age, [M/H]), shape (n_eep, n_column)."""
    result = {}
    for mh in {key[1] for key in tables}:
        ages = sorted(key[0] for key in tables if key[1] == mh)
        column = []
        for age in ages:
            t = tables[age, mh]
            mags = np.column_stack([t[name] for name in columns])
            use = (t["label"] < 8) & np.all(np.abs(mags) < 90, axis=1)
            names = ("Mini", "logTe", "logL", "logg")
            theory = [np.maximum.accumulate(t[n][use]) if n == "Mini" else t[n][use] for n in names]
            column.append(eep.RawIsochrone(*theory, mags[use], t["label"][use].astype(int)))
        turn_on = eep.turn_on_masses(column, np.array(ages), mh)
        for age, raw, log_m in zip(ages, column, turn_on, strict=True):
            result[age, mh] = eep.resample_isochrone(raw, log_m)[:, 4:]
    return result


def nearest(points: np.ndarray, young: np.ndarray, old: np.ndarray, phase: np.ndarray, shift: int) -> np.ndarray:
    """Return the smallest distance of each point to the means of two isochrones, over all shifts within a phase."""
    best = np.full(len(points), np.inf)
    for d in range(-shift, shift + 1):
        one, other = slice(max(0, -d), phase.size - max(0, d)), slice(max(0, d), phase.size - max(0, -d))
        same = phase[one] == phase[other]
        keep = same[1:] & same[:-1] & (np.diff(phase[one]) == 0)
        best = np.minimum(best, distance(points, 0.5 * (young[one] + old[other]), keep))
    return best


def main() -> None:
    """Print a table for each shift."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="raw PARSEC CMD text")
    parser.add_argument("--shift", nargs="+", type=int, default=[0, 5], help="points by which neighbours may shift")
    options = parser.parse_args()
    phase = phase_codes(eep.EEP_LAYOUT)
    work = []
    for path in options.files:
        tables = {(round(float(t["logAge"][0]), 2), round(float(t["MH"][0]), 2)): t for t in published(path)}
        tables = {key: t for key, t in tables.items() if TARGET_MH[0] - 0.01 < key[1] < TARGET_MH[1] + 0.01}
        pairs = next(pairs for mark, pairs in SETS.items() if mark in next(iter(tables.values())))
        columns = [name for pair in pairs for _, name in pair]
        work.append((tables, columns, resampled(tables, columns)))
    for shift in options.shift:
        parts = []
        for tables, columns, table in work:
            for (age, mh), truth in tables.items():
                sides = [table.get((round(age + step, 2), mh)) for step in (-0.05, 0.05)]
                if sides[0] is None or sides[1] is None or age < 6.99:
                    continue
                label = with_late(truth)
                for c in range(0, len(columns), 2):
                    magnitude, other = truth[columns[c]], truth[columns[c + 1]]
                    use = (label < 8) & (magnitude < FAINTEST) & (np.abs(other) < 90)
                    lines = [np.column_stack([s[:, c], s[:, c + 1] - s[:, c]]) for s in sides]
                    points = np.column_stack([magnitude, other - magnitude])[use]
                    parts.append((np.full(use.sum(), age), label[use], nearest(points, *lines, phase, shift)))
        print(f"\nneighbours free to shift by {shift} points")
        report(*(np.concatenate(column) for column in zip(*parts, strict=True)), tuple(TARGETS))


if __name__ == "__main__":
    main()
