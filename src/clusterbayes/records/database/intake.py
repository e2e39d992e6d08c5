"""Taking in: the rows of a run that is handed in, and of its input.

Inputs are kept once by their content. A run gets a row of its own, or one that the host has made already; either way
its job appears in the same transaction, and asking again for the same changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from clusterbayes.records.database.clock import database_time
from clusterbayes.records.database.engine import Database
from clusterbayes.records.database.rows import record_of, values_of
from clusterbayes.records.faults import ConflictError, RunNotFoundError
from clusterbayes.records.record import ClusterModelingTool, DataToolType, ToolStatus, TransitionError

__all__ = ["Intake", "JobRequest", "KeptInput"]

_TRIES = 5
T = TypeVar("T")


@dataclass(frozen=True)
class KeptInput:
    """An input that is on the disk: its kind ("stored" or "reference"), place, checksum, size [bytes], and name."""

    kind: str
    location: str
    checksum: str
    size: int
    name: str


@dataclass(frozen=True)
class JobRequest:
    """What a run is asked to do; `fingerprint` is equal for equal requests."""

    fingerprint: str
    settings: dict[str, Any]
    input: KeptInput
    control: KeptInput | None = None
    time_limit: float | None = None


class Intake:
    """Writes what is handed in.

    Parameters
    ----------
    database : Database
        With the tables.
    """

    def __init__(self, database: Database) -> None:
        self.database, self._tables = database, database.tables

    def last_input(self, observation_id: int) -> tuple[str, str] | None:
        """Return name and place of the newest input of an observation; None if there is none."""
        tool, job, inputs = self._tables.tool, self._tables.job, self._tables.input
        chosen = (
            select(job.c.input_name, inputs.c.location)
            .join(tool, tool.c.id == job.c.tool_id)
            .join(inputs, inputs.c.id == job.c.input_id)
            .where(tool.c.observation_id == observation_id)
            .order_by(tool.c.id.desc())
            .limit(1)
        )
        with self.database.reading() as connection:
            row = connection.execute(chosen).one_or_none()
        return None if row is None else (row.input_name, row.location)

    def add(
        self, record: ClusterModelingTool, request: JobRequest, key: str | None = None
    ) -> tuple[ClusterModelingTool, bool]:
        """Make a ready row, and its job.

        Returns
        -------
        tuple of ClusterModelingTool and bool
            The record, and whether it was made just now, not found under the caller's key.

        Raises
        ------
        ConflictError
            If the key was used for something else.
        """

        def once(connection: Connection) -> tuple[ClusterModelingTool, bool]:
            known = None if key is None else self._under_key(connection, record.creator_id, key, request)
            if known is not None:
                return known, False
            tool = self._tables.tool
            values = {**values_of(record), "created_on": database_time()}
            made = record_of(connection.execute(insert(tool).values(**values).returning(*tool.c)).one())
            self._add_job(connection, made, request, key)
            return made, True

        return self._written(once)

    def adopt(self, tool_id: int, request: JobRequest) -> tuple[ClusterModelingTool, bool]:
        """Give a job to a ready row that the host has made.

        Returns
        -------
        tuple of ClusterModelingTool and bool
            The record, and whether it got its job just now.

        Raises
        ------
        RunNotFoundError
            If there is no such row, or it is another tool's.
        ConflictError
            If it was handed in before for something else.
        TransitionError
            If it is not ready.
        """
        tool, job = self._tables.tool, self._tables.job

        def once(connection: Connection) -> tuple[ClusterModelingTool, bool]:
            row = connection.execute(select(tool).where(tool.c.id == tool_id).with_for_update()).one_or_none()
            record = None if row is None else record_of(row)
            if record is None or record.data_tool_type is not DataToolType.CLUSTER_MODELING:
                raise RunNotFoundError(tool_id)
            chosen = select(job.c.fingerprint).where(job.c.tool_id == tool_id)
            known = connection.execute(chosen).scalar_one_or_none()
            if known is not None:
                if known != request.fingerprint:
                    raise ConflictError(None, tool_id)
                return record, False
            if record.status is not ToolStatus.READY:
                raise TransitionError(record.status, ToolStatus.READY)
            self._add_job(connection, record, request, None)
            return record, True

        return self._written(once)

    def _written(self, once: Callable[[Connection], T]) -> T:
        """Write in one transaction; again if someone was faster with the same input or key."""
        for tries in range(_TRIES):
            try:
                with self.database.writing() as connection:
                    return once(connection)
            except IntegrityError:
                if tries == _TRIES - 1:
                    raise
        raise AssertionError

    def _under_key(
        self, connection: Connection, creator_id: int, key: str, request: JobRequest
    ) -> ClusterModelingTool | None:
        tool, job = self._tables.tool, self._tables.job
        chosen = select(tool, job.c.fingerprint).join(job, job.c.tool_id == tool.c.id)
        row = connection.execute(chosen.where(job.c.creator_id == creator_id, job.c.key == key)).one_or_none()
        if row is None:
            return None
        if row.fingerprint != request.fingerprint:
            raise ConflictError(key, row.id)
        return record_of(row)

    def _add_job(
        self, connection: Connection, record: ClusterModelingTool, request: JobRequest, key: str | None
    ) -> None:
        control = request.control
        job = {
            "tool_id": record.id, "creator_id": record.creator_id, "key": key, "fingerprint": request.fingerprint,
            "input_id": self._input_id(connection, request.input), "input_name": request.input.name,
            "control_id": None if control is None else self._input_id(connection, control),
            "control_name": None if control is None else control.name, "settings": request.settings,
            "time_limit": request.time_limit, "cancel_requested": False, "attempts": 0, "losses": 0,
        }  # fmt: skip
        connection.execute(insert(self._tables.job).values(**job))

    def _input_id(self, connection: Connection, kept: KeptInput) -> int:
        """Return the row of an input, made if it is new."""
        inputs = self._tables.input
        values = {"checksum": kept.checksum, "kind": kept.kind, "location": kept.location}
        chosen = select(inputs.c.id).where(*(inputs.c[name] == value for name, value in values.items()))
        known = connection.execute(chosen).scalar_one_or_none()
        if known is not None:
            return known
        new = insert(inputs).values(**values, size=kept.size, created_on=database_time())
        return connection.execute(new.returning(inputs.c.id)).scalar_one()
