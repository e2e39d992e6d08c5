from __future__ import annotations

import numpy as np
import pytest
from unit.results.synthetic import make_result

from clusterbayes.errors import InputError
from clusterbayes.results.prediction import _pairs, predicted_members


@pytest.fixture(scope="module")
def result():
    return make_result()


def test_as_many_members_are_predicted_as_there_are_and_all_inside_the_limits(result):
    found = predicted_members(result)
    assert found.weights.sum() == pytest.approx(np.nansum(result.p_member))
    assert (found.weights > 0).all()
    assert found.observables[:, 0].max() <= result.mag_limits[2]


def test_single_stars_lie_on_the_isochrone(result):
    single = make_result()
    single.best["binary_frac"] = 0.0
    best = next(curve for curve in result.curves if curve.kind == "best")
    main = best.phase == 0
    points = predicted_members(single).observables
    faint = np.abs(points[:, 0] - 17.0) < 0.05
    line = np.interp(17.0, best.observables[main][::-1, 0], best.observables[main][::-1, 1])
    assert points[faint, 1] == pytest.approx(line, abs=0.1)


def test_a_companion_makes_brighter_and_a_twin_by_three_quarters_of_a_magnitude(result):
    best = next(curve for curve in result.curves if curve.kind == "best")
    pairs, shares = _pairs(result, best.m_ini, best.observables, 0.0)
    assert shares.sum() == pytest.approx(1.0)
    brighter = best.observables[None] - pairs
    assert brighter.min() >= -1e-9
    main = (
        (best.phase == 0) & (best.m_ini > 0.2) & (best.m_ini < 1.2)
    )  # later, the less massive star may be the brighter one
    assert brighter[:, main].max() < 2.5 * np.log10(2.0)
    assert brighter[-1, main].min() > 0.55  # mass ratio 0.97


def test_a_magnitude_and_a_colour_do_nearly_as_well_as_three_magnitudes():
    """Pairs whose bands are not known one by one lie where those with known bands do, to some hundredths."""
    three, two = make_result(), make_result(("Gaia_G", "Gaia_BP-Gaia_RP"))
    for made in (three, two):
        made.best["binary_frac"], made.mag_limits = 1.0, None
    known, guessed = predicted_members(three).observables, predicted_members(two).observables
    colour = known[:, 1] - known[:, 2]
    assert guessed[:, 0] == pytest.approx(known[:, 0], abs=1e-9)
    assert np.abs(guessed[:, 1] - colour).max() < 0.05


def test_without_an_isochrone_nothing_is_predicted(result):
    bare = make_result(n_member=20, n_field=5)
    bare.curves = []
    with pytest.raises(InputError, match="no best isochrone"):
        predicted_members(bare)
