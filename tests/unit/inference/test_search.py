"""Finding the modes: climbs and curvatures on Gaussians with closed forms, and a whole search on a mock."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from unit.inference.toys import GaussianModel, correlated
from unit.model.mocks import TRUTH, make_model, mock_table

from clusterbayes.errors import FitCancelled
from clusterbayes.heartbeat import beating
from clusterbayes.inference import search
from clusterbayes.inference.field import FieldLearner
from clusterbayes.inference.search import Mode, climb, curvature, find_modes, normal_posterior, scan

FIXED = {"alpha_1": 1.3, "alpha_2": 2.3, "outlier_frac": 0.01}


@pytest.fixture
def gaussian():
    return GaussianModel([0.5, -1.0, 2.0, 0.1], np.linalg.inv(correlated(4, 1, spread=2.0)))


class TestGaussian:
    def test_posterior_in_normal_coordinates(self, gaussian):
        z = np.random.default_rng(2).normal(size=(5, 4))
        assert normal_posterior(gaussian, z) == pytest.approx(gaussian.log_likelihood(z) - 0.5 * (z**2).sum(axis=1))

    @pytest.mark.parametrize("two_sided", [True, False])
    def test_climb_reaches_the_summit(self, gaussian, two_sided):
        z, height = climb(gaussian, np.zeros(4), max_steps=200, two_sided=two_sided)
        deviation = np.sqrt((z - gaussian.mean) @ np.linalg.solve(gaussian.covariance, z - gaussian.mean))
        assert deviation < 0.1
        assert height == pytest.approx(normal_posterior(gaussian, gaussian.mean)[0], abs=0.005)
        assert height == pytest.approx(normal_posterior(gaussian, z)[0])

    def test_climb_stays_within_reach(self, gaussian):
        far = GaussianModel([30.0], [[100.0]])
        z, _ = climb(far, np.zeros(1), max_steps=100)
        assert abs(z[0]) <= 7.0 + 1e-9

    def test_curvature_is_the_covariance(self, gaussian):
        assert curvature(gaussian, gaussian.mean) == pytest.approx(gaussian.covariance, rel=1e-4, abs=1e-7)

    def test_directions_without_information_have_a_finite_width(self):
        flat = GaussianModel([0.0, 0.0], np.diag([-0.9, 4.0]))
        assert np.diag(curvature(flat, np.zeros(2))) == pytest.approx([1 / 0.3, 0.2], rel=1e-3)

    def test_weight_of_a_mode(self):
        """The log of height times volume: masses of Gaussians are compared by it."""
        narrow = Mode(np.zeros(2), 3.0, 0.01 * np.eye(2))
        wide = Mode(np.zeros(2), 0.0, np.eye(2))
        assert narrow.log_weight - wide.log_weight == pytest.approx(3.0 + np.log(0.01))


@pytest.fixture(scope="module")
def mock():
    table = mock_table(150, 50, seed=3)
    model = make_model(table, fixed=FIXED)
    return table, model, FieldLearner(model, None, 1)


class TestMock:
    def test_scan_finds_the_neighbourhood(self, mock):
        _, model, learner = mock
        values, (log_prob,) = scan([(model.with_field(learner.initial()), 0.6)])
        assert not np.isnan(log_prob).any()
        assert np.all(np.isfinite(values))
        good = values[log_prob > log_prob.max() - 8.0]
        steps = np.array([0.2, 0.4, 0.4, 0.5])
        truth = np.array([TRUTH[name] for name in ("log_age", "mh", "dist_mod", "a_v")])
        assert np.min(np.max(np.abs(good - truth) / steps, axis=1)) < 1.01

    def test_held_parameters_stay_where_they_are(self, mock):
        table, model, learner = mock
        held = make_model(model.photometry, fixed={"log_age": TRUTH["log_age"], "a_v": 0.4})
        values, _ = scan([(held.with_field(learner.initial()), 0.6)])
        assert set(values[:, 0]) == {TRUTH["log_age"]}
        assert set(values[:, 3]) == {0.4}

    def test_several_fields_in_one_scan(self, mock):
        """Each row is what a scan under that field and share of members alone would give: the model's own posterior."""
        _, model, learner = mock
        few = FieldLearner(model, None, 1).density(np.zeros(200))
        models = [(model.with_field(learner.initial()), 0.6), (model.with_field(few), 0.3)]
        values, heights = scan(models)
        for (alone, share), row in zip(models, heights, strict=True):
            wide = search._quick(alone).with_parameters(
                search._widened(model.parameters, 0.12, ("log_age", "mh", "dist_mod", "a_v"), share)
            )
            at = np.argsort(-row)[:200:20]
            names = dict(zip(("log_age", "mh", "dist_mod", "a_v"), values[at].T, strict=True))
            assert wide.log_prob(wide.parameters.pack(names)) == pytest.approx(row[at], abs=1e-8)
        assert not np.allclose(*heights, atol=1.0)

    @pytest.mark.parametrize("seed", [3, 4])
    def test_modes(self, seed):
        """Nobody says where to start; the best mode is the truth within its own covariance."""
        table = mock_table(150, 50, seed=seed)
        model = make_model(table, fixed=FIXED)
        learner = FieldLearner(model, None, 1)
        told = []
        found, modes = find_modes(model, learner, n_start=4, n_keep=2, report=told.append)
        assert [mode.log_weight for mode in modes] == sorted((mode.log_weight for mode in modes), reverse=True)
        best = modes[0]
        z_truth = model.parameters.to_normal(model.parameters.pack(TRUTH | {"member_frac": 0.75}))[0]
        pull = (best.z - z_truth) / np.sqrt(np.diag(best.covariance))
        assert np.max(np.abs(pull)) < 4.0
        assert np.linalg.eigvalsh(best.covariance).min() > 0
        steps = 0.5 * np.sqrt(np.diag(best.covariance))
        around = normal_posterior(found, best.z + np.concatenate([np.diag(steps), -np.diag(steps)]))
        assert around.max() < best.log_prob + 0.05
        assert 85.0 < told[-1] <= 100.0
        assert told == sorted(told)
        p = found.member_probability(model.parameters.from_normal(best.z[None]))[0]
        assert np.mean(p[table["is_member"]]) > 0.8
        assert np.mean(p[~table["is_member"]]) < 0.6

    def test_neighbours_where_stars_are_few(self, monkeypatch):
        """Fourteen members with small errors make several summits of different ages; negative control: unscattered."""
        model = make_model(mock_table(14, 6, seed=2), fixed=FIXED)
        found, modes = find_modes(model, FieldLearner(model, None, 1), n_start=4, n_keep=2)
        for mode in modes:
            steps = 0.5 * np.sqrt(np.diag(mode.covariance))
            around = normal_posterior(found, mode.z + np.concatenate([np.diag(steps), -np.diag(steps)]))
            assert around.max() < mode.log_prob + 0.3
        ages = model.parameters.from_normal(np.array([mode.z for mode in modes]))[:, 0]
        monkeypatch.setattr(search, "_N_SCATTER", (0, 0))
        _, unscattered = find_modes(model, FieldLearner(model, None, 1), n_start=4, n_keep=2)
        assert len(modes) > len(unscattered)
        assert np.ptp(ages) > 0.02

    @pytest.mark.parametrize("n_threads", [1, 2])
    def test_a_cancelled_search_waits_for_no_climb(self, mock, monkeypatch, n_threads):
        """Climbs that go on for ten seconds are broken off by a wish that comes once the first has begun."""
        _, model, learner = mock
        begun, ended = threading.Event(), []

        def long_climb(*args, **options):
            begun.set()
            limit = time.monotonic() + 10.0
            while time.monotonic() < limit:
                result = climb(*args, **options)
            ended.append(1)
            return result

        def listener():
            if begun.is_set():
                raise FitCancelled("enough", "search")

        monkeypatch.setattr(search, "climb", long_climb)
        with pytest.raises(FitCancelled), beating(listener):
            find_modes(model.with_threads(n_threads), learner)
        assert ended == []

    @pytest.mark.parametrize("seed", [6, 7])
    def test_scan_sees_parallaxes_that_fall_between_its_steps(self, seed, monkeypatch):
        """Parallaxes know the distance to a tenth of a step; at the two next distances each is many errors off."""
        table = mock_table(20, 12, truth=TRUTH | {"dist_mod": 8.38, "log_age": 8.3}, seed=seed, parallax=True)
        model = make_model(table, fixed=FIXED)
        flat = model.with_field(FieldLearner(model, None, 1).initial())
        values, (heights,) = scan([(flat, 0.6)])
        best = values[heights.argmax()]
        monkeypatch.setattr(search, "_PARALLAX_PER_MAG", 0.0)
        values, (heights,) = scan([(flat, 0.6)])
        narrow = values[heights.argmax()]
        assert abs(best[2] - 8.38) < 0.3
        assert abs(narrow[2] - 8.38) > 2.0


@pytest.mark.parametrize(("shares", "kept"), [([0.4, 0.6, 0.4, 0.6, 0.4, 0.6], 2), ([0.4, 0.6, 0.5, 0.5], 3)])
def test_field_that_does_not_settle(shares, kept, monkeypatch):
    """Turns end when the share of members does, with the last picture; if it never does, with the highest."""
    heights = [91.6, 99.2, 99.5, 99.1, 91.5, 99.0]
    turns = iter(range(6))
    teller = SimpleNamespace(learns=True, density=lambda p_member: p_member)

    class Turn(SimpleNamespace):
        parameters = SimpleNamespace(from_normal=lambda z: z)

        def member_probability(self, theta):
            return np.full((1, 5), shares[int(theta[0, 0])])

        def with_field(self, density):
            return Turn(field=density[0])

    def counted(model, z, *, max_steps):
        turn = next(turns)
        return np.array([float(turn)]), heights[turn]

    monkeypatch.setattr(search, "climb", counted)
    model, z, height = search._settle(Turn(field=None), teller, np.zeros(1))
    assert (z[0], height) == (kept, heights[kept])
    assert model.field == shares[kept - 1]
