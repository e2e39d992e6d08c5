"""Is my slider answer right? A by-eye fit, placed inside the posterior.

An answer is a handful of parameter values: a row of a summary that Astromancer wrote, or values given by hand. Each
value alone has a credible level, the mass of the smallest central interval of its posterior that holds it; all values
together have one, too, the share of the posterior that is more probable than they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from clusterbayes.errors import ClusterBayesError, InputError, SettingsError
from clusterbayes.photometry.cells import as_numbers, as_text
from clusterbayes.photometry.readers import read_table, with_line
from clusterbayes.results.derived import galactic
from clusterbayes.results.result import FitResult

__all__ = [
    "Answer", "Comparison", "Placed", "answers_table", "central_level", "compare", "compare_class", "joint_level",
    "read_summaries",
]  # fmt: skip

_Array = NDArray[np.float64]

_KPC = 1000.0  # pc
# Columns of a summary: our parameter, and what a value is multiplied with.
_COLUMNS = {
    "log_age": ("log_age", 1.0), "metallicity": ("mh", 1.0), "distance": ("distance", _KPC), "e(b-v)": ("ebv", 1.0),
}  # fmt: skip
_TELLING = ("log_age", "metallicity", "e(b-v)")  # columns that no table of stars has
# Parameters that say the same as another one: that one, and how.
_SAME: dict[str, tuple[str, Callable[[ArrayLike], Any]]] = {
    "distance": ("dist_mod", lambda value: 5.0 * np.log10(value) - 5.0),
    "age_gyr": ("log_age", lambda value: np.log10(value) + 9.0),
    "age_myr": ("log_age", lambda value: np.log10(value) + 6.0),
    "ebv": ("a_v", lambda value: value),  # a fixed multiple, which no level depends on
}
_REGIONS = (0.68, 0.90, 0.99)
_MOST_DRAWS = 2000  # of which every pair is looked at
# Widths of Scott's rule: with 1, chance moves a level in six dimensions by 0.1, with 2, the middle of a ring is filled.
_SMOOTHING = 1.5
_FLAT = 1e-9  # smallest share of a variance that counts as one of its own
_WRONG_LONGITUDE = 1.0  # deg
_NOT = {"verdict": "not compared", "level": np.nan}
# Columns of a table of answers, before and after the values.
_FIRST, _LAST = ("file", "name"), ("level", "level_error", "distance_sigma", "verdict", "notes")
_TEXT = {"file", "name", "verdict", "notes"}


@dataclass(frozen=True)
class Answer:
    """A by-eye answer.

    Parameters
    ----------
    name : str
        The cluster, or whose answer it is.
    values : dict of str to float
        Values by parameter, in the units of the fit: log_age [log10 yr], mh [dex], distance [pc], ebv [mag], …
    notes : tuple of str
        What should be known of the values.
    """

    name: str
    values: Mapping[str, float]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placed:
    """One value beside its posterior; `level` is the mass of the smallest central interval that holds it."""

    name: str
    value: float
    unit: str
    median: float
    q16: float
    q84: float
    level: float

    def how_far_off(self) -> float:
        """Return the distance from the median in widths of the 68 % interval on that side."""
        width = self.q84 - self.median if self.value > self.median else self.median - self.q16
        return abs(self.value - self.median) / width if width > 0 else math.inf


@dataclass(frozen=True)
class Comparison:
    """An answer, placed.

    Attributes
    ----------
    answer : Answer
    parameters : tuple of Placed
    level : float
        Share of the posterior that is more probable than the answer: the level of the smallest credible region of all
        compared parameters that holds it, from 0 at the peak to 1 beyond all draws.
    level_error : float
        Standard error of `level`, from the number of independent draws.
    distance : float
        From the posterior mean, in standard deviations along the posterior's own axes (Mahalanobis).
    notes : tuple of str
        What was not compared, and why.
    """

    answer: Answer
    parameters: tuple[Placed, ...]
    level: float
    level_error: float
    distance: float
    notes: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Say in words where the answer lies."""
        who = f"{self.answer.name}: " if self.answer.name else ""
        names = [placed.name for placed in self.parameters]
        if len(names) == 1:
            return f"{who}{names[0]} lies {_words(self.parameters[0].level)}, {self._how_far()}."
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        text = f"{who}{listed} together lie {_words(self.level)}, {self._how_far()}."
        worst = max(self.parameters, key=Placed.how_far_off)
        if self.level <= _REGIONS[1]:
            return text
        if max(placed.level for placed in self.parameters) > _REGIONS[1]:
            side = "high" if worst.value > worst.median else "low"
            return f"{text} The farthest off is {worst.name}, too {side}."
        return f"{text} Each alone would do: it is their combination that does not fit the stars."

    def _how_far(self) -> str:
        if self.level >= 1.0:
            return f"beyond every draw of the posterior, {self.distance:.1f} standard deviations from its mean"
        where = "more probable" if len(self.parameters) > 1 else "nearer to the median"
        return f"{self.level:.0%} ± {max(self.level_error, 0.01):.0%} of the posterior being {where}"

    def document(self) -> dict[str, Any]:
        """Return all of it as plain values: each parameter beside its posterior, the joint level, and it in words."""
        shown = {placed.name: {k: v for k, v in asdict(placed).items() if k != "name"} for placed in self.parameters}
        placing = {"level": self.level, "level_error": self.level_error, "distance_sigma": self.distance}
        words = {"verdict": _words(self.level), "sentence": self.sentence()}
        return {
            "name": self.answer.name, "parameters": shown, **placing, **words,
            "notes": [*self.answer.notes, *self.notes],
        }  # fmt: skip

    def row(self) -> dict[str, Any]:
        """Return name, value and level of each parameter, joint level, distance and verdict, for a table."""
        row: dict[str, Any] = {"name": self.answer.name}
        for placed in self.parameters:
            row |= {placed.name: placed.value, f"{placed.name}_level": placed.level}
        row |= {"level": self.level, "level_error": self.level_error, "distance_sigma": self.distance}
        return row | {"verdict": _words(self.level), "notes": "; ".join((*self.answer.notes, *self.notes))}


