"""Each picture shows what it says: artists, labels, limits, and numbers that can be worked out otherwise."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from astropy.table import vstack
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from unit.results.synthetic import TRUTH, make_result

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.results.plots import (
    KINDS,
    draw,
    plot_cmd,
    plot_cmd_with_residuals,
    plot_cmds,
    plot_corner,
    plot_dereddening,
    plot_hess_residuals,
    plot_hr,
    plot_luminosity_function,
    plot_mass_function,
    plot_membership,
    plot_modes,
    plot_motions,
    plot_parallaxes,
    plot_residuals,
    plot_sky,
    plot_traces,
)
from clusterbayes.results.plots.chains import autocorrelation
from clusterbayes.results.plots.cmd import find_cmd_pairs
from clusterbayes.results.plots.membership import expected_purity
from clusterbayes.results.plots.panels import observable_extinction
from clusterbayes.results.plots.residuals import colour_residuals
from clusterbayes.results.plots.style import beyond_axes, faintness, new_figure, save_figure

CENTRE, MOTION = (150.0, 20.0), (-2.0, -4.0)
MODES = [
    {"log_age": 9.18, "mh": 0.05, "dist_mod": 9.6, "a_v": 0.21, "log_prob": -812.0, "weight": 0.75, "share": 0.9},
    {"log_age": 9.30, "mh": -0.2, "dist_mod": 9.4, "a_v": 0.35, "log_prob": -815.0, "weight": 0.25, "share": 0.1},
]


def with_sky(result, seed=1):
    """Add places, motions and parallaxes: members gather about `CENTRE` and `MOTION`."""
    rng = np.random.default_rng(seed)
    n, member = len(result.stars), np.nan_to_num(result.p_member) > 0.5
    wide, narrow = rng.uniform(-0.5, 0.5, (2, n)), 0.05 * rng.normal(size=(2, n))
    result.stars["ra"], result.stars["dec"] = np.array(CENTRE)[:, None] + np.where(member, narrow, wide)
    motion = np.array(MOTION)[:, None] + np.where(member, 0.2, 4.0) * rng.normal(size=(2, n))
    result.stars["pmra"], result.stars["pmdec"] = motion
    result.stars["parallax"] = 1000.0 / TRUTH["distance"] + 0.05 * rng.normal(size=n)
    result.stars["parallax_error"] = np.full(n, 0.05)
    result.diagnostics["modes"] = MODES
    return result


@pytest.fixture(scope="module")
def result():
    return with_sky(make_result())


def places(collection):
    return np.ma.getdata(collection.get_offsets())


def words(ax):
    return {text.get_text() for text in ax.get_legend().get_texts()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_can_be_drawn_and_leaves_the_settings_alone(result, kind):
    before = dict(matplotlib.rcParams)
    figure = draw(result, kind, "mine")
    figure.savefig("/dev/null", format="png", dpi=40)
    assert dict(matplotlib.rcParams) == before
    assert "mine" in {text.get_text() for ax in figure.axes for text in (ax.title, ax._left_title)} | {
        text.get_text() for text in figure.texts
    }


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures_are_written_in_each_form(result, tmp_path, ending):
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert save_figure(draw(result, "membership"), tmp_path / f"p.{ending}").read_bytes().startswith(start)


@pytest.mark.parametrize("kind", ["cmd", "residuals", "hr", "parallax", "motions", "sky", "dereddening"])
def test_files_in_vectors_do_not_grow_with_the_stars(result, tmp_path, kind):
    many = replace(result, stars=vstack([result.stars] * 20))
    assert (many.p_member > 0.5).sum() > 5000
    assert save_figure(draw(many, kind), tmp_path / "many.svg", 40).stat().st_size < 400_000


def test_dots_of_vector_files_are_drawn_once(tmp_path, monkeypatch):
    """Whatever the user's settings are, the figure is left as it was."""
    drawn, begin = [], MixedModeRenderer.start_rasterizing
    monkeypatch.setattr(MixedModeRenderer, "start_rasterizing", lambda self: drawn.append(begin(self)))
    figure = new_figure(3.0, 3.0)
    figure.subplots().scatter([1.0, 2.0], [1.0, 2.0], rasterized=True)
    engine, dpi = figure.get_layout_engine(), figure.dpi
    with matplotlib.rc_context({"figure.autolayout": True}):
        save_figure(figure, tmp_path / "dots.svg", 40)
    assert len(drawn) == 1
    assert figure.get_layout_engine() is engine
    assert figure.dpi == dpi


