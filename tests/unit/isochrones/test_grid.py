"""Interpolation is exact at nodes, continuous between them, and never leaves the grid unnoticed."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.errors import GridError, GridRangeError, SettingsError
from clusterbayes.isochrones import IsochroneGrid, analytic_grid

ANALYTIC = analytic_grid()


def test_exact_at_every_node(grid: IsochroneGrid) -> None:
    for i, log_age in enumerate(grid.log_age):
        for k, mh in enumerate(grid.mh):
            isochrone = grid.isochrone(float(log_age), float(mh))
            for name in ("m_ini", "log_teff", "log_lum", "log_g"):
                np.testing.assert_array_equal(getattr(isochrone, name), getattr(grid, name)[i, k])
            mags = np.stack([isochrone.magnitudes[band] for band in grid.bands], axis=-1)
            np.testing.assert_array_equal(mags, grid.mags[i, k])


def test_middle_of_a_cell_is_the_mean_of_its_corners(grid: IsochroneGrid) -> None:
    i, k = 2, 1
    isochrone = grid.isochrone(grid.log_age[i : i + 2].mean(), grid.mh[k : k + 2].mean())
    np.testing.assert_allclose(isochrone.m_ini, grid.m_ini[i : i + 2, k : k + 2].mean(axis=(0, 1)), rtol=1e-12)
    np.testing.assert_allclose(
        isochrone.coefficients[grid.bands[0]], grid.ext[i : i + 2, k : k + 2, :, 0].mean(axis=(0, 1)), rtol=1e-12
    )


def test_continuous_across_nodes(grid: IsochroneGrid) -> None:
    step = 1e-9
    for log_age in grid.log_age[1:-1]:
        for mh in (grid.mh[1], 0.5 * (grid.mh[0] + grid.mh[1])):
            below, above = (grid.isochrone(float(log_age) + s, float(mh)) for s in (-step, step))
            for band in grid.bands:
                gap = np.abs(below.magnitudes[band] - above.magnitudes[band])
                assert gap.max() < 1e-6
    for mh in grid.mh[1:-1]:
        below, above = (grid.isochrone(9.03, float(mh) + s) for s in (-step, step))
        assert np.abs(below.log_lum - above.log_lum).max() < 1e-6


@given(log_age=st.floats(8.0, 10.0), mh=st.floats(-1.0, 0.4), a_v=st.floats(0.0, 6.0))
def test_any_point_inside_gives_a_usable_isochrone(log_age: float, mh: float, a_v: float) -> None:
    isochrone = ANALYTIC.isochrone(log_age, mh)
    assert np.all(np.diff(isochrone.m_ini) >= 0)
    for band, extinction in isochrone.extinction(a_v).items():
        assert np.all(np.isfinite(isochrone.magnitudes[band]))
        assert np.all((extinction >= 0) & (extinction < 1.6 * a_v + 1e-12))


def cell_slope(grid: IsochroneGrid, log_age: float, mh: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how steep log L is within reach of a point [per dex], along age and along metallicity, by point."""
    i, k, *_ = grid.locate(log_age, mh)
    near = grid.log_lum[max(i - 1, 0) : i + 3, max(k - 1, 0) : k + 3]
    steps = (np.diff(grid.log_age[max(i - 1, 0) : i + 3]), np.diff(grid.mh[max(k - 1, 0) : k + 3]))
    along_age = np.abs(np.diff(near, axis=0)) / steps[0][:, None, None]
    along_mh = np.abs(np.diff(near, axis=1)) / steps[1][None, :, None]
    return along_age.max(axis=(0, 1)), along_mh.max(axis=(0, 1))


