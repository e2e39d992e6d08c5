"""The shape of the house: imports go one way, folders are trees, kernels know arrays only, importing has no effects."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import clusterbayes

PACKAGE = "clusterbayes"
SOURCE = Path(clusterbayes.__file__).parent

# Longest prefix wins. Rooms of equal rank don't know each other.
RANKS = {
    "errors": 0,
    "heartbeat": 0,
    "writing": 0,
    "wording": 0,
    "extras": 1,
    "bands": 1,
    "photometry": 2,
    "isochrones": 2,
    "model": 3,
    "results": 4,  # results/__init__ itself, which may import `result` only
    "results.result": 4,
    "inference": 5,
    "results.*": 6,
    "records": 7,
    "validation": 8,
    "batch": 9,
    "cli": 10,
    "__main__": 11,
}
# How a result is stored belongs to the result itself, not to what is made of it later.
RESULT_MODULES = {"result", "tables"}
KERNEL_IMPORTS = {"__future__", "math", "numba", "numpy", "typing"}


def module_files(source: Path) -> dict[str, Path]:
    """Map dotted names below the package (the package itself is "") to files."""
    files = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def room(module: str) -> str:
    """Return the key of RANKS that a module belongs to, or fail for a module without a place."""
    head, _, rest = module.partition(".")
    if head == "results" and rest:
        return "results.result" if rest.split(".")[0] in RESULT_MODULES else "results.*"
    if head not in RANKS:
        raise AssertionError(f"{module} has no place among the layers: {', '.join(RANKS)}")
    return head


def imported(module: str, path: Path, modules: set[str]) -> set[tuple[str, int]]:
    """List what a file of the package imports of the package: (dotted name below the package, line)."""
    is_package = path.name == "__init__.py"
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = [PACKAGE, *filter(None, module.split("."))]
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, *filter(None, [node.module])])
            targets = []
            for alias in node.names:
                full = f"{base}.{alias.name}"
                targets.append(full if full.removeprefix(f"{PACKAGE}.") in modules else base)
                if base == PACKAGE and targets[-1] == base and alias.name != "__version__":
                    targets[-1] = f"{PACKAGE}.<public names>"
        else:
            continue
        for target in targets:
            if target.split(".")[0] == PACKAGE and target != PACKAGE:
                found.add((target.removeprefix(f"{PACKAGE}."), node.lineno))
    return found


def violations(source: Path) -> list[str]:
    """List every import that goes upwards or sideways between rooms."""
    files = module_files(source)
    faults = []
    for module, path in files.items():
        if not module:
            continue  # the package itself only names its public things; it imports them when they are used
        here = room(module)
        for target, line in imported(module, path, set(files)):
            where = f"{path.relative_to(source)}:{line}"
            if target == "<public names>":
                faults.append(f"{where} imports from the package's front door; import from the room instead")
                continue
            there = room(target)
            same_folder = module.split(".")[0] == target.split(".")[0]
            if RANKS[there] > RANKS[here] or (RANKS[there] == RANKS[here] and not same_folder):
                faults.append(f"{where} imports {target}: {here} may not know {there}")
    return sorted(faults)


def write_package(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_imports_go_one_way():
    assert violations(SOURCE) == []


def test_folders_are_trees():
    files = module_files(SOURCE)
    graph = {
        module: {target for target, _ in imported(module, path, set(files)) if target != module}
        for module, path in files.items()
        if module
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bands.py", "from clusterbayes.photometry import Photometry"),
        ("photometry/table.py", "from ..isochrones import IsochroneGrid"),
        ("model/cluster.py", "def f():\n    import clusterbayes.inference.fit"),
        ("inference/fit.py", "from clusterbayes.results import export"),
        ("results/__init__.py", "from .export import write_all"),
        ("records/record.py", "from clusterbayes import FitResult"),
        ("results/result.py", "from clusterbayes import cli"),
    ],
)
def test_upward_imports_are_seen(tmp_path, name, text):
    rest = {"results/export.py": "", "isochrones/__init__.py": "", "cli/__init__.py": ""}
    assert len(violations(write_package(tmp_path, {**rest, name: text}))) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bands.py", "from .errors import BandError"),
        ("inference/fit.py", "from clusterbayes.results import FitResult"),
        ("inference/fit.py", "from clusterbayes import __version__"),
        ("inference/fit.py", "from ..results.result import FitResult"),
        ("results/plots/cmd.py", "from ..result import FitResult\nfrom .style import COLOURS"),
        ("cli/fit.py", "from clusterbayes.records import record\nimport clusterbayes.batch"),
    ],
)
def test_downward_imports_are_allowed(tmp_path, name, text):
    rest = {"results/__init__.py": "", "results/result.py": "", "records/record.py": ""}
    assert violations(write_package(tmp_path, {**rest, name: text})) == []


def test_modules_without_a_place_are_refused(tmp_path):
    with pytest.raises(AssertionError, match="utils has no place"):
        violations(write_package(tmp_path, {"utils.py": ""}))


def test_kernels_know_arrays_only():
    kernels = {
        module: path
        for module, path in module_files(SOURCE).items()
        if any(part.startswith("kernels") for part in module.split("."))
    }
    assert kernels, "no kernels module was found"
    for module, path in kernels.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{PACKAGE}.model.kernels" if node.level else node.module]
            for name in names:
                known = name.split(".")[0] in KERNEL_IMPORTS or "kernels" in name
                assert known, f"{module}, line {node.lineno}: kernels may not import {name}"


def run_python(code: str, folder: Path) -> dict:
    """Run code in a fresh interpreter inside a folder and return the JSON document on its last line of output."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1, f"an import printed: {done.stdout}"
    return json.loads(done.stdout)


