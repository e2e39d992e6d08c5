"""Grid files: finding them, reading them, writing them.

A grid file is HDF5: axes, mass, temperature, luminosity and gravity as arrays, one array of magnitudes a band, and the
extinction either as a table against stellar parameters or as coefficients at every point.  Every array carries its
SHA-256, and the file's digest is the SHA-256 of all of them with the metadata; only what is read is verified.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from clusterbayes.bands import BANDS, resolve_band
from clusterbayes.errors import BandError, GridError, close_matches
from clusterbayes.isochrones.extinction import ExtinctionTable

__all__ = [
    "ARRAYS",
    "FORMAT_VERSION",
    "describe_grid",
    "find_grid",
    "installed_grids",
    "match_bands",
    "read_extinction_table",
    "read_grid",
    "write_grid",
]

FORMAT = "clusterbayes isochrone grid"
FORMAT_VERSION = 1
ARRAYS = ("log_age", "mh", "eep", "phase", "m_ini", "log_teff", "log_lum", "log_g")
_SINGLE = {"log_teff", "log_lum", "log_g"}
_TABLE_AXES = ("log_teff", "log_g", "mh")


def installed_grids() -> dict[str, Path]:
    """Return the grids that come with the package: name to path, sorted.

    An installed package has them in ``clusterbayes/_grids``, a source checkout in its ``grids`` folder.
    """
    found: dict[str, Path] = {}
    for folder in (
        Path(str(importlib.resources.files("clusterbayes"))) / "_grids",
        Path(__file__).resolve().parents[3] / "grids",
    ):
        if folder.is_dir():
            for path in sorted(folder.glob("*.h5")):
                found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def find_grid(name: str | Path) -> Path:
    """Return the path of an installed grid or of a grid file.

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
    near = close_matches(str(name), grids)
    remedy = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "give the name of an installed grid or the path of a grid file"
    )
    raise GridError(
        f"there is no grid '{name}'", expected="one of " + (", ".join(grids) or "(none installed)"), remedy=remedy
    )


def match_bands(wanted: Iterable[str], present: tuple[str, ...], source: str) -> tuple[str, ...]:
    """Return the names under which a grid has the wanted bands.

    Raises
    ------
    GridError
        If the grid lacks one of them.
    """
    names = []
    for text in wanted:
        name = text
        if name not in present:
            try:
                name = resolve_band(text).name
            except BandError as error:
                raise GridError(str(error), source, "one of " + ", ".join(present)) from error
        if name not in present:
            near = close_matches(name, present)
            remedy = f"did you mean {' or '.join(near)}?" if near else "leave it out, or use a grid that has it"
            raise GridError(f"the grid has no band {name}", source, "one of " + ", ".join(present), remedy)
        if name not in names:
            names.append(name)
    if not names:
        raise GridError("no band was asked for", source, "one of " + ", ".join(present))
    return tuple(names)


