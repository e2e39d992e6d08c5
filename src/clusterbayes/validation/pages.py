"""Pieces of the pages that validation leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["markdown_table", "verdict"]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def verdict(holds: bool | None) -> str:
    """Return what a page says of a statement that holds, doesn't, or has no bound."""
    return {True: "holds", False: "**does not hold**", None: ""}[holds]
