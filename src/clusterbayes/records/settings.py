"""The settings of a run: how its input is read and how it is fitted, as JSON and checked before anything is stored.

They say what the options of `Photometry.read` and `fit_cluster` say, without any that name a file: nothing that a
client sends reaches the file system.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, ValidationError

from clusterbayes.errors import InputError, SettingsError, close_matches
from clusterbayes.inference.sampler import SamplingOptions
from clusterbayes.isochrones.extinction import check_extinction_law
from clusterbayes.isochrones.families import FAMILIES
from clusterbayes.isochrones.storage import installed_grids
from clusterbayes.model.astrometry import parse_window
from clusterbayes.model.binaries import BINARY_LAWS
from clusterbayes.model.completeness import Completeness
from clusterbayes.model.imf import MASS_FUNCTIONS
from clusterbayes.model.priors import parse_prior
from clusterbayes.photometry.treatment import Treatment
from clusterbayes.records.record import WireModel

__all__ = [
    "CompletenessTable", "FitSettings", "SamplingSettings", "TreatmentSettings", "check_integer", "explain",
    "plain_text",
]  # fmt: skip


def plain_text(text: str) -> str:
    """Refuse text that not every database and file can hold."""
    if any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("text may not hold NUL or half surrogates")
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(plain_text)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


_DEFAULT = SamplingOptions()


class SamplingSettings(WireModel):
    """How long and how widely to sample; see `clusterbayes.inference.sampler.SamplingOptions`."""

    n_walkers: Annotated[int, Field(ge=4, le=10_000)] = _DEFAULT.n_walkers
    max_steps: Annotated[int, Field(ge=10, le=1_000_000)] = _DEFAULT.max_steps
    target_ess: Annotated[int, Field(ge=1, le=1_000_000)] = _DEFAULT.target_ess
    burn_rounds: Annotated[int, Field(ge=1, le=100)] = _DEFAULT.burn_rounds
    burn_steps: Annotated[int, Field(ge=4, le=100_000)] = _DEFAULT.burn_steps


class TreatmentSettings(WireModel):
    """What is done with cells before they are read; see `clusterbayes.photometry.treatment.Treatment`."""

    missing: Annotated[list[Name | Number], Field(max_length=100)] = []
    error_floor: Positive | None = Field(default=None, description="[mag]")
    instrumental: bool = False


class CompletenessTable(WireModel):
    """Share of the stars that the catalogue holds against the primary magnitude."""

    magnitude: Annotated[list[Number], Field(max_length=1000)]
    fraction: Annotated[list[Number], Field(max_length=1000)]


class FitSettings(WireModel):
    """The settings of a run."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal["1.0"] = "1.0"

    # --- how the input is read
    observables: Annotated[list[Name], Field(min_length=1, max_length=50)] | None = None
    columns: dict[Name, Name] | None = Field(default=None, description="Input column to our name.")
    default_error: Positive | dict[Name, Positive] | None = Field(default=None, description="[mag]")
    parallax_zero_point: Literal["raw", "applied", "lindegren"] | None = None
    ra_unit: Literal["deg", "hour"] | None = None
    max_ruwe: Positive | None = None
    max_excess: Positive | None = None
    table_format: Literal["csv", "ecsv", "fits", "votable", "parquet", "json"] | None = None
    treatment: TreatmentSettings | None = None

    # --- how it is fitted
    grid: Name = Field(default="parsec", description="Name of an installed grid or of a family.")
    center: tuple[Number, Number] | None = Field(default=None, description="Right ascension and declination [deg].")
    radius: Positive | None = Field(default=None, description="[deg]")
    mag_limit: Name = "auto"
    completeness: CompletenessTable | None = None
    max_error: dict[Name, Positive] | None = None
    counts: Literal["model", "ignore"] = "model"
    mass_function: Name = "kroupa"
    binary_law: Name = "flat"
    proper_motion: Literal["auto", "use", "ignore"] = "auto"
    pm_window: Name | None = None
    positions: bool = True
    model_error: Literal["default", "none"] = "default"
    binned: Literal["auto", "never"] = "auto"
    priors: dict[Name, Name] | None = Field(default=None, description='Parameter to prior, e.g. "normal(0,0.1)".')
    fixed: dict[Name, Number] | None = Field(default=None, description="Parameter to the value that it is held at.")
    extinction_law: Name = "tables"
    r_v: Positive = 3.1
    seed: Annotated[int, Field(ge=0, le=2**53)] = 1
    sampling: SamplingSettings = SamplingSettings()

    @classmethod
    def read(cls, values: Any) -> FitSettings:
        """Read settings, and check all that can be checked without the input.

        Parameters
        ----------
        values : FitSettings, dict or None
            Under camelCase or snake_case names.

        Raises
        ------
        SettingsError
            If a setting is unknown, of another type, or out of range; the message names it.
        """
        try:
            settings = values if isinstance(values, cls) else cls.model_validate({} if values is None else values)
        except ValidationError as error:
            raise SettingsError(explain(error, cls), "settings") from None
        settings._check()
        return settings

    def _check(self) -> None:
        known = {**dict.fromkeys(installed_grids()), **dict.fromkeys(FAMILIES)}
        choices = (
            ("grid", self.grid, known),
            ("mass function", self.mass_function, MASS_FUNCTIONS),
            ("binary law", self.binary_law, BINARY_LAWS),
        )
        for kind, value, names in choices:
            if value not in names:
                raise SettingsError.unknown(kind, value, names)
        if (self.center is None) != (self.radius is None):
            raise SettingsError("give center and radius together, or neither")
        check_extinction_law(self.extinction_law, self.r_v)
        parse_window(self.pm_window)
        self.reading()
        for spec in (self.priors or {}).values():
            parse_prior(spec)
        self.fitting()

    def reading(self) -> dict[str, Any]:
        """Return the keywords for `Photometry.read`."""
        names = (
            "observables", "columns", "default_error", "parallax_zero_point", "ra_unit", "max_ruwe", "max_excess"
        )  # fmt: skip
        given = self.treatment
        treatment = None if given is None else Treatment(tuple(given.missing), given.error_floor, given.instrumental)
        named = {name: getattr(self, name) for name in names}
        return {**named, "format": self.table_format, "treatment": treatment}

    def fitting(self, n_threads: int | None = None) -> dict[str, Any]:
        """Return the keywords for `fit_cluster`, with the number of threads that the worker gives."""
        names = (
            "grid", "center", "radius", "mag_limit", "max_error", "counts", "mass_function", "binary_law",
            "proper_motion", "pm_window", "positions", "model_error", "binned", "priors", "fixed", "extinction_law",
            "r_v", "seed",
        )  # fmt: skip
        table = self.completeness
        completeness = None if table is None else Completeness(tuple(table.magnitude), tuple(table.fraction))
        sampling = SamplingOptions(**self.sampling.model_dump(), n_threads=n_threads)
        return {**{name: getattr(self, name) for name in names}, "completeness": completeness, "sampling": sampling}


