"""The service over HTTP: a run's whole life, and what is refused with a clear word and nothing changed."""

from __future__ import annotations

import json
import time

import pytest
from fastapi.testclient import TestClient
from integration.records.jobs import CHART, REPORT, cheap_job
from integration.records.tables import star_table
from sqlalchemy import func, select

from clusterbayes.records import ClusterModelingTool, ResultDocument
from clusterbayes.records.database import Database
from clusterbayes.records.database.rows import values_of
from clusterbayes.records.http import HttpOptions, create_app
from clusterbayes.records.worker import Worker, WorkerOptions

TOKEN = "a token of sixteen and more"
LIMIT = 20_000
LOCAL = "http://localhost"
GOOD = {"creatorId": "7"}
REPORTING = 'with a report:{"report": true, "stages": 1, "steps": 1}'


@pytest.fixture
def client(database, store):
    app = create_app(database, store, HttpOptions(max_upload=LIMIT))
    with TestClient(app, base_url=LOCAL, raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def stars():
    return {"file": ("stars.csv", star_table().content, "text/csv")}


@pytest.fixture
def work(database, store):
    return lambda: Worker(database, store, WorkerOptions(poll=0.05), cheap_job).run(once=True)


def rows(database):
    with database.reading() as connection:
        tables = database.tables.metadata.sorted_tables
        return {table.name: connection.execute(select(func.count()).select_from(table)).scalar() for table in tables}


def detail(answer, status):
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"detail"}
    assert isinstance(answer.json()["detail"], str)
    return answer.json()["detail"]


# --- a run's life ----------------------------------------------------------------------------------------------------


def test_from_submitting_to_the_files(client, stars, work, runs):
    answer = client.post("/runs", data={**GOOD, "name": "M 67", "settings": '{"seed": 3}', "key": "k"}, files=stars)
    assert answer.status_code == 201
    record = ClusterModelingTool.from_wire(answer.json())
    assert (record.name, record.status, record.creator_id) == ("M 67", "ready", 7)
    again = client.post("/runs", data={**GOOD, "name": "M 67", "settings": '{"seed": 3}', "key": "k"}, files=stars)
    assert (again.status_code, again.json()) == (200, answer.json())
    assert client.get("/health").json()["ready"] == 1
    detail(client.get(f"/runs/{record.id}/result"), 404)

    work()
    assert client.get(f"/runs/{record.id}").json() == runs.get(record.id).to_wire()
    page = client.get("/runs", params={"status": "completed", "creatorId": 7}).json()
    assert [item["id"] for item in page["items"]] == [record.id]
    result = ResultDocument.from_wire(client.get(f"/runs/{record.id}/result").json())
    assert result.parameters["log_age"].median == 1.0
    members = client.get(f"/runs/{record.id}/memberships", params={"offset": 1}).json()
    assert [(row["sourceId"], row["pMember"]) for row in members["items"]] == [("b", None)]
    names = [file["name"] for file in client.get(f"/runs/{record.id}/artefacts").json()]
    assert names == ["cmd.png", "summary.json"]
    chart = client.get(f"/runs/{record.id}/artefacts/cmd.png")
    assert chart.content.startswith(CHART)
    assert chart.headers["content-type"] == "image/png"
    assert "sandbox" in chart.headers["content-security-policy"]
    exported = client.get(f"/runs/{record.id}/export").json()
    assert exported["record"]["status"] == "completed"
    assert exported["request"]["settings"]["seed"] == 3


def test_cancelling(client, stars, store):
    tool_id = client.post("/runs", data=GOOD, files=stars).json()["id"]
    store.checkpoint(tool_id).write_text("left by a worker that died")
    other = store.checkpoint(10 * tool_id + 1)
    other.write_text("of another run")
    assert client.post(f"/runs/{tool_id}/cancel").json()["status"] == "canceled"
    assert (store.checkpoint(tool_id).exists(), other.exists()) == (False, True)
    assert "is canceled can't become canceled" in detail(client.post(f"/runs/{tool_id}/cancel"), 409)


def test_an_observation_can_be_handed_in_again_without_its_file(client, stars, database):
    first = client.post("/runs", data={**GOOD, "observationId": "5"}, files=stars)
    second = client.post("/runs", data={**GOOD, "observationId": "5", "settings": '{"seed": 2}'})
    assert (first.status_code, second.status_code) == (201, 201)
    assert rows(database)["cluster_modeling_input"] == 1


def test_a_row_of_the_host_is_handed_in(client, stars, database):
    with database.writing() as connection:
        row = values_of(ClusterModelingTool(name="a host's own", creator_id=7))
        connection.execute(database.tables.tool.insert().values(**row, id=50))
    detail(client.post("/runs/50/adopt", data={"settings": "{"}, files=stars), 422)
    answer = client.post("/runs/50/adopt", data={"settings": '{"seed": 3}'}, files=stars)
    assert (answer.status_code, answer.json()["name"]) == (201, "a host's own")
    assert client.post("/runs/50/adopt", data={"settings": '{"seed": 3}'}, files=stars).status_code == 200
    assert "handed in before" in detail(client.post("/runs/50/adopt", files=stars), 409)
    detail(client.post("/runs/51/adopt", files=stars), 404)
    assert client.get("/runs/50/export").json()["request"]["settings"]["seed"] == 3


