"""One cluster cut at three magnitude limits says the same each time, and not when the selected share is left out.

Fits to nested parts of one catalogue differ by the variance of the smaller minus that of the larger (Hausman 1978,
Econometrica 46, 1251), so the differences have known widths.
"""

from __future__ import annotations

import numpy as np
import pytest
from statistical.gaussian import summit
from unit.model.mocks import TRUTH, fine_ratios, make_model, mock_table

FREE = ("log_age", "dist_mod", "binary_frac", "alpha_2")
STEPS = np.array([0.004, 0.004, 0.03, 0.08])
START = np.array([TRUTH["log_age"], TRUTH["dist_mod"], TRUTH["binary_frac"], 2.3])
FIXED = {"mh": TRUTH["mh"], "a_v": TRUTH["a_v"], "alpha_1": 1.3, "outlier_frac": 1e-6, "member_frac": 1.0 - 1e-9}
LIMITS = (17.5, 15.5, 14.0)


@pytest.fixture(scope="module")
def catalogue():
    return mock_table(2000, faint=LIMITS[0], seed=11, floor=0.01)


def fit(catalogue, faint, *, with_selection):
    """Summit and covariance of a fit to the stars above a limit, with Z or with Z left out."""
    table = catalogue[catalogue["Gaia_G"] <= faint]
    floors = {f"floor_{band}": 0.01 for band in ("Gaia_G", "Gaia_BP", "Gaia_RP")}
    model = make_model(table, faint=faint, fixed=FIXED | floors, mass_ratios=fine_ratios(2), n_threads=2)
    assert model.parameters.names == FREE

    def log_posterior(theta):
        value = model.log_prob(theta)
        return value if with_selection else value + len(table) * model.log_selected(theta)

    return summit(log_posterior, START, STEPS)


@pytest.fixture(scope="module")
def fits(catalogue):
    return {use: [fit(catalogue, limit, with_selection=use) for limit in LIMITS] for use in (True, False)}


def pulls(fits, i, j):
    """Differences between two nested fits over their expected widths."""
    (large, c_large), (small, c_small) = fits[i], fits[j]
    variance = np.diag(c_small) - np.diag(c_large)
    return (small - large) / np.sqrt(np.maximum(variance, 0.1 * np.diag(c_small)))


def test_limits_agree(fits):
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.max(np.abs(pulls(fits[True], i, j))) < 3.5


def test_each_agrees_with_the_truth(fits):
    for value, covariance in fits[True]:
        assert np.max(np.abs(value - START) / np.sqrt(np.diag(covariance))) < 3.5


def test_brighter_limits_know_less(fits):
    """Otherwise agreement would say nothing."""
    large, small = (np.sqrt(np.diag(fits[True][i][1])) for i in (0, 2))
    assert np.all(large < [0.01, 0.01, 0.03, 0.1])
    assert np.all(small[2:] > 1.3 * large[2:])  # pairs and slope; age and distance come from the bright stars


def test_without_the_selected_share_they_disagree(fits):
    """Negative control: log Z added back."""
    assert np.max(np.abs(pulls(fits[False], 0, 2))) > 6.0
    value, covariance = fits[False][2]
    assert np.max(np.abs(value - START) / np.sqrt(np.diag(covariance))) > 6.0