_NESTED: dict[str, type[WireModel]] = {
    "sampling": SamplingSettings, "treatment": TreatmentSettings, "completeness": CompletenessTable
}  # fmt: skip


def explain(error: ValidationError, settings: type[FitSettings] | None = None) -> str:
    """Say in one line what is wrong with a document: where, and why; of settings, which names were meant."""
    parts = []
    for item in error.errors(include_url=False)[:5]:
        place = ".".join(str(key) for key in item["loc"])
        if settings is not None and item["type"] == "extra_forbidden":
            parts.append(f"{place}: {_unknown(str(item['loc'][-1]), _NESTED.get(str(item['loc'][0]), settings))}")
            continue
        value = item.get("input")
        shown = f" (given: {str(value)[:60]!r})" if isinstance(value, str | int | float) and not _odd(value) else ""
        parts.append(f"{place}: {item['msg']}{shown}" if place else f"{item['msg']}{shown}")
    return "; ".join(parts)


def _unknown(name: str, model: type[WireModel]) -> str:
    names = [field.alias or key for key, field in model.model_fields.items()]
    meant = close_matches(name, names)
    return "no such setting; " + (f"did you mean {' or '.join(meant)}?" if meant else f"known are {', '.join(names)}")


def _odd(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def check_integer(value: int | None, name: str, *, required: bool = False) -> None:
    """Make sure that an id or a priority fits into the database's integer, or is None where that is allowed.

    Raises
    ------
    InputError
        If it does not.
    """
    if value is None and not required:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**31:
        raise InputError("this is no integer of 32 bits", column=name, value=str(value)[:60])
