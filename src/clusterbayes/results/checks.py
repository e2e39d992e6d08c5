"""Posterior predictive checks: whether the catalogue looks like those that the fitted model makes.

For draws of the posterior, members are simulated with the catalogue's errors and limits, and field stars are drawn
again from the catalogue itself, by their probability of being field. A few numbers that catch known faults are compared
between the catalogue and these replicas; each comparison gives a p-value, and all of them one class of quality.
p-values of this kind lean towards ½ (Meng 1994, Ann. Stat. 22, 1142): small ones can be believed, large ones prove
little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clusterbayes.bands import Observable, bands_of, observable_matrix, parse_observable
from clusterbayes.errors import GridError, InputError
from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model.details import Details
from clusterbayes.model.selection import ErrorCurve
from clusterbayes.model.simulate import true_members
from clusterbayes.results.result import FitResult

__all__ = ["QUALITY", "Check", "check_fit", "checks_document", "checks_of_fit", "grid_of", "quality_of"]

#: Classes of quality with what they mean, the best first.
QUALITY = {
    "good": "No check found more than chance explains. The fit describes this catalogue; its error bars are as good as "
    "the model's assumptions.",
    "fair": "A check found what chance would do in less than one of twenty such fits, but not in less than one of a "
    "hundred. Look at the checks below 0.05 before relying on what depends on them.",
    "poor": "A check found what chance would do in less than one of a hundred such fits. The model does not describe "
    "the catalogue there: do not rely on the error bars.",
    "unchecked": "The fit did not converge or too few stars were used, so that nothing could be checked.",
}

_FAIR, _GOOD = 0.01, 0.05  # of the smallest p-value times the number of checks
_FEWEST, _MOST = 20, 3000  # stars
_MORE = 4  # times more members are drawn than are missing
_MOST_ROUNDS = 40
_NEIGHBOURS = 10  # stars of the catalogue, brighter and fainter, that gaps of a simulated star may be taken from
_RIDGE = (0.25, 0.95)  # mag above the single stars of the same colour: where pairs of like stars lie
_CLUMP = (0.15, 0.4)  # half height and width about core helium burning stars: colour, magnitude [mag]
_HELIUM, _MAIN_SEQUENCE = 4, 0  # phases

Statistic = Callable[["_Scene", np.ndarray], np.ndarray]  # points (n, 2) to numbers (n_number,)


@dataclass(frozen=True)
class Check:
    """One comparison of the catalogue with its replicas.

    Attributes
    ----------
    name, title, about : str
        A key, a heading, and what a small p-value points at.
    p : float
        Chance of a replica to be as far from the average replica as the catalogue is.
    observed, expected, spread : tuple of float
        The numbers that were compared: in the catalogue, and mean and standard deviation over the replicas.
    places : tuple of float
        Where the numbers belong, for instance magnitudes [mag]; empty where they have no place.
    """

    name: str
    title: str
    about: str
    p: float
    observed: tuple[float, ...]
    expected: tuple[float, ...]
    spread: tuple[float, ...]
    places: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Scene:
    """What all statistics need: edges of bins, and the isochrone at the most probable parameters."""

    magnitude: np.ndarray
    colour: np.ndarray
    sequence: np.ndarray  # (n, 2): colour and magnitude of main-sequence stars
    clump: np.ndarray  # (n, 2): of stars that burn helium in the core


@dataclass(frozen=True)
class _Catalogue:
    """The stars that are judged, and what a replica of them has to share: errors and limits.

    Attributes
    ----------
    observables : tuple of Observable, length n_obs
        What was fitted.
    values : ndarray, shape (n, n_obs)
        Observed magnitudes and colours [mag], of stars that were moved to the cluster's distance as if they were there;
        NaN where missing.
    p_member, p_outlier : ndarray, shape (n,)
        Probabilities; 0 where the fit gives none.
    limits : tuple of (str, float, float)
        The observable that is limited, and its bright and faint limit [mag]; a bright limit of -inf is none.
    errors : tuple of ErrorCurve, length n_obs
        The error of each observable [mag], by the magnitude [mag] that the limits act on.
    shared_error : ErrorCurve or None
        The error that all magnitudes of a star share [mag], from its unknown place along the line of sight.
    """

    observables: tuple[Observable, ...]
    values: np.ndarray
    p_member: np.ndarray
    p_outlier: np.ndarray
    limits: tuple[str, float, float]
    errors: tuple[ErrorCurve, ...]
    shared_error: ErrorCurve | None

    @classmethod
    def of(cls, result: FitResult, observables: tuple[Observable, ...], rows: np.ndarray) -> _Catalogue:
        def column(name: str) -> np.ndarray:
            return np.asarray(result.stars[name], float)[rows]

        name, bright, faint = result.mag_limits or (result.observables[0], -np.inf, np.inf)
        seen = column(name)
        moved = result.distance_shift.any()
        return cls(
            observables,
            values=result.at_one_distance()[0][rows],
            p_member=np.nan_to_num(column("p_member")),
            p_outlier=np.nan_to_num(column("p_outlier")),
            limits=(name, float(bright), float(faint) if np.isfinite(faint) else float(np.nanmax(seen)) + 0.05),
            errors=tuple(ErrorCurve.fit(seen, column(f"{name}_error")) for name in result.observables),
            shared_error=ErrorCurve.fit(seen, column("distance_shift_error")) if moved else None,
        )

    @property
    def bands(self) -> tuple[str, ...]:
        return bands_of(self.observables)

    @property
    def primary(self) -> int:
        """Return the index of the observable that the limits act on."""
        return [observable.name for observable in self.observables].index(self.limits[0])


def grid_of(result: FitResult, place: str | Path | None = None) -> IsochroneGrid:
    """Load the isochrones of a fit, with its bands, law of extinction and R_V.

    Parameters
    ----------
    result : FitResult
    place : str or path, optional
        Name or file, if it is not that of the packed grid that the result names.

    Raises
    ------
    GridError
        If there is no such grid.
    """
    known = result.provenance["grid"]
    bands = bands_of(map(parse_observable, result.observables))
    law = known["extinction_law"] or "tables"
    return IsochroneGrid.load(place or known["name"], bands=bands, law=law, r_v=known["r_v"])


def checks_of_fit(
    result: FitResult, grid: str | Path | None = None, tell: Callable[[float], None] | None = None
) -> dict[str, Any]:
    """Return the checks of a fit as `checks_document` gives them; arguments as for `grid_of` and `check_fit`."""
    return checks_document(check_fit(result, grid_of(result, grid), tell=tell))


def check_fit(
    result: FitResult,
    grid: IsochroneGrid,
    *,
    n_replicas: int = 600,
    seed: int = 1,
    tell: Callable[[float], None] | None = None,
) -> list[Check]:
    """Compare a fitted catalogue with what the fit predicts.

    Parameters
    ----------
    result : FitResult
    grid : IsochroneGrid
        The one of the fit, with its bands.
    n_replicas : int
        p-values are no finer than 1/(n_replicas + 1); with fewer than 500 no fit can be called poor.
    seed : int
        Of the replicas, and of the 3,000 stars by which a larger catalogue is judged.
    tell : callable, optional
        Gets how much is done, from 0 to 100.

    Returns
    -------
    list of Check
        Those that apply: isochrones without core helium burning stars in the limits have no clump to check, and fits
        that ignore counts, or have a completeness or limits in other bands, have only shapes. Empty if the fit did not
        converge or fewer than 20 stars were used.

    Raises
    ------
    InputError
        If the grid lacks a band of the fit, or the result has no best isochrone.
    GridError
        If the grid is another one than that of the fit, or was loaded with another law of extinction.
    """
    observables = tuple(parse_observable(name) for name in result.observables)
    missing = set(bands_of(observables)) - set(grid.bands)
    if missing:
        raise InputError("the grid lacks a band of the fit", grid.name, sorted(missing)[0])
    fitted_with = (result.provenance.get("grid") or {}).get("digest")
    if fitted_with and grid.digest and grid.digest != fitted_with:
        remedy = "give the grid, the law of extinction and the R_V of the fit, or fit again"
        raise GridError("these are other isochrones than those of the fit", grid.name, remedy=remedy)
    used = np.flatnonzero(np.asarray(result.stars["used"], bool))
    if not result.converged or used.size < _FEWEST:
        return []
    rng = np.random.default_rng(seed)
    if used.size > _MOST:
        used = rng.choice(used, size=_MOST, replace=False)
    catalogue = _Catalogue.of(result, observables, used)
    project = _projection(observables)
    points = project(catalogue.values)
    rows = rng.choice(result.n_draw, size=n_replicas, replace=result.n_draw < n_replicas)
    replicas = []
    for done, row in enumerate(rows):
        if tell is not None:
            tell(100.0 * done / n_replicas)
        replicas.append(project(_replica(result, grid, catalogue, int(row), rng)))
    scene = _scene(result, points, project)
    checks = []
    for name, (title, about, statistic, places) in _CHECKS.items():
        if name not in _SHAPES and not _counted(result):
            continue
        observed = statistic(scene, points)
        if observed.size:
            again = np.array([statistic(scene, replica) for replica in replicas])
            if np.isfinite([observed, *again]).all(axis=0).any():  # else there is nothing to compare
                checks.append(_compared(name, (title, about), observed, again, places(scene)))
    return checks


def quality_of(checks: Sequence[Check]) -> str:
    """Return the class of quality, a key of `QUALITY`: by the smallest p-value, times the number of checks."""
    if not checks:
        return "unchecked"
    smallest = min(check.p for check in checks) * len(checks)
    return "poor" if smallest < _FAIR else "fair" if smallest < _GOOD else "good"


def checks_document(checks: Sequence[Check]) -> dict[str, Any]:
    """Return checks and the class of quality as plain data, for JSON."""
    quality = quality_of(checks)
    return {"quality": quality, "meaning": QUALITY[quality], "checks": [asdict(check) for check in checks]}


def _projection(observables: tuple[Observable, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """Return the map from observables (n, n_obs) to colour and magnitude (n, 2); rows without both are left out."""
    from clusterbayes.results.plots.cmd import cmd_axes

    axes = cmd_axes(observables)

    def project(values: np.ndarray) -> np.ndarray:
        points = axes.project(values)
        return points[np.isfinite(points).all(axis=1)]

    return project


def _replica(
    result: FitResult, grid: IsochroneGrid, catalogue: _Catalogue, row: int, rng: np.random.Generator
) -> np.ndarray:
    """Simulate one catalogue (n, n_obs) at one draw of the posterior."""
    held = result.provenance["fixed"]
    theta = {**held, **{name: float(draws[row]) for name, draws in result.draws.items()}}
    settings = result.provenance["settings"]
    details = Details.from_parameters(theta, mass_law=settings["mass_function"], binary_law=settings["binary_law"])
    n = len(catalogue.values)
    n_members = int(rng.binomial(n, np.clip(theta["member_frac"], 0.0, 1.0)))
    members = _members(grid, catalogue, n_members, (theta, details), rng)
    # Outliers have no law of their own that could be simulated better than by the stars themselves.
    weight = 1.0 - catalogue.p_member + catalogue.p_outlier
    if weight.sum() <= 0.0:
        return members
    rest = rng.choice(n, size=n - len(members), p=weight / weight.sum())
    return np.concatenate([members, catalogue.values[rest]])


def _members(
    grid: IsochroneGrid,
    catalogue: _Catalogue,
    n: int,
    drawn: tuple[Mapping[str, float], Details],
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw members within the limits, with errors like the catalogue's; a share of them is left to be outliers."""
    theta, details = drawn
    n = int(rng.binomial(n, 1.0 - details.outlier_frac))
    observables, bands = catalogue.observables, catalogue.bands
    matrix = observable_matrix(observables, bands)
    floor = np.array([details.floor.get(band, 0.0) for band in bands])
    name, bright, faint = catalogue.limits
    found: list[np.ndarray] = [np.empty((0, len(observables)))]
    for _ in range(_MOST_ROUNDS):
        if sum(map(len, found)) >= n:
            break
        true = true_members(_MORE * n + 200, theta, details, grid=grid, bands=bands, faintest=(name, faint), rng=rng)
        true = true + floor * rng.normal(size=true.shape)
        points = true @ matrix.T
        error = np.column_stack([curve(points[:, catalogue.primary]) for curve in catalogue.errors])
        points = points + error * rng.normal(size=points.shape)
        if catalogue.shared_error is not None:
            shared = catalogue.shared_error(points[:, catalogue.primary]) * rng.normal(size=len(points))
            points = points + shared[:, None] * [observable.is_magnitude for observable in observables]
        inside = (points[:, catalogue.primary] >= bright) & (points[:, catalogue.primary] <= faint)
        found.append(points[inside])
    return _with_gaps(np.concatenate(found)[:n], catalogue, rng)


