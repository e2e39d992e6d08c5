"""What is to be fitted: one `Job` a cluster, from a folder of tables with options for each.

A job is a name, a file, and how to read and fit it. Its seed follows from the batch's seed and its name alone, so that
neither the order nor the workers matter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clusterbayes.batch.options import KEYS, Choice, JobOptions, check_names, parse_options
from clusterbayes.errors import ClusterBayesError, InputError, close_matches

__all__ = ["Job", "folder_name", "job_options", "job_seed", "jobs_from_folder", "name_key", "rows_of", "with_folders"]

_ENDINGS = (".csv", ".ecsv", ".fits", ".fit", ".vot", ".votable", ".xml", ".parquet", ".json", ".txt", ".dat", ".tsv")
_LONGEST = 100


@dataclass(frozen=True)
class Job:
    """One cluster to be fitted.

    Attributes
    ----------
    name : str
        The cluster; unique in a batch.
    table : Path
        Its stars, in any form that `Photometry.read` takes.
    options : JobOptions
        How it is read and fitted.
    """

    name: str
    table: Path
    options: JobOptions = field(default_factory=JobOptions)


def job_seed(seed: int, name: str) -> int:
    """Return the seed of a job (below 2^48), from the seed of the batch and the job's name."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:6], "big")


def folder_name(name: str) -> str:
    """Return a cluster's name as the name of a folder: letters, digits and ``. _ + -``; others become ``_``."""
    text = re.sub(r"[^\w.+-]+", "_", name.strip()).lstrip(".") or "_"
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return text


def with_folders(jobs: Iterable[Job]) -> dict[str, Job]:
    """Return the jobs by the names of their folders.

    Raises
    ------
    InputError
        If there are no jobs, or two would share a folder.
    """
    found: dict[str, Job] = {}
    for job in jobs:
        folder = folder_name(job.name)
        if folder in found:
            problem = f"'{found[folder].name}' and '{job.name}' would share the folder {folder}"
            raise InputError(problem, str(job.table), remedy="rename one of them")
        found[folder] = job
    if not found:
        raise InputError("there is nothing to fit", remedy="give at least one job")
    return found


def name_key(name: str) -> str:
    """Return a name as names are compared: without case, blanks, and marks between letters and digits."""
    return re.sub(r"[\W_]+", "", name).lower()


def job_options(
    names: Iterable[str],
    common: Mapping[str, str] | None,
    choice: Choice | None,
    *,
    listed: bool = False,
    tables: Path | None = None,
) -> dict[str, JobOptions]:
    """Return the options of each cluster: those for all, outdone by those of its own row.

    Parameters
    ----------
    names : iterable of str
        The clusters.
    common : mapping, optional
        Options for all, as text.
    choice : Choice, optional
        Rows for single clusters, found by `KEYS`; a cluster without one has the common options.
    listed : bool
        Leave out clusters without a row.
    tables : Path, optional
        Where files that rows name are looked for, if they are not beside `choice`.

    Raises
    ------
    SettingsError
        If an option is unknown or can't be understood.
    InputError
        If a row is about no cluster, or two are about the same.
    """
    common = dict(common or {})
    check_names(common)
    plain = parse_options(common)
    names = list(names)
    rows = {} if choice is None else rows_of(names, choice)
    beside = None if choice is None else choice.path.parent
    folders = [folder for folder in (beside, tables) if folder is not None]
    options = {}
    for name in names:
        if name not in rows:
            if not listed:
                options[name] = plain
            continue
        number, cells = rows[name]
        try:
            options[name] = parse_options(common, cells, folders=folders)
        except ClusterBayesError as error:
            raise InputError(str(error), str(choice.path) if choice else None, row=number) from error
    return options


def rows_of(names: list[str], choice: Choice) -> dict[str, tuple[int, dict[str, str]]]:
    """Find each cluster's row by the first of `KEYS` that knows it, as names are compared."""
    by_key = {name_key(name): name for name in names}
    found: dict[str, tuple[int, dict[str, str]]] = {}
    left = list(enumerate(choice.rows))
    for key in KEYS:
        named = [(number, cells, by_key.get(name_key(_cell(cells, key)))) for number, cells in left]
        sooner = set(found)  # what a better key has found is not asked again
        for number, cells, name in named:
            if name is None or name in sooner:
                continue
            if name in found:
                remedy = "remove one of them"
                raise InputError(f"two rows are about '{name}'", str(choice.path), row=number, remedy=remedy)
            found[name] = number, cells
        left = [(number, cells) for number, cells, name in named if name is None]
    if not found:
        first = next((cells[key] for cells in choice.rows for key in KEYS if key in cells), "")
        near = close_matches(first, names)
        remedy = f"did you mean {' or '.join(near)}?" if near else f"the clusters are {', '.join(names[:5])}"
        raise InputError("no row is about any of the clusters", str(choice.path), value=first or None, remedy=remedy)
    return found


def _cell(cells: Mapping[str, str], key: str) -> str:
    return Path(cells.get(key, "")).stem if key == "file" else cells.get(key, "")


def jobs_from_folder(
    folder: str | Path, *, common: Mapping[str, str] | None = None, choice: Choice | None = None, listed: bool = False
) -> list[Job]:
    """Make a job of each table in a folder.

    Parameters
    ----------
    folder : str or Path
        Holds one table a cluster; hidden files and those without a table's ending are passed over.
    common : mapping, optional
        Options for all clusters, as text.
    choice : Choice, optional
        Options for single clusters; see `job_options`.
    listed : bool
        Fit only the clusters that have a row in `choice`.

    Returns
    -------
    list of Job
        Sorted by name; a job is named after its file, without the ending.

    Raises
    ------
    InputError
        If there is no table, or two have the same name.
    SettingsError
        As `job_options`.
    """
    folder = Path(folder)
    paths = sorted(path for path in folder.iterdir() if _is_table(path))
    # A control field is no cluster.
    if choice is not None:
        controls = {Path(cells["control"]).name for cells in choice.rows if "control" in cells}
        paths = [path for path in paths if path.name not in controls]
    by_name: dict[str, Path] = {}
    for path in paths:
        if _stem(path) in by_name:
            problem = f"{by_name[_stem(path)].name} and {path.name} would be the same cluster"
            raise InputError(problem, str(folder), remedy="rename one of them")
        by_name[_stem(path)] = path
    if not by_name:
        raise InputError("there is no table in this folder", str(folder), expected=f"files {', '.join(_ENDINGS[:6])}")
    options = job_options(by_name, common, choice, listed=listed, tables=folder)
    return [Job(name, by_name[name].resolve(), chosen) for name, chosen in options.items()]


def _is_table(path: Path) -> bool:
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    return path.is_file() and not path.name.startswith(".") and plain.suffix.lower() in _ENDINGS


def _stem(path: Path) -> str:
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    return plain.stem
