"""Parameters: default priors, what users may set, and θ as named columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.errors import SettingsError
from clusterbayes.model.parameters import COLOUR_KNOTS, ParameterSet, default_priors, unit_of
from clusterbayes.model.priors import Beta, Normal, Uniform

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP")


def defaults(**options):
    return default_priors(**{"log_age_range": (6.6, 10.13), "mh_range": (-2.2, 0.5), "bands": BANDS} | options)


def build(priors=None, fixed=None, **options):
    return ParameterSet.build(*defaults(**options), user_priors=priors, user_fixed=fixed)


class TestDefaults:
    def test_nothing_is_both_free_and_held(self):
        for options in ({}, {"has_field": False}, {"model_error": False}, {"parallax_zero_point": "raw"}):
            priors, fixed = defaults(**options)
            assert not set(priors) & set(fixed)
            assert {"log_age", "mh", "dist_mod", "a_v", "binary_frac", "alpha_1", "alpha_2"} <= set(priors)

    def test_all_ways_name_the_same_parameters(self):
        names = {frozenset([*priors, *fixed]) for priors, fixed in (
            defaults(), defaults(has_field=False), defaults(model_error=False), defaults(parallax_zero_point="applied")
        )}  # fmt: skip
        assert len(names) == 1

    def test_ages_and_metallicities_stay_within_the_grid(self):
        priors, _ = defaults()
        assert (priors["log_age"].low, priors["log_age"].high) == (6.6, 10.13)
        assert (priors["mh"].low, priors["mh"].high) == (-2.2, 0.5)

    def test_matched_models_have_no_errors(self):
        priors, fixed = defaults(model_error=False)
        assert not any(name.startswith(("floor_", "zero_point_", "colour_", "a_v_", "log_age_")) for name in priors)
        assert all(fixed[f"{kind}_{band}"] == 0.0 for kind in ("floor", "zero_point") for band in BANDS)
        assert all(fixed[f"colour_{knot:.2f}"] == 0.0 for knot in COLOUR_KNOTS)

    def test_known_colours_are_used_at_their_knots(self):
        priors, _ = defaults(known_faults={"colour_3.51": (0.1, 0.04), "log_age_offset": (0.01, 0.03)})
        assert priors["log_age_offset"] == Normal(0.01, 0.03)
        assert priors["colour_3.51"] == Normal(0.1, 0.04)
        assert all(
            priors[f"colour_{knot:.2f}"] == Normal(0.0, width) for knot, width in COLOUR_KNOTS.items() if knot != 3.51
        )

    @pytest.mark.parametrize("learned", [False, True])
    def test_what_families_share_is_free_unless_clusters_have_taught_the_knots(self, learned):
        priors, fixed = defaults(
            known_faults={"log_age_offset": (0.0, 0.03)} | ({"colour_3.51": (0.1, 0.04)} if learned else {})
        )
        assert ("colour_family" in priors, fixed.get("colour_family") == 0.0) == (not learned, learned)

    def test_the_parallax_zero_point_follows_the_catalogue(self):
        assert defaults(parallax_zero_point="raw")[0]["parallax_zero_point"] == Normal(0.035, 0.012)
        assert defaults(parallax_zero_point="applied")[0]["parallax_zero_point"] == Normal(0.0, 0.012)
        assert defaults()[1]["parallax_zero_point"] == 0.0

    def test_known_zero_points_are_used(self):
        priors, fixed = defaults(bands=("Gaia_G", "V", "I"), zero_point_error={"Gaia_G": 0.004, "V": 0.0})
        assert priors["zero_point_Gaia_G"] == Normal(0.0, 0.004)
        assert fixed["zero_point_V"] == 0.0
        assert priors["zero_point_I"] == Normal(0.0, 0.02)

    def test_zero_points_that_nobody_knows_are_free_but_for_gaia(self):
        bands = ("Gaia_G", "Gaia_RP", "SDSS_r", "2MASS_Ks")
        priors, fixed = defaults(bands=bands)
        assert {name: prior for name, prior in priors.items() if name.startswith("zero_point_")} == {
            "zero_point_SDSS_r": Normal(0.0, 0.02), "zero_point_2MASS_Ks": Normal(0.0, 0.02),
        }  # fmt: skip
        assert (fixed["zero_point_Gaia_G"], fixed["zero_point_Gaia_RP"]) == (0.0, 0.0)

    def test_no_field_means_all_are_members(self):
        assert defaults(has_field=False)[1]["member_frac"] == 1.0

    @pytest.mark.parametrize(
        ("name", "unit"),
        [
            ("log_age", "log10(yr)"),
            ("distance", "pc"),
            ("floor_V", "mag"),
            ("colour_4.05", "mag"),
            ("colour_family", "mag"),
            ("a_v_dispersion", "mag"),
            ("alpha_1", ""),
        ],
    )
    def test_units(self, name, unit):
        assert unit_of(name) == unit


class TestUser:
    def test_a_prior_replaces_the_default(self):
        parameters = build({"mh": "normal(0, 0.1)", "binary_frac": "beta(2, 3)"})
        assert parameters.priors["mh"] == Normal(0.0, 0.1, -2.2, 0.5)  # cut at the grid's ends
        assert parameters.priors["binary_frac"] == Beta(2.0, 3.0)

    def test_a_prior_frees_what_was_held(self):
        parameters = build({"q_slope": "normal(0, 0.5)"})
        assert "q_slope" in parameters.names
        assert "q_slope" not in parameters.fixed

    def test_a_value_holds_what_was_free(self):
        parameters = build(fixed={"log_age": 8.5})
        assert parameters.fixed["log_age"] == 8.5
        assert "log_age" not in parameters.names

    def test_the_order_of_free_parameters_is_kept(self):
        order = [name for name in build().names if name != "mh"]
        assert list(build(fixed={"mh": 0.0}).names) == order

    @pytest.mark.parametrize(
        ("name", "idle", "held"),
        [("a_v_dispersion", {"a_v": 0.0}, {"a_v": 0.1}), ("log_age_offset", {"log_age": 8.5}, {"mh": 0.0})],
    )
    def test_what_makes_no_difference_is_held(self, name, idle, held):
        """No dust that could differ, no age but the isochrone's; unless the user has a prior of it."""
        assert build(fixed=idle).fixed[name] == 0.0
        assert name in build(fixed=held).names
        assert name in build({name: "normal(0, 0.1)" if "age" in name else "halfnormal(0.1)"}, idle).names

    @pytest.mark.parametrize("name", ["a_v_dispersion", "depth", "floor_Gaia_G"])
    def test_a_width_is_not_negative(self, name):
        with pytest.raises(SettingsError, match=f"{name} cannot be held"):
            build(fixed={name: -0.01})

    def test_uniform_priors_are_cut_at_the_grid(self):
        assert build({"log_age": "uniform(9, 12)"}).priors["log_age"] == Uniform(9.0, 10.13)

    @pytest.mark.parametrize(
        ("priors", "fixed", "message"),
        [
            ({"log_aeg": "uniform(8, 9)"}, {}, "log_age"),
            ({}, {"bynary_frac": 0.3}, "binary_frac"),
            ({"log_age": "uniform(11, 12)"}, {}, "outside|6.6 to 10.13"),
            ({}, {"log_age": 11.0}, r"6.6 to 10.13 log10\(yr\)"),
            ({}, {"ebv": 0.1}, r"follows from one.*set a_v = R_V ebv, 3\.1 ebv"),
            ({"age_gyr": "normal(2, 1)"}, {}, r"set log_age = log10\(age in years\)"),
            ({"distance": "normal(300, 9)"}, {}, r"set dist_mod = 5 log10\(distance / 10 pc\)"),
            ({}, {"Metallicity": 0.0}, "set mh = "),
            ({}, {"log_age": float("nan")}, "6.6 to 10.13"),
            ({"mh": "normal(0, 0.1)"}, {"mh": 0.0}, "both"),
            ({"mh": "gauss(0, 0.1)"}, {}, "not understood"),
            ({"log_age": "exponential(9)"}, {}, "6.6 to 10.13"),
        ],
    )
    def test_mistakes_are_refused(self, priors, fixed, message):
        with pytest.raises(SettingsError, match=message):
            build(priors, fixed)


