"""Simulation-based calibration: draw a truth from the prior, simulate, fit, and see where it lies among the draws.

If the fit is right, the place of the truth among independent draws is even from 0 to 1, for every parameter (Talts et
al. 2018, arXiv:1804.06788). The simulator draws from the model that the likelihood describes and from the very priors
that the fit uses, which is checked. A coarsened likelihood, the default of real fits, can't be even by construction.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from clusterbayes import __version__
from clusterbayes.errors import ClusterBayesError, FitError
from clusterbayes.inference.fit import fit_cluster
from clusterbayes.inference.sampler import SamplingOptions
from clusterbayes.inference.verdict import said_by_caller
from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.isochrones.certified import certified_floor
from clusterbayes.model.details import Details
from clusterbayes.model.discrepancy import known_discrepancy
from clusterbayes.model.field import FieldDensity
from clusterbayes.model.parameters import FAULT_SCALES, ParameterSet, default_priors, within
from clusterbayes.model.priors import Uniform, parse_prior
from clusterbayes.model.selection import parse_limits
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry
from clusterbayes.results.result import FitResult
from clusterbayes.validation.contents import grid_contents
from clusterbayes.validation.outcomes import Outcomes, run_side_by_side
from clusterbayes.validation.regimes import Regime
from clusterbayes.validation.source import source_digest

__all__ = ["SHRINK", "Experiment", "places_of_truth", "run_sbc"]

#: Factor by which draws are drawn together about their median in the negative control.
SHRINK = 2.0

_MOST_DRAWS = 999
_N_FIELD = 4000  # stars of the crude disc that the density of field stars is made from
_FIELD_SEED = 20
# Beginnings of the parameters that are faults of isochrones; those of another family have no such true value.
_FAULTS = ("floor_", "zero_point_", "colour_", "log_age_offset")
_CLUSTER = ("log_age", "mh", "dist_mod", "a_v", "binary_frac")


@dataclass(frozen=True)
class Experiment:
    """What is simulated and how it is fitted.

    Attributes
    ----------
    regime : Regime
    simulate_with, fit_with : str
        Names or files of grids. Where they differ, the models are wrong on purpose, and the simulation has none of the
        fit's terms for it (floors, zero points, colours, ages).
    model_error : {"none", "terms", "default"}
        As `fit_cluster` takes it. "terms" draws floors, colours and ages from their priors, too. "default"
        coarsens the likelihood and is not meant to be even.
    laws : dict
        "mass_function" and "binary_law", of simulation and fit.
    error_factor : float
        What the listed errors are multiplied with before the fit; ½ is a negative control.
    sampling : dict
        Keywords of `SamplingOptions`.
    seed : int
    """

    regime: Regime = field(default_factory=Regime)
    simulate_with: str = "parsec"
    fit_with: str = "parsec"
    model_error: str = "none"
    laws: Mapping[str, str] = field(default_factory=lambda: {"mass_function": "kroupa", "binary_law": "flat"})
    error_factor: float = 1.0
    sampling: Mapping[str, int] = field(default_factory=dict)
    seed: int = 1

    @property
    def matched(self) -> bool:
        """Whether simulation and fit use the same isochrones."""
        return self.simulate_with == self.fit_with

    @property
    def priors(self) -> dict[str, str]:
        """Priors of simulation and fit beyond the defaults.

        What real clusters have taught of a family is no knowledge where another family plays nature, and nature has to
        be in both families' range.
        """
        priors = dict(self.regime.priors)
        if not self.matched and self.model_error != "none":
            priors |= {name: f"normal(0, {width:g})" for name, width in FAULT_SCALES.items()}
        if not self.matched:
            grids = [_grid(name, self.regime.bands) for name in (self.simulate_with, self.fit_with)]
            for name in ("log_age", "mh"):
                low = max(float(getattr(grid, name)[0]) for grid in grids)
                high = min(float(getattr(grid, name)[-1]) for grid in grids)
                priors[name] = str(within(parse_prior(priors[name]), Uniform(low, high)))
        return priors


def run_sbc(
    experiment: Experiment,
    out: str | os.PathLike[str],
    n_clusters: int,
    *,
    n_workers: int | None = None,
    tell: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Simulate and fit clusters number 0 to `n_clusters` − 1, those that are not in the folder yet.

    Parameters
    ----------
    experiment : Experiment
    out : path-like
        Gets one JSON document for each cluster; a larger number goes on with the same folder. Each has the digest of
        the code that made it ("source"): a folder that is gone on with after a change of the code is not refused, and
        its page says so.
    n_clusters : int
    n_workers : int, optional
        Processes, one for each core by default. Numbers do not depend on it: every cluster has its own seeds.
    tell : callable
        Gets a line for each cluster.

    Returns
    -------
    list of dict
        The outcomes of all clusters in the folder.

    Raises
    ------
    SettingsError
        If the folder was begun with another experiment, or with grids of the same names and other contents.
    """
    digests = {
        name: grid_contents(_grid(name, experiment.regime.bands))
        for name in (experiment.simulate_with, experiment.fit_with)
    }
    settings = {"what": "sbc", "version": __version__, "matched": experiment.matched, "digests": digests}
    settings |= asdict(experiment)
    outcomes = Outcomes(Path(out), settings)
    waiting = [number for number in range(n_clusters) if not outcomes.has(_name(number))]
    tasks = [(experiment, Path(out), settings, number) for number in waiting]
    run_side_by_side(_one, tasks, n_workers=n_workers, tell=tell)
    return list(outcomes.all())


