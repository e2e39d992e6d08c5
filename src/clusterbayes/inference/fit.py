"""From a catalogue to a posterior: `fit_cluster`.

It ingests the photometry, finds the magnitude limit, loads the grid, searches for the modes while it learns the field,
samples, and summarises. Each stage is one function here; what they call is the library.
"""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
from astropy.table import Table

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.heartbeat import beating
from clusterbayes.inference.binning import Binning, bin_for_sampling, bin_for_search
from clusterbayes.inference.checkpoint import Checkpoint, Keeper, NothingKept
from clusterbayes.inference.field import FieldLearner
from clusterbayes.inference.identity import identity
from clusterbayes.inference.motions import choose_motions
from clusterbayes.inference.progress import Progress, QuietProgress
from clusterbayes.inference.remarks import at_bounds, mode_table, prior_dominated, remarks
from clusterbayes.inference.sampler import Chain, Sampler, SamplingOptions, sample
from clusterbayes.inference.search import Mode, find_modes, normal_posterior
from clusterbayes.inference.selecting import described, select
from clusterbayes.inference.watch import Watch
from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.isochrones.certified import certified_floor
from clusterbayes.isochrones.extinction import check_extinction_law
from clusterbayes.model.astrometry import parse_window
from clusterbayes.model.binaries import FINE_MASS_RATIOS, MassRatios
from clusterbayes.model.cluster import DEFAULT_TOLERANCE, ClusterModel, StarProperties
from clusterbayes.model.compiled import is_compiled
from clusterbayes.model.completeness import Completeness
from clusterbayes.model.leave_one_out import log_predictive
from clusterbayes.model.parameters import ParameterSet, default_priors, unit_of
from clusterbayes.model.priors import Prior
from clusterbayes.model.selection import NO_LIMIT, Selection
from clusterbayes.photometry import Photometry
from clusterbayes.results.result import Curve, FitResult

__all__ = ["fit_cluster"]

_MIN_STARS = 10
_MAX_DRAWS = 5000
_STAR_DRAWS = 96
_FAN = 30
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Sample:
    """What goes into the model: the stars, the control field, the limits."""

    photometry: Photometry
    control: Photometry | None
    selection: Selection
    notes: list[str]
    pm_window: tuple[float, ...] = ()
    pm_priors: tuple[Prior, Prior] | None = None
    start: dict[str, float] = field(default_factory=dict)
    circle: tuple[float, float, float] | None = None


