"""The sampler on posteriors with closed forms: moments, modes, exactness of the moves, verdicts, seeds."""

from __future__ import annotations

import emcee
import numpy as np
import pytest
from scipy import special, stats
from unit.inference.toys import correlated

from clusterbayes.inference import ensembles
from clusterbayes.inference import sampler as sampling
from clusterbayes.inference.proposal import IndependentProposal
from clusterbayes.inference.sampler import SamplingOptions, sample
from clusterbayes.inference.search import Mode

NAMES = ("a", "b", "c", "d", "e")


def gaussian(mean, covariance):
    inverse = np.linalg.inv(covariance)
    return lambda z: -0.5 * np.einsum("ni,ij,nj->n", z - mean, inverse, z - mean)


def run(log_posterior, modes, seed=1, **options):
    options = {"max_steps": 1200, "target_ess": 3000, "burn_steps": 40} | options
    names = NAMES[: modes[0].z.size]
    return sample(log_posterior, modes, SamplingOptions(**options), np.random.default_rng(seed), names=names)


class TestMoments:
    @pytest.fixture(scope="module")
    @staticmethod
    def chain():
        mean, covariance = np.arange(5.0) / 5, correlated(5, 9)
        mode = Mode(mean + 0.1, 0.0, np.diag(np.diag(covariance)))  # a poor picture to begin with
        return mean, covariance, run(gaussian(mean, covariance), [mode], max_steps=2000)

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
        assert (n_walkers, n_dim, chain.n_ensemble) == (24, 5, 2)
        assert chain.log_prob.shape == (n_steps, n_walkers)
        assert 0.1 < chain.acceptance < 0.95
        assert chain.n_burn > 0
        mean, covariance = np.arange(5.0) / 5, correlated(5, 9)
        assert chain.log_prob[-1] == pytest.approx(gaussian(mean, covariance)(chain.z[-1]))


@pytest.mark.parametrize(("enough", "kept"), [(0.2, True), (1.0, False)])
def test_a_good_proposal_outlasts_a_restless_burn_in(enough, kept, monkeypatch):
    """Burn-in that never stands still; negative control: one that is never good enough is learned anew."""
    asked = []
    monkeypatch.setattr(sampling, "_STILL", 0.0)
    monkeypatch.setattr(sampling, "_ACCEPTED", enough)
    monkeypatch.setattr(sampling, "learn_more", lambda known, *args, **options: asked.append(known) or known)
    covariance = correlated(3, 4)
    run(gaussian(np.zeros(3), covariance), [Mode(np.zeros(3), 0.0, covariance)], max_steps=20, burn_rounds=3)
    assert (len(asked) == 0) == kept


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


def test_how_long_ensembles_step_without_waiting_for_each_other_changes_nothing(monkeypatch):
    """Several steps at a time, in threads of their own; negative control: another seed is another chain."""
    covariance, told, chains = correlated(3, 4), [], []
    for apart in (0.0, 10.0):
        monkeypatch.setattr(ensembles, "_APART", apart)
        steps: list[str] = []
        chains.append(
            sample(
                gaussian(np.zeros(3), covariance), [Mode(np.zeros(3), 0.0, covariance)],
                SamplingOptions(max_steps=100, target_ess=10**6), np.random.default_rng(1), names=NAMES[:3],
                n_threads=2, report=lambda percent, text, steps=steps: steps.append(text),
            )
        )  # fmt: skip
        told.append(len(steps))
    assert told[1] < told[0] / 3
    assert np.array_equal(chains[0].z, chains[1].z)
    other = run(gaussian(np.zeros(3), covariance), [Mode(np.zeros(3), 0.0, covariance)], seed=2, max_steps=100)
    assert not np.array_equal(chains[0].z, other.z)


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

    def rough_picture(self, kind=IndependentProposal):
        """Of few draws that lie beside the target and are wider: near it, but not it."""
        draws = 1.5 * self.exact(60, np.random.default_rng(12)) + [0.8, 1.2]
        return kind.from_draws(draws, 1)

    def test_target_is_left_as_it_was(self):
        assert min(self.p_values(self.moved(self.rough_picture()))) > 1e-3

    def test_a_wrong_proposal_density_is_noticed(self):
        """Negative control: draws that are not from the density that is stated."""

        class Wrong(IndependentProposal):
            def log_density(self, z):
                return super().log_density(z) - 0.5 * z[:, 0]

        assert min(self.p_values(self.moved(self.rough_picture(Wrong)))) < 1e-4

    def test_a_wrong_step_nearby_is_noticed(self):
        """Negative control: steps whose ratio of densities is forgotten."""

        class Wrong(IndependentProposal):
            def near(self, coords, rng):
                new, _ = super().near(coords, rng)
                return new, np.zeros(len(new))

        assert min(self.p_values(self.moved(self.rough_picture(Wrong)))) < 1e-4


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

    def test_threads_change_nothing(self):
        covariance = correlated(2, 12)
        modes = [Mode(np.zeros(2), 0.0, covariance)]
        chains = [
            sample(
                gaussian(np.zeros(2), covariance), modes, SamplingOptions(max_steps=40), np.random.default_rng(3),
                names=NAMES[:2], n_threads=n_threads,
            )
            for n_threads in (1, 2, 5)
        ]  # fmt: skip
        assert np.array_equal(chains[0].z, chains[1].z)
        assert np.array_equal(chains[0].z, chains[2].z)

    def test_fewer_walkers_than_parameters(self):
        """Variances in all twelve directions are right with eight walkers; without independent draws they are not."""
        covariance = correlated(12, 14)
        modes = [Mode(np.zeros(12), 0.0, 2.0 * np.diag(np.diag(covariance)))]
        chain = sample(
            gaussian(np.zeros(12), covariance), modes, SamplingOptions(n_walkers=8), np.random.default_rng(4),
            names=tuple("abcdefghijkl"),
        )  # fmt: skip
        assert chain.convergence.converged
        scaled = np.linalg.solve(np.linalg.cholesky(covariance), chain.z.reshape(-1, 12).T)
        assert np.all(np.abs(scaled.var(axis=1) - 1.0) < 5 * np.sqrt(2 / min(chain.convergence.ess.values())) * 1.3)
        alone = emcee.EnsembleSampler(
            8, 12, gaussian(np.zeros(12), covariance), vectorize=True, moves=emcee.moves.DEMove(live_dangerously=True)
        )
        start = np.random.default_rng(5).multivariate_normal(np.zeros(12), covariance, 8)
        start[:, 0] = 0.0  # a direction that they do not span
        alone.run_mcmc(start, 200, skip_initial_state_check=True)
        assert alone.get_chain()[:, :, 0].std() < 0.01 * np.sqrt(covariance[0, 0])

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
