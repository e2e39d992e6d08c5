"""The shared tables of real clusters as one batch: their table of reference values says how each is read and fitted."""

from __future__ import annotations

from clusterbayes.batch import jobs_from_folder
from clusterbayes.batch.comparison import read_reference
from clusterbayes.batch.fitting import read_job
from clusterbayes.batch.options import read_options


def test_the_reference_table_is_a_table_of_options_too(shared_data):
    choice = read_options(shared_data / "truth.csv")
    jobs = {job.name: job for job in jobs_from_folder(shared_data / "clusters", choice=choice)}
    assert len(jobs) >= 22 and "m67_control_field" not in jobs
    assert set(choice.unused) == {
        "kind", "log_age", "log_age_sigma", "mh", "mh_sigma", "dist_mod", "dist_mod_sigma", "a_v", "a_v_sigma",
        "sources",
    }  # fmt: skip
    assert read_reference(shared_data / "truth.csv").parameters == ("log_age", "mh", "dist_mod", "a_v")

    photometry, control, fitting = read_job(jobs["m67"])
    assert [observable.name for observable in photometry.observables] == ["Gaia_G", "Gaia_BP-Gaia_RP"]
    assert control is not None and control.n_star > 50 and fitting["center"] is None
    photometry, control, fitting = read_job(jobs["ngc2516_bvi"])
    assert [observable.name for observable in photometry.observables] == ["V", "B-V"]
    assert (photometry.errors[:, 0] == 0.02).all() and control is None
    assert fitting["center"] == (119.527, -60.8) and fitting["radius"] == 0.5
    assert fitting["sampling"].n_threads == 1
