from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from unit.results.synthetic import TRUTH, make_result

from clusterbayes.bands import parse_observable
from clusterbayes.errors import BandError, SettingsError
from clusterbayes.results import FitResult
from clusterbayes.results.plots import plot_cmd, plot_cmds, plot_corner, plot_hr, plot_residuals, plot_traces
from clusterbayes.results.plots.cmd import find_cmd_axes
from clusterbayes.results.plots.style import broken, free_corners, value_text


@pytest.fixture(scope="module")
def result():
    return make_result()


def legend_texts(ax):
    return {text.get_text() for text in ax.get_legend().get_texts()}


def changed(result, **pieces):
    return FitResult(**{**{name: getattr(result, name) for name in result.__dataclass_fields__}, **pieces})


@pytest.mark.parametrize(
    ("observables", "colour", "magnitude"),
    [
        (("Gaia_G", "Gaia_BP", "Gaia_RP"), "Gaia_BP-Gaia_RP", "Gaia_G"),
        (("Gaia_G", "Gaia_BP-Gaia_RP"), "Gaia_BP-Gaia_RP", "Gaia_G"),
        (("V", "B-V"), "B-V", "V"),
        (("B", "V"), "B-V", "V"),
    ],
)
def test_cmd_axes_by_custom(observables, colour, magnitude):
    result = make_result(observables, n_member=20, n_field=5)
    axes = find_cmd_axes(result)
    assert (axes.colour.name, axes.magnitude.name) == (colour, magnitude)
    values = np.arange(1.0, 1.0 + len(observables))[None, :] ** 2
    bands = {"Gaia_G": 1.0, "Gaia_BP": 4.0, "Gaia_RP": 9.0}
    if len(observables) == 3:
        assert axes.project(values)[0].tolist() == [bands["Gaia_BP"] - bands["Gaia_RP"], bands["Gaia_G"]]
        assert axes.errors(values)[0].tolist() == [np.hypot(4.0, 9.0), 1.0]


def test_cmd_axes_on_request(result):
    axes = find_cmd_axes(result, "G-RP", "BP")
    assert axes.project(np.array([[15.0, 15.5, 14.2]]))[0] == pytest.approx([0.8, 15.5], abs=1e-12)
    one_colour = make_result(("V", "B-V"), n_member=20, n_field=5)
    assert find_cmd_axes(one_colour, None, "B").project(np.array([[15.0, 0.7]]))[0] == pytest.approx([0.7, 15.7])


def test_a_missing_value_matters_only_where_it_is_used(result):
    axes = find_cmd_axes(result, "G-RP", "G")
    assert np.isfinite(axes.project(np.array([[15.0, np.nan, 14.2]]))).all()


def test_cmd_axes_that_can_not_be(result):
    with pytest.raises(SettingsError, match="combinations of"):
        find_cmd_axes(result, "B-V")
    with pytest.raises(BandError):
        find_cmd_axes(result, "G-Q")


@pytest.mark.parametrize(
    "observables",
    [
        ("U", "B", "V", "I"),
        ("SDSS_u", "SDSS_g", "SDSS_r"),
        ("V", "V-I"),
        ("2MASS_J", "2MASS_H"),
        ("Gaia_G", "2MASS_Ks"),
    ],
)
def test_axes_are_found_for_other_systems(observables):
    made = make_result(n_member=20, n_field=5)
    made.observables = observables
    axes = find_cmd_axes(made)
    assert axes.colour.is_colour
    assert axes.magnitude.is_magnitude
    assert {*axes.colour.bands, *axes.magnitude.bands} <= {
        band for name in observables for band in parse_observable(name).bands
    }


