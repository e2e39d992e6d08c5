"""Digests of files and isochrones."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest

from clusterbayes.errors import GridError
from clusterbayes.isochrones import analytic_grid
from clusterbayes.isochrones.loading import digest_of
from clusterbayes.validation.contents import file_digests, grid_contents, isochrone_digests


def test_files_that_are_there_have_digests(tmp_path):
    place = tmp_path / "a"
    place.write_bytes(b"content")
    found = file_digests({"catalogue": place, "control": None, "other": tmp_path / "b"})
    assert found == {"catalogue": hashlib.sha256(b"content").hexdigest()}


def test_a_grid_of_the_same_name_and_other_contents_has_another_digest(tmp_path):
    place = tmp_path / "closed.h5"
    analytic_grid().save(place)
    before = isochrone_digests(str(place))
    assert isochrone_digests(place) == before and set(before) == {"grid", "corrections"} and all(before.values())
    analytic_grid(mh=(-0.5, 0.0, 0.5)).save(place)
    after = isochrone_digests(place)
    assert after["grid"] != before["grid"] and after["corrections"] == before["corrections"]


def test_a_grid_that_is_not_there_is_said():
    with pytest.raises(GridError, match="parse"):
        isochrone_digests("parse")


def test_a_composed_grid_is_known_by_what_it_was_made_from():
    """Whatever its last digits are here; negative controls: another recipe, and a grid that came as a file."""
    grid = analytic_grid()
    made = {"sha256": "ab" * 32, "recipe_version": 1}

    def contents(file_digest, **source):
        metadata = {**grid.metadata, "file_digest": file_digest, **source}
        return grid_contents(SimpleNamespace(metadata=metadata, digest=digest_of(metadata)))

    assert contents("1" * 64, **made) == contents("2" * 64, **made)
    assert contents("1" * 64, **made) != contents("1" * 64, **made | {"recipe_version": 2})
    assert contents("1" * 64) != contents("2" * 64)