@given(
    log_age=st.floats(6.0, 10.2),
    mh=st.floats(-2.19, 0.3),
    direction=st.floats(0.0, 2.0 * np.pi),
    length=st.floats(0.0, 0.03),
)
def test_no_jump_is_larger_than_the_slope_allows(
    parsec: IsochroneGrid, log_age: float, mh: float, direction: float, length: float
) -> None:
    # The other point lies in the same cell or a neighbour, across nodes and where phases appear.
    other_age = float(np.clip(log_age + length * np.cos(direction), 6.0, 10.2))
    other_mh = float(np.clip(mh + length * np.sin(direction), -2.19, 0.3))
    one, other = parsec.isochrone(log_age, mh), parsec.isochrone(other_age, other_mh)
    slope_age, slope_mh = cell_slope(parsec, log_age, mh)
    allowed = slope_age * abs(other_age - log_age) + slope_mh * abs(other_mh - mh)
    assert np.all(np.abs(one.log_lum - other.log_lum) <= allowed * (1.0 + 1e-9) + 1e-9)


@given(log_age=st.floats(6.0, 10.2), mh=st.floats(-2.19, 0.3))
def test_any_point_of_the_default_grid_gives_a_usable_isochrone(
    parsec: IsochroneGrid, log_age: float, mh: float
) -> None:
    isochrone = parsec.isochrone(log_age, mh)
    assert np.all(np.diff(isochrone.m_ini) >= 0)
    for name in ("log_teff", "log_lum", "log_g"):
        assert np.all(np.isfinite(getattr(isochrone, name)))
    colours = [isochrone.magnitudes[band] - isochrone.magnitudes["Gaia_G"] for band in parsec.bands]
    assert np.all(np.abs(colours) < 20)


@given(
    log_age=st.floats(allow_nan=True, allow_infinity=True).filter(lambda x: not 6.0 <= x <= 10.2),
    mh=st.floats(-2.19, 0.3),
)
def test_any_age_outside_raises(parsec: IsochroneGrid, log_age: float, mh: float) -> None:
    with pytest.raises(GridRangeError, match="log_age="):
        parsec.isochrone(log_age, mh)


def test_mass_never_falls_and_everything_is_finite(grid: IsochroneGrid) -> None:
    assert np.all(np.diff(grid.m_ini, axis=-1) >= 0)
    for name in ("m_ini", "log_teff", "log_lum", "log_g", "mags", "ext"):
        assert np.all(np.isfinite(getattr(grid, name)))
    assert np.all(np.abs(grid.mags) < 40)


@pytest.mark.parametrize(
    ("log_age", "mh", "name"),
    [(5.99, 0.0, "log_age"), (10.21, 0.0, "log_age"), (9.0, 0.31, "mh"), (9.0, -2.3, "mh"), (np.nan, 0.0, "log_age")],
)
def test_outside_raises(parsec: IsochroneGrid, log_age: float, mh: float, name: str) -> None:
    with pytest.raises(GridRangeError, match=f"{name}=") as caught:
        parsec.isochrone(log_age, mh)
    assert caught.value.name == name
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_array_of_ages_is_refused(analytic: IsochroneGrid) -> None:
    with pytest.raises(SettingsError, match="one number"):
        analytic.isochrone(np.array([8.0, 9.0]), 0.0)  # type: ignore[arg-type]


def test_phases_follow_each_other_and_are_never_bridged(grid: IsochroneGrid) -> None:
    edges = grid.phase_edges
    assert edges[0] == 0
    assert edges[-1] == grid.eep.size
    assert np.all(np.diff(grid.phase) >= 0)
    expected = np.ones(grid.eep.size - 1, dtype=bool)
    expected[edges[1:-1] - 1] = False
    np.testing.assert_array_equal(grid.segments, expected)


def test_a_phase_that_is_absent_has_no_length_and_no_weight(parsec: IsochroneGrid) -> None:
    # At log_age 6 no star has left the main sequence.
    isochrone = parsec.isochrone(6.0, 0.05)
    edges = parsec.phase_edges
    end = edges[1] - 1
    for name in ("m_ini", "log_teff", "log_lum"):
        later = getattr(isochrone, name)[edges[1] :]
        np.testing.assert_array_equal(later, np.full(later.size, getattr(isochrone, name)[end]))
    for magnitude in isochrone.magnitudes.values():
        np.testing.assert_array_equal(magnitude[edges[1] :], np.full(later.size, magnitude[end]))


