"""How a table is to be understood, and the arrays that it becomes.

`ReadOptions` says what a user wants of any table; `Ingested` holds what was found in one, row by row of the input.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from clusterbayes.bands import Observable
from clusterbayes.photometry.astrometry import ProperMotions
from clusterbayes.photometry.long import Pivoted
from clusterbayes.photometry.treatment import Treatment

__all__ = ["Ingested", "ReadOptions"]


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
        Errors [mag] for what has none; by name also of "parallax" [mas] and "pm" [mas/yr].
    parallax_zero_point : {"raw", "applied", "lindegren"}, optional
        Whether the parallaxes have their zero point corrected, or are to be corrected here.
    ra_unit : {"deg", "hour"}, optional
        Unit of a plain right-ascension column.
    max_ruwe : float, optional
        Stars with a larger RUWE are not used.
    max_excess : float, optional
        Stars whose BP/RP flux excess, corrected for colour, is off by more than this many standard deviations are not
        used.
    treatment : Treatment
        What is done with fillers, small errors and magnitudes without a calibration.
    """

    observables: str | Iterable[str | Observable] | None = None
    columns: Mapping[str, str] | None = None
    default_error: float | Mapping[str, float] | None = None
    parallax_zero_point: str | None = None
    ra_unit: str | None = None
    max_ruwe: float | None = None
    max_excess: float | None = None
    treatment: Treatment = Treatment()


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
    proper_motions: ProperMotions
    ruwe: NDArray[np.float64] | None
    limits: dict[str, float] = field(default_factory=dict)
    pivoted: Pivoted | None = None
    layout: str = "table"
    read_as: dict[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    def of_stars(self) -> dict[str, Any]:
        """Return it as `Photometry` holds it: arrays of the stars that are used, and the fate of every row."""
        used = np.flatnonzero(self.drop_reason == "")
        arrays = {
            "ids": self.ids, "values": self.values, "errors": self.errors,
            "parallax": self.parallax, "parallax_error": self.parallax_error, "ra": self.ra, "dec": self.dec,
            "pm": self.proper_motions.values, "pm_error": self.proper_motions.errors,
            "pm_corr": self.proper_motions.correlation, "ruwe": self.ruwe,
        }  # fmt: skip
        whole = (
            *("observables", "drop_reason", "parallax_zero_point", "zero_point_error", "table", "notes"),
            *("limits", "pivoted", "layout", "read_as", "unread"),
        )
        parts: dict[str, Any] = {name: None if array is None else array[used] for name, array in arrays.items()}
        parts |= {name: getattr(self, name) for name in whole}
        return parts | {"input_row": used, "input_ids": self.ids}
