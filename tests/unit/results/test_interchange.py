"""The chain as ArviZ's tree: whole ensembles are its chains, draws are thinned, units come along."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
from unit.results.synthetic import make_result

from clusterbayes.errors import SettingsError
from clusterbayes.results.interchange import to_arviz

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def result():
    """A fit whose chain says which ensemble, step and walker each of its numbers is from."""
    made = make_result()
    step, walker = np.meshgrid(np.arange(12.0), np.arange(6.0), indexing="ij")
    chain = np.repeat((1000.0 * (walker // 3) + 10.0 * step + walker % 3)[:, :, None], len(made.names), axis=2)
    tau = dict.fromkeys(made.names, 2.0) | {made.names[0]: 3.6}
    diagnostics = made.diagnostics | {"n_ensembles": 2, "tau": tau}
    return replace(made, chain=chain, log_prob=-step - walker, diagnostics=diagnostics)


def test_ensembles_are_chains_and_steps_are_thinned(result):
    tree = to_arviz(result)
    values = tree.posterior["log_age"]
    assert values.dims == ("chain", "draw")
    # the last step and every fourth before it, all walkers of the one ensemble, then of the other
    expected = [10.0 * step + walker for step in (3, 7, 11) for walker in range(3)]
    np.testing.assert_array_equal(values[0], expected)
    np.testing.assert_array_equal(values[1], np.add(1000.0, expected))
    np.testing.assert_array_equal(tree.sample_stats["lp"][1, :3], [-6.0, -7.0, -8.0])
    assert values.attrs["units"] == "log10(yr)"


@pytest.mark.parametrize("converged", [True, False])
def test_the_verdict_is_an_attribute_and_survives_a_file(result, tmp_path, converged):
    tree = to_arviz(replace(result, diagnostics=result.diagnostics | {"converged": converged}))
    assert tree.attrs["converged"] == tree.posterior.attrs["converged"] == int(converged)
    tree.to_netcdf(str(tmp_path / "tree.nc"), engine="h5netcdf")
    with h5py.File(tmp_path / "tree.nc") as file:
        for group in (file, file["posterior"]):
            assert np.squeeze(group.attrs["converged"]) == int(converged)


def test_corner_and_arviz_take_it(result):
    rng = np.random.default_rng(1)
    tree = to_arviz(
        replace(result, chain=rng.normal(size=(400, 6, len(result.names)))[:, :, :], log_prob=np.zeros((400, 6)))
    )
    import arviz  # quiet by now
    import corner
    from matplotlib import pyplot

    table = arviz.summary(tree, var_names=["log_age", "mh"])
    assert list(table.index) == ["log_age", "mh"]
    assert (table["ess_bulk"] > 300).all() and (table["r_hat"] < 1.05).all()
    figure = corner.corner(tree, var_names=["log_age", "mh", "a_v"])
    assert len(figure.axes) == 9
    pyplot.close(figure)


ALONE = """
from unit.results.synthetic import make_result
from clusterbayes.results.plots import draw
draw(make_result(n_member=30, n_field=10, n_unused=3), "corner", None)
"""


def test_what_arviz_says_once_a_day_is_not_for_those_who_look_at_a_fit(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "error::FutureWarning", "-c", ALONE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("thin", [0, 13])
def test_a_step_that_leaves_nothing_is_refused(result, thin):
    with pytest.raises(SettingsError, match="1 to 12"):
        to_arviz(result, thin=thin)
