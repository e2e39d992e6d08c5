"""Outcomes of many fits, every one a small file of its own, and processes of this machine that do them side by side.

A folder holds the settings that all of its outcomes share and one JSON document for each item. What is there already
is not done again, so a run that was stopped, at whatever moment, goes on when it is started again. Plain processes are
enough for it; `clusterbayes.batch` has schedulers, limits and attempts, and needs dask.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from clusterbayes.errors import BatchError, InputError, SettingsError
from clusterbayes.results.export import write_json
from clusterbayes.results.tables import plain

__all__ = ["Outcomes", "run_side_by_side"]

_SETTINGS = "settings.json"
_OUTCOMES = "outcomes"


class Outcomes:
    """A folder of outcomes that belong together.

    Parameters
    ----------
    folder : Path
        Made if need be.
    settings : mapping, optional
        What all outcomes have in common. Those of a folder that was begun earlier have to be the same; if left out,
        they are read from the folder, which has to exist.

    Raises
    ------
    SettingsError
        If the folder was begun with other settings.
    InputError
        If no settings are given and the folder has none.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any] | None = None) -> None:
        self.folder = Path(folder)
        place = self.folder / _SETTINGS
        if settings is None:
            if not place.is_file():
                expected = "a folder that 'clusterbayes validate' has written"
                raise InputError("no settings are in this folder", str(self.folder), expected=expected)
            self.settings = _read(place)
            return
        self.settings = plain(dict(settings))
        (self.folder / _OUTCOMES).mkdir(parents=True, exist_ok=True)
        if not place.exists():
            write_json(self.settings, place)
            return
        earlier = _read(place)
        wrong = [name for name in {**earlier, **self.settings} if earlier.get(name) != self.settings.get(name)]
        if wrong:
            raise SettingsError(
                f"the folder was begun with {wrong[0]} = {earlier.get(wrong[0])}", str(self.folder),
                self.settings.get(wrong[0]), remedy="give the same settings to go on, or another folder",
            )  # fmt: skip

    def place(self, name: str) -> Path:
        """Return the file of an outcome."""
        return self.folder / _OUTCOMES / f"{name}.json"

    def has(self, name: str) -> bool:
        """Whether an outcome is there."""
        return self.place(name).is_file()

    def keep(self, name: str, outcome: Mapping[str, Any]) -> None:
        """Write an outcome, all of it or nothing."""
        write_json(plain(dict(outcome)), self.place(name))

    def load(self, name: str) -> dict[str, Any]:
        """Read an outcome."""
        return _read(self.place(name))

    def all(self) -> Iterator[dict[str, Any]]:
        """Read all outcomes, in the order of their names."""
        for path in sorted((self.folder / _OUTCOMES).glob("*.json")):
            yield _read(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError("this is no JSON document", str(path), remedy="remove the file; it is made again") from error


def run_side_by_side(
    work: Callable[[Any], str], items: Sequence[Any], *, n_workers: int | None = None, tell: Callable[[str], None]
) -> None:
    """Do the work on every item, in several processes at once.

    Parameters
    ----------
    work : callable
        Of one item; a function of a module, so that other processes find it. It keeps its outcome itself and returns
        a line for the user.
    items : sequence
        What is to be done, each of it picklable.
    n_workers : int, optional
        Processes, one for each core by default; 1 works in this process.
    tell : callable
        Gets the lines as they come.

    Raises
    ------
    BatchError
        If a process died: memory ran out, for instance.
    Exception
        What the work raises ends everything; items that are done stay done.
    """
    n_workers = min(n_workers or os.cpu_count() or 1, max(1, len(items)))
    if n_workers == 1:
        for item in items:
            tell(work(item))
        return
    # A fresh interpreter for each: a fork would copy the threads' locks of compiled code and of matplotlib.
    pool = ProcessPoolExecutor(n_workers, mp_context=multiprocessing.get_context("spawn"))
    processes = []
    try:
        futures = [pool.submit(work, item) for item in items]
        processes = list((pool._processes or {}).values())
        for future in as_completed(futures):
            tell(future.result())
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            remedy = "run it again to go on; with fewer workers if memory ran out"
            raise BatchError("a process died before its work was done", remedy=remedy) from error
        raise
    pool.shutdown()
