"""The commands of ``clusterbayes grid``, as they are typed, on a small grid in a file."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from clusterbayes.cli import app
from clusterbayes.isochrones import analytic_grid, families

COMMANDS = ("list", "info", "build", "import", "certify", "plot")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command; the user's cache is an empty folder."""
    monkeypatch.setenv("CLUSTERBAYES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()

    def inside(*words):
        return runner.invoke(app, ["grid", *(str(word) for word in words)])

    return inside


@pytest.fixture(scope="module")
def grid_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("grid") / "small.h5"
    analytic_grid(np.arange(8.0, 10.01, 0.25), np.arange(-1.0, 0.41, 0.2)).save(path)
    return path


@pytest.fixture
def package(monkeypatch):
    """Say whether the package of the families is installed."""

    def inside(installed):
        found = importlib.util.find_spec

        def find_spec(name, *more):
            if name == families.PACKAGE:
                return found("json") if installed else None
            return found(name, *more)

        monkeypatch.setattr(importlib.util, "find_spec", find_spec)

    return inside


def placed(name, content):
    """Put a file where the composed grid of a family is kept."""
    path = families.composed_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"clusterbayes grid {command}" in result.output
    assert "[cyan]" not in result.output


@pytest.mark.parametrize(("installed", "state"), [(True, "composed on first use"), (False, "needs pip install")])
def test_list_says_what_each_grid_needs(run, package, installed, state):
    package(installed)
    grids = json.loads(run("list", "--json").stdout)
    assert grids["parsec"]["state"] == "ready"
    assert set(families.FAMILIES) <= set(grids)
    assert grids["mist"]["state"].startswith(state)
    assert grids["mist"]["bands"]["SDSS_g"] == "AB"
    text = run("list").output
    assert state in text
    assert "clusterbayes[families]" in text or installed
    assert "Z_sun" in text


def test_a_composed_family_is_ready(run, package, grid_file):
    package(False)
    path = placed("mist", grid_file.read_bytes())
    info = json.loads(run("info", "mist", "--json").stdout)
    assert info["state"] == "ready"
    assert info["path"] == str(path)
    assert len(info["digest"]) == 64


def test_a_composed_family_that_is_damaged_hides_no_other_grid(run, package):
    package(True)
    placed("mist", b"half of a file")
    grids = json.loads(run("list", "--json").stdout)
    assert (grids["parsec"]["state"], grids["mist"]["state"]) == ("ready", "composed on first use")


def test_looking_makes_no_folder(run, tmp_path):
    for words in (["list"], ["info", "parsec"]):
        assert run(*words).exit_code == 0
    assert not (tmp_path / "cache").exists()


def test_info(run, grid_file):
    text = run("info", "parsec").output
    for words in ("Bressan et al. 2012", "Z_sun = 0.0152", "digest", "2MASS_Ks", "ready"):
        assert words in text
    text = run("info", "mist").output
    for words in ("Choi et al. 2016", "licence", "lachesis-grids", "solar scale"):
        assert words in text
    info = json.loads(run("info", grid_file, "--json").stdout)
    assert (info["n_age"], info["n_mh"], list(info["bands"])) == (9, 8, ["Gaia_G", "Gaia_BP", "Gaia_RP", "B", "V"])
    result = run("info", "parsecs")
    assert (result.exit_code, "you mean parsec" in result.stderr) == (2, True)


def test_build(run, monkeypatch, grid_file):
    composed = []

    def compose(name, progress=None, *, force=False):
        if force or not families.composed_path(name).is_file():
            composed.append(name)
            progress("composing", 0.5)
            placed(name, grid_file.read_bytes())
        return families.composed_path(name)

    monkeypatch.setattr(families, "compose", compose)
    for words, count in ((["mist"], 1), (["mist"], 1), (["mist", "--force"], 2)):
        result = run("build", *words)
        assert result.exit_code == 0, result.output
        assert "mist is ready" in result.stdout
        assert len(composed) == count
    assert [path.name for path in families.composed_path("mist").parent.iterdir()] == ["mist-1.h5"]
    assert "nothing to compose" in run("build", "parsec").stdout
    result = run("build", "misst")
    assert (result.exit_code, "mist" in result.stderr) == (2, True)


def test_certify(run, grid_file, tmp_path):
    result = run("certify", grid_file, "--out", tmp_path / "certificate")
    assert result.exit_code == 0, result.output
    assert "giant branch" in result.stdout
    assert {entry.suffix for entry in (tmp_path / "certificate").iterdir()} == {".md", ".ecsv", ".png"}
    result = run("certify", grid_file, "--out", tmp_path / "b", "--cmd", "V,B-V", "--json")
    document = json.loads(result.stdout)
    assert 0 < document["floor"] < 0.05
    assert document["floor"] == max(row["certified"] for row in document["phases"])
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cmd", "V"], "--cmd"),
        (["--cmd", "B-V,V"], "magnitude"),
        (["--cmd", "Ks,V-Ks"], "2MASS_Ks"),
        (["--raw", "nowhere.dat"], "nowhere.dat"),
    ],
)
def test_certify_with_bad_options(run, grid_file, tmp_path, words, message):
    result = run("certify", grid_file, "--out", tmp_path / "certificate", *words)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output
    assert not (tmp_path / "certificate").exists()


