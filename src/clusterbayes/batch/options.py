"""What is special about each cluster, said in a table with one row a cluster.

A row's cells are text, and so are the values of ``--set``; both become the settings of a fit here. Columns of reference
values (log_age, dist_mod, …) may stand in the same table and are left to the comparison.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry.treatment import Treatment
from clusterbayes.records.settings import FitSettings

__all__ = ["KEYS", "Choice", "JobOptions", "check_names", "parse_options", "read_options"]

#: Columns that say which cluster a row is about, in the order in which they are looked at.
KEYS = ("name", "file", "cluster")
_NUMBERS = ("radius", "r_v", "max_ruwe", "max_excess")
_WORDS = (
    "grid", "mag_limit", "counts", "mass_function", "binary_law", "proper_motion", "pm_window", "model_error",
    "extinction_law", "parallax_zero_point", "ra_unit",
)  # fmt: skip
_PAIRS = {"columns": "mymag=V", "priors": "mh=normal(0,0.1)"}
_NUMBER_PAIRS = {"max_error": "Gaia_BP=0.05", "fixed": "a_v=0.1"}
_SAMPLING = {"steps": "max_steps", "target_ess": "target_ess", "burn_rounds": "burn_rounds", "burn_steps": "burn_steps"}
_OTHERS = (
    "observables", "default_error", "positions", "center", "ra", "dec", "radius_deg", "control", "completeness",
    "missing", "error_floor", "instrumental",
)  # fmt: skip
_KNOWN = (*_NUMBERS, *_WORDS, *_PAIRS, *_NUMBER_PAIRS, *_SAMPLING, *_OTHERS)
_TRUE, _FALSE = ("1", "true", "yes"), ("0", "false", "no")


@dataclass(frozen=True)
class JobOptions:
    """How one cluster is read and fitted.

    Attributes
    ----------
    settings : FitSettings
        As a service takes them; the seed in them is not used.
    treatment : Treatment
        What is done with cells before they are read.
    grid : str
        Name or file of the isochrones.
    control, completeness : Path or None
        Table of a field without the cluster; table of completeness.
    """

    settings: FitSettings = field(default_factory=FitSettings)
    treatment: Treatment = Treatment()
    grid: str = "parsec"
    control: Path | None = None
    completeness: Path | None = None


@dataclass(frozen=True)
class Choice:
    """Rows of a table of options, and what was found in its columns.

    Attributes
    ----------
    rows : list of dict
        Cells that are not empty, by column.
    path : Path
        The table.
    unused : tuple of str
        Columns that are neither options nor keys.
    """

    rows: list[dict[str, str]]
    path: Path
    unused: tuple[str, ...]


def read_options(path: str | Path) -> Choice:
    """Read a table with one row a cluster: CSV, with comments after ``#`` above the header.

    Parameters
    ----------
    path : str or Path
        The table.

    Raises
    ------
    InputError
        If it can't be read, or no column says which cluster a row is about.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", str(path), remedy="give a CSV table") from error
    reader = csv.DictReader(line for line in lines if line.strip() and not line.startswith("#"))
    columns = [name.strip() for name in reader.fieldnames or ()]
    if not set(KEYS) & set(columns):
        raise InputError("no column names the clusters", str(path), expected=f"a column {' or '.join(KEYS)}")
    rows = []
    for number, cells in enumerate(reader):
        if None in cells:
            raise InputError("this row has more cells than the header", str(path), row=number)
        rows.append({key.strip(): value.strip() for key, value in cells.items() if value and value.strip()})
    return Choice(rows, path, tuple(name for name in columns if name not in (*KEYS, *_KNOWN)))


