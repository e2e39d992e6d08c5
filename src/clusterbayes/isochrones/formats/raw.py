"""One isochrone as a file has it, and the plain-text reading that all formats share.

A format's reader turns a `TextFile` into `RawTable` objects: the same quantities under the same names whatever the
source called them.  Every refusal names the file and the line, says what was expected there and what to do.
"""

from __future__ import annotations

import gzip
import html
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clusterbayes.errors import InputError

__all__ = ["RawTable", "TextFile", "check_points", "count_dropped", "gravity", "read_text", "require_enough"]

Array = NDArray[np.float64]

_DOWNLOAD = "download the file again, and look at it: the server may have sent an error page or stopped early"
# Beyond these a number is a slip of the file, not a star: log10 of Teff [K], L [Lsun], g [cm/s2], and mass [Msun].
_SANE = {"log_teff": (3.0, 6.0), "log_lum": (-8.0, 8.0), "log_g": (-4.0, 12.0), "m_ini": (1e-3, 1e3)}
_LEAST_POINTS = 20
_MASS_SLACK = 1e-5  # relative: rounding in the file


@dataclass(frozen=True)
class RawTable:
    """One isochrone of a file, under the library's names.

    Parameters
    ----------
    family : str
        "PARSEC", "MIST" or "BaSTI".
    release : str
        The release of the models and of the tool, as the file states it.
    source : str
        Name of the file.
    line : int
        Line of its first point in the file, counted from 1.
    log_age : float
        log10 of the age [yr].
    mh : float
        [M/H] [dex].
    m_ini, log_teff, log_lum, log_g : (n_point,) array
        Initial mass [Msun], non-decreasing; log10 of Teff [K], L [Lsun], g [cm/s2].
    bands : tuple of str
        Canonical names of the bands that were understood.
    mags : (n_point, n_band) array
        Absolute magnitudes [mag].
    label : (n_point,) int array
        Evolutionary label of the source; 1 throughout where the file has none.
    phase : (n_point,) int array
        Phase codes (`clusterbayes.isochrones.eep.PHASES`).
    eep : (n_point,) int array or None
        The source's own equivalent evolutionary points, where it has them.
    dropped : dict of str to int
        Why points of the file were left out, and how many.
    notes : tuple of str
        What the reader of a report should know.
    metadata : dict
        photometric_system, passbands, citation, solar_scale, native_z and what else the header says.
    """

    family: str
    release: str
    source: str
    line: int
    log_age: float
    mh: float
    m_ini: Array
    log_teff: Array
    log_lum: Array
    log_g: Array
    bands: tuple[str, ...]
    mags: Array
    label: NDArray[np.int64]
    phase: NDArray[np.int64]
    eep: NDArray[np.int64] | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The file and the line, for messages."""
        return f"{self.source}, line {self.line}"


@dataclass(frozen=True)
class TextFile:
    """The lines of a text file, with what is needed to say where something is wrong.

    Parameters
    ----------
    name : str
        File name.
    lines : tuple of str
        Without line ends.
    ends_with_newline : bool
        Whether the last line was completed.
    """

    name: str
    lines: tuple[str, ...]
    ends_with_newline: bool

    def at(self, index: int) -> str:
        """Return the place of a line (index from 0), as messages name it."""
        return f"{self.name}, line {index + 1}"

    def number(self, text: str, index: int, what: str) -> float:
        """Return a number of the header, or say that it is none."""
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise InputError(f"{what} is not a number", self.at(index), value=text[:40], remedy=_DOWNLOAD)
        return value

    def table(self, rows: Sequence[int], columns: Sequence[int], width: int, names: Sequence[str]) -> Array:
        """Read some columns of some lines.

        Parameters
        ----------
        rows : sequence of int
            Indices of the lines.
        columns : sequence of int
            Columns to read.
        width : int
            Number of columns that every line must have.
        names : sequence of str
            Names of all columns, for messages.

        Returns
        -------
        (n_row, n_column) array
            The numbers; NaN where the file says so.

        Raises
        ------
        InputError
            If a line has another number of columns, or something that is not a number.
        """
        values = np.empty((len(rows), len(columns)))
        for n, index in enumerate(rows):
            parts = self.lines[index].split()
            if len(parts) != width:
                cut = " (the file ends here)" if index >= len(self.lines) - 2 else ""
                raise InputError(
                    f"the line has {len(parts)} columns{cut}",
                    self.at(index),
                    expected=f"{width} columns, as the header has",
                    remedy=_DOWNLOAD,
                )
            try:
                values[n] = [float(parts[c]) for c in columns]
            except ValueError:
                bad = next(c for c in columns if not _is_number(parts[c]))
                raise InputError(
                    "this is not a number",
                    self.at(index),
                    column=names[bad],
                    value=parts[bad][:40],
                    remedy=_DOWNLOAD,
                ) from None
        return values

    def require_whole_last_line(self, rows: Sequence[int]) -> None:
        """Refuse a fixed-width table whose last line is unfinished.

        Raises
        ------
        InputError
            If the file ends without a line end, in a line shorter than the one before it.
        """
        if self.ends_with_newline or len(rows) < 2:
            return
        last, before = self.lines[rows[-1]].rstrip(), self.lines[rows[-2]].rstrip()
        if len(last) < len(before):
            raise InputError(
                "the file ends in the middle of a line",
                self.at(rows[-1]),
                expected="a line as long as the one before",
                remedy=_DOWNLOAD,
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_text(path: str | Path) -> TextFile:
    """Read a text file (plain or gzipped).

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    TextFile
        Its lines.

    Raises
    ------
    InputError
        If it cannot be read, is empty, is not text, or is a web page.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"the file cannot be read ({error})", str(path), remedy=_DOWNLOAD) from error
    if not data.strip():
        raise InputError("the file is empty", path.name, expected="an isochrone table", remedy=_DOWNLOAD)
    text = data.decode("utf-8-sig", errors="replace")
    if "\0" in text or text[:4000].count("�") > 20:
        raise InputError("this is not a text file", path.name, expected="an isochrone table in plain text")
    _refuse_web_page(text, path.name)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    complete = lines[-1] == ""
    return TextFile(path.name, tuple(lines[:-1] if complete else lines), complete)


