"""Requests made from the OpenAPI document: whatever they hold, the service has an answer that is no 500."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from integration.records.jobs import cheap_job
from integration.records.tables import star_table
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from clusterbayes.records.database import Database
from clusterbayes.records.http import create_app
from clusterbayes.records.store import FolderStore
from clusterbayes.records.submit import Service
from clusterbayes.records.worker import Worker, WorkerOptions

CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]
FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request):
    """Return the API of a service that has a completed, a canceled and a ready run."""
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
        yield schemathesis.openapi.from_asgi(
            "/openapi.json", create_app(database, store), headers={"host": "localhost"}
        )
        database.close()


def answers(operation):
    """Send requests of all kinds to one operation, check the answers, and return the codes."""
    seen = set()

    @FEW
    @given(case=operation.as_strategy())
    def ask(case):
        answer = case.call_and_validate(checks=CHECKS, headers={**(case.headers or {}), "host": "localhost"})
        seen.add(answer.status_code)
        if answer.status_code >= 400:
            assert isinstance(answer.json()["detail"], str)

    ask()
    return seen


def test_no_request_breaks_the_service(api):
    operations = [found.ok() for found in api.get_all_operations()]
    seen = {operation.label: answers(operation) for operation in operations}
    assert len(seen) == 10
    assert 200 in seen["GET /runs"]
    assert seen["POST /runs"] & {400, 422}


def test_the_checks_would_see_a_500(api, monkeypatch):
    def broken(*_):
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(api.app.state.runs, "get", broken)
    operation = api["/runs/{tool_id}"]["GET"]
    with pytest.raises(Exception, match=r"broken on purpose"):
        operation.Case(path_parameters={"tool_id": 1}).call_and_validate(
            checks=[not_a_server_error], headers={"host": "localhost"}
        )
