from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.photometry.samples import afterglow, afterglow_row

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.crossmatch import match, merge, read_catalogue
from clusterbayes.photometry.treatment import Treatment

ARCSEC = 1.0 / 3600.0


def table(ra, dec, **more):
    return Table(
        {"id": [f"s{k}" for k in range(len(ra))], "ra": np.asarray(ra, float), "dec": np.asarray(dec, float), **more}
    )


def pairs(one, two, radius=1.0, epochs=(None, None)):
    first, second = (read_catalogue(t, epoch=epoch) for t, epoch in zip((one, two), epochs, strict=True))
    return match(first, second, radius)


def test_the_nearest_within_the_radius():
    two = table([10.0, 20.0, 30.0], [0.0 + 0.3 * ARCSEC, 1.5 * ARCSEC, np.nan])
    found = pairs(table([30.0, 20.0, 10.0, np.nan], [0.0, 0.0, 0.0, 5.0]), two)
    assert (found.first.tolist(), found.second.tolist()) == ([2], [0])
    assert found.separation == pytest.approx([0.3], abs=1e-6)
    assert not found.ambiguous.any()
    assert found.counts == {
        "matched": 1, "no star of the other table within the radius": 2,
        "its nearest has a nearer partner": 0, "no position": 1,
    }  # fmt: skip


def test_one_partner_for_one_star_and_ambiguous_ones_are_counted():
    one = table([10.0, 10.0, 50.0], [0.0, 0.6 * ARCSEC, 0.0])
    found = pairs(one, table([10.0, 50.0], [0.4 * ARCSEC, 0.0]))
    assert (found.first.tolist(), found.second.tolist()) == ([1, 2], [0, 1])
    assert found.ambiguous.tolist() == [True, False]
    assert found.counts["its nearest has a nearer partner"] == 1
    assert "2 stars matched, 1 of them ambiguous" in found.describe()


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_any_field_agrees_with_a_plain_loop(seed, n, m):
    rng = np.random.default_rng(seed)
    one, two = (rng.uniform(0, 4, (k, 2)) * ARCSEC for k in (n, m))
    found = pairs(*(table((359.9995 + t[:, 0]) % 360.0, t[:, 1]) for t in (one, two)))
    away = np.hypot(one[:, None, 0] - two[None, :, 0], one[:, None, 1] - two[None, :, 1]) / ARCSEC
    expected = [
        (i, int(away[i].argmin())) for i in range(n) if away[i].min() <= 1.0 and away[:, away[i].argmin()].argmin() == i
    ]
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == expected
    assert sum(found.counts.values()) == n


@pytest.mark.parametrize("dec", [-61.0, 0.0, 89.9])
@pytest.mark.parametrize("moving", [0, 1])
def test_proper_motions_bring_the_stars_of_two_epochs_together(dec, moving):
    pm_ra, pm_dec = 2000.0, -1500.0  # mas/yr
    start = SkyCoord(
        359.9999 * u.deg, dec * u.deg, pm_ra_cosdec=pm_ra * u.mas / u.yr, pm_dec=pm_dec * u.mas / u.yr,
        obstime=Time(2016.0, format="jyear"), distance=10 * u.pc,
    )  # fmt: skip
    end = start.apply_space_motion(Time(2025.0, format="jyear"))
    gaia = table([start.ra.deg], [dec], pmra=[pm_ra], pmdec=[pm_dec], ref_epoch=[2016.0])
    image = table([end.ra.deg], [end.dec.deg])
    tables, epochs = ((gaia, image), (None, 2025.0)) if moving == 0 else ((image, gaia), (2025.0, None))
    assert len(pairs(*tables).first) == 0
    found = pairs(*tables, epochs=epochs)
    assert found.separation == pytest.approx([0.0], abs=0.01)
    assert "moved from 2016.00 to 2025.00" in found.notes[0]


def test_unknown_epochs_and_missing_motions_are_said():
    gaia = table([1.0], [2.0], pmra=[5.0], pmdec=[5.0])
    assert "the epoch of table is not known" in pairs(gaia, table([1.0], [2.0]), epochs=(2016.0, None)).notes[0]
    assert "no proper motions" in pairs(table([1.0], [2.0]), table([1.0], [2.0]), epochs=(2000.0, 2016.0)).notes[0]
    lost = table([1.0, 5.0], [2.0, 2.0], pmra=[np.nan, 0.0], pmdec=[0.0, 0.0])
    assert len(pairs(lost, table([1.0, 5.0], [2.0, 2.0]), epochs=(2000.0, 2016.0)).first) == 2


