"""``clusterbayes batch`` as a user types it, with a batch that only notes how it was called."""

from __future__ import annotations

import pytest

from clusterbayes.batch.states import DONE, State, keep_refit
from clusterbayes.batch.summary import Summary
from clusterbayes.cli import main
from clusterbayes.errors import BatchError, FitCancelled

STARS = "cluster,id,G\n" + "".join(f"NGC {k % 2 + 1},{k},12\n" for k in range(40)) + "few,99,12\n"
ROW = {"name": "NGC 1", "folder": "NGC_1", "status": "done", "converged": True, "quality": "A", "log_age": 9.0,
       "log_age_q16": 8.9, "log_age_q84": 9.1}  # fmt: skip


@pytest.fixture
def run(capfd, monkeypatch, tmp_path):
    """Run the command line in a folder with a table; return exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stars.csv").write_text(STARS)

    def inside(*words):
        with pytest.raises(SystemExit) as ended:
            main(["batch", *words])
        captured = capfd.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return inside


@pytest.fixture
def calls(monkeypatch):
    seen = []

    def fit_many(jobs, client=None, *, out, options, progress, cancel):
        seen.append((jobs, client, options))
        if options.seed == 99:
            raise FitCancelled("the batch was stopped: 0 of 2 clusters are done", "batch")
        if options.seed == 98:
            raise BatchError("the scheduler is gone: 1 of 2 clusters are done", "tcp://x", "run it again")
        out.mkdir(exist_ok=True)
        summary = Summary(out, {job.name.replace(" ", "_"): job for job in jobs})
        summary.put(ROW)
        return summary

    monkeypatch.setattr("clusterbayes.batch.fit_many", fit_many)
    return seen


def test_options_reach_the_jobs_and_the_run(run, calls, tmp_path):
    (tmp_path / "options.csv").write_text("name,r_v,kind\nngc 2,3.8,open\n")
    (tmp_path / "ref.csv").write_text("name,log_age\nNGC 1,8.9\n")
    code, out, err = run(
        "stars.csv", "--out", "cat", "--set", "grid=basti", "--options", "options.csv", "--reference", "ref.csv",
        "--workers", "2", "--time-limit", "5", "--memory-limit", "2", "--losses", "1", "--seed", "7", "--refit-changed",
    )  # fmt: skip
    assert code == 0, err
    ((jobs, client, options),) = calls
    assert [(job.name, job.options.grid, job.options.settings.r_v) for job in jobs] == [
        ("NGC 1", "basti", 3.1), ("NGC 2", "basti", 3.8),
    ]  # fmt: skip
    assert client is None and (options.seed, options.n_workers, options.losses, options.changed) == (7, 2, 1, "refit")
    assert (options.limits.seconds, options.limits.memory) == (300.0, 2e9)
    assert "Not options: columns kind" in err
    assert "1 of 2 clusters done, 0 failed." in out and "quality A: 1" in out and out.strip().endswith("catalogue.html")
    assert "+0.1" in (tmp_path / "cat" / "catalogue.html").read_text()


def test_a_dry_run_says_what_would_be_fitted(run, calls):
    code, out, _ = run("stars.csv", "--out", "cat", "--dry-run", "--min-stars", "1")
    assert code == 0 and out.splitlines()[-1] == "3 clusters would be fitted." and calls == []


def test_older_results_that_a_failed_refit_left_are_counted_and_not_shown(run, tmp_path):
    folder = tmp_path / "cat" / "clusters" / "NGC_1"
    folder.mkdir(parents=True)
    State(DONE, {}, ROW, "first").write(folder)
    row = {"name": "NGC 1", "folder": "NGC_1", "status": "failed", "reason": "fit", "message": "no"}
    keep_refit(State("failed", {"seed": 2}, row | {"older_result_kept": True}, "second"), folder)
    code, out, _ = run("stars.csv", "--out", "cat", "--report-only")
    assert code == 0
    assert "0 of 1 clusters done, 1 failed." in out
    assert "older results kept: 1 (not of these data and settings, and not in the table)" in out
    assert "9.0" not in (tmp_path / "cat" / "catalogue.ecsv").read_text()


def test_pages_are_made_anew_from_the_folders(run, tmp_path):
    folder = tmp_path / "cat" / "clusters" / "NGC_1"
    folder.mkdir(parents=True)
    State(DONE, {}, ROW, "run").write(folder)
    code, out, _ = run("stars.csv", "--out", "cat", "--report-only")
    assert code == 0 and "1 of 1 clusters done" in out
    assert "NGC 1" in (tmp_path / "cat" / "catalogue.html").read_text()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--seed", "99"), 130, "0 of 2 clusters are done. Run the same command again to go on in cat."),
        (("--seed", "98"), 2, "tcp://x: the scheduler is gone: 1 of 2 clusters are done. Remedy: run it again."),
        (("--scheduler", "tcp://127.0.0.1:1", "--workers", "2"), 2, "either --scheduler or --workers"),
        (("--listed",), 2, "--listed refers to --options"),
        (("--set", "gird=mist"), 2, "unknown option 'gird'"),
        (("--set", "grid"), 2, "--set, value grid"),
        (("--reference", "stars.csv"), 2, "nothing that can be compared"),
        (("--reference", "gone.csv"), 2, "gone.csv: cannot be read"),
        (("--cluster-column", "star"), 2, "no such column"),
    ],
)
def test_how_it_ends(run, calls, words, code, text):
    ended, _, err = run("stars.csv", "--out", "cat", *words)
    assert ended == code and text in err and "Traceback" not in err


def test_a_folder_has_no_columns(run, calls, tmp_path):
    (tmp_path / "tables").mkdir()
    ended, _, err = run("tables", "--out", "cat", "--cluster-column", "star")
    assert ended == 2 and "a folder has no columns" in err
    ended, _, err = run("tables", "--out", "cat")
    assert ended == 2 and "there is no table in this folder" in err
