"""How finely many stars are binned: as coarsely as an error of the posterior that is measured allows.

The likelihood of a large sample is summed over points that stand for its stars (`model.cells`). What that does to the
posterior is the spread, over places in it, of the binned minus the exact log-likelihood; a common offset does nothing.
Cells shrink until the spread over draws from the picture of the modes is small enough, and after sampling it is
measured once more, over draws of the posterior itself, and reported.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clusterbayes.heartbeat import beat
from clusterbayes.inference.search import Mode, normal_posterior
from clusterbayes.model.cluster import ClusterModel

__all__ = ["BINNED_FROM", "LARGEST_SPREAD", "Binning", "bin_for_sampling", "bin_for_search"]

#: Samples with more stars than this are binned.
BINNED_FROM = 20_000
#: Largest spread of the binned minus the exact log posterior over the posterior [nat].
LARGEST_SPREAD = 0.1
_SEARCH_STEP = 2.8
_STEPS = (4.0, 2.8, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35)  # sides of the cells in units of the errors, tried in turn
_WANTED = 0.5 * LARGEST_SPREAD  # before sampling: the picture of the modes is not yet the posterior
_NOT_WORTH = 0.7  # share of the stars from which points that stand for them save nothing
_N_PLACE = 16
_DEEP = 20.0  # places this far below the highest are no part of the posterior
_FLOOR = 0.01  # mag, typical of what the sampled floors add to the errors
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Binning:
    """What binning did to the posterior.

    Attributes
    ----------
    step : float
        Sides of the cells in units of the errors.
    n_point, n_star : int
        Points that the likelihood was summed over, and stars that they stand for.
    spread, largest, offset : float
        Of the binned minus the exact log posterior over draws [nat]: standard deviation, largest deviation from the
        mean, and mean.
    """

    step: float
    n_point: int
    n_star: int
    spread: float
    largest: float
    offset: float

    @classmethod
    def measure(cls, model: ClusterModel, theta: np.ndarray) -> Binning:
        """Compare a binned model with the exact one at θ (n_draw, n_dim)."""
        assert model.cells is not None
        difference = model.log_likelihood(theta) - _exact(model, theta)
        off = difference - difference.mean()
        return cls(
            model.cells.step, model.n_point, model.photometry.n_star,
            float(off.std()), float(np.abs(off).max()), float(difference.mean()),
        )  # fmt: skip

    def reasons(self) -> list[str]:
        """Say why the result can't be relied on, if the error is too large."""
        if self.spread <= LARGEST_SPREAD:
            return []
        return [
            f"binning {self.n_star} stars changes the log posterior by {self.spread:.2g} from draw to draw, more than "
            f"{LARGEST_SPREAD:g}: fit without it (binned='never', --binned never)"
        ]

    def __str__(self) -> str:
        return (
            f"the likelihood was summed over {self.n_point} points that stand for {self.n_star} stars: over draws of "
            f"the posterior its log is off by {self.spread:.2g} (standard deviation; {self.largest:.2g} at most) about "
            f"a constant, which shifts no parameter by more than about {self.spread:.2g} of its error bar"
        )


def bin_for_search(model: ClusterModel) -> ClusterModel:
    """Bin a large sample coarsely, as is good enough for finding the modes; others stay as they are."""
    if model.photometry.n_star <= BINNED_FROM:
        return model
    binned = model.binned(_SEARCH_STEP, _floor(model))
    logger.info("searching with %d points for %d stars", binned.n_point, model.photometry.n_star)
    return binned


def bin_for_sampling(model: ClusterModel, modes: Sequence[Mode], seed: int) -> ClusterModel:
    """Bin as coarsely as the error of the posterior allows, or not at all where that would save little.

    Parameters
    ----------
    model : ClusterModel
        As it was searched with; one that is not binned is returned as it is.
    modes : sequence of Mode
    seed : int
        For the places where the error is measured.

    Returns
    -------
    ClusterModel
    """
    if model.cells is None:
        return model
    theta, exact = _places(model, modes, np.random.default_rng([seed, model.photometry.n_star]))
    for step in _STEPS:
        beat()
        binned = model.binned(step, _floor(model))
        if binned.n_point > _NOT_WORTH * model.photometry.n_star:
            break
        spread = float((binned.log_likelihood(theta) - exact).std())
        logger.info("cells of %g errors: %d points, off by %.3g nat", step, binned.n_point, spread)
        if spread < _WANTED:
            return binned
    logger.info("binning would save little: all stars are evaluated")
    return model.unbinned()


def _places(model: ClusterModel, modes: Sequence[Mode], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws from the picture of the modes (n, n_dim), and the exact log-likelihood there (n,)."""
    chance = np.exp([mode.log_weight - max(mode.log_weight for mode in modes) for mode in modes])
    chosen = rng.choice(len(modes), 4 * _N_PLACE, p=chance / chance.sum())
    draws = [rng.multivariate_normal(modes[i].z, modes[i].covariance, method="cholesky") for i in chosen]
    z = np.stack([modes[0].z, *draws])
    height = normal_posterior(model, z)
    kept = np.flatnonzero(height > height.max() - _DEEP)[:_N_PLACE]
    if kept.size < _N_PLACE:
        kept = np.argsort(-height, kind="stable")[:_N_PLACE]
    theta = model.parameters.from_normal(z[kept])
    return theta, _exact(model, theta)


def _exact(model: ClusterModel, theta: np.ndarray) -> np.ndarray:
    """Log-likelihood (n,) summed over every star."""
    return model.unbinned().log_likelihood(theta)


def _floor(model: ClusterModel) -> float:
    """Return what the model typically adds to the errors [mag], for the size of the cells."""
    return _FLOOR if any(name.startswith("floor_") for name in model.parameters.priors) else 0.0
