"""Names, folders and seeds of jobs."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.batch.jobs import Job, folder_name, job_seed, with_folders
from clusterbayes.errors import InputError


def test_seeds_follow_from_batch_and_name_alone():
    names = [f"NGC {number}" for number in range(2000)]
    seeds = {name: job_seed(1, name) for name in names}
    assert seeds == {name: job_seed(1, name) for name in reversed(names)}
    assert len(set(seeds.values())) == len(names)
    assert not set(seeds.values()) & {job_seed(2, name) for name in names}
    assert all(0 <= seed < 2**48 for seed in seeds.values())
    assert job_seed(1, "Pleiades") == 0xCFC0164D1AEB


@given(st.text(min_size=1, max_size=300))
def test_any_name_makes_a_folder(name):
    folder = folder_name(name)
    assert re.fullmatch(r"[\w+-][\w.+-]*", folder) and len(folder.encode()) <= 500 and "/" not in folder


def test_jobs_need_folders_of_their_own(tmp_path):
    jobs = [Job("NGC 1", tmp_path / "a"), Job("NGC/1", tmp_path / "b")]
    with pytest.raises(InputError, match="'NGC 1' and 'NGC/1' would share the folder NGC_1"):
        with_folders(jobs)
    with pytest.raises(InputError, match="nothing to fit"):
        with_folders([])
    assert list(with_folders(jobs[:1])) == ["NGC_1"]
