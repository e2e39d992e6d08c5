"""A fresh database for each test: PostgreSQL from a server that is started once, and SQLite in a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.records.postgresql import PostgresServer, server_programs

from clusterbayes.records.database import Database, Queue, Runs
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


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the address of a fresh database with our tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'runs.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create(request.getfixturevalue("template"))
    yield server.url(name)
    server.drop(name)


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
