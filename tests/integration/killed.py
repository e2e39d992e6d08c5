"""A small fit of real stars that another process can run, and be killed while it does."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from clusterbayes import FitResult, example, fit_cluster
from clusterbayes.inference import SamplingOptions, checkpoint

SETTINGS = {
    "mag_limit": "Gaia_G=18",
    "model_error": "none",
    "priors": {"log_age": "normal(9.45,0.05)", "dist_mod": "normal(7.4,0.1)", "a_v": "normal(0.3,0.1)"},
    "fixed": {"alpha_1": 1.3, "alpha_2": 2.3, "mh": 0.1},
    "sampling": SamplingOptions(max_steps=120, burn_rounds=4, burn_steps=15, n_threads=1),
}


def fit(checkpoint_path: Path | None, out: Path) -> None:
    """Fit every sixth star of the packaged example, keeping the state far more often than usual; save the result."""
    checkpoint._EVERY, checkpoint._SHARE = 0.05, 0.5
    stars = example()
    stars = stars.keep(np.arange(stars.n_star) % 6 == 0, "thinned")
    fit_cluster(stars, checkpoint=checkpoint_path, **SETTINGS).save(out)


def timed(checkpoint_path: Path | None, out: Path, note: Path) -> None:
    """Fit, and note how long that took [s]."""
    begun = time.monotonic()
    fit(checkpoint_path, out)
    note.write_text(str(time.monotonic() - begun))


def numbers(path: Path) -> FitResult:
    """Load a result without what must differ between two runs."""
    result = FitResult.load(path)
    del result.diagnostics["wall_seconds"], result.provenance["created_on"]
    return result
