"""Where the stars are on the sky: reading right ascension and declination, and distances between directions.

Right ascension is in degrees inside the library. Columns that say that they are in hours, by name, by unit or by
sexagesimal text, are converted; a plain column that looks like hours is refused, since a wrong guess would move every
star.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle
from numpy.typing import ArrayLike, NDArray

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry.cells import as_numbers, is_text
from clusterbayes.photometry.columns import RIGHT_ASCENSION

__all__ = ["FIELD_RADII", "check_circle", "circle_and_field", "positions", "separation"]

#: The field begins at this many radii from the centre.
FIELD_RADII = 1.5

_RA_UNITS = {"deg": 1.0, "degree": 1.0, "hour": 15.0, "hours": 15.0, "hourangle": 15.0}

# A field that is this much narrower in right ascension than in declination, with all values below 24, is in hours: a
# round field gives 1 in degrees and 1/15 in hours.
_HOURS_RATIO = 0.2


def separation(ra: ArrayLike, dec: ArrayLike, center: tuple[float, float]) -> NDArray[np.float64]:
    """Return the angular distance of directions from a centre.

    Parameters
    ----------
    ra, dec : array_like, shape (n_star,)
        Directions [deg].
    center : tuple of float
        Right ascension and declination [deg].

    Returns
    -------
    ndarray, shape (n_star,)
        Distances [deg]; NaN where a direction is missing. Exact near the poles and across 0 h (haversine).
    """
    lon, lat = np.radians(np.asarray(ra, dtype=np.float64)), np.radians(np.asarray(dec, dtype=np.float64))
    lon0, lat0 = np.radians(center[0]), np.radians(center[1])
    half = np.sin((lat - lat0) / 2) ** 2 + np.cos(lat) * np.cos(lat0) * np.sin((lon - lon0) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))


def check_circle(center: tuple[float, float], radius: float) -> None:
    """Raise `SettingsError` if a centre (right ascension, declination) or a radius, in degrees, is impossible."""
    ra, dec = (float(angle) for angle in center)
    if not (-180 <= ra <= 360 and -90 <= dec <= 90):
        expected = "right ascension 0 to 360 and declination -90 to 90, in degrees"
        raise SettingsError("not a direction", "center", f"{ra:g},{dec:g}", expected)
    if not (np.isfinite(radius) and 0 < radius <= 90):
        raise SettingsError("not a radius", "radius", radius, "degrees above 0 and up to 90")


def circle_and_field(
    ra: NDArray[np.float64], dec: NDArray[np.float64], center: tuple[float, float], radius: float, source: str
) -> tuple[tuple[NDArray[np.bool_], NDArray[np.str_]], tuple[NDArray[np.bool_], NDArray[np.str_]]]:
    """Tell the stars inside a circle from those of the field beyond 1.5 radii.

    Parameters
    ----------
    ra, dec : ndarray, shape (n_star,)
        Directions [deg].
    center : tuple of float
        Right ascension and declination [deg].
    radius : float
        [deg].
    source : str
        What to call the table in errors.

    Returns
    -------
    circle, field : tuple of ndarray, each of shape (n_star,)
        Which stars belong to it, and why each of the others doesn't.

    Raises
    ------
    InputError
        If no star lies inside the circle.
    SettingsError
        If the centre is no direction or the radius is not positive.
    """
    check_circle(center, radius)
    distance = separation(ra, dec, center)
    inside, outside = distance <= radius, distance > FIELD_RADII * radius
    if not inside.any():
        raise InputError(
            f"no star lies within {radius:g} deg of RA {center[0]:g}, Dec {center[1]:g}; the stars lie around "
            f"RA {np.nanmedian(ra):.3f}, Dec {np.nanmedian(dec):.3f}",
            source,
            expected="centre, radius and positions in degrees",
            remedy="check the centre, and whether right ascension is in hours",
        )

    def why_not(other: NDArray[np.bool_], role: str) -> NDArray[np.str_]:
        between = np.where(other, role, "between radius and 1.5 radii")
        return np.where(np.isfinite(distance), between, "no position")

    circle = inside, why_not(outside, "outside radius (used as field)")
    return circle, (outside, why_not(inside, "inside radius (used as sample)"))


def _sexagesimal(column: Any, unit: u.Unit) -> NDArray[np.float64]:
    text = [str(value).strip() for value in np.ma.filled(column, "")]
    present = np.array([bool(value) and value not in ("--", "nan", "NaN", "null") for value in text])
    angles = np.full(len(text), np.nan)
    if present.any():
        angles[present] = Angle([value for value, there in zip(text, present, strict=True) if there], unit=unit).deg
    return angles


def _looks_sexagesimal(column: Any) -> bool:
    if not is_text(column):
        return False
    text = [str(value).strip() for value in np.ma.filled(column, "")]
    first = next((value for value in text if value and value.lower() not in ("--", "nan", "null")), "")
    return any(mark in first[1:] for mark in (":", " ", "h", "d"))


def _angle(column: Any, name: str, source: str, *, factor: float, unit: u.Unit) -> NDArray[np.float64]:
    if not _looks_sexagesimal(column):
        return as_numbers(column, name, source) * factor
    try:
        return _sexagesimal(column, unit)
    except (ValueError, TypeError, u.UnitsError) as error:
        expected = "decimal degrees, or sexagesimal text such as 09:07:12.5"
        raise InputError(f"an angle cannot be read ({error})", source, name, expected=expected) from error


def _unit_factor(column: Any, kind: str) -> float | None:
    """Return degrees per unit of a column, or None if it has no unit of angle."""
    unit = getattr(column, "unit", None)
    if unit is None:
        return None
    if kind == "ra" and str(unit).strip('"').lower() in ("h", "hr", "hour", "hours", "hourangle"):
        return 15.0
    try:
        return float(u.Unit(unit).to(u.deg))
    except (u.UnitsError, ValueError, TypeError):
        return None


def positions(
    table: Mapping[str, Any], roles: Mapping[str, str], *, ra_unit: str | None, source: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]] | None:
    """Read the stars' directions from a table.

    Parameters
    ----------
    table : mapping of str to column
        The table.
    roles : mapping of str to str
        The columns of "ra" (unit not said), "ra_degs" or "ra_hours", and of "dec".
    ra_unit : {"deg", "hour"}, optional
        The unit of a plain right-ascension column.
    source : str
        What to call the table in errors.

    Returns
    -------
    tuple of (ra, dec, notes) or None
        Directions [deg], arrays of shape (n_input,), NaN where missing; None if the table has none.

    Raises
    ------
    InputError
        If a value is outside its range, or a right ascension looks like hours and does not say so.
    SettingsError
        If the unit is not known.
    """
    if ra_unit is not None and ra_unit.lower() not in _RA_UNITS:
        raise SettingsError.unknown("unit of right ascension", ra_unit, ("deg", "hour"))
    role = next((role for role in RIGHT_ASCENSION if role in roles), None)
    if role is None or "dec" not in roles:
        return None
    ra_name, dec_name = roles[role], roles["dec"]
    column = table[ra_name]
    factor, said = _right_ascension_factor(column, role, ra_unit)
    sexagesimal_unit = u.deg if ra_unit is not None and factor == 1.0 else u.hourangle
    ra = _angle(column, ra_name, source, factor=factor, unit=sexagesimal_unit)
    dec = _angle(table[dec_name], dec_name, source, factor=_unit_factor(table[dec_name], "dec") or 1.0, unit=u.deg)
    _check_range(ra, ra_name, -180.0, 360.0, source)
    _check_range(dec, dec_name, -90.0, 90.0, source)
    if not said and not _looks_sexagesimal(column) and _looks_like_hours(ra, dec):
        raise InputError(
            f"all right ascensions lie between {np.nanmin(ra):.4g} and {np.nanmax(ra):.4g}, in a strip far too narrow "
            "for its height: they look like hours",
            source,
            ra_name,
            expected="degrees",
            remedy=f"say which they are: --map {ra_name}=ra_hours or --map {ra_name}=ra_degs",
        )
    in_hours = factor == 15.0 or (_looks_sexagesimal(column) and sexagesimal_unit is u.hourangle)
    notes = [f"right ascension ({ra_name}) was in hours and was multiplied by 15"] if in_hours else []
    return np.mod(ra, 360.0), dec, notes


def _right_ascension_factor(column: Any, role: str, ra_unit: str | None) -> tuple[float, bool]:
    """Return degrees per unit of the column, and whether anyone said so."""
    if ra_unit is not None:
        return _RA_UNITS[ra_unit.lower()], True
    if role != "ra":
        return (15.0 if role == "ra_hours" else 1.0), True
    factor = _unit_factor(column, "ra")
    return (1.0, False) if factor is None else (factor, True)


def _check_range(angle: NDArray[np.float64], name: str, low: float, high: float, source: str) -> None:
    bad = np.flatnonzero((angle < low) | (angle > high))
    if len(bad):
        expected = f"degrees between {low:g} and {high:g}"
        remedy = "correct the value, or leave it empty"
        raise InputError("no such direction", source, name, int(bad[0]), f"{angle[bad[0]]:g}", expected, remedy)


def _looks_like_hours(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> bool:
    known = np.isfinite(ra) & np.isfinite(dec)
    if known.sum() < 10 or np.any(ra[known] < 0) or np.any(ra[known] >= 24):
        return False
    width = np.std(ra[known]) * np.cos(np.radians(np.median(dec[known])))
    height = np.std(dec[known])
    return bool(width < _HOURS_RATIO * height)
