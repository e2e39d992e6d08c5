"""Where files are kept: inputs by their content, artefacts by run, checkpoints while a run goes on.

Files appear under their names only when they are whole and on the disk. The artefacts of an attempt are written into a
folder of its own and moved into place together; which attempt counts is written in the database, so that an attempt
that died half-way is never seen.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Protocol

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.writing import replacing

__all__ = ["FolderStore", "Store", "file_checksum"]


class Store(Protocol):
    """What a store must offer; `FolderStore` is the one that comes with the library."""

    def add_input(self, content: bytes) -> str:
        """Keep an input, and return its place; the same content is kept once."""

    def path(self, location: str) -> Path:
        """Return a file that can be read."""

    def staging(self, tool_id: int, token: str) -> Path:
        """Return an empty folder for the artefacts of an attempt."""

    def publish(self, tool_id: int, token: str) -> str:
        """Move the artefacts of an attempt into place, and return that place."""

    def checkpoint(self, tool_id: int) -> Path:
        """Return the file for the checkpoint of a run; it need not exist."""

    def tidy(self, tool_id: int, keep: str | None = None) -> None:
        """Remove what a run has left: its checkpoint, and all attempts except `keep`."""


def file_checksum(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FolderStore:
    """A store in a folder, which all workers of a database share.

    Parameters
    ----------
    root : path-like
        The folder; made if it is missing.

    Raises
    ------
    SettingsError
        If it can't be made or written to.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).resolve()
        try:
            for name in ("inputs", "staging", "artefacts", "checkpoints"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"the store can't be used: {error.strerror}", "--store", str(root)) from None
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise SettingsError("the store can't be written to", "--store", str(root))

    def add_input(self, content: bytes) -> str:
        """Keep an input, and return its place; the same content is kept once."""
        checksum = hashlib.sha256(content).hexdigest()
        location = f"inputs/{checksum[:2]}/{checksum}"
        target = self.root / location
        if target.is_file() and target.stat().st_size == len(content):
            return location
        target.parent.mkdir(exist_ok=True)
        with replacing(target) as partial:
            partial.write_bytes(content)
        _sync(target.parent)
        return location

    def path(self, location: str) -> Path:
        """Return a file of the store.

        Raises
        ------
        InputError
            If it is missing, or lies outside the store.
        """
        target = (self.root / location).resolve()
        if not target.is_relative_to(self.root) or not target.is_file():
            raise InputError("the store has no such file", location, remedy="check that this is the store of the runs")
        return target

    def staging(self, tool_id: int, token: str) -> Path:
        """Return an empty folder for the artefacts of an attempt; what earlier attempts left is removed."""
        self._drop("staging", tool_id, None)
        folder = self.root / "staging" / f"{tool_id}-{token}"
        folder.mkdir()
        return folder

    def publish(self, tool_id: int, token: str) -> str:
        """Move the artefacts of an attempt into place, all on the disk, and return that place."""
        staging, location = self.root / "staging" / f"{tool_id}-{token}", f"artefacts/{tool_id}-{token}"
        if staging.exists():  # else it was moved before, and the answer of the database was lost
            for path in sorted(staging.rglob("*")):
                _sync(path)
            _sync(staging)
            os.replace(staging, self.root / location)
            _sync(self.root / "artefacts")
        return location

    def checkpoint(self, tool_id: int) -> Path:
        """Return the file for the checkpoint of a run; it need not exist."""
        return self.root / "checkpoints" / f"{tool_id}.h5"

    def tidy(self, tool_id: int, keep: str | None = None) -> None:
        """Remove what a run has left: its checkpoint, and all attempts except the one with the token `keep`."""
        for path in (self.root / "checkpoints").glob(f"*{tool_id}.h5*"):
            if path.name.lstrip(".").partition(".")[0] == str(tool_id):
                path.unlink(missing_ok=True)
        self._drop("staging", tool_id, keep)
        self._drop("artefacts", tool_id, keep)

    def _drop(self, kind: str, tool_id: int, keep: str | None) -> None:
        for path in (self.root / kind).glob(f"{tool_id}-*"):
            if keep is None or path.name != f"{tool_id}-{keep}":
                shutil.rmtree(path, ignore_errors=True)


def _sync(path: Path) -> None:
    """Make sure that a file, or what a folder lists, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
