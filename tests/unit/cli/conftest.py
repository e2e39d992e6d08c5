"""The command line as a user types it, a small catalogue, and a fit that only notes how it was called."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from unit.results.synthetic import make_result

from clusterbayes.cli import main


@pytest.fixture
def run(capfd, monkeypatch):
    """Run the command line as a user would; return exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def inside(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        captured = capfd.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return inside


@pytest.fixture
def catalogue(tmp_path):
    rng = np.random.default_rng(5)
    table = Table({"id": [f"s{k}" for k in range(60)]})
    for name in ("G", "BP", "RP"):
        table[name], table[f"{name}_error"] = rng.uniform(12, 16, 60), np.full(60, 0.01)
    path = tmp_path / "stars.csv"
    table.write(path)
    return path


CHECKED = {"quality": "good", "meaning": "Nothing was found.", "checks": [{"title": "a", "p": 0.4, "about": "b"}]}


@pytest.fixture(autouse=True)
def checked(monkeypatch):
    """Invented fits follow from no isochrones that they could be checked with."""
    monkeypatch.setattr("clusterbayes.results.checks.checks_of_fit", lambda result, grid=None, tell=None: CHECKED)


@pytest.fixture
def calls(monkeypatch):
    """Replace the fit by one that only notes how it was called."""
    made = make_result(n_member=30, n_field=10, n_unused=3)
    seen = []

    def fit_cluster(photometry, **options):
        seen.append((photometry, options))
        options["progress"].stage("sample", 4, 8)
        options["progress"].update(50.0, "")
        return made

    monkeypatch.setattr("clusterbayes.inference.fit.fit_cluster", fit_cluster)
    return seen
