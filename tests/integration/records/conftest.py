"""An empty database for each test: PostgreSQL from a server that is started once, and SQLite in a file.

The tables are made once for each kind. Most tests share one database in PostgreSQL, which is emptied before each of
them; those that change the tables themselves take one of their own, `own_url`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.records.postgresql import PostgresServer, server_programs
from sqlalchemy import MetaData

from clusterbayes.records.database import Database, Queue, Runs, attach
from clusterbayes.records.store import FolderStore
from clusterbayes.records.submit import Service


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Start a server; without its programs, skip with the reason, or fail in CI."""
    programs = server_programs()
    if programs is None:
        reason = "no PostgreSQL server is installed (Debian: apt-get install postgresql)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    server = PostgresServer(programs)
    yield server
    server.close()


@pytest.fixture(scope="session")
def template(postgres: PostgresServer) -> str:
    """Return the name of a database with our tables, to copy from."""
    name = postgres.create()
    Database.open(postgres.url(name), create=True).close()
    return name


@pytest.fixture(scope="session")
def shared_database(postgres: PostgresServer, template: str) -> str:
    """Return the name of the database that most tests share."""
    return postgres.create(template)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with our tables, to copy from."""
    path = tmp_path_factory.mktemp("template") / "runs.db"
    Database.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return which database is tested."""
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a database with our tables and nothing in them."""
    if kind == "sqlite":
        return _copied(request.getfixturevalue("sqlite_template"), tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    name = request.getfixturevalue("shared_database")
    server.empty(name, [table.name for table in attach(MetaData()).metadata.tables.values()])
    return server.url(name)


@pytest.fixture
def own_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the address of a database with our tables that no other test sees."""
    if kind == "sqlite":
        yield _copied(request.getfixturevalue("sqlite_template"), tmp_path)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create(request.getfixturevalue("template"))
    yield server.url(name)
    server.drop(name)


def _copied(template: Path, folder: Path) -> str:
    shutil.copyfile(template, folder / "runs.db")
    return f"sqlite:///{folder / 'runs.db'}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Return an open, empty database."""
    opened = Database.open(url)
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Return an empty store."""
    return FolderStore(tmp_path / "store")


@pytest.fixture
def service(database: Database, store: FolderStore) -> Service:
    """Return database and store together."""
    return Service(database, store)


@pytest.fixture
def queue(database: Database) -> Queue:
    """Return the queue of the database."""
    return Queue(database)


@pytest.fixture
def runs(database: Database) -> Runs:
    """Return the runs of the database."""
    return Runs(database)
