from __future__ import annotations

import pickle

import pytest

from clusterbayes.errors import (
    BandError,
    BatchError,
    ClusterBayesError,
    FitError,
    GridError,
    GridRangeError,
    InputError,
    SettingsError,
    close_matches,
)

EXAMPLES = [
    BandError("W1", suggestions=("K",), remedy="Known bands: K"),
    InputError("not a number", "a.csv", "Gmag", 7, "'abc'", "a number", "correct the cell"),
    GridRangeError("log_age", 11.0, 6.0, 10.2),
    GridError("no such grid", "mist", remedy="run grid list"),
    SettingsError.unknown("parameter", "log_agee", ("log_age", "mh")),
    FitError("no start was found", "search", "widen the priors"),
    BatchError("the scheduler is gone", "tcp://host:8786", "start one"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling_with_their_values(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_are_ours_and_a_builtin(error):
    builtin = RuntimeError if isinstance(error, FitError | BatchError) else ValueError
    assert isinstance(error, ClusterBayesError)
    assert isinstance(error, builtin)


def test_an_input_error_says_where_and_what_to_do():
    assert str(EXAMPLES[1]) == (
        "a.csv, column 'Gmag', row 7 (from 0), value 'abc': not a number. Expected: a number. Remedy: correct the cell."
    )


def test_parts_that_are_left_out_leave_no_trace():
    assert str(InputError("the file is empty")) == "the file is empty."
    assert str(FitError("no start was found")) == "no start was found."


def test_a_row_of_zero_is_named():
    assert "row 0" in str(InputError("bad", row=0))


def test_a_grid_range_error_shows_the_range():
    assert str(EXAMPLES[2]) == "log_age=11 is outside the grid [6, 10.2]"


def test_a_grid_range_error_of_a_single_node_names_it():
    assert str(GridRangeError("mh", 0.1, -0.08, -0.08)) == "mh=0.1: the grid has only mh = -0.08"
    assert str(GridRangeError("mh", -0.0800001, -0.08, -0.08)) == "mh=-0.0800001: the grid has only mh = -0.08"


def test_unknown_names_come_with_suggestions():
    assert "Did you mean log_age?" in str(EXAMPLES[4])
    assert "Did you mean" not in str(SettingsError.unknown("parameter", "zzz", ("log_age", "mh")))


def test_close_matches_ignore_case_and_keep_spellings():
    assert close_matches("GAIA_g", ["Gaia_G", "V"]) == ("Gaia_G",)
    assert close_matches("q", ["Gaia_G", "V"]) == ()
    assert close_matches("v_error", ["V_error", "V_error"]) == ("V_error",)
