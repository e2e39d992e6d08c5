"""Digests of what a fit was made from, so that it is made again where a file has other contents under its name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.isochrones.bolometric import corrections_digest
from clusterbayes.isochrones.certified import composed, origin
from clusterbayes.isochrones.families import FAMILIES, compose
from clusterbayes.isochrones.storage import describe_grid, find_grid, installed_grids

__all__ = ["file_digests", "grid_contents", "isochrone_digests"]


def file_digests(files: Mapping[str, Path | None]) -> dict[str, str]:
    """Return the SHA-256 of each file that is there, by the given names."""
    digests = {}
    for name, path in files.items():
        if path is not None and path.is_file():
            with path.open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def grid_contents(grid: IsochroneGrid) -> str:
    """Return what a loaded grid holds: its digest, or, for a family that was composed here, what it was composed from.

    The last digits of a composed grid may differ between machines, on which one folder may be filled by turns.
    """
    if not composed(grid.metadata):
        return grid.digest
    return " ".join(part for part in origin(grid.metadata) if part)


def isochrone_digests(grid: str | os.PathLike[str]) -> dict[str, str]:
    """Return the digests of a grid's file ("grid") and of the bolometric corrections ("corrections").

    A family of models is composed if it is not in the cache yet, once for all fits.

    Raises
    ------
    GridError
        If there is no such grid, or its file is damaged.
    """
    name = os.fspath(grid)
    family = name in FAMILIES and name not in installed_grids() and not Path(name).is_file()
    path = compose(name) if family else find_grid(name, FAMILIES)
    return {"grid": str(describe_grid(path)["digest"]), "corrections": corrections_digest()}
