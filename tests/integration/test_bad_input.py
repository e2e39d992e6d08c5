"""Bad input ends with a message that names column, row and remedy, with exit code 2, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from astropy.table import Table

from clusterbayes.cli import main

BANDS = ("G", "BP", "RP")


def good_table(n: int = 60) -> Table:
    """A main sequence without a fault, within a degree of RA 120.5, Dec -29.5."""
    rng = np.random.default_rng(1)
    magnitude = 12.0 + 5.0 * np.sqrt(np.linspace(0.0, 1.0, n))  # more faint stars than bright ones
    colour = 0.3 + 0.2 * (magnitude - 12.0)
    table = Table({"id": [f"s{row}" for row in range(n)]})
    table["ra"], table["dec"] = rng.uniform(120.0, 121.0, n), rng.uniform(-30.0, -29.0, n)
    for band, values in zip(BANDS, (magnitude, magnitude + 0.4 * colour, magnitude - 0.6 * colour), strict=True):
        table[band], table[f"{band}_error"] = values.round(4), np.full(n, 0.01)
    return table


def without(*endings: str) -> Table:
    table = good_table()
    table.remove_columns([name for name in table.colnames if name.endswith(endings)])
    return table


def changed(*, rows: slice | int = slice(None), **columns: object) -> Table:
    table = good_table()
    for name, values in columns.items():
        if name not in table.colnames:
            table[name] = np.full(len(table), 1.0)
        if isinstance(values, str):
            table[name] = table[name].astype("U10")
        table[name][rows] = values
    return table


def renamed(**columns: str) -> Table:
    table = good_table()
    for old, new in columns.items():
        table.rename_columns([old, f"{old}_error"], [new, f"{new}_error"])
    return table


def in_flux() -> Table:
    table = good_table()
    table["BP"] = 10 ** (0.4 * (25.0 - table["BP"]))
    return table


def in_hours() -> Table:
    table = good_table()
    table["ra"] /= 15.0
    return table


TABLES = {
    "good": good_table(),
    "nine": good_table(9),
    "one_band": good_table()["id", "G", "G_error"],
    "no_errors": without("_error"),
    "no_positions": without("ra", "dec"),
    "negative_error": changed(rows=7, BP_error=-0.02),
    "parallax_error": changed(rows=3, parallax=1.0, parallax_error=0.0),
    "zeros": changed(rows=slice(0, 55), G=0.0, BP=0.0, RP=0.0),
    "few_zeros": changed(rows=slice(0, 3), G=0.0, BP=0.0, RP=0.0),
    "flux": in_flux(),
    "all_nan": changed(G=np.nan, BP=np.nan, RP=np.nan),
    "nan_errors": changed(BP_error=np.nan),
    "hours": in_hours(),
    "bvi": renamed(G="V", BP="B", RP="I"),
    "odd_names": renamed(G="xG", BP="xBP", RP="xRP"),
    "text": changed(rows=4, G="bright"),
}
FILES = {
    "empty.csv": "",
    "header.csv": "id,G,G_error,BP,BP_error\n",
    "page.csv": "<!DOCTYPE html><html>Please log in</html>",
}
CENTER = "--center 120.5,-29.5 --radius 0.5"

# (words after "fit", what the message must hold); a bare first word is a file of the fixture below
CASES = [
    ("nowhere.csv", "nowhere.csv|file not found|check the name"),
    ("empty.csv", "empty.csv|the file is empty"),
    ("header.csv", "header.csv|no rows"),
    ("page.csv", "web page|download the table"),
    ("good.csv --observables G,Q", "unknown band 'Q'|Gaia_G"),
    ("good.csv --observables G,BP-RQ", "unknown band 'RQ'|Did you mean"),
    ("good.csv --observables G,V", "no column for V|Gaia_BP, Gaia_G, Gaia_RP|--map COLUMN=V"),
    ("good.csv --observables G", "only one usable band|Gaia_G|--observables G,BP-RP"),
    ("good.csv --observables BP-RP", "only one usable band or colour"),
    ("good.csv --observables G,BP,RP,BP-RP", "repeat each other|Leave out"),
    ("one_band.csv", "only one usable band was found: Gaia_G|id, G, G_error|--map"),
    ("odd_names.csv", "no column was recognised as a magnitude|xG, xG_error|--map mymag=V"),
    ("odd_names.csv --map xH=G", "column 'xH'|no such column|xG"),
    ("odd_names.csv --map xG=Gaia", "cannot be mapped to 'Gaia'|Did you mean Gaia_G"),
    ("no_errors.csv", "column 'G'|no column of errors|--default-error Gaia_G=0.02"),
    ("no_errors.csv --default-error G=0.02", "column 'BP'|Gaia_BP, Gaia_RP|--default-error Gaia_BP=0.02"),
    ("no_errors.csv --default-error -0.02", "value -0.02|above 0"),
    ("negative_error.csv", "column 'BP_error'|row 7|-0.02|line 9|leave the cells empty|--default-error Gaia_BP=0.02"),
    ("parallax_error.csv", "column 'parallax_error'|row 3|above 0 mas"),
    ("nan_errors.csv", "column 'BP'|60 values without an error"),
    ("zeros.csv", "5 of 60 stars|55 no usable magnitude|55 values of 0.0 in column G|at least 10"),
    ("nine.csv", "9 of 9 stars|at least 10 stars|longer table"),
    ("good.csv --mag-limit G=5", "0 of 60 stars|60 fainter than the limit Gaia_G=5|--mag-limit"),
    ("good.csv --mag-limit G=20..22", "0 of 60 stars|60 brighter than the limit Gaia_G=20|--mag-limit"),
    ("flux.csv", "column 'BP'|look like fluxes|-2.5 log10"),
    ("all_nan.csv", "no usable value in any row|Gaia_G, Gaia_BP, Gaia_RP"),
    ("text.csv", "column 'G'|row 4|'bright'|not a number"),
    (f"hours.csv {CENTER}", "column 'ra'|look like hours|--map ra=ra_hours"),
    (f"hours.csv --map ra=ra_degs {CENTER}", "no star lies within 0.5 deg|RA 8.0|in hours"),
    (f"no_positions.csv {CENTER}", "no positions|--map COLUMN=ra"),
    ("good.csv --center 300,40 --radius 0.5", "no star lies within 0.5 deg|RA 120.5|check the centre"),
    ("good.csv --center 120.5,-29.5 --radius -1", "radius|-1|above 0"),
    ("good.csv --center 120.5 --radius 0.5", "--center|two numbers|RA,DEC in degrees"),
    ("good.csv --center 08:02:00,-29:30:00 --radius 0.5", "--center|decimal degrees|times 15"),
    ("good.csv --center 500,0 --radius 0.5", "--center|no direction|0 to 360"),
    ("good.csv --center 120.5,-29.5", "--center and --radius belong together"),
    (f"good.csv {CENTER} --control good.csv", "either a control field, or center and radius"),
    ("good.csv --control bvi.csv", "control field bvi.csv|no column for Gaia_G|one of B, I, V"),
    ("good.csv --control nowhere.csv", "nowhere.csv|file not found"),
    ("good.csv --control no_errors.csv", "control field no_errors.csv|column 'G'|--default-error"),
    ("good.csv --mag-limit V=18", "limit is in V|Gaia_G, Gaia_BP, Gaia_RP"),
    ("good.csv --mag-limit 18", "'18'|Gaia_G=18"),
    ("good.csv --mag-limit G=18..5", "bright limit must be a smaller number"),
    ("good.csv --prior mmh=normal(0,0.1)", "unknown parameter 'mmh'|Did you mean mh|log_age"),
    ("good.csv --prior mh=gauss(0,0.1)", "gauss(0,0.1)|normal(0, 0.2)"),
    ("good.csv --prior mh=normal(0)", "normal(0)|2 to 4"),
    ("good.csv --prior mh=normal(0,-1)", "normal(0,-1)|must be positive"),
    ("good.csv --prior mh", "--prior|mh=normal(0,0.1)"),
    ("good.csv --prior log_age=uniform(11,12)", "log_age|outside the allowed range|6 to 10"),
    ("good.csv --prior mh=normal(0,1) --fix mh=0", "mh|both a prior and a fixed value"),
    ("good.csv --fix log_age=12", "log_age|12|6 to 10"),
    ("good.csv --fix logage=9", "unknown parameter 'logage'|Did you mean log_age"),
    ("good.csv --fix a_v=blue", "--fix|a_v=0.1"),
    ("good.csv --grid padova", "no grid 'padova'|parsec"),
    ("good.csv --grid good.csv", "good.csv|cannot be read as an isochrone grid"),
    ("good.csv --model-error some", "--model-error|default"),
    ("good.csv --steps 0", "--steps|1"),
    ("good.csv --example ruprecht147", "either a table or --example"),
    ("--example ruprecht148", "unknown example|Did you mean ruprecht147"),
    ("--example ruprecht147 --mag-limit BP=18", "limit is in Gaia_BP|Gaia_G"),
]

SIMULATIONS = [
    ("--log-age 12", "log_age=12|outside the grid"),
    ("--mh 3", "mh=3|outside the grid"),
    ("--a-v -1", "a_v=-1|[0, 6]"),
    ("--binary-frac 2", "binary_frac=2|between 0 and 1"),
    ("--mag-limit G=2", "no star of this cluster|Gaia_G=2"),
    ("--mag-limit auto", "--mag-limit|Gaia_G=18"),
    ("--mag-limit V=18", "limit is in V|Gaia_G"),
    ("--dist-mod nan", "--dist-mod|nan"),
    ("--bands G", "--bands|two or more"),
    ("--bands G,G", "--bands|each once"),
    ("--bands G,Q", "unknown band 'Q'"),
    ("--n-members 0 --n-field 0", "at least one star"),
    ("--grid padova", "no grid 'padova'"),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad_input")
    for name, table in TABLES.items():
        table.write(folder / f"{name}.csv")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def run(written, monkeypatch, capfd):
    """Run the command line in the tables' folder, up to the search for modes: bad input must be met before."""

    def began(*args, **options):
        raise AssertionError("the fit began")

    monkeypatch.setattr("clusterbayes.inference.fit.find_modes", began)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(written)

    def inside(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        captured = capfd.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return inside


def check_message(code: int, out: str, err: str, told: str) -> None:
    assert (code, out) == (2, ""), err
    for text in told.split("|"):
        assert text in err
    assert "Traceback" not in err
    assert "<clusterbayes" not in err


@pytest.mark.parametrize(("words", "told"), CASES, ids=[words for words, _ in CASES])
def test_a_fit_of_bad_input(run, written, words, told):
    before = sorted(entry.name for entry in written.iterdir())
    check_message(*run("fit", *words.split(), "--out", "out"), told)
    assert sorted(entry.name for entry in written.iterdir()) == before


@pytest.mark.parametrize(("words", "told"), SIMULATIONS, ids=[words for words, _ in SIMULATIONS])
def test_a_simulation_that_cannot_be(run, written, words, told):
    before = sorted(entry.name for entry in written.iterdir())
    check_message(*run("simulate", "--out", "mock.csv", *words.split()), told)
    assert sorted(entry.name for entry in written.iterdir()) == before


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("good", "60 of 60 rows used"),
        ("bvi", "observables V, B, I"),
        ("few_zeros", "57 of 60 rows used|3 values of 0.0 in column G counted as missing|3 (no usable magnitude)"),
    ],
)
def test_good_tables_are_fitted(run, capfd, table, said):
    """The negative control: without a fault, or with a few zeros that are counted, the fit begins."""
    with pytest.raises(AssertionError, match="the fit began"):
        main(["fit", f"{table}.csv", "--out", "out"])
    err = capfd.readouterr().err
    for text in said.split("|"):
        assert text in err


