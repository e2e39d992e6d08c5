"""Grids that the tests of this folder share."""

from __future__ import annotations

import pytest

from clusterbayes.isochrones import IsochroneGrid, analytic_grid


@pytest.fixture(scope="session")
def parsec() -> IsochroneGrid:
    """Return the default grid in Gaia bands and V."""
    return IsochroneGrid.load("parsec", bands=("Gaia_G", "Gaia_BP", "Gaia_RP", "V"))


@pytest.fixture(scope="session")
def analytic() -> IsochroneGrid:
    """Return the closed-form grid."""
    return analytic_grid()


@pytest.fixture(params=["parsec", "analytic"])
def grid(request: pytest.FixtureRequest) -> IsochroneGrid:
    """Return one grid after the other."""
    chosen: IsochroneGrid = request.getfixturevalue(request.param)
    return chosen