def _with_gaps(points: np.ndarray, catalogue: _Catalogue, rng: np.random.Generator) -> np.ndarray:
    """Leave out of each star (n, n_obs) what a star of the catalogue lacks that is about as bright."""
    missing = np.isnan(catalogue.values)
    if not missing.any():
        return points
    order = np.argsort(catalogue.values[:, catalogue.primary], kind="stable")
    place = np.searchsorted(catalogue.values[order, catalogue.primary], points[:, catalogue.primary])
    place += rng.integers(-_NEIGHBOURS, _NEIGHBOURS, endpoint=True, size=len(points))
    like = order[np.clip(place, 0, len(order) - 1)]
    return np.where(missing[like], np.nan, points)


def _scene(result: FitResult, points: np.ndarray, project: Callable[[np.ndarray], np.ndarray]) -> _Scene:
    best = result.curve("best")
    if best is None:
        raise InputError("the result has no best isochrone to compare with", "curves", remedy="fit again")
    line = project(best.observables)
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    n_bins = int(np.clip(np.sqrt(len(points) / 5.0), 4, 12))
    main = line[np.asarray(best.phase) == _MAIN_SEQUENCE]
    top = int(np.argmin(main[:, 0])) if len(main) else 0  # from the turn-off down, colour and magnitude go together
    clump = line[np.asarray(best.phase) == _HELIUM]
    bright = (result.mag_limits or ("", -np.inf, np.inf))[1]  # stars that are all missing are a fault to be found
    return _Scene(
        magnitude=np.linspace(low[1], high[1], n_bins + 1),
        colour=np.linspace(low[0], high[0], n_bins + 1),
        sequence=main[: top + 1],
        clump=clump[(clump[:, 1] >= bright) & (clump[:, 1] <= points[:, 1].max() + 0.2)],
    )


