"""Packed files: HDF5 whose every number is vouched for.

A packed file has a kind, a version, metadata and arrays.  Every array carries its SHA-256, and the file's digest is the
SHA-256 of all of them with the metadata, so a file is known by its digest and damage is noticed when it is read; only
what is read is verified.  Files are written under a temporary name and moved into place when they are complete.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from clusterbayes.bands import resolve_band
from clusterbayes.errors import BandError, ClusterBayesError, GridError, close_matches

__all__ = ["installed_files", "match_bands", "open_packed", "put", "verified", "write_packed"]

_AGAIN = "make or install the file again"
_NOT_PACKED = f"{_AGAIN}; 'clusterbayes grid import' makes a grid of isochrone tables in plain text"


def installed_files(kind: str) -> dict[str, Path]:
    """Return the files of one kind that come with the package: name to path, sorted.

    An installed package has them in ``clusterbayes/_grids``, a source checkout in its ``grids`` folder.

    Parameters
    ----------
    kind : str
        What the file says that it is.
    """
    found: dict[str, Path] = {}
    for folder in (
        Path(str(importlib.resources.files("clusterbayes"))) / "_grids",
        Path(__file__).resolve().parents[3] / "grids",
    ):
        if folder.is_dir():
            for path in sorted(folder.glob("*.h5")):
                if _kind(path) == kind:
                    found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def _kind(path: Path) -> str:
    with suppress(OSError, RuntimeError), h5py.File(path, "r") as file:
        return str(file.attrs.get("format", ""))
    return ""


def match_bands(
    wanted: Iterable[str],
    present: tuple[str, ...],
    source: str,
    holder: str = "grid",
    remedy: str = "leave it out, or use a grid that has it",
) -> tuple[str, ...]:
    """Return the names under which a file has the wanted bands.

    Parameters
    ----------
    wanted : iterable of str
        Bands by any alias; a single text is one band.
    present : tuple of str
        The bands that there are.
    source, holder : str
        Name of the file and what it is, for messages.
    remedy : str
        What to do if a band is missing and no other is spelt like it.

    Raises
    ------
    GridError
        If one of them is missing or unknown.
    """
    names = []
    for text in [wanted] if isinstance(wanted, str) else wanted:
        name = text
        if name not in present:
            try:
                name = resolve_band(text).name
            except BandError as error:
                raise GridError(str(error), source, "one of " + ", ".join(present)) from error
        if name not in present:
            near = close_matches(name, present)
            hint = f"did you mean {' or '.join(near)}?" if near else remedy
            raise GridError(f"the {holder} has no band {name}", source, "one of " + ", ".join(present), hint)
        if name not in names:
            names.append(name)
    if not names:
        raise GridError("no band was asked for", source, "one of " + ", ".join(present))
    return tuple(names)


@contextmanager
def write_packed(path: Path, kind: str, version: int, metadata: Mapping[str, Any]) -> Iterator[h5py.File]:
    """Open a new packed file for `put`; it replaces an old one when the block ends without an error.

    Parameters
    ----------
    path : Path
        The file.
    kind, version : str, int
        What it is.
    metadata : mapping
        Plain values; "digest" and "name" are left out, since they follow from the content and the path.

    Raises
    ------
    GridError
        If there is no such folder.
    """
    if not path.parent.is_dir():
        raise GridError("there is no such folder to write to", str(path.parent), remedy="make it first")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        with h5py.File(temporary, "w") as file:
            yield file
            known = {key: value for key, value in metadata.items() if key not in ("digest", "name")}
            file.attrs["metadata"] = json.dumps(known, sort_keys=True)
            file.attrs["format"], file.attrs["version"] = kind, version
            file.attrs["digest"] = _digest(file)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def put(file: h5py.File, name: str, values: NDArray[Any]) -> None:
    """Write one array with its checksum, compressed unless it is an axis."""
    options = {"compression": "gzip", "compression_opts": 9, "shuffle": True} if values.ndim > 1 else {}
    dataset = file.create_dataset(name, data=values, track_times=False, **options)
    dataset.attrs["sha256"] = _checksum(values)


@contextmanager
def open_packed(path: Path, kind: str, version: int, noun: str) -> Iterator[tuple[h5py.File, dict[str, Any]]]:
    """Open a packed file and yield it with its metadata, to which name and digest are added.

    Parameters
    ----------
    path : Path
        The file.
    kind, version : str, int
        What it has to be.
    noun : str
        What it is in words, with its article, for messages.

    Raises
    ------
    GridError
        If the file is damaged, or of another kind or version; also for HDF5 errors while it is open.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != kind:
                raise GridError(f"this HDF5 file is not {noun}", str(path), f"a file of format '{kind}'")
            _check_version(int(file.attrs.get("version", 0)), version, path)
            digest = str(file.attrs["digest"])
            if _digest(file) != digest:
                raise GridError("the file is damaged: its digest does not agree", str(path), remedy=_AGAIN)
            yield file, {"name": path.stem, **json.loads(str(file.attrs["metadata"])), "digest": digest}
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:  # HDF5 reports damage in many ways
        if isinstance(error, ClusterBayesError):
            raise
        remedy = _AGAIN if h5py.is_hdf5(path) else _NOT_PACKED
        raise GridError(f"the file cannot be read as {noun} ({error})", str(path), remedy=remedy) from error


def _check_version(found: int, wanted: int, path: Path) -> None:
    if found != wanted:
        older = "make the file again with this release (`clusterbayes grid import`, or the script that made it)"
        raise GridError(
            f"the file has version {found}",
            str(path),
            f"version {wanted}",
            older if found < wanted else "install the release that wrote it, or make the file again with this one",
        )


def verified(dataset: h5py.Dataset, path: Path) -> NDArray[Any]:
    """Return an array after comparing it with its checksum.

    Raises
    ------
    GridError
        If they disagree.
    """
    values = dataset[()]
    if _checksum(values) != dataset.attrs["sha256"]:
        raise GridError(
            f"the file is damaged: {dataset.name} does not agree with its checksum", str(path), remedy=_AGAIN
        )
    return np.asarray(values)


def _checksum(values: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def _digest(file: h5py.File) -> str:
    """Return the SHA-256 of the metadata and of every array's checksum."""
    total = hashlib.sha256(str(file.attrs["metadata"]).encode())
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    for name in sorted(names):
        total.update(f"{name} {file[name].attrs['sha256']}\n".encode())
    return total.hexdigest()
