"""Bent mixtures of t distributions: their densities, draws and fits."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from unit.inference.toys import correlated

from clusterbayes.inference import proposal as proposals
from clusterbayes.inference.proposal import Bend, IndependentProposal, Mixture, resample
from clusterbayes.inference.search import Mode


def accepted(proposal, log_target, fresh):
    """Share of a proposal's draws that would be accepted from exact ones."""
    new = proposal.draw(len(fresh), np.random.default_rng(10))
    change = log_target(new) - proposal.log_density(new) - log_target(fresh) + proposal.log_density(fresh)
    return np.minimum(1.0, np.exp(np.minimum(change, 0.0))).mean()


class TestBend:
    maps = st.builds(
        Bend,
        *(
            st.lists(st.floats(low, high), min_size=3, max_size=3)
            for low, high in ((-5.0, 5.0), (0.1, 4.0), (-2.0, 2.0), (0.5, 2.7))
        ),
    )

    @given(maps, st.integers(0, 1000))
    def test_inverse(self, bend, seed):
        z = np.random.default_rng(seed).normal(size=(20, 3)) * 4
        assert bend.inverse(bend.forward(z)[0]) == pytest.approx(z, rel=1e-7, abs=1e-7)

    @given(maps, st.integers(0, 1000))
    def test_jacobian_is_the_slope(self, bend, seed):
        z, h = np.random.default_rng(seed).normal(size=(20, 3)) * 2, 1e-5
        slopes = (bend.forward(z + h)[0] - bend.forward(z - h)[0]) / (2 * h)
        assert bend.forward(z)[1] == pytest.approx(np.log(slopes).sum(axis=1), abs=1e-4)

    def test_skewed_draws_become_normal(self):
        """Negative control: they are not before."""
        draws = stats.skewnorm(6.0).rvs((3000, 1), random_state=1)
        straightened = Bend.fit(draws).forward(draws)[0][:, 0]
        assert abs(stats.skew(straightened)) < 4 * np.sqrt(6 / 3000) < abs(stats.skew(draws[:, 0]))

    def test_normal_draws_stay_almost_straight(self):
        bend = Bend.fit(np.random.default_rng(2).normal(3.0, 2.0, (3000, 1)))
        assert abs(bend.skew[0]) < 0.1
        z = np.linspace(-3.0, 9.0, 50)[:, None]
        assert bend.forward(z)[0] == pytest.approx((z - 3.0) / 2.0, abs=0.25)

    def test_a_coordinate_that_never_moves(self):
        bend = Bend.fit(np.column_stack([np.full(100, 2.0), np.random.default_rng(3).normal(size=100)]))
        assert np.isfinite(bend.forward(np.zeros((2, 2)))[0]).all()


