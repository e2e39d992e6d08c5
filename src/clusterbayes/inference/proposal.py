"""Independent proposals: a picture of the posterior that can be drawn from and evaluated.

Posteriors of star clusters have a few coordinates with ridges, bows and several modes, age, metallicity, distance and
extinction, and many others that follow them: given the first four, the others are nearly normal, about a mean that
changes with them. So the picture is a mixture of t distributions in the first coordinates; the others lie about a
quadratic function of the first, from which each component may be off in a straight line of its own. Tails of posteriors
are longer there than those of the components, each of which has a wider twin. Far out, where that function is not
known, a safeguard is wide in the first coordinates and takes the others as they are over all: wide in all coordinates
at once it would be thin everywhere. An extinction or a model floor ends at zero, a share at one: the
others are bent first, by a sinh-arcsinh map each. The better the picture, the more proposals are accepted, and the
shorter a chain has to be.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from functools import lru_cache

import h5py
import numpy as np
from scipy import optimize, special

from clusterbayes.inference.search import Mode

__all__ = ["Bend", "Independent", "IndependentProposal", "Mixture", "resample"]

_N_LEADING = 4  # coordinates, the first ones, that the others follow
_DOF = 30.0  # of proposals fitted to draws
_MOST_DRAWS = 6000  # that a proposal is fitted to
_NUMBERS_OF_PARTS = (2, 3, 4, 6, 8, 12)  # that are tried, up to the first after these that does not help:
_TRIED = 4  # one that does not may be the bad luck of where the fit began
_DRAWS_PER_PART = 60  # that a further component of the mixture needs
_RIDGE = 3.0  # draws' worth of evidence that the others do not follow the leading coordinates
_RIDGE_PART, _STIFF = 60.0, 400.0  # and that they do so in a component as over all, in slope and in covariance
_ARRAYS = ("weights", "means", "cholesky", "inverse")  # of a mixture, as they are written
_MIXTURES = ("close", "wide", "loose")
_LEAST_WIDTH = 1e-3  # variance added to every component, in units of that of the draws
_TWIN, _TWIN_WIDER = 0.25, 3.0  # share of each component's twin, and its variance in the leading coordinates
_SAFEGUARD = 0.2  # share of the wide component
_WIDER, _WIDE_DOF = 6.0, 8.0  # its variance in the leading coordinates, in units of that of the draws, and its tails
_STEPS = (0.7, 0.4, 0.2)  # sizes of steps to places nearby, see `Mixture.step`
_STRONG = 0.005  # weight of the penalty that keeps a map without evidence for bending straight
Rng = np.random.RandomState | np.random.Generator


class Bend:
    """A sinh-arcsinh map of every coordinate, u = sinh(t asinh((z − m)/s) − e).

    Jones & Pewsey (2009), Biometrika 96, 761, eq. 2. Invertible on the whole line, with derivatives in closed form.

    Parameters
    ----------
    location, scale, skew, tail : (n_dim,)
        m, s, e and t; a skew of 0 and a tail of 1 leave a coordinate straight.
    """

    def __init__(self, location: np.ndarray, scale: np.ndarray, skew: np.ndarray, tail: np.ndarray) -> None:
        self.location, self.scale, self.skew, self.tail = (
            np.asarray(part, float) for part in (location, scale, skew, tail)
        )

    @classmethod
    def fit(cls, draws: np.ndarray, *, straight: int = 0) -> Bend:
        """Find the map that makes every coordinate of draws (n_draw, n_dim) most nearly normal.

        The first `straight` coordinates are only brought to mean 0 and variance 1.
        """
        maps = [(column.mean(), column.std() or 1.0, 0.0, 1.0) for column in draws.T[:straight]]
        return cls(*np.array(maps + [_most_normal(column) for column in draws.T[straight:]]).T)

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return u (n, n_dim) of z (n, n_dim), and the log of the Jacobian determinant du/dz (n,)."""
        x = (z - self.location) / self.scale
        bent = self.tail * np.arcsinh(x) - self.skew
        log_slope = _log_cosh(bent) + np.log(self.tail / self.scale) - 0.5 * np.log1p(x * x)
        return np.sinh(bent), log_slope.sum(axis=1)

    def inverse(self, u: np.ndarray) -> np.ndarray:
        """Return z (n, n_dim) of u (n, n_dim)."""
        return self.location + self.scale * np.sinh((np.arcsinh(u) + self.skew) / self.tail)


