"""From a table to checked arrays, with every input row accounted for.

This is the edge where input is checked once: identifiers, observables, parallaxes and positions are read, unusable rows
are set aside with their reason, and what was done is written down in notes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Table
from numpy.typing import NDArray

from clusterbayes.bands import Observable, resolve_band
from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry.cells import as_numbers, as_text
from clusterbayes.photometry.choose import choose_observables
from clusterbayes.photometry.columns import RIGHT_ASCENSION, Columns, recognise
from clusterbayes.photometry.measure import Defaults, Measured, Measurer
from clusterbayes.photometry.sky import positions

__all__ = ["Ingested", "ReadOptions", "ingest", "remedy_for_few", "table_checksum"]

ZERO_POINTS = ("raw", "applied")


@dataclass(frozen=True)
class ReadOptions:
    """How a table is to be understood.

    Parameters
    ----------
    observables : str, iterable of str or Observable, optional
        What to fit; chosen if left out.
    columns : mapping of str to str, optional
        Input column to our name.
    default_error : float or mapping of str to float, optional
        Errors [mag] for what has none.
    parallax_zero_point : {"raw", "applied"}, optional
        Whether the parallaxes have their zero point corrected.
    ra_unit : {"deg", "hour"}, optional
        Unit of a plain right-ascension column.
    """

    observables: str | Iterable[str | Observable] | None = None
    columns: Mapping[str, str] | None = None
    default_error: float | Mapping[str, float] | None = None
    parallax_zero_point: str | None = None
    ra_unit: str | None = None


@dataclass(frozen=True)
class Ingested:
    """Arrays of all input rows, before the unusable ones are set aside; see `Photometry` for their meaning."""

    ids: NDArray[np.str_]
    observables: tuple[Observable, ...]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    drop_reason: NDArray[np.str_]
    parallax: NDArray[np.float64] | None
    parallax_error: NDArray[np.float64] | None
    parallax_zero_point: str
    ra: NDArray[np.float64] | None
    dec: NDArray[np.float64] | None
    zero_point_error: dict[str, float]
    table: Table
    notes: tuple[str, ...]


def table_checksum(table: Table) -> str:
    """Return the SHA-256 of a table's column names and cells, hexadecimal."""
    digest = hashlib.sha256()
    for name in table.colnames:
        column = table[name]
        values = np.asarray(column.data.data if hasattr(column, "mask") else column)
        digest.update(name.encode())
        digest.update("\x1f".join(map(str, values)).encode() if values.dtype.kind == "O" else values.tobytes())
        if getattr(column, "mask", None) is not None:
            digest.update(np.asarray(column.mask).tobytes())
    return digest.hexdigest()


def ingest(table: Table, options: ReadOptions, source: str) -> Ingested:
    """Read a table.

    Parameters
    ----------
    table : Table
        One row a star.
    options : ReadOptions
        How it is to be understood.
    source : str
        What to call the table in errors.

    Returns
    -------
    Ingested
        Arrays over all input rows.

    Raises
    ------
    ClusterBayesError
        `InputError`, `BandError` or `SettingsError`, with the column, the row and a remedy.
    """
    if len(table) == 0:
        raise InputError("the table has no rows", source)
    columns = recognise(table.colnames, options.columns, source)
    defaults = Defaults(options.default_error)
    measurer = Measurer(table, columns, defaults, source)
    observables, notes = choose_observables(options.observables, measurer)
    defaults.check_used(observables)
    measured = [measurer.measure(observable) for observable in observables]
    values = np.column_stack([one.values for one in measured])
    errors = np.column_stack([one.errors for one in measured])
    notes = [*columns.notes_on(observables), *notes, *(note for one in measured for note in one.notes)]
    _refuse_empty(observables, values, measured, source)
    ids, id_columns = _identifiers(table, columns, notes)
    parallax, parallax_error, parallax_columns = _parallaxes(table, columns, source, notes)
    where = positions(table, columns.roles, ra_unit=options.ra_unit, source=source)
    ra, dec, sky_notes = where if where is not None else (None, None, [])
    sky_columns = [columns.roles[role] for role in (*RIGHT_ASCENSION, "dec") if where and role in columns.roles]
    used = [*id_columns, *sky_columns, *parallax_columns, *(name for one in measured for name in one.columns)]
    kept = table[list(dict.fromkeys(used))] if used else table
    reasons = _drop_reasons(ids, observables, values)
    return Ingested(
        ids=ids,
        observables=observables,
        values=values,
        errors=errors,
        drop_reason=reasons,
        parallax=parallax,
        parallax_error=parallax_error,
        parallax_zero_point=_zero_point(options.parallax_zero_point, table.meta),
        ra=ra,
        dec=dec,
        zero_point_error=_zero_point_errors(table.meta),
        table=kept,
        notes=tuple(dict.fromkeys([*notes, *sky_notes])),
    )


