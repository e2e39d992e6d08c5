"""From a table to checked arrays, with every input row accounted for.

This is the edge where input is checked once: identifiers, observables, parallaxes and positions are read, unusable rows
are set aside with their reason, and what was done is written down in notes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Column, Table
from numpy.typing import NDArray

from clusterbayes.bands import Observable, resolve_band
from clusterbayes.errors import InputError
from clusterbayes.photometry.astrometry import (
    CORRECTED_PARALLAX,
    Parallaxes,
    checked_zero_point,
    numbers,
    read_parallaxes,
    read_proper_motions,
    without_zero_point,
)
from clusterbayes.photometry.cells import as_text
from clusterbayes.photometry.choose import choose_observables
from clusterbayes.photometry.columns import RIGHT_ASCENSION, ROLES, Columns, identifying, recognise
from clusterbayes.photometry.ingested import Ingested, ReadOptions
from clusterbayes.photometry.layouts import LONG_NAMES, SUMMARY, is_long, layout_of
from clusterbayes.photometry.long import REPEAT_FLAG, pivot
from clusterbayes.photometry.measure import Defaults, Measured, Measurer
from clusterbayes.photometry.quality import corrected_excess, excess_scatter, guarded, too_noisy
from clusterbayes.photometry.sky import positions
from clusterbayes.photometry.treatment import without_fillers
from clusterbayes.wording import counted

__all__ = ["READ_METADATA", "ingest", "table_checksum"]

#: Entries of a table's metadata that are read, in any case of letters.
READ_METADATA = ("parallax_zero_point", "zero_point_error", "mag_limit")

# What a hard cut or a table of sources may need, whether or not it has errors.
_KEPT_ROLES = ("pm_ra", "pm_dec", "distance", "distance_pc", "distance_kpc", "parallax")
_ASTROMETRIC = ("parallax", "pm")  # names in `default_error` that are not observables


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


# What overflows becomes infinite, and counts as missing.
@np.errstate(over="ignore", divide="ignore")
def ingest(table: Table, options: ReadOptions, source: str) -> Ingested:
    """Read a table.

    Parameters
    ----------
    table : Table
        One row a star, or one row a measurement.
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
    mapped = dict(options.columns or {})
    names = [*table.colnames, *mapped.values()]
    if layout_of(names) == SUMMARY:
        remedy = "fit the table of the stars, then place the summary in the result: clusterbayes compare RESULT SUMMARY"
        raise InputError("this is a summary of clusters: it holds no stars", source, remedy=remedy)
    table, filled = without_fillers(table, options.treatment, identifying(table.colnames, mapped))
    if not is_long(names):
        wide = replace(_ingest_wide(table, options, source), layout=layout_of(table.colnames))
        return _with_notes(wide, filled)
    for column, target in mapped.items():
        if column not in table.colnames or not (target in ROLES or target in LONG_NAMES):
            expected = f"columns of the table, mapped to {', '.join((*LONG_NAMES, *ROLES))}"
            raise InputError(f"in a long table, this can't be mapped to '{target}'", source, column, expected=expected)
    pivoted = pivot(table, mapped, options.treatment, options.default_error, source)
    try:
        wide = _ingest_wide(pivoted.table, replace(options, columns=None), source)
    except InputError as error:
        raise error.located(row=None if error.row is None else int(pivoted.first_row[error.row])) from None
    unread = tuple(name for name in table.colnames if name not in pivoted.read_as)
    wide = replace(wide, pivoted=pivoted, layout=pivoted.layout, read_as=pivoted.read_as, unread=unread)
    return _with_notes(wide, [*filled, *pivoted.notes])


def _with_notes(ingested: Ingested, notes: Iterable[str]) -> Ingested:
    return replace(ingested, notes=tuple(dict.fromkeys([*notes, *ingested.notes])))


