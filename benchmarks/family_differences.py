"""How far families of isochrones lie apart: in colour along the main sequence, and in the age of a turn-off.

    python benchmarks/family_differences.py [FAMILY ...]

Colours are those of main-sequence stars of equal absolute magnitude, since a star that is moved along its sequence
looks the same; ages are those at which two families put the end of the main sequence at the same magnitude. Mean and
rms over ages and metallicities that both families have. What the default priors of a fit's colour discrepancies and of
the ages of isochrones say of families that no cluster has taught is to be held against such numbers.
"""

from __future__ import annotations

import sys

import numpy as np

from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model.parameters import COLOUR_KNOTS

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP")
AGES, METALS = np.arange(7.6, 10.01, 0.2), (-0.4, -0.2, 0.0, 0.2)
FINE = np.arange(7.2, 10.13, 0.02)


def main_sequence(grid: IsochroneGrid, log_age: float, mh: float) -> dict[str, np.ndarray]:
    """Magnitude, colour and log Teff from the lowest mass to the bluest point, ascending in magnitude."""
    iso = grid.isochrone(log_age, mh)
    colour = iso.magnitudes["Gaia_BP"] - iso.magnitudes["Gaia_RP"]
    dwarf = np.flatnonzero((np.asarray(iso.phase) == 0) & (iso.m_ini > 0.25))
    bluest = dwarf[np.argmin(np.where(iso.m_ini[dwarf] > 0.6, colour[dwarf], np.inf))]
    kept = np.arange(dwarf[0], bluest + 1)
    order = kept[np.argsort(iso.magnitudes["Gaia_G"][kept])]
    return {"magnitude": iso.magnitudes["Gaia_G"][order], "colour": colour[order], "log_teff": iso.log_teff[order]}


def common(one: IsochroneGrid, other: IsochroneGrid) -> list[tuple[float, float]]:
    """Ages and metallicities that both have."""

    def within(axis: str, value: float) -> bool:
        return all(getattr(grid, axis)[0] <= value <= getattr(grid, axis)[-1] for grid in (one, other))

    return [(a, m) for a in AGES for m in METALS if within("log_age", a) and within("mh", m)]


def colour_differences(one: IsochroneGrid, other: IsochroneGrid) -> dict[float, np.ndarray]:
    """Colour of the other less that of the one [mag] by knot, where the one has its temperature."""
    found: dict[float, list[float]] = {knot: [] for knot in COLOUR_KNOTS}
    for log_age, mh in common(one, other):
        here, there = (main_sequence(grid, log_age, mh) for grid in (one, other))
        for knot in COLOUR_KNOTS:
            if not here["log_teff"].min() <= knot <= here["log_teff"].max() - 0.02:
                continue
            magnitude = np.interp(-knot, -here["log_teff"], here["magnitude"])
            if there["magnitude"][0] <= magnitude <= there["magnitude"][-1]:
                colours = [np.interp(magnitude, part["magnitude"], part["colour"]) for part in (here, there)]
                found[knot].append(colours[1] - colours[0])
    return {knot: np.array(values) for knot, values in found.items()}


def age_differences(one: IsochroneGrid, other: IsochroneGrid) -> np.ndarray:
    """Age of the one with a turn-off as bright as the other's, less the other's [dex], (n,)."""
    ages = FINE[(FINE >= one.log_age[0]) & (FINE <= one.log_age[-1])]
    brightest = {mh: np.array([main_sequence(one, a, mh)["magnitude"][0] for a in ages]) for mh in METALS}
    found = []
    for log_age, mh in common(one, other):
        wanted = main_sequence(other, log_age, mh)["magnitude"][0]
        nearest = int(np.argmin(np.abs(brightest[mh] - wanted)))
        if 0 < nearest < ages.size - 1:
            found.append(ages[nearest] - log_age)
    return np.array(found)


def main(names: list[str]) -> None:
    """Print a row for each family against PARSEC."""
    one = IsochroneGrid.load("parsec", bands=BANDS)
    print("| family less PARSEC | " + " | ".join(f"{knot:.2f}" for knot in COLOUR_KNOTS) + " | log age |")
    print("|---|" + "---|" * (len(COLOUR_KNOTS) + 1))
    for name in names:
        other = IsochroneGrid.load(name, bands=BANDS)
        colours = colour_differences(one, other)
        ages = age_differences(one, other)
        cells = [f"{v.mean():+.3f} ({np.sqrt((v**2).mean()):.3f})" if v.size else "" for v in (*colours.values(), ages)]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(sys.argv[1:] or ["mist", "basti", "dartmouth", "yapsi"])
