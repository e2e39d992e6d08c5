"""From a chain to a result: draws, derived parameters, stars, isochrones, diagnostics and provenance."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata

import numpy as np
from astropy.table import Table

from clusterbayes.inference.assembling import Sample
from clusterbayes.inference.binning import Binning
from clusterbayes.inference.checkpoint import Keeper
from clusterbayes.inference.remarks import at_bounds, mode_table, prior_dominated, remarks
from clusterbayes.inference.sampler import Chain
from clusterbayes.inference.search import Mode
from clusterbayes.model.cluster import ClusterModel, StarProperties
from clusterbayes.model.leave_one_out import log_predictive
from clusterbayes.model.parameters import unit_of
from clusterbayes.model.selection import NO_LIMIT
from clusterbayes.photometry import Photometry
from clusterbayes.results.result import Curve, FitResult

__all__ = ["derived_draws", "provenance_of", "summarize"]

_MAX_DRAWS = 5000
_STAR_DRAWS = 96
_FAN = 30


def summarize(
    model: ClusterModel, modes: list[Mode], chain: Chain, chosen: Sample, seed: int, settings: dict, keeper: Keeper
) -> FitResult:
    """Make the result of a chain: thinned draws, stars and curves averaged over some of them, and the verdict."""
    parameters = model.parameters
    n_steps, n_walkers, n_dim = chain.z.shape
    theta = parameters.from_normal(chain.z.reshape(-1, n_dim))
    flat = _thinned(theta, chain)
    draws = {name: column for name, column in parameters.unpack(flat).items() if name in parameters.priors}
    draws |= derived_draws(model, flat)
    z = chain.z.reshape(-1, n_dim)  # the chain's density is that of z; the posterior density is that of θ
    log_prob = chain.log_prob.reshape(-1) + 0.5 * (z**2).sum(axis=1) + model.log_prior(theta)
    best_row = int(np.argmax(log_prob))
    best = dict(zip(parameters.names, map(float, theta[best_row]), strict=True))
    best.update({name: float(v[0]) for name, v in derived_draws(model, theta[best_row : best_row + 1]).items()})
    picked = np.unique(np.linspace(0, flat.shape[0] - 1, _STAR_DRAWS).astype(int))
    predicted = log_predictive(model.log_density(flat[picked]), model.power)
    stars = _star_table(chosen.photometry, model.star_properties(flat[picked]), predicted, model.distance_shift)
    curves = _curves(model, theta[best_row], flat[picked[:: max(1, picked.size // _FAN)]])
    selection = chosen.selection
    verdict = chain.convergence
    dominated, table = prior_dominated(z, parameters.names), mode_table(modes, z, parameters)
    bounded = at_bounds(theta, parameters.names, parameters.priors)
    binning = None if model.cells is None else Binning.measure(model, flat[picked[::3]])
    reasons = [*verdict.reasons, *([] if binning is None else binning.reasons())]
    diagnostics = {
        "converged": not reasons, "reasons": reasons, "tau": verdict.tau, "ess": verdict.ess,
        "rhat": verdict.rhat, "longest_rest": verdict.longest_rest, "acceptance": chain.acceptance,
        "n_walkers": n_walkers, "n_steps": n_steps, "n_burn": chain.n_burn, "n_ensembles": chain.n_ensemble,
        "log_prob_max": float(log_prob.max()), "wall_seconds": keeper.seconds,
        "prior_dominated": dominated, "at_bounds": bounded, "modes": table,
        "binning": None if binning is None else asdict(binning),
    }  # fmt: skip
    photometry, grid = chosen.photometry, model.grid
    ends = {name: (float(nodes[0]), float(nodes[-1])) for name, nodes in (("log_age", grid.log_age), ("mh", grid.mh))}
    counts = {"input": photometry.n_input, "used": photometry.n_star, "dropped": dict(photometry.dropped)}
    return FitResult(
        chain=theta.reshape(n_steps, n_walkers, n_dim),
        log_prob=log_prob.reshape(n_steps, n_walkers),
        names=parameters.names,
        units={name: unit_of(name) for name in (*draws, *parameters.fixed)},
        draws=draws,
        best=best,
        stars=stars,
        curves=curves,
        observables=tuple(o.name for o in photometry.observables),
        mag_limits=(
            selection.band,
            selection.bright if selection.bright > -NO_LIMIT else -np.inf,
            selection.faint if selection.faint < NO_LIMIT else np.inf,
        ),
        diagnostics=diagnostics,
        counts=counts,
        provenance=provenance_of(model, photometry, seed, settings),
        notes=[*chosen.notes, *remarks(dominated, bounded, table, ends), *([] if binning is None else [str(binning)])],
    )


def _thinned(theta: np.ndarray, chain: Chain) -> np.ndarray:
    """Flat draws, thinned by half the longest autocorrelation time and to at most a few thousand."""
    n_steps, n_walkers, n_dim = chain.z.shape
    step = max(1, int(chain.convergence.tau_max / 2), int(np.ceil(n_steps * n_walkers / _MAX_DRAWS)))
    return theta.reshape(n_steps, n_walkers, n_dim)[::-1][::step][::-1].reshape(-1, n_dim)


def derived_draws(model: ClusterModel, theta: np.ndarray) -> dict[str, np.ndarray]:
    """Return draws (n_draw,) of the main parameters and of what follows from them, for θ (n_draw, n_dim)."""
    values = model.parameters.unpack(theta)
    named = {name: values[name] for name in ("log_age", "mh", "dist_mod", "a_v", "binary_frac", "member_frac")}
    return {
        **named,  # also where they were held fixed
        "distance": 10.0 ** (values["dist_mod"] / 5.0 + 1.0),
        "ebv": values["a_v"] / model.grid.r_v,
        "age_gyr": 10.0 ** (values["log_age"] - 9.0),
        "binary_frac_q05": values["binary_frac"] * model.mass_ratios.share_above(0.5, values["q_slope"]),
    }


def _star_table(
    photometry: Photometry, stars: StarProperties, predicted: np.ndarray, shift: tuple[np.ndarray, np.ndarray]
) -> Table:
    """One row for every input row: what each star is, and what was used of it."""
    n = photometry.n_input
    table = Table({"id": np.asarray(photometry.input_ids).astype(str)})
    for name in ("p_member", "p_outlier", "mass", "mass_std", "q", "q_std", "p_binary", "log_teff", "log_teff_std",
                 "log_lum", "log_lum_std"):  # fmt: skip
        column = np.full(n, np.nan)
        column[photometry.input_row] = getattr(stars, name)
        table[name] = column
    own = {"log_predictive": predicted, "distance_shift": shift[0], "distance_shift_error": shift[1]}
    for name, values in own.items():
        table[name] = np.full(n, np.nan)
        table[name][photometry.input_row] = values
    table["used"] = np.isin(np.arange(n), photometry.input_row)
    table["drop_reason"] = np.asarray(photometry.drop_reason).astype(str)
    for a, observable in enumerate(photometry.observables):
        for suffix, source in (
            ("", photometry.values), ("_error", photometry.errors), ("_residual", photometry.values - stars.expected)
        ):  # fmt: skip
            column = np.full(n, np.nan)
            column[photometry.input_row] = source[:, a]
            table[observable.name + suffix] = column
    for name in photometry.table.colnames:
        if name not in table.colnames and name != "id":
            table[name] = photometry.table[name]
    return table


def _curves(model: ClusterModel, best: np.ndarray, fan: np.ndarray) -> list[Curve]:
    curves = []
    for kind, rows in (("best", best[None, :]), ("fan", fan)):
        for sequence in model.sequences(rows):
            binary = sequence.pop("binary")
            curves.append(Curve(kind=kind, **sequence))
            if kind == "best":
                curves.append(Curve(kind="binary", **(sequence | {"observables": binary})))
    return curves


def provenance_of(model: ClusterModel, photometry: Photometry, seed: int, settings: dict) -> dict:
    """Return what the numbers follow from: package, grid, input, seed, priors, settings, versions."""
    packages = ("clusterbayes", "numpy", "scipy", "numba", "emcee", "astropy", "dust_extinction")
    versions = {name: metadata.version(name) for name in packages}
    return {
        "package_version": versions["clusterbayes"],
        "grid": {
            "name": model.grid.name,
            "digest": model.grid.digest,
            "file_digest": model.grid.metadata.get("file_digest"),
            "extinction_law": model.grid.metadata.get("law"),
            "r_v": model.grid.r_v,
        },
        "input": {"source": photometry.source, "checksum": photometry.checksum},
        "seed": seed,
        "priors": {name: str(prior) for name, prior in model.parameters.priors.items()},
        "fixed": dict(model.parameters.fixed),
        "settings": settings,
        "versions": {**versions, "python": platform.python_version()},
        "created_on": datetime.now(UTC).isoformat(timespec="seconds"),
    }
