"""The page of a certificate: its numbers are those of the tables, its pictures are there and small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

from clusterbayes.isochrones import analytic_grid
from clusterbayes.isochrones.certify import certify_grid
from clusterbayes.results.certificate import certificate_page, write_certificate


@pytest.fixture(scope="module")
def certificate():
    return certify_grid(analytic_grid(np.arange(8.0, 10.01, 0.25), np.arange(-1.0, 0.41, 0.2)))


def cells(page: str, head: str) -> list[list[str]]:
    """Return the rows of the first table after a line that begins with a text."""
    lines = page.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(head))
    table = [i for i in range(start, len(lines)) if lines[i].startswith("|---")][0] + 1
    rows = []
    while table < len(lines) and lines[table].startswith("|"):
        rows.append([cell.strip() for cell in lines[table].strip("|").split("|")])
        table += 1
    return rows


def test_the_page_says_what_the_tables_say(certificate):
    page = certificate_page(certificate)
    phases = {row["phase"]: row for row in certificate.phases()}
    shown = cells(page, "## What to expect")
    assert [row[0] for row in shown] == list(phases)
    for name, age, mh, raw, certified in shown:
        assert float(age) == pytest.approx(phases[name]["age"], rel=0.06, abs=6e-5)
        assert float(mh) == pytest.approx(phases[name]["mh"], rel=0.06, abs=6e-5)
        assert raw == "–"
        assert float(certified) == pytest.approx(phases[name]["certified"], rel=0.06, abs=6e-5)
    assert f"certified to {certificate.floor():.4f} mag" in page
    assert "## Leave one out in [M/H]" in page
    assert "published isochrones are compared" not in page.lower()
    ages = [row[0] for row in cells(page, "## Leave one out in age")]
    assert ages[:2] == ["8.0 to 8.5", "8.5 to 9.0"]


def test_everything_is_written(certificate, tmp_path):
    folder = tmp_path / "new" / "folder"
    files = write_certificate(certificate, folder)
    wanted = ["analytic.md", "analytic.ecsv", "analytic_errors.png", "analytic_map.png", "analytic_worst.png"]
    assert [path.name for path in files] == wanted
    assert sorted(entry.name for entry in folder.iterdir()) == sorted(wanted)
    for path in files[2:]:
        assert path.read_bytes()[:4] == b"\x89PNG"
        assert path.stat().st_size < 150_000
        assert f"({path.name})" in files[0].read_text(encoding="utf-8")
    table = Table.read(files[1])
    assert len(table) == len(certificate.summary())
    assert str(table["rms"].unit) == "mag"
    assert table.meta["grid"] == "analytic"
    write_certificate(certificate, folder)  # an old one is replaced


def test_a_young_grid_has_a_page_without_a_floor(tmp_path):
    ages = np.arange(8.0, 10.01, 0.25)
    young = replace(analytic_grid(ages, (-0.3, 0.0, 0.4)), log_age=ages - 2.2)
    page = write_certificate(certify_grid(young), tmp_path)[0].read_text(encoding="utf-8")
    assert "was not measured" in page
    assert "certified to" not in page


def test_a_grid_of_one_metallicity(tmp_path):
    made = certify_grid(analytic_grid(np.arange(8.0, 10.01, 0.25), (0.0, 0.4)))
    assert set(made.comparisons) == {"age", "age_wide"}
    page = write_certificate(made, tmp_path)[0].read_text(encoding="utf-8")
    assert "Leave one out in [M/H]" not in page
    assert cells(page, "## What to expect")[0][2] == "–"
