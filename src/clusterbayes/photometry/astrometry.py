"""Parallaxes, proper motions and the quality of the astrometry, read from a table.

Values without an error are of no use here: they are left out with a note, unless the user gives a default error. The
zero point of Gaia's parallaxes can be taken out star by star (`zero_point`), where the table has what that needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Table
from numpy.typing import NDArray

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry.cells import as_numbers
from clusterbayes.photometry.columns import Columns
from clusterbayes.photometry.layouts import SOURCES
from clusterbayes.photometry.zero_point import parallax_zero_point, sine_ecliptic_latitude
from clusterbayes.wording import counted

__all__ = [
    "CORRECTED_PARALLAX",
    "ZERO_POINTS",
    "Parallaxes",
    "ProperMotions",
    "checked_zero_point",
    "numbers",
    "read_distances",
    "read_parallaxes",
    "read_proper_motions",
    "without_zero_point",
]

#: What can be said of the zero point of parallaxes: not applied, applied, or to be applied here.
ZERO_POINTS = ("raw", "applied", "lindegren")

#: Column of the parallaxes out of which a zero point was taken here [mas], beside those of the catalogue.
CORRECTED_PARALLAX = "parallax_corrected"

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Parallaxes:
    """Parallaxes of all input rows: values and errors (n_input,) [mas], None without; the columns that were used."""

    values: _Array | None
    errors: _Array | None
    columns: list[str]


@dataclass(frozen=True)
class ProperMotions:
    """Proper motions of all input rows: values and errors (n_input, 2) [mas/yr], correlations (n_input,)."""

    values: _Array | None
    errors: _Array | None
    correlation: _Array | None
    columns: list[str]


def numbers(table: Table, name: str, source: str, unit: u.Unit | None = None) -> _Array:
    """Return a column as numbers (n_input,), in a unit where the column has one of its own."""
    values = as_numbers(table[name], name, source)
    own: Any = getattr(table[name], "unit", None)
    if unit is None or own is None:
        return values
    try:
        return values * float(u.Unit(own).to(unit))
    except (u.UnitsError, ValueError, TypeError):
        raise InputError(f"the unit of this column is {own}", source, name, expected=unit.to_string()) from None


def _checked(values: _Array, errors: _Array, name: str, source: str, unit: str) -> None:
    bad = np.flatnonzero(np.isfinite(values) & (errors <= 0))
    if len(bad):
        raise InputError(
            f"errors that are zero or negative: {len(bad)}, the first one here",
            source,
            name,
            int(bad[0]),
            f"{errors[bad[0]]:g}",
            f"errors above 0 {unit}",
            "leave the values or errors of these rows empty, or rename the column to fit without it",
        )


def read_parallaxes(table: Table, columns: Columns, default: float | None, source: str, notes: list[str]) -> Parallaxes:
    """Read parallaxes and their errors.

    Parameters
    ----------
    table : Table
    columns : Columns
    default : float or None
        Error of values that have none [mas].
    source : str
        What to call the table in errors.
    notes : list of str
        Added to.

    Raises
    ------
    InputError
        If a unit is of something else, or an error is zero or negative.
    """
    name, error_name = columns.roles.get("parallax"), columns.roles.get("parallax_error")
    nothing = Parallaxes(None, None, [])
    if name is None:
        return nothing
    if error_name is None and default is None:
        notes.append(f"parallaxes are not used: column {name} has no errors beside it")
        return nothing
    values = numbers(table, name, source, u.mas)
    errors = np.full(len(table), np.nan) if error_name is None else numbers(table, error_name, source, u.mas)
    errors = _with_default(values, errors, default, "parallax", "mas", notes)
    _checked(values, errors, error_name or name, source, "mas")
    missing = ~np.isfinite(values) | ~np.isfinite(errors)
    if missing.all():
        notes.append(f"parallaxes are not used: column {name} has no usable value")
        return nothing
    used = [column for column in (name, error_name) if column is not None]
    return Parallaxes(np.where(missing, np.nan, values), np.where(missing, np.nan, errors), used)


def read_proper_motions(
    table: Table, columns: Columns, default: float | None, source: str, notes: list[str]
) -> ProperMotions:
    """Read proper motions, their errors and correlations; arguments and errors as in `read_parallaxes` [mas/yr]."""
    names = [columns.roles.get(role) for role in ("pm_ra", "pm_dec")]
    error_names = [columns.roles.get(role) for role in ("pm_ra_error", "pm_dec_error")]
    nothing = ProperMotions(None, None, None, [])
    if None in names:
        return nothing
    if None in error_names and default is None:
        notes.append(f"proper motions are not used: column {names[0]} or {names[1]} has no errors beside it")
        return nothing
    unit = u.mas / u.yr
    values, errors = np.empty((len(table), 2)), np.full((len(table), 2), np.nan)
    for axis, (name, error_name) in enumerate(zip(names, error_names, strict=True)):
        values[:, axis] = numbers(table, str(name), source, unit)
        if error_name is not None:
            errors[:, axis] = numbers(table, error_name, source, unit)
        label = ("pm_ra", "pm_dec")[axis]
        errors[:, axis] = _with_default(values[:, axis], errors[:, axis], default, label, "mas/yr", notes)
        _checked(values[:, axis], errors[:, axis], error_name or str(name), source, "mas/yr")
    missing = ~(np.isfinite(values) & np.isfinite(errors)).all(axis=1)
    if missing.all():
        notes.append(f"proper motions are not used: columns {names[0]} and {names[1]} have no usable value")
        return nothing
    correlation = np.zeros(len(table))
    corr_name = columns.roles.get("pm_corr")
    if corr_name is not None:
        correlation = np.nan_to_num(numbers(table, corr_name, source))
        bad = np.flatnonzero(np.abs(correlation) >= 1.0)
        if len(bad):
            row, value = int(bad[0]), f"{correlation[bad[0]]:g}"
            raise InputError("no such correlation", source, corr_name, row, value, "a number between -1 and 1")
    values[missing], errors[missing], correlation[missing] = np.nan, np.nan, 0.0
    used = [str(column) for column in (*names, *error_names, corr_name) if column is not None]
    return ProperMotions(values, errors, correlation, used)


def read_distances(table: Table, roles: Mapping[str, str], layout: str, source: str) -> _Array | None:
    """Read the distances of stars.

    Parameters
    ----------
    table : Table
    roles : mapping of str to str
        Columns of "distance_pc", "distance_kpc" or "distance", and of "parallax".
    layout : str
        What kind of table it is; in Astromancer's a plain distance is in kpc.
    source : str
        What to call the table in errors.

    Returns
    -------
    ndarray, shape (n_input,), or None
        [pc]; those of a column of distances, else the inverse of positive parallaxes; NaN where not known. None if the
        table has neither.

    Raises
    ------
    InputError
        If nobody says what unit the distances have.
    """
    for role, unit in (("distance_pc", u.pc), ("distance_kpc", u.kpc), ("distance", None)):
        if role not in roles:
            continue
        values = numbers(table, roles[role], source, u.pc)
        if getattr(table[roles[role]], "unit", None) is None:
            unit = u.kpc if unit is None and layout == SOURCES else unit
            if unit is None:
                remedy = f"say which one it is: --map {roles[role]}=distance_kpc or --map {roles[role]}=distance_pc"
                raise InputError("distances without a unit", source, roles[role], remedy=remedy)
            values = values * float(unit.to(u.pc))
        return np.where(values > 0, values, np.nan)
    if "parallax" not in roles:
        return None
    parallax = numbers(table, roles["parallax"], source, u.mas)
    return np.divide(1000.0, parallax, out=np.full(len(parallax), np.nan), where=parallax > 0)


def _with_default(
    values: _Array, errors: _Array, default: float | None, what: str, unit: str, notes: list[str]
) -> _Array:
    wanting = np.isfinite(values) & ~(errors > 0)
    if default is None or not wanting.any():
        return errors
    notes.append(f"{what}: {wanting.sum()} errors set to {default:g} {unit} (default_error)")
    return np.where(wanting, default, errors)


def without_zero_point(
    parallax: _Array,
    table: Table,
    columns: Columns,
    *,
    magnitude: _Array | None,
    directions: tuple[_Array, _Array] | None,
    source: str,
) -> tuple[_Array, list[str], str]:
    """Take the zero point of Lindegren et al. (2021) out of parallaxes.

    Parameters
    ----------
    parallax : ndarray, shape (n_input,)
        As in the catalogue [mas].
    table : Table
    columns : Columns
    magnitude : ndarray, shape (n_input,), or None
        G [mag].
    directions : tuple of ndarray, shape (n_input,), or None
        Right ascension and declination [deg], for tables without the ecliptic latitude.
    source : str
        What to call the table in errors.

    Returns
    -------
    ndarray, shape (n_input,)
        [mas]; NaN where the zero point is not known.
    list of str
        Columns that were used.
    str
        What was done, in words.

    Raises
    ------
    InputError
        If the table lacks a column that is needed.
    """
    roles = columns.roles
    wanting = [role for role in ("params_solved", "nu_eff") if role not in roles]
    if magnitude is None:
        wanting.append("Gaia_G")
    if "ecl_lat" not in roles and directions is None:
        wanting.append("ecl_lat")
    if wanting:
        archive = "astrometric_params_solved, nu_eff_used_in_astrometry, pseudocolour, ecl_lat and phot_g_mean_mag"
        raise InputError(
            f"the zero point of parallaxes can't be computed without {', '.join(wanting)}",
            source,
            expected=f"the archive's columns {archive}",
            remedy="add these columns, or use --parallax-zero-point raw, which fits one offset for all stars",
        )
    used = [roles[role] for role in ("params_solved", "nu_eff", "pseudocolour", "ecl_lat") if role in roles]
    solved, nu_eff = (numbers(table, roles[role], source) for role in ("params_solved", "nu_eff"))
    pseudocolour = np.full(len(table), np.nan)
    if "pseudocolour" in roles:
        pseudocolour = numbers(table, roles["pseudocolour"], source)
    if "ecl_lat" in roles:
        sine = np.sin(np.radians(numbers(table, roles["ecl_lat"], source, u.deg)))
    else:
        sine = sine_ecliptic_latitude(*directions)  # type: ignore[misc]
    offset = parallax_zero_point(magnitude, nu_eff, pseudocolour, sine, solved)  # type: ignore[arg-type]
    known = np.isfinite(offset) & np.isfinite(parallax)
    lost = int(np.count_nonzero(np.isfinite(parallax) & ~known))
    median = 1000.0 * float(np.median(offset[known])) if known.any() else np.nan
    stars = counted(known.sum(), "star")
    note = f"parallax zero point of Lindegren et al. (2021) subtracted from {stars}, median {median:.0f} µas"
    if lost:
        note += f"; {counted(lost, 'parallax', 'parallaxes')} without a known zero point counted as missing"
    return np.where(known, parallax - offset, np.nan), used, note


def checked_zero_point(option: str | None, stated: Any) -> str:
    """Return what is to be done with the zero point, from what the user and the table's metadata say.

    Raises
    ------
    SettingsError
        If a word is not known, or the table has the zero point applied and it is asked for once more.
    """
    if option is not None and str(option) not in ZERO_POINTS:
        raise SettingsError.unknown("parallax_zero_point", str(option), ZERO_POINTS)
    if stated is not None and str(stated) not in ZERO_POINTS[:2]:
        raise SettingsError.unknown("parallax_zero_point", str(stated), ZERO_POINTS[:2])
    if option == "lindegren" and stated is not None and str(stated) == "applied":
        raise SettingsError(
            "the table says that its parallaxes have their zero point applied",
            "parallax_zero_point",
            option,
            remedy="leave the option out, or correct the table's metadata",
        )
    return str(option if option is not None else stated if stated is not None else "raw")