def test_axes_lie_in_the_same_place_in_each_form(result, tmp_path):
    figure = draw(result, "membership")
    found = []
    for ending in ("png", "svg", "pdf"):
        save_figure(figure, tmp_path / f"p.{ending}")
        found.append([ax.get_position().bounds for ax in figure.axes])
    np.testing.assert_allclose(found[1:], [found[0]] * 2, atol=1e-5)


def test_unknown_kinds_are_refused(result):
    with pytest.raises(SettingsError, match="corner"):
        draw(result, "cornre")


@pytest.mark.parametrize("kind", ["parallax", "motions", "sky"])
def test_what_the_table_lacks_is_said(kind):
    with pytest.raises(InputError, match="the stars have no"):
        draw(make_result(n_member=20, n_field=5), kind)


def test_residuals_are_colours_beside_the_line():
    line = np.array([[0.5, 10.0], [1.5, 12.0], [np.nan, np.nan], [3.0, 5.0], [3.0, 4.0]])
    along = np.array([2.0, -1.0]) / np.sqrt(5.0)  # away from the first piece, redder and brighter
    points = np.array([[1.0, 11.0] + 0.05 * along, [1.0, 11.0] - 0.05 * along, [3.1, 4.5], [np.nan, 11.0]])
    found = colour_residuals(points, line, np.ones(2))
    assert found[:2] == pytest.approx([0.1 / np.sqrt(5), -0.1 / np.sqrt(5)], abs=0.004)
    assert found[2] == pytest.approx(0.1, abs=1e-9)
    assert np.isnan(found[3])


def test_members_lie_about_the_isochrone_and_binaries_beside_it(result):
    left, right = plot_cmd_with_residuals(result)
    assert left.get_ylim() == right.get_ylim()
    assert right.get_xlabel().endswith("minus isochrone [mag]")
    stars = next(c for c in right.collections if c.get_array() is not None)
    residual = places(stars)[:, 0][stars.get_array() > 0.9]
    assert abs(np.median(residual)) < 0.05
    assert (residual > 0.05).sum() > 3 * (residual < -0.05).sum()


def test_panels_for_every_colour(result):
    assert [axes.colour.name for axes in find_cmd_pairs(result)] == [
        "Gaia_BP-Gaia_RP", "Gaia_BP-Gaia_G", "Gaia_G-Gaia_RP",
    ]  # fmt: skip
    panels = plot_cmds(result)
    assert len(panels) == 3
    assert all(ax.yaxis_inverted() and ax.get_legend() is None for ax in panels)
    assert len(plot_cmds(result, [("G-RP", "BP")])) == 1
    assert len(find_cmd_pairs(make_result(("B", "V"), n_member=20, n_field=5))) == 1


def test_purity_and_completeness_are_those_of_the_lists():
    p = np.array([0.1, 0.4, 0.8, 1.0, np.nan])
    purity, completeness = expected_purity(p, np.array([0.0, 0.4, 0.9, 1.5]))
    assert purity[:3] == pytest.approx([2.3 / 4, 2.2 / 3, 1.0])
    assert completeness == pytest.approx([1.0, 2.2 / 2.3, 1.0 / 2.3, 0.0])
    assert np.isnan(purity[3])


def test_membership_bars_hold_every_star_once(result):
    ax = plot_membership(result)
    heights = sum(bar.get_height() for bars in ax.containers for bar in bars)
    p = result.p_member[np.isfinite(result.p_member)]
    assert heights == pytest.approx(p.size)
    assert sum(bar.get_height() for bar in ax.containers[0]) == pytest.approx(p.sum())
    assert len(ax.figure.axes[-1].lines) == 2


def test_hess_residuals_are_small_for_the_right_model_and_large_for_a_wrong_one(result):
    def cells(drawn):
        mesh = next(c for c in plot_hess_residuals(drawn).collections if isinstance(c, QuadMesh))
        return np.ma.filled(mesh.get_array().astype(float), np.nan).ravel()

    shifted = make_result()
    for name in ("Gaia_BP", "Gaia_RP"):  # 0.3 mag redder than the isochrone
        shifted.stars[name] = shifted.stars[name] + (0.3 if name == "Gaia_BP" else 0.0)
    right, wrong = (np.nansum(cells(drawn) ** 2) for drawn in (result, shifted))
    assert wrong > 2.0 * right


