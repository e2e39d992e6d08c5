"""The closed-form grid has the properties that make it a stand-in for a real one."""

from __future__ import annotations

import numpy as np

from clusterbayes.isochrones import IsochroneGrid


def colour(grid: IsochroneGrid) -> np.ndarray:
    """Return BP - RP at every point."""
    return grid.mags[..., grid.bands.index("Gaia_BP")] - grid.mags[..., grid.bands.index("Gaia_RP")]


def test_shape(analytic: IsochroneGrid) -> None:
    assert analytic.m_ini.shape == (5, 3, 60)
    assert set(analytic.phase) == {0, 2, 3}
    assert np.all(np.diff(analytic.m_ini, axis=-1) >= 0)
    assert np.all(analytic.m_ini[..., 0] == 0.1)


def test_older_means_a_fainter_and_redder_turn_off(analytic: IsochroneGrid) -> None:
    main = analytic.phase == 0
    bluest = colour(analytic)[..., main].min(axis=-1)
    brightest = analytic.mags[..., main, analytic.bands.index("V")].min(axis=-1)
    assert np.all(np.diff(bluest, axis=0) > 0.1)
    assert np.all(np.diff(brightest, axis=0) > 0.5)


def test_metal_rich_is_redder_at_the_same_mass(analytic: IsochroneGrid) -> None:
    main = analytic.phase == 0
    at = [np.interp(0.6, analytic.m_ini[-1, k, main], colour(analytic)[-1, k, main]) for k in range(3)]
    assert at[1] - at[0] > 0.05
    assert at[2] - at[1] > 0.05


def test_main_sequence_brightens_with_mass(analytic: IsochroneGrid) -> None:
    lower = analytic.phase == 0
    v = analytic.mags[..., lower, analytic.bands.index("V")]
    assert np.all(np.diff(v, axis=-1) < 0)


def test_extinction_depends_on_temperature(analytic: IsochroneGrid) -> None:
    g = analytic.ext[..., analytic.bands.index("Gaia_G"), 0]
    hot, cool = analytic.log_teff > 4.0, analytic.log_teff < 3.6
    assert g[hot].min() - g[cool].max() > 0.1
