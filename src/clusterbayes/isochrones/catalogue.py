"""What grids there are to choose from: those that are installed, families that are composed on first use, and files.

A theory grid has no magnitudes of its own; its bands are those of the installed table of bolometric corrections.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from clusterbayes.bands import BANDS
from clusterbayes.isochrones import storage
from clusterbayes.isochrones.bolometric import correction_bands
from clusterbayes.isochrones.families import FAMILIES, PACKAGE, REMEDY, composed_info

__all__ = ["READY", "describe", "known_grids"]

READY, _ON_USE = "ready", "composed on first use"


def known_grids() -> dict[str, dict[str, Any]]:
    """Return every grid and family by name.

    Returns
    -------
    dict of str to dict
        What each is and covers, as `storage.describe_grid` has it where there is a file and as the registry of families
        has it where there is none, with its state: "ready", "composed on first use", or what it needs.
    """
    found = {name: _with_bands(storage.describe_grid(path)) for name, path in storage.installed_grids().items()}
    missing = importlib.util.find_spec(PACKAGE) is None
    for name, family in FAMILIES.items():
        if name in found:
            continue
        composed = composed_info(name)
        state = READY if composed else f"needs {REMEDY}" if missing else _ON_USE
        said = {**family.metadata(), "log_age": list(family.log_age), "mh": list(family.mh), "bands": {}}
        found[name] = _with_bands({**said, **(composed or {}), "name": name}, state)
    return found


def describe(name: str | Path) -> dict[str, Any]:
    """Return what a grid says about itself: an installed one, a family or a file.

    Raises
    ------
    GridError
        If there is no such grid, or its file cannot be read.
    """
    if Path(name).is_file():
        return _with_bands(storage.describe_grid(Path(name)))
    grids = known_grids()
    if str(name) not in grids:
        storage.find_grid(name, grids)  # raises, and says what there is
    return grids[str(name)]


def _with_bands(info: dict[str, Any], state: str = READY) -> dict[str, Any]:
    """Return a description with its state, and with the bands that a theory grid is to have."""
    bands = info["bands"] or {band: BANDS[band].system if band in BANDS else "" for band in correction_bands()}
    return {**info, "bands": bands, "state": state}
