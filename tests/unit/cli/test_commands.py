from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from astropy.table import Table
from unit.results.synthetic import TRUTH, make_result

from clusterbayes.errors import FitCancelled, FitError
from clusterbayes.inference import SamplingOptions
from clusterbayes.inference.verdict import warn_unless_converged
from clusterbayes.model.simulate import SimulatedCluster

ALL = {"summary.json", "sources.ecsv", "result.h5", "record.json", "cmd.png", "hr.png", "corner.png", "report.html"}
ALL |= {"checks.json"}


def names(folder):
    return {entry.name for entry in folder.iterdir()}


# --- fit -------------------------------------------------------------------------------------------------------------


def test_fit_writes_everything(run, catalogue, calls, tmp_path):
    code, out, err = run("fit", catalogue, "--out", tmp_path / "out")
    assert code == 0, err
    assert names(tmp_path / "out") == ALL
    assert out == ""
    assert "log_age" in err
    assert "5/8 sample" in err
    options = calls[0][1]
    assert options["grid"] == "parsec"
    assert (options["extinction_law"], options["r_v"]) == ("tables", 3.1)
    assert options["mag_limit"] == "auto"
    assert options["model_error"] == "default"
    assert options["center"] is options["radius"] is options["priors"] is options["fixed"] is options["control"] is None
    record = json.loads((tmp_path / "out" / "record.json").read_text())["record"]
    assert (record["name"], record["status"], record["creatorId"]) == ("stars", "completed", 0)


def test_fit_hands_on_every_option(run, catalogue, calls, tmp_path):
    code, _, err = run(
        "fit", catalogue, "--out", tmp_path / "out", "--observables", "G,BP-RP", "--map", "G=Gaia_G",
        "--default-error", "0.02", "--mag-limit", "G=15", "--parallax-zero-point", "applied", "--grid", "mist",
        "--model-error", "none", "--prior", "mh=normal(0,0.1)", "--prior", "a_v=uniform(0,1)", "--fix", "alpha_1=1.3",
        "--seed", "9", "--steps", "77", "--seconds", "90.5", "--ess", "400", "--threads", "1", "--control", catalogue,
        "--name", "M 67", "--creator-id", "4", "--quiet", "--extinction-law", "F19", "--r-v", "3.4",
        "--proper-motion", "ignore", "--pm-window", "-11,-2.9,1", "--no-positions",
    )  # fmt: skip
    assert (code, err) == (0, "")
    photometry, options = calls[0]
    assert (options["proper_motion"], options["pm_window"], options["positions"]) == ("ignore", "-11,-2.9,1", False)
    assert (options["extinction_law"], options["r_v"]) == ("F19", 3.4)
    assert [observable.name for observable in photometry.observables] == ["Gaia_G", "Gaia_BP-Gaia_RP"]
    assert photometry.parallax_zero_point == "applied"
    assert (options["sampling"].max_steps, options["sampling"].n_threads) == (77, 1)
    assert (options["sampling"].max_seconds, options["sampling"].target_ess) == (90.5, 400)
    assert options["priors"] == {"mh": "normal(0,0.1)", "a_v": "uniform(0,1)"}
    assert options["fixed"] == {"alpha_1": 1.3}
    assert (options["grid"], options["mag_limit"], options["model_error"]) == ("mist", "G=15", "none")
    assert options["seed"] == 9
    assert options["control"].observables == photometry.observables
    record = json.loads((tmp_path / "out" / "record.json").read_text())["record"]
    assert (record["name"], record["creatorId"]) == ("M 67", 4)


def test_what_sampling_may_take_is_that_of_the_library_if_nothing_is_said(run, catalogue, calls, tmp_path):
    assert run("fit", catalogue, "--out", tmp_path / "out", "-q")[0] == 0
    assert calls[0][1]["sampling"] == SamplingOptions()


