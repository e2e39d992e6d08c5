"""Handing in: once for each key, inputs kept once, and whatever is bad refused with nothing stored."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from integration.records.jobs import cheap_job
from integration.records.tables import star_table
from sqlalchemy import func, select

from clusterbayes.errors import ClusterBayesError, InputError, SettingsError
from clusterbayes.photometry import Photometry
from clusterbayes.records import ClusterModelingTool, TransitionError
from clusterbayes.records.database.rows import values_of
from clusterbayes.records.exporting import export_document, export_run
from clusterbayes.records.faults import ConflictError, RunNotFoundError
from clusterbayes.records.inputs import InputTable, check_untrusted, read_input
from clusterbayes.records.settings import FitSettings
from clusterbayes.records.submit import SubmitOptions
from clusterbayes.records.worker import Worker, WorkerOptions


def counts(database):
    """Count the rows of every table."""
    with database.reading() as connection:
        tables = database.tables.metadata.sorted_tables
        return {table.name: connection.execute(select(func.count()).select_from(table)).scalar() for table in tables}


def stored(store):
    return sorted(path.name for path in (store.root / "inputs").rglob("*") if path.is_file())


def test_a_run_is_ready_and_its_input_is_kept(service, runs, store):
    submitted = service.submit(star_table(), {"seed": 4}, creator_id=7, observation_id=11)
    record = submitted.record
    assert submitted.created
    assert record == runs.get(record.id)
    assert (record.name, record.status, record.creator_id, record.observation_id) == ("stars", "ready", 7, 11)
    request = runs.request(record.id)
    assert FitSettings.read(request["settings"]).seed == 4
    assert stored(store) == [request["input"]["checksum"]]


# --- keys and links --------------------------------------------------------------------------------------------------


def test_asking_twice_with_a_key_gives_one_run(service, database):
    options = SubmitOptions(key="night 7", name="M 67")
    first = service.submit(star_table(), creator_id=1, options=options)
    again = service.submit(star_table(), creator_id=1, options=options)
    assert (first.created, again.created) == (True, False)
    assert again.record == first.record
    other = service.submit(star_table(), creator_id=2, options=options)
    assert other.created
    assert counts(database)["cluster_modeling_tool"] == 2


@pytest.mark.parametrize("change", ["table", "settings", "priority", "observation"])
def test_a_key_stands_for_one_request(service, database, change):
    service.submit(star_table(), creator_id=1, options=SubmitOptions(key="k"))
    table = star_table(seed=2) if change == "table" else star_table()
    settings = {"seed": 2} if change == "settings" else None
    options = SubmitOptions(key="k", priority=int(change == "priority"))
    with pytest.raises(ConflictError, match="'k' belongs to run 1"):
        observation = 5 if change == "observation" else None
        service.submit(table, settings, creator_id=1, observation_id=observation, options=options)
    assert counts(database)["cluster_modeling_job"] == 1


def test_a_key_used_by_many_at_once_gives_one_run(service, database):
    def ask(_):
        return service.submit(star_table(), creator_id=1, options=SubmitOptions(key="k"))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(12)))
    assert len({answer.record.id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    assert counts(database)["cluster_modeling_tool"] == counts(database)["cluster_modeling_input"] == 1


def test_the_same_observation_is_linked_not_copied(service, database, runs, store):
    first = service.submit(star_table(), creator_id=1, observation_id=11)
    second = service.submit(star_table(), {"seed": 2}, creator_id=2, observation_id=11)
    third = service.submit(None, {"seed": 3}, creator_id=3, observation_id=11)
    assert len({run.record.id for run in (first, second, third)}) == 3
    assert counts(database)["cluster_modeling_input"] == len(stored(store)) == 1
    assert runs.request(third.record.id)["input"] == runs.request(first.record.id)["input"]
    other = service.submit(star_table(seed=9), creator_id=1, observation_id=11)
    assert counts(database)["cluster_modeling_input"] == 2
    assert runs.request(other.record.id)["input"] != runs.request(first.record.id)["input"]


@pytest.mark.parametrize("observation", [None, 12])
def test_an_observation_that_is_not_known_needs_its_photometry(service, database, observation):
    service.submit(star_table(), creator_id=1, observation_id=11)
    with pytest.raises(InputError, match="no input|not handed in before"):
        service.submit(None, creator_id=1, observation_id=observation)
    assert counts(database)["cluster_modeling_tool"] == 1


def test_a_file_may_stay_where_it_is(service, database, store, tmp_path, queue):
    path = tmp_path / "stars.csv"
    path.write_bytes(star_table().content)
    service.submit(path, creator_id=1, options=SubmitOptions(reference=True))
    assert stored(store) == []
    claim = queue.claim("w", 10.0)
    assert (claim.input.kind, Path(claim.input.location)) == ("reference", path)
    with pytest.raises(SettingsError, match="only a file"):
        service.submit(star_table(), creator_id=1, options=SubmitOptions(reference=True))


def test_a_referred_file_that_changed_is_not_fitted(service, tmp_path, store, database, runs):
    path = tmp_path / "stars.csv"
    path.write_bytes(star_table().content)
    tool_id = service.submit(path, creator_id=1, options=SubmitOptions(reference=True)).record.id
    path.write_bytes(star_table(seed=2).content)
    Worker(database, store, WorkerOptions(poll=0.1)).run(once=True)
    record = runs.get(tool_id)
    assert record.status == "failed"
    assert "has changed since" in record.error_messages[0].detail


def test_photometry_in_memory_is_read_back_as_it_was(service, tmp_path, queue, store):
    path = tmp_path / "stars.csv"
    path.write_bytes(star_table().content)
    photometry = Photometry.read(path, observables="G,BP-RP", parallax_zero_point="applied", default_error=0.02)
    photometry = photometry.keep(photometry.values[:, 0] < 16.0, "too faint")
    service.submit(photometry, creator_id=1)
    claim = queue.claim("w", 10.0)
    back = Photometry.read(store.path(claim.input.location), **FitSettings.read(claim.settings).reading())
    assert [o.name for o in back.observables] == [o.name for o in photometry.observables]
    np.testing.assert_array_equal(back.ids, photometry.ids)
    np.testing.assert_allclose(back.values, photometry.values)
    np.testing.assert_allclose(back.errors, photometry.errors)
    assert (back.n_input, back.parallax_zero_point) == (photometry.n_input, "applied")
    with pytest.raises(SettingsError, match="has been read already"):
        service.submit(photometry, {"observables": ["G"]}, creator_id=1)


# --- rows that the host has made -------------------------------------------------------------------------------------


@pytest.fixture
def hosts_own(database):
    """Return a function that puts a row into the table as a host does, under an id of its own."""

    def inside(tool_id, **changes):
        record = ClusterModelingTool(**{"id": tool_id, "name": "M 67", "creator_id": 7, "priority": 3, **changes})
        with database.writing() as connection:
            connection.execute(database.tables.tool.insert().values(**values_of(record), id=tool_id))
        return record

    return inside


def test_a_row_of_the_host_is_fitted_as_it_is(service, hosts_own, queue, runs, store, database):
    row = hosts_own(4711, observation_id=11, project_id=5)
    assert queue.claim("w", 10.0) is None, "nobody has said yet what is to be fitted"
    submitted = service.adopt(4711, star_table(), {"seed": 4}, time_limit=60.0)
    assert (submitted.record, submitted.created) == (row, True)
    assert runs.get(4711) == row
    request = runs.request(4711)
    assert (request["settings"]["seed"], request["timeLimit"]) == (4, 60.0)
    Worker(database, store, WorkerOptions(poll=0.05), cheap_job).run(once=True)
    record = runs.get(4711)
    assert (record.status, record.iterations, record.name, record.created_on) == (
        "completed",
        1,
        "M 67",
        row.created_on,
    )
    assert runs.result(4711) is not None


def test_a_row_of_the_host_takes_the_input_of_its_observation(service, hosts_own, runs, database):
    first = service.submit(star_table(), creator_id=1, observation_id=11).record
    hosts_own(50, observation_id=11)
    service.adopt(50)
    assert runs.request(50)["input"] == runs.request(first.id)["input"]
    assert counts(database)["cluster_modeling_input"] == 1
    hosts_own(51)
    with pytest.raises(InputError, match="there is no input"):
        service.adopt(51)


def test_handing_in_a_row_again_changes_nothing(service, hosts_own, database):
    hosts_own(50)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: service.adopt(50, star_table()), range(8)))
    assert sum(answer.created for answer in answers) == 1
    with pytest.raises(ConflictError, match="run 50 was handed in before, with another"):
        service.adopt(50, star_table(), {"seed": 2})
    assert counts(database)["cluster_modeling_job"] == counts(database)["cluster_modeling_input"] == 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"status": "running"}, TransitionError, "is running can't become ready"),
        ({"status": "completed"}, TransitionError, "is completed can't become ready"),
        ({"data_tool_type": "transient_detector"}, RunNotFoundError, "no run 50"),
        (None, RunNotFoundError, "no run 50"),
    ],
)
def test_rows_that_are_not_to_be_had(service, hosts_own, database, changes, error, message):
    if changes is not None:
        hosts_own(50, **changes)
    before = counts(database)
    with pytest.raises(error, match=message):
        service.adopt(50, star_table())
    assert counts(database) == before


def test_rows_of_the_host_and_of_others_wait_in_one_queue(service, hosts_own, queue):
    late = service.submit(star_table(), creator_id=1).record
    hosts_own(50, priority=9)
    service.adopt(50, star_table())
    assert [queue.claim("w", 10.0).tool_id for _ in range(2)] == [50, late.id]


# --- what is refused -------------------------------------------------------------------------------------------------

BAD_SETTINGS = [
    ({"seeed": 1}, r"seeed: no such setting; did you mean seed\?"),
    ({"mag_limt": "auto"}, r"did you mean magLimit\?"),
    ({"sampling": {"maxStep": 50}}, r"sampling\.maxStep: no such setting; did you mean maxSteps\?"),
    ({"ebv": 0.1}, "ebv: no such setting; known are .*observables, columns, .*fixed"),
    ({"seed": "one"}, "seed"),
    ({"schemaVersion": "2.0"}, "schemaVersion.*'1.0'.*given: '2.0'"),
    ({"counts": "guess"}, "'model' or 'ignore'"),
    ({"grid": "parsecs"}, "unknown grid 'parsecs'.*parsec"),
    ({"grid": "/etc/passwd"}, "unknown grid '/etc/passwd'"),
    ({"grid": "../../grids/parsec.h5"}, "unknown grid"),
    ({"massFunction": "krupa"}, "Did you mean kroupa"),
    ({"extinctionLaw": "f19"}, "F19"),
    ({"priors": {"mh": "norml(0,1)"}}, "norml"),
    ({"priors": {"mh": "__import__('os').system('id')"}}, "__import__"),
    ({"pmWindow": "1,2"}, "window"),
    ({"center": [10, 20]}, "center and radius"),
    ({"radius": float("nan")}, "radius"),
    ({"sampling": {"maxSteps": 1}}, "maxSteps"),
    ({"completeness": {"magnitude": [1], "fraction": [1]}}, "completeness"),
    ({"observables": ["Gaia_X"]}, "Gaia_X"),
    ({"observables": ["V"]}, "V"),
    ([1], "dictionary"),
    ("'; DROP TABLE cluster_modeling_tool; --", "dictionary"),
    ({"columns": {"G\x00": "V"}}, "NUL"),
]


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS)
def test_bad_settings_store_nothing(service, database, store, settings, message):
    before = counts(database)
    with pytest.raises(ClusterBayesError, match=message):
        service.submit(star_table(), settings, creator_id=1)
    assert counts(database) == before
    assert stored(store) == []


BAD_TABLES = [
    (b"", "empty"),
    (b"\x00\x01\x02\x03", "binary"),
    (b"<!doctype html><p>log in", "web page"),
    (b'{"G": 1}', "JSON"),
    (b"id,G,G_error\n", "no rows|columns"),
    (b"id,G,G_error\na,one,0.1\n", "G"),
    (b"%PDF-1.7 hello", "."),
]


@pytest.mark.parametrize(("content", "message"), BAD_TABLES)
def test_bad_tables_store_nothing(service, database, store, content, message):
    before = counts(database)
    with pytest.raises(ClusterBayesError, match=message) as caught:
        service.submit(InputTable("mine.csv", content), creator_id=1)
    assert "/tmp" not in str(caught.value), "our own folders are nobody's business"
    assert counts(database) == before
    assert stored(store) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [({"name": ""}, "name"), ({"name": "a\x00b"}, "NUL"), ({"name": "\ud800"}, "surrogates"), ({"key": " "}, "key"),
     ({"key": "k" * 201}, "key"), ({"priority": 2**31}, "priority"), ({"time_limit": 0.0}, "time limit"),
     ({"time_limit": float("nan")}, "time limit"), ({"project_id": "7"}, "project_id")],
)  # fmt: skip
def test_bad_options_are_refused(options, message):
    with pytest.raises(ClusterBayesError, match=message):
        SubmitOptions(**options)


@pytest.mark.parametrize("creator", [None, "1", 2**31, -(2**31) - 1, True, 1.5])
def test_bad_creators_store_nothing(service, database, creator):
    with pytest.raises(InputError, match="creator_id"):
        service.submit(star_table(), creator_id=creator)
    assert counts(database)["cluster_modeling_tool"] == 0


@pytest.mark.parametrize(
    "name",
    [
        "'; DROP TABLE cluster_modeling_tool; --",
        "../../../etc/passwd",
        "/etc/passwd",
        "a\\..\\b",
        "%s %(x)s :p ?",
        "🌟",
    ],
)
def test_odd_names_are_only_names(service, runs, store, name):
    record = service.submit(star_table(name=name), creator_id=1, options=SubmitOptions(name=name, key=name)).record
    assert runs.get(record.id).name == name
    assert runs.request(record.id)["input"]["name"] == name
    assert len(stored(store)) == 1
    beside = {path.name for path in store.root.parent.iterdir()}
    assert beside - {"runs.db", "runs.db-shm", "runs.db-wal"} == {"store"}


def votable(inside):
    return b'<?xml version="1.0"?>' + inside + b'<VOTABLE version="1.3"><RESOURCE><TABLE></TABLE></RESOURCE></VOTABLE>'


@pytest.mark.parametrize(
    "content",
    [
        b"<VOTABLE><STREAM href='file:///etc/passwd'/></VOTABLE>",
        b"<v:VOTABLE>\n<v:STREAM\nencoding='base64'\n  href = 'http://127.0.0.1/'/></v:VOTABLE> <votable",
        votable(b"<!DOCTYPE a [<!ENTITY s SYSTEM 'file:///etc/passwd'>]>"),
        b"\xef\xbb\xbf" + votable(b"<!doctype a>"),
        gzip.compress(b"<VOTABLE><STREAM href='file:///etc/passwd'/></VOTABLE>"),
    ],
    ids=["stream", "namespace", "entity", "doctype", "compressed"],
)
def test_tables_that_refer_to_files_are_refused(content):
    with pytest.raises(InputError, match="another file"):
        check_untrusted(content, 10_000)


def test_tables_that_inflate_are_refused():
    check_untrusted(gzip.compress(bytes(1000)), 1000)
    with pytest.raises(InputError, match="more than 1000 bytes"):
        check_untrusted(gzip.compress(bytes(50_000_000)), 1000)
    with pytest.raises(InputError, match="several"):
        check_untrusted(gzip.compress(bytes(10)) + gzip.compress(bytes(50_000)), 1000)
    with pytest.raises(InputError, match="inflated"):
        check_untrusted(b"\x1f\x8bnonsense", 1000)
    check_untrusted(star_table().content, 10_000)


def test_a_file_that_is_not_there():
    with pytest.raises(InputError, match="No such file"):
        read_input("/nowhere/stars.csv")


# --- export ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def completed(service, database, store):
    tool_id = service.submit(star_table(), creator_id=1, options=SubmitOptions(name="M 67")).record.id
    Worker(database, store, WorkerOptions(poll=0.1), cheap_job).run(once=True)
    return tool_id


def test_a_run_is_exported_as_one_document(completed, runs, store, tmp_path):
    path = export_run(runs, store, completed, tmp_path / "run.json")
    document = json.loads(path.read_text())
    assert document == json.loads(json.dumps(export_document(runs, completed)))
    assert document["record"]["status"] == "completed"
    assert document["result"]["parameters"]["log_age"]["median"] == 1.0
    assert [row["pMember"] for row in document["memberships"]] == [0.75, None]
    assert {file["name"] for file in document["artefacts"]} == {"cmd.png", "summary.json"}
    with pytest.raises(SettingsError, match="exists"):
        export_run(runs, store, completed, path)


def test_a_run_is_exported_as_a_folder(completed, runs, store, tmp_path):
    folder = export_run(runs, store, completed, tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == ["cmd.png", "run.json", "summary.json"]
    assert json.loads((folder / "summary.json").read_text()) == {"run": completed}


def test_a_stored_file_that_was_changed_is_not_exported(completed, runs, store, tmp_path):
    next(store.root.glob("artefacts/*/cmd.png")).write_bytes(b"other")
    with pytest.raises(SettingsError, match=r"cmd.png is not what it was"):
        export_run(runs, store, completed, tmp_path / "out")


def test_there_is_nothing_to_export(runs, store, tmp_path):
    with pytest.raises(RunNotFoundError):
        export_run(runs, store, 5, tmp_path / "out")
    assert not (tmp_path / "out").exists()
