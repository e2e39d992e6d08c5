"""Pieces of the pages that validation leaves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

__all__ = ["UNSAID", "markdown_table", "number", "verdict"]

#: What is said of a statement that has no value.
UNSAID = "nothing can be said"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def number(value: float) -> str:
    """Return a statement's value as it is shown, nothing for NaN."""
    return "" if math.isnan(value) else f"{value:.3f}"


def verdict(holds: bool | None, value: float = 0.0) -> str:
    """Return what a page says of a statement that holds, doesn't, or has no bound; or no value (NaN)."""
    if math.isnan(value):
        return UNSAID
    return {True: "holds", False: "**does not hold**", None: ""}[holds]
