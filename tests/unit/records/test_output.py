from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from unit.results.synthetic import make_result

from clusterbayes.errors import FitError, SettingsError
from clusterbayes.records import ClusterModelingTool, ResultDocument, failed_record, write_failure, write_outputs

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
ALL = {"summary.json", "sources.ecsv", "result.h5", "record.json", "cmd.png", "hr.png", "corner.png", "report.html"}


def names(folder):
    return {entry.name for entry in folder.iterdir()}


@pytest.fixture(scope="module")
def result():
    return make_result(n_member=30, n_field=10, n_unused=3)


def test_a_complete_folder(tmp_path, result):
    folder = write_outputs(result, tmp_path / "m67", creator_id=5)
    assert names(folder) == ALL
    document = json.loads((folder / "record.json").read_text())
    record = ClusterModelingTool.from_wire(document["record"])
    assert (record.name, record.creator_id, record.status) == ("m67", 5, "completed")
    read = ResultDocument.from_wire(document["result"])
    summary = json.loads((folder / "summary.json").read_text())
    assert read.parameters["log_age"].median == summary["parameters"]["log_age"]["median"]
    assert {link.name for link in read.artefacts} == names(folder)


CHECKS = {"quality": "good", "meaning": "Nothing was found.", "checks": [{"title": "Stars", "p": 0.4, "about": "all"}]}


def test_checks_go_into_the_folder_the_report_and_the_record(tmp_path, result):
    folder = write_outputs(result, tmp_path / "m67", checks=CHECKS)
    assert names(folder) == ALL | {"checks.json"}
    assert json.loads((folder / "checks.json").read_text()) == {"converged": True, **CHECKS}
    assert "Nothing was found." in (folder / "report.html").read_text()
    links = json.loads((folder / "record.json").read_text())["result"]["artefacts"]
    assert {link["name"] for link in links} == names(folder)
    write_outputs(result, folder, overwrite=True)
    assert names(folder) == ALL


def failure():
    error = FitError("the likelihood broke down", stage="search")
    return failed_record(error, name="m67", creator_id=5, started_on=NOON)


def test_a_failed_fit_leaves_its_record_only(tmp_path):
    folder = write_failure(failure(), tmp_path / "m67")
    assert names(folder) == {"record.json"}
    document = json.loads((folder / "record.json").read_text())
    assert document["result"] is None
    record = ClusterModelingTool.from_wire(document["record"])
    assert (record.status, record.current_stage, record.started_on) == ("failed", "search", NOON)
    assert "broke down" in record.error_messages[0].detail


def test_a_failed_fit_does_not_stand_beside_an_older_result(tmp_path, result):
    write_outputs(result, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match="not empty"):
        write_failure(failure(), tmp_path)
    assert names(tmp_path) == ALL | {"notes.txt"}
    write_failure(failure(), tmp_path, overwrite=True)
    assert names(tmp_path) == {"record.json", "notes.txt"}
