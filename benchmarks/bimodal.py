"""Posteriors of two modes of known weights: does the sampler find the weights that a nested sampler finds?

Two clusters are simulated that differ in age, distance and extinction, and searched as every fit is, under priors that
hold both of them and little more, for the nested sampler's sake. Each likelihood is divided by its evidence, estimated
from weighted draws, and the two are mixed with a weight drawn between 0.1 and 0.9: a posterior of two modes, each with
the width, bows and ridges of a real one. The default sampler starts from the modes that the two searches found. The
share of the first mode among its draws is held against nautilus (Lange 2023, MNRAS 525, 3181) on the same posterior,
and against the weight itself. Goes on where it was when started again; prints a table in Markdown.
Target: shares within 0.1 of the nested sampler's in all of 30 cases, or the fit says that it did not converge.

    pip install nautilus-sampler
    python benchmarks/bimodal.py --out FOLDER [--n 30] [--workers 2]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy import special

from clusterbayes import fit_cluster
from clusterbayes.inference.population import learn
from clusterbayes.inference.sampler import Chain, SamplingOptions, sample
from clusterbayes.inference.search import Mode
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry
from clusterbayes.validation.outcomes import Outcomes, run_side_by_side

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP")
BEYOND = {"log_age": 0.2, "dist_mod": 0.4, "a_v": 0.3}  # the priors, even ones, end so far from both clusters
FIXED = {"alpha_1": 1.3, "alpha_2": 2.3, "outlier_frac": 0.02}
LogPosterior = Callable[[np.ndarray], np.ndarray]


class Searched:
    """Posterior and modes that a search found; stands in the sampler's place, and gives a chain that nobody needs."""

    log_posterior: LogPosterior
    modes: list[Mode]
    names: tuple[str, ...]

    def __call__(self, log_posterior: LogPosterior, modes: list[Mode], options, rng, *, names, **_) -> Chain:
        self.log_posterior, self.modes, self.names = log_posterior, modes, names
        z = rng.multivariate_normal(modes[0].z, modes[0].covariance, size=200)
        return Chain.from_draws(z, log_posterior(z), names, target_ess=1)


def searched(truth: dict, priors: dict[str, str], seed: int) -> Searched:
    """Simulate a cluster, and search for the modes of its posterior."""
    made = simulate_cluster(**truth, bands=BANDS, seed=seed)
    found = Searched()
    fit_cluster(
        Photometry.from_table(made.table, observables=list(BANDS)), model_error="none", priors=priors, fixed=FIXED,
        sampler=found, sampling=SamplingOptions(n_threads=1), mag_limit="Gaia_G=18",
    )  # fmt: skip
    return found


