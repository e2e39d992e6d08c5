"""Families: a sound registry, and grids that are composed from a package that may be missing or another one."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
from unit.isochrones.sparse import LOG_AGE, MH, write_sparse

from clusterbayes.errors import GridError, SettingsError
from clusterbayes.isochrones import IsochroneGrid, families, storage, theory
from clusterbayes.isochrones.eep import PHASES
from clusterbayes.isochrones.families import FAMILIES, compose, composed_path

INSTALLED = importlib.util.find_spec(families.PACKAGE) is not None


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTERBAYES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "grids"


@pytest.fixture
def package(tmp_path, monkeypatch, cache):
    """Install a package that holds one invented family, under the name of the real one; return its table."""
    folder = tmp_path / "site" / families.PACKAGE
    (folder / "grids").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('nothing of this package needs to be run')")
    table = write_sparse(folder / "grids" / "toy.h5")
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.delitem(sys.modules, families.PACKAGE, raising=False)
    toy = replace(
        FAMILIES["mist"],
        name="toy",
        title="Toy",
        member="grids/toy.h5",
        sha256=hashlib.sha256(table.read_bytes()).hexdigest(),
        log_age=(LOG_AGE[0], LOG_AGE[-1]),
        mh=(MH[0], MH[-1]),
    )
    monkeypatch.setitem(FAMILIES, "toy", toy)
    monkeypatch.setitem(theory.RECIPES, "toy", replace(theory.RECIPES["mist"], continued=()))
    return table


@pytest.mark.parametrize("name", FAMILIES)
def test_registry_is_sound(name):
    family = FAMILIES[name]
    assert family.name == name
    assert re.fullmatch("[0-9a-f]{64}", family.sha256)
    assert 5.0 < family.log_age[0] < family.log_age[1] < 10.31
    assert -4.1 < family.mh[0] < family.mh[1] < 0.6
    for field in ("title", "release", "masses", "phases", "solar_scale", "alpha", "rotation", "recommended_for"):
        assert getattr(family, field).strip(), field
    assert re.search(r"\d{4}, \w+ \d+, \d+", family.citation), "a paper with year, journal, volume and page"
    assert "not stated" in family.licence
    assert name not in storage.installed_grids(), "an installed grid would hide the family"
    recipe = theory.RECIPES[name]
    assert set(recipe.layout) <= set(PHASES)
    assert list(recipe.layout) == sorted(recipe.layout)
    assert sum(1 + sum(counts) for counts in recipe.layout.values()) <= 400
    # Every second point of a phase is a coarser path that still has its anchors.
    assert all(count % 2 == 0 for counts in recipe.layout.values() for count in counts)


def test_unknown_families_are_refused(cache):
    with pytest.raises(SettingsError, match=r"unknown family.*Did you mean mist"):
        compose("mits")


def test_a_family_is_composed_and_loaded(package, cache):
    told = []
    path = compose("toy", lambda stage, fraction: told.append((stage, fraction)))
    assert path == composed_path("toy") == cache / f"toy-{FAMILIES['toy'].recipe_version}.h5"
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert all(stage for stage, _ in told)

    grid = IsochroneGrid.load("toy", bands=("Gaia_G", "Gaia_BP"), refine=False)
    assert grid.log_age == pytest.approx(LOG_AGE)
    assert grid.mh == pytest.approx(MH)
    assert np.all(np.diff(grid.m_ini) >= 0)
    assert np.all(np.isfinite(grid.mags))
    assert set(grid.phase) == {0, 2, 3, 4, 7}
    assert grid.metadata["family"] == "Toy"
    assert grid.metadata["licence"] == FAMILIES["toy"].licence
    assert grid.metadata["sha256"] == FAMILIES["toy"].sha256


def test_composing_twice_gives_the_same_grid(package, cache):
    first = compose("toy").read_bytes()
    digest = storage.describe_grid(composed_path("toy"))["digest"]
    composed_path("toy").unlink()
    assert compose("toy").read_bytes() == first
    assert storage.describe_grid(composed_path("toy"))["digest"] == digest


def test_a_composed_grid_needs_the_package_no_more(package, cache):
    path = compose("toy")
    before = path.stat().st_mtime_ns
    shutil.rmtree(package.parents[1])
    assert compose("toy") == path
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("content", ["truncated", "other version"])
def test_a_grid_that_cannot_be_used_is_composed_again(package, cache, content):
    path = compose("toy")
    whole = path.read_bytes()
    if content == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        with h5py.File(path, "a") as file:
            file.attrs["version"] = storage.FORMAT_VERSION - 1
    assert compose("toy").read_bytes() == whole


def test_composing_again_replaces_the_old_grid_or_keeps_it(package, cache):
    path = compose("toy")
    before = path.stat().st_mtime_ns
    assert compose("toy", force=True) == path
    assert path.stat().st_mtime_ns > before
    whole = path.read_bytes()
    package.unlink()
    with pytest.raises(GridError, match="no file"):
        compose("toy", force=True)
    assert path.read_bytes() == whole
    assert list(cache.iterdir()) == [path]


def test_an_interrupted_composition_leaves_nothing(package, cache, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        compose("toy")
    assert list(cache.iterdir()) == []


def test_missing_package_says_what_to_install(cache, monkeypatch):
    monkeypatch.setattr(families.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GridError, match=re.escape('pip install "clusterbayes[families]"')) as caught:
        compose("mist")
    assert "lachesis-grids 0.0.9" in str(caught.value)
    with pytest.raises(GridError, match=re.escape('pip install "clusterbayes[families]"')):
        IsochroneGrid.load("mist")


def test_missing_file_is_named(package, cache):
    package.unlink()
    with pytest.raises(GridError, match=r"no file grids/toy\.h5"):
        compose("toy")


def test_another_file_is_refused(package, cache):
    with h5py.File(package, "a") as file:
        file["values"][0, 2] = 0.5
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    with pytest.raises(GridError) as caught:
        compose("toy")
    message = str(caught.value)
    assert "toy.h5" in message
    assert found in message
    assert FAMILIES["toy"].sha256 in message
    assert not composed_path("toy").exists()


# --- the real tables ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Return a function that loads a composed family in Gaia bands and V, or skip with the reason."""
    if not INSTALLED:
        reason = f"{families.PACKAGE} is not installed ({families.REMEDY})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("cache")
    grids = {}

    def load(name):
        if name not in grids:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("CLUSTERBAYES_CACHE", str(folder))
                grids[name] = IsochroneGrid.load(name, bands=("Gaia_G", "Gaia_BP", "Gaia_RP", "V"), refine=False)
        return grids[name]

    return load


