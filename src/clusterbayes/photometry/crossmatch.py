"""Bringing two tables of one field together by position: magnitudes of one meet the parallaxes of the other.

Stars are paired one to one: each is the nearest of the other table to its partner, within a radius. Where the tables
are of different epochs, the stars of the one that has proper motions are moved to the epoch of the other first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord, search_around_sky
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry.astrometry import numbers
from clusterbayes.photometry.cells import as_numbers
from clusterbayes.photometry.columns import RIGHT_ASCENSION, ROLES, Columns, identifying, recognise
from clusterbayes.photometry.layouts import is_long
from clusterbayes.photometry.long import pivot
from clusterbayes.photometry.measure import magnitudes_per_unit
from clusterbayes.photometry.readers import read_table, with_line
from clusterbayes.photometry.sky import positions
from clusterbayes.photometry.treatment import Treatment, without_fillers
from clusterbayes.wording import counted

__all__ = ["Catalogue", "Match", "match", "merge", "read_catalogue"]

_Array = NDArray[np.float64]

_EPOCHS = ("ref_epoch", "refepoch", "epoch")
_EARLIEST, _LATEST = 1800.0, 2200.0
_J2000 = 2451545.0  # Julian date of the epoch 2000.0
_LARGEST_RADIUS = 60.0  # arcsec


@dataclass(frozen=True)
class Catalogue:
    """A table, one row a star, with where its stars are.

    Attributes
    ----------
    table : Table
        All columns.
    source : str
        What it is called in messages.
    roles : dict of str to str
        Columns of identifiers, directions, proper motions.
    ra, dec : ndarray, shape (n,)
        [deg]; NaN where missing.
    motion : ndarray, shape (n, 2), or None
        Proper motions in right ascension (times cos δ) and declination [mas/yr]; NaN where missing.
    epoch : ndarray, shape (n,), or None
        Epoch of the directions [Julian years]; None where it is not known.
    notes : tuple of str
        What was done while reading.
    """

    table: Table
    source: str
    roles: dict[str, str]
    ra: _Array
    dec: _Array
    motion: _Array | None = None
    epoch: _Array | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Match:
    """Which stars of two tables are the same.

    Attributes
    ----------
    first, second : ndarray of int, shape (n_match,)
        Rows of the two tables, by the first.
    separation : ndarray, shape (n_match,)
        [arcsec], at the common epoch.
    ambiguous : ndarray of bool, shape (n_match,)
        Whether one of the two has another star of the other table within the radius.
    counts : dict of str to int
        What became of the rows of the first table: "matched", and by reason why not.
    notes : tuple of str
        How epochs were treated.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    separation: _Array
    ambiguous: NDArray[np.bool_]
    counts: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return a few lines of text: how many are matched, how many are ambiguous, and why others are not."""
        lines = [f"{counted(len(self.first), 'star')} matched, {int(self.ambiguous.sum())} of them ambiguous"]
        if len(self.first):
            lines[0] += f', median separation {np.median(self.separation):.2f}"'
        lines += [f"  not matched: {count} ({why})" for why, count in self.counts.items() if why != "matched" and count]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def read_catalogue(
    path: str | Path | Table,
    *,
    columns: Mapping[str, str] | None = None,
    epoch: float | None = None,
    treatment: Treatment | None = None,
    source: str | None = None,
) -> Catalogue:
    """Read a table for matching.

    Parameters
    ----------
    path : path-like or Table
        Anything that `Photometry.read` takes. A long table, one row a measurement, becomes one of stars.
    columns : mapping of str to str, optional
        Input column to our name, as in `Photometry.read`.
    epoch : float, optional
        Epoch of the directions [Julian years]; that of a column ``ref_epoch``, or the median of ``jd`` in a long table,
        if left out.
    treatment : Treatment, optional
        As in `Photometry.read`: fillers become gaps, errors of magnitudes and colours are raised to the floor.
    source : str, optional
        What to call the table in messages; the path if left out.

    Returns
    -------
    Catalogue

    Raises
    ------
    InputError
        If the table can't be read, or has no directions.
    SettingsError
        If the epoch is none.
    """
    mapped, treatment = dict(columns or {}), treatment or Treatment()
    if isinstance(path, Table):
        return _catalogue(path, mapped, epoch, treatment, source or "table")
    ids = {column for column, target in mapped.items() if target == "id"}
    table, _ = read_table(
        path, text_columns=lambda names: [n for n in names if n in ids or n.strip().lower() in ROLES["id"]]
    )
    try:
        return _catalogue(table, mapped, epoch, treatment, source or str(path))
    except InputError as error:
        raise with_line(error, path) from None


def _catalogue(
    table: Table, mapped: dict[str, str], epoch: float | None, treatment: Treatment, source: str
) -> Catalogue:
    table, filled = without_fillers(table, treatment, identifying(table.colnames, mapped))
    notes = [f"{source}: {note}" for note in filled]
    if is_long([*table.colnames, *mapped.values()]):
        epoch = _epoch_of_images(table, source) if epoch is None else epoch
        pivoted = pivot(table, mapped, treatment, None, source)
        table, mapped, notes = pivoted.table, {}, [*notes, *pivoted.notes]
    recognised = recognise(table.colnames, mapped, source)
    roles = recognised.roles
    if treatment.error_floor is not None:
        table, raised = _raised(table, recognised, treatment.error_floor, source)
        notes += raised
    where = positions(table, roles, ra_unit=None, source=source)
    if where is None:
        remedy = "map columns to them (--map COLUMN=ra --map COLUMN=dec)"
        raise InputError("the table has no directions to match by", source, remedy=remedy)
    motion = None
    if {"pm_ra", "pm_dec"} <= roles.keys():
        motion = np.stack([numbers(table, roles[r], source, u.mas / u.yr) for r in ("pm_ra", "pm_dec")], axis=1)
    return Catalogue(table, source, roles, where[0], where[1], motion, _epoch(table, epoch, source), tuple(notes))


def _raised(table: Table, columns: Columns, floor: float, source: str) -> tuple[Table, list[str]]:
    """Raise photometric errors to a floor [mag]; returns a table of its own, and how many were raised."""
    table, notes = table.copy(copy_data=False), []
    for observable, name in columns.errors.items():
        column = table[name]
        errors = as_numbers(column, name, source)
        least = floor / (magnitudes_per_unit(column) or 1.0)
        low = errors < least
        if low.any():
            notes.append(f"{source}: {observable}: {low.sum()} errors below {floor:g} mag raised to it (error_floor)")
            about = {"unit": column.unit, "description": column.description}
            table[name] = MaskedColumn(np.where(low, least, errors), mask=np.isnan(errors), **about)
    return table, notes


def _epoch_of_images(table: Table, source: str) -> float | None:
    name = next((name for name in table.colnames if name.strip().lower() == "jd"), None)
    dates = np.empty(0) if name is None else numbers(table, name, source)
    dates = dates[np.isfinite(dates)]
    return 2000.0 + (float(np.median(dates)) - _J2000) / 365.25 if dates.size else None


def _epoch(table: Table, given: float | None, source: str) -> _Array | None:
    if given is not None:
        if not _EARLIEST <= given <= _LATEST:
            raise SettingsError("not an epoch", "epoch", given, f"a Julian year, {_EARLIEST:g} to {_LATEST:g}")
        return np.full(len(table), float(given))
    name = next((name for name in table.colnames if name.strip().lower() in _EPOCHS), None)
    if name is None:
        return None
    epoch = numbers(table, name, source, u.yr)
    return epoch if np.all((epoch >= _EARLIEST) & (epoch <= _LATEST) | np.isnan(epoch)) else None


def match(first: Catalogue, second: Catalogue, radius: float = 1.0) -> Match:
    """Pair the stars of two tables by position.

    Parameters
    ----------
    first, second : Catalogue
        The tables.
    radius : float
        Largest separation [arcsec].

    Returns
    -------
    Match
        Pairs of which each star is the other's nearest.

    Raises
    ------
    SettingsError
        If the radius is none.
    """
    if not 0.0 < radius <= _LARGEST_RADIUS:
        raise SettingsError("not a radius of matching", "radius", radius, f"arcsec, up to {_LARGEST_RADIUS:g}")
    one, two, notes = _at_one_epoch(first, second)
    rows_one, rows_two = (np.flatnonzero(np.isfinite(ra) & np.isfinite(dec)) for ra, dec in (one, two))
    if len(rows_one) and len(rows_two):
        i, j, away, _ = search_around_sky(
            SkyCoord(one[0][rows_one] * u.deg, one[1][rows_one] * u.deg),
            SkyCoord(two[0][rows_two] * u.deg, two[1][rows_two] * u.deg),
            radius * u.arcsec,
        )
        i, j, away = rows_one[i], rows_two[j], away.to_value(u.arcsec)
    else:
        i, j, away = np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)
    order = np.argsort(away, kind="stable")
    i, j, away = i[order], j[order], away[order]
    pair = np.flatnonzero(_is_first(i) & _is_first(j))  # the nearest come first
    pair = pair[np.argsort(i[pair], kind="stable")]
    around = [np.bincount(rows, minlength=len(c.ra)) for rows, c in ((i, first), (j, second))]
    ambiguous = (around[0][i[pair]] > 1) | (around[1][j[pair]] > 1)
    reached = int((around[0] > 0).sum())
    counts = {
        "matched": len(pair),
        "no star of the other table within the radius": len(rows_one) - reached,
        "its nearest has a nearer partner": reached - len(pair),
        "no position": len(first.ra) - len(rows_one),
    }
    return Match(i[pair], j[pair], away[pair], ambiguous, counts, notes)


def _is_first(rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return for each place of a list whether its row comes there for the first time."""
    first = np.zeros(len(rows), dtype=bool)
    first[np.unique(rows, return_index=True)[1]] = True
    return first


