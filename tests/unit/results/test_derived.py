from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from scipy.integrate import quad
from unit.results.synthetic import make_result

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.results.census import (
    hr_table,
    luminosity_function,
    mass_function_table,
    mean_mass_ratio,
    star_mass_range,
    total_mass,
)
from clusterbayes.results.derived import DerivedOptions, derive, galactic, mean_direction
from clusterbayes.results.kinematics import deconvolved, dynamical_mass

CENTRE = (359.98, -61.6)
MOTION, DISPERSION, ERROR = (-6.7, 1.0), 0.2, 0.3
FEW = DerivedOptions(n_draw=150)


def made(**changed):
    """A result whose members surround a centre at 0 h, move together, and scatter by a known amount."""
    result = make_result()
    rng = np.random.default_rng(4)
    n, member = len(result.stars), np.nan_to_num(result.p_member) > 0.5
    scale = np.where(member, 0.1, 1.0)
    result.stars["ra"] = (CENTRE[0] + scale * rng.normal(0, 1, n) / np.cos(np.radians(CENTRE[1]))) % 360.0
    result.stars["dec"] = CENTRE[1] + scale * rng.normal(0, 1, n)
    for name, mean in zip(("pmra", "pmdec"), MOTION, strict=True):
        true = rng.normal(mean, np.where(member, DISPERSION, 5.0), n)
        result.stars[name], result.stars[f"{name}_error"] = rng.normal(true, ERROR), ERROR
    result.provenance["fixed"] |= {"alpha_2": 2.3}
    result.stars["p_member"] = np.where(np.isfinite(result.p_member), member.astype(float), np.nan)
    for name, value in changed.items():
        result.stars[name] = value
    return result


@pytest.fixture(scope="module")
def derived():
    return derive(made(), FEW)


def test_parameters_carry_their_posterior(derived):
    summary = {name: quantity.summary() for name, quantity in derived.quantities.items()}
    result = make_result()
    assert FEW.n_draw < result.n_draw  # what costs nothing has all draws, as the summary has
    for name in ("distance", "age_gyr", "ebv"):
        assert summary[name]["median"] == pytest.approx(np.median(result.draws[name]), rel=1e-12)
    assert summary["age_myr"]["median"] == pytest.approx(1000 * summary["age_gyr"]["median"])
    assert summary["ebv"]["std"] == pytest.approx(result.draws["ebv"].std(), rel=0.3)
    assert derived.quantities["distance"].unit == "pc"


def test_the_centre_is_right_across_zero_hours(derived):
    ra = derived.quantities["ra"].summary()
    assert abs((ra["median"] - CENTRE[0] + 180) % 360 - 180) < 5 * ra["std"] < 0.2
    assert derived.quantities["dec"].summary()["median"] == pytest.approx(CENTRE[1], abs=0.05)


@pytest.mark.parametrize(("ra", "dec"), [(174.06, -61.61), (10.0, 41.0), (83.8, -5.4), (300.0, 35.0), (266.4, -28.9)])
def test_galactic_longitude_is_right_all_over_the_sky(ra, dec):
    # atan2 needs both of its signs: with one, half of the sky is 180 degrees off.
    place = SkyCoord(ra * u.deg, dec * u.deg).galactic
    lon, lat = galactic(ra, dec)
    assert (float(lon), float(lat)) == pytest.approx((place.l.deg, place.b.deg), abs=1e-9)


def test_galactic_longitude_of_a_known_cluster():
    lon, lat = galactic(174.06, -61.61)  # NGC 3766, of which a known table says l = 114.119
    assert float(lon) == pytest.approx(294.119, abs=0.01)
    assert float(lat) == pytest.approx(-0.032, abs=0.01)


def test_means_of_directions():
    assert mean_direction(np.array([359.0, 1.0]), np.array([10.0, 10.0]), np.ones(2))[0] % 360 == pytest.approx(
        0, abs=1e-9
    )
    ra, dec = mean_direction(np.array([0.0, 180.0]), np.array([80.0, 80.0]), np.ones(2))
    assert dec == pytest.approx(90.0)