def _refuse_web_page(text: str, name: str) -> None:
    start = text[:4000].lower()
    if not re.search(r"<!doctype html|<html|<head\b|<body\b", start):
        return
    title = re.search(r"<title>(.*?)</title>", text[:20000], re.IGNORECASE | re.DOTALL)
    said = " ".join(html.unescape(title.group(1)).split())[:80] if title else ""
    raise InputError(
        "this is a web page" + (f" ('{said}')" if said else "") + ", saved under the name of a table",
        name,
        expected="the text table that the page links to",
        remedy="open it in a browser to read what the server said, then download the table itself",
    )


def count_dropped(*reasons: tuple[str, Array | NDArray[np.bool_]]) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Return which points stay, and how many go for each reason; a point is counted under its first reason.

    Parameters
    ----------
    reasons : (str, (n_point,) bool array)
        In order of precedence.

    Returns
    -------
    keep : (n_point,) bool array
    dropped : dict of str to int
        Reasons that occurred.
    """
    keep = np.ones(len(reasons[0][1]), dtype=bool)
    dropped: dict[str, int] = {}
    for reason, mask in reasons:
        hit = keep & mask
        if hit.any():
            dropped[reason] = int(hit.sum())
        keep &= ~hit
    return keep, dropped


def gravity(mass: Array, log_teff: Array, log_lum: Array) -> Array:
    """Return log g from mass [Msun], log Teff and log L; the Sun has Teff = 5772 K and log g = 4.438 (IAU 2015)."""
    return np.asarray(4.438 + np.log10(mass) + 4.0 * (log_teff - np.log10(5772.0)) - log_lum)


def require_enough(file: TextFile, rows: Sequence[int], keep: NDArray[np.bool_]) -> None:
    """Refuse an isochrone of which too little is left.

    Raises
    ------
    InputError
        If fewer than 20 points are kept.
    """
    if keep.sum() < _LEAST_POINTS:
        raise InputError(
            f"the isochrone that begins here has {int(keep.sum())} usable points out of {len(rows)}",
            file.at(rows[0]) if len(rows) else file.name,
            expected=f"at least {_LEAST_POINTS}",
            remedy=_DOWNLOAD,
        )


def check_points(file: TextFile, rows: Iterable[int], points: dict[str, Array], names: dict[str, str]) -> Array:
    """Check the points of one isochrone, and return the masses without the rounding that makes them fall.

    Parameters
    ----------
    file : TextFile
        Where they come from.
    rows : iterable of int
        Line of each point.
    points : dict of str to (n_point,) array
        m_ini, log_teff, log_lum, log_g.
    names : dict of str to str
        The file's names for them.

    Returns
    -------
    (n_point,) array
        Non-decreasing initial masses [Msun].

    Raises
    ------
    InputError
        If a number is missing or absurd, or masses are not in order.
    """
    lines = [int(row) for row in rows]
    for key, (low, high) in _SANE.items():
        bad = np.flatnonzero(~((points[key] >= low) & (points[key] <= high)))
        if bad.size:
            raise InputError(
                "this cannot be a star",
                file.at(lines[bad[0]]),
                column=names[key],
                value=f"{points[key][bad[0]]:g}",
                expected=f"{low:g} to {high:g}",
                remedy=_DOWNLOAD,
            )
    mass = points["m_ini"]
    highest = np.maximum.accumulate(mass)
    bad = np.flatnonzero(mass < highest * (1.0 - _MASS_SLACK))
    if bad.size:
        raise InputError(
            f"initial masses are not in order: {mass[bad[0]]:.6g} comes after {highest[bad[0]]:.6g}",
            file.at(lines[bad[0]]),
            expected="masses that rise from line to line within an isochrone",
            remedy="use the file as the server wrote it, not sorted by another column",
        )
    return highest
