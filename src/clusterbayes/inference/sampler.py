"""Sampling with emcee: independent ensembles, adapted proposals during burn-in, fixed ones afterwards.

The sampler works in standard normal coordinates, where the prior is a unit Gaussian. Most moves are independent draws
from a picture of the posterior that weighted draws have given (`population`, `proposal`), or steps that leave that
picture as it is; the others are differential evolution with γ = 1, which jumps between modes, and snooker. Where a
chain finds what the picture lacks, more is drawn there for a better one; the chain then counts as burn-in, and another
one begins. While what is kept is made nothing adapts, so it is a proper Markov chain. It grows until it has converged
or the budget is spent, and says which.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import emcee
import numpy as np
from emcee.backends import Backend

from clusterbayes.errors import SettingsError
from clusterbayes.inference.budget import TimeLimit
from clusterbayes.inference.checkpoint import Keeper, NothingKept
from clusterbayes.inference.crew import Crew
from clusterbayes.inference.diagnostics import Convergence, assess
from clusterbayes.inference.ensembles import Course, Ensembles
from clusterbayes.inference.population import Population, learn, learn_more
from clusterbayes.inference.proposal import IndependentProposal
from clusterbayes.inference.search import Mode

__all__ = ["Chain", "Sampler", "SamplingOptions", "sample"]

_N_ENSEMBLE = 2
_FLATTEN = (1.0, 0.5)  # power of the weights that each ensemble starts from: the second one is put more widely
_STILL = 0.4  # of the spread of the log posterior: what its mean may change in a round when burn-in is over
_ACCEPTED = 0.2  # share of proposals accepted at which the proposal needs no more rounds
_LEAST, _TOO_LONG, _ANEW = 200, 4.0, 5  # steps of a chain, missing steps in units of them, times: see `_run`
_SHORTEST = 10  # steps of a chain that are made even if no time is left
LogPosterior = Callable[[np.ndarray], np.ndarray]  # (n, n_dim) to (n,)
Report = Callable[[float, str], None]  # percent and a message
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SamplingOptions:
    """How long and how widely to sample.

    Attributes
    ----------
    n_walkers : int or None
        Walkers of each ensemble, even; 12 by default. Fewer than there are parameters are enough, since most proposals
        do not depend on where the others are.
    max_steps : int
        Most steps of each ensemble after burn-in.
    max_seconds : float or None
        Most seconds for all of the sampling: weighted draws, burn-in and chain, those of earlier runs that a checkpoint
        holds included. No limit by default. It is looked at after every round of weighted draws, and after every step
        or ten times a second; the first round and some ten steps are made in any case. Where it ends the chain depends
        on the machine.
    target_ess : int
        Effective sample size that every parameter should reach.
    n_threads : int or None
        Threads for the likelihood; all cores by default. Numbers do not depend on it.
    burn_rounds, burn_steps : int
        Most rounds of burn-in, and steps in the first two; later ones up to four times as many. Burn-in ends once
        the mean log posterior of both ensembles stands still and enough proposals are accepted.
    """

    n_walkers: int = 12
    max_steps: int = 10_000
    target_ess: int = 1000
    n_threads: int | None = None
    burn_rounds: int = 7
    burn_steps: int = 40
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        least = {"max_steps": 10, "target_ess": 1, "burn_rounds": 1, "burn_steps": 4, "n_threads": 1, "n_walkers": 4}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise SettingsError(f"{name} is too small", name, value, f"at least {low}")
        seconds = self.max_seconds
        if seconds is not None and not 0.0 < seconds < np.inf:
            expected = "a number of seconds above 0, or None for no limit"
            raise SettingsError("max_seconds is no time to sample for", "max_seconds", seconds, expected)


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

    @classmethod
    def from_draws(
        cls,
        z: np.ndarray,
        log_prob: np.ndarray,
        names: tuple[str, ...],
        *,
        target_ess: int,
        reasons: Sequence[str] = (),
    ) -> Chain:
        """Make a chain of independent, equally weighted draws, as other samplers than Markov chains give them.

        Parameters
        ----------
        z : (n_draw, n_dim)
            In standard normal coordinates, in random order: the halves are compared with each other.
        log_prob : (n_draw,)
            Log posterior there, as the sampler was given it.
        names : tuple of str
        target_ess : int
            Draws that are enough.
        reasons : sequence of str
            Why the sampler itself does not trust its draws, in words; empty if it does.
        """
        n_steps, n_dim = len(z) // _N_ENSEMBLE, z.shape[1]
        blocks = z[: n_steps * _N_ENSEMBLE].reshape(_N_ENSEMBLE, n_steps, n_dim).transpose(1, 0, 2)
        found = assess(blocks, _N_ENSEMBLE, target_ess, names)
        said = [*reasons, *found.reasons]
        return cls(
            z=blocks,
            log_prob=log_prob[: n_steps * _N_ENSEMBLE].reshape(_N_ENSEMBLE, n_steps).T,
            n_ensemble=_N_ENSEMBLE,
            acceptance=1.0,
            convergence=replace(found, converged=not said, reasons=said),
            n_burn=0,
        )


class Sampler(Protocol):
    """Anything that samples a posterior: `sample`, with emcee, is the default, and `fit_cluster` takes others."""

    def __call__(
        self,
        log_posterior: LogPosterior,
        modes: list[Mode],
        options: SamplingOptions,
        rng: np.random.Generator,
        *,
        names: tuple[str, ...],
        n_threads: int = 1,
        report: Report | None = None,
        keeper: Keeper | None = None,
    ) -> Chain:
        """Sample; the arguments are those of `sample`. Only `log_posterior` and `rng` need to be used."""


def _moves(proposal: IndependentProposal, n_dim: int) -> list[tuple[emcee.moves.Move, float]]:
    alone = {"live_dangerously": True}  # few walkers span few directions; the independent draws span them all
    return [
        (emcee.moves.MHMove(proposal, ndim=n_dim), 0.5),
        (emcee.moves.MHMove(proposal.near, ndim=n_dim), 0.3),
        (emcee.moves.DEMove(gamma0=1.0, **alone), 0.05),
        (emcee.moves.DESnookerMove(**alone), 0.15),
    ]


def sample(
    log_posterior: LogPosterior,
    modes: list[Mode],
    options: SamplingOptions,
    rng: np.random.Generator,
    *,
    names: tuple[str, ...],
    n_threads: int = 1,
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
    n_threads : int
        With 2 or more the ensembles step side by side; `log_posterior` must bear that.
    report : callable, optional
        Takes percent and a message, after every step or ten times a second.
    keeper : Keeper, optional
        Told of every step; where it holds an earlier run, that one goes on.

    Returns
    -------
    Chain
    """
    report, keeper = report or (lambda percent, message: None), keeper or NothingKept()

    def new_sampler(population: Population, n_walkers: int, n_dim: int, backend: Backend) -> emcee.EnsembleSampler:
        return _sampler(log_posterior, population.picture, n_walkers, n_dim, backend)

    keeper.begin_sampling()
    limit = TimeLimit(options.max_seconds, keeper)
    with Crew(min(n_threads, _N_ENSEMBLE)) as crew:
        course = keeper.course(lambda file: Course.read(file, Population.read, new_sampler))
        if course is None:
            course = _set_out(_in_parts(log_posterior, crew), log_posterior, modes, options, rng, report, limit)
            if not limit.spent():  # with more time these draws are made again, and more of them
                keeper.hold(course)
        else:
            keeper.hold(course)
            text = f"going on from {course.place(options.max_steps)}"
            logger.info(text)
            report(0.0, text)
        course = _burn_in(log_posterior, course, options, report, keeper, crew, limit)
        return _run(log_posterior, course, options, names, report, keeper, crew, limit)


