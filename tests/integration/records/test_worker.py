"""The worker: every ending in its state, cancelling in time, and runs that outlive their workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from integration.records.fits import SETTINGS, example_table
from integration.records.jobs import cheap_job
from integration.records.tables import star_table
from sqlalchemy.exc import OperationalError

from clusterbayes.errors import SettingsError
from clusterbayes.records import STAGES
from clusterbayes.records.database import Database, RetryRules, Runs
from clusterbayes.records.database.queue import Queue
from clusterbayes.records.store import FolderStore
from clusterbayes.records.submit import Service, SubmitOptions
from clusterbayes.records.worker import Worker, WorkerOptions
from clusterbayes.results.result import FitResult

TESTS = Path(__file__).parents[2]
QUICK = WorkerOptions(poll=0.05, report=0.1, lease=5.0, grace=0.5, rules=RetryRules(delay=0.01))


@pytest.fixture
def add(service):
    """Return a function that hands in a cheap run of a plan and returns its id."""

    def inside(time_limit=None, **plan):
        options = SubmitOptions(name="cheap:" + json.dumps(plan), time_limit=time_limit)
        return service.submit(star_table(), creator_id=1, options=options).record.id

    return inside


@contextmanager
def working(database, store, options=QUICK):
    """Let a worker work in a thread, and stop it."""
    worker = Worker(database, store, options, cheap_job)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(20.0)
    assert not thread.is_alive()


def until(question, seconds=120.0):
    end = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def log(store):
    path = store.root / "log.txt"
    return [tuple(line.split()[:2]) for line in path.read_text().splitlines()] if path.exists() else []


def left_over(store):
    """List what is kept beside inputs and artefacts."""
    return [path.name for name in ("staging", "checkpoints") for path in (store.root / name).iterdir()]


# --- endings ---------------------------------------------------------------------------------------------------------

ENDINGS = {
    "": ("completed", 1, None),
    "input": ("failed", 1, "InputError"),
    "bug": ("failed", 1, "ValueError"),
    "killed": ("failed", 3, "FitProcessError"),
    "killed once": ("completed", 2, None),
    "disk": ("failed", 3, "OSError"),
}


def test_every_ending_has_its_state(add, database, store, runs):
    ids = {fault: add(fault=fault) for fault in ENDINGS}
    with working(database, store, WorkerOptions(**{**vars(QUICK), "concurrency": 3})):
        until(lambda: all(runs.get(tool_id).completed_on for tool_id in ids.values()))
    for fault, (status, starts, error) in ENDINGS.items():
        record = runs.get(ids[fault])
        assert (record.status, record.iterations) == (status, starts), fault
        assert (record.error_messages[0].id if record.error_messages else None) == error
        assert (runs.result(record.id) is not None) == (status == "completed")
    assert [name for name in left_over(store) if not name.endswith("killed")] == []


def test_errors_tell_where_and_how_but_no_secrets(add, database, store, runs):
    tool_id = add(fault="bug")
    Worker(database, store, QUICK, cheap_job).run(once=True)
    record = runs.get(tool_id)
    error = record.error_messages[0]
    assert (error.stage, record.current_stage) == (STAGES[2], STAGES[2])
    assert "jobs.py" in "".join(error.meta["traceback"])
    assert "hunter2" not in json.dumps(record.to_wire())
    assert "postgresql://***@host/db" in error.detail


def test_a_result_is_whole(add, database, store, runs):
    tool_id = add()
    Worker(database, store, QUICK, cheap_job).run(once=True)
    files = runs.artefacts(tool_id)
    assert [file.name for file in files] == ["cmd.png", "summary.json"]
    for file in files:
        _, location = runs.artefact_location(tool_id, file.name)
        assert store.path(location).stat().st_size == file.size
    assert len(runs.memberships(tool_id)) == 2


def test_stage_and_progress_are_written_at_most_as_often_as_said(add, database, store, runs, monkeypatch):
    tool_id = add(stages=3, steps=10, pause=0.05)
    worker, seen = Worker(database, store, QUICK, cheap_job), []
    report = worker.queue.report

    def noted(claim, lease, progress=None):
        seen.append((time.monotonic(), progress))
        return report(claim, lease, progress)

    monkeypatch.setattr(worker.queue, "report", noted)
    worker.run(once=True)
    gaps = [later[0] - earlier[0] for earlier, later in zip(seen, seen[1:], strict=False)]
    assert min(gaps[:-1]) >= 0.1, "only the last one, at the end, comes when it comes"
    stages = [progress["current_stage"] for _, progress in seen if progress]
    assert list(dict.fromkeys(stages)) == list(STAGES[:3])
    assert all(0.0 <= progress["current_stage_progress"] <= 100.0 for _, progress in seen if progress)
    assert runs.get(tool_id).status == "completed"


# --- cancelling, limits, shutting down -------------------------------------------------------------------------------


@pytest.mark.parametrize("stubborn", [False, True])
def test_cancel_is_honoured_within_five_seconds(add, database, store, runs, stubborn):
    tool_id = add(pause=60.0 if stubborn else 0.05, steps=1000, stubborn=stubborn)
    with working(database, store, WorkerOptions(poll=0.05)):
        until(lambda: runs.get(tool_id).current_stage is not None)
        begin = time.monotonic()
        runs.cancel(tool_id)
        until(lambda: runs.get(tool_id).status == "canceled")
        assert time.monotonic() - begin < 5.0
    assert runs.result(tool_id) is None
    assert left_over(store) == []


def test_time_limits_are_kept(add, database, store, runs):
    tool_id = add(time_limit=0.5, pause=0.05, steps=1000)
    own = add(pause=0.05, steps=1000)
    begin = time.monotonic()
    Worker(database, store, WorkerOptions(**{**vars(QUICK), "time_limit": 0.3}), cheap_job).run(once=True)
    assert time.monotonic() - begin < 15.0
    for one, limit in ((tool_id, 0.5), (own, 0.3)):
        record = runs.get(one)
        assert (record.status, record.error_messages[0].id) == ("failed", "TimeLimitError")
        assert f"{limit} s" in record.error_messages[0].detail


def test_working_once_waits_for_the_runs_of_dead_workers(add, database, store, runs):
    """One run was claimed by a worker that died, another one is in the hands of one that lives."""
    lost, living = add(), add(pause=0.05, steps=20_000)
    assert Queue(database).claim("dead", 6.0).tool_id == lost
    with working(database, store):
        until(lambda: runs.get(living).status == "running")
        ended = Worker(database, store, QUICK, cheap_job).run(once=True)
        assert (runs.get(lost).status, runs.get(lost).iterations) == ("completed", 2)
        assert (ended, runs.get(living).status) == (1, "running")


def test_working_once_takes_what_another_worker_puts_back_at_the_last_moment(add, database, store, runs, monkeypatch):
    lost = add()
    assert Queue(database).claim("dead", 0.1).tool_id == lost
    worker, put_back = Worker(database, store, QUICK, cheap_job), []
    claim = worker.queue.claim

    def claim_late(*args):
        claimed = claim(*args)
        if claimed is None and not put_back:  # nothing is ready; a moment later it is, by another worker's doing
            until(lambda: put_back.extend(Queue(database).reap(QUICK.rules)) or put_back)
        return claimed

    monkeypatch.setattr(worker.queue, "claim", claim_late)
    monkeypatch.setattr(worker.queue, "reap", lambda rules: [])  # the other one is always first
    assert worker.run(once=True) == 1
    assert ([record.id for record in put_back], runs.get(lost).status) == ([lost], "completed")


def test_working_once_does_not_end_because_the_database_was_away_for_a_moment(add, database, store, runs, monkeypatch):
    """The first look at the leases fails, and whatever is asked next is answered: nothing is ready."""
    lost = add()
    assert Queue(database).claim("dead", 5.0).tool_id == lost
    worker, failed = Worker(database, store, QUICK, cheap_job), []
    leases = worker.queue.leases

    def away_at_first():
        if not failed:
            failed.append(OperationalError("select", {}, Exception("the connection is lost")))
            raise failed[0]
        return leases()

    monkeypatch.setattr(worker.queue, "leases", away_at_first)
    assert worker.run(once=True) == 1
    assert (len(failed), runs.get(lost).status) == (1, "completed")


def test_a_worker_that_is_stopped_puts_its_runs_back(add, database, store, runs):
    tool_id = add(pause=0.05, steps=1000)
    with working(database, store):
        until(lambda: ("1", "start") in log(store))
    record = runs.get(tool_id)
    assert (record.status, record.iterations) == ("ready", 1)
    assert runs.request(tool_id)["losses"] == 0


@pytest.mark.parametrize(("options", "message"), [({"concurrency": 0}, "concurrency"), ({"lease": 1.0}, "lease")])
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        WorkerOptions(**options)


# --- workers that die ------------------------------------------------------------------------------------------------

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
if __name__ == "__main__":
    from integration.records.workers import work
    work(sys.argv[2], sys.argv[3], concurrency=1, fits=sys.argv[4] == "fits")
"""


