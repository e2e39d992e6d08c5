"""What the certificates of the known grids say, for whoever needs to know how far interpolation is to be trusted.

The table travels with the package; ``docs/make_certificates.py`` makes it from the certificates under
``docs/certificates``.  The default prior of the model floors is no narrower than what is certified here.  A grid is
known by what its numbers are made of, not by its name.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

__all__ = ["certified_floor", "certified_phases", "composed", "origin", "rows_of"]

_TABLE = "certified.csv"
_DIGITS = 16


def composed(metadata: Mapping[str, Any]) -> bool:
    """Whether a grid was composed from its source on this machine, and did not come as a file."""
    return "recipe_version" in metadata and not metadata.get("native_bands")


def origin(metadata: Mapping[str, Any]) -> tuple[str, str]:
    """Return what the table knows a grid by: digests of its models and of the corrections that its magnitudes are from.

    Parameters
    ----------
    metadata : mapping
        The grid's, as `IsochroneGrid.load` has it.

    Returns
    -------
    models : str
        First digits of the file's digest, or, for a family composed from its source, of the digest of the source's
        SHA-256 with the version of the recipe (bytes of the result may differ between machines); empty for a grid that
        has no file.
    corrections : str
        First digits of the digest of the table of corrections; empty for magnitudes that the models came with.
    """
    models = str(metadata.get("file_digest", ""))
    if models and composed(metadata):
        recipe = f"{metadata['sha256']} recipe {metadata['recipe_version']}"
        models = hashlib.sha256(recipe.encode()).hexdigest()
    return models[:_DIGITS], str(metadata.get("corrections_digest", ""))[:_DIGITS]


def rows_of(metadata: Mapping[str, Any], table: Traversable) -> list[dict[str, str]]:
    """Return the rows that a table of the package has of a grid.

    Parameters
    ----------
    metadata : mapping
        The grid's.
    table : Traversable
        CSV with lines of comment (#) and the columns `digest` and `corrections`, as `origin` gives them.
    """
    text = table.read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    known = origin(metadata)
    return [row for row in rows if (row["digest"], row["corrections"]) == known]


def certified_phases(metadata: Mapping[str, Any]) -> dict[str, float]:
    """Return the certified rms at log_age 8 and above by phase [mag], empty for a grid that was never certified.

    Parameters
    ----------
    metadata : mapping
        The grid's.

    Returns
    -------
    dict of str to float
        By the names of `clusterbayes.isochrones.comparison.GROUPS`, the AGB tail left out.
    """
    rows = rows_of(metadata, files("clusterbayes.isochrones") / _TABLE)
    return {row["phase"]: float(row["certified"]) for row in rows}


def certified_floor(metadata: Mapping[str, Any]) -> float | None:
    """Return the certified rms of a grid's worst phase at log_age 8 and above [mag]; None if it was never certified."""
    return max(certified_phases(metadata).values(), default=None)
