"""Fits of real clusters against reference values.

A truth table says for every catalogue what the literature allows and how the table is to be read, and nothing else:
each cluster is fitted with the same defaults. What comes out is one row for each catalogue with fit, reference and
their difference over both uncertainties together, and the few numbers that say whether the errors are honest and sharp.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from clusterbayes import __version__
from clusterbayes.errors import CheckpointError, ClusterBayesError, InputError, SettingsError
from clusterbayes.validation.contents import file_digests, isochrone_digests
from clusterbayes.validation.outcomes import Outcomes, run_side_by_side

__all__ = ["PARAMETERS", "Entry", "benchmark_table", "read_truth", "run_benchmark", "verdicts"]

#: What is compared: parameters that clusters have reference values of.
PARAMETERS = ("log_age", "dist_mod", "a_v", "mh")

_NEEDED = ("file", "cluster", "kind", "observables", *PARAMETERS, *(f"{name}_sigma" for name in PARAMETERS))
_SHARPNESS = {"log_age": 0.05, "dist_mod": 0.06, "a_v": 0.08}  # median posterior σ of open clusters, at most
_HONESTY = (0.5, 1.3)  # rms of residuals over combined σ
_AGE_RMS, _AGE_WORST, _GLOBULAR_SIGMAS = 0.05, 0.2, 2.0


@dataclass(frozen=True)
class Entry:
    """One catalogue of the truth table.

    Attributes
    ----------
    file : str
        Name of the catalogue without its ending; the name of everything that comes of it.
    cluster, kind : str
        Name of the cluster, and "open" or "globular".
    reference : dict of str to (float, float)
        Value and standard deviation of each parameter; NaN where there is no usable one.
    observables : str
        What is fitted, e.g. "G,BP-RP".
    center, radius : optional
        Of the cluster [deg], where the field surrounds it.
    default_error : float, optional
        For tables without errors [mag].
    control : str
        File name of a control field, or empty.
    """

    file: str
    cluster: str
    kind: str
    reference: dict[str, tuple[float, float]]
    observables: str
    center: tuple[float, float] | None = None
    radius: float | None = None
    default_error: float | None = None
    control: str = ""

    def reading(self) -> dict[str, Any]:
        """Return what the fit depends on, as plain data: everything but the reference values."""
        given = {**asdict(self), "center": None if self.center is None else list(self.center)}
        return {name: given[name] for name in ("observables", "center", "radius", "default_error", "control")}


@dataclass(frozen=True)
class _Task:
    """A catalogue to fit, with what all of them share."""

    entry: Entry
    tables: Path
    out: Path
    settings: dict[str, Any]
    fitting: dict[str, Any] = field(default_factory=dict)
    isochrones: dict[str, str] = field(default_factory=dict)


def read_truth(path: str | os.PathLike[str]) -> list[Entry]:
    """Read a truth table.

    Parameters
    ----------
    path : path-like
        CSV with lines of comment (#) and the columns `file`, `cluster`, `kind`, `observables` (separated by ;), for
        each of `PARAMETERS` a value and its `_sigma`, and, where a catalogue needs them, `ra`, `dec`, `radius_deg`
        [deg], `default_error` [mag] and `control` (a file name).

    Raises
    ------
    InputError
        If there is no such file, a column is missing, or a cell is no number.
    """
    source = str(path)
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise InputError("no such file", source, expected="a truth table (CSV)") from error
    rows = list(csv.DictReader(line for line in lines if line.strip() and not line.startswith("#")))
    if not rows:
        raise InputError("the truth table has no rows", source)
    missing = [name for name in _NEEDED if name not in rows[0]]
    if missing:
        raise InputError("the truth table lacks a column", source, missing[0], expected=", ".join(_NEEDED))
    return [_entry(row, number, source) for number, row in enumerate(rows)]


def _entry(row: Mapping[str, str | None], number: int, source: str) -> Entry:
    def cell(name: str) -> float:
        text = (row.get(name) or "").strip()
        try:
            return float(text) if text else float("nan")
        except ValueError as error:
            problem = "a cell of the truth table is no number"
            raise InputError(problem, source, name, number, text, "a number, or nothing") from error

    ra, dec, radius, default_error = (cell(name) for name in ("ra", "dec", "radius_deg", "default_error"))
    given = np.isfinite([ra, dec, radius])
    if given.any() and not given.all():
        raise InputError("a centre needs ra, dec and radius_deg", source, "ra", number, expected="all three, or none")
    return Entry(
        file=str(row["file"]), cluster=str(row["cluster"]), kind=str(row["kind"]),
        reference={name: (cell(name), cell(f"{name}_sigma")) for name in PARAMETERS},
        observables=str(row["observables"]).replace(";", ","),
        center=(ra, dec) if given.all() else None, radius=radius if given.all() else None,
        default_error=default_error if np.isfinite(default_error) else None, control=(row.get("control") or "").strip(),
    )  # fmt: skip


def run_benchmark(
    tables: str | os.PathLike[str],
    truth: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    only: Sequence[str] = (),
    fitting: Mapping[str, Any] | None = None,
    max_steps: int = 3000,
    n_workers: int | None = None,
    tell: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Fit the catalogues of a truth table, those that were not fitted before as they are and are to be read now.

    A catalogue is fitted again if the table says that it is to be read otherwise, if its file or that of its control
    field has other contents, or if the isochrones have changed.

    Parameters
    ----------
    tables : path-like
        Folder of the catalogues, ``<file>.ecsv`` (or .csv, .fits, .vot).
    truth : path-like
        See `read_truth`.
    out : path-like
        Folder for the outcomes; every fit leaves all its files in ``fits/<file>``.
    only : sequence of str
        Names of catalogues; all by default.
    fitting : mapping, optional
        Keyword arguments of `fit_cluster` for all catalogues alike, e.g. ``{"grid": "mist"}``; plain values.
    max_steps : int
        Of the sampler.
    n_workers : int, optional
        Processes, one for each core by default.
    tell : callable
        Gets a line for each catalogue that is done.

    Returns
    -------
    list of dict
        Outcomes in the order of the truth table: "entry" and either "fit" (the summary document) or "error".

    Raises
    ------
    InputError, SettingsError
        If the truth table can't be read, a name is none of its files, or the folder was begun with other settings.
    GridError
        If there is no such grid.
    """
    entries = read_truth(truth)
    for name in only:
        if name not in {entry.file for entry in entries}:
            raise SettingsError.unknown("catalogue", name, [entry.file for entry in entries])
    entries = [entry for entry in entries if not only or entry.file in only]
    settings = {"what": "benchmark", "fitting": dict(fitting or {}), "max_steps": max_steps, "version": __version__}
    outcomes = Outcomes(Path(out), settings)
    isochrones = isochrone_digests((fitting or {}).get("grid", "parsec"))
    waiting = [entry for entry in entries if not _done(outcomes, entry, Path(tables), isochrones)]
    tasks = [_Task(entry, Path(tables), Path(out), settings, dict(fitting or {}), isochrones) for entry in waiting]
    run_side_by_side(_fit_one, tasks, n_workers=n_workers, tell=tell)
    found = [outcomes.load(entry.file) for entry in entries if outcomes.has(entry.file)]
    # References are those of today's table: they may change without a new fit.
    return [{**outcome, "entry": asdict(entry)} for outcome, entry in zip(found, entries, strict=True)]


def _done(outcomes: Outcomes, entry: Entry, tables: Path, isochrones: dict[str, str]) -> bool:
    """Whether a catalogue was fitted as it is and is to be read now; one whose fit failed is tried again.

    Outcomes that don't keep how or what was read count as done.
    """
    if not outcomes.has(entry.file):
        return False
    outcome = outcomes.load(entry.file)
    if "fit" not in outcome or outcome.get("reading", entry.reading()) != entry.reading():
        return False
    now = _contents(tables, entry) | isochrones
    kept = outcome.get("content", now)
    return all(kept.get(name) == digest for name, digest in now.items())


def _contents(tables: Path, entry: Entry) -> dict[str, str]:
    """Return digests of a catalogue and its control field; a file that is not there can't be fitted again, either."""
    control = tables / entry.control if entry.control else None
    return file_digests({"catalogue": _place(tables, entry.file), "control": control})


def _fit_one(task: _Task) -> str:
    """Fit one catalogue and keep what came out, an error included."""
    from clusterbayes.inference.checkpoint import discard
    from clusterbayes.inference.verdict import said_by_caller
    from clusterbayes.records import write_outputs

    entry, outcomes = task.entry, Outcomes(task.out, task.settings)
    folder = task.out / "fits" / entry.file
    checkpoint = folder.with_name(f"{entry.file}.checkpoint.h5")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    try:
        content = _contents(task.tables, entry) | task.isochrones  # before it is read: a later change is not missed
        with said_by_caller():
            result = _fit_or_begin_anew(task, checkpoint)
    except ClusterBayesError as error:
        outcomes.keep(entry.file, {"file": entry.file, "error": f"{type(error).__name__}: {error}"})
        return f"{entry.file}: failed: {error}"
    write_outputs(result, folder, name=entry.file, overwrite=True)
    document = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    kept = {"file": entry.file, "reading": entry.reading(), "content": content, "fit": document}
    outcomes.keep(entry.file, kept)
    discard(checkpoint)
    state = "" if result.converged else ", not converged"
    return f"{entry.file}: {result!r} in {document['diagnostics']['wall_seconds']:.0f} s{state}"


def _fit_or_begin_anew(task: _Task, checkpoint: Path) -> Any:
    """Fit; begin anew where what was broken off was a fit of another table, or read otherwise."""
    from clusterbayes.inference.checkpoint import discard

    try:
        return _fit(task, checkpoint)
    except CheckpointError:
        discard(checkpoint)
        return _fit(task, checkpoint)


def _fit(task: _Task, checkpoint: Path) -> Any:
    from clusterbayes.inference.fit import fit_cluster
    from clusterbayes.inference.sampler import SamplingOptions
    from clusterbayes.photometry import Photometry
    from clusterbayes.photometry.limits import stated_limit

    entry = task.entry
    photometry = Photometry.read(
        _catalogue(task.tables, entry.file), observables=entry.observables, default_error=entry.default_error
    )
    control = None
    if entry.control:
        control = Photometry.read(
            task.tables / entry.control, observables=photometry.observables, default_error=entry.default_error
        )
    return fit_cluster(
        photometry,
        control=control,
        sampling=SamplingOptions(max_steps=task.settings["max_steps"], n_threads=1),
        checkpoint=checkpoint,
        **{
            "center": entry.center, "radius": entry.radius, "mag_limit": stated_limit(photometry) or "auto",
            **task.fitting,
        },
    )  # fmt: skip


def _catalogue(folder: Path, name: str) -> Path:
    place = _place(folder, name)
    if place is None:
        expected = "a table of that name, or .csv, .fits"
        raise InputError("no such catalogue", str(folder / f"{name}.ecsv"), expected=expected)
    return place


def _place(folder: Path, name: str) -> Path | None:
    places = [folder / f"{name}{ending}" for ending in (".ecsv", ".csv", ".fits", ".vot")]
    return next((place for place in places if place.is_file()), None)


def benchmark_table(outcomes: Sequence[Mapping[str, Any]]) -> Table:
    """Make one row for each catalogue that was fitted.

    Parameters
    ----------
    outcomes : sequence of dict
        As `run_benchmark` returns them; failed ones are left out.

    Returns
    -------
    astropy.table.Table
        `file`, `cluster`, `kind`, `converged`, `n_star`, `seconds`, and for each of `PARAMETERS` the posterior median
        and standard deviation (`_fit_sigma`), the reference (`_ref`, `_ref_sigma`), and `_pull`: the difference over
        the root of both variances.
    """
    rows = []
    for outcome in outcomes:
        if "fit" not in outcome:
            continue
        entry, fit = outcome["entry"], outcome["fit"]
        row = {name: entry[name] for name in ("file", "cluster", "kind")}
        diagnostics, counts = fit["diagnostics"], fit["counts"]
        row |= {"converged": bool(diagnostics["converged"]), "n_star": counts["used"]}
        row["seconds"] = float(diagnostics.get("wall_seconds", np.nan))
        for name in PARAMETERS:
            value, sigma = fit["parameters"][name]["median"], fit["parameters"][name]["std"]
            reference, allowed = entry["reference"][name]
            row |= {f"{name}_fit": value, f"{name}_fit_sigma": sigma}
            row |= {f"{name}_ref": reference, f"{name}_ref_sigma": allowed}
            row[f"{name}_pull"] = (value - reference) / float(np.hypot(sigma, allowed))
        rows.append(row)
    return Table(rows=rows)


def verdicts(table: Table) -> list[dict[str, Any]]:
    """Say what the table shows, one statement at a time.

    Clusters with several catalogues count once: each of n has the weight 1/n.

    Parameters
    ----------
    table : astropy.table.Table
        As `benchmark_table` makes it, not empty.

    Returns
    -------
    list of dict
        "what", "value" (NaN where nothing can be said), "bound" (text) and "holds" (bool, or None without a bound or a
        value).
    """
    opened = table[table["kind"] == "open"]
    said = []
    if len(opened):
        weight = _once(opened)
        miss = np.asarray(opened["log_age_fit"] - opened["log_age_ref"], float)
        inverse = weight / np.asarray(opened["log_age_ref_sigma"], float) ** 2
        age_rms = _rms(miss, inverse)
        said.append(_said("rms of log_age, weighted by 1/σ² of the reference [dex]", age_rms, high=_AGE_RMS))
        said.append(_said("rms of log_age, unweighted [dex]", _rms(miss, weight)))
        said.append(_said("largest |Δ log_age| [dex]", _largest(miss), high=_AGE_WORST))
        for name in PARAMETERS:
            value = _rms(np.asarray(opened[f"{name}_pull"], float), weight)
            said.append(_said(f"rms of Δ {name} over combined σ", value, *_HONESTY))
        for name in PARAMETERS:
            value = _weighted_median(np.asarray(opened[f"{name}_fit_sigma"], float), weight)
            said.append(_said(f"median posterior σ of {name}", value, high=_SHARPNESS.get(name)))
    said.extend(_said_of_globulars(table[table["kind"] == "globular"]))
    said.extend(_said_of_pairs(table))
    said.append(_said("share of converged fits", float(np.mean(table["converged"]))))
    return said


def _said_of_globulars(globulars: Table) -> list[dict[str, Any]]:
    said = []
    for row in globulars:
        for name in ("log_age", "dist_mod", "a_v"):
            value = abs(float(row[f"{name}_pull"]))
            said.append(_said(f"{row['file']}: |Δ {name}| over combined σ", value, high=_GLOBULAR_SIGMAS))
    return said


def _said_of_pairs(table: Table) -> list[dict[str, Any]]:
    """Whether different catalogues of a cluster agree with each other, by their own errors."""
    said = []
    for cluster in dict.fromkeys(table["cluster"]):
        own = table[table["cluster"] == cluster]
        for name in PARAMETERS:
            apart = [
                abs(float(own[f"{name}_fit"][i] - own[f"{name}_fit"][j]))
                / float(np.hypot(own[f"{name}_fit_sigma"][i], own[f"{name}_fit_sigma"][j]))
                for i in range(len(own))
                for j in range(i)
            ]
            if apart:
                said.append(_said(f"{cluster}: catalogues apart in {name}, over their own σ", max(apart)))
    return said


def _said(what: str, value: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    if low is None and high is None:
        return {"what": what, "value": value, "bound": "", "holds": None}
    bound = f"at most {high:g}" if low is None else f"{low:g} to {high:g}"
    if np.isnan(value):
        return {"what": what, "value": value, "bound": bound, "holds": None}
    holds = (low is None or value >= low) and (high is None or value <= high)
    return {"what": what, "value": value, "bound": bound, "holds": bool(holds)}


def _once(table: Table) -> np.ndarray:
    """Weights (n_row,) with which every cluster counts once."""
    names = np.asarray(table["cluster"])
    return np.array([1.0 / np.count_nonzero(names == name) for name in names])


def _rms(values: np.ndarray, weights: np.ndarray) -> float:
    use = np.isfinite(values * weights)
    return float(np.sqrt(np.average(values[use] ** 2, weights=weights[use]))) if use.any() else float("nan")


def _largest(values: np.ndarray) -> float:
    use = np.isfinite(values)
    return float(np.abs(values[use]).max()) if use.any() else float("nan")


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(reached, 0.5)])
