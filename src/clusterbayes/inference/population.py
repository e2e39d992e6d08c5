"""Learning the shape of a posterior from weighted draws, before any chain: adaptive importance sampling.

Points are drawn from the current picture of the posterior, weighed by posterior over the mixture of all pictures so
far, and the next picture is fitted to them. Some rounds turn the Gaussian pictures of the modes into a proposal that a
chain accepts often, give modes the weights that their mass deserves, and say where to put the walkers. Where a chain
then finds places that the picture lacks, draws are made there, and weighed with all the others: what is known is kept.
Nothing of this enters the results: the chain that follows is exact whatever it starts from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import h5py
import numpy as np

from clusterbayes.inference.proposal import Independent, IndependentProposal, Mixture, resample
from clusterbayes.inference.search import Mode

__all__ = ["Population", "learn", "learn_more"]

_ROUNDS = (6, 24)  # the most rounds, by the budget: never fewer than the first, nor more than the second
_MORE_ROUNDS = 8  # the most when a chain was not content with the picture
_THIN = 3.0  # posterior over picture, in the logarithm above the median, from which a place of a chain is called thin
_FEWEST_THIN = 20  # different places that a picture of thin ones can be fitted to
_TRUSTED = 0.25  # independent draws that each of them is taken to be worth
_BASE, _EACH = 200, 32  # draws in a round, and those for every free parameter
_GOOD = 0.33  # share of the newest draws that a chain would accept at which the picture needs no more rounds
_N_FIT = (3000, 6000)  # draws, with repeats, that a picture is fitted to: as many as they are worth, between these
_ENOUGH = 80.0  # effective draws for each free parameter that a picture should rest on
_WANTED = 20.0  # effective draws for each free parameter; weights are flattened until there are as many
_WIDEN = (1.2, 2.0, 4.0)  # how much wider than the modes the first draws are
_ARRAYS = ("z", "log_prob", "log_drawn")  # of a population, as they are written


@dataclass(frozen=True)
class Population:
    """Weighted draws from a posterior, and the picture of it that they gave.

    Attributes
    ----------
    z : (n, n_dim)
    log_prob : (n,)
    log_drawn : (n,)
        Log of the number of draws there, by unit of volume, that all sources so far would give.
    sources : tuple of (Independent, int)
        What was drawn from, and how many draws.
    picture : IndependentProposal
        Fitted to all of them.
    accepted : float
        Share of the newest draws that a chain of such proposals would accept, 0 to 1.
    """

    z: np.ndarray
    log_prob: np.ndarray
    log_drawn: np.ndarray
    sources: tuple[tuple[Independent, int], ...]
    picture: IndependentProposal
    accepted: float

    @property
    def log_weight(self) -> np.ndarray:
        """Log weights (n,), 0 the largest, by the mixture of all sources.

        Cornuet et al. (2012), Scandinavian Journal of Statistics 39, 798, eq. 4.
        """
        return _log_weight(self.log_prob, self.log_drawn)

    def starts(self, n: int, rng: np.random.Generator, *, flatten: float = 1.0) -> np.ndarray:
        """Choose n different points (n, n_dim), at random with the power `flatten` of their weights."""
        order = np.argsort(-flatten * self.log_weight - rng.gumbel(size=self.log_prob.size), kind="stable")
        return self.z[order[:n]]

    def write(self, group: h5py.Group) -> None:
        """Write everything into an HDF5 group."""
        group.attrs["accepted"] = self.accepted
        for name in _ARRAYS:
            group.create_dataset(name, data=getattr(self, name))
        self.picture.write(group.create_group("picture"))
        for i, (source, n) in enumerate(self.sources):
            place = group.create_group(f"sources/{i}")
            place.attrs.update({"kind": type(source).__name__, "n": n})
            source.write(place)

    @classmethod
    def read(cls, group: h5py.Group) -> Population:
        """Read exactly what `write` has written."""
        kinds = {kind.__name__: kind for kind in (Mixture, IndependentProposal)}
        places = [group["sources"][name] for name in sorted(group["sources"], key=int)]
        sources = tuple((kinds[place.attrs["kind"]].read(place), int(place.attrs["n"])) for place in places)
        arrays = {name: group[name][...] for name in _ARRAYS}
        picture = IndependentProposal.read(group["picture"])
        return cls(**arrays, sources=sources, picture=picture, accepted=float(group.attrs["accepted"]))


def learn(
    log_posterior: Callable[[np.ndarray], np.ndarray],
    modes: list[Mode],
    rng: np.random.Generator,
    *,
    n_least: int = 0,
    n_most: float = np.inf,
    report: Callable[[float, str], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Population:
    """Draw, weigh and fit until the picture is good.

    Parameters
    ----------
    log_posterior : callable
        From z (n, n_dim) to (n,).
    modes : list of Mode
    rng : numpy.random.Generator
    n_least : int
        Draws in a round, at least.
    n_most : float
        Draws after which no further round begins; a few rounds there are in any case.
    report : callable, optional
        Takes percent and a message.
    stop : callable
        Asked after every round whether to end there.

    Returns
    -------
    Population
    """
    n_round = max(n_least, _BASE + _EACH * modes[0].z.size)
    sources: tuple[tuple[Independent, int], ...]
    sources = tuple((Mixture.from_modes(modes, widen=widen), n_round // len(_WIDEN)) for widen in _WIDEN)
    rounds = int(np.clip(n_most / n_round, *_ROUNDS))
    return _in_rounds(None, sources, n_round, rounds, log_posterior, rng, report, stop)


def learn_more(
    population: Population,
    visited: np.ndarray,
    log_prob: np.ndarray,
    log_posterior: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    *,
    n_least: int = 0,
    n_most: float = np.inf,
    report: Callable[[float, str], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Population:
    """Draw further points where a chain was and the picture is thin, and then from better pictures.

    Parameters
    ----------
    population : Population
    visited : (n, n_dim)
        Where the chain was; it need not have converged.
    log_prob : (n,)
        Log posterior there.
    log_posterior, rng, n_least, report, stop
        As for `learn`.
    n_most : float
        New draws after which no further round begins; one there is in any case.

    Returns
    -------
    Population
        With all the draws of the old one.
    """
    n_round = max(n_least, _BASE + _EACH * visited.shape[1])
    source, over = population.picture, log_prob - population.picture.log_density(visited)
    thin = np.unique(visited[over > np.median(over) + _THIN], axis=0)
    if len(thin) >= _FEWEST_THIN:
        thin = rng.permutation(thin)
        source = IndependentProposal.from_draws(thin, int(rng.integers(2**31)), n_effective=_TRUSTED * len(thin))
    rounds = int(np.clip(n_most / n_round, 1, _MORE_ROUNDS))
    return _in_rounds(population, ((source, n_round),), n_round, rounds, log_posterior, rng, report, stop)


def _in_rounds(
    population: Population | None,
    sources: tuple[tuple[Independent, int], ...],
    n_round: int,
    rounds: int,
    log_posterior: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    report: Callable[[float, str], None] | None,
    stop: Callable[[], bool],
) -> Population:
    """Draw from some sources, and then from the picture, until it is good or some rounds have passed."""
    for done in range(rounds):
        of_picture = population is not None and sources[0][0] is population.picture
        population = _grown(population, sources, log_posterior, rng)
        if report is not None:
            report(100.0 * (done + 1) / rounds, f"shape of the posterior, {population.log_prob.size} draws")
        enough = _effective(population.log_weight) > _ENOUGH * population.z.shape[1]
        if (of_picture and enough and population.accepted > _GOOD) or stop():
            break
        sources = ((population.picture, n_round),)
    assert population is not None  # there is a round
    return population


def _grown(
    population: Population | None,
    sources: tuple[tuple[Independent, int], ...],
    log_posterior: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> Population:
    """Add draws from some sources to those there are, and fit a picture to everything."""
    z = np.concatenate([proposal.draw(n, rng) for proposal, n in sources])
    log_prob, log_drawn = log_posterior(z), _log_drawn(z, sources)
    accepted = _accepted(_log_weight(log_prob, log_drawn))
    if population is not None:  # old draws meet the new sources, and new draws the old ones
        log_drawn = np.logaddexp(log_drawn, _log_drawn(z, population.sources))
        before = np.logaddexp(population.log_drawn, _log_drawn(population.z, sources))
        z, log_prob = np.concatenate([population.z, z]), np.concatenate([population.log_prob, log_prob])
        log_drawn, sources = np.concatenate([before, log_drawn]), (*population.sources, *sources)
    log_weight = _log_weight(log_prob, log_drawn)
    wanted = min(_WANTED * z.shape[1], 0.25 * log_weight.size)
    power = next((p for p in 0.8 ** np.arange(16) if _effective(p * log_weight) >= wanted), 0.8**16)
    worth = _effective(power * log_weight)
    chosen = resample(np.exp(power * log_weight), int(np.clip(worth, *_N_FIT)), rng)
    picture = IndependentProposal.from_draws(z[chosen], int(rng.integers(2**31)), n_effective=worth)
    return Population(z, log_prob, log_drawn, sources, picture, accepted)


def _log_drawn(z: np.ndarray, sources: tuple[tuple[Independent, int], ...]) -> np.ndarray:
    """Log of the number of draws (n,) by unit of volume that the sources give at z (n, n_dim)."""
    return np.logaddexp.reduce([np.log(n) + proposal.log_density(z) for proposal, n in sources], axis=0)


def _log_weight(log_prob: np.ndarray, log_drawn: np.ndarray) -> np.ndarray:
    """Log weights (n,), 0 the largest; none where the posterior is zero."""
    log_weight = np.where(np.isfinite(log_prob), log_prob - log_drawn, -np.inf)
    return log_weight - log_weight.max()


def _effective(log_weight: np.ndarray) -> float:
    """Effective number of draws with some log weights."""
    weight = np.exp(log_weight - log_weight.max())
    return float(weight.sum() ** 2 / (weight**2).sum())


def _accepted(log_weight: np.ndarray) -> float:
    """Share of proposals that a chain accepts: min(1, w'/w) of draws' weights (n,), each w as often as it counts."""
    weight = np.sort(np.exp(log_weight - log_weight.max()))
    smaller = np.cumsum(weight) + weight * np.arange(weight.size - 1, -1, -1)  # sums of min(w, w') over all w'
    return float(smaller.sum() / (weight.sum() * weight.size))
