"""Importing users' isochrone files: what comes out is a grid like any other, and what cannot be one is refused."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.isochrones import invented
from unit.model.mocks import GAIA, TRUTH, at_truth, make_model, mock_table

from clusterbayes.errors import ClusterBayesError, GridError, InputError
from clusterbayes.isochrones import IsochroneGrid, analytic_grid
from clusterbayes.isochrones.importer import import_isochrones

FINE = tuple(np.round(np.arange(8.4, 9.01, 0.1), 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("imports")


def imported(folder, texts: dict[str, str], **options) -> tuple[IsochroneGrid, list[str]]:
    source = invented.write(folder / "source", texts)
    report = import_isochrones(source, folder / "out.h5", **options)
    return IsochroneGrid.load(folder / "out.h5", refine=False), report.lines()


def distance(grid: IsochroneGrid, log_age: float, mh: float) -> np.ndarray:
    """Return how far a grid's isochrone lies off the closed form in G, at given mass [mag]."""
    iso, true = grid.isochrone(log_age, mh), invented.isochrone(log_age, mh)
    return iso.magnitudes["Gaia_G"] - np.interp(iso.m_ini, true.m_ini, true.magnitudes["Gaia_G"])


@pytest.mark.parametrize(
    ("texts", "n_mh", "tolerance"),
    [
        # Cubics through 40 points of the closed form against straight lines between them: 0.09 mag at the faint end.
        ({"a.dat": invented.parsec_text()}, 3, 0.1),
        # The same isochrone at 621 points along those straight lines, whose corners the cubics round.
        ({"a.iso.cmd": invented.mist_text()}, 1, 0.015),
        # Files have steps of 0.01 to 0.03 Msun there.
        ({f"{age}.isc": invented.basti_text(age) for age in invented.AGES}, 1, 0.1),
    ],
    ids=["parsec", "mist", "basti"],
)
def test_nodes_lie_on_the_files_isochrones(tmp_path, texts, n_mh, tolerance) -> None:
    grid, _ = imported(tmp_path, texts)
    assert grid.log_age == pytest.approx(invented.AGES) and grid.mh.size == n_mh
    assert grid.eep.size < 420 and grid.bands == GAIA
    assert np.all(np.diff(grid.m_ini, axis=-1) >= 0)
    for log_age in grid.log_age:
        for mh in grid.mh:
            true = invented.isochrone(log_age, mh)
            iso = grid.isochrone(log_age, mh)
            assert np.abs(distance(grid, log_age, mh)).max() < tolerance
            np.testing.assert_allclose(iso.m_ini[[0, -1]], true.m_ini[[0, -1]], rtol=1e-6)


def test_a_grid_tells_where_it_comes_from(tmp_path) -> None:
    text = invented.parsec_text()
    grid, _ = imported(tmp_path, {"mine.dat": text}, name="my isochrones")
    known = grid.metadata
    assert known["family"] == "PARSEC" and "CMD 3.7" in known["release"] and known["title"] == "my isochrones"
    assert known["citation"] == "Somebody et al. (2012)" and "Caffau" in known["solar_scale"]
    assert known["source_files"] == [{"file": "mine.dat", "sha256": hashlib.sha256(text.encode()).hexdigest()}]
    assert known["passbands"] == "Gaia EDR3" and known["native_z"] == pytest.approx(
        [0.0152 * 10**m for m in grid.mh], rel=1e-4
    )


def test_importing_twice_gives_the_same_digest(tmp_path) -> None:
    first, _ = imported(tmp_path, {"mine.dat": invented.parsec_text()})
    second, _ = imported(tmp_path, {"mine.dat": invented.parsec_text()})
    assert first.digest == second.digest != ""


def test_the_report_counts_what_was_dropped(tmp_path) -> None:
    source = invented.write(tmp_path / "s", {"a.iso": invented.mist_text(), "readme.md": "hello"})
    stages = []
    report = import_isochrones(
        source, tmp_path / "o.h5", progress=lambda stage, fraction: stages.append((stage, fraction))
    )
    assert report.n_read == 3 * 621 and report.dropped == {"thermally pulsing giants and later (EEP above 808)": 36}
    assert report.mh == (0.0,) and report.log_age == pytest.approx(invented.AGES)
    said = "\n".join(report.lines())
    for words in (
        "points read: 1863, dropped: 36",
        "readme.md",
        "holds mh at 0",
        "wide steps (log age up to 0.5",
        "o.h5",
    ):
        assert words in said
    assert stages[0] == ("read", 0.0) and stages[-1] == ("write", 1.0)