def _refuse_empty(
    observables: tuple[Observable, ...], values: NDArray[np.float64], measured: list[Measured], source: str
) -> None:
    for index, observable in enumerate(observables):
        if not np.isfinite(values[:, index]).any():
            raise InputError(
                f"{observable.name} has no usable value in any of the {len(values)} rows",
                source,
                measured[index].columns[0],
                expected="numbers with errors; " + "; ".join(measured[index].notes or ["all cells are empty or NaN"]),
                remedy="choose other observables (--observables), or map the column that holds the magnitudes (--map)",
            )


def _identifiers(table: Table, columns: Columns, notes: list[str]) -> tuple[NDArray[np.str_], list[str]]:
    rows = np.char.add("row ", np.arange(len(table)).astype(str))
    name = columns.roles.get("id")
    if name is None:
        notes.append("no column of identifiers: stars are named by their row, counted from 0")
        return rows, []
    ids = as_text(table[name])
    if ids is None:
        notes.append(f"column {name} holds identifiers as floating-point numbers, whose digits are lost: rows are used")
        return rows, []
    present = ids != ""
    if len(set(ids[present].tolist())) < 0.5 * len(ids):
        notes.append(f"column {name} names most stars alike or not at all: stars are named by their row instead")
        return rows, []
    if not present.all():
        notes.append(f"{(~present).sum()} stars have no identifier in column {name}: they are named by their row")
    return np.where(present, ids, rows), [name]


def _parallaxes(
    table: Table, columns: Columns, source: str, notes: list[str]
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, list[str]]:
    name, error_name = columns.roles.get("parallax"), columns.roles.get("parallax_error")
    if name is None:
        return None, None, []
    if error_name is None:
        notes.append(f"parallaxes are not used: column {name} has no errors beside it")
        return None, None, []
    parallax = as_numbers(table[name], name, source) * _to_mas(table[name], name, source)
    error = as_numbers(table[error_name], error_name, source) * _to_mas(table[error_name], error_name, source)
    bad = np.flatnonzero(np.isfinite(parallax) & (error <= 0))
    if len(bad):
        remedy = "leave the parallaxes or errors of these rows empty, or rename the column to fit without parallaxes"
        row, value = int(bad[0]), f"{error[bad[0]]:g}"
        raise InputError(
            f"errors that are zero or negative: {len(bad)}, the first one here",
            source,
            error_name,
            row,
            value,
            "errors above 0 mas",
            remedy,
        )
    missing = ~np.isfinite(parallax) | ~np.isfinite(error)
    if missing.all():
        notes.append(f"parallaxes are not used: column {name} has no usable value")
        return None, None, []
    return np.where(missing, np.nan, parallax), np.where(missing, np.nan, error), [name, error_name]


def _to_mas(column: Any, name: str, source: str) -> float:
    unit = getattr(column, "unit", None)
    if unit is None:
        return 1.0
    try:
        return float(u.Unit(unit).to(u.mas))
    except (u.UnitsError, ValueError, TypeError):
        raise InputError(f"the unit of this column is {unit}", source, name, expected="mas") from None


def _drop_reasons(
    ids: NDArray[np.str_], observables: tuple[Observable, ...], values: NDArray[np.float64]
) -> NDArray[np.str_]:
    reasons = np.full(len(ids), "", dtype=object)
    magnitudes = [index for index, observable in enumerate(observables) if observable.is_magnitude]
    usable = np.isfinite(values[:, magnitudes]).any(axis=1)
    reasons[~usable] = "no usable magnitude"
    rows = np.flatnonzero(usable)
    if len(set(ids[rows].tolist())) < len(rows):
        first = np.zeros(len(rows), dtype=bool)
        first[np.unique(ids[rows], return_index=True)[1]] = True
        reasons[rows[~first]] = "duplicate id"
    return reasons.astype(str)


def remedy_for_few(reasons: Iterable[str]) -> str:
    """Return what may bring more stars, judged by the reasons for which others are not used."""
    text = " ".join(reasons)
    if " than the limit " in text:
        return "set the magnitude limit so that it keeps more stars (--mag-limit; none sets none)"
    if "radius" in text:
        return "give a larger radius (--radius), or check the centre (--center)"
    if text:
        return "check which columns were read, and whether their cells hold magnitudes"
    return "give a longer table: so few stars do not tell an age"


def _meta(meta: Mapping[str, Any], name: str) -> Any:
    return next((value for key, value in meta.items() if str(key).lower() == name), None)


def _zero_point(option: str | None, meta: Mapping[str, Any]) -> str:
    given = option if option is not None else _meta(meta, "parallax_zero_point")
    if given is None:
        return "raw"
    if str(given) not in ZERO_POINTS:
        raise SettingsError.unknown("parallax_zero_point", str(given), ZERO_POINTS)
    return str(given)


def _zero_point_errors(meta: Mapping[str, Any]) -> dict[str, float]:
    given = _meta(meta, "zero_point_error")
    if not isinstance(given, Mapping):
        return {}
    return {resolve_band(str(band)).name: float(value) for band, value in given.items()}
