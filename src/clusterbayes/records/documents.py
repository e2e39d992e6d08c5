"""The documents with a fit's numbers: ``summary.json``, and the result document beside a record.

Both have the same content; the result document adds the covariance, the settings and links to files, and is camelCase
on the wire, while ``summary.json`` is snake_case. Where a number is required, null is read as NaN.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from clusterbayes.records.record import WireModel, without_nonfinite
from clusterbayes.results.export import EXTRA_FILES, FILES
from clusterbayes.results.result import FitResult

__all__ = [
    "Artefact", "Counts", "Covariance", "Diagnostics", "ParameterSummary", "Provenance", "ResultDocument",
    "SummaryDocument",
]  # fmt: skip


def _required(value: Any) -> Any:
    return float("nan") if value is None else value


_NULLABLE = WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]})
#: A number that must be there; on the wire null stands for one that is not finite.
Number = Annotated[float, BeforeValidator(_required), PlainSerializer(without_nonfinite), _NULLABLE]
#: A number that may be missing.
OptionalNumber = Annotated[float | None, BeforeValidator(without_nonfinite)]
#: A number for all parameters together, or one for each.
PerParameter = OptionalNumber | dict[str, OptionalNumber]
#: Free content: whatever JSON holds.
Free = Annotated[dict[str, Any], BeforeValidator(without_nonfinite)]


class ParameterSummary(WireModel):
    """Summary of one parameter's posterior, in its unit."""

    # "q05" and so on are written alike in both forms, and are no words to be joined.
    median: Number
    mean: Number
    std: Number
    q05: Number
    q16: Number
    q84: Number
    q95: Number
    unit: str = Field(description='Unit, e.g. "mag", "pc", "log10(yr)"; "" where there is none.')


class Binning(WireModel):
    """What summing the likelihood over points that stand for stars did to the posterior."""

    model_config = ConfigDict(extra="allow")

    step: Number = Field(description="Sides of the cells in units of the errors.")
    n_point: int = Field(description="Points that the likelihood was summed over.")
    n_star: int = Field(description="Stars that they stand for.")
    spread: Number = Field(description="Standard deviation over draws of binned minus exact log posterior [nat].")
    largest: Number = Field(description="Largest deviation from its mean [nat].")
    offset: Number = Field(description="Its mean [nat].")


class Diagnostics(WireModel):
    """How well the sampler did."""

    model_config = ConfigDict(extra="allow")

    converged: bool = Field(description="Whether the sampler met its targets.")
    reasons: list[str] = Field(description="Why it did not converge; empty if it did.")
    tau: PerParameter = Field(description="Autocorrelation time [steps].")
    ess: PerParameter = Field(description="Effective sample size.")
    rhat: PerParameter = Field(default=None, description="Split R-hat between ensembles.")
    longest_rest: int | None = Field(default=None, description="Most steps that a walker stayed in one place.")
    acceptance: OptionalNumber = Field(description="Fraction of accepted proposals.")
    n_walkers: int = Field(description="Number of walkers, all ensembles together.")
    n_steps: int = Field(description="Steps of each walker after burn-in.")
    n_burn: int | None = Field(default=None, description="Steps of burn-in, left out of the chain.")
    n_ensembles: int | None = Field(default=None, description="Number of independent ensembles.")
    log_prob_max: OptionalNumber = Field(description="Largest log posterior density met.")
    wall_seconds: OptionalNumber = Field(description="Duration of the fit [s].")
    prior_dominated: list[str] = Field(default=[], description="Parameters of which the data say nothing.")
    at_bounds: dict[str, float] = Field(default={}, description="Bounds at which parameters pile up, by parameter.")
    modes: list[dict[str, OptionalNumber]] = Field(default=[], description="Summits, with their shares of the draws.")
    binning: Binning | None = Field(default=None, description="Null where every star was evaluated.")


class Counts(WireModel):
    """How many rows were used, and why others were not."""

    model_config = ConfigDict(extra="allow")

    input: int = Field(description="Rows of the input.")
    used: int = Field(description="Rows used in the fit.")
    dropped: dict[str, int] = Field(description="Rows not used, by reason.")


class Provenance(WireModel):
    """Where everything came from."""

    model_config = ConfigDict(extra="allow")

    package_version: str | None = None
    grid: Free | None = Field(default=None, description="Name and digest of the isochrone grid.")
    input: Free | None = Field(default=None, description="Source and checksum of the input.")
    seed: int | None = None
    priors: Free = Field(default={}, description="Prior of each sampled parameter.")
    fixed: Free = Field(default={}, description="Parameters that were held fixed.")
    settings: Free = Field(default={}, description="Settings of the fit.")
    versions: Free = Field(default={}, description="Versions of other packages.")
    created_on: str | None = Field(default=None, description="When the fit ended, ISO 8601.")


class SummaryDocument(WireModel):
    """Content of ``summary.json``."""

    schema_version: Literal["1.0"] = "1.0"
    parameters: dict[str, ParameterSummary] = Field(description="Sampled, derived and fixed parameters by name.")
    best: dict[str, OptionalNumber] = Field(default={}, description="Parameters at the largest posterior density.")
    diagnostics: Diagnostics
    counts: Counts
    provenance: Provenance
    notes: list[str] = Field(default=[], description="What the reader should know.")


class Covariance(WireModel):
    """Posterior covariance of the sampled parameters."""

    names: list[str]
    matrix: list[list[OptionalNumber]] = Field(description="Rows and columns in the order of the names.")


class Artefact(WireModel):
    """A file that belongs to a result."""

    name: str = Field(description="File name, relative to the record's folder.")
    media_type: str
    description: str = ""


class ResultDocument(SummaryDocument):
    """The numbers that belong to a record, with links to its files."""

    covariance: Covariance
    artefacts: list[Artefact] = []

    @classmethod
    def from_result(cls, result: FitResult, files: Iterable[str] = tuple(FILES)) -> ResultDocument:
        """Make the document of a fit.

        Parameters
        ----------
        result : FitResult
            The fit.
        files : iterable of str
            Names of the files that are written with it, of those in `clusterbayes.results.export`: FILES, EXTRA_FILES.
        """
        names, matrix = result.covariance()
        known = FILES | EXTRA_FILES
        links = [Artefact(name=name, media_type=known[name][0], description=known[name][1]) for name in files]
        covariance = Covariance(names=list(names), matrix=matrix.tolist())
        return cls(**result.summary_document(), covariance=covariance, artefacts=links)

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> ResultDocument:
        """Read a document that `to_wire` wrote."""
        return cls.model_validate(wire)
