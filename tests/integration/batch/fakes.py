"""Jobs whose fit is a fake that other processes can import: quick, slow, greedy, deadly, by what their table says."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from clusterbayes.batch import Job
from clusterbayes.errors import FitCancelled, FitError, InputError


def jobs(folder: Path, *words: str, **named: str) -> list[Job]:
    """Make a job of each word, which its table holds; the first are the largest."""
    folder.mkdir(exist_ok=True)
    texts = {f"{word.split()[0]}_{number}": word for number, word in enumerate(words)} | named
    made = []
    for number, (name, text) in enumerate(texts.items()):
        path = folder / f"{name}.csv"
        path.write_text(text + "\n" + "#" * (100 * (len(texts) - number)))
        made.append(Job(name, path))
    return made


def fit(task, folder, cancel):
    """Do what the table's first line says, note that it was done, and leave numbers that follow from the seed."""
    word, *more = task.job.table.read_text().splitlines()[0].split()
    log = task.out.parent / "log"
    log.mkdir(exist_ok=True)
    with open(log / task.folder, "a") as file:
        file.write(f"begin {os.getpid()} {time.time()}\n")
    steps = _steps(task)
    {"sleep": _sleep, "greedy": _greedy, "deaf": _deaf, "die": _die, "bad": _bad, "broken": _broken, "bug": _bug}.get(
        word, lambda *_: None
    )(task, cancel, steps, *more)
    folder.mkdir()
    (folder / "numbers.txt").write_text(" ".join(map(str, np.random.default_rng(task.seed).normal(size=3))))
    with open(log / task.folder, "a") as file:
        file.write("end\n")
    return {"converged": True, "quality": "A", "log_age": float(np.random.default_rng(task.seed).normal())}


def _steps(task):
    """The steps that were done before, as a checkpoint keeps them."""
    return int(task.checkpoint.read_text()) if task.checkpoint.exists() else 0


def _sleep(task, cancel, steps, seconds):
    """Take some seconds, tenth by tenth, with a checkpoint after each."""
    while steps < 10 * float(seconds):
        if cancel():
            raise FitCancelled("cancelled", "sample")
        time.sleep(0.1)
        steps += 1
        partial = task.checkpoint.with_suffix(f".{os.getpid()}")
        partial.write_text(str(steps))
        os.replace(partial, task.checkpoint)
        with open(task.out.parent / "log" / task.folder, "a") as file:
            file.write("step\n")


def _greedy(task, cancel, steps):
    """Take more and more memory until somebody minds."""
    taken = []
    while not cancel():
        if len(taken) < 15:
            taken.append(np.ones(12_000_000))
        time.sleep(0.02)
    raise FitCancelled("cancelled", "sample")


def _deaf(task, cancel, steps):
    """Never ask whether to stop."""
    time.sleep(60.0)


def _die(task, cancel, steps, times):
    """Kill the worker's process, so many times."""
    if steps < int(times):
        task.checkpoint.write_text(str(steps + 1))
        os.kill(os.getpid(), signal.SIGKILL)


def _bad(task, cancel, steps):
    raise InputError("too few stars", str(task.job.table))


def _broken(task, cancel, steps):
    raise FitError("no start was found", "search")


def _bug(task, cancel, steps):
    raise KeyError("nobody thought of this")
