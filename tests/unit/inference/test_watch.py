"""What a display is told, how often, and when somebody is asked whether to cancel."""

from __future__ import annotations

import pickle

import pytest

from clusterbayes.errors import FitCancelled, FitError
from clusterbayes.inference.progress import STAGES
from clusterbayes.inference.watch import Watch


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Display:
    def __init__(self):
        self.told = []

    def stage(self, name, index, total):
        self.told.append((name, index, total))

    def update(self, percent, message=""):
        self.told.append((percent, message))

    def close(self):
        pass


@pytest.fixture
def scene():
    clock, display = Clock(), Display()
    return clock, display, Watch(display, clock=clock)


def test_the_first_word_of_a_stage_is_shown_at_once(scene):
    _, display, watch = scene
    watch.stage("search")
    watch.report(3.0, "begun")
    watch.stage("sample")
    watch.report(40.0, "going on")
    assert display.told == [("search", 4, len(STAGES)), (3.0, "begun"), ("sample", 5, len(STAGES)), (40.0, "going on")]


def test_beats_repeat_the_last_word_twice_a_second(scene):
    """Nothing new for ten seconds, a beat every millisecond: the display hears from the fit all the same."""
    clock, display, watch = scene
    watch.stage("sample")
    watch.report(10.0, "burn-in")
    for _ in range(10_000):
        clock.now += 0.001
        watch.beat()
    updates = display.told[1:]
    assert set(updates) == {(10.0, "burn-in")}
    assert 19 <= len(updates) <= 21


def test_progress_never_falls_within_a_stage(scene):
    clock, display, watch = scene
    watch.stage("sample")
    for percent in (10.0, 50.0, 45.0, 60.0):
        clock.now += 1.0
        watch.report(percent)
    watch.stage("summarize")
    watch.report(5.0)
    assert [percent for percent, *rest in display.told if not isinstance(percent, str)] == [10.0, 50.0, 50.0, 60.0, 5.0]


def test_cancel_is_asked_a_few_times_a_second():
    """A service may have to ask its database."""
    clock, asked = Clock(), []
    watch = Watch(Display(), lambda: bool(asked.append(clock.now)), clock=clock)
    watch.stage("sample")
    for _ in range(10_000):
        clock.now += 0.001
        watch.report(1.0)
    assert 45 <= len(asked) <= 55


@pytest.mark.parametrize("how", ["stage", "report", "beat"])
def test_cancelling_says_where_and_what_to_do(how):
    clock, wanted = Clock(), []
    watch = Watch(Display(), lambda: bool(wanted), remedy=lambda: "call again", clock=clock)
    watch.stage("search")
    wanted.append(True)
    clock.now += 1.0
    with pytest.raises(FitCancelled, match="stage search.*cancelled.*call again" if how != "stage" else "stage sample"):
        watch.stage("sample") if how == "stage" else watch.report(2.0) if how == "report" else watch.beat()


def test_the_error_is_a_fit_error_and_survives_pickling():
    error = FitCancelled("the fit was cancelled", "sample", "call again")
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, FitError) and type(copy) is FitCancelled
    assert (copy.stage, copy.remedy, str(copy)) == ("sample", "call again", str(error))
