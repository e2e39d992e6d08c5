"""Long tables, one row a measurement: batch photometry of Afterglow, uploads to Astromancer, photometry jobs.

`pivot` turns one into a wide table, one row a star in the order of first appearance. Repeats of a star in a filter are
combined by inverse variance, and marked where they scatter more than their errors allow. The error of an image's zero
point is common to all of its stars: it becomes the uncertainty of the band's zero point, not an error of each star.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Column, Table
from numpy.typing import NDArray
from scipy.stats import chi2

from clusterbayes.bands import BANDS, resolve_band
from clusterbayes.errors import BandError, InputError
from clusterbayes.photometry.cells import as_numbers, as_text
from clusterbayes.photometry.columns import recognise
from clusterbayes.photometry.layouts import LONG_NAMES, layout_of, snake_case
from clusterbayes.photometry.sky import positions
from clusterbayes.photometry.treatment import Treatment
from clusterbayes.wording import counted

__all__ = ["REPEAT_FLAG", "Pivoted", "pivot"]

_Array = NDArray[np.float64]

#: Column of the wide table that names the bands whose repeats scatter too much.
REPEAT_FLAG = "repeat_flag"

# Repeats with a smaller chance to scatter so much are marked: one in ten thousand stars by accident.
_LEAST_CHANCE = 1e-4
# A star whose positions differ by more [deg] may be two that share a name.
_LARGEST_DRIFT = 5.0 / 3600.0
_MAGNITUDES = (-9.0, 50.0)
# Errors beyond these [mag] say nothing, and are weighted as if they were these.
_SMALLEST_ERROR, _LARGEST_ERROR = 1e-6, 100.0
# Roles that a long table may have for each star; the first value is taken.
_PER_STAR = ("parallax", "parallax_error", "pm_ra", "pm_ra_error", "pm_dec", "pm_dec_error", "pm_corr", "ruwe")


@dataclass(frozen=True)
class Pivoted:
    """A wide table and how it came about.

    Parameters
    ----------
    table : Table
        One row a star, in the order of first appearance.
    layout : str
        What kind of long table it was, in words.
    first_row : ndarray of int, shape (n_star,)
        The input row in which each star comes first.
    n_rows : int
        Number of input rows.
    dropped : dict of str to int
        Input rows that were left out, by reason.
    combined, scattered : int
        Numbers of repeated measurements that were combined, and of those that scatter too much.
    notes : tuple of str
        All of this in words, and what was guessed.
    read_as : dict of str to str
        What each column was read as.
    """

    table: Table
    layout: str
    first_row: NDArray[np.intp]
    n_rows: int
    dropped: dict[str, int]
    combined: int = 0
    scattered: int = 0
    notes: tuple[str, ...] = ()
    read_as: dict[str, str] = field(default_factory=dict)


@dataclass
class _Rows:
    """Measurements, one a row: what each is of, and why it is left out ("" if it is not)."""

    star: NDArray[np.intp]
    ids: list[str]
    band: NDArray[np.intp]
    bands: list[str]
    reasons: list[str] = field(default_factory=lambda: [""])
    reason: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))

    def __post_init__(self) -> None:
        self.reason = np.zeros(len(self.star), dtype=np.intp)

    @property
    def used(self) -> NDArray[np.bool_]:
        return self.reason == 0

    def drop(self, mask: NDArray[np.bool_], reason: str) -> None:
        mask = mask & self.used
        if mask.any():
            if reason not in self.reasons:
                self.reasons.append(reason)
            self.reason[mask] = self.reasons.index(reason)

    def counts(self) -> dict[str, int]:
        counts = np.bincount(self.reason, minlength=len(self.reasons))
        return {text: int(count) for text, count in zip(self.reasons, counts, strict=True) if text and count}


def pivot(table: Table, columns: Mapping[str, str], treatment: Treatment, default: Any, source: str) -> Pivoted:
    """Turn a long table into a wide one.

    Parameters
    ----------
    table : Table
        One row a measurement.
    columns : mapping of str to str
        The user's map from an input column to our name; names of `LONG_NAMES`, roles and bands are known.
    treatment : Treatment
        Whether magnitudes that were not calibrated are used, and a floor of errors.
    default : object
        Whatever default error the user gave: measurements without an error are kept if there is one.
    source : str
        What to call the table in errors.

    Returns
    -------
    Pivoted
        The wide table: id, ra and dec [deg], each band with its error; `zero_point_error` and `mag_limit` in its
        metadata, by band, as far as the long table says them.

    Raises
    ------
    InputError
        If a column is missing, a cell can't be read, an error is zero or negative, no magnitude is calibrated, or no
        filter is understood.
    """
    names = _names(table, columns)
    notes: list[str] = []
    rows = _identify(table, names, columns, source, notes)
    magnitude = _magnitudes(table, names, rows, treatment, source, notes)
    error = _errors(table, names, rows, treatment, default is not None, magnitude, source)
    shared = _optional(table, names, "zero_point_error", source)
    dropped = rows.counts()
    if not rows.used.any():
        counts = "; ".join(f"{count} {reason}" for reason, count in dropped.items())
        raise InputError(f"none of the {len(table)} measurements can be used ({counts})", source)
    wide, first = _positions(table, columns, rows, source, notes)
    combined, scattered = _combine(wide, rows, magnitude, error, shared)
    _common(wide, rows, shared, _optional(table, names, "limmag5", source), notes)
    layout = layout_of([*names, *table.colnames])
    head = (
        f"{layout}: {counted(len(table), 'measurement')} of {counted(len(rows.ids), 'star')} in {', '.join(rows.bands)}"
    )
    notes = [
        head,
        *(f"{counted(count, 'measurement')} left out: {reason}" for reason, count in dropped.items()),
        *notes,
    ]
    if combined:
        notes.append(f"{counted(combined, 'repeated measurement')} combined by inverse variance")
    if scattered:
        text = f"{scattered} combined magnitudes scatter more than their errors allow (column {REPEAT_FLAG} names them)"
        notes.append(text)
    roles = {column: role for role, column in _roles(table, columns, source).items()}
    read_as = roles | {column: target for target, column in names.items() if target in LONG_NAMES}
    return Pivoted(wide, layout, first, len(table), dropped, combined, scattered, tuple(notes), read_as)


def _names(table: Table, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of a long table by our names; what the user says wins."""
    found: dict[str, str] = {}
    for name in table.colnames:
        found.setdefault(snake_case(name), name)
    return found | {target: column for column, target in columns.items() if target in LONG_NAMES}


