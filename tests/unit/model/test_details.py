"""Particulars of simulations: taken from a fit's parameters, and seen in the stars."""

from __future__ import annotations

import numpy as np
import pytest
from unit.model.mocks import GAIA, GRID, mock_table

from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model.binaries import MassRatios
from clusterbayes.model.details import Details
from clusterbayes.model.discrepancy import colour_pattern, colour_shift, known_discrepancy
from clusterbayes.model.parameters import COLOUR_KNOTS
from clusterbayes.model.walkers import population_of


def test_particulars_are_taken_from_parameters_by_name():
    values = {"alpha_2": 2.1, "q_slope": 0.5, "outlier_frac": 0.03, "floor_Gaia_G": 0.01, "colour_3.60": -0.02}
    details = Details.from_parameters({**values, "zero_point_Gaia_BP": 0.04, "mh": 0.1}, binary_law="power")
    assert details.alpha == (2.1, 2.1) and details.q_slope == 0.5 and details.outlier_frac == 0.03
    assert details.floor == {"Gaia_G": 0.01} and details.colour == {3.6: -0.02}
    assert details.zero_point == {"Gaia_BP": 0.04} and details.binary_law == "power"


def test_what_families_share_is_added_to_the_knots():
    """The likelihood and the simulator take the same amplitudes from the same parameters."""
    values = {"alpha_2": 2.3, "q_slope": 0.0, "outlier_frac": 0.0, "colour_family": 0.2}
    values |= {f"colour_{knot:.2f}": 0.01 * i for i, knot in enumerate(COLOUR_KNOTS)}
    details = Details.from_parameters(values)
    assert details.colour[3.51] == pytest.approx(0.21) and details.colour[3.72] == pytest.approx(0.04 + 0.2 * 0.2)
    full = {name: np.array([value]) for name, value in values.items()} | {
        name: np.array([value]) for name, value in {"log_age": 9.0, "mh": 0.0, "dist_mod": 5.0, "a_v": 0.0}.items()
    }
    full |= dict.fromkeys(("binary_frac", "member_frac", "parallax_zero_point", "depth"), np.zeros(1))
    population = population_of(full, GRID, GAIA, MassRatios(), per_a_v=np.ones(len(GAIA)), slope_held=True, radius=None)
    assert population.colour[0] == pytest.approx(list(details.colour.values()))


def test_a_zero_point_shifts_its_band_alone():
    plain, moved = (mock_table(60, details=Details(zero_point=zero)) for zero in ({}, {"Gaia_BP": 0.3}))
    shift = [np.median(np.asarray(moved[band]) - np.asarray(plain[band])) for band in GAIA]
    assert shift == pytest.approx([0.0, 0.3, 0.0], abs=0.01)


def test_outliers_are_members_without_a_mass():
    table = mock_table(400, 50, details=Details(outlier_frac=0.25))
    n_outliers = np.count_nonzero(np.asarray(table["is_member"]) & np.isnan(np.asarray(table["mass"])))
    assert abs(n_outliers - 100) < 4 * np.sqrt(400 * 0.25 * 0.75)


class TestKnownDiscrepancy:
    GAIA_GRID = IsochroneGrid.load("parsec", bands=GAIA)

    def test_knots_are_those_of_the_parameters(self):
        known = known_discrepancy(self.GAIA_GRID.metadata, GAIA)
        assert known
        assert set(known) == {"log_age_offset", *(f"colour_{knot:.2f}" for knot in COLOUR_KNOTS)}
        assert all(abs(mean) < 0.2 and 0.0 < scatter < 0.1 for mean, scatter in known.values())

    def test_of_other_bands_or_grids_nothing_is_known(self):
        others = known_discrepancy(self.GAIA_GRID.metadata, ("Gaia_G", "Gaia_RP"))
        assert set(others) == {"log_age_offset"}  # ages are off whatever the bands
        assert known_discrepancy(GRID.metadata, GAIA) == {}
        assert known_discrepancy({**self.GAIA_GRID.metadata, "corrections_digest": "f" * 16}, GAIA) == {}


class TestColourShift:
    KNOTS = (3.5, 3.6, 3.72, 3.85)

    def test_straight_between_knots_and_constant_beyond(self):
        pattern = colour_pattern(GAIA, 3, (3.5, 3.6), GRID)
        shift = colour_shift(np.array([3.4, 3.55, 3.9]), {3.5: 0.1, 3.6: 0.0}, pattern)
        np.testing.assert_allclose(shift, np.array([[0.1], [0.05], [0.0]]) * pattern[0], atol=1e-12)

    def test_bluest_and_reddest_band_share_it_evenly(self):
        pattern = colour_pattern(GAIA, 3, self.KNOTS, GRID)
        assert pattern[:, 1] == pytest.approx(0.5)
        assert pattern[:, 2] == pytest.approx(-0.5)
        assert colour_pattern(("Gaia_BP", "Gaia_RP"), 2, (3.5,), GRID) == pytest.approx(np.array([[0.5, -0.5]]))
        assert not colour_pattern(("Gaia_G",), 1, self.KNOTS, GRID).any()

    @pytest.mark.parametrize("by_wavelength", [False, True])
    def test_shifted_stars_stay_on_the_locus_of_two_colours(self, by_wavelength):
        """With shares by the logarithm of the wavelength, the control, cool stars leave it."""
        grid = IsochroneGrid.load("parsec", bands=GAIA)
        iso = grid.isochrone(8.8, 0.0)
        dwarf = (iso.log_g > 4.0) & (iso.log_teff > 3.5) & (iso.log_teff < 3.8)
        plain = np.stack([iso.magnitudes[band] for band in GAIA], axis=1)[dwarf]
        pattern = colour_pattern(GAIA, 3, self.KNOTS, grid)
        if by_wavelength:
            pattern = np.broadcast_to([0.06, 0.5, -0.5], pattern.shape)
        moved = plain + colour_shift(iso.log_teff[dwarf], dict.fromkeys(self.KNOTS, 0.1), pattern)
        locus = np.argsort(plain[:, 1] - plain[:, 2])
        on_locus = np.interp(
            moved[:, 1] - moved[:, 2], (plain[:, 1] - plain[:, 2])[locus], (plain[:, 0] - plain[:, 2])[locus]
        )
        inside = moved[:, 1] - moved[:, 2] < (plain[:, 1] - plain[:, 2]).max()
        off = np.abs(moved[:, 0] - moved[:, 2] - on_locus)[inside].max()
        assert (off < 0.006) == (not by_wavelength), off
