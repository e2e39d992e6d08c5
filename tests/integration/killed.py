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
    "priors": {"log_age": "normal(9.45,0.05)"},
    "fixed": {"alpha_1": 1.3, "alpha_2": 2.3, "mh": 0.1, "dist_mod": 7.4, "a_v": 0.3},  # a short search
    "sampling": SamplingOptions(max_steps=400, burn_rounds=4, burn_steps=12, target_ess=10**6, n_threads=1),
}


def fit(checkpoint_path: Path | None, out: Path) -> None:
    """Fit every seventh star of the packaged example, keeping the state far more often than usual; save the result."""
    checkpoint._EVERY, checkpoint._SHARE = 0.05, 0.5
    stars = example()
    stars = stars.keep(np.arange(stars.n_star) % 7 == 0, "thinned")
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
