from __future__ import annotations

import numpy as np
import pytest
from unit.photometry.samples import SUMMARY, afterglow, afterglow_row

from clusterbayes.photometry import Photometry
from clusterbayes.photometry.limits import stated_limit


@pytest.fixture(autouse=True)
def inside_a_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def export(tmp_path):
    """A long table of 40 stars in two filters, with a row in a filter that nobody knows."""
    rng = np.random.default_rng(1)
    rows = [
        afterglow_row(f"s{k}", band, v + shift + rng.normal(0, 0.004), dec=-61.6 + 0.001 * k)
        for k, v in enumerate(np.linspace(12, 16, 40))
        for band, shift in (("B", 0.1 * (v - 10)), ("V", 0.0))
    ]
    path = tmp_path / "export.csv"
    path.write_text(afterglow(*rows, afterglow_row("s1", "Open", 12.0)))
    return path


def test_inspect_says_what_is_used_left_out_and_guessed_and_draws_it(run, export, tmp_path):
    code, out, err = run("inspect", export)
    assert (code, err) == (0, "")
    for text in (
        "layout: Afterglow batch photometry",
        "calibrated_mag -> calibrated_mag",
        "not read: file_id",
        "40 of 40 rows used",
        "1 measurement left out: filter not understood: Open",
        "export_cmd.png",
    ):
        assert text in out
    assert (tmp_path / "export_cmd.png").read_bytes().startswith(b"\x89PNG")


def test_inspect_refuses_what_a_fit_would_refuse(run, tmp_path):
    (tmp_path / "summary.csv").write_text(SUMMARY)
    code, _, err = run("inspect", tmp_path / "summary.csv")
    assert code == 2
    assert "summary of clusters" in err
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.csv"]


def test_a_dry_run_counts_and_draws_but_fits_nothing(run, export, tmp_path, monkeypatch):
    monkeypatch.setattr("clusterbayes.inference.fit.fit_cluster", lambda *_, **__: pytest.fail("this was to be dry"))
    code, out, _ = run("fit", export, "--out", "mine", "--dry-run", "--mag-limit", "V=14")
    assert code == 0
    assert "20 of 40 rows used" in out
    assert "left out: 20 (fainter than the limit V=14)" in out
    assert out.endswith("Nothing was fitted.\n")
    assert {entry.name for entry in tmp_path.iterdir()} == {"export.csv", "mine.cmd.png"}


def test_a_dry_run_needs_no_folder_and_draws_here(run, export, tmp_path):
    code, out, _ = run("fit", export, "--dry-run", "--mag-limit", "V=14")
    assert code == 0
    assert "20 of 40 rows used" in out
    assert "colour-magnitude diagram in export_dry_run.png" in out
    assert {entry.name for entry in tmp_path.iterdir()} == {"export.csv", "export_dry_run.png"}


def test_a_dry_run_counts_the_control_field_inside_the_limits(run, tmp_path):
    rows = "".join(f"s{k},{12 + k / 10},0.01,{11.5 + k / 11},0.01\n" for k in range(60))
    for name in ("t.csv", "field.csv"):
        (tmp_path / name).write_text("id,B,B_error,V,V_error\n" + rows)
    code, out, _ = run("fit", "t.csv", "--dry-run", "--mag-limit", "B=16.05", "--control", "field.csv")
    assert code == 0
    assert "41 of 60 rows used" in out
    assert "  field: 41 stars of the control field field.csv" in out
    (tmp_path / "field.csv").write_text("id,B,B_error\n" + "".join(f"s{k},{12 + k / 10},0.01\n" for k in range(60)))
    assert run("fit", "t.csv", "--dry-run", "--control", "field.csv")[0] == 2


def test_a_fit_needs_a_folder(run, export, tmp_path):
    code, _, err = run("fit", export)
    assert (code, "the results need a folder" in err, "--out DIR" in err) == (2, True, True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["export.csv"]


def test_treatment_reaches_the_reader(run, tmp_path):
    rows = "".join(f"s{k},{12 + k / 10},0,{11.5 + k / 11},0.01\n" for k in range(30)) + "odd,7.77,0.01,7.77,0.01\n"
    (tmp_path / "t.csv").write_text("id,B,B_error,V,V_error\n" + rows)
    assert "--error-floor" in run("inspect", "t.csv")[2]
    code, out, _ = run("inspect", "t.csv", "--error-floor", "0.01", "--missing", "7.77", "--plot", "a.svg")
    assert code == 0
    assert "B: 30 errors below 0.01 mag raised to it" in out
    assert "1 cell of 7.77 in column V counted as missing" in out
    assert "left out: 1 (no usable magnitude)" in out


def test_a_limit_that_the_table_states_is_the_fits(tmp_path):
    rows = [f'{{"id": "s{k}", "file_id": {f}, "filter": "{b}", "mag": {12 + k / 9}, "mag_error": 0.01}}'
            for k in range(12) for f, b in ((1, "B"), (2, "V"))]  # fmt: skip
    cal = '[{"file_id": 1, "zero_point_corr": 1, "limmag5": 17.5}, {"file_id": 2, "zero_point_corr": 1}]'
    (tmp_path / "job.json").write_text(f'{{"data": [{",".join(rows)}], "cal": {cal}}}')
    photometry = Photometry.read(tmp_path / "job.json")
    assert stated_limit(photometry) == "B=17.5"
    assert stated_limit(photometry.keep(np.ones(12, bool), "x")) == "B=17.5"


def test_a_dry_run_counts_what_a_hard_cut_leaves_out(run, tmp_path):
    rows = "".join(
        f"s{k},174,-61.6,{1.5 + k / 20},{-6.7 + k / 40},1.0,{12 + k / 10},0.01,{11.5 + k / 11},0.01\n"
        for k in range(30)
    )
    (tmp_path / "t.csv").write_text("id,ra,dec,distance,pm_ra,pm_dec,B,B_error,V,V_error\n" + rows)
    words = ("fit", "t.csv", "--out", "mine", "--dry-run", "--mag-limit", "none", "--pm-ellipse", "-6.7,1.0,0.5,0.4")
    code, out, _ = run(*words, "--distance-range", "1.5..1.99kpc")
    assert code == 0
    assert "10 of 30 rows used" in out
    assert "left out: 9 (hard cut: outside the ellipse of proper motions)" in out
    assert "left out: 11 (hard cut: outside the range of distances)" in out
    assert "30 of 30 rows used" in run(*words, "--hard-cut", "mark")[1]
    for extra in (("--distance-range", "1.5..2"), ("--distance-range", "3..9kpc")):
        assert run(*words, *extra)[0] == 2
    assert "no cut to mark" in run("fit", "t.csv", "--out", "mine", "--hard-cut", "mark")[2]
