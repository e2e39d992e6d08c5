"""Whole fits that are cancelled, broken off and taken up again; processes that are killed are an integration test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.model.mocks import GRID, mock_table

from clusterbayes.errors import CheckpointError, FitCancelled, SettingsError
from clusterbayes.inference import SamplingOptions, ensembles, fit_cluster
from clusterbayes.photometry import Photometry

STARS = Photometry.from_table(mock_table(50, 10, seed=8))
SETTINGS = {
    "grid": GRID,
    "mag_limit": "Gaia_G=16",
    "model_error": "none",
    "priors": {"log_age": "normal(8.7,0.05)", "mh": "normal(-0.1,0.05)", "dist_mod": "normal(9,0.1)"},
    "fixed": {"alpha_1": 1.3, "alpha_2": 2.3},
    "sampling": SamplingOptions(max_steps=60, burn_rounds=3, burn_steps=10, n_threads=2),
}


@pytest.fixture(autouse=True)
def step_by_step(monkeypatch):
    """Ensembles that wait for each other after every step, however short it is."""
    monkeypatch.setattr(ensembles, "_APART", 0.0)


class Display:
    """Notes what it is told, and wants to cancel at a certain place."""

    def __init__(self, stage=None, percent=0.0):
        self.at, self.now, self.percent, self.messages = (stage, percent), None, -1.0, []
        self.stages = []

    def stage(self, name, index, total):
        self.now, self.percent = name, -1.0
        self.stages.append((name, index, total))

    def update(self, percent, message=""):
        self.percent = percent
        self.messages.append((self.now, message))

    def close(self):
        pass

    def cancel(self):
        return self.now == self.at[0] and self.percent >= self.at[1]


def fit(photometry=STARS, checkpoint=None, display=None, **changes):
    display = display or Display()
    return fit_cluster(
        photometry, checkpoint=checkpoint, progress=display, cancel=display.cancel, **{**SETTINGS, **changes}
    )


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """Show and ask at every beat: these fits are over in seconds."""
    monkeypatch.setattr("clusterbayes.inference.watch._SHOW", 0.0)
    monkeypatch.setattr("clusterbayes.inference.watch._ASK", 0.0)


@pytest.fixture(scope="module")
def unbroken():
    return fit()


def same(one, other):
    """Equal but for the times at which and during which they were made."""
    for result in (one, other):
        result.diagnostics.pop("wall_seconds", None)
        result.provenance.pop("created_on", None)
    assert one == other


PLACES = [("ingest", -1.0), ("select", -1.0), ("load_grid", -1.0), ("search", -1.0), ("search", 1.0), ("search", 40.0),
          ("sample", -1.0), ("sample", 10.0), ("sample", 60.0), ("diagnose", -1.0), ("summarize", -1.0)]  # fmt: skip


@pytest.mark.parametrize(("stage", "percent"), PLACES)
def test_cancelled_at_any_stage_it_goes_on(tmp_path, unbroken, stage, percent):
    path, display = tmp_path / "fit.h5", Display(stage, percent)
    with pytest.raises(FitCancelled, match=f"stage {stage}: the fit was cancelled.*{path}") as raised:
        fit(checkpoint=path, display=display)
    assert raised.value.stage == stage
    assert path.exists() is (stage not in ("ingest", "select", "load_grid"))
    again = Display()
    same(fit(checkpoint=path, display=again), unbroken)
    went_on = [message for name, message in again.messages if name == "sample" and message.startswith("going on from")]
    assert bool(went_on) is (stage in ("sample", "diagnose", "summarize") and (stage, percent) != ("sample", -1.0))


def test_a_finished_fit_is_read_and_says_so(tmp_path, unbroken):
    path = tmp_path / "fit.h5"
    first = fit(checkpoint=path)
    spent = first.diagnostics["wall_seconds"]
    display = Display()
    second = fit(checkpoint=path, display=display)
    assert second.diagnostics["wall_seconds"] > 0.8 * spent  # the time of both
    assert ("sample", "going on from step 60 of at most 60") in display.messages
    assert [name for name, *_ in display.stages] == [
        "ingest", "select", "load_grid", "search", "sample", "diagnose", "summarize"
    ]  # fmt: skip
    same(first, unbroken)
    same(second, unbroken)


def test_a_fit_whose_seconds_were_spent_goes_on_with_more_of_them(tmp_path, unbroken):
    """Seconds are no part of what a checkpoint is of, but the result names them; steps are (`CHANGED`)."""
    path = tmp_path / "fit.h5"
    cut = fit(checkpoint=path, sampling=replace(SETTINGS["sampling"], max_seconds=1e-3))
    assert (cut.converged, cut.chain.shape[0]) == (False, 10)
    assert cut.diagnostics["reasons"][0].startswith("the budget of 0.001 seconds was spent before burn-in was over")
    assert cut.provenance["settings"]["sampling"]["max_seconds"] == 1e-3
    again = fit(checkpoint=path)
    assert again.provenance["settings"]["sampling"]["max_seconds"] is None
    same(again, unbroken)


def test_progress_can_be_asked_for_by_a_word(monkeypatch):
    """The display that suits the place is taken, and closed when the fit ends."""
    display = Display("select", -1.0)
    closed = []
    display.close = lambda: closed.append(display.now)
    monkeypatch.setattr("clusterbayes.inference.displays.progress_for", lambda: display)
    with pytest.raises(FitCancelled):
        fit_cluster(STARS, **SETTINGS, progress=True, cancel=display.cancel)
    assert closed == ["select"]


def test_a_cancelled_fit_without_a_checkpoint_says_no_more():
    with pytest.raises(FitCancelled) as raised:
        fit(display=Display("search", 1.0))
    assert raised.value.remedy is None


def another(*args, **options):
    raise AssertionError("a checkpoint of another sampler was taken")


CHANGED = [
    ({"seed": 2}, "seed was 1, now 2"),
    (
        {"priors": SETTINGS["priors"] | {"mh": "normal(0,0.1)"}},
        r"priors.mh was normal\(-0.1, 0.05, -1, 0.4\), now normal\(0, 0.1,",
    ),
    ({"fixed": {"alpha_1": 1.3, "alpha_2": 2.5}}, "fixed.alpha_2 was 2.3, now 2.5"),
    ({"sampling": replace(SETTINGS["sampling"], max_steps=70)}, "max_steps was 60, now 70"),
    ({"mag_limit": "Gaia_G=15.9"}, "mag_limit was Gaia_G=16, now Gaia_G=15.9"),
    ({"grid": replace(GRID, mags=GRID.mags + 1e-3)}, "data.grid was"),
    ({"photometry": Photometry.from_table(mock_table(50, 10, seed=9))}, "input.checksum was"),
    ({"photometry": replace(STARS, errors=STARS.errors * 1.5)}, "data.stars was"),
    ({"control": Photometry.from_table(mock_table(0, 60, seed=3))}, "control"),
    ({"sampler": another}, r"sampler was clusterbayes\.inference\.sampler\.sample, now .*another"),
]


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    path = tmp_path_factory.mktemp("begun") / "fit.h5"
    with pytest.raises(FitCancelled):
        fit(checkpoint=path, display=Display("search", -1.0))
    return path


@pytest.mark.parametrize(("change", "message"), CHANGED)
def test_other_data_grid_or_settings_are_refused(begun, change, message):
    before = begun.read_bytes()
    with pytest.raises(CheckpointError, match=message):
        fit(checkpoint=begun, **change)
    assert begun.read_bytes() == before


def test_a_fit_that_begins_anew_replaces_the_checkpoint_and_one_that_is_refused_leaves_it(begun, tmp_path):
    path, before = tmp_path / "fit.h5", begun.read_bytes()
    path.write_bytes(before)
    with pytest.raises(SettingsError, match="ebv"):
        fit(checkpoint=path, restart=True, fixed={"ebv": 0.1})
    assert path.read_bytes() == before
    with pytest.raises(FitCancelled):
        fit(checkpoint=path, restart=True, seed=2, display=Display("search", -1.0))
    with pytest.raises(CheckpointError, match="seed was 2"):
        fit(checkpoint=path)


def test_another_number_of_threads_is_the_same_fit(begun, tmp_path, unbroken):
    path = tmp_path / "fit.h5"
    path.write_bytes(begun.read_bytes())
    same(fit(checkpoint=path, sampling=replace(SETTINGS["sampling"], n_threads=1)), unbroken)


def test_other_versions_are_refused(begun, monkeypatch):
    monkeypatch.setattr("clusterbayes.inference.identity._VERSIONS", ("numpy", "emcee"))
    monkeypatch.setattr("clusterbayes.inference.identity.metadata.version", lambda name: "0.1")
    with pytest.raises(CheckpointError, match=f"numpy was {np.__version__}, now 0.1"):
        fit(checkpoint=begun)