def test_plot_grids_over_stars(run, grid_file, tmp_path):
    out = tmp_path / "a.png"
    words = ["plot", grid_file, "parsec", "--log-age", "9.43", "--mh", "0.1", "--over", "ruprecht147"]
    result = run(*words, "--dist-mod", "7.4", "--a-v", "0.25", "--out", out)
    assert result.exit_code == 0, result.output
    assert "2 isochrones" in result.stderr
    assert out.read_bytes()[:4] == b"\x89PNG"
    result = run("plot", "parsec", "--out", out)
    assert (result.exit_code, "--overwrite" in result.stderr) == (2, True)
    assert run("plot", grid_file, "--out", out, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--log-age", "11"], "log_age=11"),
        (["--log-age", "young"], "--log-age"),
        (["--cmd", "V,2MASS_J-V"], "2MASS_J"),
        (["--over", "nowhere.csv"], "nowhere.csv"),
        (["--over", "ruprecht147", "--cmd", "V,B-V"], "observables"),
        (["--a-v", "7"], "--a-v"),
    ],
)
def test_plots_that_cannot_be_made(run, grid_file, tmp_path, words, message):
    result = run("plot", grid_file, "--out", tmp_path / "a.png", *words)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output
    assert not (tmp_path / "a.png").exists()


def test_an_unknown_source_and_a_page_of_the_web(run, tmp_path):
    result = run("plot", "misst", "--out", tmp_path / "a.png")
    assert (result.exit_code, "mist" in result.stderr) == (2, True)
    page = tmp_path / "output1.dat"
    page.write_text("<!DOCTYPE html><html><body>Error: too many requests</body></html>\n")
    for command in ("plot", "import"):
        result = run(command, page, "--out", tmp_path / "a.h5")
        assert (result.exit_code, "web page" in result.stderr) == (2, True), result.output


def test_import_reports_and_keeps_existing_files(run, monkeypatch, tmp_path):
    from clusterbayes.isochrones import importer

    report = importer.ImportReport(
        tmp_path / "new.h5", "PARSEC", "CMD 3.7", (9.0, 9.5), (0.0,), ("V",), 393, 900,
        {"invalid magnitude": 12}, ("one metallicity: it will be held",), ({"file": "a.dat", "sha256": "0"},), "d" * 64,
    )  # fmt: skip
    seen = []

    def import_isochrones(paths, out, **options):
        seen.append((paths, out, options))
        return report

    monkeypatch.setattr(importer, "import_isochrones", import_isochrones)
    result = run("import", "a.dat", "b", "--out", tmp_path / "new.h5", "--single-age", "--name", "Mine")
    assert result.exit_code == 0, result.output
    assert "dropped: 12 invalid magnitude" in result.stdout
    assert "it will be held" in result.stdout
    assert [str(path) for path in seen[0][0]] == ["a.dat", "b"]
    assert (seen[0][2]["single_age"], seen[0][2]["name"]) == (True, "Mine")
    document = json.loads(run("import", "a.dat", "--out", tmp_path / "new.h5", "--json").stdout)
    assert document["dropped"] == {"invalid magnitude": 12}
    (tmp_path / "new.h5").write_text("precious")
    result = run("import", "a.dat", "--out", tmp_path / "new.h5")
    assert (result.exit_code, "--overwrite" in result.stderr) == (2, True)
    assert len(seen) == 2