def test_a_cell_far_off_does_not_pale_the_others_and_the_bar_says_so(result):
    def scale(drawn):
        mesh = next(c for c in plot_hess_residuals(drawn).collections if isinstance(c, QuadMesh))
        return mesh.get_clim(), np.nanmin(mesh.get_array()), np.nanmax(mesh.get_array()), mesh.colorbar.extend

    (low, high), *ends, extend = scale(result)
    assert low == -high and low <= ends[0] and ends[1] <= high and 3.0 <= high <= 6.0
    assert extend == "neither"
    heap = with_sky(make_result())  # 100 members at one place
    some = np.flatnonzero(heap.p_member > 0.5)[:100]
    for name in heap.observables:
        heap.stars[name][some] = np.nanmedian(heap.stars[name][some])
    (low, high), *ends, extend = scale(heap)
    assert (low, high, extend) == (-6.0, 6.0, "max")
    assert ends[1] > 6.0 and ends[0] >= -6.0


def test_traces(result):
    panels = plot_traces(result, ["mh", "a_v"])
    assert panels.shape == (2, 2)
    assert len(panels[0, 0].lines) == 12
    assert panels[0, 0].lines[0].get_ydata() == pytest.approx(result.chain[:, 0, result.names.index("mh")])
    assert any("tau" in text.get_text() for text in panels[0, 1].texts)
    with pytest.raises(SettingsError, match="sampled parameter"):
        plot_traces(result, ["distance"])


def test_modes(result):
    """Marks are where the modes are, the larger the heavier; the key has weights and shares."""
    for ax, names in zip(plot_modes(result), (("log_age", "mh"), ("dist_mod", "a_v")), strict=True):
        _, *marks = ax.collections
        assert [places(mark)[0].tolist() for mark in marks] == [[mode[name] for name in names] for mode in MODES]
        assert [text.get_text() for text in ax.texts] == ["1", "2"]
        heavy, light = (mark.get_sizes()[0] for mark in marks)
        assert heavy > 2 * light
    assert words(plot_modes(result)[0]) == {"1: 0.75, 90%", "2: 0.25, 10%"}
    with pytest.raises(InputError, match="no modes of the search"):
        plot_modes(make_result())


def test_autocorrelation_of_a_known_process():
    """An autoregressive walk forgets by a factor of 0.8 a step; one that stands still says nothing."""
    rng = np.random.default_rng(5)
    walk = np.zeros((4000, 8))
    for step in range(1, len(walk)):
        walk[step] = 0.8 * walk[step - 1] + rng.normal(size=8)
    found = autocorrelation(np.hstack([walk, np.ones((4000, 1))]))
    # standard error of each lag: sqrt((1 + 2 * 0.64 / 0.36) / 32000) = 0.012
    assert found[:6] == pytest.approx(0.8 ** np.arange(6), abs=0.04)
    assert np.isnan(autocorrelation(np.ones((50, 4)))).all()


def test_parallaxes_with_the_band_of_the_distance(result):
    ax = plot_parallaxes(result)
    low, high = ax.get_ylim()
    assert low < 1000.0 / TRUTH["distance"] < high
    (line,) = (line for line in ax.lines if "distance" in str(line.get_label()))
    assert line.get_ydata()[0] == pytest.approx(1000.0 / np.median(result.draws["distance"]), rel=1e-3)


def test_parallaxes_are_those_that_were_fitted(result):
    assert plot_parallaxes(result).get_ylabel() == "parallax [mas]"
    corrected = with_sky(make_result())
    shift = 2.0  # far more than any zero point, so that nothing of the catalogue's own is in view
    corrected.stars["parallax_corrected"] = corrected.stars["parallax"] + shift
    corrected.stars["parallax_corrected"][0] = np.nan
    distance = 1000.0 / (1000.0 / TRUTH["distance"] + shift)
    corrected.draws["distance"] = corrected.draws["distance"] * distance / TRUTH["distance"]
    ax = plot_parallaxes(corrected)
    shown = np.concatenate([places(part)[:, 1] for part in ax.collections if isinstance(part, PathCollection)])
    assert np.nanmin(shown) > 1000.0 / TRUTH["distance"] + shift - 0.5
    assert "Lindegren" in ax.get_ylabel() and ax.get_ylabel().endswith("[mas]")


