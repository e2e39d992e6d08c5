"""Writing a fit for other tools: the summary, the table of sources, the whole result, and plots.

`write_all` puts everything together in a hidden folder first and moves it into place when it is whole, so that a reader
never sees half of it. JSON follows the standard: what is not finite becomes null.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import ascii as ascii_io
from astropy.table import Table

from clusterbayes.errors import SettingsError
from clusterbayes.photometry.ingest import READ_METADATA
from clusterbayes.results.result import FitResult
from clusterbayes.results.tables import plain
from clusterbayes.results.ucd import descriptors
from clusterbayes.writing import begun, replacing, write_text

if TYPE_CHECKING:
    from astropy.io.votable.tree import VOTableFile

__all__ = [
    "CHAIN_FILE", "CHECKS_FILE", "CONVERGED", "EXTRA_FILES",
    "FILES", "MEMBER_THRESHOLD", "check_output_file", "check_output_folder", "checkpoint_place",
    "json_text", "sources_table", "write_all", "write_emcee_chain", "write_json", "write_sources", "write_summary",
    "write_table", "write_text",
]  # fmt: skip

#: Membership probability from which `sources_table` flags a star as a member.
MEMBER_THRESHOLD = 0.5

#: Files of a complete output folder, with what they are: (media type, description).
FILES: dict[str, tuple[str, str]] = {
    "summary.json": ("application/json", "parameters with their uncertainties, diagnostics, counts, provenance"),
    "sources.ecsv": ("text/csv", "one row for every input row: membership, mass, mass ratio, input columns"),
    "result.h5": ("application/x-hdf5", "the whole result: chain, draws, stars, isochrones"),
    "record.json": ("application/json", "the ClusterModelingTool record with its result document"),
    "cmd.png": ("image/png", "colour-magnitude diagram with members and isochrones"),
    "hr.png": ("image/png", "Hertzsprung-Russell diagram"),
    "corner.png": ("image/png", "posterior of the main parameters"),
    "report.html": ("text/html", "the fit in words, numbers and pictures, on one page"),
}

CHAIN_FILE, CHECKS_FILE = "chain.h5", "checks.json"

#: Key that says whether the fit converged: in metadata of tables, in HDF5 attributes and in JSON.
CONVERGED = "converged"
#: Files that are there on request only, with what they are.
EXTRA_FILES: dict[str, tuple[str, str]] = {
    CHAIN_FILE: ("application/x-hdf5", "the chain in emcee's layout"),
    CHECKS_FILE: ("application/json", "posterior predictive checks and the quality of the fit"),
}
_CHECKPOINT = "checkpoint.h5"
_LITTER = 600.0  # s after which a hidden folder that never took its place was left by a process that was killed

_FORMATS = {
    ".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits", ".fit": "fits", ".vot": "votable", ".xml": "votable",
    ".votable": "votable",
}  # fmt: skip

# Masked and not-a-number are one thing in a spreadsheet: an empty cell.
_WRITING: dict[str, dict[str, Any]] = {"ascii.csv": {"fill_values": [("nan", ""), (ascii_io.masked, "")]}}

_DESCRIPTIONS = {
    "id": ("identifier", None),
    "p_member": ("probability to be a member of the cluster", None),
    "member": (f"p_member of {MEMBER_THRESHOLD:g} or more", None),
    "p_outlier": ("probability to be an outlier: with the cluster, but off its sequences", None),
    "p_binary": ("probability to be an unresolved binary, if a member", None),
    "mass": ("initial mass of the primary, if a member: posterior mean", "solMass"),
    "mass_std": ("standard deviation of mass", "solMass"),
    "q": ("mass ratio of the companion, 0 for none, if a member: posterior mean", None),
    "q_std": ("standard deviation of q", None),
    "log_teff": ("log10 of the effective temperature [K], if a member: posterior mean", None),
    "log_teff_std": ("standard deviation of log_teff", None),
    "log_lum": ("log10 of the luminosity [solar units], if a member: posterior mean", None),
    "log_lum_std": ("standard deviation of log_lum", None),
    "log_predictive": ("log density of the row as predicted by the fit of all others", None),
    "distance_shift": (
        "distance modulus of the star less that of the cluster, by its own parallax: what its magnitudes were moved by",
        "mag",
    ),
    "distance_shift_error": ("error of distance_shift, which all magnitudes share", "mag"),
    "used": ("whether the row was used in the fit", None),
    "drop_reason": ("why the row was not used", None),
}


def check_output_folder(path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Make sure that results can be written to a folder, before any work is done.

    Parameters
    ----------
    path : path-like
        The folder; it need not exist.
    overwrite : bool
        Whether a folder that holds files may be written to.

    Returns
    -------
    Path
        The absolute path.

    Raises
    ------
    SettingsError
        If it is a file, holds files and may not be overwritten, or can't be written to.
    """
    folder = Path(path).resolve()
    if folder.exists() and not folder.is_dir():
        raise SettingsError("the output folder is a file", str(path), remedy="choose another name")
    if folder.is_dir() and _foreign(folder) and not overwrite:
        problem = "the output folder exists and is not empty"
        raise SettingsError(
            problem, str(path), remedy="choose another one, or allow it to be overwritten (--overwrite)"
        )
    _check_writable(folder, path)
    return folder


