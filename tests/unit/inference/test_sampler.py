"""The sampler on posteriors with closed forms: moments, modes, exactness of the moves, verdicts, seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats
from unit.inference.toys import correlated

from clusterbayes.inference import sampler as sampling
from clusterbayes.inference.sampler import IndependentProposal, SamplingOptions, sample
from clusterbayes.inference.search import Mode

NAMES = ("a", "b", "c", "d", "e")


def gaussian(mean, covariance):
    inverse = np.linalg.inv(covariance)
    return lambda z: -0.5 * np.einsum("ni,ij,nj->n", z - mean, inverse, z - mean)


def run(log_posterior, modes, seed=1, **options):
    options = {"max_steps": 1200, "target_ess": 3000, "burn_steps": 40} | options
    names = NAMES[: modes[0].z.size]
    return sample(log_posterior, modes, SamplingOptions(**options), np.random.default_rng(seed), names=names)


class TestProposal:
    @pytest.fixture
    def proposal(self):
        return IndependentProposal(
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
        other = IndependentProposal([1.0, 2.0], proposal.means, [c @ c.T for c in proposal.cholesky], dof=5.0)
        wrong = np.exp(target.logpdf(z) - other.log_density(z))
        assert abs(wrong.mean() - 1.0) > 4 * wrong.std() / np.sqrt(wrong.size)

    def test_proposal_ratio(self, proposal):
        old = np.zeros((7, 3))
        new, log_ratio = proposal(old, np.random.RandomState(5))
        assert log_ratio == pytest.approx(proposal.log_density(old) - proposal.log_density(new))

    def test_fit_to_draws_has_wide_tails(self):
        covariance = correlated(4, 6)
        draws = np.random.default_rng(7).multivariate_normal(np.ones(4), covariance, 4000)
        fitted = IndependentProposal.from_draws(draws, 1)
        fresh = np.random.default_rng(8).multivariate_normal(np.ones(4), covariance, 2000)
        log_weight = stats.multivariate_normal(np.ones(4), covariance).logpdf(fresh) - fitted.log_density(fresh)
        assert log_weight.max() < 1.5  # nowhere is the target much denser than the proposal
        assert abs(np.mean(log_weight)) < 0.3

    def test_modes_of_little_weight_are_kept(self):
        modes = [Mode(np.zeros(2), 0.0, np.eye(2)), Mode(np.full(2, 9.0), -12.0, np.eye(2))]
        proposal = IndependentProposal.from_modes(modes)
        assert proposal.weights == pytest.approx([1 / 1.05, 0.05 / 1.05])


class TestMoments:
    @pytest.fixture(scope="module")
    @staticmethod
    def chain():
        mean, covariance = np.arange(5.0) / 5, correlated(5, 9)
        mode = Mode(mean + 0.1, 0.0, np.diag(np.diag(covariance)))  # a poor picture to begin with
        return mean, covariance, run(gaussian(mean, covariance), [mode])

    def test_mean_and_variance(self, chain):
        mean, covariance, chain = chain
        assert chain.convergence.converged
        flat, sigma = chain.z.reshape(-1, 5), np.sqrt(np.diag(covariance))
        n = np.array(list(chain.convergence.ess.values()))
        assert np.all(np.abs(flat.mean(axis=0) - mean) < 4 * sigma / np.sqrt(n))
        assert np.all(np.abs(flat.var(axis=0) / sigma**2 - 1) < 4 * np.sqrt(2 / n) * 1.3)

    def test_correlations(self, chain):
        _, covariance, chain = chain
        expected = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        n = min(chain.convergence.ess.values())
        error = (1 - expected**2) / np.sqrt(n)
        assert np.all(np.abs(np.corrcoef(chain.z.reshape(-1, 5).T) - expected) < 5 * error + 1e-12)

    def test_shapes_and_bookkeeping(self, chain):
        _, _, chain = chain
        n_steps, n_walkers, n_dim = chain.z.shape
        assert (n_walkers, n_dim, chain.n_ensemble) == (64, 5, 2)
        assert chain.log_prob.shape == (n_steps, n_walkers)
        assert 0.1 < chain.acceptance < 0.95
        assert chain.n_burn > 0
        mean, covariance = np.arange(5.0) / 5, correlated(5, 9)
        assert chain.log_prob[-1] == pytest.approx(gaussian(mean, covariance)(chain.z[-1]))


def test_two_modes_keep_their_weights():
    """Modes eight standard deviations apart with a mass of 0.7 and 0.3."""
    centres = np.array([[0.0, 0.0], [8.0, 0.0]])

    def log_posterior(z):
        parts = [np.log(w) - 0.5 * ((z - c) ** 2).sum(axis=1) for w, c in zip((0.7, 0.3), centres, strict=True)]
        return special.logsumexp(parts, axis=0)

    modes = [Mode(c, np.log(w), np.eye(2)) for c, w in zip(centres, (0.7, 0.3), strict=True)]
    chain = run(log_posterior, modes)
    assert chain.convergence.converged
    share = np.mean(chain.z[:, :, 0] < 4)
    assert abs(share - 0.7) < 4 * np.sqrt(0.21 / chain.convergence.ess["a"])


class TestMoves:
    """Walkers drawn from the target stay distributed as the target."""

    @staticmethod
    def curved(z):
        """A banana with a heavy side, nothing beyond z0 = 2."""
        value = -0.5 * z[:, 0] ** 2 - 0.5 * ((z[:, 1] - 0.5 * z[:, 0] ** 2) / 0.6) ** 2
        return np.where(z[:, 0] < 2.0, value, -np.inf)

    @staticmethod
    def exact(n, rng):
        first = stats.truncnorm(-np.inf, 2.0).rvs(n, random_state=rng)
        return np.stack([first, 0.5 * first**2 + 0.6 * rng.normal(size=n)], axis=1)

    def moved(self, proposal, n_steps=25, n_walkers=2000):
        start = self.exact(n_walkers, np.random.default_rng(10))
        sampler = sampling._sampler(self.curved, proposal, n_walkers, 2)
        sampler.random_state = np.random.RandomState(11).get_state()
        return sampler.run_mcmc(start, n_steps).coords

    def p_values(self, coords):
        rest = (coords[:, 1] - 0.5 * coords[:, 0] ** 2) / 0.6
        return stats.kstest(coords[:, 0], stats.truncnorm(-np.inf, 2.0).cdf).pvalue, stats.kstest(rest, "norm").pvalue

    def test_target_is_left_as_it_was(self):
        proposal = IndependentProposal([1.0], [[0.0, 0.5]], [np.diag([1.0, 0.8])])
        assert min(self.p_values(self.moved(proposal))) > 1e-3

    def test_a_wrong_proposal_density_is_noticed(self):
        """Negative control: draws that are not from the density that is stated."""

        class Wrong(IndependentProposal):
            def log_density(self, z):
                return super().log_density(z) - 0.5 * z[:, 0]

        wrong = Wrong([1.0], [[0.0, 0.5]], [np.diag([1.0, 0.8])])
        assert min(self.p_values(self.moved(wrong))) < 1e-4


class TestRuns:
    def test_the_same_seed_gives_the_same_chain(self):
        covariance = correlated(2, 12)
        modes = [Mode(np.zeros(2), 0.0, covariance)]
        one, two, other = (run(gaussian(np.zeros(2), covariance), modes, seed=s, target_ess=300) for s in (1, 1, 2))
        assert np.array_equal(one.z, two.z)
        assert not np.array_equal(one.z[:50], other.z[:50])

    def test_a_budget_too_small_is_said(self):
        covariance = correlated(2, 13)
        modes = [Mode(np.zeros(2), 0.0, covariance)]
        chain = run(gaussian(np.zeros(2), covariance), modes, max_steps=30, target_ess=10_000)
        assert chain.z.shape[0] == 30
        assert not chain.convergence.converged
        assert any("effective sample size" in reason for reason in chain.convergence.reasons)

    def test_walkers_are_even_and_as_many_as_asked(self):
        covariance = np.eye(2)
        modes = [Mode(np.zeros(2), 0.0, covariance)]
        chain = run(gaussian(np.zeros(2), covariance), modes, n_walkers=41, max_steps=10)
        assert chain.z.shape[1] == 2 * 42

    def test_progress_is_reported_and_can_stop_a_run(self):
        covariance = np.eye(2)
        told = []

        def report(percent, message):
            told.append(percent)
            if percent > 20:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sample(
                gaussian(np.zeros(2), covariance),
                [Mode(np.zeros(2), 0.0, covariance)],
                SamplingOptions(burn_steps=10),
                np.random.default_rng(1),
                names=("a", "b"),
                report=report,
            )
        assert told == sorted(told)
