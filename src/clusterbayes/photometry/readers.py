"""From a file to a table, without losing anything on the way.

The format is found from the first bytes, never from the file's name. Text tables may have a byte-order mark, Windows
line ends, a commented header or VizieR's lines of units; identifier columns stay text, since those of Gaia do not fit
into a floating-point number.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import ascii as ascii_io
from astropy.table import MaskedColumn, Table

from clusterbayes.errors import InputError, SettingsError

__all__ = ["FORMATS", "MISSING", "read_table"]

FORMATS = ("csv", "ecsv", "fits", "votable", "parquet")

# Spellings of a missing value in text tables, compared without case.
MISSING = ("", "nan", "null", "none", "--", "-", "n/a", "na", "inf", "-inf", "indef", "...")

_META_LINE = re.compile(r"#\s*([A-Za-z_][\w ]*?)\s*[:=]\s*(.+)")
_DELIMITERS = (",", "\t", ";", "|")
_TAB = "\x01"  # stands for a tab, but is no white space


def read_table(
    path: str | Path, *, format: str | None = None, text_columns: Callable[[Iterable[str]], list[str]]
) -> tuple[Table, str]:
    """Read a table from a file.

    Parameters
    ----------
    path : str or Path
        The file: CSV and other delimited text, ECSV, FITS, VOTable, or Parquet where pyarrow is installed; any of
        them may be gzipped.
    format : str, optional
        One of `FORMATS`; found from the content if left out.
    text_columns : callable
        Given the column names, those that must be read as text.

    Returns
    -------
    table : Table
        All rows and columns.
    checksum : str
        SHA-256 of the file's bytes, hexadecimal.

    Raises
    ------
    InputError
        If the file is missing, empty, or not a table.
    SettingsError
        If the format is not one of `FORMATS`.
    """
    if format is not None and format not in FORMATS:
        raise SettingsError.unknown("table format", format, FORMATS)
    content = _content(Path(path))
    checksum = hashlib.sha256(content).hexdigest()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    kind = format or _sniff(content, str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unit and standard-conformity remarks of the readers
            table = _read_text(content, text_columns) if kind == "csv" else _read_other(content, kind, Path(path))
    except InputError as error:
        raise InputError(error.problem, str(path), error.column, error.row, error.value, remedy=error.remedy) from None
    except Exception as error:  # the readers raise anything from KeyError to their own classes
        detail = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"cannot be read as {kind}: {detail}", str(path), remedy="check the file, or name its format"
        ) from error
    if len(table) == 0:
        raise InputError("the table has no rows", str(path), remedy="check that the file is complete")
    return table, checksum


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise InputError("this is a folder, not a table", str(path), remedy="name the file in it")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError("file not found", str(path), remedy="check the name and the folder") from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", str(path), remedy="check the permissions") from error
    if not content.strip():
        raise InputError("the file is empty", str(path), remedy="check that the download or export finished")
    return content


def _sniff(content: bytes, source: str) -> str:
    head = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    lowered = head.lower()
    if head.startswith(b"SIMPLE  ="):
        return "fits"
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"# %ECSV"):
        return "ecsv"
    if lowered.startswith((b"<!doctype html", b"<html")):
        remedy = "open it in a browser: it may hold an error message or a login page; download the table itself"
        raise InputError("this is a web page, not a table", source, remedy=remedy)
    if b"<votable" in lowered:
        return "votable"
    if head.startswith((b"{", b"[")):
        raise InputError("this is JSON, not a table", source, remedy="export it as CSV, ECSV, FITS or VOTable")
    if b"\x00" in head:
        remedy = "save it as CSV, ECSV, FITS or VOTable (a spreadsheet must be exported)"
        raise InputError("this is a binary file of no known kind", source, remedy=remedy)
    return "csv"


def _read_other(content: bytes, kind: str, path: Path) -> Table:
    if kind == "parquet":
        return Table.read(path, format="parquet")
    if kind == "ecsv":
        return Table.read(content.decode("utf-8-sig").splitlines(), format="ascii.ecsv")
    stream: Any = io.BytesIO(content)
    return Table.read(stream, format=kind)


# --- delimited text -------------------------------------------------------------------------------------------------


def _read_text(content: bytes, text_columns: Callable[[Iterable[str]], list[str]]) -> Table:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text, meta = _split_preamble(text)
    header, _, body = text.partition("\n")
    delimiter = next((mark for mark in _DELIMITERS if mark in header), " ")
    if delimiter == "\t":  # astropy's reader takes neighbouring tabs for one, and would shift the cells
        header, body, delimiter = header.replace("\t", _TAB), body.replace("\t", _TAB), _TAB
    units, body = _split_vizier_lines(body, delimiter)
    names = _fields(header, delimiter)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError("two columns have this name", column=repeated[0], remedy="rename one of them")
    if len(names) < 2:
        raise InputError("only one column was found", remedy="separate columns by commas, tabs, ';', '|' or blanks")
    if not body.strip():
        return Table(names=names)
    if delimiter == " ":  # the readers take repeated blanks inside a line, and none around it
        body = "\n".join(line.strip() for line in body.splitlines())
    table = _parse(header, body, delimiter)
    for name in text_columns(table.colnames):
        _keep_text(table, name, table.colnames.index(name), body, delimiter)
    for name, unit in zip(names, units, strict=False):
        if unit and name in table.colnames:
            table[name].unit = unit
    table.meta.update(meta)
    return table


def _split_preamble(text: str) -> tuple[str, dict[str, str]]:
    """Take leading comments off; the last one is the header if the first line of data is all numbers."""
    meta: dict[str, str] = {}
    last_comment, position = "", 0
    for line in io.StringIO(text):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        position += len(line)
        if line.strip():
            last_comment = line.strip()
            match = _META_LINE.fullmatch(last_comment)
            if match:
                meta[match.group(1).strip()] = match.group(2).strip()
    rest = text[position:]
    first = rest.partition("\n")[0]
    if last_comment and _all_numbers(first):
        return last_comment.lstrip("# ") + "\n" + rest, meta
    if not rest.strip():
        raise InputError("there are comments but no table", remedy="check that the file is complete")
    if _all_numbers(first):
        raise InputError("there is no header line", remedy="put the column names into the first line")
    return rest, meta


def _fields(line: str, delimiter: str) -> list[str]:
    row = next(csv.reader([line.strip()], delimiter=delimiter, skipinitialspace=True), [])
    return [cell.strip() for cell in row]


def _all_numbers(line: str) -> bool:
    cells = [cell for cell in re.split(r"[\s,;|]+", line.strip()) if cell and cell.lower() not in MISSING]
    return bool(cells) and all(re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?", cell) for cell in cells)


def _split_vizier_lines(body: str, delimiter: str) -> tuple[list[str], str]:
    """Take VizieR's lines of units and dashes off, if they are there."""
    lines = body.split("\n", 2)
    for index, line in enumerate(lines[:2]):
        if "---" in line and not line.replace("-", "").replace(delimiter, "").strip():
            units = _fields(lines[0], delimiter) if index == 1 else []
            rest = "\n".join(lines[index + 1 :])
            return units, rest
    return [], body


def _parse(header: str, body: str, delimiter: str) -> Table:
    kind = {",": "csv", " ": "basic"}.get(delimiter, "csv")
    spellings = {word for token in MISSING for word in (token, token.upper(), token.capitalize(), "NaN")}
    # Masked cells are filled with a number, so that the column keeps its type.
    return ascii_io.read(
        header.strip() + "\n" + body,
        format=kind,
        delimiter=delimiter,
        guess=False,
        fast_reader=True,
        fill_values=[(word, "0") for word in sorted(spellings)],
    )


def _keep_text(table: Table, name: str, index: int, body: str, delimiter: str) -> None:
    """Replace a parsed column by the text that the file has."""
    rows = csv.reader(io.StringIO(body), delimiter=delimiter, skipinitialspace=True)
    cells = [row[index].strip() if index < len(row) else "" for row in rows if row]
    if len(cells) != len(table):
        cells = [cell for cell in cells if cell]
    if len(cells) == len(table):
        text = np.array(cells, dtype=str)
        table[name] = MaskedColumn(text, name=name, mask=np.isin(np.char.lower(text), MISSING))
    elif table[name].dtype.kind != "i":
        raise InputError("identifiers cannot be read as text", column=name, remedy="remove blank lines from the file")
