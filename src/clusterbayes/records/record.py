"""The `ClusterModelingTool` record: what is run, for whom, how far it is and how it ended.

Names, types and enumerations are the host's and fixed. In Python names are snake_case; on the wire (JSON for other
services) they are camelCase. A record never changes: each step of its life makes a new one, and a step that the life of
a record does not know is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr
from pydantic.alias_generators import to_camel

from clusterbayes.errors import ClusterBayesError, SettingsError
from clusterbayes.results.result import FitResult

__all__ = [
    "STAGES", "TRANSITIONS", "ClusterModelingTool", "DataToolType", "ErrorMessage", "ToolStatus", "TransitionError",
    "WireModel", "version_text", "without_nonfinite",
]  # fmt: skip

#: Stages of a run, in order; `current_stage_index` counts them from 0.
STAGES = (
    "ingest", "crossmatch", "select", "load_grid", "search", "sample", "diagnose", "summarize", "export"
)  # fmt: skip

_VERSION_LENGTH = 64
_STAGE_LENGTH = 100


class DataToolType(StrEnum):
    """Kinds of tools of the host; rows made here are always `CLUSTER_MODELING`."""

    RADIO_TRACKING_CONTINUUM = "radio_tracking_continuum"
    RADIO_TRACKING_SPECTRUM = "radio_tracking_spectrum"
    TIME_SERIES_PHOTOMETRY = "time_series_photometry"
    SPECTRAL_COMPOSER = "spectral_composer"
    TIME_LAPSE_CREATOR = "time_lapse_creator"
    CLUSTER_MODELING = "cluster_modeling"
    TRANSIENT_DETECTOR = "transient_detector"


class ToolStatus(StrEnum):
    """Where in its life a record is."""

    READY = "ready"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


#: The steps that a record may take.
TRANSITIONS: Mapping[ToolStatus, frozenset[ToolStatus]] = {
    ToolStatus.READY: frozenset({ToolStatus.RUNNING, ToolStatus.CANCELED}),
    ToolStatus.RUNNING: frozenset({ToolStatus.COMPLETED, ToolStatus.FAILED, ToolStatus.CANCELED}),
    ToolStatus.COMPLETED: frozenset(),
    ToolStatus.FAILED: frozenset(),
    ToolStatus.CANCELED: frozenset(),
}


class TransitionError(ClusterBayesError, ValueError):
    """A record was asked to take a step that its life does not know.

    Parameters
    ----------
    current, requested : str
        The two states.
    """

    def __init__(self, current: str, requested: str) -> None:
        super().__init__(str(current), str(requested))
        self.current, self.requested = ToolStatus(current), ToolStatus(requested)

    def __str__(self) -> str:
        allowed = ", ".join(status for status in ToolStatus if status in TRANSITIONS[self.current])
        return f"a record that is {self.current} can't become {self.requested} (it can become: {allowed or 'nothing'})"


def version_text(package_version: str | None, grid: Mapping[str, Any] | None = None) -> str:
    """Return package version and grid digest in one line; the record cuts it to its length."""
    text = f"clusterbayes {package_version or '?'}"
    return text if not grid else f"{text}, {grid.get('name') or 'grid'} {str(grid.get('digest') or '')[:16]}".strip()


def without_nonfinite(value: Any) -> Any:
    """Replace NaN and infinity by None, at any depth of dicts and lists."""
    if isinstance(value, Mapping):
        return {key: without_nonfinite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nonfinite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class WireModel(BaseModel):
    """A document whose names are snake_case in Python and camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    def to_wire(self) -> dict[str, Any]:
        """Return the document as it goes to other services: JSON values under camelCase names."""
        return without_nonfinite(self.model_dump(mode="json", by_alias=True))


def _as_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _error_list(value: Any) -> Any:
    """Read the forms that hosts use: null, text, an object, or a list of texts and objects."""
    if value is None:
        return None
    items = value if isinstance(value, list | tuple) else [value]
    return [{"detail": item} if isinstance(item, str) else item for item in items]


def _cut_version(value: Any) -> Any:
    return value[:_VERSION_LENGTH] if isinstance(value, str) else value


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_as_utc)]
Percentage = Annotated[Annotated[float, Field(ge=0, le=100)] | None, BeforeValidator(without_nonfinite)]
Version = Annotated[Annotated[StrictStr, Field(max_length=_VERSION_LENGTH)] | None, BeforeValidator(_cut_version)]


