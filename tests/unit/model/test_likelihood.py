"""The likelihood on whole isochrones: densities against dense integrals, normalisation, smoothness, threads."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from unit.model import oracle
from unit.model.mocks import GAIA, GRID, OTHER, TRUTH, at_truth, fine_ratios, make_model, mock_table

from clusterbayes.bands import parse_observable
from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model import kernels, kernels_sequence
from clusterbayes.model.binaries import FINE_MASS_RATIOS, MassRatios
from clusterbayes.model.field import FieldDensity
from clusterbayes.model.imf import draw_masses
from clusterbayes.photometry import Photometry


def catalogue(values, errors, observables):
    """Photometry of given values and errors (n_star, n_obs)."""
    ids = np.arange(len(values)).astype(str)
    return Photometry(
        ids=ids,
        observables=tuple(parse_observable(o) for o in observables),
        values=values,
        errors=np.broadcast_to(errors, values.shape).copy(),
        input_row=np.arange(len(values)),
        input_ids=ids,
        drop_reason=np.full(len(values), ""),
        parallax=None,
        parallax_error=None,
        parallax_zero_point="raw",
        ra=None,
        dec=None,
        zero_point_error={},
        table=Table(),
        source="",
        checksum="",
    )


def sequence_density(model, theta):
    """Density of each star under the cluster sequence, normalised over the selected region; sorted order."""
    values = model.parameters.unpack(theta)
    weights = model._run(values, weights=True, moments=False)[1][0, :, 0]
    return weights / (values["member_frac"][0] * (1 - values["outlier_frac"][0]))


def patches(model, theta):
    """List (weight, centre, along, across, slope) of every patch of the model's sequence."""
    population, seq = model._population(model.parameters.unpack(theta)), model._sequence
    n_eep, n_band = seq.nodes.shape[2], seq.matrix.shape[1]
    iso, number = np.empty((n_eep, 3 + n_band)), np.empty(n_eep)
    ratios = np.concatenate([seq.q_nodes, 0.5 * (seq.q_nodes[1:] + seq.q_nodes[:-1])])
    mu = np.empty((1 + ratios.size, seq.matrix.shape[0], n_eep))
    kernels.vertices(
        seq.nodes, *(getattr(population, name)[0] for name in ("i_age", "w_age", "i_mh", "w_mh", "dist_mod", "a_v")),
        population.zero_point[0], population.colour[0], seq.knots, seq.pattern, np.inf, iso,
    )  # fmt: skip
    kernels_sequence.system_magnitudes(iso, 0, ratios, seq.matrix, mu)
    mu = mu.transpose(0, 2, 1)
    kernels_sequence.numbers(iso, 0, *population.alpha[0], seq.imf, number)
    share = np.append(1 - population.binary_frac[0], population.binary_frac[0] * population.q_share[0])
    for k in range(seq.q_nodes.size):
        lower, upper, middle = (0, 0, 0) if k == 0 else (k, k + 1, seq.q_nodes.size + k)
        bulge = mu[middle] - 0.5 * (mu[lower] + mu[upper])
        lean = 0.0 if k == 0 else population.q_lean[0, k - 1]
        for j in range(n_eep - 1):
            weight = share[k] * (number[j + 1] - number[j]) / (number[-1] - number[0])
            if weight > 0:
                yield (
                    weight,
                    *oracle.lay(mu[lower, j : j + 2], mu[upper, j : j + 2], 0.5 * (bulge[j] + bulge[j + 1]), lean),
                )


def dense_log_density(model, theta):
    """Log density of each star by exact integrals over the parallelograms of the model, in its sorted order."""
    listed = list(patches(model, theta))
    result = []
    for y, sigma in zip(model.observed.values, model.observed.errors, strict=True):
        have = np.isfinite(y)
        total = 0.0
        for weight, *corners, slope in listed:
            centre, along, across = (v[have] for v in corners)
            if (np.abs(y[have] - centre) < 0.5 * (np.abs(along) + np.abs(across)) + 7 * sigma[have]).all():
                density = oracle.dot_density if not along.any() else oracle.patch_density
                total += weight * density(y[have], centre, along, across, slope, np.diag(sigma[have] ** 2), 60)
        result.append(np.log(total))
    return np.array(result)


