"""Bringing the tables up to date with Alembic, without its command line or files of settings.

The steps are in ``migrations/versions``. Which step a database is at is kept in a table of our own, so that a host's
migrations in the same database are not disturbed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from clusterbayes.records.faults import DatabaseError

__all__ = ["VERSION_TABLE", "check_revision", "downgrade", "upgrade"]

VERSION_TABLE = "cluster_modeling_version"

_FOLDER = Path(__file__).parent / "migrations"
_REMEDY = "Run 'clusterbayes database upgrade --database-url ...'"


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_FOLDER))


def _run(connection: Connection, steps: Any, metadata: MetaData | None) -> None:
    with EnvironmentContext(Config(), _scripts(), fn=steps) as environment:
        environment.configure(
            connection=connection, target_metadata=metadata, version_table=VERSION_TABLE, render_as_batch=False
        )
        environment.run_migrations()


def upgrade(connection: Connection, metadata: MetaData | None = None) -> None:
    """Bring the tables to the newest revision; in one transaction with whatever the connection does.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that writes.
    metadata : sqlalchemy.MetaData, optional
        What the tables will be.
    """
    if connection.dialect.name == "postgresql":  # one at a time; let go at the end of the transaction
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(5127001)")
    check_revision(connection, newest=False)
    _run(connection, lambda revision, _context: _scripts()._upgrade_revs("head", revision), metadata)


def downgrade(connection: Connection, revision: str = "base") -> None:
    """Take the tables back to an older revision; "base" removes them and all that is in them."""
    _run(connection, lambda current, _context: _scripts()._downgrade_revs(revision, current), None)


def check_revision(connection: Connection, *, newest: bool = True) -> None:
    """Make sure that this version of the package can work with the tables.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Any.
    newest : bool
        Whether older tables, or none, are a fault, too.

    Raises
    ------
    DatabaseError
        If the tables were made by a newer version, or are missing or older.
    """
    scripts = _scripts()
    current = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        problem = f"the database has tables of revision {current}, which this version of clusterbayes does not know"
        raise DatabaseError(problem, "Install a newer version")
    if newest and current != scripts.get_current_head():
        problem = "the database has no tables of clusterbayes yet" if current is None else "the tables are out of date"
        raise DatabaseError(problem, _REMEDY)
