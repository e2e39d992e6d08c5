"""Measure the interpolation error of a PARSEC grid against published isochrones between its nodes.

The truth is raw PARSEC CMD 3.7 text, every 0.05 dex in age and at five metallicities that are not nodes of the grid
(``isochrones_ubvrijhk.dat`` and ``isochrones_ugriz.dat`` of uwastro465isos 0.1.0).  For every published point the
distance in the colour-magnitude diagram to the interpolated isochrone, perpendicular to its line, is taken; the table
gives median, rms and the share above 0.05 mag, by phase (as the published labels have it) and range of ages.

    python benchmarks/grid_offnode.py isochrones_ubvrijhk.dat isochrones_ugriz.dat [--grid parsec]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clusterbayes.isochrones import Isochrone, IsochroneGrid

SETS = {
    "Bmag": ((("V", "Vmag"), ("B", "Bmag")), (("I", "Imag"), ("V", "Vmag"))),
    "gmag": ((("SDSS_g", "gmag"), ("SDSS_r", "rmag")),),
}
"""By a column that marks the file: pairs of (band of the grid, column of the file); the first is the magnitude."""

AGES = ((6.6, 6.999), (7.0, 7.499), (7.5, 7.999), (8.0, 8.499), (8.5, 8.999), (9.0, 9.499), (9.5, 10.11))
PHASES = {"pre-MS and MS": (0, 1), "subgiants": (2,), "red giants": (3,), "core helium": (4, 5, 6), "E-AGB": (7,)}
FAINTEST = 9.0


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


def compare(
    truth: dict[str, np.ndarray], isochrone: Isochrone, segments: np.ndarray, faintest: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the labels and distances of the published points, once for each colour-magnitude diagram."""
    pairs = next(pairs for mark, pairs in SETS.items() if mark in truth)
    for (band, column), (other, other_column) in pairs:
        magnitude = truth[column]
        use = (truth["label"] < 8) & (magnitude < faintest) & (np.abs(truth[other_column]) < 90)
        points = np.column_stack([magnitude, truth[other_column] - magnitude])[use]
        line = np.column_stack([isochrone.magnitudes[band], isochrone.magnitudes[other] - isochrone.magnitudes[band]])
        yield truth["label"][use], distance(points, line, segments)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="raw PARSEC CMD text")
    parser.add_argument("--grid", default="parsec", help="name or path of the grid")
    parser.add_argument("--faintest", type=float, default=FAINTEST, help="faintest absolute magnitude that counts")
    parser.add_argument("--worst", type=int, default=0, help="also list so many worst isochrones")
    options = parser.parse_args()
    grid = IsochroneGrid.load(options.grid, bands=("B", "V", "I", "SDSS_g", "SDSS_r"))
    ages, labels, distances, worst = [], [], [], []
    for path in options.files:
        for truth in published(path):
            log_age, mh = float(truth["logAge"][0]), float(truth["MH"][0])
            for label, d in compare(truth, grid.isochrone(log_age, mh), grid.segments, options.faintest):
                ages.append(np.full(d.size, log_age))
                labels.append(label)
                distances.append(d)
                worst.append((float(np.sqrt(np.mean(d**2))), path.name, log_age, mh))
    age, label, d = (np.concatenate(x) for x in (ages, labels, distances))
    print(f"{'log_age':>12} {'phase':>14} {'points':>7} {'median':>8} {'rms':>8} {'> 0.05':>7}   [mag]")
    for low, high in (*AGES, (7.0, 7.999), (8.0, 10.11)):
        for name, codes in {**PHASES, "all": tuple(range(8))}.items():
            x = d[(age >= low - 1e-6) & (age <= high) & np.isin(label, codes)]
            if x.size:
                rms, far = np.sqrt(np.mean(x**2)), np.mean(x > 0.05)
                print(f"{low:5.2f}-{high:6.2f} {name:>14} {x.size:7d} {np.median(x):8.4f} {rms:8.4f} {far:7.3f}")
    for row in sorted(worst, reverse=True)[: options.worst]:
        print(f"rms {row[0]:.4f}  {row[1]}  log_age {row[2]:.2f}  [M/H] {row[3]:.2f}")


if __name__ == "__main__":
    main()
