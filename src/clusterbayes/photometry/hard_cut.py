"""Astromancer's way to part cluster and field: a cut in proper motion and distance, in or out.

A star is kept if its proper motion lies in an ellipse and its distance in a range. The model parts them by
probabilities instead; with the cut beside them, the two can be compared star by star.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from astropy import units as u
from astropy.table import Column
from numpy.typing import NDArray

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry.astrometry import numbers, read_distances
from clusterbayes.photometry.table import Photometry

__all__ = ["HARD_CUT_COLUMN", "HardCut", "apply_hard_cut", "hard_cut_verdicts"]

_Array = NDArray[np.float64]

#: Column of the input table that says what the cut makes of a row.
HARD_CUT_COLUMN = "hard_cut"

_KEPT = "kept"
_PM_FORM = "RA,DEC,A,B in mas/yr (centre and half axes), e.g. -6.7,1.0,0.5,0.4"
_DISTANCE_FORM = "LOW..HIGH with a unit, e.g. 1.7..2.3kpc or 1700..2300pc"


@dataclass(frozen=True)
class HardCut:
    """Limits inside which a star is kept; at least one of them.

    Parameters
    ----------
    pm_ellipse : tuple of float, optional
        Centre in right ascension (times cos δ) and declination, and half axes along them [mas/yr].
    distance : tuple of float, optional
        Lowest and highest distance [pc].
    """

    pm_ellipse: tuple[float, float, float, float] | None = None
    distance: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.pm_ellipse is None and self.distance is None:
            raise SettingsError("a hard cut needs an ellipse of proper motions or a range of distances", "hard_cut")
        if self.pm_ellipse is not None:
            shape = np.asarray(self.pm_ellipse, dtype=float)
            if shape.shape != (4,) or not np.isfinite(shape).all() or not (shape[2:] > 0).all():
                raise SettingsError("not an ellipse", "pm_ellipse", self.pm_ellipse, _PM_FORM)
        if self.distance is not None and not 0 <= self.distance[0] < self.distance[1]:
            raise SettingsError("not a range of distances", "distance_range", self.distance, _DISTANCE_FORM)

    @classmethod
    def parse(cls, pm_ellipse: str | None = None, distance: str | None = None) -> HardCut:
        """Read limits as they are written on the command line.

        Parameters
        ----------
        pm_ellipse : str, optional
            ``RA,DEC,A,B`` [mas/yr].
        distance : str, optional
            ``LOW..HIGH`` and a unit.

        Raises
        ------
        SettingsError
            If one can't be understood, or none is given.
        """
        ellipse = None if pm_ellipse is None else _four_numbers(pm_ellipse)
        return cls(ellipse, None if distance is None else _range_in_parsec(distance))


def _four_numbers(text: str) -> tuple[float, float, float, float]:
    try:
        ra, dec, a, b = (float(part) for part in text.split(","))
    except ValueError:
        raise SettingsError("the ellipse was not understood", "pm_ellipse", text, _PM_FORM) from None
    return ra, dec, a, b


def _range_in_parsec(text: str) -> tuple[float, float]:
    low, sign, rest = text.replace(" ", "").partition("..")
    number = rest.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    try:
        factor = float(u.Unit(rest[len(number) :]).to(u.pc))
        return float(low) * factor, float(number) * factor
    except (ValueError, u.UnitsError):
        raise SettingsError("the distances were not understood", "distance_range", text, _DISTANCE_FORM) from None


def hard_cut_verdicts(photometry: Photometry, cut: HardCut) -> NDArray[np.str_]:
    """Return what a cut makes of every input row: "kept", or why not.

    Parameters
    ----------
    photometry : Photometry
        Its input columns hold proper motions, and distances or parallaxes; errors are not needed.
    cut : HardCut
        The limits.

    Returns
    -------
    ndarray of str, shape (n_input,)
        Rows without a proper motion or a distance are not kept, as in Astromancer. A distance is that of a column
        ``distance``, else the inverse of a positive parallax.

    Raises
    ------
    InputError
        If the table lacks what the cut is about, or a distance column does not say its unit.
    """
    verdict = np.full(photometry.n_input, _KEPT, dtype=object)

    def leave_out(mask: NDArray[np.bool_], why: str) -> None:
        verdict[(verdict == _KEPT) & mask] = why

    if cut.pm_ellipse is not None:
        ra, dec, a, b = cut.pm_ellipse
        roles = _roles(photometry)
        if not {"pm_ra", "pm_dec"} <= roles.keys():
            remedy = "map columns to them (--map COLUMN=pm_ra --map COLUMN=pm_dec)"
            raise InputError("a hard cut needs proper motions", photometry.source, remedy=remedy)
        unit, table = u.mas / u.yr, photometry.table
        motion = [numbers(table, roles[role], photometry.source, unit) for role in ("pm_ra", "pm_dec")]
        away = ((motion[0] - ra) / a) ** 2 + ((motion[1] - dec) / b) ** 2
        leave_out(~np.isfinite(away), "no proper motion")
        leave_out(away > 1.0, "outside the ellipse of proper motions")
    if cut.distance is not None:
        distance = _distances(photometry)
        leave_out(~np.isfinite(distance), "no distance")
        leave_out((distance < cut.distance[0]) | (distance > cut.distance[1]), "outside the range of distances")
    return verdict.astype(str)


def _roles(photometry: Photometry) -> dict[str, str]:
    """Return the columns of the input by what they were read as."""
    return {read: column for column, read in photometry.read_as.items() if column in photometry.table.colnames}


def _distances(photometry: Photometry) -> _Array:
    """Return distances of all input rows [pc], NaN where they are not known."""
    distances = read_distances(photometry.table, _roles(photometry), photometry.layout, photometry.source)
    if distances is None:
        remedy = "map a column to distance_pc, distance_kpc or parallax (--map COLUMN=distance_kpc)"
        raise InputError("a hard cut needs distances or parallaxes", photometry.source, remedy=remedy)
    return distances


def apply_hard_cut(photometry: Photometry, cut: HardCut, *, exclude: bool = True) -> Photometry:
    """Cut, or only say what the cut would do.

    Parameters
    ----------
    photometry : Photometry
    cut : HardCut
        The limits.
    exclude : bool
        Whether stars outside are set aside. What has decided the cut is then not used again: the densities of proper
        motions and parallaxes that the model has do not end at its limits.

    Returns
    -------
    Photometry
        With the verdict on each row in the column ``hard_cut`` of its table, which goes into the table of sources, and
        the stars that are set aside counted by reason.

    Raises
    ------
    InputError
        As `hard_cut_verdicts`; or if no star is kept.
    """
    verdict = hard_cut_verdicts(photometry, cut)
    table = photometry.table.copy(copy_data=False)
    table[HARD_CUT_COLUMN] = Column(verdict, description="kept by the cut in proper motion and distance, or why not")
    marked = replace(photometry, table=table)
    of_used = verdict[photometry.input_row]
    kept = of_used == _KEPT
    if not exclude:
        note = f"hard cut: {kept.sum()} of {len(kept)} stars lie inside; it is only noted (column {HARD_CUT_COLUMN})"
        return replace(marked, notes=(*photometry.notes, note))
    if not kept.any():
        counts = ", ".join(f"{(of_used == why).sum()} {why}" for why in dict.fromkeys(of_used.tolist()))
        raise InputError(
            f"the hard cut keeps no star: {counts}", photometry.source, remedy="check its centre and units"
        )
    reasons = np.array([f"hard cut: {why}" for why in of_used])
    rest, notes = marked.subset(np.flatnonzero(kept), reasons), list(photometry.notes)
    if cut.pm_ellipse is not None and rest.pm is not None:
        rest = replace(rest, pm=None, pm_error=None, pm_corr=None)
        notes.append("proper motions decided the hard cut and are not used again")
    if cut.distance is not None and rest.parallax is not None:
        rest = replace(rest, parallax=None, parallax_error=None)
        notes.append("parallaxes decided the hard cut and are not used again")
    return replace(rest, notes=tuple(notes))
