"""Tables of a fit for other tools and other people: sources, Astromancer's layout, one row a cluster, and more.

Each is an astropy table with units and descriptions; `clusterbayes.results.export.write_table` writes it as ECSV, FITS,
VOTable or CSV.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from clusterbayes.bands import bands_of, observable_matrix, parse_observable
from clusterbayes.errors import SettingsError
from clusterbayes.model.parameters import unit_of
from clusterbayes.photometry.astrometry import numbers, read_distances
from clusterbayes.photometry.columns import recognise
from clusterbayes.photometry.layouts import SOURCES, layout_of
from clusterbayes.photometry.sky import positions
from clusterbayes.results.census import hr_table, luminosity_function, mass_function_table
from clusterbayes.results.derived import Derived, DerivedOptions, derive
from clusterbayes.results.export import CONVERGED, MEMBER_THRESHOLD, sources_table
from clusterbayes.results.result import FitResult
from clusterbayes.results.ucd import shared_descriptors

__all__ = ["SHARED", "astromancer_table", "shared_table", "summary_table"]

_Array = NDArray[np.float64]

# Astromancer's own names of filters; others keep ours.
_ASTROMANCER = {
    **{f"SDSS_{letter}": f"{letter}prime" for letter in "ugriz"}, "Gaia_G": "G", "Gaia_BP": "BP", "Gaia_RP": "RP",
    "2MASS_J": "J", "2MASS_H": "H", "2MASS_Ks": "K", **{f"WISE_W{n}": f"W{n}" for n in (1, 2, 3, 4)},
}  # fmt: skip


def astromancer_table(result: FitResult, options: DerivedOptions | None = None) -> Table:
    """Return the sources in Astromancer's wide layout, with membership added; one row for every input row.

    Parameters
    ----------
    result : FitResult
        The fit.
    options : DerivedOptions, optional
        Its `columns` say what columns of the input are.

    Returns
    -------
    Table
        id, ra, dec [deg], distance [kpc] (the input's, else the inverse of a positive parallax), pm_ra, pm_dec
        [mas/yr], each band that the fitted observables determine with its error, p_member and member; masked where
        missing.
    """
    stars, columns = result.stars, recognise(result.stars.colnames, (options or DerivedOptions()).columns)
    table = Table({"id": np.asarray(stars["id"]).astype(str)})
    nothing = np.full(len(stars), np.nan)
    where = positions(stars, columns.roles, ra_unit=None, source="stars")
    ra, dec = (nothing, nothing) if where is None else where[:2]

    def numbers_of(role: str) -> _Array:
        return numbers(stars, columns.roles[role], "stars") if role in columns.roles else nothing

    parsecs = _distances(stars, columns.roles)
    distance = nothing if parsecs is None else parsecs / 1000.0
    motion = {role: numbers_of(role) for role in ("pm_ra", "pm_dec")}
    for name, values, unit in (
        ("ra", ra, "deg"), ("dec", dec, "deg"), ("distance", distance, "kpc"), *(
            (role, values, "mas/yr") for role, values in motion.items()
        ), *_band_columns(result),
    ):  # fmt: skip
        table[name] = MaskedColumn(values, mask=~np.isfinite(values), unit=unit)
    p = result.p_member
    table["p_member"] = MaskedColumn(p, mask=~np.isfinite(p))
    with np.errstate(invalid="ignore"):
        table["member"] = (p >= MEMBER_THRESHOLD).astype(int)
    return table


def _distances(stars: Table, roles: Mapping[str, str]) -> _Array | None:
    """Return distances [pc]; of a column without a unit nobody knows what it means, then the parallax serves."""
    layout = layout_of(stars.colnames)
    if layout != SOURCES and "distance" in roles and stars[roles["distance"]].unit is None:
        roles = {role: column for role, column in roles.items() if role != "distance"}
    return read_distances(stars, roles, layout, "stars")


def _band_columns(result: FitResult) -> list[tuple[str, _Array, str]]:
    """Return magnitude and error of each band that the fitted observables determine."""
    observables = [parse_observable(name) for name in result.observables]
    bands = bands_of(observables)
    matrix = observable_matrix(observables, bands)
    values, errors = _stacked(result, ""), _stacked(result, "_error")
    found = []
    for index, band in enumerate(bands):
        goal = np.eye(len(bands))[index]
        weights = np.linalg.lstsq(matrix.T, goal, rcond=None)[0]
        weights = np.where(np.abs(weights) > 1e-9, weights, 0.0)
        if not np.allclose(weights @ matrix, goal, atol=1e-6):
            continue
        name, used = _ASTROMANCER.get(band, band), weights != 0
        found.append((name, (values[:, used] * weights[used]).sum(axis=1), "mag"))
        found.append((f"{name}_error", np.sqrt(((errors[:, used] * weights[used]) ** 2).sum(axis=1)), "mag"))
    return found


def _stacked(result: FitResult, ending: str) -> _Array:
    """Return the fitted observables, or their errors, of all input rows (n_input, n_obs)."""
    return np.stack([result.column(f"{name}{ending}") for name in result.observables], axis=1)


def _finite(diagnostic: Any) -> list[float]:
    """Return the finite numbers of a diagnostic: one for each parameter, or one for all."""
    values = diagnostic.values() if isinstance(diagnostic, dict) else [diagnostic]
    return [float(value) for value in values if value is not None and np.isfinite(value)]


def summary_table(result: FitResult, derived: Derived, name: str) -> Table:
    """Return one row that sums up a cluster; rows of several clusters may be stacked.

    Parameters
    ----------
    result : FitResult
        The fit.
    derived : Derived
        Its derived quantities.
    name : str
        The cluster.

    Returns
    -------
    Table
        name; median, 16 and 84 % points of each parameter and derived quantity (``NAME``, ``NAME_q16``, ``NAME_q84``);
        converged, ess, rhat, n_input, n_used, grid and package_version.
    """
    row: dict[str, Any] = {"name": name}
    units: dict[str, str] = {}
    parts = {key: {**values, "unit": values["unit"]} for key, values in result.summary().items()}
    parts |= {key: {**item.summary(), "unit": item.unit} for key, item in derived.quantities.items()}
    for key, values in parts.items():
        unit = values["unit"] or unit_of(key)
        for end, which in (("", "median"), ("_q16", "q16"), ("_q84", "q84")):
            row[key + end], units[key + end] = values[which], unit
    ess, rhat = (_finite(result.diagnostics.get(key)) for key in ("ess", "rhat"))
    row |= {
        "converged": result.converged, "ess": min(ess, default=np.nan),
        "rhat": max(rhat, default=np.nan), "n_input": int(result.counts.get("input", len(result.stars))),
        "n_used": int(result.counts.get("used", 0)), "grid": str((result.provenance.get("grid") or {}).get("name", "")),
        "package_version": str(result.provenance.get("package_version", "")),
    }  # fmt: skip
    table = Table(rows=[row], names=tuple(row))
    for column, unit in units.items():
        if unit and "log10" not in unit and unit != "dex":  # which no format has a word for
            table[column].unit = unit
    return table


#: What can be shared, by name, with what it is.
SHARED: dict[str, str] = {
    "sources": "every row of the input, with membership, mass, temperature and luminosity",
    "astromancer": "the sources in Astromancer's wide layout, with membership",
    "summary": "one row: parameters and derived quantities with 16 and 84 % points, diagnostics",
    "derived": "one row a derived quantity: median, percentiles, unit, and how it was made",
    "hr": "what a Hertzsprung-Russell diagram needs, star by star",
    "luminosity": "the luminosity function: members against magnitude",
    "mass": "the mass function: members against initial mass",
}


def shared_table(result: FitResult, what: str, *, name: str = "", options: DerivedOptions | None = None) -> Table:
    """Return one of the tables of `SHARED`.

    Parameters
    ----------
    result : FitResult
        The fit.
    what : str
        A key of `SHARED`.
    name : str
        The cluster, for the summary.
    options : DerivedOptions, optional
        How quantities are derived.

    Returns
    -------
    Table
        Its metadata say whether the fit ``converged``; the summary has a column for that, so that rows can be stacked.

    Raises
    ------
    SettingsError
        If there is no such table.
    """
    makers: dict[str, Callable[[], Table]] = {
        "sources": lambda: sources_table(result),
        "astromancer": lambda: astromancer_table(result, options),
        "summary": lambda: summary_table(result, derive(result, options), name),
        "derived": lambda: derive(result, options).table(),
        "hr": lambda: sources_table(result)[hr_table(result).colnames],
        "luminosity": lambda: luminosity_function(result),
        "mass": lambda: mass_function_table(result),
    }
    if what not in makers:
        raise SettingsError.unknown("table", what, SHARED)
    table = makers[what]()
    if what != "summary":
        table.meta[CONVERGED] = result.converged
    for column, words in shared_descriptors(what, table.colnames, result.observables).items():
        table[column].meta["ucd"] = words
    return table
