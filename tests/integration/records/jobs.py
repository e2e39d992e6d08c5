"""Jobs that cost next to nothing: what the worker's process does in tests and in the count of faults.

A task's settings say what happens: `steps` of `pause` seconds each, and the fault that befalls it. Every start leaves
a line in a log beside the store, and so does every end, so that runs can be counted from outside the database.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clusterbayes.errors import FitError, InputError
from clusterbayes.records.record import STAGES
from clusterbayes.records.worker.task import Outcome, Task, described_files

if TYPE_CHECKING:
    from clusterbayes.inference.progress import Progress

REPORT = "<!doctype html><title>M 67</title><p id=said>still<script>said.textContent = 'it runs'</script>"
CHART = b"\x89PNG\r\n\x1a\n" + bytes(2000)


@dataclass(frozen=True)
class Plan:
    """What a job is to do."""

    stages: int = 3
    steps: int = 4
    pause: float = 0.02
    fault: str = ""
    stubborn: bool = False
    size: int = 2000
    report: bool = False

    @classmethod
    def of(cls, task: Task) -> Plan:
        """Read the plan in the name of a run: JSON after a colon."""
        _, _, text = task.name.partition(":")
        return cls(**json.loads(text)) if text else cls()


def log(task: Task, word: str) -> None:
    """Add a line to the log beside the store."""
    path = task.folder.parents[1] / "log.txt"
    with open(path, "a") as file:
        file.write(f"{task.tool_id} {word}\n")


def cheap_job(task: Task, progress: Progress, cancel: Callable[[], bool]) -> Outcome:
    """Walk through stages, go on from a checkpoint, and leave a document, rows and files."""
    plan = Plan.of(task)
    done = int(task.checkpoint.read_text()) if task.checkpoint.exists() else 0
    log(task, f"start {done}")
    for number in range(done, plan.stages * plan.steps):
        index, step = divmod(number, plan.steps)
        if step == 0 or number == done:
            progress.stage(STAGES[index], index, len(STAGES))
        if cancel() and not plan.stubborn:
            raise FitError("the fit was cancelled", STAGES[index])
        time.sleep(plan.pause)
        progress.update(100.0 * (step + 1) / plan.steps)
        _save(task.checkpoint, number + 1)
        if index == plan.stages - 1:
            _suffer(plan.fault, task)
    (task.folder / "summary.json").write_text(json.dumps({"run": task.tool_id}))
    (task.folder / "cmd.png").write_bytes(CHART + bytes(plan.size))
    if plan.report:
        (task.folder / "report.html").write_text(REPORT)
    log(task, "end")
    return Outcome("cheap 1", document(), memberships(), described_files(task.folder))


def _save(path: Path, number: int) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(str(number))
    os.replace(partial, path)


def _suffer(fault: str, task: Task) -> None:
    if fault == "input":
        raise InputError("a star has no colour", "stars.csv", "B-V", 3, "x", "a number")
    if fault == "bug":
        raise ValueError("password='hunter2' went to postgresql://ann:hunter2@host/db")
    if fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "killed once":
        flag = task.checkpoint.with_name(f"{task.tool_id}.killed")
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if fault == "disk":
        raise OSError(28, "No space left on device")


def document() -> dict[str, Any]:
    """Return a result document, small but valid."""
    row = {name: 1.0 for name in ("median", "mean", "std", "q05", "q16", "q84", "q95")}
    diagnostics = {
        "converged": True, "reasons": [], "tau": 3.0, "ess": None, "acceptance": 0.3, "nWalkers": 8, "nSteps": 9,
        "logProbMax": None, "wallSeconds": 1.0,
    }  # fmt: skip
    return {
        "schemaVersion": "1.0",
        "parameters": {"log_age": {**row, "unit": "log10(yr)"}},
        "diagnostics": diagnostics,
        "counts": {"input": 2, "used": 1, "dropped": {"too faint": 1}},
        "provenance": {},
        "covariance": {"names": ["log_age"], "matrix": [[float("nan")]]},
    }


def memberships() -> tuple[dict[str, Any], ...]:
    """Return two membership rows, one of a star that was not used."""
    used = {"row": 0, "source_id": "a", "p_member": 0.75, "used": True, "drop_reason": ""}
    unused = {"row": 1, "source_id": "b", "p_member": float("nan"), "used": False, "drop_reason": "too faint"}
    return used, unused
