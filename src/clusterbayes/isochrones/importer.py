"""From a user's isochrone files to a grid file.

`import_isochrones` reads files and folders, joins files of the same isochrones in different photometric systems, checks
that ages and metallicities fill a rectangle, brings every isochrone onto common evolutionary points, and writes a grid
that fits, plots and certificates take like an installed one.  Nothing is left out in silence: the report counts every
point that was dropped and says why.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clusterbayes.errors import GridError, InputError
from clusterbayes.isochrones import eep, storage
from clusterbayes.isochrones.formats import RawTable, isochrone_files, read_isochrones
from clusterbayes.isochrones.milestones import Stars
from clusterbayes.isochrones.paths import phase_codes
from clusterbayes.isochrones.theory import RECIPES, Recipe, resample

__all__ = ["ImportReport", "import_isochrones"]

_RECIPES = {"BaSTI": RECIPES["basti"], "MIST": RECIPES["mist"]}
_SAME_NODE = 1e-4  # dex in age or metallicity: rounding between files
_WIDE_AGE, _WIDE_MH = 0.21, 0.51  # dex; wider steps leave errors of interpolation that show
_NAMED = 6

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class ImportReport:
    """What was read and what became of it.

    Parameters
    ----------
    out : Path
        The grid file.
    family, release : str
        As the files state them.
    log_age, mh : tuple of float
        Nodes, log10 of the age [yr] and [M/H] [dex].
    bands : tuple of str
        Bands of the grid; none for a theory grid.
    n_eep : int
        Points of every isochrone of the grid.
    n_read : int
        Points in the files, those that were dropped among them.
    dropped : dict of str to int
        Why points were dropped, and how many.
    notes : tuple of str
        What else to know.
    sources : tuple of dict
        Every file's name and SHA-256.
    digest : str
        SHA-256 of the grid file's content.
    """

    out: Path
    family: str
    release: str
    log_age: tuple[float, ...]
    mh: tuple[float, ...]
    bands: tuple[str, ...]
    n_eep: int
    n_read: int
    dropped: dict[str, int]
    notes: tuple[str, ...]
    sources: tuple[dict[str, str], ...]
    digest: str

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        n_file, n_age, n_mh = len(self.sources), len(self.log_age), len(self.mh)
        listed = " ".join(self.bands) or "none: magnitudes come from bolometric corrections"
        return [
            f"{self.family} ({self.release}), {n_file} file{'s' * (n_file > 1)}, "
            f"{n_age * n_mh} isochrone{'s' * (n_age * n_mh > 1)}",
            f"log age {_span(self.log_age)} in {n_age} step{'s' * (n_age > 1)}, "
            f"[M/H] {_span(self.mh)} in {n_mh} step{'s' * (n_mh > 1)}, {self.n_eep} points each",
            f"bands: {listed}",
            f"points read: {self.n_read}, dropped: {sum(self.dropped.values())}",
            *(f"dropped: {count} {reason}" for reason, count in self.dropped.items()),
            *(f"note: {note}" for note in self.notes),
            f"written: {self.out}",
        ]


def _span(values: Sequence[float]) -> str:
    return f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}"


def import_isochrones(
    paths: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    name: str | None = None,
    single_age: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Make a grid file of isochrone files.

    Parameters
    ----------
    paths : path or iterable of paths
        Files of PARSEC (CMD web interface), MIST or BaSTI-IAC, or folders of them; one family at a time.
    out : str or Path
        The grid file to write, usually ending in ``.h5``; it replaces an old one only when it is complete.
    name : str, optional
        A title to keep in the grid's metadata.
    single_age : bool
        Accept isochrones of one age: the grid then holds the age.
    progress : callable, optional
        Takes a stage's name and the fraction done.

    Returns
    -------
    ImportReport
        What was read, dropped and written.

    Raises
    ------
    InputError
        If a file cannot be read as what it is.
    GridError
        If the isochrones do not make a grid: mixed families, one age, gaps, duplicates, no band in common.
    """
    tell = progress or (lambda stage, fraction: None)
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    out = Path(out)
    if not out.parent.is_dir():
        raise GridError("there is no such folder to write the grid to", str(out.parent), remedy="make it first")
    files, passed_over = isochrone_files(given)
    files = [file for file in files if file.resolve() != out.resolve()]
    tables: list[RawTable] = []
    for i, file in enumerate(files):
        tell("read", i / len(files))
        tables += read_isochrones(file)
    family = _one_family(tables)
    n_read = sum(table.m_ini.size + sum(table.dropped.values()) for table in tables)
    dropped = dict(sum((Counter(table.dropped) for table in tables), Counter()))
    notes = [*passed_over, *dict.fromkeys(note for table in tables for note in table.notes)]
    log_age, mh, nodes = _rectangle(tables, notes)
    if log_age.size == 1 and not single_age:
        raise GridError(
            f"all isochrones have one age, log_age={log_age[0]:g}",
            ", ".join(file.name for file in files[:3]),
            "at least two ages, so that an age can be inferred",
            "download more ages; or import with --single-age (single_age=True) to plot, and to fit with the age held",
        )
    bands, nodes = _common_bands(nodes, notes)
    _advise(log_age, mh, notes)
    resampled, phase = _resample(log_age, mh, nodes, tell)
    tell("write", 0.95)
    sources = tuple({"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()} for file in files)
    metadata = _describe(tables, name, sources, notes, mh, nodes)
    arrays: dict[str, NDArray] = {"log_age": log_age, "mh": mh, "eep": np.arange(phase.size), "phase": phase}
    arrays |= {key: resampled[..., c] for c, key in enumerate(("m_ini", "log_teff", "log_lum", "log_g"))}
    storage.write_grid(out, arrays, bands, resampled[..., 4:] if bands else None, None, metadata)
    digest = str(storage.describe_grid(out)["digest"])
    tell("write", 1.0)
    return ImportReport(
        out, family, metadata["release"], tuple(map(float, log_age)), tuple(map(float, mh)), bands, int(phase.size),
        n_read, dropped, tuple(notes), sources, digest,
    )  # fmt: skip


def _one_family(tables: Sequence[RawTable]) -> str:
    families: dict[str, str] = {}
    for table in tables:
        families.setdefault(table.family, table.source)
    if len(families) > 1:
        raise GridError(
            "isochrones of several families cannot make one grid: "
            + ", ".join(f"{family} ({source})" for family, source in families.items()),
            expected="one family",
            remedy="import each family into a grid of its own",
        )
    return next(iter(families))


Nodes = dict[tuple[int, int], RawTable]


def _rectangle(tables: Sequence[RawTable], notes: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64], Nodes]:
    """Return ages, metallicities and the isochrone of each pair, after joining files of the same isochrones."""
    log_age = _axis([table.log_age for table in tables])
    mh = _axis([table.mh for table in tables])
    nodes: Nodes = {}
    for table in tables:
        key = int(np.argmin(np.abs(log_age - table.log_age))), int(np.argmin(np.abs(mh - table.mh)))
        nodes[key] = _join(nodes[key], table, notes) if key in nodes else table
    missing = [(float(log_age[i]), float(mh[k])) for i, k in np.ndindex(log_age.size, mh.size) if (i, k) not in nodes]
    if missing:
        listed = "; ".join(f"log_age={a:g} at [M/H]={m:g}" for a, m in missing[:_NAMED])
        more = f"; and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise GridError(
            f"{len(missing)} of {log_age.size * mh.size} isochrones are missing: {listed}{more}",
            expected="every age at every metallicity",
            remedy="download the missing ones, or import only ages and metallicities that all files have",
        )
    return log_age, mh, nodes


