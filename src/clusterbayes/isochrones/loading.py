"""What a loaded grid is made of: theory from a file, magnitudes native or composed, extinction by a chosen law.

The file is an installed grid, a user's own, or a family of models that is composed into the user's cache when it is
first asked for.  Magnitudes are those of the file where it has them and no corrections are asked for, else they are
made of bolometric corrections here, once in a process for the same grid, table and bands.  Extinction coefficients are
looked up, unless the file carries its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clusterbayes.errors import SettingsError
from clusterbayes.isochrones import families, storage
from clusterbayes.isochrones.bolometric import CorrectionTable, corrections_digest, find_corrections
from clusterbayes.isochrones.extinction import extinction_coefficients

__all__ = ["digest_of", "load_fields"]

_KEPT, _LARGEST = 4, 64e6
"""How many composed grids are remembered, and of what size at most [bytes]; three bands of MIST take 10 MB."""
_composed: dict[tuple[str, str, tuple[str, ...] | None], tuple[tuple[str, ...], np.ndarray, int]] = {}

_ORIGIN = ("file_digest", "corrections_digest", "extinction_digest", "law", "r_v", "refined")


def load_fields(
    name: str | Path,
    bands: Iterable[str] | None,
    corrections: str | Path | None,
    law: str,
    r_v: float,
    progress: Callable[[str, float], None] | None,
) -> dict[str, Any]:
    """Return the fields of `IsochroneGrid`; the parameters are those of `IsochroneGrid.load`.

    Raises
    ------
    GridError
        If there is no such grid, the file is damaged or of another version, or a band is missing.
    SettingsError
        If the law is unknown, or the grid carries extinction coefficients of its own for another one.
    """
    path, title = _find(name, progress)
    wanted = None if bands is None else (bands,) if isinstance(bands, str) else tuple(bands)
    values = storage.read_grid(path, wanted if corrections is None else ())
    if not values["bands"]:
        values |= _compose(values, wanted, corrections or "corrections")
    metadata = values["metadata"] | {"name": title}
    if values["ext"] is not None:
        _refuse_other_law(metadata, law, r_v)
    else:
        metadata |= {"law": law, "r_v": float(r_v), "extinction_digest": corrections_digest()}
        values["ext"] = extinction_coefficients(values["bands"], *_star(values), law=law, r_v=r_v)
    return {**values, "metadata": metadata}


def digest_of(metadata: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all that a loaded grid's numbers follow from; empty for a grid that has no file.

    Parameters
    ----------
    metadata : mapping
        The grid's, with the digests of its file and of the tables used, the law, R_V, and what refinement added.
    """
    if "file_digest" not in metadata:
        return ""
    parts = {key: metadata.get(key) for key in _ORIGIN}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _find(name: str | Path, progress: Callable[[str, float], None] | None) -> tuple[Path, str]:
    """Return the file of a grid and its name; a family that is not installed is composed."""
    if str(name) in families.FAMILIES and str(name) not in storage.installed_grids() and not Path(name).is_file():
        return families.compose(str(name), progress), str(name)
    path = storage.find_grid(name, families.FAMILIES)
    return path, path.stem


def _star(values: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log Teff, log g and [M/H] of all points, broadcastable to one shape."""
    return values["log_teff"], values["log_g"], values["mh"][None, :, None]


def _compose(values: dict[str, Any], bands: tuple[str, ...] | None, corrections: str | Path) -> dict[str, Any]:
    """Return bands, magnitudes and metadata made of theory and bolometric corrections; the last few are remembered."""
    digest = corrections_digest(corrections)
    key = (values["metadata"]["file_digest"], digest, bands)
    composed = _composed.pop(key, None) or _evaluate(values, bands, corrections)
    names, mags, outside = composed
    if mags.nbytes <= _LARGEST:
        _composed[key] = composed  # as the one used last
        for old in list(_composed)[:-_KEPT]:
            _composed.pop(old, None)
    made = {
        "corrections": find_corrections(corrections).stem,
        "corrections_digest": digest,
        "points_outside_corrections": outside,
    }
    return {"bands": names, "mags": mags, "ext": None, "metadata": values["metadata"] | made}


def _evaluate(
    values: Mapping[str, Any], bands: tuple[str, ...] | None, corrections: str | Path
) -> tuple[tuple[str, ...], np.ndarray, int]:
    """Return bands, magnitudes (read-only) and the number of points outside the table of corrections."""
    table = CorrectionTable.load(corrections, bands)
    mags = table.magnitudes(values["log_lum"], *_star(values))
    mags.flags.writeable = False
    return table.bands, mags, int(np.count_nonzero(table.outside(*_star(values))))


def _refuse_other_law(metadata: Mapping[str, Any], law: str, r_v: float) -> None:
    """Raise if a law was asked for that is not the one of the coefficients that a file carries."""
    asked, own = (law, float(r_v)), (metadata.get("law", "its own law"), float(metadata.get("r_v", 3.1)))
    if asked not in (own, ("tables", 3.1)):
        raise SettingsError(
            f"the grid {metadata['name']} carries extinction coefficients of its own, for {own[0]} at R_V = {own[1]:g}",
            "law",
            f"{law} at R_V = {r_v:g}",
            remedy="leave the law and R_V out, or use a grid without its own coefficients",
        )
