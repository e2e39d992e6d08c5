"""Limits of a job: noticed in time, said with their reason, and kept even by a job that does not listen."""

from __future__ import annotations

import os
import time

import pytest

from clusterbayes.batch import guard as module
from clusterbayes.batch.guard import Guard, Limits


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(module, "_EVERY", 0.01)


def wait(ready):
    limit = time.monotonic() + 30.0
    while not ready():
        assert time.monotonic() < limit
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [(Limits(seconds=0.05), "time_limit"), (Limits(memory=1.0), "memory_limit"), (Limits(), "stopped")],
)
def test_a_limit_that_is_exceeded_is_said(tmp_path, limits, reason):
    guard = Guard(limits, tmp_path / "stop")
    with guard.watching(last_words=pytest.fail):
        if reason == "stopped":
            (tmp_path / "stop").touch()
        wait(guard.wanted)
        assert guard.verdict()[0] == reason
    assert guard.peak > 1e6


def test_within_the_limits_nothing_is_said(tmp_path):
    guard = Guard(Limits(seconds=1000.0, memory=1e15), tmp_path / "stop")
    with guard.watching(last_words=pytest.fail):
        time.sleep(0.05)
        assert not guard.wanted()


def test_a_job_that_does_not_listen_is_ended_with_its_process(tmp_path):
    child = os.fork()
    if child == 0:  # pragma: no cover (another process)
        guard = Guard(Limits(seconds=0.05, grace=0.05), tmp_path / "stop")
        with guard.watching(last_words=lambda reason, words: (tmp_path / "words").write_text(f"{reason}: {words}")):
            time.sleep(60.0)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == module._ENDED
    assert (tmp_path / "words").read_text() == "time_limit: the fit took longer than its limit of 0.05 s"
