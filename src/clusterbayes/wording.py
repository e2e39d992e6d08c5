"""Numbers with their nouns, in the singular where there is one."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: float, noun: str, plural: str = "") -> str:
    """Return a count with its noun: "1 star", "3 stars", "0 stars".

    Parameters
    ----------
    count : float
        Rounded to a whole number.
    noun : str
        In the singular.
    plural : str
        The plural; the noun with an s if left out.
    """
    whole = round(float(count))
    return f"{whole} {noun if whole == 1 else plural or noun + 's'}"
