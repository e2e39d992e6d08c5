"""Folders of outcomes, and work done side by side."""

from __future__ import annotations

import json
import os

import pytest

from clusterbayes.errors import BatchError, InputError, SettingsError
from clusterbayes.validation.outcomes import Outcomes, run_side_by_side


def shout(text: str) -> str:
    if text == "bad":
        raise SettingsError("this is bad")
    return text.upper()


def die(text: str) -> str:
    os._exit(9)


def test_an_outcome_comes_back_and_what_is_not_finite_is_null(tmp_path):
    outcomes = Outcomes(tmp_path, {"seed": 1})
    assert not outcomes.has("one")
    outcomes.keep("one", {"value": 1.5, "none": float("nan")})
    assert outcomes.has("one")
    assert Outcomes(tmp_path).load("one") == {"value": 1.5, "none": None}
    assert list(Outcomes(tmp_path).all()) == [{"value": 1.5, "none": None}]


def test_a_folder_of_other_settings_is_refused(tmp_path):
    Outcomes(tmp_path, {"seed": 1, "steps": (1, 2)})
    Outcomes(tmp_path, {"seed": 1, "steps": [1, 2]})
    with pytest.raises(SettingsError, match="begun with seed = 1"):
        Outcomes(tmp_path, {"seed": 2, "steps": [1, 2]})


def test_a_folder_without_settings_is_refused(tmp_path):
    with pytest.raises(InputError, match="no settings"):
        Outcomes(tmp_path)


def test_a_damaged_outcome_is_named(tmp_path):
    outcomes = Outcomes(tmp_path, {})
    outcomes.place("one").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="one.json"):
        list(outcomes.all())
    assert json.loads((tmp_path / "settings.json").read_text(encoding="utf-8")) == {}


@pytest.mark.parametrize("n_workers", [1, 2])
def test_all_items_are_worked_on(n_workers):
    told: list[str] = []
    run_side_by_side(shout, ["a", "b", "c"], n_workers=n_workers, tell=told.append)
    assert sorted(told) == ["A", "B", "C"]


def test_an_error_ends_the_work():
    with pytest.raises(SettingsError, match="this is bad"):
        run_side_by_side(shout, ["bad", "b"], n_workers=1, tell=lambda text: None)


def test_a_process_that_dies_is_told_with_a_remedy():
    with pytest.raises(BatchError, match="process died.*fewer workers"):
        run_side_by_side(die, ["a", "b"], n_workers=2, tell=lambda text: None)
