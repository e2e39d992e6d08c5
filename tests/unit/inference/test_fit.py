"""What `fit_cluster` takes in and how it answers settings at the edge of sense; whole fits are integration tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.model.mocks import GRID, TRUTH, make_model, mock_table

from clusterbayes.errors import FitError, SettingsError
from clusterbayes.inference import SamplingOptions, fit_cluster
from clusterbayes.inference.assembling import Sample, choose_parameters, ingest, load_grid, with_own_distances
from clusterbayes.inference.field import FieldLearner
from clusterbayes.inference.search import find_modes
from clusterbayes.inference.summarizing import derived_draws, provenance_of
from clusterbayes.model.selection import Selection
from clusterbayes.photometry import Photometry


def test_the_control_field_is_put_into_the_sample_s_order():
    sample = Photometry.from_table(mock_table(30, 5, seed=1), observables=["G", "BP", "RP"])
    control = Photometry.from_table(mock_table(5, 60, seed=2), observables=["RP", "G", "BP"])
    _, matched = ingest(sample, control, None, None)
    assert matched.observables == sample.observables
    np.testing.assert_array_equal(matched.values, control.values[:, [1, 2, 0]])
    np.testing.assert_array_equal(matched.errors, control.errors[:, [1, 2, 0]])


def test_the_uniform_part_reaches_odd_stars_of_the_sample():
    """A star far from every control star keeps the field's uniform share, or it would be a certain member."""
    sample = mock_table(40, 10, seed=3)
    sample["Gaia_BP"][0] += 4.0
    model = make_model(sample)
    control = Photometry.from_table(mock_table(5, 200, seed=4), observables=["G", "BP", "RP"])
    density = FieldLearner(model, control, 1).initial()
    assert density[0] > 1e-7
    assert density[0] < np.median(density)


class TestOwnDistances:
    """Which samples are moved to one distance."""

    @staticmethod
    def chosen(table, **fixed):
        photometry = Photometry.from_table(table, observables=["G", "BP", "RP"])
        sample = Sample(photometry, None, Selection("Gaia_G", -99.0, 14.0), [])
        laws = {"mass_law": "kroupa", "binary_law": "flat"}
        return with_own_distances(sample, choose_parameters(sample, GRID, "default", None, fixed, laws))

    def near(self, **options):
        return mock_table(80, truth=TRUTH | {"dist_mod": 5.0}, faint=14.0, depth=5.0, **options)

    def test_a_near_cluster_is_and_a_note_says_so(self):
        chosen = self.chosen(self.near(parallax=True))
        assert chosen.own_distance.depth == pytest.approx(5.0, rel=0.4)
        assert "--fix depth=0" in chosen.notes[0]
        assert f"{chosen.own_distance.depth:.2g} pc" in chosen.notes[0]

    def test_without_depth_or_parallaxes_nothing_is(self):
        for chosen in (self.chosen(self.near(parallax=True), depth=0.0), self.chosen(self.near())):
            assert chosen.own_distance is None
            assert chosen.notes == []

    def test_a_given_depth_is_kept(self):
        assert self.chosen(self.near(parallax=True), depth=3.0).own_distance.depth == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize(
    "held", [("log_age", "mh", "dist_mod", "a_v"), ("log_age", "mh", "dist_mod", "a_v", "binary_frac")]
)
def test_a_known_cluster_can_be_held(held):
    table = mock_table(60, 20, seed=5)
    fixed = {name: TRUTH[name] for name in held} | {"alpha_1": 1.3, "alpha_2": 2.3}
    model = make_model(table, fixed=fixed)
    model, modes = find_modes(model, FieldLearner(model, None, 1))
    theta = model.parameters.from_normal(modes[0].z[None, :])
    assert 0.4 < model.parameters.unpack(theta)["member_frac"][0] < 0.95


def test_impossible_stars_are_said():
    """Without field and outliers an odd star has no probability at all."""
    table = mock_table(40, 0, seed=6)
    for band in ("Gaia_BP", "Gaia_RP"):
        table[band][3] += 6.0
    model = make_model(table, fixed={"member_frac": 1.0, "outlier_frac": 0.0})
    with pytest.raises(FitError, match="every star"):
        find_modes(model, FieldLearner(model, None, 1))


def test_nothing_to_fit_is_refused():
    table = mock_table(40, 10, seed=7)
    names = make_model(table).parameters.names
    fixed = {name: TRUTH.get(name, 0.5) for name in names}
    with pytest.raises(SettingsError, match="at least one"):
        fit_cluster(Photometry.from_table(table), grid=GRID, model_error="none", mag_limit="Gaia_G=16", fixed=fixed)


@pytest.mark.parametrize("options", [{"max_steps": 0}, {"burn_steps": 0}, {"n_walkers": 2}, {"n_threads": 0}])
def test_options_that_cannot_sample_are_refused(options):
    with pytest.raises(SettingsError, match=next(iter(options))):
        SamplingOptions(**options)


def test_cancel_is_honoured():
    table = mock_table(40, 10, seed=8)
    with pytest.raises(FitError, match="cancelled"):
        fit_cluster(Photometry.from_table(table), grid=GRID, mag_limit="Gaia_G=16", cancel=lambda: True)


# --- extinction ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extinction_law": "f19"}, "Did you mean F19"),
        ({"extinction_law": "G23", "r_v": 6.0}, "2.3 to 5.6"),
        ({"r_v": 1.0}, "2 to 6"),
        ({"extinction_law": "F19", "mag_limit": "Gaia_G=16"}, "was loaded with the extinction law.*load it with law="),
    ],
)
def test_extinction_that_cannot_be_had_is_said(options, message):
    table = Photometry.from_table(mock_table(40, 10, seed=8))
    with pytest.raises(SettingsError, match=message):
        fit_cluster(table, grid=GRID, **options)


def test_a_named_grid_is_loaded_under_the_law():
    said = []
    grid = load_grid("parsec", ("Gaia_G", "V"), "F19", 4.0, lambda percent, text: said.append((percent, text)))
    assert (grid.metadata["law"], grid.r_v, grid.bands) == ("F19", 4.0, ("Gaia_G", "V"))
    assert load_grid(grid, grid.bands, "F19", 4.0, print) is grid
    assert load_grid(grid, grid.bands, "tables", 3.1, print) is grid
    other = load_grid("parsec", ("Gaia_G", "V"), "tables", 3.1, print)
    assert other.digest != grid.digest
    np.testing.assert_array_equal(other.mags, grid.mags)
    assert np.all(other.ext[..., 1, 0] != grid.ext[..., 1, 0])


def test_reddening_and_provenance_are_for_the_grid_s_own_r_v():
    table = mock_table(60, 0, seed=9)
    grid = replace(GRID, metadata={**GRID.metadata, "r_v": 5.0, "law": "G23", "name": "dusty", "file_digest": "0f"})
    model = make_model(table, grid=grid)
    theta = model.parameters.from_normal(np.random.default_rng(1).normal(size=(7, model.parameters.n_dim)))
    found = derived_draws(model, theta)["ebv"]
    np.testing.assert_allclose(found, model.parameters.unpack(theta)["a_v"] / 5.0)
    known = provenance_of(model, Photometry.from_table(table), 1, {})["grid"]
    wanted = {"name": "dusty", "digest": grid.digest, "file_digest": "0f", "extinction_law": "G23", "r_v": 5.0}
    assert known == wanted
