"""Claims: a run that belongs to a worker for a while, and the statement that finds the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, or_, select, text
from sqlalchemy.sql.elements import TextClause

from clusterbayes.records.database.clock import database_time
from clusterbayes.records.database.tables import Tables, queue_order
from clusterbayes.records.record import ClusterModelingTool, ToolStatus

__all__ = ["Claim", "InputFile", "claimed", "in_state", "next_ready", "record_among"]


@dataclass(frozen=True)
class InputFile:
    """Where a run's input is: its kind ("stored" or "reference"), place, checksum, and the caller's name for it."""

    kind: str
    location: str
    checksum: str
    name: str


@dataclass(frozen=True)
class Claim:
    """A run that belongs to a worker as long as its lease is kept."""

    record: ClusterModelingTool
    token: str
    settings: dict[str, Any]
    input: InputFile
    control: InputFile | None = None
    time_limit: float | None = None
    attempts: int = 0

    @property
    def tool_id(self) -> int:
        """The run's id."""
        assert self.record.id is not None
        return self.record.id


def in_state(tables: Tables, status: ToolStatus) -> TextClause:
    """Return the condition that a row is one of this tool's in a state, word for word that of a partial index."""
    name = tables.tool.fullname
    return text(f"{name}.status = '{status.value}' AND {name}.data_tool_type = 'cluster_modeling'")


def next_ready(tables: Tables) -> Select[Any]:
    """Return the statement that finds, and locks, the next run: its record, its job, its files, and the present."""
    tool, job = tables.tool, tables.job
    due = or_(job.c.not_before.is_(None), job.c.not_before <= database_time())
    inputs, control = tables.input.alias("given"), tables.input.alias("control")
    return (
        select(tool, job, *_file_columns(inputs, "input"), *_file_columns(control, "control"))
        .add_columns(database_time().label("now"))
        .join(job, job.c.tool_id == tool.c.id)
        .join(inputs, inputs.c.id == job.c.input_id)
        .outerjoin(control, control.c.id == job.c.control_id)
        .where(in_state(tables, ToolStatus.READY), due)
        .order_by(*queue_order(tool))
        .limit(1)
        .with_for_update(of=tool, skip_locked=True)
    )


def _file_columns(inputs: Any, what: str) -> list[Any]:
    return [inputs.c[name].label(f"{what}_{name}") for name in ("kind", "location", "checksum")]


def record_among(row: Row[Any], tables: Tables) -> ClusterModelingTool:
    """Return the record in a row that has the columns of several tables."""
    values = row._mapping
    return ClusterModelingTool(**{name: values[tables.tool.c[name]] for name in ClusterModelingTool.model_fields})


def claimed(row: Row[Any], record: ClusterModelingTool, token: str) -> Claim:
    """Return the claim on a run that `next_ready` found."""

    def file(what: str) -> InputFile:
        return InputFile(*(row._mapping[f"{what}_{name}"] for name in ("kind", "location", "checksum", "name")))

    return Claim(
        record=record,
        token=token,
        settings=row.settings,
        input=file("input"),
        control=None if row.control_id is None else file("control"),
        time_limit=row.time_limit,
        attempts=row.attempts,
    )
