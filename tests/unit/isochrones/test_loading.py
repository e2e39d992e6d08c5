"""Loading: magnitudes native or composed, extinction by law, and a digest that covers all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clusterbayes.errors import GridError, SettingsError
from clusterbayes.isochrones import IsochroneGrid, families, loading, storage
from clusterbayes.isochrones.bolometric import CorrectionTable, ExtinctionTable
from clusterbayes.isochrones.extinction import extinction_coefficients

GAIA = ("Gaia_G", "Gaia_BP", "Gaia_RP")


@pytest.fixture
def theory(analytic: IsochroneGrid, tmp_path: Path) -> Path:
    """Return the file of a grid without magnitudes."""
    path = tmp_path / "theory.h5"
    arrays = {name: getattr(analytic, name) for name in storage.ARRAYS}
    storage.write_grid(path, arrays, (), None, None, {"family": "analytic", "citation": "none"})
    return path


@pytest.fixture
def corrections(tmp_path: Path) -> Path:
    """Return a user's own table of corrections, zero in V and one in B."""
    axes = (np.array([3.0, 5.5]), np.array([-2.0, 6.0]), np.array([-1.0, 0.4]))
    bc = np.zeros((2, 2, 2, 2))
    bc[..., 0] = 1.0
    extinction = ExtinctionTable(*axes, ("B", "V"), np.zeros((2, 2, 2, 2, 3)))
    path = tmp_path / "own.h5"
    CorrectionTable(*axes, ("B", "V"), bc, extinction, {"source": "test"}).save(path)
    return path


def test_a_theory_grid_gets_its_magnitudes_from_the_installed_table(analytic: IsochroneGrid, theory: Path) -> None:
    grid = IsochroneGrid.load(theory, ["PS_g", "G"], refine=False)
    assert grid.bands == ("PS1_g", "Gaia_G")
    star = (grid.log_teff, grid.log_g, grid.mh[None, :, None])
    expected = CorrectionTable.load(bands=grid.bands).magnitudes(grid.log_lum, *star)
    np.testing.assert_array_equal(grid.mags, expected)
    np.testing.assert_array_equal(grid.ext, extinction_coefficients(grid.bands, *star))
    assert grid.metadata["corrections"] == "corrections"
    assert grid.metadata["points_outside_corrections"] == 0
    # The closed form was drawn after real stars.
    sequence = grid.phase == 0
    assert np.median(np.abs(grid.mags[2, 1, sequence, 1] - analytic.mags[2, 1, sequence, 0])) < 0.6
    isochrone = grid.isochrone(9.2, -0.1)
    assert np.all(np.isfinite(isochrone.magnitudes["PS1_g"]))
    assert np.all(isochrone.extinction(1.0)["PS1_g"] > 1.0)


def test_a_theory_grid_has_all_bands_of_the_table_unless_some_are_named(theory: Path) -> None:
    grid = IsochroneGrid.load(theory, refine=False)
    assert grid.bands == CorrectionTable.load().bands
    assert grid.metadata["native_bands"] == []
    with pytest.raises(GridError, match="correction table has no band DECam_g"):
        IsochroneGrid.load(theory, ["DECam_g"])


def test_a_users_own_corrections(theory: Path, corrections: Path) -> None:
    grid = IsochroneGrid.load(theory, corrections=corrections, refine=False)
    assert grid.bands == ("B", "V")
    np.testing.assert_allclose(grid.mags[..., 1], 4.74 - 2.5 * grid.log_lum, atol=1e-12)
    np.testing.assert_allclose(grid.mags[..., 0], grid.mags[..., 1] - 1.0, atol=1e-12)
    assert grid.metadata["corrections"] == "own"
    grid = IsochroneGrid.load("parsec", ["V"], corrections=corrections, refine=False)
    poor = int(np.sum(grid.mh < -1.0))
    assert grid.metadata["points_outside_corrections"] == poor * grid.log_age.size * grid.eep.size


