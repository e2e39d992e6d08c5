"""Priors: densities against quadrature and scipy, the map to normal variates and back, texts and their errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from clusterbayes.errors import SettingsError
from clusterbayes.model.priors import Beta, Exponential, HalfNormal, Normal, Prior, Uniform, parse_prior

PRIORS = [
    Uniform(6.6, 10.13),
    Normal(0.1, 0.3),
    Normal(-0.1, 0.4, -2.2, 0.5),
    Normal(0.0, 1.0, 1.0, 1.5),
    HalfNormal(0.02),
    Exponential(1.0),
    Exponential(1.0, 6.0),
    Beta(1.0, 20.0),
    Beta(2.5, 1.5),
]


@pytest.mark.parametrize("prior", PRIORS, ids=str)
class TestDensity:
    def test_integrates_to_one(self, prior):
        middle = float(prior.from_normal(np.zeros(1))[0])
        ends = [max(prior.low, middle - 60.0), middle, min(prior.high, middle + 60.0)]
        pieces = zip(ends[:-1], ends[1:], strict=True)
        total = sum(integrate.quad(lambda x: np.exp(prior.log_pdf(x)), a, b, limit=200)[0] for a, b in pieces)
        assert total == pytest.approx(1.0, abs=1e-7)

    def test_is_the_slope_of_the_distribution_function(self, prior):
        x = prior.from_normal(np.linspace(-2.5, 2.5, 21))
        step = 1e-6 * (x[-1] - x[0])
        slope = (prior.cdf(x + step) - prior.cdf(x - step)) / (2 * step)
        assert np.exp(prior.log_pdf(x)) == pytest.approx(slope, rel=1e-6)

    def test_is_nothing_outside(self, prior):
        outside = [prior.low - 1e-9 if np.isfinite(prior.low) else -np.inf, prior.high + 1e-9]
        assert np.all(prior.log_pdf(np.array([v for v in outside if np.isfinite(v)])) == -np.inf)


@pytest.mark.parametrize("prior", PRIORS, ids=str)
class TestNormalVariates:
    def test_share_below_is_kept(self, prior):
        z = np.linspace(-5.0, 5.0, 41)
        assert prior.cdf(prior.from_normal(z)) == pytest.approx(special.ndtr(z), rel=1e-9, abs=1e-14)

    def test_there_and_back(self, prior):
        z = np.linspace(-5.0, 5.0, 41)
        assert prior.to_normal(prior.from_normal(z)) == pytest.approx(z, abs=1e-7)

    def test_far_tails_stay_inside_and_in_order(self, prior):
        values = prior.from_normal(np.linspace(-40.0, 40.0, 401))
        assert np.isfinite(values).all()
        assert np.all(np.diff(values) >= 0)
        assert np.all((values >= prior.low) & (values <= prior.high))
        assert np.isfinite(prior.to_normal(values)).all()

    def test_one_value_is_like_many(self, prior):
        z = np.linspace(-3.0, 3.0, 7)
        assert prior.from_normal(z) == pytest.approx([float(prior.from_normal(np.array(v))) for v in z], rel=1e-13)

    def test_text_reads_back(self, prior):
        assert parse_prior(str(prior)) == prior
        assert parse_prior(prior) is prior
        assert pickle.loads(pickle.dumps(prior)) == prior


def test_tails_keep_their_accuracy():
    """Eight standard deviations out, where a distribution function rounds to one."""
    z = np.array([5.0, 6.0, 8.0])
    assert HalfNormal(0.02).from_normal(z) == pytest.approx(0.02 * -special.ndtri(0.5 * special.ndtr(-z)), rel=1e-10)
    assert Exponential(2.0).from_normal(z) == pytest.approx(-2.0 * np.log(special.ndtr(-z)), rel=1e-10)
    assert Beta(1.0, 20.0).from_normal(z) == pytest.approx(1.0 - special.ndtr(-z) ** 0.05, rel=1e-10)
    assert Normal(1.0, 2.0).from_normal(z) == pytest.approx(1.0 + 2.0 * z, rel=1e-14)


@pytest.mark.parametrize(
    ("prior", "frozen"),
    [
        (Normal(-0.1, 0.4, -2.2, 0.5), stats.truncnorm(-2.1 / 0.4, 0.6 / 0.4, -0.1, 0.4)),
        (HalfNormal(0.02), stats.halfnorm(scale=0.02)),
        (Exponential(1.5), stats.expon(scale=1.5)),
        (Exponential(1.0, 6.0), stats.truncexpon(6.0)),
        (Beta(2.5, 1.5), stats.beta(2.5, 1.5)),
    ],
    ids=lambda value: str(value) if isinstance(value, Prior) else value.dist.name,
)
def test_against_scipy(prior, frozen):
    x = frozen.ppf(np.linspace(0.01, 0.99, 33))
    assert prior.log_pdf(x) == pytest.approx(frozen.logpdf(x), abs=1e-10)
    assert prior.cdf(x) == pytest.approx(frozen.cdf(x), abs=1e-12)
    assert prior.from_normal(stats.norm.ppf(np.linspace(0.01, 0.99, 33))) == pytest.approx(x, rel=1e-9)


@given(
    mean=st.floats(-3, 3),
    std=st.floats(1e-3, 3),
    low=st.floats(-3, 2.9),
    width=st.floats(0.1, 6),
    z=st.floats(-5, 5),
)
def test_normal_cut_anywhere(mean, std, low, width, z):
    """Cut within 5 standard deviations of the mean: the map stays inside and is inverted."""
    high = low + width
    if low > mean + 5 * std or high < mean - 5 * std:
        return
    prior = Normal(mean, std, low, high)
    x = prior.from_normal(np.array([z]))
    assert low <= x[0] <= high
    assert np.isfinite(prior.log_pdf(x)).all()
    assert prior.cdf(x) == pytest.approx(special.ndtr(z), abs=1e-8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("normal(0, 0.2)", Normal(0.0, 0.2)),
        (" Normal( 0,0.2 ) ", Normal(0.0, 0.2)),
        ("normal(0, 0.2, -0.5, 0.5)", Normal(0.0, 0.2, -0.5, 0.5)),
        ("uniform(8,9)", Uniform(8.0, 9.0)),
        ("half-normal(0.02)", HalfNormal(0.02)),
        ("half_normal(2e-2)", HalfNormal(0.02)),
        ("exponential(1, 6)", Exponential(1.0, 6.0)),
        ("beta(1, 20)", Beta(1.0, 20.0)),
    ],
)
def test_texts(text, expected):
    assert parse_prior(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gaussian(0, 1)", "not understood"),
        ("normal", "not understood"),
        ("normal 0 1", "not understood"),
        ("0.1", r"a distribution.*one such as uniform\(8, 9\).*--fix"),
        ("", "not understood"),
        ("normal(0, 1) + 2", "not understood"),
        ("normal(a, 1)", "not a number"),
        ("normal()", "not a number"),
        ("normal(0)", "2 to 4"),
        ("normal(0, 1, 2, 3, 4)", "2 to 4"),
        ("beta(1)", "beta takes 2 to 2"),
        ("normal(nan, 1)", "finite"),
        ("normal(0, inf)", "finite"),
        ("normal(0, 0)", "positive"),
        ("normal(0, -1)", "positive"),
        ("uniform(9, 8)", "positive"),
        ("uniform(8, 8)", "positive"),
        ("halfnormal(-0.1)", "positive"),
        ("beta(0, 1)", "positive"),
        ("normal(0, 1, 2, 1)", "no probability"),
    ],
)
def test_texts_that_are_refused(text, message):
    with pytest.raises(SettingsError, match=message) as caught:
        parse_prior(text)
    assert repr(text) in str(caught.value) or text in str(caught.value)
    assert any(remedy in str(caught.value) for remedy in ("normal(0, 0.2)", "must be", "order them"))


@given(st.text(max_size=30))
def test_any_text_is_a_prior_or_a_settings_error(text):
    try:
        prior = parse_prior(text)
    except SettingsError:
        return
    assert isinstance(prior, Prior)


def test_a_normal_prior_far_from_its_bounds_is_refused():
    with pytest.raises(SettingsError, match="no probability between"):
        Normal(-50.0, 1.0, 0.0, 20.0)