def _axis(values: Iterable[float]) -> NDArray[np.float64]:
    """Return the different values in order; those that differ by rounding only are one."""
    ordered = np.unique(np.asarray(list(values), dtype=float))
    return ordered[np.concatenate([[True], np.diff(ordered) > _SAME_NODE])]


def _join(one: RawTable, other: RawTable, notes: list[str]) -> RawTable:
    """Join the bands of two tables of the same isochrone."""
    node = f"log_age={one.log_age:g}, [M/H]={one.mh:g}"
    same = one.m_ini.shape == other.m_ini.shape and all(
        np.allclose(getattr(one, key), getattr(other, key), rtol=1e-6, atol=2e-3)
        for key in ("m_ini", "log_teff", "log_lum")
    )
    common = [band for band in other.bands if band in one.bands]
    pairs = [(one.mags[:, one.bands.index(b)], other.mags[:, other.bands.index(b)]) for b in common] if same else []
    if not same or not all(np.allclose(a, b, atol=2e-3) for a, b in pairs):
        raise GridError(
            f"two different isochrones are given for {node}: {one.where} and {other.where}",
            expected="each age and metallicity once",
            remedy="leave one of them out",
        )
    new = [c for c, band in enumerate(other.bands) if band not in one.bands]
    if not new:
        note = f"{other.source} repeats isochrones of {one.source}, which were taken once"
    else:
        note = f"{' '.join(other.bands[c] for c in new)} of {other.source} joined to the isochrones of {one.source}"
    if note not in notes:
        notes.append(note)
    metadata = dict(one.metadata)
    systems = (one.metadata["photometric_system"], other.metadata["photometric_system"])
    metadata["photometric_system"] = "; ".join(dict.fromkeys("; ".join(systems).split("; ")))
    metadata["passbands"] = one.metadata["passbands"] or other.metadata["passbands"]
    mags = np.column_stack([one.mags, other.mags[:, new]])
    return replace(one, bands=one.bands + tuple(other.bands[c] for c in new), mags=mags, metadata=metadata)


