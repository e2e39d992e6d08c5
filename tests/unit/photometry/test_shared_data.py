"""Every real table of the shared collection must be read by a plain call."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from clusterbayes.bands import parse_observable
from clusterbayes.errors import InputError
from clusterbayes.photometry import Photometry

# Stars that are used: rows, less those without a usable magnitude and those with a repeated identifier.
USED = {
    "pleiades": (1217, 1217),
    "hyades": (515, 515),
    "praesepe": (938, 938),
    "m67": (1228, 1228),
    "m67_pmwindow": (1494, 1494),
    "ngc188_base9": (914, 914),
    "ngc752": (301, 301),
    "ngc2516_gaia": (1428, 1428),
    "ngc2516_bvi": (11287, 11287),
    "ruprecht147": (202, 202),
    "alpha_per": (865, 865),
    "blanco1": (564, 564),
    "blanco1_field": (8684, 8684),
    "ngc3293": (548, 548),
    "ngc1960": (349, 349),
    "ngc2243": (847, 840),
    "berkeley17": (544, 544),
    "ruprecht44_ubvi": (6051, 6051),
    "ngc2420_ugriz": (3071, 3046),
    "tombaugh2_field": (7545, 7545),
    "m13_bv": (2152, 2152),
    "m13_ugriz": (11473, 11473),
}


@pytest.fixture(scope="module")
def truth(shared_data):
    lines = (shared_data / "truth.csv").read_text(encoding="utf-8").splitlines()
    return {row["file"]: row for row in csv.DictReader(line for line in lines if not line.startswith("#"))}


def read(shared_data, row, **options):
    if row["default_error"]:
        options["default_error"] = float(row["default_error"])
    return Photometry.read(shared_data / "clusters" / f"{row['file']}.ecsv", **options)


@pytest.mark.parametrize("name", USED)
def test_a_table_is_read_as_its_entry_says(shared_data, truth, name):
    row = truth[name]
    photometry = read(shared_data, row, observables=row["observables"])
    assert (photometry.n_input, photometry.n_star) == USED[name]
    assert photometry.observables == tuple(parse_observable(text) for text in row["observables"].split(";"))
    known = np.isfinite(photometry.values)
    assert known.mean() > 0.75  # colours with a BP beyond 20.3 count as missing
    np.testing.assert_array_equal(known, np.isfinite(photometry.errors))
    assert (photometry.errors[known] > 0).all()
    if row["ra"]:
        sample, control = photometry.split((float(row["ra"]), float(row["dec"])), float(row["radius_deg"]))
        assert sample.n_star > 500
        assert sample.n_star + control.n_star < photometry.n_star


@pytest.mark.parametrize("name", USED)
def test_a_table_is_read_when_nothing_is_said(shared_data, truth, name):
    photometry = read(shared_data, truth[name])
    assert len(photometry.bands) >= 2
    assert photometry.n_star > 0.97 * photometry.n_input


def test_tables_of_almeida_say_that_their_parallaxes_are_corrected(shared_data, truth):
    applied = {name for name, row in truth.items() if read(shared_data, row).parallax_zero_point == "applied"}
    members = {"pleiades", "blanco1", "ruprecht147", "alpha_per", "ngc752", "ngc3293", "ngc1960", "ngc2243"}
    assert applied == members | {"berkeley17"}


@pytest.mark.parametrize("name", ["ngc2516_bvi", "blanco1_field"])
def test_tables_without_errors_need_a_default(shared_data, name):
    with pytest.raises(InputError, match="no column of errors.*default error"):
        Photometry.read(shared_data / "clusters" / f"{name}.ecsv")


def test_the_control_field_of_m67_is_read(shared_data):
    control = Photometry.read(shared_data / "clusters" / "m67_control_field.ecsv")
    assert [observable.name for observable in control.observables] == ["Gaia_G", "Gaia_BP-Gaia_RP"]
    assert control.n_star == control.n_input == 4857


def test_the_bench_table_is_read(shared_data):
    bench = Photometry.read(shared_data / "bench" / "bench_cluster.csv")
    assert bench.observables == tuple(parse_observable(text) for text in ("G", "BP", "RP"))
    assert bench.n_star == bench.n_input == 1000
    np.testing.assert_allclose(bench.values[0], [15.63607, 16.13869, 14.98928])
    np.testing.assert_allclose(bench.errors[0], [0.00302, 0.00768, 0.00524])
    assert bench.ids[0] == "0"
