"""The queue: order, claims that exclude each other, leases, tokens, and endings that are whole or not at all."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from integration.records.jobs import document, memberships
from integration.records.tables import star_table
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from clusterbayes.records import ErrorMessage, ToolStatus, TransitionError
from clusterbayes.records.database import RetryRules, RunQuery, Standing
from clusterbayes.records.database.queue import Ending
from clusterbayes.records.faults import LostRunError, RunNotFoundError
from clusterbayes.records.submit import SubmitOptions

ARTEFACT = {
    "name": "cmd.png", "media_type": "image/png", "description": "", "size": 3, "checksum": "0" * 64, "location": "x",
}  # fmt: skip
ENDING = Ending("cheap 1", document(), memberships(), (ARTEFACT,))
BROKEN = ErrorMessage(id="OSError", detail="the disk is full")


@pytest.fixture
def add(service):
    """Return a function that hands in a run and returns its id."""

    def inside(**options):
        return service.submit(star_table(), creator_id=1, options=SubmitOptions(**options)).record.id

    return inside


def expire(database, tool_id):
    """Let a lease have ended a minute ago."""
    job = database.tables.job
    with database.writing() as connection:
        ended = connection.execute(job.select().where(job.c.tool_id == tool_id)).one().lease_until - timedelta(hours=1)
        connection.execute(update(job).where(job.c.tool_id == tool_id).values(lease_until=ended))


# --- order -----------------------------------------------------------------------------------------------------------


def test_larger_priorities_run_first_and_then_older_runs(add, queue):
    first, second, urgent, late = add(), add(), add(priority=5), add(priority=-1)
    assert [queue.claim("w", 10.0).tool_id for _ in range(4)] == [urgent, first, second, late]
    assert queue.claim("w", 10.0) is None


def test_a_claim_starts_the_record(add, queue, runs):
    tool_id = add()
    claim = queue.claim("w", 10.0)
    record = runs.get(tool_id)
    assert record == claim.record
    assert (record.status, record.iterations) == ("running", 1)
    assert record.created_on <= record.started_on
    assert claim.input.name == "stars.csv"


def test_no_run_is_claimed_twice(add, queue):
    wanted = {add() for _ in range(40)}
    start = threading.Barrier(8)

    def worker(number):
        start.wait()
        found = []
        while (claim := queue.claim(f"w{number}", 30.0)) is not None:
            found.append(claim.tool_id)
        return found

    with ThreadPoolExecutor(8) as pool:
        claimed = [tool_id for found in pool.map(worker, range(8)) for tool_id in found]
    assert sorted(claimed) == sorted(wanted)


def test_a_row_that_someone_has_locked_is_passed_over(add, queue, database):
    if not database.is_postgresql:
        pytest.skip("SQLite locks the whole database")
    locked, free = add(priority=1), add()
    tool = database.tables.tool
    with database.writing() as connection:
        connection.execute(tool.select().where(tool.c.id == locked).with_for_update())
        begin = time.monotonic()
        assert queue.claim("w", 10.0).tool_id == free
        assert time.monotonic() - begin < 2.0


# --- leases ----------------------------------------------------------------------------------------------------------


def test_a_kept_lease_is_not_taken(add, queue):
    add()
    queue.claim("w", 10.0)
    assert queue.reap(RetryRules()) == []
    assert queue.claim("other", 10.0) is None


def test_a_lease_that_expired_gives_the_run_to_the_next(add, queue, runs, database):
    tool_id = add()
    old = queue.claim("w", 10.0)
    expire(database, tool_id)
    assert [record.status for record in queue.reap(RetryRules())] == ["ready"]
    new = queue.claim("other", 10.0)
    assert (new.tool_id, new.record.iterations) == (tool_id, 2)
    assert queue.report(old, 10.0, {"current_stage": "export"}) is Standing.LOST
    for step in (lambda: queue.complete(old, ENDING), lambda: queue.fail(old, [BROKEN]), lambda: queue.cancel(old),
                 lambda: queue.retry(old, BROKEN, RetryRules()), lambda: queue.release(old)):  # fmt: skip
        with pytest.raises(LostRunError):
            step()
    assert runs.get(tool_id) == new.record
    assert queue.complete(new, ENDING).status == "completed"


def test_a_report_keeps_a_lease_that_expired_but_was_not_taken(add, queue, database):
    tool_id = add()
    claim = queue.claim("w", 10.0)
    expire(database, tool_id)
    assert queue.report(claim, 10.0) is Standing.GO_ON
    assert queue.reap(RetryRules()) == []


def test_a_run_that_loses_its_workers_too_often_fails(add, queue, runs, database):
    tool_id = add()
    for _ in range(2):
        queue.claim("w", 10.0)
        expire(database, tool_id)
        queue.reap(RetryRules(losses=3))
        assert runs.get(tool_id).status == "ready"
    queue.claim("w", 10.0)
    expire(database, tool_id)
    queue.reap(RetryRules(losses=3))
    record = runs.get(tool_id)
    assert (record.status, record.iterations) == ("failed", 3)
    assert record.error_messages[0].id == "WorkerLostError"


def test_a_fault_that_may_pass_is_tried_again_after_a_pause(add, queue, runs):
    tool_id, rules = add(), RetryRules(attempts=2, delay=0.5)
    assert queue.retry(queue.claim("w", 10.0), BROKEN, rules).status == "ready"
    assert queue.claim("w", 10.0) is None
    time.sleep(0.6)
    claim = queue.claim("w", 10.0)
    assert claim.attempts == 1
    record = queue.retry(claim, BROKEN, rules)
    assert record == runs.get(tool_id)
    assert (record.status, record.error_messages[0].detail) == ("failed", "the disk is full")


def test_a_released_run_costs_no_try(add, queue, runs):
    tool_id = add()
    assert queue.release(queue.claim("w", 10.0)).status == "ready"
    request = runs.request(tool_id)
    assert (request["attempts"], request["losses"]) == (0, 0)


# --- endings ---------------------------------------------------------------------------------------------------------


def test_result_and_status_appear_together(add, queue, runs):
    tool_id = add()
    claim = queue.claim("w", 10.0)
    assert runs.result(tool_id) is None
    assert runs.artefacts(tool_id) == runs.memberships(tool_id) == ()
    record = queue.complete(claim, ENDING)
    assert record == runs.get(tool_id)
    assert (record.status, record.version, record.current_stage_progress) == ("completed", "cheap 1", 100.0)
    assert runs.result(tool_id).parameters["log_age"].median == 1.0
    used, unused = runs.memberships(tool_id)
    assert (used.p_member, unused.p_member != unused.p_member, unused.drop_reason) == (0.75, True, "too faint")
    assert [file.name for file in runs.artefacts(tool_id)] == ["cmd.png"]


def test_half_a_result_is_no_result(add, queue, runs):
    tool_id = add()
    claim = queue.claim("w", 10.0)
    twice = Ending("cheap 1", document(), memberships(), (ARTEFACT, ARTEFACT))
    with pytest.raises(SQLAlchemyError):
        queue.complete(claim, twice)
    assert runs.get(tool_id).status == "running"
    assert runs.result(tool_id) is None
    assert runs.memberships(tool_id) == ()


def test_completing_again_changes_nothing(add, queue, runs):
    """The answer of the database may be lost on the way to the worker, which then asks again."""
    add()
    claim = queue.claim("w", 10.0)
    first = queue.complete(claim, ENDING)
    assert queue.complete(claim, ENDING) == first
    assert queue.fail(claim, [BROKEN]) == first
    assert len(runs.memberships(claim.tool_id)) == 2


# --- cancelling ------------------------------------------------------------------------------------------------------


def test_a_ready_run_is_canceled_at_once(add, queue, runs):
    record = runs.cancel(add())
    assert record.status == "canceled"
    assert record.completed_on is not None
    assert queue.claim("w", 10.0) is None


def test_a_running_run_is_asked_to_stop(add, queue, runs):
    tool_id = add()
    claim = queue.claim("w", 10.0)
    assert runs.cancel(tool_id).status == "running"
    assert queue.report(claim, 10.0) is Standing.CANCEL
    assert queue.cancel(claim).status == "canceled"
    assert runs.get(tool_id).completed_on is not None


@pytest.mark.parametrize("how", ["complete", "fail", "retry", "release", "reap"])
def test_once_asked_for_a_run_ends_canceled(add, queue, runs, database, how):
    tool_id = add()
    claim = queue.claim("w", 10.0)
    runs.cancel(tool_id)
    expire(database, tool_id)
    steps = {
        "complete": lambda: queue.complete(claim, ENDING), "fail": lambda: queue.fail(claim, [BROKEN]),
        "retry": lambda: queue.retry(claim, BROKEN, RetryRules()), "release": lambda: queue.release(claim),
        "reap": lambda: queue.reap(RetryRules()),
    }  # fmt: skip
    steps[how]()
    assert runs.get(tool_id).status == "canceled"
    assert runs.result(tool_id) is None


def test_what_has_ended_cannot_be_canceled(add, queue, runs):
    completed, failed, canceled = add(), add(), add()
    queue.complete(queue.claim("w", 10.0), ENDING)
    queue.fail(queue.claim("w", 10.0), [BROKEN])
    runs.cancel(canceled)
    for tool_id, status in ((completed, "completed"), (failed, "failed"), (canceled, "canceled")):
        with pytest.raises(TransitionError, match=f"is {status} can't become canceled"):
            runs.cancel(tool_id)
        assert runs.get(tool_id).status == status
    with pytest.raises(RunNotFoundError, match="no run 999"):
        runs.cancel(999)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_pages_hold_every_run_once(add, runs):
    wanted = [add(name=f"run {k}") for k in range(7)]
    found, before = [], None
    while True:
        page = runs.list(RunQuery(limit=3, before=before))
        assert page.total == 7
        found += [record.id for record in page.items]
        if (before := page.next) is None:
            break
    assert found == sorted(wanted, reverse=True)


def test_filters(service, runs, queue):
    for creator, observation, name in ((1, 10, "M 67"), (1, 11, "100%_done"), (2, 10, "Pleiades")):
        options = SubmitOptions(name=name, project_id=creator)
        service.submit(star_table(), creator_id=creator, observation_id=observation, options=options)
    queue.claim("w", 10.0)

    def names(**query):
        return sorted(record.name for record in runs.list(RunQuery(**query)).items)

    assert names(creator_id=1) == ["100%_done", "M 67"]
    assert names(observation_id=10) == ["M 67", "Pleiades"]
    assert names(status=ToolStatus.RUNNING) == ["M 67"]
    assert names(project_id=2, status=ToolStatus.READY) == ["Pleiades"]
    assert names(name="PLEI") == ["Pleiades"]
    assert names(name="%") == names(name="_") == ["100%_done"]
    assert names(created_after=runs.get(1).created_on) == ["100%_done", "Pleiades"]
    assert names(name="'; DROP TABLE cluster_modeling_tool; --") == []


def test_writing_progress_does_not_block_readers(add, queue, runs, database):
    tool_id = add()
    queue.claim("w", 10.0)
    tool = database.tables.tool
    with database.writing() as connection:
        connection.execute(update(tool).where(tool.c.id == tool_id).values(current_stage="sample"))
        begin = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            seen = pool.submit(runs.get, tool_id).result(timeout=5.0)
        assert time.monotonic() - begin < 1.0
    assert seen.current_stage is None
    assert runs.get(tool_id).current_stage == "sample"
