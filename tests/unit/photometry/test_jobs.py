from __future__ import annotations

import json

import numpy as np
import pytest

from clusterbayes.errors import InputError
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.jobs import read_json
from clusterbayes.photometry.layouts import snake_case


def record(star, file_id, band, mag, **more):
    place = {"ra_hours": 23.5, "dec_degs": 10.0}
    return {"file_id": file_id, "id": star, "filter": band, "mag": mag, "mag_error": 0.01, **place, **more}


DATA = [
    record("007", 1, "B", 13.0),
    record("007", 2, "V", 12.5),
    record("008", 1, "B", 14.0),
    record("008", 2, "V", 13.1),
]
CALIBRATIONS = [
    {"file_id": 1, "zero_point_corr": 1.0, "zero_point_error": 0.02, "limmag5": 19.5},
    {"file_id": 2, "zero_point_corr": 1.5, "zero_point_error": 0.01, "limmag5": 18.9},
]


def of_file(file_id):
    rows = [row for row in DATA if row["file_id"] == file_id]
    return [{key: value for key, value in row.items() if key != "file_id"} for row in rows]


def camel(item):
    if isinstance(item, dict):
        return {_camel(key): camel(value) for key, value in item.items()}
    return [camel(part) for part in item] if isinstance(item, list) else item


def _camel(name):
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


DOCUMENTS = {
    "job and calibrations": {"data": DATA, "field_cal": CALIBRATIONS},
    "inside a result": {"state": {"status": "completed"}, "result": {"data": DATA, "errors": [], "cal": CALIBRATIONS}},
    "a calibration job": {"data": [{**one, "phot_results": of_file(one["file_id"])} for one in CALIBRATIONS]},
}


@pytest.mark.parametrize("dress", [lambda document: document, camel], ids=["snake", "camel"])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_photometry_job_is_read_with_its_calibrations(tmp_path, name, dress):
    path = tmp_path / "job"
    path.write_text(json.dumps(dress(DOCUMENTS[name])))
    photometry = Photometry.read(path)
    order = np.argsort(photometry.ids)
    assert photometry.ids[order].tolist() == ["007", "008"]
    np.testing.assert_allclose(photometry.values[order], [[14.0, 14.0], [15.0, 14.6]])
    assert photometry.zero_point_error == pytest.approx({"B": 0.02, "V": 0.01})
    assert photometry.limits == pytest.approx({"B": 19.5, "V": 18.9})
    np.testing.assert_allclose(photometry.ra, 352.5)


def test_without_a_calibration_a_job_is_refused(tmp_path):
    path = tmp_path / "job.json"
    path.write_text(json.dumps({"data": DATA}))
    with pytest.raises(InputError, match="no magnitude is calibrated"):
        Photometry.read(path)


def test_values_that_are_no_values_are_missing():
    table = read_json(json.dumps([record("a", 1, "B", None), record("b", 1, "B", [1]), record("c", 1, "B", 14)]))
    assert np.isnan(np.ma.filled(table["mag"], np.nan)).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"data": [}', "line 1"),
        ('{\n"data":\n[1,', "line 3"),
        ('{"data": []}', "holds no photometry"),
        ("[" * 100_000, "JSON"),
        ('{"data": {"mag": 3}}', "holds no photometry"),
    ],
)
def test_other_json_is_refused(tmp_path, text, words):
    path = tmp_path / "odd.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as raised:
        Photometry.read(path)
    assert "odd.json" in str(raised.value)


def test_names_of_either_kind_are_the_same():
    assert snake_case("raHours") == snake_case("ra_hours") == "ra_hours"
    assert snake_case("limmag5") == "limmag5"
