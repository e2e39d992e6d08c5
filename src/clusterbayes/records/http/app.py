"""The application: routes put together, errors as ``{detail}``, and the page at ``/``."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from dataclasses import dataclass
from importlib import resources

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from clusterbayes import __version__
from clusterbayes.errors import ClusterBayesError
from clusterbayes.records.database import Database, Runs
from clusterbayes.records.faults import ConflictError, DatabaseError, RunNotFoundError, storable, without_secrets
from clusterbayes.records.http.guards import Guard, Tickets
from clusterbayes.records.http.routes import router
from clusterbayes.records.record import TransitionError
from clusterbayes.records.settings import explain
from clusterbayes.records.store import Store
from clusterbayes.records.submit import Service

__all__ = ["HttpOptions", "create_app"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class HttpOptions:
    """How the service behaves towards clients.

    Attributes
    ----------
    tokens : tuple of str
        What clients must show; none for no authentication.
    max_upload : int
        Most bytes of a request, and of an inflated table.
    loopback_only : bool
        Whether only requests to a name of this machine are answered.
    """

    tokens: tuple[str, ...] = ()
    max_upload: int = 50_000_000
    loopback_only: bool = True


def create_app(database: Database, store: Store, options: HttpOptions | None = None) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    database : Database
        With the tables.
    store : Store
        The workers' own.
    options : HttpOptions, optional

    Returns
    -------
    fastapi.FastAPI
        To be served by any ASGI server.
    """
    options = options or HttpOptions()
    app = FastAPI(
        title="clusterbayes",
        version=__version__,
        description="Fits of star clusters: hand one in, watch it, take its results.",
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service, app.state.runs = Service(database, store), Runs(database)
    app.state.max_upload, app.state.tickets = options.max_upload, Tickets()
    app.include_router(router)
    _show_page(app)
    _name_errors(app)
    app.add_middleware(
        Guard,
        tokens=options.tokens,
        max_upload=options.max_upload,
        loopback_only=options.loopback_only,
        tickets=app.state.tickets,
    )
    return app


def _show_page(app: FastAPI) -> None:
    page = resources.files("clusterbayes.records.http").joinpath("page.html").read_text(encoding="utf-8")
    found = re.search("<script>(.*?)</script>", page, re.DOTALL)
    assert found is not None
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    rules = (
        "default-src 'none'", "connect-src 'self'", "img-src 'self' blob: data:", "frame-src 'self'", "base-uri 'none'",
        "form-action 'none'", "frame-ancestors 'none'", "style-src 'unsafe-inline'", f"script-src 'sha256-{digest}'",
    )  # fmt: skip
    policy = "; ".join(rules)

    @app.get("/", include_in_schema=False)
    def show_page() -> HTMLResponse:
        return HTMLResponse(page, headers={"content-security-policy": policy})


def _problem(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": storable(without_secrets(detail))}, status_code=status)


def _name_errors(app: FastAPI) -> None:
    statuses: tuple[tuple[type[Exception], int], ...] = (
        (RunNotFoundError, 404),
        (TransitionError, 409),
        (ConflictError, 409),
        (DatabaseError, 503),
    )

    @app.exception_handler(ClusterBayesError)
    def ours(request: Request, error: ClusterBayesError) -> JSONResponse:
        status = next((code for kind, code in statuses if isinstance(error, kind)), 422)
        return _problem(status, str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        parts = [
            f"{'.'.join(str(key) for key in item['loc'] if key not in ('body', 'query', 'path'))}: {item['msg']}"
            for item in error.errors()
        ]
        return _problem(422, "; ".join(parts))

    @app.exception_handler(ValidationError)
    def unreadable(request: Request, error: ValidationError) -> JSONResponse:
        return _problem(422, explain(error))

    @app.exception_handler(SQLAlchemyError)
    def away(request: Request, error: SQLAlchemyError) -> JSONResponse:
        outage = Database.is_outage(error)
        _LOG.error("the database failed: %s", without_secrets(str(error)))
        return _problem(503 if outage else 500, "the database can't be reached" if outage else "the database failed")

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        return _problem(500, "something went wrong here; it was logged")
