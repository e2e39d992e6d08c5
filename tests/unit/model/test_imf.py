"""Mass functions: the compiled integrals against quadrature of the papers' formulas, and the drawn masses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from clusterbayes.errors import SettingsError
from clusterbayes.model import kernels_sequence
from clusterbayes.model.imf import MASS_FUNCTIONS, draw_masses, mass_function
from clusterbayes.model.parameters import default_priors

MASSES = np.concatenate([[0.09, 0.09, 0.1, 0.35, 0.4999, 0.5, 0.5001, 0.99, 1.0, 1.01], np.geomspace(1.2, 40.0, 12)])


def published(name, mass, alpha_1, alpha_2):
    """dN/dM as the papers write it, times any constant; Chabrier's ξ(log m) is divided by m."""
    if name == "kroupa":
        return np.where(mass < 0.5, mass**-alpha_1, 0.5 ** (alpha_2 - alpha_1) * mass**-alpha_2)
    if name == "salpeter":
        return mass**-alpha_2
    centre, width = {"chabrier": (0.22, 0.57), "chabrier-single": (0.079, 0.69)}[name]
    bell = np.exp(-((np.log10(mass) - np.log10(centre)) ** 2) / (2 * width**2)) / mass
    at_one = np.exp(-(np.log10(centre) ** 2) / (2 * width**2))
    return np.where(mass < 1.0, bell, at_one * mass**-alpha_2)


@pytest.mark.parametrize("name", MASS_FUNCTIONS)
@pytest.mark.parametrize("alpha", [(1.3, 2.3), (1.0, 1.0), (-0.4, 3.7)])
def test_integrals_between_vertices(name, alpha):
    law = MASS_FUNCTIONS[name]
    iso = np.zeros((MASSES.size, 4))
    iso[:, 0] = MASSES
    number = np.empty(MASSES.size)
    low, high = alpha if law.alpha_1 else (alpha[1], alpha[1])
    kernels_sequence.numbers(iso, 0, low, high, np.array([law.mass_break, law.centre, law.width]), number)
    unit = published(name, np.array(law.mass_break), low, high)  # the kernel's value at the break is 1
    for j, (a, b) in enumerate(zip(MASSES, MASSES[1:], strict=False)):
        edges = [a, *(x for x in (0.5, 1.0) if a < x < b), b]
        expected = sum(
            integrate.quad(lambda m: published(name, m, low, high), *ends, epsrel=1e-12)[0]
            for ends in zip(edges, edges[1:], strict=False)
        )
        assert number[j + 1] - number[j] == pytest.approx(expected / unit, rel=1e-8, abs=1e-15)


def test_a_wrong_width_is_noticed():
    """Negative control: the lognormal for single stars is not that for systems."""
    iso = np.zeros((2, 4))
    iso[:, 0] = 0.1, 0.9
    systems, singles = np.empty(2), np.empty(2)
    for name, out in (("chabrier", systems), ("chabrier-single", singles)):
        law = MASS_FUNCTIONS[name]
        kernels_sequence.numbers(iso, 0, 2.3, 2.3, np.array([law.mass_break, law.centre, law.width]), out)
    assert abs(np.ptp(systems) / np.ptp(singles) - 1.0) > 0.05


def test_chabrier_is_as_published_at_one_solar_mass():
    """Amplitudes of the two pieces in the paper: 0.158 and 0.0443 (eq. 17), 0.086 and 0.0443 (eq. 18)."""
    for name, amplitude in (("chabrier-single", 0.158), ("chabrier", 0.086)):
        law = MASS_FUNCTIONS[name]
        at_one = amplitude * np.exp(-(np.log10(law.centre) ** 2) / (2 * law.width**2))
        assert at_one == pytest.approx(0.0443, rel=0.02)


@pytest.mark.parametrize("name", MASS_FUNCTIONS)
def test_drawn_masses_follow_the_law(name):
    mass = draw_masses(np.random.default_rng(1), 20_000, 0.12, 8.0, 1.1, 2.5, name)
    grid = np.geomspace(0.12, 8.0, 4001)
    density = published(name, grid, 1.1, 2.5)
    cumulative = integrate.cumulative_trapezoid(density, grid, initial=0.0)
    assert stats.kstest(mass, lambda m: np.interp(m, grid, cumulative / cumulative[-1])).pvalue > 1e-3


def test_unknown_names_are_refused():
    with pytest.raises(SettingsError, match="chabrier"):
        mass_function("chabrir")


@pytest.mark.parametrize(
    ("name", "free", "held"),
    [
        ("kroupa", {"alpha_1": "normal(1.3, 0.7)", "alpha_2": "normal(2.3, 0.7)"}, {}),
        ("chabrier", {"alpha_2": "normal(2.3, 0.7)"}, {}),
        ("salpeter", {}, {"alpha_2": 2.35}),
    ],
)
def test_parameters_of_a_law(name, free, held):
    ranges = {"log_age_range": (7.0, 10.0), "mh_range": (-1.0, 0.3)}
    priors, fixed = default_priors(**ranges, bands=["Gaia_G"], mass_law=name)
    assert {key: str(prior) for key, prior in priors.items() if key.startswith("alpha")} == free
    assert {key: value for key, value in fixed.items() if key.startswith("alpha")} == held
