"""Sampling with emcee: independent ensembles, adapted proposals during burn-in, fixed ones afterwards.

The sampler works in standard normal coordinates, where the prior is a unit Gaussian. Moves are differential evolution
(some of it with γ = 1, which jumps between modes), snooker, and independent draws from a mixture fitted to the
burn-in. After burn-in nothing adapts, so the chain is a proper Markov chain. It grows until it has converged or the
budget is spent, and says which.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import emcee
import h5py
import numpy as np
from emcee.backends import Backend
from scipy import special

from clusterbayes.errors import SettingsError
from clusterbayes.inference.checkpoint import Keeper, NothingKept
from clusterbayes.inference.diagnostics import Convergence, assess
from clusterbayes.inference.ensembles import Course, Ensembles
from clusterbayes.inference.search import Mode

__all__ = ["Chain", "IndependentProposal", "SamplingOptions", "sample"]

_STILL = 0.25  # of the spread of the log posterior: what its mean may change in a round when burn-in is over
_ACCEPTED = 0.2  # share of proposals accepted at which the proposal needs no more rounds than it takes to stand still
LogPosterior = Callable[[np.ndarray], np.ndarray]  # (n, n_dim) to (n,)
Report = Callable[[float, str], None]  # percent and a message
logger = logging.getLogger(__name__)


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

    def write(self, group: h5py.Group) -> None:
        """Write the proposal into an HDF5 group."""
        group.attrs["dof"] = self.dof
        for name in ("weights", "means", "cholesky"):
            group.create_dataset(name, data=getattr(self, name))

    @classmethod
    def read(cls, group: h5py.Group) -> IndependentProposal:
        """Read exactly what `write` has written."""
        proposal = object.__new__(cls)  # as they are: computing them again would change last digits
        proposal.weights, proposal.means, proposal.cholesky = (
            group[name][...] for name in ("weights", "means", "cholesky")
        )
        proposal.dof = float(group.attrs["dof"])
        return proposal

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
    report: Report | None = None,
    keeper: Keeper | None = None,
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
        Takes percent and a message, after every step.
    keeper : Keeper, optional
        Told of every step; where it holds an earlier run, that one goes on.

    Returns
    -------
    Chain
    """
    report, keeper = report or (lambda percent, message: None), keeper or NothingKept()

    def new_sampler(
        proposal: IndependentProposal, n_walkers: int, n_dim: int, backend: Backend
    ) -> emcee.EnsembleSampler:
        return _sampler(log_posterior, proposal, n_walkers, n_dim, backend)

    course = keeper.course(lambda file: Course.read(file, IndependentProposal.read, new_sampler))
    if course is None:
        course = _set_out(log_posterior, modes, options, rng)
    else:
        text = f"going on from {course.place(options.max_steps)}"
        logger.info(text)
        report(0.0, text)
    course = _burn_in(log_posterior, keeper.hold(course), options, report, keeper)
    return _run(course, options, names, report, keeper)


def _set_out(
    log_posterior: LogPosterior, modes: list[Mode], options: SamplingOptions, rng: np.random.Generator
) -> Course:
    """Put two ensembles on the modes, the second one more widely."""
    n_dim = modes[0].z.size
    n_walkers = options.n_walkers or max(32, 2 * n_dim + 2)
    n_walkers += n_walkers % 2
    n_ensemble = 2
    seeds = rng.integers(0, 2**31 - 1, size=n_ensemble)
    states = [
        emcee.State(
            _start(IndependentProposal.from_modes(modes, widen=widen), log_posterior, n_walkers, rng),
            random_state=np.random.RandomState(seed).get_state(),
        )
        for seed, widen in zip(seeds, (1.2, 1.8), strict=True)
    ]
    proposal = IndependentProposal.from_modes(modes)
    ensembles = _begin(log_posterior, proposal, states)
    return Course(proposal, ensembles, int(seeds[0]), heights=np.full(n_ensemble, -np.inf))


