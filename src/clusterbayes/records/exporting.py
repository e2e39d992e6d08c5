"""A run with all that belongs to it, as one JSON document or as a folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from clusterbayes.errors import SettingsError
from clusterbayes.records.database.runs import Runs
from clusterbayes.records.exchange import EXPORT_VERSION
from clusterbayes.records.store import Store, file_checksum
from clusterbayes.results.export import check_output_folder, write_json
from clusterbayes.writing import replacing

__all__ = ["export_document", "export_run"]


def export_document(runs: Runs, tool_id: int) -> dict[str, Any]:
    """Return a run with all that belongs to it, except the content of its files.

    Parameters
    ----------
    runs : Runs
        Of the database.
    tool_id : int
        The run.

    Returns
    -------
    dict
        JSON values: record, request, result, memberships, artefacts (``docs/schemas/export.schema.json``).

    Raises
    ------
    RunNotFoundError
        If there is no such run.
    """
    record, result = runs.get(tool_id), runs.result(tool_id)
    return {
        "schemaVersion": EXPORT_VERSION,
        "record": record.to_wire(),
        "request": runs.request(tool_id),
        "result": None if result is None else result.to_wire(),
        "memberships": [row.to_wire() for row in runs.memberships(tool_id)],
        "artefacts": [artefact.to_wire() for artefact in runs.artefacts(tool_id)],
    }


def export_run(
    runs: Runs, store: Store, tool_id: int, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a run with all that belongs to it.

    Parameters
    ----------
    runs : Runs
        Of the database.
    store : Store
        With the files.
    tool_id : int
        The run.
    path : path-like
        A file that ends in .json, for one document without the files; or a folder, for ``run.json`` and the files.
    overwrite : bool
        Whether a file, or a folder that holds files, may be written to.

    Returns
    -------
    Path
        The file or folder.

    Raises
    ------
    RunNotFoundError
        If there is no such run.
    SettingsError
        If nothing can be written there, or a file of the store is not what it was.
    """
    target, document = Path(path), export_document(runs, tool_id)
    if target.suffix.lower() == ".json":
        if target.exists() and not overwrite:
            raise SettingsError("the file exists", str(target), remedy="choose another one, or allow overwriting")
        return write_json(document, target)
    folder = check_output_folder(target, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    for artefact in runs.artefacts(tool_id):
        stored, location = runs.artefact_location(tool_id, artefact.name)
        source, copy = store.path(location), folder / Path(artefact.name).name
        with replacing(copy) as partial:
            shutil.copyfile(source, partial)
            if file_checksum(partial) != stored.checksum:
                remedy = "restore the store from a backup, or submit the run again"
                raise SettingsError(f"the stored file {artefact.name} is not what it was", "--store", remedy=remedy)
    write_json(document, folder / "run.json")
    return folder
