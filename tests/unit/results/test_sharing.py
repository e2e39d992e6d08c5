from __future__ import annotations

import io
import json

import numpy as np
import pytest
from astropy.io.votable import parse_single_table, ucd, validate
from astropy.table import Table
from unit.results.synthetic import make_result
from unit.results.test_derived import FEW, made

from clusterbayes.errors import SettingsError
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.readers import read_table
from clusterbayes.results.derived import DerivedOptions
from clusterbayes.results.export import sources_table, write_table
from clusterbayes.results.sharing import SHARED, astromancer_table, shared_table
from clusterbayes.results.ucd import descriptors

ENDINGS = (".ecsv", ".fits", ".vot", ".csv")


def numeric(column):
    return np.ma.filled(np.ma.asarray(column, dtype=float), np.nan)


def check_equal(read, written):
    """Numbers bit for bit, missing values missing, text as text."""
    assert read.colnames == written.colnames
    for name in written.colnames:
        if written[name].dtype.kind == "f":
            np.testing.assert_array_equal(numeric(read[name]), numeric(written[name]), err_msg=name)
        elif written[name].dtype.kind in "bi":
            words = {"True": True, "False": False}
            cells = [words.get(str(cell), cell) for cell in read[name].tolist()]
            assert cells == written[name].tolist(), name
        else:
            cells = ["" if cell is np.ma.masked or cell is None else str(cell) for cell in read[name].tolist()]
            assert cells == [str(cell).encode("ascii", "backslashreplace").decode() if "\\" in cells[row] else str(cell)
                             for row, cell in enumerate(written[name].tolist())], name  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("what", SHARED)
def test_what_is_written_is_read_back_equal_by_astropy_and_by_this_library(tmp_path, what, ending):
    table = shared_table(made(), what, name="NGC 1", options=FEW)
    path = write_table(table, tmp_path / f"table{ending}")
    check_equal(Table.read(path, **({"format": "csv"} if ending == ".csv" else {})), table)
    mine, _ = read_table(path, text_columns=lambda names: [name for name in names if name == "id"])
    check_equal(mine, table)


@pytest.mark.parametrize("converged", [True, False])
@pytest.mark.parametrize("what", SHARED)
def test_every_table_says_whether_the_fit_converged(tmp_path, what, converged):
    result = made()
    result.diagnostics["converged"] = converged
    table = shared_table(result, what, options=FEW)
    if what == "summary":
        assert table["converged"].tolist() == [converged]
        assert "converged" not in table.meta  # rows of several clusters are stacked without a word about metadata
        return
    assert table.meta["converged"] is converged
    for ending in (".ecsv", ".fits"):
        assert Table.read(write_table(table, tmp_path / f"t{ending}")).meta["converged"] is converged
    (verdict,) = parse_single_table(write_table(table, tmp_path / "t.vot")).params
    assert (verdict.name, bool(verdict.value)) == ("converged", converged)


@pytest.mark.parametrize("what", SHARED)
def test_votables_are_valid(tmp_path, what):
    path = write_table(shared_table(made(), what, options=FEW), tmp_path / "t.vot")
    report = io.StringIO()
    assert validate(str(path), report), report.getvalue()


def test_units_and_descriptors_are_in_the_votable(tmp_path):
    path = write_table(sources_table(made()), tmp_path / "t.vot")
    fields = {field.name: field for field in parse_single_table(path).fields}
    assert (fields["mass"].ucd, str(fields["mass"].unit)) == ("phys.mass", "solMass")
    assert fields["Gaia_G"].ucd == "phot.mag;em.opt"
    assert fields["Gaia_BP_error"].ucd == "stat.error;phot.mag;em.opt.B"
    assert fields["ra"].ucd == "pos.eq.ra;meta.main"
    assert fields["pmdec"].ucd == "pos.pm;pos.eq.dec"
    assert fields["p_member"].description == "probability to be a member of the cluster"


@pytest.mark.parametrize("what", SHARED)
def test_every_column_that_is_shared_has_a_descriptor(tmp_path, what):
    path = write_table(shared_table(made(), what, options=FEW), tmp_path / "t.vot")
    fields = parse_single_table(path).fields
    for field in fields:
        assert ucd.check_ucd(field.ucd, check_controlled_vocabulary=True), f"{field.name}: {field.ucd}"


def test_units_and_descriptors_of_the_summary(tmp_path):
    path = write_table(shared_table(made(), "summary", options=FEW), tmp_path / "t.vot")
    fields = {field.name: field for field in parse_single_table(path).fields}
    assert (fields["distance_q16"].ucd, str(fields["distance_q16"].unit)) == ("pos.distance;stat.percentile", "pc")
    assert fields["binary_frac_q05"].ucd == "stat.fit.param"  # a parameter of its own, no percentile
    assert fields["binary_frac_q05_q84"].ucd == "stat.fit.param;stat.percentile"
    hr = {field.name: field for field in parse_single_table(
        write_table(shared_table(made(), "hr"), tmp_path / "h.vot")).fields}  # fmt: skip
    assert (hr["mass"].ucd, str(hr["mass"].unit)) == ("phys.mass", "solMass")


