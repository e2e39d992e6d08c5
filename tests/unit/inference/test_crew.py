"""Calls side by side: their order, what goes wrong in one of them, and who hears of it."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from clusterbayes.inference.crew import Crew


@pytest.mark.parametrize("n_threads", [1, 3])
def test_results_are_in_order_and_counted(n_threads):
    told = []

    def slow_first(i):
        time.sleep(0.02 if i == 0 else 0.0)
        return i

    with Crew(n_threads) as crew:
        assert crew.run([lambda i=i: slow_first(i) for i in range(6)], after=told.append) == list(range(6))
    assert told[-1] == 6
    assert told == sorted(told)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_what_goes_wrong_is_raised(n_threads):
    def fails():
        raise KeyError("here")

    with Crew(n_threads) as crew, pytest.raises(KeyError, match="here"):
        crew.run([lambda: 1, fails])


def test_two_threads_work_at_once():
    meeting = threading.Barrier(2, timeout=10.0)
    with Crew(2) as crew:
        assert sorted(crew.run([meeting.wait, meeting.wait])) == [0, 1]


def test_linear_algebra_keeps_to_one_thread():
    np.linalg.inv(np.eye(2))  # loads the library

    def threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    before = threads()
    with Crew(2) as crew:
        assert crew.run([threads]) == [{1}]
    assert threads() == before
