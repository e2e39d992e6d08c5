"""Race ASteCA on one catalogue: effective samples per second of both, and how far each lands from the truth.

Both get all stars of the catalogue, the same isochrones (nodes of the packed grid, written in PARSEC's layout for
ASteCA), flat priors over the whole grid, and emcee; neither gets a separate sample of field stars.  ASteCA 0.7 is
sampled as its manual shows, with its own likelihood and emcee's differential-evolution moves, for a fixed time; the
effective sample size of a parameter is walkers × steps / τ after the first half, the smallest over the parameters that
both have.  This library runs twice: as a user calls it, until it has 1,000 effective samples, and for as long as ASteCA
had, search included.  Isochrones are loaded, and kernels compiled, before either clock starts.

    pip install --no-deps --ignore-requires-python asteca==0.7.0 && pip install fast-histogram
    python benchmarks/asteca_race.py bench_cluster.csv [--seconds 80] [--model-error none]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import emcee
import numpy as np
from astropy.table import Table

from clusterbayes import Photometry, fit_cluster
from clusterbayes.inference.sampler import SamplingOptions
from clusterbayes.isochrones import IsochroneGrid

Row = tuple[float, dict[str, float], dict[str, np.ndarray]]  # seconds, effective sample sizes and draws
TRUTH = {"log_age": 8.60, "mh": 0.05, "dist_mod": 10.0, "a_v": 0.465}
Z_SUN = 0.0152
NAMES = {"loga": "log_age", "met": "mh", "dm": "dist_mod", "Av": "a_v", "alpha": "alpha", "beta": "beta"}
PRIORS = {
    "loga": (6.5, 10.1),
    "met": (-1.5, 0.3),
    "dm": (5.0, 15.0),
    "Av": (0.0, 3.0),
    "alpha": (0.0, 1.0),
    "beta": (0.0, 3.0),
}
EFFECTIVE = {"Gaia_G": 5822.4, "Gaia_BP": 5035.8, "Gaia_RP": 7619.9}


def write_parsec(grid: IsochroneGrid, folder: Path) -> None:
    """Write the nodes of a grid as one PARSEC file per metallicity."""
    native = [grid.metadata.get("native_log_age", grid.log_age), grid.metadata.get("native_mh", grid.mh)]
    bands = ("Gaia_G", "Gaia_BP", "Gaia_RP")
    for mh in native[1]:
        lines = ["# Zini MH logAge Mini label Gmag G_BPmag G_RPmag"]
        for log_age in native[0]:
            isochrone = grid.isochrone(float(log_age), float(mh))
            keep = np.concatenate([[True], np.diff(isochrone.m_ini) > 0])
            columns = np.column_stack([isochrone.m_ini, isochrone.phase, *(isochrone.magnitudes[b] for b in bands)])
            head = f"{Z_SUN * 10.0**mh:.7f} {mh:.4f} {log_age:.4f}"
            lines += [f"{head} {m:.9f} {p:.0f} {g:.5f} {bp:.5f} {rp:.5f}" for m, p, g, bp, rp in columns[keep]]
        (folder / f"mh{mh:+.2f}.dat").write_text("\n".join(lines) + "\n")


def asteca_log_prob(table: Table, folder: Path, seed: int) -> Callable[[np.ndarray], float]:
    """Return ASteCA's log-probability of (loga, met, dm, Av, alpha, beta)."""
    import asteca

    isochrones = asteca.Isochrones(
        model="PARSEC", isochs_path=str(folder), mag="Gmag", color=("G_BPmag", "G_RPmag"), z_to_FeH=Z_SUN,
        magnitude_effl=EFFECTIVE["Gaia_G"], color_effl=(EFFECTIVE["Gaia_BP"], EFFECTIVE["Gaia_RP"]), verbose=0,
    )  # fmt: skip
    defaults = {"met": 0.0, "loga": 8.0, "alpha": 0.09, "beta": 0.94, "Rv": 3.1, "DR": 0.0, "Av": 0.2, "dm": 9.0}
    synthetic = asteca.Synthetic(isochrones, def_params=defaults, ext_law="CCMO", seed=seed, verbose=0)
    colour, error = table["BP"] - table["RP"], np.hypot(table["e_BP"], table["e_RP"])
    cluster = asteca.Cluster(
        mag=np.asarray(table["G"]), e_mag=np.asarray(table["e_G"]), color=np.asarray(colour),
        e_color=np.asarray(error), verbose=0,
    )  # fmt: skip
    synthetic.calibrate(cluster)
    likelihood = asteca.Likelihood(cluster)
    low, high = np.array(list(PRIORS.values())).T

    def log_prob(theta: np.ndarray) -> float:
        if np.any(theta < low) or np.any(theta > high):
            return -np.inf
        # The published value is a distance, 1 − ln L / ln L_max: undo its scale.
        return -likelihood.max_lkl * float(likelihood.get(synthetic.generate(dict(zip(PRIORS, theta, strict=True)))))

    return log_prob


