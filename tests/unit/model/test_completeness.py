"""Completeness curves: files, products, what is estimated from a catalogue, and their kernel against quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clusterbayes.bands import parse_observable
from clusterbayes.errors import InputError, SettingsError
from clusterbayes.model import kernels
from clusterbayes.model.completeness import Completeness, share_kept
from clusterbayes.model.cuts import LimitColumns, measured_in, share_inside
from clusterbayes.model.kernels_selection import cut_share, patch_share
from clusterbayes.model.selection import BandLimit, ErrorCurve, Selection, parse_other_limits

TABLE = kernels.normal_table()


class TestTables:
    def test_a_file_is_read_in_any_order(self, tmp_path):
        path = tmp_path / "share.csv"
        path.write_text("fraction,magnitude\n0.2,19\n1.0,17\n0.9,18\n")
        table = Completeness.read(path)
        assert table == Completeness((17.0, 18.0, 19.0), (1.0, 0.9, 0.2))
        assert table(np.array([10.0, 17.5, 18.5, 25.0])) == pytest.approx([1.0, 0.95, 0.55, 0.2])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("m,fraction\n1,2\n", "magnitude"),
            ("magnitude,fraction\n17,x\n18,1\n", "not a number"),
            ("magnitude,fraction\n17,1\n", "two or more"),
            ("magnitude,fraction\n17,1\n17,0.5\n", "different"),
            ("magnitude,fraction\n17,1\n18,1.5\n", "between 0 and 1"),
        ],
    )
    def test_files_that_are_none(self, tmp_path, text, message):
        path = tmp_path / "share.csv"
        path.write_text(text)
        with pytest.raises((InputError, SettingsError), match=message):
            Completeness.read(path)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(InputError, match="nothing.csv"):
            Completeness.read(tmp_path / "nothing.csv")

    def test_products_are_right_at_the_entries_and_between(self):
        one, two = Completeness((14.0, 18.0), (1.0, 0.2)), Completeness((15.0, 17.0), (0.8, 0.4))
        m = np.linspace(13.0, 19.0, 601)
        assert one.times(two)(m) == pytest.approx(one(m) * two(m), abs=0.01)


def test_share_kept_follows_the_cut():
    """A cut that keeps Φ((17 − m)/0.5) of the stars: within 4 binomial errors of bins of 25."""
    rng = np.random.default_rng(3)
    magnitude = rng.uniform(13.0, 19.0, 6000)
    true = stats.norm.cdf((17.0 - magnitude) / 0.5)
    share = share_kept(magnitude, rng.random(6000) < true)
    at = np.linspace(14.0, 18.5, 40)
    expected = stats.norm.cdf((17.0 - at) / 0.5)
    assert np.abs(share(at) - expected).max() < 4 * 0.5 / np.sqrt(25)
    assert np.abs(share(at) - expected).mean() < 0.05
    assert share(np.array([13.5]))[0] == 1.0


class TestLimitsInOtherBands:
    def test_texts(self):
        assert parse_other_limits("auto") == ("auto", ())
        assert parse_other_limits("G=18,BP=9..18.5, Ks=14") == (
            "G=18",
            (BandLimit("Gaia_BP", 9.0, 18.5), BandLimit("2MASS_Ks", faint=14.0)),
        )
        for text in ("G=18,Gaia_G=17", "auto,Ks=14,Ks=9..15"):
            with pytest.raises(SettingsError, match="twice"):
                parse_other_limits(text)

    def test_magnitudes_from_observables(self):
        observables = tuple(parse_observable(o) for o in ("V", "B-V"))
        values, errors = np.array([[15.0, 0.7], [16.0, np.nan]]), np.full((2, 2), 0.03)
        b, error = measured_in(observables, values, errors, "B")
        assert b[0] == pytest.approx(15.7) and np.isnan(b[1])
        assert error[0] == pytest.approx(0.03 * np.sqrt(2))
        assert np.isnan(measured_in(observables, values, errors, "I")[0]).all()

    def test_share_of_points(self):
        observables = tuple(parse_observable(o) for o in ("G", "BP"))
        rng = np.random.default_rng(4)
        points = rng.uniform(10.0, 20.0, (20_000, 2))
        limits = (BandLimit("Gaia_BP", 12.0, 17.0),)
        assert share_inside(observables, points, limits) == pytest.approx(0.5, abs=0.015)
        points[:, 1] = points[:, 0]
        assert share_inside(observables, points, limits, np.array([11.0, 15.0, 19.0])) == pytest.approx(
            [0, 1, 0], abs=1e-3
        )


def quadrature(selection, sigma, start, stop, n=4000):
    """Share kept of a segment of true magnitudes, by sums over true magnitude and noise."""
    true = start + (stop - start) * (np.arange(200) + 0.5) / 200
    noise = stats.norm.ppf((np.arange(n) + 0.5) / n)
    observed = true[:, None] + sigma * noise
    return np.mean(selection.inside(observed) * selection.passing(observed))


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), log_sigma=st.floats(-2.5, -0.3), log_length=st.floats(-3, 0.3))
def test_segments_against_quadrature(seed, log_sigma, log_length):
    rng = np.random.default_rng(seed)
    knots = np.sort(rng.uniform(14.0, 18.0, rng.integers(2, 7)))
    selection = Selection(
        "Gaia_G",
        13.0 + rng.random(),
        17.0 + rng.random(),
        completeness=Completeness(tuple(knots), tuple(rng.random(knots.size))),
    )
    sigma, length = 10.0**log_sigma, 10.0**log_length
    curve = ErrorCurve(np.linspace(0.0, 30.0, 301), np.full(301, sigma))
    limits, cuts = selection.limits(curve), LimitColumns((), (), (), 0).cuts
    centre = rng.uniform(13.0, 18.5)
    patch = np.array([[centre], [length], [0.0], [0.5 * length]])
    expected = quadrature(selection, sigma, centre - length / 2, centre + length / 2)
    assert patch_share(patch, 0.0, limits, cuts, TABLE) == pytest.approx(expected, abs=3e-3)


def test_a_limit_is_a_curve_with_jumps():
    curve = ErrorCurve(np.linspace(0.0, 30.0, 301), np.full(301, 0.05))
    cuts = LimitColumns((), (), (), 0).cuts
    limits = Selection("Gaia_G", 12.0, 17.0).limits(curve)
    for m in (11.9, 12.0, 12.03, 15.0, 16.99, 17.1):
        patch = np.array([[m], [0.0], [0.0], [0.0]])
        expected = stats.norm.cdf((17.0 - m) / 0.05) - stats.norm.cdf((12.0 - m) / 0.05)
        assert patch_share(patch, 0.0, limits, cuts, TABLE) == pytest.approx(expected, abs=1e-8)


def test_two_limits_on_one_patch():
    """A patch cut by the limits of two bands: points on it and noise in both, as drawn."""
    rng = np.random.default_rng(5)
    observables = tuple(parse_observable(o) for o in ("G", "BP"))
    curve = ErrorCurve(np.linspace(0.0, 30.0, 301), np.full(301, 0.05))
    other = LimitColumns(
        observables, (BandLimit("Gaia_BP", faint=16.3),), [(np.linspace(10, 20, 50), np.full(50, 0.08))], 50
    )
    limits = Selection("Gaia_G", faint=16.0).limits(curve)
    patch = np.array([[15.95, 16.25], [0.2, 0.3], [0.05, 0.0], [0.2, 0.2]])
    t, v = rng.uniform(-0.5, 0.5, (2, 1_000_000))
    g = patch[0, 0] + t * patch[1, 0] + v * patch[2, 0] + 0.05 * rng.normal(size=t.size)
    bp = patch[0, 1] + t * patch[1, 1] + 0.08 * rng.normal(size=t.size)
    expected = np.mean((g < 16.0) & (bp < 16.3))
    assert patch_share(patch, 0.0, limits, other.cuts, TABLE) == pytest.approx(expected, abs=3e-3)
    apart = patch_share(patch, 0.0, limits, LimitColumns((), (), (), 0).cuts, TABLE) * np.mean(bp < 16.3)
    assert abs(apart - expected) > 0.02  # the two are not independent on one patch
    assert cut_share(16.3, 0.0, other.cuts, 0, TABLE) == pytest.approx(0.5, abs=1e-9)
