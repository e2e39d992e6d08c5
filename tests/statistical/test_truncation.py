"""One cluster cut at three magnitude limits says the same each time, and not when the selected share is left out.

So it does when stars are lost gradually, or cut in a band that is not the primary one.
Fits to nested parts of one catalogue differ by the variance of the smaller minus that of the larger (Hausman 1978,
Econometrica 46, 1251), so the differences have known widths.
"""

from __future__ import annotations

import numpy as np
import pytest
from statistical.gaussian import summit
from unit.model.mocks import GAIA, TRUTH, fine_ratios, make_model, mock_table

from clusterbayes.bands import resolve_band
from clusterbayes.model.completeness import Completeness
from clusterbayes.model.selection import BandLimit

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


def thinned(catalogue, kind):
    """Part of the catalogue of stars brighter than 16.5, and what the model is told of the choice."""
    table = catalogue[catalogue["Gaia_G"] <= FAINT]
    if kind == "completeness":
        told = Completeness((13.0, 14.5, 16.5), (1.0, 0.7, 0.15))
        kept = np.random.default_rng(5).random(len(table)) < told(np.asarray(table["Gaia_G"]))
        return table[kept], {"completeness": told}
    limit = BandLimit("Gaia_BP", faint=15.2) if kind == "limit in BP" else BandLimit("Gaia_RP", faint=14.0)
    return table[table[limit.band] <= limit.faint], {"others": (limit,)}


FAINT = 16.5
KINDS = ("completeness", "limit in BP", "limit in RP, not fitted")


def fit_thinned(catalogue, kind, *, told):
    """Summit and covariance of a fit to a thinned catalogue, with the choice of its stars told or not."""
    table, options = thinned(catalogue, kind)
    observables = ("G", "BP") if kind.endswith("not fitted") else GAIA
    floors = {f"floor_{resolve_band(band).name}": 0.01 for band in observables}
    options = options if told else {}
    model = make_model(
        table,
        faint=FAINT,
        fixed=FIXED | floors,
        observables=observables,
        mass_ratios=fine_ratios(2),
        n_threads=2,
        **options,
    )
    return summit(model.log_prob, START, STEPS)


@pytest.mark.parametrize("kind", KINDS)
def test_other_selections_agree(catalogue, kind):
    """The truth, and the fit to all stars down to the same limit, in units of the thinned fit's error."""
    value, covariance = fit_thinned(catalogue, kind, told=True)
    pull = (value - START) / np.sqrt(np.diag(covariance))
    assert np.max(np.abs(pull)) < 3.5
    without, covariance = fit_thinned(catalogue, kind, told=False)
    pull = (without - START) / np.sqrt(np.diag(covariance))
    assert np.max(np.abs(pull)) > 6.0  # negative control: the same stars, the choice not told
