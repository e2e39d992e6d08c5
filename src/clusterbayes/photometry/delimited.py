"""Delimited text: commas, tabs, semicolons, bars or blanks, whatever its dress.

A table may have Windows line ends, a header in a comment or VizieR's lines of units. Identifier columns stay text,
since Gaia's do not fit into a floating-point number. Numbers go through astropy's fast reader; nothing is copied more
often than need be, so that a million rows fit into little memory.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from astropy.io import ascii as ascii_io
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from clusterbayes.errors import InputError
from clusterbayes.photometry.layouts import skipped_columns, snake_case

__all__ = ["MISSING", "line_of_row", "read_delimited", "table_start"]

# Spellings of a missing value in text tables, compared without case.
MISSING = ("", "nan", "null", "none", "--", "-", "n/a", "na", "inf", "-inf", "indef", "...")

_META_LINE = re.compile(r"#\s*([A-Za-z_][\w ]{0,80}?)\s*[:=]\s*(.+)")
_DELIMITERS = (",", "\t", ";", "|")
_TAB = "\x01"  # stands for a tab, but is no white space
_NO_HEADER = "put the column names into the first line, e.g. id,V,V_error,B-V,B-V_error"
_LONGEST_HEADER = 200_000  # characters; no table has a longer one


def read_delimited(text: str, text_columns: Callable[[Iterable[str]], list[str]]) -> Table:
    """Read a table from text.

    Parameters
    ----------
    text : str
        The whole file.
    text_columns : callable
        Given the column names, those that must stay text.

    Returns
    -------
    Table
        All rows and columns; units and metadata as far as the text has them.

    Raises
    ------
    InputError
        If it is no table. Whatever else astropy's reader raises is passed on.
    """
    text = _plain_line_ends(text)
    start, header, meta = _split_preamble(text)
    delimiter = next((mark for mark in _DELIMITERS if mark in header), " ")
    names = _fields(header, delimiter)
    _check_names(names, text.count("\n", 0, start))
    units, start = _split_vizier_lines(text, start, delimiter)
    body, first_line = text[start:], 1 + text.count("\n", 0, start)
    del text
    if not body.strip():
        return Table(names=names)
    if delimiter == "\t":  # astropy's reader takes neighbouring tabs for one, and would shift the cells
        header, body, delimiter = header.replace("\t", _TAB), body.replace("\t", _TAB), _TAB
    if delimiter == " ":  # the readers take repeated blanks inside a line, and none around it
        body = "\n".join(line.strip() for line in body.splitlines())
    wanted = text_columns(names)
    cells = {name: _cells(body, names.index(name), delimiter) for name in wanted}
    skipped = skipped_columns(names)
    try:
        table = _parse(header, body, delimiter, [name for name in names if snake_case(name) not in skipped])
    except ascii_io.InconsistentTableError:
        _refuse_uneven(body, delimiter, names, first_line)
        raise
    for name in wanted:
        _keep_text(table, name, cells.pop(name))
    for name, unit in zip(names, units, strict=False):
        if unit and name in table.colnames:
            table[name].unit = unit
    table.meta.update(meta)
    return table


def table_start(text: str) -> tuple[int, list[str], str]:
    """Return where the data begin, the names of the columns, and the mark between cells (" " for any blanks).

    Parameters
    ----------
    text : str
        The beginning of the file, with plain line ends.

    Raises
    ------
    InputError
        If it is no table.
    """
    start, header, _ = _split_preamble(text)
    delimiter = next((mark for mark in _DELIMITERS if mark in header), " ")
    names = _fields(header, delimiter)
    _check_names(names, text.count("\n", 0, start))
    return _split_vizier_lines(text, start, delimiter)[1], names, delimiter


def line_of_row(text: str, row: int) -> int | None:
    """Return the line, counted from 1, in which a row of data (counted from 0) begins; None beyond the end."""
    text = _plain_line_ends(text)
    start, header, _ = _split_preamble(text)
    delimiter = next((mark for mark in _DELIMITERS if mark in header), " ")
    _, start = _split_vizier_lines(text, start, delimiter)
    before = text.count("\n", 0, start)
    reader = csv.reader(_lines(text, start), delimiter=delimiter)
    line, seen = before + 1, -1
    try:
        for cells in reader:
            seen += bool(cells)
            if seen == row:
                return line
            line = before + reader.line_num + 1
    except csv.Error:
        return None
    return None


def _plain_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _lines(text: str, start: int = 0) -> Iterator[str]:
    """Yield the lines of a text without copying all of it at once."""
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1


def _split_preamble(text: str) -> tuple[int, str, dict[str, str]]:
    """Find where the data begin, the header, and what comments above say.

    The header is the last comment if the first line of data is all numbers.
    """
    meta: dict[str, str] = {}
    last_comment, position = "", 0
    for line in _lines(text):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        position += len(line) + 1
        if line.strip():
            last_comment = line.strip()
            match = _META_LINE.fullmatch(last_comment[:1000])
            if match:
                meta[match.group(1).strip()] = match.group(2).strip()
    first = next(_lines(text, position), "")
    if len(first) > _LONGEST_HEADER:
        raise InputError("this is no table: its first line does not end", line=1 + text.count("\n", 0, position))
    if not first.strip():
        raise InputError("there are comments but no table", remedy="check that the file is complete")
    if not _all_numbers(first):
        return min(position + len(first) + 1, len(text)), first, meta
    if last_comment:
        return position, last_comment.lstrip("# "), meta
    line_number = 1 + text.count("\n", 0, position)
    raise InputError("there is no header line", remedy=_NO_HEADER, line=line_number)


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        row = next(csv.reader([line.strip()], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error as error:
        raise InputError(f"the header cannot be read ({error})", remedy="check the quotes in it") from None
    return [cell.strip() for cell in row]


def _check_names(names: list[str], line: int) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError("two columns have this name", column=repeated[0], line=line, remedy="rename one of them")
    if len(names) < 2:
        remedy = "separate columns by commas, tabs, ';', '|' or blanks"
        raise InputError("only one column was found", line=line, remedy=remedy)


def _all_numbers(line: str) -> bool:
    cells = [cell for cell in re.split(r"[\s,;|]+", line.strip()) if cell and cell.lower() not in MISSING]
    return bool(cells) and all(re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?", cell) for cell in cells)


def _split_vizier_lines(text: str, start: int, delimiter: str) -> tuple[list[str], int]:
    """Step over VizieR's lines of units and dashes, if they are there; return the units and where the data begin."""
    first, position = "", start
    for index, line in enumerate(_lines(text, start)):
        position = min(position + len(line) + 1, len(text))
        if "---" in line and not line.replace("-", "").replace(delimiter, "").strip():
            return (_fields(first, delimiter) if index == 1 else []), position
        first = line
        if index == 1:
            break
    return [], start


