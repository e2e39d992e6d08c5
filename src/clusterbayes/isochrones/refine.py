"""Finer grids: nodes inserted between those of a file by a local cubic at fixed evolutionary point.

Between nodes a grid is interpolated bilinearly, in `IsochroneGrid.isochrone` and in the likelihood alike.  Nodes that
are inserted beforehand along a cubic make the result of higher order, while both stay as simple and as fast as they
are.  Where a phase appears or vanishes next to a cell, its new nodes are linear: nothing may be learnt about a phase
from a node that lacks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["default_factors", "node_slopes", "phases_present", "refine_fields", "subdivide"]

Array = NDArray[np.float64]

CURVED = ("m_ini", "log_teff", "log_lum", "log_g", "mags")
"""What follows the cubic; mass does so in its logarithm.  Extinction coefficients hardly bend and stay linear."""

FINE_ENOUGH = (0.045, 0.09)
"""Spacing [dex] in age and metallicity that refinement aims at; halving it again gains 4 % in rms for PARSEC."""

MOST_FACTOR, MOST_NODES = 3, 3400
"""Limits of refinement; this number of nodes with three bands takes 170 MB."""


def default_factors(metadata: Mapping[str, Any], log_age: Array, mh: Array) -> tuple[int, int]:
    """Return into how many cells each cell in age and metallicity is divided when a grid is loaded.

    Parameters
    ----------
    metadata : mapping
        The grid's; one that was refined before is left as it is.
    log_age, mh : array
        Its axes.
    """
    if "refined" in metadata:
        return 1, 1
    axes = (log_age, mh)
    factors = [1, 1]
    for a, axis in enumerate(axes):
        if axis.size > 2:
            factors[a] = int(np.clip(np.round(np.median(np.diff(axis)) / FINE_ENOUGH[a]), 1, MOST_FACTOR))
    while max(factors) > 1 and np.prod([(axes[a].size - 1) * factors[a] + 1 for a in (0, 1)]) > MOST_NODES:
        factors[int(np.argmax(factors))] -= 1
    return factors[0], factors[1]


def refine_fields(fields: Mapping[str, Any], factor_age: int, factor_mh: int) -> dict[str, Any]:
    """Insert nodes between those of a grid, along age first and then along metallicity.

    Parameters
    ----------
    fields : mapping
        `log_age`, `mh`, `phase`, `m_ini`, `log_teff`, `log_lum`, `log_g`, `mags` and `ext` of an `IsochroneGrid`.
    factor_age, factor_mh : int
        Cells that each cell is divided into; 1 leaves an axis as it is.

    Returns
    -------
    dict
        All but `phase` with more nodes.  The old nodes are unchanged, mass never falls along an isochrone, and a phase
        that both neighbours of a new node lack has no length there.
    """
    result = {name: fields[name] for name in ("log_age", "mh", *CURVED, "ext")}
    phase = np.asarray(fields["phase"])
    for axis, name, factor in ((0, "log_age", factor_age), (1, "mh", factor_mh)):
        x = result[name]
        if factor < 2 or x.size < 2:
            continue
        present = np.moveaxis(phases_present(result, phase), axis, 0)
        for quantity in (*CURVED, "ext"):
            result[quantity] = _insert(result[quantity], axis, x, factor, present, phase, quantity)
        result[name] = subdivide(x, factor)
    return result


def subdivide(x: Array, factor: int) -> Array:
    """Return an axis with every cell divided into equal parts, the old values among them exactly."""
    inner = x[:-1, None] + np.diff(x)[:, None] * np.arange(factor) / factor
    return np.append(inner.ravel(), x[-1])


def phases_present(fields: Mapping[str, Any], phase: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which phases have any length at each node, shape (n_age, n_mh, n_phase)."""
    spread = [
        np.any([np.ptp(fields[name][..., phase == code], axis=-1) > 0 for name in ("m_ini", "log_teff")], axis=0)
        for code in dict.fromkeys(phase.tolist())
    ]
    return np.stack(spread, axis=-1)


def node_slopes(x: Array, y: Array) -> Array:
    """Return the slopes at the nodes of a modified Akima cubic, shape of y (n_node, ...).

    Akima (1970), J. ACM 17, 589, eq. 1 and 12, where a weight |d2 - d1| is |d2 - d1| + |d2 + d1|/2, so that a flat
    stretch stays flat and equal slopes need no special case.
    """
    d = np.diff(y, axis=0) / np.diff(x).reshape(-1, *[1] * (y.ndim - 1))
    if len(d) < 2:
        return np.concatenate([d, d])
    first, last = 2.0 * d[0] - d[1], 2.0 * d[-1] - d[-2]
    d = np.concatenate([[2.0 * first - d[0], first], d, [last, 2.0 * last - d[-1]]])
    weight = np.abs(np.diff(d, axis=0)) + 0.5 * np.abs(d[1:] + d[:-1])
    after, before = weight[2:], weight[:-2]
    total = after + before
    flat = total == 0.0
    return np.asarray((after * d[1:-2] + before * d[2:-1]) / np.where(flat, 1.0, total))


def _insert(
    values: Array, axis: int, x: Array, factor: int, present: NDArray[np.bool_], phase: NDArray[Any], quantity: str
) -> Array:
    """Return one quantity (n_age, n_mh, n_eep, ...) with nodes inserted along an axis."""
    shape = list(values.shape)
    shape[axis] = (x.size - 1) * factor + 1
    result = np.empty(shape)
    old, new = np.moveaxis(values, axis, 0), np.moveaxis(result, axis, 0)
    new[::factor] = old
    y = np.log10(old) if quantity == "m_ini" else old
    step = np.diff(y, axis=0)
    bend = _bends(x, y, step, present) if quantity in CURVED else None
    gone = ~(present[:-1] | present[1:])
    for s in range(1, factor):
        t = s / factor
        part = y[:-1] + t * step
        if bend is not None:
            part += t * (1.0 - t) * ((1.0 - t) * bend[0] - t * bend[1])
        if quantity == "m_ini":
            part = np.maximum.accumulate(10.0**part, axis=2)
        new[s::factor] = _collapse(part, gone, phase)
    return result


def _bends(x: Array, y: Array, step: Array, present: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return by how much the cubic's slopes at both ends of each cell differ from the straight line's, per cell."""
    slope = node_slopes(x, y)
    width = np.diff(x).reshape(-1, *[1] * (y.ndim - 1))
    change = np.any(present[1:] != present[:-1], axis=-1)
    near = change.copy()
    near[1:] |= change[:-1]
    near[:-1] |= change[1:]
    # Whole isochrones are cubic or straight, so that phases which share a point stay joined.
    curved = ~near.reshape(*near.shape, *[1] * (y.ndim - 2))
    return (slope[:-1] * width - step) * curved, (slope[1:] * width - step) * curved


def _collapse(part: Array, gone: NDArray[np.bool_], phase: NDArray[Any]) -> Array:
    """Set phases that a cell lacks (n_cell, n_other, n_phase) to the last point of the phase before, in place."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(phase)) + 1, [phase.size]])
    for p in range(1, edges.size - 1):
        cells = gone[..., p]
        if cells.any():
            end = part[:, :, edges[p] - 1][cells]
            part[:, :, edges[p] : edges[p + 1]][cells] = end[:, None]
    return part