def test_merged_tables_keep_rows_order_text_and_gaps():
    gaia = table([20.0, 10.0], [0.0, 0.0], parallax=[0.5, 0.6])
    gaia["source_id"] = [5337671459348160512, 5337671459348160513]
    gaia["count"] = [1, 2]
    first, second = read_catalogue(table([10.0, 30.0, 20.0], [0.0] * 3, V=[1.0, 2.0, 3.0])), read_catalogue(gaia)
    merged = merge(first, second, match(first, second))
    assert merged["id"].tolist() == ["s0", "s1", "s2"]
    assert merged["id_2"].tolist() == ["s1", None, "s0"]
    assert merged["source_id_2"].tolist() == [5337671459348160513, None, 5337671459348160512]
    assert merged["parallax"].tolist() == [0.6, None, 0.5]
    assert merged["count"].tolist() == [2, None, 1]
    assert {"ra_2", "dec_2", "match_separation", "match_ambiguous"} <= set(merged.colnames)
    assert merge(first, second, match(first, second), only_matched=True)["id"].tolist() == ["s0", "s2"]


def test_an_afterglow_export_meets_the_parallaxes_of_gaia(tmp_path):
    rows = [afterglow_row(f"s{k}", band, 14 + k / 10, dec=-61.6 + k / 100) for k in range(12) for band in "BV"]
    (tmp_path / "a.csv").write_text(afterglow(*rows))
    gaia = Table({"source_id": np.arange(12) + 5337671459348160512, "ra": np.full(12, 11.60412 * 15)})
    gaia["ref_epoch"] = 2016.0
    gaia["dec"] = -61.6 + np.arange(12) / 100 + 9.17 * 500 * ARCSEC / 1000  # 500 mas/yr northwards since 2025.17
    gaia["pmra"], gaia["pmdec"] = 0.0, -500.0
    gaia["parallax"], gaia["parallax_error"] = 0.5, 0.02
    gaia.write(tmp_path / "g.csv")
    first, second = read_catalogue(tmp_path / "a.csv"), read_catalogue(tmp_path / "g.csv")
    found = match(first, second)
    assert len(found.first) == 12
    assert np.all(found.separation < 0.01)
    merge(first, second, found).write(tmp_path / "m.ecsv")
    photometry = Photometry.read(tmp_path / "m.ecsv")
    assert photometry.n_star == 12
    assert photometry.parallax == pytest.approx(np.full(12, 0.5))
    assert photometry.zero_point_error == pytest.approx({"B": 0.0131, "V": 0.0131})
    assert photometry.ids[0] == "s0"


def test_a_long_table_whose_errors_are_zero_needs_a_floor(tmp_path):
    rows = [afterglow_row(f"s{k}", band, 14, error=0.0, dec=-61.6 + k / 9) for k in range(3) for band in "BV"]
    (tmp_path / "a.csv").write_text(afterglow(*rows))
    with pytest.raises(InputError, match="--error-floor"):
        read_catalogue(tmp_path / "a.csv")
    read = read_catalogue(tmp_path / "a.csv", treatment=Treatment(error_floor=0.02))
    assert read.table["B_error"].tolist() == pytest.approx([0.02] * 3)


def test_a_floor_is_in_magnitudes_whatever_the_units_of_the_errors():
    stars = table([1.0, 2.0], [1.0, 2.0], V=[14.0, 15.0], V_error=[2, 30])
    stars["V_error"].unit = "mmag"
    read = read_catalogue(stars, treatment=Treatment(error_floor=0.01))
    assert read.table["V_error"].quantity.to_value("mag").tolist() == pytest.approx([0.01, 0.03])
    assert stars["V_error"].tolist() == [2, 30]


def test_tables_without_a_match_are_still_tables():
    first, second = read_catalogue(table([1.0], [1.0])), read_catalogue(table([9.0], [9.0], V=[1.0]))
    merged = merge(first, second, match(first, second))
    assert merged["V"].tolist() == [None]


def test_what_cannot_be_matched():
    with pytest.raises(InputError, match="no directions"):
        read_catalogue(Table({"id": ["a"], "V": [1.0]}))
    with pytest.raises(SettingsError, match="epoch"):
        read_catalogue(table([1.0], [1.0]), epoch=2451545.0)
    one = read_catalogue(table([1.0], [1.0]))
    for radius in (0.0, -1.0, np.nan, 600.0):
        with pytest.raises(SettingsError, match="radius"):
            match(one, one, radius)
