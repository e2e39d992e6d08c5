"""Magnitude limits: their texts, how they are found, and the error as a function of magnitude."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.errors import BandError, SettingsError
from clusterbayes.model.selection import NO_LIMIT, ErrorCurve, Selection, find_faint_limit, parse_limits


class TestTexts:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Gaia_G=18", ("Gaia_G", -NO_LIMIT, 18.0)),
            (" G = 5..18.5 ", ("Gaia_G", 5.0, 18.5)),
            ("V=-1.5..12.", ("V", -1.5, 12.0)),
            ("phot_g_mean_mag=+17", ("Gaia_G", -NO_LIMIT, 17.0)),
        ],
    )
    def test_limits(self, text, expected):
        assert parse_limits(text) == expected

    @pytest.mark.parametrize("text", ["", "18", "Gaia_G", "Gaia_G=", "Gaia_G=faint", "Gaia_G<18", "Gaia_G=5.."])
    def test_other_texts_say_what_to_write(self, text):
        with pytest.raises(SettingsError, match="Gaia_G=18"):
            parse_limits(text)

    def test_limits_out_of_order(self):
        with pytest.raises(SettingsError, match="bright"):
            parse_limits("Gaia_G=18..5")

    def test_unknown_band(self):
        with pytest.raises(BandError):
            parse_limits("Gaia_X=18")


def test_inside():
    inside = Selection("V", 5.0, 18.0).inside(np.array([4.9, 5.0, 12.0, 18.0, 18.1, np.nan]))
    assert inside.tolist() == [False, True, True, True, False, False]
    assert Selection("V").inside(np.array([-5.0, 30.0])).all()


class TestFaintLimit:
    @pytest.mark.parametrize("n_star", [60, 300, 5000])
    def test_a_sharp_edge_is_found(self, n_star):
        """Counts that rise up to a cut at 18: the limit is the cut, to the spacing of the stars there."""
        rng = np.random.default_rng(n_star)
        magnitude = 18.0 + np.log(rng.random(n_star)) / 0.6
        limit, reason = find_faint_limit(magnitude)
        assert "edge" in reason
        assert limit >= magnitude.max()
        assert limit - magnitude.max() <= 0.05
        assert limit == pytest.approx(18.0, abs=10.0 / n_star + 0.01)

    @pytest.mark.parametrize("seed", range(5))
    def test_without_an_edge_the_mode_is_found(self, seed):
        """Counts that rise as a power of ten and fall where stars are lost: a quarter magnitude above the mode."""
        rng = np.random.default_rng(seed)
        magnitude = rng.normal(17.0, 1.0, 3000)
        limit, reason = find_faint_limit(magnitude)
        assert "mode" in reason
        assert limit == pytest.approx(16.75, abs=0.48)  # four standard errors of the mode
        assert limit < magnitude.max()

    def test_order_does_not_matter(self):
        magnitude = np.random.default_rng(1).normal(15.0, 1.5, 4000)
        assert find_faint_limit(magnitude) == find_faint_limit(magnitude[::-1])

    def test_few_stars_have_a_limit_too(self):
        magnitude = np.array([9.0, 11.0, 11.5, 12.0, 12.2, 12.4, 12.5, 12.6, 12.7, 12.8])
        limit, _ = find_faint_limit(magnitude)
        assert 11.0 < limit <= 12.85


class TestErrorCurve:
    def test_follows_the_errors(self):
        """Log-normal scatter of 20 % about the truth is smoothed away: medians of 50 stars are good to 4 %."""
        rng = np.random.default_rng(2)
        magnitude = rng.uniform(10.0, 20.0, 2000)
        true = np.hypot(0.003, 0.01 * 10 ** (0.3 * (magnitude - 17.0)))
        curve = ErrorCurve.fit(magnitude, true * np.exp(0.2 * rng.normal(size=2000)))
        at = np.linspace(10.5, 19.5, 50)
        assert curve(at) == pytest.approx(np.hypot(0.003, 0.01 * 10 ** (0.3 * (at - 17.0))), rel=0.15)

    def test_never_falls_and_reaches_beyond_the_catalogue(self):
        rng = np.random.default_rng(3)
        magnitude = rng.uniform(12.0, 16.0, 100)
        curve = ErrorCurve.fit(magnitude, rng.uniform(0.01, 0.05, 100))
        assert np.all(np.diff(curve.sigma) >= 0)
        assert curve.magnitude[0] < 9.5 and curve.magnitude[-1] > 18.5
        assert np.diff(curve.magnitude) == pytest.approx(0.1)

    def test_constant_errors_stay_constant(self):
        curve = ErrorCurve.fit(np.linspace(10.0, 15.0, 40), np.full(40, 0.02))
        assert curve.sigma == pytest.approx(0.02, rel=1e-12)

    def test_gaps_are_ignored_and_few_stars_will_do(self):
        magnitude = np.array([12.0, np.nan, 13.0, 14.0])
        curve = ErrorCurve.fit(magnitude, np.array([0.01, 0.5, np.nan, 0.03]))
        assert np.isfinite(curve.sigma).all()
        assert curve(np.array([12.0, 14.0])).max() <= 0.03
