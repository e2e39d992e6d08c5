"""Grid files: finding them, reading them, writing them.

A grid file is a packed file (see `clusterbayes.isochrones.packed`) with axes, mass, temperature, luminosity and
gravity, and one array of magnitudes for each band that the models come with.  A theory grid has no band; its magnitudes
are made of bolometric corrections when it is loaded.  Extinction coefficients are looked up then too, unless the file
carries its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clusterbayes.bands import BANDS
from clusterbayes.errors import GridError, close_matches
from clusterbayes.isochrones.packed import installed_files, match_bands, open_packed, put, verified, write_packed

__all__ = [
    "ARRAYS",
    "FORMAT_VERSION",
    "describe_grid",
    "find_grid",
    "installed_grids",
    "match_bands",
    "read_grid",
    "write_grid",
]

FORMAT = "clusterbayes isochrone grid"
FORMAT_VERSION = 2
ARRAYS = ("log_age", "mh", "eep", "phase", "m_ini", "log_teff", "log_lum", "log_g")
_WHOLE = {"eep", "phase"}
_SINGLE = {"log_teff", "log_lum", "log_g"}
_OF_LOADING = {"native_bands", "file_digest"}
_NOUN = "an isochrone grid"
_NO_BAND = (
    "leave it out, use a grid that has it (clusterbayes grid list), or, in Python, bolometric corrections for all bands"
    ' (corrections="corrections")'
)


def installed_grids() -> dict[str, Path]:
    """Return the grids that come with the package: name to path, sorted."""
    return installed_files(FORMAT)


def find_grid(name: str | Path, others: Iterable[str] = ()) -> Path:
    """Return the path of an installed grid or of a grid file.

    Parameters
    ----------
    name : str or Path
        Name of an installed grid, or a path.
    others : iterable of str
        Names that could have been given as well, for the error.

    Raises
    ------
    GridError
        If there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    grids = installed_grids()
    if str(name) in grids:
        return grids[str(name)]
    known = sorted({*grids, *others})
    near = close_matches(str(name), known)
    remedy = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "give the name of an installed grid or the path of a grid file"
    )
    raise GridError(
        f"there is no grid '{name}'", expected="one of " + (", ".join(known) or "(none installed)"), remedy=remedy
    )


def read_grid(path: Path, bands: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Read a grid file.

    Parameters
    ----------
    path : Path
        The file.
    bands : tuple of str, optional
        Bands to read, all of the file's if left out; with () only the theory is read, as it is from a theory grid.

    Returns
    -------
    dict
        The arrays of `ARRAYS`; bands and metadata (with native_bands, file_digest); mags, shape (n_age, n_mh, n_eep,
        n_band) [mag]; ext, shape (n_age, n_mh, n_eep, n_band, 3), or None if the file has no coefficients of its own.

    Raises
    ------
    GridError
        If the file is damaged, of another kind or version, or lacks a band.
    """
    with open_packed(path, FORMAT, FORMAT_VERSION, _NOUN) as (file, metadata):
        present = tuple(metadata.pop("bands"))
        metadata |= {"native_bands": list(present), "file_digest": metadata.pop("digest")}
        if bands is None or not present:
            names = present
        else:
            names = match_bands(bands, present, path.name, remedy=_NO_BAND) if bands else ()
        values: dict[str, Any] = {}
        for name in ARRAYS:
            values[name] = verified(file[name], path).astype(np.int64 if name in _WHOLE else np.float64)
        mags = np.empty((*values["m_ini"].shape, len(names)))
        for b, band in enumerate(names):
            mags[..., b] = verified(file[f"mags/{band}"], path)
        ext = np.empty((*mags.shape, 3)) if "extinction" in file else None
        if ext is not None:
            for b, band in enumerate(names):
                ext[..., b, :] = verified(file[f"extinction/{band}"], path)
    return {**values, "bands": names, "mags": mags, "ext": ext, "metadata": metadata}


def describe_grid(path: Path) -> dict[str, Any]:
    """Return what a grid file says about itself, without reading its arrays.

    Raises
    ------
    GridError
        If the file is damaged or of another kind or version.
    """
    with open_packed(path, FORMAT, FORMAT_VERSION, _NOUN) as (file, info):
        bands = info.pop("bands")
        for name in ("log_age", "mh"):
            info[name] = [float(file[name][0]), float(file[name][-1])]
        info |= {"n_age": len(file["log_age"]), "n_mh": len(file["mh"]), "n_eep": len(file["eep"])}
    return {**info, "bands": {band: BANDS[band].system if band in BANDS else "" for band in bands}, "path": str(path)}


def write_grid(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    bands: tuple[str, ...],
    mags: NDArray[np.float64] | None,
    extinction: NDArray[np.float64] | None,
    metadata: Mapping[str, Any],
) -> None:
    """Write a grid file, replacing an old one only when the new one is complete.

    Parameters
    ----------
    path : Path
        The file.
    arrays : mapping of str to array
        The arrays named in `ARRAYS`.
    bands : tuple of str
        Band names; () for a theory grid.
    mags : (n_age, n_mh, n_eep, n_band) array or None
        Absolute magnitudes [mag]; None for a theory grid.
    extinction : (n_age, n_mh, n_eep, n_band, 3) array or None
        Coefficients, only for a grid that shall keep its own; None if they are to be looked up when it is loaded.
    metadata : mapping of str to str or float
        What the grid is.
    """
    if bands and mags is None:
        raise GridError("bands are named, but their magnitudes are missing", path.name)
    described = {key: value for key, value in metadata.items() if key not in _OF_LOADING}
    with write_packed(path, FORMAT, FORMAT_VERSION, {**described, "bands": list(bands)}) as file:
        for name in ARRAYS:
            kind = np.int16 if name in _WHOLE else np.float32 if name in _SINGLE else np.float64
            put(file, name, np.asarray(arrays[name]).astype(kind))
        for b, band in enumerate(bands):
            assert mags is not None
            put(file, f"mags/{band}", mags[..., b].astype(np.float32))
            if extinction is not None:
                put(file, f"extinction/{band}", np.ascontiguousarray(extinction[..., b, :], dtype=np.float32))
