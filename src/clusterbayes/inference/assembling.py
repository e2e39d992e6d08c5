"""From a catalogue to the model of it: sample and control field, isochrones, priors, and the likelihood of them.

Each step is a function that `clusterbayes.inference.fit.fit_cluster` calls; none of them knows of the sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.inference.motions import choose_motions
from clusterbayes.inference.selecting import MIN_STARS
from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.isochrones.certified import certified_floor
from clusterbayes.model.binaries import FINE_MASS_RATIOS, MassRatios
from clusterbayes.model.cluster import DEFAULT_TOLERANCE, ClusterModel
from clusterbayes.model.discrepancy import known_discrepancy
from clusterbayes.model.own_distance import OwnDistance
from clusterbayes.model.parameters import ParameterSet, default_priors
from clusterbayes.model.priors import Prior
from clusterbayes.model.selection import Selection
from clusterbayes.photometry import Photometry

__all__ = [
    "Sample",
    "build_model",
    "choose_parameters",
    "grid_notes",
    "ingest",
    "load_grid",
    "with_astrometry",
    "with_own_distances",
]


@dataclass(frozen=True)
class Sample:
    """What goes into the model: the stars, the control field, the limits.

    Attributes
    ----------
    photometry, control : Photometry
        No control field where the field is learned from the sample.
    selection : Selection
    notes : list of str
        What was decided on the way, for the result.
    pm_window : tuple of float
        Proper motions that were kept [mas/yr]; empty without a window.
    pm_priors : tuple of Prior, optional
        Of the cluster's proper motion [mas/yr], where proper motions are part of the model.
    start : dict of str to float
        Where the search begins.
    circle : tuple of float, optional
        Right ascension, declination and radius [deg], where places are part of the model.
    own_distance : OwnDistance, optional
        Where the members are along the line of sight, if stars are moved to one distance.
    """

    photometry: Photometry
    control: Photometry | None
    selection: Selection
    notes: list[str]
    pm_window: tuple[float, ...] = ()
    pm_priors: tuple[Prior, Prior] | None = None
    start: dict[str, float] = field(default_factory=dict)
    circle: tuple[float, float, float] | None = None
    own_distance: OwnDistance | None = None


def ingest(
    photometry: Photometry | str | Path,
    control: Photometry | str | Path | None,
    center: tuple[float, float] | None,
    radius: float | None,
) -> tuple[Photometry, Photometry | None]:
    """Return the sample and, where there is one, the control field, with the same observables in the same order."""
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


def with_astrometry(
    chosen: Sample,
    proper_motion: str,
    window: tuple[float, ...],
    priors: Mapping[str, str | Prior] | None,
    circle: tuple[float, float, float] | None,
) -> Sample:
    """Decide on proper motions and places."""
    motions = choose_motions(chosen.photometry, chosen.control, proper_motion, window, priors)
    motions.photometry.require(MIN_STARS)
    return replace(
        chosen, photometry=motions.photometry, control=motions.control, notes=[*chosen.notes, *motions.notes],
        pm_window=window, pm_priors=motions.priors, start=motions.start, circle=circle,
    )  # fmt: skip


def choose_parameters(
    chosen: Sample,
    grid: IsochroneGrid,
    model_error: str,
    priors: Mapping[str, str | Prior] | None,
    fixed: Mapping[str, float] | None,
    laws: Mapping[str, str],
) -> ParameterSet:
    """Choose the free and the held parameters: defaults for this sample and grid, outdone by what the user says."""
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
        known_faults=known_discrepancy(grid.metadata, photometry.bands),
        mass_law=laws["mass_law"],
        binary_law=laws["binary_law"],
    )
    parameters = ParameterSet.build(default, held, user_priors=priors, user_fixed=fixed)
    parameters = replace(parameters, start=chosen.start)
    if parameters.n_dim == 0:
        raise SettingsError("every parameter is fixed; leave at least one free")
    return parameters


def with_own_distances(chosen: Sample, parameters: ParameterSet) -> Sample:
    """Decide whether stars are moved to one distance: where their parallaxes show the depth of the cluster."""
    photometry = chosen.photometry
    if photometry.parallax is None or photometry.parallax_error is None:
        return chosen
    depth = parameters.priors["depth"] if "depth" in parameters.priors else parameters.fixed["depth"]
    prior = parameters.priors.get("parallax_zero_point")
    held = parameters.fixed.get("parallax_zero_point", 0.0)
    zero_point = held if prior is None else float(prior.from_normal(np.zeros(1))[0])
    own = OwnDistance.find(photometry.parallax, photometry.parallax_error, depth, zero_point)
    if own is None:
        return chosen
    note = (
        "stars are moved to one distance by their own parallaxes: the cluster has a depth of about "
        f"{own.depth:.2g} pc (standard deviation); --fix depth=0 leaves that out"
    )
    return replace(chosen, notes=[*chosen.notes, note], own_distance=own)


def grid_notes(grid: IsochroneGrid) -> list[str]:
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


def load_grid(
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


def build_model(
    chosen: Sample,
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
        own_distance=chosen.own_distance,
    )
