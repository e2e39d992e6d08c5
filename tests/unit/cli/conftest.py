"""The command line, run inside the test's process in a folder of its own."""

from __future__ import annotations

import pytest

from clusterbayes.cli import main


@pytest.fixture
def run(capfd, monkeypatch, tmp_path):
    """Run the command line as a user would; return exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def inside(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        captured = capfd.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return inside