def test_the_half_number_radius_is_that_of_the_members(derived):
    # A round Gaussian holds half of its stars within 1.1774 standard deviations.
    radius = derived.quantities["half_number_radius"].summary()
    assert abs(radius["median"] - 0.11774) < 4 * radius["std"]
    assert 0.001 < radius["std"] < 0.02
    parsec = derived.quantities["half_number_radius_pc"].summary()["median"]
    assert parsec == pytest.approx(np.tan(np.radians(radius["median"])) * 831.8, rel=0.03)


def test_the_dispersion_is_freed_of_the_errors(derived):
    dispersion = derived.quantities["pm_dispersion"].summary()
    assert abs(dispersion["median"] - DISPERSION) < 4 * dispersion["std"]
    assert dispersion["median"] + 5 * dispersion["std"] < np.hypot(DISPERSION, ERROR)  # what the scatter itself is
    for name, mean in zip(("mean_pm_ra", "mean_pm_dec"), MOTION, strict=True):
        summary = derived.quantities[name].summary()
        assert abs(summary["median"] - mean) < 4 * summary["std"]


def test_dynamical_mass_follows_from_dispersion_and_radius(derived):
    parts = [derived.quantities[name].draws for name in ("velocity_dispersion", "half_number_radius_pc")]
    np.testing.assert_allclose(derived.quantities["dynamical_mass"].draws, dynamical_mass(*parts))
    distance = derived.quantities["distance"].draws[: FEW.n_draw]
    sigma = 4.740470463 * derived.quantities["pm_dispersion"].draws * distance / 1000
    np.testing.assert_allclose(parts[0], sigma)
    # 1 km/s and 1 pc, by hand: 9.75 / 0.00430091727
    assert dynamical_mass(np.array([1.0]), np.array([1.0]))[0] == pytest.approx(2266.96, rel=1e-5)


def test_the_dispersion_has_no_preferred_side_or_direction():
    rng = np.random.default_rng(2)
    motion, error = rng.gamma(2.0, 0.3, (400, 2)), rng.uniform(0.05, 0.2, (400, 2))  # as lopsided as may be
    weight = np.ones(400)
    mean, sigma = deconvolved(motion, error, weight)
    for turned, expected in ((-motion, -mean), (motion[:, ::-1], mean[::-1])):
        new_mean, new_sigma = deconvolved(turned, error if expected[0] == -mean[0] else error[:, ::-1], weight)
        np.testing.assert_allclose(new_mean, expected, atol=1e-3)
        assert new_sigma == pytest.approx(sigma, rel=1e-3)


def test_without_a_dispersion_none_is_found():
    rng = np.random.default_rng(3)
    sigma = [deconvolved(rng.normal(0, 0.1, (200, 2)), np.full((200, 2), 0.1), np.ones(200))[1] for _ in range(20)]
    assert np.median(sigma) < 0.03
    assert min(sigma) == 0.0
    assert deconvolved(np.zeros((9, 2)), np.ones((9, 2)), np.ones(9))[1] == 0.0


def test_the_total_mass_is_the_integral_of_the_mass_function():
    slopes = (np.array([1.3]), np.array([2.3]))

    def density(m):
        return (m / 0.5) ** (-1.3 if m < 0.5 else -2.3)

    mass = quad(lambda m: m * density(m), 0.1, 0.5)[0] + quad(lambda m: m * density(m), 0.5, 8.0)[0]
    number = quad(density, 0.6, 3.0)[0]
    found = total_mass(
        np.array([100.0]), slopes, law="kroupa", covered=(0.6, 3.0), limits=(0.1, 8.0), companions=np.array([0.2])
    )
    assert found[0] == pytest.approx(100.0 * 1.2 * mass / number, rel=1e-3)


@pytest.mark.parametrize("law", ["chabrier", "salpeter"])
def test_other_mass_functions_are_continuous_at_their_break(law):
    both = [
        total_mass(
            np.array([1.0]), (np.array([1.3]), np.array([2.35])), law=law, covered=(0.2, 3.0), limits=limits,
            companions=np.zeros(1),
        )[0]
        for limits in ((0.2, 3.0), (0.2, 1.0), (1.0, 3.0))
    ]  # fmt: skip
    assert both[0] == pytest.approx(both[1] + both[2], rel=1e-3)