def test_a_report_may_run_what_is_in_it_and_ask_for_nothing(client, stars, work):
    ids = [client.post("/runs", data={**GOOD, "name": name}, files=stars).json()["id"] for name in ("r", REPORTING)]
    detail(client.get(f"/runs/{ids[1]}/report"), 404)
    work()
    for path in ("report", "report-link"):
        assert "no artefact 'report.html'" in detail(client.get(f"/runs/{ids[0]}/{path}"), 404)
    href = client.get(f"/runs/{ids[1]}/report-link").json()["href"]
    report = client.get(href)
    assert (report.status_code, report.text) == (200, REPORT)
    assert report.headers["content-type"] == "text/html; charset=utf-8"
    assert report.headers["x-content-type-options"] == "nosniff"
    assert "content-disposition" not in report.headers
    rules = dict(rule.partition(" ")[::2] for rule in report.headers["content-security-policy"].split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["script-src"] == "'unsafe-inline'"
    assert "connect-src" not in rules, "default-src forbids it"
    assert "allow-same-origin" not in rules["sandbox"]
    assert set(rules["img-src"].split()) <= {"data:", "blob:"}
    download = client.get(f"/runs/{ids[1]}/artefacts/report.html")
    assert "attachment" in download.headers["content-disposition"]


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({}, "creatorId"),
        ({"creatorId": "seven"}, "creatorId"),
        ({"creatorId": "99999999999"}, "creatorId"),
        ({"creatorId": "7", "settings": "{"}, "no valid JSON"),
        ({"creatorId": "7", "settings": "[" * 100_00}, "no valid JSON"),
        ({"creatorId": "7", "settings": '{"radius": NaN}'}, "NaN is no number"),
        ({"creatorId": "7", "settings": "[]"}, "dictionary"),
        ({"creatorId": "7", "settings": '{"schemaVersion": "9.9"}'}, "schemaVersion"),
        ({"creatorId": "7", "settings": '{"counts": "guess"}'}, "counts"),
        ({"creatorId": "7", "settings": '{"grid": "/etc/passwd"}'}, "unknown grid"),
        ({"creatorId": "7", "settings": '{"completeness": "/etc/passwd"}'}, "completeness"),
        ({"creatorId": "7", "settings": '{"columns": {"\\ud800": "V"}}'}, "unicode"),
        ({"creatorId": "7", "priority": "1e3"}, "priority"),
        ({"creatorId": "7", "timeLimit": "-1"}, "time limit"),
        ({"creatorId": "7", "timeLimit": "nan"}, "time limit"),
        ({"creatorId": "7", "name": "a\x00b"}, "NUL"),
        ({"creatorId": "7", "key": "k" * 300}, "key"),
    ],
)
def test_bad_forms_change_nothing(client, stars, database, data, word):
    before = rows(database)
    assert word in detail(client.post("/runs", data=data, files=stars), 422)
    assert rows(database) == before


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"", "empty"), (b"\x00\x01", "binary"), (b"<html>", "web page"), (b"a,b\n1,2\n", "."),
     (b"<VOTABLE><STREAM href='file:///etc/passwd'/></VOTABLE>", "another file")],
)  # fmt: skip
def test_bad_tables_change_nothing(client, database, store, content, word):
    before = rows(database)
    said = detail(client.post("/runs", data=GOOD, files={"file": ("../../x.csv", content)}), 422)
    assert word in said
    assert "/tmp" not in said
    assert rows(database) == before
    assert list((store.root / "inputs").iterdir()) == []


def test_oversized_requests_are_refused_whether_or_not_they_say_so(client, database):
    big = b"x" * (LIMIT + 1)
    assert "more than 20000 bytes" in detail(client.post("/runs", data=GOOD, files={"file": ("s.csv", big)}), 413)

    def pieces():
        for _ in range(30):
            yield b"x" * 1000

    form = {"content-type": "multipart/form-data; boundary=b"}
    assert "more than" in detail(client.post("/runs", content=pieces(), headers=form), 413)
    assert rows(database)["cluster_modeling_tool"] == 0


@pytest.mark.parametrize("body", [b"{}", b"--b\r\nnonsense", b"\xff\xfe"])
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=b", "multipart/form-data"])
def test_forms_that_are_none(client, body, kind):
    answer = client.post("/runs", content=body, headers={"content-type": kind})
    assert answer.status_code in (400, 422)
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize(
    "path",
    ["/runs/0", "/runs/99", "/runs/1'--", "/runs/99999999999999", "/runs/1/artefacts/../../log.txt",
     "/runs/1/artefacts/..%2f..%2f..%2fetc%2fpasswd", "/runs/1/artefacts/%2fetc%2fpasswd", "/runs/1/artefacts/a%00b",
     "/runs/1/artefacts/'; DROP TABLE cluster_modeling_tool; --", "/nowhere"],
)  # fmt: skip
def test_paths_that_lead_nowhere(client, stars, path, work):
    client.post("/runs", data=GOOD, files=stars)
    work()
    answer = client.get(path)
    assert answer.status_code in (404, 422)
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize(
    "query", ["status=cancelled", "limit=0", "limit=5000", "creatorId=x", "createdAfter=yesterday",
              "createdAfter=2030-01-01T00:00:00", "createdAfter=0001-01-01T00:00:00%2B14:00", "name=a%00"],
)  # fmt: skip
def test_bad_queries(client, query):
    detail(client.get("/runs?" + query), 422)


