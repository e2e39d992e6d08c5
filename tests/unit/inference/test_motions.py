"""When proper motions take part in a fit, and what the field's density makes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.model.mocks import GAIA, GRID, TRUTH, mock_table

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.inference.field import FieldLearner
from clusterbayes.inference.motions import choose_motions
from clusterbayes.model.astrometry import in_window, motion_priors
from clusterbayes.model.cluster import ClusterModel
from clusterbayes.model.parameters import ParameterSet, default_priors
from clusterbayes.model.selection import Selection
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry


def photometry(table):
    return Photometry.from_table(table, observables=list(GAIA))


@pytest.fixture(scope="module")
def sample():
    return photometry(mock_table(60, 240, seed=1, parallax=True, proper_motion=True))


@pytest.fixture(scope="module")
def members():
    return photometry(mock_table(200, 4, seed=2, proper_motion=True))


class TestChoice:
    def test_a_field_with_a_clump_uses_them(self, sample):
        chosen = choose_motions(sample, None)
        assert chosen.photometry is sample
        assert chosen.start["pm_ra"] == pytest.approx(2.67, abs=0.2)
        assert chosen.start["pm_dec"] == pytest.approx(-4.68, abs=0.2)
        assert "proper motions are used" in chosen.notes[0]

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize(("dist_mod", "n_members", "n_field"), [(9.0, 60, 600), (11.5, 60, 600), (10.0, 160, 80)])
    def test_the_cluster_is_found_in_a_field_with_a_cusp(self, dist_mod, n_members, n_field, seed):
        """Far stars hardly move and gather at zero, more of them than the cluster has, but less narrowly."""
        options = {"grid": GRID, "mag_limit": "Gaia_G=17", "proper_motion": True, "seed": seed}
        made = simulate_cluster(**TRUTH | {"dist_mod": dist_mod}, n_members=n_members, n_field=n_field, **options)
        chosen = choose_motions(photometry(made.table), None)
        for name in ("pm_ra", "pm_dec"):
            assert chosen.start[name] == pytest.approx(made.truth[name], abs=3 * made.truth["pm_dispersion"])

    def test_a_list_of_members_does_not(self, members):
        chosen = choose_motions(members, None)
        assert chosen.photometry.pm is None
        assert chosen.priors is None
        assert "selected by them already" in chosen.notes[0]
        assert choose_motions(members, None, "use").photometry is members

    def test_a_control_field_with_proper_motions_makes_them_useful(self, members):
        control = photometry(mock_table(0, 200, seed=3, proper_motion=True))
        assert choose_motions(members, control).photometry is members
        bare = replace(control, pm=None, pm_error=None, pm_corr=None)
        assert choose_motions(members, bare).photometry.pm is None

    def test_without_a_clump_they_are_not(self, sample):
        even = np.random.default_rng(4).uniform(-40, 40, sample.pm.shape)
        chosen = choose_motions(replace(sample, pm=even), None)
        assert chosen.priors is None
        assert "no clump" in chosen.notes[0]

    def test_they_can_be_ignored(self, sample):
        chosen = choose_motions(sample, sample, "ignore")
        assert chosen.photometry.pm is None and chosen.control.pm is None

    def test_a_window_sets_stars_aside(self, sample):
        chosen = choose_motions(sample, sample, window=(2.7, -4.7, 2.0))
        assert in_window(chosen.photometry.pm, (2.7, -4.7, 2.0)).all()
        outside = chosen.photometry.dropped["outside the window of proper motions"]
        assert outside == 300 - chosen.photometry.n_star > 50
        assert chosen.control.n_star == chosen.photometry.n_star
        assert chosen.priors is not None

    def test_mistakes(self, sample):
        bare = replace(sample, pm=None, pm_error=None, pm_corr=None)
        with pytest.raises(SettingsError, match="proper_motion"):
            choose_motions(sample, None, "yes")
        with pytest.raises(InputError, match="no proper motions"):
            choose_motions(bare, None, "use")
        with pytest.raises(SettingsError, match="pm_window"):
            choose_motions(sample, None, "ignore", (0.0, 0.0, 1.0))
        assert choose_motions(bare, None).notes == []


def model_of(source, window=()):
    defaults = default_priors(
        log_age_range=tuple(GRID.log_age[[0, -1]]),
        mh_range=tuple(GRID.mh[[0, -1]]),
        bands=GAIA,
        parallax_zero_point=None if source.parallax is None else "applied",
        model_error=False,
        pm_priors=motion_priors(source.pm),
    )
    limits = Selection("Gaia_G", faint=16.0)
    return ClusterModel(source, GRID, ParameterSet.build(*defaults), limits, thin=1, pm_window=window)


class TestField:
    def test_learned_without_the_members_it_is_low_at_the_cluster(self, sample):
        """Told who the members are, the field makes little of their proper motion; told nothing, more."""
        learner = FieldLearner(model_of(sample), None, 1)
        assert learner.learns
        member = np.hypot(*(sample.pm - [2.67, -4.68]).T) < 1.0
        told, ignorant = learner.density(member.astype(float)), learner.density(np.full(300, 0.2))
        gain = np.log(told / ignorant)
        assert gain[member].mean() < gain[~member].mean() - 0.3

    def test_a_control_field_describes_them(self, sample):
        control = photometry(mock_table(0, 600, seed=5, parallax=True, proper_motion=True))
        learner = FieldLearner(model_of(sample), control, 1)
        assert not learner.learns
        assert np.isfinite(np.log(learner.initial())).all()

    def test_what_the_control_field_lacks_is_learned(self, sample):
        control = photometry(mock_table(0, 300, seed=6))
        assert FieldLearner(model_of(sample), control, 1).learns

    @pytest.mark.parametrize("with_control", [False, True])
    def test_density_in_a_window_integrates_to_one(self, with_control):
        """The average over the window of the density of one star's proper motion, everything else unchanged."""
        window = (2.7, -4.7, 2.0)
        chosen = choose_motions(photometry(mock_table(40, 400, seed=7, proper_motion=True)), None, window=window)
        source = chosen.photometry
        control = None
        if with_control:
            control = choose_motions(photometry(mock_table(0, 600, seed=8, proper_motion=True)), None, "use").photometry
        learner = FieldLearner(model_of(source, window), control, 1)
        n = 41
        steps = np.linspace(-2, 2, n)
        place = np.stack(np.meshgrid(2.7 + steps, -4.7 + steps), axis=-1).reshape(-1, 2)
        inside = in_window(place, window)
        for row in (0, 5):
            pm = place[inside]
            learner.values, learner.errors = (
                np.repeat(part[row : row + 1], len(pm), axis=0) for part in (learner.model.observed.field_columns()[:2])
            )
            learner.values[:, learner.motions] = pm
            if with_control:
                log_density = learner._log_density(np.ones(len(pm)))
                bare = learner.values.copy()
                bare[:, learner.motions] = np.nan
                log_density -= learner.control.log_density(bare, learner.errors)
            else:
                full = FieldLearner(model_of(source, window), None, 1)
                learned = full._learned(np.ones(source.n_star), [0, *full.motions], n_components=3, scale=0.3)
                columns = [0, *learner.motions]
                values, errors = learner.values[:, columns], learner.errors[:, columns]
                bare = values.copy()
                bare[:, 1:] = np.nan
                log_density = learned.log_density(values, errors) - learned.log_density(bare, errors)
                log_density -= learner._log_in_window(learned, columns)
            area = (steps[1] - steps[0]) ** 2
            assert np.exp(log_density).sum() * area == pytest.approx(1.0, abs=0.03)
