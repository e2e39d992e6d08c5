"""MIST isochrones: ``.iso`` (theory only) and ``.iso.cmd`` (with magnitudes), versions 1.x and 2.x.

Both are blocks of rows, one an isochrone, each row with the number of its equivalent evolutionary point; the header
says how many isochrones and how many points there are, so a file that was cut short is noticed.  Ages are in years or
their logarithm.  Points after the early asymptotic giant branch are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clusterbayes.errors import InputError
from clusterbayes.isochrones.formats.bandnames import ChosenBands, choose_bands
from clusterbayes.isochrones.formats.raw import RawTable, TextFile, check_points, count_dropped, gravity, require_enough

__all__ = ["FAMILY", "LAST_EEP", "is_mist", "read_mist"]

Array = NDArray[np.float64]

FAMILY = "MIST"
# Primary points (Dotter 2016, ApJS 222, 8): 454 end of the main sequence, 605 tip of the giant branch,
# 707 end of core helium burning, 808 first thermal pulse.  MIST's own phase column changes at them.
LAST_EEP = 808
_PHASE_STARTS = {2: 454, 3: 605, 4: 707}
_PHASE_EDGES = ((454, 0), (605, 2), (707, 4), (LAST_EEP, 7))
_NEEDED = {"eep": ("eep",), "m_ini": ("initial_mass",), "log_teff": ("log_teff",), "log_lum": ("log_l",)}
# What else stands in a file with magnitudes; a file without a photometric system has none.
_NOT_BANDS = {"eep", "isochrone_age_yr", "log10_isochrone_age_yr", "initial_mass", "star_mass", "log_teff", "log_g",
              "log_l", "log_r", "[fe/h]", "[fe/h]_init", "z_surf", "phase"}  # fmt: skip
_SHOWN = {"m_ini": "initial_mass", "log_teff": "log_Teff", "log_lum": "log_L", "log_g": "log_g"}
_ALPHA = "[M/H] from [Fe/H] and [a/Fe]={:g} by Salaris et al. 1993, ApJ 414, 580"
_SOLAR = "Asplund et al. 2009, protosolar, Z_sun = 0.0142"
_CITATION = "Dotter 2016, ApJS 222, 8; Choi et al. 2016, ApJ 823, 102"
_AGAIN = "download the file again"


def is_mist(file: TextFile) -> bool:
    """Return whether a file has the header of a MIST isochrone table."""
    return any(_column_names(line) for line in file.lines[:200])


def _column_names(line: str) -> tuple[str, ...]:
    names = tuple(line.lstrip("# ").split())
    return names if line.startswith("#") and names[:1] == ("EEP",) and "initial_mass" in names else ()


def read_mist(file: TextFile) -> list[RawTable]:
    """Read all isochrones of a file.

    Parameters
    ----------
    file : TextFile
        The file.

    Returns
    -------
    list of RawTable
        In the order of the file; without bands if it is a ``.iso`` file.

    Raises
    ------
    InputError
        If the file is cut short, reddened, or a line cannot be read.
    """
    header = _header(file)
    starts = [i for i, line in enumerate(file.lines) if _column_names(line)]
    stated = header.n_isochrones
    if stated is not None and len(starts) != stated:
        raise InputError(
            f"{len(starts)} isochrones are in the file",
            file.name,
            expected=f"{stated:g}, as its header says",
            remedy=_AGAIN,
        )
    ends = [*starts[1:], len(file.lines)]
    return [_block(file, start, end, header) for start, end in zip(starts, ends, strict=True)]


@dataclass(frozen=True)
class _Header:
    """What stands above the isochrones; None where it is not stated."""

    version: str = ""
    system: str = ""
    n_isochrones: float | None = None
    z: float | None = None
    feh: float | None = None
    alpha_fe: float = 0.0
    vvcrit: float | None = None


def _header(file: TextFile) -> _Header:
    found: dict[str, Any] = {}
    for i, line in enumerate(file.lines):
        if not line.startswith("#") and line.strip():
            break
        text = line.lstrip("# ").strip()
        value = text.partition("=")[2].strip()
        if text.startswith("MIST version"):
            found["version"] = value
        elif text.startswith("photometric system"):
            found["system"] = value
        elif text.startswith("number of isochrones"):
            found["n_isochrones"] = file.number(value, i, "the number of isochrones")
        elif "extinction" in text.lower() and value:
            _refuse_reddened(file, i, text)
        elif text.startswith("Yinit") and i + 1 < len(file.lines):
            names, numbers = text.split(), file.lines[i + 1].lstrip("# ").split()
            composition = dict(zip(names, numbers, strict=False))
            for key, name in (("feh", "[Fe/H]"), ("alpha_fe", "[a/Fe]"), ("vvcrit", "v/vcrit"), ("z", "Zinit")):
                if name in composition:
                    found[key] = file.number(composition[name], i + 1, name)
    if "feh" not in found:
        raise InputError(
            "the header does not give [Fe/H]",
            file.name,
            expected="a line 'Yinit Zinit [Fe/H] [a/Fe] v/vcrit', and one with the values",
            remedy="use the file as the server wrote it",
        )
    return _Header(**found)


def _refuse_reddened(file: TextFile, index: int, text: str) -> None:
    amount = text.rpartition("=")[2].split()
    if amount and file.number(amount[0].rstrip(","), index, "the extinction") != 0.0:
        raise InputError(
            f"the magnitudes are reddened ({text})",
            file.at(index),
            expected="isochrones without extinction",
            remedy="choose A_V = 0 on the web page: extinction is applied, star by star, when the isochrones are used",
        )


def _block(file: TextFile, start: int, end: int, header: _Header) -> RawTable:
    """Read one isochrone: the rows after a line of column names."""
    names = _column_names(file.lines[start])
    column = _columns(file, start, names)
    rows = []
    for i in range(start + 1, end):
        if file.lines[i].lstrip().startswith("#"):
            break
        if file.lines[i].strip():
            rows.append(i)
    _check_size(file, start, rows, names)
    offered = [c for c, name in enumerate(names) if header.system and name.lower() not in _NOT_BANDS]
    chosen = choose_bands([names[c] for c in offered], header.system)
    if offered and not chosen.bands:
        raise InputError(
            f"no magnitude of the file is in a band of ours (columns: {' '.join(names[c] for c in offered)}; "
            f"system: {header.system})",
            file.at(start),
            expected="Gaia, UBVRI, 2MASS, SDSS, Pan-STARRS, DECam, WISE, TESS, Tycho, SkyMapper ...",
            remedy="download the isochrones in one of these systems",
        )
    bands = [offered[c] for c in chosen.columns]
    table = file.table(rows, [*column.values(), *bands], len(names), names)
    file.require_whole_last_line(rows)
    values = dict(zip(column, table[:, : len(column)].T, strict=True))
    return _isochrone(file, rows, values, table[:, len(column) :], chosen, header)


def _columns(file: TextFile, start: int, names: tuple[str, ...]) -> dict[str, int]:
    lower = [name.lower() for name in names]
    column = {key: lower.index(known[0]) for key, known in _NEEDED.items() if known[0] in lower}
    missing = [known[0] for key, known in _NEEDED.items() if key not in column]
    ages = [name for name in ("log10_isochrone_age_yr", "isochrone_age_yr") if name in lower]
    if missing or not ages:
        raise InputError(
            f"there is no column {', '.join(missing) or 'of the age'}",
            file.at(start),
            expected="EEP, log10_isochrone_age_yr or isochrone_age_yr, initial_mass, log_Teff, log_L",
            remedy="choose the columns of the web page's default, or use the packaged files",
        )
    column["log_age" if ages[0].startswith("log10") else "age"] = lower.index(ages[0])
    for key, name in (("log_g", "log_g"), ("star_mass", "star_mass"), ("phase", "phase")):
        if name in lower:
            column[key] = lower.index(name)
    return column


def _check_size(file: TextFile, start: int, rows: list[int], names: tuple[str, ...]) -> None:
    """Compare an isochrone with the number of points that the header gives for it."""
    for i in range(start - 1, max(start - 6, -1), -1):
        found = re.match(r"#\s*number of EEPs\s*,\s*cols\s*=\s*(\d+)\s+(\d+)", file.lines[i])
        if found:
            n_eep, n_column = int(found.group(1)), int(found.group(2))
            if n_eep != len(rows) or n_column != len(names):
                last = rows[-1] if rows else start
                raise InputError(
                    f"the isochrone that begins in line {start + 1} has {len(rows)} points in {len(names)} columns",
                    file.at(last),
                    expected=f"{n_eep} points in {n_column} columns, as line {i + 1} says",
                    remedy=_AGAIN,
                )
            return
    raise InputError(
        "the number of points is not stated", file.at(start), expected="a line '# number of EEPs, cols = ...'"
    )


def _isochrone(
    file: TextFile,
    rows: list[int],
    values: dict[str, Array],
    mags: Array,
    chosen: ChosenBands,
    header: _Header,
) -> RawTable:
    """Check one isochrone and bring it under the library's names."""
    eep = np.nan_to_num(values["eep"], nan=-1.0, posinf=-1.0, neginf=-1.0).clip(-1, 1e6).astype(np.int64)
    if np.any(eep != values["eep"]) or np.any(np.diff(eep) <= 0) or eep[0] < 1:
        raise InputError("the numbers of the evolutionary points (EEP) do not rise by whole steps", file.at(rows[0]))
    _check_phases(file, rows, eep, values.get("phase"))
    log_age = _age(file, rows, values)
    keep, dropped = count_dropped(
        ("stripped stars (Wolf-Rayet, phase 9) and what follows", _stripped(eep, values.get("phase"))),
        ("thermally pulsing giants and later (EEP above 808)", eep > LAST_EEP),
        ("magnitudes missing (NaN, or 99)", ~np.all(np.abs(mags) < 90.0, axis=1)),
    )
    require_enough(file, rows, keep)
    if "log_g" not in values:
        with np.errstate(invalid="ignore", divide="ignore"):
            values["log_g"] = gravity(values.get("star_mass", values["m_ini"]), values["log_teff"], values["log_lum"])
    points = {key: values[key][keep] for key in _SHOWN}
    points["m_ini"] = check_points(file, np.asarray(rows)[keep], points, _SHOWN)
    phase = _phases(eep[keep], points["log_teff"], points["log_lum"])
    return RawTable(
        family=FAMILY,
        release=f"MIST {header.version}" + (f", v/vcrit {header.vvcrit:g}" if header.vvcrit is not None else ""),
        source=file.name,
        line=rows[0] + 1,
        log_age=log_age,
        mh=_metallicity(header),
        **points,
        bands=chosen.bands,
        mags=mags[keep],
        label=phase,
        phase=phase,
        eep=eep[keep],
        dropped=dropped,
        notes=chosen.notes + ((_ALPHA.format(header.alpha_fe),) if header.alpha_fe else ()),
        metadata={
            "photometric_system": header.system or "none (theory)",
            "passbands": chosen.passbands,
            "citation": _CITATION,
            "solar_scale": _SOLAR if header.version.startswith("1") else "not stated by the file",
            "native_z": header.z,
        },
    )


