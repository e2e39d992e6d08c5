"""Draw every picture, and the report, of a fit of 100,000 stars: the time each takes.

A simulated cluster with field stars, parallaxes, proper motions and places is fitted in Gaia's three bands, with most
parameters held and a short chain, since only the number of stars matters here. Each kind of picture is then drawn and
saved in each form, several times; the median counts. Target: under 3 s a picture.

    python benchmarks/plots.py [--stars 100000] [--repeats 3] [--out DIR]
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib import pyplot as plt

from clusterbayes import FitResult, fit_cluster
from clusterbayes.inference.sampler import SamplingOptions
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry
from clusterbayes.results.plots import KINDS, draw
from clusterbayes.results.plots.style import save_figure
from clusterbayes.results.report import write_report

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP")
LIMIT = "Gaia_G=19"
TRUTH = {"log_age": 9.0, "mh": 0.0, "dist_mod": 10.0, "a_v": 0.3, "binary_frac": 0.4}
FORMS = ("png", "svg", "pdf")


def main() -> None:
    """Simulate, fit, draw, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=int, default=100_000, help="stars, a third of them members")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="keep the pictures here")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    result = fit(options.stars)
    print(f"{result.p_member.size} stars; seconds, median of {options.repeats}, largest")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        slowest = 0.0
        for kind in KINDS:
            shown = []
            for form in FORMS:
                place = folder / f"{kind}.{form}"
                times = timed(options.repeats, lambda kind=kind, place=place: save_picture(result, kind, place))
                slowest = max(slowest, median(times))
                shown.append(f"{form} {median(times):5.2f} {max(times):5.2f} ({place.stat().st_size / 1e6:.2f} MB)")
            print(f"{kind:12s} {'   '.join(shown)}", flush=True)
        page = folder / "report.html"
        times = timed(1, lambda: write_report(result, page))
        print(f"report       {times[0]:.1f} s, {page.stat().st_size / 1e6:.1f} MB")
        print(f"slowest picture {slowest:.2f} s; target under 3 s")


def fit(n_star: int) -> FitResult:
    """Fit a simulated catalogue with a chain too short for anything but pictures."""
    n_member = n_star // 3
    sizes = {"n_members": n_member, "n_field": n_star - n_member}
    astrometry = {"parallax": True, "proper_motion": True, "positions": True}
    cluster = simulate_cluster(**TRUTH, **sizes, **astrometry, bands=BANDS, mag_limit=LIMIT, seed=1)
    held = {name: TRUTH[name] for name in ("mh", "dist_mod", "a_v")} | {"alpha_1": 1.3, "alpha_2": 2.3}
    return fit_cluster(
        Photometry.from_table(cluster.table, observables=list(BANDS)),
        mag_limit=LIMIT,
        model_error="none",
        fixed=held,
        sampling=SamplingOptions(max_steps=60, burn_rounds=1, burn_steps=20),
        progress=True,
    )


def save_picture(result: FitResult, kind: str, place: Path) -> None:
    """Draw and save one picture."""
    figure = draw(result, kind)
    save_figure(figure, place, 170)
    plt.close(figure)


def timed(repeats: int, work: Callable[[], Any]) -> list[float]:
    """Return the seconds of each call."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return times


if __name__ == "__main__":
    main()