def test_joined_phases_share_their_end_points(parsec: IsochroneGrid) -> None:
    # Main sequence to subgiants to red giants is one path: nothing may be lost where it is cut.
    last = parsec.phase_edges[1:3] - 1
    np.testing.assert_allclose(parsec.m_ini[..., last], parsec.m_ini[..., last + 1], rtol=1e-14)
    np.testing.assert_allclose(parsec.mags[..., last, :], parsec.mags[..., last + 1, :], atol=1e-4)


def test_every_isochrone_reaches_down_to_the_lowest_masses(parsec: IsochroneGrid) -> None:
    assert parsec.m_ini[..., 0].min() == pytest.approx(0.09, abs=1e-3)
    assert parsec.m_ini[..., 0].max() < 0.104


@pytest.mark.parametrize(("log_age", "mass"), [(8.04, 4.89), (9.0, 2.12), (9.48, 1.44), (9.96, 1.04)])
def test_turn_off_masses(parsec: IsochroneGrid, log_age: float, mass: float) -> None:
    # Mass at core hydrogen exhaustion in the published table, near solar metallicity.
    isochrone = parsec.isochrone(log_age, 0.05)
    assert isochrone.m_ini[parsec.phase_edges[1] - 1] == pytest.approx(mass, rel=0.01)


def test_the_sun(parsec: IsochroneGrid) -> None:
    # PARSEC 1.2S is calibrated on the Sun at an initial [M/H] of 0.07.
    isochrone = parsec.isochrone(9.66, 0.07)
    main_sequence = isochrone.phase == 0
    at_one = [
        np.interp(1.0, isochrone.m_ini[main_sequence], values[main_sequence])
        for values in (isochrone.log_teff, isochrone.log_lum, isochrone.log_g, isochrone.magnitudes["V"])
    ]
    assert at_one[0] == pytest.approx(np.log10(5772.0), abs=0.006)
    assert at_one[1] == pytest.approx(0.0, abs=0.04)
    assert at_one[2] == pytest.approx(4.438, abs=0.02)
    assert at_one[3] == pytest.approx(4.81, abs=0.08)


def test_bands_by_alias_in_the_order_asked_for(parsec: IsochroneGrid) -> None:
    some = parsec.select(["RP", "G", "Gaia_RP"])
    assert some.bands == ("Gaia_RP", "Gaia_G")
    np.testing.assert_array_equal(some.mags[..., 1], parsec.mags[..., 0])
    np.testing.assert_array_equal(some.ext[..., 0, :], parsec.ext[..., 2, :])


def test_arrays_that_do_not_fit_are_refused(analytic: IsochroneGrid) -> None:
    values = {name: getattr(analytic, name) for name in analytic.__dataclass_fields__}
    with pytest.raises(GridError, match="mags has shape"):
        IsochroneGrid(**{**values, "mags": analytic.mags[:, :1]})
    with pytest.raises(GridError, match="axis mh"):
        IsochroneGrid(**{**values, "mh": analytic.mh[::-1]})
    with pytest.raises(GridError, match="m_ini falls along an isochrone"):
        IsochroneGrid(**{**values, "m_ini": analytic.m_ini[..., ::-1]})
    with pytest.raises(GridError, match="phase falls along an isochrone"):
        IsochroneGrid(**{**values, "phase": np.roll(analytic.phase, 1)})
    mags = analytic.mags.copy()
    mags[1, 2, 3, 0] = np.nan
    with pytest.raises(GridError, match="mags has values that are not finite"):
        IsochroneGrid(**{**values, "mags": mags})


def test_shown_in_a_line():
    grid = ANALYTIC
    isochrone = grid.isochrone(float(grid.log_age[0]), float(grid.mh[0]))
    for shown in (repr(grid), repr(isochrone)):
        assert len(shown) < 300 and "\n" not in shown
    assert grid.name in repr(grid)
    assert f"{grid.log_age[0]:g} to {grid.log_age[-1]:g} ({grid.log_age.size})" in repr(grid)
    assert all(band in repr(grid) and band in repr(isochrone) for band in grid.bands)