def _optional(table: Table, names: Mapping[str, str], name: str, source: str) -> _Array:
    if name not in names:
        return np.full(len(table), np.nan)
    return as_numbers(table[names[name]], names[name], source)


# --- what each row is of --------------------------------------------------------------------------------------------


def _identify(
    table: Table, names: Mapping[str, str], columns: Mapping[str, str], source: str, notes: list[str]
) -> _Rows:
    mapped = {target: column for column, target in columns.items()}
    roles = {role: name for role, name in _roles(table, columns, source).items() if role == "id"}
    id_name = mapped.get("id", names.get("id", roles.get("id")))
    if id_name is None:
        remedy = "map the column that names the stars (--map COLUMN=id)"
        raise InputError("a long table needs a column that says which star a row is of", source, remedy=remedy)
    ids = as_text(table[id_name])
    if ids is None:
        problem = "identifiers are floating-point numbers, whose digits are lost"
        raise InputError(problem, source, id_name, remedy="write them as text or as whole numbers")
    filters = as_text(table[names["filter"]])
    if filters is None:
        raise InputError("filters are names, not numbers", source, names["filter"], expected="B, V, gprime, ...")
    star, labels = _codes(ids)
    code, words = _codes(filters)
    bands, unknown = _resolved(words)
    order = sorted(set(bands.values()), key=lambda band: (BANDS[band].wavelength, band))
    band = np.array([order.index(bands[word]) if word in bands else -1 for word in words], dtype=np.intp)[code]
    rows = _Rows(star, labels, band, order)
    rows.drop(ids == "", "no identifier")
    rows.drop(filters == "", "no filter")
    for word in unknown:
        rows.drop(code == words.index(word), f"filter not understood: {word}")
    if not order:
        raise InputError(
            f"none of the filters is understood: {', '.join(unknown) or 'all are empty'}", source, names["filter"],
            expected="bands such as B, V, R, I, gprime, BP, J, W1", remedy="write the filters with these names",
        )  # fmt: skip
    renamed = [f"{word} as {band}" for word, band in bands.items() if word != band]
    if renamed:
        notes.append(f"filters read: {', '.join(renamed)}")
    return rows


def _roles(table: Table, columns: Mapping[str, str], source: str) -> dict[str, str]:
    wide = {column: target for column, target in columns.items() if target not in LONG_NAMES}
    return recognise(table.colnames, wide, source).roles


