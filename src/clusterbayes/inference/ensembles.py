"""Ensembles of walkers that step side by side, so that there is a moment between steps when all of them stand still.

At that moment they can be written down and later taken up again: walkers, random numbers and what was visited so far,
in emcee's own layout. `Course` adds where the sampling as a whole is. Nothing here depends on when it was written:
a run that was broken off and taken up visits the same places as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Protocol

import emcee
import h5py
import numpy as np
from emcee.backends import Backend

from clusterbayes.inference.crew import Crew

__all__ = ["Course", "Ensembles", "read_chain", "write_chain"]

_APART = 0.1  # s, that ensembles step on at most without waiting for each other, if a step does not take longer
NewSampler = Callable[[int, int, Backend], emcee.EnsembleSampler]  # of n_walkers, n_dim and a backend


class Knowledge(Protocol):
    """What a checkpoint needs of what is known of the posterior's shape."""

    def write(self, group: h5py.Group) -> None:
        """Write it into an HDF5 group."""


def write_chain(
    group: h5py.Group, chain: np.ndarray, log_prob: np.ndarray, accepted: np.ndarray, random_state: tuple = ()
) -> None:
    """Write a chain as `emcee.backends.HDFBackend` does (emcee 3.1, ``backends/hdf.py``).

    Parameters
    ----------
    group : h5py.Group
        emcee looks for it under the name ``mcmc``.
    chain : (n_steps, n_walkers, n_dim)
    log_prob : (n_steps, n_walkers)
    accepted : (n_walkers,)
        Number of accepted proposals.
    random_state : tuple
        As `numpy.random.RandomState.get_state` gives it.
    """
    n_steps, n_walkers, n_dim = chain.shape
    attributes = {"version": emcee.__version__, "nwalkers": n_walkers, "ndim": n_dim, "has_blobs": False}
    group.attrs.update(attributes | {"iteration": n_steps})
    for i, value in enumerate(random_state):
        group.attrs[f"random_state_{i}"] = value
    group.create_dataset("accepted", data=np.asarray(accepted, float))
    for name, data in (("chain", chain), ("log_prob", log_prob)):
        group.create_dataset(name, data=data, maxshape=(None, *data.shape[1:]))


def read_chain(group: h5py.Group) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read chain, log_prob and accepted, as `write_chain` takes them."""
    return group["chain"][...], group["log_prob"][...], group["accepted"][...]


@dataclass(frozen=True)
class _Rest:
    """The ensembles between two steps: nothing in it changes while they step on."""

    n_steps: int
    states: tuple[emcee.State, ...]
    accepted: tuple[np.ndarray, ...]


class Ensembles:
    """Independent ensembles with equal numbers of walkers and of steps.

    Parameters
    ----------
    samplers : list of emcee.EnsembleSampler
        One an ensemble, with their histories in memory.
    states : list of emcee.State
        Where each of them is.
    """

    def __init__(self, samplers: list[emcee.EnsembleSampler], states: list[emcee.State]) -> None:
        self._samplers = samplers
        self._rest = _Rest(samplers[0].backend.iteration, tuple(states), tuple(s.backend.accepted for s in samplers))

    @classmethod
    def begin(cls, new_sampler: NewSampler, states: list[emcee.State]) -> Ensembles:
        """Start at some states, with nothing visited yet."""
        samplers = []
        for n_walkers, n_dim in (state.coords.shape for state in states):
            backend = Backend()
            backend.reset(n_walkers, n_dim)
            samplers.append(new_sampler(n_walkers, n_dim, backend))
        return cls(samplers, states)

    def advance(
        self, until: int, after_step: Callable[[int], object], crew: Crew, stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Step, side by side, until `until` steps have been made in all.

        Where steps are short, several are made before the ensembles wait for each other: at each meeting one of them
        stands still for about half a step.

        Parameters
        ----------
        until : int
        after_step : callable
            Takes the number of steps made so far, at each meeting.
        crew : Crew
        stop : callable
            Asked at each meeting whether to end there.
        """
        missing = until - self.n_steps
        if missing <= 0:
            return
        walks = [
            sampler.sample(state, iterations=missing, skip_initial_state_check=True)
            for sampler, state in zip(self._samplers, self.states, strict=True)
        ]
        together = 1
        while missing > 0:
            begun, n_steps = time.monotonic(), min(together, missing)
            states = crew.run([partial(_last_of, n_steps, walk) for walk in walks])
            together = int(np.clip(n_steps * _APART / max(time.monotonic() - begun, 1e-6), 1, 2 * n_steps))
            missing -= n_steps
            self._rest = _Rest(
                self.n_steps + n_steps,
                tuple(emcee.State(state, copy=True) for state in states),
                tuple(sampler.backend.accepted.copy() for sampler in self._samplers),
            )
            after_step(self.n_steps)
            if stop():
                return

    @property
    def n_steps(self) -> int:
        """Steps made by all ensembles."""
        return self._rest.n_steps

    @property
    def states(self) -> list[emcee.State]:
        """State of each ensemble after its last step."""
        return list(self._rest.states)

    @property
    def acceptance(self) -> float:
        """Mean share of accepted proposals."""
        return float(np.mean([np.mean(accepted / self.n_steps) for accepted in self._rest.accepted]))

    def chain(self, n_steps: int | None = None) -> np.ndarray:
        """Return the places visited, (n_steps, n_walkers, n_dim), walkers of all ensembles side by side."""
        stop = self.n_steps if n_steps is None else n_steps
        return np.concatenate([sampler.backend.chain[:stop] for sampler in self._samplers], axis=1)

    def log_prob(self) -> np.ndarray:
        """Return the log posterior at the places visited, (n_steps, n_walkers)."""
        return np.concatenate([sampler.backend.log_prob[: self.n_steps] for sampler in self._samplers], axis=1)

    def write(self, group: h5py.Group, history: h5py.Group) -> None:
        """Write the states into one HDF5 group and the places visited into another, as emcee does."""
        rest = self._rest
        for i, state in enumerate(rest.states):
            place = group.create_group(str(i))
            place.create_dataset("coords", data=state.coords)
            if state.log_prob is not None:
                place.create_dataset("log_prob", data=state.log_prob)
            for k, value in enumerate(state.random_state):
                place.attrs[f"random_state_{k}"] = value
        stop = slice(None, rest.n_steps)
        write_chain(
            history,
            np.concatenate([sampler.backend.chain[stop] for sampler in self._samplers], axis=1),
            np.concatenate([sampler.backend.log_prob[stop] for sampler in self._samplers], axis=1),
            np.concatenate(rest.accepted),
            rest.states[0].random_state,
        )

    @classmethod
    def read(cls, group: h5py.Group, history: h5py.Group, new_sampler: NewSampler) -> Ensembles:
        """Take up ensembles that `write` has written."""
        states = [_read_state(group[name]) for name in sorted(group, key=int)]
        chain, log_prob, accepted = read_chain(history)
        samplers = []
        for mine in np.split(np.arange(chain.shape[1]), len(states)):
            backend = Backend()
            backend.reset(mine.size, chain.shape[2])
            backend.chain, backend.log_prob, backend.accepted = chain[:, mine], log_prob[:, mine], accepted[mine]
            backend.iteration = chain.shape[0]
            samplers.append(new_sampler(mine.size, chain.shape[2], backend))
        return cls(samplers, states)


