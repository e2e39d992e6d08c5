"""Sampling with emcee: independent ensembles, adapted proposals during burn-in, fixed ones afterwards.

The sampler works in standard normal coordinates, where the prior is a unit Gaussian. Moves are differential evolution
(some of it with γ = 1, which jumps between modes), snooker, and independent draws from a mixture fitted to the
burn-in. After burn-in nothing adapts, so the chain is a proper Markov chain. It grows until it has converged or the
budget is spent, and says which.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import emcee
import numpy as np
from scipy import special

from clusterbayes.errors import SettingsError
from clusterbayes.inference.diagnostics import Convergence, assess
from clusterbayes.inference.search import Mode

__all__ = ["Chain", "IndependentProposal", "SamplingOptions", "sample"]

_STILL = 0.25  # of the spread of the log posterior: what its mean may change in a round when burn-in is over
_ACCEPTED = 0.2  # share of proposals accepted at which the proposal needs no more rounds than it takes to stand still
LogPosterior = Callable[[np.ndarray], np.ndarray]  # (n, n_dim) to (n,)


@dataclass(frozen=True)
class SamplingOptions:
    """How long and how widely to sample.

    Attributes
    ----------
    n_walkers : int or None
        Walkers of each ensemble; by default 2 n_dim + 2, at least 32, even.
    max_steps : int
        Most steps of each ensemble after burn-in.
    target_ess : int
        Effective sample size that every parameter should reach.
    n_threads : int or None
        Threads for the likelihood; all cores by default. Numbers do not depend on it.
    burn_rounds, burn_steps : int
        Most rounds of adaptation, and steps in the first two; later ones up to eight times as many.
        Burn-in ends, after at least four rounds, once the mean log posterior of both ensembles stands still.
    """

    n_walkers: int | None = None
    max_steps: int = 3000
    target_ess: int = 1000
    n_threads: int | None = None
    burn_rounds: int = 8
    burn_steps: int = 40

    def __post_init__(self) -> None:
        least = {"max_steps": 10, "target_ess": 1, "burn_rounds": 1, "burn_steps": 4, "n_threads": 1, "n_walkers": 4}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise SettingsError(f"{name} is too small", name, value, f"at least {low}")


@dataclass(frozen=True)
class Chain:
    """What the ensembles visited after burn-in, in standard normal coordinates.

    Attributes
    ----------
    z : (n_steps, n_walkers, n_dim)
        Walkers of all ensembles side by side, `n_ensemble` equal blocks.
    log_prob : (n_steps, n_walkers)
    n_ensemble : int
    acceptance : float
        Mean share of accepted proposals.
    convergence : Convergence
    n_burn : int
        Steps of burn-in.
    """

    z: np.ndarray
    log_prob: np.ndarray
    n_ensemble: int
    acceptance: float
    convergence: Convergence
    n_burn: int


class IndependentProposal:
    """Draws from a mixture of multivariate t distributions, whatever the current position.

    Parameters
    ----------
    weights : (n_mode,)
    means : (n_mode, n_dim)
    covariances : (n_mode, n_dim, n_dim)
    dof : float
        Degrees of freedom; small ones give heavy tails.
    """

    def __init__(self, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray, *, dof: float = 6.0) -> None:
        self.weights = np.asarray(weights, float) / np.sum(weights)
        self.means = np.asarray(means, float)
        self.cholesky = np.linalg.cholesky(np.asarray(covariances, float))
        self.dof = dof

    @classmethod
    def from_modes(cls, modes: list[Mode], *, widen: float = 1.2) -> IndependentProposal:
        """Mixture of the Gaussian pictures of the modes, widened in every direction."""
        log_weight = np.array([mode.log_weight for mode in modes])
        weights = np.maximum(np.exp(log_weight - log_weight.max()), 0.05)
        return cls(weights, np.array([m.z for m in modes]), np.array([widen**2 * m.covariance for m in modes]))

    @classmethod
    def from_draws(cls, draws: np.ndarray, seed: int) -> IndependentProposal:
        """Fit to draws (n_draw, n_dim): a Gaussian mixture, with a wider copy of everything as a safeguard."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import threadpool_limits

        n_dim = draws.shape[1]
        n_mode = int(np.clip(draws.shape[0] // (60 * n_dim), 1, 3))
        with (
            threadpool_limits(1),
            warnings.catch_warnings(),
        ):  # a mixture that is not at its optimum still is a valid proposal
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture = GaussianMixture(n_mode, random_state=seed, reg_covar=1e-8, max_iter=60).fit(draws)
        weights = np.append(0.9 * mixture.weights_, 0.1)
        means = np.vstack([mixture.means_, draws.mean(axis=0)])
        wide = np.cov(draws.T).reshape(n_dim, n_dim) * 1.5
        return cls(weights, means, np.concatenate([mixture.covariances_, wide[None]]), dof=12.0)

    def draw(self, n: int, rng: np.random.RandomState | np.random.Generator) -> np.ndarray:
        """Draw (n, n_dim) points."""
        which = rng.choice(self.weights.size, size=n, p=self.weights)
        normal = rng.normal(size=(n, self.means.shape[1]))
        scale = np.sqrt(self.dof / rng.chisquare(self.dof, size=n))
        return self.means[which] + scale[:, None] * np.einsum("nij,nj->ni", self.cholesky[which], normal)

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Log density at z (n, n_dim), shape (n,)."""
        n_dim = self.means.shape[1]
        parts = np.empty((self.weights.size, z.shape[0]))
        norm = special.gammaln(0.5 * (self.dof + n_dim)) - special.gammaln(0.5 * self.dof)
        norm -= 0.5 * n_dim * np.log(self.dof * np.pi)
        for k in range(self.weights.size):
            x = np.linalg.solve(self.cholesky[k], (z - self.means[k]).T)
            log_det = np.log(np.diag(self.cholesky[k])).sum()
            tail = 0.5 * (self.dof + n_dim) * np.log1p((x**2).sum(axis=0) / self.dof)
            parts[k] = np.log(self.weights[k]) + norm - log_det - tail
        return special.logsumexp(parts, axis=0)

    def __call__(self, coords: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Proposal function of `emcee.moves.MHMove`: new positions and the log of the proposal ratio."""
        new = self.draw(coords.shape[0], rng)
        return new, self.log_density(coords) - self.log_density(new)


def _moves(proposal: IndependentProposal, n_dim: int) -> list[tuple[emcee.moves.Move, float]]:
    return [
        (emcee.moves.MHMove(proposal, ndim=n_dim), 0.6),
        (emcee.moves.DEMove(), 0.25),
        (emcee.moves.DEMove(gamma0=1.0), 0.05),
        (emcee.moves.DESnookerMove(), 0.1),
    ]


def sample(
    log_posterior: LogPosterior,
    modes: list[Mode],
    options: SamplingOptions,
    rng: np.random.Generator,
    *,
    names: tuple[str, ...],
    report: Callable[[float, str], None] | None = None,
) -> Chain:
    """Sample a posterior in standard normal coordinates, starting from its modes.

    Parameters
    ----------
    log_posterior : callable
        From z (n, n_dim) to (n,).
    modes : list of Mode
    options : SamplingOptions
    rng : numpy.random.Generator
    names : tuple of str
        Names of the parameters, for the verdict.
    report : callable, optional
        Takes percent and a message.

    Returns
    -------
    Chain
    """
    n_dim = modes[0].z.size
    n_walkers = options.n_walkers or max(32, 2 * n_dim + 2)
    n_walkers += n_walkers % 2
    n_ensemble = 2
    proposal = IndependentProposal.from_modes(modes)
    seeds = rng.integers(0, 2**31 - 1, size=n_ensemble)
    states = [
        emcee.State(
            _start(IndependentProposal.from_modes(modes, widen=widen), log_posterior, n_walkers, rng),
            random_state=np.random.RandomState(seed).get_state(),
        )
        for seed, widen in zip(seeds, (1.2, 1.8), strict=True)
    ]
    proposal, states, n_burn = _burn_in(log_posterior, proposal, states, options, int(seeds[0]), report)
    return _run(log_posterior, proposal, states, options, names, n_burn, report)


def _burn_in(
    log_posterior: LogPosterior,
    proposal: IndependentProposal,
    states: list[emcee.State],
    options: SamplingOptions,
    seed: int,
    report: Callable[[float, str], None] | None,
) -> tuple[IndependentProposal, list[emcee.State], int]:
    """Adapt the proposal in rounds until the mean log posterior of the ensembles stands still."""
    heights = np.full(len(states), -np.inf)
    n_burn = 0
    for burn in range(options.burn_rounds):
        n_steps = options.burn_steps * min(2 ** max(burn - 1, 0), 8)  # later rounds teach the proposal more
        n_walkers, n_dim = states[0].coords.shape
        samplers = [_sampler(log_posterior, proposal, n_walkers, n_dim) for _ in states]
        states = [sampler.run_mcmc(state, n_steps) for sampler, state in zip(samplers, states, strict=True)]
        n_burn += n_steps
        half = n_steps // 2
        draws = np.concatenate([sampler.get_chain(discard=half, flat=True) for sampler in samplers])
        log_prob = np.stack([sampler.get_log_prob(discard=half, flat=True) for sampler in samplers])
        proposal = IndependentProposal.from_draws(draws, seed)
        if report is not None:
            report(30.0 * (burn + 1) / options.burn_rounds, f"burn-in {n_burn} steps")
        change = np.abs(log_prob.mean(axis=1) - heights).max()
        heights = log_prob.mean(axis=1)
        still = max(change, float(np.ptp(heights))) < _STILL * log_prob.std()
        accepted = np.mean([sampler.acceptance_fraction.mean() for sampler in samplers])
        if still and (burn >= 5 or (burn >= 3 and accepted > _ACCEPTED)):
            break
    return proposal, states, n_burn


def _run(
    log_posterior: LogPosterior,
    proposal: IndependentProposal,
    current: list[emcee.State],
    options: SamplingOptions,
    names: tuple[str, ...],
    n_burn: int,
    report: Callable[[float, str], None] | None,
) -> Chain:
    """Sample with fixed proposals until converged or out of steps."""
    n_walkers, n_dim = current[0].coords.shape
    samplers = [_sampler(log_posterior, proposal, n_walkers, n_dim) for _ in current]
    done = 0
    convergence: Convergence | None = None
    while done < options.max_steps:
        block = 200 if convergence is None else int(np.clip(51 * convergence.tau_max - done, 40, 200))
        block = min(block, options.max_steps - done)
        current = [s.run_mcmc(c, block) for s, c in zip(samplers, current, strict=True)]
        done += block
        chain = np.concatenate([s.get_chain() for s in samplers], axis=1)
        convergence = assess(chain, len(samplers), options.target_ess, names)
        if report is not None:
            share = min(1.0, max(done / options.max_steps, convergence.progress))
            report(
                30.0 + 70.0 * share, f"{done} steps, ESS {convergence.ess_min:.0f}, R-hat {convergence.rhat_max:.3f}"
            )
        if convergence.converged:
            break
    assert convergence is not None  # max_steps is positive
    return Chain(
        z=chain,
        log_prob=np.concatenate([s.get_log_prob() for s in samplers], axis=1),
        n_ensemble=len(samplers),
        acceptance=float(np.mean([s.acceptance_fraction.mean() for s in samplers])),
        convergence=convergence,
        n_burn=n_burn,
    )


def _sampler(
    log_posterior: LogPosterior, proposal: IndependentProposal, n_walkers: int, n_dim: int
) -> emcee.EnsembleSampler:
    return emcee.EnsembleSampler(n_walkers, n_dim, log_posterior, vectorize=True, moves=_moves(proposal, n_dim))


def _start(
    proposal: IndependentProposal,
    log_posterior: LogPosterior,
    n_walkers: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Walkers drawn from the modes' pictures, the best of several draws so that none starts in a desert."""
    draws = proposal.draw(6 * n_walkers, rng)
    value = log_posterior(draws)
    weight = np.where(np.isfinite(value), value - proposal.log_density(draws), -np.inf)
    order = np.argsort(-weight - 0.5 * rng.gumbel(size=weight.size), kind="stable")
    return draws[order[:n_walkers]]