def _metallicity(header: _Header) -> float:
    """Return [M/H] from [Fe/H] and [a/Fe] (Salaris et al. 1993, ApJ 414, 580)."""
    assert header.feh is not None
    if not header.alpha_fe:
        return header.feh
    return round(header.feh + float(np.log10(0.638 * 10.0**header.alpha_fe + 0.362)), 4)


def _stripped(eep: NDArray[np.int64], phase: Array | None) -> NDArray[np.bool_]:
    """Return which points come after stars have begun to lose their envelopes."""
    return np.maximum.accumulate(phase == 9) if phase is not None else np.zeros(eep.size, dtype=bool)


def _phases(eep: NDArray[np.int64], log_teff: Array, log_lum: Array) -> NDArray[np.int64]:
    """Return phase codes; the giant branch begins at its base, the least log L + 6 log Teff on the way to the red."""
    phase = np.select([eep <= last for last, _ in _PHASE_EDGES], [code for _, code in _PHASE_EDGES]).astype(np.int64)
    crossing = np.flatnonzero(phase == 2)
    if crossing.size:
        reddest = int(np.argmin(log_teff[crossing]))
        base = int(np.argmin((log_lum + 6.0 * log_teff)[crossing[: reddest + 1]]))
        phase[crossing[base + 1 :]] = 3
    return phase


