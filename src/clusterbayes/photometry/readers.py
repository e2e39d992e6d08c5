"""From a file to a table, without losing anything on the way.

The format is found from the first bytes, never from the file's name. Delimited text is read by `delimited`, JSON by
`jobs`, everything else by astropy. Whatever a file holds, it is a table or an `InputError`: a damaged
or hostile file costs neither a traceback nor unbounded memory.
"""

from __future__ import annotations

import hashlib
import io
import warnings
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from astropy.table import Table

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry.delimited import MISSING, line_of_row, read_delimited
from clusterbayes.photometry.jobs import read_json

__all__ = ["FORMATS", "MISSING", "read_table", "with_line"]

FORMATS = ("csv", "ecsv", "fits", "votable", "parquet", "json")

_GZIP = b"\x1f\x8b"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# A gzipped table may grow to this many times its size, and to the slack besides; more is no table.
_LARGEST_GROWTH, _SLACK = 100, 64 * 2**20


def read_table(
    path: str | Path, *, format: str | None = None, text_columns: Callable[[Iterable[str]], list[str]]
) -> tuple[Table, str]:
    """Read a table from a file.

    Parameters
    ----------
    path : str or Path
        The file: CSV and other delimited text, ECSV, FITS, VOTable, JSON of a photometry job or of the Gaia archive, or
        Parquet where pyarrow is installed; any of them may be gzipped.
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
    if content[:2] == _GZIP:
        content = _unzipped(content, str(path))
    kind = format or _sniff(content, str(path))
    text = _decoded(content) if kind in ("csv", "json") else ""
    if text:
        content = b""  # a large table is held once
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unit and standard-conformity remarks of the readers
            if kind == "csv":
                table = read_delimited(text, text_columns)
            elif kind == "json":
                table = read_json(text)
            else:
                table = _read_other(content, kind, Path(path))
    except InputError as error:
        raise error.located(source=str(path)) from None
    except MemoryError:
        raise InputError("the table does not fit into memory", str(path), remedy="give a smaller table") from None
    except Exception as error:  # the readers raise anything from KeyError to their own classes
        detail = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise InputError(
            f"cannot be read as {kind}: {detail}", str(path), remedy="check the file, or name its format"
        ) from error
    if len(table) == 0:
        raise InputError("the table has no rows", str(path), remedy="check that the file is complete")
    return table, checksum


def with_line(error: InputError, path: str | Path) -> InputError:
    """Return an error about a row of a file with the line of the text in which that row begins.

    Parameters
    ----------
    error : InputError
        As reading `path` gave it.
    path : str or Path
        The file.

    Returns
    -------
    InputError
        The same error where there is no row, or the file is not delimited text.
    """
    if error.row is None:
        return error
    content = _content(Path(path))
    if content[:2] == _GZIP:
        content = _unzipped(content, str(path))
    if _sniff(content, str(path)) not in ("csv", "ecsv"):
        return error
    return error.located(line=line_of_row(_decoded(content), error.row))


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise InputError("this is a folder, not a table", str(path), remedy="name the file in it")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError("file not found", str(path), remedy="check the name and the folder") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {reason}", str(path), remedy="check the permissions") from error
    if not content[:4096].strip() and not content.strip():
        raise InputError("the file is empty", str(path), remedy="check that the download or export finished")
    return content


def _unzipped(content: bytes, source: str) -> bytes:
    """Unpack gzip, all members of it, up to a size that a table may have."""
    largest = _LARGEST_GROWTH * len(content) + _SLACK
    parts, total = [], 0
    try:
        while content[:2] == _GZIP:
            unpacker = zlib.decompressobj(wbits=31)
            parts.append(unpacker.decompress(content, largest - total + 1))
            total += len(parts[-1])
            if total > largest:
                problem = f"this gzip file unpacks to more than {_LARGEST_GROWTH} times its size"
                raise InputError(problem, source, remedy="unpack it, and give the table in it")
            if not unpacker.eof:
                raise zlib.error("it ends too early")
            content = unpacker.unused_data
    except zlib.error as error:
        raise InputError(f"this gzip file is damaged ({error})", source, remedy="fetch or pack it again") from None
    unpacked = b"".join(parts)
    if not unpacked.strip():
        raise InputError("the file is empty", source, remedy="check that the download or export finished")
    return unpacked


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-16" if content[:2] in _UTF16 else "utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


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
        return "json"
    if b"\x00" in head and content[:2] not in _UTF16:
        remedy = "save it as CSV, ECSV, FITS or VOTable (a spreadsheet must be exported)"
        raise InputError("this is a binary file of no known kind", source, remedy=remedy)
    return "csv"


def _read_other(content: bytes, kind: str, path: Path) -> Table:
    if kind == "parquet":
        return Table.read(path, format="parquet")
    if kind == "ecsv":
        return Table.read(content.decode("utf-8-sig").splitlines(), format="ascii.ecsv")
    return Table.read(io.BytesIO(content), format=kind)