def fit_cluster(
    photometry: Photometry | str | Path,
    *,
    grid: IsochroneGrid | str | Path = "parsec",
    control: Photometry | str | Path | None = None,
    center: tuple[float, float] | None = None,
    radius: float | None = None,
    mag_limit: str = "auto",
    completeness: Completeness | str | Path | None = None,
    max_error: Mapping[str, float] | None = None,
    counts: str = "model",
    mass_function: str = "kroupa",
    binary_law: str = "flat",
    proper_motion: str = "auto",
    pm_window: str | Sequence[float] | None = None,
    positions: bool = True,
    model_error: str = "default",
    binned: str = "auto",
    priors: Mapping[str, str | Prior] | None = None,
    fixed: Mapping[str, float] | None = None,
    extinction_law: str = "tables",
    r_v: float = 3.1,
    seed: int = 1,
    sampling: SamplingOptions | None = None,
    sampler: Sampler = sample,
    progress: Progress | bool | None = None,
    cancel: Callable[[], bool] | None = None,
    checkpoint: str | Path | None = None,
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
        Limits in other bands follow after commas: ``auto,2MASS_Ks=14``.
    completeness : Completeness or path, optional
        Share of the stars that the catalogue holds against the primary magnitude; a path is a table with the columns
        `magnitude` and `fraction`.
    max_error : mapping, optional
        Largest error by name of an observable [mag] or ``parallax`` [mas]. Stars above it are dropped, and which share
        of the stars of a magnitude that leaves is estimated from the catalogue and becomes part of the completeness.
    counts : {"model", "ignore"}
        Whether the number of stars along the sequence says something; ``ignore`` is for lists of members of whom
        nobody knows how they were chosen.
    mass_function : str
        One of `clusterbayes.model.imf.MASS_FUNCTIONS`.
    binary_law : str
        One of `clusterbayes.model.binaries.BINARY_LAWS`.
    proper_motion : {"auto", "use", "ignore"}
        Whether proper motions tell members from field stars; ``auto`` uses them unless the sample was selected by them.
    pm_window : str or sequence of float, optional
        Limits of the catalogue's proper motions [mas/yr]: ``RA,DEC,RADIUS`` or ``LOW..HIGH,LOW..HIGH``. Stars outside
        are set aside, and the densities are normalised within.
    positions : bool
        Whether the distances of the stars from `center` tell members from field stars.
    model_error : {"default", "none", "terms"}
        Whether floors, zero points and colour discrepancies of the models are sampled, or zero. ``terms`` samples them
        and lets every star count fully, as only a simulation with known terms deserves.
    binned : {"auto", "never"}
        Whether the likelihood of more than 20,000 stars is summed over points that stand for them, with an error that
        is measured, held below 0.1 in the log of the posterior, and reported in the diagnostics.
    priors : mapping, optional
        Parameter name to prior, for instance ``{"mh": "normal(0, 0.2)"}``.
    fixed : mapping, optional
        Parameter name to the value at which it is held.
    extinction_law : str
        One of `clusterbayes.isochrones.extinction.EXTINCTION_LAWS`: "tables" follows every star's spectrum; "F19",
        "G23", "CCM89" and others are published laws; "astromancer" is the one of the Astromancer teaching tool;
        "G=0.84,BP=1.08,RP=0.63" gives A_b/A_V of each band, the same for all stars.
    r_v : float
        Ratio of total to selective extinction, A(V)/E(B-V).
    seed : int
        The same seed, input and versions give the same numbers, whatever the number of threads.
    sampling : SamplingOptions, optional
    sampler : callable
        A `clusterbayes.inference.sampler.Sampler`; emcee by default. Others are not resumed from a checkpoint.
    progress : Progress or bool, optional
        Told of the fit's stages at least every two seconds. True shows a bar in a terminal or a notebook, and lines
        on standard error elsewhere; nothing is shown by default.
    cancel : callable, optional
        Asked about five times a second; the fit ends with `FitCancelled` once it returns True.
    checkpoint : path, optional
        A file that keeps the state of the fit, written every few seconds and when the fit is cancelled or
        interrupted. Where it exists already, the fit goes on from there, and its numbers are those of an unbroken run.
        It stays when the fit is done; calling again with a finished one gives the same result at once.

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
    FitCancelled
        If the fit was cancelled.
    FitError
        If the likelihood broke down.
    CheckpointError
        If the checkpoint is of other stars, isochrones, settings or versions.
    """
    started = time.monotonic()
    display = _display(progress)
    options = sampling or SamplingOptions()
    n_threads = options.n_threads or os.cpu_count() or 1
    rng = np.random.default_rng(seed)

    watch = Watch(display, cancel, remedy=lambda: _to_go_on(checkpoint))

    if model_error not in ("default", "none", "terms"):
        raise SettingsError(f"model_error={model_error!r} must be 'default', 'none' or 'terms'")
    if binned not in ("auto", "never"):
        raise SettingsError("binned must be 'auto' or 'never'", "binned", binned)
    check_extinction_law(extinction_law, r_v)
    with closing(display), beating(watch.beat):
        watch.stage("ingest")
        taken, control = _ingest(photometry, control, center, radius)
        watch.stage("select")
        chosen = _Sample(*select(taken, control, mag_limit, completeness, max_error))
        chosen = _with_astrometry(
            chosen, proper_motion, parse_window(pm_window), priors,
            (*center, radius) if positions and center is not None and radius is not None else None,
        )  # fmt: skip
        watch.stage("load_grid")
        limited = [limit.band for limit in chosen.selection.others]
        bands = tuple(dict.fromkeys([*chosen.photometry.bands, *limited]))
        grid = _load_grid(grid, bands, extinction_law, r_v, watch.report)
        chosen.notes.extend(_grid_notes(grid))
        laws = {"mass_law": mass_function, "binary_law": binary_law}
        parameters = _parameters(chosen, grid, model_error, priors, fixed, laws)
        model = _build(
            chosen, grid, parameters, exact=model_error != "default", n_threads=n_threads, counts=counts, **laws
        )
        settings = {
            "center": center, "radius": radius, "mag_limit": mag_limit, "proper_motion": chosen.pm_priors is not None,
            "pm_window": list(chosen.pm_window) or None, "positions": chosen.circle is not None,
            "model_error": model_error, "binned": binned, "counts": counts, "mass_function": mass_function,
            "binary_law": binary_law, "max_error": dict(max_error or {}),
            "sampling": asdict(options) | {"n_threads": None}, "selection": described(chosen.selection),
            "n_control": 0 if chosen.control is None else chosen.control.n_star, "likelihood_power": model.power,
        }  # fmt: skip
        keeper: Keeper = NothingKept(started)
        if checkpoint is not None:
            provenance = _provenance(model, chosen.photometry, seed, settings)
            own = identity(model, provenance, chosen.control, chosen.start)
            keeper = Checkpoint(checkpoint, own, rng, started=started)
        with keeper:
            watch.stage("search")
            if not is_compiled():
                watch.report(0.0, "compiling, once on this machine")
            if binned == "auto":
                model = bin_for_search(model)
            model, modes = _search(model, chosen, rng, keeper, watch)
            model = bin_for_sampling(model, modes, seed)
            settings["n_modes"] = len(modes)
            watch.stage("sample")
            posterior = partial(normal_posterior, model.with_threads(max(1, n_threads // 2)))  # beside each other
            chain = sampler(
                posterior, modes, options, rng,
                names=parameters.names, n_threads=n_threads, report=watch.report, keeper=keeper,
            )  # fmt: skip
            keeper.save()
            watch.stage("diagnose")
            watch.stage("summarize")
            return _summarize(model, modes, chain, chosen, seed, settings, keeper)


def _display(progress: Progress | bool | None) -> Progress:
    if progress is True:
        from clusterbayes.inference.displays import progress_for

        return progress_for()
    return progress or QuietProgress()


def _to_go_on(checkpoint: str | Path | None) -> str | None:
    if checkpoint is None:
        return None
    return f"call it again in the same way to go on from the checkpoint {checkpoint}"


def _search(
    model: ClusterModel, chosen: _Sample, rng: np.random.Generator, keeper: Keeper, watch: Watch
) -> tuple[ClusterModel, list[Mode]]:
    """Search for the modes while the field is learned, unless that was done before."""
    found = keeper.search()
    if found is not None:
        logger.info("the search was done before the break: %d modes", len(found[1]))
        return model.with_field(found[0]), found[1]
    learner = FieldLearner(model, chosen.control, int(rng.integers(2**31)))
    model, modes = find_modes(model, learner, report=watch.report)
    keeper.hold_search(model.field, modes)
    return model, modes


def _load_grid(
    grid: IsochroneGrid | str | Path,
    bands: tuple[str, ...],
    law: str,
    r_v: float,
    report: Callable[[float, str], None],
) -> IsochroneGrid:
    """Load the grid; one that is loaded already keeps its extinction, and another law for it is refused."""
    if not isinstance(grid, IsochroneGrid):
        return IsochroneGrid.load(
            grid, bands=bands, law=law, r_v=r_v, progress=lambda text, fraction: report(100.0 * fraction, text)
        )
    own = (str(grid.metadata.get("law", "its own")), grid.r_v)
    if (law, r_v) not in (own, ("tables", 3.1)):
        raise SettingsError(
            f"the grid {grid.name} was loaded with the extinction law {own[0]} at R_V = {own[1]:g}",
            "extinction_law",
            f"{law} at R_V = {r_v:g}",
            remedy="give the grid's name, or load it with law= and r_v=",
        )
    return grid


def _build(
    chosen: _Sample,
    grid: IsochroneGrid,
    parameters: ParameterSet,
    *,
    exact: bool,
    n_threads: int,
    counts: str,
    mass_law: str,
    binary_law: str,
) -> ClusterModel:
    """Build the model: as fine as the grid allows where it is taken to be exact, else as fine as its errors deserve."""
    return ClusterModel(
        chosen.photometry,
        grid,
        parameters,
        chosen.selection,
        n_threads=n_threads,
        mass_ratios=MassRatios(FINE_MASS_RATIOS if exact else MassRatios().nodes, binary_law),
        mass_law=mass_law,
        counts=counts,
        tolerance=np.inf if exact else DEFAULT_TOLERANCE,
        thin=1 if exact else 2,
        pm_window=chosen.pm_window,
        circle=chosen.circle,
    )


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


def _with_astrometry(
    chosen: _Sample,
    proper_motion: str,
    window: tuple[float, ...],
    priors: Mapping[str, str | Prior] | None,
    circle: tuple[float, float, float] | None,
) -> _Sample:
    """Decide on proper motions and places."""
    motions = choose_motions(chosen.photometry, chosen.control, proper_motion, window, priors)
    motions.photometry.require(_MIN_STARS)
    return replace(
        chosen, photometry=motions.photometry, control=motions.control, notes=[*chosen.notes, *motions.notes],
        pm_window=window, pm_priors=motions.priors, start=motions.start, circle=circle,
    )  # fmt: skip


def _parameters(
    chosen: _Sample,
    grid: IsochroneGrid,
    model_error: str,
    priors: Mapping[str, str | Prior] | None,
    fixed: Mapping[str, float] | None,
    laws: Mapping[str, str],
) -> ParameterSet:
    photometry = chosen.photometry
    has_parallax = photometry.parallax is not None and np.isfinite(photometry.parallax).any()
    default, held = default_priors(
        log_age_range=(grid.log_age[0], grid.log_age[-1]),
        mh_range=(grid.mh[0], grid.mh[-1]),
        bands=photometry.bands,
        parallax_zero_point=(photometry.parallax_zero_point or "raw") if has_parallax else None,
        zero_point_error=photometry.zero_point_error,
        model_error=model_error != "none",
        pm_priors=chosen.pm_priors,
        radius=None if chosen.circle is None else chosen.circle[2],
        certified_floor=certified_floor(grid.metadata) or 0.0,
        mass_law=laws["mass_law"],
        binary_law=laws["binary_law"],
    )
    parameters = ParameterSet.build(default, held, user_priors=priors, user_fixed=fixed)
    parameters = replace(parameters, start=chosen.start)
    if parameters.n_dim == 0:
        raise SettingsError("every parameter is fixed; leave at least one free")
    return parameters


def _grid_notes(grid: IsochroneGrid) -> list[str]:
    """Say what the grid holds fixed, and if its passbands are those of another release of Gaia."""
    axes = {"log_age": grid.log_age, "mh": grid.mh}
    notes = [
        f"{name} is held at {axis[0]:g}, the only value of the grid {grid.name}: its uncertainty is not in the results"
        for name, axis in axes.items()
        if axis.size == 1
    ]
    passbands = str(grid.metadata.get("passbands", ""))
    if passbands and "EDR3" not in passbands:
        notes.append(f"the grid {grid.name} is in the passbands of {passbands}: fit photometry of the same release")
    return notes


def _summarize(
    model: ClusterModel, modes: list[Mode], chain: Chain, chosen: _Sample, seed: int, settings: dict, keeper: Keeper
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
    predicted = log_predictive(model.log_density(flat[picked]), model.power)
    stars = _star_table(chosen.photometry, model.star_properties(flat[picked]), predicted)
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
        notes=[*chosen.notes, *remarks(dominated, bounded, table), *([] if binning is None else [str(binning)])],
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


def _star_table(photometry: Photometry, stars: StarProperties, predicted: np.ndarray) -> Table:
    """One row for every input row: what each star is, and what was used of it."""
    n = photometry.n_input
    table = Table({"id": np.asarray(photometry.input_ids).astype(str)})
    for name in ("p_member", "p_outlier", "mass", "mass_std", "q", "q_std", "p_binary", "log_teff", "log_teff_std",
                 "log_lum", "log_lum_std"):  # fmt: skip
        column = np.full(n, np.nan)
        column[photometry.input_row] = getattr(stars, name)
        table[name] = column
    table["log_predictive"] = np.full(n, np.nan)
    table["log_predictive"][photometry.input_row] = predicted
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


def _provenance(model: ClusterModel, photometry: Photometry, seed: int, settings: dict) -> dict:
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
