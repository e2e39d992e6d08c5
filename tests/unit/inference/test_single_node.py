"""Grids with a single age or metallicity: the parameter is held at it, which is said, and no other value is taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.model.mocks import GAIA, TRUTH, at_truth, make_model, mock_table

from clusterbayes.errors import GridError, GridRangeError, SettingsError
from clusterbayes.inference import SamplingOptions, fit_cluster
from clusterbayes.isochrones import IsochroneGrid, analytic_grid
from clusterbayes.photometry import Photometry

ONE_MH = analytic_grid(mh=(-0.1,))
ONE_AGE = analytic_grid(log_age=(8.7,))
QUICK = SamplingOptions(max_steps=10, target_ess=1, n_threads=1, burn_rounds=1, burn_steps=4)


def test_locate_takes_the_only_value_and_no_other() -> None:
    assert ONE_MH.locate(8.25, -0.1) == (0, 0, 0.5, 0.0)
    assert ONE_MH.locate(8.0, -0.1 + 5e-5)[2:] == (0.0, 0.0)
    for mh in (-0.1 + 3e-4, -0.2, np.nan):
        with pytest.raises(GridRangeError, match="mh"):
            ONE_MH.locate(8.0, mh)
    with pytest.raises(GridRangeError, match="log_age"):
        ONE_AGE.locate(8.8, 0.0)


def test_isochrones_are_those_of_a_larger_grid() -> None:
    larger = analytic_grid(mh=(-0.5, -0.1, 0.4))
    for log_age in (8.0, 8.3, 10.0):
        one, other = ONE_MH.isochrone(log_age, -0.1), larger.isochrone(log_age, -0.1)
        np.testing.assert_array_equal(one.m_ini, other.m_ini)
        for band in GAIA:
            np.testing.assert_array_equal(one.magnitudes[band], other.magnitudes[band])
            np.testing.assert_array_equal(one.coefficients[band], other.coefficients[band])


def test_files_and_refinement(tmp_path) -> None:
    saved = ONE_MH.save(tmp_path / "one.h5")
    assert saved.mh.tolist() == [-0.1]
    loaded = IsochroneGrid.load(tmp_path / "one.h5")
    assert loaded.mh.tolist() == [-0.1] and loaded.refine(age=2).mh.tolist() == [-0.1]


def test_an_axis_without_values_is_refused() -> None:
    with pytest.raises(GridError, match="axis mh|shape"):
        analytic_grid(mh=(0.1, 0.1))


def test_the_likelihood_is_that_of_a_larger_grid_with_the_parameter_held() -> None:
    table = mock_table(80)
    one = make_model(table, grid=ONE_MH)
    larger = make_model(table, grid=analytic_grid(mh=(-0.5, -0.1, 0.4)), fixed={"mh": -0.1})
    assert one.parameters.names == larger.parameters.names and "mh" not in one.parameters.names
    np.testing.assert_allclose(one.log_prob(at_truth(one)), larger.log_prob(at_truth(larger)), rtol=1e-12)


@pytest.mark.parametrize(("grid", "name", "value"), [(ONE_MH, "mh", -0.1), (ONE_AGE, "log_age", 8.7)])
def test_a_fit_holds_the_parameter_and_says_so(grid, name, value) -> None:
    photometry = Photometry.from_table(mock_table(60, 10), observables=GAIA)
    result = fit_cluster(photometry, grid=grid, model_error="none", sampling=QUICK)
    assert name not in result.names and result.best[name] == value
    assert any(note.startswith(f"{name} is held at {value:g}") for note in result.notes)


@pytest.mark.parametrize(("passbands", "warns"), [("Gaia DR1", True), ("Gaia EDR3", False)])
def test_a_fit_warns_of_passbands_of_another_release(passbands, warns) -> None:
    grid = replace(ONE_MH, metadata={**ONE_MH.metadata, "passbands": passbands})
    photometry = Photometry.from_table(mock_table(60, 10), observables=GAIA)
    result = fit_cluster(photometry, grid=grid, model_error="none", sampling=QUICK)
    assert any("in the passbands of Gaia DR1" in note for note in result.notes) is warns


@pytest.mark.parametrize("options", [{"priors": {"mh": "normal(0, 0.1)"}}, {"fixed": {"mh": TRUTH["mh"] + 0.2}}])
def test_other_values_are_refused(options) -> None:
    photometry = Photometry.from_table(mock_table(60, 10), observables=GAIA)
    with pytest.raises(SettingsError, match="single value of mh.*-0.1"):
        fit_cluster(photometry, grid=ONE_MH, sampling=QUICK, **options)


def test_clusters_can_be_simulated() -> None:
    assert len(mock_table(30, 10, grid=ONE_MH)) == 40
