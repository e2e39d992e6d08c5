"""From a catalogue to a posterior: `fit_cluster`.

It ingests the photometry, finds the magnitude limit, loads the grid, searches for the modes while it learns the field,
samples, and summarises. Each stage is one function here; what they call is the library.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
from astropy.table import Table

from clusterbayes.errors import FitError, InputError, SettingsError
from clusterbayes.inference.field import MIN_CONTROL, FieldLearner
from clusterbayes.inference.progress import STAGES, Progress, QuietProgress
from clusterbayes.inference.sampler import Chain, SamplingOptions, sample
from clusterbayes.inference.search import find_modes, normal_posterior
from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model.cluster import DEFAULT_TOLERANCE, FINE_MASS_RATIOS, ClusterModel, MassRatios, StarProperties
from clusterbayes.model.parameters import ParameterSet, default_priors, unit_of
from clusterbayes.model.priors import Prior
from clusterbayes.model.selection import NO_LIMIT, Selection, find_faint_limit, parse_limits
from clusterbayes.photometry import Photometry
from clusterbayes.results.result import Curve, FitResult

__all__ = ["fit_cluster"]

_MIN_STARS = 10
_MAX_DRAWS = 5000
_STAR_DRAWS = 96
_FAN = 30


@dataclass(frozen=True)
class _Sample:
    """What goes into the model: the stars, the control field, the limits."""

    photometry: Photometry
    control: Photometry | None
    selection: Selection
    notes: list[str]


def fit_cluster(
    photometry: Photometry | str | Path,
    *,
    grid: IsochroneGrid | str | Path = "parsec",
    control: Photometry | str | Path | None = None,
    center: tuple[float, float] | None = None,
    radius: float | None = None,
    mag_limit: str = "auto",
    model_error: str = "default",
    priors: Mapping[str, str | Prior] | None = None,
    fixed: Mapping[str, float] | None = None,
    seed: int = 1,
    sampling: SamplingOptions | None = None,
    progress: Progress | None = None,
    cancel: Callable[[], bool] | None = None,
) -> FitResult:
    """Fit isochrones to the photometry of a star cluster.

    Parameters
    ----------
    photometry : Photometry or path
        The stars; a path is read with `Photometry.read`.
    grid : IsochroneGrid, str or path
        Name of a packed grid, or a grid file.
    control : Photometry or path, optional
        Field stars in the same observables.
    center : (float, float), optional
        Right ascension and declination of the cluster [deg]; with `radius`, stars inside are the sample and those
        beyond 1.5 radii the control field.
    radius : float, optional
        [deg]
    mag_limit : str
        ``auto`` finds the faint limit, ``none`` sets none; ``Gaia_G=18``, ``Gaia_G=5..18`` (bright..faint) [mag].
    model_error : {"default", "none"}
        Whether floors, zero points and colour discrepancies of the models are sampled, or zero.
    priors : mapping, optional
        Parameter name to prior, for instance ``{"mh": "normal(0, 0.2)"}``.
    fixed : mapping, optional
        Parameter name to the value at which it is held.
    seed : int
        The same seed, input and versions give the same numbers, whatever the number of threads.
    sampling : SamplingOptions, optional
    progress : Progress, optional
        Shown nowhere by default.
    cancel : callable, optional
        Asked between steps; the fit ends with `FitError` once it returns True.

    Returns
    -------
    FitResult

    Raises
    ------
    InputError
        If the photometry can't be used: too few stars, nothing within the limits, a control field in other bands.
    SettingsError
        If an option is unknown or out of range.
    GridError
        If the grid can't be read or lacks a band.
    FitError
        If the fit was cancelled, or the likelihood broke down.
    """
    started = time.monotonic()
    display = progress or QuietProgress()
    options = sampling or SamplingOptions()
    n_threads = options.n_threads or os.cpu_count() or 1
    rng = np.random.default_rng(seed)

    current = STAGES[0]

    def stage(name: str) -> None:
        nonlocal current
        current = name
        display.stage(name, STAGES.index(name), len(STAGES))

    def report(percent: float, message: str = "") -> None:
        if cancel is not None and cancel():
            raise FitError("the fit was cancelled", current)
        display.update(percent, message)

    if model_error not in ("default", "none"):
        raise SettingsError(f"model_error={model_error!r} must be 'default' or 'none'")
    try:
        stage("ingest")
        taken, control = _ingest(photometry, control, center, radius)
        stage("select")
        chosen = _select(taken, control, mag_limit)
        stage("load_grid")
        grid = grid if isinstance(grid, IsochroneGrid) else IsochroneGrid.load(grid, bands=chosen.photometry.bands)
        parameters = _parameters(chosen.photometry, grid, model_error, priors, fixed)
        model = _build(chosen, grid, parameters, exact=model_error == "none", n_threads=n_threads)
        stage("search")
        learner = FieldLearner(model, chosen.control, int(rng.integers(2**31)))
        model, modes = find_modes(model, learner, report=report)
        stage("sample")

        def posterior(z: np.ndarray) -> np.ndarray:
            if cancel is not None and cancel():
                raise FitError("the fit was cancelled", current)
            return normal_posterior(model, z)

        chain = sample(posterior, modes, options, rng, names=parameters.names, report=report)
        stage("diagnose")
        stage("summarize")
        settings = {
            "center": center, "radius": radius, "mag_limit": mag_limit, "model_error": model_error,
            "sampling": asdict(options) | {"n_threads": None}, "selection": _described(chosen.selection),
            "n_control": 0 if chosen.control is None else chosen.control.n_star, "n_modes": len(modes),
            "likelihood_power": model.power,
        }  # fmt: skip
        return _summarize(model, chain, chosen, seed, settings, started)
    finally:
        display.close()


def _build(
    chosen: _Sample, grid: IsochroneGrid, parameters: ParameterSet, *, exact: bool, n_threads: int
) -> ClusterModel:
    """Build the model: as fine as the grid allows where it is taken to be exact, else as fine as its errors deserve."""
    return ClusterModel(
        chosen.photometry,
        grid,
        parameters,
        chosen.selection,
        n_threads=n_threads,
        mass_ratios=MassRatios(FINE_MASS_RATIOS) if exact else MassRatios(),
        tolerance=np.inf if exact else DEFAULT_TOLERANCE,
        thin=1 if exact else 2,
    )


def _described(selection: Selection) -> dict:
    limits = {
        "bright": selection.bright if selection.bright > -NO_LIMIT else None,
        "faint": selection.faint if selection.faint < NO_LIMIT else None,
    }
    return {"band": selection.band, **limits, "reason": selection.reason}


def _ingest(
    photometry: Photometry | str | Path,
    control: Photometry | str | Path | None,
    center: tuple[float, float] | None,
    radius: float | None,
) -> tuple[Photometry, Photometry | None]:
    if not isinstance(photometry, Photometry):
        photometry = Photometry.read(photometry)
    if (center is None) != (radius is None):
        raise SettingsError("give center and radius together, or neither")
    if center is not None and control is not None:
        raise SettingsError("give either a control field, or center and radius to take one from the annulus")
    if center is not None and radius is not None:
        photometry, control = photometry.split(center, radius)
    elif control is not None and not isinstance(control, Photometry):
        control = Photometry.read(control, observables=[o.name for o in photometry.observables])
    if control is not None:
        names, others = ([o.name for o in p.observables] for p in (photometry, control))
        if sorted(names) != sorted(others):
            raise InputError(
                f"the control field has {', '.join(others)} but the sample has {', '.join(names)}",
                source=control.source,
                remedy="give a control field with the same observables, or choose them with --observables",
            )
        columns = [others.index(name) for name in names]
        control = replace(
            control,
            observables=photometry.observables,
            values=control.values[:, columns],
            errors=control.errors[:, columns],
        )
    return photometry, control


def _select(photometry: Photometry, control: Photometry | None, mag_limit: str) -> _Sample:
    """Find the primary band and its limits, and drop what lies outside."""
    magnitudes = {o.bands[0]: i for i, o in enumerate(photometry.observables) if o.is_magnitude}
    if not magnitudes:
        raise InputError(
            "the observables hold no magnitude, only colours", source=photometry.source,
            remedy="add a magnitude to the observables, for instance G,BP-RP",
        )  # fmt: skip
    count = {band: int(np.isfinite(photometry.values[:, i]).sum()) for band, i in magnitudes.items()}
    primary, bright, faint = max(count, key=lambda band: count[band]), -NO_LIMIT, NO_LIMIT
    if mag_limit not in ("auto", "none"):
        primary, bright, faint = parse_limits(mag_limit)
        if primary not in magnitudes:
            raise SettingsError(
                f"the magnitude limit is in {primary}, which is not among the magnitudes {', '.join(magnitudes)}",
                remedy=f"set the limit in one of them, or add {primary} to the observables",
            )
    values = photometry.values[:, magnitudes[primary]]
    photometry = photometry.keep(np.isfinite(values), f"no {primary}, the band of the magnitude limit")
    photometry.require(_MIN_STARS)
    values = photometry.values[:, magnitudes[primary]]
    reason = "given" if mag_limit != "none" else "no limit"
    if mag_limit == "auto":
        faint, reason = find_faint_limit(values)
        faint = round(faint, 3)
    selection = Selection(primary, bright, faint, reason)
    photometry = photometry.keep(values <= faint, f"fainter than the limit {primary}={faint:g}")
    values = photometry.values[:, magnitudes[primary]]
    photometry = photometry.keep(values >= bright, f"brighter than the limit {primary}={bright:g}")
    photometry.require(_MIN_STARS)
    notes = list(photometry.notes)
    if mag_limit == "auto":
        notes.append(f"faint limit {primary}={faint:g} found from the data ({reason})")
    if control is not None:
        control = _select_control(control, selection, notes)
    return _Sample(photometry, control, selection, notes)


def _select_control(control: Photometry, selection: Selection, notes: list[str]) -> Photometry | None:
    column = [o.is_magnitude and o.bands[0] == selection.band for o in control.observables].index(True)
    inside = selection.inside(control.values[:, column])
    control = control.keep(inside, f"outside the limits of {selection.band}")
    if control.n_star < MIN_CONTROL:
        notes.append(f"only {control.n_star} control stars within the limits: the field is learned from the sample")
        return None
    return control


def _parameters(
    photometry: Photometry,
    grid: IsochroneGrid,
    model_error: str,
    priors: Mapping[str, str | Prior] | None,
    fixed: Mapping[str, float] | None,
) -> ParameterSet:
    has_parallax = photometry.parallax is not None and np.isfinite(photometry.parallax).any()
    default, held = default_priors(
        log_age_range=(grid.log_age[0], grid.log_age[-1]),
        mh_range=(grid.mh[0], grid.mh[-1]),
        bands=photometry.bands,
        parallax_zero_point=(photometry.parallax_zero_point or "raw") if has_parallax else None,
        zero_point_error=photometry.zero_point_error,
        model_error=model_error == "default",
    )
    parameters = ParameterSet.build(default, held, user_priors=priors, user_fixed=fixed)
    if parameters.n_dim == 0:
        raise SettingsError("every parameter is fixed; leave at least one free")
    return parameters


def _summarize(
    model: ClusterModel, chain: Chain, chosen: _Sample, seed: int, settings: dict, started: float
) -> FitResult:
    parameters = model.parameters
    n_steps, n_walkers, n_dim = chain.z.shape
    theta = parameters.from_normal(chain.z.reshape(-1, n_dim))
    flat = _thinned(theta, chain)
    draws = {name: column for name, column in parameters.unpack(flat).items() if name in parameters.priors}
    draws |= _derived(model, flat)
    z = chain.z.reshape(-1, n_dim)  # the chain's density is that of z; the posterior density is that of θ
    log_prob = chain.log_prob.reshape(-1) + 0.5 * (z**2).sum(axis=1) + model.log_prior(theta)
    best_row = int(np.argmax(log_prob))
    best = dict(zip(parameters.names, map(float, theta[best_row]), strict=True))
    best.update({name: float(v[0]) for name, v in _derived(model, theta[best_row : best_row + 1]).items()})
    picked = np.unique(np.linspace(0, flat.shape[0] - 1, _STAR_DRAWS).astype(int))
    stars = _star_table(chosen.photometry, model.star_properties(flat[picked]))
    curves = _curves(model, theta[best_row], flat[picked[:: max(1, picked.size // _FAN)]])
    selection = chosen.selection
    verdict = chain.convergence
    diagnostics = {
        "converged": verdict.converged, "reasons": verdict.reasons, "tau": verdict.tau, "ess": verdict.ess,
        "rhat": verdict.rhat, "acceptance": chain.acceptance, "n_walkers": n_walkers, "n_steps": n_steps,
        "n_burn": chain.n_burn, "n_ensembles": chain.n_ensemble, "log_prob_max": float(log_prob.max()),
        "wall_seconds": time.monotonic() - started,
    }  # fmt: skip
    photometry = chosen.photometry
    counts = {"input": photometry.n_input, "used": photometry.n_star, "dropped": dict(photometry.dropped)}
    return FitResult(
        chain=theta.reshape(n_steps, n_walkers, n_dim),
        log_prob=log_prob.reshape(n_steps, n_walkers),
        names=parameters.names,
        units={name: unit_of(name) for name in draws},
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
        provenance=_provenance(model, photometry, seed, settings),
        notes=chosen.notes,
    )


def _thinned(theta: np.ndarray, chain: Chain) -> np.ndarray:
    """Flat draws, thinned by half the longest autocorrelation time and to at most a few thousand."""
    n_steps, n_walkers, n_dim = chain.z.shape
    step = max(1, int(chain.convergence.tau_max / 2), int(np.ceil(n_steps * n_walkers / _MAX_DRAWS)))
    return theta.reshape(n_steps, n_walkers, n_dim)[::-1][::step][::-1].reshape(-1, n_dim)


def _derived(model: ClusterModel, theta: np.ndarray) -> dict[str, np.ndarray]:
    values = model.parameters.unpack(theta)
    named = {name: values[name] for name in ("log_age", "mh", "dist_mod", "a_v", "binary_frac", "member_frac")}
    return {
        **named,  # also where they were held fixed
        "distance": 10.0 ** (values["dist_mod"] / 5.0 + 1.0),
        "ebv": values["a_v"] / model.grid.r_v,
        "age_gyr": 10.0 ** (values["log_age"] - 9.0),
        "binary_frac_q05": values["binary_frac"] * model.mass_ratios.share_above(0.5, values["q_slope"]),
    }


def _star_table(photometry: Photometry, stars: StarProperties) -> Table:
    """One row for every input row: what each star is, and what was used of it."""
    n = photometry.n_input
    table = Table({"id": np.asarray(photometry.input_ids).astype(str)})
    for name in ("p_member", "p_outlier", "mass", "mass_std", "q", "q_std", "p_binary", "log_teff", "log_teff_std",
                 "log_lum", "log_lum_std"):  # fmt: skip
        column = np.full(n, np.nan)
        column[photometry.input_row] = getattr(stars, name)
        table[name] = column
    table["used"] = np.isin(np.arange(n), photometry.input_row)
    table["drop_reason"] = np.asarray(photometry.drop_reason).astype(str)
    for a, observable in enumerate(photometry.observables):
        for suffix, source in (("", photometry.values), ("_error", photometry.errors)):
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


def _provenance(model: ClusterModel, photometry: Photometry, seed: int, settings: dict) -> dict:
    packages = ("clusterbayes", "numpy", "scipy", "numba", "emcee", "astropy")
    versions = {name: metadata.version(name) for name in packages}
    return {
        "package_version": versions["clusterbayes"],
        "grid": {"name": model.grid.name, "digest": model.grid.digest},
        "input": {"source": photometry.source, "checksum": photometry.checksum},
        "seed": seed,
        "priors": {name: str(prior) for name, prior in model.parameters.priors.items()},
        "fixed": dict(model.parameters.fixed),
        "settings": settings,
        "versions": {**versions, "python": platform.python_version()},
        "created_on": datetime.now(UTC).isoformat(timespec="seconds"),
    }