def _in_parts(log_posterior: LogPosterior, crew: Crew) -> LogPosterior:
    """Evaluate many points (n, n_dim) in parts, side by side."""

    def whole(z: np.ndarray) -> np.ndarray:
        parts = np.array_split(z, max(1, min(z.shape[0] // 8, 64)))
        return np.concatenate(crew.run([partial(log_posterior, part) for part in parts]))

    return whole


def _set_out(
    in_parts: LogPosterior,
    log_posterior: LogPosterior,
    modes: list[Mode],
    options: SamplingOptions,
    rng: np.random.Generator,
    report: Report,
    limit: TimeLimit,
) -> Course:
    """Learn the shape of the posterior, and put two ensembles on it, the second one more widely."""
    n_walkers = options.n_walkers + options.n_walkers % 2
    population = learn(
        in_parts, modes, rng, n_least=3 * n_walkers, n_most=_N_ENSEMBLE * n_walkers * options.max_steps,
        report=lambda p, text: report(0.1 * p, text), stop=limit.spent,
    )  # fmt: skip
    seeds = rng.integers(0, 2**31 - 1, size=_N_ENSEMBLE)
    states = [
        emcee.State(
            population.starts(n_walkers, rng, flatten=flatten),
            random_state=np.random.RandomState(seed).get_state(),
        )
        for seed, flatten in zip(seeds, _FLATTEN, strict=True)
    ]
    return Course(population, _begin(log_posterior, population, states), int(seeds[0]))


def _burn_in(
    log_posterior: LogPosterior,
    course: Course,
    options: SamplingOptions,
    report: Report,
    keeper: Keeper,
    crew: Crew,
    limit: TimeLimit,
) -> Course:
    """Go on in rounds until the mean log posterior of the ensembles stands still and enough proposals are accepted.

    If the time is spent before, the walkers go on from where they are, in a course that is still called burning and
    that the keeper does not hold: with more time, it is burn-in that goes on.
    """
    while course.burning and not limit.spent():
        n_steps = options.burn_steps * min(2 ** (course.round // 2), 4)  # later rounds are longer

        def after_step(done: int, course: Course = course, n_steps: int = n_steps) -> None:
            keeper.after_step()
            share = (course.round + done / n_steps) / options.burn_rounds
            report(10.0 + 20.0 * share, f"burn-in {course.n_burn + done} steps")

        course.ensembles.advance(n_steps, after_step, crew, limit.spent)
        if limit.spent():
            break
        following = _after_round(log_posterior, course, options, report, crew, limit)
        if limit.spent():  # perhaps before all was learned that the round had shown
            break
        course = keeper.hold(following)
    return _forget(log_posterior, course, course.population) if course.burning else course


def _after_round(
    log_posterior: LogPosterior,
    course: Course,
    options: SamplingOptions,
    report: Report,
    crew: Crew,
    limit: TimeLimit,
) -> Course:
    """Begin the next round of burn-in, or the chain if both ensembles stand still, with a better picture if needed."""
    ensembles = course.ensembles
    half = ensembles.n_steps // 2
    log_prob = np.stack([part.ravel() for part in np.split(ensembles.log_prob()[half:], _N_ENSEMBLE, axis=1)])
    heights = log_prob.mean(axis=1)
    before = course.heights if course.round else ensembles.log_prob()[:half].mean()
    change = np.abs(heights - before).max()
    still = max(change, float(np.ptp(heights))) < _STILL * log_prob.std()
    good = ensembles.acceptance > _ACCEPTED
    over = (still and good) or course.round + 1 == options.burn_rounds
    population = course.population if good else _better(log_posterior, course, half, options, report, crew, limit)
    course = replace(course, heights=heights, burning=not over, round=course.round + 1)
    return _forget(log_posterior, course, population)


def _better(
    log_posterior: LogPosterior,
    course: Course,
    first: int,
    options: SamplingOptions,
    report: Report,
    crew: Crew,
    limit: TimeLimit,
) -> Population:
    """Learn from where the walkers were from step `first` on."""
    visited, log_prob = course.ensembles.chain()[first:], course.ensembles.log_prob()[first:]
    _, n_walkers, n_dim = visited.shape
    return learn_more(
        course.population, visited.reshape(-1, n_dim), log_prob.ravel(), _in_parts(log_posterior, crew),
        np.random.default_rng([course.seed, course.round, course.anew]),
        n_least=3 * n_walkers // _N_ENSEMBLE, n_most=n_walkers * options.max_steps,
        report=lambda _, text: report(30.0, text), stop=limit.spent,
    )  # fmt: skip


def _forget(log_posterior: LogPosterior, course: Course, population: Population) -> Course:
    """Go on with a picture from where the walkers are; what they have visited so far is burn-in."""
    return replace(
        course, population=population, ensembles=_begin(log_posterior, population, course.ensembles.states),
        checked=0, n_burn=course.n_burn + course.ensembles.n_steps,
    )  # fmt: skip


def _run(
    log_posterior: LogPosterior,
    course: Course,
    options: SamplingOptions,
    names: tuple[str, ...],
    report: Report,
    keeper: Keeper,
    crew: Crew,
    limit: TimeLimit,
) -> Chain:
    """Sample with fixed proposals until converged or out of steps or time.

    A chain of 200 steps or more that would have to grow to five times its length has a poor proposal: it then counts
    as burn-in, shows where a better one is to be learned, and another chain begins, five times at most.
    """

    def out_of_time() -> bool:
        return course.ensembles.n_steps >= _SHORTEST and limit.spent()

    convergence = _assessed(course, options, names) if course.checked else None
    while course.checked < options.max_steps and not (convergence and convergence.converged):
        if out_of_time():
            course = replace(course, checked=course.ensembles.n_steps)
            found = _assessed(course, options, names)
            convergence = limit.verdict(found, course.checked, burnt_in=not course.burning)
            break
        checked = course.checked
        missing = 1.02 * convergence.length_needed - checked if convergence else 100.0
        if checked >= _LEAST and missing > _TOO_LONG * checked and course.anew < _ANEW:
            population = _better(log_posterior, course, 0, options, report, crew, limit)
            if not limit.spent():  # else it is this chain that is judged
                course = _forget(log_posterior, replace(course, anew=course.anew + 1), population)
                course, convergence = keeper.hold(course), None
            continue
        pace = convergence.progress / checked if convergence else 0.0

        def after_step(done: int, pace: float = pace, convergence: Convergence | None = convergence) -> None:
            keeper.after_step()
            share = min(1.0, max(done / options.max_steps, done * pace, limit.share))
            report(30.0 + 70.0 * share, f"{done} steps" + _verdict(convergence))

        block = int(np.clip(missing, 40.0, max(200.0, 0.2 * checked)))
        course.ensembles.advance(min(checked + block, options.max_steps), after_step, crew, out_of_time)
        if not out_of_time():  # else a run with more time goes on with this block
            course = keeper.hold(replace(course, checked=course.ensembles.n_steps))
            convergence = _assessed(course, options, names)
    assert convergence is not None  # max_steps is positive
    report(100.0, f"{course.ensembles.n_steps} steps" + _verdict(convergence))
    return _chain(course, convergence)


def _chain(course: Course, convergence: Convergence) -> Chain:
    ensembles = course.ensembles
    return Chain(
        z=ensembles.chain(),
        log_prob=ensembles.log_prob(),
        n_ensemble=_N_ENSEMBLE,
        acceptance=ensembles.acceptance,
        convergence=convergence,
        n_burn=course.n_burn,
    )


def _assessed(course: Course, options: SamplingOptions, names: tuple[str, ...]) -> Convergence:
    return assess(course.ensembles.chain(course.checked), _N_ENSEMBLE, options.target_ess, names)


def _verdict(convergence: Convergence | None) -> str:
    if convergence is None:
        return ""
    return f", ESS {convergence.ess_min:.0f}, R-hat {convergence.rhat_max:.3f}"


def _begin(log_posterior: LogPosterior, population: Population, states: list[emcee.State]) -> Ensembles:
    return Ensembles.begin(lambda *shape: _sampler(log_posterior, population.picture, *shape), states)


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
