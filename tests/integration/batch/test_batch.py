"""Batches on real worker processes: faults stay with their cluster, and killed runs go on to the same results.

Fits are fakes (`fakes`) but for one: what is tested is who does what, how often, and what is left.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from integration.batch import fakes
from integration.batch.run import run

from clusterbayes.batch.guard import Limits
from clusterbayes.batch.jobs import job_seed
from clusterbayes.batch.summary import read_summary
from clusterbayes.errors import BatchError, FitCancelled

KILLS = int(os.environ.get("CLUSTERBAYES_KILLS", "2"))
LONG = 120.0  # s, for a machine that is busy with other things
TESTS = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}


def begun(folder, name):
    """How often a job was begun."""
    path = folder / "log" / name
    return path.read_text().count("begin") if path.exists() else 0


def numbers(folder):
    return {path.parent.name: path.read_text() for path in folder.glob("out/clusters/[!.]*/numbers.txt")}


def expected(names):
    """What the fake leaves: it follows from the batch's seed and the job's name alone."""
    return {name: " ".join(map(str, np.random.default_rng(job_seed(1, name)).normal(size=3))) for name in names}


def start(folder, address="-", workers=2):
    words = [sys.executable, "-m", "integration.batch.run", str(folder), address, str(workers)]
    return subprocess.Popen(
        words, env=ENVIRONMENT, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def until(ready, process=None):
    limit = time.monotonic() + LONG
    while not ready():
        assert process is None or process.poll() is None, process.communicate()[0]
        assert time.monotonic() < limit
        time.sleep(0.02)


def end(process):
    out, _ = process.communicate(timeout=LONG)
    assert process.returncode == 0, out
    return out


@pytest.fixture
def processes():
    """Processes that are killed when the test is over."""
    started = []
    yield started
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_faults_stay_with_their_cluster_and_only_they_are_done_again(tmp_path):
    words = ("sleep 0.3", "plain", "bad", "broken", "bug", "die 1", "die 9", "greedy")
    fakes.jobs(tmp_path / "tables", *words)
    summary = run(tmp_path, n_workers=2, losses=1, limits=Limits(None, 0.9e9))
    reasons = {row["folder"]: row.get("reason") for row in summary.rows}
    assert reasons == {
        "sleep_0": "", "plain_1": "", "bad_2": "input", "broken_3": "fit", "bug_4": "bug", "die_5": "",
        "die_6": "worker_lost", "greedy_7": "memory_limit",
    }  # fmt: skip
    assert begun(tmp_path, "die_5") == 2 and begun(tmp_path, "die_6") == 2
    record = json.loads((tmp_path / "out" / "clusters" / "bad_2" / "record.json").read_text())
    assert record["record"]["status"] == "failed" and "too few stars" in str(record["record"]["errorMessages"])
    assert summary.count()["done"] == 3 and summary.count()["failed"] == 5

    done = {name: begun(tmp_path, name) for name in ("sleep_0", "plain_1", "die_5")}
    for name in reasons.keys() - done.keys():
        (tmp_path / "tables" / f"{name}.csv").write_text("plain\n")
    again = run(tmp_path, n_workers=1)
    assert {row["status"] for row in again.rows} == {"done"}
    assert {name: begun(tmp_path, name) for name in done} == done
    assert numbers(tmp_path) == expected(reasons)
    assert [(row["name"], row["log_age"]) for row in read_summary(tmp_path / "out").rows] == [
        (row["name"], row["log_age"]) for row in again.rows
    ]


def test_a_run_that_is_killed_at_random_moments_goes_on(tmp_path, processes):
    """SIGKILL to the process that runs the batch: its workers end with it, steps are lost, but no job that is done."""
    names = {f"sleep_{number}" for number in range(3 + KILLS)}
    fakes.jobs(tmp_path / "tables", *["sleep 0.8"] * len(names))
    rng = np.random.default_rng(3)
    kills, seen = 0, {}
    while True:
        processes.append(process := start(tmp_path, workers=1))
        if kills < KILLS:
            before = _steps(tmp_path)
            until(lambda before=before: _steps(tmp_path) > before, process)
            time.sleep(rng.uniform(0.0, 0.5))
        else:
            end(process)
        if process.poll() is not None:
            break
        process.kill()
        process.communicate()
        kills += 1
        seen |= {name: begun(tmp_path, name) for name in numbers(tmp_path)}
    assert kills == KILLS
    assert numbers(tmp_path) == expected(names)
    assert {name: begun(tmp_path, name) for name in seen} == seen, "a job that was done was begun again"
    # A kill may fall between a step and its note, or between its note and the next.
    assert abs(_steps(tmp_path) - 8 * len(names)) <= kills, "work that was kept was done again"
    assert not list((tmp_path / "out").glob("clusters/.*"))


def _steps(folder):
    return sum(path.read_text().count("step") for path in folder.glob("log/*"))


def test_a_scheduler_and_workers_elsewhere_may_die(tmp_path, processes):
    """The documented set-up: a scheduler and two workers as processes of their own."""
    names = {f"sleep_{number}" for number in range(5)}
    fakes.jobs(tmp_path / "tables", *["sleep 1.5"] * len(names))

    def dask(*words):
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *words],
                env=ENVIRONMENT,
                start_new_session=True,
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        )
        return processes[-1]

    def scheduler(number):
        file = tmp_path / f"scheduler{number}.json"
        process = dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file)
        until(lambda: file.exists() and file.read_text().rstrip().endswith("}"))  # it appears before it is whole
        address = re.search(r"tcp://[\d.:]+", file.read_text()).group()
        workers = [dask("worker", address, "--nthreads", "1", "--no-dashboard") for _ in range(2)]
        return process, address, workers

    first, address, workers = scheduler(1)
    processes.append(process := start(tmp_path, address))
    until(lambda: (tmp_path / "log").exists() and len(list((tmp_path / "log").iterdir())) >= 2, process)
    os.killpg(workers[0].pid, signal.SIGKILL)  # the nanny and the worker
    until(lambda: numbers(tmp_path), process)
    first.kill()
    out = process.communicate(timeout=LONG)[0]
    assert process.returncode == 1
    assert re.search(r"the scheduler is gone: \d of 5 clusters are done", out), out
    seen = {name: begun(tmp_path, name) for name in numbers(tmp_path)}
    assert 1 <= len(seen) < 5

    _, address, _ = scheduler(2)
    processes.append(process := start(tmp_path, address))
    end(process)
    assert numbers(tmp_path) == expected(names)
    assert {name: begun(tmp_path, name) for name in seen} == seen


def test_stopping_keeps_what_is_under_way_and_two_runs_do_not_mix(tmp_path):
    from clusterbayes.batch import BatchOptions, fit_many

    jobs = fakes.jobs(tmp_path / "tables", *["sleep 30"] * 3)
    options = BatchOptions(n_workers=1, fit=fakes.fit)
    problems = []

    def cancel():
        steps = _steps(tmp_path)
        if steps >= 5 and not problems:
            with pytest.raises(BatchError, match="another process runs this batch") as caught:
                fit_many(jobs, out=tmp_path / "out", options=options)
            problems.append(caught.value)
        return steps >= 5

    with pytest.raises(FitCancelled, match="0 of 3 clusters are done"):
        fit_many(jobs, out=tmp_path / "out", options=options, cancel=cancel)
    assert problems
    assert [begun(tmp_path, job.name) for job in jobs] == [1, 0, 0], "the largest is first, and the rest was not begun"
    assert int((tmp_path / "out" / "checkpoints" / f"{jobs[0].name}.h5").read_text()) >= 5
    assert {row["status"] for row in read_summary(tmp_path / "out").rows} <= {"waiting"}