def parse_options(*layers: Mapping[str, str], folders: Sequence[Path] = (Path(),)) -> JobOptions:
    """Turn options as text into the settings of a fit.

    Parameters
    ----------
    *layers : mapping
        Options by name; a later one outdoes those before. Names that are no options are passed over.
    folders : sequence of Path
        Where files are looked for, in this order.

    Raises
    ------
    SettingsError
        If a value can't be understood; the message names the option.
    """
    texts = {key: value for layer in layers for key, value in layer.items() if key in _KNOWN}
    values: dict[str, Any] = {name: texts[name] for name in _WORDS if name in texts}
    values |= {name: _number(texts, name) for name in _NUMBERS if name in texts}
    values |= {name: _pairs(texts, name, form) for name, form in _PAIRS.items() if name in texts}
    values |= {name: _number_pairs(texts, name, form) for name, form in _NUMBER_PAIRS.items() if name in texts}
    if "observables" in texts:
        values["observables"] = _parts(texts["observables"])
    if "default_error" in texts:
        plain = "=" not in texts["default_error"]
        values["default_error"] = (
            _number(texts, "default_error") if plain else _number_pairs(texts, "default_error", "V=0.02")
        )
    if "positions" in texts:
        values["positions"] = _flag(texts, "positions")
    values |= _circle(texts)
    sampling = {theirs: int(_number(texts, name)) for name, theirs in _SAMPLING.items() if name in texts}
    grid = values.pop("grid", "parsec")
    return JobOptions(
        FitSettings.read({**values, "sampling": sampling}),
        _treatment(texts),
        _grid(grid, folders),
        _file(texts, "control", folders),
        _file(texts, "completeness", folders),
    )


def check_names(names: Iterable[str]) -> None:
    """Raise if one of the names is no option."""
    for name in names:
        if name not in _KNOWN:
            raise SettingsError.unknown("option", name, sorted(_KNOWN))


def _parts(text: str) -> list[str]:
    """Part a list at semicolons, or at commas if it has none."""
    return [part.strip() for part in text.split(";" if ";" in text else ",") if part.strip()]


def _number(texts: Mapping[str, str], name: str, text: str | None = None) -> float:
    text = texts[name] if text is None else text
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise SettingsError("a number was expected", name, text)
    return number


def _pairs(texts: Mapping[str, str], name: str, form: str) -> dict[str, str]:
    pairs = {}
    for part in texts[name].split(";"):
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if not (key and sign and value):
            raise SettingsError("the value was not understood", name, part, expected=f"{form}, several parted by ';'")
        pairs[key] = value
    return pairs


def _number_pairs(texts: Mapping[str, str], name: str, form: str) -> dict[str, float]:
    return {key: _number(texts, name, value) for key, value in _pairs(texts, name, form).items()}


def _flag(texts: Mapping[str, str], name: str) -> bool:
    word = texts.get(name, "no").lower()
    if word not in (*_TRUE, *_FALSE):
        raise SettingsError("yes or no was expected", name, texts[name])
    return word in _TRUE


def _circle(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return centre and radius, where both are given; a centre alone may be that of a reference catalogue."""
    if "center" in texts:
        parts = _parts(texts["center"])
    else:
        parts = [texts[name] for name in ("ra", "dec") if name in texts]
    radius = next((_number(texts, name) for name in ("radius", "radius_deg") if name in texts), None)
    if radius is None and "center" not in texts:
        return {}
    if len(parts) != 2 or radius is None:
        raise SettingsError("give a centre (ra and dec) and a radius together", "radius", expected="degrees")
    return {"center": (_number({}, "ra", parts[0]), _number({}, "dec", parts[1])), "radius": radius}


def _treatment(texts: Mapping[str, str]) -> Treatment:
    floor = _number(texts, "error_floor") if "error_floor" in texts else None
    missing = tuple(_parts(texts.get("missing", "")))
    return Treatment(missing, floor, _flag(texts, "instrumental") if "instrumental" in texts else False)


def _file(texts: Mapping[str, str], name: str, folders: Sequence[Path]) -> Path | None:
    if name not in texts:
        return None
    paths = [folder.joinpath(texts[name]).resolve() for folder in folders]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise InputError("there is no such file", str(paths[0]), remedy=f"correct the option {name}")
    return found


def _grid(name: str, folders: Sequence[Path]) -> str:
    """Return the path of a grid file, or the name of a grid."""
    paths = (folder.joinpath(name) for folder in folders)
    return next((str(path.resolve()) for path in paths if path.is_file()), name)
