"""Measure how exact and how smooth the log-likelihood is: mass-ratio nodes, thinning of vertices, scans.

A simulated cluster of 1,000 members is evaluated at 64 points drawn from a Gaussian picture of its posterior, once with
the settings of a fit and once with finer ones. What counts is by how much the *difference* between two points of the
posterior changes, so the standard deviation over the points is given. Stars brighter than the turn-off, a few per cent,
are given apart. Two settings: the default one (floors and colours sampled, every second vertex, likelihood coarsened)
and `--model-error none` with errors of 3 mmag. Targets: 0.05 nat for doubled nodes; 0.01 nat about a smooth curve over
scans of 0.02 in 400 steps; repeated calls identical.

    python benchmarks/likelihood_accuracy.py [--grid parsec] [--stars 1000] [--seed 3]
"""

from __future__ import annotations

import argparse

import numpy as np

from clusterbayes.inference.search import climb, curvature
from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model.binaries import FINE_MASS_RATIOS, MassRatios
from clusterbayes.model.cluster import DEFAULT_TOLERANCE, ClusterModel
from clusterbayes.model.parameters import ParameterSet, default_priors
from clusterbayes.model.selection import Selection
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP")
TRUTH = {"log_age": 9.03, "mh": 0.03, "dist_mod": 9.5, "a_v": 0.3, "binary_frac": 0.4}
BRIGHT = 10.1  # about the turn-off
PARTS = 16  # of every interval between nodes, for the reference
SETTINGS = {"default": (MassRatios().nodes, 2), "none": (FINE_MASS_RATIOS, 1)}


class Case:
    """A catalogue, its posterior, and models of it."""

    def __init__(self, grid: IsochroneGrid, model_error: str, n_star: int, seed: int) -> None:
        self.grid, self.error = grid, model_error == "default"
        self.nodes, self.thin = SETTINGS[model_error]
        floor = 0.01 if self.error else 0.0
        counts = {"n_members": n_star, "n_field": 0}
        table = simulate_cluster(**TRUTH, **counts, grid=grid, bands=BANDS, seed=seed, floor=floor).table
        self.photometry = Photometry.from_table(table, observables=list(BANDS))
        ranges = {"log_age_range": grid.log_age[[0, -1]], "mh_range": grid.mh[[0, -1]]}
        defaults = default_priors(**ranges, bands=BANDS, model_error=self.error)
        self.parameters = ParameterSet.build(*defaults, user_fixed={"member_frac": 0.98})
        self.model = self.build(self.nodes, self.thin)
        start = {**TRUTH, "alpha_1": 1.3, "alpha_2": 2.3, "outlier_frac": 0.01} | {f"floor_{b}": 0.01 for b in BANDS}
        start = {name: start.get(name, 0.0) for name in self.parameters.names}
        z, _ = climb(self.model, self.parameters.to_normal(self.parameters.pack(start))[0], max_steps=100)
        drawn = np.random.default_rng(seed).multivariate_normal(z, curvature(self.model, z), size=64)
        self.theta = self.parameters.from_normal(drawn)
        self.giant = self.model.observed.values[:, 0] < BRIGHT

    def build(self, nodes: tuple[float, ...], thin: int) -> ClusterModel:
        """Build a model of the catalogue with the plain likelihood."""
        return ClusterModel(
            self.photometry,
            self.grid,
            self.parameters,
            Selection(BANDS[0], faint=18.0),
            field=np.full(self.photometry.n_star, 0.02),
            mass_ratios=MassRatios(nodes),
            thin=thin,
        )

    def stars(self, nodes: tuple[float, ...], thin: int) -> np.ndarray:
        """Log density (n_point, n_star) of every star at every point of the posterior."""
        model = self.build(nodes, thin)
        return np.log(model._run(self.parameters.unpack(self.theta), weights=True, moments=False)[1].sum(axis=2))

    def spread(self, difference: np.ndarray) -> str:
        """Cells of a table: standard deviation per 1,000 stars of the sum, of the giants' and of the others' part."""
        scale = np.sqrt(1000.0 / difference.shape[1])
        parts = (np.ones(self.giant.size, bool), self.giant, ~self.giant)
        return " | ".join(f"{scale * difference[:, part].sum(axis=1).std():.3f}" for part in parts)