@pytest.mark.parametrize(
    "words", [("--seconds", "0"), ("--seconds", "-3"), ("--seconds", "nan"), ("--seconds", "soon"), ("--ess", "0")]
)
def test_budgets_that_are_none_are_refused(run, catalogue, calls, tmp_path, words):
    code, _, err = run("fit", catalogue, "--out", tmp_path / "out", *words)
    assert (code, calls, (tmp_path / "out").exists()) == (2, [], False)
    assert words[0].strip("-") in err


def test_cuts_of_quality_are_handed_on(run, catalogue, calls, tmp_path):
    code, _, err = run("fit", catalogue, "--out", tmp_path / "out", "--max-ruwe", "1.4")
    assert (code, "RUWE" in err) == (2, True)
    code, _, err = run("fit", catalogue, "--out", tmp_path / "out", "--max-excess", "5")
    assert (code, "excess" in err) == (2, True)
    code, _, err = run("fit", catalogue, "--out", tmp_path / "out", "--parallax-zero-point", "lindegren")
    assert (code, "parallax" in err) == (2, True)
    assert calls == []


def test_center_and_radius(run, catalogue, calls, tmp_path):
    run("fit", catalogue, "--out", tmp_path / "out", "--center", "83.1,-5.4", "--radius", "0.5", "-q")
    assert (calls[0][1]["center"], calls[0][1]["radius"]) == ((83.1, -5.4), 0.5)
    code, _, err = run("fit", catalogue, "--out", tmp_path / "b", "--radius", "0.5")
    assert code == 2
    assert "belong together" in err


