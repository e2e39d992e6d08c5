"""Compiled functions of one number: the normal distribution and its averages.

A table holds the terms of an expansion about evenly spaced nodes, one row a node, so that a value costs one look-up and
five multiplications. It is good to 1e-13 of the largest value, tails to 2e-10 of themselves. It is made in Python, once
a fit, and handed to whatever needs it; `kernels_gauss` is for long loops.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["normal_table", "ramp", "ramp_mean", "tail"]

_NORMAL_STEP = 64  # nodes per unit of the table of the normal distribution
_NORMAL_END = 9.0  # from here on the tail counts as nothing


def normal_table() -> np.ndarray:
    """Tabulate the normal distribution for `tail` and `ramp`.

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