def _at_one_epoch(
    first: Catalogue, second: Catalogue
) -> tuple[tuple[_Array, _Array], tuple[_Array, _Array], tuple[str, ...]]:
    """Return the directions of both tables, one of them moved to the epoch of the other, and what was done."""
    one, two = (first.ra, first.dec), (second.ra, second.dec)
    if first.epoch is None or second.epoch is None:
        if first.motion is None and second.motion is None:
            return one, two, ()
        unknown = " and ".join(c.source for c in (first, second) if c.epoch is None)
        return one, two, (f"proper motions are not applied: the epoch of {unknown} is not known",)
    mean_one, mean_two = np.nanmean(first.epoch), np.nanmean(second.epoch)
    if second.motion is not None:
        moved = _moved(second, float(mean_one))
        return one, moved, (f"stars of {second.source} moved from {mean_two:.2f} to {mean_one:.2f}",)
    if first.motion is not None:
        moved = _moved(first, float(mean_two))
        return moved, two, (f"stars of {first.source} moved from {mean_one:.2f} to {mean_two:.2f}",)
    if abs(mean_one - mean_two) < 0.01:
        return one, two, ()
    return one, two, (f"the epochs {mean_one:.2f} and {mean_two:.2f} differ, but there are no proper motions",)


def _moved(catalogue: Catalogue, epoch: float) -> tuple[_Array, _Array]:
    """Return directions [deg] at another epoch, along great circles; stars without a proper motion stay."""
    assert catalogue.motion is not None and catalogue.epoch is not None
    motion = catalogue.motion.copy()
    motion[~np.isfinite(motion).all(axis=1)] = 0.0
    years = np.nan_to_num(epoch - catalogue.epoch)
    known = np.isfinite(catalogue.ra) & np.isfinite(catalogue.dec)
    place = SkyCoord(np.where(known, catalogue.ra, 0.0) * u.deg, np.where(known, catalogue.dec, 0.0) * u.deg)
    along = np.arctan2(motion[:, 0], motion[:, 1]) * u.rad
    there = place.directional_offset_by(along, np.hypot(*motion.T) * years * u.mas)
    return np.where(known, there.ra.deg, np.nan), np.where(known, there.dec.deg, np.nan)


