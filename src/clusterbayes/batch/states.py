"""Where a batch keeps what, and how far each of its jobs is: read from the folders alone, so that nothing else can lie.

A job's folder holds the fit's files and ``job.json``, which says of what they are (`identity`) and how it went (`row`).
The folder takes its name as a whole. A job without one is still to be done. Where a result was to be made anew and that
failed, the result stays, and ``refit.json`` beside it says what failed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from clusterbayes.batch.jobs import Job
from clusterbayes.batch.splitting import file_checksum
from clusterbayes.isochrones.families import FAMILIES, compose
from clusterbayes.isochrones.storage import describe_grid, find_grid, installed_grids
from clusterbayes.results.export import write_json
from clusterbayes.writing import begun

__all__ = [
    "DONE", "FAILED", "JOB_FILE", "Places", "State", "forget_refit", "held", "job_identity", "keep_refit",
    "put_in_place", "read_outcome", "read_state",
]  # fmt: skip

DONE, FAILED = "done", "failed"
JOB_FILE = "job.json"
_REFIT_FILE = "refit.json"


@dataclass(frozen=True)
class Places:
    """The files of a batch.

    Attributes
    ----------
    out : Path
        The batch's folder.
    """

    out: Path

    @property
    def clusters(self) -> Path:
        """Holds one folder a cluster."""
        return self.out / "clusters"

    @property
    def lock(self) -> Path:
        """Held by whoever runs the batch."""
        return self.out / ".lock"

    def folder(self, name: str) -> Path:
        """Return the folder of a cluster, by the name of the folder."""
        return self.clusters / name

    def checkpoint(self, name: str) -> Path:
        """Return where a fit's state is kept while it goes on."""
        return self.out / "checkpoints" / f"{name}.h5"

    def job_lock(self, name: str) -> Path:
        """Return the file that whoever does a job holds."""
        return self.out / "checkpoints" / f".{name}.lock"

    def begun(self, name: str) -> Path:
        """Return the file that is there while a worker does a job, and after it has died."""
        return self.out / "checkpoints" / f".{name}.begun"

    def stop(self, run: str) -> Path:
        """Return the file whose being there tells the workers of a run to stop."""
        return self.out / f".stop-{run}"

    def make(self) -> None:
        """Make the folders."""
        for folder in (self.clusters, self.out / "checkpoints"):
            folder.mkdir(parents=True, exist_ok=True)

    def tidy(self, *, finished: bool) -> None:
        """Remove what ended runs have left; once all jobs are finished, also the files that say who does which."""
        patterns = [(self.out, ".stop-*")]
        if finished:
            patterns += [(self.out / "checkpoints", pattern) for pattern in (".*.lock", ".*.begun")]
        for folder, pattern in patterns:
            for litter in folder.glob(pattern):
                litter.unlink(missing_ok=True)

    def staging(self, name: str) -> Path:
        """Return a hidden folder beside that of a cluster; it is not made."""
        return self.clusters / f".{name}.{secrets.token_hex(4)}"

    def sweep(self, name: str) -> None:
        """Remove hidden folders of a cluster; only whoever holds its lock may do so."""
        for litter in begun(self.clusters, name):
            shutil.rmtree(litter, ignore_errors=True)


@dataclass(frozen=True)
class State:
    """How a job ended.

    Attributes
    ----------
    status : str
        `DONE` or `FAILED`.
    identity : dict
        What it was of.
    row : dict
        Its row of the summary.
    run : str
        The run that ended it.
    """

    status: str
    identity: dict[str, Any]
    row: dict[str, Any]
    run: str

    def write(self, folder: Path) -> None:
        """Write it into a job's folder."""
        write_json(asdict(self), folder / JOB_FILE)


def read_state(folder: Path) -> State | None:
    """Return how the job ended whose files are in a folder, or None if it does not say."""
    return _read(folder / JOB_FILE)


def read_outcome(folder: Path) -> State | None:
    """Return how a job ended the last time that it was done: as `read_state`, unless a refit has failed since."""
    return _read(folder / _REFIT_FILE) or _read(folder / JOB_FILE)


def keep_refit(state: State, folder: Path) -> None:
    """Note beside a result that making it anew failed."""
    write_json(asdict(state), folder / _REFIT_FILE)


def forget_refit(folder: Path) -> None:
    """Remove what `keep_refit` noted, where a result is wanted as it is."""
    (folder / _REFIT_FILE).unlink(missing_ok=True)


def _read(path: Path) -> State | None:
    try:
        return State(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def put_in_place(staging: Path, folder: Path) -> None:
    """Give a finished folder its name; an older one goes first, so that there is never a mixture."""
    if folder.exists():
        old = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
        os.replace(folder, old)
        shutil.rmtree(old, ignore_errors=True)
    os.replace(staging, folder)


def job_identity(job: Job, seed: int) -> dict[str, Any]:
    """Describe a job by everything that its numbers follow from: files, settings, isochrones, seed, version.

    Parameters
    ----------
    job : Job
        The job.
    seed : int
        Its own.

    Raises
    ------
    InputError
        If a file can't be read.
    GridError
        If there is no such grid.
    """
    options = job.options
    return {
        "package_version": metadata.version("clusterbayes"),
        "table": file_checksum(job.table),
        "control": None if options.control is None else file_checksum(options.control),
        "completeness": None if options.completeness is None else file_checksum(options.completeness),
        "settings": options.settings.model_dump(mode="json", exclude={"seed", "grid"}),
        "grid": {"name": Path(options.grid).stem, "digest": _grid_digest(options.grid)},
        "seed": seed,
    }


@lru_cache(maxsize=32)
def _grid_digest(grid: str) -> str:
    """Return the digest of a grid's file; a family is composed first, once for all jobs."""
    family = grid in FAMILIES and grid not in installed_grids() and not Path(grid).is_file()
    path = compose(grid) if family else find_grid(grid, FAMILIES)
    return str(describe_grid(path)["digest"])


@contextmanager
def held(path: Path, wait: Callable[[], bool]) -> Iterator[bool]:
    """Hold a lock that ends with the process that holds it, however roughly that ends.

    Parameters
    ----------
    path : Path
        The file; made if missing.
    wait : callable
        Asked while somebody else holds it, whether to go on waiting; it may take its time.

    Yields
    ------
    bool
        Whether it is held. File systems without locks are trusted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        while not (got := _locked(file.fileno())) and wait():
            pass
        yield got


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks on this file system
        return True
    return True
