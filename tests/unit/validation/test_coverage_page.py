"""What the page of a calibration demands, and of which experiments."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.validation.coverage import JOINT
from clusterbayes.validation.coverage_page import MAIN, write_coverage
from clusterbayes.validation.outcomes import Outcomes

REGIME = {"n_star": [30, 40], "mag_limit": "Gaia_G=18", "n_control": 0}


def page(folder, *, model_error="none", matched=True, place=0.5):
    """The page of sixty fits whose truths all lie at one place: intervals that are far too wide."""
    other = "parsec" if matched else "mist"
    settings = {"what": "sbc", "matched": matched, "model_error": model_error, "regime": REGIME, "seed": 1}
    settings |= {"simulate_with": other, "fit_with": "parsec", "error_factor": 1.0}
    outcomes = Outcomes(folder, settings)
    rng = np.random.default_rng(1)
    for number in range(60):
        places = {name: place + 0.01 * rng.random() for name in (*MAIN, JOINT)}
        outcomes.keep(f"{number:06d}", {"number": number, "converged": True, "place": places})
    write_coverage(folder)
    return (folder / "README.md").read_text(encoding="utf-8")


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