def test_cmd_shows_what_it_should(result):
    ax = plot_cmd(result)
    assert ax.yaxis_inverted()
    assert ax.get_title(loc="left") == "synthetic"
    assert ax.get_title(loc="right") == ""
    assert legend_texts(ax) >= {"outliers (5)", "posterior isochrones", "equal-mass binaries", "best isochrone"}
    stars = next(c for c in ax.collections if c.get_array() is not None)
    drawn = np.isfinite(result.p_member) & np.isfinite(find_cmd_axes(result).project(_values(result))).all(axis=1)
    assert len(stars.get_offsets()) == drawn.sum()
    assert np.all(np.diff(stars.get_array()) >= 0)  # likely members are drawn last
    fan = next(c for c in ax.collections if isinstance(c, LineCollection))
    assert len(fan.get_segments()) >= 24
    assert "faint limit" in {text.get_text() for text in ax.texts}


def _values(result):
    return np.stack([result.stars[name] for name in result.observables], axis=1)


def test_every_likely_member_is_inside_the_frame(result):
    ax = plot_cmd(result)
    points = find_cmd_axes(result).project(_values(result))[result.p_member > 0.6]
    points = points[np.isfinite(points).all(axis=1)]
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    inside = (points[:, 0] > left) & (points[:, 0] < right) & (points[:, 1] < bottom) & (points[:, 1] > top)
    assert inside.mean() > 0.99


def test_a_limit_in_another_band_is_slanted():
    made = changed(make_result(("V", "B-V"), n_member=60, n_field=20), mag_limits=("B", -np.inf, 18.0))
    ax = plot_cmd(made)
    line = next(line for line in ax.lines if line.get_linestyle() not in ("-", "None") and len(line.get_xdata()) == 2)
    assert line.get_ydata() + line.get_xdata() == pytest.approx([18.0, 18.0])


def test_unconverged_fits_say_so_on_every_plot():
    made = make_result(n_member=40, n_field=20, converged=False)
    assert plot_cmd(made).get_title(loc="right") == "not converged"
    assert plot_hr(made).get_title(loc="right") == "not converged"
    assert plot_residuals(made).get_title(loc="right") == "not converged"
    corner = plot_corner(made)[0, 0].figure
    assert "not converged" in {text.get_text() for text in corner.texts}
    assert plot_traces(made)[0, 0].get_title(loc="right") == "not converged"
    good = plot_corner(make_result(n_member=40, n_field=20))[0, 0].figure
    assert "not converged" not in {text.get_text() for text in good.texts}


def test_every_plot_is_called_after_its_input_by_default(result):
    titles = [plot(result).get_title(loc="left") for plot in (plot_cmd, plot_hr, plot_residuals)]
    corner = plot_corner(result)[0, 0].figure.texts[0].get_text()
    assert [*titles, corner, plot_traces(result)[0, 0].get_title(loc="left")] == ["synthetic"] * 5
    assert "mine" in {text.get_text() for text in plot_corner(result, title="mine")[0, 0].figure.texts}


@pytest.mark.parametrize(
    "name", ["ngc2516", "ngc2516_gaia_members", "ngc2516_gaia_dr3_one_degree_clean_members_of_2024"]
)
def test_long_titles_are_whole_and_leave_room_for_the_warning(name):
    made = make_result(n_member=40, n_field=20, converged=False)
    made.provenance["input"]["source"] = f"/data/{name}.csv"
    figures = [plot_residuals(made).figure, plot_traces(made, ["mh"])[0, 0].figure, plot_cmds(made)[0].figure]
    figures += [plot_corner(made, names)[0, 0].figure for names in (["mh"], ["mh", "a_v", "log_age"])]
    for figure in figures:
        figure.draw_without_rendering()
        ax = figure.axes[0]
        texts = [text for text in (ax._left_title, ax._right_title, *figure.texts) if text.get_text()]
        (title,) = (text for text in texts if text.get_text().replace("\n", "") == name)
        (warning,) = (text.get_window_extent() for text in texts if text.get_text() == "not converged")
        for box in (title.get_window_extent(), warning):
            assert 0 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        last = title.get_text().split("\n")[-1]
        if last:  # else the warning has a line of its own
            title.set_text(last)
            assert title.get_window_extent().x1 < warning.x0