def _burn_in(
    log_posterior: LogPosterior, course: Course, options: SamplingOptions, report: Report, keeper: Keeper
) -> Course:
    """Adapt the proposal in rounds until the mean log posterior of the ensembles stands still."""
    while course.burning:
        n_steps = options.burn_steps * min(2 ** max(course.round - 1, 0), 8)  # later rounds teach the proposal more

        def after_step(done: int, course: Course = course, n_steps: int = n_steps) -> None:
            keeper.after_step()
            share = (course.round + done / n_steps) / options.burn_rounds
            report(30.0 * share, f"burn-in {course.n_burn + done} steps")

        course.ensembles.advance(n_steps, after_step)
        course = keeper.hold(_adapted(log_posterior, course, options))
    return course


def _adapted(log_posterior: LogPosterior, course: Course, options: SamplingOptions) -> Course:
    """Learn from a round of burn-in, and begin the next one, or the chain if both ensembles stand still."""
    ensembles = course.ensembles
    half = ensembles.n_steps // 2
    n_ensemble, n_dim = len(ensembles.states), ensembles.states[0].coords.shape[1]
    draws = np.concatenate([part.reshape(-1, n_dim) for part in np.split(ensembles.chain()[half:], n_ensemble, axis=1)])
    log_prob = np.stack([part.ravel() for part in np.split(ensembles.log_prob()[half:], n_ensemble, axis=1)])
    proposal = IndependentProposal.from_draws(draws, course.seed)
    heights = log_prob.mean(axis=1)
    change = np.abs(heights - course.heights).max()
    still = max(change, float(np.ptp(heights))) < _STILL * log_prob.std()
    burn = course.round
    over = burn + 1 == options.burn_rounds or (
        still and (burn >= 5 or (burn >= 3 and ensembles.acceptance > _ACCEPTED))
    )
    return replace(
        course, proposal=proposal, ensembles=_begin(log_posterior, proposal, ensembles.states), heights=heights,
        burning=not over, round=burn + 1, n_burn=course.n_burn + ensembles.n_steps,
    )  # fmt: skip


def _run(course: Course, options: SamplingOptions, names: tuple[str, ...], report: Report, keeper: Keeper) -> Chain:
    """Sample with fixed proposals until converged or out of steps."""
    ensembles, n_ensemble = course.ensembles, len(course.ensembles.states)
    convergence: Convergence | None = None
    if course.checked:
        convergence = assess(ensembles.chain(course.checked), n_ensemble, options.target_ess, names)
    while course.checked < options.max_steps and not (convergence and convergence.converged):
        checked = course.checked
        block = 200 if convergence is None else int(np.clip(51 * convergence.tau_max - checked, 40, 200))
        pace = convergence.progress / checked if convergence else 0.0

        def after_step(done: int, pace: float = pace, convergence: Convergence | None = convergence) -> None:
            keeper.after_step()
            share = min(1.0, max(done / options.max_steps, done * pace))
            report(30.0 + 70.0 * share, f"{done} steps" + _verdict(convergence))

        ensembles.advance(min(checked + block, options.max_steps), after_step)
        convergence = assess(ensembles.chain(), n_ensemble, options.target_ess, names)
        course = keeper.hold(replace(course, checked=ensembles.n_steps))
    assert convergence is not None  # max_steps is positive
    report(100.0, f"{ensembles.n_steps} steps" + _verdict(convergence))
    return Chain(
        z=ensembles.chain(),
        log_prob=ensembles.log_prob(),
        n_ensemble=n_ensemble,
        acceptance=ensembles.acceptance,
        convergence=convergence,
        n_burn=course.n_burn,
    )


def _verdict(convergence: Convergence | None) -> str:
    if convergence is None:
        return ""
    return f", ESS {convergence.ess_min:.0f}, R-hat {convergence.rhat_max:.3f}"


def _begin(log_posterior: LogPosterior, proposal: IndependentProposal, states: list[emcee.State]) -> Ensembles:
    return Ensembles.begin(lambda *shape: _sampler(log_posterior, proposal, *shape), states)


def _sampler(
    log_posterior: LogPosterior,
    proposal: IndependentProposal,
    n_walkers: int,
    n_dim: int,
    backend: Backend | None = None,
) -> emcee.EnsembleSampler:
    moves = _moves(proposal, n_dim)
    sampler = emcee.EnsembleSampler(n_walkers, n_dim, log_posterior, vectorize=True, moves=moves, backend=backend)
    sampler.log_prob_fn = log_posterior  # without emcee's wrapper, which prints when a fit is cancelled
    return sampler


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
