from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
from astropy.coordinates.name_resolve import sesame_url
from astropy.io.votable import from_table, writeto
from astropy.table import Table
from unit.photometry.catalogue_server import serving

from clusterbayes.bands import parse_observable
from clusterbayes.cli import main
from clusterbayes.errors import InputError, SettingsError
from clusterbayes.extras import MissingExtraError
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.columns import recognise
from clusterbayes.photometry.fetch import CATALOGS, Region, fetch, fetch_cached, resolve_place

CENTRE = (174.061, -61.616)


def gaia_like(n=60):
    """Stars along a line northwards from the centre, 0.01 deg apart, as VizieR gives Gaia's."""
    rng = np.random.default_rng(1)
    table = Table({"Source": np.arange(n) + 5337671459348160512, "RA_ICRS": np.full(n, CENTRE[0])})
    table["DE_ICRS"] = CENTRE[1] + 0.01 * np.arange(n) + 0.005
    for name, low, high in (
        ("Plx", 0.3, 0.7), ("e_Plx", 0.02, 0.03), ("pmRA", -7, -6), ("e_pmRA", 0.02, 0.03), ("pmDE", 0.5, 1.5),
        ("e_pmDE", 0.02, 0.03), ("Gmag", 10, 17), ("e_Gmag", 0.003, 0.004), ("BPmag", 10, 17), ("RPmag", 10, 17),
        ("e_BPmag", 0.003, 0.01), ("e_RPmag", 0.003, 0.01), ("RUWE", 0.9, 1.2),
    ):  # fmt: skip
        table[name] = rng.uniform(low, high, n)
    return table


@pytest.fixture
def server(monkeypatch):
    from astroquery.vizier import VizierClass

    with serving() as running, sesame_url.set([f"{running.url}/sesame/"]):
        running.table = gaia_like()
        monkeypatch.setattr(
            VizierClass, "_server_to_url", lambda self, return_type="votable": f"{running.url}/viz-bin/{return_type}"
        )
        yield running


def test_a_cone_and_an_annulus(server):
    table = fetch(Region(*CENTRE, 0.1, 0.3))
    assert (table["region"] == "cluster").sum() == 10  # up to 0.10 deg
    assert (table["region"] == "field").sum() == 15  # from 0.15 to 0.30 deg
    assert table["source_id"][0] == "5337671459348160512"
    assert set(table["ref_epoch"]) == {2016.0}
    assert table.meta["catalog"] == "gaia-dr3"
    cone, ring = server.asked
    assert cone["-source"] == "I/355/gaiadr3"
    assert cone["-c"].startswith("174.061")
    assert cone["-c.rd"] == "0.1"
    assert [float(part) for part in ring["-c.rd"].split(",")] == pytest.approx([0.15, 0.3])


def test_what_is_fetched_is_read_and_split(server, tmp_path):
    fetch(Region(*CENTRE, 0.1, 0.3)).write(tmp_path / "g.ecsv")
    photometry = Photometry.read(tmp_path / "g.ecsv")
    assert [o.name for o in photometry.observables] == ["Gaia_G", "Gaia_BP", "Gaia_RP"]
    assert photometry.parallax is not None and photometry.pm is not None
    assert photometry.ids[0] == "5337671459348160512"
    sample, control = photometry.split(CENTRE, 0.1)
    assert (sample.n_star, control.n_star) == (10, 15)


def test_a_part_of_the_stars_is_not_taken_for_all(server):
    with pytest.raises(InputError, match=r"more than 10 stars lie in the cluster's circle of 0.1 deg.*--row-limit"):
        fetch(Region(*CENTRE, 0.1, row_limit=10))
    assert server.asked[0]["-out.max"] == "11"
    assert len(fetch(Region(*CENTRE, 0.1, row_limit=60))) == 10


def test_the_same_question_is_asked_once(server, tmp_path):
    first, kept = fetch_cached(Region(*CENTRE, 0.1), "gaia-dr3", tmp_path)
    again, kept_again = fetch_cached(Region(*CENTRE, 0.1), "gaia-dr3", tmp_path)
    assert (kept, kept_again, len(server.asked)) == (False, True, 1)
    assert again.colnames == first.colnames
    assert list(again["source_id"]) == list(first["source_id"])
    np.testing.assert_array_equal(again["Gaia_G"], first["Gaia_G"])
    assert not fetch_cached(Region(*CENTRE, 0.1), "gaia-dr3", tmp_path, refresh=True)[1]
    assert not fetch_cached(Region(*CENTRE, 0.2), "gaia-dr3", tmp_path)[1]
    assert len(server.asked) == 3
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("catalog", CATALOGS)
def test_every_catalogue_has_columns_that_the_readers_know(server, catalog):
    asked = CATALOGS[catalog]
    small = ("e_", "pmRApmDEcor")
    server.table = Table({name: np.full(3, 0.02 if name.startswith(small) else 12.0) for name in asked.columns})
    server.table[asked.direction[0]], server.table[asked.direction[1]] = CENTRE
    table = fetch(Region(*CENTRE, 0.1), catalog)
    columns = recognise(table.colnames)
    assert set(asked.columns.values()) <= set(table.colnames)
    assert {"id", "ra", "dec"} <= columns.roles.keys()
    bands = [ours for theirs, ours in asked.columns.items() if theirs.endswith("mag") and not theirs.startswith("e_")]
    assert len(bands) >= 3
    for band in bands:
        assert columns.values[parse_observable(band).name] == band
        assert columns.errors[parse_observable(band).name] == f"{band}_error"
    assert len(Photometry.from_table(table).observables) >= 2  # chosen without being told


