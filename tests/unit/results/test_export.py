from __future__ import annotations

import json
import os
import time

import emcee
import h5py
import numpy as np
import pytest
from astropy.table import Table
from unit.results.synthetic import make_result

from clusterbayes.errors import SettingsError
from clusterbayes.results import FitResult, export

WRITTEN = {"summary.json", "sources.ecsv", "result.h5", "cmd.png", "hr.png", "corner.png", "report.html"}


def names(folder):
    return {entry.name for entry in folder.iterdir()}


@pytest.fixture(scope="module")
def written(tmp_path_factory, result):
    return export.write_all(result, tmp_path_factory.mktemp("parent") / "fit", documents={"extra.json": {"a": np.nan}})


def test_everything_is_there_and_nothing_else(written):
    assert names(written) == WRITTEN | {"extra.json"}
    assert names(written.parent) == {"fit"}


def test_result_can_be_loaded_from_the_folder(written, result):
    assert FitResult.load(written) == result


def test_summary_is_standard_json(written, result):
    document = json.loads((written / "summary.json").read_text(), parse_constant=pytest.fail)
    assert document["diagnostics"]["rhat"]["mh"] is None
    assert document["parameters"]["dist_mod"]["median"] == result.summary()["dist_mod"]["median"]
    assert json.loads((written / "extra.json").read_text()) == {"a": None}


def test_sources_keep_rows_order_and_identifiers(written, result):
    table = Table.read(written / "sources.ecsv")
    assert table["id"].tolist() == result.stars["id"].tolist()
    assert table["id"].dtype.kind == "U"
    for name in ("p_member", "mass", "q", "Gaia_BP", "Gaia_BP_error"):
        assert np.array_equal(table[name], result.stars[name], equal_nan=True), name
    assert table["member"].tolist() == (result.p_member >= 0.5).tolist()
    assert table["Gaia_G"].unit == "mag"
    assert table["mass"].unit == "solMass"
    for name in ("drop_reason", "note"):  # ECSV reads empty text as missing
        assert np.ma.filled(table[name], "").tolist() == result.stars[name].tolist()