LIGHT = """
import json, sys
import clusterbayes
heavy = {"numpy", "scipy", "numba", "astropy", "matplotlib", "emcee", "sklearn", "h5py", "pydantic", "typer"}
loaded = sorted(heavy & set(sys.modules))
public = {name: getattr(clusterbayes, name).__name__ for name in clusterbayes.__all__ if name != "__version__"}
print(json.dumps({"loaded": loaded, "public": public, "version": clusterbayes.__version__,
                  "listed": set(clusterbayes.__all__) <= set(dir(clusterbayes))}))
"""

EFFECTS = """
import importlib, json, logging, os, random, sys, threading, warnings
import numpy as np
import astropy.table, emcee, h5py, numba, pydantic, scipy.stats, sklearn.mixture, typer, rich.progress

def state():
    return {"environment": dict(os.environ), "directory": os.getcwd(), "files": sorted(os.listdir(".")),
            "threads": threading.active_count(), "random": hash(random.getstate()),
            "numpy random": np.random.get_state()[1].tobytes().hex(), "errstate": np.geterr(),
            "filters": len(warnings.filters), "root handlers": len(logging.getLogger().handlers),
            "handlers": len(logging.getLogger("clusterbayes").handlers)}

drawing, changed = {}, {}
for module in MODULES:
    before = state()
    importlib.import_module(module)
    after = state()
    different = [name for name in before if before[name] != after[name]]
    if different:
        changed[module] = different
    drawing[module] = [name for name in ("matplotlib", "matplotlib.pyplot", "corner") if name in sys.modules]
print(json.dumps({"drawing": drawing, "changed": changed}))
"""


def test_import_is_light_and_public_names_resolve(tmp_path):
    found = run_python(LIGHT, tmp_path)
    assert found["loaded"] == []
    assert found["version"] == clusterbayes.__version__
    assert found["listed"]
    assert found["public"] == {name: name for name in clusterbayes.__all__ if name != "__version__"}


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'fit_clutser'"):
        _ = clusterbayes.fit_clutser


def test_importing_any_module_has_no_effects(tmp_path):
    names = [".".join(filter(None, (PACKAGE, module))) for module in module_files(SOURCE)]
    names = [name for name in names if not name.endswith("__main__")]
    plots = [name for name in names if name.startswith(f"{PACKAGE}.results.plots")]
    code = EFFECTS.replace("MODULES", repr([name for name in names if name not in plots] + plots))
    found = run_python(code, tmp_path)
    assert found["changed"] == {}
    drew = {name: what for name, what in found["drawing"].items() if what and name not in plots}
    assert drew == {}, "only the plots may load a plotting library when they are imported"
    pyplot = [name for name, what in found["drawing"].items() if "matplotlib.pyplot" in what]
    assert pyplot == [], "pyplot keeps global state; draw on matplotlib.figure.Figure"
