"""The summary of a batch: one row a cluster, in memory while it runs and as Parquet beside the folders.

It is made of the folders' own rows, so it can be lost and made again. Jobs that are not finished have a row, too.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table

from clusterbayes.batch.jobs import Job
from clusterbayes.batch.states import Places, read_outcome
from clusterbayes.errors import BatchError
from clusterbayes.extras import require_extra
from clusterbayes.writing import replacing

__all__ = ["SUMMARY_FILE", "WAITING", "Summary", "read_summary"]

WAITING = "waiting"
SUMMARY_FILE = "summary.parquet"
_FIRST = (
    "name", "folder", "status", "reason", "message", "quality", "quality_reasons", "converged", "n_input", "n_used",
    "n_member",
)  # fmt: skip
_EVERY, _SHARE = 10.0, 0.02  # s between two writes; share of the time that is spent on them at most


class Summary:
    """Rows of a batch by folder.

    Parameters
    ----------
    out : Path
        The batch's folder.
    jobs : mapping
        Jobs by folder, in the order of the rows.
    clock : callable
        Returns the present time [s].
    """

    def __init__(self, out: Path, jobs: Mapping[str, Job], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.out, self._clock, self._next = out, clock, -math.inf
        self._rows: dict[str, dict[str, Any]] = {
            folder: {"name": job.name, "folder": folder, "status": WAITING} for folder, job in jobs.items()
        }
        self._units: dict[str, str] = {}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows."""
        return list(self._rows.values())

    def put(self, row: Mapping[str, Any]) -> None:
        """Take the row of a job that has ended, and write if it was some seconds ago that this was done."""
        row = dict(row)
        self._units.update(row.pop("units", None) or {})
        self._rows[row["folder"]] = row
        now = self._clock()
        if now >= self._next:
            self.write()
            self._next = self._clock() + max(_EVERY, (self._clock() - now) / _SHARE)

    def count(self) -> dict[str, int]:
        """Return how many jobs are done, failed and waiting, and how many failed for which reason."""
        counts = Counter(row["status"] for row in self._rows.values())
        return dict(counts) | Counter(row["reason"] for row in self._rows.values() if row.get("reason"))

    def table(self) -> Table:
        """Return the rows as a table with units; what a row does not have is masked."""
        columns = _columns(self.rows)
        table = Table()
        for name, (kind, values) in columns.items():
            filler = {"bool": False, "int": 0, "float": math.nan, "str": ""}[kind]
            cells = np.array([filler if value is None else value for value in values])
            table[name] = MaskedColumn(cells, mask=[value is None for value in values], unit=self._units.get(name))
        return table

    def write(self) -> Path:
        """Write the Parquet file, all of it or nothing."""
        require_extra("batch", "pyarrow")
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "str": pa.string()}
        fields, arrays = [], []
        for name, (kind, values) in _columns(self.rows).items():
            unit = self._units.get(name)
            fields.append(pa.field(name, kinds[kind], metadata=None if unit is None else {"unit": unit}))
            arrays.append(pa.array(values, kinds[kind]))
        target = self.out / SUMMARY_FILE
        with replacing(target) as partial:
            pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), partial)
        return target


def read_summary(out: str | Path) -> Summary:
    """Read the summary of a batch from its folders, whatever the Parquet file says.

    Parameters
    ----------
    out : str or Path
        The batch's folder.

    Raises
    ------
    BatchError
        If there is no batch in it.
    """
    places = Places(Path(out))
    if not places.clusters.is_dir():
        raise BatchError("there is no batch in this folder", str(out), remedy="give the folder that --out named")
    summary = Summary(places.out, {})
    for folder in sorted(path for path in places.clusters.iterdir() if not path.name.startswith(".")):
        state = read_outcome(folder)
        if state is not None:
            summary._next = math.inf  # nothing is written where one only reads
            summary.put(state.row)
    return summary


def _columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, list[Any]]]:
    """Turn rows into columns of one kind each; what is not known is None."""
    rows = list(rows)
    names = dict.fromkeys([*_FIRST, *(name for row in rows for name in row)])
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        values = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
        columns[name] = _of_one_kind(values)
    return columns


def _of_one_kind(values: list[Any]) -> tuple[str, list[Any]]:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "bool", values
    if kinds == {int}:
        return "int", values
    if kinds and kinds <= {int, float}:
        return "float", [None if value is None else float(value) for value in values]
    return "str", [None if value is None else str(value) for value in values]
