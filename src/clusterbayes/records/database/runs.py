"""Reading runs and what belongs to them, and cancelling.

Rows of other tools in the same table are read like any other, and left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.sql.elements import ColumnElement

from clusterbayes.errors import SettingsError
from clusterbayes.records.database.engine import Database
from clusterbayes.records.database.rows import locked, record_of, values_of
from clusterbayes.records.documents import ResultDocument
from clusterbayes.records.exchange import StoredArtefact
from clusterbayes.records.faults import DatabaseError, RunNotFoundError
from clusterbayes.records.memberships import MembershipRow
from clusterbayes.records.record import ClusterModelingTool, DataToolType, ToolStatus

__all__ = ["MOST", "Page", "RunQuery", "Runs"]

#: Most runs, or rows, on one page.
MOST = 1000


@dataclass(frozen=True)
class RunQuery:
    """Which runs to list; what is left out does not matter.

    Attributes
    ----------
    status : ToolStatus, optional
    creator_id, observation_id, project_id : int, optional
    data_tool_type : DataToolType, optional
        Runs of this tool by default; None lists the rows of all tools.
    name : str, optional
        A part of the name, without regard to case.
    created_after, created_before : datetime, optional
    before : int, optional
        Only runs with a smaller id: `Page.next` of the page before.
    limit : int
        Most runs on the page.
    """

    status: ToolStatus | None = None
    creator_id: int | None = None
    observation_id: int | None = None
    project_id: int | None = None
    data_tool_type: DataToolType | None = DataToolType.CLUSTER_MODELING
    name: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    before: int | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST:
            raise SettingsError("the limit is out of range", "limit", self.limit, f"1 to {MOST}")


@dataclass(frozen=True)
class Page:
    """A page of runs, the newest first.

    Attributes
    ----------
    items : tuple of ClusterModelingTool
    total : int
        How many runs there are on all pages.
    next : int or None
        What `RunQuery.before` is on the next page; None on the last.
    """

    items: tuple[ClusterModelingTool, ...]
    total: int
    next: int | None


class Runs:
    """The runs of a database.

    Parameters
    ----------
    database : Database
        With the tables.
    """

    def __init__(self, database: Database) -> None:
        self.database, self._tables = database, database.tables

    def get(self, tool_id: int) -> ClusterModelingTool:
        """Return the record of a run.

        Raises
        ------
        RunNotFoundError
            If there is none.
        """
        tool = self._tables.tool
        with self.database.reading() as connection:
            row = connection.execute(select(tool).where(tool.c.id == tool_id)).one_or_none()
        if row is None:
            raise RunNotFoundError(tool_id)
        return record_of(row)

    def list(self, query: RunQuery | None = None) -> Page:
        """Return a page of runs, the newest first."""
        query, tool = query or RunQuery(), self._tables.tool
        wanted = list(self._conditions(query))
        shown = wanted if query.before is None else [*wanted, tool.c.id < query.before]
        with self.database.reading() as connection:
            total = connection.execute(select(func.count()).select_from(tool).where(*wanted)).scalar_one()
            found = connection.execute(
                select(tool).where(*shown).order_by(tool.c.id.desc()).limit(query.limit + 1)
            ).all()
        items = tuple(record_of(row) for row in found[: query.limit])
        return Page(items, total, items[-1].id if len(found) > query.limit else None)

    def _conditions(self, query: RunQuery) -> Iterator[ColumnElement[bool]]:
        tool = self._tables.tool
        for name in ("status", "creator_id", "observation_id", "project_id", "data_tool_type"):
            value = getattr(query, name)
            if value is not None:
                yield tool.c[name] == value
        if query.name is not None:
            yield func.lower(tool.c.name).contains(query.name.lower(), autoescape=True)
        if query.created_after is not None:
            yield tool.c.created_on > query.created_after
        if query.created_before is not None:
            yield tool.c.created_on < query.created_before

    def result(self, tool_id: int) -> ResultDocument | None:
        """Return the result document of a run; None if it has none (yet).

        Raises
        ------
        RunNotFoundError
            If there is no such run.
        DatabaseError
            If the document has a layout that this version does not know.
        """
        table = self._tables.result
        with self.database.reading() as connection:
            row = connection.execute(select(table).where(table.c.tool_id == tool_id)).one_or_none()
        if row is None:
            self.get(tool_id)
            return None
        known = ResultDocument.model_fields["schema_version"].default
        if row.schema_version != known:
            problem = f"the result of run {tool_id} has schema version {row.schema_version!r}, not {known!r}"
            raise DatabaseError(problem, "Read it with the version of clusterbayes that made it")
        return ResultDocument.from_wire(row.document)

    def memberships(self, tool_id: int, *, offset: int = 0, limit: int | None = None) -> tuple[MembershipRow, ...]:
        """Return membership rows of a run, in the order of its input; all of them by default.

        Raises
        ------
        RunNotFoundError
            If there is no such run.
        """
        table = self._tables.membership
        chosen = select(table).where(table.c.tool_id == tool_id).order_by(table.c.row).offset(offset).limit(limit)
        with self.database.reading() as connection:
            rows = connection.execute(chosen).mappings().all()
        if not rows:
            self.get(tool_id)
        return tuple(MembershipRow(**{name: row[name] for name in MembershipRow.model_fields}) for row in rows)

    def artefacts(self, tool_id: int) -> tuple[StoredArtefact, ...]:
        """Return the files of a run, by name.

        Raises
        ------
        RunNotFoundError
            If there is no such run.
        """
        table = self._tables.artefact
        with self.database.reading() as connection:
            rows = connection.execute(select(table).where(table.c.tool_id == tool_id).order_by(table.c.name)).mappings()
            found = tuple(StoredArtefact(**{name: row[name] for name in StoredArtefact.model_fields}) for row in rows)
        if not found:
            self.get(tool_id)
        return found

    def artefact_location(self, tool_id: int, name: str) -> tuple[StoredArtefact, str]:
        """Return a file of a run, and its place in the store.

        Raises
        ------
        RunNotFoundError
            If there is no such run, or it has no file of that name.
        """
        table = self._tables.artefact
        with self.database.reading() as connection:
            chosen = select(table).where(table.c.tool_id == tool_id, table.c.name == name)
            row = connection.execute(chosen).mappings().one_or_none()
        if row is None:
            self.get(tool_id)
            raise RunNotFoundError(tool_id, f"artefact {name!r}")
        return StoredArtefact(**{key: row[key] for key in StoredArtefact.model_fields}), row["location"]

    def request(self, tool_id: int) -> dict[str, Any]:
        """Return what a run was asked to do: its settings, its input and control (name and checksum), its limits.

        Raises
        ------
        RunNotFoundError
            If there is no such run.
        """
        job, inputs = self._tables.job, self._tables.input
        control = inputs.alias("control")
        chosen = (
            select(job, inputs.c.checksum, control.c.checksum.label("control_checksum"))
            .join(inputs, inputs.c.id == job.c.input_id)
            .outerjoin(control, control.c.id == job.c.control_id)
            .where(job.c.tool_id == tool_id)
        )
        with self.database.reading() as connection:
            row = connection.execute(chosen).mappings().one_or_none()
        if row is None:
            raise RunNotFoundError(tool_id)
        other = None
        if row["control_id"] is not None:
            other = {"name": row["control_name"], "checksum": row["control_checksum"]}
        return {
            "settings": row["settings"],
            "input": {"name": row["input_name"], "checksum": row["checksum"]},
            "control": other,
            "timeLimit": row["time_limit"],
            "cancelRequested": row["cancel_requested"],
            "attempts": row["attempts"],
            "losses": row["losses"],
        }

    def cancel(self, tool_id: int) -> ClusterModelingTool:
        """Cancel a run: at once if it is ready; its worker is asked to stop if it is running.

        Returns
        -------
        ClusterModelingTool
            As it is now; a running one becomes canceled within seconds.

        Raises
        ------
        RunNotFoundError
            If there is no such run, or it is none of this tool.
        TransitionError
            If it has ended.
        """
        tool, job = self._tables.tool, self._tables.job
        with self.database.writing() as connection:
            row = locked(connection, self._tables, tool_id)
            record = record_of(row)
            if record.data_tool_type is not DataToolType.CLUSTER_MODELING:
                raise RunNotFoundError(tool_id)
            if record.status is ToolStatus.RUNNING:
                connection.execute(update(job).where(job.c.tool_id == tool_id).values(cancel_requested=True))
                return record
            canceled = record.cancel(row.now)
            connection.execute(update(tool).where(tool.c.id == tool_id).values(**values_of(canceled)))
            connection.execute(update(job).where(job.c.tool_id == tool_id).values(cancel_requested=True))
            return canceled
