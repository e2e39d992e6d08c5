"""What the page of a calibration demands, and of which experiments."""

from __future__ import annotations

import re

import numpy as np
import pytest
from typer.testing import CliRunner

from clusterbayes.cli import app
from clusterbayes.validation.coverage import JOINT
from clusterbayes.validation.coverage_page import MAIN, write_coverage
from clusterbayes.validation.outcomes import Outcomes

REGIME = {"n_star": [30, 40], "mag_limit": "Gaia_G=18", "n_control": 0}


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    """Pictures take most of the time and are not what is asked here."""
    monkeypatch.setattr("clusterbayes.results.plots.coverage.plot_ecdf", lambda *given: None)
    monkeypatch.setattr("clusterbayes.results.plots.coverage.plot_ranks", lambda *given: None)
    monkeypatch.setattr("clusterbayes.results.plots.style.save_figure", lambda figure, place: None)


def calibration(folder, *, model_error="none", matched=True, place=0.5, numbers=range(60), loose=0, sources=()):
    """A folder of fits whose truths all lie at one place, in the middle of intervals that are far too wide by default.

    The first `loose` fits did not converge; `sources` are the digests of code of the first ones, the others have none.
    """
    other = "parsec" if matched else "mist"
    settings = {"what": "sbc", "matched": matched, "model_error": model_error, "regime": REGIME, "seed": 1}
    settings |= {"simulate_with": other, "fit_with": "parsec", "error_factor": 1.0}
    outcomes = Outcomes(folder, settings)
    rng = np.random.default_rng(1)
    for i, number in enumerate(numbers):
        places = {name: place + 0.01 * rng.random() for name in (*MAIN, JOINT)}
        outcome = {"number": number, "converged": i >= loose, "place": places}
        outcomes.keep(f"{number:06d}", outcome | ({"source": sources[i]} if i < len(sources) else {}))
    return folder


def page(folder, **experiment):
    """The page of such a folder."""
    write_coverage(calibration(folder, **experiment))
    return (folder / "README.md").read_text(encoding="utf-8")


def terminal(folder, **experiment):
    """What the command prints of such a folder, in one line."""
    words = ["validate", "coverage", str(calibration(folder, **experiment))]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_right_models_have_to_stay_in_the_bands(tmp_path):
    text = page(tmp_path)
    assert "All coverage **is not** within" in text
    assert "Every rank test **is not** within" in text
    assert text.count("**does not hold**") == 2 * len((*MAIN, JOINT))  # of all fits, and of the converged ones


@pytest.mark.parametrize("experiment", [{"model_error": "default"}, {"model_error": "default", "matched": False}])
def test_bands_are_not_demanded_of_coarsened_likelihoods_and_wrong_models(tmp_path, experiment):
    text = page(tmp_path, **experiment)
    assert "does not hold" not in text and "is not" not in text


def test_wrong_models_have_to_hold_most_truths(tmp_path):
    text = page(tmp_path, model_error="default", matched=False, place=0.985)
    assert text.count("**does not hold**") == 2 * len(MAIN)


@pytest.mark.parametrize(("place", "verdict"), [(0.5, "holds"), (0.985, "does not hold")])
def test_the_terminal_says_whether_wrong_models_hold_most_truths(tmp_path, place, verdict):
    text = terminal(tmp_path, model_error="default", matched=False, place=place)
    for name in MAIN:
        assert re.search(rf"{name}: share of truths in 90 % intervals \W+[\d.]+ \W+at least 0.8 \W+{verdict} ", text)


def test_targets_of_wrong_models_are_not_asked_of_right_ones(tmp_path):
    assert "share of truths" not in terminal(tmp_path / "a") + page(tmp_path / "b")


@pytest.mark.parametrize(("loose", "verdict"), [(1, "holds"), (2, "does not hold")])
def test_fits_that_did_not_converge_have_to_be_few(tmp_path, loose, verdict):
    """Of sixty, one is below 3 % and two are above."""
    what = "share of unconverged fits"
    text = page(tmp_path / "a", model_error="default", loose=loose)
    row = next(line for line in text.splitlines() if what in line)
    assert text.count(what) == 1 and row.replace("*", "").endswith(f"| at most 0.03 | {verdict} |")
    text = terminal(tmp_path / "b", model_error="default", loose=loose)
    assert re.search(rf"{what} \W+[\d.]+ \W+at most 0.03 \W+{verdict} ", text)


@pytest.mark.parametrize("shown", [page, terminal])
def test_clusters_that_a_stopped_run_lacks_are_named(tmp_path, shown):
    assert "missing" not in shown(tmp_path / "whole")
    one = [number for number in range(20) if number != 18]
    text = shown(tmp_path / "one", numbers=one)
    assert "1 cluster of 20 is missing: 18." in text and "to go on" in text
    assert "2 clusters of 20 are missing: 0, 18." in shown(tmp_path / "two", numbers=one[1:])
    many = shown(tmp_path / "many", numbers=range(25, 60))
    assert "25 clusters of 60 are missing: 0, 1, 2," in many and "19 and 5 more." in many


@pytest.mark.parametrize("shown", [page, terminal])
def test_outcomes_of_more_than_one_state_of_the_code_are_told(tmp_path, shown):
    for alike in ((), ["a" * 12] * 60):
        assert "state of the code" not in shown(tmp_path / f"alike{len(alike)}", sources=alike)
    text = shown(tmp_path / "changed", sources=["a" * 12] * 20 + ["b" * 12] * 40)
    assert f"more than one state of the code: 20 of {'a' * 12}, 40 of {'b' * 12}." in text
    text = shown(tmp_path / "older", sources=["a" * 12] * 20)
    assert f"more than one state of the code: 20 of {'a' * 12}, 40 of unknown code." in text