def check_output_file(path: Path, overwrite: bool = False, kind: str | None = None) -> str:
    """Make sure that a table can be written to a file, before any work is done.

    Parameters
    ----------
    path : Path
        The file; its folder need not exist.
    overwrite : bool
        Whether a file that exists may be replaced.
    kind : str, optional
        Name of the format; that of the ending if left out.

    Returns
    -------
    str
        astropy's name of the format.

    Raises
    ------
    SettingsError
        If the format is not known, the file exists and may not be replaced, or nothing can be written there.
    """
    known = table_format(path, kind)
    if path.exists() and not overwrite:
        raise SettingsError("the file exists", str(path), remedy="choose another name, or give --overwrite")
    if path.is_dir():
        raise SettingsError("this is a folder, not a file", str(path), remedy="choose another name")
    _check_writable(path.resolve().parent, path)
    return known


def _check_writable(folder: Path, path: str | os.PathLike[str]) -> None:
    """Refuse a folder that can't be made or written to."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise SettingsError(f"nothing can be written below {existing}", str(path), remedy="choose another folder")


def _foreign(folder: Path) -> set[str]:
    """Names in a folder that are not the beginnings of results that were never finished."""
    names = {entry.name for entry in folder.iterdir()}
    hidden = (f".{folder.name}.", f".{_CHECKPOINT}.")
    unfinished = {*FILES, *EXTRA_FILES, _CHECKPOINT} if _CHECKPOINT in names else set()
    return {name for name in names - unfinished if not name.startswith(hidden)}


def checkpoint_place(folder: Path) -> Path:
    """Return where a fit into a folder keeps its checkpoint: beside the folder, inside if it was there before the fit.

    A folder that exists may be a file system of its own, which outlives the place where it is mounted.
    """
    beside, inside = folder.with_name(f"{folder.name}.{_CHECKPOINT}"), folder / _CHECKPOINT
    return inside if folder.is_dir() and not beside.exists() else beside


def write_all(
    result: FitResult,
    path: str | os.PathLike[str],
    overwrite: bool = False,
    *,
    documents: Mapping[str, Any] | None = None,
    title: str | None = None,
    keep_chain: bool = False,
    checks: Mapping[str, Any] | None = None,
) -> Path:
    """Write the summary, the sources, the result, the plots and the report into a folder.

    Parameters
    ----------
    result : FitResult
        The fit.
    path : path-like
        The folder.
    overwrite : bool
        Whether a folder that holds files may be written to. Files of other names in it are left alone.
    documents : dict, optional
        More documents by file name, written as JSON beside the others; `clusterbayes.records.write_outputs` adds
        the record in this way.
    title : str, optional
        Title of the plots and the report; the name of the input if left out.
    keep_chain : bool
        Whether to write the chain as ``chain.h5``, too.
    checks : dict, optional
        Posterior predictive checks, as `clusterbayes.results.checks.checks_document` gives them: shown in the
        report, and written as ``checks.json``.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    SettingsError
        If the folder can't be used.
    """
    folder = check_output_folder(path, overwrite)
    _sweep(folder)
    hidden = f".{folder.name}.{secrets.token_hex(4)}"
    # Inside a folder that exists: it may be a file system of its own, or its parent closed to us.
    staging = folder / hidden if folder.exists() else folder.with_name(hidden)
    staging.mkdir(parents=True)
    try:
        write_summary(result, staging / "summary.json")
        write_sources(result, staging / "sources.ecsv")
        result.save(staging)
        if keep_chain:
            write_emcee_chain(result, staging / CHAIN_FILE)
        if checks is not None:
            write_json({CONVERGED: result.converged, **checks}, staging / CHECKS_FILE)
        _write_pictures(result, staging, title, checks)
        for name, document in (documents or {}).items():
            write_json(document, staging / name)
        of_this_fit = {path.name for path in staging.iterdir()}
        _move_into_place(staging, folder)
        for name in EXTRA_FILES.keys() - of_this_fit:
            (folder / name).unlink(missing_ok=True)  # of an earlier fit
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _sweep(folder: Path) -> None:
    """Remove hidden folders that were left when a process was killed while it wrote."""
    for place in (folder, folder.parent):
        for litter in begun(place, folder.name):
            if litter.is_dir() and time.time() - litter.stat().st_mtime > _LITTER:
                shutil.rmtree(litter, ignore_errors=True)


def write_emcee_chain(result: FitResult, path: str | os.PathLike[str]) -> Path:
    """Write the chain for `emcee.backends.HDFBackend`: parameters and log posterior density, all of it or nothing.

    Parameters
    ----------
    result : FitResult
        The fit; its chain goes to the group ``mcmc``, whose attribute ``names`` names the parameters, and whose
        attribute ``converged`` says whether the fit did.
    path : path-like
        The file, replaced if it exists.
    """
    from clusterbayes.inference.checkpoint import replace_whole  # takes seconds to load
    from clusterbayes.inference.ensembles import write_chain

    accepted = (result.chain[1:] != result.chain[:-1]).any(axis=2).sum(axis=0)  # of the first step nothing is known

    def write(file: Any) -> None:
        group = file.create_group("mcmc")
        write_chain(group, result.chain, result.log_prob, accepted)
        group.attrs["names"] = list(result.names)
        group.attrs[CONVERGED] = result.converged

    replace_whole(Path(path), write)
    return Path(path)


def _write_pictures(result: FitResult, folder: Path, title: str | None, checks: Mapping[str, Any] | None) -> None:
    """Write the plots, and the report that shows them among others."""
    from clusterbayes.results.plots import draw  # matplotlib is only needed here
    from clusterbayes.results.report import write_report

    for kind in ("cmd", "hr", "corner"):
        draw(result, kind, title).savefig(folder / f"{kind}.png")
    drawn = {kind: (folder / f"{kind}.png").read_bytes() for kind in ("hr", "corner")}
    write_report(result, folder / "report.html", title=title, checks=checks, drawn=drawn)


def _move_into_place(staging: Path, folder: Path) -> None:
    """Give the finished folder its name, or move its files into a folder that exists."""
    if not folder.exists():
        os.replace(staging, folder)
        return
    for name in sorted(entry.name for entry in staging.iterdir()):
        os.replace(staging / name, folder / name)


def write_summary(result: FitResult, path: str | os.PathLike[str]) -> Path:
    """Write ``summary.json``, whose form is a promise (``docs/schemas/summary.schema.json``)."""
    return write_json(result.summary_document(), path)


def sources_table(result: FitResult) -> Table:
    """Return the table of sources as it is shared: every input row in input order, described, with a member flag.

    Parameters
    ----------
    result : FitResult
        The fit.

    Returns
    -------
    astropy.table.Table, n_input rows
        `result.stars` with a column ``member`` after ``p_member``; an input column of that name becomes
        ``member_input``. Its metadata say whether the fit ``converged``.
    """
    table = result.stars.copy()
    table.meta[CONVERGED] = result.converged
    if "member" in table.colnames:
        table.rename_column("member", "member_input")
    with np.errstate(invalid="ignore"):
        table.add_column(result.p_member >= MEMBER_THRESHOLD, name="member", index=table.colnames.index("p_member") + 1)
    for name in table.colnames:
        description, unit = _DESCRIPTIONS.get(name, (table[name].description, table[name].unit))
        table[name].description, table[name].unit = description, unit
    for name in result.observables:
        table[name].unit = table[f"{name}_error"].unit = "mag"
        if f"{name}_residual" in table.colnames:
            table[f"{name}_residual"].unit = "mag"
            table[f"{name}_residual"].description = f"{name} less what the isochrone gives the star, if a member"
    for name, words in descriptors(table.colnames, result.observables).items():
        table[name].meta["ucd"] = words
    return table


def write_sources(result: FitResult, path: str | os.PathLike[str]) -> Path:
    """Write the table of sources; the ending says how: .ecsv, .csv, .fits or .vot."""
    return write_table(sources_table(result), path)


def write_table(table: Table, path: str | os.PathLike[str], kind: str | None = None) -> Path:
    """Write a table, all of it or nothing.

    Parameters
    ----------
    table : astropy.table.Table
        The table.
    path : path-like
        The file, replaced if it exists; its ending says the format: .ecsv, .csv, .fits (which holds plain ASCII:
        other letters are escaped) or .vot. Of the table's metadata, .fits and .vot hold `CONVERGED` only, and .csv
        nothing.
    kind : str, optional
        astropy's name of the format, whatever the ending.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    SettingsError
        If the ending is not known.
    """
    target = Path(path)
    kind = kind or table_format(target)
    with replacing(target) as partial:
        if kind == "votable":
            _votable(table).to_xml(str(partial))
        else:
            (_ascii_table(table) if kind == "fits" else table).write(partial, format=kind, **_WRITING.get(kind, {}))
    return target


def _votable(table: Table) -> VOTableFile:
    """Return a table for a VOTable, with the verdict on the fit as a parameter."""
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import Param

    file = from_table(table)
    for name, value in _verdict(table).items():
        verdict = Param(file, name=name, datatype="boolean", value=value, ucd="meta.code.status")
        file.get_first_table().params.append(verdict)
    return file


def _verdict(table: Table) -> dict[str, bool]:
    """Return what a table's metadata say of the fit that it is from; nothing for other tables."""
    return {CONVERGED: table.meta[CONVERGED]} if isinstance(table.meta.get(CONVERGED), bool) else {}


