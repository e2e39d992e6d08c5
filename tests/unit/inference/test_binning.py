"""How finely stars are binned, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
from unit.model.mocks import TRUTH, at_truth, make_model, mock_table

from clusterbayes.errors import SettingsError
from clusterbayes.inference import binning, fit
from clusterbayes.inference.binning import Binning, bin_for_sampling, bin_for_search
from clusterbayes.inference.sampler import SamplingOptions
from clusterbayes.inference.search import Mode
from clusterbayes.isochrones import analytic_grid
from clusterbayes.photometry import Photometry


@pytest.fixture
def few(monkeypatch):
    """Bin small samples, too."""
    monkeypatch.setattr(binning, "BINNED_FROM", 100)


@pytest.fixture(scope="module")
def model():
    photometry = Photometry.from_table(mock_table(8000, 400, seed=4), observables=["G", "BP-RP"])
    return make_model(photometry, fixed={"alpha_1": 1.3, "alpha_2": 2.3}, tolerance=100.0, model_error=True)


def mode_of(model, width=0.05):
    z = model.parameters.to_normal(at_truth(model))[0]
    return Mode(z, 0.0, width**2 * np.eye(z.size))


def test_small_samples_are_left_alone(model):
    assert bin_for_search(model) is model
    assert bin_for_sampling(model, [mode_of(model)], 1) is model


def test_cells_shrink_until_the_error_is_small(model, few, monkeypatch):
    modes = [mode_of(model)]
    begun = bin_for_search(model)
    loose = bin_for_sampling(begun, modes, 1)
    error = Binning.measure(loose, at_truth(loose).repeat(2, axis=0) + np.array([[0.0], [1e-3]]))
    assert error.n_point == loose.n_point < 0.7 * model.n_point
    assert error.spread <= binning.LARGEST_SPREAD
    assert not error.reasons()
    monkeypatch.setattr(binning, "_WANTED", 1e-4)
    strict = bin_for_sampling(begun, modes, 1)
    assert strict.n_point > loose.n_point


def test_an_error_that_cannot_be_met_ends_with_all_stars(model, few, monkeypatch):
    monkeypatch.setattr(binning, "_WANTED", 0.0)
    exact = bin_for_sampling(bin_for_search(model), [mode_of(model)], 1)
    assert exact.cells is None
    assert exact.n_point == model.n_point


def test_a_large_error_is_a_reason_not_to_rely_on_the_fit(model):
    theta = np.concatenate([at_truth(model, log_age=TRUTH["log_age"] + shift) for shift in np.linspace(-0.3, 0.3, 7)])
    error = Binning.measure(model.binned(30.0), theta)
    assert error.largest >= error.spread > binning.LARGEST_SPREAD
    assert "--binned never" in error.reasons()[0]


def test_a_fit_reports_it_and_gives_every_star(few, monkeypatch):
    monkeypatch.setattr(binning, "_NOT_WORTH", 1.0)
    photometry = Photometry.from_table(mock_table(900, 100, seed=2), observables=["G", "BP-RP"])
    result = fit.fit_cluster(
        photometry, grid=analytic_grid(), mag_limit="Gaia_G=16", seed=3,
        sampling=SamplingOptions(max_steps=20, n_threads=1),
        fixed={"alpha_1": 1.3, "alpha_2": 2.3, "mh": -0.1, "a_v": 0.4, "log_age": 8.7},
    )  # fmt: skip
    report = result.diagnostics["binning"]
    assert report["n_star"] == 1000 > report["n_point"]
    assert 0.0 < report["spread"] <= report["largest"]
    assert any(f"{report['n_point']} points that stand for 1000 stars" in note for note in result.notes)
    assert np.isfinite(result.p_member).all()


def test_other_words_are_refused():
    with pytest.raises(SettingsError, match="binned"):
        fit.fit_cluster(Photometry.from_table(mock_table(50)), grid=analytic_grid(), binned="always")
