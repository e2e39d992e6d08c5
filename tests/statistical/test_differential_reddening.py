"""Where the members' extinctions differ, the fit finds by how much; a fit that takes them for equal is misled."""

from __future__ import annotations

import numpy as np
import pytest
from statistical.gaussian import summit
from unit.model.mocks import GAIA, TRUTH, fine_ratios, make_model, mock_table

from clusterbayes.model.parameters import FAULT_SCALES

DISPERSION = 0.15  # mag
FIXED = {"alpha_1": 1.3, "alpha_2": 2.3, "outlier_frac": 1e-6, "member_frac": 1.0 - 1e-9}
FIXED |= {f"floor_{band}": 0.007 for band in GAIA} | dict.fromkeys(FAULT_SCALES, 0.0)
STEPS = {"log_age": 0.003, "mh": 0.006, "dist_mod": 0.006, "a_v": 0.006, "binary_frac": 0.02, "a_v_dispersion": 0.005}


@pytest.fixture(scope="module")
def catalogue():
    return mock_table(1200, seed=21, floor=0.007, a_v_dispersion=DISPERSION)


def pulls(catalogue, **held):
    """Errors of a fit in units of its standard deviations, by parameter."""
    model = make_model(catalogue, fixed=FIXED | held, model_error=True, mass_ratios=fine_ratios(2), n_threads=2)
    names = model.parameters.names
    truth = np.array([(TRUTH | {"a_v_dispersion": DISPERSION})[name] for name in names])
    found, covariance = summit(model.log_prob, truth, np.array([STEPS[name] for name in names]))
    return dict(zip(names, (found - truth) / np.sqrt(np.diag(covariance)), strict=True))


def test_the_dispersion_is_found(catalogue):
    found = pulls(catalogue)
    assert "a_v_dispersion" in found
    assert max(map(abs, found.values())) < 4.0


def test_equal_extinctions_mislead(catalogue):
    """Negative control: the scatter is then taken for pairs and another metallicity."""
    found = pulls(catalogue, a_v_dispersion=0.0)
    assert max(map(abs, found.values())) > 6.0
