"""The certified numbers that travel with the package are those of the grids that do, and the priors allow for them."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from clusterbayes.isochrones import IsochroneGrid, available_grids
from clusterbayes.isochrones.bolometric import corrections_digest
from clusterbayes.isochrones.certified import certified_floor, certified_phases, origin
from clusterbayes.isochrones.families import FAMILIES
from clusterbayes.model.parameters import FLOOR_SCALE, default_priors, floor_scale

KNOWN = sorted({*available_grids(), *FAMILIES})
CORRECTIONS = corrections_digest()


def metadata_of(name: str) -> dict:
    """Return what an installed grid or a composed family says about itself when it is loaded."""
    if name in FAMILIES:
        composed = {"file_digest": "made here", "native_bands": [], "corrections_digest": CORRECTIONS}
        return {**FAMILIES[name].metadata(), **composed}
    info = available_grids()[name]
    return {**info, "file_digest": info["digest"], "native_bands": list(info["bands"])}


def priors(metadata: dict) -> dict:
    ranges = {"log_age_range": (8.0, 10.0), "mh_range": (-1.0, 0.3)}
    return default_priors(**ranges, bands=("Gaia_G", "V"), certified_floor=certified_floor(metadata) or 0.0)[0]


@pytest.mark.parametrize("name", KNOWN)
def test_every_grid_is_certified_and_no_floor_is_narrower(name: str) -> None:
    phases = certified_phases(metadata_of(name))
    assert {"main sequence", "subgiants", "giant branch"} <= set(phases), "python docs/make_certificates.py"
    assert all(0.0 < value < 0.05 for value in phases.values())
    for band in ("Gaia_G", "V"):
        width = priors(metadata_of(name))[f"floor_{band}"].std
        assert width >= max(phases.values())
        assert width >= FLOOR_SCALE


def test_the_default_grid_needs_no_wider_floor() -> None:
    floor = certified_floor(IsochroneGrid.load("parsec", ["V"]).metadata)
    assert floor is not None and floor <= FLOOR_SCALE
    assert priors(metadata_of("parsec"))["floor_V"].std == FLOOR_SCALE


def test_the_certificates_are_of_the_grids_that_there_are(repository) -> None:
    path = repository / "src" / "clusterbayes" / "isochrones" / "certified.csv"
    rows = csv.DictReader(line for line in path.read_text().splitlines() if not line.startswith("#"))
    digests = {row["grid"]: (row["digest"], row["corrections"]) for row in rows}
    again = "certify again: python docs/make_certificates.py"
    assert digests == {name: origin(metadata_of(name)) for name in KNOWN}, again


def test_grids_without_a_certificate(analytic: IsochroneGrid, tmp_path: Path) -> None:
    assert certified_phases({}) == {}
    # A grid of the user's own is not certified by its name, nor is a grid in memory.
    own = analytic.save(tmp_path / "parsec.h5")
    assert own.name == "parsec"
    for grid in (own, own.refine(2, 2), analytic):
        assert certified_phases(grid.metadata) == {}
        assert certified_floor(grid.metadata) is None
    assert priors(own.metadata)["floor_V"].std == FLOOR_SCALE


def test_other_magnitudes_are_not_what_was_certified(tmp_path: Path) -> None:
    composed = IsochroneGrid.load("parsec", ["V"], corrections="corrections", refine=False)
    assert composed.name == "parsec"
    assert certified_floor(composed.metadata) is None
    assert certified_floor({**metadata_of("mist"), "corrections_digest": "another table's"}) is None


def test_a_copy_of_a_certified_grid_is_certified(tmp_path: Path) -> None:
    copy = tmp_path / "renamed.h5"
    shutil.copy(available_grids()["parsec"]["path"], copy)
    assert certified_floor(IsochroneGrid.load(copy, ["V"]).metadata) == certified_floor(metadata_of("parsec"))


def test_a_family_is_known_by_its_recipe() -> None:
    mist = metadata_of("mist")
    assert certified_floor(mist) == certified_floor({**mist, "file_digest": "of another machine"})
    assert certified_floor({**mist, "recipe_version": mist["recipe_version"] + 1}) is None
    # Saved with magnitudes and perhaps changed before: the recipe vouches for it no longer.
    assert certified_floor({**mist, "native_bands": ["V"]}) is None


@pytest.mark.parametrize(
    ("certified", "width"), [(0.0, 0.02), (0.02, 0.02), (0.0201, 0.025), (0.03, 0.03), (0.0434, 0.045)]
)
def test_widths_are_rounded_up(certified: float, width: float) -> None:
    assert floor_scale(certified) == pytest.approx(width, abs=1e-12)
    assert floor_scale(certified) >= certified
