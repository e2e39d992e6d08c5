"""What theory predicts: where stars of one age and composition lie, and how dust moves them.

`IsochroneGrid.load` opens a packed grid, `IsochroneGrid.isochrone` interpolates one isochrone from it,
`CorrectionTable` turns luminosities and temperatures into magnitudes, and `analytic_grid` makes a tiny closed-form grid
for tests and demonstrations.
"""

from __future__ import annotations

from clusterbayes.isochrones.analytic import analytic_grid
from clusterbayes.isochrones.bolometric import CorrectionTable
from clusterbayes.isochrones.grid import Isochrone, IsochroneGrid, available_grids

__all__ = ["CorrectionTable", "Isochrone", "IsochroneGrid", "analytic_grid", "available_grids"]
