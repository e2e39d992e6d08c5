"""The warning that a fit did not converge: said once, with the reason and what to do, and only where it is so."""

from __future__ import annotations

import logging

import pytest
from unit.model.mocks import GRID, mock_table
from unit.results.synthetic import make_result

from clusterbayes.inference import SamplingOptions, fit_cluster
from clusterbayes.inference.verdict import said_by_caller, warn_unless_converged
from clusterbayes.photometry import Photometry


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_warning_says_of_what_why_and_what_to_do(caplog):
    made = make_result(converged=False)
    warn_unless_converged(made)
    (text,) = warnings(caplog)
    assert made.provenance["input"]["source"] in text
    assert made.diagnostics["reasons"][0] in text
    assert "max_steps" in text


def test_a_fit_that_converged_says_nothing(caplog):
    warn_unless_converged(make_result(converged=True))
    assert warnings(caplog) == []


def test_who_says_it_otherwise_is_not_doubled(caplog):
    made = make_result(converged=False)
    with pytest.raises(RuntimeError), said_by_caller():
        warn_unless_converged(made)
        raise RuntimeError
    assert warnings(caplog) == []
    warn_unless_converged(made)  # and the silence ends with the block
    assert len(warnings(caplog)) == 1


def test_fit_cluster_warns(caplog):
    photometry = Photometry.from_table(mock_table(40, 0, seed=8), source="few", observables=["G", "BP", "RP"])
    fixed = {"alpha_1": 1.3, "alpha_2": 2.3, "q_slope": 0.0, "outlier_frac": 0.01}
    options = SamplingOptions(max_steps=50, burn_steps=50, n_threads=1)
    result = fit_cluster(photometry, grid=GRID, model_error="none", fixed=fixed, sampling=options)
    assert not result.converged
    (text,) = warnings(caplog)
    assert text.startswith(f"the fit of few did not converge: {result.diagnostics['reasons'][0]}")
