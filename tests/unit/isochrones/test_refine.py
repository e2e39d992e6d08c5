"""Inserted nodes: of higher order, exact at the old ones, monotone, local, and empty where a phase is absent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.interpolate import Akima1DInterpolator

from clusterbayes.errors import SettingsError
from clusterbayes.isochrones import IsochroneGrid, analytic_grid
from clusterbayes.isochrones.refine import default_factors, node_slopes, phases_present, refine_fields, subdivide

ANALYTIC = analytic_grid()
X = np.array([0.0, 0.24, 0.49, 0.74, 1.0, 1.5])


def fields(grid: IsochroneGrid) -> dict:
    """Return the fields of a grid by name."""
    return {name: getattr(grid, name) for name in grid.__dataclass_fields__}


@given(y=arrays(float, (6, 3), elements=st.floats(-5.0, 5.0).map(lambda v: round(v, 3))))
def test_slopes_are_those_of_the_published_curve(y: np.ndarray) -> None:
    expected = Akima1DInterpolator(X, y, method="makima").derivative()(X)
    np.testing.assert_allclose(node_slopes(X, y), expected, atol=1e-6)


def test_the_refined_grid_lies_on_the_published_curve() -> None:
    fine = refine_fields(fields(ANALYTIC), 4, 1)
    curve = Akima1DInterpolator(ANALYTIC.log_age, ANALYTIC.log_teff, method="makima")
    np.testing.assert_allclose(fine["log_teff"], curve(fine["log_age"]), atol=1e-12)
    mass = 10.0 ** Akima1DInterpolator(ANALYTIC.log_age, np.log10(ANALYTIC.m_ini), method="makima")(fine["log_age"])
    np.testing.assert_allclose(fine["m_ini"], np.maximum.accumulate(mass, axis=-1), rtol=1e-12)


def test_old_nodes_are_unchanged_bit_for_bit() -> None:
    fine = ANALYTIC.refine(3, 2)
    assert fine.metadata["native_log_age"] == ANALYTIC.log_age.tolist()
    assert fine.metadata["native_mh"] == ANALYTIC.mh.tolist()
    assert fine.metadata["refined"] == [3, 2]
    np.testing.assert_array_equal(fine.log_age[::3], ANALYTIC.log_age)
    np.testing.assert_array_equal(fine.mh[::2], ANALYTIC.mh)
    for name in ("m_ini", "log_teff", "log_lum", "log_g", "mags", "ext"):
        np.testing.assert_array_equal(getattr(fine, name)[::3, ::2], getattr(ANALYTIC, name))


def test_refinement_halves_the_error_where_isochrones_are_smooth() -> None:
    coarse, truth = (analytic_grid(log_age=np.linspace(8.6, 9.8, n)) for n in (7, 49))
    errors = []
    for grid in (coarse, coarse.refine(4, 1)):
        found = [grid.isochrone(float(age), 0.0).log_lum for age in truth.log_age]
        errors.append(
            np.sqrt(np.mean((np.array(found) - [truth.isochrone(float(a), 0.0).log_lum for a in truth.log_age]) ** 2))
        )
    assert errors[1] < 0.5 * errors[0]


def test_what_was_refined_is_left_as_it_is() -> None:
    fine = ANALYTIC.refine(2, 2)
    assert fine.refine(2, 2) is fine
    assert ANALYTIC.refine(1, 1) is ANALYTIC
    assert default_factors(fine.metadata, fine.log_age, fine.mh) == (1, 1)


def test_cells_are_not_divided_into_none() -> None:
    with pytest.raises(SettingsError, match="divided into one or more"):
        ANALYTIC.refine(0, 2)


def test_factors_follow_the_spacing_and_stay_within_limits() -> None:
    ages, metals = np.arange(6.0, 10.21, 0.12), np.arange(-2.2, 0.31, 0.25)
    assert default_factors({}, ages, metals) == (3, 3)
    assert default_factors({}, np.arange(6.0, 10.21, 0.05), metals) == (1, 3)
    assert default_factors({}, np.arange(7.0, 10.0, 0.02), np.arange(-2.0, 0.31, 0.25))[1] == 2
    assert default_factors({}, ages, metals[:1]) == (3, 1)
    assert default_factors({}, ages[:2], metals[:2]) == (1, 1)


def test_subdivided_axes_hold_the_old_values() -> None:
    fine = subdivide(X, 3)
    np.testing.assert_array_equal(fine[::3], X)
    assert np.all(np.diff(fine) > 0)


def with_vanishing_giants() -> IsochroneGrid:
    """Return a grid whose giants are absent below the middle age, as in the youngest isochrones."""
    edges = ANALYTIC.phase_edges
    changed = {}
    for name in ("m_ini", "log_teff", "log_lum", "log_g", "mags", "ext"):
        values = getattr(ANALYTIC, name).copy()
        values[:3, :, edges[2] :] = values[:3, :, edges[2] - 1][:, :, None]
        changed[name] = values
    return replace(ANALYTIC, **changed)


def test_absent_phases_stay_absent_and_appear_gradually() -> None:
    grid = with_vanishing_giants()
    assert phases_present(fields(grid), grid.phase)[:, :, 2].any(axis=1).tolist() == [False] * 3 + [True] * 2
    fine = grid.refine(4, 2)
    start = grid.phase_edges[2]
    for name in ("m_ini", "log_teff", "log_lum"):
        values = getattr(fine, name)
        end = values[:9, :, start - 1]
        np.testing.assert_array_equal(
            values[:9, :, start:], np.broadcast_to(end[..., None], values[:9, :, start:].shape)
        )
    length = np.ptp(fine.log_lum[:, 1, start:], axis=-1)
    np.testing.assert_allclose(length[8:13] / length[12], np.linspace(0.0, 1.0, 5), atol=1e-9)


def test_joined_phases_stay_joined(parsec: IsochroneGrid) -> None:
    last = parsec.phase_edges[1:3] - 1
    np.testing.assert_allclose(parsec.m_ini[..., last], parsec.m_ini[..., last + 1], rtol=1e-13)
    np.testing.assert_allclose(parsec.log_teff[..., last], parsec.log_teff[..., last + 1], atol=1e-6)


def test_a_node_far_away_changes_nothing() -> None:
    # The cubic of a cell reaches three nodes to each side, so that certificates may look at a neighbourhood.
    ages = np.linspace(8.0, 10.0, 15)
    grid = analytic_grid(log_age=ages)
    moved = replace(grid, log_teff=grid.log_teff + 0.1 * (np.arange(15) == 14)[:, None, None])
    one, other = grid.refine(3, 1), moved.refine(3, 1)
    np.testing.assert_array_equal(one.log_teff[: 3 * 11 + 1], other.log_teff[: 3 * 11 + 1])
    assert np.any(one.log_teff[3 * 12 + 1] != other.log_teff[3 * 12 + 1])


@pytest.mark.parametrize("axis", ["age", "mh"])
def test_one_axis_alone(axis: str) -> None:
    fine = ANALYTIC.refine(**{"age": 1, "mh": 1, axis: 2})
    assert fine.log_age.size == (2 * ANALYTIC.log_age.size - 1 if axis == "age" else ANALYTIC.log_age.size)
    assert fine.mh.size == (2 * ANALYTIC.mh.size - 1 if axis == "mh" else ANALYTIC.mh.size)
