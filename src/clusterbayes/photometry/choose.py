"""Which observables of a table are fitted.

The user may name them. Otherwise it is all magnitudes of one photometric system that have errors, or else one magnitude
with the colours of that system, in the order Gaia, Johnson–Cousins, SDSS, 2MASS, DECam, Pan-STARRS, SkyMapper, Tycho,
WISE, unless an earlier system covers far fewer stars than a later one.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from clusterbayes.bands import Observable, bands_of, observable_matrix, parse_observable
from clusterbayes.errors import BandError, InputError, close_matches
from clusterbayes.photometry.columns import in_capitals
from clusterbayes.photometry.measure import Measurer

__all__ = ["choose_observables"]

_SYSTEMS = {
    "Gaia": ("Gaia_",),
    "Johnson-Cousins": ("U", "B", "V", "R", "I", "J", "H", "K"),
    "SDSS": ("SDSS_",),
    "2MASS": ("2MASS_",),
    "DECam": ("DECam_",),
    "Pan-STARRS": ("PS1_",),
    "SkyMapper": ("SkyMapper_",),
    "Tycho": ("Tycho_",),
    "WISE": ("WISE_",),
}

# An earlier system must cover this fraction of the stars that the best-covered one has.
_LEAST_COVERAGE = 0.5


def choose_observables(
    wanted: str | Iterable[str | Observable] | None, measurer: Measurer
) -> tuple[tuple[Observable, ...], list[str]]:
    """Return the observables to use and notes on the choice.

    Parameters
    ----------
    wanted : str, iterable of str or Observable, or None
        "G,BP-RP", ["V", "B-V"], ...; None: choose.
    measurer : Measurer
        The table.

    Returns
    -------
    observables : tuple of Observable
        At least one magnitude, two bands, linearly independent.
    notes : list of str
        What a user may want to know.

    Raises
    ------
    BandError
        If a band is not known, or the observables repeat each other.
    InputError
        If a column or an error is missing, or fewer than two bands are usable.
    """
    if wanted is None:
        observables, notes = _default(measurer)
    else:
        observables, notes = _named(wanted, measurer), []
    _check(observables, measurer.source)
    return observables, notes


def _split(wanted: str | Iterable[str | Observable]) -> list[str | Observable]:
    if isinstance(wanted, Observable):
        return [wanted]
    items = wanted.replace(";", ",").split(",") if isinstance(wanted, str) else list(wanted)
    return [item for item in items if not isinstance(item, str) or item.strip()]


def _named(wanted: str | Iterable[str | Observable], measurer: Measurer) -> tuple[Observable, ...]:
    found = []
    for item in _split(wanted):
        observable = item if isinstance(item, Observable) else parse_observable(item)
        observable = measurer.columns.in_context(observable)
        if not measurer.has_value(observable):
            raise _no_column(observable, measurer)
        if not measurer.has_error(observable):
            raise _no_error(observable, measurer)
        found.append(observable)
    return tuple(found)


def _no_column(observable: Observable, measurer: Measurer) -> InputError:
    there = sorted(measurer.columns.values)
    close = close_matches(observable.name, [*there, *measurer.table.keys()])
    hint = f"map a column to it (--map COLUMN={observable.name}), or choose what is there (--observables)"
    hint += f"; did you mean {' or '.join(close)}?" if close else ""
    expected = f"one of {', '.join(there)}" if there else "columns of magnitudes"
    return InputError(
        f"the table has no column for {observable.name}", measurer.source, None, None, None, expected, hint
    )


def _no_error(observable: Observable, measurer: Measurer) -> InputError:
    column = measurer.columns.values.get(observable.name)
    return InputError(
        f"{observable.name} has no column of errors",
        measurer.source,
        column,
        expected=f"a column such as {column or observable.name}_error",
        remedy=_error_remedy(observable.name),
    )


def _error_remedy(name: str) -> str:
    return (
        f"map a column of errors (--map COLUMN={name}_error), or give a default error in mag, e.g. "
        f"--default-error {name}=0.02"
    )


def _system(observable: Observable) -> str | None:
    for system, starts in _SYSTEMS.items():
        if all(_belongs(band, system, starts) for band in observable.bands):
            return system
    return None


def _belongs(band: str, system: str, starts: tuple[str, ...]) -> bool:
    return band in starts if system == "Johnson-Cousins" else band.startswith(starts)


def _default(measurer: Measurer) -> tuple[tuple[Observable, ...], list[str]]:
    choices: dict[str, tuple[tuple[Observable, ...], int]] = {}
    known = measurer.columns.observables.values()
    for system in _SYSTEMS:
        try:
            group = _of_system([o for o in known if _system(o) == system and measurer.has_error(o)], measurer)
        except InputError:
            if not choices:
                raise
            continue  # an unreadable column that is not needed does no harm
        if group:
            covered = np.any([measurer.coverage(observable) for observable in group], axis=0)
            choices[system] = group, int(covered.sum())
    if not choices:
        raise _nothing_usable(measurer)
    most = max(count for _, count in choices.values())
    system, (observables, count) = next(
        (name, choice) for name, choice in choices.items() if choice[1] >= _LEAST_COVERAGE * most
    )
    notes = [f"observables chosen: {', '.join(o.name for o in observables)} ({system}, {count} rows have values)"]
    others = [name for name in choices if name != system]
    if others:
        notes.append(f"also in the table and not used: {', '.join(others)}")
    return observables, notes


def _of_system(candidates: list[Observable], measurer: Measurer) -> tuple[Observable, ...]:
    """Return all magnitudes of a system, or one with colours; empty if there are not two bands."""
    filled = [o for o in candidates if measurer.coverage(o).any()]
    magnitudes = [o for o in filled if o.is_magnitude]
    if len(magnitudes) >= 2:
        return tuple(magnitudes)
    chosen = list(magnitudes)
    colours = [o for o in filled if o.is_colour and magnitudes]
    # The archive's other colours repeat the noise of this one.
    main = [colour for colour in colours if colour.name == "Gaia_BP-Gaia_RP"]
    for colour in main or colours:
        if _independent([*chosen, colour]):
            chosen.append(colour)
    return tuple(chosen) if len(chosen) >= 2 else ()


def _nothing_usable(measurer: Measurer) -> InputError:
    known = measurer.columns.observables
    names = ", ".join(list(measurer.table.keys())[:12])
    mapping = "map columns to bands, e.g. --map mymag=V --map e_mymag=V_error"
    meant = in_capitals(set(measurer.table.keys()) - measurer.columns.read_as.keys())
    if meant:
        meant_so = " ".join(f"--map {name}={meant[name]}" for name in measurer.table.keys() if name in meant)
        mapping = f"bands are written in capitals; if these are such, say {meant_so}"
    without = [name for name, observable in known.items() if not measurer.has_error(observable)]
    if not known:
        problem = f"no column was recognised as a magnitude (the columns are {names})"
        remedy = mapping
    elif without and len(known) > 1:
        column = measurer.columns.values[without[0]]
        return InputError(
            f"{', '.join(without)} have no column of errors",
            measurer.source,
            column,
            expected=f"a column such as {column}_error",
            remedy=_error_remedy(without[0]),
        )
    elif not any(measurer.coverage(observable).any() for observable in known.values()):
        problem = f"no usable value in any row of {', '.join(known)}"
        remedy = f"check that the cells hold magnitudes, or {mapping}"
    else:
        problem = f"only one usable band was found: {', '.join(known)} (the columns are {names})"
        remedy = f"a fit needs a magnitude and a second band or a colour, both with errors: {mapping}"
    return InputError(problem, measurer.source, remedy=remedy)


def _independent(observables: Iterable[Observable]) -> bool:
    rows = tuple(observables)
    bands = bands_of(rows)
    return int(np.linalg.matrix_rank(observable_matrix(rows, bands))) == len(rows)


def _check(observables: tuple[Observable, ...], source: str) -> None:
    names = ", ".join(observable.name for observable in observables)
    bands = bands_of(observables)
    if len(observables) < 2 or len(bands) < 2:
        raise InputError(
            f"only one usable band or colour: {names or 'none'}",
            source,
            remedy="a fit needs a magnitude and a second band or a colour, e.g. --observables G,BP-RP or V,B-V",
        )
    if not any(observable.is_magnitude for observable in observables):
        raise InputError(
            f"colours alone ({names}) say nothing about distance", source, remedy="add a magnitude, e.g. G or V"
        )
    if not _independent(observables):
        raise BandError(
            names, f"the observables {names} repeat each other", remedy="leave out those that follow from the others"
        )
