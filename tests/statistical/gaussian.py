"""Gaussian pictures of posteriors, and exact draws from them, for tests that fit many small problems."""

from __future__ import annotations

import numpy as np

from clusterbayes.inference.proposal import Mixture


def summit(log_posterior, start, steps, *, n_rounds=12):
    """Newton's method with central differences: the summit and the covariance from its curvature.

    `log_posterior` maps (n, n_dim) to (n,); `steps` (n_dim,) are lengths over which it changes by a few tenths.
    """
    x, n_dim = np.asarray(start, float), len(start)
    pairs = [(i, j) for i in range(n_dim) for j in range(i, n_dim)]
    corners = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)])
    offsets = np.zeros((1 + 2 * n_dim + 4 * len(pairs), n_dim))
    offsets[1 : n_dim + 1], offsets[n_dim + 1 : 2 * n_dim + 1] = np.diag(steps), -np.diag(steps)
    for k, (i, j) in enumerate(pairs):
        for c, (a, b) in enumerate(corners):
            offsets[1 + 2 * n_dim + 4 * k + c, i] += a * steps[i]
            offsets[1 + 2 * n_dim + 4 * k + c, j] += b * steps[j]
    for _ in range(n_rounds):
        value = log_posterior(x + offsets)
        slope = (value[1 : n_dim + 1] - value[n_dim + 1 : 2 * n_dim + 1]) / (2 * steps)
        hessian = np.empty((n_dim, n_dim))
        for k, (i, j) in enumerate(pairs):
            v = value[1 + 2 * n_dim + 4 * k :][:4]
            hessian[i, j] = hessian[j, i] = -(v[0] - v[1] - v[2] + v[3]) / (4 * steps[i] * steps[j])
        eigenvalue, vector = np.linalg.eigh(hessian * np.outer(steps, steps))
        covariance = (vector / np.maximum(eigenvalue, 1e-3)) @ vector.T * np.outer(steps, steps)
        move = covariance @ slope
        share = 0.5 ** np.arange(8)
        heights = log_posterior(x + share[:, None] * move)
        best = int(np.nanargmax(heights))
        if heights[best] <= value[0]:
            break
        x = x + share[best] * move
        if heights[best] - value[0] < 1e-4:
            break
    return x, covariance


def draws(log_posterior, centre, covariance, rng, *, n=2000, n_rounds=3):
    """Draw from the posterior: importance sampling from a wide t, which learns from its draws, resampled at the end.

    Returns draws (n, n_dim) and how many independent ones they are worth.
    """
    for _ in range(n_rounds):
        proposal = Mixture([1.0], centre[None, :], 1.3 * covariance[None], dof=4.0)
        points = proposal.draw(n, rng)
        log_weight = log_posterior(points) - proposal.log_density(points)
        # a ceiling on the weights while there is something to learn: no single draw decides the next proposal
        weight = np.exp(np.minimum(log_weight, np.quantile(log_weight, 0.99)) - np.max(log_weight))
        centre, covariance = np.average(points, axis=0, weights=weight), np.cov(points.T, aweights=weight)
    weight = np.exp(log_weight - np.max(log_weight))
    return points[rng.choice(n, size=n, p=weight / weight.sum())], weight.sum() ** 2 / (weight**2).sum()
