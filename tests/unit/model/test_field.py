import json

import numpy as np
import pytest

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.model.field import UNIFORM_FRACTION, FieldDensity

LIMITS = (10.0, 18.0)


def field_stars(n_star, rng, kind="colour"):
    """Magnitude, colour and parallax of a made-up field; a second magnitude in place of the colour if asked for."""
    magnitude = 18.0 - np.minimum(rng.exponential(1.8, n_star), 7.9)
    giant = rng.random(n_star) < 0.3
    colour = np.where(giant, 1.4, 0.6 + 0.08 * (magnitude - 10.0)) + 0.12 * rng.standard_normal(n_star)
    parallax = 0.5 + 0.3 * rng.standard_normal(n_star)
    values = np.column_stack([magnitude, magnitude - colour if kind == "magnitude" else colour, parallax])
    errors = np.column_stack([np.full(n_star, 0.01), rng.uniform(0.01, 0.08, n_star), rng.uniform(0.05, 0.3, n_star)])
    values[:, 1:] += (errors * rng.standard_normal(values.shape))[:, 1:]
    values[:, 1:][rng.random((n_star, 2)) < 0.1] = np.nan
    return values, errors


@pytest.fixture(scope="module", params=["colour", "magnitude"])
def density(request):
    rng = np.random.default_rng(1)
    values, errors = field_stars(600, rng, request.param)
    kinds = ("magnitude", "magnitude", "other") if request.param == "magnitude" else None
    return FieldDensity.fit(values, errors, limits=LIMITS, rng=rng, kinds=kinds, n_components=3)


def integral(density, missing, error):
    """Integrate over [bright, faint] and far beyond the data in the columns that are not missing."""
    axes = [np.linspace(*LIMITS, 61)]
    for column in range(1, 3):
        low, high = density.box[column]
        width = high - low
        # Edges of the uniform part fall between nodes.
        axes.append(np.array([np.nan]) if column in missing else np.linspace(low - width, high + width, 181))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    errors = np.broadcast_to(error, grid.shape)
    values = np.exp(density.log_density(grid.reshape(-1, 3), errors.reshape(-1, 3))).reshape(grid.shape[:-1])
    for column in (2, 1):
        values = values[..., 0] if column in missing else np.trapezoid(values, axes[column], axis=column)
    return np.trapezoid(values, axes[0])


@pytest.mark.parametrize("missing", [(), (1,), (2,), (1, 2)])
@pytest.mark.parametrize("error", [(0.01, 0.02, 0.1), (0.2, 0.3, 0.5)])
def test_density_integrates_to_one(density, missing, error):
    # The grid resolves the jump of the uniform part to about 1 % of its share, the trapezoid the rest.
    assert integral(density, missing, np.array(error)) == pytest.approx(1.0, abs=2e-3)


def test_two_columns_integrate_to_one():
    values, errors = field_stars(300, np.random.default_rng(2))
    density = FieldDensity.fit(values[:, :2], errors[:, :2], limits=LIMITS, rng=np.random.default_rng(0))
    magnitude, colour = np.linspace(*LIMITS, 201), np.linspace(-4.0, 6.0, 1501)
    grid = np.stack(np.meshgrid(magnitude, colour, indexing="ij"), axis=-1).reshape(-1, 2)
    values = np.exp(density.log_density(grid, np.full(grid.shape, 0.03))).reshape(201, 1501)
    assert np.trapezoid(np.trapezoid(values, colour), magnitude) == pytest.approx(1.0, abs=5e-4)


