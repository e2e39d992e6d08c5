"""What a fit's process is given, and what it gives back; both travel between processes."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clusterbayes.records.store import file_checksum
from clusterbayes.results.export import EXTRA_FILES, FILES

if TYPE_CHECKING:
    from clusterbayes.inference.progress import Progress

__all__ = ["Job", "Outcome", "Task", "described_files"]


@dataclass(frozen=True)
class Task:
    """One start of one run.

    Attributes
    ----------
    tool_id : int
    name : str
        Name of the analysis.
    settings : dict
        As `FitSettings` on the wire.
    input, control : path, or None
        The tables, and `input_name`, `control_name`: what their owner calls them.
    checksums : tuple of str
        SHA-256 of the tables, in the same order.
    folder : Path
        An empty folder for the artefacts.
    checkpoint : Path
        The file to go on from, and to write to; it need not exist.
    n_threads : int
        For the likelihood.
    """

    tool_id: int
    name: str
    settings: dict[str, Any]
    input: Path
    input_name: str
    checksums: tuple[str, ...]
    folder: Path
    checkpoint: Path
    n_threads: int
    control: Path | None = None
    control_name: str = "control field"


@dataclass(frozen=True)
class Outcome:
    """What a fit leaves beside the files in its folder: the record's version, the result document, the memberships."""

    version: str | None = None
    document: dict[str, Any] = field(default_factory=dict)
    memberships: tuple[dict[str, Any], ...] = ()
    artefacts: tuple[dict[str, Any], ...] = ()


#: A job: fits the task, and says how far it is; the last argument says whether to stop.
Job = Callable[[Task, "Progress", Callable[[], bool]], Outcome]


def described_files(folder: Path) -> tuple[dict[str, Any], ...]:
    """Return name, media type, description, size and checksum of each file in a folder, by name.

    Parameters
    ----------
    folder : Path
        With files and no folders that matter.
    """
    found = []
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.name.startswith("."):
            continue
        guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        media_type, description = (FILES | EXTRA_FILES).get(path.name, (guessed, ""))
        found.append(
            {
                "name": path.name,
                "media_type": media_type,
                "description": description,
                "size": path.stat().st_size,
                "checksum": file_checksum(path),
            }
        )
    return tuple(found)
