"""Distances between isochrones: to segments within phases only, both ways, with the mass where it is nearest."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.isochrones import analytic_grid
from clusterbayes.isochrones.comparison import AGB_TAIL, PRE_MAIN_SEQUENCE, Comparison, Line, compare, line_of, rms

NODE = (9.0, 0.0)


def make_line(points, phase=0, log_mass=None) -> Line:
    points = np.asarray(points, dtype=float)
    log_mass = np.linspace(0.0, 0.2, len(points)) if log_mass is None else log_mass
    phases = np.broadcast_to(phase, len(points)).astype(np.int64)
    return Line(points, np.asarray(log_mass), phases, np.linspace(0.0, 2.0, len(points)))


STRAIGHT = make_line(np.column_stack([np.linspace(1, 5, 41), np.linspace(0, 2, 41)]))


def test_a_line_lies_on_itself() -> None:
    found = compare(STRAIGHT, STRAIGHT, NODE, 4.0, 9.0)
    assert found is not None
    assert found.distance.size == 2 * 41
    assert found.distance.max() == 0.0
    np.testing.assert_allclose(found.mass_error, 0.0, atol=1e-12)


def test_distance_is_perpendicular_and_mass_is_read_at_its_foot() -> None:
    # The normal of the line (magnitude 2 per unit of colour) is (1, -2) / sqrt(5).
    moved = make_line(STRAIGHT.points + 0.05 * np.array([1.0, -2.0]) / np.sqrt(5.0), log_mass=STRAIGHT.log_mass + 0.01)
    found = compare(STRAIGHT, moved, NODE, 4.0, 9.0)
    assert found is not None
    np.testing.assert_allclose(found.distance, 0.05, rtol=1e-6)
    np.testing.assert_allclose(found.mass_error, 0.01, rtol=1e-5)
    assert found.rms == pytest.approx(0.05)


def test_points_between_vertices_have_no_distance() -> None:
    coarse = make_line(STRAIGHT.points[::8], log_mass=STRAIGHT.log_mass[::8])
    found = compare(STRAIGHT, coarse, NODE, 4.0, 9.0)
    assert found is not None
    assert found.distance.max() < 1e-7
    assert np.abs(found.mass_error).max() < 1e-7


def test_a_loop_that_only_the_interpolation_has_is_seen() -> None:
    points = STRAIGHT.points.copy()
    looping = make_line(np.insert(points, 20, points[20] + [0.0, 0.5], axis=0))
    both = compare(STRAIGHT, looping, NODE, 4.0, 9.0)
    one = compare(STRAIGHT, looping, NODE, 4.0, 9.0, both_ways=False)
    assert both is not None and one is not None
    assert one.distance.max() < 0.06
    assert both.distance.max() > 0.4


def test_phases_are_not_bridged() -> None:
    # Two pieces with a gap of one magnitude: a point in the gap is half a magnitude from either, not on a line.
    pieces = make_line([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0]], phase=np.array([0, 0, 3, 3]))
    gap = make_line([[2.5, 0.0], [2.5, 0.01]])
    found = compare(gap, pieces, NODE, 1.0, 9.0, both_ways=False)
    assert found is not None
    assert found.distance == pytest.approx([0.5, np.hypot(0.5, 0.01)], rel=1e-6)


def test_the_clump_is_not_held_against_the_giant_branch() -> None:
    giants = make_line(STRAIGHT.points, phase=3)
    clump = make_line([[3.0, 1.0], [3.0, 1.02]], phase=4)
    moved = make_line([[3.0, 1.5], [3.0, 1.52]], phase=4)

    def joined(late: Line) -> Line:
        parts = (giants, late)
        return Line(
            *(np.concatenate([getattr(p, n) for p in parts]) for n in ("points", "log_mass", "phase", "log_lum"))
        )

    found = compare(joined(clump), joined(moved), NODE, 4.0, 9.0)
    assert found is not None
    assert found.distance[found.group == 3].max() == 0.0
    assert found.distance[found.group == 4].min() == pytest.approx(0.48)


def test_faint_points_and_collapsed_phases_do_not_count() -> None:
    dot = np.vstack([STRAIGHT.points, np.repeat(STRAIGHT.points[-1:], 5, axis=0)])
    line = make_line(dot, phase=np.repeat([0, 3], [41, 5]))
    found = compare(line, STRAIGHT, NODE, 4.0, 9.0, both_ways=False)
    assert found is not None
    assert found.distance.size == 41
    bright = compare(STRAIGHT, STRAIGHT, NODE, 4.0, 3.0, both_ways=False)
    assert bright is not None
    assert bright.distance.size == np.count_nonzero(STRAIGHT.points[:, 0] < 3.0)
    assert compare(STRAIGHT, STRAIGHT, NODE, 4.0, 0.0) is None


def test_stars_below_the_turn_on_are_pre_main_sequence() -> None:
    # PARSEC 1.2S at 10 Myr: the turn-on is near 1.6 Msun.
    line = make_line(STRAIGHT.points, log_mass=np.log10(np.linspace(0.5, 3.0, 41)))
    found = compare(line, line, (7.0, 0.0), 4.0, 9.0, both_ways=False)
    assert found is not None
    mass = 10.0**line.log_mass
    assert np.all(found.group[mass < 1.4] == PRE_MAIN_SEQUENCE)
    assert np.all(found.group[mass > 1.8] == 0)


def test_what_follows_the_first_ascent_of_the_early_agb_is_told_apart() -> None:
    log_lum = np.concatenate([np.linspace(1.8, 3.2, 20), np.linspace(3.1, 2.8, 6)])
    line = Line(STRAIGHT.points[:26], STRAIGHT.log_mass[:26], np.full(26, 7), log_lum)
    groups = line.groups(-1.0)
    assert groups.tolist() == [7] * 20 + [AGB_TAIL] * 6


def test_the_line_of_an_isochrone() -> None:
    isochrone = analytic_grid().isochrone(9.2, 0.1)
    line = line_of(isochrone, ("V", "B", "V"))
    np.testing.assert_allclose(line.points[:, 1], isochrone.magnitudes["B"] - isochrone.magnitudes["V"])
    assert np.count_nonzero(~line.segments) == 2


def test_rms() -> None:
    assert rms(np.array([3.0, -4.0])) == pytest.approx(np.sqrt(12.5))
    assert np.isnan(rms(np.array([])))
    assert Comparison(9.0, 0.0, 4.0, np.zeros(2, np.int8), np.ones(2, np.float32), np.zeros(2, np.float32)).rms == 1.0
