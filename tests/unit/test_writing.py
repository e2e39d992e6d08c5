"""Files are replaced whole or not at all."""

from __future__ import annotations

import os

import pytest
from astropy.table import Table

from clusterbayes.results.export import write_table
from clusterbayes.writing import begun, replacing, write_text


def test_a_file_is_old_until_it_is_whole(tmp_path):
    place = tmp_path / "a.txt"
    write_text("old", place)
    with replacing(place) as partial:
        partial.write_text("new", encoding="utf-8")
        assert place.read_text(encoding="utf-8") == "old" and partial.parent == tmp_path
    assert place.read_text(encoding="utf-8") == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    place = write_text("old", tmp_path / "a.txt")
    with pytest.raises(OSError, match="disk is full"), replacing(place) as partial:
        partial.write_text("ne", encoding="utf-8")
        raise OSError("the disk is full")
    assert place.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_speaks_of_the_file_that_was_asked_for(tmp_path):
    place = tmp_path / "nowhere" / "a.txt"
    with pytest.raises(FileNotFoundError) as caught:
        write_text("new", place)
    assert caught.value.filename == str(place)


def test_what_a_killed_process_left_is_told_from_what_belongs_to_somebody(tmp_path):
    for name in (".m[67].00ff12ab", ".m[67].previous", ".m6.00ff12ab", "m[67]"):
        (tmp_path / name).mkdir()
    assert [path.name for path in begun(tmp_path, "m[67]")] == [".m[67].00ff12ab"]


@pytest.mark.parametrize("name", ["table.ecsv", "table.csv", "table.fits", "table.vot"])
def test_tables_are_on_the_disk_before_they_take_their_name(tmp_path, monkeypatch, name):
    """Else a power cut leaves an empty file where the old one was."""
    done: list[str] = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda old, new: (done.append("replace"), rename(old, new)))
    write_table(Table({"x": [1.0, 2.0]}), tmp_path / name)
    assert done[-2:] == ["fsync", "replace"]
    assert list(Table.read(tmp_path / name)["x"]) == [1.0, 2.0]
