"""Benchmarks run by hand and rarely: what they import from the library has to be there all the same."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))


def imported(script: Path) -> list[tuple[str, str]]:
    """Modules of the library and the names that a script takes from them."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return [(node.module, name.name) for node in froms if node.module.startswith("clusterbayes") for name in node.names]


def missing(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(module, name) for module, name in pairs if not _is_there(module, name)]


def _is_there(module: str, name: str) -> bool:
    try:
        if hasattr(importlib.import_module(module), name):
            return True
        importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_what_a_benchmark_takes_from_the_library_is_there(script):
    assert missing(imported(script)) == []


def test_what_is_not_there_is_found():
    assert missing([("clusterbayes", "fit_cluster"), ("clusterbayes", "no_such"), ("clusterbayes.no_such", "x")]) == [
        ("clusterbayes", "no_such"), ("clusterbayes.no_such", "x"),
    ]  # fmt: skip