def _words(level: float) -> str:
    inside = next((region for region in _REGIONS if level <= region), None)
    return f"outside the {_REGIONS[-1]:.0%} region" if inside is None else f"inside the {inside:.0%} region"


def central_level(draws: _Array, value: float) -> float:
    """Return the mass of the smallest central interval of draws (n_draw,) that holds a value; 1 beyond all of them."""
    rank = (np.sum(draws < value) + 0.5 * np.sum(draws == value)) / draws.size
    return float(abs(2.0 * rank - 1.0))


def joint_level(draws: _Array, point: _Array) -> tuple[float, float]:
    """Place a point among draws by the density of the draws.

    The density is estimated with Gaussian kernels shaped like the posterior, 1.5 times as wide as Scott's rule (1992,
    Multivariate Density Estimation) says, and at each draw without that draw itself. A draw set aside is then like any
    other: the level of a point that comes from the posterior is distributed evenly between 0 and 1, however rough the
    estimate, which only decides what shape the regions have. Posteriors that are bent or have several peaks are treated
    rightly, as they are not by the distance from the mean.

    Parameters
    ----------
    draws : ndarray, shape (n_draw, n)
        Of the posterior.
    point : ndarray, shape (n,)
        The point.

    Returns
    -------
    level : float
        Share of the draws at which the density is higher than at the point.
    distance : float
        Mahalanobis distance of the point from the mean of the draws.

    Raises
    ------
    SettingsError
        If some parameters follow from the others, so that all draws lie in a plane.
    """
    step = -(-len(draws) // _MOST_DRAWS)
    draws = draws[::step]
    size, n = draws.shape
    mean, scale = draws.mean(axis=0), draws.std(axis=0)
    correlation = np.atleast_2d(np.corrcoef(draws, rowvar=False))
    if size <= n or not np.linalg.eigvalsh(correlation)[0] > _FLAT:
        raise SettingsError("some of these parameters follow from the others", remedy="leave one of them out")
    factor = np.linalg.cholesky(correlation)
    flat, at = (np.linalg.solve(factor, ((part - mean) / scale).T).T for part in (draws, point[None, :]))
    width = _SMOOTHING * size ** (-1.0 / (n + 4))

    def log_density(points: _Array) -> _Array:
        log_kernel = -0.5 * cdist(points, flat, "sqeuclidean") / width**2
        # A draw says nothing about its own place, nor do copies of it, which chains hold where a step was refused.
        log_kernel[log_kernel == 0.0] = -np.inf
        return np.asarray(logsumexp(log_kernel, axis=1) - np.log(np.isfinite(log_kernel).sum(axis=1)))

    density, here = log_density(flat), float(log_density(at)[0])
    return float((density > here).mean()), float(np.linalg.norm(at))


def compare(result: FitResult, answer: Answer) -> Comparison:
    """Place an answer inside the posterior of a fit.

    Parameters
    ----------
    result : FitResult
        The fit.
    answer : Answer
        The values; a parameter that the fit held fixed is not compared, which is noted.

    Returns
    -------
    Comparison

    Raises
    ------
    SettingsError
        If a parameter is unknown, two values say the same thing or one follows from others, a value is impossible, or
        nothing is left to compare.
    """
    placed, columns, notes = [], {}, []
    summary = result.summary()
    for name, value in answer.values.items():
        main, to_main = _SAME.get(name, (name, lambda value: value))
        if name not in summary:
            raise SettingsError.unknown("parameter", name, summary)
        if main in columns:
            raise SettingsError(f"{name} and another value say the same thing", name, value, remedy="give one of them")
        if not math.isfinite(value) or (name in ("distance", "age_gyr", "age_myr") and value <= 0):
            raise SettingsError("no such value", name, value, "a finite number, above 0 for distances and ages")
        draws = result.draws.get(name)
        if draws is None or np.ptp(draws) == 0:
            notes.append(f"{name} was held at {summary[name]['median']:g} in the fit: not compared")
            continue
        row = summary[name]
        notes += _unit_hint(value, row["median"]) if name == "distance" else []
        parts = (row["median"], row["q16"], row["q84"], central_level(draws, value))
        placed.append(Placed(name, float(value), row["unit"], *parts))
        columns[main] = (to_main(draws), float(to_main(value)))
    if not placed:
        raise SettingsError("nothing can be compared", answer.name or None, remedy="; ".join(notes) or "give a value")
    level, distance = joint_level(
        np.stack([draws for draws, _ in columns.values()], axis=1), np.array([value for _, value in columns.values()])
    )
    if len(placed) == 1:
        level = placed[0].level
    size = _independent(result, columns)
    share = (level * size + 0.5) / (size + 1.0)  # no count is so sure as to have no error
    error = math.sqrt(share * (1.0 - share) / size)
    return Comparison(answer, tuple(placed), level, error, distance, tuple(notes))


def _unit_hint(distance: float, median: float) -> list[str]:
    """Say it where a distance [pc] is nearer to the fit's in the other unit than in its own, by their ratio."""
    if distance < median / math.sqrt(_KPC):
        return [f"distance is compared in pc: if {distance:g} is in kpc, give distance={distance * _KPC:g}"]
    if distance > median * math.sqrt(_KPC):
        return [f"distance is {distance:g} pc: summaries of Astromancer have it in kpc, values given by name in pc"]
    return []


def _independent(result: FitResult, names: Iterable[str]) -> float:
    """Return the smallest effective sample size of some parameters, the number of draws at most."""
    ess = result.diagnostics.get("ess") or {}
    known = [ess[name] for name in names if ess.get(name) is not None and np.isfinite(ess[name])]
    return float(max(min([*known, result.n_draw]), 1.0))


def read_summaries(path: str | Path) -> list[Answer]:
    """Read the answers from a summary that Astromancer wrote; one for each row.

    Parameters
    ----------
    path : path-like
        A table with Astromancer's columns ``name``, ``distance`` [kpc], ``log_age``, ``metallicity``, ``e(b-v)``, or
        with some of them; one of the last three it must have.

    Returns
    -------
    list of Answer
        Distances in pc. A row without any value has none. Where the galactic longitude does not belong to the row's
        right ascension and declination, as for half of the sky, a note says which one does; another names the columns
        that are missing.

    Raises
    ------
    InputError
        If the file is no summary.
    """
    table, _ = read_table(path, text_columns=lambda names: [n for n in names if n.strip().lower() == "name"])
    names = {name.strip().lower(): name for name in table.colnames}
    if not any(name in names for name in _TELLING):
        raise InputError(
            "this is no summary of Astromancer", str(path), value=", ".join(table.colnames[:8]),
            expected="columns such as name, distance, log_age, metallicity, e(b-v)",
            remedy="give values by name instead, e.g. log_age=7.3 distance=1980",
        )  # fmt: skip
    wanted = [key for key in (*_COLUMNS, "ra", "dec", "l") if key in names]
    try:
        numbers = {key: as_numbers(table[names[key]], names[key], str(path)) for key in wanted}
    except InputError as error:
        raise with_line(error, path) from None
    titles = as_text(table[names["name"]]) if "name" in names else None
    lacking = [key for key in _COLUMNS if key not in names]
    lacks = (f"the summary has no column {', '.join(lacking)}",) if lacking else ()
    answers = []
    for row in range(len(table)):
        values = {
            ours: float(numbers[key][row]) * factor
            for key, (ours, factor) in _COLUMNS.items()
            if key in numbers and np.isfinite(numbers[key][row])
        }
        title = str(titles[row]) if titles is not None else ""
        answers.append(Answer(title or Path(path).stem, values, (*lacks, *_wrong_longitude(numbers, row))))
    return answers


def _wrong_longitude(numbers: Mapping[str, _Array], row: int) -> tuple[str, ...]:
    if not all(key in numbers and np.isfinite(numbers[key][row]) for key in ("ra", "dec", "l")):
        return ()
    if abs(numbers["dec"][row]) > 90.0:
        return (f"dec {numbers['dec'][row]:g} is no declination",)
    true = float(galactic(numbers["ra"][row], numbers["dec"][row])[0])
    given = float(numbers["l"][row])
    if abs((given - true + 180.0) % 360.0 - 180.0) < _WRONG_LONGITUDE:
        return ()
    return (f"l is {true:.3f}, not {given:g}, at this right ascension and declination",)


def compare_class(result: FitResult, path: str | Path) -> Table:
    """Place the answers of a whole class inside one posterior.

    Parameters
    ----------
    result : FitResult
        The fit.
    path : path-like
        A folder of summaries, of which every file is read whose name doesn't begin with a dot; or one of several rows.

    Returns
    -------
    Table
        One row an answer, by file name: ``file``, ``name``, each value with its level, ``level``, ``level_error``,
        ``distance_sigma``, ``verdict``, ``notes``. A file that can't be used has one row, which says why.

    Raises
    ------
    InputError
        If the folder holds no files.
    """
    path = Path(path)
    found = path.iterdir() if path.is_dir() else [path]
    paths = sorted(file for file in found if file.is_file() and not file.name.startswith("."))
    if not paths:
        raise InputError("the folder holds no files", str(path), expected="summaries of Astromancer, one a student")
    rows = [row for path in paths for row in _rows_of(result, path)]
    return answers_table(rows)


def answers_table(rows: list[dict[str, Any]]) -> Table:
    """Return a table of what `Comparison.row` gave; cells are empty where an answer lacks a value."""
    own = [name for row in rows for name in row if name not in (*_FIRST, *_LAST)]
    shown = list(dict.fromkeys((*_FIRST, *own, *_LAST)))
    return Table({name: [row.get(name, "" if name in _TEXT else np.nan) for row in rows] for name in shown})


def _rows_of(result: FitResult, path: Path) -> list[dict[str, Any]]:
    try:
        answers = read_summaries(path)
    except ClusterBayesError as error:
        return [{"file": path.name, **_NOT, "notes": str(error)}]
    rows = []
    for answer in answers:
        try:
            rows.append({"file": path.name, **compare(result, answer).row()})
        except ClusterBayesError as error:
            rows.append({"file": path.name, "name": answer.name, **_NOT, "notes": str(error)})
    return rows