def _common_bands(nodes: Nodes, notes: list[str]) -> tuple[tuple[str, ...], Nodes]:
    """Return the bands that all isochrones have, and the isochrones with these only."""
    first = next(iter(nodes.values()))
    common = tuple(band for band in first.bands if all(band in table.bands for table in nodes.values()))
    if any(table.bands for table in nodes.values()) and not common:
        lacking = next((table for table in nodes.values() if not table.bands), None)
        reason = f"{lacking.source} has no magnitudes" if lacking else "the files are in different photometric systems"
        raise GridError(
            f"the isochrones have no band in common: {reason}", expected="the same bands at every age and metallicity"
        )
    partial = sorted({band for table in nodes.values() for band in table.bands} - set(common))
    if partial:
        notes.append("bands that only some of the isochrones have were left out: " + " ".join(partial))
    chosen = {
        key: replace(table, bands=common, mags=table.mags[:, [table.bands.index(band) for band in common]])
        for key, table in nodes.items()
    }
    return common, chosen


def _advise(log_age: NDArray[np.float64], mh: NDArray[np.float64], notes: list[str]) -> None:
    """Note what limits a fit with this grid."""
    if log_age.size == 1:
        notes.append(f"one age: a fit holds log_age at {log_age[0]:g}")
    if mh.size == 1:
        notes.append(f"one metallicity: a fit holds mh at {mh[0]:g}")
    wide = [f"{axis} up to {np.diff(nodes).max():.2g} dex"
            for axis, nodes, limit in (("log age", log_age, _WIDE_AGE), ("[M/H]", mh, _WIDE_MH))
            if nodes.size > 1 and np.diff(nodes).max() > limit]  # fmt: skip
    if wide:
        notes.append(
            f"wide steps ({', '.join(wide)}): between nodes this grid interpolates poorly; "
            "for fits take steps of 0.05 to 0.1 dex in age and 0.25 dex or less in [M/H]"
        )


