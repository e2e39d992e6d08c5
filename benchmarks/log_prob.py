"""Measure one log-probability evaluation per walker: stars, bands and threads against time, and the peak memory.

A simulated cluster with 40 % field is evaluated at walkers spread as in a posterior, all of them in one call: with
matched models (7 to 9 free parameters) and with the default model errors, whose floors make every star reach more of
the isochrone.  Target: 2 ms a walker on two cores for 1,000 stars in 3 bands, under 1 GB.

    python benchmarks/log_prob.py [--grid parsec] [--repeats 7] [--walkers 32]
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time

import numba
import numpy as np

from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model.cluster import ClusterModel
from clusterbayes.model.parameters import ParameterSet, default_priors
from clusterbayes.model.selection import Selection
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP", "2MASS_J", "2MASS_Ks")
CASES = ((1000, 3), (100, 3), (10_000, 3), (1000, 2), (1000, 5))
TRUTH = {"log_age": 9.0, "mh": 0.0, "dist_mod": 9.5, "a_v": 0.3, "binary_frac": 0.4}
SPREAD = {"log_age": 0.02, "mh": 0.05, "dist_mod": 0.03, "a_v": 0.03, "binary_frac": 0.03, "alpha_2": 0.1}
OTHER = {"member_frac": 0.6, "outlier_frac": 0.02, "alpha_1": 1.3, "alpha_2": 2.3}


def build(name: str, n_star: int, n_band: int, n_walkers: int, model_error: bool) -> tuple[ClusterModel, np.ndarray]:
    """Return a model of a simulated cluster, and walkers about the truth."""
    bands = BANDS[:n_band]
    grid = IsochroneGrid.load(name, bands=bands)
    n_members = round(0.6 * n_star)
    cluster = simulate_cluster(**TRUTH, n_members=n_members, n_field=n_star - n_members, grid=grid, bands=bands, seed=3)
    photometry = Photometry.from_table(cluster.table, observables=list(bands))
    ranges = {"log_age_range": grid.log_age[[0, -1]], "mh_range": grid.mh[[0, -1]]}
    parameters = ParameterSet.build(*default_priors(**ranges, bands=bands, model_error=model_error))
    field = np.full(photometry.n_star, 0.02)
    model = ClusterModel(photometry, grid, parameters, Selection(bands[0], faint=18.0), field=field)
    rng = np.random.default_rng(1)
    values = {}
    for parameter in parameters.names:
        centre = TRUTH.get(parameter, OTHER.get(parameter, 0.01 if parameter.startswith("floor_") else 0.0))
        spread = SPREAD.get(parameter, 0.003 if parameter.startswith(("zero_point_", "colour_", "floor_")) else 0.0)
        values[parameter] = np.abs(centre + spread * rng.normal(size=n_walkers))
    return model, parameters.pack(values)


def times(model: ClusterModel, theta: np.ndarray, n_threads: int, repeats: int) -> np.ndarray:
    """Return milliseconds per walker of several calls, after one that compiles."""
    model.n_threads = n_threads
    model.log_prob(theta)
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        model.log_prob(theta)
        taken.append(1000.0 * (time.perf_counter() - start) / theta.shape[0])
    return np.array(taken)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", default="parsec", help="name or path of the grid")
    parser.add_argument("--repeats", type=int, default=7, help="calls timed")
    parser.add_argument("--walkers", type=int, default=32, help="walkers in one call")
    options = parser.parse_args()
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, numba {numba.__version__}"
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {versions}")
    print(f"{options.walkers} walkers in one call, {options.repeats} calls; milliseconds a walker: median (best)")
    print(f"{'stars':>6} {'bands':>5} {'model error':>11} {'free':>4} {'1 thread':>16} {'2 threads':>16}")
    for n_star, n_band in CASES:
        for model_error in (False, True):
            model, theta = build(options.grid, n_star, n_band, options.walkers, model_error)
            cells = [times(model, theta, n_threads, options.repeats) for n_threads in (1, 2)]
            figures = " ".join(f"{np.median(ms):8.3f} ({ms.min():.3f})" for ms in cells)
            error = "default" if model_error else "none"
            print(f"{n_star:6d} {n_band:5d} {error:>11} {theta.shape[1]:4d} {figures}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"peak memory {peak / 1e6:.0f} MB; target: 2 ms at 1,000 stars, 3 bands, two cores; under 1 GB")


if __name__ == "__main__":
    main()
