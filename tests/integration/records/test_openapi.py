"""Requests made from the OpenAPI document: whatever they hold, the service has an answer that is no 500."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integration.records.jobs import cheap_job
from integration.records.tables import star_table
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from clusterbayes.records import ClusterModelingTool
from clusterbayes.records.database import Database
from clusterbayes.records.database.rows import values_of
from clusterbayes.records.http import create_app
from clusterbayes.records.store import FolderStore
from clusterbayes.records.submit import Service
from clusterbayes.records.worker import Worker, WorkerOptions

HOSTS_OWN = 20
CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]
FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))

#: Uploads that can be fitted: what a random form hardly ever is.
TABLES = st.sampled_from([star_table().content, star_table(12, seed=2).content, star_table(30, seed=3).content])
PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(str.strip)
ID = st.integers(-(2**31), 2**31 - 1)
SETTINGS = st.sampled_from(["{}", '{"seed": 3}', '{"magLimit": "G=17", "sampling": {"nWalkers": 8}}', '{"rV": 3.8}'])
OPTIONAL = {
    "control": TABLES, "settings": SETTINGS, "timeLimit": st.floats(1e-3, 1e9), "name": PLAIN, "observationId": ID,
    "projectId": ID, "priority": ID, "key": st.sampled_from("abc"),
}  # fmt: skip
UPLOADS = {
    "POST /runs": st.fixed_dictionaries({"creatorId": st.integers(1, 3), "file": TABLES}, optional=OPTIONAL),
    "POST /runs/{tool_id}/adopt": st.fixed_dictionaries(
        {"file": TABLES}, optional={name: OPTIONAL[name] for name in ("control", "settings", "timeLimit")}
    ),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request):
    """Return the API of a service that has a completed run, a ready one, and ready rows that the host has made."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'runs.db'}"
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres")
            url = server.url(server.create(request.getfixturevalue("template")))
        database, store = Database.open(url), FolderStore(Path(folder) / "store")
        service = Service(database, store)
        service.submit(star_table(), creator_id=1, observation_id=1)
        Worker(database, store, WorkerOptions(poll=0.05), cheap_job).run(once=True)
        service.submit(star_table(), creator_id=1)
        with database.writing() as connection:
            made = [values_of(ClusterModelingTool(name="a host's own", creator_id=1)) for _ in range(HOSTS_OWN)]
            connection.execute(database.tables.tool.insert(), made)
        yield schemathesis.openapi.from_asgi(
            "/openapi.json", create_app(database, store), headers={"host": "localhost"}
        )
        database.close()


def usable(operation):
    """Return requests to an operation whose form is one that can be fitted."""

    def filled(parts):
        case, body, tool_id = parts
        case.body = body
        if "tool_id" in (case.path_parameters or {}):
            case.path_parameters["tool_id"] = tool_id
        return case

    return st.tuples(operation.as_strategy(), UPLOADS[operation.label], st.integers(1, HOSTS_OWN + 2)).map(filled)


def answers(operation, requests=None):
    """Send requests of all kinds to one operation, check the answers, and return the codes."""
    seen = Counter()

    @FEW
    @given(case=operation.as_strategy() if requests is None else requests)
    def ask(case):
        answer = case.call_and_validate(checks=CHECKS, headers={**(case.headers or {}), "host": "localhost"})
        seen[answer.status_code] += 1
        if answer.status_code >= 400:
            assert isinstance(answer.json()["detail"], str)

    ask()
    return seen


def test_no_request_breaks_the_service(api):
    operations = [found.ok() for found in api.get_all_operations()]
    seen = {operation.label: answers(operation) for operation in operations}
    assert len(seen) == 13
    assert 200 in seen["GET /runs"]
    for label in UPLOADS:
        assert {400, 422} & set(seen[label])


@pytest.mark.parametrize("label", UPLOADS)
def test_no_upload_that_can_be_fitted_breaks_the_service(api, label):
    method, path = label.split()
    operation = api[path][method]
    seen = answers(operation, usable(operation))
    print(f"{label}: {dict(seen)}")
    assert seen[201] >= 5, "too few were taken to say anything"
    assert set(seen) <= {200, 201, 409, *([404] if "{" in path else [])}, "all of them can be fitted"


def test_the_checks_would_see_a_500(api, monkeypatch):
    def broken(*_):
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(api.app.state.runs, "get", broken)
    operation = api["/runs/{tool_id}"]["GET"]
    with pytest.raises(Exception, match=r"broken on purpose"):
        operation.Case(path_parameters={"tool_id": 1}).call_and_validate(
            checks=[not_a_server_error], headers={"host": "localhost"}
        )