class TestSequence:
    """Stars near a whole isochrone with binaries."""

    @pytest.mark.parametrize("floor", [0.0, 0.02])
    def test_formula_against_exact_integrals(self, floor):
        """The formula is within 0.02 nat of the exact integral over the same patches, the median within 0.001."""
        table = mock_table(60, floor=floor, seed=2)
        for name in GAIA:
            table[f"{name}_error"] = np.hypot(table[f"{name}_error"], floor)
        table["Gaia_RP"][::5] = np.nan
        model = make_model(table, fixed={"q_slope": 0.3} if floor else {})
        theta = at_truth(model)
        difference = (
            np.log(sequence_density(model, theta)) + model.log_selected(theta) - dense_log_density(model, theta)
        )
        assert np.median(np.abs(difference)) < 1e-3
        assert np.max(np.abs(difference)) < 0.02

    def test_few_mass_ratios_against_many(self):
        """How much the default spacing of mass ratios matters: a hundredth of a nat a star at errors of 20 mmag."""
        table = mock_table(400, floor=0.02, seed=3)
        for name in GAIA:
            table[f"{name}_error"] = np.hypot(table[f"{name}_error"], 0.02)
        few, many = make_model(table), make_model(table, mass_ratios=fine_ratios())
        theta = at_truth(few)
        difference = np.log(sequence_density(few, theta)) - np.log(sequence_density(many, theta))
        assert np.median(np.abs(difference)) < 0.03
        assert abs(difference.mean()) < 0.02


class TestSelectedShare:
    """Z, the share of the population that passes the limits."""

    @pytest.mark.parametrize(("bright", "faint"), [(-99.0, 16.0), (11.0, 15.0), (-99.0, 11.5)])
    def test_against_drawn_stars(self, bright, faint):
        model = make_model(mock_table(400, faint=16.5, seed=4), bright=bright, faint=faint, mass_ratios=fine_ratios())
        theta = at_truth(model)
        rng = np.random.default_rng(5)
        n = 400_000
        iso = GRID.isochrone(TRUTH["log_age"], TRUTH["mh"])
        apparent = iso.magnitudes["Gaia_G"] + iso.extinction(TRUTH["a_v"])["Gaia_G"] + TRUTH["dist_mod"]
        mass = draw_masses(rng, n, iso.m_ini[0], iso.m_ini[-1], OTHER["alpha_1"], OTHER["alpha_2"])
        low = model.mass_ratios.nodes[0]
        q = np.where(rng.random(n) < TRUTH["binary_frac"], rng.uniform(low, 1.0, n), 0.0)
        lowest = np.maximum(iso.m_ini[0] / np.maximum(q * mass, 1e-3), 1.0)
        companion = np.interp(q * mass, iso.m_ini, apparent) + 12.5 * np.log10(lowest)
        true = np.interp(mass, iso.m_ini, apparent)
        true = np.where(q > 0, -2.5 * np.log10(10 ** (-0.4 * true) + 10 ** (-0.4 * companion)), true)
        observed = true + model.error_curve(true) * rng.normal(size=n)
        share = np.mean((observed > bright) & (observed < faint))
        error = np.sqrt(share * (1 - share) / n)
        assert abs(np.exp(model.log_selected(theta)[0]) - share) < 4 * error
        assert 0.01 < share < 0.9

    def test_no_limit_selects_all(self):
        model = make_model(mock_table(50), faint=99.0)
        assert model.log_selected(at_truth(model)) == pytest.approx(0.0, abs=1e-12)

    def test_an_invisible_population_is_impossible(self):
        model = make_model(mock_table(50))
        theta = at_truth(model, dist_mod=20.0, log_age=10.0)
        assert model.log_selected(theta)[0] < np.log(1e-4)
        faint = at_truth(model, dist_mod=20.0)
        assert model.log_likelihood(faint)[0] < model.log_likelihood(at_truth(model))[0]


