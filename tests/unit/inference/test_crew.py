"""Calls side by side: their order, what goes wrong in one of them, who hears of it, and how they end when left."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from clusterbayes.errors import FitCancelled
from clusterbayes.heartbeat import beat, beating
from clusterbayes.inference.crew import Crew

LONG = 10.0  # s, of work that nobody should wait for


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


# --- leaving ---------------------------------------------------------------------------------------------------------


def left_with(error, work):
    """Leave a crew with an error while two threads work; return how many of them came to the end of their work."""
    meeting, at_work, ended = threading.Barrier(2, timeout=LONG), threading.Event(), []

    def call():
        meeting.wait()
        at_work.set()
        work()
        ended.append(1)

    def listener():
        if at_work.is_set():
            raise error

    with pytest.raises(type(error)), beating(listener), Crew(2) as crew:
        crew.run([call, call])
    return len(ended)


@pytest.mark.parametrize("error", [FitCancelled("enough", "search"), KeyboardInterrupt(), ValueError("here")])
def test_work_ends_at_a_beat_once_the_crew_is_left(error):
    def work():
        limit = time.monotonic() + LONG
        while time.monotonic() < limit:
            beat()
            time.sleep(0.01)

    assert left_with(error, work) == 0


def test_work_without_beats_is_waited_for():
    """Negative control: a call that gives no beats can't be ended."""
    assert left_with(KeyboardInterrupt(), lambda: time.sleep(1.0)) == 2


def test_the_next_crew_is_not_left():
    left_with(KeyboardInterrupt(), beat)
    with Crew(2) as crew:
        assert crew.run([beat, beat, beat]) == [None] * 3


PROGRAM = """
import signal, time
from clusterbayes.heartbeat import beat
from clusterbayes.inference.crew import Crew

def work():
    for _ in range(40):
        time.sleep(1.5)
        beat()

signal.signal(signal.SIGINT, signal.default_int_handler)
with Crew(2) as crew:
    print("begun", flush=True)
    crew.run([work] * 5)
"""


def test_a_process_that_is_interrupted_twice_ends():
    """The second signal comes while the first waits for a beat; unbroken, the work takes three minutes."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "begun\n"
        for _ in range(2):
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30.0)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in err
