from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn, Table
from unit.results.synthetic import make_result

from clusterbayes.bands import parse_observable
from clusterbayes.errors import InputError, SettingsError
from clusterbayes.results import Curve, FitResult


def test_saved_and_loaded_result_is_the_same(result, tmp_path):
    path = result.save(tmp_path / "fit")
    assert path == tmp_path / "fit" / "result.h5"
    for source in (path, path.parent):
        assert FitResult.load(source) == result
    assert [p.name for p in path.parent.iterdir()] == ["result.h5"]


def test_equality_sees_every_piece(tmp_path):
    base = make_result(n_member=20, n_field=5, n_unused=3)
    again = make_result(n_member=20, n_field=5, n_unused=3)
    assert base == again
    again.stars["q"][4] += 1e-15 + np.spacing(again.stars["q"][4])
    assert base != again
    for name, value in (
        ("notes", ["other"]), ("mag_limits", None), ("names", tuple("abcdefg")), ("best", {}), ("curves", []),
        ("log_prob", base.log_prob + 1),
    ):  # fmt: skip
        other = make_result(n_member=20, n_field=5, n_unused=3)
        setattr(other, name, value)
        assert base != other, name


def test_awkward_tables_survive(result, tmp_path):
    stars = Table(meta={"nested": {"a": [1, 2.5, None]}, "when": np.float64(2016.0)})
    stars["id"] = ["4087762027643173248", "", "é\x00ü/ñ "]
    stars["p_member"] = [0.5, np.nan, 1.0]
    stars["name/with slash"] = MaskedColumn([1, 2, 3], mask=[False, True, False], unit="mas", description="odd")
    stars["name|with slash"] = Column(np.array([1, 2, 3], dtype=">i2"), format="%5d", meta={"ucd": "pos"})
    stars["bytes"] = np.array([b"x", b"", b"yz"])
    stars["objects"] = np.array([None, "text", 3], dtype=object)
    stars["masked text"] = MaskedColumn(["a", "b", "c"], mask=[True, False, False])
    stars["pair"] = np.arange(6.0).reshape(3, 2)
    stars["flag"] = [True, False, True]
    stars["."] = np.array([1, 2, 3], dtype=np.uint64) * 2**60
    stars["mag"] = [1.0, 2.0, 3.0] * u.mag
    made = make_result(n_member=20, n_field=5, n_unused=3)
    made.stars = stars
    full = FitResult(**{name: getattr(made, name) for name in made.__dataclass_fields__})
    back = FitResult.load(full.save(tmp_path))
    assert back == full
    assert back.stars["id"].tolist() == ["4087762027643173248", "", "é\x00ü/ñ "]
    assert back.stars["objects"].tolist() == ["None", "text", "3"]
    assert back.stars["bytes"].dtype.kind == "U"
    assert back.stars["mag"].unit == u.mag
    assert back.stars["name/with slash"].mask.tolist() == [False, True, False]


def test_empty_pieces_survive(tmp_path):
    made = make_result(n_member=20, n_field=5, n_unused=3)
    pieces = {name: getattr(made, name) for name in made.__dataclass_fields__}
    stars = Table({"id": np.array([], dtype=str), "p_member": np.array([])})
    empty = FitResult(**{**pieces, "chain": np.empty((0, 4, 7)), "log_prob": np.empty((0, 4)), "stars": stars})
    assert FitResult.load(empty.save(tmp_path)) == empty


def test_the_caller_s_table_is_copied():
    made = make_result(n_member=20, n_field=5, n_unused=3)
    mine = made.stars.copy()
    pieces = {name: getattr(made, name) for name in made.__dataclass_fields__}
    full = FitResult(**{**pieces, "stars": mine})
    mine["p_member"][:] = -1
    assert full == made


def test_summary_agrees_with_the_draws(result):
    summary = result.summary()
    draw = result.draws["log_age"]
    row = summary["log_age"]
    assert row["median"] == np.median(draw)
    assert row["std"] == pytest.approx(draw.std(), rel=1e-12)
    assert row["q05"] < row["q16"] < row["median"] < row["q84"] < row["q95"]
    assert np.mean(draw < row["q16"]) == pytest.approx(0.16, abs=0.005)
    assert row["unit"] == "log10(yr)"
    assert summary["alpha_1"] == {
        **dict.fromkeys(("median", "mean", "q05", "q16", "q84", "q95"), 1.3),
        "std": 0,
        "unit": "",
    }
    wanted = "log_age mh dist_mod distance a_v ebv binary_frac binary_frac_q05 member_frac".split()
    assert set(wanted) <= set(summary)