def _codes(text: NDArray[np.str_]) -> tuple[NDArray[np.intp], list[str]]:
    """Give texts (n_row,) numbers in the order of their first appearance."""
    index: dict[str, int] = {}
    codes = np.fromiter((index.setdefault(item, len(index)) for item in text.tolist()), np.intp, len(text))
    return codes, list(index)


def _resolved(words: list[str]) -> tuple[dict[str, str], list[str]]:
    bands, unknown = {}, []
    for word in words:
        try:
            bands[word] = resolve_band(word).name
        except BandError:
            if word:
                unknown.append(word)
    return bands, unknown


# --- magnitudes and errors ------------------------------------------------------------------------------------------


def _magnitudes(
    table: Table, names: Mapping[str, str], rows: _Rows, treatment: Treatment, source: str, notes: list[str]
) -> _Array:
    """Return the magnitudes (n_row,): calibrated ones, or raw ones for all rows if the user wants them."""
    raw = _optional(table, names, "mag", source)
    calibrated = _optional(table, names, "calibrated_mag", source)
    if treatment.instrumental:
        magnitude = raw if "mag" in names else calibrated
        notes.append("instrumental magnitudes are used: zero points, and with them distances, mean nothing")
    else:
        shifted = raw + _optional(table, names, "zero_point_correction", source)
        wanting = ~np.isfinite(calibrated) & np.isfinite(shifted)
        if wanting.any():
            notes.append(f"{wanting.sum()} calibrated magnitudes are the sum of mag and zero_point_correction")
        magnitude = np.where(wanting, shifted, calibrated)
        if not np.isfinite(magnitude).any():
            raise InputError(
                "no magnitude is calibrated", source, names.get("calibrated_mag", names.get("mag")),
                expected="values in calibrated_mag, or mag with zero_point_correction",
                remedy="calibrate the images first; if mag holds calibrated magnitudes, --map mag=calibrated_mag says "
                "so; --instrumental uses it as it is",
            )  # fmt: skip
        rows.drop(~np.isfinite(magnitude) & np.isfinite(raw), "not calibrated")
    rows.drop(~np.isfinite(magnitude), "no magnitude")
    low, high = _MAGNITUDES
    if not treatment.instrumental:  # an instrumental magnitude may have any value
        rows.drop((magnitude == 0.0) | (magnitude <= low) | (magnitude >= high), "magnitude is a filler")
    return magnitude


def _errors(
    table: Table,
    names: Mapping[str, str],
    rows: _Rows,
    treatment: Treatment,
    has_default: bool,
    magnitude: _Array,
    source: str,
) -> _Array:
    error = _optional(table, names, "mag_error", source)
    if treatment.error_floor is not None:
        error = np.where(np.isfinite(error), np.maximum(error, treatment.error_floor), error)
    bad = np.flatnonzero((error <= 0) & rows.used & np.isfinite(magnitude))
    if len(bad) and not has_default:
        raise InputError(
            f"errors that are zero or negative: {len(bad)}, the first one here", source, names["mag_error"],
            int(bad[0]), f"{error[bad[0]]:g}", "errors above 0 mag",
            "leave the cells empty, or raise all small errors (--error-floor 0.005)",
        )  # fmt: skip
    error = np.where(error > 0, error, np.nan)
    if not has_default:
        rows.drop(~np.isfinite(error), "no error")
    return error


# --- stars ----------------------------------------------------------------------------------------------------------


def _positions(
    table: Table, columns: Mapping[str, str], rows: _Rows, source: str, notes: list[str]
) -> tuple[Table, NDArray[np.intp]]:
    """Begin the wide table: identifiers, mean directions, and what else belongs to a star."""
    used = np.flatnonzero(rows.used)
    stars, first = np.unique(rows.star[used], return_index=True)
    first = used[first]
    rows.ids = [rows.ids[star] for star in stars]
    number = np.full(int(rows.star.max()) + 1, -1, dtype=np.intp)
    number[stars] = np.arange(len(stars))
    rows.star = number[rows.star]
    wide = Table({"id": np.array(rows.ids, dtype=str)})
    roles = _roles(table, columns, source)
    where = positions(table, roles, ra_unit=None, source=source)
    if where is not None:
        ra, dec, sky_notes = where
        notes += sky_notes
        mean = _mean_direction(ra[used], dec[used], rows.star[used], (ra[first], dec[first]))
        wide["ra"], wide["dec"] = (Column(angle, unit=u.deg) for angle in mean[:2])
        if mean[2]:
            text = (
                f"{counted(mean[2], 'star')} with positions that differ by more than {3600 * _LARGEST_DRIFT:g} arcsec"
            )
            notes.append(f"{text}: check that a name always means the same star")
    for role in _PER_STAR:
        if role in roles:
            wide[role] = table[roles[role]][first]
    return wide, first


