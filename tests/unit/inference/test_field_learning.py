"""The field density of a fit: from a control field, from the sample itself, and from both."""

from __future__ import annotations

import numpy as np
import pytest
from unit.model.mocks import GAIA, make_model, mock_table

from clusterbayes.inference import field
from clusterbayes.inference.field import MIN_CONTROL, FieldLearner
from clusterbayes.model.field import FieldDensity
from clusterbayes.photometry import Photometry


def photometry(table):
    return Photometry.from_table(table, observables=list(GAIA))


@pytest.fixture(scope="module")
def sample():
    table = mock_table(150, 150, seed=1)
    return table, make_model(table)


class TestControl:
    def test_says_what_the_control_field_says(self, sample):
        """The same density as fitted directly, in the photometry's order, whatever the memberships are."""
        table, model = sample
        control = photometry(mock_table(0, 300, seed=2))
        learner = FieldLearner(model, control, 7)
        assert not learner.learns
        found = learner.density(np.zeros(300))
        assert np.array_equal(found, learner.density(np.linspace(0, 1, 300)))
        order = np.argsort(control.values[:, 0], kind="stable")
        direct = FieldDensity.fit(
            control.values[order],
            control.errors[order],
            limits=learner.limits,
            kinds=["magnitude"] * 3,
            rng=np.random.default_rng(7),
        )
        expected = np.exp(direct.log_density(model.photometry.values, model.photometry.errors))
        assert found == pytest.approx(expected, rel=1e-6)

    def test_limits_cover_sample_and_control(self, sample):
        _, model = sample
        control = photometry(mock_table(0, 60, seed=3))
        low, high = FieldLearner(model, control, 1).limits
        assert low < min(model.photometry.values[:, 0].min(), control.values[:, 0].min())
        assert high == model.selection.faint

    def test_parallaxes_that_it_lacks_are_learned(self):
        table = mock_table(150, 150, seed=4, parallax=True)
        model = make_model(table)
        control = photometry(mock_table(0, 200, seed=5))
        learner = FieldLearner(model, control, 1)
        assert learner.learns
        p_member = np.asarray(table["is_member"], float)
        with_parallax = learner.density(p_member)
        without = FieldLearner(make_model(photometry(_without_parallax(table))), control, 1).density(p_member)
        ratio = with_parallax / without  # the density of a field star's parallax, given its magnitude
        members = table["is_member"]
        assert np.all(ratio > 0)
        assert np.median(ratio[~members]) > 0.05
        assert np.array_equal(np.isfinite(ratio), np.ones(300, bool))

    def test_parallaxes_of_the_control_field_are_used(self):
        model = make_model(mock_table(100, 100, seed=6, parallax=True))
        control = photometry(mock_table(0, 5 * MIN_CONTROL, seed=7, parallax=True))
        assert not FieldLearner(model, control, 1).learns


def _without_parallax(table):
    table = table.copy()
    table.remove_columns(["parallax", "parallax_error"])
    return table


class TestSample:
    def test_follows_the_stars_that_are_field(self, sample):
        """Told who the members are, the density of field stars rises and that of members falls."""
        table, model = sample
        learner = FieldLearner(model, None, 1)
        assert learner.learns
        member = np.asarray(table["is_member"])
        told, swapped = learner.density(member.astype(float)), learner.density(1.0 - member)
        gain = np.log(told) - np.log(swapped)
        assert gain[~member].mean() > gain[member].mean() + 0.2
        assert np.mean(gain[~member]) > 0

    def test_initial_knows_nothing_of_the_cluster(self, sample):
        """Smoother over the sample than what is learned from the stars that are field."""
        _, model = sample
        learner = FieldLearner(model, None, 1)
        initial = learner.initial()
        assert np.all(np.isfinite(initial)) and np.all(initial > 0)
        assert np.array_equal(initial, learner.initial())

    def test_turns_are_repeatable(self, sample):
        table, model = sample
        p_member = np.random.default_rng(8).random(300)
        one, two = (FieldLearner(model, None, 3).density(p_member) for _ in range(2))
        assert np.array_equal(one, two)

    def test_order_of_the_input_does_not_matter(self, sample):
        table, model = sample
        shuffled = np.random.default_rng(9).permutation(300)
        p_member = np.random.default_rng(10).random(300)
        one = FieldLearner(model, None, 1).density(p_member)
        two = FieldLearner(make_model(table[shuffled]), None, 1).density(p_member[shuffled])
        assert two == pytest.approx(one[shuffled], rel=1e-9)

    def test_all_members_leave_a_field_density(self, sample):
        _, model = sample
        density = FieldLearner(model, None, 1).density(np.ones(300))
        assert np.all(np.isfinite(density)) and np.all(density > 0)


class TestManyStars:
    def test_few_of_them_teach_what_all_would(self, monkeypatch):
        table = mock_table(2000, 2000, seed=5)
        model = make_model(table)
        p_member = np.where(np.asarray(table["is_member"]), 0.99, 0.02)
        everyone = FieldLearner(model, None, 7).density(p_member)
        monkeypatch.setattr(field, "_N_TAUGHT", 1000)
        some = FieldLearner(model, None, 7)
        found = some.density(p_member)
        assert np.array_equal(found, some.density(p_member))
        assert np.std(np.log(found / everyone)) < 0.15  # 1,000 stars teach a Gaussian's width to 2 %
        assert not np.array_equal(found, everyone)

    def test_those_drawn_count_for_the_others(self, monkeypatch):
        monkeypatch.setattr(field, "_N_TAUGHT", 1000)
        rng = np.random.default_rng(1)
        chance, value = rng.random(20_000) ** 6, rng.normal(size=20_000)
        rows, weights = field._taught(chance, 3)
        assert weights.max() <= 1.0 + 1e-12
        weights = weights * chance.sum() / 1000
        error = np.sqrt(np.sum(weights**2 * value[rows] ** 2))
        assert abs(rows.size - 1000) < 4 * np.sqrt(1000)
        assert abs(weights @ value[rows] - chance @ value) < 4 * error
        assert weights.sum() == pytest.approx(chance.sum(), rel=4 / np.sqrt(1000))

    def test_few_stars_are_all_taken(self):
        rows, weights = field._taught(np.linspace(0.0, 1.0, 50), 3)
        assert np.array_equal(rows, np.arange(50))
        assert np.array_equal(weights, np.linspace(0.0, 1.0, 50))