def _resample(
    log_age: NDArray[np.float64], mh: NDArray[np.float64], nodes: Nodes, tell: Progress
) -> tuple[NDArray[np.float64], NDArray[np.integer]]:
    """Bring all isochrones onto common points, shape (n_age, n_mh, n_eep, 4 + n_band)."""
    keys = list(np.ndindex(log_age.size, mh.size))
    family = nodes[keys[0]].family
    if all(table.eep is not None for table in nodes.values()):
        recipe = _RECIPES[family]
        phase = phase_codes(recipe.layout)
        rows = {key: _numbered(nodes[key], recipe) for key in keys}
    else:
        phase = phase_codes(eep.EEP_LAYOUT)
        rows = {}
        for k in range(mh.size):
            tell("resample", k / mh.size)
            column = [nodes[i, k] for i in range(log_age.size)]
            rows |= {(i, k): row for i, row in enumerate(_shaped(column, log_age, float(mh[k])))}
    table = np.stack([np.stack([rows[i, k] for k in range(mh.size)]) for i in range(log_age.size)])
    return table, phase


def _numbered(table: RawTable, recipe: Recipe) -> NDArray[np.float64]:
    """Resample an isochrone with evolutionary points of its own, as those of its family are."""
    assert table.eep is not None
    stars = Stars(table.eep.astype(float), table.m_ini, table.log_teff, table.log_lum, table.log_g)
    return _with_shape(table, partial(resample, stars, recipe.choose, recipe.layout, table.mags))


def _shaped(tables: Sequence[RawTable], log_age: NDArray[np.float64], mh: float) -> list[NDArray[np.float64]]:
    """Resample isochrones without points of their own, by their shape."""
    raw = [eep.RawIsochrone(t.m_ini, t.log_teff, t.log_lum, t.log_g, t.mags, t.label) for t in tables]
    turn_on = eep.turn_on_masses(raw, log_age, mh)
    return [
        _with_shape(table, partial(eep.resample_isochrone, isochrone, float(log_m_on)))
        for isochrone, log_m_on, table in zip(raw, turn_on, tables, strict=True)
    ]


def _with_shape(table: RawTable, make: Callable[[], NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return an isochrone that is resampled, or say that what the file has is none."""
    cause: Exception | None = None
    try:
        rows = make()
        if np.isfinite(rows).all():
            return rows
    except (ValueError, IndexError, ZeroDivisionError, FloatingPointError) as error:
        cause = error
    raise InputError(
        f"the isochrone of log_age={table.log_age:g}, [M/H]={table.mh:g} has no shape that an isochrone could have",
        table.where,
        expected="a main sequence from low to high mass and what follows it, in order of initial mass",
        remedy="download the file again; leave this age out if it is unusual",
    ) from cause


def _describe(
    tables: Sequence[RawTable],
    name: str | None,
    sources: Sequence[dict[str, str]],
    notes: list[str],
    mh: NDArray[np.float64],
    nodes: Nodes,
) -> dict:
    """Return the metadata of the grid; what differs between files is noted."""
    said: dict[str, str] = {}
    for key in ("citation", "solar_scale", "photometric_system"):
        values = list(dict.fromkeys(str(table.metadata[key]) for table in tables))
        said[key] = "; ".join(values)
        if len(values) > 1 and key == "solar_scale":
            notes.append("files with different solar scales: " + "; ".join(values))
    releases = list(dict.fromkeys(table.release for table in tables))
    if len(releases) > 1:
        notes.append("files of different releases: " + "; ".join(releases))
    passbands = list(
        dict.fromkeys(table.metadata["passbands"] for table in nodes.values() if table.metadata["passbands"])
    )
    if len(passbands) > 1:
        raise GridError(
            f"the files are in passbands of different releases: {', '.join(passbands)}",
            expected="one photometric system throughout",
            remedy="import the files of one release only",
        )
    native_z = [nodes[0, k].metadata.get("native_z") for k in range(mh.size)]
    return {
        "family": tables[0].family,
        "release": "; ".join(releases),
        **said,
        "passbands": passbands[0] if passbands else "",
        "source": "imported: " + ", ".join(source["file"] for source in sources),
        "source_files": list(sources),
        "native_z": [None if z is None or not np.isfinite(z) else float(z) for z in native_z],
        "import_notes": list(notes),
        **({"title": name} if name else {}),
    }