def split(nodes: tuple[float, ...], parts: int) -> tuple[float, ...]:
    """Cut every interval between nodes into equal parts."""
    pieces = [np.linspace(a, b, parts + 1) for a, b in zip(nodes, nodes[1:], strict=False)]
    return tuple(np.unique(np.concatenate(pieces)).tolist())


def scan(case: Case, name: str) -> tuple[float, float, float]:
    """Scan a parameter: the range of the values, the largest distance from a spline, the largest jump between steps."""
    model, steps = case.model, np.linspace(0.0, 0.02, 400)
    theta = np.repeat(np.median(case.theta, axis=0)[None], 400, axis=0)
    column = model.parameters.names.index(name)
    start = theta[0, column] - 0.01
    for axis, axis_name in ((case.grid.log_age, "log_age"), (case.grid.mh, "mh")):
        if name == axis_name:  # within a cell of the grid
            start = axis[np.searchsorted(axis, theta[0, column]) - 1] + 0.1 * np.diff(axis).min()
    theta[:, column] = max(start, 0.0) + steps if name.startswith("floor") else start + steps
    values = model.log_likelihood(theta)
    if not np.array_equal(values, model.log_likelihood(theta)):
        raise SystemExit("repeated calls differ")
    from scipy.interpolate import make_lsq_spline

    knots = np.concatenate([[0.0] * 6, np.linspace(0.0, 0.02, 42)[1:-1], [0.02] * 6])
    smooth = make_lsq_spline(steps, values, knots, k=5)(steps)
    return float(np.ptp(values)), float(np.abs(values - smooth).max()), float(np.abs(np.diff(values, 3)).max())


def main() -> None:
    """Print the tables of docs/likelihood.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", default="parsec", help="name or path of the grid")
    parser.add_argument("--stars", type=int, default=1000, help="members")
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    grid = IsochroneGrid.load(options.grid, bands=BANDS)
    for error in SETTINGS:
        case = Case(grid, error, options.stars, options.seed)
        power = 1.0 / (1.0 + options.stars / DEFAULT_TOLERANCE) if error == "default" else 1.0
        print(f"\n### --model-error {error}: {len(case.nodes)} nodes, every {case.thin}. vertex, power {power:.3f}\n")
        print("| change | all stars | giants | others |\n|---|---|---|---|")
        base = case.stars(case.nodes, case.thin)
        reference = case.stars(split(case.nodes, PARTS), case.thin)
        print(f"| nodes doubled | {case.spread(case.stars(split(case.nodes, 2), case.thin) - base)} |")
        print(f"| nodes x {PARTS} | {case.spread(reference - base)} |")
        coarse = (0.1, 0.4, 0.65, 0.85, 1.0)
        print(f"| nodes {', '.join(map(str, coarse))} | {case.spread(case.stars(coarse, case.thin) - base)} |")
        for thin in (1, 2, 4):
            if thin != case.thin:
                print(f"| every {thin}. vertex | {case.spread(case.stars(case.nodes, thin) - base)} |")
        print("\n| scan | range | from a smooth curve | largest third difference |\n|---|---|---|---|")
        for name in case.parameters.names:
            if name in ("log_age", "mh", "dist_mod", "a_v", "binary_frac", "alpha_2", "floor_Gaia_G", "colour_3.72"):
                print("| {} | {:.2f} | {:.4f} | {:.5f} |".format(name, *scan(case, name)), flush=True)
    print("\nRepeated calls were identical.")


if __name__ == "__main__":
    main()
