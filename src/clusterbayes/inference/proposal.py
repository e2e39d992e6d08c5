"""Independent proposals: a mixture of t distributions in coordinates that were bent to be nearly normal.

Posteriors of star clusters are skewed: an extinction or a model floor ends at zero, a share at one. A sinh-arcsinh map
of every coordinate takes most of that away, and what is left is close to a few Gaussians. The better the picture, the
more proposals are accepted, and the shorter a chain has to be.
"""

from __future__ import annotations

import warnings

import h5py
import numpy as np
from scipy import optimize, special

from clusterbayes.inference.search import Mode

__all__ = ["Bend", "IndependentProposal", "resample"]

_DOF = 15.0  # of proposals fitted to draws
_MOST_DRAWS = 3000  # that a proposal is fitted to
_MOST_PARTS = 6
_DRAWS_PER_PART = 15  # draws for each free direction that a further component of the mixture needs
_SAFEGUARD = 0.1  # share of the wide component
_WIDER = 2.0  # its variance, in units of that of the draws
_STRONG = 0.005  # weight of the penalty that keeps a map without evidence for bending straight


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
    def straight(cls, n_dim: int) -> Bend:
        """Return the map that changes nothing."""
        return cls(np.zeros(n_dim), np.ones(n_dim), np.zeros(n_dim), np.ones(n_dim))

    @classmethod
    def fit(cls, draws: np.ndarray) -> Bend:
        """Find the map that makes every coordinate of draws (n_draw, n_dim) most nearly normal."""
        return cls(*np.array([_most_normal(column) for column in draws.T]).T)

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


class IndependentProposal:
    """Draws from a mixture of multivariate t distributions, whatever the current position.

    Parameters
    ----------
    weights : (n_mode,)
    means : (n_mode, n_dim)
    covariances : (n_mode, n_dim, n_dim)
    dof : float
        Degrees of freedom; small ones give heavy tails.
    bend : Bend, optional
        From the coordinates of the draws to those of the mixture; the same by default.
    """

    def __init__(
        self,
        weights: np.ndarray,
        means: np.ndarray,
        covariances: np.ndarray,
        *,
        dof: float = 6.0,
        bend: Bend | None = None,
    ) -> None:
        self.weights = np.asarray(weights, float) / np.sum(weights)
        self.means = np.asarray(means, float)
        self.cholesky = np.linalg.cholesky(np.asarray(covariances, float))
        self.dof = dof
        self.bend = bend or Bend.straight(self.means.shape[1])

    @classmethod
    def from_modes(cls, modes: list[Mode], *, widen: float = 1.2) -> IndependentProposal:
        """Mixture of the Gaussian pictures of the modes, widened in every direction."""
        log_weight = np.array([mode.log_weight for mode in modes])
        weights = np.maximum(np.exp(log_weight - log_weight.max()), 0.05)
        return cls(weights, np.array([m.z for m in modes]), np.array([widen**2 * m.covariance for m in modes]))

    @classmethod
    def from_draws(cls, draws: np.ndarray, seed: int, *, n_effective: float | None = None) -> IndependentProposal:
        """Fit to draws (n_draw, n_dim), with a wider copy of everything as a safeguard.

        The number of components is the one of lowest BIC among those that the draws can support.

        Parameters
        ----------
        draws : (n_draw, n_dim)
        seed : int
        n_effective : float, optional
            Independent draws that they are worth; all of them by default.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import threadpool_limits

        n_dim = draws.shape[1]
        kept = np.unique(np.linspace(0, len(draws) - 1, min(_MOST_DRAWS, len(draws))).astype(int))
        draws = draws[kept]
        bend = Bend.fit(draws)
        u, _ = bend.forward(draws)
        most = int(np.clip((n_effective or len(draws)) / (_DRAWS_PER_PART * n_dim), 1, _MOST_PARTS))
        with (
            threadpool_limits(1),
            warnings.catch_warnings(),
        ):  # a mixture that is not at its optimum still is a valid proposal
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = [
                GaussianMixture(n, random_state=seed, reg_covar=1e-4, max_iter=40).fit(u) for n in range(1, most + 1)
            ]
            mixture = min(fitted, key=lambda m: m.bic(u)) if most > 1 else fitted[0]
        wide = np.cov(u.T).reshape(n_dim, n_dim) * _WIDER + 1e-4 * np.eye(n_dim)
        return cls(
            np.append((1.0 - _SAFEGUARD) * mixture.weights_, _SAFEGUARD),
            np.vstack([mixture.means_, u.mean(axis=0)]),
            np.concatenate([mixture.covariances_, wide[None]]),
            dof=_DOF,
            bend=bend,
        )

    def draw(self, n: int, rng: np.random.RandomState | np.random.Generator) -> np.ndarray:
        """Draw (n, n_dim) points."""
        which = rng.choice(self.weights.size, size=n, p=self.weights)
        normal = rng.normal(size=(n, self.means.shape[1]))
        scale = np.sqrt(self.dof / rng.chisquare(self.dof, size=n))
        u = self.means[which] + scale[:, None] * np.einsum("nij,nj->ni", self.cholesky[which], normal)
        return self.bend.inverse(u)

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Log density at z (n, n_dim), shape (n,)."""
        u, log_jacobian = self.bend.forward(z)
        n_dim = self.means.shape[1]
        norm = special.gammaln(0.5 * (self.dof + n_dim)) - special.gammaln(0.5 * self.dof)
        norm -= 0.5 * n_dim * np.log(self.dof * np.pi)
        x = np.linalg.solve(self.cholesky, (u[None, :, :] - self.means[:, None, :]).transpose(0, 2, 1))
        tail = 0.5 * (self.dof + n_dim) * np.log1p((x**2).sum(axis=1) / self.dof)  # (n_mode, n)
        log_det = np.log(np.diagonal(self.cholesky, axis1=1, axis2=2)).sum(axis=1)
        parts = (np.log(self.weights) + norm - log_det)[:, None] - tail
        return np.logaddexp.reduce(parts, axis=0) + log_jacobian

    def write(self, group: h5py.Group) -> None:
        """Write the proposal into an HDF5 group."""
        group.attrs["dof"] = self.dof
        for name in ("weights", "means", "cholesky"):
            group.create_dataset(name, data=getattr(self, name))
        for name in ("location", "scale", "skew", "tail"):
            group.create_dataset(name, data=getattr(self.bend, name))

    @classmethod
    def read(cls, group: h5py.Group) -> IndependentProposal:
        """Read exactly what `write` has written."""
        proposal = object.__new__(cls)  # as they are: computing them again would change last digits
        proposal.weights, proposal.means, proposal.cholesky = (
            group[name][...] for name in ("weights", "means", "cholesky")
        )
        proposal.dof = float(group.attrs["dof"])
        proposal.bend = Bend(*(group[name][...] for name in ("location", "scale", "skew", "tail")))
        return proposal

    def __call__(self, coords: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Proposal function of `emcee.moves.MHMove`: new positions and the log of the proposal ratio."""
        new = self.draw(coords.shape[0], rng)
        return new, self.log_density(coords) - self.log_density(new)


def resample(weights: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return indices (n,) of systematic draws with given weights, at equal distances from a random start."""
    edges = np.cumsum(weights) / np.sum(weights)
    return np.minimum(np.searchsorted(edges, (np.arange(n) + rng.random()) / n), len(weights) - 1)
