"""Digests of files and isochrones."""

from __future__ import annotations

import hashlib

import pytest

from clusterbayes.errors import GridError
from clusterbayes.isochrones import analytic_grid
from clusterbayes.validation.contents import file_digests, isochrone_digests


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
