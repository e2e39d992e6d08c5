"""Positions along an isochrone: evenly spread, anchors among them, always onwards."""

from __future__ import annotations

import numpy as np
import pytest
from unit.isochrones.sparse import rows

from clusterbayes.isochrones.eep import RawIsochrone
from clusterbayes.isochrones.milestones import Stars
from clusterbayes.isochrones.paths import along_path, knee, path_length, phase_codes, spread


def stars(log_age: float = 9.0, mh: float = 0.0, last: int = 808) -> Stars:
    table = rows(log_age, mh)
    return Stars(*table[table[:, 0] <= last][:, [0, 2, 4, 6, 5]].T)


def flat(mass: np.ndarray, teff: np.ndarray, lum: np.ndarray) -> Stars:
    return Stars(np.arange(mass.size, dtype=float), mass, teff, lum, np.zeros(mass.size))


def test_positions_are_spread_evenly_along_the_path():
    uneven = np.array([0.0, 0.1, 0.15, 0.6, 1.0])
    line = flat(np.ones(5), 3.6 + 0.1 * uneven, uneven)
    at = along_path(line, [0.0, 4.0], [8])
    assert np.interp(at, np.arange(5), uneven) == pytest.approx(np.linspace(0, 1, 9), abs=1e-6)


def test_anchors_are_among_the_positions():
    anchors = [0.0, 120.3, 500.0, 658.0]
    at = along_path(stars(), anchors, [10, 5, 7])
    assert at.size == 23
    assert at[[0, 10, 15, 22]] == pytest.approx(anchors)
    assert np.all(np.diff(at) >= 0)


def test_path_grows_where_nothing_moves():
    still = flat(np.ones(4), np.full(4, 3.7), np.zeros(4))
    assert np.all(np.diff(path_length(still)) > 0)


def test_a_dex_of_mass_counts_as_it_is_weighted():
    line = flat(np.array([1.0, 10.0]), np.full(2, 3.7), np.zeros(2))
    assert path_length(line, 12.0)[-1] == pytest.approx(12.0)
    assert path_length(line, 0.0)[-1] < 1e-8


def test_a_path_of_ones_own_may_be_spread_over():
    assert spread(np.array([0.0, 1.0, 3.0]), [0.0, 2.0], [3]) == pytest.approx([0.0, 1.0, 1.5, 2.0])
    with pytest.raises(ValueError, match="zip"):
        spread(np.arange(3.0), [0.0, 1.0, 2.0], [3])


def test_all_kinds_of_isochrones_have_one_path():
    star = stars()
    nothing = np.empty((len(star), 0))
    raw = RawIsochrone(star.m_ini, star.log_teff, star.log_lum, star.log_g, nothing, np.zeros(len(star), dtype=int))
    np.testing.assert_array_equal(path_length(raw), path_length(star))
    assert knee(raw, 300, 450) == knee(star, 300, 450)


def test_knee_is_the_base_of_the_giant_branch():
    star = stars()
    base = knee(star, int(star.position(454)), int(star.position(605)))
    assert star.eep[base] == 520  # the corner that the isochrone was made with


def test_codes_follow_the_layout():
    assert phase_codes({0: (2, 1), 3: (1,)}).tolist() == [0, 0, 0, 0, 3, 3]
