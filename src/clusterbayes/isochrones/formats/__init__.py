"""Isochrone files that users bring: read by what their header says, never by their name.

`read_isochrones` takes a file of the PARSEC group's CMD web interface, of MIST (``.iso``, ``.iso.cmd``) or of
BaSTI-IAC, or a folder of them, and returns one `RawTable` for every isochrone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clusterbayes.errors import InputError
from clusterbayes.isochrones.formats.basti import is_basti, read_basti
from clusterbayes.isochrones.formats.mist import is_mist, read_mist
from clusterbayes.isochrones.formats.parsec import is_parsec, read_parsec
from clusterbayes.isochrones.formats.raw import RawTable, TextFile, read_text

__all__ = ["RawTable", "isochrone_files", "read_isochrones"]

_READERS: tuple[tuple[Callable[[TextFile], bool], Callable[[TextFile], list[RawTable]]], ...] = (
    (is_mist, read_mist),
    (is_basti, read_basti),
    (is_parsec, read_parsec),
)
_READ = "PARSEC (CMD web interface), MIST (.iso, .iso.cmd) or BaSTI-IAC isochrones"


def read_isochrones(path: str | Path) -> list[RawTable]:
    """Read all isochrones of a file, or of the files of a folder.

    Parameters
    ----------
    path : str or Path
        The file or folder.

    Returns
    -------
    list of RawTable
        One an isochrone, in the order of the files' names and of their lines.

    Raises
    ------
    InputError
        If a file is none of the known kinds, a web page, cut short, reddened, or has a line that cannot be read.
    """
    files, _ = isochrone_files([path])
    return [table for file in files for table in _read(file)]


def isochrone_files(paths: list[str | Path]) -> tuple[list[Path], list[str]]:
    """Return the isochrone files among files and folders, and notes on what was passed over in the folders.

    A file that is named must be an isochrone file; in a folder other files are passed over, but web pages and tables
    of unknown kind are not.

    Raises
    ------
    InputError
        If there is no such path, or nothing to read in a folder.
    """
    files: list[Path] = []
    notes: list[str] = []
    for path in map(Path, paths):
        if not path.exists():
            raise InputError("there is no such file or folder", str(path))
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        taken = [p for p in inside if _is_candidate(p)]
        notes += [f"not an isochrone table, passed over: {p.name}" for p in inside if p not in taken]
        if not taken:
            raise InputError(
                "the folder holds no isochrone table", str(path), expected=_READ,
                remedy="name the files themselves to hear what is wrong with each",
            )  # fmt: skip
        files += taken
    return list(dict.fromkeys(files)), notes


def _is_candidate(path: Path) -> bool:
    """Return whether a file of a folder should be read: it is of a known kind, or something that must not be missed."""
    try:
        file = read_text(path)
    except InputError as error:
        return "web page" in error.problem  # reading it says so
    return any(fits(file) for fits, _ in _READERS) or _is_dartmouth(file)


def _is_dartmouth(file: TextFile) -> bool:
    return any("Dartmouth" in line or "DSEP" in line for line in file.lines[:10])


def _read(path: Path) -> list[RawTable]:
    file = read_text(path)
    for fits, read in _READERS:
        if fits(file):
            return read(file)
    if _is_dartmouth(file):
        raise InputError(
            "this is a Dartmouth isochrone without magnitudes",
            file.name,
            expected=_READ,
            remedy="use the installed family 'dartmouth' (clusterbayes grid list), or files of these kinds",
        )
    raise InputError(
        "the header is not that of an isochrone file",
        file.name,
        expected=_READ,
        remedy="use the file as the server wrote it, with its header lines",
    )