def test_plots_draw_where_they_are_told(result, tmp_path):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plot_cmd(result, left, title="mine") is left
    assert plot_hr(result, right) is right
    assert left.get_title(loc="left") == "mine"
    figure.savefig(tmp_path / "both.pdf")


def test_hr_diagram(result):
    ax = plot_hr(result)
    assert ax.xaxis_inverted()
    assert not ax.yaxis_inverted()
    assert any("M_" in text.get_text() for text in ax.texts)
    assert "outliers (5)" not in legend_texts(ax)


def test_plots_leave_the_callers_settings_alone(result):
    before = dict(matplotlib.rcParams)
    plot_cmd(result)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("n_member", [0, 1])
def test_plots_of_nearly_nothing(n_member, tmp_path):
    made = make_result(n_member=n_member, n_field=0, n_outlier=0, n_unused=4)
    plot_cmd(made).figure.savefig(tmp_path / "cmd.png")
    plot_hr(made).figure.savefig(tmp_path / "hr.png")


def test_corner(result):
    panels = plot_corner(result, truths=TRUTH)
    assert panels.shape == (6, 6)
    assert panels[0, 1] is None
    low, high = panels[2, 0].get_xlim()
    assert low < np.median(result.draws["log_age"]) < high
    assert panels[5, 0].get_xlabel().startswith("$")
    picked = plot_corner(result, ["mh", "outlier_frac"])
    assert picked.shape == (2, 2)
    assert plot_corner(result, ["mh"]).shape == (1, 1)


def test_corner_leaves_out_what_has_no_spread(result):
    draws = {**result.draws, "a_v": np.full(result.n_draw, 0.1)}
    assert plot_corner(changed(result, draws=draws)).shape == (5, 5)
    with pytest.raises(SettingsError, match="spread"):
        plot_corner(changed(result, draws=draws), ["a_v"])


def test_corner_of_unknown_parameters(result):
    with pytest.raises(SettingsError, match="log_age"):
        plot_corner(result, ["log_aeg"])


def test_corner_regions_hold_their_mass():
    """Contours around 50 and 90 % of Gaussian draws: circles of radius 1.18 and 2.15 standard deviations."""
    made = make_result(n_member=20, n_field=5)
    rng = np.random.default_rng(2)
    draws = {name: rng.normal(size=200_000) for name in ("mh", "a_v")}
    panels = plot_corner(changed(made, draws=draws), ["mh", "a_v"])
    (lines,) = (c for c in panels[1, 0].collections if isinstance(c, ContourSet) and not c.filled)
    radii = [np.hypot(*segments[0].T).mean() for segments in lines.allsegs]
    assert radii == pytest.approx([np.sqrt(-2 * np.log(0.1)), np.sqrt(-2 * np.log(0.5))], rel=0.04)


def test_corner_leaves_pyplot_and_settings_alone(result):
    from matplotlib import pyplot

    before, figures = dict(matplotlib.rcParams), pyplot.get_fignums()
    plot_corner(result)
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == figures
    with pytest.raises(SettingsError, match="without axes"):
        plot_corner(result, figure=Figure().add_subplot().figure)


def test_curves_break_before_core_helium_burning():
    points = np.arange(12.0).reshape(6, 2)
    cut = broken(points, np.array([0, 0, 2, 3, 4, 7]))
    assert np.isnan(cut[4]).all()
    assert np.array_equal(np.delete(cut, 4, axis=0), points)


def test_the_emptiest_corner_comes_first():
    ax = Figure().subplots()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    crowd = np.array([[0.9, 0.9], [0.1, 0.1], [0.1, 0.9], [np.nan, 0.2]])
    assert free_corners(ax, crowd)[0] == (1.0, 0.0)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((9.1789, 9.154, 9.202), "9.179^{+0.023}_{-0.025}"),
        ((831.8, 816.0, 846.2), "832^{+14}_{-16}"),
        ((0.5, 0.5, 0.5), "0.5"),
        ((np.nan, 1.0, 2.0), "nan"),
    ],
)
def test_values_are_rounded_by_their_uncertainty(numbers, text):
    assert value_text(*numbers) == text
