"""Compiled kernels against the plain oracle: random patches, lines, degenerate ones, and tables against scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special, stats
from unit.model import oracle

from clusterbayes.model import (
    kernels,
    kernels_gauss,
    kernels_normal,
    kernels_patch,
    kernels_sequence,
    kernels_stars,
    kernels_strip,
)
from clusterbayes.model.cuts import LimitColumns
from clusterbayes.model.selection import ErrorCurve, Selection

TABLE = kernels.normal_table()
NO_LIMITS = Selection("G").limits(ErrorCurve(np.linspace(-50.0, 50.0, 101), np.full(101, 0.01)))
NO_CUTS = LimitColumns((), (), (), 0).cuts
LOG_SIGMA = st.floats(np.log10(3e-4), np.log10(0.3))
FAR = 6.0  # σ: stars are compared where their density is above exp(-FAR²/2) of the largest possible


class Chain:
    """A random chain of patches with its population, and stars near it."""

    def __init__(self, seed, n_obs, log_sigma, *, correlated=False, missing=False, reddened=False, n_q=2, bend=0.2):
        rng = np.random.default_rng(seed)
        n_eep, n_star = 5, 6
        steps = rng.normal(size=(n_eep, n_obs)) * 10.0 ** rng.uniform(-4, -0.3, (n_eep, 1))
        steps[rng.random(n_eep) < 0.15] = 0.0
        single = 15.0 + np.cumsum(steps, axis=0)
        shifts = rng.normal(size=(n_q, 1, n_obs)) * 10.0 ** rng.uniform(-4, -0.5, (n_q, 1, 1))
        wiggle = 0.2 * rng.normal(size=(n_q, n_eep, n_obs)) * np.abs(shifts)
        sequences = single + np.cumsum(shifts + wiggle, axis=0)
        bent = np.random.default_rng((seed, 1))
        bulge = bend * bent.normal(size=(n_q - 1, 1, n_obs)) * np.abs(shifts[1:])
        middle = 0.5 * (sequences[1:] + sequences[:-1]) + bulge
        self.mu = np.concatenate([single[None], sequences, middle])
        self.number = np.cumsum(rng.random(n_eep) * (rng.random(n_eep) < 0.85))
        self.number[-1] += 0.3
        self.strips = kernels_strip.Strips(
            iso=np.zeros((n_eep, 3)),
            first=0,
            mu=np.ascontiguousarray(self.mu.transpose(0, 2, 1)),
            number=self.number,
            q_nodes=np.linspace(0.3, 1.0, n_q),
            q_share=np.full(n_q - 1, 1.0 / max(n_q - 1, 1)),
            q_lean=bent.uniform(-0.05, 0.05, n_q - 1),
            binary_frac=0.4 if n_q > 1 else 0.0,
            n_fitted=n_obs,
        )
        sigma = 10.0**log_sigma * rng.uniform(0.5, 2.0, (n_star, n_obs))
        matrix, floor = np.eye(n_obs), np.zeros(n_obs)
        if correlated:  # observables V, B−V, V−I, ...: each colour shares a band with the one before it
            matrix = np.eye(n_obs) + np.diag(rng.choice([-1.0, 1.0], n_obs - 1), k=-1)
            floor = 10.0**log_sigma * rng.uniform(0.3, 1.5, n_obs)
        self.reddening = 10.0 ** np.random.default_rng((seed, 2)).uniform(-4, -0.5) * np.linspace(1.0, 0.4, n_obs)
        self.reddening *= reddened
        shared = np.outer(matrix @ self.reddening, matrix @ self.reddening)
        covariance = sigma[:, :, None] ** 2 * np.eye(n_obs) + (matrix * floor**2) @ matrix.T + shared
        patch = [self.patches()[i] for i in rng.integers(0, len(self.patches()), n_star)]
        where = rng.uniform(-0.7, 0.7, (n_star, 2))
        noise = np.einsum("nij,nj->ni", np.linalg.cholesky(covariance), rng.normal(size=(n_star, n_obs)))
        values = np.array([c + t * d + v * e for (_, c, d, e, _), (t, v) in zip(patch, where, strict=True)]) + noise
        if missing:
            gaps = rng.random((n_star, n_obs)) < 0.3
            gaps[:, 0] = False
            values[gaps], sigma[gaps] = np.nan, np.nan
        order = np.argsort(values[:, 0])
        self.values, self.errors, self.covariance = values[order], sigma[order], covariance[order]
        self.matrix, self.floor, self.correlated = matrix, floor, correlated

    def patches(self):
        """List (weight, centre, along, across, slope) of every patch."""
        listed, number = [], self.number / np.ptp(self.number)
        for k in range(self.strips.q_nodes.size):
            lower, upper, middle = (0, 0, 0) if k == 0 else (k, k + 1, self.strips.q_nodes.size + k)
            bulge = self.mu[middle] - 0.5 * (self.mu[lower] + self.mu[upper])
            lean = 0.0 if k == 0 else self.strips.q_lean[k - 1]
            share = 1 - self.strips.binary_frac if k == 0 else self.strips.binary_frac * self.strips.q_share[k - 1]
            for j in range(self.mu.shape[1] - 1):
                ends = (self.mu[row, j : j + 2] for row in (lower, upper))
                laid = oracle.lay(*ends, 0.5 * (bulge[j] + bulge[j + 1]), lean)
                listed.append((share * (number[j + 1] - number[j]), *laid))
        return listed

    def kernel(self):
        """Log density of each star from the compiled kernels."""
        n_star, n_obs = self.values.shape
        rows = n_star if self.correlated else 0
        covariance = np.zeros((rows, n_obs, n_obs))
        if rows:
            covariance[:] = np.nan_to_num(self.errors**2)[:, :, None] * np.eye(n_obs)
        unknown = np.zeros((n_star, 0), bool)
        stars = kernels_stars.arrange(self.values, self.errors, self.correlated, self.reddening.any(), unknown)
        kernels_stars.whiten(covariance, self.matrix, self.floor, self.reddening, stars)
        density = np.empty(n_star)
        no_moments = np.empty((0, kernels.N_MOMENT))
        z = kernels.star_densities(self.strips, stars, NO_LIMITS, NO_CUTS, TABLE, density, no_moments)
        assert z == pytest.approx(1.0, abs=1e-12)
        with np.errstate(divide="ignore"):
            return np.log(density)

    def oracle(self, of_patch):
        """Log density of each star from a plain density of a patch, and the largest that there could be."""
        result, largest = [], []
        for y, covariance in zip(self.values, self.covariance, strict=True):
            have = np.isfinite(y)
            part = covariance[np.ix_(have, have)]
            total = sum(
                weight * of_patch(y[have], centre[have], along[have], across[have], slope, part)
                for weight, centre, along, across, slope in self.patches()
                if weight > 0
            )
            result.append(np.log(max(total, 1e-300)))
            largest.append(-0.5 * np.linalg.slogdet(2 * np.pi * part)[1])
        return np.array(result), np.array(largest)

    def worst(self, of_patch):
        """Largest difference of the log density over the stars that aren't far from everything."""
        expected, largest = self.oracle(of_patch)
        near = expected > largest - 0.5 * FAR**2
        return np.max(np.abs(self.kernel() - expected)[near], initial=0.0)


