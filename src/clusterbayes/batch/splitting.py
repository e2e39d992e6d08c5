"""One table of the stars of many clusters, parted into one table a cluster.

The table is read in chunks, and a cluster is written as soon as its last row has been met: a catalogue that is sorted
by cluster needs little memory, any other no more than its rows. What was parted before is found again by its checksum.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clusterbayes.batch.chunks import Source, open_source
from clusterbayes.batch.jobs import Job, folder_name, job_options
from clusterbayes.batch.options import Choice
from clusterbayes.errors import InputError, close_matches
from clusterbayes.results.export import write_json

__all__ = ["CLUSTER_COLUMNS", "file_checksum", "jobs_from_table", "split_table"]

#: Names of the column with the cluster, in the order in which they are looked for, whatever their case.
CLUSTER_COLUMNS = ("cluster", "cluster_name", "clustername", "name", "cluster_id")
_INDEX = "index.json"


def jobs_from_table(
    table: str | Path,
    out: str | Path,
    *,
    column: str | None = None,
    common: Mapping[str, str] | None = None,
    choice: Choice | None = None,
    listed: bool = False,
    smallest: int = 1,
) -> list[Job]:
    """Make a job of each cluster in a table of stars.

    Parameters
    ----------
    table : str or Path
        Delimited text, ECSV, FITS or Parquet, with a column that names each star's cluster.
    out : str or Path
        The batch's folder; the pieces go to ``tables`` in it.
    column : str, optional
        The column with the cluster; one of `CLUSTER_COLUMNS` if left out.
    common : mapping, optional
        Options for all clusters, as text.
    choice : Choice, optional
        Options for single clusters; see `clusterbayes.batch.jobs.job_options`.
    listed : bool
        Fit only the clusters that have a row in `choice`.
    smallest : int
        Clusters with fewer rows are left out.

    Returns
    -------
    list of Job
        Sorted by name.

    Raises
    ------
    InputError
        If the table can't be read, or has no such column.
    SettingsError
        As `job_options`.
    """
    pieces = split_table(Path(table), Path(out).resolve() / "tables", column)  # workers may be in another folder
    names = sorted(name for name, (_, rows) in pieces.items() if rows >= smallest)
    if not names:
        raise InputError(f"no cluster has {smallest} rows or more", str(table))
    options = job_options(names, common, choice, listed=listed)
    return [Job(name, pieces[name][0], chosen) for name, chosen in options.items()]


def split_table(table: Path, folder: Path, column: str | None = None) -> dict[str, tuple[Path, int]]:
    """Part a table by cluster; the parameters are those of `jobs_from_table`.

    Returns
    -------
    dict
        Name of each cluster to its piece and the number of its rows. Rows without a cluster are in none.
    """
    checksum = file_checksum(table)
    source = open_source(table)
    name = _column(source.names, column, str(table))
    index = folder / _INDEX
    about = {"source": str(table.resolve()), "checksum": checksum, "column": name}
    known = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
    if {key: known.get(key) for key in about} == about:
        found = {cluster: (folder / piece, rows) for cluster, (piece, rows) in known["pieces"].items()}
        if all(path.is_file() for path, _ in found.values()):
            return found
    folder.mkdir(parents=True, exist_ok=True)
    index.unlink(missing_ok=True)
    counts = Counter(cluster for part in source.labels(name) for cluster in part if cluster)
    paths = {cluster: folder / f"{folder_name(cluster)}{source.ending}" for cluster in counts}
    if len(set(paths.values())) < len(paths):
        shared = next(path for path, times in Counter(paths.values()).items() if times > 1)
        names = " and ".join(f"'{cluster}'" for cluster, path in paths.items() if path == shared)
        raise InputError(f"{names} would share one folder", str(table), name, remedy="rename one of them")
    _write_pieces(source, name, counts, paths)
    pieces = {cluster: [paths[cluster].name, rows] for cluster, rows in counts.items()}
    write_json({**about, "pieces": pieces}, index)
    return {cluster: (paths[cluster], rows) for cluster, rows in counts.items()}


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal.

    Raises
    ------
    InputError
        If it can't be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", str(path), remedy="check the name") from error


def _write_pieces(source: Source, name: str, counts: Mapping[str, int], paths: Mapping[str, Path]) -> None:
    waiting: dict[str, list[Any]] = {}
    seen: Counter[str] = Counter()
    for labels, chunk in source.chunks(name):
        order = np.argsort(labels, kind="stable")
        ordered = labels[order]
        edges = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1], True])
        for begin, end in zip(edges[:-1], edges[1:], strict=True):
            cluster = str(ordered[begin])
            if not cluster:
                continue
            waiting.setdefault(cluster, []).append(source.take(chunk, order[begin:end]))
            seen[cluster] += int(end - begin)
            if seen[cluster] == counts[cluster]:
                source.write(waiting.pop(cluster), paths[cluster])
    if waiting:
        raise InputError("the table changed while it was read", str(source.path), remedy="run it again")


def _column(names: Iterable[str], wanted: str | None, source: str) -> str:
    names = list(names)
    if wanted is not None:
        if wanted in names:
            return wanted
        near = close_matches(wanted, names)
        remedy = f"did you mean {' or '.join(near)}?" if near else f"the columns are {', '.join(names[:12])}"
        raise InputError("there is no such column", source, wanted, remedy=remedy)
    lowered = {name.lower(): name for name in reversed(names)}
    found = next((lowered[name] for name in CLUSTER_COLUMNS if name in lowered), None)
    if found is None:
        remedy = "name the column that holds the cluster (--cluster-column NAME)"
        raise InputError("no column names the clusters", source, expected=" or ".join(CLUSTER_COLUMNS), remedy=remedy)
    return found