def start_worker(url, store, tmp_path, what="cheap jobs"):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    return subprocess.Popen([sys.executable, str(program), str(TESTS), url, str(store.root), what])


def test_a_run_goes_on_where_its_killed_worker_was(add, url, store, runs, tmp_path):
    tool_id = add(steps=30, pause=0.05)
    first = start_worker(url, store, tmp_path)
    until(lambda: store.checkpoint(tool_id).exists() and int(store.checkpoint(tool_id).read_text()) > 10)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    second = start_worker(url, store, tmp_path)
    until(lambda: runs.get(tool_id).completed_on is not None)
    second.terminate()
    assert second.wait(20) == 0
    record = runs.get(tool_id)
    assert (record.status, record.iterations, record.current_stage) == ("completed", 2, STAGES[2])
    starts = [line.split() for line in (store.root / "log.txt").read_text().splitlines()]
    assert starts[0] == [str(tool_id), "start", "0"]
    assert int(starts[1][2]) > 10, "the second start goes on from the checkpoint"
    assert Counter(log(store)) == {(str(tool_id), "start"): 2, (str(tool_id), "end"): 1}
    assert len(list((store.root / "artefacts").iterdir())) == 1


def test_runs_survive_a_database_that_is_restarted(postgres, store, template):
    name = postgres.create(template)
    database = Database.open(postgres.url(name))
    runs, service = Runs(database), Service(database, store)
    ids = [
        service.submit(
            star_table(), creator_id=1, options=SubmitOptions(name='r:{"steps": 20, "pause": 0.05}')
        ).record.id
        for _ in range(4)
    ]
    with working(database, store, WorkerOptions(**{**vars(QUICK), "concurrency": 2})):
        until(lambda: len(log(store)) >= 2)
        postgres.halt(signal.SIGQUIT)
        time.sleep(0.5)
        postgres.start()
        until(lambda: all(_ended(runs, tool_id) for tool_id in ids), 60.0)
    assert [runs.get(tool_id).status for tool_id in ids] == ["completed"] * 4
    assert Counter(log(store))[("1", "end")] == 1
    database.close()