class TestMixture:
    @pytest.fixture
    def proposal(self):
        return Mixture(
            np.array([2.0, 1.0]),
            np.array([[0.0, 0.0, 0.0], [2.0, -1.0, 0.5]]),
            np.array([0.6 * np.eye(3) + 0.4, np.diag([1.0, 0.5, 0.8])]),
            dof=5.0,
        )

    def test_density_is_scipys(self, proposal):
        z = np.random.default_rng(3).normal(size=(50, 3)) * 3
        parts = [
            np.log(w) + stats.multivariate_t(m, c @ c.T, df=5.0).logpdf(z)
            for w, m, c in zip(proposal.weights, proposal.means, proposal.cholesky, strict=True)
        ]
        assert proposal.log_density(z) == pytest.approx(special.logsumexp(parts, axis=0), abs=1e-10)

    def test_draws_have_the_density(self, proposal):
        """The mean of any density over that of the proposal is one; negative control: a proposal with other weights."""
        rng = np.random.default_rng(4)
        target = stats.multivariate_normal([2.0, -1.0, 0.5], 0.3 * np.eye(3))
        z = proposal.draw(40_000, rng)
        ratio = np.exp(target.logpdf(z) - proposal.log_density(z))
        assert abs(ratio.mean() - 1.0) < 4 * ratio.std() / np.sqrt(ratio.size)
        other = Mixture([1.0, 2.0], proposal.means, [c @ c.T for c in proposal.cholesky], dof=5.0)
        wrong = np.exp(target.logpdf(z) - other.log_density(z))
        assert abs(wrong.mean() - 1.0) > 4 * wrong.std() / np.sqrt(wrong.size)

    def test_proposal_ratio(self, proposal):
        old = np.zeros((7, 3))
        new, log_ratio = proposal(old, np.random.RandomState(5))
        assert log_ratio == pytest.approx(proposal.log_density(old) - proposal.log_density(new))

    def test_steps_leave_the_mixture_as_it_is(self, proposal):
        """Exact draws stay exact; negative control: steps of another mixture carry them away."""
        rng = np.random.RandomState(5)
        z = proposal.draw(6000, rng)
        other = Mixture(proposal.weights[::-1], proposal.means, [c @ c.T for c in proposal.cholesky], dof=5.0)
        fresh = proposal.draw(6000, rng)
        for stepping, right in ((proposal, True), (other, False)):
            moved = z
            for size in (0.2, 0.7, 0.4) * 5:
                moved = stepping.step(moved, np.full(len(z), size), rng)
            p_values = [stats.ks_2samp(moved[:, a], fresh[:, a]).pvalue for a in range(3)]
            assert (min(p_values) > 1e-3) == right

    def test_a_step_of_no_size_stays(self, proposal):
        z = proposal.draw(400, np.random.RandomState(6))
        assert proposal.step(z, np.zeros(400), np.random.RandomState(7)) == pytest.approx(z)

    @pytest.mark.parametrize("tried", [2, 4])
    def test_two_parts_far_apart_are_found(self, tried, monkeypatch):
        """Whatever the luck of the start; negative control: fits that end with the first number that does not help."""
        monkeypatch.setattr(proposals, "_TRIED", tried)
        draws = np.random.default_rng(0).normal(size=(3000, 4))
        draws[:, 0] += np.where(np.arange(3000) < 1500, 4.0, -4.0)
        draws /= draws.std(axis=0)
        found = [Mixture.fitted(draws, 12, seed).weights.size > 1 for seed in range(6)]
        assert all(found) == (tried > 2)

    def test_modes_of_little_weight_are_kept(self):
        modes = [Mode(np.zeros(2), 0.0, np.eye(2)), Mode(np.full(2, 9.0), -12.0, np.eye(2))]
        proposal = Mixture.from_modes(modes)
        assert proposal.weights == pytest.approx([1 / 1.05, 0.05 / 1.05])


