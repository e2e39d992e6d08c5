"""Damaged files are read or refused, and nothing else; `fuzzing` runs many more of them as a script."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.photometry.fuzzing import run, seeds

from clusterbayes.errors import ClusterBayesError
from clusterbayes.photometry import Photometry


def test_damaged_files_are_read_or_refused(tmp_path):
    outcomes, faults = run(400, 7, tmp_path)
    assert faults == []
    assert outcomes["read"] > 40  # the damage is not so great that nothing was read at all
    assert outcomes["InputError"] > 40


def test_the_undamaged_files_are_read(tmp_path):
    for number, content in enumerate(seeds()):
        (tmp_path / f"{number}").write_bytes(content)
        assert Photometry.read(tmp_path / f"{number}").n_star >= 13


def test_a_fault_would_be_found(tmp_path, monkeypatch):
    def broken(path, **options):
        raise KeyError("a traceback")

    monkeypatch.setattr("unit.photometry.fuzzing.Photometry.read", broken)
    _, faults = run(3, 7, tmp_path)
    assert len(faults) == 3


NAMES = st.sampled_from(["id", "ra", "dec", "V", "V_error", "B", "e_B", "B-V", "G", "filter", "mag", "mag_error", "x"])
CELLS = st.one_of(
    st.floats(width=32).map(str), st.integers().map(str), st.text(max_size=6), st.sampled_from(["", "nan", "B", "V"])
)


@pytest.mark.parametrize("mark", [",", "\t", ";", " "])
@given(names=st.lists(NAMES, min_size=1, max_size=7), rows=st.lists(st.lists(CELLS, max_size=8), max_size=12))
@settings(max_examples=60)
def test_any_cells_under_known_names_are_read_or_refused(tmp_path_factory, mark, names, rows):
    path = tmp_path_factory.mktemp("fuzz") / "table"
    text = "\n".join([mark.join(names), *(mark.join(row) for row in rows)])
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            photometry = Photometry.read(path)
        except ClusterBayesError as error:
            assert str(path) in str(error)
        else:
            assert photometry.n_input == len(photometry.drop_reason) >= photometry.n_star
