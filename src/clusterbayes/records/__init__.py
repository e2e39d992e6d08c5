"""What services keep: the record of a run, its result document, and their JSON forms.

`ClusterModelingTool` is the record, field by field as the owner of its schema defines it; `ResultDocument` holds the
numbers that the record has no column for. Both go to JSON and back without loss.
"""

from __future__ import annotations

from clusterbayes.records.documents import Artefact, Diagnostics, ResultDocument, SummaryDocument
from clusterbayes.records.output import failed_record, write_failure, write_outputs
from clusterbayes.records.record import (
    STAGES,
    ClusterModelingTool,
    DataToolType,
    ErrorMessage,
    ToolStatus,
    TransitionError,
)
from clusterbayes.records.schemas import json_schemas, write_schemas

__all__ = [
    "STAGES",
    "Artefact",
    "ClusterModelingTool",
    "DataToolType",
    "Diagnostics",
    "ErrorMessage",
    "ResultDocument",
    "SummaryDocument",
    "ToolStatus",
    "TransitionError",
    "failed_record",
    "json_schemas",
    "write_failure",
    "write_outputs",
    "write_schemas",
]