def test_parsec_with_corrections_of_mist_resembles_parsec() -> None:
    native = IsochroneGrid.load("parsec", GAIA, refine=False)
    composed = IsochroneGrid.load("parsec", GAIA, corrections="mist", refine=False)
    assert composed.bands == native.bands
    np.testing.assert_array_equal(composed.m_ini, native.m_ini)
    np.testing.assert_array_equal(composed.ext, native.ext)
    solar, middle = int(np.argmin(np.abs(native.mh))), slice(10, 30)
    warm = (native.log_teff[middle, solar] > np.log10(5000)) & (native.log_teff[middle, solar] < np.log10(9000))
    gap = (composed.mags - native.mags)[middle, solar][warm]
    assert np.abs(np.median(gap, axis=0)).max() < 0.03
    assert not np.array_equal(composed.mags, native.mags)
    assert composed.metadata["native_bands"] == native.metadata["native_bands"]


def test_bands_that_only_the_corrections_have(theory: Path) -> None:
    with pytest.raises(GridError, match='no band GALEX_NUV.*corrections="corrections"'):
        IsochroneGrid.load("parsec", ["NUV"])
    assert IsochroneGrid.load("parsec", ["NUV"], corrections="corrections", refine=False).bands == ("GALEX_NUV",)


def test_magnitudes_are_composed_once(
    theory: Path, corrections: Path, analytic: IsochroneGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_composed", {})
    asked: list[tuple[str, ...]] = []
    evaluate = CorrectionTable.magnitudes

    def counted(self: CorrectionTable, *star: Any) -> np.ndarray:
        asked.append(self.bands)
        return evaluate(self, *star)

    monkeypatch.setattr(CorrectionTable, "magnitudes", counted)
    first, again = (IsochroneGrid.load(theory, ["V", "B"], refine=False) for _ in range(2))
    assert asked == [("V", "B")]
    np.testing.assert_array_equal(first.mags, again.mags)
    assert first.metadata == again.metadata
    with pytest.raises(ValueError, match="read-only"):
        again.mags[0, 0, 0, 0] = 0.0
    # Other bands, another table and another grid are not the same numbers.
    IsochroneGrid.load(theory, ["B", "V"], refine=False)
    own = IsochroneGrid.load(theory, ["V", "B"], corrections=corrections, refine=False)
    assert own.metadata["corrections"] == "own"
    assert len(asked) == 3
    arrays = {name: getattr(analytic, name) for name in storage.ARRAYS}
    storage.write_grid(theory, {**arrays, "log_lum": arrays["log_lum"] + 0.4}, (), None, None, {"family": "brighter"})
    brighter = IsochroneGrid.load(theory, ["V", "B"], refine=False)
    assert len(asked) == 4
    np.testing.assert_allclose(brighter.mags, first.mags - 1.0, atol=1e-6)


def test_few_composed_grids_are_remembered(theory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_composed", {})
    bands = ("B", "V", "R", "I", "2MASS_J")
    for band in bands:
        IsochroneGrid.load(theory, band, refine=False)
    assert [key[2] for key in loading._composed] == [(band,) for band in bands[1:]]
    monkeypatch.setattr(loading, "_LARGEST", 1.0)
    IsochroneGrid.load(theory, ["U"], refine=False)
    assert all(key[2] != ("U",) for key in loading._composed)


def test_a_single_text_is_one_band(theory: Path) -> None:
    for name in (theory, "parsec"):
        assert IsochroneGrid.load(name, "Gaia_G", refine=False).bands == ("Gaia_G",)
    assert CorrectionTable.load(bands="Gaia_G").bands == ("Gaia_G",)
    assert IsochroneGrid.load("parsec", ["V", "B"], refine=False).select("Johnson_B").bands == ("B",)


def test_same_choices_same_digest_same_numbers(theory: Path) -> None:
    first, second = (IsochroneGrid.load(theory, GAIA) for _ in range(2))
    assert first.digest == second.digest
    np.testing.assert_array_equal(first.mags, second.mags)
    assert IsochroneGrid.load(theory, ["V"]).digest == first.digest  # a choice of bands changes no number


def test_every_choice_changes_the_digest(theory: Path, corrections: Path, analytic: IsochroneGrid) -> None:
    load: Callable[..., IsochroneGrid] = IsochroneGrid.load
    changed = theory.with_name("changed.h5")
    arrays = {name: getattr(analytic, name) for name in storage.ARRAYS}
    arrays["log_lum"] = arrays["log_lum"] + 0.001
    storage.write_grid(changed, arrays, (), None, None, {"family": "analytic", "citation": "none"})
    digests = [
        load(theory, ["V"], refine=False).digest,
        load(theory, ["V"], refine=False, law="G23").digest,
        load(theory, ["V"], refine=False, law="G23", r_v=3.3).digest,
        load(theory, ["V"], refine=False, r_v=2.9).digest,
        load(theory, ["V"], refine=False, corrections=corrections).digest,
        load(changed, ["V"], refine=False).digest,
        load(theory, ["V"], refine=False).refine(age=2, mh=1).digest,
        load("parsec", ["V"], refine=False).digest,
        load("parsec", ["V"], refine=False, corrections="corrections").digest,
        load("parsec", ["V"], refine=False, law="astromancer").digest,
    ]
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 64 for digest in digests)


def test_a_family_is_composed_when_it_is_asked_for(theory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, float]] = []

    def compose(name: str, progress: Callable[[str, float], None] | None) -> Path:
        assert progress is not None
        progress(f"composing {name}", 0.5)
        return theory

    monkeypatch.setattr(families, "compose", compose)
    grid = IsochroneGrid.load("mist", ["V"], refine=False, progress=lambda stage, done: told.append((stage, done)))
    assert grid.name == "mist"
    assert told == [("composing mist", 0.5)]
    assert grid.digest == IsochroneGrid.load(theory, ["V"], refine=False).digest
    with pytest.raises(GridError, match="no grid 'mits'.*did you mean mist"):
        IsochroneGrid.load("mits")


