"""Which jobs are done, in which order, and what happens where things have changed; on a worker inside this process."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from integration.batch import fakes

from clusterbayes.batch import BatchOptions, fit_many
from clusterbayes.batch.crowd import Crowd
from clusterbayes.batch.jobs import job_seed
from clusterbayes.batch.summary import read_summary
from clusterbayes.errors import BatchError, CheckpointError, InputError, SettingsError


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0")
    with cluster, Client(cluster) as local:
        yield local


class Seen:
    """A display that remembers in which order jobs ended."""

    def __init__(self):
        self.names, self.begun = [], None

    def begin(self, total, done):
        self.begun = total, done

    def workers(self, number):
        pass

    def ended(self, row):
        self.names.append(row["name"])

    def close(self):
        pass


def run(jobs, client, out, **options):
    seen = Seen()
    return fit_many(jobs, client, out=out, options=BatchOptions(fit=fakes.fit, **options), progress=seen), seen


def numbers(summary):
    return {row["name"]: row["log_age"] for row in summary.rows}


def test_a_job_that_is_done_stays_done_though_its_message_was_lost(client, tmp_path, monkeypatch):
    """A worker may end a job and lose the connection before it can say so: what stands in the folder counts."""
    whole = Crowd.next_ended

    def broken(self, timeout):
        ended = whole(self, timeout)
        return ended and replace(ended, row=None, error=OSError("the connection broke"))

    monkeypatch.setattr(Crowd, "next_ended", broken)
    summary, _ = run(fakes.jobs(tmp_path / "tables", "plain"), client, tmp_path / "out")
    assert [row["status"] for row in summary.rows] == ["done"]
    assert [path.name for path in (tmp_path / "out").glob("clusters/plain_0/numbers.txt")] == ["numbers.txt"]


def test_the_largest_goes_first_and_order_does_not_matter(client, tmp_path):
    jobs = fakes.jobs(tmp_path / "tables", *["plain"] * 4)
    (tmp_path / "one").mkdir(), (tmp_path / "two").mkdir()
    first, seen = run(jobs[::-1], client, tmp_path / "one" / "out")
    assert seen.names == [job.name for job in jobs] and seen.begun == (4, 0)
    assert [row["name"] for row in first.rows] == [job.name for job in jobs[::-1]]
    second, _ = run(jobs[1:], client, tmp_path / "two" / "out")
    assert numbers(second).items() < numbers(first).items()
    states = [json.loads(path.read_text()) for path in (tmp_path / "one" / "out").glob("clusters/*/job.json")]
    assert {state["identity"]["seed"] for state in states} == {job_seed(1, job.name) for job in jobs}
    assert list((tmp_path / "one" / "out" / "checkpoints").iterdir()) == []
    again, seen = run(jobs, client, tmp_path / "one" / "out")
    assert seen.names == [] and seen.begun == (4, 4) and numbers(again) == numbers(first)


def test_what_has_changed_is_refused_with_its_name_or_done_anew(client, tmp_path):
    jobs = fakes.jobs(tmp_path / "tables", "plain", "plain", "plain")
    out = tmp_path / "out"
    before, _ = run(jobs, client, out)
    with pytest.raises(CheckpointError, match="plain_0 and 2 more were fitted.*seed was .*--refit-changed"):
        run(jobs, client, out, seed=2)
    jobs[1].table.write_text("plain, but different")
    with pytest.raises(CheckpointError, match="plain_1 was fitted.*Changed: table was"):
        run(jobs, client, out)
    after, seen = run(jobs, client, out, changed="refit")
    assert seen.names == ["plain_1"] and seen.begun == (3, 2)
    assert numbers(after) == numbers(before)  # the fake's numbers follow from the seed alone


def test_a_refit_that_fails_leaves_the_older_result_and_a_row_without_its_numbers(client, tmp_path):
    jobs = fakes.jobs(tmp_path / "tables", "plain", "plain")
    folder = tmp_path / "out" / "clusters" / "plain_0"
    before, _ = run(jobs, client, tmp_path / "out")
    jobs[0].table.write_text("broken")
    after, seen = run(jobs, client, tmp_path / "out", changed="refit")
    failed, other = after.rows
    assert seen.names == ["plain_0"]
    assert (failed["status"], failed["reason"], failed["older_result_kept"]) == ("failed", "fit", True)
    assert "no start was found" in failed["message"] and "older result is kept" in failed["message"]
    assert "log_age" not in failed and other == before.rows[1]
    assert (folder / "numbers.txt").exists()
    assert json.loads((folder / "job.json").read_text())["row"] == before.rows[0]
    assert read_summary(tmp_path / "out").rows == after.rows  # whoever makes the pages anew sees the same
    with pytest.raises(CheckpointError, match="plain_0 was fitted"):
        run(jobs, client, tmp_path / "out")


def test_after_a_failed_refit_the_old_settings_or_a_good_refit_give_a_whole_result(client, tmp_path):
    jobs = fakes.jobs(tmp_path / "tables", "plain")
    before, _ = run(jobs, client, tmp_path / "out")
    old = jobs[0].table.read_text()
    jobs[0].table.write_text("broken")
    run(jobs, client, tmp_path / "out", changed="refit")
    jobs[0].table.write_text(old)
    again, seen = run(jobs, client, tmp_path / "out")
    assert seen.names == [] and again.rows == before.rows == read_summary(tmp_path / "out").rows
    jobs[0].table.write_text("broken")
    run(jobs, client, tmp_path / "out", changed="refit")
    jobs[0].table.write_text("plain, but different")
    good, seen = run(jobs, client, tmp_path / "out", changed="refit")
    assert seen.names == ["plain_0"] and good.rows[0]["status"] == "done"
    assert read_summary(tmp_path / "out").rows == good.rows


def test_a_table_that_is_gone_leaves_what_was_done(client, tmp_path):
    jobs = fakes.jobs(tmp_path / "tables", "plain", "plain")
    out = tmp_path / "out"
    run(jobs[:1], client, out)
    for job in jobs:
        job.table.unlink()
    summary, _ = run(jobs, client, out)
    assert [(row["status"], row["reason"]) for row in summary.rows] == [("failed", "input")] * 2
    assert json.loads((out / "clusters" / "plain_0" / "job.json").read_text())["status"] == "done"
    assert (out / "clusters" / "plain_0" / "numbers.txt").exists()
    assert [row.get("older_result_kept") for row in summary.rows] == [True, None]
    assert json.loads((out / "clusters" / "plain_1" / "job.json").read_text())["status"] == "failed"


def test_what_can_not_be_run_is_refused_before_any_work(client, tmp_path):
    from distributed import Client, LocalCluster

    with pytest.raises(InputError, match="nothing to fit"):
        run([], client, tmp_path / "out")
    with pytest.raises(SettingsError, match="unknown way with changed jobs 'ask'"):
        BatchOptions(changed="ask")
    with pytest.raises(SettingsError, match="at least one worker"):
        BatchOptions(n_workers=0)
    jobs = fakes.jobs(tmp_path / "tables", "plain")
    cluster = LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0")
    with cluster, Client(cluster) as wide:
        with pytest.raises(BatchError, match="2 threads.*--nthreads 1"):
            run(jobs, wide, tmp_path / "out")
    with pytest.raises(BatchError, match="the scheduler is gone"):
        run(jobs, wide, tmp_path / "out")
