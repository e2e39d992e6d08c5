"""The summary keeps one row a cluster, is written whole, and can be made again from the folders."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clusterbayes.batch.jobs import Job
from clusterbayes.batch.states import DONE, State
from clusterbayes.batch.summary import Summary, read_summary
from clusterbayes.errors import BatchError

ROW = {
    "name": "M 67", "folder": "M_67", "status": "done", "reason": "", "message": "", "quality": "A", "converged": True,
    "n_used": 61, "log_age": 9.58, "rhat": math.nan, "units": {"distance": "pc"}, "distance": 860,
}  # fmt: skip
FAILED = {"name": "Ü 1", "folder": "Ü_1", "status": "failed", "reason": "input", "message": "too few", "distance": 1.5}


def summary(tmp_path, clock=lambda: 0.0):
    return Summary(tmp_path, {name: Job(name, Path()) for name in ("M_67", "Ü_1", "later")}, clock=clock)


def test_rows_of_any_kind_become_columns_of_one(tmp_path):
    kept = summary(tmp_path)
    kept.put(ROW)
    kept.put(FAILED)
    table = pq.read_table(kept.write())
    rows = table.to_pylist()
    assert [row["status"] for row in rows] == ["done", "failed", "waiting"]
    assert rows[0]["log_age"] == 9.58 and rows[0]["rhat"] is None and rows[1]["log_age"] is None
    assert [row["distance"] for row in rows] == [860.0, 1.5, None]
    assert table.schema.field("distance").metadata == {b"unit": b"pc"}
    assert str(table.schema.field("n_used").type) == "int64" and str(table.schema.field("converged").type) == "bool"
    shown = kept.table()
    assert shown["log_age"].mask.tolist() == [False, True, True] and str(shown["distance"].unit) == "pc"
    assert kept.count() == {"done": 1, "failed": 1, "waiting": 1, "input": 1}


def test_it_is_written_now_and_then(tmp_path):
    now = [0.0]
    kept = summary(tmp_path, clock=lambda: now[0])
    target = tmp_path / "summary.parquet"
    kept.put(ROW)
    assert pq.read_table(target)["status"].to_pylist() == ["done", "waiting", "waiting"]
    kept.put(FAILED)
    assert pq.read_table(target)["status"].to_pylist() == ["done", "waiting", "waiting"]
    now[0] = 11.0
    kept.put(FAILED)
    assert pq.read_table(target)["status"].to_pylist() == ["done", "failed", "waiting"]
    assert [path.name for path in tmp_path.iterdir()] == ["summary.parquet"]


def test_it_is_made_again_from_the_folders(tmp_path):
    for row in (ROW, FAILED):
        folder = tmp_path / "clusters" / row["folder"]
        folder.mkdir(parents=True)
        State(DONE, {}, row, "run").write(folder)
    (tmp_path / "clusters" / ".M_67.1234abcd").mkdir()
    again = read_summary(tmp_path)
    assert [row["name"] for row in again.rows] == ["M 67", "Ü 1"]
    assert not (tmp_path / "summary.parquet").exists()
    with pytest.raises(BatchError, match="there is no batch in this folder"):
        read_summary(tmp_path / "clusters")
