"""Documents about whole runs: what was asked for, the files, and everything that belongs to a run as one document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from clusterbayes.records.documents import Artefact, ResultDocument
from clusterbayes.records.memberships import MembershipRow
from clusterbayes.records.record import ClusterModelingTool, WireModel

__all__ = ["EXPORT_VERSION", "ExportDocument", "RunRequest", "StoredArtefact"]

#: Version of the layout of `ExportDocument`.
EXPORT_VERSION: Literal["1.0"] = "1.0"


class StoredArtefact(Artefact):
    """A file of a run, as the store has it."""

    size: int = Field(description="Size in bytes.")
    checksum: str = Field(description="SHA-256, hexadecimal.")


class RunRequest(WireModel):
    """What a run was asked to do, and how often it was tried."""

    settings: dict[str, Any]
    input: dict[str, Any] = Field(description="Name and checksum of the input.")
    control: dict[str, Any] | None = None
    time_limit: float | None = Field(default=None, description="[s]")
    cancel_requested: bool = False
    attempts: int = Field(default=0, description="Starts that ended with a fault that may pass.")
    losses: int = Field(default=0, description="Times that its worker was lost.")


class ExportDocument(WireModel):
    """A run with all that belongs to it, except the content of its files."""

    schema_version: Literal["1.0"] = EXPORT_VERSION
    record: ClusterModelingTool
    request: RunRequest
    result: ResultDocument | None
    memberships: list[MembershipRow]
    artefacts: list[StoredArtefact]
