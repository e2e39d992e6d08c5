"""Residuals against a reference catalogue: matched by name, with errors of both, and a wrong error is seen."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.batch.comparison import compare, read_reference
from clusterbayes.errors import InputError


def rows(n, shift, sigma, rng):
    """Fits whose errors are true if `shift` is 1."""
    values = 8.0 + shift * sigma * rng.normal(size=n)
    return [
        {
            "name": f"NGC {k}", "status": "done", "converged": k % 4 != 0, "log_age": value,
            "log_age_q16": value - sigma, "log_age_q84": value + sigma,
        }
        for k, value in enumerate(values)
    ]  # fmt: skip


def write(path, lines):
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(("shift", "true"), [(1.0, True), (2.0, False)])
def test_normalised_residuals_tell_true_errors_from_wrong_ones(tmp_path, shift, true):
    n, sigma, theirs = 400, 0.05, 0.03
    rng = np.random.default_rng(5)
    lines = [f"ngc_{k},{8.0 + theirs * rng.normal()},{theirs}" for k in range(n)]
    reference = read_reference(write(tmp_path / "r.csv", ["name,log_age,log_age_sigma", *lines]))
    (found,) = compare(rows(n, shift, sigma, rng), reference)
    statistics = found.statistics()
    assert statistics["n"] == 300 and found.statistics(only_good=False)["n"] == n
    # rms of 300 unit normals: 1 with a standard error of 1/sqrt(2 · 300); shares: binomial.
    assert bool(abs(statistics["normalised_rms"] - 1.0) < 3.0 / np.sqrt(600.0)) is true
    assert bool(abs(statistics["within_90"] - 0.9) < 3.0 * np.sqrt(0.09 / 300.0)) is true
    assert statistics["rms"] == pytest.approx(np.hypot(shift * sigma, theirs), rel=0.13)


def test_only_what_both_have_is_compared(tmp_path):
    lines = [
        "# comment",
        "file,cluster,kind,log_age,mh,mh_error,dist_mod",
        "ngc1,NGC 1,open,8.1,,0.1,9.0",
        "x,NGC 9,open,8,0,0.1,7",
    ]
    reference = read_reference(write(tmp_path / "r.csv", lines))
    row = {"name": "ngc1", "status": "done", "converged": True, "log_age": 8.2, "log_age_q16": 8.1, "log_age_q84": 8.3,
           "mh": 0.0, "mh_q16": -0.1, "mh_q84": 0.1, "dist_mod": None}  # fmt: skip
    (found,) = compare([row, {"name": "NGC 9", "status": "failed"}], reference)
    assert found.parameter == "log_age" and found.names == ["ngc1"]
    assert found.residual == pytest.approx([0.1]) and found.normalised == pytest.approx([1.0])
    assert np.isnan(found.reference_sigma).all()
    assert compare([{**row, "name": "else"}], reference) == []
    (held,) = compare([row | {"log_age_q16": 8.2, "log_age_q84": 8.2}], reference)
    assert np.isnan(held.normalised).all() and np.isnan(held.statistics()["normalised_rms"])


def test_references_that_can_not_serve_are_refused(tmp_path):
    with pytest.raises(InputError, match="nothing that can be compared.*log_age"):
        read_reference(write(tmp_path / "a.csv", ["name,age", "NGC 1,8"]))
    with pytest.raises(InputError, match="a number was expected") as caught:
        read_reference(write(tmp_path / "b.csv", ["name,log_age", "NGC 1,8", "NGC 2,old"]))
    assert caught.value.row == 1 and caught.value.column == "log_age"
