"""The routes: submit, status, cancel, results, memberships, artefacts, export, health.

What belongs to a run is found by its id in the database; a file's name from a client is compared with names there and
never becomes a path.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, HTTPException, Path, Query, Request, UploadFile
from fastapi.responses import FileResponse, JSONResponse
from pydantic import AfterValidator, AwareDatetime, StringConstraints, WithJsonSchema

from clusterbayes import __version__
from clusterbayes.errors import InputError, SettingsError
from clusterbayes.records.database.runs import MOST, RunQuery, Runs
from clusterbayes.records.documents import ResultDocument
from clusterbayes.records.exchange import ExportDocument, StoredArtefact
from clusterbayes.records.exporting import export_document
from clusterbayes.records.http.wire import Health, Integer, MembershipPage, Problem, ReportLink, RunPage
from clusterbayes.records.inputs import InputTable, check_untrusted
from clusterbayes.records.record import ClusterModelingTool, ToolStatus
from clusterbayes.records.settings import plain_text
from clusterbayes.records.submit import Service, SubmitOptions

__all__ = ["router"]

_LARGEST = 2**31 - 1
#: A file from a run may be anything, so a browser must not run what is in it.
_SEALED = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"
#: A report holds all it needs: what is written in it may run, cut off from the service, and can ask for nothing.
_REPORT_RULES = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts allow-downloads"
)
_REPORT = "report.html"


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is out of range") from None


PlainText = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(plain_text)]
#: A file or nothing; a form has no null, and whoever reads the description is to send a file.
Upload = Annotated[
    UploadFile | None, WithJsonSchema({"type": "string", "contentMediaType": "application/octet-stream"})
]
RunId = Annotated[int, Path(ge=1, le=_LARGEST, description="The run's id.")]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]

_STATUSES = {401: "No token, or a wrong one.", 422: "Something in the request can't be used.", 503: "No database."}
router = APIRouter(responses={status: {"model": Problem, "description": text} for status, text in _STATUSES.items()})
_MISSING: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "There is no such thing."}}
_REFUSED: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "It does not go with what is there."}
}
_LARGE: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The form can't be read."},
    413: {"model": Problem, "description": "Too large."},
}

_PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}


def _runs(request: Request) -> Runs:
    runs: Runs = request.app.state.runs
    return runs


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@router.get("/health", response_model=Health)
def health(request: Request) -> JSONResponse:
    """Say whether the service can work, and how much there is to do."""
    runs = _runs(request)
    ready, running = (runs.list(RunQuery(status=s, limit=1)).total for s in (ToolStatus.READY, ToolStatus.RUNNING))
    return JSONResponse(Health(status="ok", version=__version__, ready=ready, running=running).to_wire())


@router.post("/runs", status_code=201, response_model=ClusterModelingTool, responses={**_REFUSED, **_LARGE})
def submit(
    request: Request,
    creator_id: Annotated[Integer, Form(alias="creatorId", description="The user it belongs to.")],
    file: Annotated[Upload, File(description="The stars; left out, the observation's last input.")] = None,
    control: Annotated[Upload, File(description="Field stars in the same bands.")] = None,
    settings: Annotated[str, Form(description="FitSettings as JSON.")] = "{}",
    name: Annotated[str | None, Form(description="Name of the analysis.")] = None,
    observation_id: Annotated[Integer | None, Form(alias="observationId")] = None,
    project_id: Annotated[Integer | None, Form(alias="projectId")] = None,
    priority: Annotated[Integer, Form(description="Larger runs first.")] = 0,
    key: Annotated[str | None, Form(description="Your own; asking again with it is safe.")] = None,
    time_limit: Annotated[float | None, Form(alias="timeLimit", description="[s]")] = None,
) -> JSONResponse:
    """Hand in a fit; 201 with a ready record, or 200 with the one that has the key already."""
    options = SubmitOptions(name=name, project_id=project_id, priority=priority, key=key, time_limit=time_limit)
    submitted = _service(request).submit(
        _table(file, request),
        _parsed(settings),
        creator_id=creator_id,
        observation_id=observation_id,
        control=_table(control, request),
        options=options,
    )
    return JSONResponse(submitted.record.to_wire(), status_code=201 if submitted.created else 200)


@router.post(
    "/runs/{tool_id}/adopt",
    status_code=201,
    response_model=ClusterModelingTool,
    responses={**_MISSING, **_REFUSED, **_LARGE},
)
def adopt(
    request: Request,
    tool_id: RunId,
    file: Annotated[Upload, File(description="The stars; left out, the observation's last input.")] = None,
    control: Annotated[Upload, File(description="Field stars in the same bands.")] = None,
    settings: Annotated[str, Form(description="FitSettings as JSON.")] = "{}",
    time_limit: Annotated[float | None, Form(alias="timeLimit", description="[s]")] = None,
) -> JSONResponse:
    """Hand in a fit for a ready row that the host has made itself; 200 if that was done before."""
    submitted = _service(request).adopt(
        tool_id, _table(file, request), _parsed(settings), control=_table(control, request), time_limit=time_limit
    )
    return JSONResponse(submitted.record.to_wire(), status_code=201 if submitted.created else 200)


def _table(file: UploadFile | None, request: Request) -> InputTable | None:
    if file is None:
        return None
    content = file.file.read()
    check_untrusted(content, request.app.state.max_upload)
    return InputTable(file.filename or "table", content)


def _parsed(text: str) -> Any:
    def refused(constant: str) -> None:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        return json.loads(text, parse_constant=refused)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"no valid JSON: {str(error)[:200]}", "settings") from None


@router.get("/runs", response_model=RunPage)
def list_runs(
    request: Request,
    status: ToolStatus | None = None,
    creator_id: Annotated[Integer | None, Query(alias="creatorId")] = None,
    observation_id: Annotated[Integer | None, Query(alias="observationId")] = None,
    project_id: Annotated[Integer | None, Query(alias="projectId")] = None,
    name: Annotated[PlainText | None, Query(description="A part of the name.")] = None,
    created_after: Annotated[Moment | None, Query(alias="createdAfter")] = None,
    created_before: Annotated[Moment | None, Query(alias="createdBefore")] = None,
    before: Annotated[Integer | None, Query(description="'next' of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> JSONResponse:
    """List runs, the newest first."""
    query = RunQuery(
        status=status,
        creator_id=creator_id,
        observation_id=observation_id,
        project_id=project_id,
        name=name,
        created_after=created_after,
        created_before=created_before,
        before=before,
        limit=limit,
    )
    page = _runs(request).list(query)
    return JSONResponse(RunPage(items=list(page.items), total=page.total, next=page.next).to_wire())


@router.get("/runs/{tool_id}", response_model=ClusterModelingTool, responses=_MISSING)
def show_run(request: Request, tool_id: RunId) -> JSONResponse:
    """Return a run's record: its status, its stage, how far it is."""
    return JSONResponse(_runs(request).get(tool_id).to_wire())