@pytest.mark.parametrize("name", FAMILIES)
def test_real_families_are_whole(real, name):
    grid, family = real(name), FAMILIES[name]
    assert grid.name == name
    assert (grid.log_age[0], grid.log_age[-1]) == pytest.approx(family.log_age, abs=1e-4)
    assert (grid.mh[0], grid.mh[-1]) == pytest.approx(family.mh, abs=1e-4)
    for values in (grid.m_ini, grid.log_teff, grid.log_lum, grid.log_g, grid.mags, grid.ext):
        assert np.all(np.isfinite(values))
    assert np.all(np.diff(grid.m_ini) >= 0)
    within = np.diff(grid.phase) == 0
    assert np.max(np.abs(np.diff(grid.log_lum))[..., within]) < 0.45
    old = grid.log_age > 9.0
    assert np.max(np.abs(np.diff(grid.log_teff))[old][..., within]) < 0.06


def distance(points, line, kept):
    """Return the distance of points (n, 2) to the kept segments of a broken line (m, 2)."""
    start, step = line[:-1][kept], np.diff(line, axis=0)[kept]
    away = points[:, None] - start
    along = np.clip(np.sum(away * step, axis=2) / np.maximum(np.sum(step**2, axis=1), 1e-18), 0.0, 1.0)
    return np.sqrt(np.min(np.sum((away - along[..., None] * step) ** 2, axis=2), axis=1))


def left_out(grid, i, k):
    """Return the errors at an isochrone of the grid that is interpolated from its neighbours in age."""

    def line(mags):
        return np.column_stack([mags[:, 0], mags[:, 1] - mags[:, 2]])

    f = (grid.log_age[i] - grid.log_age[i - 1]) / (grid.log_age[i + 1] - grid.log_age[i - 1])
    made = (1 - f) * grid.mags[i - 1, k] + f * grid.mags[i + 1, k]
    true = grid.mags[i, k]
    return distance(line(true)[true[:, 3] < 9], line(made), np.diff(grid.phase) == 0)


# Measured: 0.0054, 0.0027, 0.0084, 0.0028; what is left are wiggles of the models themselves.  The old families are
# tested from 2.5 Gyr on: at younger ages the tip of the giant branch moves fast.
@pytest.mark.parametrize(
    ("name", "mh", "low", "limit"),
    [
        ("mist", 0.0, 7.5, 0.0065),
        ("basti", 0.0, 9.4, 0.0035),
        ("dartmouth", 0.0, 9.4, 0.01),
        ("yapsi", 0.05, 9.4, 0.0035),
    ],
)
def test_a_node_that_is_left_out_is_foretold(real, name, mh, low, limit):
    grid = real(name)
    k = int(np.argmin(np.abs(grid.mh - mh)))
    inner = [i for i in range(1, grid.log_age.size - 1) if low - 3e-3 < grid.log_age[i] < 10.11]
    errors = np.concatenate([left_out(grid, i, k) for i in inner])
    assert np.sqrt(np.mean(errors**2)) < limit
    assert np.median(errors) < 0.001


def test_families_agree_on_a_star_like_the_sun(real):
    """One solar mass at 4.57 Gyr: 5772 K and one solar luminosity, within what families differ by."""
    for name in FAMILIES:
        star = real(name).isochrone(9.66, 0.0)
        early = star.phase == 0
        teff, lum = (np.interp(1.0, star.m_ini[early], v[early]) for v in (star.log_teff, star.log_lum))
        assert 10.0**teff == pytest.approx(5772, abs=130), name
        assert lum == pytest.approx(0.0, abs=0.06), name


def test_mist_reaches_low_masses_at_all_metallicities(real):
    grid = real("mist")
    old = grid.log_age > 6.5
    assert np.max(grid.m_ini[old][..., 0]) < 0.105
    # The continuation at [Fe/H] = +0.5 goes on to the red of [Fe/H] = +0.25.
    i = int(np.argmin(np.abs(grid.log_age - 9.0)))
    near, last = grid.mh.size - 2, grid.mh.size - 1
    mass = np.array([0.2, 0.3, 0.45])
    teff = [np.interp(mass, grid.m_ini[i, k, :60], grid.log_teff[i, k, :60]) for k in (near, last)]
    assert np.all(teff[1] < teff[0])
    assert np.all(teff[1] > teff[0] - 0.05)
