"""Measure batches: simulated clusters of realistic sizes on one and on two workers, and a catalogue that is parted.

Sizes are those of open-cluster catalogues (lognormal, median 61 and mean 126 members), with half as many field stars.
All clusters are fitted on two workers with default settings, some of them once more on one. Both runs go on where they
were if the script is stopped and run again with the same options; the wall time is then the sum of what was spent. The
efficiency is

    E = (time of the compared jobs on one worker / their time on two) · (time of all jobs / (2 · wall time))

which is the usual T1 / (2 T2) if all are compared. ``--rows`` parts catalogues of so many rows instead.

    nice .venv/bin/python benchmarks/batch.py --work DIR [--clusters 200] [--compare 40] [--out TABLE.md]
    .venv/bin/python benchmarks/batch.py --work DIR --rows 1000000
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from astropy.table import Table
from rich.console import Console

from clusterbayes import simulate_cluster
from clusterbayes.batch import BatchOptions, fit_many, jobs_from_folder
from clusterbayes.batch.comparison import read_reference
from clusterbayes.batch.display import BatchLines
from clusterbayes.batch.report import write_report

MEDIAN, MEAN = 61.0, 126.0
SMALLEST, LARGEST = 20, 1500
FIELD = 0.5
EDGES = (0, 50, 100, 200, 400, 10_000)
TARGETS = {"converged": 0.95, "efficiency": 0.9, "hours": 1.0}
CATALOGUE, CORES = 7000, 64


def simulate(folder: Path, n_cluster: int, seed: int) -> Path:
    """Write the tables that are not there yet, and the truth as a reference catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    spread = np.sqrt(2.0 * np.log(MEAN / MEDIAN))
    columns = ("log_age", "mh", "dist_mod", "a_v")
    truth = [("name", "n_member", *columns)]
    for number in range(n_cluster):
        rng = np.random.default_rng([seed, number])
        n_member = int(np.clip(rng.lognormal(np.log(MEDIAN), spread), SMALLEST, LARGEST))
        values = {
            "log_age": rng.uniform(7.5, 9.7), "mh": np.clip(rng.normal(0.0, 0.15), -0.4, 0.25),
            "dist_mod": rng.uniform(8.0, 12.0), "a_v": rng.uniform(0.1, 1.5),
        }  # fmt: skip
        name = f"sim_{number:04d}"
        truth.append((name, n_member, *(round(values[column], 4) for column in columns)))
        path = folder / f"{name}.ecsv"
        if not path.exists():
            sky = simulate_cluster(
                **values, binary_frac=rng.uniform(0.2, 0.6), n_members=n_member, n_field=int(FIELD * n_member),
                bands=["G", "BP", "RP"], mag_limit="Gaia_G=18", parallax=True, seed=int(rng.integers(2**31)),
            )  # fmt: skip
            for column in ("is_member", "mass", "q"):
                sky.table.remove_column(column)
            sky.table.write(path.with_suffix(".part"), format="ascii.ecsv", overwrite=True)
            os.replace(path.with_suffix(".part"), path)
    reference = folder.parent / "truth.csv"
    with open(reference, "w", newline="") as file:
        csv.writer(file).writerows(truth)
    return reference


class Clock(BatchLines):
    """Says how far it is, and keeps the wall time in a file."""

    def __init__(self, console: Console, path: Path) -> None:
        super().__init__(console)
        self.path, self.last = path, time.monotonic()

    @property
    def seconds(self) -> float:
        return json.loads(self.path.read_text()) if self.path.exists() else 0.0

    def ended(self, row: dict) -> None:
        super().ended(row)
        self.close()

    def close(self) -> None:
        now = time.monotonic()
        self.path.write_text(json.dumps(self.seconds + now - self.last))
        self.last = now


def run(jobs: list, out: Path, workers: int) -> tuple[dict, float, object]:
    """Return the rows by name, the wall time [s], and the summary."""
    out.mkdir(parents=True, exist_ok=True)
    clock = Clock(Console(), out / "wall.json")
    done = sum((out / "clusters" / job.name / "job.json").exists() for job in jobs)
    summary = fit_many(jobs, out=out, options=BatchOptions(n_workers=workers), progress=clock)
    print(f"{workers} workers: {len(jobs)} clusters, {done} done before, {clock.seconds:.0f} s in all")
    return {row["name"]: row for row in summary.rows}, clock.seconds, summary


