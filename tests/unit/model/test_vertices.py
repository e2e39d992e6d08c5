"""The likelihood places isochrones exactly where `IsochroneGrid.isochrone` has them, and thins them within phases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.isochrones import IsochroneGrid, analytic_grid
from clusterbayes.model.cluster import _every
from clusterbayes.model.kernels import vertices
from clusterbayes.model.walkers import node

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP")


@pytest.fixture(scope="module")
def grid() -> IsochroneGrid:
    """Return the default grid, refined as it is when it is loaded."""
    grid = IsochroneGrid.load("parsec", BANDS)
    assert grid.log_age.size > len(grid.metadata["native_log_age"])
    return grid


@pytest.fixture(scope="module")
def nodes(grid: IsochroneGrid) -> np.ndarray:
    """Return the kernel's array of nodes."""
    parts = [grid.m_ini[..., None], grid.log_teff[..., None], grid.log_lum[..., None]]
    for b in range(len(BANDS)):
        parts += [grid.mags[..., b, None], grid.ext[..., b, :]]
    return np.ascontiguousarray(np.concatenate(parts, axis=-1))


def place(grid: IsochroneGrid, nodes: np.ndarray, log_age: float, mh: float, a_v: float) -> np.ndarray:
    """Return mass, log Teff, log L and reddened absolute magnitudes of every vertex."""
    (i_age,), (w_age,) = node(grid.log_age, np.array([log_age]))
    (i_mh,), (w_mh,) = node(grid.mh, np.array([mh]))
    out = np.empty((grid.eep.size, 3 + len(BANDS)))
    nothing, no_shift, knots = np.zeros(len(BANDS)), np.zeros((2, len(BANDS))), np.array([3.5, 4.0])
    vertices(nodes, i_age, w_age, i_mh, w_mh, 0.0, a_v, nothing, np.zeros(2), knots, no_shift, np.inf, out)
    return out


@given(log_age=st.floats(6.0, 10.2), mh=st.floats(-2.19, 0.3), a_v=st.floats(0.0, 6.0))
def test_kernel_and_isochrone_agree(
    grid: IsochroneGrid, nodes: np.ndarray, log_age: float, mh: float, a_v: float
) -> None:
    placed = place(grid, nodes, log_age, mh, a_v)
    isochrone = grid.isochrone(log_age, mh)
    reddening = isochrone.extinction(a_v)
    theory = [isochrone.m_ini, isochrone.log_teff, isochrone.log_lum]
    expected = np.column_stack([*theory, *(isochrone.magnitudes[b] + reddening[b] for b in BANDS)])
    np.testing.assert_allclose(placed, expected, rtol=1e-12, atol=1e-11)


def test_thinning_keeps_both_ends_of_every_phase(grid: IsochroneGrid) -> None:
    for thin in (1, 2, 3):
        kept = _every(grid.phase, thin)
        edges = grid.phase_edges
        assert set(edges[:-1]) | set(edges[1:] - 1) <= set(kept.tolist())
        assert kept.size <= grid.eep.size / thin + 2 * (edges.size - 1)
    phases = _every(analytic_grid().phase, 2)
    np.testing.assert_array_equal(np.unique(analytic_grid().phase[phases]), np.unique(analytic_grid().phase))


@pytest.mark.parametrize("log_age", [7.3, 8.0, 9.0, 9.6, 10.0])
def test_thinned_isochrones_keep_their_shape(grid: IsochroneGrid, log_age: float) -> None:
    isochrone = grid.isochrone(log_age, -0.1)
    points = np.column_stack(
        [isochrone.magnitudes["Gaia_G"], isochrone.magnitudes["Gaia_BP"] - isochrone.magnitudes["Gaia_RP"]]
    )
    kept = _every(grid.phase, 2)
    left_out = np.setdiff1d(np.arange(grid.eep.size), kept)
    before, after = points[left_out - 1], points[left_out + 1]
    step = after - before
    along = np.sum((points[left_out] - before) * step, axis=1) / np.maximum(np.sum(step**2, axis=1), 1e-18)
    away = np.hypot(*(points[left_out] - before - np.clip(along, 0.0, 1.0)[:, None] * step).T)
    assert np.percentile(away[points[left_out, 0] < 9.0], 95) < 0.015
