"""Isochrones drawn side by side: the numbers that are drawn, and that no line joins two phases."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from clusterbayes.bands import parse_observable
from clusterbayes.errors import BandError, GridRangeError, SettingsError
from clusterbayes.isochrones import analytic_grid
from clusterbayes.isochrones.extinction import band_extinction, extinction_coefficients
from clusterbayes.results.plots.isochrones import Track, file_tracks, grid_tracks, plot_isochrones
from clusterbayes.results.plots.style import save_figure

GRID = analytic_grid()
G, COLOUR = parse_observable("G"), parse_observable("BP-RP")


def lines(ax):
    return [line for line in ax.lines if len(line.get_xdata()) > 10]


def test_what_is_drawn_is_the_isochrone_with_gaps_between_phases():
    ax = plot_isochrones(grid_tracks(GRID, [9.1], [0.0]), G, COLOUR)
    isochrone = GRID.isochrone(9.1, 0.0)
    (line,) = lines(ax)
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    gaps = np.flatnonzero(np.isnan(x))
    starts = np.flatnonzero(np.diff(isochrone.phase)) + 1
    assert gaps.tolist() == (starts + np.arange(starts.size)).tolist()
    np.testing.assert_allclose(y[~np.isnan(y)], isochrone.magnitudes["Gaia_G"])
    np.testing.assert_allclose(
        x[~np.isnan(x)], isochrone.magnitudes["Gaia_BP"] - isochrone.magnitudes["Gaia_RP"], atol=1e-12
    )
    low, high = ax.get_ylim()
    assert low > high  # bright is up


def test_distance_and_dust():
    plain, seen = (grid_tracks(GRID, [9.0], [0.0], **more)[0] for more in ({}, {"dist_mod": 7.4, "a_v": 0.5}))
    dust = GRID.isochrone(9.0, 0.0).extinction(0.5)
    for band in GRID.bands:
        np.testing.assert_allclose(seen.magnitudes[band] - plain.magnitudes[band], 7.4 + dust[band])


def raw_table(bands=("B", "V")):
    isochrone = GRID.isochrone(9.0, 0.0)
    return SimpleNamespace(
        source="mine.dat", log_age=9.0, mh=0.0, phase=isochrone.phase, bands=bands, log_teff=isochrone.log_teff,
        log_g=isochrone.log_g, mags=np.column_stack([isochrone.magnitudes[band] for band in bands]),
    )  # fmt: skip


def test_files_are_reddened_like_grids():
    table = raw_table()
    plain, seen = (file_tracks([table], ("V", "B"), **more)[0] for more in ({}, {"dist_mod": 3.0, "a_v": 1.0}))
    np.testing.assert_array_equal(plain.magnitudes["V"], table.mags[:, 1])
    coefficients = extinction_coefficients(("V",), table.log_teff, table.log_g, np.zeros(table.phase.size))
    expected = table.mags[:, 1] + 3.0 + band_extinction(coefficients, 1.0)[:, 0]
    np.testing.assert_allclose(seen.magnitudes["V"], expected)
    with pytest.raises(BandError, match=r"mine\.dat has no band 2MASS_J.*B, V"):
        file_tracks([table], ("V", "2MASS_J"))


def test_lines_are_named_by_what_differs():
    ax = plot_isochrones(grid_tracks(GRID, [8.5, 9.0], [0.0]), G, COLOUR)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["log age 8.5", "log age 9"]
    assert ax.get_title("left") == "analytic, [M/H] +0.00"
    two = [*grid_tracks(GRID, [9.0], [0.0]), *grid_tracks(GRID, [9.0], [0.0], source="other")]
    ax = plot_isochrones(two, G, COLOUR, title="Mine")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["analytic", "other"]
    assert ax.get_title("left") == "Mine"
    assert len({line.get_color() for line in lines(ax)}) == 2


def test_many_lines_are_coloured_by_age():
    ax = plot_isochrones(grid_tracks(GRID, np.linspace(8, 10, 12), [0.0]), G, COLOUR)
    assert len(ax.figure.axes) == 2  # with a scale
    assert ax.get_legend() is None
    assert len({tuple(line.get_color()) for line in lines(ax)}) == 12


def test_stars_set_the_limits():
    stars = np.column_stack([np.linspace(0.5, 1.5, 50), np.linspace(8, 14, 50)])
    ax = plot_isochrones(grid_tracks(GRID, [9.0], [0.0], dist_mod=7.0), G, COLOUR, stars=stars, stars_name="field")
    assert ax.get_ylim()[0] == pytest.approx(14.6, abs=0.2)
    assert "field" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_what_cannot_be_drawn():
    with pytest.raises(SettingsError, match="no isochrone"):
        plot_isochrones([], G, COLOUR)
    with pytest.raises(GridRangeError, match="log_age=11"):
        grid_tracks(GRID, [11.0], [0.0])
    track = Track("mine", 9.0, 0.0, np.zeros(3, dtype=np.int64), {"V": np.zeros(3)})
    with pytest.raises(BandError, match="mine has no band Gaia_BP"):
        plot_isochrones([track], parse_observable("V"), COLOUR)


def test_saving(tmp_path):
    figure = plot_isochrones(grid_tracks(GRID, [9.0], [0.0]), G, COLOUR).figure
    path = save_figure(figure, tmp_path / "new" / "a.png", dpi=50)
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.png"]
    with pytest.raises(SettingsError, match=r"\.png"):
        save_figure(figure, tmp_path / "a.doc")