def test_a_run_in_another_layout_is_said(client, stars, work, database):
    tool_id = client.post("/runs", data=GOOD, files=stars).json()["id"]
    work()
    with database.writing() as connection:
        connection.execute(database.tables.result.update().values(schema_version="2.0"))
    assert "schema version '2.0'" in detail(client.get(f"/runs/{tool_id}/result"), 503)


# --- who may ask -----------------------------------------------------------------------------------------------------


def test_tokens(database, store, stars):
    app = create_app(database, store, HttpOptions(tokens=(TOKEN, "another one of sixteen"), loopback_only=False))
    with TestClient(app, base_url="http://fits.example") as client:
        assert "token" in detail(client.get("/runs"), 401)
        assert client.get("/runs").headers["www-authenticate"] == "Bearer"
        for wrong in ("", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x"):
            detail(client.post("/runs", data=GOOD, files=stars, headers={"authorization": wrong}), 401)
        assert client.get("/runs", headers={"authorization": f"Bearer {TOKEN}"}).json()["total"] == 0
        assert client.get("/health").status_code == client.get("/").status_code == 200


def test_a_ticket_opens_one_report_and_nothing_else(database, store, stars, work):
    app = create_app(database, store, HttpOptions(tokens=(TOKEN,), loopback_only=False))
    shown = {"authorization": f"Bearer {TOKEN}"}
    with TestClient(app, base_url="http://fits.example") as client:
        for _ in range(2):
            client.post("/runs", data={**GOOD, "name": REPORTING}, files=stars, headers=shown)
        work()
        detail(client.get("/runs/1/report-link"), 401)
        detail(client.get("/runs/1/report"), 401)
        href = client.get("/runs/1/report-link", headers=shown).json()["href"]
        path, _, ticket = href.partition("?ticket=")
        assert client.get(href).text == REPORT
        wrong = ("", "x", ".", f"{int(ticket.partition('.')[0]) + 1}.{ticket.partition('.')[2]}", ticket[:-1], "9" * 30)
        for other in (*(f"{path}?ticket={word}" for word in wrong), f"/runs/2/report?ticket={ticket}",
                      f"/runs/1?ticket={ticket}", f"/runs?ticket={ticket}"):  # fmt: skip
            detail(client.get(other), 401)
        detail(client.post(f"/runs/1/cancel?ticket={ticket}"), 401)
        app.state.tickets.seconds = -1.0
        late = client.get("/runs/1/report-link", headers=shown).json()["href"]
        detail(client.get(late), 401)


def test_other_names_and_pages_are_refused(client):
    detail(client.get("/runs", headers={"host": "evil.example"}), 421)
    detail(client.post("/runs/1/cancel", headers={"origin": "http://evil.example"}), 403)
    assert client.get("/runs", headers={"origin": LOCAL}).status_code == 200
    for host in ("127.0.0.1:8000", "localhost:1", "[::1]:8000"):
        assert client.get("/runs", headers={"host": host}).status_code == 200


def test_the_page_runs_nothing_but_its_own(client):
    answer = client.get("/")
    assert "clusterbayes runs" in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert policy == policy.strip()
    [scripts] = [rule for rule in policy.split("; ") if rule.startswith("script-src")]
    assert scripts.startswith("script-src 'sha256-")
    assert "unsafe" not in scripts
    assert "http" not in answer.text.replace("http-equiv", "").partition("<body>")[2]


def test_a_database_that_is_away_is_said(postgres, template, store):
    name = postgres.create(template)
    database = Database.open(postgres.url(name))
    with TestClient(create_app(database, store), base_url=LOCAL, raise_server_exceptions=False) as client:
        assert client.get("/runs").status_code == 200
        postgres.drop(name)
        for path in ("/runs", "/health", "/runs/1"):
            said = detail(client.get(path), 503)
            assert postgres.password not in said
        assert client.get("/").status_code == 200
    database.close()


def test_readers_are_quick_while_runs_report(client, stars, database, store):
    for _ in range(3):
        plan = json.dumps({"steps": 40, "pause": 0.02})
        client.post("/runs", data={**GOOD, "name": f"slow:{plan}"}, files=stars)
    from integration.records.test_worker import QUICK, working

    options = WorkerOptions(**{**vars(QUICK), "concurrency": 3})
    with working(database, store, options):
        slowest = 0.0
        for _ in range(50):
            begin = time.monotonic()
            assert client.get("/runs").status_code == 200
            slowest = max(slowest, time.monotonic() - begin)
    assert slowest < 2.0
