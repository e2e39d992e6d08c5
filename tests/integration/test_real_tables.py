"""Real catalogues, as far as a plain command takes them before the search: reading, splitting, selecting, a likelihood.

The likelihood is looked at in one place only: at the published age, metallicity and extinction, the published distance
must beat one that is a magnitude off. A wrong photometric system, a lost unit or a field taken for the cluster would
not pass.
"""

from __future__ import annotations

import csv

import numpy as np
import pytest
from astropy.table import Table

from clusterbayes.cli import main
from clusterbayes.inference.field import FieldLearner
from clusterbayes.model.cluster import ClusterModel
from clusterbayes.photometry import Photometry

# Tables that end in a sharp edge, by construction of their catalogues.
EDGES = {
    "pleiades": 19.0, "blanco1": 19.0, "ngc752": 19.0, "ngc3293": 19.0, "ngc1960": 19.0, "ngc2243": 19.0,
    "berkeley17": 19.0, "ruprecht147": 19.0, "alpha_per": 19.0, "m67": 18.0, "tombaugh2_field": 21.0,
    "blanco1_field": 16.5, "ngc2516_bvi": 19.5,
}  # fmt: skip
GRADUAL = (
    "hyades", "praesepe", "m67_pmwindow", "ngc188_base9", "ngc2516_gaia", "ruprecht44_ubvi", "ngc2420_ugriz", "m13_bv",
    "m13_ugriz",
)  # fmt: skip
FIELDS = {"m67", "blanco1_field", "ruprecht44_ubvi", "ngc2420_ugriz", "tombaugh2_field"}


class Stopped(Exception):
    """Raised where the search would begin."""

    def __init__(self, model: ClusterModel, learner: FieldLearner) -> None:
        super().__init__()
        self.model, self.learner = model, learner


@pytest.fixture(scope="module")
def truth(shared_data):
    lines = (shared_data / "truth.csv").read_text(encoding="utf-8").splitlines()
    return {row["file"]: row for row in csv.DictReader(line for line in lines if not line.startswith("#"))}


@pytest.fixture
def prepare(shared_data, truth, tmp_path, monkeypatch):
    """Run the command that a table's entry asks for, and return the model that would have been searched."""

    def stop(model, learner, **options):
        raise Stopped(model, learner)

    monkeypatch.setattr("clusterbayes.inference.fit.find_modes", stop)

    def inside(name: str) -> Stopped:
        row, tables = truth[name], shared_data / "clusters"
        words = ["fit", str(tables / f"{name}.ecsv"), "--out", str(tmp_path / "out"), "--quiet", "--threads", "1"]
        words += ["--observables", row["observables"].replace(";", ",")]
        words += ["--default-error", row["default_error"]] if row["default_error"] else []
        words += ["--center", f"{row['ra']},{row['dec']}", "--radius", row["radius_deg"]] if row["ra"] else []
        words += ["--control", str(tables / row["control"])] if row["control"] else []
        with pytest.raises(Stopped) as stopped:
            main(words)
        assert not (tmp_path / "out").exists()
        return stopped.value

    return inside


def middle(model: ClusterModel, **values: float) -> np.ndarray:
    """Return θ with everything at the middle of its prior, but for some values."""
    parameters = model.parameters
    theta = {name: float(prior.from_normal(np.zeros(1))[0]) for name, prior in parameters.priors.items()}
    theta.update({name: 0.03 for name in theta if name.startswith("floor_")})
    return parameters.pack({**theta, "member_frac": 0.6, "outlier_frac": 0.05, "binary_frac": 0.35, **values})


