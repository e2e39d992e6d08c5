"""Fits that are killed at random moments and run again give, bit for bit, the result of one that was left in peace.

Eight kills; CLUSTERBAYES_KILLS=20 asks for another number.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import emcee
import h5py
import numpy as np
import pytest
from astropy.table import Table
from integration import killed

from clusterbayes import FitResult

KILLS = int(os.environ.get("CLUSTERBAYES_KILLS", "8"))
LONG = 240.0  # s, for a machine that is busy with other things


@pytest.fixture(scope="module")
def processes():
    """Processes that begin with everything imported, so that most kills meet the fit itself."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["integration.killed", "clusterbayes.model.kernels", "sklearn.mixture"])
    return context


@pytest.fixture(scope="module")
def unbroken(processes, tmp_path_factory):
    """The result without a break and without a checkpoint, and how long it took [s]."""
    folder = tmp_path_factory.mktemp("unbroken")
    process = processes.Process(target=killed.timed, args=(None, folder / "result.h5", folder / "seconds"))
    process.start()
    process.join(LONG)
    assert process.exitcode == 0
    return killed.numbers(folder / "result.h5"), float((folder / "seconds").read_text())


def stage(checkpoint):
    """Say how far a checkpoint is; it can always be read."""
    if not checkpoint.exists():
        return "nothing"
    with h5py.File(checkpoint, "r") as file:
        assert json.loads(file["identity"].asstr()[()])["seed"] == 1
        if "mcmc" in file:
            chain = emcee.backends.HDFBackend(str(checkpoint), read_only=True).get_value("chain")
            assert np.isfinite(chain).all()
            return "chain"
        return "burn-in" if "burn_in" in file else "search"


def test_killed_at_random_moments(processes, unbroken, tmp_path):
    """SIGKILL after a random time, again and again; a fit that gets done is compared, and the next one begun."""
    expected, seconds = unbroken
    checkpoint, out = tmp_path / "fit.h5", tmp_path / "result.h5"
    rng = np.random.default_rng(20)
    kills, finished, found, lives = 0, 0, [], 0
    while kills < KILLS or not out.exists():
        lives += 1
        assert lives < 10 * KILLS, f"{kills} kills, {finished} fits: none gets on"
        if out.exists():
            out.unlink(), checkpoint.unlink()
        process = processes.Process(target=killed.fit, args=(checkpoint, out))
        process.start()
        process.join(rng.uniform(0.05, 0.95) * seconds if kills < KILLS else LONG)
        if process.is_alive():
            process.kill()
            process.join()
        if not out.exists():  # a kill after that came too late to count
            assert process.exitcode == -signal.SIGKILL
            kills += 1
            found.append(stage(checkpoint))
            continue
        assert process.exitcode in (0, -signal.SIGKILL)
        finished += 1
        assert killed.numbers(out) == expected
        assert stage(checkpoint) == "chain"
    print(f"{kills} kills, {finished} fits done; left behind: {', '.join(found)}")
    assert finished >= 1
    assert {"burn-in", "chain"} & set(found), "no kill met the sampling"


# --- the command line ------------------------------------------------------------------------------------------------


WORDS = [
    "stars.csv", "--out", "fit", "--mag-limit", "G=18", "--model-error", "none", "--prior", "log_age=normal(9.45,0.05)",
    "--fix", "dist_mod=7.4", "--fix", "a_v=0.3", "--fix", "alpha_1=1.3", "--fix", "alpha_2=2.3", "--fix", "mh=0.1",
    "--steps", "60", "--threads", "1",
]  # fmt: skip


def begin(folder, *words):
    command = [sys.executable, "-m", "clusterbayes", "fit", *WORDS, *words]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def end(process, code):
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == code, err[-2000:]
    assert out == "" and "Traceback" not in err
    return err


def until(process, ready):
    """Wait until something is so, while the fit runs."""
    limit = time.monotonic() + LONG
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.02)


def names(folder):
    return {entry.name for entry in folder.iterdir()}


def test_the_same_command_goes_on(tmp_path):
    """Killed, then interrupted, then left in peace; then refused, since the results are there."""
    table = Table(_stars())
    for name in ("once", "broken"):
        (tmp_path / name).mkdir()
        table.write(tmp_path / name / "stars.csv")
    end(begin(tmp_path / "once", "--quiet", "--keep-chain"), 0)
    folder = tmp_path / "broken"
    place = folder / "fit.checkpoint.h5"

    process = begin(folder)
    until(process, place.exists)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert names(folder) >= {"stars.csv", place.name} and not (folder / "fit").exists()

    process = begin(folder)
    until(process, lambda: stage(place) == "burn-in")
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    err = end(process, 130)
    assert time.monotonic() - asked < 10.0  # two seconds on a quiet machine, and the end of the process
    assert "Interrupted in stage sample; no results were written. Run the same command again" in err
    assert str(place) in err and "the search was done before the break" in err

    err = end(begin(folder, "--seed", "2"), 2)
    assert "of another fit. Changed: seed was 1, now 2" in err and "--restart" in err

    err = end(begin(folder, "--keep-chain"), 0)
    assert "going on from " in err
    assert names(folder) == {"stars.csv", "fit"}
    assert killed.numbers(folder / "fit") == killed.numbers(tmp_path / "once" / "fit")
    assert (folder / "fit" / "sources.ecsv").read_bytes() == (tmp_path / "once" / "fit" / "sources.ecsv").read_bytes()
    kept = emcee.backends.HDFBackend(str(folder / "fit" / "chain.h5"), read_only=True)
    assert np.array_equal(kept.get_chain(), FitResult.load(folder / "fit").chain)

    assert "not empty" in end(begin(folder), 2)


def _stars():
    from clusterbayes import example

    stars = example()
    names = ["Gaia_G", "Gaia_BP-Gaia_RP"]
    assert [observable.name for observable in stars.observables] == names
    columns = {"id": stars.ids[::7]}
    for a, name in enumerate(("G", "BP-RP")):
        columns[name], columns[f"{name}_error"] = stars.values[::7, a], stars.errors[::7, a]
    return columns
