"""Plain, slow versions of the compiled kernels: scipy distribution functions, loops, and quadrature.

Patches are given by their centre and their extents along and across; all densities are averages of a Gaussian over a
patch (or a line), normalised as a density of the observables.
"""

from __future__ import annotations

import numpy as np
from scipy import integrate, stats

NARROW = 0.1  # σ: shorter than this, a patch is a dot
EVEN = 0.1  # σ: an even spread narrower than this counts as a Gaussian one


def line_density(y, start, stop, covariance):
    """Average of a Gaussian over a straight segment by adaptive quadrature."""
    y, start, stop = (np.asarray(v, float) for v in (y, start, stop))
    inverse = np.linalg.inv(covariance)
    d = stop - start
    length2 = d @ inverse @ d
    centre = float(np.clip((y - start) @ inverse @ d / length2, 0, 1)) if length2 > 0 else 0.5
    width = 1.0 / np.sqrt(length2) if length2 > 0 else 1.0
    nearest = y - start - centre * d
    smallest = nearest @ inverse @ nearest  # taken out, so that nothing underflows

    def integrand(t):
        r = y - start - t * d
        return np.exp(-0.5 * (r @ inverse @ r - smallest))

    points = np.clip(centre + width * np.array([-8, -3, -1, 0, 1, 3, 8]), 0, 1)
    edges = np.unique(np.concatenate([[0.0, 1.0], points]))
    pieces = zip(edges, edges[1:], strict=False)
    accuracy = {"epsabs": 1e-12 * min(width, 1.0), "epsrel": 1e-9}
    value = sum(integrate.quad(integrand, a, b, **accuracy)[0] for a, b in pieces)
    return np.exp(-0.5 * smallest) * value / np.sqrt(np.linalg.det(2 * np.pi * covariance))


def patch_density(y, centre, along, across, covariance, n=400):
    """Average of a Gaussian over a parallelogram: exact line integrals, composite Gauss-Legendre across."""
    r, u, w = _whitened(y, centre, along, across, covariance)
    v, weight = _nodes(-0.5, 0.5, n)
    offset = r[None, :] - v[:, None] * w[None, :]
    length = np.linalg.norm(u)
    z = offset @ (u / length)
    rest = (offset**2).sum(axis=1) - z**2
    inside = _interval(-0.5 * length - z, 0.5 * length - z)
    value = weight @ (np.exp(-0.5 * rest) * inside) * np.sqrt(2 * np.pi) / length
    return value / np.sqrt(np.linalg.det(2 * np.pi * covariance))


def dot_density(y, centre, along, across, covariance):
    """Average of a Gaussian over a parallelogram that is small in units of σ: Gauss-Legendre in both directions."""
    r, u, w = _whitened(y, centre, along, across, covariance)
    v, weight = _nodes(-0.5, 0.5, 1)
    offset = r - v[:, None, None] * u - v[None, :, None] * w
    value = weight @ np.exp(-0.5 * (offset**2).sum(axis=2)) @ weight
    return value / np.sqrt(np.linalg.det(2 * np.pi * covariance))


def strip_density(y, centre, along, across, covariance):
    """The library's closed form for a patch, in words of scipy.

    The longer extent is the line. Across it (perpendicular) the average of the Gaussian, and the mean and variance of
    the position v in (−½, ½); then the line, moved along itself by v times the tilt. Of that movement's variance a
    share of 12 var(v) is spread evenly, the rest is Gaussian.
    """
    r, u, w = _whitened(y, centre, along, across, covariance)
    if np.linalg.norm(w) > np.linalg.norm(u):
        u, w = w, u
    length = np.linalg.norm(u)
    if length < NARROW:
        return dot_density(y, centre, along, across, covariance)
    unit = u / length
    tilt = w @ unit
    w_perp, r_perp = w - tilt * unit, r - (r @ unit) * unit
    width = np.linalg.norm(w_perp)
    z = r_perp @ w_perp / width if width > 0 else 0.0
    rest = r_perp @ r_perp - z * z
    nearest = np.clip(z / width, -0.5, 0.5) if width > 0 else 0.0
    reach = min(12.0 / width, 1.0) if width > 0 else 1.0
    v, weight = _nodes(max(nearest - reach, -0.5), min(nearest + reach, 0.5), 40)
    smallest = (z - nearest * width) ** 2
    weight = weight * np.exp(-0.5 * ((z - v * width) ** 2 - smallest))
    across_part = weight.sum()
    mean = weight @ v / across_part
    variance = weight @ (v - mean) ** 2 / across_part
    z = r @ unit - mean * tilt
    even = 12 * variance
    sigma = np.sqrt(1 + tilt**2 * variance * (1 - even))
    spread = np.sqrt(3 * even * variance) * abs(tilt) / sigma
    if spread < EVEN:
        sigma, moved = np.sqrt(1 + tilt**2 * variance), np.zeros(1)
        weight = np.ones(1)
    else:
        moved, weight = _nodes(-spread, spread, max(1, int(np.ceil(spread))))
        weight = weight / (2 * spread)
    share = weight @ _interval((-0.5 * length - z) / sigma + moved, (0.5 * length - z) / sigma + moved)
    value = across_part * np.sqrt(2 * np.pi) / length * share * np.exp(-0.5 * (rest + smallest))
    return value / np.sqrt(np.linalg.det(2 * np.pi * covariance))


def _whitened(y, centre, along, across, covariance):
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    return (whiten @ np.asarray(v, float) for v in (np.asarray(y) - centre, along, across))


def _nodes(low, high, n):
    """Nodes and weights of n panels of 8-point Gauss-Legendre between two numbers."""
    node, weight = np.polynomial.legendre.leggauss(8)
    x = low + (high - low) * (np.arange(n)[:, None] + 0.5 * (node[None, :] + 1)).ravel() / n
    return x, np.tile(weight, n) * (high - low) / (2 * n)


def _interval(low, high):
    low, high = np.asarray(low, float), np.asarray(high, float)
    flip = low > 0
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    return stats.norm.cdf(b) - stats.norm.cdf(a)