def _ingest_wide(table: Table, options: ReadOptions, source: str) -> Ingested:
    """Read a table of one row a star; as `ingest`."""
    columns = recognise(table.colnames, options.columns, source)
    photometric, astrometric = _split_defaults(options.default_error)
    defaults = Defaults(photometric, options.treatment.error_floor)
    measurer = Measurer(table, columns, defaults, source)
    observables, notes = choose_observables(options.observables, measurer)
    defaults.check_used(observables)
    measured = [measurer.measure(observable) for observable in observables]
    values = np.column_stack([one.values for one in measured])
    errors = np.column_stack([one.errors for one in measured])
    notes = [*columns.notes_on(observables), *notes, *(note for one in measured for note in one.notes)]
    magnitudes = measurer.gaia_magnitudes()
    _guard(observables, values, errors, magnitudes, notes)
    _refuse_empty(observables, values, measured, source)
    ids, id_columns = _identifiers(table, columns, notes)
    where = positions(table, columns.roles, ra_unit=options.ra_unit, source=source)
    ra, dec, sky_notes = where if where is not None else (None, None, [])
    sky_columns = [columns.roles[role] for role in (*RIGHT_ASCENSION, "dec") if where and role in columns.roles]
    parallaxes = read_parallaxes(table, columns, astrometric.get("parallax"), source, notes)
    state = checked_zero_point(options.parallax_zero_point, _meta(table.meta, "parallax_zero_point"))
    corrected = state == "lindegren"
    if corrected:
        directions = None if ra is None or dec is None else (ra, dec)
        parallaxes = _corrected(parallaxes, table, columns, magnitudes.get("Gaia_G"), directions, source, notes)
        state = "applied"
    motions = read_proper_motions(table, columns, astrometric.get("pm"), source, notes)
    ruwe = numbers(table, columns.roles["ruwe"], source) if "ruwe" in columns.roles else None
    reasons = _drop_reasons(ids, observables, values).astype(object)
    cut_columns = _cut(reasons, options, table, columns, magnitudes, ruwe, source, notes)
    used = [*id_columns, *sky_columns, *parallaxes.columns, *motions.columns, *cut_columns]
    used += [columns.roles[role] for role in _KEPT_ROLES if role in columns.roles]
    used += [name for one in measured for name in one.columns]
    used += [name for name in (REPEAT_FLAG,) if name in table.colnames]
    kept = table[list(dict.fromkeys(used))] if used else table
    if corrected:
        about = "catalogue's parallax minus the zero point of Lindegren et al. (2021)"
        kept[CORRECTED_PARALLAX] = Column(parallaxes.values, unit=u.mas, description=about)
    return Ingested(
        ids=ids,
        observables=observables,
        values=values,
        errors=errors,
        drop_reason=reasons.astype(str),
        parallax=parallaxes.values,
        parallax_error=parallaxes.errors,
        parallax_zero_point=state,
        ra=ra,
        dec=dec,
        zero_point_error=_by_band(table.meta, "zero_point_error", source),
        limits=_by_band(table.meta, "mag_limit", source),
        read_as=columns.read_as,
        unread=tuple(name for name in table.colnames if name not in columns.read_as),
        table=kept,
        notes=tuple(dict.fromkeys([*notes, *sky_notes])),
        proper_motions=motions,
        ruwe=ruwe,
    )


def _split_defaults(
    given: float | Mapping[str, float] | None,
) -> tuple[float | dict[str, float] | None, dict[str, float]]:
    """Part default errors into those of observables and those of astrometry."""
    if not isinstance(given, Mapping):
        return given, {}
    photometric = {name: value for name, value in given.items() if name not in _ASTROMETRIC}
    astrometric = {}
    for name in _ASTROMETRIC:
        if name in given:
            value = too_noisy(f"default_error of {name}", given[name])
            astrometric[name] = float(value) if value is not None else np.nan
    return photometric or None, astrometric


def _guard(
    observables: tuple[Observable, ...],
    values: NDArray[np.float64],
    errors: NDArray[np.float64],
    magnitudes: dict[str, NDArray[np.float64]],
    notes: list[str],
) -> None:
    """Count Gaia magnitudes that are biased or saturated, and colours with them, as missing."""
    guards = guarded(magnitudes)
    for index, observable in enumerate(observables):
        for band in observable.bands:
            for mask, what in guards.get(band, []):
                lost = mask & np.isfinite(values[:, index])
                if lost.any():
                    notes.append(f"{observable.name}: {counted(lost.sum(), 'value')} {what} counted as missing")
                    values[lost, index] = errors[lost, index] = np.nan