def test_every_descriptor_is_one_of_the_vocabulary():
    names = [
        "U",
        "B-V",
        "SDSS_i",
        "2MASS_Ks",
        "WISE_W1",
        "WISE_W4",
        "GALEX_FUV",
        "GALEX_NUV",
        "DECam_Y",
        "Hipparcos_Hp",
    ]
    columns = [
        *make_result().stars.colnames,
        "ra",
        "dec",
        "parallax",
        "parallax_error",
        "pmra",
        "pmra_pmdec_corr",
        "ruwe",
    ]
    for words in descriptors([*columns, *names, *(f"{name}_error" for name in names), "repeat_flag"], names).values():
        assert ucd.check_ucd(words, check_controlled_vocabulary=True), words


def test_astromancers_layout_has_its_columns_and_membership():
    result = made(parallax=0.5)
    result.stars["parallax"][:2] = [-0.1, np.nan]
    table = astromancer_table(result)
    assert table.colnames[:6] == ["id", "ra", "dec", "distance", "pm_ra", "pm_dec"]
    assert table.colnames[6:] == ["G", "G_error", "BP", "BP_error", "RP", "RP_error", "p_member", "member"]
    assert table["distance"].mask[:2].tolist() == [True, True]
    assert table["distance"][2] == 2.0
    assert len(table) == len(result.stars)
    np.testing.assert_array_equal(numeric(table["p_member"]), result.p_member)


def test_astromancers_layout_keeps_the_inputs_distance_where_its_unit_is_known():
    result = made(parallax=0.5, distance=2.5)
    assert astromancer_table(result)["distance"][2] == 2.0  # nobody says what 2.5 is
    mapped = DerivedOptions(columns={"distance": "distance_kpc"})
    assert astromancer_table(result, mapped)["distance"][2] == 2.5
    result.stars["distance"].unit = "pc"
    assert astromancer_table(result)["distance"][2] == 0.0025
    result = made(parallax=0.5, distance=2.5)
    for name in ("ra", "dec"):
        result.stars.rename_column(f"pm{name}", f"pm_{name}")  # as Astromancer has it
    assert astromancer_table(result)["distance"][2] == 2.5


def test_colours_are_turned_back_into_bands():
    result = make_result(("V", "B-V"))
    table = astromancer_table(result)
    np.testing.assert_allclose(numeric(table["B"]), numeric(result.stars["V"]) + numeric(result.stars["B-V"]))
    error = np.hypot(numeric(result.stars["V_error"]), numeric(result.stars["B-V_error"]))
    np.testing.assert_allclose(numeric(table["B_error"]), error)
    assert "BP" not in astromancer_table(make_result(("Gaia_G", "Gaia_BP-Gaia_RP"))).colnames


def test_astromancers_file_is_a_table_that_a_fit_takes(tmp_path):
    path = write_table(astromancer_table(made()), tmp_path / "wide.csv")
    photometry = Photometry.read(path)
    assert photometry.layout == "Astromancer cluster sources"
    assert [o.name for o in photometry.observables] == ["Gaia_G", "Gaia_BP", "Gaia_RP"]
    used = np.isfinite(numeric(made().stars["Gaia_G"]))
    np.testing.assert_array_equal(photometry.values[:, 0], numeric(made().stars["Gaia_G"])[used])


def test_the_summary_is_one_row_with_percentiles():
    result = made()
    row = shared_table(result, "summary", name="NGC 1", options=FEW)[0]
    assert row["name"] == "NGC 1"
    assert row["log_age"] == result.summary()["log_age"]["median"]
    assert row["log_age_q16"] < row["log_age"] < row["log_age_q84"]
    assert row["half_number_radius_q16"] < row["half_number_radius_q84"]
    assert bool(row["converged"]) is True
    json.dumps({name: str(row[name]) for name in row.colnames})


@pytest.mark.parametrize(
    ("ess", "smallest"), [({"log_age": 900.0, "mh": 53.0, "a_v": None}, 53.0), (61.0, 61.0), (None, np.nan)]
)
def test_the_summary_has_the_smallest_effective_size_and_the_largest_rhat(ess, smallest):
    result = made()
    result.diagnostics |= {"ess": ess, "rhat": {"log_age": 1.01, "mh": 1.04, "a_v": float("nan")}}
    row = shared_table(result, "summary", options=FEW)[0]
    np.testing.assert_equal(float(row["ess"]), smallest)
    assert row["rhat"] == 1.04


def test_unknown_tables_are_refused_with_a_suggestion():
    with pytest.raises(SettingsError, match="Did you mean sources"):
        shared_table(make_result(), "source")
