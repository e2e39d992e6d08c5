from __future__ import annotations

import json

import pytest
from astropy.io.votable import validate
from astropy.table import Table
from unit.results.test_derived import made


@pytest.fixture(autouse=True)
def inside_a_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made().save(tmp_path_factory.mktemp("results") / "ngc1").parent


def test_the_ending_says_the_format(run, folder, tmp_path):
    code, out, err = run("export", folder, "--out", "new/stars.vot")
    assert (code, out) == (0, "")
    assert "sources: 495 rows in new/stars.vot" in err
    assert validate(str(tmp_path / "new" / "stars.vot"), None)


def test_a_format_may_be_said(run, folder):
    assert run("export", folder, "--out", "stars.dat", "--format", "fits")[0] == 0
    assert len(Table.read("stars.dat", format="fits")) == 495
    assert run("export", folder, "--out", "a.txt", "--format", "astromancer")[0] == 0
    assert Table.read("a.txt", format="csv").colnames[:4] == ["id", "ra", "dec", "distance"]


def test_the_summary_has_the_folders_name(run, folder):
    assert run("export", folder, "--what", "summary", "--out", "row.csv")[0] == 0
    assert Table.read("row.csv")["name"][0] == "ngc1"


def test_files_are_not_replaced_by_accident(run, folder, tmp_path):
    (tmp_path / "x.csv").write_text("precious")
    code, _, err = run("export", folder, "--out", "x.csv")
    assert code == 2
    assert "--overwrite" in err
    assert (tmp_path / "x.csv").read_text() == "precious"
    assert run("export", folder, "--out", "x.csv", "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--out", "x.doc"), "table format is not known"),
        (("--out", "x.csv", "--mass-limits", "1"), "LOW..HIGH"),
        (("--out", "x.csv", "--what", "summary", "--mass-limits", "5..1"), "not a range of masses"),
    ],
)
def test_mistakes_are_explained(run, folder, tmp_path, words, told):
    code, _, err = run("export", folder, *words)
    assert code == 2
    assert told in err
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_written_are_said_first(run, folder, tmp_path):
    (tmp_path / "notes.csv").mkdir()
    code, _, err = run("export", folder, "--out", tmp_path / "notes.csv", "--overwrite")
    assert code == 2 and "this is a folder, not a file" in err
    code, _, err = run("export", folder, "--out", folder / "result.h5" / "x.csv")
    assert code == 2 and "nothing can be written below" in err and "Errno" not in err


def test_what_the_system_says_has_the_name_and_no_number(run, folder, tmp_path):
    (tmp_path / "taken").write_text("")
    code, _, err = run("plot", folder, "--kind", "hr", "--out", tmp_path / "taken")
    assert code == 2 and err == f"Error: {tmp_path / 'taken'}: File exists.\n"


def test_a_folder_without_a_result(run, tmp_path):
    code, _, err = run("export", tmp_path, "--out", "x.csv")
    assert code == 2
    assert "the folder holds no result.h5" in err


def test_derive_prints_quantities_and_how_they_were_made(run, folder):
    code, out, _ = run("derive", folder, "--center", "359.98,-61.6")
    assert code == 0
    for text in ("distance", "total_mass", "half_number_radius_pc", "dynamical_mass", "9.75 sigma^2 r / G", "as given"):
        assert text in out


@pytest.mark.parametrize("converged", [True, False])
def test_what_is_exported_and_derived_says_whether_the_fit_converged(run, tmp_path, converged):
    result = made()
    result.diagnostics |= {"converged": converged, "reasons": [] if converged else ["too few steps"]}
    place = result.save(tmp_path / "fit")
    code, out, err = run("derive", place, "--json")
    assert (code, json.loads(out)["converged"]) == (0, converged)
    assert ("Not converged" in err) is not converged
    code, _, err = run("export", place, "--out", "stars.csv", "--quiet")
    assert code == 0 and ("Not converged" in err) is not converged
