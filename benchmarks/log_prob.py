"""Measure one log-probability evaluation per walker: time against stars, bands and threads, its parts, and the memory.

A simulated cluster with 40 % field is evaluated at walkers spread as in a posterior, all of them in one call: with
matched models (7 to 9 free parameters) and with the default model errors, whose floors make every star reach more of
the isochrone.  Target: 2 ms a walker on two cores for 1,000 stars in 3 bands, under 1 GB.  Then the parts of an
evaluation on one thread, from differences: a star alone, with and without a limit, and stars far from any isochrone;
processor time, whose differences of some hundredths of a millisecond are noise on a busy machine.
At last the time of up to 100,000 stars, which should grow in proportion, and that of points that stand for them.

    python benchmarks/log_prob.py [--grid parsec] [--repeats 7] [--walkers 32]
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time
from collections.abc import Callable

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


def times(
    model: ClusterModel,
    theta: np.ndarray,
    n_threads: int,
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> np.ndarray:
    """Return milliseconds per walker of several calls, after one that compiles."""
    model.n_threads = n_threads
    model.log_prob(theta)
    taken = []
    for _ in range(repeats):
        start = clock()
        model.log_prob(theta)
        taken.append(1000.0 * (clock() - start) / theta.shape[0])
    return np.array(taken)


def isochrone_time(model: ClusterModel, theta: np.ndarray, repeats: int) -> float:
    """Return the best milliseconds of processor time that placing an isochrone takes."""
    taken = []
    for _ in range(repeats):
        start = time.thread_time()
        model.sequences(theta)
        taken.append(1000.0 * (time.thread_time() - start) / theta.shape[0])
    return min(taken)


def processor_time(model: ClusterModel, theta: np.ndarray, repeats: int) -> float:
    """Return the best milliseconds of processor time per walker, on one thread."""
    return float(times(model, theta, 1, repeats, clock=time.thread_time).min())


def parts(model: ClusterModel, theta: np.ndarray, repeats: int) -> dict[str, float]:
    """Return the milliseconds of the parts of an evaluation on one thread."""
    total = processor_time(model, theta, repeats)
    one = model.subset(np.array([0]))
    alone = processor_time(one, theta, repeats)
    unlimited = one.unbinned()
    everywhere = one._sequence.limits._replace(plain_bright=-1e3, plain_faint=1e3)  # no patch is near a limit
    unlimited._sequence = one._sequence._replace(limits=everywhere)
    laid = processor_time(unlimited, theta, repeats)
    far = model.unbinned()
    far._points = model._points._replace(values=model._points.values + 60.0)
    mixed = processor_time(far, theta, repeats)
    placed = isochrone_time(model, theta, repeats)
    return {
        "placing the isochrone (with Python's share)": placed,
        "laying strips of pairs": laid - placed,
        "selected share Z": alone - laid,
        "errors of the stars, field and mixture": mixed - alone,
        "stars against strips": total - mixed,
    }


def print_parts(name: str, n_walkers: int, repeats: int) -> None:
    """Print the shares of the parts, for few and for many stars."""
    print(
        f"\n{'part, 3 bands, processor time [ms]':43} {'error':>7} {'100 stars':>16} {'1,000 stars':>16} "
        f"{'10,000 stars':>16}"
    )
    for model_error in (False, True):
        columns = []
        for n_star in (100, 1000, 10_000):
            columns.append(parts(*build(name, n_star, 3, n_walkers, model_error), repeats))
        for part in columns[0]:
            cells = [f"{c[part]:8.3f} ({100 * c[part] / sum(c.values()):3.0f} %)" for c in columns]
            print(f"{part:43} {'default' if model_error else 'none':>7} {' '.join(f'{cell:>16}' for cell in cells)}")


def print_growth(name: str, n_walkers: int, repeats: int) -> None:
    """Print the time for up to 100,000 stars, and of the points that stand for them."""
    print(
        f"\n{'stars':>7} {'points':>7} {'sides':>6} {'ms':>9} {'us a point':>10}   (default, 3 bands, processor time)"
    )
    for n_star in (1000, 10_000, 100_000):
        model, theta = build(name, n_star, 3, n_walkers, True)
        for step in (None, 1.0, 2.0, 4.0) if n_star > 20_000 else (None,):
            taken = processor_time(model if step is None else model.binned(step, 0.01), theta, repeats)
            points = n_star if step is None else model.binned(step, 0.01).n_point
            print(f"{n_star:7d} {points:7d} {step or '-':>6} {taken:9.3f} {1000 * taken / points:10.2f}", flush=True)


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
            del model  # or its isochrones would be held beside the next one's
    print_parts(options.grid, options.walkers, options.repeats)
    print_growth(options.grid, options.walkers, options.repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"peak memory {peak / 1e6:.0f} MB; target: 2 ms at 1,000 stars, 3 bands, two cores; under 1 GB")


if __name__ == "__main__":
    main()