class TestProposal:
    def test_fit_to_draws_has_wide_tails(self):
        covariance = correlated(4, 6)
        draws = np.random.default_rng(7).multivariate_normal(np.ones(4), covariance, 4000)
        fitted = IndependentProposal.from_draws(draws, 1)
        fresh = np.random.default_rng(8).multivariate_normal(np.ones(4), covariance, 2000)
        log_weight = stats.multivariate_normal(np.ones(4), covariance).logpdf(fresh) - fitted.log_density(fresh)
        assert log_weight.max() < 1.5  # nowhere is the target much denser than the proposal
        assert abs(np.mean(log_weight)) < 0.3

    @pytest.mark.parametrize("n_dim", [1, 4, 6])
    def test_draws_have_the_density(self, n_dim):
        """Few or many coordinates; negative control: a density that forgets the map's Jacobian."""
        draws = np.log(np.random.default_rng(9).gamma(1.2, size=(3000, n_dim)))
        fitted = IndependentProposal.from_draws(draws, 1)
        z = fitted.draw(40_000, np.random.default_rng(6))
        target = stats.multivariate_normal(draws.mean(axis=0), 0.2 * np.eye(n_dim))
        slope = fitted.bend.forward(z)[1]
        for density, right in ((fitted.log_density(z), True), (fitted.log_density(z) - slope, False)):
            ratio = np.exp(target.logpdf(z) - density)
            assert (abs(ratio.mean() - 1.0) < 4 * ratio.std() / 200.0) == right

    def test_others_follow_the_leading_coordinates(self):
        """Four modes in the first two coordinates, and a fifth that runs along a bow of the first.

        Negative control: a mixture of as many components in all coordinates, fitted to the same draws.
        """
        rng = np.random.default_rng(11)

        def made(n):
            z = rng.normal(size=(n, 28))
            z[:, :2] += np.where(rng.uniform(size=(n, 2)) < 0.5, 3.0, -3.0)
            z[:, 4] = 0.3 * z[:, 4] + 0.1 * z[:, 0] ** 2 - 0.5 * z[:, 1]
            return z

        def log_target(z):
            modes = np.logaddexp(-0.5 * (z[:, :2] - 3.0) ** 2, -0.5 * (z[:, :2] + 3.0) ** 2).sum(axis=1)
            bow = (z[:, 4] - 0.1 * z[:, 0] ** 2 + 0.5 * z[:, 1]) / 0.3
            return modes - 0.5 * ((z[:, 2:4] ** 2).sum(axis=1) + (z[:, 5:] ** 2).sum(axis=1) + bow**2)

        draws, fresh = made(400), made(2000)
        led = IndependentProposal.from_draws(draws, 1)
        plain = Mixture.fitted(draws, led.close.weights.size, 1)
        shares = [accepted(proposal, log_target, fresh) for proposal in (led, plain)]
        assert shares[0] > 0.15
        assert shares[1] < shares[0] - 0.08

    @pytest.mark.parametrize("alike", [False, True])
    def test_each_component_is_followed_in_its_own_way(self, alike, monkeypatch):
        """Two modes, in one of which another coordinate is seven times as wide as in the other.

        Negative control: components that are all followed alike.
        """
        if alike:
            monkeypatch.setattr(proposals, "_RIDGE_PART", 1e12)
            monkeypatch.setattr(proposals, "_STIFF", 1e12)
        spread = {-1.0: 0.14, 1.0: 1.0}

        def made(n, rng):
            z = rng.normal(size=(n, 8))
            side = rng.choice([-1.0, 1.0], size=n)
            z[:, 0] += 4.0 * side
            z[:, 5] *= np.array([spread[sign] for sign in side])
            return z

        def log_target(z):
            parts = [
                -0.5 * (z[:, 0] - 4.0 * sign) ** 2 - 0.5 * (z[:, 5] / width) ** 2 - np.log(width)
                for sign, width in spread.items()
            ]
            return np.logaddexp(*parts) - 0.5 * (z[:, [1, 2, 3, 4, 6, 7]] ** 2).sum(axis=1)

        rng = np.random.default_rng(13)
        fitted = IndependentProposal.from_draws(made(3000, rng), 3)
        assert fitted.close.weights.size > 1
        share = accepted(fitted, log_target, made(2000, rng))
        assert (share > 0.44) == (not alike)

    def test_bending_lets_more_draws_be_accepted(self):
        """Where a coordinate ends, a straight mixture of as many components is accepted less often."""
        rng = np.random.default_rng(9)
        draws, fresh = (np.log(rng.gamma(1.2, size=(3000, 6))) for _ in range(2))

        def log_target(z):
            return (1.2 * z - np.exp(z)).sum(axis=1)

        straight = Mixture([1.0], [draws.mean(axis=0)], [np.cov(draws.T)], dof=15.0)
        bent = IndependentProposal.from_draws(draws, 1)
        assert accepted(bent, log_target, fresh) > accepted(straight, log_target, fresh) + 0.07

    def test_safeguard_reaches_where_others_do_not_follow(self):
        """Draws taught that a coordinate follows the first one; a part of the posterior that they lack denies it.

        Negative control: a safeguard twice as wide in all coordinates at once.
        """
        rng = np.random.default_rng(12)
        draws, beyond = rng.normal(size=(2000, 20)), rng.normal(size=(500, 20))
        draws[:, 4] = 0.3 * draws[:, 4] + draws[:, 0]
        beyond[:, :4] *= 2.5
        fitted = IndependentProposal.from_draws(draws, 1)
        known, _ = fitted.bend.forward(draws)
        wide = Mixture([1.0], [known.mean(axis=0)], [2.0 * np.cov(known.T)], dof=15.0)
        u, log_slope = fitted.bend.forward(beyond)
        usual = np.median(fitted.log_density(draws))
        reached = np.quantile(fitted.log_density(beyond), 0.05) - usual
        by_width = np.quantile(wide.log_density(u) + log_slope + np.log(0.1), 0.05) - usual
        assert reached > -15.0
        assert by_width < reached - 10.0

    def test_what_is_written_is_read(self, tmp_path):
        fitted = IndependentProposal.from_draws(np.random.default_rng(7).gamma(2.0, size=(500, 3)), 1)
        with h5py.File(tmp_path / "proposal.h5", "w") as file:
            fitted.write(file)
        with h5py.File(tmp_path / "proposal.h5") as file:
            again = IndependentProposal.read(file)
        z = np.random.default_rng(8).normal(size=(9, 3))
        assert np.array_equal(again.log_density(z), fitted.log_density(z))
        assert np.array_equal(again.draw(5, np.random.default_rng(1)), fitted.draw(5, np.random.default_rng(1)))


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=20).filter(lambda w: sum(w) > 0.1), st.integers(0, 99))
def test_systematic_draws_have_their_share_to_less_than_one(weights, seed):
    weights = np.array(weights)
    chosen = np.bincount(resample(weights, 50, np.random.default_rng(seed)), minlength=weights.size)
    assert np.all(np.abs(chosen - 50 * weights / weights.sum()) < 1.0 + 1e-6)