def test_law_and_r_v_reach_the_coefficients(theory: Path) -> None:
    plain = IsochroneGrid.load(theory, ["B", "V"], refine=False)
    other = IsochroneGrid.load(theory, ["B", "V"], refine=False, law="F19", r_v=2.5)
    assert plain.r_v == 3.1
    assert other.r_v == 2.5
    assert (plain.metadata["law"], other.metadata["law"]) == ("tables", "F19")
    np.testing.assert_array_equal(plain.mags, other.mags)
    star = (other.log_teff, other.log_g, other.mh[None, :, None])
    np.testing.assert_array_equal(other.ext, extinction_coefficients(("B", "V"), *star, law="F19", r_v=2.5))
    # Less dust in between grains, more reddening per A_V.
    assert np.all(np.diff(other.ext[..., 0], axis=-1) < np.diff(plain.ext[..., 0], axis=-1))


def test_unknown_laws_are_refused(theory: Path) -> None:
    with pytest.raises(SettingsError, match="law"):
        IsochroneGrid.load(theory, ["V"], law="F09")


def test_a_grid_with_coefficients_of_its_own_keeps_them(analytic: IsochroneGrid, tmp_path: Path) -> None:
    saved = analytic.save(tmp_path / "own.h5")
    np.testing.assert_allclose(saved.ext, analytic.ext, atol=1e-7)
    assert "extinction_digest" not in saved.metadata
    with pytest.raises(SettingsError, match="coefficients of its own.*leave the law and R_V out"):
        IsochroneGrid.load(tmp_path / "own.h5", law="F19")
    composed = IsochroneGrid.load(tmp_path / "own.h5", ["TESS"], corrections="corrections", law="F19", refine=False)
    assert composed.metadata["law"] == "F19"  # other magnitudes, so other coefficients


def test_a_composed_grid_that_is_saved_stays_what_it_is(theory: Path) -> None:
    grid = IsochroneGrid.load(theory, ["V", "B"], law="G23", r_v=3.3, refine=False)
    back = grid.save(theory.with_name("saved.h5"))
    np.testing.assert_allclose(back.mags, grid.mags, atol=1e-6)
    np.testing.assert_allclose(back.ext, grid.ext, atol=1e-6)
    assert back.metadata["law"] == "G23"
    assert back.r_v == 3.3
    assert back.metadata["native_bands"] == ["V", "B"]
    assert IsochroneGrid.load(theory.with_name("saved.h5"), law="G23", r_v=3.3, refine=False).digest == back.digest
    with pytest.raises(SettingsError, match=r"for G23 at R_V = 3.3"):
        IsochroneGrid.load(theory.with_name("saved.h5"), law="F19")


def test_a_grid_in_memory_has_no_digest(analytic: IsochroneGrid) -> None:
    assert analytic.digest == ""
    assert replace(analytic, metadata={}).r_v == 3.1