def _log_cosh(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, -x) - np.log(2.0)


def _most_normal(column: np.ndarray) -> tuple[float, float, float, float]:
    """Return location, scale, skew and tail of the map under which draws (n_draw,) are most nearly standard normal."""
    centre, spread = float(np.median(column)), float(column.std())
    if spread == 0.0:
        return centre, 1.0, 0.0, 1.0
    x = (column - centre) / spread

    def cost(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        place, log_scale, skew, log_tail = parameters
        scale, tail = np.exp(log_scale), np.exp(log_tail)
        t = (x - place) / scale
        stretched, root = np.arcsinh(t), 1.0 + t * t
        bent = tail * stretched - skew
        u = np.sinh(bent)
        value = np.mean(0.5 * u * u - _log_cosh(bent) + 0.5 * np.log(root)) - log_tail + log_scale
        by_bent = u * np.cosh(bent) - np.tanh(bent)
        by_t = by_bent * tail / np.sqrt(root) + t / root
        slope = [
            -by_t.mean() / scale,
            1.0 - np.mean(by_t * t),
            -by_bent.mean() + 2.0 * _STRONG * skew,
            np.mean(by_bent * tail * stretched) - 1.0 + 2.0 * _STRONG * log_tail,
        ]
        return value + _STRONG * (skew**2 + log_tail**2), np.array(slope)

    bounds = [(-3.0, 3.0), (-3.0, 3.0), (-2.0, 2.0), (-0.7, 1.0)]
    place, log_scale, skew, log_tail = optimize.minimize(cost, np.zeros(4), jac=True, bounds=bounds).x
    return centre + place * spread, spread * np.exp(log_scale), skew, np.exp(log_tail)


class Independent(ABC):
    """Something that draws points wherever the walkers are, as `emcee.moves.MHMove` takes it."""

    @abstractmethod
    def draw(self, n: int, rng: Rng) -> np.ndarray:
        """Draw (n, n_dim) points."""

    @abstractmethod
    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Log density at z (n, n_dim), shape (n,)."""

    @abstractmethod
    def write(self, group: h5py.Group) -> None:
        """Write it into an HDF5 group."""

    def __call__(self, coords: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Proposal function of `emcee.moves.MHMove`: new positions and the log of the proposal ratio."""
        new = self.draw(coords.shape[0], rng)
        return new, self.log_density(coords) - self.log_density(new)


class Mixture(Independent):
    """A mixture of multivariate t distributions.

    Parameters
    ----------
    weights : (n_part,)
    means : (n_part, n_dim)
    covariances : (n_part, n_dim, n_dim)
    dof : float
        Degrees of freedom; small ones give heavy tails.
    """

    def __init__(self, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray, *, dof: float = 6.0) -> None:
        self.weights = np.asarray(weights, float) / np.sum(weights)
        self.means = np.asarray(means, float)
        self.cholesky = np.linalg.cholesky(np.asarray(covariances, float))
        self.inverse = np.linalg.inv(self.cholesky)
        self.dof = dof

    @classmethod
    def from_modes(cls, modes: list[Mode], *, widen: float = 1.2) -> Mixture:
        """Mixture of the Gaussian pictures of the modes, widened in every direction."""
        log_weight = np.array([mode.log_weight for mode in modes])
        weights = np.maximum(np.exp(log_weight - log_weight.max()), 0.05)
        return cls(weights, np.array([m.z for m in modes]), np.array([widen**2 * m.covariance for m in modes]))

    @classmethod
    def fitted(cls, draws: np.ndarray, most: int, seed: int) -> Mixture:
        """Fit to draws (n_draw, n_dim) with more components, up to `most`, as long as that lowers the AIC."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        def fit(n: int) -> GaussianMixture:
            return GaussianMixture(n, random_state=seed, reg_covar=_LEAST_WIDTH, max_iter=40).fit(draws)

        with warnings.catch_warnings():  # a mixture that is not at its optimum still is a valid proposal
            warnings.simplefilter("ignore", ConvergenceWarning)
            best = fit(1)
            least = best.aic(draws)
            for n in (n for n in _NUMBERS_OF_PARTS if n <= most):
                further = fit(n)
                if (aic := further.aic(draws)) < least:
                    best, least = further, aic
                elif n >= _TRIED:
                    break
        return cls(best.weights_, best.means_, best.covariances_, dof=_DOF)

    def draw(self, n: int, rng: Rng) -> np.ndarray:
        """Draw (n, n_dim) points."""
        which = rng.choice(self.weights.size, size=n, p=self.weights)
        normal = rng.normal(size=(n, self.means.shape[1]))
        scale = np.sqrt(self.dof / rng.chisquare(self.dof, size=n))
        return self.means[which] + scale[:, None] * np.einsum("nij,nj->ni", self.cholesky[which], normal)

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Log density at z (n, n_dim), shape (n,)."""
        return np.logaddexp.reduce(self._parts(self._standard(z)), axis=0)

    def step(self, z: np.ndarray, size: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Step from z (n, n_dim) in a way that leaves the mixture as it is, and is reversible with respect to it.

        A component and the scale of its normal distribution are drawn for each point as the point itself suggests, and
        within that normal distribution the step is an autoregressive one; `size` (n,) from 0, stay, to 1, draw anew.
        Cotter et al. (2013), Statistical Science 28, 424, has the step within one normal distribution (pCN).
        """
        n, n_dim = z.shape
        x = self._standard(z)
        parts = self._parts(x)
        share = np.exp(parts - parts.max(axis=0))
        below = np.cumsum(share, axis=0) < rng.uniform(size=n) * share.sum(axis=0)
        which = np.minimum(below.sum(axis=0), self.weights.size - 1)
        mine = x[which, :, np.arange(n)]
        scale = np.sqrt((self.dof + (mine**2).sum(axis=1)) / rng.chisquare(self.dof + n_dim, size=n))
        new = np.sqrt(1.0 - size**2)[:, None] * mine + (size * scale)[:, None] * rng.normal(size=(n, n_dim))
        return self.means[which] + np.einsum("nij,nj->ni", self.cholesky[which], new)

    def _standard(self, z: np.ndarray) -> np.ndarray:
        """Return z (n, n_dim) as each component sees it: (n_part, n_dim, n)."""
        return self.inverse @ (z[None, :, :] - self.means[:, None, :]).transpose(0, 2, 1)

    def _parts(self, x: np.ndarray) -> np.ndarray:
        """Log of weight times density of each component (n_part, n) at x from `_standard`."""
        n_dim = self.means.shape[1]
        norm = special.gammaln(0.5 * (self.dof + n_dim)) - special.gammaln(0.5 * self.dof)
        norm -= 0.5 * n_dim * np.log(self.dof * np.pi)
        tail = 0.5 * (self.dof + n_dim) * np.log1p((x**2).sum(axis=1) / self.dof)
        log_det = np.log(np.diagonal(self.cholesky, axis1=1, axis2=2)).sum(axis=1)
        return (np.log(self.weights) + norm - log_det)[:, None] - tail

    def write(self, group: h5py.Group) -> None:
        """Write the mixture into an HDF5 group."""
        group.attrs["dof"] = self.dof
        for name in _ARRAYS:
            group.create_dataset(name, data=getattr(self, name))

    @classmethod
    def read(cls, group: h5py.Group) -> Mixture:
        """Read exactly what `write` has written."""
        mixture = object.__new__(cls)  # as they are: computing them again would change last digits
        for name in _ARRAYS:
            setattr(mixture, name, group[name][...])
        mixture.dof = float(group.attrs["dof"])
        return mixture


class IndependentProposal(Independent):
    """A mixture of t distributions of the leading coordinates and of what the others are off a function of them.

    Parameters
    ----------
    bend : Bend
        From the coordinates of the draws to those of everything else here.
    follow : (n_term, n_rest)
        The others less `_terms(leading) @ follow` are what the mixture has in their place.
    close : Mixture
    wide, loose : Mixture
        Of the leading coordinates, wide, and of the others whatever the first are, one component each: a safeguard that
        a part of the draws come from.
    """

    def __init__(self, bend: Bend, follow: np.ndarray, close: Mixture, wide: Mixture, loose: Mixture) -> None:
        self.bend, self.follow, self.close, self.wide, self.loose = bend, follow, close, wide, loose

    @classmethod
    def from_draws(cls, draws: np.ndarray, seed: int, *, n_effective: float | None = None) -> IndependentProposal:
        """Fit to draws (n_draw, n_dim).

        Parameters
        ----------
        draws : (n_draw, n_dim)
        seed : int
        n_effective : float, optional
            Independent draws that they are worth; all of them by default.
        """
        from threadpoolctl import threadpool_limits

        n_leading = min(_N_LEADING, draws.shape[1])
        kept = np.unique(np.linspace(0, len(draws) - 1, min(_MOST_DRAWS, len(draws))).astype(int))
        draws = draws[kept]
        worth = min(1.0, (n_effective or len(draws)) / len(draws))  # of each draw
        bend = Bend.fit(draws, straight=n_leading)
        u, _ = bend.forward(draws)
        with threadpool_limits(1):  # the last digits would depend on their number
            most = max(1, int(worth * len(draws) / _DRAWS_PER_PART))
            leading, others = u[:, :n_leading], u[:, n_leading:]
            terms = _terms(leading)
            follow = _regression(terms, others, np.full(len(u), worth), _RIDGE)
            close = _followed(Mixture.fitted(leading, most, seed), leading, others - terms @ follow, worth)
            wide = _one_part(leading, wider=_WIDER, dof=_WIDE_DOF)
            loose = _one_part(others)
        return cls(bend, follow, close, wide, loose)

    def draw(self, n: int, rng: Rng) -> np.ndarray:
        """Draw (n, n_dim) points."""
        u = self._joined(self.close.draw(n, rng))
        safe = rng.uniform(size=n) < _SAFEGUARD
        apart = np.concatenate([self.wide.draw(n, rng), self.loose.draw(n, rng)], axis=1)
        return self.bend.inverse(np.where(safe[:, None], apart, u))

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Log density at z (n, n_dim), shape (n,)."""
        u, log_jacobian = self.bend.forward(z)
        close = self.close.log_density(self._parted(u))
        leading, others = np.split(u, [self.wide.means.shape[1]], axis=1)
        apart = self.wide.log_density(leading) + self.loose.log_density(others)
        return np.logaddexp(close + np.log(1.0 - _SAFEGUARD), apart + np.log(_SAFEGUARD)) + log_jacobian

    def near(self, coords: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Proposal function of `emcee.moves.MHMove` that steps to places nearby, in steps of several sizes.

        A walker that is where the picture is much too thin accepts hardly any draw from it; nearby it is about as thin.
        """
        u, log_jacobian = self.bend.forward(coords)
        here = self._parted(u)
        moved = self.close.step(here, rng.choice(_STEPS, size=len(coords)), rng)
        new = self.bend.inverse(self._joined(moved))
        change = self.close.log_density(here) + log_jacobian
        return new, change - self.close.log_density(moved) - self.bend.forward(new)[1]

    def _parted(self, u: np.ndarray) -> np.ndarray:
        """Return u (n, n_dim) with the others less their function of the leading coordinates."""
        leading, others = np.split(u, [self.wide.means.shape[1]], axis=1)
        return np.concatenate([leading, others - _terms(leading) @ self.follow], axis=1)

    def _joined(self, parted: np.ndarray) -> np.ndarray:
        """Undo `_parted`."""
        leading, rest = np.split(parted, [self.wide.means.shape[1]], axis=1)
        return np.concatenate([leading, rest + _terms(leading) @ self.follow], axis=1)

    def write(self, group: h5py.Group) -> None:
        """Write the proposal into an HDF5 group."""
        group.create_dataset("follow", data=self.follow)
        for name in ("location", "scale", "skew", "tail"):
            group.create_dataset(name, data=getattr(self.bend, name))
        for name in _MIXTURES:
            getattr(self, name).write(group.create_group(name))

    @classmethod
    def read(cls, group: h5py.Group) -> IndependentProposal:
        """Read exactly what `write` has written."""
        bend = Bend(*(group[name][...] for name in ("location", "scale", "skew", "tail")))
        return cls(bend, group["follow"][...], *(Mixture.read(group[name]) for name in _MIXTURES))


def _followed(leading: Mixture, draws: np.ndarray, rest: np.ndarray, worth: float) -> Mixture:
    """Let other coordinates follow each component of a mixture, in a straight line and with a covariance of its own.

    Each component gets a twin that is wider in the coordinates of the mixture.

    Parameters
    ----------
    leading : Mixture
    draws : (n_draw, n_leading)
        That it was fitted to.
    rest : (n_draw, n_rest)
        The others there.
    worth : float
        Independent draws that each draw is worth.
    """
    x = leading._standard(draws)
    parts = leading._parts(x)
    share = worth * np.exp(parts - np.logaddexp.reduce(parts, axis=0))
    n_leading, everywhere = draws.shape[1], rest.T @ rest / len(rest)
    means, covariances, wider = [], [], []
    for k, mine in enumerate(share):
        terms = np.column_stack([np.ones(len(draws)), x[k].T])
        slopes = _regression(terms, rest, mine, _RIDGE_PART)
        off = rest - terms @ slopes
        own = (off.T @ (mine[:, None] * off) + _STIFF * everywhere) / (mine.sum() + _STIFF)
        corner = np.linalg.cholesky(own + 1e-4 * np.eye(len(own)))
        root = np.block([[leading.cholesky[k], np.zeros((n_leading, len(own)))], [slopes[1:].T, corner]])
        means.append(np.concatenate([leading.means[k], slopes[0]]))
        covariances.append(root @ root.T)
        root[:, :n_leading] *= np.sqrt(_TWIN_WIDER)
        wider.append(root @ root.T)
    weights = np.outer([1.0 - _TWIN, _TWIN], leading.weights).ravel()
    return Mixture(weights, np.array(means * 2), np.array(covariances + wider), dof=leading.dof)


def _regression(terms: np.ndarray, values: np.ndarray, weights: np.ndarray, ridge: float) -> np.ndarray:
    """Coefficients (n_term, n_value) of values (n, n_value) in terms (n, n_term), drawn to zero by a ridge."""
    weighted = terms * weights[:, None]
    return np.linalg.solve(weighted.T @ terms + ridge * np.eye(terms.shape[1]), weighted.T @ values)


def _terms(leading: np.ndarray) -> np.ndarray:
    """Return 1, every coordinate of `leading` (n, n_leading), and every product of two of them: (n, n_term)."""
    pairs = _pairs(leading.shape[1])
    products = leading[:, pairs[0]] * leading[:, pairs[1]] - (pairs[0] == pairs[1])
    return np.concatenate([np.ones((len(leading), 1)), leading, products], axis=1)


@lru_cache(maxsize=8)
def _pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(n)


def _one_part(draws: np.ndarray, *, wider: float = 1.0, dof: float = _DOF) -> Mixture:
    """Return the t distribution of the mean of draws (n_draw, n_dim), and `wider` times their covariance."""
    n_dim = draws.shape[1]
    centre = draws.mean(axis=0)
    covariance = wider * (draws - centre).T @ (draws - centre) / len(draws) + 1e-4 * np.eye(n_dim)
    return Mixture(np.ones(1), centre[None], covariance[None], dof=dof)


def resample(weights: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return indices (n,) of systematic draws with given weights, at equal distances from a random start."""
    edges = np.cumsum(weights) / np.sum(weights)
    return np.minimum(np.searchsorted(edges, (np.arange(n) + rng.random()) / n), len(weights) - 1)
