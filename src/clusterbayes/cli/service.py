"""``clusterbayes worker``, ``serve`` and ``database``: runs in a database, fitted by workers, seen over HTTP."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clusterbayes.cli.console import error_console, guarded
from clusterbayes.errors import SettingsError
from clusterbayes.extras import require_extra
from clusterbayes.wording import counted

if TYPE_CHECKING:
    from clusterbayes.records.database import Database
    from clusterbayes.records.store import FolderStore

__all__ = ["database_app", "serve", "worker"]

_LOOPBACK = "127.0.0.1"

UrlOption = Annotated[
    str,
    typer.Option(
        "--database-url",
        envvar="CLUSTERBAYES_DATABASE_URL",
        metavar="URL",
        help="postgresql://user@host/name, or sqlite:///file.db. The password is better left to ~/.pgpass.",
        show_default=False,
        show_envvar=True,
    ),
]
StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        envvar="CLUSTERBAYES_STORE",
        metavar="DIR",
        help="Folder for inputs, checkpoints and results, shared by all workers. Beside the file of a SQLite database "
        "if left out.",
        show_default=False,
        show_envvar=True,
    ),
]

database_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="The tables of a service, and what is in them."
)


@contextmanager
def _opened(url: str, store: Path | None, create: bool | None = None) -> Iterator[tuple[Database, FolderStore]]:
    """Open a database, as `Database.open` does, and its store, and close the database again."""
    from clusterbayes.records.database import Database
    from clusterbayes.records.store import FolderStore

    with closing(Database.open(url, create=create)) as database:
        if store is None:
            if database.is_postgresql:
                raise SettingsError("a database on a server needs a folder for files", "--store", remedy="name one")
            store = Path(f"{database.engine.url.database}.store")
        yield database, FolderStore(store)


@guarded
def worker(
    database_url: UrlOption,
    store: StoreOption = None,
    concurrency: Annotated[int, typer.Option(min=1, metavar="N", help="Fits at the same time.")] = 1,
    once: Annotated[
        bool, typer.Option("--once", help="End when nothing is left to do; runs of dead workers are waited for.")
    ] = False,
    time_limit: Annotated[
        float | None,
        typer.Option(metavar="S", help="Most time (s) for a run that has no limit of its own.", show_default=False),
    ] = None,
    lease: Annotated[
        float, typer.Option(min=3.0, metavar="S", help="Time (s) after which a run of a dead worker is taken over.")
    ] = 30.0,
) -> None:
    """Fit the runs that are ready, the most urgent first, until stopped.

    A run whose worker dies is taken over by another one and goes on from its checkpoint. Ctrl-C or SIGTERM puts the
    runs back.

    [bold]Examples[/]

    [cyan]clusterbayes worker --database-url sqlite:///runs.db --once[/]

    [cyan]clusterbayes worker --database-url postgresql://fits@db/fits --store /srv/fits --concurrency 4[/]
    """
    with _opened(database_url, store) as (database, files):
        from clusterbayes.records.worker import Worker, WorkerOptions

        options = WorkerOptions(concurrency=concurrency, lease=lease, time_limit=time_limit)
        working = Worker(database, files, options)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: working.stop())
        _log_to_console()
        error_console().print(f"Working on {database.engine.url.render_as_string()}; Ctrl-C ends it.", markup=False)
        ended = working.run(once=once)
    error_console().print(f"{counted(ended, 'run')} ended here.")


@guarded
def serve(
    database_url: UrlOption,
    store: StoreOption = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = _LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Which port.")] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="CLUSTERBAYES_TOKEN_FILE",
            metavar="FILE",
            help="Tokens that clients must show, one a line. Required where others than this machine can connect.",
            show_default=False,
        ),
    ] = None,
    max_upload: Annotated[float, typer.Option(metavar="MB", help="Largest request (MB).", min=0.001)] = 50.0,
) -> None:
    """Take runs over HTTP, and show them on a page.

    Workers are started beside it, with the same database and store.

    [bold]Examples[/]

    [cyan]clusterbayes serve --database-url sqlite:///runs.db[/]

    [cyan]clusterbayes serve --database-url sqlite:///runs.db --host 0.0.0.0 --token-file tokens.txt[/]
    """
    require_extra("http", "fastapi", "uvicorn")
    tokens = _tokens(token_file)
    if host not in (_LOOPBACK, "localhost", "::1") and not tokens:
        raise SettingsError(
            "others than this machine could connect, and nothing would ask who they are",
            "--host",
            host,
            remedy="give --token-file, or leave --host out",
        )
    import uvicorn

    from clusterbayes.records.http import HttpOptions, create_app

    options = HttpOptions(tokens=tokens, max_upload=int(max_upload * 1e6), loopback_only=not tokens)
    with _listening(host, port) as place, _opened(database_url, store) as (database, files):
        error_console().print(
            f"Runs are shown at http://{host}:{place.getsockname()[1]}/; Ctrl-C ends it.", markup=False
        )
        server = uvicorn.Server(uvicorn.Config(create_app(database, files, options), log_level="warning"))
        with suppress(KeyboardInterrupt):
            server.run(sockets=[place])


@database_app.command("upgrade")
@guarded
def upgrade(database_url: UrlOption) -> None:
    """Make the tables, or bring them up to date.

    [bold]Example[/]

    [cyan]clusterbayes database upgrade --database-url postgresql://fits@db/fits[/]
    """
    from clusterbayes.records.database import Database

    with closing(Database.open(database_url, create=True)) as database:
        typer.echo(f"The tables in {database.engine.url.render_as_string()} are up to date.")


@database_app.command("export")
@guarded
def export(
    run: Annotated[int, typer.Argument(help="The run's id.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="PATH", help="A folder, or a file that ends in .json.", show_default=False),
    ],
    database_url: UrlOption,
    store: StoreOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over what is there.")] = False,
) -> None:
    """Write a run with all that belongs to it: one JSON document, or a folder with its files.

    [bold]Examples[/]

    [cyan]clusterbayes database export 17 --database-url sqlite:///runs.db --out run17[/]

    [cyan]clusterbayes database export 17 --database-url sqlite:///runs.db --out run17.json[/]
    """
    with _opened(database_url, store, create=False) as (database, files):
        from clusterbayes.records.database import Runs
        from clusterbayes.records.exporting import export_run

        typer.echo(str(export_run(Runs(database), files, run, out, overwrite=overwrite)))


def _listening(host: str, port: int) -> socket.socket:
    """Listen, before anything is opened, so that a place that is taken can be said in a sentence."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        remedy = f"choose another port, e.g. --port {port + 1 if port < 65535 else 8000}, or an address of this machine"
        problem = f"can't listen there: {str(error.strerror or error).partition(' (')[0]}"  # Python adds the address
        raise SettingsError(problem, "--host and --port", f"{host}:{port}", remedy=remedy) from None


def _tokens(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    if os.name == "posix" and path.is_file() and path.stat().st_mode & 0o077:
        error_console().print(
            f"Others on this machine can read {path}; chmod 600 keeps the tokens yours.", markup=False
        )
    tokens = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    weak = [token for token in tokens if len(token) < 16 or not token.isascii()]
    if weak or not tokens:
        raise SettingsError("the file has no tokens, or one that is too short", "--token-file", str(path), "16 or more")
    return tokens


def _log_to_console() -> None:
    """Show what the worker logs; the library itself has no handlers."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("clusterbayes.records")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