def _ended(runs, tool_id):
    from sqlalchemy.exc import DBAPIError

    try:
        return runs.get(tool_id).completed_on is not None
    except DBAPIError:
        return False


def test_artefacts_that_do_not_fit_are_tried_again_and_never_seen_in_half(add, database, store, runs, monkeypatch):
    tool_id = add()
    publish, tries = FolderStore.publish, []

    def full_once(self, number, token):
        tries.append(token)
        if len(tries) == 1:
            raise OSError(28, "No space left on device")
        return publish(self, number, token)

    monkeypatch.setattr(FolderStore, "publish", full_once)
    with working(database, store):
        until(lambda: runs.get(tool_id).completed_on is not None)
    assert runs.get(tool_id).status == "completed"
    assert len(set(tries)) == 2
    assert len(list((store.root / "artefacts").iterdir())) == 1


# --- real fits -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """Return two equal fits in a database and a store: one unbroken, one whose worker was killed while it sampled."""
    folder = tmp_path_factory.mktemp("fits")
    url, store = f"sqlite:///{folder / 'runs.db'}", FolderStore(folder / "store")
    database = Database.open(url)
    service, runs = Service(database, store), Runs(database)
    names = ("unbroken", "broken")
    ids = [
        service.submit(example_table(), SETTINGS, creator_id=1, options=SubmitOptions(name=name)).record.id
        for name in names
    ]
    store.checkpoint(ids[0]).write_bytes(b"of a version that nobody knows any more")
    first = start_worker(url, store, folder, "fits")
    until(lambda: runs.get(ids[1]).current_stage == "sample" and store.checkpoint(ids[1]).exists(), 240.0)
    first.kill()
    first.wait()
    second = start_worker(url, store, folder, "fits")
    until(lambda: runs.get(ids[1]).completed_on is not None, 240.0)
    second.terminate()
    assert second.wait(30) == 0
    yield runs, store, ids
    database.close()


def test_a_fit_from_a_table_to_its_artefacts(fits):
    runs, store, (tool_id, _) = fits
    record, result = runs.get(tool_id), runs.result(tool_id)
    assert record.status == "completed", record.error_messages
    assert (record.iterations, record.current_stage) == (1, "export")
    assert record.version.startswith("clusterbayes")
    assert "the fit begins anew" in (store.root / f"{tool_id}.log").read_text()
    names = {file.name for file in runs.artefacts(tool_id)}
    assert {link.name for link in result.artefacts} == names
    assert {"summary.json", "cmd.png", "hr.png", "corner.png", "result.h5", "sources.ecsv"} <= names
    assert result.provenance.input["source"] == "ruprecht147.csv"
    assert len(runs.memberships(tool_id)) == result.counts.input == 63
    assert left_over(store) == []


def test_a_fit_whose_worker_was_killed_goes_on_and_ends_as_if_unbroken(fits):
    runs, store, ids = fits
    records, results = [runs.get(one) for one in ids], [runs.result(one) for one in ids]
    assert [record.status for record in records] == ["completed", "completed"]
    assert [record.iterations for record in records] == [1, 2]
    assert runs.request(ids[1])["losses"] == 1
    assert "the search was done before the break" in (store.root / f"{ids[1]}.log").read_text()
    unbroken, broken = (
        result.model_copy(
            update={
                "diagnostics": result.diagnostics.model_copy(update={"wall_seconds": None}),
                "provenance": result.provenance.model_copy(update={"created_on": None}),
            }
        )
        for result in results
    )
    assert broken == unbroken
    members = [runs.memberships(one) for one in ids]
    assert [row.to_wire() for row in members[0]] == [row.to_wire() for row in members[1]]
    chains = [FitResult.load(next(store.root.glob(f"artefacts/{one}-*/result.h5"))).chain for one in ids]
    assert np.array_equal(*chains)
