"""Certificates say what is true of grids whose interpolation error is known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from clusterbayes.errors import BandError, GridError, SettingsError
from clusterbayes.isochrones import IsochroneGrid, analytic_grid
from clusterbayes.isochrones import certify as module
from clusterbayes.isochrones import grid as grid_module
from clusterbayes.isochrones.certificate import AGE_RANGES
from clusterbayes.isochrones.certify import certify, certify_grid

AGES = np.arange(8.0, 10.01, 0.25)
METALS = np.arange(-1.0, 0.41, 0.2)


@pytest.fixture(autouse=True)
def unrefined(monkeypatch):
    """Hold the rule of interpolation: linear."""
    for place in (module, grid_module):
        monkeypatch.setattr(place, "default_factors", lambda *grid: (1, 1))


def straight_grid(bend_age=0.0, bend_mh=0.0, ages=AGES, metals=METALS) -> IsochroneGrid:
    """A straight main sequence, moved along its normal with the squares of age and metallicity."""
    n = 40
    along = np.column_stack([np.linspace(1.0, 8.0, n), np.linspace(0.0, 3.5, n)])
    normal = np.array([1.0, -2.0]) / np.sqrt(5.0)
    shift = bend_age * (ages[:, None] - 9.0) ** 2 + bend_mh * (metals[None, :]) ** 2
    magnitude, colour = np.moveaxis(along + shift[..., None, None] * normal, -1, 0)
    shape = magnitude.shape
    mass = np.broadcast_to(np.linspace(0.3, 1.6, n), shape).copy()
    return IsochroneGrid(
        log_age=ages, mh=metals, eep=np.arange(n), phase=np.zeros(n, dtype=int), m_ini=mass,
        log_teff=np.full(shape, 3.8), log_lum=np.zeros(shape), log_g=np.full(shape, 4.4),
        bands=("Gaia_G", "Gaia_BP", "Gaia_RP"), mags=np.stack([magnitude, magnitude + colour, magnitude], axis=-1),
        ext=np.zeros((*shape, 3, 3)), metadata={"name": "straight", "family": "straight"},
    )  # fmt: skip


def row(table, **wanted):
    mask = np.ones(len(table), dtype=bool)
    for name, value in wanted.items():
        mask &= table[name] == value
    (index,) = np.flatnonzero(mask)
    return table[index]


def test_a_grid_without_curvature_has_no_error() -> None:
    made = certify_grid(straight_grid())
    assert set(made.comparisons) == {"age", "mh", "age_wide", "mh_wide"}
    assert len(made.comparisons["age"]) == (AGES.size - 2) * METALS.size
    assert len(made.comparisons["mh_wide"]) == AGES.size * (METALS.size - 4)
    assert made.floor() < 1e-7


@pytest.mark.parametrize(("axis", "step"), [("age", 0.25), ("mh", 0.2)])
def test_known_curvature_gives_the_known_error(axis: str, step: float) -> None:
    # Linear interpolation misses c x^2 by c h^2 at the node that was left out, by c h^2 / 4 midway between nodes.
    made = certify_grid(straight_grid(**{f"bend_{axis}": 0.3}))
    expected = 0.3 * step**2
    total = row(made.summary(), test=axis, phase="all", log_age_min=8.0, log_age_max=10.11)
    for name in ("median", "rms", "q99", "worst"):
        assert total[name] == pytest.approx(expected, rel=1e-4)
    assert total["rms_mid"] == pytest.approx(expected / 4.0, rel=1e-4)
    phases = made.phases()
    assert row(phases, phase="main sequence")[axis] == pytest.approx(expected / 4.0, rel=1e-4)
    assert made.floor() == pytest.approx(expected / 4.0, rel=1e-4)
    order = row(made.orders(), axis=axis, phase="all")
    assert (order["narrow"], order["ratio"]) == (pytest.approx(expected, rel=1e-4), pytest.approx(4.0, rel=1e-4))


def test_errors_of_both_axes_add_up() -> None:
    made = certify_grid(straight_grid(bend_age=0.3, bend_mh=0.5))
    assert made.floor() == pytest.approx(np.hypot(0.3 * 0.25**2, 0.5 * 0.2**2) / 4.0, rel=1e-4)


def test_unequal_steps_are_allowed_for() -> None:
    ages = np.array([8.0, 8.5, 8.6, 9.0, 9.5])
    made = certify_grid(straight_grid(bend_age=0.2, ages=ages))
    for comparison in made.comparisons["age"]:
        i = int(np.searchsorted(ages, comparison.log_age))
        step = max(ages[i] - ages[i - 1], ages[i + 1] - ages[i])
        assert comparison.rms / comparison.divisor == pytest.approx(0.2 * step**2 / 4.0, rel=1e-4)


def test_roughness_is_not_divided_away() -> None:
    # Nodes that alternate: the error does not grow with the step, so midway it is as large as it was measured.
    grid = straight_grid()
    rough = grid.mags + 0.04 * ((np.arange(AGES.size) % 2) - 0.5)[:, None, None, None]
    made = certify_grid(replace(grid, mags=rough))
    found = row(made.phases(), phase="main sequence")["age"]
    assert found == pytest.approx(row(made.orders(), axis="age", phase="all")["narrow"], rel=0.02)
    assert found > 0.01


def test_a_jump_at_one_node_is_flagged() -> None:
    smooth = analytic_grid(AGES, METALS)
    mags = smooth.mags.copy()
    mags[4, 3, smooth.phase == 3] += np.array([0.4, 0.4, 0.2, 0.4, 0.4])
    good, bad = certify_grid(smooth), certify_grid(replace(smooth, mags=mags))
    for test in ("age", "mh"):
        wanted = {"test": test, "phase": "giant branch", "log_age_min": 8.0, "log_age_max": 10.11}
        before, after = row(good.summary(), **wanted), row(bad.summary(), **wanted)
        assert after["worst"] > before["worst"] + 0.1
        assert after["rms"] > 1.02 * before["rms"]
    worst = max(bad.comparisons["mh"], key=lambda c: c.rms)
    assert worst.log_age == pytest.approx(AGES[4])
    assert abs(worst.mh - METALS[3]) < 0.21
    assert bad.worst["mh"][0] is worst
    assert bad.floor() > good.floor()


def test_a_ghost_sequence_is_flagged() -> None:
    # Every second age keeps the main sequence but has another giant branch: neighbours foretell a ghost between them.
    smooth = analytic_grid(AGES, METALS)
    mags = smooth.mags.copy()
    mags[1::2, :, smooth.phase == 3, 1] += 0.5
    good, bad = certify_grid(smooth), certify_grid(replace(smooth, mags=mags))
    giants = (row(c.phases(), phase="giant branch")["certified"] for c in (good, bad))
    before, after = giants
    assert before < 0.02
    assert after > 0.2
    assert row(bad.phases(), phase="main sequence")["age"] == pytest.approx(
        row(good.phases(), phase="main sequence")["age"], rel=1e-6
    )


def test_the_analytic_grid_has_errors_of_second_order() -> None:
    made = certify_grid(analytic_grid(np.arange(8.0, 10.01, 0.125), METALS))
    for line in made.orders():
        assert 3.3 < line["ratio"] < 4.2


def test_ages_are_counted_in_one_narrow_range() -> None:
    made = certify_grid(straight_grid(bend_age=0.1))
    summary = made.summary()
    narrow = [ages for ages in AGE_RANGES if ages not in ((7.0, 8.0), (7.5, 10.11), (8.0, 10.11))]
    counts = [
        row(summary, test="age", phase="all", log_age_min=low, log_age_max=high)["n"]
        for low, high in narrow
        if np.any((AGES[1:-1] >= low) & (AGES[1:-1] < high))
    ]
    assert sum(counts) == sum(c.distance.size for c in made.comparisons["age"])


def published(grid: IsochroneGrid, log_age: float, mh: float) -> SimpleNamespace:
    isochrone = grid.isochrone(log_age, mh)
    values = {name: getattr(isochrone, name).copy() for name in ("m_ini", "log_lum", "phase")}
    mags = np.column_stack([isochrone.magnitudes[band] for band in grid.bands])
    return SimpleNamespace(log_age=log_age, mh=mh, bands=grid.bands, mags=mags, **values)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "coarse.h5"
    analytic_grid(AGES, METALS).save(path)
    return path


def test_published_isochrones(tmp_path, monkeypatch) -> None:
    path = tmp_path / "coarse.h5"
    straight_grid(bend_mh=0.5).save(path)
    fine = straight_grid(bend_mh=0.5, metals=np.arange(-1.0, 0.41, 0.05))
    places = [(age, mh) for age in (8.5, 8.6, 8.65, 8.7, 8.8, 8.9, 9.25) for mh in (-0.75, -0.35, 0.05)]
    outside = published(fine, 9.0, 0.0)
    outside.mh = 0.9
    tables = [*(published(fine, *place) for place in places), outside]
    monkeypatch.setattr(module, "read_isochrones", lambda path: tables)
    seen = []
    made = certify(path, raw=["one.dat"], progress=lambda stage, fraction: seen.append((stage, fraction)))
    assert made.name == "coarse"
    assert {(c.log_age, c.mh) for c in made.comparisons["raw"]} == set(places)
    # A quarter of the way between nodes: 0.5 f (1 - f) h^2, as leaving nodes out foretells. 8.6 is not a node.
    expected = 0.5 * 0.25 * 0.75 * 0.2**2
    found = row(made.scaling(), phase="main sequence")
    assert found["measured"] == pytest.approx(expected, rel=1e-3)
    assert found["expected"] == pytest.approx(expected, rel=1e-3)
    assert {c.log_age for c in made.comparisons["raw_mh"]} == {8.5, 9.25}
    phases = made.phases()
    known = np.isfinite(phases["raw"])
    np.testing.assert_array_equal(phases["certified"][known], phases["raw"][known])
    # Of too few ages between the nodes nothing good can be said: the larger figure, that of the nodes left out, stands.
    tables[:] = [table for table in tables if table.log_age in (8.5, 8.6, 9.25)]
    few = row(certify(path, raw=["one.dat"]).phases(), phase="main sequence")
    assert few["raw"] == pytest.approx(expected, rel=1e-3)
    assert few["certified"] == pytest.approx(expected / 0.75, rel=1e-3)
    assert row(phases, phase="main sequence")["raw"] == pytest.approx(expected, rel=1e-3)
    assert all(0.0 <= fraction <= 1.0 for _, fraction in seen)
    assert any("one.dat" in stage for stage, _ in seen)


def test_an_error_of_the_grid_shows_against_published_isochrones(saved, monkeypatch) -> None:
    tables = [published(analytic_grid(AGES, METALS), 8.5, -0.2)]
    tables[0].mags[:, [1, 3]] += 0.03  # BP and B are off: so are the colours, by as much
    monkeypatch.setattr(module, "read_isochrones", lambda path: tables)
    made = certify(saved, raw=["one.dat"])
    assert 0.005 < made.comparisons["raw"][0].rms < 0.03


def test_the_agb_tail_counts_but_not_for_the_floor(saved, monkeypatch) -> None:
    table = published(analytic_grid(AGES, METALS), 9.0, 0.0)
    table.phase = np.where(table.phase == 3, 7, table.phase)
    tail = np.flatnonzero(table.phase == 7)[-3:]
    table.log_lum[tail] -= 0.5  # past its brightest point ...
    table.mags[tail] -= np.array([0.0, 0.0, 2.0, 0.0, 2.0])  # ... and far from where the grid is
    monkeypatch.setattr(module, "read_isochrones", lambda path: [table])
    made = certify(saved, raw=["one.dat"])
    phases = made.phases()
    assert row(phases, phase="AGB tail")["raw"] > 0.5
    assert row(phases, phase="all")["raw"] > 0.1
    assert row(phases, phase="all but the AGB tail")["raw"] < 1e-3
    assert made.floor() < 0.05


def test_what_was_measured_of_a_choice(saved, monkeypatch) -> None:
    fine = analytic_grid(AGES, METALS)
    tables = [published(fine, age, mh) for age in (8.5, 9.0) for mh in (-0.2, 0.0)]
    tables[0].mags[:, [1, 3]] += 0.03
    monkeypatch.setattr(module, "read_isochrones", lambda path: tables)
    made = certify(saved, raw=["one.dat"])
    far = made.measured("raw", (8.0, 9.0), mh=(-1.0, -0.2))
    assert 0.005 < far["rms"] <= far["q99"] < 0.031
    assert far["n"] == sum(c.distance.size for c in made.comparisons["raw"][: len(made.comparisons["raw"]) // 4])
    assert made.measured("raw", (8.0, 9.0), mh=(-0.1, 0.0))["rms"] < 1e-3
    assert made.measured("raw", (9.0, 10.0))["rms"] < 1e-3
    assert made.measured("raw", (6.0, 7.0)) == {"n": 0}


def test_one_way_sees_the_models_points_only() -> None:
    grid, k = straight_grid(), METALS.size // 2
    mags = grid.mags.copy()
    mags[AGES == 9.0, k, 20, 1] += 0.5  # a point off its line, which the nodes beside it do not have
    made = [certify_grid(replace(grid, mags=mags), both_ways=way) for way in (True, False)]

    def at(log_age: float) -> list[np.ndarray]:
        places = [{(c.log_age, c.mh): c.distance for c in m.comparisons["age"]} for m in made]
        return [place[log_age, METALS[k]] for place in places]

    both, one = at(9.0)
    assert both.size == 2 * one.size
    assert both.max() == one.max() > 0.4
    # Beside it half of the point's offset is the interpolation's, and sticks out when it is seen from there.
    both, one = at(8.75)
    assert both.max() > 1.5 * one.max()


def test_what_cannot_be_certified(saved, tmp_path) -> None:
    small = analytic_grid((9.0, 9.5), (-0.3, 0.4))
    with pytest.raises(GridError, match="no node can be left out"):
        certify_grid(small)
    with pytest.raises(SettingsError, match="two bands of a colour"):
        certify(saved, bands=("V", "B"))
    with pytest.raises((GridError, BandError), match="2MASS_J"):
        certify(saved, bands=("V", "V", "2MASS_J"))
    with pytest.raises(GridError, match="no grid"):
        certify(tmp_path / "nowhere.h5")


def test_a_refined_grid_is_not_certified_by_its_inserted_nodes(tmp_path) -> None:
    analytic_grid(AGES, METALS).refine(3, 2).save(tmp_path / "fine.h5")
    with pytest.raises(GridError, match="was refined before it was saved.*certify the grid that it was made of"):
        certify(tmp_path / "fine.h5")


def test_nothing_bright_enough_is_said() -> None:
    with pytest.raises(GridError, match="brighter than -20 mag"):
        certify_grid(analytic_grid(AGES, METALS), faintest=-20.0)


def test_a_grid_without_old_ages_has_no_floor() -> None:
    grid = analytic_grid(AGES, METALS)
    assert np.isnan(certify_grid(replace(grid, log_age=AGES - 2.2)).floor())


def test_raw_diagrams_are_those_that_all_files_and_the_grid_have(saved, monkeypatch) -> None:
    both = [published(analytic_grid(AGES, METALS), 8.5, -0.2) for _ in range(2)]
    both[1].bands = ("Gaia_G", "Gaia_BP", "Gaia_RP", "H", "K")  # the second file lacks B and V
    monkeypatch.setattr(module, "read_isochrones", lambda path: both)
    assert len(certify(saved, raw=["folder"]).comparisons["raw"]) == 2  # Gaia's diagram only
    both[1].bands = both[0].bands
    gaia = saved.with_name("gaia.h5")
    analytic_grid(AGES, METALS).select(module.BANDS).save(gaia)
    assert len(certify(gaia, raw=["folder"]).comparisons["raw"]) == 2


def test_raw_files_without_a_usual_diagram(saved, monkeypatch) -> None:
    table = published(analytic_grid(AGES, METALS), 8.5, -0.2)
    table.bands = ("H", "K")
    monkeypatch.setattr(module, "read_isochrones", lambda path: [table])
    with pytest.raises(GridError, match="no diagram"):
        certify(saved, raw=["one.dat"])


def test_without_a_measured_growth_errors_are_not_divided() -> None:
    few = certify_grid(straight_grid(bend_age=0.4, ages=np.arange(8.0, 9.1, 0.25)[:4]))
    assert set(few.comparisons) == {"age", "mh", "mh_wide"}
    measured = row(few.summary(), test="age", phase="main sequence", log_age_min=8.0, log_age_max=10.11)["rms"]
    assert row(few.phases(), phase="main sequence")["age"] == pytest.approx(measured, rel=0.02)
    many = certify_grid(straight_grid(bend_age=0.4))
    measured = row(many.summary(), test="age", phase="main sequence", log_age_min=8.0, log_age_max=10.11)["rms"]
    assert row(many.phases(), phase="main sequence")["age"] < 0.4 * measured
