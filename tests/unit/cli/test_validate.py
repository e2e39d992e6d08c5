"""Validation from the command line, as far as it needs no fits."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from clusterbayes.cli import app


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("command", [["ppc", "fit"], ["average", "one", "two"]])
def test_nothing_is_overwritten_unasked(tmp_path, command):
    """Said before any work, so that the fits need not even be there."""
    place = tmp_path / "mine.json"
    place.write_text("precious", encoding="utf-8")
    done = run("validate", *command, "--out", place)
    assert done.exit_code == 2 and "the file exists" in done.output
    assert place.read_text(encoding="utf-8") == "precious"
    assert "the file exists" not in run("validate", *command, "--out", place, "--overwrite").output
