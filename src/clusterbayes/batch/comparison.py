"""A batch beside a reference catalogue: residuals, their size, and whether the errors explain them.

The reference is a CSV with one row a cluster, found by a column name, file or cluster. Its parameters are named as in
the summary (log_age, mh, dist_mod, a_v, …), their errors NAME_sigma or NAME_error, in the same units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clusterbayes.batch.jobs import rows_of
from clusterbayes.batch.options import Choice, read_options
from clusterbayes.errors import InputError

__all__ = ["PARAMETERS", "Comparison", "Reference", "compare", "read_reference"]

#: What can be compared, in the order in which it is shown.
PARAMETERS = (
    "log_age", "age_myr", "age_gyr", "mh", "dist_mod", "distance", "a_v", "ebv", "binary_frac", "binary_frac_q05",
    "n_members", "total_mass", "half_number_radius", "half_number_radius_pc",
)  # fmt: skip
_ENDS = ("_sigma", "_error")
_ONE_SIGMA, _NINETY = 1.0, 1.6449  # two-sided 68 and 90 % of a normal law


@dataclass(frozen=True)
class Reference:
    """A reference catalogue.

    Attributes
    ----------
    choice : Choice
        Its rows as text.
    parameters : tuple of str
        Those of `PARAMETERS` that it has.
    """

    choice: Choice
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """One parameter of the clusters that both catalogues have.

    Attributes
    ----------
    parameter : str
    names : list of str, n_cluster
    fitted, fitted_sigma : ndarray, shape (n_cluster,)
        Median, and half of the interval from 16 to 84 %.
    reference, reference_sigma : ndarray, shape (n_cluster,)
        NaN where the catalogue gives no error.
    good : ndarray of bool, shape (n_cluster,)
        Whether the fit converged.
    """

    parameter: str
    names: list[str]
    fitted: NDArray[np.float64]
    fitted_sigma: NDArray[np.float64]
    reference: NDArray[np.float64]
    reference_sigma: NDArray[np.float64]
    good: NDArray[np.bool_]

    @property
    def residual(self) -> NDArray[np.float64]:
        """Fitted minus reference (n_cluster,)."""
        return self.fitted - self.reference

    @property
    def normalised(self) -> NDArray[np.float64]:
        """Residuals over the errors of both, added in quadrature (n_cluster,); NaN where neither has one."""
        errors = np.hypot(self.fitted_sigma, np.nan_to_num(self.reference_sigma))
        return np.divide(self.residual, errors, out=np.full_like(errors, np.nan), where=errors > 0)

    def statistics(self, only_good: bool = True) -> dict[str, float]:
        """Return number, median and rms of the residuals, rms of the normalised ones, and the share within 68 and 90 %.

        Parameters
        ----------
        only_good : bool
            Leave out fits that did not converge.
        """
        used = self.good if only_good else np.ones_like(self.good)
        if not used.any():
            return {"n": 0} | dict.fromkeys(("median", "rms", "normalised_rms", "within_68", "within_90"), math.nan)
        residual, z = self.residual[used], self.normalised[used]
        z = z[np.isfinite(z)] if np.isfinite(z).any() else np.array([np.nan])
        return {
            "n": int(used.sum()),
            "median": float(np.median(residual)),
            "rms": float(np.sqrt(np.mean(residual**2))),
            "normalised_rms": float(np.sqrt(np.mean(z**2))),
            "within_68": float(np.mean(np.abs(z) < _ONE_SIGMA)),
            "within_90": float(np.mean(np.abs(z) < _NINETY)),
        }


def read_reference(path: str | Path) -> Reference:
    """Read a reference catalogue.

    Raises
    ------
    InputError
        If it can't be read, holds nothing that can be compared, or a cell is no number.
    """
    choice = read_options(path)
    present = {name for cells in choice.rows for name in cells}
    parameters = tuple(name for name in PARAMETERS if name in present)
    if not parameters:
        expected = f"columns such as {', '.join(PARAMETERS[:5])}"
        raise InputError("this catalogue has nothing that can be compared", str(path), expected=expected)
    for number, cells in enumerate(choice.rows):
        for column in (name + end for name in parameters for end in ("", *_ENDS)):
            _number(cells, column, number, choice.path)
    return Reference(choice, parameters)


def compare(rows: Iterable[Mapping[str, Any]], reference: Reference) -> list[Comparison]:
    """Compare the rows of a summary with a reference catalogue.

    Returns
    -------
    list of Comparison
        One for each parameter that at least one cluster has in both; empty if no cluster is in both.
    """
    done = {str(row["name"]): row for row in rows if row["status"] == "done"}
    try:
        found = rows_of(list(done), reference.choice)
    except InputError as error:
        if error.problem.startswith("no row"):
            return []
        raise
    comparisons = []
    for parameter in reference.parameters:
        entries: list[tuple[Any, ...]] = []
        for name, (number, cells) in found.items():
            value = _number(cells, parameter, number, reference.choice.path)
            fitted = [_finite(done[name].get(parameter + end)) for end in ("", "_q16", "_q84")]
            if math.isfinite(value) and all(map(math.isfinite, fitted)):
                errors = (_number(cells, parameter + end, number, reference.choice.path) for end in _ENDS)
                sigma = next((error for error in errors if math.isfinite(error)), math.nan)
                spread = 0.5 * (fitted[2] - fitted[1])
                entries.append((name, fitted[0], spread, value, sigma, bool(done[name].get("converged"))))
        if entries:
            columns = [[entry[column] for entry in entries] for column in range(6)]
            numbers = [np.array(column, dtype=np.float64) for column in columns[1:5]]
            chosen = np.array(columns[5], dtype=bool)
            median, half, values, sigmas = numbers
            comparisons.append(Comparison(parameter, columns[0], median, half, values, sigmas, chosen))
    return comparisons


def _finite(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _number(cells: Mapping[str, str], column: str, row: int, path: Path) -> float:
    """Return a cell as a number, NaN if it is empty."""
    if column not in cells:
        return math.nan
    try:
        return float(cells[column])
    except ValueError:
        raise InputError("a number was expected", str(path), column, row, cells[column]) from None
