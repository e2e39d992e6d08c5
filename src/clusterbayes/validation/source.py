"""Which state of the code made an outcome, where the version's number stays the same for long."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import clusterbayes

__all__ = ["UNKNOWN", "digest_of_source", "source_digest", "states_of_code"]

#: What outcomes without a digest are counted as.
UNKNOWN = "unknown"

_FOLDERS = ("inference", "isochrones", "model")  # what numbers follow from
_ENDINGS = (".csv", ".py")  # tables of priors and floors count as code does
_DIGITS = 12


@lru_cache(maxsize=1)
def source_digest() -> str:
    """Return the digest of the code that numbers follow from, as it was when this process first asked."""
    return digest_of_source(Path(clusterbayes.__file__).parent)


def digest_of_source(package: Path) -> str:
    """Return the first digits of the SHA-256 over the names and contents of a package's files.

    Parameters
    ----------
    package : Path
        Folder of the package; of it, the modules and tables of `inference`, `isochrones` and `model` count.
    """
    total = hashlib.sha256()
    for folder in _FOLDERS:
        for path in sorted((package / folder).rglob("*")):
            if path.suffix in _ENDINGS:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                total.update(f"{path.relative_to(package).as_posix()} {content}\n".encode())
    return total.hexdigest()[:_DIGITS]


def states_of_code(outcomes: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count outcomes by the digest of the code that made them, `UNKNOWN` for those that keep none."""
    return dict(Counter(str(outcome.get("source", UNKNOWN)) for outcome in outcomes))