@router.post("/runs/{tool_id}/cancel", response_model=ClusterModelingTool, responses={**_MISSING, **_REFUSED})
def cancel(request: Request, tool_id: RunId) -> JSONResponse:
    """Cancel a run; one that is being fitted stops within seconds."""
    record = _runs(request).cancel(tool_id)
    if record.completed_on is not None:  # else its worker clears up
        _service(request).store.tidy(tool_id)
    return JSONResponse(record.to_wire())


@router.get("/runs/{tool_id}/result", response_model=ResultDocument, responses=_MISSING)
def show_result(request: Request, tool_id: RunId) -> JSONResponse:
    """Return a run's result document."""
    result = _runs(request).result(tool_id)
    if result is None:
        raise HTTPException(404, f"run {tool_id} has no result")
    return JSONResponse(result.to_wire())


@router.get("/runs/{tool_id}/memberships", response_model=MembershipPage, responses=_MISSING)
def show_memberships(
    request: Request,
    tool_id: RunId,
    offset: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=100_000)] = 10_000,
) -> JSONResponse:
    """Return membership rows of a run."""
    rows = _runs(request).memberships(tool_id, offset=offset, limit=limit)
    return JSONResponse(MembershipPage(items=list(rows), offset=offset).to_wire())


@router.get("/runs/{tool_id}/artefacts", response_model=list[StoredArtefact], responses=_MISSING)
def list_artefacts(request: Request, tool_id: RunId) -> JSONResponse:
    """List a run's files."""
    return JSONResponse([artefact.to_wire() for artefact in _runs(request).artefacts(tool_id)])


@router.get("/runs/{tool_id}/artefacts/{name}", response_class=FileResponse, responses=_MISSING)
def download(request: Request, tool_id: RunId, name: PlainText) -> FileResponse:
    """Return a file of a run."""
    artefact, path = _stored(request, tool_id, name)
    headers = {"content-security-policy": _SEALED}
    return FileResponse(path, media_type=artefact.media_type, filename=artefact.name, headers=headers)


def _stored(request: Request, tool_id: int, name: str) -> tuple[StoredArtefact, FilePath]:
    artefact, location = _runs(request).artefact_location(tool_id, name)
    try:
        return artefact, _service(request).store.path(location)
    except InputError:
        raise HTTPException(404, f"the file {name!r} of run {tool_id} is gone from the store") from None


@router.get("/runs/{tool_id}/report", response_class=FileResponse, responses={**_MISSING, **_PAGE})
def show_report(
    request: Request,
    tool_id: RunId,
    ticket: Annotated[str | None, Query(description="In place of a token; 'report-link' gives it.")] = None,
) -> FileResponse:
    """Show a run's report: a page that holds all it needs."""
    _, path = _stored(request, tool_id, _REPORT)
    headers = {"content-security-policy": _REPORT_RULES}
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=headers)


@router.get("/runs/{tool_id}/report-link", response_model=ReportLink, responses=_MISSING)
def link_report(request: Request, tool_id: RunId) -> JSONResponse:
    """Return where a browser finds a run's report; good for an hour where tokens are asked for."""
    _stored(request, tool_id, _REPORT)
    path = f"/runs/{tool_id}/report"
    return JSONResponse(ReportLink(href=f"{path}?ticket={request.app.state.tickets.issue(path)}").to_wire())


@router.get("/runs/{tool_id}/export", response_model=ExportDocument, responses=_MISSING)
def export(request: Request, tool_id: RunId) -> JSONResponse:
    """Return a run with all that belongs to it, except the content of its files."""
    return JSONResponse(export_document(_runs(request), tool_id))
