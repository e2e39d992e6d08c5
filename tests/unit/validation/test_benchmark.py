"""Reading truth tables, and what a benchmark says of fits."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from unit.results.synthetic import make_result

from clusterbayes.errors import CheckpointError, InputError, SettingsError
from clusterbayes.validation import benchmark
from clusterbayes.validation.benchmark import benchmark_table, read_truth, run_benchmark, verdicts
from clusterbayes.validation.benchmark_page import write_benchmark

HEAD = (
    "file,cluster,kind,log_age,log_age_sigma,mh,mh_sigma,dist_mod,dist_mod_sigma,a_v,a_v_sigma,ra,dec,radius_deg,"
    "observables,default_error,control,sources"
)
ROWS = [
    "one,One,open,9.0,0.03,0.0,0.1,10,0.03,0.1,0.04,,,,G;BP;RP,,,x",
    "two,Two,open,8.0,0.04,0.0,0.1,10,0.03,,,10,-5,0.5,V;B_V,0.02,c.ecsv,x",
    "two_b,Two,open,8.0,0.04,0.0,0.1,10,0.03,0.1,0.04,,,,g;r,,,x",
    "ball,Ball,globular,10.1,0.04,-1.3,0.1,14,0.03,0.1,0.04,,,,V;B_V,,,x",
]


@pytest.fixture
def truth(tmp_path):
    place = tmp_path / "truth.csv"
    place.write_text("\n".join(["# a comment", HEAD, *ROWS]), encoding="utf-8")
    return place


def outcome(entry, **off):
    """A fit that is off by so much, with standard deviations of 0.04."""
    parameters = {}
    for name, (value, _) in entry.reference.items():
        middle = (value if np.isfinite(value) else 0.1) + off.get(name, 0.0)
        parameters[name] = {"median": middle, "std": 0.04}
    fit = {"parameters": parameters, "counts": {"used": 100}}
    return {"entry": asdict(entry), "fit": {**fit, "diagnostics": {"converged": True, "wall_seconds": 3.0}}}


def value(said, what):
    return next(v for v in said if v["what"].startswith(what))


def test_a_truth_table_is_read(truth):
    one, two, _, ball = read_truth(truth)
    assert one.observables == "G,BP,RP" and one.center is None and one.default_error is None
    assert one.reference["log_age"] == (9.0, 0.03)
    assert (two.center, two.radius, two.default_error, two.control) == ((10.0, -5.0), 0.5, 0.02, "c.ecsv")
    assert np.isnan(two.reference["a_v"]).all()
    assert ball.kind == "globular"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("9.0,0.03", "old,0.03", "column 'log_age', row 0"),
        ("10,-5,0.5", "10,,0.5", "a centre needs ra, dec and radius_deg"),
        ("log_age_sigma", "sigma", "lacks a column"),
    ],
)
def test_what_is_wrong_with_a_truth_table_is_said(truth, old, new, message):
    truth.write_text(truth.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_truth(truth)


def test_pulls_are_over_both_uncertainties(truth):
    one = read_truth(truth)[0]
    row = benchmark_table([outcome(one, log_age=0.1)])[0]
    assert row["log_age_pull"] == pytest.approx(0.1 / 0.05)
    assert row["a_v_pull"] == pytest.approx(0.0, abs=1e-9)


def test_clusters_count_once_and_references_by_their_weight(truth):
    one, two, two_b, _ = read_truth(truth)
    table = benchmark_table([outcome(one, log_age=0.06), outcome(two, log_age=0.02), outcome(two_b, log_age=-0.04)])
    said = verdicts(table)
    squares = (0.5 * 0.02**2 + 0.5 * 0.04**2, 0.06**2)
    weights = (1 / 0.04**2, 1 / 0.03**2)
    assert value(said, "rms of log_age, weighted")["value"] == pytest.approx(
        np.sqrt(np.average(squares, weights=weights))
    )
    assert value(said, "rms of log_age, unweighted")["value"] == pytest.approx(np.sqrt(np.mean(squares)))
    worst = value(said, "largest")
    assert worst["value"] == pytest.approx(0.06) and worst["holds"]
    assert value(said, "Two: catalogues apart in log_age")["value"] == pytest.approx(0.06 / np.hypot(0.04, 0.04))


def test_a_bad_age_and_a_bad_globular_do_not_hold(truth):
    one, _, _, ball = read_truth(truth)
    said = verdicts(benchmark_table([outcome(one, log_age=0.25), outcome(ball, dist_mod=0.2)]))
    assert value(said, "largest")["holds"] is False
    assert value(said, "rms of Δ log_age")["holds"] is False
    assert value(said, "ball: |Δ dist_mod|")["holds"] is False
    assert value(said, "ball: |Δ log_age|")["holds"] is True


def test_a_page_says_what_was_fitted_and_what_was_not(truth, tmp_path):
    one, two, _, _ = read_truth(truth)
    write_benchmark([outcome(one), {"entry": asdict(two), "error": "InputError: too few stars"}], tmp_path)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "1 catalogues of 1 clusters" in page and "`two` was not fitted: InputError: too few stars" in page
    assert {"benchmark.ecsv", "benchmark.csv", "benchmark.png"} <= {path.name for path in tmp_path.iterdir()}


def test_a_catalogue_that_is_missing_is_an_outcome_not_the_end(truth, tmp_path):
    lines: list[str] = []
    found = run_benchmark(tmp_path, truth, tmp_path / "out", only=["one"], n_workers=1, tell=lines.append)
    assert "no such catalogue" in found[0]["error"]
    assert lines and lines[0].startswith("one: failed")
    with pytest.raises(SettingsError, match="unknown catalogue 'on'"):
        run_benchmark(tmp_path, truth, tmp_path / "out", only=["on"], n_workers=1)


def test_a_catalogue_that_is_to_be_read_otherwise_is_fitted_again(truth, tmp_path, monkeypatch):
    fitted: list[tuple[str, str]] = []

    def fit_one(task):
        fitted.append((task.entry.file, task.entry.observables))
        kept = {"file": task.entry.file, "reading": task.entry.reading(), **outcome(task.entry)}
        benchmark.Outcomes(task.out, task.settings).keep(task.entry.file, kept)
        return task.entry.file

    monkeypatch.setattr(benchmark, "_fit_one", fit_one)

    def run():
        run_benchmark(tmp_path, truth, tmp_path / "out", only=["one", "two"], n_workers=1, tell=lambda text: None)
        return [fitted.pop() for _ in list(fitted)]

    assert len(run()) == 2 and run() == []
    text = truth.read_text(encoding="utf-8")
    truth.write_text(text.replace("9.0,0.03", "9.1,0.02"), encoding="utf-8")
    assert run() == []  # a reference may change without a new fit
    truth.write_text(text.replace("G;BP;RP", "G;BP_RP"), encoding="utf-8")
    assert run() == [("one", "G,BP_RP")]
    truth.write_text(text.replace("10,-5,0.5", "10,-5,0.4"), encoding="utf-8")
    assert {file for file, _ in run()} == {"one", "two"}


@pytest.fixture
def fitted(tmp_path, monkeypatch):
    """Run the benchmark of one catalogue with a control field, fits invented, and return whether it was fitted."""
    truth = tmp_path / "truth.csv"
    truth.write_text("\n".join([HEAD, ROWS[1]]), encoding="utf-8")
    for name in ("two.csv", "c.ecsv"):
        (tmp_path / name).write_text("as it was", encoding="utf-8")
    calls: list[str] = []

    def fit(task, checkpoint):
        calls.append(task.entry.file)
        return make_result()

    def write_outputs(result, folder, **options):
        folder.mkdir(parents=True, exist_ok=True)
        document = {"diagnostics": {"wall_seconds": 1.0}}
        (folder / "summary.json").write_text(json.dumps(document), encoding="utf-8")

    monkeypatch.setattr(benchmark, "_fit", fit)
    monkeypatch.setattr("clusterbayes.records.write_outputs", write_outputs)
    monkeypatch.setattr(benchmark, "isochrone_digests", lambda grid: {"grid": "one", "corrections": "one"})

    def run():
        run_benchmark(tmp_path, truth, tmp_path / "out", n_workers=1, tell=lambda text: None)
        return bool([calls.pop() for _ in list(calls)])

    return run


@pytest.mark.parametrize("name", ["two.csv", "c.ecsv"])
def test_a_catalogue_or_control_field_of_other_contents_is_fitted_again(fitted, tmp_path, name):
    assert fitted() and not fitted()
    (tmp_path / name).write_text("as it was", encoding="utf-8")  # written again, with the same contents
    assert not fitted()
    (tmp_path / name).write_text("as it is now", encoding="utf-8")
    assert fitted() and not fitted()
    (tmp_path / name).unlink()
    assert not fitted()  # a fit that can't be made again is kept


def test_a_grid_of_other_contents_lets_all_be_fitted_again(fitted, monkeypatch):
    assert fitted() and not fitted()
    for digests in ({"grid": "two", "corrections": "one"}, {"grid": "two", "corrections": "two"}):
        monkeypatch.setattr(benchmark, "isochrone_digests", lambda grid, digests=digests: digests)
        assert fitted() and not fitted()


def test_outcomes_that_do_not_keep_what_was_read_count_as_done(fitted, tmp_path):
    assert fitted()
    place = tmp_path / "out" / "outcomes" / "two.json"
    kept = json.loads(place.read_text(encoding="utf-8"))
    assert set(kept.pop("content")) == {"catalogue", "control", "grid", "corrections"}
    place.write_text(json.dumps(kept), encoding="utf-8")
    (tmp_path / "two.csv").write_text("as it is now", encoding="utf-8")
    assert not fitted()


def test_of_a_reference_that_is_blank_nothing_can_be_said(truth, tmp_path):
    one, _, _, ball = read_truth(truth)
    nothing = (float("nan"), float("nan"))
    blank = [replace(entry, reference={**entry.reference, "log_age": nothing}) for entry in (one, ball)]
    said = write_benchmark([outcome(entry) for entry in blank], tmp_path)
    for what in ("rms of log_age, weighted", "largest", "rms of Δ log_age", "ball: |Δ log_age|"):
        assert np.isnan(value(said, what)["value"]) and value(said, what)["holds"] is None
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| ball: \\|Δ log_age\\| over combined σ |  | at most 2 | nothing can be said |" in page
    assert "| ball: \\|Δ dist_mod\\| over combined σ | 0.000 | at most 2 | holds |" in page
    known = verdicts(benchmark_table([outcome(one), outcome(ball, log_age=0.5)]))
    assert value(known, "ball: |Δ log_age|")["holds"] is False
    assert all(v["holds"] is not None for v in known if v["bound"])


def test_a_fit_of_another_table_that_was_broken_off_does_not_stand_in_the_way(truth, tmp_path, monkeypatch):
    checkpoint = tmp_path / "one.checkpoint.h5"
    checkpoint.write_bytes(b"of another table")

    def fit(task, path):
        if path.exists():
            raise CheckpointError("the checkpoint is of another fit", str(path))
        return "a fit"

    monkeypatch.setattr(benchmark, "_fit", fit)
    task = benchmark._Task(read_truth(truth)[0], tmp_path, tmp_path, {})
    assert benchmark._fit_or_begin_anew(task, checkpoint) == "a fit"
