from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.cli.options import parse_center, parse_default_error, parse_number, parse_numbers, parse_pairs
from clusterbayes.errors import SettingsError


def test_pairs():
    assert parse_pairs(["mh=normal(0,0.2)", " a_v = uniform(0,1)"], "--prior", "NAME=SPEC") == {
        "mh": "normal(0,0.2)",
        "a_v": "uniform(0,1)",
    }
    assert parse_pairs(["a=b=V"], "--map", "COLUMN=NAME", at_last=True) == {"a=b": "V"}
    assert parse_pairs(["a=b=V"], "--prior", "NAME=SPEC") == {"a": "b=V"}


@pytest.mark.parametrize("text", ["mh", "=3", "mh=", "", " = "])
def test_pairs_of_another_form(text):
    with pytest.raises(SettingsError, match=r"--prior.*NAME=SPEC"):
        parse_pairs([text], "--prior", "NAME=SPEC")


def test_a_name_given_twice():
    with pytest.raises(SettingsError, match="'a_v' is given twice"):
        parse_pairs(["a_v=1", "a_v=2"], "--fix", "NAME=VALUE")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers(value):
    assert parse_number(repr(value), "--fix", "NUMBER") == value
    assert parse_numbers([f"x={value!r}"], "--fix", "NAME=VALUE") == {"x": value}


@pytest.mark.parametrize("text", ["", "one", "nan", "inf", "1,5"])
def test_what_is_no_number(text):
    with pytest.raises(SettingsError, match="--fix"):
        parse_number(text, "--fix", "NUMBER")


def test_center():
    assert parse_center(None) is None
    assert parse_center("289.074,-16.333") == (289.074, -16.333)
    assert parse_center(" 0 , 90 ") == (0.0, 90.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("289.074", "two numbers"),
        ("1,2,3", "two numbers"),
        ("19:16:17 -16:19", "hours times 15"),
        ("a,b", "a number"),
        ("400,0", "no direction"),
        ("10,-91", "no direction"),
        ("nan,0", "a number"),
    ],
)
def test_center_of_another_form(text, message):
    with pytest.raises(SettingsError, match=message):
        parse_center(text)


def test_default_error():
    assert parse_default_error([]) is None
    assert parse_default_error(["0.02"]) == 0.02
    assert parse_default_error(["V=0.02", "B-V=0.03"]) == {"V": 0.02, "B-V": 0.03}
    with pytest.raises(SettingsError, match="one number for all"):
        parse_default_error(["0.02", "V=0.01"])
