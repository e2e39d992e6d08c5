"""The published JSON Schemas, made from the documents' own definitions.

They are kept in ``docs/schemas``; a test fails when they are not current. `write_schemas` writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from clusterbayes.records.documents import ResultDocument, SummaryDocument
from clusterbayes.records.exchange import ExportDocument
from clusterbayes.records.record import ClusterModelingTool
from clusterbayes.results.export import write_json

__all__ = ["json_schemas", "write_schemas"]

_VERSION = "1.0"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Schema(GenerateJsonSchema):
    """Schemas without titles that only repeat the names, and with the first line of each docstring."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Say that no field needs a title."""
        return False

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Cut a model's description to its first paragraph."""
        made = super().model_schema(schema)
        if "description" in made:
            made["description"] = made["description"].split("\n\n")[0]
        return made


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas by file name.

    Returns
    -------
    dict of str to dict
        "summary.schema.json" for ``summary.json`` (snake_case); and, in camelCase, "record.schema.json" for
        ``record.json``, "settings.schema.json" for the settings of a run that is handed in, and "export.schema.json"
        for a run with all that belongs to it. Each says its version in its ``$id``.
    """
    from clusterbayes.records.settings import FitSettings  # it imports what fits need

    summary = SummaryDocument.model_json_schema(by_alias=False, mode="serialization", schema_generator=_Schema)
    models = (ClusterModelingTool, ResultDocument)
    references, definitions = models_json_schema(
        [(model, "serialization") for model in models], by_alias=True, schema_generator=_Schema
    )
    record = {
        "title": "Record",
        "description": "Content of record.json: a ClusterModelingTool record and its result document.",
        "type": "object",
        "properties": {
            "record": references[ClusterModelingTool, "serialization"],
            "result": {"anyOf": [references[ResultDocument, "serialization"], {"type": "null"}]},
        },
        "required": ["record", "result"],
        "additionalProperties": False,
        **definitions,
    }
    return {
        f"{name}.schema.json": {"$schema": _DIALECT, "$id": f"urn:clusterbayes:{name}:{_VERSION}", **schema}
        for name, schema in {
            "summary": summary,
            "record": record,
            "settings": FitSettings.model_json_schema(schema_generator=_Schema),
            "export": ExportDocument.model_json_schema(mode="serialization", schema_generator=_Schema),
        }.items()
    }


def write_schemas(folder: str | os.PathLike[str]) -> list[Path]:
    """Write the schemas into a folder that exists, and return the files."""
    return [write_json(schema, Path(folder) / name) for name, schema in json_schemas().items()]
