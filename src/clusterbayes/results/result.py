"""What a fit learnt, and how it is kept.

A `FitResult` holds the chain, flat draws with their units, a table with one row for every input row, isochrones to draw
over the data, diagnostics and provenance. Each piece writes itself into a group of an HDF5 file and reads itself back,
so that `load` gives exactly what was saved, text and missing values included. Two results are equal if all of their
pieces are, NaN being equal to NaN.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from clusterbayes.bands import parse_observable
from clusterbayes.errors import InputError, SettingsError
from clusterbayes.results.tables import compression, plain, plain_table, read_table, same, write_table
from clusterbayes.wording import counted
from clusterbayes.writing import replacing

__all__ = ["SCHEMA_VERSION", "Curve", "FitResult"]

SCHEMA_VERSION = "1.0"
_FORMAT = "clusterbayes.FitResult"
_FORMAT_VERSION = "1.0"
_FILE_NAME = "result.h5"
_EXPECTED = f"a folder that 'clusterbayes fit' or FitResult.save wrote, or its {_FILE_NAME}"
_PERCENTILES = {"q05": 5.0, "q16": 16.0, "q84": 84.0, "q95": 95.0}


@dataclass(eq=False)
class Curve:
    """An isochrone as it is drawn over the data.

    Parameters
    ----------
    kind : str
        "best" (the most probable draw), "fan" (a posterior draw) or "binary" (equal masses, at the best draw).
    m_ini, log_teff, log_lum : ndarray, shape (n_vertex,)
        Initial mass [Msun], log10 of the effective temperature [K] and of the luminosity [Lsun].
    observables : ndarray, shape (n_vertex, n_obs)
        Apparent, reddened observables [mag], in the order of `FitResult.observables`.
    phase : ndarray, shape (n_vertex,)
        Evolutionary phase of each vertex (integers, as in the grid).
    """

    kind: str
    m_ini: NDArray[np.float64]
    log_teff: NDArray[np.float64]
    log_lum: NDArray[np.float64]
    observables: NDArray[np.float64]
    phase: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("m_ini", "log_teff", "log_lum", "observables"):
            setattr(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        self.phase = np.asarray(self.phase, dtype=np.int64)
        lengths = {name: len(getattr(self, name)) for name in _CURVE_ARRAYS}
        if len(set(lengths.values())) != 1 or self.observables.ndim != 2:
            raise InputError("the arrays of a curve differ in length", source=f"{self.kind} curve", value=lengths)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Curve) and _same_pieces(self, other)

    def write(self, group: h5py.Group) -> None:
        """Write the curve into an HDF5 group."""
        group.attrs["kind"] = self.kind
        for name in _CURVE_ARRAYS:
            group.create_dataset(name, data=getattr(self, name))

    @classmethod
    def read(cls, group: h5py.Group) -> Curve:
        """Read a curve from an HDF5 group."""
        return cls(str(group.attrs["kind"]), *(group[name][...] for name in _CURVE_ARRAYS))


_CURVE_ARRAYS = ("m_ini", "log_teff", "log_lum", "observables", "phase")


@dataclass(eq=False, repr=False)
class FitResult:
    """The outcome of a fit.

    Parameters
    ----------
    chain : ndarray, shape (n_steps, n_walkers, n_dim)
        Sampled parameters, burn-in removed.
    log_prob : ndarray, shape (n_steps, n_walkers)
        Log posterior density of the chain, up to a constant.
    names : tuple of str
        Sampled parameters, in the order of the chain's last axis.
    units : dict of str to str
        Unit of every sampled, derived and held parameter; "" where it has none.
    draws : dict of str to ndarray, shape (n_draw,)
        Flat, thinned posterior draws of the sampled and the derived parameters.
    best : dict of str to float
        Parameters at the largest log posterior density.
    stars : astropy.table.Table, n_input rows
        One row for every input row, in input order: membership, mass, mass ratio, temperature and luminosity with their
        spreads, whether and why not the row was used, observed values and errors, and the input's columns.
    curves : list of Curve
        Isochrones to draw.
    observables : tuple of str
        Names of the fitted observables; `stars` has columns ``NAME`` and ``NAME_error`` [mag].
    mag_limits : tuple of (str, float, float) or None
        Observable, bright limit and faint limit [mag] of the fitted sample; infinite where there is none.
    diagnostics, counts, provenance : dict
        How well the sampler did; how many rows were used and why others were not; where everything came from.
    notes : list of str
        What the reader should know about this fit.
    """

    chain: NDArray[np.float64]
    log_prob: NDArray[np.float64]
    names: tuple[str, ...]
    units: dict[str, str]
    draws: dict[str, NDArray[np.float64]]
    best: dict[str, float]
    stars: Table
    curves: list[Curve]
    observables: tuple[str, ...]
    mag_limits: tuple[str, float, float] | None
    diagnostics: dict[str, Any]
    counts: dict[str, Any]
    provenance: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chain = np.asarray(self.chain, dtype=np.float64)
        self.log_prob = np.asarray(self.log_prob, dtype=np.float64)
        self.names, self.observables = tuple(self.names), tuple(self.observables)
        self.draws = {str(name): np.asarray(draw, dtype=np.float64) for name, draw in self.draws.items()}
        self.best = {str(name): float(value) for name, value in self.best.items()}
        held = self.provenance.get("fixed") or {}
        self.units = {name: str(self.units.get(name, "")) for name in (*self.draws, *self.names, *held)}
        self.stars = plain_table(self.stars)
        self.curves, self.notes = list(self.curves), [str(note) for note in self.notes]
        for name in ("diagnostics", "counts", "provenance"):
            setattr(self, name, plain(getattr(self, name)))
        if self.mag_limits is not None:
            name, bright, faint = self.mag_limits
            limits = (-np.inf if bright is None else bright, np.inf if faint is None else faint)
            self.mag_limits = (str(name), float(limits[0]), float(limits[1]))
        self._check()

    def _check(self) -> None:
        if self.chain.ndim != 3 or self.log_prob.shape != self.chain.shape[:2]:
            shapes = f"{self.chain.shape} and {self.log_prob.shape}"
            raise InputError("chain and log_prob do not belong together", value=shapes, expected="(s, w, d) and (s, w)")
        if self.chain.shape[2] != len(self.names):
            raise InputError(
                "the chain's last axis and the names differ", value=self.chain.shape, expected=", ".join(self.names)
            )
        if len({draw.shape for draw in self.draws.values()}) > 1:
            raise InputError("the draws differ in shape", expected="one (n_draw,) array for every parameter")
        for name in ("id", "p_member"):
            if name not in self.stars.colnames:
                raise InputError("the star table lacks a column", source="stars", column=name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FitResult) and _same_pieces(self, other)

    def __repr__(self) -> str:
        shown = (name for name in ("log_age", "mh", "dist_mod", "a_v") if name in self.draws)
        values = ", ".join(f"{name}={self.draws[name].mean():.3f}±{self.draws[name].std():.3f}" for name in shown)
        state = "converged" if self.converged else "not converged"
        return f"FitResult({values}; {counted(len(self.stars), 'star')}, {counted(self.n_draw, 'draw')}, {state})"

    @property
    def n_draw(self) -> int:
        """Number of posterior draws."""
        return len(next(iter(self.draws.values()))) if self.draws else 0

    @property
    def converged(self) -> bool:
        """Whether the sampler met its targets."""
        return bool(self.diagnostics.get("converged", False))

    @property
    def p_member(self) -> NDArray[np.float64]:
        """Membership probability of every input row, (n_input,), in input order; NaN where a row was not used."""
        return self.column("p_member")

    def column(self, name: str) -> NDArray[np.float64]:
        """Return a column of `stars` as plain numbers, (n_input,); NaN where a cell is masked."""
        return np.ma.filled(np.ma.asarray(self.stars[name], dtype=np.float64), np.nan)

    @property
    def distance_shift(self) -> NDArray[np.float64]:
        """What the fit moved each row by to bring stars to one distance, (n_input,) [mag]; 0 where it moved nothing."""
        known = "distance_shift" in self.stars.colnames  # not in results of earlier versions
        return np.nan_to_num(self.column("distance_shift")) if known else np.zeros(len(self.stars))

    def at_one_distance(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return values and listed errors of the observables, each (n_input, n_obs) [mag]; NaN where missing.

        Where the fit moved the stars of a near cluster to one distance, magnitudes are those that they have there: what
        isochrones were compared with. The error of the move is not among the errors: magnitudes share it, colours have
        none of it.
        """
        values = np.stack([self.column(name) for name in self.observables], axis=1)
        errors = np.stack([self.column(f"{name}_error") for name in self.observables], axis=1)
        kinds = np.array([parse_observable(name).is_magnitude for name in self.observables])
        values -= np.where(kinds, self.distance_shift[:, None], 0.0)
        return values, errors

    def curve(self, kind: str) -> Curve | None:
        """Return the first isochrone of a kind ("best", "fan" or "binary"); None if there is none."""
        return next((curve for curve in self.curves if curve.kind == kind), None)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Summarise the posterior, one parameter at a time.

        Returns
        -------
        dict of str to dict
            For each parameter "median", "mean", "std", "q05", "q16", "q84", "q95" and "unit". A parameter that was held
            fixed has its value in all of them and a "std" of 0.
        """
        constant = {k: v for k, v in (self.provenance.get("fixed") or {}).items() if k not in self.draws}
        samples = {**self.draws, **{name: np.array([value], dtype=np.float64) for name, value in constant.items()}}
        return {name: {**_statistics(draw), "unit": self.units.get(name, "")} for name, draw in samples.items()}

    def covariance(self, names: Iterable[str] | None = None) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """Return the posterior covariance.

        Parameters
        ----------
        names : iterable of str, optional
            Parameters; all sampled ones if left out.

        Returns
        -------
        names : tuple of str
            The parameters, in order.
        matrix : ndarray, shape (n, n)
            Their covariance, in the product of their units.

        Raises
        ------
        SettingsError
            If a parameter has no draws.
        """
        chosen = tuple(name for name in self.names if name in self.draws) if names is None else tuple(names)
        for name in chosen:
            if name not in self.draws:
                raise SettingsError.unknown("parameter", name, self.draws)
        if not chosen:
            return chosen, np.empty((0, 0))
        return chosen, np.atleast_2d(np.cov(np.stack([self.draws[name] for name in chosen]), ddof=0))

    def summary_document(self) -> dict[str, Any]:
        """Return the content of ``summary.json``.

        Its form is a promise, versioned by ``schema_version`` and published as a JSON Schema. Values that are not
        finite are still NaN here; a writer turns them into null.
        """
        return {
            "schema_version": SCHEMA_VERSION,
            "parameters": self.summary(),
            "best": dict(self.best),
            "diagnostics": dict(self.diagnostics),
            "counts": dict(self.counts),
            "provenance": dict(self.provenance),
            "notes": list(self.notes),
        }

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write everything into one HDF5 file, all of it or nothing.

        Parameters
        ----------
        path : path-like
            A folder, made if need be, that gets a file ``result.h5``; or a file name that ends in ``.h5``.
        overwrite : bool
            Whether an existing file may be replaced.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        SettingsError
            If the file exists and may not be replaced.
        """
        target = _file_in(path)
        if target.exists() and not overwrite:
            raise SettingsError("the file exists already", str(target), remedy="choose another place, or overwrite it")
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as partial, h5py.File(partial, "w") as file:
            self.write(file)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FitResult:
        """Read a result that `save` wrote.

        Parameters
        ----------
        path : path-like
            The file, or the folder that holds ``result.h5``.

        Raises
        ------
        InputError
            If there is no such file, or it is something else.
        """
        source = _file_in(path) if Path(path).is_dir() else Path(path)
        if not source.is_file():
            problem = f"the folder holds no {_FILE_NAME}" if Path(path).is_dir() else "no such file or folder"
            raise InputError(problem, str(path), expected=_EXPECTED)
        try:
            file = h5py.File(source, "r")
        except OSError as error:
            raise InputError("this is no HDF5 file, or a damaged one", str(source), expected=_EXPECTED) from error
        with file:
            if file.attrs.get("format") != _FORMAT:
                raise InputError("this HDF5 file holds no fit result", str(source), expected=f"format {_FORMAT}")
            version = str(file.attrs["format_version"])
            if version.split(".")[0] != _FORMAT_VERSION.split(".")[0]:
                raise InputError(
                    "the file was written by another version of the library",
                    source=str(source),
                    value=f"format {version}",
                    expected=f"format {_FORMAT_VERSION}",
                    remedy="read it with that version, or fit again",
                )
            return cls.read(file)

    def write(self, group: h5py.Group) -> None:
        """Write all pieces into an HDF5 group."""
        group.attrs.update({"format": _FORMAT, "format_version": _FORMAT_VERSION})
        group.create_dataset("chain", data=self.chain, **compression(self.chain))
        group.create_dataset("log_prob", data=self.log_prob, **compression(self.log_prob))
        draws = group.create_group("draws", track_order=True)
        for name, draw in self.draws.items():
            draws.create_dataset(name, data=draw).attrs["unit"] = self.units[name]
        write_table(group.create_group("stars"), self.stars)
        curves = group.create_group("curves")
        for index, curve in enumerate(self.curves):
            curve.write(curves.create_group(f"{index:05d}"))
        for name in _DOCUMENTS:
            group.create_dataset(name, data=json.dumps(getattr(self, name)))

    @classmethod
    def read(cls, group: h5py.Group) -> FitResult:
        """Read all pieces from an HDF5 group."""
        documents = {name: json.loads(group[name].asstr()[()]) for name in _DOCUMENTS}
        return cls(
            chain=group["chain"][...],
            log_prob=group["log_prob"][...],
            draws={name: data[...] for name, data in group["draws"].items()},
            stars=read_table(group["stars"]),
            curves=[Curve.read(group["curves"][name]) for name in sorted(group["curves"])],
            **documents,
        )


# Kept as JSON text (with NaN and Infinity, which Python reads back exactly).
_DOCUMENTS = (
    "names", "units", "best", "observables", "mag_limits", "diagnostics", "counts", "provenance", "notes"
)  # fmt: skip


def _statistics(draw: NDArray[np.float64]) -> dict[str, float]:
    if not draw.size:
        return dict.fromkeys(("median", "mean", "std", *_PERCENTILES), float("nan"))
    values = {"median": np.median(draw), "mean": draw.mean(), "std": draw.std()}
    values.update(zip(_PERCENTILES, np.percentile(draw, list(_PERCENTILES.values())), strict=True))
    return {name: float(value) for name, value in values.items()}


def _file_in(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    return path if path.suffix == ".h5" and not path.is_dir() else path / _FILE_NAME


def _same_pieces(one: Any, other: Any) -> bool:
    return all(same(getattr(one, piece.name), getattr(other, piece.name)) for piece in fields(one))
