"""``clusterbayes worker``, ``serve`` and ``database`` as they are typed."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing

import pytest
from integration.records.jobs import document, memberships
from integration.records.tables import star_table

from clusterbayes.cli import main
from clusterbayes.records.database import Database, Queue
from clusterbayes.records.database.queue import Ending
from clusterbayes.records.store import FolderStore
from clusterbayes.records.submit import Service

TOKEN = "a-token-of-sixteen"


@pytest.fixture
def run(capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def inside(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        captured = capfd.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return inside


def test_upgrade_makes_the_tables(run, postgres):
    name = postgres.create()
    code, _, err = run("database", "export", 1, "--database-url", postgres.url(name), "--out", "x.json")
    assert code == 2
    assert "no tables of clusterbayes yet" in err
    code, out, _ = run("database", "upgrade", "--database-url", postgres.url(name))
    assert code == 0
    assert "up to date" in out
    assert postgres.password not in out
    code, _, err = run("worker", "--once", "--database-url", postgres.url(name))
    assert code == 2
    assert "--store" in err
    postgres.drop(name)


@pytest.mark.parametrize("command", ["worker", "serve"])
def test_the_environment_names_the_database(run, monkeypatch, command):
    """A command without words is no question for help where the environment says the rest."""
    monkeypatch.setenv("CLUSTERBAYES_DATABASE_URL", "nonsense")
    code, out, err = run(command)
    assert (code, out) == (2, "")
    assert "address can't be understood" in err
    monkeypatch.delenv("CLUSTERBAYES_DATABASE_URL")
    code, out, err = run(command)
    assert code == 2
    assert "--database-url" in err


def test_a_run_is_exported(run, tmp_path):
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    database = Database.open(url)
    Service(database, FolderStore(tmp_path / "runs.db.store")).submit(star_table(), creator_id=1)
    queue = Queue(database)
    queue.complete(queue.claim("w", 10.0), Ending("cheap 1", document(), memberships(), ()))
    database.close()
    code, out, err = run("database", "export", 1, "--database-url", url, "--out", tmp_path / "run.json")
    assert (code, out.strip()) == (0, str(tmp_path / "run.json")), err
    assert json.loads((tmp_path / "run.json").read_text())["record"]["status"] == "completed"
    code, _, err = run("database", "export", 2, "--database-url", url, "--out", tmp_path / "two.json")
    assert code == 2
    assert "no run 2" in err


def test_a_mistyped_database_is_not_made(run, tmp_path):
    path, words = tmp_path / "rnus.db", ("--out", tmp_path / "run.json")
    code, out, err = run("database", "export", 1, "--database-url", f"sqlite:///{path}", *words)
    assert (code, out) == (2, "")
    assert f"there is no database {path}" in err
    assert f"clusterbayes database upgrade --database-url sqlite:///{path}" in err
    assert list(tmp_path.iterdir()) == []
    assert run("database", "upgrade", "--database-url", f"sqlite:///{path}")[0] == 0
    assert "no run 1" in run("database", "export", 1, "--database-url", f"sqlite:///{path}", *words)[2]


def test_tables_are_not_made_in_the_database_of_another_program(run, tmp_path):
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE theirs (id INTEGER)")
        url = f"sqlite:///{tmp_path / 'other.db'}"
        code, _, err = run("database", "export", 1, "--database-url", url, "--out", tmp_path / "run.json")
        assert code == 2
        assert "no tables of clusterbayes yet" in err
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_the_service_does_not_open_itself_to_others_unasked(run, tmp_path):
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    code, _, err = run("serve", "--database-url", url, "--host", "0.0.0.0")
    assert code == 2
    assert "--token-file" in err
    tokens = tmp_path / "tokens"
    tokens.write_text("short\n")
    code, _, err = run("serve", "--database-url", url, "--host", "0.0.0.0", "--token-file", tokens)
    assert code == 2
    assert "too short" in err
    assert not (tmp_path / "runs.db").exists()


def ask(port, path, token):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.read()


def test_a_port_in_use_is_said(run, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("serve", "--database-url", f"sqlite:///{tmp_path / 'runs.db'}", "--port", port)
    assert (code, out) == (2, "")
    assert f"127.0.0.1:{port}" in err and "in use" in err and "another port" in err
    assert not (tmp_path / "runs.db").exists()


def test_a_real_server_answers(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN + "\n")
    os.chmod(tokens, 0o600)
    words = ["serve", "--database-url", f"sqlite:///{tmp_path / 'runs.db'}", "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-m", "clusterbayes", *words, "--token-file", str(tokens)], stderr=subprocess.PIPE
    )
    try:
        end = time.monotonic() + 60.0
        while True:
            try:
                status, page = ask(port, "/", "")
                break
            except OSError:
                assert time.monotonic() < end
                assert server.poll() is None
                time.sleep(0.2)
        assert status == 200
        assert b"clusterbayes runs" in page
        assert json.loads(ask(port, "/runs", TOKEN)[1])["total"] == 0
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            ask(port, "/runs", "wrong")
        refused.value.close()
    finally:
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=30)
    assert TOKEN.encode() not in errors