def _corrected(
    parallaxes: Parallaxes,
    table: Table,
    columns: Columns,
    magnitude: NDArray[np.float64] | None,
    directions: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    source: str,
    notes: list[str],
) -> Parallaxes:
    """Take the zero point out of the parallaxes."""
    if parallaxes.values is None or parallaxes.errors is None:
        raise InputError("there are no parallaxes whose zero point could be corrected", source)
    values, used, note = without_zero_point(
        parallaxes.values, table, columns, magnitude=magnitude, directions=directions, source=source
    )
    notes.append(note)
    errors = np.where(np.isfinite(values), parallaxes.errors, np.nan)
    return Parallaxes(values, errors, [*parallaxes.columns, *used])


def _cut(
    reasons: NDArray[np.object_],
    options: ReadOptions,
    table: Table,
    columns: Columns,
    magnitudes: dict[str, NDArray[np.float64]],
    ruwe: NDArray[np.float64] | None,
    source: str,
    notes: list[str],
) -> list[str]:
    """Set stars of poor quality aside where that is asked for; returns the columns that say which."""
    max_ruwe = too_noisy("max_ruwe", options.max_ruwe)
    max_excess = too_noisy("max_excess", options.max_excess)
    used = [columns.roles["ruwe"]] if ruwe is not None else []
    if max_ruwe is not None:
        if ruwe is None:
            raise InputError("a limit of RUWE was given, but no column holds it", source, remedy="map one: COLUMN=ruwe")
        reasons[(reasons == "") & (ruwe > max_ruwe)] = f"RUWE above {max_ruwe:g}"
        _note_unknown(notes, reasons, ruwe, "RUWE")
    if max_excess is not None:
        missing = [band for band in ("Gaia_G", "Gaia_BP", "Gaia_RP") if band not in magnitudes]
        if "bp_rp_excess" not in columns.roles or missing:
            remedy = "map columns, e.g. COLUMN=bp_rp_excess"
            what = ", ".join([*missing, *(["bp_rp_excess"] if "bp_rp_excess" not in columns.roles else [])])
            raise InputError(f"the BP/RP flux excess can't be judged without {what}", source, remedy=remedy)
        name = columns.roles["bp_rp_excess"]
        colour = magnitudes["Gaia_BP"] - magnitudes["Gaia_RP"]
        excess = corrected_excess(numbers(table, name, source), colour)
        off = np.abs(excess) > max_excess * excess_scatter(magnitudes["Gaia_G"])
        reasons[(reasons == "") & off] = f"BP/RP flux excess off by more than {max_excess:g} sigma"
        _note_unknown(notes, reasons, excess, "BP/RP flux excess")
        used.append(name)
    return used


def _note_unknown(notes: list[str], reasons: NDArray[np.object_], values: NDArray[np.float64], what: str) -> None:
    unknown = np.count_nonzero((reasons == "") & ~np.isfinite(values))
    if unknown:
        notes.append(f"{counted(int(unknown), 'star')} without a known {what} kept")


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
        notes.append(f"{counted((~present).sum(), 'star')} without an identifier in column {name}, named by row")
    return np.where(present, ids, rows), [name]


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


def _meta(meta: Mapping[str, Any], name: str) -> Any:
    return next((value for key, value in meta.items() if str(key).lower() == name), None)


def _by_band(meta: Mapping[str, Any], name: str, source: str) -> dict[str, float]:
    """Return numbers that the metadata hold for bands."""
    given = _meta(meta, name)
    if not isinstance(given, Mapping):
        return {}
    found = {}
    for band, value in given.items():
        try:
            found[resolve_band(str(band)).name] = float(value)
        except (TypeError, ValueError):
            expected = "a number of magnitudes for each band, e.g. {V: 0.02}"
            raise InputError(
                f"the table's {name} of {band} is no number", source, None, None, value, expected
            ) from None
    return found
