"""Hold memberships against the truth of simulated clusters, and against published ones of real fields.

Each sample is fitted from scratch: with photometry alone, and with astrometry (parallax, proper motion, and places
where a centre and a radius are given). Simulated clusters have ten field stars for each member. Real fields are read
from `../shared/data` beside the repository where that folder is; a published membership is no truth, but somebody
else's opinion, mostly from astrometry alone. Prints a markdown table, and writes it where asked.

    python benchmarks/membership.py [--steps 150] [--seeds 3] [--only NAME ...] [--out TABLE.md]
"""

from __future__ import annotations

import argparse
import platform
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from clusterbayes.inference import SamplingOptions, fit_cluster
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "clusters"
CLIP = 1e-3  # probabilities are clipped here for the log score, or one star would decide it
CLUSTER = {"log_age": 8.9, "mh": 0.0, "a_v": 0.3, "binary_frac": 0.4}
HEADER = (
    "| sample | stars | members | used | ROC area | log score | reliability error | seconds |\n"
    "|---|---:|---:|---|---:|---:|---:|---:|\n"
)


@dataclass(frozen=True)
class Field:
    """A real field: file, observables, published membership, and how to fit it."""

    name: str
    observables: tuple[str, ...]
    reference: str
    circle: tuple[float, float, float] | None = None
    control: str | None = None
    default_error: dict[str, float] | None = None
    mag_limit: str = "auto"


FIELDS = (
    Field("m67", ("G", "BP-RP"), "member_GC18", control="m67_control_field"),
    Field(
        "blanco1_field", ("G", "BP-RP"), "membership_ref", (0.853, -29.958, 1.4),
        default_error={"G": 0.01, "BP-RP": 0.01, "parallax": 0.05, "pm": 0.05},
    ),
    Field("tombaugh2_field", ("G", "BP-RP"), "membership_ref", (105.773, -20.82, 0.06), mag_limit="Gaia_G=18.5"),
    Field("ruprecht44_ubvi", ("V", "B-V", "V-I"), "membership_ref", (119.708, -28.558, 0.08)),
)  # fmt: skip


def reliability_error(p: np.ndarray, member: np.ndarray) -> float:
    """Mean distance, over stars, of the share of members in ten bins of probability from their mean probability."""
    bins = np.minimum((10 * p).astype(int), 9)
    sums = [abs(p[bins == b].sum() - member[bins == b].sum()) for b in range(10)]
    return float(sum(sums) / len(p))


def scores(p: np.ndarray, member: np.ndarray) -> tuple[float, float, float]:
    """ROC area, mean log score and reliability error; `member` may be a probability."""
    clipped = np.clip(p, CLIP, 1.0 - CLIP)
    log_score = np.mean(member * np.log(clipped) + (1.0 - member) * np.log(1.0 - clipped))
    return float(roc_auc_score(member > 0.5, p)), float(log_score), reliability_error(p, member)


def alone(photometry: Photometry) -> Photometry:
    """Photometry without its astrometry."""
    return replace(photometry, parallax=None, parallax_error=None, pm=None, pm_error=None, pm_corr=None)


def row(name: str, used: str, photometry: Photometry, reference: np.ndarray, steps: int, **options) -> str:
    """Fit one sample and return its line of the table."""
    started = time.monotonic()
    result = fit_cluster(photometry, sampling=SamplingOptions(max_steps=steps), **options)
    known = np.isfinite(result.p_member) & np.isfinite(reference)
    p, member = result.p_member[known], reference[known]
    area, log_score, off = scores(p, member)
    seconds = time.monotonic() - started
    cells = f"{known.sum()} | {member.sum():.0f} | {used} | {area:.4f} | {log_score:.4f} | {off:.4f} | {seconds:.0f}"
    return f"| {name} | {cells} |\n"


def simulated(seed: int, dist_mod: float, steps: int) -> list[str]:
    """Lines of a simulated cluster at 1:10."""
    made = simulate_cluster(
        **CLUSTER, dist_mod=dist_mod, n_members=80, n_field=800, mag_limit="Gaia_G=17", seed=seed,
        parallax=True, proper_motion=True,
    )  # fmt: skip
    photometry = Photometry.from_table(made.table, observables=["G", "BP", "RP"])
    member = np.asarray(made.table["is_member"], float)
    options = {"mag_limit": "Gaia_G=17", "model_error": "none", "seed": 1}
    name = f"simulated, {10 ** (dist_mod / 5 - 2):.1f} kpc, seed {seed}"
    return [
        row(name, used, sample, member, steps, **options)
        for used, sample in (("photometry", alone(photometry)), ("with astrometry", photometry))
    ]


def real(field: Field, steps: int) -> list[str]:
    """Lines of a real field."""
    from astropy.table import Table

    path = DATA / f"{field.name}.ecsv"
    photometry = Photometry.read(path, observables=list(field.observables), default_error=field.default_error)
    reference = np.asarray(np.ma.filled(np.ma.asarray(Table.read(path)[field.reference], float), np.nan))
    reference = np.where(reference < 0, np.nan, reference)
    control = None
    if field.control is not None:
        control = Photometry.read(DATA / f"{field.control}.ecsv", observables=list(field.observables))
    options: dict = {"control": control, "seed": 1, "mag_limit": field.mag_limit}
    if field.circle is not None:
        options |= {"center": field.circle[:2], "radius": field.circle[2]}
    lines = [row(field.name, "photometry", alone(photometry), reference, steps, positions=False, **options)]
    choices = ("ignore", "use") if field.name == "m67" else ("auto",)
    for choice in choices:
        used = {"ignore": "with parallax", "use": "with parallax, motion"}.get(choice, "with astrometry")
        lines.append(row(field.name, used, photometry, reference, steps, proper_motion=choice, **options))
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150, help="steps of each walker")
    parser.add_argument("--seeds", type=int, default=3, help="simulated clusters at each distance")
    parser.add_argument("--only", nargs="*", help="simulated, or names of real fields")
    parser.add_argument("--out", type=Path, help="file for the table")
    options = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, {options.steps} steps of each walker\n")
    print(HEADER, end="", flush=True)
    lines: list[str] = []

    def add(new: list[str]) -> None:
        lines.extend(new)
        print("".join(new), end="", flush=True)
        if options.out is not None:
            options.out.write_text(HEADER + "".join(lines), encoding="utf-8")

    if not options.only or "simulated" in options.only:
        for dist_mod in (9.0, 11.5):
            for seed in range(1, options.seeds + 1):
                add(simulated(seed, dist_mod, options.steps))
    for field in FIELDS:
        if not options.only or field.name in options.only:
            if (DATA / f"{field.name}.ecsv").is_file():
                add(real(field, options.steps))
            else:
                print(f"{field.name}: skipped, {DATA} is not here")


if __name__ == "__main__":
    main()
