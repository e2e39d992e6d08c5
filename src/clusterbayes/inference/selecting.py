"""Which stars of a table are fitted, and what that says about those that are not.

The primary band is chosen, its limits are found or taken, and stars outside are set aside, each with its reason. Limits
in other bands and limits of the errors follow. What comes out describes the selection as the model takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.inference.field import MIN_CONTROL
from clusterbayes.model.completeness import Completeness, share_kept
from clusterbayes.model.cuts import measured_in
from clusterbayes.model.selection import NO_LIMIT, Selection, find_faint_limit, parse_limits, parse_other_limits
from clusterbayes.photometry import Photometry
from clusterbayes.wording import counted

__all__ = ["MIN_STARS", "described", "select"]

MIN_STARS = 10


def select(
    photometry: Photometry,
    control: Photometry | None,
    mag_limit: str,
    completeness: Completeness | str | Path | None = None,
    max_error: Mapping[str, float] | None = None,
) -> tuple[Photometry, Photometry | None, Selection, list[str]]:
    """Find the primary band and its limits, and drop what lies outside.

    Returns
    -------
    photometry, control : Photometry
        What is left; no control field where too little of it is left.
    selection : Selection
    notes : list of str

    Raises
    ------
    InputError
        If no magnitude is among the observables, or too few stars are left.
    SettingsError
        If a limit was not understood, or is in something that is not there.
    """
    text, others = parse_other_limits(mag_limit)
    photometry, selection = _primary(photometry, text)
    notes = list(photometry.notes)
    if text == "auto":
        found = f"{selection.band}={selection.faint:g}"
        notes.append(f"faint limit {found} found from the data ({selection.reason}); --mag-limit sets another")
    if completeness is not None and not isinstance(completeness, Completeness):
        completeness = Completeness.read(completeness)
    selection = replace(selection, completeness=completeness, others=others)
    photometry = _inside_others(photometry, selection)
    control = None if control is None else _inside_others(control, selection)
    for limit in others:
        if not np.isfinite(_magnitude(photometry, limit.band)).any():
            notes.append(
                f"the list counts as limited in {limit.band}, which it does not hold: no star is dropped for it"
            )
    if control is not None:
        inside = selection.inside(_magnitude(control, selection.band))
        control = control.keep(inside, f"outside the limits of {selection.band}")
    for name, value in (max_error or {}).items():
        photometry, control, selection = _good(photometry, control, selection, name, value)
    if selection.completeness is not None:
        held = selection.passing(_magnitude(photometry, selection.band)) > 0.0
        photometry = photometry.keep(held, "where the completeness is 0")
    photometry.require(MIN_STARS)
    if control is not None and control.n_star < MIN_CONTROL:
        notes.append(
            f"only {counted(control.n_star, 'control star')} within the limits: the field is learned from the sample"
        )
        control = None
    return photometry, control, selection, notes


def described(selection: Selection) -> dict:
    """Return the selection as plain numbers and words, for the provenance of a fit."""
    content: dict[str, Any] = {
        "band": selection.band,
        "bright": selection.bright if selection.bright > -NO_LIMIT else None,
        "faint": selection.faint if selection.faint < NO_LIMIT else None,
        "reason": selection.reason,
    }
    if selection.others:
        content["others"] = [
            {
                "band": limit.band,
                "bright": limit.bright if limit.bright > -NO_LIMIT else None,
                "faint": limit.faint if limit.faint < NO_LIMIT else None,
            }
            for limit in selection.others
        ]
    if selection.completeness is not None:
        table = selection.completeness
        content["completeness"] = {"magnitude": list(table.magnitude), "fraction": list(table.fraction)}
    return content


def _magnitude(photometry: Photometry, band: str) -> np.ndarray:
    """Magnitude in a band as far as the observables say, (n_star,)."""
    return measured_in(photometry.observables, photometry.values, photometry.errors, band)[0]


def _primary(photometry: Photometry, text: str) -> tuple[Photometry, Selection]:
    magnitudes = {o.bands[0]: i for i, o in enumerate(photometry.observables) if o.is_magnitude}
    if not magnitudes:
        raise InputError(
            "the observables hold no magnitude, only colours", source=photometry.source,
            remedy="add a magnitude to the observables, for instance G,BP-RP",
        )  # fmt: skip
    count = {band: int(np.isfinite(photometry.values[:, i]).sum()) for band, i in magnitudes.items()}
    primary, bright, faint = max(count, key=lambda band: count[band]), -NO_LIMIT, NO_LIMIT
    if text not in ("auto", "none"):
        primary, bright, faint = parse_limits(text)
        if primary not in magnitudes:
            raise SettingsError(
                f"the magnitude limit is in {primary}, which is not among the magnitudes {', '.join(magnitudes)}",
                remedy=f"set the limit in one of them, add {primary} to the observables, or write auto,{text}",
            )
    values = photometry.values[:, magnitudes[primary]]
    photometry = photometry.keep(np.isfinite(values), f"no {primary}, the band of the magnitude limit")
    photometry.require(MIN_STARS)
    values = photometry.values[:, magnitudes[primary]]
    reason = "given" if text != "none" else "no limit"
    if text == "auto":
        faint, reason = find_faint_limit(values)
        faint = round(faint, 3)
    photometry = photometry.keep(values <= faint, f"fainter than the limit {primary}={faint:g}")
    values = photometry.values[:, magnitudes[primary]]
    photometry = photometry.keep(values >= bright, f"brighter than the limit {primary}={bright:g}")
    photometry.require(MIN_STARS)
    return photometry, Selection(primary, bright, faint, reason)


def _inside_others(photometry: Photometry, selection: Selection) -> Photometry:
    """Drop the stars whose magnitudes in other bands are known to be outside the limits there."""
    for limit in selection.others:
        values = _magnitude(photometry, limit.band)
        photometry = photometry.keep(~(values > limit.faint), f"fainter than the limit {limit.band}={limit.faint:g}")
        values = _magnitude(photometry, limit.band)
        photometry = photometry.keep(~(values < limit.bright), f"brighter than the limit {limit.band}={limit.bright:g}")
    return photometry


def _good(
    photometry: Photometry, control: Photometry | None, selection: Selection, name: str, largest: float
) -> tuple[Photometry, Photometry | None, Selection]:
    """Drop the stars with an error above a limit, and note which share of the others' magnitude that leaves."""
    if not largest > 0.0:
        raise SettingsError("the largest error must be positive", name, largest)
    errors = [_errors(part, name) for part in (photometry, control) if part is not None]
    kept = [~(error > largest) for error in errors]
    parts = [part for part in (photometry, control) if part is not None]
    magnitude = np.concatenate([_magnitude(part, selection.band) for part in parts])
    share = share_kept(magnitude, np.concatenate(kept))
    known = selection.completeness
    selection = replace(selection, completeness=share if known is None else known.times(share))
    reason = f"error of {name} above {largest:g}"
    parts = [part.keep(mask, reason) for part, mask in zip(parts, kept, strict=True)]
    return parts[0], parts[1] if control is not None else None, selection


def _errors(photometry: Photometry, name: str) -> np.ndarray:
    """Errors (n_star,) of an observable or of the parallaxes, NaN where missing."""
    if name == "parallax":
        if photometry.parallax_error is None:
            raise SettingsError(
                "a limit is set to the error of the parallaxes, but the table has none", "max_error", name
            )
        return photometry.parallax_error
    names = [observable.name for observable in photometry.observables]
    if name not in names:
        raise SettingsError.unknown("observable", name, [*names, "parallax"])
    return photometry.errors[:, names.index(name)]
