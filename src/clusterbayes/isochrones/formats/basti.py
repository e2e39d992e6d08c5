"""Isochrones of the BaSTI-IAC database, one age and metallicity a file.

A file has 2100 points between fixed turning points of stellar life, with masses evenly spaced in between, so the number
of the line is an equivalent evolutionary point; this is checked on every file.  The gravity is not tabulated and
follows from mass, luminosity and temperature.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clusterbayes.errors import InputError
from clusterbayes.isochrones.formats.bandnames import ChosenBands, choose_bands
from clusterbayes.isochrones.formats.raw import RawTable, TextFile, check_points, count_dropped, gravity, require_enough

__all__ = ["FAMILY", "KEY_POINTS", "is_basti", "read_basti"]

Array = NDArray[np.float64]

FAMILY = "BaSTI"
KEY_POINTS = (0, 299, 359, 419, 489, 859, 889, 1289, 1299, 1449, 1549, 1649, 1729, 1809, 1949, 2099)
"""Points (from 0) where the mass step changes, named by what isochrones of 30, 300 and 3000 Myr do there: 299 coolest
and 359 hottest point of the hook at core hydrogen exhaustion, 489 base and 1289 tip of the giant branch with its bump
from 859 to 889, 1299 to 1949 core helium burning, 2099 the end."""
_PHASE_EDGES = ((359, 0), (489, 2), (1289, 3), (1949, 4), (2099, 7))
_COLUMNS = {"m_ini": "m/mo(ini)", "m_fin": "m/mo(fin)", "log_lum": "log(l/lo)", "log_teff": "logte"}
_HEADER = {"n": r"Np\s*=\s*(\S+)", "mh": r"\[M/H\]\s*=\s*(\S+)", "age": r"Age\s*\(Myr\)\s*=\s*(\S+)"}
_AGAIN = "download the file again"


def is_basti(file: TextFile) -> bool:
    """Return whether a file has the header line of a BaSTI isochrone."""
    return any(_column_names(line) for line in file.lines[:200])


def _column_names(line: str) -> tuple[str, ...]:
    names = tuple(line.lstrip("# ").split())
    return names if line.lstrip().startswith("#") and "m/mo(ini)" in (name.lower() for name in names) else ()


def read_basti(file: TextFile) -> list[RawTable]:
    """Read the isochrone of a file.

    Parameters
    ----------
    file : TextFile
        The file.

    Returns
    -------
    list of RawTable
        One.

    Raises
    ------
    InputError
        If the file is cut short or a line cannot be read.
    """
    start = next(i for i, line in enumerate(file.lines) if _column_names(line))
    names = _column_names(file.lines[start])
    header = _header(file, start)
    rows = [i for i in range(start, len(file.lines)) if file.lines[i].strip() and not file.lines[i].startswith("#")]
    if len(rows) != header["n"]:
        raise InputError(
            f"the isochrone has {len(rows)} points",
            file.at(rows[-1] if rows else start),
            expected=f"{header['n']:g}, as its header says (Np)",
            remedy=_AGAIN,
        )
    lower = [name.lower() for name in names]
    missing = [name for name in _COLUMNS.values() if name not in lower]
    if missing:
        raise InputError(f"there is no column {', '.join(missing)}", file.at(start), remedy="use the server's own file")
    column = {key: lower.index(name) for key, name in _COLUMNS.items()}
    offered = [c for c, name in enumerate(lower) if name not in _COLUMNS.values()]
    chosen = choose_bands([names[c] for c in offered], header["system"])
    if not chosen.bands:
        raise InputError(
            f"no magnitude of the file is in a band of ours (columns: {' '.join(names[c] for c in offered) or 'none'}; "
            f"system: {header['system'] or 'not stated'})",
            file.at(start),
            expected="Gaia, UBVRIJHK, 2MASS, SDSS, Pan-STARRS, DECam, WISE, TESS ...",
            remedy="download the isochrones in one of these systems",
        )
    wanted = [*column.values(), *(offered[c] for c in chosen.columns)]
    table = file.table(rows, wanted, len(names), names)
    file.require_whole_last_line(rows)
    values = dict(zip(column, table[:, :4].T, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        values["log_g"] = gravity(values.pop("m_fin"), values["log_teff"], values["log_lum"])
    keys = {**{key: names[c] for key, c in column.items()}, "log_g": "M/Mo(fin)"}
    values["m_ini"] = check_points(file, rows, values, keys)
    return [_isochrone(file, rows, values, table[:, 4:], chosen, header)]


def _header(file: TextFile, start: int) -> dict[str, Any]:
    """Return what the header says: number of points, [M/H], age [Myr], photometric system."""
    found: dict[str, Any] = {"system": "", "mixture": "", "database": "BaSTI"}
    for i, line in enumerate(file.lines[:start]):
        for key, pattern in _HEADER.items():
            match = re.search(pattern, line)
            if match:
                found[key] = file.number(match.group(1), i, key)
        z = re.search(r"\bZ\s*=\s*(\S+)", line)
        if z:
            found["z"] = file.number(z.group(1), i, "Z")
        if "transformations" in line:
            found["mixture"], _, found["system"] = (part.strip() for part in line.lstrip("# ").partition(" - "))
        if "BaSTI-IAC" in line:
            found["database"] = "BaSTI-IAC"
    missing = [name for name, key in (("Np", "n"), ("[M/H]", "mh"), ("Age (Myr)", "age")) if key not in found]
    if missing or not found.get("age", 0.0) > 0.0:
        raise InputError(
            f"the header does not give {', '.join(missing) or 'a positive age'}",
            file.at(start),
            expected="a line 'Np = ... [M/H] = ... Z = ... Y = ... Age (Myr) = ...'",
            remedy="use the file as the server wrote it",
        )
    return found


def _isochrone(
    file: TextFile, rows: list[int], values: dict[str, Array], mags: Array, chosen: ChosenBands, header: dict[str, Any]
) -> RawTable:
    """Bring the isochrone under the library's names."""
    eep = np.arange(len(rows))
    notes = chosen.notes
    is_eep = _evenly_spaced(values["m_ini"])
    if is_eep:
        phase = np.select([eep <= last for last, _ in _PHASE_EDGES], [code for _, code in _PHASE_EDGES])
    else:
        phase = np.zeros(len(rows), dtype=np.int64)
        notes += ("line numbers are not evolutionary points as in BaSTI-IAC files: phases are found from the shape",)
    keep, dropped = count_dropped(("magnitudes missing (NaN, or 99)", ~np.all(np.abs(mags) < 90.0, axis=1)))
    require_enough(file, rows, keep)
    return RawTable(
        family=FAMILY,
        release=", ".join(filter(None, (header["database"], header["mixture"]))),
        source=file.name,
        line=rows[0] + 1,
        log_age=float(np.round(np.log10(header["age"]) + 6.0, 6)),
        mh=header["mh"],
        **{key: column[keep] for key, column in values.items()},
        bands=chosen.bands,
        mags=mags[keep],
        label=(phase if is_eep else np.ones_like(phase))[keep].astype(np.int64),
        phase=phase[keep].astype(np.int64),
        eep=eep[keep] if is_eep else None,
        dropped=dropped,
        notes=notes,
        metadata={
            "photometric_system": header["system"] or "not stated",
            "passbands": chosen.passbands,
            "citation": "Hidalgo et al. 2018, ApJ 856, 125",
            "solar_scale": "Caffau et al. 2011, as adopted by Hidalgo et al. 2018",
            "native_z": header.get("z"),
        },
    )


def _evenly_spaced(mass: NDArray[np.float64]) -> bool:
    """Return whether masses are evenly spaced between the key points, which makes line numbers evolutionary points."""
    if mass.size != KEY_POINTS[-1] + 1:
        return False
    even = np.interp(np.arange(mass.size), KEY_POINTS, mass[list(KEY_POINTS)])
    return bool(np.all(np.abs(mass - even) < 1e-8 * mass))
