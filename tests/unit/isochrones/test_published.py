"""The default grid against published isochrones between its nodes: no further off than its certificate says."""

from __future__ import annotations

import importlib.util
import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.isochrones.certified import certified_phases
from clusterbayes.isochrones.comparison import GROUPS, Line, compare, line_of, rms
from clusterbayes.isochrones.formats import RawTable, read_isochrones

PACKAGE = "uwastro465isos"
DIAGRAMS = {
    "isochrones_ubvrijhk.dat": (("V", "B", "V"), ("I", "V", "I")),
    "isochrones_ugriz.dat": (("SDSS_g", "SDSS_g", "SDSS_r"),),
}
NODES = {(mh, age) for mh in (-0.5, 0.0) for age in (8.05, 8.45, 8.95, 9.2, 9.65, 9.85)}
PHASES = (0, 2, 3, 4)
MARGIN = 1.3
"""What some isochrones may be worse than all of them."""


def data_folder() -> Path:
    """Return the folder of the published isochrones, or skip with the reason; CI has to have them."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        reason = f"{PACKAGE} is not installed (it belongs to the extra 'test')"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return Path(spec.submodule_search_locations[0]) / "data"


def wanted(line: str) -> bool:
    """Return whether a line of a table is no row or belongs to one of the isochrones chosen."""
    if not line[0].isdigit():
        return True
    mh, log_age = line.split(None, 3)[1:3]
    return (float(mh), round(float(log_age), 3)) in NODES  # the files have 8.45001


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[RawTable]]:
    """Return a few of the published isochrones by file."""
    folder, source = tmp_path_factory.mktemp("published"), data_folder()
    tables = {}
    for name in DIAGRAMS:
        with (source / name).open(encoding="utf-8") as file:
            (folder / name).write_text("".join(line for line in file if wanted(line)), encoding="utf-8")
        tables[name] = read_isochrones(folder / name)
        assert {(round(t.mh, 3), round(t.log_age, 3)) for t in tables[name]} == NODES
    return tables


@pytest.fixture(scope="module")
def grid() -> IsochroneGrid:
    """Return the default grid as a fit has it."""
    return IsochroneGrid.load("parsec", ("B", "V", "I", "SDSS_g", "SDSS_r"))


def errors(grid: IsochroneGrid, published: dict[str, list[RawTable]]) -> dict[str, float]:
    """Return the rms distance [mag] of the published points from the interpolated isochrones, by phase."""
    found = defaultdict(list)
    for name, diagrams in DIAGRAMS.items():
        for table in published[name]:
            isochrone = grid.isochrone(table.log_age, table.mh)
            for bands in diagrams:
                magnitude, blue, red = (table.mags[:, table.bands.index(band)] for band in bands)
                keep = np.isin(table.phase, PHASES)
                points = np.column_stack([magnitude, blue - red])[keep]
                true = Line(points, np.log10(table.m_ini[keep]), table.phase[keep], table.log_lum[keep])
                node = (table.log_age, table.mh)
                made = compare(true, line_of(isochrone, bands), node, 1.0, 9.0, both_ways=False)
                for code in PHASES:
                    found[GROUPS[code]].append(made.distance[made.group == code])
    return {phase: rms(np.concatenate(parts)) for phase, parts in found.items()}


def test_published_isochrones_lie_where_the_certificate_says(grid, published) -> None:
    limits = certified_phases(grid.metadata)
    for phase, error in errors(grid, published).items():
        assert error < MARGIN * limits[phase], phase


@pytest.mark.parametrize("code", PHASES)
def test_a_phase_that_is_shifted_does_not_pass(grid, published, code: int) -> None:
    limits, name = certified_phases(grid.metadata), GROUPS[code]
    # Twice the margin, in one band only; distances are perpendicular to the line.
    mags = grid.mags.copy()
    mags[:, :, grid.phase == code, 0] += 5.0 * limits[name]
    assert errors(replace(grid, mags=mags), published)[name] > MARGIN * limits[name]
