"""Simulated clusters of every kind, fitted with defaults and nobody watching: how many converge, and is any mode wrong?

Each cluster has 30 to 2,000 stars, log age 6.8 to 10.1, A_V 0 to 3, a field share of 0 to 0.8. After the fit a second
chain, with the same likelihood and field, starts at the truth and at the modes that were found. A fit that says it has
converged has a wrong mode if the two disagree (R-hat between them above 1.05) and the one that knew the truth lies
higher by more than 5, or differs without lying lower by more than 5. Goes on where it was when started again; prints a
table in Markdown.
Targets: 97 of 100 converge, none with a wrong mode.

    python benchmarks/unattended.py --out FOLDER [--n 100] [--workers 2]
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from clusterbayes import FitResult, fit_cluster
from clusterbayes.inference.diagnostics import split_rhat
from clusterbayes.inference.sampler import Chain, SamplingOptions, sample
from clusterbayes.inference.search import Mode
from clusterbayes.model.priors import parse_prior
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry
from clusterbayes.validation.outcomes import Outcomes, run_side_by_side

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP")
NAMES = ("log_age", "mh", "dist_mod", "a_v")
N_COMPARED = 3000  # draws of each chain


@dataclass
class Overheard:
    """The default sampler, and what it was given."""

    call: tuple | None = None
    chain: Chain | None = None

    def __call__(self, *args, **options) -> Chain:
        self.call, self.chain = args, sample(*args, **options)
        return self.chain


def cluster_of(seed: int, number: int) -> dict:
    """Arguments of the simulator for one cluster."""
    rng = np.random.default_rng([seed, number])
    n_star = round(np.exp(rng.uniform(np.log(30), np.log(2000))))
    n_members = max(10, round(n_star * (1 - rng.uniform(0, 0.8))))
    return {
        "log_age": rng.uniform(6.8, 10.1),
        "mh": float(np.clip(rng.normal(0, 0.2), -0.8, 0.29)),
        "dist_mod": rng.uniform(8, 12),
        "a_v": rng.uniform(0, 3),
        "binary_frac": rng.uniform(0.2, 0.7),
        "n_members": n_members,
        "n_field": max(0, n_star - n_members),
        "seed": number,
    }


def from_the_truth(overheard: Overheard, result: FitResult, truth: dict) -> Chain:
    """Sample once more, beginning at the truth (the median of its prior for what has none) and at the modes found.

    With the truth alone the second chain may lack what the first one has: posteriors of few stars have several modes.
    """
    log_posterior, modes, options, _ = overheard.call
    z = np.zeros(len(result.names))
    for i, name in enumerate(result.names):
        if name in truth:
            prior = parse_prior(result.provenance["priors"][name])
            z[i] = np.clip(prior.to_normal(np.array([truth[name]]))[0], -3.0, 3.0)
    start = Mode(z, float(log_posterior(z[None, :])[0]), modes[0].covariance)
    return sample(log_posterior, [start, *modes], options, np.random.default_rng(truth["seed"]), names=result.names)


def thinned(chain: Chain) -> np.ndarray:
    flat = chain.z[len(chain.z) // 2 :].reshape(-1, chain.z.shape[2])
    return flat[np.linspace(0, len(flat) - 1, N_COMPARED).astype(int)]


def one(number: int, seed: int, folder: Path) -> str:
    """Simulate, fit, compare, keep."""
    truth = cluster_of(seed, number)
    truth["member_frac"] = truth["n_members"] / (truth["n_members"] + truth["n_field"])
    made = simulate_cluster(**{k: v for k, v in truth.items() if k != "member_frac"}, bands=BANDS)
    overheard, begun = Overheard(), time.process_time()
    photometry = Photometry.from_table(made.table, observables=list(BANDS))
    result = fit_cluster(photometry, sampler=overheard, sampling=SamplingOptions(n_threads=1))
    seconds = time.process_time() - begun
    again = from_the_truth(overheard, result, truth)
    diagnostics, summary = result.diagnostics, result.summary()
    outcome = {
        "number": number,
        "truth": truth,
        "fit": {name: [summary[name]["median"], summary[name]["std"]] for name in NAMES},
        "converged": result.converged,
        "reasons": diagnostics["reasons"],
        "tau": max(diagnostics["tau"].values()),
        "n_steps": diagnostics["n_steps"],
        "seconds": seconds,
        "rhat": float(split_rhat(np.array([thinned(overheard.chain), thinned(again)])).max()),
        "higher": float(overheard.chain.log_prob.mean() - again.log_prob.mean()),
    }
    Outcomes(folder).keep(f"{number:03d}", outcome)
    return f"{number}: {'converged' if result.converged else 'not converged'}, {seconds:.0f} s"


def is_wrong(outcome: dict) -> bool:
    """Whether a fit that claims to have converged lies in a mode that the truth's chain does not support."""
    apart = outcome["rhat"] > 1.05 and outcome["higher"] < 5.0
    return outcome["converged"] and (apart or outcome["higher"] < -5.0)


def report(outcomes: list[dict]) -> None:
    """Print a row for each cluster, and the sums."""
    print("| | stars | members | log_age | fit | A_V | fit | state | tau | steps | R-hat | higher | s |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for o in outcomes:
        t, fit = o["truth"], o["fit"]
        state = "WRONG" if is_wrong(o) else "converged" if o["converged"] else "not converged"
        print(
            f"| {o['number']} | {t['n_members'] + t['n_field']} | {t['n_members']} | {t['log_age']:.2f} "
            f"| {fit['log_age'][0]:.2f} ± {fit['log_age'][1]:.2f} | {t['a_v']:.2f} "
            f"| {fit['a_v'][0]:.2f} ± {fit['a_v'][1]:.2f} | {state} | {o['tau']:.0f} | {o['n_steps']} "
            f"| {o['rhat']:.3f} | {o['higher']:+.1f} | {o['seconds']:.0f} |"
        )
    print(
        f"\n{len(outcomes)} clusters: {sum(o['converged'] for o in outcomes)} converged, "
        f"{sum(map(is_wrong, outcomes))} with a wrong mode; median {np.median([o['seconds'] for o in outcomes]):.0f} s "
        "of processor time"
    )


def main() -> None:
    """Fit what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the outcomes")
    parser.add_argument("--n", type=int, default=100, help="clusters")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    kept = Outcomes(options.out, {"benchmark": "unattended", "seed": options.seed})
    missing = [number for number in range(options.n) if not kept.has(f"{number:03d}")]
    work = partial(one, seed=options.seed, folder=options.out)
    run_side_by_side(work, missing, n_workers=options.workers, tell=lambda line: print(line, flush=True))
    report(list(kept.all()))


if __name__ == "__main__":
    main()
