"""Isochrone files as their servers wrote them, through the commands that users type: import, then plot and certify."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from clusterbayes.cli import app

BASTI = "BASTI_FEHm010_{}z132y264p00o0d0e0.isc_gaia-dr3-new"
USABLE = (
    "MIST_iso_5fd2532653c27.iso.cmd", "PARSEC_CMD3.3_gaiaDR1_ocelot.dat", "PARSEC_CMD3.4_gaiaEDR3_Z0_016100_5ages.dat",
    "PARSEC_CMD3.7_gaiaEDR3_multiZ.dat", BASTI.format(300),
)  # fmt: skip


@pytest.fixture
def samples(shared_data):
    return shared_data / "isochrones"


def run(*words):
    return CliRunner().invoke(app, ["grid", *(str(word) for word in words)])


@pytest.mark.parametrize("name", USABLE)
def test_every_file_is_drawn(samples, tmp_path, name):
    result = run("plot", samples / name, "--out", tmp_path / "alone.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "alone.png").stat().st_size > 10_000


def test_basti_files_become_a_grid_that_is_drawn(samples, tmp_path):
    files = [samples / BASTI.format(age) for age in (30, 300, 3000)]
    result = run("import", *files, "--out", tmp_path / "basti.h5", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert len(report["log_age"]) == 3
    assert len(report["mh"]) == 1
    mh = report["mh"][0]
    result = run(
        "plot", tmp_path / "basti.h5", files[1], "--log-age", "8.4771", "--mh", mh, "--out", tmp_path / "a.png"
    )
    assert (result.exit_code, "2 isochrones" in result.stderr) == (0, True), result.output
    result = run("certify", tmp_path / "basti.h5", "--out", tmp_path / "certificate", "--json")
    assert result.exit_code == 0, result.output
    assert {row["phase"] for row in json.loads(result.stdout)["phases"]} >= {"main sequence", "giant branch"}


def test_what_cannot_be_used_says_why(samples, tmp_path):
    result = run("plot", samples / "DMESTAR_00650.0myr_z+0.12_a+0.00_phx.iso", "--out", tmp_path / "a.png")
    assert (result.exit_code, "without magnitudes" in result.stderr) == (2, True)
    result = run("import", samples / BASTI.format(300), "--out", tmp_path / "one.h5")
    assert (result.exit_code, "--single-age" in result.stderr) == (2, True)
    assert not list(tmp_path.iterdir())
    result = run("import", samples / BASTI.format(300), "--out", tmp_path / "one.h5", "--single-age")
    assert result.exit_code == 0, result.output
    result = run("certify", tmp_path / "one.h5", "--out", tmp_path / "certificate")
    assert (result.exit_code, "no node can be left out" in result.stderr) == (2, True)
