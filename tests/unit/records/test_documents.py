from __future__ import annotations

import json
import math

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from unit.results.synthetic import make_result

from clusterbayes.records import ClusterModelingTool, ResultDocument, SummaryDocument, json_schemas, write_schemas
from clusterbayes.records.documents import ParameterSummary
from clusterbayes.records.exchange import ExportDocument, RunRequest, StoredArtefact
from clusterbayes.records.memberships import MembershipRow, membership_rows
from clusterbayes.records.settings import FitSettings
from clusterbayes.results.export import json_text


@pytest.fixture(scope="module")
def result():
    return make_result(n_member=30, n_field=10, n_unused=3)


def valid(document, name):
    schema = json_schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)


def test_published_schemas_are_current(repository, tmp_path):
    for path in write_schemas(tmp_path):
        published = repository / "docs" / "schemas" / path.name
        assert published.read_text(encoding="utf-8") == path.read_text(encoding="utf-8"), (
            f"{published.name} is out of date; write it anew with clusterbayes.records.write_schemas('docs/schemas')"
        )


def test_summary_follows_its_schema(result):
    valid(json.loads(json_text(result.summary_document())), "summary.schema.json")


@pytest.mark.parametrize(
    ("place", "value"),
    [(("schema_version",), "2.0"), (("parameters", "mh", "median"), "high"), (("diagnostics", "converged"), None),
     (("counts", "used"), 1.5), (("surprise",), 1)],
)  # fmt: skip
def test_schema_refuses_other_documents(result, place, value):
    document = json.loads(json_text(result.summary_document()))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        valid(document, "summary.schema.json")


def test_record_follows_its_schema(result):
    record = ClusterModelingTool.from_result(result, name="M 67", creator_id=1)
    document = ResultDocument.from_result(result)
    valid({"record": record.to_wire(), "result": document.to_wire()}, "record.schema.json")
    valid({"record": record.to_wire(), "result": None}, "record.schema.json")


def test_schemas_say_their_version():
    schemas = json_schemas()
    assert {schema["$id"] for schema in schemas.values()} == {
        f"urn:clusterbayes:{name}:1.0" for name in ("summary", "record", "settings", "export")
    }


def test_an_exported_run_follows_its_schema(result):
    record = ClusterModelingTool.from_result(result, name="M 67", creator_id=1)
    request = RunRequest(settings=FitSettings.read({"seed": 2}).to_wire(), input={"name": "a.csv", "checksum": "0"})
    artefact = StoredArtefact(name="cmd.png", media_type="image/png", size=1, checksum="0")
    document = ExportDocument(
        record=record, request=request, result=ResultDocument.from_result(result),
        memberships=membership_rows(result), artefacts=[artefact],
    ).to_wire()  # fmt: skip
    valid(document, "export.schema.json")
    valid(document["request"]["settings"], "settings.schema.json")
    assert ExportDocument.model_validate(json.loads(json.dumps(document, allow_nan=False))).to_wire() == document
    with pytest.raises(jsonschema.ValidationError):
        valid({**document, "schemaVersion": "2.0"}, "export.schema.json")
    with pytest.raises(jsonschema.ValidationError):
        valid({"counts": "guess"}, "settings.schema.json")


def test_membership_rows_are_those_of_the_input(result):
    rows = membership_rows(result)
    assert [row.row for row in rows] == list(range(len(result.stars)))
    assert [row.source_id for row in rows] == [str(one) for one in result.stars["id"]]
    np.testing.assert_array_equal([row.p_member for row in rows], result.p_member)
    unused = next(row for row in rows if not row.used)
    assert math.isnan(unused.p_member)
    assert unused.to_wire()["pMember"] is unused.to_wire()["mass"] is None
    assert unused.drop_reason


NUMBERS = st.none() | st.floats()
ROWS = st.fixed_dictionaries(
    {"row": st.integers(0, 10**6), "source_id": st.text(), "p_member": NUMBERS, "used": st.booleans()},
    optional={"mass": NUMBERS, "q": NUMBERS, "drop_reason": st.text()},
)


@given(ROWS)
def test_membership_rows_round_trip(values):
    row = MembershipRow(**values)
    wire = json.loads(json.dumps(row.to_wire(), allow_nan=False))
    back = MembershipRow.model_validate(wire)
    assert back.to_wire() == wire
    for name in ("mass", "q"):
        value = values.get(name)
        assert getattr(back, name) == (value if value is not None and math.isfinite(value) else None)


def test_summary_document_reads_what_was_written(result):
    written = json.loads(json_text(result.summary_document()))
    assert json.loads(json_text(SummaryDocument.model_validate(written).model_dump(exclude_unset=True))) == written


def test_result_document_round_trip(result):
    document = ResultDocument.from_result(result)
    wire = json.loads(json.dumps(document.to_wire(), allow_nan=False))
    assert ResultDocument.from_wire(wire).to_wire() == wire
    assert {"schemaVersion", "parameters", "covariance", "artefacts", "diagnostics", "provenance"} <= set(wire)
    assert wire["diagnostics"]["nWalkers"] == 16
    assert "binary_frac_q05" in wire["parameters"]  # names of parameters are no names of fields
    assert {link["name"] for link in wire["artefacts"]} >= {"summary.json", "result.h5", "cmd.png"}


def test_covariance_is_that_of_the_draws(result):
    covariance = ResultDocument.from_result(result).covariance
    draws = np.stack([result.draws[name] for name in covariance.names])
    assert np.allclose(covariance.matrix, np.cov(draws, ddof=0), rtol=1e-12)


@given(st.lists(st.floats(), min_size=7, max_size=7))
def test_required_numbers_come_back_as_nan(values):
    names = ("median", "mean", "std", "q05", "q16", "q84", "q95")
    row = ParameterSummary(**dict(zip(names, values, strict=True)), unit="mag")
    wire = json.loads(json.dumps(row.to_wire(), allow_nan=False))
    back = ParameterSummary.model_validate(wire)
    for name, value in zip(names, values, strict=True):
        assert (wire[name] is None) == (not math.isfinite(value))
        assert getattr(back, name) == value if math.isfinite(value) else math.isnan(getattr(back, name))


def test_a_required_number_must_be_there():
    with pytest.raises(ValidationError):
        ParameterSummary(median=1.0, unit="")
