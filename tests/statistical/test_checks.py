"""Posterior predictive checks find nothing where the fit is right, and each fault where it is."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from unit.model.mocks import GAIA, GRID, TRUTH, mock_table

from clusterbayes.errors import GridError
from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model.own_distance import OwnDistance
from clusterbayes.model.priors import HalfNormal
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry
from clusterbayes.results.checks import QUALITY, Check, check_fit, quality_of
from clusterbayes.results.result import Curve, FitResult

N = 300
OTHER = {"member_frac": 1.0, "outlier_frac": 0.001, "alpha_1": 1.3, "alpha_2": 2.3}
HELD = {"q_slope": 0.0, **{f"floor_{band}": 0.0 for band in GAIA}}


def fitted(table, *, grid=GRID, converged=True, counts="model", **wrong):
    """A fit of the table that is sure of its parameters: the truth, but for what is wrong."""
    values = {**TRUTH, **OTHER, **wrong}
    rng = np.random.default_rng(1)
    draws = {name: value + 1e-4 * rng.normal(size=50) for name, value in values.items()}
    draws["member_frac"] = np.ones(50)
    stars = Table({"id": table["id"], "p_member": np.ones(N), "p_outlier": np.zeros(N), "used": np.ones(N, bool)})
    for name in GAIA:
        stars[name], stars[f"{name}_error"] = table[name], table[f"{name}_error"]
    iso = grid.isochrone(values["log_age"], values["mh"])
    dust = iso.extinction(values["a_v"])
    seen = np.stack([iso.magnitudes[band] + dust[band] + values["dist_mod"] for band in GAIA], axis=1)
    return FitResult(
        chain=np.zeros((1, 1, len(draws))), log_prob=np.zeros((1, 1)), names=tuple(draws), units={}, draws=draws,
        best={}, stars=stars, observables=GAIA,
        curves=[Curve("best", iso.m_ini, iso.log_teff, iso.log_lum, seen, iso.phase)],
        mag_limits=("Gaia_G", -np.inf, 16.0), diagnostics={"converged": converged}, counts={},
        provenance={
            "fixed": HELD, "settings": {"mass_function": "kroupa", "binary_law": "flat", "counts": counts},
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return mock_table(N, seed=4)


@pytest.mark.parametrize("moved", [True, False])
def test_a_deep_cluster_is_judged_where_its_stars_were_moved_to(moved):
    """Without the shifts of the fit, the control, its depth is a fault."""
    near = TRUTH | {"dist_mod": 4.0}
    table = mock_table(N, truth=near, depth=6.0, parallax=True, seed=4, faint=13.0)
    fit = fitted(table, dist_mod=4.0)
    fit.mag_limits = ("Gaia_G", -np.inf, 13.0)
    photometry = Photometry.from_table(table, observables=list(GAIA))
    own = OwnDistance.find(photometry.parallax, photometry.parallax_error, HalfNormal(5.0))
    if moved:
        fit.stars["distance_shift"] = own.shift(photometry.parallax, photometry.parallax_error)
        fit.stars["distance_shift_error"] = own.error(photometry.parallax_error)
    checks = check_fit(fit, GRID, n_replicas=600, seed=2)
    assert (quality_of(checks) == "poor") != moved, checks


def found(table, **wrong):
    checks = check_fit(fitted(table, **wrong), GRID, n_replicas=600, seed=2)
    return {check.name: check.p for check in checks}, quality_of(checks)


def test_other_isochrones_than_those_of_the_fit_are_refused(table, tmp_path):
    GRID.save(tmp_path / "mine.h5")
    grid = IsochroneGrid.load(tmp_path / "mine.h5")
    fit = fitted(table, converged=False)
    fit.provenance["grid"] = {"name": "mine", "digest": grid.digest}
    assert check_fit(fit, grid) == []
    fit.provenance["grid"]["digest"] = "0" * 64
    with pytest.raises(GridError, match="mine: these are other isochrones"):
        check_fit(fit, grid)


def test_a_right_fit_is_good(table):
    p, quality = found(table)
    assert {"hess", "luminosity", "binary_ridge", "colour"} <= set(p)
    assert quality == "good"


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        (["binary_ridge"], {"binary_frac": 0.05}),
        (["luminosity"], {"alpha_1": -0.5, "alpha_2": 3.5}),
        (["colour", "hess"], {"a_v": 0.7}),
    ],
)
def test_a_wrong_fit_is_poor_and_the_fault_is_found(table, names, wrong):
    p, quality = found(table, **wrong)
    assert max(p[name] for name in names) < 0.01
    assert quality == "poor"


def test_a_large_catalogue_is_judged_by_a_part_of_its_stars(table, monkeypatch):
    monkeypatch.setattr("clusterbayes.results.checks._MOST", 120)
    told = []
    checks = {check.name: check for check in check_fit(fitted(table), GRID, n_replicas=200, seed=2, tell=told.append)}
    assert 100 < sum(checks["luminosity"].observed) <= 120
    assert sum(checks["luminosity"].expected) == pytest.approx(120, abs=6)
    assert quality_of(list(checks.values())) == "good"
    assert told == pytest.approx(np.arange(200) / 2.0)


@pytest.mark.parametrize("copied", [True, False])
def test_a_catalogue_with_gaps_is_compared_with_replicas_that_have_them(table, copied, monkeypatch):
    """Three stars of ten lack a band of the diagram; negative control: replicas without gaps have too many stars."""
    gappy = table.copy()
    gappy["Gaia_BP"] = np.where(np.random.default_rng(5).random(N) < 0.3, np.nan, gappy["Gaia_BP"])
    if not copied:
        monkeypatch.setattr("clusterbayes.results.checks._with_gaps", lambda points, catalogue, rng: points)
    p, quality = found(gappy)
    assert (quality == "good") == copied
    assert (p["luminosity"] < 0.01) != copied


@pytest.mark.parametrize("there", [True, False])
def test_a_clump_without_stars_is_found(there):
    """Core helium burning stars may be missing because they are too bright for the camera; control: they are there."""
    grid, old = IsochroneGrid.load("parsec", bands=GAIA), TRUTH | {"log_age": 9.2, "mh": 0.0, "a_v": 0.05}
    stars = simulate_cluster(**old, n_members=2 * N, n_field=0, bands=GAIA, mag_limit="Gaia_G=14.5", seed=6).table
    giants = stars["Gaia_BP"] - stars["Gaia_RP"] > 1.0
    assert giants.sum() > 20
    table = stars[:N] if there else stars[~giants][:N]
    fit = fitted(table, grid=grid, **old)
    fit.mag_limits = ("Gaia_G", -np.inf, 14.5)
    checks = {check.name: check.p for check in check_fit(fit, grid, n_replicas=600, seed=2)}
    assert (checks["red_clump"] > 0.05) == there


def test_a_check_without_numbers_is_left_out(table):
    """Stars that all lie far off the sequence have no colours to compare; they do not count as a check that holds."""
    off = table.copy()
    off["Gaia_BP"] = off["Gaia_BP"] + 1.5
    assert "colour" not in found(off)[0]
    assert "colour" in found(table)[0]


def test_fits_that_ignore_counts_are_checked_by_shape_alone(table):
    assert set(found(table, counts="ignore")[0]) == {"binary_ridge", "colour"}


def test_nothing_is_said_of_a_fit_that_did_not_converge(table):
    assert found(table, converged=False) == ({}, "unchecked")


@pytest.mark.parametrize(("p", "quality"), [(0.5, "good"), (0.02, "fair"), (0.004, "poor")])
def test_classes_follow_the_smallest_p_and_have_a_meaning(p, quality):
    others = [Check("a", "", "", 0.6, (), (), ()), Check("b", "", "", p, (), (), ())]
    assert quality_of(others) == quality
    assert QUALITY[quality]
