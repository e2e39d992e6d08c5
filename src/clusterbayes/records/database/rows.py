"""Between rows of the tool's table and records."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, select

from clusterbayes.records.database.clock import database_time
from clusterbayes.records.database.tables import Tables
from clusterbayes.records.faults import RunNotFoundError, storable
from clusterbayes.records.record import ClusterModelingTool

__all__ = ["locked", "record_of", "values_of"]


def values_of(record: ClusterModelingTool) -> dict[str, Any]:
    """Return what a row of the tool's table holds for a record, its id left out."""
    values = record.model_dump(exclude={"id"})
    if record.error_messages is not None:
        values["error_messages"] = storable([message.to_wire() for message in record.error_messages])
    return values


def record_of(row: Row[Any]) -> ClusterModelingTool:
    """Return the record in a row; columns of other tables in it are not looked at."""
    values = row._mapping
    return ClusterModelingTool(**{name: values[name] for name in ClusterModelingTool.model_fields})


def locked(connection: Connection, tables: Tables, tool_id: int) -> Row[Any]:
    """Read a tool's row with its job, and keep others from changing them until the transaction ends.

    Returns
    -------
    Row
        The tool's columns, the job's of the queue, and the present as `now`.

    Raises
    ------
    RunNotFoundError
        If there is no such run.
    """
    row = connection.execute(_with_job(tables).where(tables.tool.c.id == tool_id).with_for_update()).one_or_none()
    if row is None:
        raise RunNotFoundError(tool_id)
    return row


def _with_job(tables: Tables) -> Select[Any]:
    tool, job = tables.tool, tables.job
    own = [job.c[name] for name in ("cancel_requested", "attempts", "losses", "lease_token", "lease_until")]
    return select(tool, *own, database_time().label("now")).join(job, job.c.tool_id == tool.c.id)