def lattice(observables, bright, faint, sigma):
    """Points and weights that integrate over [bright, faint] in G and all values of one or two colours.

    Gauss-Legendre panels of 2 σ in G, where the limits cut the integrand off, and the trapezoidal rule in the colours.
    """
    node, weight = np.polynomial.legendre.leggauss(6)
    n = int(np.ceil((faint - bright) / (2 * sigma)))
    half = (faint - bright) / (2 * n)
    g = (bright + half * (2 * np.arange(n)[:, None] + 1 + node)).ravel()
    w_g = np.tile(half * weight, n)
    step = 0.7 * sigma
    colour = {"BP": np.arange(-1.0, 2.0, step), "RP": np.arange(-2.2, 1.0, step), "BP-RP": np.arange(-1.2, 3.5, step)}
    axes = [g] + [colour[o] for o in observables[1:]]
    points = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    for a, name in enumerate(observables[1:], start=1):
        if "-" not in name:
            points[:, a] += points[:, 0]  # colours against G to magnitudes: unit Jacobian
    weights = np.repeat(w_g, len(points) // len(g)) * step ** (len(observables) - 1)
    order = np.argsort(points[:, 0], kind="stable")
    return points[order], weights[order]


class TestNormalisation:
    """Both densities of the mixture integrate to one over the selected region."""

    @pytest.mark.parametrize(
        ("observables", "sigma", "bright"),
        [
            (("G", "BP"), 0.03, 4.0),
            (("G", "BP"), 0.1, 11.0),
            (("G", "BP-RP"), 0.05, 4.0),
            (("G", "BP", "RP"), 0.1, 9.0),
        ],
    )
    def test_cluster_density(self, observables, sigma, bright):
        points, weights = lattice(observables, bright, 15.0, sigma)
        model = make_model(catalogue(points, sigma, observables), bright=bright, faint=15.0)
        for changes in ({}, {"log_age": 9.4, "mh": 0.2, "binary_frac": 0.9, "alpha_2": 1.5}):
            theta = at_truth(model, **changes)
            density = sequence_density(model, theta)
            assert weights @ density == pytest.approx(1.0, abs=1e-3)
            unlimited = density * np.exp(model.log_selected(theta))
            assert abs(weights @ unlimited - 1.0) > 0.1  # negative control: Z left out

    def test_cluster_density_with_correlated_errors(self):
        """B−V and V share the floor of V, and the floor is sampled."""
        points, weights = lattice(("G", "BP-RP"), 4.0, 15.0, 0.05)
        points = points + [0.0, -0.4]
        model = make_model(catalogue(points, 0.03, ("V", "B-V")), faint=15.0, fixed={"floor_V": 0.04, "floor_B": 0.03})
        assert model._stars.covariance.shape[0] == len(points)
        assert weights @ sequence_density(model, at_truth(model)) == pytest.approx(1.0, abs=1e-3)

    @pytest.mark.parametrize(("observables", "bright"), [(("G", "BP"), 11.0), (("V", "B-V"), 4.0)])
    def test_cluster_density_with_differential_reddening(self, observables, bright):
        """In the branch of independent errors and in that of correlated ones; limits cut across the dust's direction.

        Negative control: densities of another dispersion than the one that the selected share is of.
        """
        points, weights = lattice(("G", "BP" if "BP" in observables else "BP-RP"), bright, 15.0, 0.05)
        points = points - (0.0 if "BP" in observables else np.array([0.0, 0.4]))
        models = [
            make_model(catalogue(points, 0.05, observables), bright=bright, faint=15.0, fixed={"a_v_dispersion": width})
            for width in (0.2, 0.8)
        ]
        for model in models:
            assert weights @ sequence_density(model, at_truth(model)) == pytest.approx(1.0, abs=1e-3)
        unlimited = sequence_density(models[0], at_truth(models[0])) * np.exp(
            models[0].log_selected(at_truth(models[0]))
        )
        assert abs(weights @ unlimited / np.exp(models[1].log_selected(at_truth(models[1])))[0] - 1.0) > 5e-3

    @pytest.mark.parametrize("observables", [("G", "BP", "RP"), ("G", "BP-RP")])
    def test_field_density(self, observables):
        """The field density that a fit uses, over the same region."""
        table = mock_table(1, 400, faint=15.0, seed=6)
        model = make_model(Photometry.from_table(table, observables=list(observables)), faint=15.0)
        values, errors, kinds = model.observed.field_columns()
        kinds = ["magnitude" if kind else "other" for kind in kinds]
        bright = float(values[:, 0].min()) - 0.05
        field = FieldDensity.fit(values, errors, limits=(bright, 15.0), kinds=kinds, rng=np.random.default_rng(1))
        points, weights = lattice(observables, bright, 15.0, 0.1)
        integral = weights @ np.exp(field.log_density(points, np.full(points.shape, 0.1)))
        assert integral == pytest.approx(1.0, abs=1e-3)

    def test_outliers_are_flat_over_the_box_of_the_stars(self):
        model = make_model(mock_table(100, 60, seed=7), faint=16.0)
        values = model.observed.values
        colours = values[:, :1] - values[:, 1:]
        area = (16.0 - (values[:, 0].min() - 1.0)) * np.prod(np.ptp(colours, axis=0) + 0.5)
        assert model._stars.outlier * area == pytest.approx(1.0, rel=1e-12)


class TestNumbers:
    """Finite, smooth, and the same on any number of threads."""

    def test_threads_and_blocks_do_not_change_a_bit(self):
        table = mock_table(120, 40, seed=8, parallax=True)
        model = make_model(table, model_error=True)
        theta = model.parameters.from_normal(0.05 * np.random.default_rng(9).normal(size=(7, model.parameters.n_dim)))
        one = model.log_likelihood(theta)
        for n_threads in (2, 3):
            model.n_threads = n_threads
            assert np.array_equal(model.log_likelihood(theta), one)
        assert np.array_equal([model.log_likelihood(row[None])[0] for row in theta], one)

    @pytest.mark.parametrize("observables", [("G", "BP", "RP"), ("G", "BP-RP"), ("V", "B-V")])
    def test_no_nan_in_the_prior(self, observables):
        bands = ("V", "B") if "V" in observables else GAIA
        table = mock_table(60, 30, bands=bands, seed=10, parallax=True)
        photometry = Photometry.from_table(table, observables=list(observables))
        photometry.values[::4, -1] = np.nan
        photometry.errors[::4, -1] = np.nan
        model = make_model(photometry, model_error=True)
        z = 2.0 * np.random.default_rng(11).normal(size=(400, model.parameters.n_dim))
        theta = model.parameters.from_normal(z)
        values = model.log_prob(theta)
        assert not np.isnan(values).any()
        assert np.isfinite(values).mean() > 0.5
        assert np.isfinite(model.log_prior(theta)).all()
        probability = model.member_probability(theta[np.isfinite(values)][:20])
        assert ((probability >= 0) & (probability <= 1)).all()

    def test_missing_observables_are_marginalised(self):
        """Leaving BP out of the catalogue or of the stars is the same, but for the outliers' box."""
        table = mock_table(80, seed=12)
        table["Gaia_BP"] = np.nan
        gaps = make_model(catalogue(*_arrays(table, GAIA), GAIA), fixed={"outlier_frac": 0.0})
        table = make_model(catalogue(*_arrays(table, ("Gaia_G", "Gaia_RP")), ("G", "RP")), fixed={"outlier_frac": 0.0})
        # how the bulge of a strip is shared out depends on its extent in all bands, hence 1e-4 a star and not rounding
        assert gaps.log_likelihood(at_truth(gaps)) == pytest.approx(
            table.log_likelihood(at_truth(table)), abs=80 * 1e-4
        )

    def test_parallaxes_of_members(self):
        """A shift of the modulus moves the parallax term as a Gaussian of the stated width does."""
        with_parallax = make_model(mock_table(1, seed=13, parallax=True), fixed={"outlier_frac": 0.0})
        without = make_model(mock_table(1, seed=13), fixed={"outlier_frac": 0.0}, field=np.zeros(1))
        with_parallax = with_parallax.with_field(np.zeros(1))
        parallax, error = with_parallax.observed.parallax[0], with_parallax.observed.parallax_error[0]
        theta = at_truth(with_parallax, parallax_zero_point=0.01, depth=8.0)
        expected = 10 ** (2 - 0.2 * TRUTH["dist_mod"])
        sigma = np.hypot(error, 1e-3 * expected**2 * 8.0)  # 8 pc
        term = -0.5 * ((parallax + 0.01 - expected) / sigma) ** 2 - np.log(np.sqrt(2 * np.pi) * sigma)
        difference = with_parallax.log_likelihood(theta) - without.log_likelihood(at_truth(without))
        assert difference == pytest.approx(term, abs=1e-10)

    @pytest.mark.parametrize(
        "name",
        ["log_age", "mh", "dist_mod", "a_v", "binary_frac", "alpha_2", "floor_Gaia_G", "colour_3.72", "a_v_dispersion"],
    )
    def test_smooth_within_a_cell(self, name):
        """400 steps over 0.02 leave less than 0.01 nat about a Chebyshev curve of degree 20."""
        table = mock_table(250, 50, seed=14)
        model = make_model(table, model_error=True)
        steps = np.linspace(0.0, 0.02, 400)
        start = {"log_age": 8.71, "mh": -0.12, "floor_Gaia_G": 0.002, "a_v_dispersion": 0.01}.get(
            name, TRUTH.get(name, OTHER.get(name, 0.0))
        )
        theta = np.repeat(at_truth(model, floor_Gaia_G=0.005, floor_Gaia_BP=0.005, floor_Gaia_RP=0.005), 400, axis=0)
        theta[:, model.parameters.names.index(name)] = start + steps
        values = model.log_likelihood(theta)
        fit = np.polynomial.Chebyshev.fit(steps, values, 20)
        assert np.ptp(values) > 1e-3
        assert np.max(np.abs(values - fit(steps))) < 0.01

    @pytest.mark.parametrize("name", ["log_age", "mh", "dist_mod", "a_v"])
    def test_smooth_on_the_default_grid(self, name):
        """The same with PARSEC, whose giant branches and loops fold strips into slivers."""
        grid = IsochroneGrid.load("parsec", bands=GAIA)
        model = make_model(mock_table(250, 50, seed=14, grid=grid), grid=grid, model_error=True)
        steps = np.linspace(0.0, 0.02, 400)
        theta = np.repeat(at_truth(model, floor_Gaia_G=0.005, floor_Gaia_BP=0.005, floor_Gaia_RP=0.005), 400, axis=0)
        theta[:, model.parameters.names.index(name)] += steps + (0.022 if name == "log_age" else 0.0)
        values = model.log_likelihood(theta)
        fit = np.polynomial.Chebyshev.fit(steps, values, 20)
        assert np.max(np.abs(values - fit(steps))) < 0.01

    @pytest.mark.parametrize("name", ["mh", "dist_mod", "a_v"])
    def test_smooth_for_exact_models(self, name):
        """The same with errors of 3 mmag and nothing sampled that widens them."""
        grid = IsochroneGrid.load("parsec", bands=GAIA)
        table = mock_table(250, 50, seed=14, grid=grid)
        model = make_model(table, grid=grid, mass_ratios=MassRatios(FINE_MASS_RATIOS))
        steps = np.linspace(0.0, 0.02, 400)
        theta = np.repeat(at_truth(model, log_age=8.73), 400, axis=0)
        theta[:, model.parameters.names.index(name)] += steps
        values = model.log_likelihood(theta)
        assert np.array_equal(values, model.log_likelihood(theta))
        local = [np.polynomial.Chebyshev.fit(steps[i : i + 50], values[i : i + 50], 6) for i in range(0, 400, 50)]
        smooth = np.concatenate([fit(steps[50 * i : 50 * i + 50]) for i, fit in enumerate(local)])
        assert np.ptp(values) > 5.0
        assert np.max(np.abs(values - smooth)) < 0.01

    def test_doubled_mass_ratios_hardly_move_differences(self):
        """Standard deviation over a posterior's width of the change, for 400 stars with errors of 10 mmag."""
        table = mock_table(400, floor=0.01, seed=3)
        for name in GAIA:
            table[f"{name}_error"] = np.hypot(table[f"{name}_error"], 0.01)
        spread = np.random.default_rng(15).normal(size=(24, 4)) * [0.0015, 0.005, 0.005, 0.015]
        moved = {}
        for label, nodes in (("default", MassRatios().nodes), ("few", (0.1, 0.55, 1.0))):
            middles = 0.5 * (np.array(nodes[1:]) + nodes[:-1])
            pair = [make_model(table, mass_ratios=MassRatios(tuple(np.union1d(q, nodes)))) for q in (nodes, middles)]
            names = ("log_age", "mh", "dist_mod", "binary_frac")
            theta = [
                at_truth(pair[0], **{n: TRUTH[n] + shift for n, shift in zip(names, row, strict=True)})
                for row in spread
            ]
            values = [model.log_likelihood(np.concatenate(theta)) for model in pair]
            moved[label] = np.std(values[1] - values[0])
            assert 0.7 < np.std(values[0]) < 2.0  # √2 over a Gaussian posterior in four dimensions
        assert moved["default"] < 0.05 * np.sqrt(0.4)
        assert moved["few"] > 0.1  # negative control


def _arrays(table, bands):
    """Values and errors (n_star, n_band) of a simulated table; errors are missing where values are."""
    values = np.stack([np.asarray(table[b], float) for b in bands], axis=1)
    errors = np.stack([np.asarray(table[f"{b}_error"], float) for b in bands], axis=1)
    return values, np.where(np.isnan(values), np.nan, errors)
