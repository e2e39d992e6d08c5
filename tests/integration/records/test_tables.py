"""The tables: as the migrations make them, as a host takes them in, and with every record that goes through them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from unit.records.test_record import INTEGERS, JSON, made

from clusterbayes.errors import SettingsError
from clusterbayes.records import STAGES, ClusterModelingTool, DataToolType, ErrorMessage, ToolStatus, TransitionError
from clusterbayes.records.database import Database, HostTables, Queue, Runs, attach
from clusterbayes.records.database.migrate import VERSION_TABLE, downgrade
from clusterbayes.records.database.rows import record_of, values_of
from clusterbayes.records.faults import DatabaseError, RunNotFoundError

NOON = datetime(2030, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)
FEW = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
SMALL = st.integers(-(2**31), 2**31 - 1)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
MESSAGES = made(
    ErrorMessage,
    id=st.none() | TEXT | INTEGERS,
    detail=st.none() | TEXT,
    message=st.none() | TEXT,
    stage=st.none() | st.sampled_from(STAGES),
    meta=st.none() | st.dictionaries(st.sampled_from("abc"), st.none() | st.booleans() | TEXT | SMALL, max_size=3),
)
RECORDS = made(
    ClusterModelingTool,
    name=TEXT,
    data_tool_type=st.sampled_from(DataToolType),
    creator_id=SMALL,
    observation_id=st.none() | SMALL,
    project_id=st.none() | SMALL,
    status=st.sampled_from(ToolStatus),
    iterations=st.integers(0, 1000),
    priority=SMALL,
    created_on=TIMES,
    started_on=st.none() | TIMES,
    completed_on=st.none() | TIMES,
    version=st.none() | TEXT,
    error_messages=st.none() | st.lists(MESSAGES, max_size=2),
    current_stage=st.none() | TEXT,
    current_stage_index=st.none() | st.integers(0, 20),
    total_stages=st.none() | st.integers(0, 20),
    current_stage_progress=st.none() | st.floats(0, 100) | st.just(math.nan),
)


@pytest.fixture
def url(own_url):
    """Take a database of our own for each test: the tables themselves are changed."""
    return own_url


def put(database, record):
    """Write a row as a host would, with no job of ours beside it."""
    with database.writing() as connection:
        tool = database.tables.tool
        return connection.execute(tool.insert().values(**values_of(record)).returning(tool.c.id)).scalar_one()


def make(**changes):
    return ClusterModelingTool(**{"name": "M 67", "creator_id": 7, "created_on": NOON, **changes})


# --- migrations ------------------------------------------------------------------------------------------------------


def differences(database):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        return compare_metadata(context, database.tables.metadata)


def test_migrations_make_the_tables_that_the_models_describe(database):
    assert differences(database) == []
    Table("surplus", database.tables.metadata, Column("id", Integer))
    assert [change[0] for change in differences(database)] == ["add_table"]


def test_the_tool_has_the_columns_of_its_owner_and_no_others(database):
    columns = [column["name"] for column in inspect(database.engine).get_columns("cluster_modeling_tool")]
    assert columns == list(ClusterModelingTool.model_fields)


def test_down_and_up_again(database):
    with database.writing() as connection:
        downgrade(connection)
    assert not [name for name in inspect(database.engine).get_table_names() if name != VERSION_TABLE]
    with pytest.raises(DatabaseError, match=r"no tables.*database upgrade"):
        Database.open(database.engine.url, create=False)
    Database.open(database.engine.url, create=True).close()
    assert differences(database) == []


def test_tables_of_a_newer_version_are_refused(database):
    with database.writing() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    for create in (None, True, False):
        with pytest.raises(DatabaseError, match="revision 9999, which this version of clusterbayes does not know"):
            Database.open(database.engine.url, create=create)


def test_postgresql_has_real_enums_and_jsonb(postgres, template):
    database = Database.open(postgres.url(template))
    columns = {
        column["name"]: column["type"] for column in inspect(database.engine).get_columns("cluster_modeling_tool")
    }
    assert type(columns["status"]).__name__ == "ENUM"
    assert columns["status"].enums == [status.value for status in ToolStatus]
    assert columns["data_tool_type"].enums == [kind.value for kind in DataToolType]
    assert type(columns["error_messages"]).__name__ == "JSONB"
    database.close()


@pytest.mark.parametrize(("column", "value"), [("status", "cancelled"), ("data_tool_type", "cluster_modelling")])
def test_values_outside_the_enumerations_are_refused_by_the_database(database, column, value):
    tool_id = put(database, make())
    with pytest.raises(DBAPIError), database.writing() as connection:
        connection.execute(text(f"UPDATE cluster_modeling_tool SET {column} = '{value}' WHERE id = {tool_id}"))
    assert Runs(database).get(tool_id).status == "ready"


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense", "can't be understood"),
        ("mysql://a@b/c", "mysql databases are not supported|can't be understood"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_addresses_that_cannot_be_used(address, message):
    with pytest.raises(SettingsError, match=message):
        Database.open(address)


def test_a_server_that_is_not_there_is_said_without_its_password():
    with pytest.raises(DatabaseError) as caught:
        Database.open("postgresql://ann:hunter2@127.0.0.1:1/runs")
    assert "127.0.0.1" in str(caught.value)
    assert "hunter2" not in str(caught.value)


# --- records ---------------------------------------------------------------------------------------------------------


@FEW
@given(record=RECORDS)
def test_every_record_comes_back_as_it_was(database, record):
    tool_id = put(database, record)
    back = Runs(database).get(tool_id)
    assert back == record.model_copy(update={"id": tool_id})
    assert back.to_wire() == {**record.to_wire(), "id": tool_id}


@FEW
@given(meta=st.dictionaries(TEXT, JSON, max_size=3))
def test_whatever_an_error_carries_can_be_kept(database, meta):
    """Half surrogates and NUL are replaced, and what is not finite is null; nothing is refused."""
    record = make(error_messages=[{"detail": "broken", "meta": meta}])
    back = Runs(database).get(put(database, record))
    assert back.error_messages[0].detail == "broken"
    assert len(back.error_messages[0].meta) == len(meta)


def test_rows_of_other_tools_are_left_alone(database):
    other = make(data_tool_type=DataToolType.TRANSIENT_DETECTOR)
    tool_id = put(database, other)
    runs, queue = Runs(database), Queue(database)
    assert queue.claim("w", 10.0) is None
    assert runs.list().total == 0
    with pytest.raises(RunNotFoundError):
        runs.cancel(tool_id)
    assert runs.get(tool_id) == other.model_copy(update={"id": tool_id})


# --- a host's own schema ---------------------------------------------------------------------------------------------


def host(url, *, linked):
    """Make a host's tables with ours among them."""
    metadata = MetaData()
    for name in ("users", "observations", "projects"):
        Table(name, metadata, Column("id", Integer, primary_key=True))
    links = {"users": "users.id", "observations": "observations.id", "projects": "projects.id"} if linked else {}
    tables = attach(metadata, HostTables(prefix="host_cm_", **links))
    address = url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(address)
    metadata.create_all(engine)
    return Database.attached(engine, tables)


@pytest.mark.parametrize("linked", [False, True])
def test_the_tables_attach_to_a_host_s_metadata(url, linked):
    database = host(url, linked=linked)
    keys = {key["referred_table"] for key in inspect(database.engine).get_foreign_keys("host_cm_tool")}
    assert keys == ({"users", "observations", "projects"} if linked else set())
    if linked:
        with pytest.raises(IntegrityError):
            put(database, make(creator_id=7))
        with database.writing() as connection:
            connection.execute(database.tables.metadata.tables["users"].insert().values(id=7))
    tool_id = put(database, make(creator_id=7))
    with database.reading() as connection:
        row = connection.execute(select(database.tables.tool).where(database.tables.tool.c.id == tool_id)).one()
    assert record_of(row).creator_id == 7
    with pytest.raises((RunNotFoundError, TransitionError)):
        Runs(database).cancel(tool_id)  # it has no job of ours: the host's own affair
    database.close()