def test_an_existing_folder_is_left_alone(run, tmp_path):
    (tmp_path / "summary.json").write_text("precious")
    check_message(*run("fit", "good.csv", "--out", str(tmp_path)), "exists and is not empty|--overwrite")
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.json"]
    assert (tmp_path / "summary.json").read_text() == "precious"


def test_bad_input_leaves_an_earlier_result_alone_even_with_overwrite(run, tmp_path):
    (tmp_path / "summary.json").write_text("precious")
    check_message(*run("fit", "flux.csv", "--out", str(tmp_path), "--overwrite"), "look like fluxes")
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.json"]
    assert (tmp_path / "summary.json").read_text() == "precious"


def test_a_file_is_not_taken_for_a_folder(run, tmp_path):
    (tmp_path / "out").write_text("precious")
    check_message(*run("fit", "good.csv", "--out", str(tmp_path / "out")), "is a file|choose another name")
    assert (tmp_path / "out").read_text() == "precious"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("fit negative_error.csv --out out", "column 'BP_error'|row 7"),
        ("fit good.csv --out out --mag-limit G=5", "60 fainter than the limit"),
        ("fits good.csv", "No such command 'fits'|fit"),
    ],
)
def test_as_a_user_sees_it(written, words, told):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "clusterbayes", *words.split()],
        cwd=written,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    check_message(done.returncode, done.stdout, done.stderr, told)
    assert not (written / "out").exists()
