"""Whether a chain can be believed: R̂ of independent ensembles, autocorrelation time, effective size, stuck walkers.

A walker that stays in one place for long is stuck where its proposals hardly reach. The autocorrelation time, a mean
over walkers, does not show it, so the longest rest is judged by itself: it may take no more than a tenth of the chain.
Nor does it show walkers that pass from mode to mode too seldom: their means differ by more than means over so many
autocorrelation times can. Where they do, by twice or more in variance, the time that they tell is taken instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import emcee
import numpy as np

__all__ = ["Convergence", "assess", "longest_rest", "split_rhat", "walker_variance_ratio"]

RHAT_LIMIT = 1.01
LENGTH_IN_TAU = 50.0
LENGTH_IN_RESTS = 10.0
TIED = 2.0  # times more than by its autocorrelation that the variance of walkers' means may be
_STUCK = 0.1  # share of walkers that never moved from which a chain says nothing about its autocorrelation


@dataclass(frozen=True)
class Convergence:
    """Verdict about a chain.

    Attributes
    ----------
    converged : bool
    reasons : list of str
        Why not, in words; empty when converged.
    tau, ess, rhat : dict
        Autocorrelation time [steps], effective sample size and split-R̂, by parameter. Where walkers' means differ by
        more than `TIED` times what the autocorrelation allows (in variance), the time is as many times longer.
    longest_rest : int
        Most steps that a walker stayed in one place.
    length_needed : float
        Steps that the chain should have by its τ and rests.
    progress : float
        How much of the required length is done, 0 to 1.
    """

    converged: bool
    reasons: list[str]
    tau: dict[str, float] = field(repr=False)
    ess: dict[str, float] = field(repr=False)
    rhat: dict[str, float] = field(repr=False)
    longest_rest: int
    length_needed: float
    progress: float

    @property
    def tau_max(self) -> float:
        """Longest autocorrelation time [steps]."""
        return max(self.tau.values())

    @property
    def ess_min(self) -> float:
        """Smallest effective sample size."""
        return min(self.ess.values())

    @property
    def rhat_max(self) -> float:
        """Largest split-R̂."""
        return max(self.rhat.values())


def split_rhat(groups: np.ndarray) -> np.ndarray:
    """Potential scale reduction over groups of draws.

    Parameters
    ----------
    groups : (n_group, n_draw, n_dim)
        The time halves of independent ensembles, all walkers of an ensemble pooled.

    Returns
    -------
    numpy.ndarray
        Shape (n_dim,). Gelman et al., Bayesian Data Analysis (2013), eq. 11.4. Draws of an ensemble count as they are:
        with pooled walkers the between-group variance is what matters.
    """
    within = groups.var(axis=1, ddof=1).mean(axis=0)
    between = groups.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(within > 0, np.sqrt(1.0 + between / within), 1.0)


def walker_variance_ratio(chain: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Variance of the walkers' means over what it is for walkers that go everywhere, shape (n_dim,).

    Parameters
    ----------
    chain : (n_steps, n_walkers, n_dim)
    tau : (n_dim,)
        Autocorrelation times [steps]. A mean over n_steps has the variance tau / n_steps of a single draw's.
    """
    n_steps, n_walkers, _ = chain.shape
    if n_walkers < 2:
        return np.zeros(chain.shape[2])
    expected = chain.var(axis=(0, 1)) * np.minimum(tau / n_steps, 1.0)
    between = chain.mean(axis=0).var(axis=0, ddof=1)
    return np.divide(between, expected, out=np.zeros_like(between), where=expected > 0)


def longest_rest(chain: np.ndarray) -> int:
    """Most steps that any walker of a chain (n_steps, n_walkers, n_dim) stayed in one place."""
    longest, here = 1, np.ones(chain.shape[1], int)
    for before, after in pairwise(chain):
        here = np.where((before == after).all(axis=1), here + 1, 1)
        longest = max(longest, int(here.max()))
    return longest


def assess(chain: np.ndarray, n_ensemble: int, target_ess: float, names: tuple[str, ...]) -> Convergence:
    """Judge a chain of shape (n_steps, n_walkers, n_dim) made of `n_ensemble` blocks of walkers."""
    chain = np.ascontiguousarray(chain)  # sums in one order, whether the chain was sampled or read
    n_steps, n_walkers, n_dim = chain.shape
    half = n_steps // 2
    groups = []
    for block in np.split(chain, n_ensemble, axis=1):
        for part in (block[:half], block[half : 2 * half]):
            groups.append(part.reshape(-1, n_dim))
    rhat = split_rhat(np.array(groups))
    with np.errstate(invalid="ignore", divide="ignore"):  # a walker that never moved has no autocorrelation
        tau = emcee.autocorr.integrated_time(chain, quiet=True, tol=0)
    stuck = (chain == chain[0]).all(axis=0).mean(axis=0) > _STUCK
    tau = np.where(np.isfinite(tau) & ~stuck, np.maximum(tau, 1.0), n_steps)
    excess = walker_variance_ratio(chain, tau)
    tau = np.where(excess > TIED, np.minimum(excess * tau, n_steps), tau)
    ess = n_steps * n_walkers / tau
    worst = int(np.argmax(tau))
    reasons = []
    if rhat.max() >= RHAT_LIMIT:
        name = names[int(np.argmax(rhat))]
        reasons.append(f"R-hat of {name} is {rhat.max():.3f}, not below {RHAT_LIMIT}: the ensembles disagree")
    if n_steps < LENGTH_IN_TAU * tau[worst]:
        text = f"{n_steps} steps are {n_steps / tau[worst]:.0f} autocorrelation times of {names[worst]}, fewer than 50"
        reasons.append(text + (" (walkers keep to places of their own)" if excess[worst] > TIED else ""))
    if ess.min() < target_ess:
        reasons.append(f"effective sample size {ess.min():.0f} ({names[worst]}) is below {target_ess:.0f}")
    rest = longest_rest(chain)
    if n_steps < LENGTH_IN_RESTS * rest:
        reasons.append(f"a walker stayed in one place for {rest} of {n_steps} steps, more than a tenth: it was stuck")
    length_needed = max(LENGTH_IN_TAU * tau[worst], LENGTH_IN_RESTS * rest)
    progress = min(1.0, n_steps / length_needed, ess.min() / target_ess)
    by_name = [{n: float(v) for n, v in zip(names, values, strict=True)} for values in (tau, ess, rhat)]
    return Convergence(
        converged=not reasons,
        reasons=reasons,
        tau=by_name[0],
        ess=by_name[1],
        rhat=by_name[2],
        longest_rest=rest,
        length_needed=float(length_needed),
        progress=float(progress),
    )
