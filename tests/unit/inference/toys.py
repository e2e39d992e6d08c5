"""Posteriors with closed forms, in the shape that search and sampler expect of a model."""

from __future__ import annotations

import numpy as np

from clusterbayes.model.parameters import ParameterSet
from clusterbayes.model.priors import Normal


class GaussianModel:
    """Standard normal priors and a Gaussian likelihood: the posterior is Gaussian in normal coordinates."""

    def __init__(self, centre, precision):
        self.centre, self.precision = np.asarray(centre, float), np.asarray(precision, float)
        self.parameters = ParameterSet({f"x{i}": Normal(0.0, 1.0) for i in range(self.centre.size)}, {})
        self.covariance = np.linalg.inv(self.precision + np.eye(self.centre.size))
        self.mean = self.covariance @ self.precision @ self.centre

    def log_likelihood(self, theta):
        r = theta - self.centre
        return -0.5 * np.einsum("ni,ij,nj->n", r, self.precision, r)


def correlated(n_dim, seed, spread=1.0):
    """Make a covariance matrix with strong correlations."""
    root = np.random.default_rng(seed).normal(size=(n_dim, n_dim)) + 0.3 * np.eye(n_dim)
    scale = np.logspace(0.0, -spread, n_dim)
    return (root @ root.T) * np.outer(scale, scale)