def report(two: dict, wall: float, one: dict, load: tuple[float, ...]) -> str:
    """Return the tables as Markdown."""
    done = [row for row in two.values() if row["status"] == "done"]
    both = [name for name, row in one.items() if row["status"] == "done" and two[name]["status"] == "done"]
    slower = sum(one[name]["seconds"] for name in both) / sum(two[name]["seconds"] for name in both)
    efficiency = slower * sum(row["seconds"] for row in done) / (2.0 * wall)
    core = np.array([row["cpu_seconds"] for row in done])
    size = np.array([row["n_input"] for row in done])
    converged = np.mean([bool(row["converged"]) for row in done])
    hours = CATALOGUE * core.mean() / CORES / 3600.0
    lines = [
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"NumPy {np.__version__}; load when it began {load[0]:.1f}.", "",
        "| stars in the table | clusters | core-seconds, median | mean | largest |", "|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    for low, high in zip(EDGES[:-1], EDGES[1:], strict=True):
        inside = core[(size >= low) & (size < high)]
        if inside.size:
            numbers = " | ".join(f"{value:.0f}" for value in (np.median(inside), inside.mean(), inside.max()))
            lines.append(f"| {low} to {high} | {inside.size} | {numbers} |")
    lines += [
        f"| all | {core.size} | {np.median(core):.0f} | {core.mean():.0f} | {core.max():.0f} |", "",
        "| what | measured | target |", "|---|---:|---:|",
        f"| finished | {len(done)} of {len(two)} | all |",
        f"| converged | {100 * converged:.1f} % | {100 * TARGETS['converged']:.0f} % |",
        f"| efficiency of two workers ({len(both)} clusters compared) | {efficiency:.2f} | {TARGETS['efficiency']} |",
        f"| projected: {CATALOGUE} clusters on {CORES} cores | {hours:.2f} h | {TARGETS['hours']:.0f} h, ceiling 4 h |",
        f"| the same at this efficiency | {hours / efficiency:.2f} h | |",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def part(work: Path, n_row: int) -> str:
    """Part catalogues of each form in processes of their own; return time and peak memory as Markdown."""
    rng = np.random.default_rng(1)
    table = Table({"source_id": rng.integers(2**60, 2**62, n_row)})
    table["cluster"] = np.char.add("Cluster_", rng.integers(0, CATALOGUE, n_row).astype(str))  # in no order at all
    for name in ("ra", "dec", "parallax", "pmra", "pmdec", "phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag"):
        table[name], table[f"{name}_error"] = rng.normal(size=n_row).round(6), 0.01
    lines = ["| form | rows | seconds | peak memory [GB] |", "|---|---:|---:|---:|"]
    code = "import sys; from pathlib import Path; from clusterbayes.batch.splitting import split_table; "
    code += "print(len(split_table(Path(sys.argv[1]), Path(sys.argv[2]))))"
    for ending, form in (("parquet", "parquet"), ("fits", "fits"), ("csv", "ascii.fast_csv")):
        path = work / f"stars.{ending}"
        if not path.exists():
            table.write(path, format=form)
        begun = time.monotonic()
        subprocess.run([sys.executable, "-c", code, str(path), str(work / f"{ending}_{time.time_ns()}")], check=True)
        seconds = time.monotonic() - begun
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9  # of the largest so far
        lines.append(f"| {form} | {n_row} | {seconds:.0f} | at most {peak:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for tables and results")
    parser.add_argument("--clusters", type=int, default=200)
    parser.add_argument("--compare", type=int, default=40, help="how many to fit on one worker, too")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="option of all clusters")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, help="part catalogues of so many rows, and fit nothing")
    parser.add_argument("--out", type=Path)
    words = parser.parse_args()
    words.work.mkdir(parents=True, exist_ok=True)
    if words.rows:
        text = part(words.work, words.rows)
    else:
        load = os.getloadavg()
        reference = simulate(words.work / "tables", words.clusters, words.seed)
        common = dict(text.split("=", 1) for text in words.set)
        jobs = jobs_from_folder(words.work / "tables", common=common)[: words.clusters]
        two, wall, summary = run(jobs, words.work / "two", 2)
        write_report(summary, read_reference(reference))
        one, _, _ = run(jobs[: words.compare], words.work / "one", 1)
        text = report(two, wall, one, load)
    print(text)
    if words.out:
        words.out.write_text(text)


if __name__ == "__main__":
    main()
