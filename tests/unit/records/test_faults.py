"""Errors as they are written down: with their traceback, without secrets, and always storable."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from unit.records.test_record import JSON

from clusterbayes.errors import ClusterBayesError, FitError
from clusterbayes.records.faults import (
    ConflictError,
    DatabaseError,
    LostRunError,
    RunNotFoundError,
    describe_error,
    storable,
    without_secrets,
)

SECRETS = [
    "postgresql://ann:hunter2@db/fits",
    "password=hunter2",
    "password = 'hunter2 and more'",
    '{"api_key": "hunter2"}',
    "PGPASSWORD=hunter2 psql",
    "Authorization: Bearer hunter2",
    "token: hunter2, next",
    "client_secret='hunter2'",
]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_left_out(text):
    assert "hunter2" not in without_secrets(f"before {text} after")
    assert without_secrets(f"before {text}").startswith("before ")


@pytest.mark.parametrize("text", ["tokens were counted", "see https://example.org/a@b", "sqlite:///runs.db", ""])
def test_other_words_stay(text):
    assert without_secrets(text) == text


def test_a_description_has_a_traceback_without_secrets():
    try:
        try:
            raise ValueError("password=hunter2")
        except ValueError as first:
            raise FitError("the likelihood broke down", stage="sample") from first
    except FitError as error:
        described = describe_error(error, attempt=2)
    assert (described.id, described.stage, described.meta["attempt"]) == ("FitError", "sample", 2)
    text = "\n".join(described.meta["traceback"])
    assert "test_faults.py" in text
    assert "FitError" in text
    assert "hunter2" not in json.dumps(described.to_wire())


@given(JSON)
def test_whatever_is_made_storable_can_be_stored(value):
    text = json.dumps(storable(value), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in text
    text.encode()


@pytest.mark.parametrize(
    "error",
    [DatabaseError("away", "wait"), RunNotFoundError(3), RunNotFoundError(3, "result"), ConflictError("k", 3),
     LostRunError(3)],
)  # fmt: skip
def test_errors_survive_pickling(error):
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, ClusterBayesError)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
