"""A database with the tables in it: PostgreSQL, or SQLite as the embedded default.

`Database.open` connects to an address and makes sure that the tables are there and current; `Database.attached` takes
a host's own engine and tables. Work is done in `reading` and `writing` transactions; in SQLite the latter take the lock
at once, so that what they read is still true when they write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from clusterbayes.errors import SettingsError
from clusterbayes.extras import require_extra
from clusterbayes.records.database.migrate import check_revision, upgrade
from clusterbayes.records.database.tables import Tables, attach
from clusterbayes.records.faults import DatabaseError, without_secrets

__all__ = ["Database"]

_WAIT = 30  # [s] for the lock of SQLite
_WRITING = "clusterbayes_writing"


class Database:
    """Engine and tables.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Made by `open`, or a host's.
    tables : Tables
        As `attach` defines them.
    """

    def __init__(self, engine: Engine, tables: Tables) -> None:
        self.engine, self.tables = engine, tables

    @classmethod
    def open(cls, url: str | URL, *, create: bool | None = None) -> Database:
        """Connect to a database of our own.

        Parameters
        ----------
        url : str or URL
            ``postgresql://user@host/name`` or ``sqlite:///file.db``.
        create : bool, optional
            Whether to make the tables, or bring them up to date; by default only in SQLite. If False, a SQLite file
            has to be there.

        Raises
        ------
        SettingsError
            If the address can't be understood.
        DatabaseError
            If the database can't be reached, is not there, has no tables, or those of another version.
        """
        address = _address(url)
        if create is False:
            _require_file(address)
        engine = create_engine(address, **_options(address))
        if address.get_backend_name() == "sqlite":
            _prepare_sqlite(engine)
        database = cls(engine, attach(MetaData()))
        try:
            if create or (create is None and address.get_backend_name() == "sqlite"):
                database.upgrade()
            with database.reading() as connection:
                check_revision(connection)
        except SQLAlchemyError as error:
            engine.dispose()
            reason = without_secrets(str(getattr(error, "orig", None) or error)).strip()
            raise DatabaseError(f"the database {address.render_as_string()} can't be used: {reason}") from None
        except DatabaseError:
            engine.dispose()
            raise
        return database

    @classmethod
    def attached(cls, engine: Engine, tables: Tables) -> Database:
        """Use a host's engine and tables; the host makes them and keeps them current.

        An engine for SQLite begins its transactions itself from now on, and enforces foreign keys.
        """
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
            engine.dispose()  # connections that were open before are not prepared
        return cls(engine, tables)

    @property
    def is_postgresql(self) -> bool:
        """Whether rows can be locked one by one."""
        return self.engine.dialect.name == "postgresql"

    def upgrade(self) -> None:
        """Make the tables, or bring them up to date."""
        with self.writing() as connection:
            upgrade(connection, self.tables.metadata)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Begin a transaction that only reads."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Begin a transaction that writes; all of it is kept, or nothing."""
        with self.engine.connect() as connection:
            marked = connection.execution_options(**{_WRITING: True})
            with marked.begin():
                yield marked

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @staticmethod
    def is_outage(error: BaseException) -> bool:
        """Say whether an error means that the database is away or busy, and that trying again may help."""
        from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

        if isinstance(error, OperationalError | InterfaceError | TimeoutError):
            return True
        return isinstance(error, DBAPIError) and error.connection_invalidated


def _address(url: str | URL) -> URL:
    expected = "postgresql://user@host/name or sqlite:///file.db"
    try:
        address = make_url(url)
        backend = address.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise SettingsError("the database's address can't be understood", "--database-url", expected=expected) from None
    if backend in ("postgresql", "postgres"):
        require_extra("database", "psycopg")
        return address.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise SettingsError(f"{backend} databases are not supported", "--database-url", expected=expected)
    if not address.database or address.database == ":memory:":
        raise SettingsError("a SQLite database needs a file", "--database-url", expected="sqlite:///file.db")
    return address


def _require_file(address: URL) -> None:
    """Refuse a SQLite file that is not there: connecting would make it."""
    name = str(address.database)
    if address.get_backend_name() != "sqlite" or name.startswith("file:"):  # SQLite's own addresses say it themselves
        return
    path = Path(name).absolute()  # sqlite:///home/ann/runs.db is not where it seems
    if not path.exists():
        command = f"clusterbayes database upgrade --database-url {address.render_as_string()}"
        raise DatabaseError(f"there is no database {path}", f"Check the name; '{command}' makes a new one")


def _options(address: URL) -> dict[str, Any]:
    if address.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": _WAIT}}
    # A server that does not answer is given up after a while, also in the middle of a connection.
    alive = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 5, **alive}}


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_WAIT * 1000}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(_WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
