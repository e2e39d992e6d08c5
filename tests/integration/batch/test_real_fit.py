"""A batch of one small cluster from the command line: stopped by Ctrl-C, run again, and the numbers of a plain fit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
from astropy.table import Table
from integration import killed

from clusterbayes import FitResult, example, fit_cluster
from clusterbayes.batch.jobs import job_seed
from clusterbayes.photometry import Photometry
from clusterbayes.results.export import CHECKS_FILE, FILES

LONG = 240.0
WORDS = (
    "stars.csv", "--out", "out", "--workers", "1", "--cluster-column", "cluster", "--set", "mag_limit=G=18",
    "--set", "model_error=none", "--set", "priors=log_age=normal(9.45,0.05)", "--set",
    "fixed=alpha_1=1.3;alpha_2=2.3;mh=0.1;dist_mod=7.4;a_v=0.3", "--set", "steps=40", "--set", "burn_rounds=4",
    "--set", "burn_steps=12", "--set", "target_ess=1000000",
)  # fmt: skip


def command(folder):
    return subprocess.Popen(
        [sys.executable, "-m", "clusterbayes", "batch", *WORDS], cwd=folder, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_stopped_batch_goes_on_to_the_numbers_of_a_plain_fit(tmp_path):
    stars = example()
    columns = {"id": stars.ids[::7]}
    for a, name in enumerate(("G", "BP-RP")):
        columns[name], columns[f"{name}_error"] = stars.values[::7, a], stars.errors[::7, a]
    table = Table({**columns, "cluster": ["Ruprecht 147"] * len(columns["id"])})
    table.write(tmp_path / "stars.csv")
    out = tmp_path / "out"

    process = command(tmp_path)
    checkpoint = out / "checkpoints" / "Ruprecht_147.h5"
    limit = time.monotonic() + LONG
    while not checkpoint.exists():
        assert process.poll() is None and time.monotonic() < limit, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: workers hear it, too
    _, err = process.communicate(timeout=LONG)
    assert process.returncode == 130, err
    assert "0 of 1 clusters are done. Run the same command again to go on in out." in err and "Traceback" not in err
    assert checkpoint.exists() and not (out / "clusters" / "Ruprecht_147").exists()

    process = command(tmp_path)
    text, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err
    assert "1 of 1 clusters done, 0 failed." in text
    folder = out / "clusters" / "Ruprecht_147"
    assert {entry.name for entry in folder.iterdir()} == {*FILES, CHECKS_FILE, "job.json"}
    assert not checkpoint.exists()

    photometry = Photometry.read(out / "tables" / "Ruprecht_147.csv")
    settings = killed.SETTINGS | {"sampling": replace(killed.SETTINGS["sampling"], max_steps=40)}
    plain = fit_cluster(photometry, seed=job_seed(1, "Ruprecht 147"), **settings)
    mine = FitResult.load(folder)
    assert np.array_equal(mine.chain, plain.chain)
    row = json.loads((folder / "job.json").read_text())["row"]
    assert row["log_age"] == plain.summary()["log_age"]["median"] and row["log_age_q84"] > row["log_age_q16"]
