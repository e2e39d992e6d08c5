"""Beats reach the listener, end the work if it says so, and are nothing to anybody else."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from unit.model.mocks import at_truth, make_model, mock_table

from clusterbayes.heartbeat import beat, beating
from clusterbayes.model import cluster
from clusterbayes.model.deconvolution import fit_mixture


class Stop(Exception):
    pass


def stop():
    raise Stop


def test_a_beat_without_a_listener_is_nothing():
    heard = []
    with beating(lambda: heard.append(1)):
        beat()
    beat()
    assert heard == [1]


def test_the_inner_listener_hears_and_the_outer_one_comes_back():
    heard = []
    with beating(lambda: heard.append("outer")):
        with pytest.raises(Stop), beating(stop):
            beat()
        beat()
    assert heard == ["outer"]


def test_other_threads_are_not_listened_to():
    heard = []
    with beating(lambda: heard.append(1)):
        thread = threading.Thread(target=beat)
        thread.start()
        thread.join()
    assert heard == []


@pytest.mark.parametrize("n_threads", [1, 3])
def test_long_evaluations_beat_in_between_and_give_the_same_numbers(monkeypatch, n_threads):
    model = make_model(mock_table(50), n_threads=n_threads)
    theta = np.repeat(at_truth(model), 20, axis=0) + np.linspace(0, 0.01, 20)[:, None]
    whole = model.log_likelihood(theta)
    monkeypatch.setattr(cluster, "_BATCH", 4 * 50)
    heard = []
    with beating(lambda: heard.append(1)):
        pieces = model.log_likelihood(theta)
    assert len(heard) >= 5
    assert np.array_equal(pieces, whole)
    with pytest.raises(Stop), beating(stop):
        model.log_likelihood(theta)


def test_a_large_catalogue_beats_several_times_a_second():
    """One call for 64 walkers and ten thousand stars takes about a second; half a sampling step is such a call."""
    model = make_model(mock_table(10_000), n_threads=2)
    theta = np.repeat(at_truth(model), 64, axis=0)
    times = [time.monotonic()]
    with beating(lambda: times.append(time.monotonic())):
        model.log_likelihood(theta)
    times.append(time.monotonic())
    assert len(times) >= 64 * 10_000 / cluster._BATCH
    assert max(np.diff(times)) < 2.0


def test_mixtures_are_learned_with_beats():
    rng = np.random.default_rng(1)
    values, noise = rng.normal(size=(300, 2)), np.tile(0.01 * np.eye(2), (300, 1, 1))
    heard = []
    with beating(lambda: heard.append(1)):
        fit_mixture(values, noise, 2, weights=np.ones(300), rng=rng)
    assert len(heard) > 10
    with pytest.raises(Stop), beating(stop):
        fit_mixture(values, noise, 2, weights=np.ones(300), rng=rng)
