"""Laws of the mass ratio: shares and means between nodes against quadrature, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.errors import SettingsError
from clusterbayes.model.binaries import FINE_MASS_RATIOS, MassRatios
from clusterbayes.model.parameters import default_priors


def density(law, q, slope):
    """p(q), not normalised, on a fine grid."""
    if law != "moe2017":
        return q**slope
    low = 0.3 ** (-0.5 - 0.3)
    power = np.where(q < 0.3, low * q**0.3, q**-0.5)
    above = np.trapezoid(np.where(q >= 0.3, q**-0.5, 0.0), q)
    return power + np.where(q > 0.95, above * 0.1 / 0.9 / 0.05, 0.0)  # a tenth of the pairs of q > 0.3


@pytest.mark.parametrize(("law", "slope"), [("power", -1.0), ("power", 1.7), ("flat", 0.0), ("moe2017", 0.0)])
@pytest.mark.parametrize("nodes", [MassRatios().nodes, FINE_MASS_RATIOS])
def test_shares_and_means(law, slope, nodes):
    ratios = MassRatios(nodes, law)
    q = np.linspace(0.1, 1.0, 900_001)
    p = density(law, q, slope)
    p /= np.trapezoid(p, q)
    share, lean = (part(np.array([slope, slope]))[1] for part in (ratios.share, ratios.lean))
    for k, (a, b) in enumerate(zip(nodes, nodes[1:], strict=False)):
        inside = (q >= a) & (q <= b)
        number = np.trapezoid(p[inside], q[inside])
        mean = np.trapezoid(p[inside] * q[inside], q[inside]) / number
        assert share[k] == pytest.approx(number, abs=2e-5)
        assert lean[k] == pytest.approx((mean - 0.5 * (a + b)) / (b - a), abs=1e-4)
    assert share.sum() == pytest.approx(1.0, abs=1e-12)
    above = np.trapezoid(np.where(q >= 0.5, p, 0.0), q)
    assert ratios.share_above(0.5, np.array([slope]))[0] == pytest.approx(above, abs=2e-5)


def test_twins_are_an_excess():
    """Moe & Di Stefano (2017): 10 % of the pairs of q > 0.3 beyond what the power law gives."""
    ratios = MassRatios(law="moe2017")
    nothing = np.zeros(1)
    share = (1 - ratios.share_above(0.3, nothing)[0], ratios.share_above(0.95, nothing)[0])
    power = (1.0**0.5 - 0.95**0.5) / (1.0**0.5 - 0.3**0.5)
    assert share[1] / (1 - share[0]) == pytest.approx(0.1 + 0.9 * power, rel=1e-9)


@pytest.mark.parametrize("law", ["flat", "moe2017"])
def test_what_is_drawn(law):
    ratios = MassRatios(law=law)
    q = ratios.draw(np.random.default_rng(2), 40_000)
    for limit in (0.3, 0.6, 0.96):
        expected = ratios.share_above(limit, np.zeros(1))[0]
        assert np.mean(q > limit) == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 40_000))


def test_only_the_power_law_frees_its_slope():
    ranges = {"log_age_range": (7.0, 10.0), "mh_range": (-1.0, 0.3), "bands": ["Gaia_G"]}
    priors, _ = default_priors(**ranges, binary_law="power")
    assert priors["q_slope"].low == -2.0
    for law in ("flat", "moe2017"):
        priors, fixed = default_priors(**ranges, binary_law=law)
        assert "q_slope" not in priors and fixed["q_slope"] == 0.0


def test_unknown_laws_are_refused():
    with pytest.raises(SettingsError, match="moe2017"):
        MassRatios(law="moe")