def _hess(scene: _Scene, points: np.ndarray) -> np.ndarray:
    return np.histogram2d(points[:, 1], points[:, 0], bins=(scene.magnitude, scene.colour))[0].ravel()


def _luminosity(scene: _Scene, points: np.ndarray) -> np.ndarray:
    return np.histogram(points[:, 1], bins=scene.magnitude)[0].astype(float)


def _above(scene: _Scene, points: np.ndarray) -> np.ndarray:
    """Magnitudes above the single stars of the same colour; NaN outside the main sequence's range."""
    if len(scene.sequence) < 2:
        return np.full(len(points), np.nan)
    line = scene.sequence[np.argsort(scene.sequence[:, 0])]
    return np.interp(points[:, 0], line[:, 0], line[:, 1], left=np.nan, right=np.nan) - points[:, 1]


def _ridge(scene: _Scene, points: np.ndarray) -> np.ndarray:
    above = _above(scene, points)
    near = np.sum((above > -_RIDGE[0]) & (above < _RIDGE[1]))
    pairs = np.sum((above > _RIDGE[0]) & (above < _RIDGE[1]))
    return np.array([pairs / near]) if near else np.empty(0) if not len(scene.sequence) else np.zeros(1)


def _clump(scene: _Scene, points: np.ndarray) -> np.ndarray:
    if not len(scene.clump):
        return np.empty(0)
    apart = np.abs(points[:, None, :] - scene.clump[None, :, :]) <= np.array(_CLUMP)
    return np.array([float(apart.all(axis=2).any(axis=1).sum())])