def test_motions_about_the_mean_of_the_members(result):
    ax = plot_motions(result)
    (cross,) = (line for line in ax.lines if "mean" in str(line.get_label()))
    assert np.ravel(cross.get_data()) == pytest.approx(MOTION, abs=5 * 0.2 / np.sqrt(280))
    (ring,) = (patch for patch in ax.patches if isinstance(patch, Circle))
    assert ring.radius == pytest.approx(0.4, rel=0.2)
    assert ax.xaxis_inverted()


def test_points_beyond_the_axes_are_counted_on_every_side():
    ax = Figure().subplots()
    ax.set(xlim=(0.0, 2.0), ylim=(18.0, 10.0))  # magnitudes run downwards
    x = np.array([1.0, 0.0, 2.0, -0.1, 2.1, 1.0, 1.0, np.nan, -0.1, -0.1])
    y = np.array([12.0, 10.0, 18.0, 12.0, 12.0, 9.9, 18.1, 12.0, np.nan, 9.9])
    assert beyond_axes(ax, x, y) == 5


@pytest.mark.parametrize("plot", [plot_parallaxes, plot_motions, plot_residuals])
def test_members_beyond_the_axes_are_counted(plot):
    """A key says how many likely members a picture leaves out, and nothing where it leaves out none."""
    made = with_sky(make_result())
    far = np.flatnonzero(made.p_member > 0.5)[:2]
    made.stars["parallax"][far], made.stars["pmra"][far], made.stars["Gaia_BP"][far] = 90.0, 500.0, 99.0
    beyond = [text for text in words(plot(made)) if text.endswith("beyond the axes")]
    assert len(beyond) == 1
    assert int(beyond[0].split()[0]) >= 2


def test_the_warning_is_said_once_in_figures_of_several_panels():
    made = make_result(n_member=60, n_field=20, converged=False)
    for panels in (plot_cmds(made), plot_cmd_with_residuals(made)):
        assert [ax.get_title(loc="right") for ax in panels] == ["not converged", *[""] * (len(panels) - 1)]


def test_the_key_of_counts_has_room_above_the_bars(result):
    ax = plot_luminosity_function(result)
    ax.figure.draw_without_rendering()
    key = ax.get_legend().get_window_extent()
    tops = [line.get_ydata()[-1] for line in ax.lines if len(line.get_ydata())]
    ends = [path.vertices[:, 1].max() for part in ax.collections for path in part.get_paths()]
    assert ax.transData.transform((0.0, max(tops + ends)))[1] < key.y0
    assert ax.get_xlabel() == "$G$ [mag]"


def test_keys_cover_neither_bars_nor_rings_nor_the_name_of_a_limit(result, monkeypatch):
    ax = plot_membership(result)
    ax.figure.draw_without_rendering()
    key = ax.figure.axes[-1].get_legend().get_window_extent()
    assert max(bar.get_window_extent().y1 for bar in ax.patches) < key.y0
    assert max(line.get_window_extent().y1 for line in ax.figure.axes[-1].lines) < key.y0
    ax = plot_motions(result)
    ax.figure.draw_without_rendering()
    (ring,) = (patch for patch in ax.patches if isinstance(patch, Circle))
    assert ring.get_window_extent().y1 < ax.get_legend().get_window_extent().y0
    for corner in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
        monkeypatch.setattr("clusterbayes.results.plots.cmd.free_corners", lambda *_, key=corner: [(0.5, 0.5), key])
        ax = plot_cmd(result)
        ax.figure.draw_without_rendering()
        (name,) = (text for text in ax.texts if text.get_text() == "faint limit")
        assert not name.get_window_extent().overlaps(ax.get_legend().get_window_extent()), corner


def test_errors_of_many_stars_do_not_cover_the_picture():
    assert faintness(1) == faintness(300) == 0.35
    assert faintness(30_000) == pytest.approx(0.035)


