"""Notebooks are committed without output, and open as notebooks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_output_is_stripped(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    assert {cell["cell_type"] for cell in notebook["cells"]} == {"markdown", "code"}
    for number, cell in enumerate(notebook["cells"]):
        assert cell["id"], f"cell {number} has no id"
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], f"cell {number} of {path.name} keeps its output"
            assert cell["execution_count"] is None, f"cell {number} of {path.name} keeps its number"
