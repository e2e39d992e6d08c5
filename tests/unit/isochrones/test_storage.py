"""Grid files: found by name, read back as written, and refused when something is wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from clusterbayes.bands import BANDS
from clusterbayes.errors import GridError
from clusterbayes.isochrones import IsochroneGrid, available_grids, storage


@pytest.fixture
def saved(analytic: IsochroneGrid, tmp_path: Path) -> Path:
    """Return the file of a small grid."""
    path = tmp_path / "small.h5"
    analytic.save(path)
    return path


def test_round_trip(analytic: IsochroneGrid, saved: Path) -> None:
    back = IsochroneGrid.load(saved, refine=False)
    assert back.bands == analytic.bands
    assert back.name == "small"
    assert back.r_v == 3.1
    assert back.metadata["native_bands"] == list(analytic.bands)
    for name in ("log_age", "mh", "eep", "phase", "m_ini"):
        np.testing.assert_array_equal(getattr(back, name), getattr(analytic, name))
    for name in ("log_teff", "log_lum", "log_g", "mags", "ext"):
        np.testing.assert_allclose(getattr(back, name), getattr(analytic, name), rtol=2e-7, atol=1e-7)
    again = back.save(saved.with_name("again.h5"))
    assert again.digest == back.digest
    np.testing.assert_array_equal(again.mags, back.mags)
    assert sorted(p.name for p in saved.parent.iterdir()) == ["again.h5", "small.h5"]


def test_saving_into_a_missing_folder_names_it(analytic: IsochroneGrid, tmp_path: Path) -> None:
    with pytest.raises(GridError, match="no such folder to write to.*make it first") as caught:
        analytic.save(tmp_path / "missing" / "grid.h5")
    assert str(caught.value).startswith(str(tmp_path / "missing"))
    assert not (tmp_path / "missing").exists()


def test_the_digest_depends_on_every_number(analytic: IsochroneGrid, saved: Path, tmp_path: Path) -> None:
    values = {name: getattr(analytic, name) for name in analytic.__dataclass_fields__}
    mags = analytic.mags.copy()
    mags[1, 1, 7, 2] += 1e-3
    other = IsochroneGrid(**{**values, "mags": mags}).save(tmp_path / "other.h5")
    assert other.digest != IsochroneGrid.load(saved, refine=False).digest
    assert len(other.digest) == 64


def test_a_changed_array_is_noticed(saved: Path) -> None:
    with h5py.File(saved, "r+") as file:
        file["mags/V"][0, 0, 0] += 0.5
    with pytest.raises(GridError, match="mags/V"):
        IsochroneGrid.load(saved)
    IsochroneGrid.load(saved, bands=["B"])  # what is not read is not verified


def test_changed_metadata_are_noticed(saved: Path) -> None:
    with h5py.File(saved, "r+") as file:
        file.attrs["metadata"] = str(file.attrs["metadata"]).replace("analytic", "Padova")
    with pytest.raises(GridError, match="digest"):
        IsochroneGrid.load(saved)


@pytest.mark.parametrize(
    ("version", "remedy"), [(1, "make the file again with this release"), (99, "install the release that wrote it")]
)
def test_another_version_is_refused_with_the_remedy(saved: Path, version: int, remedy: str) -> None:
    with h5py.File(saved, "r+") as file:
        file.attrs["version"] = version
    with pytest.raises(GridError, match=rf"version {version}.*Expected: version 2.*{remedy}"):
        IsochroneGrid.load(saved)
    with pytest.raises(GridError, match=f"version {version}"):
        storage.describe_grid(saved)


def test_a_theory_grid_has_no_bands_and_no_extinction(analytic: IsochroneGrid, tmp_path: Path) -> None:
    path = tmp_path / "theory.h5"
    arrays = {name: getattr(analytic, name) for name in storage.ARRAYS}
    storage.write_grid(path, arrays, (), None, None, {"family": "test", "digest": "stale", "native_bands": ["V"]})
    for bands in (None, (), ("V",)):
        values = storage.read_grid(path, bands)
        assert values["bands"] == ()
        assert values["mags"].shape == (*analytic.m_ini.shape, 0)
        assert values["ext"] is None
    assert values["metadata"]["native_bands"] == []
    assert len(values["metadata"]["file_digest"]) == 64
    np.testing.assert_array_equal(values["m_ini"], analytic.m_ini)
    info = storage.describe_grid(path)
    assert info["bands"] == {}
    assert info["n_eep"] == analytic.eep.size
    with pytest.raises(GridError, match="magnitudes are missing"):
        storage.write_grid(path, arrays, ("V",), None, None, {})


def test_magnitudes_without_extinction(analytic: IsochroneGrid, saved: Path) -> None:
    arrays = {name: getattr(analytic, name) for name in storage.ARRAYS}
    path = saved.with_name("plain.h5")
    storage.write_grid(path, arrays, analytic.bands, analytic.mags, None, {})
    values = storage.read_grid(path, ("V", "Gaia_BP"))
    assert values["ext"] is None
    np.testing.assert_allclose(values["mags"], analytic.mags[..., [4, 1]], atol=1e-6)
    assert storage.read_grid(path, ())["mags"].shape[-1] == 0
    own = storage.read_grid(saved, ("V",))["ext"]
    np.testing.assert_allclose(own, analytic.ext[..., [4], :], atol=1e-7)


def test_other_files_are_refused(tmp_path: Path, saved: Path) -> None:
    text = tmp_path / "text.h5"
    text.write_text("not a grid")
    with pytest.raises(GridError, match="cannot be read"):
        IsochroneGrid.load(text)
    plain = tmp_path / "plain.h5"
    with h5py.File(plain, "w") as file:
        file["x"] = 1.0
    with pytest.raises(GridError, match="not an isochrone grid"):
        IsochroneGrid.load(plain)
    cut = tmp_path / "cut.h5"
    shutil.copy(saved, cut)
    with cut.open("r+b") as stream:
        stream.truncate(saved.stat().st_size // 2)
    with pytest.raises(GridError):
        IsochroneGrid.load(cut)
    with h5py.File(saved, "r+") as file:
        del file["log_lum"]
    with pytest.raises(GridError):
        IsochroneGrid.load(saved)


def test_unknown_names_suggest_known_ones(saved: Path) -> None:
    with pytest.raises(GridError, match="no grid 'parsek'.*did you mean parsec"):
        IsochroneGrid.load("parsek")
    with pytest.raises(GridError, match="there is no grid"):
        IsochroneGrid.load(saved.with_name("absent.h5"))
    with pytest.raises(GridError, match="no band SDSS_g"):
        IsochroneGrid.load(saved, bands=["SDSS_g"])
    with pytest.raises(GridError, match="unknown band 'Gaia_GG'"):
        IsochroneGrid.load(saved, bands=["Gaia_GG"])
    with pytest.raises(GridError, match="no band was asked for"):
        IsochroneGrid.load(saved, bands=[])


def test_the_default_grid_says_what_it_is() -> None:
    info = available_grids()["parsec"]
    assert info["family"] == "PARSEC"
    assert "Bressan" in info["citation"]
    assert info["log_age"] == [6.0, 10.2]
    assert info["mh"] == pytest.approx([-2.19174, 0.3])
    assert len(info["bands"]) == 25
    assert set(info["bands"]) <= set(BANDS)
    assert info["bands"]["SDSS_g"] == "AB"
    assert info["bands"]["Gaia_G"] == "Vega"
    loaded = IsochroneGrid.load("parsec", bands=["V"])
    assert loaded.metadata["file_digest"] == info["digest"]
    assert loaded.info()["n_eep"] == info["n_eep"]
    assert "corrections" not in available_grids()


def test_all_bands_of_the_default_grid_load() -> None:
    grid = IsochroneGrid.load()
    assert grid.bands == tuple(grid.metadata["native_bands"])
    assert np.all(np.isfinite(grid.mags))
    assert np.all(np.isfinite(grid.ext))