def test_density_without_the_conditional_noise_would_not_integrate_to_one(density):
    # Negative control of the integral: noise in the joint density only.
    from clusterbayes.model import field

    def careless(mixture, data, noise):
        joint = mixture.log_density(data, noise)
        return joint - mixture.marginal([0]).log_density(data[:, :1], 0.0 * noise[:, :1, :1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(field, "conditional_log_density", careless)
        assert abs(integral(density, (), np.array([0.5, 0.3, 0.5])) - 1.0) > 2e-3


def test_one_column_is_the_counts_alone():
    values, errors = field_stars(300, np.random.default_rng(3))
    density = FieldDensity.fit(values[:, :1], errors[:, :1], limits=LIMITS, rng=np.random.default_rng(0))
    stars = values[:, :1]
    expected = np.log((1 - UNIFORM_FRACTION) * np.exp(density.counts.log_density(stars[:, 0])) + UNIFORM_FRACTION / 8.0)
    np.testing.assert_allclose(density.log_density(stars, errors[:, :1]), expected, rtol=1e-9)


def test_magnitudes_and_their_colours_have_the_same_density():
    rng = np.random.default_rng(4)
    values, errors = field_stars(400, rng)
    values, errors = values[:, :2], errors[:, :2] * [1e-6, 1.0]
    other = values.copy()
    other[:, 1] += values[:, 0]
    as_colour = FieldDensity.fit(values, errors, limits=LIMITS, rng=np.random.default_rng(5), n_components=3)
    as_magnitude = FieldDensity.fit(
        other, errors, limits=LIMITS, rng=np.random.default_rng(5), n_components=3, kinds=("magnitude", "magnitude")
    )
    observed = ~np.isnan(values[:, 1])
    np.testing.assert_allclose(
        as_magnitude.mixture.means, as_colour.mixture.means, atol=1e-6, err_msg="a magnitude is used as a colour"
    )
    np.testing.assert_allclose(
        np.exp(as_magnitude.log_density(other, errors))[observed],
        np.exp(as_colour.log_density(values, errors))[observed],
        rtol=2e-3,
        atol=2e-4,  # the boxes of the uniform parts differ
    )


def test_outside_the_limits_there_is_nothing(density):
    values = np.array([[9.99, 1.0, 0.5], [18.01, np.nan, np.nan]])
    assert np.isneginf(density.log_density(values, np.full((2, 3), 0.1))).all()


def test_an_odd_star_in_the_box_has_the_uniform_density(density):
    corner = np.array([[10.0, density.box[1, 1], density.box[2, 0]]])
    floor = np.log(UNIFORM_FRACTION) - np.log(density.box[:, 1] - density.box[:, 0]).sum()
    found = density.log_density(corner, np.full((1, 3), 0.01))[0]
    assert floor <= found < floor + 5.0


def test_sample_follows_the_density(density):
    draws = density.sample(4000, np.random.default_rng(6))
    assert draws.shape == (4000, 3) and np.isfinite(draws).all()
    assert ((draws[:, 0] >= LIMITS[0]) & (draws[:, 0] <= LIMITS[1])).all()
    # Importance identity: the mean of u/p over draws from p is one for any density u inside the support of p.
    slanted = draws.copy()
    if density.kinds[1] == "magnitude":
        slanted[:, 1] -= draws[:, 0]  # a colour, with unit Jacobian
    low, high = np.quantile(slanted, 0.1, axis=0), np.quantile(slanted, 0.9, axis=0)
    inside = ((slanted >= low) & (slanted <= high)).all(axis=1)
    ratio = inside / np.prod(high - low) / np.exp(density.log_density(draws, np.zeros(draws.shape)))
    assert ratio.mean() == pytest.approx(1.0, abs=4 * ratio.std() / np.sqrt(len(draws)))


def test_round_trip_through_json(density):
    values, errors = field_stars(50, np.random.default_rng(7))
    again = FieldDensity.from_dict(json.loads(json.dumps(density.to_dict())))
    assert np.array_equal(again.log_density(values, errors), density.log_density(values, errors))
    assert again.kinds == density.kinds and again.limits == density.limits


def test_same_seed_same_density():
    values, errors = field_stars(300, np.random.default_rng(8))
    first, second = (
        FieldDensity.fit(values, errors, limits=LIMITS, rng=np.random.default_rng(9)).to_dict() for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("n_star", [1, 2, 5, 7])
def test_few_stars_give_a_broad_gaussian(n_star):
    values, errors = field_stars(n_star, np.random.default_rng(10))
    density = FieldDensity.fit(values, errors, limits=LIMITS, rng=np.random.default_rng(0))
    assert density.mixture.n_component == 1 and density.counts.coefficients == ()
    assert np.isfinite(density.log_density(values, errors)).all()


def test_small_weights_are_few_stars_but_all_shape_the_covariance():
    values, errors = field_stars(400, np.random.default_rng(11))
    density = FieldDensity.fit(values, errors, limits=LIMITS, rng=np.random.default_rng(0), weights=np.full(400, 0.01))
    assert density.n_effective == pytest.approx(4.0)
    assert density.counts.coefficients == ()
    spread = np.sqrt(np.diagonal(density.mixture.covariances[0]))
    np.testing.assert_allclose(spread, np.nanstd(values, axis=0), rtol=0.05)


def test_a_column_with_no_value_at_all_is_harmless():
    values, errors = field_stars(100, np.random.default_rng(12))
    values[:, 2] = np.nan
    density = FieldDensity.fit(values, errors, limits=LIMITS, rng=np.random.default_rng(0))
    without = FieldDensity.fit(values[:, :2], errors[:, :2], limits=LIMITS, rng=np.random.default_rng(0))
    difference = density.log_density(values, errors) - without.log_density(values[:, :2], errors[:, :2])
    assert np.abs(difference).mean() < 0.2


def test_components_stay_wide_when_asked_to():
    rng = np.random.default_rng(13)
    values, errors = field_stars(1000, rng)
    narrow = np.column_stack([rng.uniform(12.0, 17.0, 500), np.full(500, 0.3), np.full(500, 1.5)])
    narrow[:, 1:] += 0.01 * rng.standard_normal((500, 2))
    both, both_errors = np.concatenate([values, narrow]), np.concatenate([errors, np.full((500, 3), 0.01)])
    log_density = {
        scale: FieldDensity.fit(
            both, both_errors, limits=LIMITS, rng=np.random.default_rng(0), n_components=4, min_scale=scale
        ).log_density(narrow, np.full((500, 3), 0.01))
        for scale in (0.02, 0.4)
    }
    assert log_density[0.02].mean() - log_density[0.4].mean() > 1.0


def test_bad_input_is_named():
    values, errors = field_stars(50, np.random.default_rng(14))
    rng = np.random.default_rng(0)

    def fit(values=values, errors=errors, limits=LIMITS, **options):
        return FieldDensity.fit(values, errors, limits=limits, rng=rng, **options)

    without_magnitude = values.copy()
    without_magnitude[3, 0] = np.nan
    with pytest.raises(InputError, match="row 3.*primary magnitude"):
        fit(without_magnitude)
    with pytest.raises(InputError, match="error of a field value"):
        fit(errors=-errors)
    with pytest.raises(InputError, match="none of 50 field stars"):
        fit(limits=(1.0, 2.0))
    with pytest.raises(InputError, match="weights"):
        fit(weights=np.full(50, 1.5))
    with pytest.raises(InputError, match="shapes"):
        fit(errors=errors[:, :2])
    with pytest.raises(SettingsError, match="kinds"):
        fit(kinds=("magnitude", "colour", "other"))
    with pytest.raises(SettingsError, match="n_components"):
        fit(n_components=0)
    with pytest.raises(SettingsError, match="min_scale"):
        fit(min_scale=0.0)
    with pytest.raises(SettingsError, match="limits"):
        fit(limits=(18.0, 10.0))
