"""Plain, slow versions of the compiled kernels: scipy distribution functions, loops, and quadrature.

Patches are given by their centre, their extents along and across, and the slope of the population across; all densities
are averages of a Gaussian over a patch (or a line), normalised as a density of the observables.
"""

from __future__ import annotations

import numpy as np
from scipy import integrate, stats

NARROW = 0.1  # σ: shorter than this, a patch is a dot
EVEN = 0.1  # σ: an even spread narrower than this counts as a Gaussian one
ALIKE = 0.8
STEEPEST = 1.0  # the slope of a population across is kept within ±


def lay(lower, upper, bulge, lean=0.0):
    """Centre, extents along and across, and slope of the population of a patch.

    `lower` and `upper` (2, n_obs) are the ends of the segment at both mass ratios; half-way between them it is off
    their mean by `bulge` (n_obs,). `lean` is the mean place of the companions between the two, from −½ to ½. Across the
    patch a parabola goes through the three; places v on it have the density 1 + slope v that moves their mean to where
    the parabola's is, and what is not along the extent across moves the centre.
    """
    lower, upper = np.asarray(lower, float), np.asarray(upper, float)
    centre, along, across = (lower + upper).mean(axis=0) / 2, np.diff(lower + upper, axis=0)[0] / 2, upper - lower
    across = across.mean(axis=0)
    mean = lean * across + 2 / 3 * bulge
    length2 = across @ across
    slope = 12 * lean + (8 * bulge @ across / length2 if length2 > 0 else 0.0)
    slope = np.clip(slope, -STEEPEST, STEEPEST)
    return centre + mean - slope / 12 * across, along, across, slope


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


def patch_density(y, centre, along, across, slope, covariance, n=400):
    """Average of a Gaussian over a parallelogram: exact line integrals, composite Gauss-Legendre across."""
    r, u, w = _whitened(y, centre, along, across, covariance)
    v, weight = _nodes(-0.5, 0.5, n)
    offset = r[None, :] - v[:, None] * w[None, :]
    length = np.linalg.norm(u)
    z = offset @ (u / length)
    rest = (offset**2).sum(axis=1) - z**2
    inside = _interval(-0.5 * length - z, 0.5 * length - z)
    value = (weight * (1 + slope * v)) @ (np.exp(-0.5 * rest) * inside) * np.sqrt(2 * np.pi) / length
    return value / np.sqrt(np.linalg.det(2 * np.pi * covariance))


def dot_density(y, centre, along, across, slope, covariance):
    """Average of a Gaussian over a parallelogram that is small in units of σ: Gauss-Legendre in both directions."""
    r, u, w = _whitened(y, centre, along, across, covariance)
    v, weight = _nodes(-0.5, 0.5, 1)
    offset = r - v[:, None, None] * u - v[None, :, None] * w
    value = weight @ np.exp(-0.5 * (offset**2).sum(axis=2)) @ (weight * (1 + slope * v))
    return value / np.sqrt(np.linalg.det(2 * np.pi * covariance))


def strip_density(y, centre, along, across, slope, covariance):
    """The library's closed form for a patch, in words of scipy: the longer extent is the line.

    Where the squares of both are within ALIKE of each other, it is a mean of both ways, linear in their ratio.
    """
    _, u, w = _whitened(y, centre, along, across, covariance)
    uu, ww = u @ u, w @ w
    share = np.clip((ww / max(uu, 1e-300) - ALIKE) / (1 / ALIKE - ALIKE), 0, 1)
    parts = [
        weight * oriented_density(y, centre, along, across, slope, covariance, swapped)
        for weight, swapped in ((1 - share, False), (share, True))
        if weight > 0
    ]
    return sum(parts)


def oriented_density(y, centre, along, across, slope, covariance, swapped):
    """The closed form with the extent along as the line, or the one across if `swapped`.

    Across it (perpendicular) the average of the Gaussian, and the mean and variance of the position v in (−½, ½); then
    the line, moved along itself by v times the tilt. Of that movement's variance a share of 12 var(v) is spread evenly,
    the rest is Gaussian. The slope of the population multiplies by its value at the mean position, across or along.
    """
    r, u, w = _whitened(y, centre, along, across, covariance)
    if swapped:
        u, w = w, u
    length = np.linalg.norm(u)
    if length < NARROW:
        return dot_density(y, centre, along, across, slope, covariance)
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
    gaussian = np.sqrt(1 + tilt**2 * variance)
    place = _mean_place(z, length, gaussian)
    if not swapped:  # what is learnt along the line moves v as well, by its covariance with the place on it
        place = np.clip(mean - variance * tilt * (place * length - z) / gaussian**2, -0.5, 0.5)
    value *= 1 + slope * place
    return value / np.sqrt(np.linalg.det(2 * np.pi * covariance))


def _mean_place(z, length, sigma):
    """Mean place, from −½ to ½, on a line of a length that a Gaussian about z leaves there."""
    low, high = (-0.5 * length - z) / sigma, (0.5 * length - z) / sigma
    inside = max(_interval(low, high), 1e-300)
    mean = z + sigma * (stats.norm.pdf(low) - stats.norm.pdf(high)) / inside
    return np.clip(mean / length, -0.5, 0.5)


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