def _check_phases(file: TextFile, rows: list[int], eep: NDArray[np.int64], phase: Array | None) -> None:
    """Refuse a file in which a phase begins before its published first point; after it, a phase may be lacking."""
    for code, first in _PHASE_STARTS.items():
        hit = np.flatnonzero(phase == code) if phase is not None else np.empty(0, dtype=int)
        if hit.size and int(eep[hit[0]]) < first - 2:
            raise InputError(
                f"phase {code} begins at EEP {eep[hit[0]]}",
                file.at(rows[hit[0]]),
                expected=f"EEP {first} or later, as in MIST 1.2 and 2.5",
                remedy="this numbering of points is not known; use files of MIST 1.x or 2.x as the server wrote them",
            )


def _age(file: TextFile, rows: list[int], values: dict[str, Array]) -> float:
    """Return log10 of the age [yr], the same in all rows."""
    if "log_age" in values:
        ages = values["log_age"]
    else:
        with np.errstate(invalid="ignore", divide="ignore"):
            ages = np.asarray(np.round(np.log10(values["age"]), 6), dtype=np.float64)
    bad = np.flatnonzero(~(np.abs(ages - ages[0]) < 1e-5) | ~((ages > 4.0) & (ages < 11.0)))
    if bad.size:
        raise InputError(
            "the age is not the same in all rows of the isochrone, or no age at all",
            file.at(rows[bad[0]]),
            value=f"{ages[bad[0]]:g}",
            remedy=_AGAIN,
        )
    return float(ages[0])
