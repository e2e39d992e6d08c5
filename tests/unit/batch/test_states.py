"""States are read from folders alone; identities tell fits apart; locks end with their holder."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace

import pytest

from clusterbayes.batch.jobs import Job
from clusterbayes.batch.options import parse_options
from clusterbayes.batch.states import DONE, Places, State, held, job_identity, put_in_place, read_state
from clusterbayes.errors import GridError, InputError
from clusterbayes.inference.identity import differences


def test_a_state_is_written_and_read_and_damage_is_no_state(tmp_path):
    state = State(DONE, {"seed": 1, "settings": {"a": [1, 2]}}, {"name": "M 67", "log_age": 9.5}, "run")
    state.write(tmp_path)
    assert read_state(tmp_path) == state
    (tmp_path / "job.json").write_text('{"status": "done"')
    assert read_state(tmp_path) is None
    assert read_state(tmp_path / "nothing") is None


def test_a_folder_takes_its_name_as_a_whole(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    put_in_place(tmp_path / "new", tmp_path / "old")
    assert [path.name for path in tmp_path.rglob("*")] == ["old", "new"]


def test_everything_that_numbers_follow_from_is_in_the_identity(tmp_path):
    (tmp_path / "stars.csv").write_text("1")
    (tmp_path / "field.csv").write_text("2")
    job = Job("M 67", tmp_path / "stars.csv", parse_options({}))
    first = job_identity(job, 1)
    assert job_identity(replace(job, options=parse_options({})), 1) == first
    for options in ({"r_v": "3.2"}, {"missing": "0"}, {"grid": "mist"}, {"steps": "10"}, {"control": "field.csv"}):
        changed = replace(job, options=parse_options(options, folders=[tmp_path]))
        try:
            assert len(differences(first, job_identity(changed, 1))) in (1, 2), options
        except GridError:  # the family's tables are an extra
            assert options == {"grid": "mist"}
    assert differences(first, job_identity(job, 2)) == [("seed", "1", "2")]
    (tmp_path / "stars.csv").write_text("3")
    ((name, old, new),) = differences(first, job_identity(job, 1))
    assert name == "table" and old != new and old.endswith("...")
    with pytest.raises(InputError, match="gone.csv"):
        job_identity(Job("x", tmp_path / "gone.csv"), 1)
    with pytest.raises(GridError, match="there is no grid"):
        job_identity(replace(job, options=parse_options({"grid": "persec"})), 1)


def _hold(path, ready, leave):
    with held(path, wait=lambda: False):
        ready.set()
        leave.wait(30.0)


def test_a_lock_ends_with_its_holder(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, leave = context.Event(), context.Event()
    path = Places(tmp_path).job_lock("M_67")
    process = context.Process(target=_hold, args=(path, ready, leave))
    process.start()
    assert ready.wait(30.0)
    with held(path, wait=lambda: False) as got:
        assert not got
    process.kill()
    process.join()
    with held(path, wait=lambda: False) as got:
        assert got