def test_normal_table():
    z = np.linspace(0.0, 8.99, 4001)
    found = [kernels_normal.tail(v, TABLE) for v in z]
    assert found == pytest.approx(special.ndtr(-z), rel=5e-10, abs=0)
    assert 0.0 < kernels_normal.tail(40.0, TABLE) < 2e-19


def test_normal_distribution_without_a_table():
    z = np.linspace(0.0, 9.0, 4001)
    found = np.array([kernels_gauss.normal_pairs(*pair) for pair in zip(z, z[::-1], strict=True)])
    assert found[:, 0] == pytest.approx(special.ndtr(-z), rel=5e-13, abs=0)
    assert found[:, 1] == pytest.approx(stats.norm.pdf(z), rel=2e-13, abs=0)
    assert found[:, 2:] == pytest.approx(found[::-1, :2], rel=1e-14, abs=0)


def test_exponential():
    x = np.linspace(0.0, 40.5, 4001)
    assert [kernels_gauss.exp_minus(v) for v in x] == pytest.approx(np.exp(-x), rel=5e-14, abs=0)


def test_ramp():
    x = np.linspace(-8.9, 12.0, 2001)
    expected = x * special.ndtr(x) + stats.norm.pdf(x)
    found = np.array([kernels_normal.ramp(v, TABLE) for v in x])
    assert found[x > -2] == pytest.approx(expected[x > -2], rel=1e-12)
    far = x[(x < -1.99)]
    by_parts = [special.ndtr(v) * (1.0 / _mills(-v) + v) for v in far]
    assert found[x < -1.99] == pytest.approx(by_parts, rel=1e-9, abs=0)


def _mills(z):
    """Φ(−z)/φ(z), from scipy's scaled complementary error function."""
    return np.sqrt(np.pi / 2) * special.erfcx(z / np.sqrt(2))


