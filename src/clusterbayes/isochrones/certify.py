"""How wrong interpolation is, in numbers: the certificate of a grid.

Two kinds of evidence.  Every grid can be asked to foretell its own nodes: one is left out, the rest is refined and
interpolated as `IsochroneGrid.load` does it, and the result is compared with the node that was left out.  Where
published isochrones lie between the nodes (raw tables), they are compared with the interpolated ones directly.  What is
measured is the distance from points of the one line to the other in a colour-magnitude diagram, by phase and age, and
the error in mass at the foot of that distance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clusterbayes.errors import GridError, GridRangeError, SettingsError
from clusterbayes.isochrones.bolometric import correction_bands
from clusterbayes.isochrones.certificate import SAME_AGE, TESTS, Certificate
from clusterbayes.isochrones.comparison import Comparison, Line, compare, line_of
from clusterbayes.isochrones.eep import PHASES
from clusterbayes.isochrones.formats import RawTable, read_isochrones
from clusterbayes.isochrones.grid import IsochroneGrid
from clusterbayes.isochrones.refine import default_factors

__all__ = ["certify", "certify_grid"]

Array = NDArray[np.float64]
Report = Callable[[str, float], None]
Diagram = tuple[str, str, str]

FAINTEST = 9.0
BANDS: Diagram = ("Gaia_G", "Gaia_BP", "Gaia_RP")
_RAW_DIAGRAMS: tuple[Diagram, ...] = (("V", "B", "V"), ("I", "V", "I"), ("SDSS_g", "SDSS_g", "SDSS_r"), BANDS)
_WINDOW = 4  # nodes on each side of the gap that a refinement may look at


def certify(
    grid_name: str | Path,
    *,
    raw: Iterable[str | Path] = (),
    bands: Sequence[str] = BANDS,
    faintest: float = FAINTEST,
    both_ways: bool = True,
    progress: Report | None = None,
) -> Certificate:
    """Measure the interpolation error of a grid.

    Parameters
    ----------
    grid_name : str or Path
        Name of a grid or of a family, or path of a grid file.
    raw : iterable of paths
        Files of published isochrones between the grid's nodes, in a format that `read_isochrones` knows.
    bands : sequence of three str
        The magnitude, and the two bands of the colour, of the diagram of the leave-one-out tests.
    faintest : float
        Faintest absolute magnitude [mag] that counts.
    both_ways : bool
        Whether nodes that are left out are compared both ways, as explained for
        `clusterbayes.isochrones.comparison.compare`; else the models' points are held against the nearest line.
    progress : callable, optional
        Called with what is being done and its fraction, 0 to 1.

    Returns
    -------
    Certificate
        The measurements.

    Raises
    ------
    GridError
        If there is no such grid, it lacks a band, or it has too few nodes to leave one out.
    InputError
        If a raw file cannot be read.
    """
    paths = [Path(path) for path in raw]
    if len(tuple(bands)) != 3:
        raise SettingsError("a diagram is a magnitude and the two bands of a colour", "bands", tuple(bands))
    grid = IsochroneGrid.load(grid_name, bands=tuple(dict.fromkeys(bands)), refine=False, progress=progress)
    name = Path(grid_name).stem if Path(grid_name).is_file() else str(grid_name)
    certificate = replace(certify_grid(grid, bands, faintest, both_ways, progress), name=name)
    if not paths:
        return certificate
    present = grid.metadata["native_bands"] or correction_bands()
    found, worst = _against_raw(grid_name, paths, present, faintest, progress)
    return replace(
        certificate,
        comparisons={**certificate.comparisons, **found},
        worst={**certificate.worst, **({} if worst is None else {"raw": worst})},
    )


def certify_grid(
    grid: IsochroneGrid,
    bands: Sequence[str] = BANDS,
    faintest: float = FAINTEST,
    both_ways: bool = True,
    progress: Report | None = None,
) -> Certificate:
    """Leave the nodes of a grid out, in turn, and compare them with what the others say.

    Parameters
    ----------
    grid : IsochroneGrid
        A grid as its file has it, not refined.
    bands, faintest, both_ways, progress
        As in `certify`.

    Returns
    -------
    Certificate
        The measurements.

    Raises
    ------
    GridError
        If no axis has three nodes, nothing is bright enough, or the grid was refined.
    """
    if "refined" in grid.metadata:
        raise GridError(
            "the grid was refined before it was saved: inserted nodes would be foretold from each other",
            grid.name,
            "nodes that are models",
            "certify the grid that it was made of",
        )
    names = tuple(grid.select([band]).bands[0] for band in bands)
    comparisons: dict[str, list[Comparison]] = {}
    worst: dict[str, tuple[Comparison, Line, Line]] = {}
    for test in ("age", "mh", "age_wide", "mh_wide"):
        found, extreme = _leave_out(grid, test, names, faintest, both_ways, progress)
        if found:
            comparisons[test] = found
        if extreme is not None:
            worst[test] = extreme
    if not comparisons:
        expected = f"an axis of at least three nodes, with points brighter than {faintest:g} mag"
        raise GridError("no node can be left out", grid.name, expected)
    nodes = {"log_age": grid.log_age, "mh": grid.mh}
    return Certificate(grid.name, grid.info(), (names[0], names[1], names[2]), faintest, nodes, comparisons, worst)


def _leave_out(
    grid: IsochroneGrid,
    test: str,
    bands: tuple[str, ...],
    faintest: float,
    both_ways: bool,
    progress: Report | None,
) -> tuple[list[Comparison], tuple[Comparison, Line, Line] | None]:
    """Compare every node of an axis, but the outermost, with its interpolation from nodes `reach` steps away."""
    along_age, reach = test.startswith("age"), 2 if test.endswith("wide") else 1
    axis, other = (grid.log_age, grid.mh) if along_age else (grid.mh, grid.log_age)
    factors = default_factors(grid.metadata, grid.log_age, grid.mh)
    # Along the other axis all nodes are there, and refinement leaves nodes as they are.
    factors = (factors[0], 1) if along_age else (1, factors[1])
    tally = _Tally()
    for i in range(reach, axis.size - reach):
        if progress is not None:
            progress(TESTS[test], (i - reach) / (axis.size - 2 * reach))
        thinned = _without(grid, 0 if along_age else 1, i, reach).refine(*factors)
        divisor = _divisor(axis, i, reach)
        for k in range(other.size):
            node = (float(axis[i]), float(other[k])) if along_age else (float(other[k]), float(axis[i]))
            true, made = (line_of(g.isochrone(*node), bands) for g in (grid, thinned))
            tally.add(compare(true, made, node, divisor, faintest, both_ways), true, made)
    return tally.found, tally.worst


def _divisor(axis: Array, i: int, reach: int) -> float:
    """Return the error at a node that was left out over the one midway between nodes, for errors of second order."""
    step = max(axis[i] - axis[i - 1], axis[i + 1] - axis[i])
    return float((axis[i] - axis[i - reach]) * (axis[i + reach] - axis[i]) / (0.25 * step**2))


def _without(grid: IsochroneGrid, axis: int, i: int, reach: int) -> IsochroneGrid:
    """Return the neighbourhood of node i of an axis (0 age, 1 metallicity) with the node, or three, left out."""
    size = (grid.log_age.size, grid.mh.size)[axis]
    keep = [j for j in range(max(0, i - _WINDOW - reach), min(size, i + _WINDOW + reach + 1)) if abs(j - i) >= reach]
    values: dict[str, Any] = {
        name: np.take(getattr(grid, name), keep, axis=axis)
        for name in ("m_ini", "log_teff", "log_lum", "log_g", "mags", "ext")
    }
    nodes = ("log_age", "mh")[axis]
    return replace(grid, **{nodes: getattr(grid, nodes)[keep]}, **values)


class _Tally:
    """Comparisons, and the worst of them at log_age 8 and above."""

    def __init__(self) -> None:
        self.found: list[Comparison] = []
        self.worst: tuple[Comparison, Line, Line] | None = None

    def add(self, comparison: Comparison | None, true: Line, made: Line) -> None:
        if comparison is None:
            return
        self.found.append(comparison)
        if comparison.log_age > 8.0 - 1e-4 and (self.worst is None or comparison.rms > self.worst[0].rms):
            self.worst = (comparison, true, made)


def _against_raw(
    grid_name: str | Path, paths: list[Path], present: Sequence[str], faintest: float, progress: Report | None
) -> tuple[dict[str, list[Comparison]], tuple[Comparison, Line, Line] | None]:
    """Hold published isochrones against the grid as it is used, in every diagram that both have."""
    tally, foretold = _Tally(), []
    for path in paths:
        tables = read_isochrones(path)
        diagrams = _diagrams(set(present).intersection(*(table.bands for table in tables)), path)
        own = IsochroneGrid.load(grid_name, bands=tuple(dict.fromkeys(b for d in diagrams for b in d)), refine=False)
        grid, before = own.refine(), len(tally.found)
        for n, table in enumerate(tables):
            if progress is not None:
                progress(f"{TESTS['raw']}: {path.name}", n / len(tables))
            node = (float(table.log_age), float(table.mh))
            try:
                isochrone = grid.isochrone(*node)
            except GridRangeError:
                continue
            for diagram in diagrams:
                true, made = _raw_line(table, diagram), line_of(isochrone, diagram)
                tally.add(compare(true, made, node, 1.0, faintest, both_ways=False), true, made)
        foretold += _foretold(own, tally.found[before:], diagrams, faintest)
    if not tally.found:
        raise GridError("no published isochrone lies within the grid", str(grid_name))
    return {"raw": tally.found, "raw_mh": foretold}, tally.worst


def _foretold(
    grid: IsochroneGrid, found: list[Comparison], diagrams: list[Diagram], faintest: float
) -> list[Comparison]:
    """Leave out the neighbours in metallicity of published isochrones at the ages of nodes.

    The divisor of the comparisons is for the place of the published isochrone between its neighbours.
    """
    factors = (1, default_factors(grid.metadata, grid.log_age, grid.mh)[1])
    thinned: dict[int, IsochroneGrid] = {}
    comparisons: list[Comparison | None] = []
    for log_age, mh in sorted({(c.log_age, c.mh) for c in found}):
        i = int(np.argmin(np.abs(grid.log_age - log_age)))
        k = int(np.searchsorted(grid.mh, mh))
        if abs(grid.log_age[i] - log_age) > SAME_AGE or not 1 < k < grid.mh.size - 1:
            continue
        f = float((mh - grid.mh[k - 1]) / (grid.mh[k] - grid.mh[k - 1]))
        for j in (k - 1, k):
            if j not in thinned:
                thinned[j] = _without(grid, 1, j, 1).refine(*factors)
            node = (float(grid.log_age[i]), float(grid.mh[j]))
            isochrones = [g.isochrone(*node) for g in (grid, thinned[j])]
            for diagram in diagrams:
                true, made = (line_of(isochrone, diagram) for isochrone in isochrones)
                divisor = _divisor(grid.mh, j, 1) / max(4 * f * (1 - f), 1e-3)
                comparisons.append(compare(true, made, node, divisor, faintest, both_ways=False))
    return [c for c in comparisons if c is not None]


def _diagrams(common: set[str], path: Path) -> list[Diagram]:
    """Return the diagrams that can be made from the bands that a grid and a raw file have in common."""
    diagrams = [diagram for diagram in _RAW_DIAGRAMS if set(diagram) <= common]
    if not diagrams:
        expected = "the bands of one of " + "; ".join(f"{m}, {b}-{r}" for m, b, r in _RAW_DIAGRAMS)
        raise GridError("no diagram can be made from the bands that grid and file share", str(path), expected)
    return diagrams


def _raw_line(table: RawTable, bands: Sequence[str]) -> Line:
    """Return a published isochrone in a diagram, in the phases that grids have."""
    columns = [table.mags[:, table.bands.index(band)] for band in bands]
    keep = np.isin(table.phase, list(PHASES)) & np.all(np.isfinite(columns), axis=0)
    magnitude, blue, red = (column[keep] for column in columns)
    points = np.column_stack([magnitude, blue - red])
    return Line(points, np.log10(table.m_ini[keep]), table.phase[keep], table.log_lum[keep])
