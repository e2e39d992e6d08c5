"""Fixtures and settings that every test may rely on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# Compiled kernels make the first example slow, and a test must give the same verdict every time.
settings.register_profile("clusterbayes", deadline=None, derandomize=True)
settings.load_profile("clusterbayes")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of shared real data beside the repository, or skip with the reason."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "README.md").is_file():
        pytest.skip("the shared data collection (../shared/data beside the repository) is not here")
    return folder


def pytest_configure() -> None:
    """Drop compiled kernels that are older than the newest of their sources: numba looks at one file at a time."""
    folder = ROOT / "src" / "clusterbayes" / "model"
    newest = max((path.stat().st_mtime for path in folder.glob("kernels*.py")), default=0.0)
    for path in (folder / "__pycache__").glob("kernels*.nb[ci]"):
        if path.stat().st_mtime < newest:
            path.unlink(missing_ok=True)
