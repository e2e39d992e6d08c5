"""Digests of the code: of what numbers follow from, and of nothing else."""

from __future__ import annotations

import re

import pytest

from clusterbayes.errors import ClusterBayesError
from clusterbayes.validation import sbc
from clusterbayes.validation.outcomes import Outcomes
from clusterbayes.validation.source import digest_of_source, source_digest, states_of_code

FILES = {
    "model/kernels.py": "x = 1", "model/priors.csv": "1,2", "inference/fit.py": "y = 1", "isochrones/formats/a.py": "",
    "cli/show.py": "z = 1", "model/notes.txt": "old",
}  # fmt: skip


@pytest.fixture
def package(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_library_has_a_digest():
    assert re.fullmatch("[0-9a-f]{12}", source_digest())


@pytest.mark.parametrize("name", list(FILES))
def test_what_numbers_follow_from_changes_the_digest_and_nothing_else_does(package, name):
    before = digest_of_source(package)
    (package / name).write_text(FILES[name], encoding="utf-8")
    assert digest_of_source(package) == before
    (package / name).write_text("changed", encoding="utf-8")
    counts = not name.startswith("cli") and not name.endswith("txt")
    assert (digest_of_source(package) != before) is counts


def test_a_file_of_another_name_is_another_state(package):
    before = digest_of_source(package)
    (package / "model" / "kernels.py").rename(package / "model" / "kernel.py")
    assert digest_of_source(package) != before


def test_outcomes_are_counted_by_the_code_that_made_them():
    assert states_of_code([{"source": "a"}, {}, {"source": "b"}, {"source": "a"}]) == {"a": 2, "unknown": 1, "b": 1}


@pytest.mark.parametrize("fails", [False, True])
def test_every_outcome_keeps_its_code(tmp_path, monkeypatch, fails):
    def carry_out(experiment, number, outcome):
        if fails:
            raise ClusterBayesError("no fit")
        outcome["converged"] = True

    monkeypatch.setattr(sbc, "_carry_out", carry_out)
    Outcomes(tmp_path, {})
    sbc._one((sbc.Experiment(), tmp_path, {}, 0))
    assert Outcomes(tmp_path).load("000000")["source"] == source_digest()
