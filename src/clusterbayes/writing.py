"""Writing files so that a reader sees the old one or the new one, never a half, whatever happens meanwhile."""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["begun", "replacing", "write_text"]

_HEX = "[0-9a-f]"


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
        ``.<name>.<eight hexadecimal digits>`` in the same folder; `begun` finds what a killed process has left.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        yield partial
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(partial, target)
    except OSError as error:
        if Path(str(error.filename)).name == partial.name:  # nobody but this module knows the other name
            error.filename = str(target)
        raise
    finally:
        partial.unlink(missing_ok=True)


def begun(folder: Path, name: str) -> Iterator[Path]:
    """Yield what stands in a folder under a hidden name for a file or folder `name`, and has not got that name yet."""
    return folder.glob(f".{glob.escape(name)}.{8 * _HEX}")


def write_text(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a text, all of it or nothing."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)