@given(st.floats(-9, 9), st.floats(-9, 9))
def test_mean_of_a_ramp(start, stop):
    nodes, weights = np.polynomial.legendre.leggauss(100)
    z = 0.5 * (start + stop) + 0.5 * (stop - start) * nodes
    assert kernels_normal.ramp_mean(start, stop, TABLE) == pytest.approx(0.5 * weights @ special.ndtr(z), abs=1e-7)


@given(st.floats(-5, 30), st.floats(-45, 45))
def test_light_of_two_stars(magnitude, difference):
    expected = (
        -2.5 / np.log(10) * np.logaddexp(-0.4 * np.log(10) * magnitude, -0.4 * np.log(10) * (magnitude + difference))
    )
    found = kernels_sequence.together(magnitude, magnitude + difference)
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_obs=st.integers(2, 8),
    log_sigma=LOG_SIGMA,
    correlated=st.booleans(),
    missing=st.booleans(),
    reddened=st.booleans(),
    n_q=st.integers(1, 3),
)
def test_density_agrees_with_the_formula(seed, n_obs, log_sigma, correlated, missing, reddened, n_q):
    chain = Chain(seed, n_obs, log_sigma, correlated=correlated, missing=missing, reddened=reddened, n_q=n_q)
    assert chain.worst(oracle.strip_density) < 1e-6


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_obs=st.integers(2, 8),
    log_sigma=LOG_SIGMA,
    correlated=st.booleans(),
    missing=st.booleans(),
    reddened=st.booleans(),
)
def test_single_stars_are_exact(seed, n_obs, log_sigma, correlated, missing, reddened):
    """Lines need no formula for strips: adaptive quadrature along each segment, zero lengths and weights included."""
    chain = Chain(seed, n_obs, log_sigma, correlated=correlated, missing=missing, reddened=reddened, n_q=1)

    def line(y, centre, along, _across, _slope, covariance):
        return oracle.line_density(y, centre - along / 2, centre + along / 2, covariance)

    assert chain.worst(line) < 1e-6


def test_a_wrong_error_is_noticed():
    """Negative control: errors wrong by 1 % in the oracle."""
    chain = Chain(1, 3, -2.0, n_q=2)
    chain.covariance = chain.covariance * 1.02
    assert chain.worst(oracle.strip_density) > 1e-3


def test_differences_of_extinction_are_noticed():
    """Negative control: an oracle that takes the bands' errors from dust as independent."""
    chain = Chain(1, 3, -2.0, reddened=True)
    assert chain.worst(oracle.strip_density) < 1e-6
    chain.covariance = chain.covariance * np.eye(3)
    assert chain.worst(oracle.strip_density) > 1e-2


def patch_integral(r, u, w, slope=0.0):
    """Integral over one patch and the mean position along and across, from a batch with a single pair."""
    batch = np.zeros(kernels_patch.N_ROW * kernels_patch.N_PAIR)
    products = (r @ r, r @ u, r @ w, u @ u, u @ w, w @ w)
    n = kernels_patch.add_pair(batch, 0, products, slope, 1.0)
    kernels_patch.integrate(batch)
    rows = (kernels_patch.PART, kernels_patch.PLACE_ALONG, kernels_patch.PLACE_ACROSS)
    part, along, across = (batch[row : row + n] for row in rows)
    total = part.sum()
    return total, *((part @ place / total if n > 1 else place[0]) for place in (along, across))


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    log_u=st.floats(-6, 2.5),
    log_w=st.floats(-6, 2.5),
    angle=st.floats(0.0, np.pi),
    slope=st.floats(-1.8, 1.8),
)
def test_patches_of_every_shape(seed, log_u, log_w, angle, slope):
    """Points, needles and slivers: finite, no larger than the Gaussian's peak, and as the formula has it."""
    rng = np.random.default_rng(seed)
    u = 10**log_u * np.array([1.0, 0.0, 0.0])
    w = 10**log_w * np.array([np.cos(angle), np.sin(angle), 0.0])
    r = rng.uniform(-0.6, 0.6) * u + rng.uniform(-0.6, 0.6) * w + rng.normal(size=3)
    assume(abs(log_u - log_w) > 1e-9)  # either may be the line where they are equal
    part, along, across = patch_integral(r, u, w, slope)
    expected = oracle.strip_density(r, np.zeros(3), u, w, slope, np.eye(3)) * (2 * np.pi) ** 1.5
    assert 0.0 <= part <= 1.0 + 0.5 * abs(slope) + 1e-9
    assert abs(along) <= 0.5 and abs(across) <= 0.5
    if expected > np.exp(-0.5 * FAR**2):
        assert np.log(part) == pytest.approx(np.log(expected), abs=1e-6)


