"""Gaia's guards and cuts: the published functions, and every star that they touch counted."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.quality import corrected_excess, excess_scatter, guarded


def test_corrected_excess_by_the_paper_s_polynomials():
    """Riello et al. (2021), table 2, written out; a star on the relation has none left."""
    blue, middle, red = -0.2, 1.2, 4.5
    expected = [
        1.154360 + 0.033772 * blue + 0.032277 * blue**2,
        1.162004 + 0.011464 * middle + 0.049255 * middle**2 - 0.005879 * middle**3,
        1.057572 + 0.140537 * red,
    ]
    np.testing.assert_allclose(corrected_excess(expected, [blue, middle, red]), 0.0, atol=1e-12)
    assert corrected_excess(1.3, 1.2) > 0.03


@pytest.mark.parametrize("edge", [0.5, 4.0])
def test_the_pieces_meet(edge):
    below, above = corrected_excess(0.0, edge - 1e-9), corrected_excess(0.0, edge)
    assert below == pytest.approx(float(above), abs=5e-3)


def test_scatter_of_the_excess():
    # Eq. 18: 6 mmag for bright stars, and about ten times that at G = 20.
    np.testing.assert_allclose(excess_scatter([5.0, 15.0, 20.0]), [0.00599, 0.01398, 0.07736], rtol=0.01)


def test_guards():
    found = guarded({"Gaia_G": np.array([3.0, 10.0, 1.5]), "Gaia_BP": np.array([3.5, 20.4, np.nan])})
    assert [mask.tolist() for mask, _ in found["Gaia_BP"]] == [[False, True, False], [True, False, True]]
    assert [mask.tolist() for mask, _ in found["Gaia_G"]] == [[False, False, True]]
    assert "Gaia_RP" not in found


def table(**columns):
    n = 6
    content = {
        "source_id": np.arange(n),
        "G": [3.0, 12.0, 14.0, 16.0, 18.0, 19.0],
        "G_error": np.full(n, 0.003),
        "BP": [3.2, 12.4, 14.5, 16.7, 19.0, 20.6],
        "BP_error": np.full(n, 0.01),
        "RP": [2.6, 11.5, 13.3, 15.0, 17.0, 17.8],
        "RP_error": np.full(n, 0.01),
        "ruwe": [1.0, 1.1, 1.9, np.nan, 1.0, 1.0],
        "phot_bp_rp_excess_factor": [1.2, 1.2, 1.23, 1.9, 1.3, np.nan],
    }
    return Table({name: value for name, value in (content | columns).items() if value is not None})


class TestTables:
    def test_guards_leave_the_star_with_the_rest(self):
        made = Photometry.from_table(table(), observables=["G", "BP", "RP"])
        assert made.n_star == 6
        assert np.array_equal(np.isnan(made.values[:, 1]), [True, False, False, False, False, True])
        assert np.array_equal(np.isnan(made.values[:, 2]), [True, False, False, False, False, False])
        assert np.array_equal(np.isnan(made.errors), np.isnan(made.values))
        text = "\n".join(made.notes)
        assert "Gaia_BP: 1 value fainter than BP=20.3" in text
        assert "Gaia_BP: 1 value of saturated stars counted as missing" in text

    def test_colours_with_a_guarded_band_go_too(self):
        colours = table(BP=None, BP_error=None, RP=None, RP_error=None, bp_rp=[0.6, 0.9, 1.2, 1.7, 2.0, 3.0])
        colours["bp_rp_error"] = 0.01
        made = Photometry.from_table(colours, observables=["G", "BP-RP"])
        assert np.array_equal(np.isnan(made.values[:, 1]), [True, False, False, False, False, True])

    def test_ruwe_is_kept_and_cut_where_asked(self):
        kept = Photometry.from_table(table(), observables=["G", "BP", "RP"])
        assert kept.ruwe[2] == 1.9
        assert kept.dropped == {}
        cut = Photometry.from_table(table(), observables=["G", "BP", "RP"], max_ruwe=1.4)
        assert cut.dropped == {"RUWE above 1.4": 1}
        assert 1.9 not in cut.ruwe
        assert any("1 star without a known RUWE kept" in note for note in cut.notes)
        assert "ruwe" in cut.table.colnames

    def test_excess_is_cut_in_sigmas_where_asked(self):
        cut = Photometry.from_table(table(), observables=["G", "BP", "RP"], max_excess=5)
        assert cut.drop_reason[3] == "BP/RP flux excess off by more than 5 sigma"
        assert cut.drop_reason[1] == ""
        assert any("without a known BP/RP flux excess" in note for note in cut.notes)

    def test_cuts_need_their_columns(self):
        with pytest.raises(InputError, match="RUWE"):
            Photometry.from_table(table(ruwe=None), max_ruwe=1.4)
        with pytest.raises(InputError, match="bp_rp_excess"):
            Photometry.from_table(table(phot_bp_rp_excess_factor=None), max_excess=3)

    @pytest.mark.parametrize("limit", [0, -1, np.nan, "many"])
    def test_limits_are_positive(self, limit):
        with pytest.raises(SettingsError, match="max_ruwe"):
            Photometry.from_table(table(), max_ruwe=limit)
