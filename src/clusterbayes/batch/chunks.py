"""Large tables in chunks of rows, whatever their form, and parts of them written in the same form.

Rows are never interpreted, but for the cell that names the cluster: text keeps its comments, header and cells as they
are written, FITS its header and bytes, Parquet its schema. So a part says exactly what the whole table said.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from astropy.io import fits

from clusterbayes.errors import InputError
from clusterbayes.extras import require_extra
from clusterbayes.photometry.delimited import table_start
from clusterbayes.writing import replacing

__all__ = ["Source", "open_source"]

_CHUNK = 100_000  # rows
_BLOCK = 2880  # bytes, of FITS
_HEAD = 2**20  # characters in which a text table has to begin
Chunk = Any


class Source(Protocol):
    """A table that is read in chunks.

    Attributes
    ----------
    path : Path
    names : list of str
        Its columns.
    ending : str
        Of the names of files that hold parts of it.
    """

    path: Path
    names: list[str]
    ending: str

    def labels(self, column: str) -> Iterator[np.ndarray]:
        """Yield the cells of a column as text, chunk by chunk (n_row,)."""

    def chunks(self, column: str) -> Iterator[tuple[np.ndarray, Chunk]]:
        """Yield the same with the rows themselves."""

    def take(self, chunk: Chunk, index: np.ndarray) -> Chunk:
        """Return some rows of a chunk."""

    def write(self, parts: list[Chunk], target: Path) -> None:
        """Write rows as a table of the same form, all of it or nothing."""


def open_source(path: Path) -> Source:
    """Open a table.

    Raises
    ------
    InputError
        If it can't be read, or not in parts.
    MissingExtraError
        If it is Parquet and pyarrow is missing.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(80)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", str(path), remedy="check the name") from error
    if head.startswith(b"PAR1"):
        return _ParquetSource(path)
    if head.startswith(b"SIMPLE  ="):
        return _FitsSource(path)
    if head.startswith(b"\x1f\x8b") or b"\x00" in head or head.lstrip().startswith((b"<", b"{", b"[")):
        remedy = "unpack it, or save it as CSV, ECSV, FITS or Parquet"
        raise InputError("a table of many clusters can't be read in parts in this form", str(path), remedy=remedy)
    return _TextSource(path)


def _as_label(value: Any) -> str:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _as_labels(values: Iterable[Any]) -> np.ndarray:
    return np.array([_as_label(value) for value in values], dtype=str)