def test_plots_are_pictures(written):
    for name in ("cmd.png", "hr.png", "corner.png"):
        content = (written / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 20_000


@pytest.mark.parametrize("ending", [".csv", ".fits", ".vot", ".ecsv"])
def test_sources_in_other_formats(tmp_path, result, ending):
    path = export.write_sources(result, tmp_path / f"sources{ending}")
    table = Table.read(path, format="ascii.csv", converters={"id": str}) if ending == ".csv" else Table.read(path)
    assert [str(x) for x in table["id"]] == result.stars["id"].tolist()
    assert np.allclose(np.ma.filled(np.ma.asarray(table["p_member"], float), np.nan), result.p_member, equal_nan=True)
    assert names(tmp_path) == {path.name}


def test_unknown_table_ending(tmp_path, result):
    with pytest.raises(SettingsError, match=r"\.ecsv"):
        export.write_sources(result, tmp_path / "sources.xlsx")


def test_folder_with_files_is_refused(tmp_path, result):
    (tmp_path / "precious.txt").write_text("keep me")
    with pytest.raises(SettingsError, match="not empty"):
        export.write_all(result, tmp_path)
    assert names(tmp_path) == {"precious.txt"}


def test_overwriting_replaces_own_files_and_leaves_others(tmp_path, result):
    (tmp_path / "precious.txt").write_text("keep me")
    (tmp_path / "summary.json").write_text("old")
    export.write_all(result, tmp_path, overwrite=True)
    assert names(tmp_path) == WRITTEN | {"precious.txt"}
    assert json.loads((tmp_path / "summary.json").read_text())["schema_version"] == "1.0"


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "out"
    path.write_text("")
    for folder in (path, path / "below"):
        with pytest.raises(SettingsError):
            export.check_output_folder(folder, overwrite=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_closed_folder_is_refused(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(SettingsError, match="can be written"):
        export.check_output_folder(closed / "fit")


@pytest.mark.parametrize("exists", [True, False])
def test_failure_leaves_nothing_behind(tmp_path, exists, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(export, "_write_pictures", broken)
    folder = tmp_path / "fit"
    if exists:
        folder.mkdir()
        (folder / "summary.json").write_text("old")
    with pytest.raises(RuntimeError, match="disk on fire"):
        export.write_all(make_result(n_member=20, n_field=5, n_unused=3), folder, overwrite=True)
    assert names(tmp_path) == ({"fit"} if exists else set())
    if exists:
        assert (folder / "summary.json").read_text() == "old"


def test_input_column_called_member_does_not_break_the_table():
    made = make_result(n_member=20, n_field=5, n_unused=3)
    made.stars["member"] = np.arange(len(made.stars))
    table = export.sources_table(made)
    assert table["member"].dtype == bool
    assert table["member_input"].tolist() == list(range(len(made.stars)))


def test_emcee_reads_the_chain(tmp_path):
    result = make_result(n_member=30, n_field=10)
    backend = emcee.backends.HDFBackend(str(export.write_emcee_chain(result, tmp_path / "chain.h5")), read_only=True)
    np.testing.assert_array_equal(backend.get_chain(), result.chain)
    np.testing.assert_array_equal(backend.get_log_prob(), result.log_prob)
    moved = (np.diff(result.chain, axis=0) != 0).any(axis=2).sum(axis=0)
    np.testing.assert_array_equal(backend.accepted, moved)
    with h5py.File(tmp_path / "chain.h5") as file:
        assert tuple(file["mcmc"].attrs["names"]) == result.names
    assert names(tmp_path) == {"chain.h5"}


@pytest.mark.parametrize("converged", [True, False])
def test_every_file_says_whether_the_fit_converged(tmp_path, monkeypatch, converged):
    made = make_result(n_member=30, n_field=10, n_unused=3, converged=converged)
    monkeypatch.setattr(export, "_write_pictures", lambda *args: None)
    checks = {"quality": "good", "meaning": "Nothing was found.", "checks": []}
    folder = export.write_all(made, tmp_path / "fit", keep_chain=True, checks=checks)
    assert Table.read(folder / "sources.ecsv").meta["converged"] is converged
    with h5py.File(folder / "chain.h5") as file:
        assert bool(file["mcmc"].attrs["converged"]) is converged
    assert json.loads((folder / "checks.json").read_text()) == {"converged": converged, **checks}
    assert json.loads((folder / "summary.json").read_text())["diagnostics"]["converged"] is converged
    assert FitResult.load(folder).converged is converged


@pytest.mark.parametrize("ending", [".fits", ".vot"])
def test_a_table_of_no_fit_has_no_verdict(tmp_path, ending):
    """Whatever its maker calls by that name."""
    export.write_table(Table({"a": [1.0]}, meta={"converged": "to the mean"}), tmp_path / f"t{ending}")
    assert b"converged" not in (tmp_path / f"t{ending}").read_bytes().lower()


def test_what_killed_runs_have_left_is_swept(tmp_path):
    result = make_result(n_member=30, n_field=10)
    old, young = tmp_path / ".out.0a1b2c3d", tmp_path / ".out.4e5f6071"
    for litter in (old, young):
        litter.mkdir()
        (litter / "cmd.png").write_text("")
    os.utime(old, (time.time() - 3600,) * 2)
    export.write_all(result, tmp_path / "out")
    assert names(tmp_path) == {"out", young.name}


def test_metadata_that_a_file_does_not_hold_are_named(tmp_path):
    table = Table({"parallax": [1.0]}, meta={"Parallax_Zero_Point": "applied", "zero_point_error": {}, "HIST": 1})
    assert export.lost_metadata(table, tmp_path / "a.ecsv") == ""
    for ending in ("csv", "fits", "vot"):
        said = export.lost_metadata(table, tmp_path / f"a.{ending}")
        assert said.startswith("only .ecsv keeps what the table says of its Parallax_Zero_Point and zero_point_error")
        assert said.endswith(f"fit a.{ending} with --parallax-zero-point applied")
    assert export.lost_metadata(Table({"a": [1]}, meta={"HIST": 1}), tmp_path / "a.csv") == ""
