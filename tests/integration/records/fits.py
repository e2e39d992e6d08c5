"""A real fit, small, of the packaged example: as a client hands it in, and as a worker in a test does it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from clusterbayes.inference import checkpoint
from clusterbayes.inference.progress import Progress
from clusterbayes.records.inputs import InputTable
from clusterbayes.records.worker.fitting import fit_job
from clusterbayes.records.worker.task import Outcome, Task

SETTINGS = {
    "magLimit": "Gaia_G=18", "modelError": "none", "priors": {"log_age": "normal(9.45,0.05)"},
    "fixed": {"alpha_1": 1.3, "alpha_2": 2.3, "mh": 0.1, "dist_mod": 7.4, "a_v": 0.3},
    "sampling": {"maxSteps": 100, "burnRounds": 4, "burnSteps": 12, "targetEss": 1_000_000},
}  # fmt: skip


def example_table() -> InputTable:
    """Return every seventh star of the packaged example as CSV."""
    from clusterbayes import example

    stars = example()
    rows = ["id,G,G_error,BP-RP,BP-RP_error"]
    for k in np.flatnonzero(np.arange(stars.n_star) % 7 == 0):
        numbers = (stars.values[k, 0], stars.errors[k, 0], stars.values[k, 1], stars.errors[k, 1])
        rows.append(f"{stars.ids[k]}," + ",".join(f"{number:.6g}" for number in numbers))
    return InputTable("ruprecht147.csv", "\n".join(rows).encode())


def often_kept_fit(task: Task, progress: Progress, cancel: Callable[[], bool]) -> Outcome:
    """Fit a task, keeping the state far more often than usual; what the fit logs goes beside the store's folders."""
    checkpoint._EVERY, checkpoint._SHARE = 0.05, 0.5
    logger = logging.getLogger("clusterbayes")
    logger.addHandler(logging.FileHandler(task.checkpoint.parents[1] / f"{task.tool_id}.log"))
    logger.setLevel(logging.INFO)
    return fit_job(task, progress, cancel)
