from __future__ import annotations

import json

import pytest
from astropy.table import Table


@pytest.fixture(autouse=True)
def inside_a_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("id,ra,dec,V,V_error\na,10,0,14,0.01\nb,20,0,15,0.01\n")
    (tmp_path / "b.csv").write_text("star,lon,lat,parallax,parallax_error\n7,10.0001,0,0.5,0.02\n")


def test_two_tables_become_one(run):
    words = ("match", "a.csv", "b.csv", "--map-2", "lon=ra_degs", "--map-2", "lat=dec", "--out", "both.ecsv")
    code, out, err = run(*words)
    assert (code, out) == (0, "")
    assert "1 star matched, 0 of them ambiguous" in err
    assert "not matched: 1 (no star of the other table within the radius)" in err
    assert Table.read("both.ecsv")["parallax"].tolist() == [0.5, None]
    assert "--overwrite" in run(*words)[2]
    assert run(*words, "--overwrite", "--quiet") == (0, "", "")
    assert run(*words, "--overwrite", "--only-matched", "--radius", "0.5")[0] == 0
    assert Table.read("both.ecsv")["id"].tolist() == ["a"]


def test_what_was_matched_as_json(run):
    words = ("match", "a.csv", "b.csv", "--map-2", "lon=ra_degs", "--map-2", "lat=dec", "--out", "both.ecsv")
    code, out, err = run(*words, "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert (document["out"], document["rows"], document["matched"], document["ambiguous"]) == ("both.ecsv", 2, 1, 0)
    assert document["median_separation_arcsec"] == pytest.approx(0.36, abs=1e-3)
    assert document["not_matched"]["no star of the other table within the radius"] == 1


def test_a_bad_cell_is_found_in_its_line(run, tmp_path):
    (tmp_path / "c.csv").write_text("id,ra,dec\na,10,0\n\nb,ten,0\n")
    code, _, err = run("match", "c.csv", "a.csv", "--out", "x.csv")
    assert code == 2
    assert "c.csv, line 4, column 'ra', row 1" in err


def test_what_the_tables_say_of_themselves_is_kept_or_its_loss_is_said(run, tmp_path):
    gaia = Table({"id": ["7"], "ra": [10.0], "dec": [0.0], "parallax": [0.5], "parallax_error": [0.02]})
    gaia.meta.update(parallax_zero_point="applied", zero_point_error={"V": 0.5, "B": 0.03})
    gaia.write("gaia.ecsv")
    own = Table.read("a.csv")
    own.meta["zero_point_error"] = {"V": 0.02}
    own.write("own.ecsv")
    assert run("match", "own.ecsv", "gaia.ecsv", "--out", "both.ecsv")[0] == 0
    meta = Table.read("both.ecsv").meta
    assert (meta["parallax_zero_point"], meta["zero_point_error"]) == ("applied", {"V": 0.02, "B": 0.03})
    code, _, err = run("match", "own.ecsv", "gaia.ecsv", "--out", "both.csv")
    assert code == 0
    assert "fit both.csv with --parallax-zero-point applied" in err
    code, _, quiet = run("match", "own.ecsv", "gaia.ecsv", "--out", "both.csv", "--overwrite", "--quiet")
    assert code == 0 and quiet.count("\n") == 1 and quiet in err  # the loss, and nothing else
    gaia["parallax"] = 1.0  # a table with parallaxes of its own speaks for them itself
    gaia.meta.clear()
    gaia.write("raw.ecsv")
    assert run("match", "raw.ecsv", "gaia.ecsv", "--out", "raws.ecsv")[0] == 0
    assert "parallax_zero_point" not in Table.read("raws.ecsv").meta


def test_fillers_and_small_errors_of_both_tables(run, tmp_path):
    (tmp_path / "a.csv").write_text("id,ra,dec,V,V_error\na,10,0,14,0\nb,20,0,15,0.03\n-9.9,30,0,-9.9,-9.9\n")
    (tmp_path / "b.csv").write_text("star,ra,dec,parallax,parallax_error\n7,10.0001,0,-9.9,-9.9\n8,20,0,0.5,0.001\n")
    code, _, err = run("match", "a.csv", "b.csv", "--missing", "-9.9", "--error-floor", "0.01", "--out", "both.ecsv")
    assert code == 0
    assert "note: b.csv: 1 cell of -9.9 in column parallax counted as missing" in err
    assert "note: a.csv: V: 1 errors below 0.01 mag raised to it" in err
    both = Table.read("both.ecsv")
    assert both["id"].tolist() == ["a", "b", "-9.9"]
    assert both["V"].tolist() == [14.0, 15.0, None]
    assert both["V_error"].tolist() == [0.01, 0.03, None]
    assert both["parallax"].tolist() == [None, 0.5, None]
    assert both["parallax_error"].tolist() == [None, 0.001, None]  # the floor is in magnitudes


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("a.csv", "b.csv", "--out", "x.csv"), "no directions"),
        (("a.csv", "a.csv", "--out", "x.csv", "--epochs", "2000"), "two epochs were expected"),
        (("a.csv", "a.csv", "--out", "x.csv", "--epochs", "2000,abc"), "a number was expected"),
        (("a.csv", "a.csv", "--out", "x.csv", "--radius", "-1"), "not a radius"),
        (("a.csv", "c.csv", "--out", "x.csv"), "file not found"),
        (("a.csv", "a.csv", "--out", "x.doc"), "table format is not known"),
    ],
)
def test_mistakes_are_explained(run, tmp_path, words, told):
    code, _, err = run("match", *words)
    assert code == 2
    assert told in err
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.csv", "b.csv"}