def test_covariance(result):
    names, matrix = result.covariance(["log_age", "mh"])
    assert names == ("log_age", "mh")
    assert np.sqrt(matrix[0, 0]) == pytest.approx(result.draws["log_age"].std(), rel=1e-12)
    assert matrix[0, 1] == matrix[1, 0] < 0
    assert result.covariance()[0] == result.names
    with pytest.raises(SettingsError, match="did you mean|Did you mean"):
        result.covariance(["log_aeg"])


def test_membership_is_in_input_order_with_gaps(result):
    assert result.p_member.shape == (result.counts["input"],)
    assert np.array_equal(np.isnan(result.p_member), ~np.asarray(result.stars["used"]))


def test_saving_twice_is_refused_unless_asked_for(result, tmp_path):
    result.save(tmp_path)
    with pytest.raises(SettingsError, match="exists already"):
        result.save(tmp_path)
    result.save(tmp_path, overwrite=True)


def test_a_failed_write_leaves_the_old_file(result, tmp_path, monkeypatch):
    path = result.save(tmp_path)
    before = path.read_bytes()
    broken = make_result(n_member=20, n_field=5, n_unused=3)
    broken.diagnostics = {"bad": object()}
    with pytest.raises(TypeError):
        broken.save(tmp_path, overwrite=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["result.h5"]


def test_loading_something_else(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        FitResult.load(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"the folder holds no result\.h5.*a folder that 'clusterbayes fit'"):
        FitResult.load(tmp_path)
    other = tmp_path / "result.h5"
    other.write_text("hello")
    with pytest.raises(InputError, match="no HDF5 file"):
        FitResult.load(other)


def test_a_later_format_is_refused(result, tmp_path):
    import h5py

    path = result.save(tmp_path)
    with h5py.File(path, "a") as file:
        file.attrs["format_version"] = "2.0"
    with pytest.raises(InputError, match="another version"):
        FitResult.load(path)


def test_pieces_that_do_not_belong_together():
    made = make_result(n_member=20, n_field=5, n_unused=3)
    pieces = {name: getattr(made, name) for name in made.__dataclass_fields__}
    for change in (
        {"log_prob": made.log_prob[1:]}, {"names": made.names[1:]}, {"draws": {**made.draws, "extra": np.zeros(3)}},
        {"stars": Table({"id": ["a"]})},
    ):  # fmt: skip
        with pytest.raises(InputError):
            FitResult(**{**pieces, **change})
    with pytest.raises(InputError, match="differ in length"):
        Curve("best", np.zeros(3), np.zeros(3), np.zeros(2), np.zeros((3, 1)), np.zeros(3))


def test_limits_may_be_open():
    made = make_result(n_member=20, n_field=5, n_unused=3)
    pieces = {name: getattr(made, name) for name in made.__dataclass_fields__}
    open_ended = FitResult(**{**pieces, "mag_limits": ["Gaia_G", None, None]})
    assert open_ended.mag_limits == ("Gaia_G", -np.inf, np.inf)


def test_documents_are_plain(result):
    document = result.summary_document()
    assert document["schema_version"] == "1.0"
    json.dumps(document)
    assert set(document) >= {"schema_version", "parameters", "diagnostics", "counts", "provenance"}


def test_it_describes_itself(result):
    assert repr(result).startswith("FitResult(log_age=9.1")
    assert "not converged" in repr(make_result(n_member=20, n_field=5, n_unused=3, converged=False))


def test_it_travels_between_processes(result):
    assert pickle.loads(pickle.dumps(result)) == result


def test_moved_stars_keep_their_colours_and_listed_errors(result):
    """Magnitudes share the error of the move; a colour made of two of them has none of it."""
    plain, listed = result.at_one_distance()
    moved = copy.deepcopy(result)
    moved.stars["distance_shift"], moved.stars["distance_shift_error"] = 0.1, 0.02
    values, errors = moved.at_one_distance()
    kinds = [parse_observable(name).is_magnitude for name in result.observables]
    np.testing.assert_allclose(plain - values, np.where(np.isnan(plain), np.nan, np.where(kinds, 0.1, 0.0)), atol=1e-12)
    np.testing.assert_array_equal(errors, listed)
