"""Validation from the command line, as far as it needs no fits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner
from unit.results.synthetic import make_result

from clusterbayes.cli import app
from clusterbayes.cli.validate import _show, _statement
from clusterbayes.errors import SettingsError

STATEMENT = {"what": "rms", "value": float("nan"), "bound": "at most 2", "holds": None}


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("command", [["ppc", "fit"], ["average", "one", "two"]])
def test_nothing_is_overwritten_unasked(tmp_path, command):
    """Said before any work, so that the fits need not even be there."""
    place = tmp_path / "mine.json"
    place.write_text("precious", encoding="utf-8")
    done = run("validate", *command, "--out", place)
    assert done.exit_code == 2 and "the file exists" in done.output
    assert place.read_text(encoding="utf-8") == "precious"
    assert "the file exists" not in run("validate", *command, "--out", place, "--overwrite").output


@pytest.mark.parametrize("words", [["--only", "m67,m13"], ["--only", "m67", "--only", "m13"], ["--only", "m67, m13,"]])
def test_catalogues_are_named_together_or_one_by_one(words, monkeypatch, tmp_path):
    """Negative control: without names it is all of them."""
    asked = []

    def take_note(*args, only, **options):
        asked.append(only)
        raise SettingsError("that is enough")

    monkeypatch.setattr("clusterbayes.validation.benchmark.run_benchmark", take_note)
    for given in (words, []):
        run("validate", "benchmark", tmp_path, "--truth", tmp_path / "truth.csv", "--out", tmp_path / "out", *given)
    assert asked == [["m67", "m13"], []]


def fitted(folder, *, converged):
    """An invented fit with the isochrones that come with the package."""
    result = make_result(converged=converged)
    result.provenance["grid"] |= {"name": "parsec", "digest": "", "extinction_law": "tables", "r_v": 3.1}
    result.provenance["settings"] |= {"mass_function": "salpeter", "binary_law": "flat"}
    result.provenance["fixed"] |= {"alpha_1": 2.35, "alpha_2": 2.35, "q_slope": 0.0}
    result.draws["outlier_frac"] = np.abs(result.draws["outlier_frac"])
    result.save(folder)
    return folder


def test_checks_have_headings_of_their_own(tmp_path):
    done = run(
        "validate",
        "ppc",
        fitted(tmp_path / "fit", converged=True),
        "--replicas",
        500,
        "--out",
        tmp_path / "checks.json",
    )
    assert done.exit_code == 0
    assert json.loads((tmp_path / "checks.json").read_text())["converged"] is True
    assert "what a small p" in done.output and "bound" not in done.output


def test_a_fit_that_cannot_be_checked_has_no_empty_table_and_says_why(tmp_path):
    done = run("validate", "ppc", fitted(tmp_path / "fit", converged=False), "--out", tmp_path / "checks.json")
    assert done.exit_code == 0
    assert json.loads((tmp_path / "checks.json").read_text())["converged"] is False
    assert done.output.startswith("unchecked: ") and "Not converged" in done.output


def test_a_statement_without_a_value_is_neither_right_nor_wrong():
    assert _statement(STATEMENT) == ("rms", "", "at most 2", "nothing can be said")
    row = _statement(STATEMENT | {"value": 2.5, "holds": False})
    assert row[1] == "2.500" and "does not hold" in row[3]


def test_a_unit_in_brackets_is_shown(capsys):
    _show("Benchmark", ("what", "value", "bound", ""), [_statement({**STATEMENT, "what": "rms of log_age [dex]"})])
    assert "rms of log_age [dex]" in capsys.readouterr().out
