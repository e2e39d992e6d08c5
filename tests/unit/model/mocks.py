"""Simulated clusters on the closed-form grid, and models of them, for the tests."""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from clusterbayes.isochrones import analytic_grid
from clusterbayes.model.cluster import ClusterModel, MassRatios
from clusterbayes.model.parameters import ParameterSet, default_priors
from clusterbayes.model.selection import Selection
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry

GAIA = ("Gaia_G", "Gaia_BP", "Gaia_RP")
GRID = analytic_grid()
TRUTH = {"log_age": 8.7, "mh": -0.1, "dist_mod": 9.0, "a_v": 0.4, "binary_frac": 0.4}
OTHER = {"alpha_1": 1.3, "alpha_2": 2.3, "outlier_frac": 0.01, "member_frac": 0.9}


def fine_ratios(parts=6):
    """Mass ratios so close that straight strips between them are as good as the curve."""
    edges = MassRatios().nodes
    pieces = [np.linspace(a, b, parts + 1) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    return MassRatios(tuple(np.unique(np.concatenate(pieces)).tolist()))


def mock_table(n_members=150, n_field=0, *, truth=TRUTH, bands=GAIA, faint=16.0, seed=1, **options):
    """Simulate a catalogue."""
    options = {"mag_limit": f"{bands[0]}={faint:g}", "grid": GRID, "bands": bands, "seed": seed} | options
    return simulate_cluster(**truth, n_members=n_members, n_field=n_field, **options).table


_SELECTING = ("completeness", "others")


def make_model(
    source, *, grid=GRID, observables=None, bright=-99.0, faint=16.0, fixed=None, model_error=False, **options
):
    """Build a model of a table or of photometry; what isn't in the catalogue's nature is left at the defaults."""
    if isinstance(source, Table):
        source = Photometry.from_table(source, observables=list(observables or GAIA))
    defaults = default_priors(
        log_age_range=tuple(grid.log_age[[0, -1]]),
        mh_range=tuple(grid.mh[[0, -1]]),
        bands=source.bands,
        parallax_zero_point=None if source.parallax is None else source.parallax_zero_point,
        model_error=model_error,
    )
    parameters = ParameterSet.build(*defaults, user_fixed=fixed or {})
    primary = next(o.bands[0] for o in source.observables if o.is_magnitude)
    limits = Selection(primary, bright, faint, **{key: options.pop(key) for key in _SELECTING if key in options})
    options = {"field": np.full(source.n_star, 0.01), "thin": 1} | options
    return ClusterModel(source, grid, parameters, limits, **options)


def at_truth(model, **changes):
    """θ (1, n_dim) at the truth of the mocks; parameters without a truth are at the median of their priors."""
    parameters = model.parameters
    middle = dict(zip(parameters.names, parameters.from_normal(np.zeros((1, parameters.n_dim)))[0], strict=True))
    return parameters.pack(middle | TRUTH | OTHER | changes)