def _name(number: int) -> str:
    return f"{number:06d}"


def _one(task: tuple[Experiment, Path, dict[str, Any], int]) -> str:
    """Simulate and fit one cluster and keep what came out."""
    experiment, out, settings, number = task
    outcome: dict[str, Any] = {"number": number, "source": source_digest()}
    try:
        with said_by_caller():
            _carry_out(experiment, number, outcome)
    except ClusterBayesError as error:
        outcome["error"] = f"{type(error).__name__}: {error}"
    Outcomes(out, settings).keep(_name(number), outcome)
    state = outcome.get("error") or ("" if outcome["converged"] else "not converged")
    return f"{_name(number)}: {outcome.get('n_star')} stars, {outcome.get('seconds', 0.0):.0f} s {state}"


def _carry_out(experiment: Experiment, number: int, outcome: dict[str, Any]) -> None:
    """Fill the outcome as far as it gets: the truth stays if the fit fails."""
    drawing, simulating, fitting, ranking = np.random.SeedSequence([experiment.seed, number]).spawn(4)
    rng, regime = np.random.default_rng(drawing), experiment.regime
    fit_grid = _grid(experiment.fit_with, regime.bands)
    parameters = _parameters(experiment, fit_grid)
    truth = dict(zip(parameters.names, parameters.from_normal(rng.normal(size=parameters.n_dim))[0], strict=True))
    low, high = np.log(regime.n_star)
    n_star = round(float(np.exp(rng.uniform(low, high))))
    outcome |= {"truth": {name: float(value) for name, value in truth.items()}, "n_star": n_star}
    values = {**parameters.fixed, **truth}
    outcome["n_members"] = int(rng.binomial(n_star, values["member_frac"]))
    photometry, control = _simulate(experiment, values, n_star, outcome["n_members"], simulating)
    result = fit_cluster(
        photometry,
        grid=fit_grid,
        control=control,
        mag_limit=regime.mag_limit,
        model_error=experiment.model_error,
        priors=experiment.priors,
        seed=int(np.random.default_rng(fitting).integers(2**31)),
        sampling=SamplingOptions(**{"n_threads": 1, **experiment.sampling}),
        mass_function=experiment.laws["mass_function"],
        binary_law=experiment.laws["binary_law"],
    )
    _check_priors(parameters, result)
    outcome |= {
        "converged": result.converged, "reasons": result.diagnostics["reasons"],
        "seconds": float(result.diagnostics["wall_seconds"]),
        "summary": {name: result.summary()[name] for name in parameters.names},
    }  # fmt: skip
    draws = _independent(result, np.random.default_rng(ranking))
    judged = [name for name in result.names if experiment.matched or not name.startswith(_FAULTS)]
    draws = draws[:, [result.names.index(name) for name in judged]]
    known = np.array([truth[name] for name in judged])
    seeds = np.random.default_rng(ranking.spawn(1)[0])
    outcome["n_draw"] = len(draws)
    outcome["place"] = dict(zip([*judged, "joint"], places_of_truth(draws, known, seeds), strict=True))
    shrunk = np.median(draws, axis=0) + (draws - np.median(draws, axis=0)) / SHRINK
    outcome["place_shrunk"] = dict(zip([*judged, "joint"], places_of_truth(shrunk, known, seeds), strict=True))


def _simulate(
    experiment: Experiment, values: Mapping[str, float], n_star: int, n_members: int, seeds: np.random.SeedSequence
) -> tuple[Photometry, Photometry | None]:
    """Make the catalogue, and the control field where the regime has one."""
    regime = experiment.regime
    grid = _grid(experiment.simulate_with, regime.bands)
    laws = {"mass_law": experiment.laws["mass_function"], "binary_law": experiment.laws["binary_law"]}
    if not experiment.matched:
        values = {name: 0.0 if name.startswith(_FAULTS) else value for name, value in values.items()}
    details = Details.from_parameters(values, **laws)
    cluster: dict[str, Any] = {name: float(values[name]) for name in _CLUSTER}
    density = _field_density(experiment.simulate_with, regime.bands, regime.mag_limit)
    seed, other = (int(value) for value in np.random.default_rng(seeds).integers(2**31, size=2))
    common: dict[str, Any] = {"grid": grid, "bands": regime.bands, "mag_limit": regime.mag_limit}
    common |= {"details": details, "field_density": density}
    common |= cluster
    table = simulate_cluster(n_members=n_members, n_field=n_star - n_members, seed=seed, **common).table
    for band in regime.bands:
        table[f"{band}_error"] *= experiment.error_factor
    control = None
    if regime.n_control:
        field_only = simulate_cluster(n_members=0, n_field=regime.n_control, seed=other, **common).table
        control = Photometry.from_table(_seen(field_only, regime.bands), source="simulated control field")
    return Photometry.from_table(_seen(table, regime.bands), source="simulated cluster"), control


