"""From columns to values and errors of observables.

A value may have its own column or be the difference of two magnitudes; its error may have its own column, follow from
Gaia's signal-to-noise, from the errors of the two magnitudes, or from a default that the user gives. Fillers such as
0.0, −9.99 and 99.99 are missing values; errors that are not positive are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy import units as u
from numpy.typing import NDArray

from clusterbayes.bands import Observable, parse_observable
from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry.cells import as_numbers
from clusterbayes.photometry.columns import Columns
from clusterbayes.photometry.gaia import magnitude_error
from clusterbayes.wording import counted

__all__ = ["Defaults", "Measured", "Measurer", "magnitudes_per_unit"]

# Apparent magnitudes and colours of stars lie well inside these; what lies outside is a filler.
_MAGNITUDE_RANGE = (-9.0, 50.0)
_COLOUR_RANGE = (-9.0, 9.0)
_LARGEST_ERROR = 9.0


class Defaults:
    """Errors for observables that have none: one number for all, or one for each name.

    Parameters
    ----------
    given : float, mapping of str to float, or None
        As the user gave them [mag].
    floor : float, optional
        Errors in the table that are below it, zero and negative ones included, are raised to it [mag].
    """

    def __init__(self, given: float | Mapping[str, float] | None, floor: float | None = None) -> None:
        self.floor = floor
        self.everywhere: float | None = None
        self.named: dict[str, float] = {}
        if isinstance(given, Mapping):
            self.named = {parse_observable(name).name: self._checked(value, name) for name, value in given.items()}
        elif given is not None:
            self.everywhere = self._checked(given, "all observables")

    @staticmethod
    def _checked(value: Any, name: str) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = np.nan
        if not (np.isfinite(number) and 0 < number < _LARGEST_ERROR):
            raise SettingsError(
                f"not an error for {name}", "default_error", value, "a number of magnitudes above 0, e.g. 0.02"
            )
        return number

    def __bool__(self) -> bool:
        return self.everywhere is not None or bool(self.named)

    def of(self, observable: Observable) -> float | None:
        """Return the default error of an observable [mag], or None."""
        return self.named.get(observable.name, self.everywhere)

    def check_used(self, observables: Iterable[Observable]) -> None:
        """Raise `SettingsError` if a default was given for something that is not there."""
        known = {name for observable in observables for name in (observable.name, *observable.bands)}
        for name in self.named:
            if name not in known:
                raise SettingsError.unknown("observable in default_error", name, sorted(known))


@dataclass
class Measured:
    """One observable of all input rows.

    Parameters
    ----------
    values, errors : ndarray, shape (n_input,)
        Values and errors [mag]; both NaN where either is missing.
    columns : tuple of str
        The input columns that were used.
    notes : list of str
        What was counted as missing or replaced.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    columns: tuple[str, ...]
    notes: list[str] = field(default_factory=list)