def test_the_sky_with_centre_and_radius():
    placed = with_sky(make_result(), seed=2)
    placed.provenance["settings"].update(center=[*CENTRE], radius=0.4)
    ax = plot_sky(placed)
    assert ax.xaxis_inverted()
    half, radius = (patch.radius for patch in ax.patches if isinstance(patch, Circle))
    assert radius == 0.4
    assert words(ax) >= {"radius of the fit: 0.4°", f"half of the members: {half:.3g}°"}
    # half of a Gaussian in two dimensions lies within 1.18 standard deviations (narrower in right ascension)
    assert half == pytest.approx(1.18 * 0.05, rel=0.2)


def test_a_star_to_the_east_is_drawn_at_the_left_of_the_centre():
    placed = with_sky(make_result(n_member=30, n_field=0, n_outlier=0, n_unused=0))
    placed.provenance["settings"].update(center=[0.0, 60.0], radius=1.0)
    placed.stars["ra"], placed.stars["dec"] = np.full(30, 0.2), np.full(30, 60.0)  # across 0 h, 0.1 deg away
    stars = next(c for c in plot_sky(placed).collections if c.get_array() is not None)
    assert places(stars)[0] == pytest.approx([0.1, 0.0], abs=2e-4)


def test_counts_by_magnitude_and_mass(result):
    ax = plot_luminosity_function(result, width=1.0)
    assert "members in 1 mag" in ax.get_ylabel()
    assert words(ax) >= {"inside the sample's limits"}
    ax = plot_mass_function(result)
    assert ax.get_xscale() == ax.get_yscale() == "log"
    nobody = make_result(n_member=0, n_field=3, n_outlier=0)
    nobody.stars["p_member"] = np.zeros(len(nobody.stars))
    with pytest.raises(InputError, match="nothing to count"):
        plot_luminosity_function(nobody)


def test_the_law_has_as_many_stars_as_the_complete_bins(result):
    from clusterbayes.results.census import mass_function_table

    result.provenance["fixed"].update(alpha_2=2.3)
    ax = plot_mass_function(result)
    (law,) = (line for line in ax.lines if "mass function" in str(line.get_label()))
    table = mass_function_table(result)
    mass, density = law.get_data()
    total = 0.0
    for row in table[table["complete"]]:
        inside = np.geomspace(row["low"], row["high"], 400)
        total += np.trapezoid(np.interp(inside, mass, density), inside)
    assert total == pytest.approx(table["n_member"][table["complete"]].sum(), rel=1e-2)


def test_dereddening_makes_stars_bluer_and_brighter(result):
    shift = observable_extinction(result)
    assert shift.shape == (len(result.stars), 3)
    a_v = result.summary()["a_v"]["median"]
    assert np.all((shift > 0.4 * a_v) & (shift < 1.3 * a_v))
    assert (shift[:, 1] > shift[:, 2]).all()  # BP more than RP
    ax = plot_dereddening(result)
    grey, coloured = ax.collections[:2]
    moved = np.median(places(coloured), axis=0) - np.median(places(grey), axis=0)
    assert (moved < 0).all()
    assert words(ax) == {"as seen", "without dust"}


def test_the_corner_plot_shows_the_prior_at_its_true_height(result):
    panels = plot_corner(result, ["mh", "a_v"])
    dotted = [line for line in panels[0, 0].lines if line.get_linestyle() == ":" or line.is_dashed()]
    assert len(dotted) == 1
    x, density = dotted[0].get_data()
    centre = density[np.argmin(np.abs(x))]
    edge = density[np.argmin(np.abs(x - 0.15))]
    assert edge / centre == pytest.approx(np.exp(-0.5 * (0.15 / 0.2) ** 2), rel=0.02)  # normal(0, 0.2)
    assert all(line.get_linestyle() != ":" for line in panels[1, 1].lines)  # a_v has none here


def test_masses_in_the_hr_diagram_are_labelled_inside(result):
    ax = plot_hr(result)
    low, high = ax.get_ylim()
    labels = [text for text in ax.texts if "M_" in text.get_text()]
    assert len(labels) >= 4
    assert all(low + 0.03 * (high - low) < text.xy[1] < high for text in labels)


def test_plots_draw_on_the_axes_that_they_are_given(result):
    for function in (plot_membership, plot_hess_residuals, plot_parallaxes, plot_motions, plot_sky,
                     plot_luminosity_function, plot_mass_function, plot_dereddening):  # fmt: skip
        ax = Figure().subplots()
        assert function(result, ax) is ax
