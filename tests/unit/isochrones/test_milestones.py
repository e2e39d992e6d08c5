"""Positions on an isochrone: evenly spread, in order, the same stage at the same place."""

from __future__ import annotations

import numpy as np
import pytest
from unit.isochrones.sparse import rows

from clusterbayes.isochrones import milestones
from clusterbayes.isochrones.eep import PHASES
from clusterbayes.isochrones.milestones import Stars, mist_points


def stars(log_age: float = 9.0, mh: float = 0.0, last: int = 808) -> Stars:
    table = rows(log_age, mh)
    return Stars(*table[table[:, 0] <= last][:, [0, 2, 4, 6, 5]].T)


def flat(mass: np.ndarray, teff: np.ndarray, lum: np.ndarray) -> Stars:
    return Stars(np.arange(mass.size, dtype=float), mass, teff, lum, np.zeros(mass.size))


def test_position_is_found_by_number():
    star = stars()
    assert star.eep[int(star.position(454))] == 454
    assert star.position([0, 5000]) == pytest.approx([0, len(star) - 1])


@pytest.mark.parametrize("log_age", [8.8, 9.1])
def test_mist_points_are_the_same_stages_at_all_ages(log_age):
    star = stars(log_age)
    points = mist_points(star)
    assert list(points) == [0, 2, 3, 4, 7]
    assert set(points) <= set(PHASES)
    for phase, at in points.items():
        assert at.size == 1 + sum(milestones.MIST_LAYOUT[phase])
        assert np.all(np.diff(at) >= 0)
    number = {phase: np.interp(at, np.arange(len(star)), star.eep) for phase, at in points.items()}
    assert number[0][-1] == pytest.approx(454)
    assert number[2][-1] == number[3][0] == pytest.approx(520)
    assert number[3][-1] == pytest.approx(605)
    assert number[4][[0, -1]] == pytest.approx([631, 707])  # a flash: nothing on the way down from the tip
    assert number[7][-1] == pytest.approx(808)


def test_way_down_from_the_tip_is_kept_where_stars_are_found_on_it():
    table = rows(8.0, 0.0)
    table[(table[:, 0] > 605) & (table[:, 0] <= 631), 2] += np.linspace(0, 0.02, 26)
    table[table[:, 0] > 631, 2] += 0.02
    star = Stars(*table[table[:, 0] <= 808][:, [0, 2, 4, 6, 5]].T)
    at = mist_points(star)[4]
    assert np.interp(at[0], np.arange(len(star)), star.eep) == pytest.approx(605)


@pytest.mark.parametrize(("last", "phases"), [(360, [0]), (620, [0, 2, 3]), (700, [0, 2, 3]), (750, [0, 2, 3, 4])])
def test_phases_that_an_isochrone_lacks_are_left_out(last, phases):
    assert list(mist_points(stars(last=last))) == phases


def test_basti_points_meet_its_lines():
    line = np.arange(2100.0)
    mass = 0.1 + line / 1000
    star = flat(mass, 3.5 + 0.1 * np.sin(line / 300), line / 500)
    points = milestones.basti_points(star)
    ends = np.array([(at[0], at[-1]) for at in points.values()])
    assert ends == pytest.approx(np.array([(0, 359), (359, 489), (489, 1289), (1299, 1949), (1949, 2099)]))
    assert points[0][110] == pytest.approx(299)
    for phase, at in points.items():
        assert at.size == 1 + sum(milestones.BASTI_LAYOUT[phase])


@pytest.mark.parametrize("choose", [milestones.dartmouth_points, milestones.shape_points])
def test_isochrones_that_end_on_the_giant_branch(choose):
    star = stars(last=605)
    if choose is milestones.dartmouth_points:  # its numbers: hook's hot end at 146
        star = Stars(
            np.interp(star.eep, [150, 430, 605], [2, 146, 270]),
            *(getattr(star, n) for n in list(star.__dataclass_fields__)[1:]),
        )
    points = choose(star)
    assert list(points) == [0, 2, 3]
    assert points[0][0] == 0
    assert points[0][-1] == points[2][0]
    assert points[3][-1] == len(star) - 1
    assert rows(9.0, 0.0)[int(points[3][0]), 0] == 520
    assert 400 < rows(9.0, 0.0)[round(float(points[0][-1])), 0] <= 454