def pair_of(seed: int, number: int) -> tuple[list[dict], float]:
    """Arguments of the simulator for two clusters, and the weight of the first."""
    rng = np.random.default_rng([seed, number])
    n_star = round(np.exp(rng.uniform(np.log(30), np.log(200))))
    shared = {"n_members": n_star, "n_field": n_star // 3, "binary_frac": rng.uniform(0.2, 0.6)}
    first = {"log_age": rng.uniform(8.0, 9.3), "dist_mod": rng.uniform(9.0, 10.5), "a_v": rng.uniform(0.2, 1.5)}
    shift = {"log_age": rng.uniform(0.1, 0.5), "dist_mod": rng.normal(0.0, 0.3), "a_v": rng.normal(0.0, 0.2)}
    second = {name: max(0.05, value + shift[name]) for name, value in first.items()}
    metals = np.clip(rng.normal(0.0, 0.15, size=2), -0.5, 0.25)
    clusters = [{**part, **shared, "mh": float(mh)} for part, mh in zip((first, second), metals, strict=True)]
    return clusters, float(rng.uniform(0.1, 0.9))


def priors_of(clusters: list[dict]) -> dict[str, str]:
    """Priors that hold all clusters and little more."""
    priors = {"mh": "normal(0, 0.2, -1, 0.3)"}
    for name, beyond in BEYOND.items():
        values = [truth[name] for truth in clusters]
        priors[name] = f"uniform({max(0.0, min(values) - beyond):.4f}, {max(values) + beyond:.4f})"
    return priors


def log_evidence(part: Searched, rng: np.random.Generator) -> float:
    """Log of the mass of a posterior, from weighted draws."""
    population = learn(part.log_posterior, part.modes, rng, n_least=1500)
    return float(special.logsumexp(population.log_prob - population.log_drawn))


def nested(log_posterior: LogPosterior, n_dim: int, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Draws (n, n_dim) of nautilus with their weights, and how often it evaluated the posterior."""
    from nautilus import Sampler

    def log_likelihood(z: np.ndarray) -> np.ndarray:
        return log_posterior(z) + 0.5 * (z**2).sum(axis=1)  # the prior is a unit Gaussian

    sampler = Sampler(
        special.ndtri,
        log_likelihood,
        n_dim=n_dim,
        n_live=500,
        n_networks=0,
        vectorized=True,
        pass_dict=False,
        seed=seed,
    )
    sampler.run(n_eff=2000)
    z, log_weight, _ = sampler.posterior()
    return z, np.exp(log_weight - log_weight.max()), int(sampler.n_like)


def one(number: int, seed: int, folder: Path) -> str:
    """Build a posterior, sample it in both ways, keep the shares."""
    clusters, weight = pair_of(seed, number)
    priors = priors_of(clusters)
    parts = [searched(truth, priors, 1000 * number + k) for k, truth in enumerate(clusters)]
    rng = np.random.default_rng([seed, number, 1])
    levels = [np.log(w) - log_evidence(part, rng) for w, part in zip((weight, 1.0 - weight), parts, strict=True)]

    def each(z: np.ndarray) -> np.ndarray:
        return np.array([level + part.log_posterior(z) for level, part in zip(levels, parts, strict=True)])

    def log_posterior(z: np.ndarray) -> np.ndarray:
        return np.logaddexp(*each(z))

    def share(z: np.ndarray) -> np.ndarray:
        first, second = each(z)
        return special.expit(first - second)

    modes = [
        Mode(mode.z, float(log_posterior(mode.z[None, :])[0]), mode.covariance) for part in parts for mode in part.modes
    ]
    modes.sort(key=lambda mode: -mode.log_weight)
    names, begun = parts[0].names, time.process_time()
    chain = sample(log_posterior, modes, SamplingOptions(n_threads=1), rng, names=names)
    seconds = time.process_time() - begun
    draws = chain.z.reshape(-1, len(names))[:: max(1, chain.z.shape[0] * chain.z.shape[1] // 4000)]
    begun = time.process_time()
    z, weights, n_like = nested(log_posterior, len(names), number)
    outcome = {
        "number": number, "clusters": clusters, "weight": weight, "converged": chain.convergence.converged,
        "reasons": list(chain.convergence.reasons), "n_steps": int(chain.z.shape[0]), "seconds": seconds,
        "share": float(share(draws).mean()), "nested": float(weights @ share(z) / weights.sum()),
        "nested_seconds": time.process_time() - begun, "n_like": n_like, "n_modes": [len(p.modes) for p in parts],
    }  # fmt: skip
    Outcomes(folder).keep(f"{number:03d}", outcome)
    return f"{number}: {outcome['share']:.3f}, nested {outcome['nested']:.3f}, built {weight:.3f}"


def report(outcomes: list[dict]) -> None:
    """Print a row for each case, and the sums."""
    print("| | stars | log_age | modes | built | nested | chain | less nested | state | steps | s | nested s |")
    print("|" + "---|" * 12)
    for o in outcomes:
        n_star = o["clusters"][0]["n_members"] + o["clusters"][0]["n_field"]
        ages = ", ".join(f"{cluster['log_age']:.2f}" for cluster in o["clusters"])
        print(
            f"| {o['number']} | {n_star} | {ages} | {' + '.join(map(str, o['n_modes']))} | {o['weight']:.3f} "
            f"| {o['nested']:.3f} | {o['share']:.3f} | {o['share'] - o['nested']:+.3f} "
            f"| {'converged' if o['converged'] else 'not converged'} | {o['n_steps']} "
            f"| {o['seconds']:.0f} | {o['nested_seconds']:.0f} |"
        )
    off = np.array([o["share"] - o["nested"] for o in outcomes])
    missed = [o["number"] for o, d in zip(outcomes, off, strict=True) if abs(d) > 0.1 and o["converged"]]
    print(
        f"\n{len(outcomes)} cases, {sum(o['converged'] for o in outcomes)} converged: chain less nested has rms "
        f"{np.sqrt(np.mean(off**2)):.3f} and is {np.abs(off).max():.3f} at most; off by more than 0.1 and not flagged: "
        f"{missed or 'none'}"
    )


def main() -> None:
    """Run what is missing, and print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the outcomes")
    parser.add_argument("--n", type=int, default=30, help="cases")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    outcomes = Outcomes(options.out, {"what": "bimodal", "seed": options.seed})
    waiting = [number for number in range(options.n) if not outcomes.has(f"{number:03d}")]
    run_side_by_side(
        partial(one, seed=options.seed, folder=options.out), waiting, n_workers=options.workers, tell=print
    )
    report(list(outcomes.all()))


if __name__ == "__main__":
    main()
