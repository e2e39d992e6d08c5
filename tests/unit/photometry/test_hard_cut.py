from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table
from unit.photometry.samples import SOURCES

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry import HardCut, Photometry, apply_hard_cut
from clusterbayes.photometry.hard_cut import hard_cut_verdicts

ELLIPSE = (-6.7, 1.0, 0.5, 0.25)


def sources(**changed):
    """Six stars: two inside, then one outside the ellipse along each axis, one far away, one without anything."""
    n = 6
    table = {
        "id": [f"s{k}" for k in range(n)],
        "ra": np.full(n, 174.0),
        "dec": np.full(n, -61.6),
        "distance": [1.9, 2.1, 2.0, 2.0, 3.5, np.nan],
        "pm_ra": [-6.7, -6.35, -6.1, -6.7, -6.7, np.nan],
        "pm_dec": [1.0, 1.17, 1.0, 1.3, 1.0, np.nan],
        "V": np.linspace(12, 15, n),
        "V_error": np.full(n, 0.01),
        "B": np.linspace(12.5, 15.9, n),
        "B_error": np.full(n, 0.01),
    }
    return Table({**table, **changed})


def read(table=None, **options):
    return Photometry.from_table(sources() if table is None else table, **options)


def test_astromancers_own_table_is_cut_in_kiloparsecs(tmp_path):
    (tmp_path / "s.csv").write_text(SOURCES)
    photometry = Photometry.read(tmp_path / "s.csv")
    found = hard_cut_verdicts(photometry, HardCut.parse("-6.7,1,0.5,0.5", "1.7..2.1kpc"))
    assert found.tolist() == ["kept", "outside the range of distances"]


def test_every_star_has_its_verdict_and_every_one_left_out_is_counted():
    cut = apply_hard_cut(read(), HardCut(ELLIPSE, (1700.0, 2300.0)))
    assert cut.ids.tolist() == ["s0", "s1"]
    assert cut.n_input == 6
    assert cut.dropped == {
        "hard cut: outside the ellipse of proper motions": 2,
        "hard cut: outside the range of distances": 1,
        "hard cut: no proper motion": 1,
    }
    assert list(cut.table["hard_cut"]) == [
        *("kept", "kept", "outside the ellipse of proper motions", "outside the ellipse of proper motions"),
        *("outside the range of distances", "no proper motion"),
    ]


def test_the_edge_is_an_ellipse_and_not_a_box():
    table = sources(pm_ra=np.full(6, -6.7 + 0.4), pm_dec=1.0 + np.array([0.0, 0.1, 0.149, 0.151, 0.2, 0.24]))
    verdict = hard_cut_verdicts(read(table), HardCut(ELLIPSE))  # 0.6 of b = 0.15 where 0.8 of a
    assert (verdict == "kept").tolist() == [True, True, True, False, False, False]


def test_a_mark_leaves_all_stars_in_place():
    plain = read()
    marked = apply_hard_cut(plain, HardCut(ELLIPSE), exclude=False)
    assert marked.n_star == plain.n_star == 6
    assert (np.asarray(marked.table["hard_cut"]) == "kept").sum() == 3
    assert "3 of 6 stars lie inside" in marked.notes[-1]
    assert "hard_cut" not in plain.table.colnames


def test_what_decided_the_cut_is_not_used_again():
    plain = read(default_error={"pm": 0.05}, table=sources(parallax=np.full(6, 0.5), parallax_error=np.full(6, 0.02)))
    both = apply_hard_cut(plain, HardCut(ELLIPSE, (1700.0, 2300.0)))
    assert both.pm is None and both.parallax is None
    assert sum("decided the hard cut" in note for note in both.notes) == 2
    motion = apply_hard_cut(plain, HardCut(ELLIPSE))
    assert motion.pm is None and motion.parallax is not None
    marked = apply_hard_cut(plain, HardCut(ELLIPSE, (1700.0, 2300.0)), exclude=False)
    assert marked.pm is not None and marked.parallax is not None


def test_distances_come_from_parallaxes_where_there_is_no_column():
    table = sources(parallax=[0.5, 0.5, 0.1, -0.2, np.nan, 0.5], parallax_error=np.full(6, 0.02))
    table.remove_column("distance")
    verdict = hard_cut_verdicts(read(table), HardCut(None, (1700.0, 2300.0)))
    far, unknown = "outside the range of distances", "no distance"
    assert verdict.tolist() == ["kept", "kept", far, unknown, unknown, "kept"]


def test_a_distance_needs_a_unit():
    table = sources()
    table.remove_column("pm_ra")  # so that it is no table of Astromancer
    cut = HardCut(None, (1700.0, 2300.0))
    with pytest.raises(InputError, match="distances without a unit.*distance_kpc"):
        hard_cut_verdicts(read(table), cut)
    kept = ["kept"] * 4 + ["outside the range of distances", "no distance"]
    assert hard_cut_verdicts(read(table, columns={"distance": "distance_kpc"}), cut).tolist() == kept
    table["distance"] *= 1000.0
    table["distance"].unit = "pc"
    assert hard_cut_verdicts(read(table), cut).tolist() == kept


def test_tables_without_what_the_cut_is_about_are_refused():
    table = sources()
    table.remove_columns(["pm_ra", "distance"])
    with pytest.raises(InputError, match="needs proper motions"):
        hard_cut_verdicts(read(table), HardCut(ELLIPSE))
    with pytest.raises(InputError, match="needs distances or parallaxes"):
        hard_cut_verdicts(read(table), HardCut(None, (1.0, 2.0)))


def test_a_cut_that_keeps_nothing_says_why():
    with pytest.raises(InputError, match="keeps no star: 5 outside the range of distances, 1 no distance"):
        apply_hard_cut(read(), HardCut(None, (1.0, 2.0)))


def test_stars_that_were_not_used_before_keep_their_reason():
    plain = read()
    fewer = plain.keep(plain.values[:, 0] < 14.0, "too faint")
    cut = apply_hard_cut(replace(fewer), HardCut(ELLIPSE))
    assert cut.dropped["too faint"] == plain.n_star - fewer.n_star


@pytest.mark.parametrize(("pm", "distance"), [
    (None, None), ("1,2,3", None), ("1,2,3,0", None), ("a,b,c,d", None), ("1,2,nan,1", None), (None, "1..2"),
    (None, "2..1kpc"), (None, "1..2deg"), (None, "1-2kpc"), (None, "kpc"), (None, "nan..2kpc"),
])  # fmt: skip
def test_limits_that_are_none(pm, distance):
    with pytest.raises(SettingsError):
        HardCut.parse(pm, distance)


@pytest.mark.parametrize("text", ["1.7..2.3kpc", "1700 .. 2300 pc", "0.0017..0.0023Mpc", "1.7e3..2.3e3pc"])
def test_ranges_of_distance(text):
    assert HardCut.parse(None, text).distance == pytest.approx((1700.0, 2300.0))