def effective(chain: np.ndarray) -> np.ndarray:
    """Return the effective sample size of every parameter of a chain (n_steps, n_walkers, n_dim)."""
    tau = emcee.autocorr.integrated_time(chain, quiet=True, tol=0)
    return chain.shape[0] * chain.shape[1] / np.maximum(tau, 1.0)


def race_asteca(table: Table, seconds: float, seed: int) -> Row:
    """Return the time taken, effective sample sizes and draws of ASteCA."""
    grid = IsochroneGrid.load("parsec", bands=["G", "BP", "RP"])
    with tempfile.TemporaryDirectory() as folder:
        write_parsec(grid, Path(folder))
        log_prob = asteca_log_prob(table, Path(folder), seed)
    rng = np.random.default_rng(seed)
    low, high = np.array(list(PRIORS.values())).T
    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.2)]
    sampler = emcee.EnsembleSampler(50, len(PRIORS), log_prob, moves=moves)
    start = time.perf_counter()
    for _ in sampler.sample(rng.uniform(low, high, (50, len(PRIORS))), iterations=1_000_000):
        if time.perf_counter() - start > seconds:
            break
    taken = time.perf_counter() - start
    chain = sampler.get_chain()[sampler.iteration // 2 :]
    print(f"ASteCA: {sampler.iteration} steps of 50 walkers, acceptance {sampler.acceptance_fraction.mean():.3f}")
    names = [NAMES[name] for name in PRIORS]
    draws = dict(zip(names, chain.reshape(-1, len(names)).T, strict=True))
    return taken, dict(zip(names, effective(chain), strict=True)), draws


def fitted(photometry: Photometry, model_error: str, seed: int, sampling: SamplingOptions) -> tuple[Row, float]:
    """Fit; return the time taken, effective sample sizes and draws, and the time before sampling."""
    grid = IsochroneGrid.load("parsec", bands=["G", "BP", "RP"])
    began: dict[str, float] = {}
    start = time.perf_counter()
    result = fit_cluster(
        photometry, grid=grid, model_error=model_error, seed=seed, sampling=sampling,
        progress=lambda stage, *_: began.setdefault(stage, time.perf_counter() - start),
    )  # fmt: skip
    taken, ess = time.perf_counter() - start, result.diagnostics["ess"]
    verdict = "; ".join(result.diagnostics["reasons"]) or "converged"
    print(f"clusterbayes: {result.diagnostics['n_steps']} steps, {verdict}")
    return (taken, {name: ess[name] for name in TRUTH}, {name: result.draws[name] for name in TRUTH}), began["sample"]


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogue", type=Path, help="a table with G, BP, RP and their errors e_G, e_BP, e_RP")
    parser.add_argument("--seconds", type=float, default=80.0, help="time that ASteCA gets")
    parser.add_argument("--model-error", default="default", choices=("default", "none"), help="of this library")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    table = Table.read(options.catalogue)
    rows = {"ASteCA 0.7.0": race_asteca(table, options.seconds, options.seed)}
    photometry = Photometry.read(options.catalogue, observables=["G", "BP", "RP"])
    fitted(photometry, options.model_error, options.seed, SamplingOptions(target_ess=50))  # compiles
    short, search = fitted(photometry, options.model_error, options.seed, SamplingOptions())
    rows["clusterbayes, 1,000 effective samples"] = short
    left = max(1.0, options.seconds - search)
    alike = SamplingOptions(target_ess=1_000_000, max_steps=1_000_000, max_seconds=left)
    rows["clusterbayes, as long as ASteCA"], _ = fitted(photometry, options.model_error, options.seed, alike)
    print(f"{'':>44} {'seconds':>8} " + " ".join(f"{n + ' ESS/s':>15}" for n in TRUTH))
    for label, (taken, ess, draws) in rows.items():
        print(f"{label:>44} {taken:8.1f} " + " ".join(f"{ess[name] / taken:15.2f}" for name in TRUTH))
        centres = (f"{np.median(draws[n]):8.3f}±{np.std(draws[n]):5.3f} " for n in TRUTH)
        print(f"{'median ± sd':>44} {'':8} " + " ".join(centres))
    # A walker that never moved leaves ASteCA's autocorrelation undefined: the parameters that have one count.
    worst = {label: np.nanmin([ess[name] for name in TRUTH]) / taken for label, (taken, ess, _) in rows.items()}
    first, *others = worst.values()
    ratios = " and ".join(f"{other / first:.1f}" for other in others)
    print(f"ratio of the smallest ESS per second: {ratios} (target: at least 3, later 10)")


if __name__ == "__main__":
    main()