class TestTheta:
    @given(st.integers(1, 5), st.integers(0, 2**32 - 1))
    def test_pack_and_unpack_are_inverse(self, n_walkers, seed):
        parameters = build(fixed={"a_v": 0.2})
        theta = parameters.from_normal(np.random.default_rng(seed).normal(size=(n_walkers, parameters.n_dim)))
        values = parameters.unpack(theta)
        assert np.array_equal(parameters.pack(values), theta)
        assert np.array_equal(values["a_v"], np.full(n_walkers, 0.2))
        assert set(values) == {*parameters.names, *parameters.fixed}

    def test_scalars_are_repeated(self):
        parameters = build()
        values = dict.fromkeys(parameters.names, 0.5) | {"log_age": np.array([8.0, 8.5, 9.0])}
        assert parameters.pack(values).shape == (3, parameters.n_dim)

    def test_one_row_will_do(self):
        parameters = build()
        theta = parameters.from_normal(np.zeros(parameters.n_dim))
        assert theta.shape == (1, parameters.n_dim)
        assert parameters.log_prior(theta[0]).shape == (1,)

    def test_normal_variates_and_back(self):
        parameters = build(parallax_zero_point="raw")
        z = np.random.default_rng(1).normal(size=(50, parameters.n_dim))
        assert parameters.to_normal(parameters.from_normal(z)) == pytest.approx(z, abs=1e-8)

    def test_log_prior_is_the_sum(self):
        parameters = build()
        theta = parameters.from_normal(np.random.default_rng(2).normal(size=(4, parameters.n_dim)))
        parts = [prior.log_pdf(theta[:, i]) for i, prior in enumerate(parameters.priors.values())]
        assert parameters.log_prior(theta) == pytest.approx(np.sum(parts, axis=0))
        theta[1, parameters.names.index("a_v")] = -0.1
        assert np.array_equal(np.isfinite(parameters.log_prior(theta)), [True, False, True, True])
