"""Reading the values of options: pairs, directions, numbers.

What is wrong with a value is said with the option's name, the value as it was typed, and the form that was expected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from clusterbayes.errors import SettingsError

__all__ = ["parse_center", "parse_default_error", "parse_number", "parse_numbers", "parse_pairs"]


def parse_pairs(texts: Sequence[str], option: str, form: str, *, at_last: bool = False) -> dict[str, str]:
    """Read values of the form NAME=VALUE.

    Parameters
    ----------
    texts : sequence of str
        The values as typed.
    option : str
        The option, for messages, e.g. "--prior".
    form : str
        The expected form, for messages, e.g. "NAME=SPEC".
    at_last : bool
        Whether the last "=" parts the two, not the first.

    Returns
    -------
    dict of str to str
        In the order given.

    Raises
    ------
    SettingsError
        If a value has another form, or a name is given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.rpartition("=") if at_last else text.partition("=")
        name, value = name.strip(), value.strip()
        if not (sign and name and value):
            raise SettingsError("the value was not understood", option, text, expected=form)
        if name in pairs:
            raise SettingsError(f"'{name}' is given twice", option, text, remedy="give it once")
        pairs[name] = value
    return pairs


def parse_number(text: str, option: str, form: str) -> float:
    """Read one finite number.

    Raises
    ------
    SettingsError
        If it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise SettingsError("a number was expected", option, text, expected=form)
    return number


def parse_numbers(texts: Sequence[str], option: str, form: str) -> dict[str, float]:
    """Read values of the form NAME=NUMBER; as `parse_pairs`."""
    pairs = parse_pairs(texts, option, form)
    return {name: parse_number(value, option, form) for name, value in pairs.items()}


def parse_center(text: str | None, option: str = "--center") -> tuple[float, float] | None:
    """Read RA,DEC [deg].

    Raises
    ------
    SettingsError
        If it is not two numbers, or no direction.
    """
    if text is None:
        return None
    form = "RA,DEC in degrees, e.g. 289.074,-16.333"
    parts = text.split(",")
    if ":" in text or "h" in text.lower():
        remedy = "right ascension in hours times 15 gives degrees"
        raise SettingsError("decimal degrees were expected", option, text, form, remedy)
    if len(parts) != 2:
        raise SettingsError("two numbers with a comma between them were expected", option, text, form)
    ra, dec = (parse_number(part.strip(), option, form) for part in parts)
    if not (0.0 <= ra <= 360.0 and -90.0 <= dec <= 90.0):
        raise SettingsError("this is no direction", option, text, "RA from 0 to 360, Dec from -90 to 90 degrees")
    return ra, dec


def parse_default_error(texts: Sequence[str], option: str = "--default-error") -> float | dict[str, float] | None:
    """Read BAND=VALUE, or one bare number for all [mag].

    Raises
    ------
    SettingsError
        If a value has another form, or a bare number is mixed with others.
    """
    form = "BAND=VALUE, e.g. V=0.02, or one number for all, in magnitudes"
    if len(texts) == 1 and "=" not in texts[0]:
        return parse_number(texts[0], option, form)
    return parse_numbers(texts, option, form) or None
