"""Photometry as JSON: a photometry job of Afterglow, or a table that the Gaia archive made.

The document of a job holds measurements, objects with an id, a filter and a magnitude, and may hold calibrations of
whole files: objects with a `file_id`, `zero_point_corr`, `zero_point_error` and `limmag5`. Names are snake_case or
camelCase. Both kinds are looked for anywhere in the document, and what a calibration says is written to the
measurements of its file. The archive's tables have a list `metadata` of columns, and a list `data` of rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table

from clusterbayes.errors import InputError
from clusterbayes.photometry.layouts import snake_case

__all__ = ["read_json"]

_CALIBRATION = ("zero_point_corr", "zero_point_correction", "limmag5")
_DEEPEST = 40


def read_json(text: str) -> Table:
    """Read the measurements of a photometry job, or a table of the Gaia archive.

    Parameters
    ----------
    text : str
        JSON.

    Returns
    -------
    Table
        Of a job: one row a measurement, in the order of the document; names in snake_case; columns
        `zero_point_correction`, `zero_point_error`, `calibrated_mag` and `limmag5` as far as calibrations say them. Of
        the archive: its table.

    Raises
    ------
    InputError
        If it is no JSON, or holds neither.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        problem = f"this begins like JSON, but {error.msg} at column {error.colno}"
        raise InputError(problem, line=error.lineno, remedy="check that the file is complete") from None
    except (RecursionError, ValueError) as error:
        raise InputError(f"this JSON cannot be read: {str(error)[:200]}") from None
    described = _described_columns(document)
    return _archive_table(document["data"], described) if described else _job_table(document)


def _described_columns(document: Any) -> dict[str, Any]:
    """Return names and units of the columns of an archive's table; empty if the document is none."""
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):
        return {}
    columns = document.get("metadata")
    if not isinstance(columns, list) or not all(isinstance(column, dict) and "name" in column for column in columns):
        return {}
    return {str(column["name"]): column.get("unit") for column in columns}


def _archive_table(rows: list[Any], columns: dict[str, Any]) -> Table:
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            expected = f"a list of {len(columns)} values, one for each column in metadata"
            raise InputError("this is no row of the table", row=number, value=str(row)[:80], expected=expected)
    table = _table([dict(zip(columns, row, strict=True)) for row in rows], keep_integers=True)
    for name, unit in columns.items():
        if unit and name in table.colnames:
            table[name].unit = str(unit)
    return table


def _job_table(document: Any) -> Table:
    records, calibrations = [], {}
    for item, file_id in _objects(document):
        item = {snake_case(str(key)): value for key, value in item.items()}
        if "file_id" not in item and file_id is not None:
            item["file_id"] = file_id
        if "mag" in item and ("filter" in item or "id" in item):
            records.append(item)
        elif any(name in item for name in _CALIBRATION):
            calibrations[str(item.get("file_id"))] = item
    if not records:
        raise InputError(
            "this JSON holds no photometry",
            expected="objects with id, filter, mag and mag_error in a list called data",
            remedy="give the result of a photometry job, or export a table as CSV, ECSV, FITS or VOTable",
        )
    for record in records:
        _calibrate(record, calibrations.get(str(record.get("file_id")), {}))
    return _table(records)


def _objects(document: Any) -> Iterator[tuple[dict[Any, Any], Any]]:
    """Yield every object of a document in order, with the file_id of the nearest object around it."""
    waiting = [(document, None, 0)]
    while waiting:
        item, file_id, depth = waiting.pop()
        if isinstance(item, dict):
            yield item, file_id
            file_id = item.get("file_id", item.get("fileId", file_id))
            inner = list(item.values())
        else:
            inner = item if isinstance(item, list) else []
        if depth < _DEEPEST:
            waiting += [(part, file_id, depth + 1) for part in reversed(inner) if isinstance(part, dict | list)]


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan


def _calibrate(record: dict[str, Any], calibration: dict[str, Any]) -> None:
    """Write a file's calibration to one of its measurements, where that has none of its own."""
    merged = {**calibration, **{name: value for name, value in record.items() if value is not None}}
    shift = merged.get("zero_point_correction", merged.get("zero_point_corr"))
    record.pop("zero_point_corr", None)
    for name, value in (
        ("zero_point_correction", shift),
        ("zero_point_error", merged.get("zero_point_error")),
        ("limmag5", merged.get("limmag5")),
    ):
        if value is not None:
            record[name] = value
    calibrated = _number(record.get("mag")) + _number(shift)
    if record.get("calibrated_mag") is None and np.isfinite(calibrated):
        record["calibrated_mag"] = calibrated


def _table(records: list[dict[str, Any]], *, keep_integers: bool = False) -> Table:
    """Lay records out as columns; text stays text, and what is no plain value is missing."""
    table = Table()
    for name in dict.fromkeys(name for record in records for name in record):
        values = [record.get(name) for record in records]
        values = [value if isinstance(value, str | int | float) else None for value in values]
        missing = [value is None for value in values]
        if name in ("id", "file_id", "filter") or any(isinstance(value, str) for value in values):
            cells: Any = np.array(["" if value is None else str(value) for value in values], dtype=str)
        elif keep_integers and all(value is None or _fits(value) for value in values):
            cells = np.array([value or 0 for value in values], dtype=np.int64)  # all digits of an identifier
        else:
            cells = np.array([np.nan if value is None else _number(value) for value in values])
        table[name] = MaskedColumn(cells, mask=missing)
    return table


def _fits(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63
