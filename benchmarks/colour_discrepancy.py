"""What finished fits of several clusters say together of the colours of isochrones: mean and scatter at every knot.

    python benchmarks/colour_discrepancy.py FOLDER...

Each folder holds a finished fit (`result.h5`) of one cluster with the same grid and the same bluest and reddest band.
The normal prior of each fit is divided out of its posterior, and what is left, taken as normal, is put together: the
most probable mean of all clusters and the scatter between them. Clusters whose posterior is as wide as the prior say
nothing at that knot and are left out. The means without each of the clusters show how much hangs on one of them. What
`src/clusterbayes/model/discrepancies.csv` says is to be held against such numbers.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import optimize

from clusterbayes.model.priors import Normal, parse_prior
from clusterbayes.results.result import FitResult

_SAYS_NOTHING = 0.8  # of the prior's width


def likelihood_of(draws: np.ndarray, prior: Normal) -> tuple[float, float] | None:
    """Mean and standard deviation of what the data say, None where they say nothing."""
    mean, std = float(np.mean(draws)), float(np.std(draws))
    if std > _SAYS_NOTHING * prior.std:
        return None
    weight = 1.0 / std**2 - 1.0 / prior.std**2
    return (mean / std**2 - prior.mean / prior.std**2) / weight, weight**-0.5


def mean_and_scatter(values: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Most probable mean and scatter of a normal population, of which `values` (n,) have normal `errors` (n,)."""

    def cost(x: np.ndarray) -> float:
        variance = errors**2 + np.exp(2.0 * x[1])
        return float(np.sum((values - x[0]) ** 2 / variance + np.log(variance)))

    found = optimize.minimize(cost, [np.median(values), np.log(np.std(values) + 0.01)], method="Nelder-Mead")
    return float(found.x[0]), float(np.exp(found.x[1]))


def main(folders: list[str]) -> None:
    """Print the table."""
    fits = [FitResult.load(f"{folder}/result.h5") for folder in folders]
    knots = sorted({name for fit in fits for name in fit.draws if name.startswith("colour_")})
    print(f"{len(fits)} fits\nknot          n    mean  scatter  means without one")
    for knot in knots:
        found = []
        for fit in fits:
            prior = parse_prior(fit.provenance["priors"][knot])
            said = likelihood_of(fit.draws[knot], prior) if isinstance(prior, Normal) else None
            if said is not None:
                found.append(said)
        if len(found) < 3:
            print(f"{knot:<12} {len(found):>2}  too few clusters say anything")
            continue
        values, errors = np.array(found).T
        mean, scatter = mean_and_scatter(values, errors)
        without = [mean_and_scatter(np.delete(values, k), np.delete(errors, k))[0] for k in range(values.size)]
        print(f"{knot:<12} {values.size:>2}  {mean:+.3f}   {scatter:.3f}   {min(without):+.3f} to {max(without):+.3f}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(sys.argv[1:])
