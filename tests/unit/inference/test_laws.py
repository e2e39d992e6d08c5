"""Mass function, binary law and counts on their way from `fit_cluster` and the command line into the model."""

from __future__ import annotations

import numpy as np
import pytest
from unit.model.mocks import GRID, TRUTH, at_truth, mock_table

from clusterbayes.cli import main
from clusterbayes.errors import SettingsError
from clusterbayes.inference import fit_cluster
from clusterbayes.photometry import Photometry


class Stopped(Exception):
    """Raised where the search would begin."""


@pytest.fixture
def stopped_model(monkeypatch):
    """Return a function that runs something up to the search and gives the model."""

    def stop(model, learner, **options):
        raise Stopped(model)

    monkeypatch.setattr("clusterbayes.inference.fit.find_modes", stop)

    def run(function, *arguments, **options):
        with pytest.raises(Stopped) as caught:
            function(*arguments, **options)
        return caught.value.args[0]

    return run


def photometry(seed=1):
    return Photometry.from_table(mock_table(120, 30, seed=seed), observables=["G", "BP", "RP"])


def test_options_reach_the_model(stopped_model):
    model = stopped_model(
        fit_cluster, photometry(), grid=GRID, counts="ignore", mass_function="chabrier", binary_law="power"
    )
    assert model.conditional and model.mass_law.name == "chabrier" and model.mass_ratios.law == "power"
    names = model.parameters.names
    assert "alpha_1" not in names and "alpha_2" in names and "q_slope" in names
    assert model.coarse().mass_ratios.law == "power"
    assert np.isfinite(model.log_likelihood(at_truth(model, q_slope=0.3)))


@pytest.mark.parametrize("mass_function", ["kroupa", "chabrier", "chabrier-single", "salpeter"])
@pytest.mark.parametrize("binary_law", ["flat", "moe2017"])
def test_every_law_finds_the_age_likely(stopped_model, mass_function, binary_law):
    model = stopped_model(
        fit_cluster, photometry(), grid=GRID, model_error="none", mass_function=mass_function, binary_law=binary_law
    )
    ages = TRUTH["log_age"] + np.array([-0.3, 0.0, 0.3])
    field = model.observed.outlier_density(model.selection)
    values = model.with_field(field).log_likelihood(np.concatenate([at_truth(model, log_age=age) for age in ages]))
    assert values[1] > values[0] + 10 and values[1] > values[2] + 10


def test_wrong_names_are_refused():
    for options in ({"mass_function": "kroupe"}, {"binary_law": "round"}, {"counts": "some"}):
        with pytest.raises(SettingsError):
            fit_cluster(photometry(), grid=GRID, **options)


def test_from_the_command_line(stopped_model, tmp_path):
    share = tmp_path / "share.csv"
    share.write_text("magnitude,fraction\n12,1\n16,0.5\n")
    table = tmp_path / "stars.csv"
    mock_table(120, 30).write(table)
    words = ["fit", str(table), "--out", str(tmp_path / "out"), "--quiet", "--observables", "G,BP,RP"]
    words += ["--mag-limit", "G=15.8,RP=5..15.2", "--completeness", str(share), "--max-error", "Gaia_BP=0.05"]
    words += ["--mass-function", "salpeter", "--binary-law", "moe2017", "--counts", "ignore"]
    model = stopped_model(main, words)
    assert model.selection.faint == 15.8 and model.selection.others[0].faint == 15.2
    assert model.selection.completeness(np.array([16.0]))[0] == pytest.approx(0.5, abs=0.01)
    assert model.parameters.fixed["alpha_2"] == 2.35
    assert np.nanmax(model.photometry.errors[:, 1]) <= 0.05
