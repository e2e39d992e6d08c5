"""How long a fit takes, from the catalogue to a converged posterior, search included.

Several simulated clusters of three kinds are fitted on all cores, each from the whole prior: 1,000 stars (600 members)
without model errors, the same with the default model, and 61 stars (40 members) with the default model, the median
size in the largest published catalogue. Printed are the wall and processor time of each fit, the smallest effective
sample size and the largest R-hat, then the median time of each kind.
Targets on two cores: 30 s, 120 s and 10 s, with 1,000 effective samples in every parameter and R-hat below 1.01.

    python benchmarks/fits.py [--clusters 5] [--kind none] [--threads 2]
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from dataclasses import dataclass

import numpy as np

from clusterbayes import FitResult, fit_cluster
from clusterbayes.inference.sampler import SamplingOptions
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP")


@dataclass(frozen=True)
class Kind:
    """Clusters of one size, fitted in one way, and the seconds that a fit may take."""

    n_members: int
    n_field: int
    model_error: str
    target: float


KINDS = {
    "none": Kind(600, 400, "none", 30.0),
    "default": Kind(600, 400, "default", 120.0),
    "small": Kind(40, 21, "default", 10.0),
}


def cluster_of(kind: Kind, seed: int) -> Photometry:
    """Simulate a cluster of a random age, metallicity, distance and extinction."""
    rng = np.random.default_rng(seed)
    truth = {
        "log_age": rng.uniform(7.5, 9.8),
        "mh": rng.normal(0.0, 0.1),
        "dist_mod": rng.uniform(9.0, 11.0),
        "a_v": rng.uniform(0.1, 1.5),
        "binary_frac": rng.uniform(0.3, 0.6),
    }
    made = simulate_cluster(**truth, n_members=kind.n_members, n_field=kind.n_field, bands=BANDS, seed=seed)
    return Photometry.from_table(made.table, observables=list(BANDS))


def timed(photometry: Photometry, kind: Kind, n_threads: int | None) -> tuple[FitResult, float, float]:
    """Fit; return the result, wall time and processor time [s]."""
    wall, processor = time.perf_counter(), time.process_time()
    options = SamplingOptions(n_threads=n_threads)
    result = fit_cluster(photometry, model_error=kind.model_error, sampling=options)
    return result, time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Fit, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", type=int, default=5, help="of each kind")
    parser.add_argument("--kind", choices=tuple(KINDS), action="append", help="all by default")
    parser.add_argument("--threads", type=int, help="all cores by default")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    timed(cluster_of(KINDS["small"], 1), KINDS["small"], options.threads)  # compiles
    print("\n| kind | cluster | converged | parameters | steps | ESS | R-hat | s | processor s |\n" + "|---" * 9 + "|")
    for name in options.kind or KINDS:
        kind, seconds = KINDS[name], []
        for seed in range(1, options.clusters + 1):
            result, wall, processor = timed(cluster_of(kind, seed), kind, options.threads)
            found = result.diagnostics
            seconds.append(wall)
            ess, rhat = min(found["ess"].values()), max(found["rhat"].values())
            print(
                f"| {name} | {seed} | {'yes' if result.converged else 'NO'} | {len(result.names)} | {found['n_steps']} "
                f"| {ess:.0f} | {rhat:.4f} | {wall:.1f} | {processor:.1f} |",
                flush=True,
            )
        print(
            f"| {name} | **median** | | | | | | **{np.median(seconds):.1f}** (target {kind.target:.0f}) | |", flush=True
        )


if __name__ == "__main__":
    main()
