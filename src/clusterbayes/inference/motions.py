"""Whether proper motions take part in a fit, and how.

They tell members from field stars, where there are field stars to tell from: in a list that was already selected by
proper motion nothing is left of the field that its own density could be learned from. So, unless the user decides,
they are used if a control field has them, or if a clump stands out and enough stars lie apart from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.model.astrometry import Clump, find_clump, in_window, motion_priors
from clusterbayes.model.priors import Prior, parse_prior
from clusterbayes.photometry import Photometry

__all__ = ["CHOICES", "Motions", "choose_motions"]

CHOICES = ("auto", "use", "ignore")
_APART = 0.1  # share of stars that must lie apart from the clump
_CLUMP = 12.0  # stars in the clump
_KNOWN = 0.5  # share of stars that must have a proper motion


@dataclass(frozen=True)
class Motions:
    """What was decided.

    Attributes
    ----------
    photometry, control : Photometry, Photometry or None
        Without proper motions where they are not used, and without the stars outside the window.
    priors : tuple of Prior, or None
        Of the cluster's proper motion [mas/yr]; None where proper motions are not used.
    start : dict of str to float
        Where the search begins.
    notes : list of str
        What was decided, and why.
    """

    photometry: Photometry
    control: Photometry | None
    priors: tuple[Prior, Prior] | None
    start: dict[str, float]
    notes: list[str]


def choose_motions(
    photometry: Photometry,
    control: Photometry | None,
    choice: str = "auto",
    window: tuple[float, ...] = (),
    user_priors: Mapping[str, str | Prior] | None = None,
) -> Motions:
    """Decide whether proper motions are used, and find where the cluster is among them.

    Parameters
    ----------
    photometry : Photometry
    control : Photometry or None
    choice : {"auto", "use", "ignore"}
    window : tuple of float
        Limits of the catalogue's proper motions, see `parse_window`; stars outside are set aside.
    user_priors : mapping, optional
        Those of pm_ra and pm_dec weigh in the search for the cluster.

    Raises
    ------
    SettingsError
        If the choice is unknown, or a window is given for proper motions that are to be ignored.
    InputError
        If there are no proper motions although they are to be used.
    """
    if choice not in CHOICES:
        raise SettingsError.unknown("proper_motion", choice, CHOICES)
    if window and choice == "ignore":
        raise SettingsError("a window of proper motions was given, but they are to be ignored", "pm_window", window)
    if photometry.pm is None or photometry.pm_error is None:
        if choice == "use" or window:
            remedy = "map columns to pm_ra, pm_ra_error, pm_dec and pm_dec_error, or give --default-error pm=VALUE"
            raise InputError("the table has no proper motions with errors", photometry.source, remedy=remedy)
        return Motions(photometry, control, None, {}, [])
    if choice == "ignore":
        return Motions(_without(photometry), None if control is None else _without(control), None, {}, [])
    if window:
        photometry, control = _within(photometry, window), None if control is None else _within(control, window)
    pm, pm_error = photometry.pm, photometry.pm_error
    assert pm is not None and pm_error is not None
    priors = motion_priors(pm)
    given = [(user_priors or {}).get(name) for name in ("pm_ra", "pm_dec")]
    weights = tuple(default if own is None else parse_prior(own) for own, default in zip(given, priors, strict=True))
    clump = find_clump(
        pm,
        pm_error,
        priors=weights if any(own is not None for own in given) else (),
        field=None if control is None else control.pm,
    )
    refusal = "" if choice == "use" or window else _refusal(photometry, control, clump)
    if clump is None or refusal:
        note = f"proper motions are not used: {refusal or 'too few stars have one'}"
        return Motions(_without(photometry), None if control is None else _without(control), None, {}, [note])
    start = {"pm_ra": clump.centre[0], "pm_dec": clump.centre[1], "pm_dispersion": clump.dispersion}
    note = f"proper motions are used; a clump of about {clump.n_star:.0f} stars lies at ({clump.centre[0]:.2f}, "
    note += f"{clump.centre[1]:.2f}) mas/yr, {clump.apart:.0%} of the stars apart from it"
    return Motions(photometry, control, priors, start, [note])


def _refusal(photometry: Photometry, control: Photometry | None, clump: Clump | None) -> str:
    """Say why proper motions can't help, or nothing."""
    assert photometry.pm is not None
    if np.isfinite(photometry.pm[:, 0]).mean() < _KNOWN or clump is None:
        return "most stars have none"
    if clump.n_star < _CLUMP:
        return "no clump stands out among them"
    if control is not None and control.pm is not None and np.isfinite(control.pm[:, 0]).mean() >= _KNOWN:
        return ""
    if clump.apart < _APART:
        return f"only {clump.apart:.0%} of the stars lie apart from their clump, so they were selected by them already"
    return ""


def _without(photometry: Photometry) -> Photometry:
    return replace(photometry, pm=None, pm_error=None, pm_corr=None)


def _within(photometry: Photometry, window: tuple[float, ...]) -> Photometry:
    if photometry.pm is None:
        return photometry
    inside = in_window(photometry.pm, window) | np.isnan(photometry.pm[:, 0])
    return photometry.keep(inside, "outside the window of proper motions")
