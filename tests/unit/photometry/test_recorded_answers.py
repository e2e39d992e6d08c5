"""Answers of the archives that astroquery, astropy and pyvo carry in their own tests are read as they are."""

from __future__ import annotations

import ast
from importlib.resources import files

import numpy as np
import pytest
from astropy.coordinates.name_resolve import sesame_url
from astropy.table import Table
from unit.photometry.catalogue_server import serving

from clusterbayes.errors import InputError
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.fetch import CATALOGS, Catalog, Region, fetch, resolve_place

SIRIUS = (101.287155, -16.716116)


def recorded(name, package="astroquery"):
    """Return a file among the tests of the installed astroquery, or of pyvo, which it needs."""
    pytest.importorskip("astroquery", reason="astroquery, the extra 'fetch', is not installed")
    path = files(package) / name
    if not path.is_file():
        pytest.skip(f"this version of {package} has no {name}")
    return path


@pytest.fixture
def server(monkeypatch):
    vizier = pytest.importorskip("astroquery.vizier", reason="astroquery, the extra 'fetch', is not installed")
    with serving() as running, sesame_url.set([f"{running.url}/sesame/"]):
        running.table = Table()
        monkeypatch.setattr(
            vizier.VizierClass, "_server_to_url", lambda self, return_type="votable": f"{running.url}/{return_type}"
        )
        yield running


def test_the_gaia_archives_votable():
    path = recorded("gaia/tests/data/1710099405832VAL-result.vot")  # where the name of a column and its ID differ
    photometry = Photometry.read(path)
    raw = Table.read(path)
    assert photometry.ids.tolist() == [name.split()[-1] for name in raw["DESIGNATION"]]
    assert [o.name for o in photometry.observables] == ["Gaia_G", "Gaia_BP", "Gaia_RP"]
    ratio = np.asarray(raw["phot_bp_mean_flux_over_error"], dtype=float)
    np.testing.assert_allclose(photometry.errors[:, 1], np.hypot(1.0857 / ratio, 0.00279), rtol=1e-3)
    np.testing.assert_allclose(photometry.parallax, raw["parallax"])
    np.testing.assert_allclose(photometry.pm_corr, raw["pmra_pmdec_corr"], rtol=1e-6)


def test_the_gaia_archives_ecsv_with_gaps():
    photometry = Photometry.read(recorded("gaia/tests/data/1712337806100O-result.ecsv"))
    assert photometry.ids.tolist()[:2] == ["6636090334814214528", "6636090339112400000"]
    assert np.isfinite(photometry.parallax).tolist() == [True, False, True, False, True]
    assert np.isfinite(photometry.pm[:, 0]).tolist() == [True, False, True, False, True]
    assert photometry.values[0] == pytest.approx([19.761656, 20.108185, 19.224945], abs=1e-6)


def test_the_gaia_archives_json_is_the_same_table():
    whole = Photometry.read(recorded("gaia/tests/data/cone_search.json"))
    part = Photometry.read(recorded("gaia/tests/data/1712337806100O-result.ecsv"))
    assert whole.n_input == 50
    rows = [whole.ids.tolist().index(name) for name in part.ids]
    np.testing.assert_allclose(whole.values[rows], part.values, rtol=1e-6)
    np.testing.assert_allclose(whole.errors[rows], part.errors, rtol=1e-5)
    np.testing.assert_allclose(whole.parallax[rows], part.parallax, rtol=1e-6)


def test_2mass_from_the_crossmatch_service():
    """J, H and K are 2MASS's beside its designations; an upper limit has no error, and is no measurement."""
    photometry = Photometry.read(recorded("xmatch/tests/data/query_res.csv"))
    assert [o.name for o in photometry.observables] == ["2MASS_J", "2MASS_H", "2MASS_Ks"]
    assert photometry.ids[0] == "17485281-2021323"
    assert photometry.values[0] == pytest.approx([9.931, 8.822, np.nan], nan_ok=True)
    assert photometry.values[1] == pytest.approx([np.nan, np.nan, 8.53], nan_ok=True)


