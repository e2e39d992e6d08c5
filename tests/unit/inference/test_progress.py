"""Who can be told of a fit's progress: objects with three methods, functions, and nobody."""

from __future__ import annotations

import pytest
from unit.model.mocks import GRID, mock_table

from clusterbayes.errors import FitCancelled, SettingsError
from clusterbayes.inference import fit_cluster
from clusterbayes.inference.progress import STAGES, CallProgress, Progress, QuietProgress
from clusterbayes.photometry import Photometry

STARS = Photometry.from_table(mock_table(40, 10, seed=8))


def begin(progress, until="search"):
    """Fit until a stage begins that is not wanted any more."""
    reached = []

    def cancel():
        return bool(reached) and reached[-1] == until

    def note(stage):
        reached.append(stage)

    return reached, lambda: fit_cluster(STARS, grid=GRID, mag_limit="Gaia_G=16", progress=progress(note), cancel=cancel)


def test_a_function_is_told_what_an_object_is():
    told = {"function": [], "object": []}

    class Display(QuietProgress):
        def __init__(self, note):
            self.note = note

        def stage(self, name, index, total):
            self.note(name)
            self.place = (name, index, total)
            told["object"].append((*self.place, 0.0, ""))

        def update(self, percent, message=""):
            told["object"].append((*self.place, percent, message))

    def function(note):
        def f(stage, index, total, percent, message):
            note(stage)
            told["function"].append((stage, index, total, percent, message))

        return f

    for progress in (function, Display):
        reached, fit = begin(progress)
        with pytest.raises(FitCancelled):
            fit()
        assert reached[-1] == "search"
    stages = {name: list(dict.fromkeys(entry[:3] for entry in told[name])) for name in told}
    assert stages["function"] == stages["object"]
    assert stages["function"] == [(name, STAGES.index(name), 9) for name in ("ingest", "select", "load_grid", "search")]


def test_calls_carry_place_percent_and_message():
    told = []
    progress = CallProgress(lambda *words: told.append(words))
    progress.stage("sample", 5, 9)
    progress.update(12.5, "40 steps")
    progress.update(13.0)
    progress.close()
    assert told == [("sample", 5, 9, 0.0, ""), ("sample", 5, 9, 12.5, "40 steps"), ("sample", 5, 9, 13.0, "")]
    assert isinstance(progress, Progress)


class OneMethod:
    def update(self, percent, message=""):
        pass


@pytest.mark.parametrize("progress", [OneMethod(), 3, "bar", QuietProgress, 0, []])
def test_what_can_not_be_told_is_refused_at_once(progress):
    with pytest.raises(SettingsError, match=r"progress.*f\(stage, index, total, percent, message\).*stage, update and"):
        fit_cluster(STARS, grid=GRID, progress=progress)


@pytest.mark.parametrize("progress", [None, False, QuietProgress(), lambda *words: None])
def test_what_can_be_told_is_not(progress):
    """Negative control of the refusal."""
    with pytest.raises(FitCancelled):
        fit_cluster(STARS, grid=GRID, progress=progress, cancel=lambda: True)
