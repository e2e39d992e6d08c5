"""Measure the interpolation error of a PARSEC grid against published isochrones between its nodes.

The truth is raw PARSEC CMD 3.7 text, every 0.05 dex in age and at five metallicities that are not nodes of the grid
(``isochrones_ubvrijhk.dat`` and ``isochrones_ugriz.dat`` of uwastro465isos 0.1.0).  For every published point the
distance in the colour-magnitude diagram to the interpolated isochrone, perpendicular to its line, is taken, by phase
(as the published labels have it) and range of ages.  The first table is the cut that the grid is held to: every point
with a label below 8, and again without those that follow the first ascent of the early AGB.

    python benchmarks/grid_offnode.py isochrones_ubvrijhk.dat isochrones_ugriz.dat [--grid parsec]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clusterbayes.isochrones import Isochrone, IsochroneGrid
from clusterbayes.isochrones.eep import first_ascent_end

SETS = {
    "Bmag": ((("V", "Vmag"), ("B", "Bmag")), (("I", "Imag"), ("V", "Vmag"))),
    "gmag": ((("SDSS_g", "gmag"), ("SDSS_r", "rmag")),),
}
"""By a column that marks the file: pairs of (band of the grid, column of the file); the first is the magnitude."""

AGES = ((6.6, 6.999), (7.0, 7.499), (7.5, 7.999), (8.0, 8.499), (8.5, 8.999), (9.0, 9.499), (9.5, 10.11))
PHASES = {"pre-MS and MS": (0, 1), "subgiants": (2,), "red giants": (3,), "core helium": (4, 5, 6), "E-AGB": (7,)}
FAINTEST = 9.0
TARGETS = {(8.0, 10.11): "rms 0.006, 99 % 0.03", (7.0, 7.999): "rms 0.020"}
TARGET_MH = (-1.0, 0.0)
LATE = 0.5
"""Added to the label of points after the first ascent of the early AGB."""


def published(path: Path) -> Iterator[dict[str, np.ndarray]]:
    """Yield the isochrones of a text file, as columns by name."""
    names: list[str] = []
    rows: list[list[float]] = []
    for line in path.read_text().splitlines():
        words = line.lstrip("#").split()
        if words[:2] == ["Zini", "MH"]:
            names = words
        elif line and not line.startswith("#") and len(words) == len(names):
            rows.append([float(word) for word in words])
    table = np.array(rows)
    key = table[:, names.index("MH")] * 100 + table[:, names.index("logAge")]
    for block in np.split(table, np.flatnonzero(np.diff(key)) + 1):
        yield dict(zip(names, block.T, strict=True))


def distance(points: np.ndarray, line: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return the distance of each point (n, 2) to a broken line (m, 2) of which some segments (m - 1,) count."""
    start, step = line[:-1][keep], np.diff(line, axis=0)[keep]
    length = np.maximum(np.sum(step**2, axis=1), 1e-18)
    away = points[:, None] - start
    along = np.clip(np.sum(away * step, axis=2) / length, 0.0, 1.0)
    return np.sqrt(np.min(np.sum((away - along[..., None] * step) ** 2, axis=2), axis=1))


def with_late(truth: dict[str, np.ndarray]) -> np.ndarray:
    """Return the labels, with what follows the first ascent of the early AGB marked."""
    label = truth["label"].copy()
    agb = np.flatnonzero(label == 7)
    if agb.size:
        label[agb[first_ascent_end(truth["logL"][agb]) + 1 :]] += LATE
    return label


def compare(
    truth: dict[str, np.ndarray], isochrone: Isochrone, segments: np.ndarray, faintest: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the labels and distances of the published points, once for each colour-magnitude diagram."""
    pairs = next(pairs for mark, pairs in SETS.items() if mark in truth)
    label = with_late(truth)
    for (band, column), (other, other_column) in pairs:
        magnitude = truth[column]
        use = (label < 8) & (magnitude < faintest) & (np.abs(truth[other_column]) < 90)
        points = np.column_stack([magnitude, truth[other_column] - magnitude])[use]
        line = np.column_stack([isochrone.magnitudes[band], isochrone.magnitudes[other] - isochrone.magnitudes[band]])
        yield label[use], distance(points, line, segments)


def measure(
    files: list[Path], grid: IsochroneGrid, faintest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return log_age, [M/H], label and distance of all published points."""
    parts: list[tuple[np.ndarray, ...]] = []
    for path in files:
        for truth in published(path):
            log_age, mh = float(truth["logAge"][0]), float(truth["MH"][0])
            for label, d in compare(truth, grid.isochrone(log_age, mh), grid.segments, faintest):
                parts.append((np.full(d.size, log_age), np.full(d.size, mh), label, d))
    age, mh, label, d = (np.concatenate(column) for column in zip(*parts, strict=True))
    return age, mh, label, d


def report(age: np.ndarray, label: np.ndarray, d: np.ndarray, ages: tuple[tuple[float, float], ...]) -> None:
    """Print one line for each range of ages and phase."""
    print(f"{'log_age':>12} {'phase':>18} {'points':>7} {'median':>8} {'rms':>8} {'99 %':>8} {'> 0.05':>7}   [mag]")
    for low, high in ages:
        inside = (age >= low - 1e-4) & (age <= high + 1e-4)
        late = label % 1 > 0
        groups = {name: np.isin(label, codes) for name, codes in PHASES.items()}
        groups |= {"after first ascent": late, "all": label < 8, "all but the last": ~late}
        for name, chosen in groups.items():
            x = d[inside & chosen]
            if x.size:
                rms, far = np.sqrt(np.mean(x**2)), np.mean(x > 0.05)
                print(
                    f"{low:5.2f}-{high:6.2f} {name:>18} {x.size:7d} {np.median(x):8.4f} {rms:8.4f}"
                    f" {np.percentile(x, 99):8.4f} {far:7.3f}"
                )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="raw PARSEC CMD text")
    parser.add_argument("--grid", default="parsec", help="name or path of the grid")
    parser.add_argument("--faintest", type=float, default=FAINTEST, help="faintest absolute magnitude that counts")
    parser.add_argument("--worst", type=int, default=0, help="also list so many worst isochrones of the cut")
    parser.add_argument("--no-refine", action="store_true", help="interpolate linearly between the nodes of the file")
    options = parser.parse_args()
    grid = IsochroneGrid.load(options.grid, ("B", "V", "I", "SDSS_g", "SDSS_r"), refine=not options.no_refine)
    age, mh, label, d = measure(options.files, grid, options.faintest)
    cut = (mh > TARGET_MH[0] - 0.01) & (mh < TARGET_MH[1] + 0.01)
    print(f"[M/H] {TARGET_MH[0]:g} to {TARGET_MH[1]:g}; targets for all points:", TARGETS)
    report(age[cut], label[cut], d[cut], tuple(TARGETS))
    if options.worst:
        each, row = np.unique(np.round(np.column_stack([age[cut], mh[cut]]), 3), axis=0, return_inverse=True)
        square = np.bincount(row.ravel(), d[cut] ** 2)
        rms = np.sqrt(square / np.bincount(row.ravel()))
        for i in np.argsort(-rms)[: options.worst]:
            print(f"rms {rms[i]:.4f}  log_age {each[i, 0]:.2f}  [M/H] {each[i, 1]:.2f}")
    print("\nall metallicities")
    report(age, label, d, (*AGES, *TARGETS))


if __name__ == "__main__":
    main()