def test_names_are_resolved(server):
    assert resolve_place("NGC 3766") == pytest.approx((174.061, -61.616))
    assert resolve_place("174.06, -61.61") == (174.06, -61.61)
    with pytest.raises(InputError, match="NGC 0000: nobody knows this name.*spelling, or give RA,DEC in degrees"):
        resolve_place("NGC 0000")
    with pytest.raises(SettingsError, match="direction"):
        resolve_place("400,10")


def test_a_name_that_nobody_can_be_asked_about():
    with (
        sesame_url.set(["http://127.0.0.1:1/"]),
        pytest.raises(InputError, match="gave no answer.*connection, or give RA"),
    ):
        resolve_place("NGC 3766")


def test_answers_that_are_no_table(server):
    error = b'<VOTABLE version="1.4"><INFO ID="Errors" name="Error" value="no such catalogue"/></VOTABLE>'
    for broken in (b"<?xml version='1.0'?><html>down for repair</html>", b"sorry", error):
        server.broken = broken
        with pytest.raises(InputError, match="I/355/gaiadr3: the catalogue could not be fetched"):
            fetch(Region(*CENTRE, 0.1))


def test_a_server_that_says_why_it_gives_nothing(server):
    status = b'<INFO ID="Error" name="QUERY_STATUS" value="ERROR">service unavailable: overloaded</INFO>'
    server.broken = b'<VOTABLE version="1.4">' + status + b"</VOTABLE>"
    with pytest.raises(InputError, match=r"could not be fetched \(service unavailable: overloaded\)"):
        fetch(Region(*CENTRE, 0.1))


def test_a_server_with_a_limit_of_its_own(server):
    """It says so behind the table, and gives fewer rows than were allowed."""
    buffer = io.BytesIO()
    writeto(from_table(gaia_like(3)), buffer)
    status = b'<INFO name="QUERY_STATUS" value="OVERFLOW">truncated result (maxtup=3)</INFO></RESOURCE>'
    server.broken = buffer.getvalue().replace(b"</RESOURCE>", status)
    with pytest.raises(InputError, match="more than 3 stars lie in the cluster's circle"):
        fetch(Region(*CENTRE, 0.1))


def test_sdss_is_asked_for_one_detection_of_each_object(server):
    asked = CATALOGS["sdss"]
    server.table = Table({name: np.full(3, 12.0) for name in asked.columns})
    server.table["RA_ICRS"], server.table["DE_ICRS"] = CENTRE
    fetch(Region(*CENTRE, 0.1), "sdss")
    assert server.asked[0]["mode"] == "1"


def test_an_empty_sky(server):
    server.table = server.table[:0]
    for answer in (b"", b'<VOTABLE version="1.4"><RESOURCE/></VOTABLE>'):
        server.broken = answer
        with pytest.raises(InputError, match="no star of the catalogue lies there"):
            fetch(Region(*CENTRE, 0.1, 0.3))


def test_nobody_answers(server, monkeypatch):
    from astroquery.vizier import VizierClass

    monkeypatch.setattr(VizierClass, "_server_to_url", lambda self, return_type="votable": "http://127.0.0.1:9/x")
    with pytest.raises(InputError, match="could not be fetched.*download a table with a browser"):
        fetch(Region(*CENTRE, 0.1))


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "astroquery", None)
    with pytest.raises(MissingExtraError, match=r"clusterbayes\[fetch\]"):
        fetch(Region(*CENTRE, 0.1))


@pytest.mark.parametrize("given", [{"radius": 0.0}, {"field_radius": 0.12}, {"row_limit": 0}, {"dec": 91.0}])
def test_impossible_regions(given):
    with pytest.raises(SettingsError):
        Region(**{"ra": 1.0, "dec": 2.0, "radius": 0.1, **given})


def test_the_command(server, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLUSTERBAYES_CACHE", str(tmp_path / "cache"))

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(["fetch", *words])
        captured = capfd.readouterr()
        return int(ended.value.code or 0), captured.err or captured.out

    code, told = run("NGC 3766", "--radius", "0.1")
    assert code == 0
    assert "gaia-dr3: 10 stars within 0.1 deg, 10 in the field, in NGC_3766.ecsv" in told  # 0.15 to 0.25 deg
    assert "cite: Gaia Collaboration" in told
    assert "clusterbayes fit NGC_3766.ecsv --out NGC_3766 --center 174.06100,-61.61600 --radius 0.1" in told
    assert len(Table.read("NGC_3766.ecsv")) == 20
    assert run("NGC 3766", "--radius", "0.1")[0] == 2  # the file exists
    code, told = run("NGC 3766", "--radius", "0.1", "--overwrite")
    assert (code, "kept since" in told, len(server.asked)) == (0, True, 2)
    code, told = run("NGC 3766", "--radius", "0.1", "--overwrite", "--json")
    document = json.loads(told)
    assert (code, document["cluster"], document["field"], document["kept"]) == (0, 10, 10, True)
    assert document["query"]["field_radius"] == 0.25
    assert document["to_fit"].startswith("clusterbayes fit NGC_3766.ecsv")
    code, told = run("NGC 3766", "--radius", "0.1", "--field-radius", "0", "--row-limit", "5", "--out", "x.csv")
    assert code == 2
    assert "--row-limit" in told
    assert not (tmp_path / "x.csv").exists()