def test_files_of_one_isochrone_in_two_systems_are_joined(tmp_path) -> None:
    johnson = {"Bmag": "B", "Vmag": "V"}
    texts = {
        "gaia.dat": invented.parsec_text(),
        "ubv.dat": invented.parsec_text(system="<i>UBVRIJHK</i> (Somebody 1990)", columns=johnson),
    }
    grid, said = imported(tmp_path, texts)
    assert grid.bands == (*GAIA, "B", "V")
    assert any("B V of ubv.dat joined" in line for line in said)


def test_theory_files_give_a_grid_that_takes_its_magnitudes_from_corrections(tmp_path) -> None:
    grid, said = imported(tmp_path, {"a.iso": invented.mist_text(magnitudes=False)})
    assert any("bolometric corrections" in line for line in said)
    assert {"Gaia_G", "V"} <= set(grid.bands) and np.isfinite(grid.mags).all()


PARSEC, OTHER = invented.parsec_text(metals=(0.0,)), invented.parsec_text(metals=(0.0,), ages=(9.0,))
REFUSED = {
    "one age": ({"a": invented.mist_text(ages=(9.0,))}, "have one age, log_age=9.*--single-age"),
    "families": ({"a": PARSEC, "b": invented.mist_text()}, "several families.*PARSEC .a., MIST .b.*grid of its own"),
    "gap": (
        {"a": PARSEC, "b": invented.parsec_text(metals=(0.4,), ages=(8.5, 9.0))},
        r"1 of 6 isochrones are missing: log_age=9.5 at \[M/H\]=0.4",
    ),
    "duplicates": (
        {"a": PARSEC, "b": OTHER.replace(" 3.7", " 3.8")},
        "two different isochrones are given for log_age=9",
    ),
    "bands": (
        {"a": PARSEC, "b": invented.parsec_text(metals=(0.4,), columns={"Bmag": "B"}, system="UBVRIJHK")},
        "no band in common.*different photometric systems",
    ),
    "passbands": (
        {"a": PARSEC, "b": invented.parsec_text(metals=(0.4,), system="Gaia DR2 (Vegamags)")},
        "passbands of different releases: Gaia EDR3, Gaia DR2",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_be_one_grid_is_refused_and_nothing_is_written(tmp_path, fault) -> None:
    texts, message = REFUSED[fault]
    with pytest.raises(GridError, match=message):
        imported(tmp_path, texts)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_repeats_are_taken_once(tmp_path) -> None:
    grid, said = imported(tmp_path, {"a": PARSEC, "b": PARSEC})
    assert grid.mh.size == 1 and any("b repeats isochrones of a" in line for line in said)


def test_releases_that_differ_are_noted(tmp_path) -> None:
    _, said = imported(tmp_path, {"a": PARSEC, "b": invented.parsec_text(metals=(0.4,)).replace("CMD 3.7", "CMD 3.4")})
    assert any("different releases" in line and "CMD 3.4" in line for line in said)


def test_no_folder_to_write_to(tmp_path) -> None:
    (tmp_path / "a").write_text(PARSEC)
    with pytest.raises(GridError, match="no such folder to write"):
        import_isochrones(tmp_path / "a", tmp_path / "none" / "o.h5")


def test_a_single_age_is_accepted_when_asked_for_and_is_held(tmp_path) -> None:
    grid, said = imported(tmp_path, {"a": invented.mist_text(ages=(9.0,))}, single_age=True)
    assert grid.log_age.tolist() == [9.0] and any("holds log_age at 9" in line for line in said)
    model = make_model(mock_table(60), grid=grid)
    assert model.parameters.fixed["log_age"] == 9.0 and model.parameters.fixed["mh"] == 0.0
    assert np.isfinite(model.log_prob(at_truth(model))).all()


@pytest.fixture(scope="module")
def fine(folder) -> IsochroneGrid:
    """Return a grid that was imported from files of the closed form with steps of 0.1 dex in age."""
    text = invented.parsec_text(ages=FINE, metals=(-0.3, 0.0))
    (folder / "fine.dat").write_text(text, encoding="utf-8")
    import_isochrones(folder / "fine.dat", folder / "fine.h5")
    return IsochroneGrid.load(folder / "fine.h5", bands=GAIA)


def test_a_fit_with_an_imported_grid_finds_what_the_files_hold(fine) -> None:
    """The likelihood of a catalogue of the closed form, on the imported grid, is highest close to the truth."""
    truth = TRUTH | {"a_v": 0.05}  # little dust: the closed form has a law of its own
    table = mock_table(400, truth=truth, grid=analytic_grid(mh=(-1.0, -0.3, 0.0, 0.4)))
    model = make_model(table, grid=fine, model_error=True)
    floors = {name: 0.02 for name in model.parameters.names if name.startswith("floor_")}
    here = model.log_prob(at_truth(model, **floors, **truth))[0]
    for name, steps in (("log_age", (-0.25, 0.25)), ("mh", (-0.19, 0.09)), ("dist_mod", (-0.4, 0.4)), ("a_v", (0.3,))):
        for step in steps:
            moved = model.log_prob(at_truth(model, **floors, **truth | {name: truth[name] + step}))[0]
            assert np.isfinite(moved) and moved < here, (name, step)


def test_the_numbers_of_the_files_points_decide_what_is_kept(tmp_path) -> None:
    grid, _ = imported(tmp_path, {"a.iso.cmd": invented.mist_text()})
    assert dict.fromkeys(grid.phase.tolist()).keys() == {0, 2, 3, 4, 7}
    for age, log_age in enumerate(invented.AGES):
        iso = invented.isochrone(log_age, 0.0)
        for phase, eep in ((0, 454), (4, 707), (7, 808)):
            at = np.interp(eep, [454, 605, 808], [39, 58.5, 59])  # where `mist_text` puts them
            true = np.interp(at, np.arange(iso.m_ini.size), iso.log_teff)
            found = grid.log_teff[age, 0, np.flatnonzero(grid.phase == phase)[-1]]
            assert found == pytest.approx(true, abs=1e-6), (log_age, phase)


def test_phases_after_the_end_of_an_isochrone_collapse(tmp_path) -> None:
    lines = invented.mist_text(ages=(8.5, 9.0)).split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("# EEP"))
    stop = next(i for i, line in enumerate(lines[start:], start) if line.startswith("  650"))
    ends = next(i for i, line in enumerate(lines[start:], start) if not line)
    count = next(i for i, line in enumerate(lines) if line.startswith("# number of EEPs"))
    lines[count] = lines[count].replace("621", str(stop - start - 1))
    grid, _ = imported(tmp_path, {"a.iso.cmd": "\n".join(lines[:stop] + lines[ends:])})
    early, late = grid.phase <= 3, grid.phase >= 4
    for values in (grid.m_ini, grid.log_teff, grid.log_lum, grid.mags[..., 0]):
        assert np.all(values[0, 0, late] == values[0, 0, early][-1])
    assert np.ptp(grid.log_teff[1, 0, late]) > 0  # the other isochrone is whole


SMALL = invented.parsec_text(ages=(9.0, 9.1), metals=(0.0,))


@settings(max_examples=40)
@given(data=st.data())
def test_damaged_files_never_end_in_a_traceback(tmp_path_factory, data) -> None:
    """Numbers that no isochrone has are refused in words, or imported: nothing else."""
    lines = SMALL.split("\n")
    rows = [i for i, line in enumerate(lines) if line and not line.startswith("#")]
    for _ in range(data.draw(st.integers(1, 4))):
        parts = lines[data.draw(st.sampled_from(rows))].split()
        column = data.draw(st.sampled_from([3, 6, 7, 8, 9, 13]))
        value = data.draw(st.sampled_from(["0.3", "3.0", "3.6", "4.5", "0", "7", "30", "-1", "12.5"]))
        parts[column] = value
        first, last = sorted(data.draw(st.sampled_from(rows)) for _ in range(2))
        for i in range(first, last + 1):
            if data.draw(st.booleans()) and not lines[i].startswith("#"):
                mine = lines[i].split()
                mine[column] = value
                lines[i] = " ".join(mine)
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "a").write_text("\n".join(lines), encoding="utf-8")
    try:
        report = import_isochrones(folder / "a", folder / "o.h5", single_age=True)
    except ClusterBayesError as error:
        assert str(error) and not (folder / "o.h5").exists()
    else:
        grid = IsochroneGrid.load(report.out, refine=False)
        assert np.isfinite(grid.mags).all() and np.all(np.diff(grid.m_ini, axis=-1) >= 0)


