"""The cache folder: where the environment says, else the operating system's place for such things."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusterbayes.isochrones.cache import cache_folder


def test_the_environment_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTERBAYES_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    assert cache_folder("grids") == tmp_path / "mine" / "grids"
    assert not (tmp_path / "mine").exists()  # looking makes nothing: a home may be read-only


def test_without_it_the_user_has_a_folder_for_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    monkeypatch.delenv("CLUSTERBAYES_CACHE", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / "caches" / name)
    assert cache_folder("grids") == tmp_path / "caches" / "clusterbayes" / "grids"
