"""What is selected from a table: limits in several bands, cuts in errors, completeness files, and how that is said."""

from __future__ import annotations

import numpy as np
import pytest
from unit.model.mocks import GAIA, mock_table

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.inference.selecting import described, select
from clusterbayes.model.completeness import Completeness
from clusterbayes.photometry import Photometry


def photometry(n=300, **options):
    return Photometry.from_table(mock_table(n, 100, seed=2, **options), observables=list(GAIA))


def test_limits_in_other_bands_drop_what_is_known_to_be_outside():
    taken = photometry()
    taken.values[:5, 1] = np.nan  # no BP
    kept, _, selection, _ = select(taken, None, "G=15.5,BP=9..15")
    bp = kept.values[:, 1]
    assert np.nanmax(bp) <= 15.0 and np.isnan(bp).any()
    assert kept.dropped["fainter than the limit Gaia_BP=15"] > 0
    assert [limit.band for limit in selection.others] == ["Gaia_BP"]
    assert described(selection)["others"] == [{"band": "Gaia_BP", "bright": 9.0, "faint": 15.0}]


def test_a_limit_in_a_band_that_the_table_lacks_is_taken_on_trust():
    taken = photometry()
    kept, _, selection, notes = select(taken, None, "none,Ks=14")
    assert kept.n_star == taken.n_star
    assert selection.others[0].band == "2MASS_Ks"
    assert any("2MASS_Ks" in note for note in notes)


def test_a_limit_that_was_found_is_noted_with_the_option_that_sets_another():
    _, _, selection, notes = select(photometry(), None, "auto")
    (note,) = [note for note in notes if "found from the data" in note]
    assert note.startswith(f"faint limit Gaia_G={selection.faint:g}") and note.endswith("--mag-limit sets another")


def test_the_control_field_is_cut_alike():
    taken = photometry()
    kept, control, _, _ = select(taken, taken, "G=15.5,BP=15", max_error={"Gaia_RP": 0.0045})
    assert control.n_star == kept.n_star < taken.n_star


@pytest.mark.parametrize("completeness", [None, Completeness((12.0, 16.0), (1.0, 0.5))])
def test_error_cuts_become_part_of_the_completeness(completeness):
    taken = photometry(800)
    largest = float(np.quantile(taken.errors[:, 1], 0.8))
    kept, _, selection, _ = select(taken, None, "none", completeness, {"Gaia_BP": largest})
    assert kept.errors[:, 1].max() <= largest
    assert kept.n_star == pytest.approx(0.8 * taken.n_star, abs=2)
    share = selection.completeness(np.array([12.0, 15.9]))
    assert share[0] == 1.0 and share[1] < 0.2
    assert described(selection)["completeness"]["magnitude"] == list(selection.completeness.magnitude)


def test_parallaxes_of_poor_quality():
    taken = Photometry.from_table(mock_table(300, 100, seed=3, parallax=True), observables=list(GAIA))
    kept, _, selection, _ = select(taken, None, "none", None, {"parallax": 0.021})
    assert kept.parallax_error.max() <= 0.021
    assert selection.completeness(np.array([13.0, 15.8])) == pytest.approx([1.0, 0.0], abs=0.1)


def test_a_completeness_of_zero_leaves_no_star(tmp_path):
    path = tmp_path / "share.csv"
    path.write_text("magnitude,fraction\n12,1\n15,1\n15.01,0\n")
    kept, _, _, _ = select(photometry(), None, "none", path)
    assert kept.values[:, 0].max() < 15.01
    assert kept.dropped["where the completeness is 0"] > 0


@pytest.mark.parametrize("name", ["folder", "share.tbl"])
def test_what_is_no_completeness_table_is_refused_in_a_line(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "share.tbl").write_text("magnitude fraction\n")
    with pytest.raises(InputError, match="completeness table cannot be read.*magnitude and fraction") as caught:
        select(photometry(), None, "none", tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("limits", [{"Gaia_X": 0.1}, {"Gaia_BP": 0.0}, {"parallax": 0.1}])
def test_cuts_that_make_no_sense(limits):
    with pytest.raises(SettingsError):
        select(photometry(), None, "none", None, limits)