def merge(first: Catalogue, second: Catalogue, pairs: Match, *, only_matched: bool = False) -> Table:
    """Return one table: the rows of the first, with the columns of the second beside them.

    Parameters
    ----------
    first, second : Catalogue
        The tables.
    pairs : Match
        As `match` returned it.
    only_matched : bool
        Whether rows of the first table without a partner are left out.

    Returns
    -------
    Table
        In the order of the first table, masked where there is no partner. Columns of the second keep their names, but
        for those that the first has too, and its identifiers and directions, which get ``_2`` behind. Added are
        ``match_separation`` [arcsec] and ``match_ambiguous``. Its metadata are those of both; the first's come first.
    """
    rows = pairs.first if only_matched else np.arange(len(first.table))
    partner = np.full(len(first.table), -1, dtype=np.intp)
    partner[pairs.first] = pairs.second
    there = partner[rows] >= 0
    merged = Table(first.table[rows], meta=_metadata(first, second))
    twice = {second.roles[r] for r in ("id", "dec", *RIGHT_ASCENSION) if r in second.roles and _has(first, r)}
    for name in second.table.colnames:
        taken = name in twice or name in merged.colnames
        merged[_free(f"{name}_2", merged) if taken else name] = _taken(second.table[name], partner[rows], there)
    separation = np.full(len(first.table), np.nan)
    ambiguous = np.zeros(len(first.table), dtype=bool)
    separation[pairs.first], ambiguous[pairs.first] = pairs.separation, pairs.ambiguous
    description = "distance of the two positions at one epoch"
    merged[_free("match_separation", merged)] = MaskedColumn(
        separation[rows], mask=~there, unit=u.arcsec, description=description
    )
    merged[_free("match_ambiguous", merged)] = ambiguous[rows]
    return merged


def _metadata(first: Catalogue, second: Catalogue) -> dict[str, Any]:
    """Return the metadata of both tables; what the second says of parallaxes is left out if the first has some."""
    meta = dict(first.table.meta)
    for key, value in second.table.meta.items():
        if key not in meta and not (key == "parallax_zero_point" and "parallax" in first.roles):
            meta[key] = value
        elif isinstance(value, Mapping) and isinstance(meta.get(key), Mapping):  # of bands
            meta[key] = {**value, **meta[key]}
    return meta


def _has(catalogue: Catalogue, role: str) -> bool:
    """Return whether a table has a column of a role; all right ascensions are one."""
    return any(name in catalogue.roles for name in (RIGHT_ASCENSION if role in RIGHT_ASCENSION else (role,)))


def _free(name: str, table: Table) -> str:
    while name in table.colnames:
        name = f"{name}_2"
    return name


def _taken(column: MaskedColumn, rows: NDArray[np.intp], there: NDArray[np.bool_]) -> MaskedColumn:
    """Take rows of a column, masked where there is none."""
    if len(column) == 0:
        return MaskedColumn(np.zeros(len(rows), column.dtype), mask=True, unit=column.unit)
    picked = MaskedColumn(column[np.where(there, rows, 0)])
    picked.mask = np.ma.getmaskarray(picked) | ~there
    return picked
