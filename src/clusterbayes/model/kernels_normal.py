"""Compiled functions of one number: the normal distribution, its averages, and the light of two stars.

Both tables hold the terms of an expansion about evenly spaced nodes, one row a node, so that a value costs one look-up
and five multiplications. They are good to 1e-13 of the largest value; tails of the normal distribution to 2e-10 of
themselves. The tables are made in Python, once a fit, and handed to whatever needs them.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = [
    "interval",
    "normal_table",
    "pair_table",
    "ramp",
    "ramp_interval",
    "ramp_mean",
    "tail",
    "tail_pair",
    "together",
]

_NORMAL_STEP = 64  # nodes per unit of the table of the normal distribution
_NORMAL_END = 9.0  # from here on the tail counts as nothing
_PAIR_STEP = 32
_PAIR_END = 36.0
_MAG = 0.4 * math.log(10.0)


def normal_table() -> np.ndarray:
    """Tabulate the normal distribution for `tail` and `tail_pair`.

    Returns
    -------
    numpy.ndarray
        Shape (n_node, 12): terms in h^n of Φ(−x − h), n = 0 to 5, at x = 0, 1/64, ... up to 9, then those of its
        integral from x + h to infinity.
    """
    x = np.arange(int(_NORMAL_END) * _NORMAL_STEP + 2) / _NORMAL_STEP
    upper = np.array([0.5 * math.erfc(v / math.sqrt(2.0)) for v in x])
    density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    hermite = [np.ones_like(x), x, x**2 - 1.0, x**3 - 3.0 * x, x**4 - 6.0 * x**2 + 3.0]
    terms = [upper]
    for n, polynomial in enumerate(hermite):
        terms.append((-1.0) ** (n + 1) * density * polynomial / math.factorial(n + 1))
    z, fraction = np.maximum(x, 1.0), np.zeros_like(x)  # φ(x)/Φ(−x) − x as a continued fraction, for the tail
    for n in range(60, 0, -1):
        fraction = n / (z + fraction)
    terms.append(np.where(x > 2.0, upper * fraction, density - x * upper))
    terms += [-terms[n] / (n + 1) for n in range(5)]
    return np.ascontiguousarray(np.stack(terms, axis=1))


def pair_table() -> np.ndarray:
    """Tabulate log(1 + exp(−x)) for `together`.

    Returns
    -------
    numpy.ndarray
        Shape (n_node, 6): terms in h^n of log(1 + exp(−x − h)), n = 0 to 5, at x = 0, 1/32, ... up to 36.
    """
    x = np.arange(int(_PAIR_END) * _PAIR_STEP + 2) / _PAIR_STEP
    p = 1.0 / (1.0 + np.exp(x))
    s = p * (1.0 - p)
    derivatives = [
        np.log1p(np.exp(-x)),
        -p,
        s,
        -s * (1.0 - 2.0 * p),
        s * (1.0 - 6.0 * s),
        -s * (1.0 - 2.0 * p) * (1.0 - 12.0 * s),
    ]
    return np.ascontiguousarray(np.stack([d / math.factorial(n) for n, d in enumerate(derivatives)], axis=1))


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _expand(table, node, column, h):
    """Value at a distance h from a node of a table, from the six terms that begin at a column."""
    t3, t4, t5 = table[node, column + 3], table[node, column + 4], table[node, column + 5]
    rest = table[node, column + 2] + h * (t3 + h * (t4 + h * t5))
    return table[node, column] + h * (table[node, column + 1] + h * rest)


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def tail(z, table):
    """Lower tail Φ(−z) for z ≥ 0; beyond 9 it stays at its value there, 1e-19."""
    z = min(z, _NORMAL_END)
    node = int(z * _NORMAL_STEP + 0.5)
    return _expand(table, node, 0, z - node * (1.0 / _NORMAL_STEP))


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def tail_pair(z, table):
    """Lower tail Φ(−z) and density φ(z) for z ≥ 0; beyond 9 they stay at their values there."""
    z = min(z, _NORMAL_END)
    node = int(z * _NORMAL_STEP + 0.5)
    h = z - node * (1.0 / _NORMAL_STEP)
    t1, t2, t3, t4, t5 = table[node, 1], table[node, 2], table[node, 3], table[node, 4], table[node, 5]
    value = table[node, 0] + h * (t1 + h * (t2 + h * (t3 + h * (t4 + h * t5))))
    return value, -(t1 + h * (2.0 * t2 + h * (3.0 * t3 + h * (4.0 * t4 + h * 5.0 * t5))))


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def interval(centre, half, table):
    """Probability between centre − half and centre + half without cancellation, for centre and half ≥ 0."""
    near = centre - half
    tail_near = tail(abs(near), table)
    return (tail_near if near > 0.0 else 1.0 - tail_near) - tail(centre + half, table)


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def ramp(x, table):
    """Integral of Φ from minus infinity to x."""
    z = min(abs(x), _NORMAL_END)
    node = int(z * _NORMAL_STEP + 0.5)
    return max(x, 0.0) + _expand(table, node, 6, z - node * (1.0 / _NORMAL_STEP))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def ramp_mean(z_start, z_stop, table):
    """Mean of Φ(z) for z spread evenly between two values (selection along a sloping segment)."""
    if z_start > 8.5 and z_stop > 8.5:
        return 1.0
    if z_start < -8.5 and z_stop < -8.5:
        return 0.0
    if abs(z_stop - z_start) < 1e-3:
        z = 0.5 * (z_start + z_stop)
        lower = tail(abs(z), table)
        return lower if z < 0.0 else 1.0 - lower
    return (ramp(z_stop, table) - ramp(z_start, table)) / (z_stop - z_start)


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def ramp_interval(centre, half, spread, table):
    """Mean of `interval` over centres spread evenly by ± spread; for centre and half ≥ 0 and spread > 0."""
    above, below = half - centre, -half - centre
    total = ramp(above + spread, table) - ramp(above - spread, table)
    return (total - ramp(below + spread, table) + ramp(below - spread, table)) / (2.0 * spread)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"}, inline="always")
def together(magnitude, other, table):
    """Magnitude of two stars seen as one."""
    x = _MAG * (other - magnitude)
    z = abs(x)
    if z >= _PAIR_END:
        return min(magnitude, other)
    node = int(z * _PAIR_STEP + 0.5)
    h = z - node * (1.0 / _PAIR_STEP)
    return min(magnitude, other) - _expand(table, node, 0, h) * (1.0 / _MAG)
