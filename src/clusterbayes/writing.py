"""Writing files so that a reader sees the old one or the new one, never a half, whatever happens meanwhile."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing", "write_text"]


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a name beside a file to write to; what was written gets the file's own name when the block ends.

    It is on the disk by then. If the block raises, the file is what it was and nothing is left beside it.

    Parameters
    ----------
    path : path-like
        The file, replaced if it exists; its folder has to exist.

    Yields
    ------
    Path
        ``.<name>.<eight digits>`` in the same folder.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        yield partial
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def write_text(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a text, all of it or nothing."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)