class Measurer:
    """Measures observables in one table.

    Parameters
    ----------
    table : mapping of str to column
        The table.
    columns : Columns
        What its columns are.
    defaults : Defaults
        Errors for what has none.
    source : str
        What to call the table in errors.
    """

    def __init__(self, table: Mapping[str, Any], columns: Columns, defaults: Defaults, source: str) -> None:
        self.table, self.columns, self.defaults, self.source = table, columns, defaults, source

    def has_value(self, observable: Observable) -> bool:
        """Return whether there are columns for its values."""
        if observable.name in self.columns.values:
            return True
        return observable.is_colour and all(band in self.columns.values for band in observable.bands)

    def has_error(self, observable: Observable) -> bool:
        """Return whether its errors can be known."""
        return (
            observable.name in self.columns.errors
            or self.defaults.of(observable) is not None
            or self._all_have_snr(observable)
            or (not observable.is_magnitude and self._bands_have_errors(observable))
        )

    def coverage(self, observable: Observable) -> NDArray[np.bool_]:
        """Return which rows have a value, before errors are looked at; shape (n_input,)."""
        return np.isfinite(self._values(observable)[0])

    def measure(self, observable: Observable) -> Measured:
        """Return an observable's values and errors.

        Parameters
        ----------
        observable : Observable
            It must have values and errors (`has_value`, `has_error`).

        Raises
        ------
        InputError
            If a column is not of magnitudes, a cell is not a number, or an error is zero or negative.
        """
        if observable.name not in self.columns.values and not self._shortcut_error(observable):
            return self._difference(observable)
        values, used, notes = self._values(observable)
        errors, error_columns = self._errors(observable)
        # A zero colour with a zero or missing error is a filler; with a good error it is a white star.
        if observable.is_colour and error_columns:
            values = np.where((values == 0) & ~(errors > 0), np.nan, values)
        errors = self._checked_errors(observable, values, errors, error_columns, notes)
        without = np.isfinite(values) & ~np.isfinite(errors)
        if without.any():
            notes.append(f"{observable.name}: {counted(without.sum(), 'value')} without an error counted as missing")
        missing = ~np.isfinite(values) | ~np.isfinite(errors)
        columns = tuple(dict.fromkeys(used + error_columns))
        return Measured(np.where(missing, np.nan, values), np.where(missing, np.nan, errors), columns, notes)

    def gaia_magnitudes(self) -> dict[str, NDArray[np.float64]]:
        """Return Gaia's G, BP and RP (n_input,) [mag] as far as the table has them, whether or not they have errors.

        Where a table has G and BP−RP only, BP−G follows from BP−RP (to 0.1 mag, for unreddened and reddened stars).
        """
        found = {
            name: self._values(parse_observable(name))[0]
            for name in ("Gaia_G", "Gaia_BP", "Gaia_RP")
            if self.has_value(parse_observable(name))
        }
        colour = parse_observable("Gaia_BP-Gaia_RP")
        if "Gaia_BP" not in found and colour.name in self.columns.values:
            bp_rp = self._values(colour)[0]
            if "Gaia_RP" in found:
                found["Gaia_BP"] = found["Gaia_RP"] + bp_rp
            elif "Gaia_G" in found:
                found["Gaia_BP"] = found["Gaia_G"] + 0.30 * bp_rp + 0.09 * bp_rp**2
                found["Gaia_RP"] = found["Gaia_BP"] - bp_rp
        return found

    # --- values ------------------------------------------------------------------------------------------------------

    def _values(self, observable: Observable) -> tuple[NDArray[np.float64], tuple[str, ...], list[str]]:
        name = self.columns.values.get(observable.name)
        if name is None:
            halves = [self._values(parse_observable(band)) for band in observable.bands]
            notes = list(dict.fromkeys(halves[0][2] + halves[1][2]))
            return halves[0][0] - halves[1][0], halves[0][1] + halves[1][1], notes
        column = self.table[name]
        values = as_numbers(column, name, self.source)
        self._refuse_flux(column, values, name, observable)
        values = values * (magnitudes_per_unit(column) or 1.0)
        notes = []
        if observable.is_magnitude:
            values = self._without(values, values == 0, f"of 0.0 in column {name}", notes)
        low, high = _MAGNITUDE_RANGE if observable.is_magnitude else _COLOUR_RANGE
        filler = (values <= low) | (values >= high)
        return (
            self._without(values, filler, f"such as {_first(values, filler)} in column {name}", notes),
            (name,),
            notes,
        )

    @staticmethod
    def _without(
        values: NDArray[np.float64], filler: NDArray[np.bool_], what: str, notes: list[str]
    ) -> NDArray[np.float64]:
        if filler.any():
            notes.append(f"{counted(filler.sum(), 'value')} {what} counted as missing")
        return np.where(filler, np.nan, values)

    def _refuse_flux(self, column: Any, values: NDArray[np.float64], name: str, observable: Observable) -> None:
        if magnitudes_per_unit(column) is None:
            problem = f"the unit of this column is {column.unit}"
        elif observable.is_magnitude and _looks_like_flux(values * (magnitudes_per_unit(column) or 1.0)):
            problem = f"the values, with a median of {np.nanmedian(values):.4g}, look like fluxes"
        else:
            return
        remedy = "convert fluxes to calibrated magnitudes (-2.5 log10 flux + zero point), or use another column (--map)"
        raise InputError(problem, self.source, name, expected="magnitudes", remedy=remedy)

    # --- errors ------------------------------------------------------------------------------------------------------

    def _all_have_snr(self, observable: Observable) -> bool:
        return all(band in self.columns.snr for band in observable.bands)

    def _bands_have_errors(self, observable: Observable, *, measured: bool = False) -> bool:
        """Return whether the magnitudes behind a colour have errors; `measured`: not counting defaults."""
        bands = [parse_observable(band) for band in observable.bands]
        if measured:
            known = {*self.columns.errors, *self.columns.snr}
            return all(self.has_value(band) and band.name in known for band in bands)
        return all(self.has_value(band) and self.has_error(band) for band in bands)

    def _shortcut_error(self, observable: Observable) -> bool:
        """Return whether a difference of two columns has an error that does not come from theirs."""
        return observable.name in self.columns.errors or observable.name in self.defaults.named

    def _errors(self, observable: Observable) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """Return errors as they stand in the table, and the columns that they come from."""
        name = self.columns.errors.get(observable.name)
        archive_snr = observable.name in self.columns.archive and self._all_have_snr(observable)
        if name is not None and not archive_snr:
            errors = as_numbers(self.table[name], name, self.source) * (magnitudes_per_unit(self.table[name]) or 1.0)
            return np.where(errors >= _LARGEST_ERROR, np.nan, errors), (name,)
        if self._all_have_snr(observable):
            parts = [magnitude_error(self._snr(band), band) for band in observable.bands]
            used = tuple(column for band in observable.bands for column in self.columns.snr[band])
            return parts[0] if len(parts) == 1 else np.hypot(*parts), used
        if observable.is_colour and (
            self._bands_have_errors(observable, measured=True)
            or (self.defaults.of(observable) is None and self._bands_have_errors(observable))
        ):
            blue, red = (self.measure(parse_observable(band)) for band in observable.bands)
            return np.hypot(blue.errors, red.errors), blue.columns + red.columns
        return np.full(len(self.table), np.nan), ()

    def _snr(self, band: str) -> NDArray[np.float64]:
        parts = [as_numbers(self.table[name], name, self.source) for name in self.columns.snr[band]]
        if len(parts) == 1:
            return parts[0]
        with np.errstate(over="ignore"):
            return np.divide(parts[0], parts[1], out=np.full(len(self.table), np.nan), where=parts[1] > 0)

    def _checked_errors(
        self,
        observable: Observable,
        values: NDArray[np.float64],
        errors: NDArray[np.float64],
        columns: tuple[str, ...],
        notes: list[str],
    ) -> NDArray[np.float64]:
        default, floor = self.defaults.of(observable), self.defaults.floor
        if floor is not None and (low := np.isfinite(values) & (errors < floor)).any():
            notes.append(f"{observable.name}: {low.sum()} errors below {floor:g} mag raised to it (error_floor)")
            errors = np.where(low, floor, errors)
        wanting = np.isfinite(values) & ~(errors > 0)
        if default is not None and wanting.any():
            notes.append(f"{observable.name}: {wanting.sum()} errors set to {default:g} mag (default_error)")
            return np.where(wanting, default, errors)
        bad = np.flatnonzero(np.isfinite(values) & (errors <= 0))
        if len(bad):
            raise InputError(
                f"errors that are zero or negative: {len(bad)}, the first one here",
                self.source,
                columns[0],
                int(bad[0]),
                f"{errors[bad[0]]:g}",
                "errors above 0 mag",
                "leave the cells empty, raise all small errors (--error-floor 0.005), or give a default error that "
                f"replaces them, e.g. --default-error {observable.name}=0.02",
            )
        return errors

    def _difference(self, observable: Observable) -> Measured:
        blue, red = (self.measure(parse_observable(band)) for band in observable.bands)
        errors = np.hypot(blue.errors, red.errors)
        notes = list(dict.fromkeys(blue.notes + red.notes))
        return Measured(blue.values - red.values, errors, blue.columns + red.columns, notes)


def _first(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> str:
    return f"{values[mask][0]:g}" if mask.any() else ""


def magnitudes_per_unit(column: Any) -> float | None:
    """Return how many magnitudes a column's unit is, 1 if it has none, or None if it is of something else."""
    unit = getattr(column, "unit", None)
    if unit is None:
        return 1.0
    try:
        return float(u.Unit(unit).to(u.mag))
    except (u.UnitsError, ValueError, TypeError):
        pass
    if "mag" in str(unit):  # a system's own magnitudes, or words
        return 1.0
    return 1.0 if str(getattr(unit, "physical_type", "")) == "dimensionless" else None


def _looks_like_flux(values: NDArray[np.float64]) -> bool:
    """Return whether most values, apart from fillers, lie outside the range of magnitudes."""
    candidates = values[np.isfinite(values) & (values != 0)]
    candidates = candidates[~np.isin(np.abs(np.trunc(candidates)), (9, 99, 999, 9999))]
    if not len(candidates):
        return False
    outside = (candidates < _MAGNITUDE_RANGE[0]) | (candidates > 40.0)
    return bool(np.mean(outside) > 0.2)