def test_json_alone_on_standard_output(run, catalogue, calls, tmp_path):
    code, out, err = run("fit", catalogue, "--out", tmp_path / "out", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert "log_age" in err


def test_the_example(run, calls, tmp_path):
    code, _, err = run("fit", "--example", "ruprecht147", "--out", tmp_path / "out")
    assert code == 0, err
    assert calls[0][0].n_input == 440
    assert "437 of 440 rows used" in err
    assert "Checks of the fit: good. Nothing was found." in err
    code, _, err = run("fit", "--example", "ruprecht148", "--out", tmp_path / "b")
    assert (code, "Did you mean ruprecht147" in err) == (2, True)
    code, _, err = run("fit", "--example", "ruprecht147", "--observables", "G,RP", "--out", tmp_path / "b")
    assert (code, "observables" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.csv"], "missing.csv"),
        ([], "table or --example"),
        (["{table}", "--example", "ruprecht147"], "table or --example"),
        (["{table}", "--center", "1;2", "--radius", "1"], "--center"),
        (["{table}", "--prior", "mh"], "--prior"),
        (["{table}", "--fix", "a_v=blue"], "--fix"),
        (["{table}", "--default-error", "V"], "--default-error"),
        (["{table}", "--observables", "G,Q"], "Q"),
        (["{table}", "--control", "nowhere.csv"], "nowhere.csv"),
        (["{table}", "--steps", "0"], "--steps"),
        (["{table}", "--model-error", "some"], "--model-error"),
    ],
)
def test_bad_input_ends_with_a_message(run, catalogue, calls, tmp_path, words, message):
    words = [word.format(table=catalogue) for word in words]
    code, out, err = run("fit", *words, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
    assert calls == []


def test_existing_folder_is_refused_before_any_work(run, calls, tmp_path):
    (tmp_path / "precious.txt").write_text("keep")
    code, _, err = run("fit", "missing.csv", "--out", tmp_path)
    assert code == 2
    assert "--overwrite" in err
    assert "missing.csv" not in err
    assert names(tmp_path) == {"precious.txt"}


def test_overwrite(run, catalogue, calls, tmp_path):
    for _ in range(2):
        code, _, err = run("fit", catalogue, "--out", tmp_path / "out", "--overwrite", "-q")
        assert code == 0, err
    assert names(tmp_path / "out") == ALL


def test_a_failed_fit_leaves_a_failed_record(run, catalogue, tmp_path, monkeypatch):
    def fit_cluster(*args, **options):
        raise FitError("the chain [went] nowhere", stage="sample")

    monkeypatch.setattr("clusterbayes.inference.fit.fit_cluster", fit_cluster)
    code, _, err = run("fit", catalogue, "--out", tmp_path / "out")
    assert code == 2
    assert "the chain [went] nowhere" in err
    assert names(tmp_path / "out") == {"record.json"}
    record = json.loads((tmp_path / "out" / "record.json").read_text())["record"]
    assert (record["status"], record["currentStage"]) == ("failed", "sample")


def test_interruption(run, catalogue, tmp_path, monkeypatch):
    def fit_cluster(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("clusterbayes.inference.fit.fit_cluster", fit_cluster)
    code, _, err = run("fit", catalogue, "--out", tmp_path / "out", "-q")
    assert (code, "nothing was written" in err) == (130, True)
    assert not (tmp_path / "out").exists()


# --- checkpoints -----------------------------------------------------------------------------------------------------


@pytest.fixture
def no_plots(monkeypatch):
    """Write empty files instead of plots and the report, which take seconds."""

    def write_pictures(result, folder, title, checks):
        for name in ("cmd.png", "hr.png", "corner.png", "report.html"):
            (folder / name).write_bytes(b"")

    monkeypatch.setattr("clusterbayes.results.export._write_pictures", write_pictures)


@pytest.fixture
def broken_off(monkeypatch, no_plots):
    """Replace the fit by one that writes something into the checkpoint, and ends as it is told to."""
    made = make_result(n_member=30, n_field=10, n_unused=3)
    seen, plan = [], []

    def fit_cluster(photometry, **options):
        place = options["checkpoint"]
        if options["restart"]:
            place.unlink()
        seen.append((place, place.read_text() if place.exists() else None))
        place.write_text(f"run {len(seen)}")
        error = plan.pop(0)
        if error is not None:
            raise error
        return made

    monkeypatch.setattr("clusterbayes.inference.fit.fit_cluster", fit_cluster)
    return seen, plan


CANCELLED = FitCancelled("the fit was cancelled", "sample")


@pytest.mark.parametrize("error", [CANCELLED, KeyboardInterrupt()])
def test_a_fit_that_was_stopped_says_how_to_go_on(run, catalogue, broken_off, tmp_path, error):
    seen, plan = broken_off
    plan += [error, error, None]
    place = tmp_path / "out.checkpoint.h5"
    for _ in range(2):
        code, out, err = run("fit", catalogue, "--out", tmp_path / "out")
        assert (code, out) == (130, "")
        assert f"no results were written. Run the same command again to go on from {place}" in err
        assert ("in stage sample" in err) is (error is CANCELLED)
        assert not (tmp_path / "out").exists()
    code, _, err = run("fit", catalogue, "--out", tmp_path / "out")
    assert code == 0, err
    assert seen == [(place, None), (place, "run 1"), (place, "run 2")]
    assert names(tmp_path) == {"out", "stars.csv"} and names(tmp_path / "out") == ALL


def test_a_fit_can_be_begun_anew(run, catalogue, broken_off, tmp_path):
    seen, plan = broken_off
    plan += [CANCELLED, None]
    run("fit", catalogue, "--out", tmp_path / "out", "-q")
    code, _, err = run("fit", catalogue, "--out", tmp_path / "out", "-q", "--restart", "--steps", "3")
    assert code == 2 and "--steps" in err and "10" in err
    assert (tmp_path / "out.checkpoint.h5").read_text() == "run 1"
    assert run("fit", catalogue, "--out", tmp_path / "out", "-q", "--restart")[0] == 0
    assert [content for _, content in seen] == [None, None]


def test_in_a_folder_that_exists_the_checkpoint_is_inside(run, catalogue, broken_off, tmp_path):
    """It may be a file system of its own. What a killed run has left there is no reason to refuse it."""
    seen, plan = broken_off
    plan += [CANCELLED, None, CANCELLED, None]
    folder = tmp_path / "out"
    folder.mkdir()
    words = ["fit", catalogue, "--out", folder, "-q"]
    assert run(*words)[0] == 130
    assert names(folder) == {"checkpoint.h5"}
    (folder / ".out.0a1b2c3d").mkdir()
    (folder / ".checkpoint.h5.0a1b2c3d").write_text("half")
    (folder / "cmd.png").write_text("killed while the files were moved")
    assert run(*words)[0] == 0
    assert names(folder) == ALL | {".out.0a1b2c3d"}  # young: another process may be writing it
    assert run(*words)[0] == 2
    for code in (130, 0):
        assert run(*words, "--overwrite")[0] == code
    assert names(folder) == ALL | {".out.0a1b2c3d"}
    assert [content for _, content in seen] == [None, "run 1", None, "run 3"]


def test_a_checkpoint_does_not_open_a_folder_with_other_things(run, catalogue, broken_off, tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("checkpoint.h5", "notes.txt"):
        (tmp_path / "out" / name).write_text("mine")
    code, _, err = run("fit", catalogue, "--out", tmp_path / "out")
    assert (code, "--overwrite" in err) == (2, True)


def test_a_failed_fit_leaves_nothing_to_go_on_from(run, catalogue, broken_off, tmp_path):
    broken_off[1].append(FitError("the chain went nowhere", stage="sample"))
    assert run("fit", catalogue, "--out", tmp_path / "out")[0] == 2
    assert names(tmp_path) == {"out", "stars.csv"} and names(tmp_path / "out") == {"record.json"}


def test_results_that_can_not_be_written_leave_the_checkpoint(run, catalogue, broken_off, tmp_path, monkeypatch):
    seen, plan = broken_off
    plan += [None, None, None]

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    def slow(*args, **options):
        raise KeyboardInterrupt

    for write, code in ((full, 2), (slow, 130)):
        monkeypatch.setattr("clusterbayes.records.write_outputs", write)
        assert run("fit", catalogue, "--out", tmp_path / "out", "-q")[0] == code
        assert names(tmp_path) == {"out.checkpoint.h5", "stars.csv"}
    monkeypatch.undo()
    assert [content for _, content in seen] == [None, "run 1"]


def test_signals_ask_the_fit_to_stop(run, catalogue, tmp_path, monkeypatch):
    def fit_cluster(photometry, *, cancel, **options):
        for _ in range(200):
            os.kill(os.getpid(), signal.SIGTERM) if not cancel() else None
            if cancel():
                raise CANCELLED
        raise AssertionError("nobody heard")

    monkeypatch.setattr("clusterbayes.inference.fit.fit_cluster", fit_cluster)
    code, _, err = run("fit", catalogue, "--out", tmp_path / "out", "-q")
    assert (code, "Interrupted in stage sample; nothing was written." in err) == (130, True)


def test_what_the_library_says_is_shown(run, catalogue, calls, no_plots, tmp_path, monkeypatch):
    """Going on is information, a checkpoint that can't be written a warning, which is never kept quiet."""
    import clusterbayes.inference.fit as module

    whole = module.fit_cluster

    def fit_cluster(*args, **options):
        logging.getLogger("clusterbayes.inference.sampler").info("going on from step [3] of 9")
        logging.getLogger("clusterbayes.inference.checkpoint").warning("no space left")
        return whole(*args, **options)

    monkeypatch.setattr(module, "fit_cluster", fit_cluster)
    _, _, err = run("fit", catalogue, "--out", tmp_path / "a")
    assert "going on from step [3] of 9" in err and "no space left" in err
    _, _, err = run("fit", catalogue, "--out", tmp_path / "b", "-q")
    assert err == "no space left\n"
    assert not logging.getLogger("clusterbayes").handlers


def test_the_chain_is_kept_on_request(run, catalogue, calls, no_plots, tmp_path):
    words = ["fit", catalogue, "--out", tmp_path / "out", "-q"]
    assert run(*words, "--keep-chain")[0] == 0
    assert names(tmp_path / "out") == ALL | {"chain.h5"}
    assert run(*words, "--overwrite")[0] == 0
    assert names(tmp_path / "out") == ALL  # one folder tells of one fit


def test_an_unconverged_fit_is_marked(run, catalogue, tmp_path, monkeypatch, caplog):
    made = make_result(n_member=30, n_field=10, converged=False)

    def fit_cluster(*args, **options):
        warn_unless_converged(made)  # as the library does
        return made

    monkeypatch.setattr("clusterbayes.inference.fit.fit_cluster", fit_cluster)
    for words in (["fit", catalogue], ["fit", catalogue, "--quiet"], ["demo"], ["demo", "--quiet"]):
        code, _, err = run(*words, "--out", tmp_path / "out", "--overwrite")
        assert code == 0
        assert err.count("Not converged") == 1
        assert err.count("50 are wanted") == 1
        assert caplog.records == []  # the log would say the same again


# --- simulate, demo --------------------------------------------------------------------------------------------------


@pytest.fixture
def simulated(monkeypatch):
    seen = []

    def simulate_cluster(*cluster, **options):
        seen.append((cluster, options))
        table = Table({"id": [f"{2**60 + k}" for k in range(40)]})
        rng = np.random.default_rng(1)
        for name in ("Gaia_G", "Gaia_BP", "Gaia_RP"):
            table[name], table[f"{name}_error"] = rng.uniform(12, 16, 40), np.full(40, 0.01)
        return SimulatedCluster(table, {**TRUTH, "mh": TRUTH["mh"] + 0.05})

    monkeypatch.setattr("clusterbayes.model.simulate.simulate_cluster", simulate_cluster)
    return seen


@pytest.mark.parametrize("ending", ["csv", "ecsv", "fits"])
def test_simulate_writes_table_and_truth(run, simulated, tmp_path, ending):
    path = tmp_path / "new" / f"mock.{ending}"
    code, out, err = run(
        "simulate", "--log-age", "8.5", "--mh", "-0.3", "--dist-mod", "9", "--a-v", "0.2", "--binary-frac", "0.5",
        "--n-members", "30", "--n-field", "10", "--bands", "BP, G,RP", "--mag-limit", "G=17", "--seed", "4", "-o", path,
        "--proper-motion", "--positions",
    )  # fmt: skip
    assert (code, out) == (0, ""), err
    asked = {name: simulated[0][1][name] for name in ("parallax", "proper_motion", "positions")}
    assert asked == {"parallax": False, "proper_motion": True, "positions": True}
    assert names(path.parent) == {path.name, "mock.truth.json"}
    assert len(Table.read(path)) == 40
    truth = json.loads((path.parent / "mock.truth.json").read_text())
    assert truth["log_age"] == TRUTH["log_age"]
    assert truth["mag_limit"] == "G=17"
    assert truth["bands"] == ["Gaia_BP", "Gaia_G", "Gaia_RP"]
    assert len(truth["grid"]["digest"]) == 64
    assert (truth["grid"]["extinction_law"], truth["grid"]["r_v"]) == ("tables", 3.1)
    cluster, options = simulated[0]
    assert cluster == (8.5, -0.3, 9.0, 0.2, 0.5, 30, 10)
    assert (options["mag_limit"], options["seed"], options["bands"]) == ("G=17", 4, ["Gaia_BP", "Gaia_G", "Gaia_RP"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bands", "G,Q"], "Q"),
        (["--bands", ","], "--bands"),
        (["--grid", "nope"], "nope"),
        (["-o", "mock.doc"], ".doc"),
        (["--extinction-law", "f19"], "Did you mean F19"),
        (["--r-v", "9"], "2 to 6"),
    ],
)
def test_simulate_with_bad_options(run, simulated, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = run("simulate", "-o", "mock.csv", *words)
    assert (code, message in err) == (2, True), err
    assert names(tmp_path) == set()


def test_simulate_under_another_law(run, simulated, tmp_path):
    code, _, err = run("simulate", "--extinction-law", "G23", "--r-v", "5", "-o", tmp_path / "mock.csv")
    assert code == 0, err
    assert simulated[0][1]["grid"].metadata["law"] == "G23"
    assert simulated[0][1]["grid"].r_v == 5.0
    truth = json.loads((tmp_path / "mock.truth.json").read_text())
    assert (truth["grid"]["extinction_law"], truth["grid"]["r_v"]) == ("G23", 5.0)


def test_simulate_keeps_existing_files(run, simulated, tmp_path):
    (tmp_path / "mock.truth.json").write_text("old")
    code, _, err = run("simulate", "-o", tmp_path / "mock.csv")
    assert (code, "--overwrite" in err) == (2, True)
    assert (tmp_path / "mock.truth.json").read_text() == "old"
    assert run("simulate", "-o", tmp_path / "mock.csv", "--overwrite")[0] == 0


def test_demo_compares_with_the_truth(run, simulated, calls, tmp_path):
    code, out, err = run("demo", "--out", tmp_path / "demo", "--seed", "3", "--steps", "50")
    assert code == 0, err
    assert names(tmp_path / "demo") == ALL
    assert "Of 6 truths, 5 lie inside 68 % and 6 inside 90 %." in out
    assert calls[0][1]["seed"] == 3
    assert calls[0][1]["sampling"].max_steps == 50
    assert simulated[0][0][-2:] == (240, 160)


# --- grid, help ------------------------------------------------------------------------------------------------------


def test_grid_list_and_info(run):
    code, out, _ = run("grid", "list")
    assert (code, "parsec" in out) == (0, True)
    assert "parsec" in json.loads(run("grid", "list", "--json")[1])
    code, out, _ = run("grid", "info", "parsec")
    assert code == 0
    assert "Bressan et al. 2012" in out
    assert "2MASS_Ks" in out
    info = json.loads(run("grid", "info", "parsec", "--json")[1])
    assert info["bands"]["SDSS_g"] == "AB"
    code, _, err = run("grid", "info", "parsecs")
    assert (code, "parsec" in err) == (2, True)


@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"], ["simulate", "-h"], ["demo", "-h"], ["grid", "-h"]])
def test_help_teaches(run, words):
    code, out, _ = run(*words)
    assert code == 0
    assert "[bold]" not in out
    assert "[cyan]" not in out
    if words[0] in ("fit", "simulate", "demo"):
        assert "Examples" in out
        assert f"clusterbayes {words[0]} " in out


@pytest.mark.parametrize(
    ("command", "units"),
    [
        ("fit", {"--center": "deg", "--radius": "deg", "--mag-limit": "mag", "--default-error": "mag", "--fix": "mag"}),
        ("simulate", {"--log-age": "log10 yr", "--mh": "dex", "--dist-mod": "mag", "--a-v": "mag"}),
        ("demo", {"--log-age": "log10 yr", "--mh": "dex", "--dist-mod": "mag", "--a-v": "mag"}),
    ],
)
def test_help_names_units_and_defaults(run, command, units):
    lines = [line for line in run(command, "--help")[1].splitlines() if line.startswith("│")]
    for option, unit in units.items():
        line = next(line for line in lines if f" {option} " in line)
        assert f"({unit})" in line, line
    assert any("[default: 1]" in line and "--seed" in line for line in lines)


def test_version(run):
    import clusterbayes

    assert run("--version")[:2] == (0, f"clusterbayes {clusterbayes.__version__}\n")


def test_help_is_light():
    code = (
        "import sys\nfrom clusterbayes.cli import main\n"
        "try:\n    main(['fit', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'astropy', 'scipy', 'numba', 'matplotlib', 'h5py', 'sklearn', 'emcee'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
