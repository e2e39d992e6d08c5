"""The command line as a user types it: every command in a process of its own, on a simulated catalogue."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import jsonschema
import matplotlib.image
import numpy as np
import pytest
from astropy.table import Table, vstack

import clusterbayes
from clusterbayes import FitResult
from clusterbayes.isochrones import IsochroneGrid

FILES = {
    "summary.json",
    "sources.ecsv",
    "result.h5",
    "record.json",
    "cmd.png",
    "hr.png",
    "corner.png",
    "report.html",
    "checks.json",
}
PROMISED = {
    "log_age", "mh", "dist_mod", "distance", "a_v", "ebv", "binary_frac", "binary_frac_q05", "member_frac",
}  # fmt: skip
STATISTICS = ["q05", "q16", "median", "q84", "q95"]
FIRST_ID = 3_051_582_654_321_987_001  # as long as Gaia's: a floating-point number would lose its last digits
# Short sampling, and priors that shorten the search.
FEW_STEPS = [
    "--steps", "60", "--model-error", "none", "--prior", "log_age=normal(9,0.1)", "--prior", "dist_mod=normal(10,0.2)",
]  # fmt: skip


def clusterbayes_command(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ``python -m clusterbayes`` with warnings as errors."""
    forced = {"FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"}
    environment = {name: value for name, value in os.environ.items() if name not in forced}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "clusterbayes", *map(str, words)],
        cwd=cwd,
        env={**environment, "COLUMNS": "120", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def succeed(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = clusterbayes_command(*words, cwd=cwd)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return done


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def document(path: Path) -> dict:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not standard JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("command_line")


@pytest.fixture(scope="module")
def simulated(folder):
    """What ``simulate`` wrote: 60 members and 20 field stars."""
    succeed(
        "simulate", "--out", "mock.csv", "--log-age", "9", "--mh", "0", "--dist-mod", "10", "--a-v", "0.3",
        "--binary-frac", "0.4", "--n-members", "60", "--n-field", "20", "--bands", "G,BP,RP", "--mag-limit", "G=17",
        "--seed", "3", cwd=folder,
    )  # fmt: skip
    return Table.read(folder / "mock.csv")


@pytest.fixture(scope="module")
def stars(folder, simulated):
    """The simulated catalogue as an observer might have it: long identifiers, gaps, a repeated and a faint star."""
    table = simulated.copy()
    odd = table[:4].copy()
    odd["Gaia_G"][1] = odd["Gaia_BP"][1] = odd["Gaia_RP"][1] = 0.0
    odd["Gaia_RP"][2] = 0.0
    odd["Gaia_G"][3] = 17.4
    table = vstack([odd[1:3], table, odd[[0, 3]]])
    table["source_id"] = FIRST_ID + np.arange(len(table))
    table["source_id"][-2] = table["source_id"][2]  # the first simulated star once more
    table.remove_column("id")
    table.write(folder / "stars.csv")
    return table


@pytest.fixture(scope="module")
def fitted(folder, stars):
    """A short fit of these stars, with one thread."""
    limit = ["--mag-limit", "G=17"]
    done = succeed("fit", "stars.csv", "--out", "fit", *limit, *FEW_STEPS, "--seed", "5", "--threads", "1", cwd=folder)
    return folder / "fit", done


# --- simulate, fit ---------------------------------------------------------------------------------------------------


def test_simulate_writes_the_catalogue_and_its_truth(folder, simulated):
    assert len(simulated) == 80
    assert np.sum(simulated["is_member"] == "True") == 60
    assert (simulated["Gaia_G"] <= 17.0).all()
    truth = document(folder / "mock.truth.json")
    assert (truth["log_age"], truth["dist_mod"], truth["member_frac"], truth["seed"]) == (9.0, 10.0, 0.75, 3)


def test_fit_writes_its_files_and_says_so(fitted):
    out, done = fitted
    assert names(out) == FILES
    assert done.stdout == ""
    for text in ("81 of 84 rows used", "6/9 sample", "log_age", "Not converged", "--steps", "summary.json"):
        assert text in done.stderr
    assert names(out.parent) >= {"fit", "stars.csv"}
    assert not any(name.startswith(".") for name in names(out.parent))


def test_summary_keeps_its_promise(fitted, repository):
    out, _ = fitted
    summary = document(out / "summary.json")
    jsonschema.validate(summary, document(repository / "docs" / "schemas" / "summary.schema.json"))
    assert summary["parameters"].keys() >= PROMISED
    for name in PROMISED:
        row = summary["parameters"][name]
        assert row.keys() == {*STATISTICS, "mean", "std", "unit"}
        assert np.all(np.diff([row[key] for key in STATISTICS]) > 0), name
        assert row["std"] > 0
    medians = {name: summary["parameters"][name]["median"] for name in PROMISED}
    assert medians["distance"] == pytest.approx(10 ** (medians["dist_mod"] / 5 + 1), rel=1e-3)
    assert medians["ebv"] == pytest.approx(medians["a_v"] / 3.1, rel=1e-6)
    diagnostics = summary["diagnostics"]
    assert (diagnostics["n_steps"], diagnostics["converged"]) == (60, False)
    assert any("50" in reason for reason in diagnostics["reasons"])


def test_every_input_row_is_accounted_for(fitted):
    out, _ = fitted
    summary = document(out / "summary.json")
    assert summary["counts"] == {
        "input": 84,
        "used": 81,
        "dropped": {"no usable magnitude": 1, "duplicate id": 1, "fainter than the limit Gaia_G=17": 1},
    }
    missing = [note for note in summary["notes"] if "of 0.0 in column" in note]
    assert len(missing) == 3
    assert any(note.startswith("2 values of 0.0 in column Gaia_RP") for note in missing)


def test_sources_are_the_input_rows_in_order(fitted, stars):
    out, _ = fitted
    sources = Table.read(out / "sources.ecsv")
    assert sources["id"].tolist() == [str(value) for value in stars["source_id"]]
    reasons = np.ma.filled(sources["drop_reason"], "").tolist()
    assert [reasons[row] for row in (0, -2, -1)] == [
        "no usable magnitude",
        "duplicate id",
        "fainter than the limit Gaia_G=17",
    ]
    used = np.asarray(sources["used"])
    assert used.tolist() == [reason == "" for reason in reasons]
    for name in ("p_member", "mass", "q"):
        values = np.ma.filled(sources[name].astype(float), np.nan)
        assert np.isnan(values[~used]).all()
    given = np.asarray(stars["Gaia_G"])
    assert np.ma.filled(sources["Gaia_G"], np.nan)[used] == pytest.approx(given[used])
    p_member = np.ma.filled(sources["p_member"], np.nan)
    assert np.isfinite(p_member[used]).all()
    member = np.asarray(stars["is_member"] == "True")
    assert p_member[used & member].mean() > 0.8
    assert p_member[used & ~member].mean() < 0.35
    likely = used & member & (p_member > 0.9)
    mass, ratio = (np.ma.filled(sources[name].astype(float), np.nan) for name in ("mass", "q"))
    assert ((ratio >= 0) & (ratio <= 1))[likely].all()
    assert np.median(np.abs(mass - stars["mass"])[likely]) < 0.05
    pull = np.ma.filled(sources["Gaia_G_residual"] / sources["Gaia_G_error"], np.nan)
    assert np.isnan(pull[~used]).all()
    assert np.median(np.abs(pull[likely])) < 1.5


def test_the_stored_result_is_what_was_written(fitted):
    out, _ = fitted
    result = FitResult.load(out)
    summary = document(out / "summary.json")
    assert json.loads(json.dumps(result.summary())) == summary["parameters"]
    sources = Table.read(out / "sources.ecsv")
    np.testing.assert_allclose(result.p_member, np.ma.filled(sources["p_member"], np.nan), rtol=1e-12)
    assert result.chain.shape == (60, result.diagnostics["n_walkers"], len(result.names))
    assert {curve.kind for curve in result.curves} == {"best", "fan", "binary"}


def test_the_record_is_complete(fitted, repository):
    out, _ = fitted
    content = document(out / "record.json")
    jsonschema.validate(content, document(repository / "docs" / "schemas" / "record.schema.json"))
    record = content["record"]
    assert (record["name"], record["dataToolType"], record["status"]) == ("stars", "cluster_modeling", "completed")
    assert record["errorMessages"] in (None, [])
    assert record["startedOn"] <= record["completedOn"]
    assert {artefact["name"] for artefact in content["result"]["artefacts"]} <= FILES
    assert content["result"]["parameters"]["log_age"]["median"] == FitResult.load(out).summary()["log_age"]["median"]


@pytest.mark.parametrize("name", ["cmd.png", "hr.png", "corner.png"])
def test_plots_are_pictures(fitted, name):
    path = fitted[0] / name
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = matplotlib.image.imread(path)
    assert 600 <= min(pixels.shape[:2]) <= max(pixels.shape[:2]) <= 4000
    grey = pixels[:, :, :3].mean(axis=2)
    assert 0.01 < np.mean(grey < 0.9) < 0.7  # neither blank nor black
    edges = [grey[0], grey[-1], grey[:, 0], grey[:, -1]]
    assert min(edge.min() for edge in edges) > 0.98  # nothing is cut off


def test_provenance_says_what_was_fitted(fitted, folder):
    provenance = document(fitted[0] / "summary.json")["provenance"]
    assert provenance["input"]["checksum"] == hashlib.sha256((folder / "stars.csv").read_bytes()).hexdigest()
    grid = json.loads(succeed("grid", "info", "parsec", "--json", cwd=folder).stdout)
    loaded = IsochroneGrid.load("parsec", bands=("G", "BP", "RP"))
    assert provenance["grid"] == {
        "name": "parsec",
        "digest": loaded.digest,  # of the file, the dust and the refinement together
        "file_digest": grid["digest"],
        "extinction_law": "tables",
        "r_v": 3.1,
    }
    assert provenance["seed"] == 5
    assert provenance["package_version"] == clusterbayes.__version__
    assert provenance["settings"]["model_error"] == "none"
    assert provenance["priors"]["mh"].startswith("normal(-0.1, 0.4")
    assert provenance["fixed"]["floor_Gaia_G"] == 0.0


# --- the same numbers again ------------------------------------------------------------------------------------------


def numbers(out: Path) -> dict:
    """Return a summary without what must differ between two runs."""
    summary = document(out / "summary.json")
    del summary["diagnostics"]["wall_seconds"], summary["provenance"]["created_on"]
    return summary


def test_equal_seeds_give_equal_numbers_with_any_number_of_threads(fitted, folder):
    words = ["fit", "stars.csv", "--mag-limit", "G=17", *FEW_STEPS, "--quiet", "--out", "again"]
    done = succeed(*words, "--seed", "5", "--threads", "2", "--json", cwd=folder)
    assert numbers(folder / "again") == numbers(folder / "fit")
    assert json.loads(done.stdout) == document(folder / "again" / "summary.json")
    assert [line.strip() for line in done.stderr.splitlines()][0].startswith("Not converged")  # never kept quiet
    one, other = FitResult.load(folder / "fit"), FitResult.load(folder / "again")
    np.testing.assert_array_equal(one.chain, other.chain)
    assert (folder / "fit" / "sources.ecsv").read_text() == (folder / "again" / "sources.ecsv").read_text()

    (folder / "again" / "notes.txt").write_text("mine")
    succeed(*words, "--seed", "6", "--threads", "2", "--overwrite", cwd=folder)
    assert names(folder / "again") == FILES | {"notes.txt"}
    assert numbers(folder / "again")["parameters"] != numbers(folder / "fit")["parameters"]


# --- everything that a user may say ----------------------------------------------------------------------------------


def test_a_fit_with_centre_parallaxes_priors_and_model_errors(folder):
    """Positions by an annulus, columns by a map, parallaxes, a prior, a fixed value, and the default model errors."""
    succeed("simulate", "--out", "wide.fits", "--parallax", "--n-members", "60", "--n-field", "60", cwd=folder)
    table = Table.read(folder / "wide.fits")
    rng = np.random.default_rng(1)
    member = np.asarray(table["is_member"], dtype=bool)
    distance = np.where(member, 0.1 * rng.random(120), 0.5 * np.sqrt(rng.random(120)))
    angle = 2 * np.pi * rng.random(120)
    table["ra"] = 150.0 + distance * np.cos(angle) / np.cos(np.radians(40.0))
    table["dec"] = 40.0 + distance * np.sin(angle)
    table.rename_columns(["Gaia_G", "Gaia_G_error", "id"], ["mymag", "sd", "who"])
    table.write(folder / "mine.vot", format="votable")
    done = succeed(
        "fit", "mine.vot", "--out", "mine", "--map", "mymag=G", "--map", "sd=G_error", "--map", "who=id",
        "--observables", "G,BP-RP", "--center", "150,40", "--radius", "0.2", "--prior", "mh=normal(0,0.1)",
        "--prior", "log_age=normal(9,0.2)",
        "--fix", "alpha_1=1.3", "--parallax-zero-point", "applied", "--steps", "25", "--threads", "1",
        "--name", "My cluster", "--creator-id", "7", cwd=folder,
    )  # fmt: skip
    assert "faint limit Gaia_G=" in done.stderr
    summary = document(folder / "mine" / "summary.json")
    parameters, provenance = summary["parameters"], summary["provenance"]
    assert parameters.keys() >= {*PROMISED, "depth", "parallax_zero_point", "floor_Gaia_BP", "colour_3.72"}
    assert (parameters["alpha_1"]["median"], parameters["alpha_1"]["std"]) == (1.3, 0.0)
    assert provenance["priors"]["mh"].startswith("normal(0, 0.1")
    assert provenance["priors"]["parallax_zero_point"] == "normal(0, 0.012)"
    assert (provenance["settings"]["center"], provenance["settings"]["radius"]) == ([150.0, 40.0], 0.2)
    assert provenance["settings"]["n_control"] >= 20
    assert summary["counts"]["dropped"].keys() >= {"outside radius (used as field)", "between radius and 1.5 radii"}
    assert abs(parameters["dist_mod"]["median"] - 10.0) < 0.3
    record = document(folder / "mine" / "record.json")["record"]
    assert (record["name"], record["creatorId"]) == ("My cluster", 7)
    sources = Table.read(folder / "mine" / "sources.ecsv")
    assert sources["id"].tolist() == [str(name) for name in table["who"]]
    assert {"mymag", "ra", "dec", "parallax"} <= set(sources.colnames)


def test_demo_compares_with_the_truth(folder):
    words = ["demo", "--n-stars", "60", "--field-frac", "0.2", "--log-age", "9", "--steps", "40", "--threads", "1"]
    done = succeed(*words, "--out", "demo", "--quiet", cwd=folder)
    assert names(folder / "demo") == FILES
    for text in ("Truth and posterior", "log_age", "dist_mod", "inside 68 %", "Of 6 truths"):
        assert text in done.stdout


# --- looking around --------------------------------------------------------------------------------------------------


def test_grids_are_listed_and_described(folder):
    assert "parsec" in succeed("grid", "list", cwd=folder).stdout
    grids = json.loads(succeed("grid", "list", "--json", cwd=folder).stdout)
    assert len(grids["parsec"]["bands"]) >= 20
    described = succeed("grid", "info", "parsec", cwd=folder).stdout
    for text in ("PARSEC", "Bressan", "Gaia_BP", "log10 yr", "dex"):
        assert text in described


def test_version_and_entry_point(folder):
    assert succeed("--version", cwd=folder).stdout == f"clusterbayes {clusterbayes.__version__}\n"
    (script,) = entry_points(group="console_scripts", name="clusterbayes")
    assert script.value == "clusterbayes.cli:main"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], ["fit", "simulate", "demo", "grid", "--version"]),
        (["fit"], ["--example", "--observables", "--mag-limit", "--prior", "--fix", "--overwrite", "Examples"]),
        (["simulate"], ["--log-age", "--n-field", "--bands", "Examples"]),
        (["demo"], ["--n-stars", "--seed", "Examples"]),
        (["grid"], ["list", "info"]),
        (["grid", "list"], ["--json"]),
        (["grid", "info"], ["NAME|FILE", "--json"]),
    ],
)
def test_help_of_every_command(folder, words, told):
    shown = succeed(*words, "--help", cwd=folder).stdout
    for text in told:
        assert text in shown
