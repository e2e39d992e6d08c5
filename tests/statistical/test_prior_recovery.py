"""With the likelihood switched off, a fit's draws follow its priors; a likelihood that says a little is noticed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from scipy import stats

from clusterbayes.inference.sampler import SamplingOptions, sample
from clusterbayes.inference.search import Mode, normal_posterior
from clusterbayes.model.parameters import ParameterSet, default_priors

SEED = 5


@dataclass
class Silent:
    """A model whose data say nothing, or a little about one parameter."""

    parameters: ParameterSet
    informed: str | None = None

    def log_likelihood(self, theta):
        if self.informed is None:
            return np.zeros(len(theta))
        column = theta[:, self.parameters.names.index(self.informed)]
        return -0.5 * ((column - 0.1) / 0.5) ** 2  # a poor measurement: 0.1 +- 0.5


def draws_of(model):
    """Draws (n_draw, n_dim) of the parameters, thinned by two autocorrelation times."""
    n_dim = model.parameters.n_dim
    start = [Mode(np.full(n_dim, 0.3), 0.0, 0.5 * np.eye(n_dim))]  # neither the place nor the width of the prior
    options = SamplingOptions(target_ess=3000)
    names = model.parameters.names
    chain = sample(partial(normal_posterior, model), start, options, np.random.default_rng(SEED), names=names)
    assert chain.convergence.converged
    step = int(np.ceil(2.0 * chain.convergence.tau_max))
    return model.parameters.from_normal(chain.z[::step].reshape(-1, n_dim))


@pytest.fixture(scope="module")
def parameters():
    priors, fixed = default_priors(
        log_age_range=(6.0, 10.2),
        mh_range=(-2.2, 0.3),
        bands=("Gaia_G", "Gaia_BP", "Gaia_RP"),
        parallax_zero_point="raw",
        zero_point_error={},
        model_error=True,
    )
    return ParameterSet(priors, fixed)


def p_values(parameters, draws):
    """Kolmogorov-Smirnov probability of every parameter's draws under its prior."""
    named = zip(parameters.priors.items(), draws.T, strict=True)
    return {name: stats.kstest(column, prior.cdf).pvalue for (name, prior), column in named}


def test_draws_follow_the_priors(parameters):
    p = p_values(parameters, draws_of(Silent(parameters)))
    assert len(p) > 15
    assert min(p.values()) > 0.01 / len(p)


def test_a_word_of_the_data_is_noticed(parameters):
    """Negative control."""
    p = p_values(parameters, draws_of(Silent(parameters, informed="mh")))
    assert p["mh"] < 0.01 / len(p)
    assert min(value for name, value in p.items() if name != "mh") > 0.01 / len(p)