def _colours(scene: _Scene, points: np.ndarray) -> np.ndarray:
    """Median colour of the stars near the main sequence, minus that of single stars, by magnitude [mag]."""
    if len(scene.sequence) < 2:
        return np.empty(0)
    line = scene.sequence[np.argsort(scene.sequence[:, 1])]
    off = points[:, 0] - np.interp(points[:, 1], line[:, 1], line[:, 0], left=np.nan, right=np.nan)
    rows = np.digitize(points[:, 1], scene.magnitude) - 1
    medians = []
    for row in range(len(scene.magnitude) - 1):
        near = off[(rows == row) & (np.abs(off) < 0.2)]
        medians.append(float(np.median(near)) if near.size >= 3 else np.nan)
    return np.array(medians)


def _middles(scene: _Scene) -> np.ndarray:
    return 0.5 * (scene.magnitude[1:] + scene.magnitude[:-1])


def _nowhere(scene: _Scene) -> np.ndarray:
    return np.empty(0)


_CHECKS: dict[str, tuple[str, str, Statistic, Callable[[_Scene], np.ndarray]]] = {
    "hess": ("Stars by colour and magnitude", "Something is wrong anywhere in the diagram.", _hess, _nowhere),
    "luminosity": (
        "Stars by magnitude", "The mass function, the limit or the completeness does not fit.", _luminosity, _middles
    ),
    "binary_ridge": (
        "Share of stars on the ridge of like pairs", "The law of the mass ratios, or the distance, is off.", _ridge,
        _nowhere,
    ),
    "red_clump": (
        "Core helium burning stars", "Late phases are missing in the data or wrong in the models.", _clump, _nowhere
    ),
    "colour": (
        "Colour of the sequence by magnitude",
        "The isochrones' shape, the extinction law or the photometry's zero points are off.", _colours, _middles,
    ),
}  # fmt: skip


