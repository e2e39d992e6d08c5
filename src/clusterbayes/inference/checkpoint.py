"""Checkpoints: a fit that was broken off, however roughly, goes on where it was.

What a fit has worked out (the modes and the field density that the search found, where the sampling is, the chain) is
written every few seconds to a new file that then replaces the old one, so that at any moment there is a whole one. The
chain is in emcee's layout. Beside it stands what the fit is of: a checkpoint of other stars, isochrones or settings,
or written with other versions, is refused, because going on from it would mix two fits.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import h5py
import numpy as np

from clusterbayes.errors import CheckpointError, FitCancelled, SettingsError
from clusterbayes.inference.ensembles import Course
from clusterbayes.inference.identity import differences
from clusterbayes.inference.search import Mode
from clusterbayes.results.tables import plain
from clusterbayes.writing import begun, replacing

__all__ = ["Checkpoint", "Keeper", "NothingKept", "discard", "replace_whole"]

_FORMAT = "clusterbayes.Checkpoint"
_FORMAT_VERSION = "5.0"
_EVERY = 5.0  # s between two writes
_SHARE = 0.05  # of the time, at most, that is spent on writing
_STALE = 60.0  # s after which a file that was never finished is litter
_SHOWN = 4  # differences that an error spells out
logger = logging.getLogger(__name__)
Search = tuple[np.ndarray, list[Mode]]  # field density (n_star,), modes


class Keeper(Protocol):
    """What a fit tells whoever keeps its state, and what it asks before it begins."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, by an error perhaps."""

    @property
    def seconds(self) -> float:
        """Time spent on the fit so far, broken-off runs included [s]."""

    @property
    def sampling_seconds(self) -> float:
        """Time spent on sampling so far, broken-off runs included [s]."""

    def begin_sampling(self) -> None:
        """Take note that sampling begins, or goes on."""

    def search(self) -> Search | None:
        """Return what an earlier run's search found."""

    def hold_search(self, field: np.ndarray, modes: list[Mode]) -> None:
        """Keep what the search found."""

    def course(self, read: Callable[[h5py.Group], Course]) -> Course | None:
        """Return where an earlier run's sampling was."""

    def hold(self, course: Course) -> Course:
        """Keep this from now on; returns it."""

    def after_step(self) -> None:
        """Take note that the ensembles stand still for a moment."""

    def save(self) -> None:
        """Write now."""


class NothingKept:
    """Keeps nothing.

    Parameters
    ----------
    started : float, optional
        When the fit began, on the monotonic clock [s]; now if left out.
    """

    def __init__(self, started: float | None = None) -> None:
        self._started = time.monotonic() if started is None else started
        self._sampling: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    @property
    def seconds(self) -> float:
        """Time spent on the fit [s]."""
        return time.monotonic() - self._started

    @property
    def sampling_seconds(self) -> float:
        """Time spent on sampling [s]."""
        return 0.0 if self._sampling is None else time.monotonic() - self._sampling

    def begin_sampling(self) -> None:
        """Take note of the time."""
        self._sampling = time.monotonic()

    def search(self) -> Search | None:
        """Return None."""
        return None

    def hold_search(self, field: np.ndarray, modes: list[Mode]) -> None:
        """Do nothing."""

    def course(self, read: Callable[[h5py.Group], Course]) -> Course | None:
        """Return None."""
        return None

    def hold(self, course: Course) -> Course:
        """Return what was given."""
        return course

    def after_step(self) -> None:
        """Do nothing."""

    def save(self) -> None:
        """Do nothing."""


