"""Compiled density of a member's astrometry: parallax, proper motion, and place in the field.

Members share a parallax and a proper motion; each has its own errors, and the cluster has a depth and a dispersion.
Their places follow a Plummer profile cut at the radius of the sample. Where the catalogue was cut in proper motion, the
density is divided by the share of a star's error ellipse about the cluster's motion that lies in the window.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["gauss_nodes", "member_astrometry", "share_in_window", "shares_in_window"]

_REACH = 7.0  # standard deviations
_SQRT_HALF = math.sqrt(0.5)
_N_NODE = 32


def gauss_nodes() -> np.ndarray:
    """Nodes and weights of the quadrature over windows, shape (2, n): Gauss–Legendre on (−1, 1)."""
    return np.stack(np.polynomial.legendre.leggauss(_N_NODE))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def member_astrometry(
    stars, window, nodes, dist_mod, zero_point, depth, pm_ra, pm_dec, dispersion, scale_radius, out
):  # fmt: skip
    """Fill `out` (n_star,) with the density of each star's astrometry as a member; 1 where it has none.

    Parameters
    ----------
    stars : Stars
        Its parallax, pm, pm_variance and offset are read; each may have no rows.
    window : (0,), (3,) or (4,)
        Limits of the proper motion [mas/yr]: none, a circle (centre and radius) or a box (lowest and highest in each).
    nodes : (2, n)
        From `gauss_nodes`.
    dist_mod, zero_point, depth : float
        [mag], to be added to the catalogue's parallaxes [mas], spread along the line of sight [pc].
    pm_ra, pm_dec, dispersion : float
        Proper motion of the cluster and its intrinsic dispersion in each direction [mas/yr].
    scale_radius : float
        Of the Plummer profile, in units of the sample's radius.
    """
    out[:] = 1.0
    expected = 10.0 ** (2.0 - 0.2 * dist_mod)
    for i in range(stars.parallax.size):
        if not math.isnan(stars.parallax[i]):
            sigma2 = stars.parallax_error[i] ** 2 + (1e-3 * depth * expected * expected) ** 2
            x = stars.parallax[i] + zero_point - expected
            out[i] = math.exp(-0.5 * x * x / sigma2) / math.sqrt(2.0 * math.pi * sigma2)
    for i in range(stars.pm.shape[0]):
        if not math.isnan(stars.pm[i, 0]):
            v_ra = stars.pm_variance[i, 0] + dispersion * dispersion
            v_dec = stars.pm_variance[i, 1] + dispersion * dispersion
            cov = stars.pm_variance[i, 2]
            det = v_ra * v_dec - cov * cov
            x, y = stars.pm[i, 0] - pm_ra, stars.pm[i, 1] - pm_dec
            distance2 = (v_dec * x * x - 2.0 * cov * x * y + v_ra * y * y) / det
            density = math.exp(-0.5 * distance2) / (2.0 * math.pi * math.sqrt(det))
            if window.size > 0:
                share = share_in_window(window, nodes, pm_ra, pm_dec, v_ra, v_dec, cov)
                density = density / share if share > 0.0 else 0.0
            out[i] *= density
    s2 = scale_radius * scale_radius
    for i in range(stars.offset.size):
        # Density of places relative to an even spread over the circle.
        out[i] *= (1.0 + s2) / s2 / (1.0 + stars.offset[i] * stars.offset[i] / s2) ** 2


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def shares_in_window(window, nodes, means, covariances):
    """Shares (n,) of Gaussians of means (n, 2) and covariances (n, 2, 2) that lie in a window."""
    shares = np.empty(means.shape[0])
    for i in range(shares.size):
        shares[i] = share_in_window(
            window, nodes, means[i, 0], means[i, 1], covariances[i, 0, 0], covariances[i, 1, 1], covariances[i, 0, 1]
        )
    return shares


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def share_in_window(window, nodes, x_mean, y_mean, x_variance, y_variance, covariance):
    """Share of a Gaussian (means, variances and covariance of two quantities) that lies in a window, to about 1e-5."""
    circle = window.size == 3
    if circle:
        room = window[2] - math.sqrt((x_mean - window[0]) ** 2 + (y_mean - window[1]) ** 2)
        if room > _REACH * math.sqrt(x_variance + y_variance):
            return 1.0
    first, second = 0, 1 if circle else 2
    if x_variance > y_variance:  # the sum runs over the quantity that is known better: the other is smooth along it
        first, second = second, first
        x_mean, y_mean, x_variance, y_variance = y_mean, x_mean, y_variance, x_variance
    if circle:
        low, high = window[first] - window[2], window[first] + window[2]
    else:
        low, high = window[first], window[first + 1]
    x_sigma = math.sqrt(x_variance)
    low, high = max(low, x_mean - _REACH * x_sigma), min(high, x_mean + _REACH * x_sigma)
    if high <= low:
        return 0.0
    slope = covariance / x_variance
    rest = math.sqrt(y_variance - slope * covariance)
    total = 0.0
    for k in range(nodes.shape[1]):
        x = 0.5 * (low + high) + 0.5 * (high - low) * nodes[0, k]
        if circle:
            half = math.sqrt(max(window[2] ** 2 - (x - window[first]) ** 2, 0.0))
            bottom, top = window[second] - half, window[second] + half
        else:
            bottom, top = window[second], window[second + 1]
        centre = y_mean + slope * (x - x_mean)
        z = (x - x_mean) / x_sigma
        inside = _interval((bottom - centre) / rest, (top - centre) / rest)
        total += nodes[1, k] * math.exp(-0.5 * z * z) * inside
    return total * 0.5 * (high - low) / (x_sigma * math.sqrt(2.0 * math.pi))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _interval(low, high):
    """Probability of a standard normal variate between two numbers, accurate in the tails."""
    if low > 0.0:
        low, high = -high, -low
    return 0.5 * (math.erfc(-high * _SQRT_HALF) - math.erfc(-low * _SQRT_HALF))
