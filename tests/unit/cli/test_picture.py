from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner
from unit.results.synthetic import make_result

from clusterbayes.cli import app


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    make_result(n_member=60, n_field=20).save(folder)
    return folder


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_plots_of_the_kinds_asked_for(saved, tmp_path):
    done = run("plot", saved, "--kind", "membership", "-k", "luminosity", "--format", "svg", "--out", tmp_path / "p")
    assert done.exit_code == 0, done.output
    assert {entry.name for entry in (tmp_path / "p").iterdir()} == {"membership.svg", "luminosity.svg"}
    assert "membership.svg" in done.output
    quiet = run("plot", saved, "--kind", "membership", "--out", tmp_path / "q", "--quiet")
    assert (quiet.exit_code, quiet.output) == (0, "") and (tmp_path / "q" / "membership.png").is_file()
    again = run("plot", saved / "result.h5", "--kind", "membership", "--format", "svg", "--out", tmp_path / "p")
    assert again.exit_code == 2
    assert "--overwrite" in again.output


def test_plots_that_can_not_be(saved, tmp_path):
    wrong = run("plot", saved, "--kind", "memberhsip", "--out", tmp_path)
    assert wrong.exit_code == 2
    assert "membership" in wrong.output
    lacking = run("plot", saved, "--kind", "sky", "--out", tmp_path)
    assert lacking.exit_code == 2
    assert "no directions" in lacking.output
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_kind():
    from clusterbayes.results.plots import KINDS

    text = " ".join(run("plot", "--help").output.split())
    assert [kind for kind in KINDS if kind not in text] == []


def test_a_report_is_written_once(saved, tmp_path, monkeypatch):
    monkeypatch.setattr("clusterbayes.results.report.pictures._CAPTIONS", {"mass": "few"})
    done = run("report", saved, "--title", "My cluster", "--out", tmp_path / "r.html")
    assert done.exit_code == 0, done.output
    assert "My cluster" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert run("report", saved, "--out", tmp_path / "r.html").exit_code == 2
    assert run("report", saved, "--out", tmp_path / "r.html", "--overwrite").exit_code == 0


def test_a_report_shows_checks_and_says_what_is_none(saved, tmp_path, monkeypatch):
    monkeypatch.setattr("clusterbayes.results.report.pictures._CAPTIONS", {"mass": "few"})
    check = {"title": "Stars by magnitude", "p": 0.2, "about": "The limit does not fit."}
    place = tmp_path / "checks.json"
    place.write_text(json.dumps({"quality": "good", "meaning": "Nothing was found.", "checks": [check]}))
    assert run("report", saved, "--out", tmp_path / "r.html", "--checks", place).exit_code == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Stars by magnitude" in page and "Nothing was found." in page
    beside = place.rename(saved / "checks.json")
    assert run("report", saved, "--out", tmp_path / "t.html").exit_code == 0
    assert "Nothing was found." in (tmp_path / "t.html").read_text(encoding="utf-8")
    beside.unlink()
    place.write_text("{}")
    done = run("report", saved, "--out", tmp_path / "s.html", "--checks", place)
    assert done.exit_code == 2 and "validate ppc" in done.output
    assert not (tmp_path / "s.html").exists()