def _mean_direction(
    ra: _Array, dec: _Array, star: NDArray[np.intp], reference: tuple[_Array, _Array]
) -> tuple[_Array, _Array, int]:
    """Average directions star by star, across 0 h too; returns how many stars move too far."""
    east, north = (ra - reference[0][star] + 180.0) % 360.0 - 180.0, dec - reference[1][star]
    known = np.isfinite(east) & np.isfinite(north)
    n_star = len(reference[0])
    count = np.bincount(star[known], minlength=n_star)
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = [np.bincount(star[known], part[known], minlength=n_star) / count for part in (east, north)]
    away = np.hypot(east * np.cos(np.radians(dec)), north) > _LARGEST_DRIFT
    return np.mod(reference[0] + shift[0], 360.0), reference[1] + shift[1], len(np.unique(star[away & known]))


def _combine(wide: Table, rows: _Rows, magnitude: _Array, error: _Array, shared: _Array) -> tuple[int, int]:
    """Add each band's magnitude and error to the wide table; returns numbers of combined and scattered repeats."""
    used = rows.used
    key = rows.star[used] * len(rows.bands) + rows.band[used]
    size = len(wide) * len(rows.bands)
    y, sigma = magnitude[used], error[used]
    # Without an error, repeats count alike, and the default comes later.
    within = np.clip(sigma, _SMALLEST_ERROR, _LARGEST_ERROR)
    weight = np.where(np.isfinite(sigma), 1.0 / np.square(within), 1e-12)
    total = np.bincount(key, weight, size)
    count = np.bincount(key, minlength=size)
    origin = np.zeros(size)
    origin[key] = y  # differences from one of the repeats: a single measurement stays as it is
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = origin + np.bincount(key, weight * (y - origin[key]), size) / total
        combined_error = np.where(total > 1e-5 * np.maximum(count, 1), 1.0 / np.sqrt(total), np.nan)
        # Images differ by the errors of their zero points as well.
        variance = np.square(within) + np.square(np.nan_to_num(np.clip(shared[used], 0.0, _LARGEST_ERROR)))
        excess = np.bincount(key, np.nan_to_num(np.square(y - mean[key]) / variance), size)
        chance = chi2.sf(excess, np.maximum(count - 1, 1))
    mean, combined_error = np.where(count > 0, mean, np.nan), np.where(count > 0, combined_error, np.nan)
    single = np.zeros(size)
    single[key] = sigma
    combined_error = np.where(count == 1, single, combined_error)
    flagged = ((count > 1) & (chance < _LEAST_CHANCE)).reshape(len(wide), -1)
    for index, band in enumerate(rows.bands):
        wide[band] = Column(mean.reshape(len(wide), -1)[:, index], unit=u.mag)
        wide[f"{band}_error"] = Column(combined_error.reshape(len(wide), -1)[:, index], unit=u.mag)
    if (count > 1).any():
        wide[REPEAT_FLAG] = [
            ",".join(band for band, flag in zip(rows.bands, row, strict=True) if flag) if any(row) else ""
            for row in flagged.tolist()
        ]
    return int(count[count > 1].sum()), int(flagged.sum())


def _common(wide: Table, rows: _Rows, shared: _Array, limit: _Array, notes: list[str]) -> None:
    """Write what is common to a band into the metadata: its zero point's uncertainty and its limit."""
    for name, values, choose in (("zero_point_error", shared, np.mean), ("mag_limit", limit, np.min)):
        stated = {}
        for index, band in enumerate(rows.bands):
            known = values[rows.used & (rows.band == index) & np.isfinite(values)]
            if len(known) and (name == "mag_limit" or np.any(known > 0)):
                stated[band] = float(choose(known))
        if stated:
            wide.meta[name] = stated
            what = "uncertainty of zero points" if name == "zero_point_error" else "limits of detection (limmag5)"
            notes.append(f"{what}: {', '.join(f'{band} {value:.4g} mag' for band, value in stated.items())}")