def _seen(table: Any, bands: Sequence[str]) -> Any:
    """Columns that an observer has."""
    return table["id", *[name for band in bands for name in (band, f"{band}_error")]]


@lru_cache(maxsize=4)
def _grid(name: str, bands: tuple[str, ...]) -> IsochroneGrid:
    return IsochroneGrid.load(name, bands=bands)


@lru_cache(maxsize=2)
def _field_density(grid: str, bands: tuple[str, ...], mag_limit: str) -> FieldDensity:
    """Density of field stars that all clusters share: the simulator's disc as a mixture, the form that fits assume."""
    stars = simulate_cluster(
        9.0, 0.0, 10.0, 0.0, 0.0, 0, _N_FIELD,
        grid=_grid(grid, bands), bands=bands, mag_limit=mag_limit, seed=_FIELD_SEED,
    ).table  # fmt: skip
    band, bright, faint = parse_limits(mag_limit)
    order = [band, *[other for other in bands if other != band]]
    values, errors = (np.column_stack([stars[f"{name}{end}"] for name in order]) for end in ("", "_error"))
    kinds = ["magnitude"] * len(order)
    rng = np.random.default_rng(_FIELD_SEED)
    return FieldDensity.fit(values, errors, limits=(bright, faint), kinds=kinds, rng=rng)


def _parameters(experiment: Experiment, grid: IsochroneGrid) -> ParameterSet:
    """Priors as the fit will choose them."""
    ranges = {name: (float(axis[0]), float(axis[-1])) for name, axis in (("log_age", grid.log_age), ("mh", grid.mh))}
    priors, fixed = default_priors(
        log_age_range=ranges["log_age"],
        mh_range=ranges["mh"],
        bands=experiment.regime.bands,
        model_error=experiment.model_error != "none",
        certified_floor=certified_floor(grid.metadata) or 0.0,
        known_faults=known_discrepancy(grid.metadata, experiment.regime.bands),
        mass_law=experiment.laws["mass_function"],
        binary_law=experiment.laws["binary_law"],
    )
    return ParameterSet.build(priors, fixed, user_priors=experiment.priors)


def _check_priors(parameters: ParameterSet, result: FitResult) -> None:
    """Truths have to come from the very priors of the fit."""
    drawn = {name: str(prior) for name, prior in parameters.priors.items()}
    used, held = result.provenance["priors"], result.provenance["fixed"]
    if drawn != used or dict(parameters.fixed) != held:
        raise FitError(f"truths were drawn from {drawn}, but the fit used {used}", stage="validation")


def _independent(result: FitResult, rng: np.random.Generator) -> np.ndarray:
    """Draws an autocorrelation time apart, (n_draw, n_dim), at most `_MOST_DRAWS` of them at random."""
    n_steps, _, n_dim = result.chain.shape
    step = int(np.clip(np.ceil(max(result.diagnostics["tau"].values())), 1, n_steps))
    draws = result.chain[::-1][::step].reshape(-1, n_dim)
    return rng.permutation(draws)[:_MOST_DRAWS]


def places_of_truth(draws: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> list[float]:
    """Where the truth lies among draws: even from 0 to 1 if the draws are from the right posterior.

    Parameters
    ----------
    draws : ndarray, shape (n_draw, n_dim)
        Independent draws.
    truth : ndarray, shape (n_dim,)
    rng : numpy.random.Generator
        For the place within a rank, so that places are even for any number of draws, and for the joint check.

    Returns
    -------
    list of float
        One place for each parameter, and last the joint one: the share of draws that are closer to a random point than
        the truth is (TARP; Lemos et al. 2023, arXiv:2302.03026). Distances are in units of the spread in each direction
        and the point is a standard normal one in them; both come from draws and truth together, so that neither is
        favoured however few draws there are.
    """
    n_draw, n_dim = draws.shape
    white = _whitened(np.vstack([draws, truth]))
    distance = ((white - rng.normal(size=n_dim)) ** 2).sum(axis=1)
    below = [*(draws < truth).sum(axis=0), (distance[:-1] < distance[-1]).sum()]
    same = [*(draws == truth).sum(axis=0), (distance[:-1] == distance[-1]).sum()]
    share = rng.random(n_dim + 1)
    return [float((b + u * (1 + e)) / (n_draw + 1)) for b, e, u in zip(below, same, share, strict=True)]


def _whitened(points: np.ndarray) -> np.ndarray:
    """Bring points (n, n_dim) to mean 0 and unit covariance; with few points, or flat ones, each axis by itself."""
    centred = points - points.mean(axis=0)
    spread = centred.std(axis=0)
    centred = centred / np.where(spread > 0.0, spread, 1.0)
    n, n_dim = points.shape
    if n < 3 * n_dim or not (spread > 0.0).all():
        return centred
    size, axes = np.linalg.eigh(centred.T @ centred / n)
    return centred @ axes / np.sqrt(np.maximum(size, 1e-6))
