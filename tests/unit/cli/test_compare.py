from __future__ import annotations

import json

import pytest
from astropy.table import Table
from unit.photometry.samples import SUMMARY
from unit.results.synthetic import make_result


@pytest.fixture(autouse=True)
def inside_a_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_result().save(tmp_path_factory.mktemp("results") / "ngc1").parent


def test_a_summary_gets_a_sentence_and_a_plot(run, folder, tmp_path):
    (tmp_path / "summary.csv").write_text(SUMMARY)
    code, out, _ = run("compare", folder, "summary.csv")
    assert code == 0
    assert "NGC 3766: log_age, mh, distance and ebv together lie outside the 99% region" in out
    assert "note: l is 294.118, not 114.119" in out
    assert (tmp_path / "NGC 3766_compare.png").read_bytes().startswith(b"\x89PNG")


def test_values_on_the_command_line(run, folder, tmp_path):
    code, out, _ = run("compare", folder, "log_age=9.18", "--plot", "a.svg", "--out", "a.csv")
    assert code == 0
    assert "log_age lies inside the 68% region" in out
    assert (tmp_path / "a.svg").exists()
    assert Table.read("a.csv")["verdict"][0] == "inside the 68% region"


def test_a_class_is_one_table(run, folder, tmp_path):
    (tmp_path / "class").mkdir()
    for name in ("ann", "bob"):
        (tmp_path / "class" / f"{name}.csv").write_text(SUMMARY.replace("NGC 3766", name))
    code, out, err = run("compare", folder, "class", "--out", "class.csv")
    assert (code, "2 rows in class.csv" in err) == (0, True)
    assert "0 of 2 answers lie inside the 90% region" in out
    assert list(Table.read("class.csv")["file"]) == ["ann.csv", "bob.csv"]
    assert list(Table.read("class.csv")["name"]) == ["ann", "bob"]
    assert run("compare", folder, "class", "--out", "class.csv")[0] == 2  # not replaced by accident


def test_what_cannot_be_read_is_counted_apart_with_its_reason(run, folder, tmp_path):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "ann.csv").write_text(SUMMARY)
    (tmp_path / "class" / "bob.csv").write_text("no table")
    (tmp_path / "class" / "cem.csv").write_text(SUMMARY.replace("NGC 3766", "Cem").replace("1.98,7.3,-0.05,0.2", ",,,"))
    code, out, _ = run("compare", folder, "class", "--out", "class.csv")
    assert code == 0
    assert "0 of 1 answers lie inside the 90% region" in out
    refused = out.split("2 could not be read or compared, and are not counted:\n")[1].splitlines()
    assert refused[0].startswith("  class/bob.csv: the table has no rows")
    assert refused[1].startswith("  cem.csv: Cem: nothing can be compared")
    assert len(refused) == 2
    assert list(Table.read("class.csv")["file"]) == ["ann.csv", "bob.csv", "cem.csv"]


def test_a_class_none_of_which_can_be_read(run, folder, tmp_path):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "bob.csv").write_text("no table")
    code, out, _ = run("compare", folder, "class")
    assert code == 0
    assert out.startswith("1 could not be read or compared, and are not counted:")
    assert "90%" not in out


def test_one_answer_as_json(run, folder, tmp_path):
    (tmp_path / "summary.csv").write_text(SUMMARY)
    code, out, _ = run("compare", folder, "summary.csv", "--json", "--plot", "a.png", "--out", "a.csv")
    document = json.loads(out)
    assert code == 0
    assert document["name"] == "NGC 3766"
    assert set(document["parameters"]) == {"log_age", "mh", "distance", "ebv"}
    assert document["parameters"]["distance"]["value"] == 1980.0
    assert document["parameters"]["distance"]["unit"] == "pc"
    assert document["verdict"] == "outside the 99% region"
    assert document["notes"][0].startswith("l is 294.118, not 114.119")
    assert document["level"] == pytest.approx(Table.read("a.csv")["level"][0])
    assert (tmp_path / document["plot"]).exists()


def test_a_class_as_json(run, folder, tmp_path):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "ann.csv").write_text(SUMMARY)
    (tmp_path / "class" / "bob.csv").write_text("no table")
    code, out, _ = run("compare", folder, "class", "--json")
    answers = json.loads(out)["answers"]
    assert (code, json.loads(out)["inside_90"]) == (0, 0)
    assert (json.loads(out)["compared"], json.loads(out)["not_compared"]) == (1, 1)
    assert [answer["file"] for answer in answers] == ["ann.csv", "bob.csv"]
    assert answers[0]["distance"] == 1980.0
    assert answers[1]["level"] is None
    assert "bob.csv" in answers[1]["notes"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("log_aeg=9",), "Did you mean log_age"),
        (("log_age=old",), "a number was expected"),
        (("nothing.csv",), "file not found"),
        (("one.csv", "two.csv"), "put summaries into a folder"),
        (("log_age=9", "--out", "x.doc"), "table format is not known"),
        (("log_age=9", "--plot", "x.doc"), "picture format is not known"),
    ],
)
def test_mistakes_are_explained(run, folder, tmp_path, words, told):
    code, _, err = run("compare", folder, *words)
    assert code == 2
    assert told in err
    assert list(tmp_path.iterdir()) == []


def test_a_summary_given_to_a_reader_is_sent_here(run, tmp_path):
    (tmp_path / "summary.csv").write_text(SUMMARY)
    code, _, err = run("fit", "summary.csv", "--out", "x")
    assert code == 2
    assert "clusterbayes compare RESULT SUMMARY" in err
