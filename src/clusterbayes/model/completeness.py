"""Which share of the stars of a magnitude is in a catalogue: tables, and shares that a cut in errors leaves.

Both are piecewise-linear curves of the primary magnitude as it was measured, constant beyond their ends. They multiply
the density of cluster stars, and enter the selected share of the population, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io.registry import IORegistryError
from astropy.table import Table

from clusterbayes.errors import InputError, SettingsError

__all__ = ["Completeness", "share_kept"]

_LEAST = 1e-4  # a share of zero would rule out the stars that are there
_PER_BIN = 25


@dataclass(frozen=True)
class Completeness:
    """Share of the stars that a catalogue holds against magnitude, linear between its entries.

    Attributes
    ----------
    magnitude : tuple of float
        Ascending [mag].
    fraction : tuple of float
        From 0 to 1.

    Raises
    ------
    SettingsError
        If there are fewer than two entries, magnitudes do not ascend, or a fraction is no share.
    """

    magnitude: tuple[float, ...]
    fraction: tuple[float, ...]

    def __post_init__(self) -> None:
        m, c = np.asarray(self.magnitude, float), np.asarray(self.fraction, float)
        if m.size < 2 or m.shape != c.shape or not (np.isfinite(m).all() and (np.diff(m) > 0).all()):
            raise SettingsError("a completeness table needs two or more different magnitudes, each with a fraction")
        if not ((c >= 0.0) & (c <= 1.0)).all() or c.max() <= 0.0:
            raise SettingsError("the fractions of a completeness table must lie between 0 and 1, and not all be 0")

    @classmethod
    def read(cls, path: str | Path) -> Completeness:
        """Read a table with the columns `magnitude` and `fraction` (any format that is known by its ending or header).

        Raises
        ------
        InputError
            If the file can't be read, or lacks a column or a number.
        """
        source = str(path)
        try:
            table = Table.read(path, format="ascii" if Path(path).suffix.lower() in (".csv", ".txt", ".dat") else None)
        except (OSError, ValueError, TypeError, IORegistryError) as error:
            problem = f"the completeness table cannot be read: {str(error).strip().partition(chr(10))[0]}"
            raise InputError(problem, source, expected="a CSV with the columns magnitude and fraction") from None
        missing = [name for name in ("magnitude", "fraction") if name not in table.colnames]
        if missing:
            raise InputError(
                f"the completeness table has no column {' or '.join(missing)}", source,
                expected="the columns magnitude and fraction", remedy=f"it has {', '.join(table.colnames)}",
            )  # fmt: skip
        try:
            m, c = (np.asarray(np.ma.filled(table[name], np.nan), float) for name in ("magnitude", "fraction"))
        except ValueError:
            raise InputError("the completeness table has an entry that is not a number", source) from None
        order = np.argsort(m, kind="stable")
        return cls(tuple(m[order].tolist()), tuple(c[order].tolist()))

    def __call__(self, magnitude: np.ndarray) -> np.ndarray:
        """Share of the stars of a measured magnitude that are kept."""
        return np.interp(magnitude, self.magnitude, self.fraction)

    def times(self, other: Completeness) -> Completeness:
        """Return the product of two curves, linear between the entries of both and three more between any two."""
        knots = np.union1d(self.magnitude, other.magnitude)
        knots = np.unique(np.linspace(knots[:-1], knots[1:], 5))
        return Completeness(tuple(knots.tolist()), tuple((self(knots) * other(knots)).tolist()))


def share_kept(magnitude: np.ndarray, kept: np.ndarray) -> Completeness:
    """Estimate from a catalogue which share of the stars of a magnitude a cut leaves.

    Shares in bins of equal numbers of stars, each with half a star of either kind added; where all bins on one side
    keep all of their stars, the share there is 1.

    Parameters
    ----------
    magnitude : (n_star,)
        Finite [mag].
    kept : (n_star,)
        bool
    """
    order = np.argsort(magnitude, kind="stable")
    groups = np.array_split(order, int(np.clip(order.size // _PER_BIN, 2, 60)))
    centre = np.array([np.median(magnitude[g]) for g in groups])
    count, good = np.array([g.size for g in groups]), np.array([np.count_nonzero(kept[g]) for g in groups])
    share = np.where(good == count, 1.0, np.maximum((good + 0.5) / (count + 1.0), _LEAST))
    share = np.where(good == 0, _LEAST, share)
    centre, first = np.unique(centre, return_index=True)
    if centre.size == 1:
        centre, first = np.array([centre[0] - 1.0, centre[0] + 1.0]), np.array([0, 0])
    return Completeness(tuple(centre.tolist()), tuple(share[first].tolist()))