class Checkpoint:
    """Keeps the state of a fit in a file, which is read when it exists already.

    As a context manager it writes once more when the block is left because the fit was cancelled or interrupted.

    Parameters
    ----------
    path : Path
        The file.
    identity : mapping
        What the fit is of and how it is done: nested, with plain values. Two fits that would not give the same
        numbers must differ here.
    rng : numpy.random.Generator
        Its state is kept, and set where an earlier run goes on.
    started : float, optional
        When the fit began, on the same clock [s]; now if left out.
    clock : callable
        Returns the present time [s].

    Raises
    ------
    CheckpointError
        If the file is of another fit, or is no checkpoint.
    SettingsError
        If no file can be written there.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        identity: Mapping[str, Any],
        rng: np.random.Generator,
        *,
        started: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self._identity, self._rng, self._clock = Path(path), plain(identity), rng, clock
        self._random = rng.bit_generator.state
        self._search: Search | None = None
        self._course: Course | None = None
        self._next = clock()
        self._started = self._next if started is None else started
        self._sampling: float | None = None
        self._before = self._sampled = 0.0
        _make_room(self.path)
        self.resumed = self.path.exists()
        if self.resumed:
            self._before, self._sampled = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, FitCancelled | KeyboardInterrupt):
            self.save()

    @property
    def seconds(self) -> float:
        """Time spent on the fit so far, broken-off runs included as far as they were written [s]."""
        return self._before + self._clock() - self._started

    @property
    def sampling_seconds(self) -> float:
        """Time spent on sampling so far, broken-off runs included as far as they were written [s]."""
        return self._sampled + (0.0 if self._sampling is None else self._clock() - self._sampling)

    def begin_sampling(self) -> None:
        """Take note of the time."""
        self._sampling = self._clock()

    def search(self) -> Search | None:
        """Return field density (n_star,) and modes, or None before they were found."""
        return self._search

    def hold_search(self, field: np.ndarray, modes: list[Mode]) -> None:
        """Keep what the search found, and write."""
        self._search, self._random = (field, modes), self._rng.bit_generator.state
        self.save()

    def course(self, read: Callable[[h5py.Group], Course]) -> Course | None:
        """Return where the sampling was, read by `read` from the file, or None before it began."""
        if not self.resumed:
            return None
        with h5py.File(self.path, "r") as file:
            return read(file) if "sampling" in file else None

    def hold(self, course: Course) -> Course:
        """Keep this from the next write on; returns it."""
        self._course, self._random = course, self._rng.bit_generator.state
        return course

    def after_step(self) -> None:
        """Write, if it was some seconds ago that this was done."""
        if self._clock() >= self._next:
            self.save()

    def save(self) -> None:
        """Write everything; a disk that is full is reported as a warning and does not end the fit."""
        begun = self._clock()
        try:
            replace_whole(self.path, self._write)
        except OSError as error:
            logger.warning("the checkpoint %s could not be written: %s", self.path, error)
        now = self._clock()
        self._next = now + max(_EVERY, (now - begun) / _SHARE)

    def _write(self, file: h5py.File) -> None:
        file.attrs.update({"format": _FORMAT, "format_version": _FORMAT_VERSION})
        file.attrs.update({"seconds": self.seconds, "sampling_seconds": self.sampling_seconds})
        file.create_dataset("identity", data=json.dumps(self._identity))
        file.create_dataset("rng", data=json.dumps(self._random))
        if self._search is not None:
            density, modes = self._search
            group = file.create_group("search")
            group.create_dataset("field", data=density)
            for name in (entry.name for entry in fields(Mode)):
                group.create_dataset(name, data=np.array([getattr(mode, name) for mode in modes]))
        if self._course is not None:
            self._course.write(file)

    def _read(self) -> tuple[float, float]:
        """Read all but the sampling; return the time spent in all, and on sampling [s]."""
        try:
            file = h5py.File(self.path, "r")
        except OSError as error:
            raise CheckpointError(f"this is no file that can be read ({error})", str(self.path)) from error
        with file:
            _check_format(file, self.path)
            _check_identity(json.loads(file["identity"].asstr()[()]), self._identity, self.path)
            self._random = self._rng.bit_generator.state = json.loads(file["rng"].asstr()[()])
            if "search" in file:
                group = file["search"]
                columns = [group[entry.name][...] for entry in fields(Mode)]
                self._search = group["field"][...], [Mode(*row) for row in zip(*columns, strict=True)]
            return float(file.attrs["seconds"]), float(file.attrs.get("sampling_seconds", 0.0))


def replace_whole(path: Path, write: Callable[[h5py.File], None]) -> None:
    """Write an HDF5 file beside another and put it into its place once it is whole and on the disk."""
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        write(file)


def discard(path: str | os.PathLike[str]) -> None:
    """Remove a checkpoint, and what killed runs have left half written beside it."""
    Path(path).unlink(missing_ok=True)
    _sweep(Path(path), older=0.0)


def _sweep(path: Path, *, older: float) -> None:
    """Remove files that were begun for a checkpoint more than some seconds ago and never finished."""
    for partial in begun(path.parent, path.name):
        try:
            if time.time() - partial.stat().st_mtime >= older:
                partial.unlink()
        except FileNotFoundError:  # somebody else finished it
            pass


def _make_room(path: Path) -> None:
    """Make sure, before any work is done, that the file can be written."""
    if path.is_dir():
        raise SettingsError("the checkpoint is a folder", "checkpoint", str(path), expected="the name of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"the checkpoint's folder can't be made ({error})", "checkpoint", str(path)) from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise SettingsError(
            "no checkpoint can be written there", "checkpoint", str(path), remedy="choose another place"
        )
    _sweep(path, older=_STALE)


def _check_format(file: h5py.File, path: Path) -> None:
    if file.attrs.get("format") != _FORMAT:
        raise CheckpointError("this HDF5 file is no checkpoint", str(path), remedy="choose another file")
    version = str(file.attrs["format_version"])
    if version != _FORMAT_VERSION:
        raise _refusal(path, [("format_version", version, _FORMAT_VERSION)])


def _check_identity(old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> None:
    changed = differences(old, new)
    if changed:
        raise _refusal(path, changed)


def _refusal(path: Path, changed: list[tuple[str, str, str]]) -> CheckpointError:
    remedy = (
        "give the old values to go on, or begin anew: --restart or another folder on the command line, "
        "restart=True in Python"
    )
    problem = "this checkpoint is of another fit"
    if len(changed) > _SHOWN:
        problem += f", which differs in {len(changed)} ways"
    return CheckpointError(problem, str(path), changed[:_SHOWN], remedy)
