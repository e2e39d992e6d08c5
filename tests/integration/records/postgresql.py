"""A PostgreSQL server for tests and benchmarks: started on loopback, as a user that is not root, and stopped again."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

_WAIT = 60.0


def server_programs() -> Path | None:
    """Return the folder with initdb and postgres, the newest first; None if there is no server."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    found = shutil.which("postgres")
    candidates = [*folders, *([Path(found).parent] if found else [])]
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


def server_user() -> pwd.struct_passwd:
    """Return whom the server runs as: ourselves, or for root somebody else, since the server refuses root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("root needs a user 'postgres' or 'nobody' to run the server as")


class PostgresServer:
    """A server with a data directory of its own, under the system's temporary folder.

    Parameters
    ----------
    programs : Path
        Folder with initdb and postgres.
    durable : bool
        Whether commits wait for the disk; they survive a server that is killed either way.
    """

    def __init__(self, programs: Path, *, durable: bool = False) -> None:
        self.programs, self.durable = programs, durable
        self.user, self.password = server_user(), secrets.token_hex(16)
        self.root = Path(tempfile.mkdtemp(prefix="clusterbayes-pg-", dir="/tmp"))
        self.process: subprocess.Popen[bytes] | None = None
        os.chown(self.root, self.user.pw_uid, self.user.pw_gid)
        secret = self.root / "password"
        secret.write_text(self.password)
        os.chown(secret, self.user.pw_uid, self.user.pw_gid)
        words = [
            "-D",
            str(self.root / "data"),
            "-U",
            "tester",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "-E",
            "UTF8",
        ]
        done = self._run("initdb", *words, "--no-sync", "--locale=C.UTF-8")
        _, errors = done.communicate(timeout=_WAIT)
        if done.returncode:
            raise RuntimeError(f"initdb failed: {errors.decode()}")
        self._start_somewhere()

    def _start_somewhere(self) -> None:
        """Start at a free port; at another one if somebody else took it in the meantime."""
        import psycopg

        for last in (False, False, True):
            self.port = _free_port()
            try:
                self.start()
                return
            except psycopg.OperationalError:
                self.halt()
                if last:
                    raise

    def _run(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        identity = {}
        if os.geteuid() == 0:
            identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.root)}
        return subprocess.Popen(
            [str(self.programs / program), *words],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            **identity,
        )

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        import psycopg

        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.root}
        settings |= {"max_connections": 100} | ({} if self.durable else {"fsync": "off"})
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.process = self._run("postgres", "-D", str(self.root / "data"), *words)
        end = time.monotonic() + _WAIT
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def halt(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT cuts connections and closes in order, SIGQUIT leaves everything as it is."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(how)
            self.process.wait(timeout=_WAIT)
            self.process = None

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.halt()
        shutil.rmtree(self.root, ignore_errors=True)

    def url(self, name: str) -> str:
        """Return the address of a database."""
        return f"postgresql://tester:{self.password}@127.0.0.1:{self.port}/{name}"

    def execute(self, *statements: str, name: str = "postgres") -> None:
        """Run statements in a database, outside any transaction."""
        import psycopg

        with psycopg.connect(self.url(name), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def empty(self, name: str, tables: list[str]) -> None:
        """Remove all rows of some tables, and whoever is still connected; ids begin at 1 again."""
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        truncate = f"TRUNCATE {', '.join(tables)} RESTART IDENTITY"
        self.execute(f"{others} AND pid <> pg_backend_pid()", truncate, name=name)

    def create(self, template: str | None = None) -> str:
        """Make a database, and return its name."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return name

    def drop(self, name: str) -> None:
        """Remove a database."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
