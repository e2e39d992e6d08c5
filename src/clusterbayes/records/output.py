"""A fit's whole output folder, record included.

`write_outputs` writes what `clusterbayes.results.export.write_all` writes and puts ``record.json`` beside it: the
`ClusterModelingTool` record with its result document. `write_failure` writes the record of a fit that could not be
finished.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from clusterbayes.records.documents import ResultDocument
from clusterbayes.records.record import STAGES, ClusterModelingTool
from clusterbayes.results.export import (
    CHAIN_FILE,
    CHECKS_FILE,
    EXTRA_FILES,
    FILES,
    check_output_folder,
    write_all,
    write_json,
)
from clusterbayes.results.result import FitResult

__all__ = ["failed_record", "record_document", "write_failure", "write_outputs"]


def failed_record(
    error: BaseException,
    *,
    name: str,
    creator_id: int,
    started_on: datetime,
    stage: str | None = None,
    version: str | None = None,
) -> ClusterModelingTool:
    """Make the record of a fit that could not be finished.

    Parameters
    ----------
    error : BaseException
        What went wrong.
    name : str
        Name of the analysis.
    creator_id : int
        The user it belongs to.
    started_on : datetime
        When the fit began, aware.
    stage : str, optional
        The stage in which it failed, one of `STAGES`; the error's own if left out.
    version : str, optional
        Package version.
    """
    record = ClusterModelingTool(name=name, creator_id=creator_id, created_on=started_on, version=version)
    record = record.start(started_on)
    at = stage or getattr(error, "stage", None)
    if at in STAGES:
        record = record.at_stage(at)
    return record.fail(error)


def record_document(record: ClusterModelingTool, result: ResultDocument | None) -> dict[str, Any]:
    """Return the content of ``record.json``: the record, and its result document if there is one."""
    return {"record": record.to_wire(), "result": None if result is None else result.to_wire()}


def write_outputs(
    result: FitResult,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    creator_id: int = 0,
    overwrite: bool = False,
    title: str | None = None,
    keep_chain: bool = False,
    checks: Mapping[str, Any] | None = None,
) -> Path:
    """Write everything that a fit gives into a folder: summary, sources, result, plots, report and record.

    Parameters
    ----------
    result : FitResult
        The fit.
    path : path-like
        The folder.
    name : str, optional
        Name of the analysis in the record; the name of the folder if left out.
    creator_id : int
        The user whom the record belongs to.
    overwrite : bool
        Whether a folder that holds files may be written to.
    title : str, optional
        Title of the plots and the report; the name of the input if left out.
    keep_chain : bool
        Whether to write the chain in emcee's layout as ``chain.h5``, too.
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
    record = ClusterModelingTool.from_result(result, name=name or Path(path).resolve().name, creator_id=creator_id)
    extra = [name for name, is_asked in ((CHAIN_FILE, keep_chain), (CHECKS_FILE, checks is not None)) if is_asked]
    document = record_document(record, ResultDocument.from_result(result, (*FILES, *extra)))
    documents = {"record.json": document}
    return write_all(result, path, overwrite, documents=documents, title=title, keep_chain=keep_chain, checks=checks)


def write_failure(record: ClusterModelingTool, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the record of a failed fit into a folder, and remove what an earlier fit has left there.

    Parameters
    ----------
    record : ClusterModelingTool
        As `failed_record` makes it.
    path : path-like
        The folder.
    overwrite : bool
        Whether a folder that holds files may be written to.

    Returns
    -------
    Path
        The folder: one folder tells of one fit.
    """
    folder = check_output_folder(path, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(record_document(record, None), folder / "record.json")
    for name in (*FILES, *EXTRA_FILES):
        if name != "record.json":
            (folder / name).unlink(missing_ok=True)
    return folder
