"""The queue: how ready rows are claimed, kept, finished, and taken back from workers that died.

A claim is a token with a lease. Whatever a worker writes is bound to its token, so a worker that lost a run can change
nothing any more; and a run ends in one transaction, result and status together. In PostgreSQL claims pass over locked
rows; in SQLite the whole database is locked for the moment of a claim. All times are the database's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from clusterbayes.records.database.claims import Claim, claimed, in_state, next_ready, record_among
from clusterbayes.records.database.clock import database_time
from clusterbayes.records.database.engine import Database
from clusterbayes.records.database.rows import locked, record_of, values_of
from clusterbayes.records.faults import LostRunError, storable
from clusterbayes.records.record import ClusterModelingTool, ErrorMessage, ToolStatus

__all__ = ["Ending", "Queue", "RetryRules", "Standing"]

_FEW = 20
#: From a locked row and the running record in it to the record as it is then; what goes with it is written already.
Step = Callable[[Connection, Row[Any], ClusterModelingTool], ClusterModelingTool]


@dataclass(frozen=True)
class RetryRules:
    """How often a run is tried again.

    Attributes
    ----------
    attempts : int
        Most starts that end with a fault that may pass: a crash of the fit's process, a full disk.
    losses : int
        How many times the worker itself may vanish until the run is taken to be the reason, and fails.
    delay : float
        Pause before the second attempt [s]; doubled with each further one.
    """

    attempts: int = 3
    losses: int = 10
    delay: float = 5.0


class Standing(Enum):
    """What a worker is to do with a run that it reported on."""

    GO_ON = "go on"
    CANCEL = "cancel"
    LOST = "lost"


@dataclass(frozen=True)
class Ending:
    """What belongs to a completed run: its result document, membership rows and artefacts, as the tables hold them."""

    version: str | None
    document: dict[str, Any]
    memberships: Sequence[dict[str, Any]]
    artefacts: Sequence[dict[str, Any]]


class Queue:
    """The queue of a database.

    Parameters
    ----------
    database : Database
        With the tables.
    """

    def __init__(self, database: Database) -> None:
        self.database, self._tables = database, database.tables
        self._next = next_ready(self._tables)  # built once: it is looked up by what it is made of

    # --- taking and keeping ------------------------------------------------------------------------------------------

    def claim(self, worker: str, lease: float) -> Claim | None:
        """Take the next ready run.

        Parameters
        ----------
        worker : str
            Name of the worker, to be read by people.
        lease : float
            How long it stays the worker's without a report [s].

        Returns
        -------
        Claim or None
            None if nothing is ready.
        """
        if not self.database.is_postgresql and not self._any_ready():
            return None  # without the lock: an idle worker does not hold others up
        with self.database.writing() as connection:
            return self._take(connection, worker, lease)

    def prepare(self) -> None:
        """Connect, and go through the motions of a claim, so that the first real one is as quick as all others.

        What that spares it: building the statements, and in PostgreSQL starting a process that looks up the tables.
        """
        nobody = ClusterModelingTool(id=-1, name="", creator_id=0)
        with self.database.writing() as connection:
            connection.execute(self._next)
            self._lease(connection, nobody, worker="", token="", lease=0.0)
            connection.rollback()

    def _take(self, connection: Connection, worker: str, lease: float) -> Claim | None:
        row = connection.execute(self._next).one_or_none()
        if row is None:
            return None
        record, token = record_among(row, self._tables).start(row.now), secrets.token_hex(16)
        self._lease(connection, record, worker=worker, token=token, lease=lease)
        return claimed(row, record, token)

    def _lease(
        self, connection: Connection, record: ClusterModelingTool, *, worker: str, token: str, lease: float
    ) -> None:
        self._write(connection, record)
        leased = {"worker": worker, "lease_token": token, "lease_until": database_time(lease), "not_before": None}
        job = self._tables.job
        connection.execute(update(job).where(job.c.tool_id == record.id).values(**leased))

    def _any_ready(self) -> bool:
        ready = select(self._tables.tool.c.id).where(in_state(self._tables, ToolStatus.READY)).limit(1)
        with self.database.reading() as connection:
            return connection.execute(ready).first() is not None

    def report(self, claim: Claim, lease: float, progress: Mapping[str, Any] | None = None) -> Standing:
        """Prolong the lease of a run, and write how far it is.

        Parameters
        ----------
        claim : Claim
            The run.
        lease : float
            How long it stays the worker's from now on [s].
        progress : mapping, optional
            Columns of the tool's row: current_stage and what belongs to it.

        Returns
        -------
        Standing
            Whether to go on, to cancel, or to drop a run that is lost.
        """
        tool, job = self._tables.tool, self._tables.job
        own = (job.c.tool_id == claim.tool_id, job.c.lease_token == claim.token)
        running = (tool.c.id == claim.tool_id, tool.c.status == ToolStatus.RUNNING)
        kept = update(job).where(*own, select(tool.c.id).where(*running).exists())
        with self.database.writing() as connection:
            if progress:  # the tool's row first, as everywhere, so that no two transactions wait for each other
                held = select(job.c.tool_id).where(*own).exists()
                connection.execute(update(tool).where(*running, held).values(**progress))
            renewed = kept.values(lease_until=database_time(lease)).returning(job.c.cancel_requested)
            cancel = connection.execute(renewed).scalar_one_or_none()
        if cancel is None:
            return Standing.LOST
        return Standing.CANCEL if cancel else Standing.GO_ON

    # --- ending ------------------------------------------------------------------------------------------------------

    def complete(self, claim: Claim, ending: Ending) -> ClusterModelingTool:
        """Make a run completed and its result visible, both at once.

        Returns
        -------
        ClusterModelingTool
            Completed; or canceled without a result, if that was asked for in the meantime.

        Raises
        ------
        LostRunError
            If the run is not the worker's any more.
        """
        tables, owner = self._tables, {"tool_id": claim.tool_id}

        def step(connection: Connection, row: Row[Any], record: ClusterModelingTool) -> ClusterModelingTool:
            if row.cancel_requested:
                return record.cancel(row.now)
            version = str(ending.document.get("schemaVersion", ""))
            document = {**owner, "schema_version": version, "document": storable(ending.document)}
            connection.execute(insert(tables.result), [document])
            for table, rows in ((tables.membership, ending.memberships), (tables.artefact, ending.artefacts)):
                if rows:
                    connection.execute(insert(table), [{**owner, **storable(values)} for values in rows])
            return record.model_copy(update={"version": ending.version or record.version}).complete(row.now)

        return self._step(claim, step)

    def fail(self, claim: Claim, errors: Sequence[ErrorMessage]) -> ClusterModelingTool:
        """Make a run failed; canceled, if that was asked for in the meantime.

        Raises
        ------
        LostRunError
            If the run is not the worker's any more.
        """
        return self._step(
            claim,
            lambda _, row, record: (
                record.cancel(row.now) if row.cancel_requested else record.fail(list(errors), row.now)
            ),
        )

    def cancel(self, claim: Claim) -> ClusterModelingTool:
        """Make a run canceled, after its fit has stopped.

        Raises
        ------
        LostRunError
            If the run is not the worker's any more.
        """
        return self._step(claim, lambda _, row, record: record.cancel(row.now))

    def retry(self, claim: Claim, error: ErrorMessage, rules: RetryRules) -> ClusterModelingTool:
        """Put a run back after a fault that may pass; failed, if it was tried often enough.

        Raises
        ------
        LostRunError
            If the run is not the worker's any more.
        """
        return self._step(claim, lambda connection, row, record: self._put_back(connection, row, record, rules, error))

    def release(self, claim: Claim) -> ClusterModelingTool:
        """Put a run back because its worker is shut down; it counts as no fault.

        Raises
        ------
        LostRunError
            If the run is not the worker's any more.
        """

        def step(connection: Connection, row: Row[Any], record: ClusterModelingTool) -> ClusterModelingTool:
            self._let_go(connection, claim.tool_id)
            return record.cancel(row.now) if row.cancel_requested else record.release()

        return self._step(claim, step)

    def reap(self, rules: RetryRules) -> list[ClusterModelingTool]:
        """Take back the runs whose lease has expired.

        Parameters
        ----------
        rules : RetryRules
            How often.

        Returns
        -------
        list of ClusterModelingTool
            As they are now: ready again, canceled if that was asked for, failed if they were lost too often.
        """
        tool, job = self._tables.tool, self._tables.job
        expired = (
            select(tool, job, database_time().label("now"))
            .join(job, job.c.tool_id == tool.c.id)
            .where(in_state(self._tables, ToolStatus.RUNNING), job.c.lease_until < database_time())
            .order_by(tool.c.id)
            .limit(_FEW)
        )
        with self.database.reading() as connection:  # mostly there is none, and nothing needs to be locked
            if connection.execute(expired.with_only_columns(tool.c.id)).first() is None:
                return []
        with self.database.writing() as connection:
            rows = connection.execute(expired.with_for_update(of=[tool, job], skip_locked=True)).all()
            records = [self._put_back(connection, row, record_among(row, self._tables), rules, None) for row in rows]
            return [self._write(connection, record) for record in records]

    def leases(self) -> dict[int, datetime]:
        """Return until when each run that is running belongs to its worker."""
        tool, job = self._tables.tool, self._tables.job
        running = (
            select(tool.c.id, job.c.lease_until)
            .join(job, job.c.tool_id == tool.c.id)
            .where(in_state(self._tables, ToolStatus.RUNNING), job.c.lease_until.is_not(None))
        )
        with self.database.reading() as connection:
            return {row.id: row.lease_until for row in connection.execute(running)}

    def _put_back(
        self,
        connection: Connection,
        row: Row[Any],
        record: ClusterModelingTool,
        rules: RetryRules,
        error: ErrorMessage | None,
    ) -> ClusterModelingTool:
        """Put a running row back after an error, or after its worker was lost; end it where that makes no sense."""
        counts = {"attempts": row.attempts + (error is not None), "losses": row.losses + (error is None)}
        pause = min(rules.delay * 2.0 ** (counts["attempts"] - 1), 3600.0) if error is not None else 0.0
        not_before = row.now + timedelta(seconds=pause) if pause > 0.0 else None
        self._let_go(connection, row.id, **counts, not_before=not_before)
        if row.cancel_requested:
            return record.cancel(row.now)
        if counts["attempts"] >= rules.attempts and error is not None:
            return record.fail([error], row.now)
        if counts["losses"] >= rules.losses:
            lost = ErrorMessage(
                id="WorkerLostError",
                detail=f"the worker was lost {counts['losses']} times while it ran this fit",
                message="the worker was lost too often",
                stage=record.current_stage,
                meta={"losses": counts["losses"], "worker": row.worker},
            )
            return record.fail([lost], row.now)
        return record.release()

    # --- rows --------------------------------------------------------------------------------------------------------

    def _step(self, claim: Claim, step: Step) -> ClusterModelingTool:
        """Take a step with a run that is the worker's; one that has ended stays as it is.

        It has where the same was asked before, and the database's answer was lost on the way.
        """
        with self.database.writing() as connection:
            row = locked(connection, self._tables, claim.tool_id)
            if row.lease_token != claim.token:
                raise LostRunError(claim.tool_id)
            record = record_of(row)
            if record.status is not ToolStatus.RUNNING:
                return record
            return self._write(connection, step(connection, row, record))

    def _let_go(self, connection: Connection, tool_id: int, **values: Any) -> None:
        job = self._tables.job
        free = {"lease_token": None, "lease_until": None, **values}
        connection.execute(update(job).where(job.c.tool_id == tool_id).values(**free))

    def _write(self, connection: Connection, record: ClusterModelingTool) -> ClusterModelingTool:
        tool = self._tables.tool
        connection.execute(update(tool).where(tool.c.id == record.id).values(**values_of(record)))
        return record

    def forget(self, tool_id: int) -> None:
        """Delete a run with all that belongs to it in the database; its files are the store's."""
        with self.database.writing() as connection:
            connection.execute(delete(self._tables.tool).where(self._tables.tool.c.id == tool_id))
