"""From a catalogue to a posterior: `fit_cluster`.

It ingests the photometry, finds the magnitude limit, loads the grid, searches for the modes while it learns the field,
samples, and summarises. The order of the stages stands here; what they do is in the modules beside this one.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from clusterbayes.errors import SettingsError
from clusterbayes.heartbeat import beating
from clusterbayes.inference.assembling import (
    Sample,
    build_model,
    choose_parameters,
    grid_notes,
    ingest,
    load_grid,
    with_astrometry,
    with_own_distances,
)
from clusterbayes.inference.binning import bin_for_sampling, bin_for_search
from clusterbayes.inference.checkpoint import Checkpoint, Keeper, NothingKept, discard
from clusterbayes.inference.field import FieldLearner
from clusterbayes.inference.identity import identity
from clusterbayes.inference.progress import CallProgress, OnProgress, Progress, QuietProgress
from clusterbayes.inference.sampler import Sampler, SamplingOptions, sample
from clusterbayes.inference.search import Mode, find_modes, normal_posterior
from clusterbayes.inference.selecting import described, select
from clusterbayes.inference.summarizing import provenance_of, summarize
from clusterbayes.inference.verdict import warn_unless_converged
from clusterbayes.inference.watch import Watch
from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.isochrones.extinction import check_extinction_law
from clusterbayes.model.astrometry import parse_window
from clusterbayes.model.cluster import ClusterModel
from clusterbayes.model.compiled import is_compiled
from clusterbayes.model.completeness import Completeness
from clusterbayes.model.priors import Prior
from clusterbayes.photometry import Photometry
from clusterbayes.results.result import FitResult
from clusterbayes.wording import counted

__all__ = ["fit_cluster"]

logger = logging.getLogger(__name__)


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
    progress: Progress | OnProgress | bool | None = None,
    cancel: Callable[[], bool] | None = None,
    checkpoint: str | Path | None = None,
    restart: bool = False,
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
        Whether floors, zero points, errors of the isochrones' colours and ages, and the scatter of the members'
        extinction are sampled, or zero. ``terms`` samples them and lets every star count fully, as only a simulation
        with known terms deserves.
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
    progress : Progress, callable or bool, optional
        Told of the fit's stages at least every two seconds: an object with the methods of
        `clusterbayes.inference.progress.Progress`, or a function ``f(stage, index, total, percent, message)``. True
        shows a bar in a terminal or a notebook, and lines on standard error elsewhere; nothing is shown by default.
    cancel : callable, optional
        Asked about five times a second; the fit ends with `FitCancelled` once it returns True.
    checkpoint : path, optional
        A file that keeps the state of the fit, written every few seconds and when the fit is cancelled or
        interrupted. Where it exists already, the fit goes on from there, and its numbers are those of an unbroken run.
        It stays when the fit is done; calling again with a finished one gives the same result at once.
    restart : bool
        Begin anew where a checkpoint exists. It goes once the fit begins, and stays if the fit is refused.

    Returns
    -------
    FitResult
        Of a fit that did not converge, a warning in the log says why; `FitResult.converged` is False.

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
        taken, control = ingest(photometry, control, center, radius)
        watch.stage("select")
        chosen = Sample(*select(taken, control, mag_limit, completeness, max_error))
        chosen = with_astrometry(
            chosen, proper_motion, parse_window(pm_window), priors,
            (*center, radius) if positions and center is not None and radius is not None else None,
        )  # fmt: skip
        watch.stage("load_grid")
        limited = [limit.band for limit in chosen.selection.others]
        bands = tuple(dict.fromkeys([*chosen.photometry.bands, *limited]))
        grid = load_grid(grid, bands, extinction_law, r_v, watch.report)
        chosen.notes.extend(grid_notes(grid))
        laws = {"mass_law": mass_function, "binary_law": binary_law}
        parameters = choose_parameters(chosen, grid, model_error, priors, fixed, laws)
        chosen = with_own_distances(chosen, parameters)
        model = build_model(
            chosen, grid, parameters, exact=model_error != "default", n_threads=n_threads, counts=counts, **laws
        )
        settings = {
            "center": center, "radius": radius, "mag_limit": mag_limit, "proper_motion": chosen.pm_priors is not None,
            "pm_window": list(chosen.pm_window) or None, "positions": chosen.circle is not None,
            "model_error": model_error, "binned": binned, "counts": counts, "mass_function": mass_function,
            "binary_law": binary_law, "max_error": dict(max_error or {}),
            "sampling": asdict(options) | {"n_threads": None}, "selection": described(chosen.selection),
            "own_distance": None if chosen.own_distance is None else asdict(chosen.own_distance),
            "n_control": 0 if chosen.control is None else chosen.control.n_star, "likelihood_power": model.power,
        }  # fmt: skip
        keeper: Keeper = NothingKept(started)
        if checkpoint is not None:
            provenance = provenance_of(model, chosen.photometry, seed, settings)
            own = identity(model, provenance, chosen.control, chosen.start) | {"sampler": _name_of(sampler)}
            if restart:
                discard(checkpoint)
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
            result = summarize(model, modes, chain, chosen, seed, settings, keeper)
    warn_unless_converged(result)
    return result


def _display(progress: Progress | OnProgress | bool | None) -> Progress:
    if progress is True:
        from clusterbayes.inference.displays import progress_for

        return progress_for()
    if progress is None or progress is False:
        return QuietProgress()
    if isinstance(progress, Progress) and not isinstance(progress, type):
        return progress
    if callable(progress) and not isinstance(progress, type):
        return CallProgress(progress)
    expected = "True, a function f(stage, index, total, percent, message), or an object with stage, update and close"
    raise SettingsError("nothing that can be told of progress", "progress", repr(progress)[:80], expected)


def _name_of(sampler: Sampler) -> str:
    """Return where a sampler is defined: a checkpoint holds the chain of one."""
    made = sampler if hasattr(sampler, "__qualname__") else type(sampler)
    return f"{made.__module__}.{made.__qualname__}"


def _to_go_on(checkpoint: str | Path | None) -> str | None:
    if checkpoint is None:
        return None
    return f"call it again in the same way to go on from the checkpoint {checkpoint}"


def _search(
    model: ClusterModel, chosen: Sample, rng: np.random.Generator, keeper: Keeper, watch: Watch
) -> tuple[ClusterModel, list[Mode]]:
    """Search for the modes while the field is learned, unless that was done before."""
    found = keeper.search()
    if found is not None:
        logger.info("the search was done before the break: %s", counted(len(found[1]), "mode"))
        return model.with_field(found[0]), found[1]
    learner = FieldLearner(model, chosen.control, int(rng.integers(2**31)))
    model, modes = find_modes(model, learner, report=watch.report)
    keeper.hold_search(model.field, modes)
    return model, modes
