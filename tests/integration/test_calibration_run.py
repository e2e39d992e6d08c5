"""Calibration from the command line: a few small clusters on the closed-form grid, broken off and gone on with."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from clusterbayes.cli import main
from clusterbayes.errors import SettingsError
from clusterbayes.isochrones import IsochroneGrid, analytic_grid
from clusterbayes.validation import sbc
from clusterbayes.validation.regimes import Regime
from clusterbayes.validation.sbc import Experiment, run_sbc

PRIORS = {
    "log_age": "uniform(8.5, 9.3)", "mh": "normal(-0.1, 0.1, -0.5, 0.3)", "dist_mod": "uniform(8, 9)",
    "a_v": "uniform(0, 0.5)", "member_frac": "uniform(0.5, 1)",
}  # fmt: skip
QUICK = {"max_steps": 20, "burn_rounds": 1, "burn_steps": 10, "n_walkers": 8}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    grid = tmp_path_factory.mktemp("grid") / "closed.h5"
    analytic_grid().save(grid)
    regime = Regime(n_star=(30, 40), priors=PRIORS, n_control=60, mag_limit="Gaia_G=6..16")
    return Experiment(
        regime=regime, simulate_with=str(grid), fit_with=str(grid), model_error="terms", sampling=QUICK, seed=3
    )


def test_a_run_goes_on_and_its_numbers_do_not_depend_on_how_it_was_cut(experiment, tmp_path):
    one = run_sbc(experiment, tmp_path / "a", 1, n_workers=1, tell=lambda line: None)
    both = run_sbc(experiment, tmp_path / "a", 2, n_workers=1, tell=lambda line: None)
    assert [outcome["number"] for outcome in both] == [0, 1]
    assert both[0] == one[0] and "error" not in both[1]
    (tmp_path / "a" / "outcomes" / "000000.json").unlink()
    again = run_sbc(experiment, tmp_path / "a", 2, n_workers=1, tell=lambda line: None)
    for outcome in (again[0], one[0]):
        outcome.pop("seconds")
    assert again[0] == one[0]
    names = {"log_age", "member_frac", "outlier_frac", "floor_Gaia_G", "colour_3.62", "alpha_1"}
    assert names <= set(one[0]["truth"]) and set(one[0]["place"]) == {*one[0]["truth"], "joint"}
    places = np.array([list(outcome["place"].values()) for outcome in both])
    assert ((places > 0.0) & (places < 1.0)).all()

    main_ended = pytest.raises(SystemExit)
    with main_ended as ended:
        main(["validate", "coverage", str(tmp_path / "a")])
    assert ended.value.code == 0
    page = (tmp_path / "a" / "README.md").read_text(encoding="utf-8")
    assert "2 clusters simulated" in page and "All fits: 2 clusters" in page
    assert "All coverage is" in page and "Every rank test is" in page  # two statements of 99 % are not one of 99 %
    written = {path.name for path in (tmp_path / "a").iterdir()}
    assert {"coverage.ecsv", "ranks.ecsv", "ecdf.png", "ranks.png"} <= written
    settings = json.loads((tmp_path / "a" / "settings.json").read_text(encoding="utf-8"))
    assert settings["model_error"] == "terms" and settings["regime"]["priors"] == PRIORS


def test_a_folder_begun_with_another_grid_of_the_same_name_is_refused(tmp_path):
    grid = tmp_path / "closed.h5"
    experiment = Experiment(simulate_with=str(grid), fit_with=str(grid))
    analytic_grid().save(grid)
    assert run_sbc(experiment, tmp_path / "a", 0) == []
    analytic_grid(mh=(-0.5, 0.0, 0.5)).save(grid)
    sbc._grid.cache_clear()  # a later command is another process
    with pytest.raises(SettingsError, match="digests"):
        run_sbc(experiment, tmp_path / "a", 0)


@pytest.mark.parametrize(("same", "mean", "most"), [(True, 0.12, 0.3), (False, 0.0, 0.2)])
def test_what_is_known_where_another_family_plays_nature(same, mean, most, tmp_path):
    """Colours that clusters have taught are unknown there, and metallicities that the other has not are not drawn."""
    analytic_grid(mh=(-0.5, 0.0, 0.2)).save(tmp_path / "closed.h5")
    nature = "parsec" if same else str(tmp_path / "closed.h5")
    experiment = Experiment(simulate_with=nature, fit_with="parsec", model_error="terms")
    grid = IsochroneGrid.load("parsec", bands=experiment.regime.bands)
    parameters = sbc._parameters(experiment, grid)
    assert parameters.priors["colour_3.51"].mean == pytest.approx(mean)
    assert parameters.priors["mh"].high == pytest.approx(most)


def test_faults_of_another_family_have_no_place(experiment, tmp_path):
    """What plays nature has floors and colours of its own, which are no truth for the fit's."""
    other = tmp_path / "other.h5"
    analytic_grid(mh=(-0.5, 0.0, 0.4)).save(other)
    for fitted, faults in ((experiment.fit_with, True), (str(other), False)):
        asked = replace(experiment, fit_with=fitted)
        (outcome,) = run_sbc(asked, tmp_path / f"faults-{faults}", 1, n_workers=1, tell=lambda line: None)
        assert ("floor_Gaia_G" in outcome["place"]) == ("colour_3.51" in outcome["place_shrunk"]) == faults
        assert {"log_age", "dist_mod", "a_v", "a_v_dispersion", "joint"} <= set(outcome["place"])
