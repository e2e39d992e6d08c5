from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from clusterbayes.errors import BandError, InputError
from clusterbayes.photometry.choose import choose_observables
from clusterbayes.photometry.columns import recognise
from clusterbayes.photometry.measure import Defaults, Measurer


def choose(names, wanted=None, default_error=None, empty=()):
    table = Table({name: np.full(4, np.nan if name in empty else 1.0 + 0.1 * i) for i, name in enumerate(names)})
    measurer = Measurer(table, recognise(table.colnames), Defaults(default_error), "t.csv")
    observables, notes = choose_observables(wanted, measurer)
    return [observable.name for observable in observables], notes


def with_errors(*names):
    return [*names, *(f"{name}_error" for name in names)]


def test_all_magnitudes_of_gaia_come_first():
    names, notes = choose(with_errors("V", "B", "G", "BP", "RP", "BP_RP"))
    assert names == ["Gaia_G", "Gaia_BP", "Gaia_RP"]
    assert "Johnson-Cousins" in notes[1]


def test_one_magnitude_goes_with_its_colours():
    assert choose(with_errors("V", "B_V", "V_I"))[0] == ["V", "B-V", "V-I"]
    assert choose([*with_errors("V", "B_V"), "B"])[0] == ["V", "B-V"]


def test_the_archive_gives_one_colour_only():
    names = ["phot_g_mean_mag", "bp_rp", "bp_g", *(f"phot_{b}_mean_flux_over_error" for b in ("g", "bp", "rp"))]
    assert choose(names)[0] == ["Gaia_G", "Gaia_BP-Gaia_RP"]


def test_empty_columns_are_passed_over():
    assert choose(with_errors("G", "BP", "RP", "g", "r"), empty=("BP", "RP"))[0] == ["SDSS_g", "SDSS_r"]


def test_a_system_that_few_stars_have_is_passed_over():
    table = Table({name: np.full(10, 15.0) for name in with_errors("G", "BP", "RP", "g", "r")})
    for name in ("G", "BP", "RP"):
        table[name][2:] = np.nan
    measurer = Measurer(table, recognise(table.colnames), Defaults(None), "t")
    assert [o.name for o in choose_observables(None, measurer)[0]] == ["SDSS_g", "SDSS_r"]


@pytest.mark.parametrize("wanted", ["V,B-V", "V; B_V", ["V", "B-V"]])
def test_named_observables_keep_their_order(wanted):
    assert choose(with_errors("B", "V", "G"), wanted)[0] == ["V", "B-V"]


def test_j_beside_ks_is_2mass_when_named_too():
    assert choose(with_errors("J", "Ks"), "J,J-Ks")[0] == ["2MASS_J", "2MASS_J-2MASS_Ks"]


@pytest.mark.parametrize(
    ("names", "wanted", "message"),
    [
        (with_errors("G", "BP_RP"), "G,BP", "no column for Gaia_BP"),
        (["V", "B", "B_error"], "V,B", "V has no column of errors.*default error"),
        (["V", "B"], None, "no column of errors.*V=0.02"),
        (with_errors("V"), None, "only one usable band"),
        (with_errors("V", "B"), "V", "only one usable band"),
        (with_errors("B_V", "V_I"), "B-V,V-I", "nothing about distance"),
        (["a", "b"], None, "no column was recognised.*the columns are a, b"),
        (with_errors("V", "G"), None, "only one usable band"),
        (
            ["star", "v", "e_v", "bmag", "b-v"],
            None,
            "bands are written in capitals.*--map v=V --map e_v=V_error --map bmag=B --map b-v=B-V",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused(names, wanted, message):
    with pytest.raises(InputError, match=message):
        choose(names, wanted)


def test_observables_that_repeat_each_other_are_refused():
    with pytest.raises(BandError, match="repeat each other"):
        choose(with_errors("B", "V", "B_V"), "B,V,B-V")
    with pytest.raises(BandError, match="repeat each other"):
        choose(with_errors("B", "V"), "V,B,V")


def test_unknown_bands_are_refused():
    with pytest.raises(BandError, match="Did you mean Gaia_G"):
        choose(with_errors("G", "BP"), "Gaia_H,BP")


def test_nan_everywhere_is_said():
    with pytest.raises(InputError, match="no usable value in any row of V, B"):
        choose(with_errors("V", "B"), empty=("V", "B"))


def test_an_unreadable_column_matters_only_if_it_is_needed():
    table = Table({name: np.full(4, 15.0) for name in with_errors("G", "BP", "RP", "V", "B")})
    table["V"] = ["faint"] * 4
    measurer = Measurer(table, recognise(table.colnames), Defaults(None), "t")
    assert [o.name for o in choose_observables(None, measurer)[0]] == ["Gaia_G", "Gaia_BP", "Gaia_RP"]
    table["G"] = ["faint"] * 4
    with pytest.raises(InputError, match="column 'G', row 0"):
        choose_observables(None, measurer)


def test_a_default_makes_bare_columns_usable():
    assert choose(["V", "B_V"], default_error=0.02)[0] == ["V", "B-V"]
    assert choose(["V", "B"], default_error={"V": 0.02, "B": 0.03})[0] == ["V", "B"]
