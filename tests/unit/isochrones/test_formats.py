"""Readers of users' isochrone files: what a header says is believed, and every fault is told with file and line."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.isochrones import invented

from clusterbayes.errors import ClusterBayesError, InputError
from clusterbayes.isochrones.formats import RawTable, read_isochrones
from clusterbayes.isochrones.formats.bandnames import choose_bands
from clusterbayes.isochrones.formats.basti import KEY_POINTS

SAMPLES = {
    "parsec": invented.parsec_text(ages=(9.0, 9.5), metals=(0.0,)),
    "old": invented.parsec_old_text(ages=(9.0, 9.5)),
    "mist": invented.mist_text(ages=(9.0, 9.5)),
    "basti": invented.basti_text(9.0),
}


def read(folder, text: str, name: str = "data.txt") -> list[RawTable]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_isochrones(path)


def agrees(table: RawTable, band: str = "Gaia_G") -> None:
    """Assert that a table lies on the closed-form isochrone, but for the rounding of the files."""
    true = invented.isochrone(table.log_age, round(table.mh, 1))
    at = np.interp(table.m_ini, true.m_ini, true.magnitudes[band])
    np.testing.assert_allclose(table.mags[:, table.bands.index(band)], at, atol=1e-3)
    np.testing.assert_allclose(table.m_ini[[0, -1]], true.m_ini[[0, -1]], rtol=1e-6)


@pytest.mark.parametrize("hashed", [True, False])
def test_parsec_with_several_ages_and_metallicities(tmp_path, hashed) -> None:
    tables = read(tmp_path, invented.parsec_text(hashed=hashed))
    assert [(t.log_age, t.mh) for t in tables] == [(a, m) for m in invented.METALS for a in invented.AGES]
    for table in tables:
        assert table.family == "PARSEC" and table.bands == ("Gaia_G", "Gaia_BP", "Gaia_RP")
        assert "CMD 3.7" in table.release and "v1.2S" in table.release
        assert table.metadata["passbands"] == "Gaia EDR3"
        assert table.metadata["citation"] == "Somebody et al. (2012)"
        assert set(table.phase) == {0, 2, 3}
        agrees(table)


@pytest.mark.parametrize("z_column", [True, False])
def test_parsec_of_version_2_has_other_names_no_label_and_no_metallicity(tmp_path, z_column) -> None:
    tables = read(tmp_path, invented.parsec_old_text(z_column=z_column))
    assert [t.log_age for t in tables] == pytest.approx(invented.AGES, abs=1e-5)
    # Bressan et al. (2012): Y = 0.2485 + 1.78 Z and (Z/X)_sun = 0.0207, so Z = 0.0152 lies a little above zero.
    assert [t.mh for t in tables] == pytest.approx([0.0151] * 3, abs=1e-4)
    assert tables[0].bands == ("B", "V") and set(tables[0].label) == {1}
    agrees(tables[0], "V")


def test_parsec_age_in_years(tmp_path) -> None:
    text = invented.parsec_text(ages=(9.0,), metals=(0.0,))
    text = text.replace("logAge", "Age").replace(" 9.00000 ", " 1.0e9 ")
    assert read(tmp_path, text)[0].log_age == pytest.approx(9.0)


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("version", ["1.2", "2.5"])
def test_mist_with_magnitudes(tmp_path, linear, version) -> None:
    tables = read(tmp_path, invented.mist_text(linear=linear, version=version))
    assert [t.log_age for t in tables] == pytest.approx(invented.AGES)
    assert tables[0].bands == ("Gaia_G", "Gaia_BP", "Gaia_RP") and tables[0].metadata["passbands"] == "Gaia EDR3"
    assert tables[0].eep is not None and tables[0].eep[0] == 200 and tables[0].eep[-1] == 808
    assert tables[0].dropped == {"thermally pulsing giants and later (EEP above 808)": 12}
    assert version in tables[0].release and "0.4" in tables[0].release
    assert any("Gaia_G_DR2Rev" in note for note in tables[0].notes)
    assert list(dict.fromkeys(tables[0].phase.tolist())) == [0, 2, 3, 4, 7]
    agrees(tables[0])


def test_mist_iso_has_no_magnitudes(tmp_path) -> None:
    tables = read(tmp_path, invented.mist_text(magnitudes=False))
    assert len(tables) == 3 and tables[0].bands == () and tables[0].mags.shape == (609, 0)


def test_mist_stars_without_envelopes_are_left_out(tmp_path) -> None:
    text = invented.mist_text(ages=(9.0,))
    (table,) = read(tmp_path, text.replace(" 3.000000\n", " 9.000000\n"))
    reason, count = next(iter(table.dropped.items()))
    assert "Wolf-Rayet" in reason and count == 820 - 605 + 1
    assert table.eep is not None and table.eep[-1] == 604


def test_mist_phases_may_begin_late(tmp_path) -> None:
    """Some isochrones of massive stars in MIST 2.5 reach phase 3 long after point 605."""
    lines = invented.mist_text(ages=(9.0,)).split("\n")
    late = [line.replace(" 3.000000", " 2.000000") if line.startswith("  6") else line for line in lines]
    assert len(read(tmp_path, "\n".join(late))) == 1


def test_the_giant_branch_begins_at_its_base(tmp_path) -> None:
    (table,) = read(tmp_path, invented.mist_text(ages=(9.0,)))
    first = int(np.flatnonzero(table.phase == 3)[0])
    crossing = np.flatnonzero((table.eep >= 454) & (table.eep <= 605))
    knee = (table.log_lum + 6.0 * table.log_teff)[crossing]
    assert first == crossing[int(np.argmin(knee))] + 1
    assert np.isin(table.phase[first - 1], (0, 2))


def test_metallicity_of_models_that_are_not_named_is_noted(tmp_path) -> None:
    text = invented.parsec_old_text().replace("# isochrones based on PARSEC release v1.2S\n", "")
    table = read(tmp_path, text)[0]
    assert any("does not say that its models are PARSEC" in note for note in table.notes)
    assert table.metadata["solar_scale"] == "not stated by the file"


def test_mist_alpha_enhancement_counts_as_metallicity(tmp_path) -> None:
    text = invented.mist_text(ages=(9.0,)).replace("    0.00     0.40", "    0.40     0.40")
    table = read(tmp_path, text)[0]
    assert table.mh == pytest.approx(np.log10(0.638 * 10**0.4 + 0.362), abs=1e-4)
    assert any("Salaris" in note for note in table.notes)


def test_basti_lines_are_evolutionary_points(tmp_path) -> None:
    (table,) = read(tmp_path, invented.basti_text(9.0))
    assert (table.family, table.log_age, table.mh) == ("BaSTI", 9.0, 0.0)
    assert table.eep is not None and table.eep.size == KEY_POINTS[-1] + 1
    assert table.phase[[0, 359, 360, 489, 490, 1289, 1290, 1949, 1950]].tolist() == [0, 0, 2, 2, 3, 3, 4, 4, 7]
    # g = G M / R^2 and L = 4 pi sigma R^2 T^4: a star of 1 Msun, 1 Lsun and 5772 K has log g = 4.438.
    sun = 4.438 + np.log10(table.m_ini) + 4 * (table.log_teff - np.log10(5772)) - table.log_lum
    np.testing.assert_allclose(table.log_g, sun, atol=1e-6)
    agrees(table)


def test_basti_with_another_number_of_lines_has_no_points_of_its_own(tmp_path) -> None:
    (table,) = read(tmp_path, invented.basti_text(9.0, n=900))
    assert table.eep is None and any("line numbers" in note for note in table.notes)


def test_the_name_of_a_file_does_not_matter(tmp_path) -> None:
    for name, text in (("a.iso.cmd", SAMPLES["parsec"]), ("b.dat", SAMPLES["mist"]), ("c", SAMPLES["basti"])):
        assert read(tmp_path, text, name)


def test_line_ends_byte_order_marks_and_compression_do_not_matter(tmp_path) -> None:
    plain = read(tmp_path, SAMPLES["parsec"])
    (tmp_path / "windows.dat").write_bytes(b"\xef\xbb\xbf" + SAMPLES["parsec"].replace("\n", "\r\n").encode())
    (tmp_path / "packed.dat.gz").write_bytes(gzip.compress(SAMPLES["parsec"].encode()))
    for name in ("windows.dat", "packed.dat.gz"):
        tables = read_isochrones(tmp_path / name)
        np.testing.assert_array_equal(tables[1].mags, plain[1].mags)


def test_points_that_are_no_stars_are_counted(tmp_path) -> None:
    lines = SAMPLES["parsec"].splitlines()
    last = lines.index(invented.END) - 1
    parts = lines[last].split()
    late, gone, dark = parts.copy(), parts.copy(), parts.copy()
    late[9], gone[6], dark[-1] = "8", "-9.999", "99.9"
    lines[last + 1 : last + 1] = [" ".join(row) for row in (late, late, gone, dark)]
    table = read(tmp_path, "\n".join([*lines, ""]))[1]
    assert list(table.dropped.values()) == [2, 1, 1]
    assert "label 8" in next(iter(table.dropped))
    assert table.m_ini.size == 60


def with_line(text: str, number: int, change) -> str:
    lines = text.split("\n")
    lines[number] = change(lines[number])
    return "\n".join(lines)


def swapped(text: str, i: int, k: int) -> str:
    lines = text.split("\n")
    lines[i], lines[k] = lines[k], lines[i]
    return "\n".join(lines)


FAULTS = {
    "web page": ("<!DOCTYPE html><html><head><title>500 Error</title></head>", "web page .'500 Error'"),
    "empty": ("", "file is empty"),
    "binary": ("\x00\x01\x02", "not a text file"),
    "other table": ("a,b,c\n1,2,3\n", "header is not that of an isochrone file"),
    "Dartmouth": ("# Dartmouth Stellar Evolution Model: Quick Isochrone\n#  Mass  log(Teff)\n 1 3\n", "Dartmouth"),
    "no end": (SAMPLES["parsec"].replace(invented.END + "\n", ""), "stops before its end.*isochrone terminated"),
    "row cut": (SAMPLES["parsec"].split(invented.END)[0][:-14], "line 126: .*in the middle of a line .14 of 16"),
    "short row": (with_line(SAMPLES["parsec"], 20, lambda s: s[:-7]), "line 21: the line has 15 columns.*16"),
    "old row cut": (SAMPLES["old"][:-14], "in the middle of a line"),
    "no number": (with_line(SAMPLES["parsec"], 20, lambda s: s.replace(" 9.00000 ", " x ")), "21, column 'logAge'"),
    "unsorted": (swapped(SAMPLES["parsec"], 20, 30), "line 22: initial masses are not in order"),
    "luminosity function": (SAMPLES["parsec"].replace("isochrone tables", "luminosity functions"), "other output"),
    "reddened": (
        SAMPLES["parsec"].replace("# Kind", "# Attention: photometry includes extinction of Av=1.5, for G2V\n# Kind"),
        "line 5.*reddened.*A_V = 0",
    ),
    "unknown bands": (
        invented.parsec_text(ages=(9.0,), metals=(0.0,), system="JWST (Vegamags)", columns={"F090Wmag": "V"}),
        "no magnitude of the file is in a band of ours .columns: F090Wmag; system: JWST",
    ),
    "not a star": (with_line(SAMPLES["parsec"], 20, lambda s: s.replace(" 3.", " 9.", 1)), "cannot be a star"),
    "no temperature": (SAMPLES["parsec"].replace("logg ", "logx "), "no column logg"),
    "mist points": ("\n".join(SAMPLES["mist"].split("\n")[:-9]), "has 613 points in 14 columns.*621 points in 14"),
    "mist isochrones": (SAMPLES["mist"].replace("isochrones =     2", "isochrones = 3"), "2 isochrones.*Expected: 3"),
    "mist reddened": (invented.mist_text(ages=(9.0,), a_v=0.5), "reddened"),
    "mist line cut": (SAMPLES["mist"][:-5], "in the middle of a line"),
    "mist phases": (SAMPLES["mist"].replace(" 0.000000\n", " 2.000000\n", 1), "phase 2 begins at EEP 200"),
    "mist no composition": (SAMPLES["mist"].replace("[Fe/H]   [a/Fe]", "[X/H]   [a/X]", 1), r"does not give \[Fe/H\]"),
    "basti points": ("\n".join(SAMPLES["basti"].split("\n")[:-3]), "has 2098 points.*2100"),
    "basti header": (SAMPLES["basti"].replace("Age (Myr)", "Epoch"), "does not give Age"),
    "basti line cut": (SAMPLES["basti"][:-4], "in the middle of a line"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_with_file_and_line(tmp_path, fault) -> None:
    text, message = FAULTS[fault]
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path, text, "mine.dat")
    assert "mine.dat" in str(error.value)


def test_missing_files_and_empty_folders(tmp_path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        read_isochrones(tmp_path / "none.dat")
    (tmp_path / "README").write_text("nothing here\n")
    with pytest.raises(InputError, match="holds no isochrone table"):
        read_isochrones(tmp_path)


def test_a_folder_is_read_whole_but_for_other_files(tmp_path) -> None:
    invented.write(tmp_path, {f"{age}.isc": invented.basti_text(age) for age in (9.0, 9.5)})
    (tmp_path / "notes.txt").write_text("downloaded today\n")
    assert [table.log_age for table in read_isochrones(tmp_path)] == [9.0, 9.5]
    (tmp_path / "error.isc").write_text("<html><body>Not found</body></html>")
    with pytest.raises(InputError, match="error.isc: this is a web page"):
        read_isochrones(tmp_path)


BANDS = [
    ("Gaia EDR3 (all Vegamags, Gaia passbands from ESA/Gaia website)", {"Gmag": "Gaia_G", "G_BPmag": "Gaia_BP"}),
    ("Gaia DR2 + 2MASS (Vegamags)", {"G_BPftmag": "Gaia_BP", "G_BPbrmag": None, "Ksmag": "2MASS_Ks"}),
    ("<i>UBVRIJHK</i> (cf. Maiz-Apellaniz 2006 + Bessell 1990)", {"Umag": "U", "Vmag": "V", "Jmag": "J", "Kmag": "K"}),
    ("2MASS <i>JHKs</i> (Vegamag)", {"Jmag": "2MASS_J", "Hmag": "2MASS_H", "Ksmag": "2MASS_Ks", "Vmag": None}),
    ("SDSS <i>ugriz</i>", {"umag": "SDSS_u", "zmag": "SDSS_z", "Gmag": None}),
    ("DECAM (ABmags)", {"umag": "DECam_u", "Ymag": "DECam_Y"}),
    ("LSST (ABmags)", {"umag": None, "ymag": None}),
    ("UKIDSS <i>ZYJHK</i> (Vegamag)", {"Jmag": None, "Kmag": None}),
    ("Pan-STARRS1 (ABmags)", {"gP1mag": "PS1_g", "wP1mag": "PS1_w"}),
    ("HST/ACS WFC (Vegamags)", {"F606Wmag": None, "F814Wmag": None}),
    ("SDSS in Vegamags", {"gmag": None}),
    ("TESS + 2MASS (Vegamags) + Kepler + SDSS griz + DDO51 (in ABmags)",
     {"TESSmag": "TESS", "Jmag": "2MASS_J", "Keplermag": None, "gmag": "SDSS_g", "DDO51_finfmag": None}),
    ("Gaia's DR1 G + Tycho2 + 2MASS (all Vegamags)", {"Gmag": "Gaia_G", "B_Tmag": "Tycho_B", "Hpmag": "Hipparcos_Hp"}),
    ("PanSTARRS (AB)", {"PS_g": "PS1_g", "PS_open": None}),
    ("UBV(RI)c, 2MASS, Kepler, Hipparcos, Tycho, Gaia (Vega)",
     {"Bessell_V": "V", "2MASS_Ks": "2MASS_Ks", "Gaia_G_EDR3": "Gaia_G", "Kepler_Kp": None, "Tycho_B": "Tycho_B"}),
    ("WISE (Vega)", {"WISE_W1": "WISE_W1"}),
    ("GAIA-DR3-NEW", {"G": "Gaia_G", "G_BP": "Gaia_BP", "G_RVS": None}),
]  # fmt: skip


@pytest.mark.parametrize(("system", "expected"), BANDS, ids=[system for system, _ in BANDS])
def test_bands_are_told_by_name_and_system(system, expected) -> None:
    names = list(expected)
    chosen = choose_bands(names, system)
    found = {names[c]: band for c, band in zip(chosen.columns, chosen.bands, strict=True)}
    assert found == {name: band for name, band in expected.items() if band is not None}
    for name, band in expected.items():
        assert band is not None or any(name in note for note in chosen.notes)


def test_the_latest_gaia_release_is_taken_and_older_passbands_are_noted() -> None:
    chosen = choose_bands(["Gaia_G_DR2Rev", "Gaia_G_MAW", "Gaia_G_EDR3"], "Gaia (Vega)")
    assert (chosen.columns, chosen.bands, chosen.passbands) == ((2,), ("Gaia_G",), "Gaia EDR3")
    old = choose_bands(["Gmag", "G_BPmag"], "Gaia's DR1 G, G_BP and G_RP (Vegamags)")
    assert old.passbands == "Gaia DR1" and any("differ from those of Gaia EDR3" in note for note in old.notes)


@pytest.mark.parametrize("kind", SAMPLES)
@given(data=st.data())
def test_damaged_files_never_end_in_a_traceback(tmp_path_factory, kind, data) -> None:
    """Cuts, lost and doubled lines, changed characters: the file is read, or refused in words."""
    lines = SAMPLES[kind].split("\n")
    for _ in range(data.draw(st.integers(1, 3))):
        i = data.draw(st.integers(0, len(lines) - 1))
        action = data.draw(st.sampled_from(["cut", "lose", "double", "swap", "change", "insert"]))
        if action == "cut":
            lines = lines[: i + 1]
            lines[i] = lines[i][: data.draw(st.integers(0, len(lines[i])))]
        elif action == "lose":
            del lines[i : i + data.draw(st.integers(1, 40))]
            lines = lines or [""]
        elif action == "double":
            lines[i:i] = lines[i : i + 3]
        elif action == "swap":
            k = data.draw(st.integers(0, len(lines) - 1))
            lines[i], lines[k] = lines[k], lines[i]
        else:
            at = data.draw(st.integers(0, len(lines[i])))
            char = data.draw(st.sampled_from([" ", "-", "e", "9", "#", "nan", "inf", "\t", "é", "1e400", "=", "*"]))
            lines[i] = lines[i][:at] + char + lines[i][at + (action == "change") :]
    path = tmp_path_factory.mktemp("damaged") / "data"
    path.write_text("\n".join(lines), encoding="utf-8")
    try:
        tables = read_isochrones(path)
    except ClusterBayesError as error:
        assert str(error)
    else:
        for table in tables:
            columns = np.column_stack([table.m_ini, table.log_teff, table.log_lum, table.log_g, table.mags])
            assert np.isfinite(columns).all() and np.all(np.diff(table.m_ini) >= 0)
            assert np.isfinite([table.log_age, table.mh]).all()