def read_grid(path: Path, bands: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Read a grid file.

    Parameters
    ----------
    path : Path
        The file.
    bands : tuple of str, optional
        Bands to read; all if left out.

    Returns
    -------
    dict
        The fields of `IsochroneGrid`.

    Raises
    ------
    GridError
        If the file is damaged, of another kind or version, or lacks a band.
    """
    try:
        with h5py.File(path, "r") as file:
            metadata = _metadata(file, path)
            present = tuple(metadata.pop("bands"))
            names = present if bands is None else match_bands(bands, present, str(path.name))
            values: dict[str, Any] = {name: _verified(file[name], path) for name in ARRAYS}
            for name in ARRAYS:
                values[name] = values[name].astype(np.int64 if name in ("eep", "phase") else np.float64)
            values["mags"] = np.stack([_verified(file["mags"][band], path) for band in names], axis=-1, dtype=float)
            values["ext"] = _read_extinction(file["extinction"], names, values, path)
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, GridError):
            raise
        raise GridError(
            f"the file cannot be read as a grid ({error})", str(path), remedy="make or install the grid file again"
        ) from error
    return {**values, "bands": names, "metadata": metadata}


def describe_grid(path: Path) -> dict[str, Any]:
    """Return what a grid file says about itself, without reading its arrays.

    Raises
    ------
    GridError
        If the file is damaged or of another kind or version.
    """
    try:
        with h5py.File(path, "r") as file:
            info = _metadata(file, path)
            bands = info.pop("bands")
            for name in ("log_age", "mh"):
                info[name] = [float(file[name][0]), float(file[name][-1])]
            info |= {"n_age": len(file["log_age"]), "n_mh": len(file["mh"]), "n_eep": len(file["eep"])}
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, GridError):
            raise
        raise GridError(f"the file cannot be read as a grid ({error})", str(path)) from error
    return {**info, "bands": {band: BANDS[band].system if band in BANDS else "" for band in bands}, "path": str(path)}


def write_grid(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    bands: tuple[str, ...],
    mags: NDArray[np.float64],
    extinction: ExtinctionTable | NDArray[np.float64],
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
        Band names.
    mags : (n_age, n_mh, n_eep, n_band) array
        Absolute magnitudes [mag].
    extinction : ExtinctionTable or (n_age, n_mh, n_eep, n_band, 3) array
        A table to be evaluated when the file is read, or the coefficients themselves.
    metadata : mapping of str to str or float
        What the grid is.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        with h5py.File(temporary, "w") as file:
            for name in ARRAYS:
                kind = np.int16 if name in ("eep", "phase") else np.float32 if name in _SINGLE else np.float64
                _put(file, name, np.asarray(arrays[name]).astype(kind))
            for b, band in enumerate(bands):
                _put(file, f"mags/{band}", mags[..., b].astype(np.float32))
            _put_extinction(file, bands, extinction)
            known = {key: value for key, value in metadata.items() if key not in ("digest", "name")}
            file.attrs["metadata"] = json.dumps({**known, "bands": list(bands)}, sort_keys=True)
            file.attrs["format"], file.attrs["version"] = FORMAT, FORMAT_VERSION
            file.attrs["digest"] = _digest(file)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _checksum(values: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def _put(file: h5py.File, name: str, values: NDArray[Any]) -> None:
    options = {"compression": "gzip", "compression_opts": 9, "shuffle": True} if values.ndim > 1 else {}
    dataset = file.create_dataset(name, data=values, track_times=False, **options)
    dataset.attrs["sha256"] = _checksum(values)


def _put_extinction(file: h5py.File, bands: tuple[str, ...], extinction: ExtinctionTable | NDArray[Any]) -> None:
    table = extinction if isinstance(extinction, ExtinctionTable) else None
    if table is not None:
        for name in _TABLE_AXES:
            _put(file, f"extinction/axes/{name}", getattr(table, name))
    values = table.select(bands).coefficients if table is not None else np.asarray(extinction)
    for b, band in enumerate(bands):
        _put(file, f"extinction/{band}", np.ascontiguousarray(values[..., b, :], dtype=np.float32))


def read_extinction_table(path: str | Path) -> ExtinctionTable:
    """Read the extinction table of a grid file, for all of its bands.

    Raises
    ------
    GridError
        If the file is not a grid or has coefficients at its points instead of a table.
    """
    path = Path(path)
    with h5py.File(path, "r") as file:
        bands = tuple(_metadata(file, path)["bands"])
        if "axes" not in file["extinction"]:
            raise GridError("the grid has no extinction table, only coefficients at its points", str(path))
        return _extinction_table(file["extinction"], bands, path)


def _extinction_table(group: h5py.Group, bands: tuple[str, ...], path: Path) -> ExtinctionTable:
    coefficients = np.stack([_verified(group[band], path) for band in bands], axis=-2)
    log_teff, log_g, mh = (_verified(group["axes"][name], path) for name in _TABLE_AXES)
    return ExtinctionTable(log_teff, log_g, mh, bands, coefficients)


def _read_extinction(
    group: h5py.Group, bands: tuple[str, ...], values: Mapping[str, NDArray[Any]], path: Path
) -> NDArray[np.float64]:
    if "axes" not in group:
        return np.stack([_verified(group[band], path) for band in bands], axis=-2, dtype=float)
    return _extinction_table(group, bands, path).evaluate(
        values["log_teff"], values["log_g"], values["mh"][None, :, None]
    )


def _metadata(file: h5py.File, path: Path) -> dict[str, Any]:
    """Return the metadata after checking that the file is a grid of this version."""
    if file.attrs.get("format") != FORMAT:
        raise GridError("this HDF5 file is not an isochrone grid", str(path), f"a file of format '{FORMAT}'")
    version = int(file.attrs.get("version", 0))
    if version != FORMAT_VERSION:
        raise GridError(
            f"the grid file has version {version}",
            str(path),
            f"version {FORMAT_VERSION}",
            "make the file again with this release, or install the release that wrote it",
        )
    digest = str(file.attrs["digest"])
    if _digest(file) != digest:
        raise GridError("the grid file is damaged: its digest does not agree", str(path), remedy="install it again")
    return {"name": path.stem, **json.loads(str(file.attrs["metadata"])), "digest": digest}


def _digest(file: h5py.File) -> str:
    """Return the SHA-256 of the metadata and of every array's checksum."""
    total = hashlib.sha256(str(file.attrs["metadata"]).encode())
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    for name in sorted(names):
        total.update(f"{name} {file[name].attrs['sha256']}\n".encode())
    return total.hexdigest()


def _verified(dataset: h5py.Dataset, path: Path) -> NDArray[Any]:
    values = dataset[()]
    if _checksum(values) != dataset.attrs["sha256"]:
        raise GridError(
            f"the grid file is damaged: {dataset.name} does not agree with its checksum",
            str(path),
            remedy="install it again",
        )
    return np.asarray(values)
