"""Packed files: whole or not at all, the same bytes from the same numbers, damage noticed."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from clusterbayes.errors import GridError
from clusterbayes.isochrones.packed import installed_files, match_bands, open_packed, put, verified, write_packed

KIND = "clusterbayes test file"


def make(path: Path, value: float = 1.0) -> Path:
    with write_packed(path, KIND, 3, {"colour": "red", "digest": "stale", "name": "other"}) as file:
        put(file, "axis", np.arange(4.0))
        put(file, "group/plane", np.full((3, 4), value, dtype=np.float32))
    return path


def test_round_trip_and_the_same_bytes_again(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5")
    with open_packed(path, KIND, 3, "a test file") as (file, metadata):
        np.testing.assert_array_equal(verified(file["group/plane"], path), np.ones((3, 4)))
        assert metadata["colour"] == "red"
        assert metadata["name"] == "a"
        assert len(metadata["digest"]) == 64
    assert make(tmp_path / "b.h5").read_bytes() == path.read_bytes()
    assert make(tmp_path / "c.h5", 2.0).read_bytes() != path.read_bytes()


def test_a_file_that_was_not_finished_leaves_the_old_one(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5")
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="stop"), write_packed(path, KIND, 3, {}) as file:
        put(file, "axis", np.arange(4.0))
        raise RuntimeError("stop")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_damage_kind_and_version_are_noticed(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["axis"][0] = 7.0
    with open_packed(path, KIND, 3, "a test file") as (file, _):
        with pytest.raises(GridError, match="/axis does not agree"):
            verified(file["axis"], path)
    with pytest.raises(GridError, match="not a test file"), open_packed(path, "other", 3, "a test file"):
        pass
    for wanted, remedy in ((4, "make the file again"), (2, "install the release that wrote it")):
        with pytest.raises(GridError, match=f"version 3.*{remedy}"), open_packed(path, KIND, wanted, "a test file"):
            pass
    with h5py.File(path, "r+") as file:
        file["axis"].attrs["sha256"] = "0" * 64
    with pytest.raises(GridError, match="digest does not agree"), open_packed(path, KIND, 3, "a test file"):
        pass


def test_damage_anywhere_is_told_in_words_or_changes_nothing(tmp_path: Path) -> None:
    # HDF5 tells of damage to its own structure by several kinds of errors.
    whole = make(tmp_path / "a.h5").read_bytes()
    path, rng, refused = tmp_path / "b.h5", np.random.default_rng(4), 0
    for _ in range(300):
        damaged = bytearray(whole)
        start = int(rng.integers(len(whole) - 16))
        damaged[start : start + 16] = rng.bytes(16)
        path.write_bytes(damaged)
        try:
            with open_packed(path, KIND, 3, "a test file") as (file, metadata):
                values = verified(file["group/plane"], path)
        except GridError:
            refused += 1
        else:
            np.testing.assert_array_equal(values, np.ones((3, 4)))
            assert metadata["colour"] == "red"
    assert refused > 30


def test_what_is_missing_inside_is_an_error_of_the_file(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5")
    with pytest.raises(GridError, match="cannot be read as a test file"):
        with open_packed(path, KIND, 3, "a test file") as (file, _):
            file["absent"]


def test_installed_files_are_told_by_what_they_are() -> None:
    assert "parsec" in installed_files("clusterbayes isochrone grid")
    assert list(installed_files("clusterbayes bolometric corrections")) == ["corrections"]
    assert installed_files(KIND) == {}


def test_bands_are_matched_by_alias_once_each() -> None:
    assert match_bands(["RP", "Gaia_RP", "V"], ("V", "Gaia_RP"), "x.h5") == ("Gaia_RP", "V")
    with pytest.raises(GridError, match="the table has no band WISE_W1.*make one"):
        match_bands(["W1"], ("V",), "x.h5", "table", "make one")
    with pytest.raises(GridError, match="did you mean SDSS_g"):
        match_bands(["SDSS_r"], ("SDSS_g",), "x.h5")