def test_a_table_of_vizier_with_gaps():
    photometry = Photometry.read(recorded("vizier/tests/data/kang2010.xml"), default_error=0.05)
    assert [o.name for o in photometry.observables] == ["2MASS_J", "2MASS_H", "2MASS_Ks"]
    assert photometry.n_input == 50
    assert photometry.dropped == {"no usable magnitude": 25}
    assert photometry.values[0] == pytest.approx([15.89, 14.81, 14.0], abs=1e-5)


def test_an_answer_of_vizier_through_fetch(server, monkeypatch, tmp_path):
    """Hipparcos's row of Sirius, in an answer with hundreds of other tables."""
    columns = {"_RAJ2000": "ra", "_DEJ2000": "dec", "Vmag": "V", "B-V": "B-V", "Plx": "parallax"}
    hipparcos = Catalog("I/239/hip_main", columns, ("_RAJ2000", "_DEJ2000"), "Hipparcos", 1991.25)
    monkeypatch.setitem(CATALOGS, "hipparcos", hipparcos)
    server.broken = recorded("vizier/tests/data/viz.xml").read_bytes()
    table = fetch(Region(*SIRIUS, 0.03), "hipparcos")
    assert (len(table), table["V"][0], table["B-V"][0]) == (1, pytest.approx(-1.44), pytest.approx(0.009))
    assert (str(table["V"].unit), str(table["ra"].unit), table["ref_epoch"][0]) == ("mag", "deg", 1991.25)
    assert "parallax" not in table.colnames  # which this answer lacks
    table.write(tmp_path / "sirius.ecsv")
    assert Photometry.read(tmp_path / "sirius.ecsv", default_error=0.01).values[0, 0] == pytest.approx(-1.44)


def test_gaias_answer_through_fetch(server):
    """What VizieR gave of I/355/gaiadr3 in 2024: no magnitudes, and, as it notes at its end, not all stars."""
    path = recorded("mivot/tests/data/test.mango_annoter.xml", "pyvo")
    server.broken = path.read_bytes()
    with pytest.raises(InputError, match="I/355/gaiadr3: more than 5 stars lie in the cluster's circle"):
        fetch(Region(307.79, 20.43, 0.04))

    server.broken = server.broken.replace(b'"OVERFLOW"', b'"OK"')
    table = fetch(Region(307.79, 20.43, 0.04))
    raw = Table.read(path)
    assert table["source_id"].tolist() == [str(source) for source in raw["Source"]]
    for ours, theirs in (
        ("ra", "RA_ICRS"), ("dec", "DE_ICRS"), ("parallax", "Plx"), ("parallax_error", "e_Plx"), ("pmra", "pmRA"),
        ("pmra_error", "e_pmRA"), ("pmdec", "pmDE"), ("pmdec_error", "e_pmDE"), ("pmra_pmdec_corr", "pmRApmDEcor"),
    ):  # fmt: skip
        np.testing.assert_array_equal(table[ours].filled(np.nan), raw[theirs].filled(np.nan))
    assert [str(table[name].unit) for name in ("ra", "parallax", "pmra")] == ["deg", "mas", "mas / yr"]
    with pytest.raises(InputError, match="no column was recognised as a magnitude"):
        Photometry.from_table(table)


def test_an_answer_without_directions_is_refused(server):
    server.broken = recorded("vizier/tests/data/kang2010.xml").read_bytes()  # galactic coordinates only
    with pytest.raises(InputError, match=r"II/246/out.*lacks directions"):
        fetch(Region(290.0, 14.0, 1.0), "2mass")


def test_answers_of_sesame(server):
    """Of Simbad alone, of VizieR alone, and of all, as astropy's own tests quote them."""
    path = files("astropy") / "coordinates/tests/test_name_resolve.py"
    if not path.is_file():
        pytest.skip("astropy's tests, which quote answers of Sesame, are not installed")
    texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    answers = [text for text in texts if isinstance(text, str) and text.lower().startswith(("# ngc 3642", "# ngc3642"))]
    assert answers
    for server.name_answer in answers:
        assert resolve_place("NGC 3642") == pytest.approx((170.57, 59.08), abs=0.02)