class TestSamples:
    """The real files of the shared collection; skipped where it is missing."""

    @pytest.fixture
    def samples(self, shared_data):
        return shared_data / "isochrones"

    def test_the_basti_files(self, samples, tmp_path) -> None:
        report = import_isochrones(sorted(samples.glob("BASTI*")), tmp_path / "o.h5")
        grid = IsochroneGrid.load(tmp_path / "o.h5", refine=False)
        assert (grid.log_age.size, grid.mh.tolist(), grid.bands) == (3, [-0.08], GAIA)
        assert report.family == "BaSTI" and np.all(np.diff(grid.m_ini, axis=-1) >= 0)
        # The file's own values at its turn-off: 3000 Myr, line 360 of the table.
        old = grid.isochrone(grid.log_age[-1], -0.08)
        raw = np.loadtxt(samples / "BASTI_FEHm010_3000z132y264p00o0d0e0.isc_gaia-dr3-new")[359]
        at = int(np.flatnonzero(grid.phase == 0)[-1])
        assert old.m_ini[at] == pytest.approx(raw[0]) and old.magnitudes["Gaia_G"][at] == pytest.approx(
            raw[4], abs=1e-5
        )

    def test_the_mist_file_has_one_age(self, samples, tmp_path) -> None:
        file = samples / "MIST_iso_5fd2532653c27.iso.cmd"
        with pytest.raises(GridError, match="one age, log_age=10.0792.*--single-age"):
            import_isochrones(file, tmp_path / "o.h5")
        report = import_isochrones(file, tmp_path / "o.h5", single_age=True)
        assert report.bands == tuple(f"PS1_{letter}" for letter in "grizyw") and report.mh == (-1.35,)
        assert report.dropped == {"thermally pulsing giants and later (EEP above 808)": 902}

    @pytest.mark.parametrize(
        ("name", "shape", "passbands"),
        [
            ("PARSEC_CMD3.3_gaiaDR1_ocelot.dat", (3, 3), "Gaia DR1"),
            ("PARSEC_CMD3.4_gaiaEDR3_Z0_016100_5ages.dat", (5, 1), "Gaia EDR3"),
            ("PARSEC_CMD3.7_gaiaEDR3_multiZ.dat", (4, 3), "Gaia EDR3"),
        ],
    )
    def test_the_parsec_files(self, samples, tmp_path, name, shape, passbands) -> None:
        report = import_isochrones(samples / name, tmp_path / "o.h5")
        grid = IsochroneGrid.load(tmp_path / "o.h5", refine=False)
        assert grid.m_ini.shape[:2] == shape == (len(report.log_age), len(report.mh))
        assert grid.metadata["passbands"] == passbands and grid.bands == GAIA
        assert np.all(np.diff(grid.m_ini, axis=-1) >= 0) and np.isfinite(grid.mags).all()

    def test_young_supergiants_after_a_hot_main_sequence_are_kept(self, samples, tmp_path) -> None:
        import_isochrones(samples / "PARSEC_CMD3.3_gaiaDR1_ocelot.dat", tmp_path / "o.h5")
        young = IsochroneGrid.load(tmp_path / "o.h5", refine=False).isochrone(6.5, 0.0)
        # As published: 86.3 Msun stars at log Teff 3.825 and M_G = -11.1, all labelled as on the main sequence.
        massive = young.m_ini > 50.0
        assert young.log_teff[massive].min() == pytest.approx(3.825, abs=0.002)
        assert young.magnitudes["Gaia_G"].min() == pytest.approx(-11.16, abs=0.02)

    def test_the_dartmouth_file_and_a_folder_that_holds_it(self, samples, tmp_path) -> None:
        for path in (samples, samples / "DMESTAR_00650.0myr_z+0.12_a+0.00_phx.iso"):
            with pytest.raises(InputError, match="DMESTAR.*Dartmouth isochrone without magnitudes"):
                import_isochrones(path, tmp_path / "o.h5")

    @pytest.mark.parametrize("cut", [200_000, 400_000, 500_000])
    @pytest.mark.parametrize("name", ["PARSEC_CMD3.4*", "MIST*"])
    def test_files_that_were_cut_short(self, samples, tmp_path, name, cut) -> None:
        source = next(samples.glob(name))
        (tmp_path / "cut.dat").write_bytes(source.read_bytes()[:cut])
        with pytest.raises(InputError, match=r"cut.dat, line \d+.*Expected"):
            import_isochrones(tmp_path / "cut.dat", tmp_path / "o.h5", single_age=True)
