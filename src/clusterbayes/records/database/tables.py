"""The tables: the record as its owner's schema has it, and beside it what this library needs to run it.

`attach` puts them into a metadata, one of our own or a host's, with foreign keys to the host's users, observations and
projects or without. The tool's table has the owner's columns and no others; the queue, the inputs, the results, the
memberships and the artefacts are tables of their own, keyed by the tool's id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnElement

from clusterbayes.records.database.clock import UtcDateTime
from clusterbayes.records.record import DataToolType, ToolStatus

__all__ = ["LARGER_PRIORITY_FIRST", "HostTables", "Tables", "attach", "queue_order"]

#: Whether larger priorities run first. This is the one place that says so.
LARGER_PRIORITY_FIRST = True

#: JSON, in PostgreSQL as JSONB; None is NULL.
Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

_READY = "status = 'ready' AND data_tool_type = 'cluster_modeling'"
_RUNNING = "status = 'running' AND data_tool_type = 'cluster_modeling'"


@dataclass(frozen=True)
class HostTables:
    """What the tables refer to in a host's schema, and how they are named in it.

    Attributes
    ----------
    users, observations, projects : str, optional
        Columns that the foreign keys point at, e.g. "users.id"; no foreign key where left out.
    prefix : str
        Put before the names of tables, types and indexes.
    schema : str, optional
        The database schema that the tables live in.
    """

    users: str | None = None
    observations: str | None = None
    projects: str | None = None
    prefix: str = "cluster_modeling_"
    schema: str | None = None


@dataclass(frozen=True)
class Tables:
    """The tables in one metadata."""

    metadata: MetaData
    tool: Table
    job: Table
    input: Table
    result: Table
    membership: Table
    artefact: Table


def queue_order(tool: Table) -> tuple[ColumnElement[Any], ...]:
    """Return the order in which ready rows run: by priority, then by age."""
    first = tool.c.priority.desc() if LARGER_PRIORITY_FIRST else tool.c.priority.asc()
    return first, tool.c.created_on.asc(), tool.c.id.asc()


def attach(metadata: MetaData, host: HostTables | None = None) -> Tables:
    """Define the tables in a metadata.

    Parameters
    ----------
    metadata : sqlalchemy.MetaData
        A host's, or a new one.
    host : HostTables, optional
        Foreign keys and names; none, and the usual names, if left out.

    Returns
    -------
    Tables
    """
    host = host or HostTables()
    tool = _tool(metadata, host)
    inputs = _input(metadata, host)
    return Tables(
        metadata,
        tool,
        _job(metadata, host, tool, inputs),
        inputs,
        _result(metadata, host, tool),
        _membership(metadata, host, tool),
        _artefact(metadata, host, tool),
    )


def _enumeration(kind: type[StrEnum], name: str, host: HostTables) -> Enum:
    return Enum(
        kind,
        name=f"{host.prefix}{name}",
        schema=host.schema,
        values_callable=lambda members: [member.value for member in members],
        create_constraint=True,
        validate_strings=True,
    )


def _key(target: str | None) -> tuple[ForeignKey, ...]:
    return () if target is None else (ForeignKey(target),)


def _tool(metadata: MetaData, host: HostTables) -> Table:
    table = Table(
        f"{host.prefix}tool",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", Text, nullable=False),
        Column("data_tool_type", _enumeration(DataToolType, "data_tool_type", host), nullable=False),
        Column("creator_id", Integer, *_key(host.users), nullable=False),
        Column("observation_id", Integer, *_key(host.observations)),
        Column("project_id", Integer, *_key(host.projects)),
        Column("status", _enumeration(ToolStatus, "tool_status", host), nullable=False),
        Column("iterations", Integer, nullable=False),
        Column("priority", Integer, nullable=False),
        Column("created_on", UtcDateTime, nullable=False),
        Column("started_on", UtcDateTime),
        Column("completed_on", UtcDateTime),
        Column("version", String(64)),
        Column("error_messages", Document),
        Column("current_stage", String(100)),
        Column("current_stage_index", Integer),
        Column("total_stages", Integer),
        Column("current_stage_progress", Float(53)),
        schema=host.schema,
    )
    ready, running = text(_READY), text(_RUNNING)
    name = f"ix_{host.prefix}tool"
    Index(f"{name}_ready", *queue_order(table), postgresql_where=ready, sqlite_where=ready)
    Index(f"{name}_running", table.c.id, postgresql_where=running, sqlite_where=running)
    Index(f"{name}_creator", table.c.creator_id, table.c.id)
    Index(f"{name}_observation", table.c.observation_id)
    return table


def _owned(table: Table, **options: Any) -> Column[int]:
    """Return a column with the id of a tool; what hangs on it goes with it."""
    return Column("tool_id", Integer, ForeignKey(table.c.id, ondelete="CASCADE"), **options)


def _input(metadata: MetaData, host: HostTables) -> Table:
    return Table(
        f"{host.prefix}input",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("checksum", String(64), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("location", Text, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("created_on", UtcDateTime, nullable=False),
        UniqueConstraint("checksum", "kind", "location", name=f"uq_{host.prefix}input_content"),
        CheckConstraint("kind IN ('stored', 'reference')", name=f"ck_{host.prefix}input_kind"),
        schema=host.schema,
    )


def _job(metadata: MetaData, host: HostTables, tool: Table, inputs: Table) -> Table:
    return Table(
        f"{host.prefix}job",
        metadata,
        _owned(tool, primary_key=True),
        Column("creator_id", Integer, nullable=False),
        Column("key", Text),
        Column("fingerprint", String(64), nullable=False),
        Column("input_id", Integer, ForeignKey(inputs.c.id), nullable=False),
        Column("input_name", Text, nullable=False),
        Column("control_id", Integer, ForeignKey(inputs.c.id)),
        Column("control_name", Text),
        Column("settings", Document, nullable=False),
        Column("time_limit", Float(53)),
        Column("not_before", UtcDateTime),
        Column("cancel_requested", Boolean, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("losses", Integer, nullable=False),
        Column("worker", Text),
        Column("lease_token", String(32)),
        Column("lease_until", UtcDateTime),
        UniqueConstraint("creator_id", "key", name=f"uq_{host.prefix}job_key"),
        Index(f"ix_{host.prefix}job_lease", "lease_until"),
        Index(f"ix_{host.prefix}job_input", "input_id"),
        schema=host.schema,
    )


def _result(metadata: MetaData, host: HostTables, tool: Table) -> Table:
    return Table(
        f"{host.prefix}result",
        metadata,
        _owned(tool, primary_key=True),
        Column("schema_version", String(16), nullable=False),
        Column("document", Document, nullable=False),
        schema=host.schema,
    )


def _membership(metadata: MetaData, host: HostTables, tool: Table) -> Table:
    numbers = ("p_member", "p_outlier", "p_binary", "mass", "mass_std", "q", "q_std", "log_teff", "log_lum")
    return Table(
        f"{host.prefix}membership",
        metadata,
        _owned(tool, primary_key=True),
        Column("row", Integer, primary_key=True, autoincrement=False),
        Column("source_id", Text, nullable=False),
        *(Column(name, Float(53)) for name in numbers),
        Column("used", Boolean, nullable=False),
        Column("drop_reason", Text, nullable=False),
        schema=host.schema,
    )


def _artefact(metadata: MetaData, host: HostTables, tool: Table) -> Table:
    return Table(
        f"{host.prefix}artefact",
        metadata,
        _owned(tool, primary_key=True),
        Column("name", String(255), primary_key=True),
        Column("media_type", Text, nullable=False),
        Column("description", Text, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("checksum", String(64), nullable=False),
        Column("location", Text, nullable=False),
        schema=host.schema,
    )