def test_mean_mass_ratio_of_the_flat_law():
    np.testing.assert_allclose(mean_mass_ratio("flat", np.zeros(3)), 0.55, rtol=1e-3)


def test_the_total_mass_states_its_limits(derived):
    about = derived.quantities["total_mass"].about
    assert "0.1 to 1.81 Msun" in about  # nothing more massive than the best isochrone's last star lives
    assert "without remnants" in about
    low, high = star_mass_range(made())
    assert 0.1 < low < 0.7 < high == pytest.approx(1.81)


def test_what_the_data_lack_is_left_out_with_a_note():
    derived = derive(make_result(), DerivedOptions(n_draw=50))
    assert {"distance", "n_members"} <= derived.quantities.keys()
    assert not {"ra", "pm_dispersion", "total_mass", "dynamical_mass"} & derived.quantities.keys()
    assert len(derived.notes) >= 3


def test_a_sampled_motion_is_the_fits_own():
    result = made()
    for name, value in (("pm_ra", -1.0), ("pm_dec", 2.0), ("pm_dispersion", 0.5)):
        result.draws[name] = np.full(result.n_draw, value)
    assert derive(result, FEW).quantities["pm_dispersion"].summary()["median"] == 0.5


def test_seeds_give_the_same_numbers(derived):
    again = derive(made(), FEW)
    assert all(np.array_equal(derived.quantities[k].draws, again.quantities[k].draws) for k in derived.quantities)


def test_nobody_is_a_member():
    with pytest.raises(InputError, match="no star may be a member"):
        derive(made(p_member=0.0))


def test_a_centre_outside_of_all_members_is_refused():
    with pytest.raises(SettingsError, match=r"center, value 10,10: this is \S+ deg from the middle of the members"):
        derive(made(), replace(FEW, center=(10.0, 10.0)))
    near = derive(made(), replace(FEW, center=(0.02, -61.55))).quantities
    assert near["half_number_radius"].summary()["median"] < 0.3


@pytest.mark.parametrize("limits", [(0.0, 1.0), (2.0, 1.0), (np.nan, 1.0)])
def test_impossible_mass_limits(limits):
    with pytest.raises(SettingsError, match="mass_limits"):
        DerivedOptions(mass_limits=limits)


def test_the_functions_count_every_member_once():
    result = make_result()
    p = np.nan_to_num(result.p_member)
    light, mass = luminosity_function(result), mass_function_table(result)
    assert light["n_member"].sum() == pytest.approx(p[np.isfinite(result.stars["Gaia_G"])].sum())
    assert mass["n_member"].sum() == pytest.approx(p[np.isfinite(result.stars["mass"])].sum())
    np.testing.assert_allclose(mass["dn_dm"] * (mass["high"] - mass["low"]), mass["n_member"])
    assert not light["complete"][light["high"] > 18.5].any()
    assert light["complete"][light["high"] <= 18.5].all()


def test_a_broad_mass_is_spread_over_the_bins():
    result = made(mass_std=0.3)
    sharp, broad = mass_function_table(made(mass_std=1e-4)), mass_function_table(result)
    assert np.std(broad["n_member"]) < np.std(sharp["n_member"])


def test_the_table_for_the_hr_diagram_has_every_row():
    result = make_result()
    table = hr_table(result)
    assert isinstance(table, Table)
    assert table["id"].tolist() == result.stars["id"].tolist()
    assert {"log_teff", "log_lum", "p_member", "log_teff_std"} <= set(table.colnames)


def test_a_star_on_the_edge_of_a_bin_is_counted():
    """Bins hold their lower edge; a single member at a round magnitude once made a table without a bin."""
    result = make_result(n_member=5, n_field=2)
    stars = result.stars.copy()
    stars["Gaia_G"] = np.full(len(stars), 12.0)
    table = luminosity_function(replace(result, stars=stars))
    assert float(table["n_member"].sum()) == pytest.approx(float(np.nansum(result.p_member)))
    assert (float(table["low"][0]), float(table["high"][0])) == (12.0, 12.5)
