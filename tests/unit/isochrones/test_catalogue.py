"""The catalogue: installed grids, families and files, each with its bands and its state."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusterbayes.errors import GridError
from clusterbayes.isochrones import IsochroneGrid, storage
from clusterbayes.isochrones.bolometric import correction_bands
from clusterbayes.isochrones.catalogue import READY, describe, known_grids
from clusterbayes.isochrones.families import FAMILIES


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLUSTERBAYES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_every_name_that_can_be_loaded_is_there(cache: Path) -> None:
    grids = known_grids()
    assert set(grids) == {*storage.installed_grids(), *FAMILIES}
    for name, info in grids.items():
        assert info["name"] == name
        assert info["bands"]
        assert info["log_age"][0] < info["log_age"][1]
    assert grids["parsec"]["state"] == READY
    assert grids["mist"]["state"] != READY
    assert tuple(grids["mist"]["bands"]) == correction_bands()
    assert not cache.exists()


def test_one_grid_by_name_or_file(analytic: IsochroneGrid, tmp_path: Path) -> None:
    assert describe("parsec") == known_grids()["parsec"]
    analytic.save(tmp_path / "own.h5")
    assert tuple(describe(tmp_path / "own.h5")["bands"]) == analytic.bands
    arrays = {name: getattr(analytic, name) for name in storage.ARRAYS}
    storage.write_grid(tmp_path / "theory.h5", arrays, (), None, None, {"family": "analytic"})
    found = describe(tmp_path / "theory.h5")
    assert (found["name"], found["state"], tuple(found["bands"])) == ("theory", READY, correction_bands())
    with pytest.raises(GridError, match="no grid 'mits'.*did you mean mist"):
        describe("mits")