def _ascii_table(table: Table) -> Table:
    """Copy a table, with letters that FITS does not know escaped, and of its metadata the verdict on the fit only."""
    copy = Table(table, meta={f"HIERARCH {name}": value for name, value in _verdict(table).items()})
    for name in copy.colnames:
        if copy[name].dtype.kind == "U":
            escaped = np.strings.encode(np.ma.getdata(copy[name].data), "ascii", "backslashreplace").astype(str)
            copy[name] = np.ma.MaskedArray(escaped, copy[name].mask) if hasattr(copy[name], "mask") else escaped
    return copy


def table_format(path: Path, name: str | None = None) -> str:
    """Return astropy's name of a table format: of the one called `name`, or of what a file name's ending stands for."""
    ending = path.suffix.lower() if name is None else f".{name.lower()}"
    if ending not in _FORMATS:
        endings = ", ".join(_FORMATS)
        raise SettingsError("the table format is not known", str(path), expected=f"a name ending in one of {endings}")
    return _FORMATS[ending]


def lost_metadata(table: Table, path: Path) -> str:
    """Say which of a table's metadata, as far as a fit reads them, a file does not hold; "" if none are lost."""
    if table_format(path) == "ascii.ecsv":
        return ""
    lost = {str(key): value for key, value in table.meta.items() if str(key).lower() in READ_METADATA}
    if not lost:
        return ""
    words = f"only .ecsv keeps what the table says of its {' and '.join(lost)}"
    state = next((value for key, value in lost.items() if key.lower() == "parallax_zero_point"), None)
    return words if state is None else f"{words}: fit {path.name} with --parallax-zero-point {state}"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_text(document: Any) -> str:
    """Return a document as standard JSON text; NaN and infinity become null."""
    return json.dumps(_finite(plain(document)), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(document: Any, path: str | os.PathLike[str]) -> Path:
    """Write a document as standard JSON, all of it or nothing."""
    return write_text(json_text(document), path)