@pytest.mark.parametrize("name", [*EDGES, *GRADUAL])
def test_a_real_table_from_a_plain_command(prepare, truth, name):
    stopped = prepare(name)
    model, learner = stopped.model, stopped.learner
    photometry, selection = model.photometry, model.selection
    assert photometry.n_star + sum(photometry.dropped.values()) == photometry.n_input
    primary = [observable.name for observable in photometry.observables].index(selection.band)
    magnitude = photometry.values[:, primary]
    assert selection.inside(magnitude).all()
    if name in EDGES:
        assert selection.faint == pytest.approx(EDGES[name], abs=0.06)
        assert magnitude.max() > selection.faint - 0.1
        assert not any("fainter" in reason for reason in photometry.dropped)
    else:
        assert magnitude.min() < selection.faint < magnitude.max() + 0.1
        fainter = [count for reason, count in photometry.dropped.items() if reason.startswith("fainter")]
        assert 0 < sum(fainter) < photometry.n_input
    assert (learner.control is not None) == (name in FIELDS)

    model = model.with_field(learner.initial())
    published = {key: float(truth[name][key]) for key in ("log_age", "mh", "dist_mod", "a_v")}
    p_member = model.member_probability(middle(model, **published))[0]
    model = model.with_field(learner.density(p_member))
    moved = [{**published, "dist_mod": published["dist_mod"] + step} for step in (0.0, 1.0, -1.0)]
    theta = np.concatenate([middle(model, **values) for values in moved])
    here, farther, nearer = model.log_likelihood(theta) / model.power
    assert np.isfinite([here, farther, nearer]).all()
    assert here > max(farther, nearer) + 30.0


def test_an_annulus_leaves_a_gap_around_the_cluster(prepare):
    dropped = prepare("ruprecht44_ubvi").model.photometry.dropped
    assert dropped["outside radius (used as field)"] > 4000
    assert dropped["between radius and 1.5 radii"] > 500


def test_zeros_in_ngc_2420_are_counted_and_no_star_lies_at_magnitude_0(shared_data, tmp_path):
    """The survey wrote 0.0 where the table of today has gaps: both must come out alike."""
    table = Table.read(shared_data / "clusters" / "ngc2420_ugriz.ecsv")
    gaps = {}
    for band in ("g", "r", "i"):
        gaps[band] = int(np.sum(~np.isfinite(np.ma.filled(table[band].astype(float), np.nan))))
        for name in (band, f"{band}_error"):
            table[name] = np.nan_to_num(np.ma.filled(table[name].astype(float), np.nan))
    table["id", "g", "g_error", "r", "r_error", "i", "i_error"].write(tmp_path / "zeros.csv")
    zeros = Photometry.read(tmp_path / "zeros.csv")
    today = Photometry.read(shared_data / "clusters" / "ngc2420_ugriz.ecsv", observables="g,r,i")
    np.testing.assert_array_equal(zeros.values, today.values)
    assert zeros.dropped == today.dropped == {"no usable magnitude": 25}
    assert min(gaps.values()) > 50
    for band, count in gaps.items():
        assert f"{count} values of 0.0 in column {band} counted as missing" in zeros.notes


def test_parallaxes_are_used_with_the_zero_point_of_their_table(prepare):
    priors = prepare("ngc2243").model.parameters.priors
    assert str(priors["parallax_zero_point"]) == "normal(0, 0.012)"
    assert str(prepare("m67").model.parameters.priors["parallax_zero_point"]) == "normal(0.035, 0.012)"
    assert "parallax_zero_point" in prepare("m13_bv").model.parameters.fixed


def test_the_bench_table_is_taken_whole(shared_data, tmp_path, monkeypatch):
    def stop(model, learner, **options):
        raise Stopped(model, learner)

    monkeypatch.setattr("clusterbayes.inference.fit.find_modes", stop)
    with pytest.raises(Stopped) as stopped:
        main(["fit", str(shared_data / "bench" / "bench_cluster.csv"), "--out", str(tmp_path / "out"), "--quiet"])
    photometry = stopped.value.model.photometry
    assert photometry.n_star == photometry.n_input == 1000
    assert photometry.bands == ("Gaia_G", "Gaia_BP", "Gaia_RP")
