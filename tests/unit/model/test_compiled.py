"""Compiled kernels are known by the files that numba keeps, or by being in use."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from clusterbayes.model import compiled


@pytest.mark.parametrize(
    ("file", "signatures", "expected"),
    [
        (None, [], False),
        ("kernels.other-7.py311.nbi", [], False),
        ("kernels.evaluate-103.py311.nbi", [], True),
        (None, ["(float64,)"], True),
    ],
)
def test_known_by_file_or_by_use(tmp_path, monkeypatch, file, signatures, expected):
    if file:
        (tmp_path / file).touch()
    stats = SimpleNamespace(cache_path=str(tmp_path))
    evaluate = SimpleNamespace(stats=stats, signatures=signatures, __name__="evaluate")
    monkeypatch.setattr(compiled.kernels, "evaluate", evaluate)
    assert compiled.is_compiled() is expected


def test_the_kernel_says_where_it_keeps_its_files():
    assert compiled.kernels.evaluate.stats.cache_path
    assert compiled.kernels.evaluate.__name__ == "evaluate"
