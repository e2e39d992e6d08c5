"""What was observed: `Photometry`, the one form in which catalogues reach the model.

It holds the values and errors of the stars that are used, and remembers every input row, with the reason where one was
set aside, so that results can be given back in input order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray

from clusterbayes.bands import Observable, bands_of
from clusterbayes.errors import InputError
from clusterbayes.photometry.accounts import count_reasons, describe_values, few_stars, remedy_for_few
from clusterbayes.photometry.columns import ROLES
from clusterbayes.photometry.ingest import ingest, table_checksum
from clusterbayes.photometry.ingested import ReadOptions
from clusterbayes.photometry.long import Pivoted
from clusterbayes.photometry.readers import read_table, with_line
from clusterbayes.photometry.sky import circle_and_field
from clusterbayes.photometry.treatment import Treatment
from clusterbayes.wording import counted

__all__ = ["Photometry"]

_PER_STAR = (
    *("ids", "values", "errors", "input_row", "parallax", "parallax_error", "ra", "dec"),
    *("pm", "pm_error", "pm_corr", "ruwe"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Photometry:
    """Photometry of a star cluster and its surroundings.

    Made by `read`, `from_table` or `example`. Arrays are of the stars that are used, unless said otherwise.

    Attributes
    ----------
    ids : ndarray of str, shape (n_star,)
        Identifiers, always text.
    observables : tuple of Observable
        The magnitudes and colours that are fitted.
    values, errors : ndarray, shape (n_star, n_obs)
        Values and errors [mag]; both NaN where an observable is missing.
    input_row : ndarray of int, shape (n_star,)
        Row of each star in the input, from 0.
    input_ids : ndarray of str, shape (n_input,)
        Identifiers of all input rows.
    drop_reason : ndarray of str, shape (n_input,)
        Why a row is not used; "" for those that are.
    parallax, parallax_error : ndarray, shape (n_star,), or None
        Parallaxes and errors [mas]; both NaN where missing.
    parallax_zero_point : {"raw", "applied"}
        Whether the zero-point correction is in the parallaxes.
    ra, dec : ndarray, shape (n_star,), or None
        Directions [deg].
    zero_point_error : dict of str to float
        Uncertainty of a band's zero point, common to all stars [mag]; empty if not known.
    table : Table
        The input columns that were used; n_input rows.
    source : str
        File name or other origin.
    checksum : str
        SHA-256 of the input, hexadecimal.
    notes : tuple of str
        What was assumed, counted as missing or replaced.
    pm, pm_error : ndarray, shape (n_star, 2), or None
        Proper motions in right ascension (times cos δ) and declination, and their errors [mas/yr]; NaN where missing.
    pm_corr : ndarray, shape (n_star,), or None
        Correlation of the two errors; 0 where it is not known.
    ruwe : ndarray, shape (n_star,), or None
        Gaia's renormalised unit weight error; NaN where missing.
    limits : dict of str to float
        Faint limits of bands that the input states [mag]; empty if it states none.
    pivoted : Pivoted or None
        How a long table, with one row a measurement, became one of stars; None if it was not long.
    layout : str
        What kind of table it was, in words.
    read_as : dict of str to str
        What each recognised column of the input was read as, whether or not it is used.
    unread : tuple of str
        Columns of the input that were not recognised.
    """

    ids: NDArray[np.str_]
    observables: tuple[Observable, ...]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    input_row: NDArray[np.intp]
    input_ids: NDArray[np.str_]
    drop_reason: NDArray[np.str_]
    parallax: NDArray[np.float64] | None
    parallax_error: NDArray[np.float64] | None
    parallax_zero_point: str
    ra: NDArray[np.float64] | None
    dec: NDArray[np.float64] | None
    zero_point_error: dict[str, float]
    table: Table
    source: str
    checksum: str
    notes: tuple[str, ...] = field(default=())
    pm: NDArray[np.float64] | None = None
    pm_error: NDArray[np.float64] | None = None
    pm_corr: NDArray[np.float64] | None = None
    ruwe: NDArray[np.float64] | None = None
    limits: dict[str, float] = field(default_factory=dict)
    pivoted: Pivoted | None = None
    layout: str = "table"
    read_as: dict[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    # --- making one --------------------------------------------------------------------------------------------------

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        observables: str | Iterable[str | Observable] | None = None,
        columns: Mapping[str, str] | None = None,
        default_error: float | Mapping[str, float] | None = None,
        parallax_zero_point: str | None = None,
        format: str | None = None,
        ra_unit: str | None = None,
        max_ruwe: float | None = None,
        max_excess: float | None = None,
        treatment: Treatment | None = None,
        source: str | None = None,
    ) -> Photometry:
        """Read photometry from a file.

        Parameters
        ----------
        path : str or Path
            CSV and other delimited text, ECSV, FITS, VOTable, JSON of a photometry job, or Parquet where pyarrow is
            installed. One row a star, or one row a measurement (Afterglow, Astromancer).
        observables : str or iterable of str or Observable, optional
            What to fit, e.g. "G,BP-RP" or ["V", "B-V"]. If left out: all magnitudes of one system that have errors,
            else one magnitude and the colours.
        columns : mapping of str to str, optional
            Input column to our name, e.g. ``{"mymag": "Gaia_G", "e_mymag": "Gaia_G_error", "star": "id"}``, for names
            that are not recognised. Our names: bands and colours, the same with "_error", and "id", "ra",
            "ra_degs", "ra_hours", "dec", "parallax", "parallax_error", "pm_ra", "pm_ra_error", "pm_dec",
            "pm_dec_error", "pm_corr", "ruwe", "bp_rp_excess".
        default_error : float or mapping of str to float, optional
            Error [mag] for observables (or single values) without one: one number for all, or by name; "parallax" [mas]
            and "pm" [mas/yr] are names, too.
        parallax_zero_point : {"raw", "applied", "lindegren"}, optional
            Whether the zero-point correction is in the parallaxes, or is to be applied here after Lindegren et al.
            (2021, A&A 649, A4); if left out, the table's metadata say, else "raw".
        format : {"csv", "ecsv", "fits", "votable", "parquet", "json"}, optional
            Found from the content if left out.
        ra_unit : {"deg", "hour"}, optional
            Unit of a plain right-ascension column.
        max_ruwe : float, optional
            Stars with a larger RUWE are set aside.
        max_excess : float, optional
            Stars whose BP/RP flux excess, corrected after Riello et al. (2021, A&A 649, A3), is off by more than this
            many standard deviations are set aside.
        treatment : Treatment, optional
            Fillers that count as missing, a floor of the errors, and whether magnitudes without a calibration are used.
        source : str, optional
            What to call the table in messages and provenance; the path if left out.

        Returns
        -------
        Photometry
            With every row accounted for.

        Raises
        ------
        InputError
            If the file or a value in it cannot be used; names the column, the row and a remedy.
        BandError
            If a band is not known.
        SettingsError
            If an option cannot be understood.
        """
        options = ReadOptions(
            observables, columns, default_error, parallax_zero_point, ra_unit, max_ruwe, max_excess,
            treatment or Treatment(),
        )  # fmt: skip
        mapped_ids = {column for column, target in (columns or {}).items() if target == "id"}

        def text_columns(names: Iterable[str]) -> list[str]:
            return [name for name in names if name in mapped_ids or name.strip().lower() in ROLES["id"]]

        table, checksum = read_table(path, format=format, text_columns=text_columns)
        source = source or str(path)
        try:
            ingested = ingest(table, options, source)
        except InputError as error:
            raise with_line(error, path) from None
        return cls(**ingested.of_stars(), source=source, checksum=checksum)

    @classmethod
    def from_table(
        cls,
        table: Table,
        *,
        observables: str | Iterable[str | Observable] | None = None,
        columns: Mapping[str, str] | None = None,
        default_error: float | Mapping[str, float] | None = None,
        parallax_zero_point: str | None = None,
        ra_unit: str | None = None,
        max_ruwe: float | None = None,
        max_excess: float | None = None,
        treatment: Treatment | None = None,
        source: str = "table",
    ) -> Photometry:
        """Take photometry from a table in memory.

        Parameters
        ----------
        table : Table
            One row a star; anything that `astropy.table.Table` accepts. It is not changed.
        observables, columns, default_error, parallax_zero_point, ra_unit, max_ruwe, max_excess, treatment
            As in `read`.
        source : str
            What to call the table in messages and provenance.

        Returns
        -------
        Photometry
            With every row accounted for.

        Raises
        ------
        InputError, BandError, SettingsError
            As in `read`.
        """
        table = table if isinstance(table, Table) else Table(table)
        options = ReadOptions(
            observables, columns, default_error, parallax_zero_point, ra_unit, max_ruwe, max_excess,
            treatment or Treatment(),
        )  # fmt: skip
        ingested = ingest(table, options, source)
        return cls(**ingested.of_stars(), source=source, checksum=table_checksum(ingested.table))

    # --- what it holds -----------------------------------------------------------------------------------------------

    @property
    def n_star(self) -> int:
        """Number of stars that are used."""
        return len(self.ids)

    @property
    def n_input(self) -> int:
        """Number of input rows."""
        return len(self.input_ids)

    @property
    def bands(self) -> tuple[str, ...]:
        """Canonical names of all bands in the observables, in order."""
        return bands_of(self.observables)

    @property
    def magnitude_columns(self) -> tuple[int, ...]:
        """Indices of the observables that are magnitudes; the others are colours."""
        return tuple(index for index, observable in enumerate(self.observables) if observable.is_magnitude)

    @property
    def dropped(self) -> dict[str, int]:
        """Number of rows that are not used, by reason, the most frequent first."""
        return count_reasons(self.drop_reason)

    def __repr__(self) -> str:
        names = ", ".join(observable.name for observable in self.observables)
        known = (("parallax", self.parallax), ("pm", self.pm), ("ra, dec", self.ra))
        more = "".join(f", {name}" for name, values in known if values is not None)
        return f"Photometry({self.source}: {self.n_star} of {self.n_input} rows used; {names}{more})"

    def describe(self) -> str:
        """Return a few lines of text: what was read, what is used, what was left out and why."""
        names = ", ".join(observable.name for observable in self.observables)
        lines = [f"{self.source}: {self.n_star} of {self.n_input} rows used, observables {names}"]
        lines += describe_values(self.observables, self.values, self.errors)
        if self.parallax is not None:
            count = int(np.isfinite(self.parallax).sum())
            lines.append(f"  parallax: {counted(count, 'value')}, zero point {self.parallax_zero_point}")
        if self.pm is not None:
            count = int(np.isfinite(self.pm[:, 0]).sum())
            lines.append(f"  proper motion: {counted(count, 'value')}")
        lines += [f"  left out: {count} ({reason})" for reason, count in self.dropped.items()]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    # --- parts of it -------------------------------------------------------------------------------------------------

    def subset(self, index: ArrayLike, reason: str | ArrayLike) -> Photometry:
        """Return the photometry of some stars; the others are set aside.

        Parameters
        ----------
        index : array_like of int, shape (n_kept,)
            Which of the used stars to keep; put into input order.
        reason : str or array_like of str, shape (n_star,)
            Why the others are not used; one text, or one for each star (those of kept stars are ignored).

        Returns
        -------
        Photometry
            Same input rows, fewer stars.
        """
        index = np.unique(np.asarray(index, dtype=np.intp))
        reasons = self.drop_reason.astype(object)
        reasons[self.input_row] = np.broadcast_to(np.asarray(reason, dtype=object), (self.n_star,))
        reasons[self.input_row[index]] = ""

        parts: dict[str, Any] = {name: getattr(self, name) for name in _PER_STAR}
        kept: dict[str, Any] = {name: None if part is None else part[index] for name, part in parts.items()}
        return replace(self, drop_reason=reasons.astype(str), **kept)

    def keep(self, mask: ArrayLike, reason: str) -> Photometry:
        """Return the photometry of the stars where a mask is true.

        Parameters
        ----------
        mask : array_like of bool, shape (n_star,)
            Which stars to keep.
        reason : str
            Why the others are not used; not empty.

        Returns
        -------
        Photometry
            Same input rows; the others counted under the reason.

        Raises
        ------
        ValueError
            If the mask has another shape or type, or the reason is empty.
        """
        mask = np.asarray(mask)
        if mask.shape != (self.n_star,) or mask.dtype != bool:
            raise ValueError(f"mask must be bool of shape ({self.n_star},), not {mask.dtype} of shape {mask.shape}")
        if not reason:
            raise ValueError("a reason is needed for the stars that are set aside")
        return self.subset(np.flatnonzero(mask), reason)

    def split(self, center: tuple[float, float], radius: float) -> tuple[Photometry, Photometry]:
        """Part the stars into the cluster's and those of the field around it.

        Parameters
        ----------
        center : tuple of float
            Right ascension and declination [deg].
        radius : float
            Radius of the cluster [deg].

        Returns
        -------
        sample : Photometry
            Stars inside the radius.
        control : Photometry
            Stars beyond 1.5 radii; may be empty.

        Raises
        ------
        InputError
            If the table has no positions, or no star lies inside the radius.
        SettingsError
            If the centre is no direction or the radius is not positive.
        """
        if self.ra is None or self.dec is None:
            remedy = "map columns to them (--map COLUMN=ra --map COLUMN=dec), or leave centre and radius out"
            raise InputError("a centre was given, but the table has no positions", self.source, remedy=remedy)
        (inside, others), (outside, rest) = circle_and_field(self.ra, self.dec, center, radius, self.source)
        return self.subset(np.flatnonzero(inside), others), self.subset(np.flatnonzero(outside), rest)

    def require(self, min_stars: int = 10) -> Photometry:
        """Return itself if there are enough stars.

        Parameters
        ----------
        min_stars : int
            The smallest number of stars.

        Raises
        ------
        InputError
            If there are fewer; with the counts of the reasons.
        """
        if self.n_star >= min_stars:
            return self
        raise InputError(
            few_stars(self.n_star, self.n_input, self.dropped, self.notes),
            self.source,
            expected=f"at least {min_stars} stars",
            remedy=remedy_for_few(self.dropped),
        )