def _parse(header: str, body: str, delimiter: str, names: list[str]) -> Table:
    kind = {",": "csv", " ": "basic"}.get(delimiter, "csv")
    spellings = {word for token in MISSING for word in (token, token.upper(), token.capitalize(), "NaN")}
    # Masked cells are filled with a number, so that the column keeps its type.
    return ascii_io.read(
        header.strip() + "\n" + body,
        format=kind,
        delimiter=delimiter,
        guess=False,
        fast_reader=True,
        include_names=names,
        fill_values=[(word, "0") for word in sorted(spellings)],
    )


def _refuse_uneven(body: str, delimiter: str, names: list[str], first_line: int) -> None:
    """Raise an error about the first line that has more cells than the header, or fewer where they can't be empty."""
    rows = csv.reader(_quoted_lines(body), delimiter=delimiter, skipinitialspace=True)
    seen = -1
    while True:
        try:
            cells = next(rows)
        except (StopIteration, csv.Error):
            return
        seen += bool(cells)
        if len(cells) > len(names) or (delimiter == " " and cells and len(cells) < len(names)):
            raise InputError(
                f"this line has {len(cells)} cells, the header ({delimiter.join(names)[:80]}) {len(names)}",
                row=seen, line=first_line + rows.line_num - 1, value=delimiter.join(cells)[:80],
                remedy=_even_remedy(cells, delimiter, len(names), seen),
            )  # fmt: skip


def _even_remedy(cells: list[str], delimiter: str, n_column: int, row: int) -> str:
    """Say what to do about a line of too many or too few cells: what is most often the matter with such lines."""
    if delimiter == "," and len(cells) > n_column and all(cell.lstrip("+-").isdigit() for cell in cells[1:]):
        return "if decimal commas have split the numbers, write decimal points, or separate the cells by ';'"
    if row == 0 and not _all_numbers(delimiter.join(cells)):
        return "the first line that is no comment has to name the columns: remove a title, or begin it with #"
    return "put cells that hold the separator into quotes, or remove what is too much"


def _cells(body: str, index: int, delimiter: str) -> NDArray[np.str_]:
    """Return the cells of one column as the text has them, one for each line that is not blank; (n_row,)."""
    if '"' in body:
        rows = csv.reader(_quoted_lines(body), delimiter=delimiter, skipinitialspace=True)
        return np.array([row[index].strip() if index < len(row) else "" for row in rows if row], dtype=str)
    parts = index + 1
    split = (line.split(delimiter if delimiter != " " else None, parts) for line in _lines(body) if line.strip())
    return np.array([cells[index].strip() if index < len(cells) else "" for cells in split], dtype=str)


def _quoted_lines(body: str) -> Iterator[str]:
    # A quoted cell may hold a line's end, so that the reader has to see it.
    return (line + "\n" for line in _lines(body))


def _keep_text(table: Table, name: str, cells: NDArray[np.str_]) -> None:
    """Replace a parsed column by the text that the file has."""
    if len(cells) != len(table):
        cells = cells[cells != ""]
    if len(cells) == len(table):
        table[name] = MaskedColumn(cells, name=name, mask=np.isin(np.strings.lower(cells), MISSING))
    elif table[name].dtype.kind != "i":
        raise InputError("identifiers cannot be read as text", column=name, remedy="remove blank lines from the file")