class _ParquetSource:
    ending = ".parquet"

    def __init__(self, path: Path) -> None:
        require_extra("batch", "pyarrow")
        import pyarrow.parquet as pq

        self.path = path
        try:
            self._file = pq.ParquetFile(path)
        except Exception as error:  # pyarrow's errors have no common base but Exception
            raise InputError(f"cannot be read as Parquet: {error}", str(path)) from error
        self.names = list(self._file.schema_arrow.names)

    def labels(self, column: str) -> Iterator[np.ndarray]:
        for batch in self._file.iter_batches(_CHUNK, columns=[column]):
            yield _as_labels(batch.column(0).to_pylist())

    def chunks(self, column: str) -> Iterator[tuple[np.ndarray, Chunk]]:
        for batch in self._file.iter_batches(_CHUNK):
            yield _as_labels(batch.column(column).to_pylist()), batch

    def take(self, chunk: Chunk, index: np.ndarray) -> Chunk:
        import pyarrow as pa

        return chunk.take(pa.array(index))

    def write(self, parts: list[Chunk], target: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_batches(parts, self._file.schema_arrow)
        with replacing(target) as partial:
            pq.write_table(table, partial)


class _FitsSource:
    """The first binary table of a FITS file, row by row as bytes."""

    ending = ".fits"

    def __init__(self, path: Path) -> None:
        self.path = path
        with warnings.catch_warnings(), fits.open(path, memmap=True) as units:
            warnings.simplefilter("ignore")  # a file that ends too early is refused below
            number = next((i for i, unit in enumerate(units) if isinstance(unit, fits.BinTableHDU)), None)
            if number is None:
                raise InputError("there is no binary table in this FITS file", str(path))
            unit = units[number]
            self._number, self._header, self.names = number, unit.header.copy(strip=False), list(unit.columns.names)
            self._offset = unit.fileinfo()["datLoc"]
        if self._offset + self._header["NAXIS1"] * self._header["NAXIS2"] > path.stat().st_size:
            raise InputError("this FITS file ends too early", str(path), remedy="fetch it again")
        if self._header["PCOUNT"]:
            remedy = "leave out columns with arrays of varying length"
            raise InputError("this table can't be parted", str(path), remedy=remedy)
        for card in ("CHECKSUM", "DATASUM"):
            self._header.remove(card, ignore_missing=True)

    def labels(self, column: str) -> Iterator[np.ndarray]:
        for begin in range(0, self._header["NAXIS2"], _CHUNK):
            with fits.open(self.path, memmap=True) as units:  # anew: what was read stays mapped until it is closed
                yield _as_labels(units[self._number].data[begin : begin + _CHUNK][column].tolist())

    def chunks(self, column: str) -> Iterator[tuple[np.ndarray, Chunk]]:
        width = self._header["NAXIS1"]
        with open(self.path, "rb") as file:
            file.seek(self._offset)
            for labels in self.labels(column):
                content = file.read(width * labels.size)
                yield labels, np.frombuffer(content, np.dtype((np.void, width)))

    def take(self, chunk: Chunk, index: np.ndarray) -> Chunk:
        return chunk[index]

    def write(self, parts: list[Chunk], target: Path) -> None:
        header = self._header.copy(strip=False)
        header["NAXIS2"] = sum(part.size for part in parts)
        content = b"".join(part.tobytes() for part in parts)
        heads = fits.PrimaryHDU().header.tostring() + header.tostring()
        padding = b"\0" * (-len(content) % _BLOCK)
        with replacing(target) as partial:
            partial.write_bytes(heads.encode("ascii") + content + padding)


class _TextSource:
    """Delimited text or ECSV, row by row as it is written."""

    ending = ".csv"

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as file:
            head = file.read(_HEAD)
        try:
            start, self.names, self._delimiter = table_start(head)
        except InputError as error:
            raise error.located(source=str(path)) from None
        self._head = head[:start]

    def _opened(self) -> IO[str]:
        # Universal line ends; bytes that are not UTF-8 pass through as they are.
        return open(self.path, encoding="utf-8-sig", errors="surrogateescape")

    def labels(self, column: str) -> Iterator[np.ndarray]:
        return (labels for labels, _ in self.chunks(column))

    def chunks(self, column: str) -> Iterator[tuple[np.ndarray, Chunk]]:
        place, labels, rows = self.names.index(column), [], []
        for row in self._rows():
            labels.append(self._cell(row, place, column))
            rows.append(row)
            if len(rows) == _CHUNK:
                yield np.array(labels, dtype=str), rows
                labels, rows = [], []
        if rows:
            yield np.array(labels, dtype=str), rows

    def _rows(self) -> Iterator[str]:
        """Yield rows with their line ends; one that has a line's end inside quotes is one row."""
        row = ""
        with self._opened() as file:
            for _ in range(self._head.count("\n")):
                file.readline()
            for line in file:
                row += line
                if row.count('"') % 2 == 0:
                    if row.strip():
                        yield row if row.endswith("\n") else row + "\n"
                    row = ""
        if row.strip():
            raise InputError("a quote is never closed", str(self.path), value=row[:60])

    def _cell(self, row: str, place: int, column: str) -> str:
        if '"' in row:
            cells = next(csv.reader([row.strip()], delimiter=self._delimiter, skipinitialspace=True), [])
        else:
            cells = row.strip("\n").split(self._delimiter) if self._delimiter != " " else re.split(r"\s+", row.strip())
        if place >= len(cells):
            raise InputError("this row is too short", str(self.path), column, value=row.strip()[:60])
        return cells[place].strip()

    def take(self, chunk: Chunk, index: np.ndarray) -> Chunk:
        return [chunk[i] for i in index]

    def write(self, parts: list[Chunk], target: Path) -> None:
        text = self._head + "".join(row for part in parts for row in part)
        with replacing(target) as partial:
            partial.write_bytes(text.encode("utf-8", "surrogateescape"))