def _last_of(n_steps: int, walk: Iterator[emcee.State]) -> emcee.State:
    """Make some steps of a walk; return the state after the last one."""
    return next(islice(walk, n_steps - 1, None))


def _read_state(group: h5py.Group) -> emcee.State:
    kind, keys, position, has_gauss, cached = (group.attrs[f"random_state_{k}"] for k in range(5))
    return emcee.State(
        group["coords"][...],
        log_prob=group["log_prob"][...] if "log_prob" in group else None,
        random_state=(str(kind), np.asarray(keys), int(position), int(has_gauss), float(cached)),
    )


@dataclass(frozen=True)
class Course:
    """Where the sampling is.

    Attributes
    ----------
    population : Knowledge
        The shape of the posterior as it is known, with the proposal of the independent moves.
    ensembles : Ensembles
        What they have visited is that of this round of burn-in, or of the chain.
    seed : int
        For what else has to be learned of that shape.
    burning : bool
        Whether this is burn-in.
    round, n_burn : int
        Round of burn-in, from 0, and steps of the rounds before.
    heights : (n_ensemble,)
        Mean log posterior of each ensemble in the round before.
    checked : int
        Steps of the chain that convergence was last judged from.
    anew : int
        Chains that were begun and given up as burn-in.
    """

    population: Any
    ensembles: Ensembles
    seed: int
    burning: bool = True
    round: int = 0
    n_burn: int = 0
    heights: np.ndarray = field(default_factory=lambda: np.full(2, -np.inf))
    checked: int = 0
    anew: int = 0

    def place(self, max_steps: int) -> str:
        """Say in words how far it is."""
        if self.burning:
            return f"burn-in step {self.n_burn + self.ensembles.n_steps}"
        return f"step {self.ensembles.n_steps} of at most {max_steps}"

    def write(self, file: h5py.Group) -> None:
        """Write into an HDF5 file: the chain as emcee's ``mcmc`` (burn-in as ``burn_in``), the rest as ``sampling``."""
        group = file.create_group("sampling")
        for name in _NUMBERS:
            group.attrs[name] = getattr(self, name)
        group.create_dataset("heights", data=self.heights)
        self.population.write(group.create_group("population"))
        history = file.create_group("burn_in" if self.burning else "mcmc")
        self.ensembles.write(group.create_group("ensembles"), history)

    @classmethod
    def read(
        cls,
        file: h5py.Group,
        read_population: Callable[[h5py.Group], Any],
        new_sampler: Callable[[Any, int, int, Backend], emcee.EnsembleSampler],
    ) -> Course:
        """Take up what `write` has written, with samplers of a population, n_walkers, n_dim and a backend."""
        group = file["sampling"]
        numbers = {name: kind(group.attrs[name]) for name, kind in _NUMBERS.items()}
        population = read_population(group["population"])
        history = file["burn_in" if numbers["burning"] else "mcmc"]
        ensembles = Ensembles.read(group["ensembles"], history, lambda *args: new_sampler(population, *args))
        return cls(population, ensembles, **numbers, heights=group["heights"][...])


_NUMBERS = {"seed": int, "burning": bool, "round": int, "n_burn": int, "checked": int, "anew": int}
