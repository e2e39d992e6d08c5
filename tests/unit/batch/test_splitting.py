"""One table parted by cluster: every row in its place, cells as they were, in every form of table."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.batch import chunks
from clusterbayes.batch.splitting import jobs_from_table, split_table
from clusterbayes.errors import InputError
from clusterbayes.photometry import Photometry

N_STAR = 500
FORMS = {"csv": "ascii.csv", "ecsv": "ascii.ecsv", "fits": "fits", "parquet": "parquet", "tsv": "ascii.tab"}


@pytest.fixture
def stars():
    rng = np.random.default_rng(1)
    clusters = np.array(["NGC 1", "NGC 2", "Berkeley 17", ""])[rng.integers(0, 4, N_STAR)]
    table = Table({"source_id": rng.integers(2**60, 2**62, N_STAR), "Cluster": clusters})
    for band in ("G", "BP"):
        table[band], table[f"{band}_error"] = rng.uniform(10.0, 18.0, N_STAR), 0.01
    table["flag"] = rng.random(N_STAR) > 0.5
    return table


@pytest.mark.parametrize("ending", FORMS)
def test_each_piece_holds_its_cluster_as_it_was(stars, tmp_path, monkeypatch, ending):
    monkeypatch.setattr(chunks, "_CHUNK", 64)
    if ending in ("ecsv", "fits", "parquet"):
        stars.meta["zeropt"] = "kept"
    path = tmp_path / f"stars.{ending}"
    stars.write(path, format=FORMS[ending])
    pieces = split_table(path, tmp_path / "tables")
    assert set(pieces) == {"NGC 1", "NGC 2", "Berkeley 17"}
    for name, (piece, rows) in pieces.items():
        wanted = stars[stars["Cluster"] == name]
        read = Photometry.read(piece)
        assert rows == read.n_input == len(wanted)
        assert read.ids.tolist() == wanted["source_id"].astype(str).tolist()
        assert np.array_equal(read.values[:, 0], wanted["G"])
    if ending in ("ecsv", "fits"):
        kind = {"ecsv": "ascii.ecsv", "fits": "fits"}[ending]
        part = Table.read(pieces["NGC 2"][0], format=kind)
        assert {key.lower(): value for key, value in part.meta.items()}["zeropt"] == "kept"
        assert np.array_equal(part["flag"], stars["flag"][stars["Cluster"] == "NGC 2"])


def test_a_table_is_parted_once_and_again_when_it_changes(stars, tmp_path):
    path, folder = tmp_path / "stars.csv", tmp_path / "tables"
    stars.write(path)
    first = split_table(path, folder)
    stamps = {name: piece.stat().st_mtime_ns for name, (piece, _) in first.items()}
    assert split_table(path, folder) == first
    assert {name: piece.stat().st_mtime_ns for name, (piece, _) in first.items()} == stamps
    first["NGC 1"][0].unlink()
    assert split_table(path, folder)["NGC 1"][0].exists()
    stars[:-50].write(path, overwrite=True)
    assert sum(rows for _, rows in split_table(path, folder).values()) < sum(rows for _, rows in first.values())


def test_text_keeps_quotes_comments_and_odd_bytes(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_bytes(
        b'\xef\xbb\xbf# parallax_zero_point: applied\r\nname,id,note,G\r\n"M 67",1,"two\nlines, one cell",12.50\r\n'
        b"\r\nM 67,0002,caf\xe9,1e1\r\nNGC 1,3,,\r\n"
    )
    pieces = split_table(path, tmp_path / "tables")
    assert {name: rows for name, (_, rows) in pieces.items()} == {"M 67": 2, "NGC 1": 1}
    assert pieces["M 67"][0].read_bytes() == (
        b'# parallax_zero_point: applied\nname,id,note,G\n"M 67",1,"two\nlines, one cell",12.50\n'
        b"M 67,0002,caf\xe9,1e1\n"
    )


@given(st.lists(st.sampled_from(["A", "B", "C 1", ""]), min_size=1, max_size=40), st.integers(1, 7))
def test_no_row_is_lost_and_order_stays(tmp_path_factory, labels, size):
    folder = tmp_path_factory.mktemp("any")
    (folder / "t.csv").write_text("cluster,n\n" + "".join(f"{label},{n}\n" for n, label in enumerate(labels)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "_CHUNK", size)
        pieces = split_table(folder / "t.csv", folder / "tables")
    found = {
        name: [int(line.split(",")[1]) for line in path.read_text().splitlines()[1:]]
        for name, (path, _) in pieces.items()
    }
    wanted = {}
    for n, label in enumerate(labels):
        if label:
            wanted.setdefault(label, []).append(n)
    assert found == wanted


def test_what_can_not_be_parted_is_refused(stars, tmp_path):
    path = tmp_path / "stars.csv"
    stars.write(path)
    with pytest.raises(InputError, match="no such column.*did you mean Cluster"):
        split_table(path, tmp_path / "tables", "Clutser")
    stars.rename_column("Cluster", "member_of")
    stars.write(path, overwrite=True)
    with pytest.raises(InputError, match="no column names the clusters.*--cluster-column"):
        split_table(path, tmp_path / "tables")
    assert len(split_table(path, tmp_path / "tables", "member_of")) == 3
    (tmp_path / "one.csv").write_text("cluster,n\nNGC 1,1\nNGC/1,2\n")
    with pytest.raises(InputError, match="'NGC 1' and 'NGC/1' would share one folder"):
        split_table(tmp_path / "one.csv", tmp_path / "tables")
    (tmp_path / "short.csv").write_text("n,cluster\n1,A\n2\n")
    with pytest.raises(InputError, match="this row is too short"):
        split_table(tmp_path / "short.csv", tmp_path / "tables")
    (tmp_path / "packed.csv.gz").write_bytes(b"\x1f\x8b123")
    with pytest.raises(InputError, match="unpack it"):
        split_table(tmp_path / "packed.csv.gz", tmp_path / "tables")
    with pytest.raises(InputError, match="no cluster has 400 rows"):
        jobs_from_table(path, tmp_path, column="member_of", smallest=400)
    stars.write(tmp_path / "cut.fits")
    content = (tmp_path / "cut.fits").read_bytes()
    (tmp_path / "cut.fits").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="ends too early"):
        split_table(tmp_path / "cut.fits", tmp_path / "tables", "member_of")


def test_jobs_of_a_table_carry_their_options(stars, tmp_path):
    path = tmp_path / "stars.parquet"
    stars.write(path)
    jobs = jobs_from_table(path, tmp_path / "out", common={"grid": "mist"})
    assert [job.name for job in jobs] == ["Berkeley 17", "NGC 1", "NGC 2"]
    assert all(job.options.grid == "mist" and job.table.parent == tmp_path / "out" / "tables" for job in jobs)


def test_jobs_find_their_tables_from_any_folder(stars, tmp_path, monkeypatch):
    """Workers of a scheduler were started somewhere else."""
    stars.write(tmp_path / "stars.parquet")
    monkeypatch.chdir(tmp_path)
    jobs = jobs_from_table("stars.parquet", "out")
    monkeypatch.chdir("/")
    assert all(job.table.is_file() for job in jobs)