def test_zero_extent_is_the_gaussian():
    r, nothing = np.array([0.5, -1.0, 2.0]), np.zeros(3)
    part, along, across = patch_integral(r, nothing, nothing)
    assert part == pytest.approx(np.exp(-0.5 * r @ r), rel=1e-14)
    assert (along, across) == (0.0, 0.0)
    line = patch_integral(r, np.array([2.0, 1.0, 0.0]), nothing)
    turned = patch_integral(r, nothing, np.array([2.0, 1.0, 0.0]))
    assert turned[0] == pytest.approx(line[0], rel=1e-14)
    assert turned[1:] == pytest.approx(line[:0:-1], abs=1e-14)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), log_size=st.floats(-3, 1.5))
def test_positions_within_a_patch(seed, log_size):
    """Mean position along and across against dense sums over the patch, where it isn't sheared."""
    rng = np.random.default_rng(seed)
    u, w = 10**log_size * np.array([1.0, 0.0, 0.0]), 10**log_size * rng.uniform(0.1, 1) * np.array([0.0, 1.0, 0.0])
    r = rng.uniform(-0.6, 0.6) * u + rng.uniform(-0.6, 0.6) * w + rng.normal(size=3)
    t = (np.arange(20_000) + 0.5) / 20_000 - 0.5
    for position, extent in zip(patch_integral(r, u, w)[1:], (u, w), strict=True):
        log_weight = -0.5 * ((r - t[:, None] * extent) ** 2).sum(axis=1)
        weight = np.exp(log_weight - log_weight.max())
        assert position == pytest.approx(weight @ t / weight.sum(), abs=2e-6)


def test_parts_of_a_patch_add_up():
    """A patch cut in two along and across holds what it held, as the formula for each part is nearly exact.

    So does one with a slope, whose halves have half of it; there the mean position is less exact.
    """
    rng = np.random.default_rng(4)
    u, w = np.array([3.0, 0.5, 0.0]), np.array([0.2, 1.2, 0.3])
    for _ in range(50):
        r = rng.normal(size=3) * 1.5
        whole = patch_integral(r, u, w)[0]
        parts = [patch_integral(r - s * u / 4 - v * w / 4, u / 2, w / 2)[0] / 4 for s in (-1, 1) for v in (-1, 1)]
        assert sum(parts) == pytest.approx(whole, rel=3e-3)
        whole = patch_integral(r, u, w, 0.8)[0]
        for s, v in itertools.product((-1, 1), repeat=2):
            weight, half = (1 + 0.8 * v / 4) / 4, 0.8 / (2 * (1 + 0.8 * v / 4))
            whole -= weight * patch_integral(r - s * u / 4 - v * w / 4, u / 2, w / 2, half)[0]
        assert whole == pytest.approx(0.0, abs=1e-2 * sum(parts))


@pytest.mark.parametrize(("log_sigma", "n_obs"), [(-3.0, 2), (-2.0, 3), (-1.0, 4)])
def test_the_formula_against_exact_integrals(log_sigma, n_obs):
    """How exact the formula for sheared strips is: 2e-3 nat for nine random patches in ten."""
    difference = []
    for seed in range(12):
        chain = Chain(seed, n_obs, log_sigma, n_q=2)
        chain.number[:] = np.arange(5)
        exact, largest = chain.oracle(lambda *patch: (oracle.patch_density if patch[2].any() else no_length)(*patch))
        difference.append(np.abs(chain.kernel() - exact)[exact > largest - 0.5 * FAR**2])
    assert np.quantile(np.concatenate(difference), 0.9) < 2e-3


def no_length(y, centre, _along, across, slope, covariance):
    v = (np.arange(4000) + 0.5) / 4000 - 0.5
    values = stats.multivariate_normal(np.zeros(y.size), covariance).pdf(y - centre - v[:, None] * across)
    return np.mean((1 + slope * v) * values)


def test_stars_of_enormous_error_are_felt_everywhere():
    """One star whose error spans the chain changes nothing for the others and has its own density right."""
    chain = Chain(7, 3, -2.0, n_q=3)
    alone = chain.kernel()
    chain.values = np.vstack([chain.values[:3], [15.0, 15.0, 15.0], chain.values[3:]])
    chain.values[3, 0] = chain.values[2:5:2, 0].mean()
    chain.errors = np.insert(chain.errors, 3, 2.0, axis=0)
    chain.covariance = np.insert(chain.covariance, 3, 4.0 * np.eye(3), axis=0)
    together = chain.kernel()
    assert np.array_equal(np.delete(together, 3), alone)
    assert together[3] == pytest.approx(chain.oracle(oracle.strip_density)[0][3], abs=1e-6)
