"""Fit a globular-like cluster of 100,000 stars or more: the time and memory it takes, and whether it covers the truth.

A cluster of log age 10.1, [M/H] -1.5 and true distance modulus 14.4 is simulated with field stars down to G = 20, and
fitted in Gaia's three bands with default settings, from the whole prior. Printed are the time of the fit (wall and
processor), the peak memory of the process, the error of the binned likelihood over draws, and truth beside posterior.
Target: under 10 minutes on two cores, errors that cover the truth.

    python benchmarks/large.py [--stars 100000] [--field 2000] [--model-error none] [--binned never] [--steps 1500]
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time

import numpy as np

from clusterbayes import fit_cluster
from clusterbayes.inference.sampler import SamplingOptions
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP")
TRUTH = {"log_age": 10.1, "mh": -1.5, "dist_mod": 14.4, "a_v": 0.1, "binary_frac": 0.1}


def main() -> None:
    """Simulate, fit, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=int, default=100_000, help="members within the limit")
    parser.add_argument("--field", type=int, default=2_000, help="field stars")
    parser.add_argument("--model-error", choices=("default", "none"), default="default")
    parser.add_argument("--binned", choices=("auto", "never"), default="auto")
    parser.add_argument("--steps", type=int, default=SamplingOptions().max_steps, help="longest chain")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    limit = f"{BANDS[0]}=20"
    sizes = {"n_members": options.stars, "n_field": options.field}
    cluster = simulate_cluster(**TRUTH, **sizes, bands=BANDS, mag_limit=limit, seed=options.seed)
    photometry = Photometry.from_table(cluster.table, observables=list(BANDS))
    wall, processor = time.perf_counter(), time.process_time()
    result = fit_cluster(
        photometry,
        mag_limit=limit,
        model_error=options.model_error,
        binned=options.binned,
        seed=options.seed,
        sampling=SamplingOptions(max_steps=options.steps),
        progress=True,
    )
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(
        f"{photometry.n_star} stars: {wall:.0f} s, {processor:.0f} s of processor time, peak memory {peak / 1e9:.2f} GB"
    )
    print(f"converged: {result.converged} {result.diagnostics['reasons']}, binning: {result.diagnostics['binning']}")
    for name, true in cluster.truth.items():
        if name in result.draws and np.ptp(result.draws[name]) > 0.0:
            draws = result.draws[name]
            print(f"{name:>16} {true:9.4f} {draws.mean():9.4f} +- {draws.std():.4f}, rank {np.mean(draws < true):.3f}")
    member = np.asarray(cluster.table["is_member"])
    print(f"mean p_member of members {np.nanmean(result.p_member[member]):.3f}, of field stars "
          f"{np.nanmean(result.p_member[~member]):.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