#: Checks that hold whatever the share of the stars that a catalogue has at each magnitude.
_SHAPES = ("binary_ridge", "colour")
_COUNTS, _LEAST_SPREAD = ("hess", "luminosity", "red_clump"), 0.7


def _counted(result: FitResult) -> bool:
    """Whether replicas have as many stars of each magnitude as the fit's model: they know the plain limits only."""
    settings = result.provenance["settings"]
    selection = settings.get("selection") or {}
    plain = not selection.get("completeness") and not selection.get("others")
    return settings.get("counts", "model") == "model" and plain


def _compared(name: str, words: tuple[str, str], observed: np.ndarray, again: np.ndarray, places: np.ndarray) -> Check:
    """Compare by the sum of squared deviations from the average replica, in units of the replicas' spread."""
    both = np.vstack([again, observed])
    use = np.isfinite(both).all(axis=0)
    mean, spread = both[:, use].mean(axis=0), both[:, use].std(axis=0)
    if name in _COUNTS:  # a cell that is nearly always empty would outweigh all others
        spread = np.maximum(spread, _LEAST_SPREAD)
    distance = (((both[:, use] - mean) / np.where(spread > 0.0, spread, 1.0)) ** 2).sum(axis=1)
    p = float(np.mean(distance >= distance[-1] - 1e-12))  # the catalogue counts among its replicas
    return Check(
        name, *words, p,
        observed=tuple(observed[use].tolist()),
        expected=tuple(again[:, use].mean(axis=0).tolist()),
        spread=tuple(again[:, use].std(axis=0).tolist()),
        places=tuple((places[use] if places.size else places).tolist()),
    )  # fmt: skip