class ErrorMessage(WireModel):
    """One thing that went wrong.

    Parameters
    ----------
    id : str, optional
        A name for the kind of error.
    detail, message : str, optional
        The full text, and a short one.
    stage : str, optional
        The stage in which it happened.
    meta : dict, optional
        Anything else; what is not finite in it becomes None.
    """

    model_config = ConfigDict(extra="allow")

    id: StrictStr | StrictInt | None = None
    detail: StrictStr | None = None
    message: StrictStr | None = None
    stage: StrictStr | None = None
    meta: Annotated[dict[str, Any] | None, BeforeValidator(without_nonfinite)] = None

    @classmethod
    def from_exception(cls, error: BaseException, stage: str | None = None) -> ErrorMessage:
        """Describe an exception."""
        text = str(error) or type(error).__name__
        at = stage or getattr(error, "stage", None)
        return cls(id=type(error).__name__, detail=text, message=text.splitlines()[0], stage=at)


class ClusterModelingTool(WireModel):
    """The record of one run of the tool.

    Parameters
    ----------
    id : int, optional
        Set by a database.
    name : str
        The caller's name for the analysis.
    data_tool_type : DataToolType
        Always `cluster_modeling` for records made here; others are read and left alone.
    creator_id : int
        The user it belongs to.
    observation_id, project_id : int, optional
        The observation whose photometry is fitted, and its project.
    status : ToolStatus
        Where in its life it is.
    iterations : int
        How many times it was started.
    priority : int
        Larger runs first.
    created_on, started_on, completed_on : datetime
        Aware; kept in UTC. `completed_on` is set at all three ends.
    version : str, optional
        Package version and grid digest, cut to 64 characters.
    error_messages : list of ErrorMessage, optional
        What went wrong.
    current_stage : str, optional
        One of `STAGES` in records made here; at most 100 characters.
    current_stage_index, total_stages : int, optional
        Position of the stage, from 0, and their number.
    current_stage_progress : float, optional
        0 to 100.
    """

    id: StrictInt | None = None
    name: StrictStr
    data_tool_type: DataToolType = DataToolType.CLUSTER_MODELING
    creator_id: StrictInt
    observation_id: StrictInt | None = None
    project_id: StrictInt | None = None
    status: ToolStatus = ToolStatus.READY
    iterations: Annotated[StrictInt, Field(ge=0)] = 0
    priority: StrictInt = 0
    created_on: UtcDatetime = Field(default_factory=lambda: datetime.now(UTC))
    started_on: UtcDatetime | None = None
    completed_on: UtcDatetime | None = None
    version: Version = None
    error_messages: Annotated[list[ErrorMessage] | None, BeforeValidator(_error_list)] = None
    current_stage: Annotated[StrictStr | None, Field(max_length=_STAGE_LENGTH)] = None
    current_stage_index: Annotated[StrictInt | None, Field(ge=0)] = None
    total_stages: Annotated[StrictInt | None, Field(ge=0)] = None
    current_stage_progress: Percentage = None

    @classmethod
    def from_result(
        cls,
        result: FitResult,
        *,
        name: str,
        creator_id: int,
        observation_id: int | None = None,
        project_id: int | None = None,
    ) -> ClusterModelingTool:
        """Make the record of a fit that was done outside a service.

        Parameters
        ----------
        result : FitResult
            The fit.
        name : str
            Name of the analysis.
        creator_id : int
            The user it belongs to.
        observation_id, project_id : int, optional
            What it belongs to.

        Returns
        -------
        ClusterModelingTool
            Completed, in its first iteration.
        """
        end = _moment(result.provenance.get("created_on"))
        begin = end - timedelta(seconds=float(result.diagnostics.get("wall_seconds") or 0.0))
        record = cls(
            name=name,
            creator_id=creator_id,
            observation_id=observation_id,
            project_id=project_id,
            created_on=begin,
            version=version_text(result.provenance.get("package_version"), result.provenance.get("grid")),
        )
        return record.start(begin).at_stage(STAGES[-1]).complete(end)

    # --- its life ----------------------------------------------------------------------------------------------------

    def _changed(self, **changes: Any) -> ClusterModelingTool:
        return type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})

    def _become(self, status: ToolStatus, **changes: Any) -> ClusterModelingTool:
        if status not in TRANSITIONS[self.status]:
            raise TransitionError(self.status, status)
        return self._changed(status=status, **changes)

    def start(self, now: datetime | None = None) -> ClusterModelingTool:
        """Return the record as running: one iteration more, nothing left of an earlier run.

        Raises
        ------
        TransitionError
            If it is not ready.
        """
        fresh = dict.fromkeys(("completed_on", "error_messages", "current_stage", "current_stage_index"))
        begun = {"iterations": self.iterations + 1, "started_on": now or datetime.now(UTC)}
        return self._become(ToolStatus.RUNNING, **fresh, **begun, total_stages=None, current_stage_progress=None)

    def complete(self, now: datetime | None = None) -> ClusterModelingTool:
        """Return the record as completed.

        Raises
        ------
        TransitionError
            If it is not running.
        """
        return self._become(ToolStatus.COMPLETED, completed_on=now or datetime.now(UTC), current_stage_progress=100.0)

    def fail(self, errors: Any, now: datetime | None = None) -> ClusterModelingTool:
        """Return the record as failed.

        Parameters
        ----------
        errors : exception, str, dict, ErrorMessage, or a list of these
            What went wrong.
        now : datetime, optional
            When; the present if left out.

        Raises
        ------
        TransitionError
            If it is not running.
        """
        items = errors if isinstance(errors, list | tuple) else [errors]
        described = [
            ErrorMessage.from_exception(item, self.current_stage) if isinstance(item, BaseException) else item
            for item in items
        ]
        return self._become(ToolStatus.FAILED, completed_on=now or datetime.now(UTC), error_messages=described)

    def cancel(self, now: datetime | None = None) -> ClusterModelingTool:
        """Return the record as canceled.

        Raises
        ------
        TransitionError
            If it is neither ready nor running.
        """
        return self._become(ToolStatus.CANCELED, completed_on=now or datetime.now(UTC))

    def release(self) -> ClusterModelingTool:
        """Return the record as ready again, after the worker that ran it has died and its lease has expired.

        Raises
        ------
        TransitionError
            If it is not running.
        """
        if self.status is not ToolStatus.RUNNING:
            raise TransitionError(self.status, ToolStatus.READY)
        return self._changed(status=ToolStatus.READY)

    def at_stage(self, stage: str, progress: float = 0.0) -> ClusterModelingTool:
        """Return the running record at one of `STAGES`, `progress` (0 to 100) of it done.

        Raises
        ------
        TransitionError
            If it is not running.
        SettingsError
            If there is no such stage.
        """
        if self.status is not ToolStatus.RUNNING:
            raise TransitionError(self.status, ToolStatus.RUNNING)
        if stage not in STAGES:
            raise SettingsError.unknown("stage", stage, STAGES)
        place = {"current_stage_index": STAGES.index(stage), "total_stages": len(STAGES)}
        return self._changed(current_stage=stage, current_stage_progress=progress, **place)

    # --- on the wire -------------------------------------------------------------------------------------------------

    def to_wire(self, *, progress_as_fraction: bool = False) -> dict[str, Any]:
        """Return the record as other services read it.

        Parameters
        ----------
        progress_as_fraction : bool
            Whether the host counts progress from 0 to 1.

        Returns
        -------
        dict
            JSON values under camelCase names.
        """
        wire = super().to_wire()
        if progress_as_fraction and self.current_stage_progress is not None:
            wire["currentStageProgress"] = _shifted(self.current_stage_progress, -2)
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any], *, progress_as_fraction: bool = False) -> ClusterModelingTool:
        """Read a record that another service wrote.

        Parameters
        ----------
        wire : mapping
            JSON values under camelCase (or snake_case) names; others, such as nested relationships, are not read.
        progress_as_fraction : bool
            Whether the host counts progress from 0 to 1.
        """
        known = {key for name in cls.model_fields for key in (name, to_camel(name))}
        values = {key: value for key, value in wire.items() if key in known}
        for key in ("currentStageProgress", "current_stage_progress"):
            if progress_as_fraction and isinstance(values.get(key), int | float):
                values[key] = _shifted(values[key], 2)
        return cls.model_validate(values)


def _shifted(value: float, digits: int) -> float:
    """Move the decimal point; unlike a product, this comes back exactly (up to 15 significant digits)."""
    return float(Decimal(repr(value)).scaleb(digits)) if math.isfinite(value) else value


def _moment(text: str | None) -> datetime:
    """Read a time; one without a zone is UTC, a missing one is the present."""
    moment = datetime.fromisoformat(text) if text else datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
