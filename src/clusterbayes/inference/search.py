"""Where the posterior is: a scan of the grid, climbs with shrinking errors, then a Gaussian picture of each mode.

Nobody gives a start. The likelihood, with its errors widened so that it is smooth, is scanned over age, metallicity,
distance and extinction; parallaxes are widened by as much as distances are. The best distinct points climb while the
widening shrinks, and the field density is learned anew at each step where it comes from the sample. The best summits
climb the full posterior in all parameters, and so do points scattered about the best of them, as wide as the posterior
with widened errors is; each different summit gets a covariance from its curvature and a weight from its height and
volume.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import optimize

from clusterbayes.errors import FitError
from clusterbayes.inference.crew import Crew
from clusterbayes.inference.field import FieldLearner
from clusterbayes.model.cluster import ClusterModel
from clusterbayes.model.parameters import ParameterSet
from clusterbayes.model.priors import Prior

__all__ = ["Mode", "climb", "curvature", "find_modes", "normal_posterior", "scan"]

_SCAN_STARS = 250
_SCAN_FLOOR = 0.12  # mag, widens the errors so that the coarse steps of the scan can't miss the sequence
_N_QUICK = 64
_QUICK_FLOOR = 0.06  # mag
_SHRINKING = (0.1, 0.05, 0.02)  # mag, widening during the first climbs
_MEMBER_FRAC, _FEW_MEMBERS = 0.6, 0.3  # shares of members supposed at first, see `_first_fields`
_HELD = {
    "outlier_frac": 0.05, "alpha_1": 1.3, "alpha_2": 2.3, "depth": 4.0, "binary_frac": 0.35, "a_v_dispersion": 0.0,
    "log_age_offset": 0.0,
}  # fmt: skip
_FREE = ("log_age", "mh", "dist_mod", "a_v", "binary_frac")  # parameters of the first climbs
_MAX_TURNS = 6
_MET = {"log_age": 0.04, "mh": 0.06, "dist_mod": 0.1}  # nearness at which first climbs have met
_IMPOSSIBLE = 1e10  # log posterior that a climb takes impossible places to be below zero
_SETTLED = 0.004
_PARALLAX_PER_MAG = 0.2 * np.log(10.0)  # share of a parallax (or distance) that a mag of distance modulus is
_WINDOW = 15.0  # modes lower than this below the highest are dropped
_MOST_MODES = 8
_SCATTER_FLOOR = 0.03  # mag, widening under which neighbouring summits are one
_N_SCATTER, _SCATTER_STARS, _SCATTER_SEED = (4, 8), 4800.0, 7  # climbs of it: as many as the stars leave time for


@dataclass(frozen=True)
class Mode:
    """A summit of the posterior in standard normal coordinates.

    Attributes
    ----------
    z : (n_dim,)
    log_prob : float
        Log posterior there, with the prior's density in `z`.
    covariance : (n_dim, n_dim)
        From the curvature.
    """

    z: np.ndarray
    log_prob: float
    covariance: np.ndarray

    @property
    def log_weight(self) -> float:
        """Log of the mass of a Gaussian of this height and covariance, up to a constant."""
        return self.log_prob + 0.5 * float(np.linalg.slogdet(self.covariance)[1])


@dataclass(frozen=True)
class _Climb:
    """Where one of the first climbs is.

    Attributes
    ----------
    picture : int
        First picture of the field that it began with.
    model : ClusterModel
        Coarse, with the field as it was learned last.
    member_frac : float
        Share of members that is supposed.
    values : dict
        By name of the parameter.
    height : float
        Log posterior, with errors as wide as they were last.
    """

    picture: int
    model: ClusterModel
    member_frac: float
    values: dict[str, float]
    height: float = -np.inf


def normal_posterior(model: ClusterModel, z: np.ndarray) -> np.ndarray:
    """Log posterior in standard normal coordinates z (n_walkers, n_dim): the prior is a unit Gaussian there."""
    z = np.atleast_2d(z)
    theta = model.parameters.from_normal(z)
    return model.log_likelihood(theta) - 0.5 * (z**2).sum(axis=1)


def find_modes(
    model: ClusterModel,
    learner: FieldLearner,
    *,
    n_start: int = 7,
    n_keep: int = 4,
    report: Callable[[float], None] | None = None,
) -> tuple[ClusterModel, list[Mode]]:
    """Scan, climb from the best distinct points, and describe the summits.

    Parameters
    ----------
    model : ClusterModel
    learner : FieldLearner
        Gives the field density.
    n_start, n_keep : int
        Climbs begun from each first picture of the field, and summits followed to the end.
    report : callable, optional
        Takes the percentage done.

    Returns
    -------
    model : ClusterModel
        With the field density that belongs to the best mode.
    modes : list of Mode
        Best first, those within 15 of the highest log posterior.
    """
    tell, n_threads = report or (lambda percent: None), model.n_threads
    fields = _first_fields(learner, model.photometry.n_star)
    climbing: list[_Climb] = []
    with Crew(n_threads) as crew:
        begun = [(model.with_field(density), member_frac) for density, member_frac in fields]
        values, heights = scan(begun, report=_part(tell, 0.0, 15.0, 100))
        for k, (pictured, member_frac) in enumerate(begun):
            best = _best_first(heights[k])
            single = pictured.with_threads(1)  # climbs go side by side, each in one thread
            low, high = (15.0 + 20.0 * place / len(begun) for place in (k, k + 1))
            after = _part(tell, low, high, _N_QUICK)
            ends = _quick_climbs(single, _distinct(values[best], _N_QUICK), member_frac, crew, after)
            rough = single.coarse()  # one for all climbs: it copies much of the grid
            held = {"binary_frac": _HELD["binary_frac"]}
            for end in _distinct(ends, n_start):
                climbing.append(_Climb(k, rough, member_frac, dict(zip(_FREE[:4], end, strict=True)) | held))
        for k, floor in enumerate(_SHRINKING):
            low, high = (35.0 + 25.0 * place / len(_SHRINKING) for place in (k, k + 1))
            steps = [partial(_one_climb, model.parameters, learner, floor, at) for at in climbing]
            climbing = _unlike(crew.run(steps, after=_part(tell, low, high, len(steps))))
        settle = [partial(_followed, model.with_threads(1), learner, at) for at in _different(climbing, n_keep)]
        found = crew.run(settle, after=_part(tell, 60.0, 70.0, len(settle)))
        found.sort(key=lambda item: -item[2])
        best_model = found[0][0]
        climbs = [partial(climb, best_model, z, max_steps=60) for _, z, _ in found]
        climbs += [partial(climb, best_model, z, max_steps=60) for z in _scattered(best_model, found[0][1])]
        different = _apart(best_model, crew.run(climbs, after=_part(tell, 70.0, 90.0, len(climbs))))
        describe = [partial(_described, best_model, z, height) for z, height in different]
        modes = crew.run(describe, after=_part(tell, 90.0, 100.0, len(describe)))
    return best_model.with_threads(n_threads), sorted(modes, key=lambda mode: -mode.log_weight)


def _first_fields(learner: FieldLearner, n_star: int) -> list[tuple[np.ndarray, float]]:
    """Field densities to begin with, and shares of members that go with them.

    Where the field is learned, the cluster may be most of the sample, or a crest on a hill of field stars; a search
    that supposes one of these can miss the other.
    """
    fields = [(learner.initial(), _MEMBER_FRAC)]
    if learner.learns:
        fields.append((learner.density(np.zeros(n_star)), _FEW_MEMBERS))
    return fields


def _part(tell: Callable[[float], None], low: float, high: float, n: int) -> Callable[[float], None]:
    """Progress of n pieces of work as a part of the whole."""
    return lambda done: tell(low + (high - low) * done / n)


def _described(model: ClusterModel, z: np.ndarray, height: float) -> Mode:
    return Mode(z, height, curvature(model, z))


def _scattered(model: ClusterModel, z: np.ndarray) -> list[np.ndarray]:
    """Return points (n_dim,) about a summit z (n_dim,) from which climbs may end on others.

    Where stars are few and errors small, each star that comes to lie beside the isochrone makes a summit of its own.
    With wider errors they are one, and draws from it stand on the slopes of all.
    """
    full = model.parameters
    summit = {name: float(value[0]) for name, value in full.unpack(full.from_normal(z[None, :])).items()}
    wide = _widened(full, _SCATTER_FLOOR, _FREE, summit["member_frac"])
    if not wide.names:
        return []
    soft = model.coarse().with_parameters(wide).with_wider_parallaxes(_PARALLAX_PER_MAG * _SCATTER_FLOOR)
    middle, _ = climb(soft, wide.to_normal(wide.pack(summit))[0], max_steps=40)
    n = int(np.clip(_SCATTER_STARS / model.n_point, *_N_SCATTER))
    normal = np.random.default_rng(_SCATTER_SEED).normal(size=(n, len(wide.names)))
    draws = middle + normal @ np.linalg.cholesky(curvature(soft, middle)).T
    named = wide.unpack(wide.from_normal(np.clip(draws, -4.0, 4.0)))
    points = np.repeat(z[None, :], n, axis=0)
    for i, name in enumerate(full.names):
        if name in wide.names:
            points[:, i] = full.priors[name].to_normal(named[name])
    return list(points)


def _apart(model: ClusterModel, ends: list[tuple[np.ndarray, float]]) -> list[tuple[np.ndarray, float]]:
    """Choose different summits among ends of climbs, z (n_dim,) and log posterior: best first, none hopelessly low."""
    ends = sorted(ends, key=lambda end: -end[1])
    chosen: list[tuple[np.ndarray, float]] = []
    for z, height in ends:
        if height > ends[0][1] - _WINDOW and all(_separation(model, z, other) > 1.0 for other, _ in chosen):
            chosen.append((z, height))
    return chosen[:_MOST_MODES]


def scan(
    models: Sequence[tuple[ClusterModel, float]], *, report: Callable[[float], None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Scan age, metallicity, distance and extinction with widened errors, under several pictures of the field.

    Parameters
    ----------
    models : sequence of (ClusterModel, float)
        The same but for their fields, and a share of members for each.
    report : callable, optional
        Takes the percentage done.

    Returns
    -------
    values : (n_point, 4)
        log_age, mh, dist_mod, a_v of the points.
    log_prob : (n_model, n_point)
        Of the widened posteriors.
    """
    parameters = models[0][0].parameters
    names = _FREE[:4]
    held = [_widened(parameters, _SCAN_FLOOR, names, member_frac) for _, member_frac in models]
    quick = [_quick(model) for model, _ in models]
    first = quick[0].with_parameters(held[0]).with_wider_parallaxes(_PARALLAX_PER_MAG * _SCAN_FLOOR)
    axes = [_axis(parameters, name) for name in names]
    values = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    log_prob = np.empty((len(models), values.shape[0]))
    for block in np.array_split(np.arange(values.shape[0]), max(1, values.shape[0] // 500)):
        theta = held[0].pack(dict(zip(names, values[block].T, strict=True)))
        density, log_prior = first.member_density(theta), held[0].log_prior(theta)
        for k, mine in enumerate(held):
            log_prob[k, block] = log_prior + quick[k].log_mixture(density, mine.fixed["member_frac"])
        if report is not None:
            report(100.0 * (block[-1] + 1) / values.shape[0])
    return values, log_prob


def _best_first(heights: np.ndarray) -> np.ndarray:
    """Order (n_point,) of some heights (n_point,), the highest first."""
    return np.argsort(-heights, kind="stable")


def _axis(parameters: ParameterSet, name: str) -> np.ndarray:
    """Values of a parameter to scan, within its prior."""
    if name in parameters.fixed:
        return np.array([parameters.fixed[name]])
    prior = parameters.priors[name]
    low, high = (float(prior.from_normal(np.array([z]))[0]) for z in (-3.5, 3.5))
    if name == "mh":
        return _inside((-1.6, -1.0, -0.5, -0.1, 0.2), low, high)
    if name == "a_v":
        return _inside((0.03, 0.35, 0.8, 1.3, 1.9, 2.5, 3.2), low, high)
    if name == "dist_mod":
        low, high = max(low, min(2.5, high)), min(high, max(17.5, low))
        return np.linspace(low, high, int(np.clip((high - low) / 0.4, 1, 40)) + 1)
    low, high = max(low, min(6.7, high)), min(high, max(10.13, low))
    return np.linspace(low, high, int(np.clip((high - low) / 0.19, 1, 20)) + 1)


def _inside(points: tuple[float, ...], low: float, high: float) -> np.ndarray:
    kept = [p for p in points if low <= p <= high]
    return np.array(kept if len(kept) > 1 else [low, 0.5 * (low + high), high])


def _widened(parameters: ParameterSet, floor: float, free: tuple[str, ...], member_frac: float) -> ParameterSet:
    """Hold everything but `free`, with floors of at least `floor`; a simpler problem for the first steps."""
    held = _HELD | {"member_frac": member_frac}
    fixed = dict(parameters.fixed)
    priors: dict[str, Prior] = {}
    for name, prior in parameters.priors.items():
        if name in free:
            priors[name] = prior
        elif name in held:
            fixed[name] = float(np.clip(held[name], prior.low, prior.high))
        else:
            middle = float(prior.from_normal(np.zeros(1))[0])
            fixed[name] = float(np.clip(parameters.start.get(name, middle), prior.low, prior.high))
    for name, value in fixed.items():
        if name.startswith("floor_"):
            fixed[name] = max(value if name in parameters.fixed else 0.0, floor)
    return ParameterSet(priors, fixed)


def _one_climb(full: ParameterSet, learner: FieldLearner, floor: float, at: _Climb) -> _Climb:
    """Learn the field, and climb in a coarse model with errors widened by a floor."""
    reduced = _widened(full, floor, _FREE, at.member_frac)
    model = at.model.with_parameters(reduced)
    theta = reduced.pack({name: at.values[name] for name in reduced.names})
    soft = model.with_wider_parallaxes(_PARALLAX_PER_MAG * floor)
    p_member = soft.member_probability(theta)[0]
    density = learner.density(p_member)
    soft = soft.with_field(density)
    z, height = climb(soft, reduced.to_normal(theta)[0], max_steps=15, two_sided=False)
    theta = reduced.from_normal(z[None, :])
    return _Climb(
        at.picture,
        model.with_field(density),
        float(np.clip(p_member.mean(), 0.3, 0.95)),  # never so low that the cluster is given up early
        {name: float(value[0]) for name, value in reduced.unpack(theta).items()},
        height,
    )


def _unlike(climbs: list[_Climb]) -> list[_Climb]:
    """Choose one, the highest, of climbs that began with the same picture of the field and have met."""
    chosen: list[_Climb] = []
    for at in sorted(climbs, key=lambda at: -at.height):
        met = [
            other.picture == at.picture
            and all(abs(at.values[name] - other.values[name]) < near for name, near in _MET.items())
            for other in chosen
        ]
        if not any(met):
            chosen.append(at)
    return chosen


def _different(climbs: list[_Climb], n: int) -> list[_Climb]:
    """Choose the first n of some climbs, best first, that differ in age or metallicity and are not hopelessly low."""
    chosen: list[_Climb] = []
    for at in climbs:
        apart = [
            abs(at.values["log_age"] - other.values["log_age"]) > 0.08
            or abs(at.values["mh"] - other.values["mh"]) > 0.12
            for other in chosen
        ]
        if all(apart) and len(chosen) < n and at.height > climbs[0].height - 60.0:
            chosen.append(at)
    return chosen


def _complete(parameters: ParameterSet, values: dict[str, float]) -> np.ndarray:
    """Full θ (1, n_dim) from the outcome of a first climb, away from the edges of the priors."""
    complete = {}
    for name, prior in parameters.priors.items():
        low, high = prior.from_normal(np.array([-3.0, 3.0]))
        complete[name] = float(np.clip(values[name], low, high))
    return parameters.pack(complete)


def _followed(model: ClusterModel, learner: FieldLearner, at: _Climb) -> tuple[ClusterModel, np.ndarray, float]:
    """Follow one of the first climbs, which has been through all widenings, to the end."""
    soft = at.model.with_wider_parallaxes(_PARALLAX_PER_MAG * _SHRINKING[-1])
    theta = soft.parameters.pack({name: at.values[name] for name in soft.parameters.names})
    p_member = soft.member_probability(theta)[0]
    values = at.values | {"member_frac": float(np.clip(p_member.mean(), 0.02, 0.98))}
    z = model.parameters.to_normal(_complete(model.parameters, values))[0]
    return _settle(model.with_field(learner.density(p_member)), learner, z)


def _settle(model: ClusterModel, learner: FieldLearner, z: np.ndarray) -> tuple[ClusterModel, np.ndarray, float]:
    """Climb the full posterior, learning the field in turns until the member fraction settles.

    With few stars it may go back and forth between two pictures of the field for ever; the higher one is taken then.
    """
    turns: list[tuple[ClusterModel, np.ndarray, float]] = []
    last = -1.0
    while len(turns) < _MAX_TURNS:
        z, height = climb(model, z, max_steps=40)
        turns.append((model, z, height))
        if not learner.learns:
            return turns[-1]
        p_member = model.member_probability(model.parameters.from_normal(z[None, :]))[0]
        if abs(p_member.mean() - last) < _SETTLED:
            return turns[-1]
        last = float(p_member.mean())
        model = model.with_field(learner.density(p_member))
    return max(turns, key=lambda turn: turn[2])


def _separation(model: ClusterModel, z: np.ndarray, other: np.ndarray) -> float:
    """Distance of two points in units of 0.03 dex in age, 0.06 dex in metallicity and 0.06 mag in extinction."""
    named = model.parameters.unpack(model.parameters.from_normal(np.stack([z, other])))
    return float(np.sqrt(sum((np.ptp(named[n]) / s) ** 2 for n, s in (("log_age", 0.03), ("mh", 0.06), ("a_v", 0.06)))))


def _distinct(values: np.ndarray, n: int) -> np.ndarray:
    """Choose the first n of some points (n_point, 4), best first, that differ by more than a step in a coordinate."""
    steps = np.array([0.3, 0.45, 0.9, 0.5])  # log_age, mh, dist_mod, a_v
    chosen: list[int] = []
    for i in range(values.shape[0]):
        if all((np.abs(values[i] - values[k]) > steps).any() for k in chosen):
            chosen.append(i)
        if len(chosen) == n:
            break
    return values[chosen]


def _quick_climbs(
    model: ClusterModel, starts: np.ndarray, member_frac: float, crew: Crew, after: Callable[[int], None]
) -> np.ndarray:
    """Climb from many points with few stars, few vertices and halved widening; ends (n_start, 4), best first."""
    names = _FREE[:4]
    quick = _quick(model).with_parameters(_widened(model.parameters, _QUICK_FLOOR, names, member_frac))
    quick = quick.with_wider_parallaxes(_PARALLAX_PER_MAG * _QUICK_FLOOR)

    def one(start: np.ndarray) -> tuple[np.ndarray, float]:
        theta = quick.parameters.pack(dict(zip(names, start, strict=True)))
        return climb(quick, quick.parameters.to_normal(theta)[0], max_steps=12, two_sided=False)

    climbed = crew.run([partial(one, start) for start in starts], after=after)
    ends, heights = np.array(starts), np.array([height for _, height in climbed])
    free = [i for i, name in enumerate(names) if name in quick.parameters.priors]
    for end, (z, _) in zip(ends, climbed, strict=True):
        end[free] = quick.parameters.from_normal(z[None, :])[0]
    possible = heights > -_IMPOSSIBLE
    if not possible.any():
        raise FitError("under no parameters that the priors allow is every star possible", "search")
    return ends[_best_first(heights)][: possible.sum()]


def _quick(model: ClusterModel) -> ClusterModel:
    """Few stars, few vertices and few mass ratios."""
    n_star = model.photometry.n_star
    if n_star > _SCAN_STARS:
        model = model.subset(np.unique(np.linspace(0, n_star - 1, _SCAN_STARS).astype(int)))
    return model.coarse(thin=6, nodes=(0.1, 0.8, 1.0))


def climb(model: ClusterModel, z: np.ndarray, *, max_steps: int, two_sided: bool = True) -> tuple[np.ndarray, float]:
    """Climb the posterior by a quasi-Newton method with differences, all evaluated in one call per step.

    One-sided differences take half of the time. Over a fiftieth of the scale on which the posterior bends they move
    the summit by a hundredth of it, where the posterior is smooth.

    Parameters
    ----------
    model : ClusterModel
    z : (n_dim,)
        Where to begin, in standard normal coordinates.
    max_steps : int
    two_sided : bool
        Whether differences are central ones; a rough posterior needs that.

    Returns
    -------
    z : (n_dim,)
    log_prob : float
    """
    if z.size == 0:
        return z, float(normal_posterior(model, z[None, :])[0])
    z = np.clip(z, -5.0, 5.0)
    scale = _scales(model, z)
    n_dim = z.size
    step = 0.02
    sides = [np.zeros((1, n_dim)), np.diag(scale)] + ([-np.diag(scale)] if two_sided else [])
    shifts = step * np.concatenate(sides)

    def downhill(x: np.ndarray) -> tuple[float, np.ndarray]:
        value = normal_posterior(model, z + x * scale + shifts)
        value = np.where(np.isfinite(value), value, -_IMPOSSIBLE)
        if two_sided:
            return -value[0], -(value[1 : n_dim + 1] - value[n_dim + 1 :]) / (2.0 * step)
        return -value[0], -(value[1:] - value[0]) / step

    bounds = [((-7.0 - c) / s, (7.0 - c) / s) for c, s in zip(z, scale, strict=True)]
    options = {"maxiter": max_steps, "gtol": 0.03, "ftol": 1e-7}
    found = optimize.minimize(downhill, np.zeros(n_dim), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return z + found.x * scale, -float(found.fun)


def _scales(model: ClusterModel, z: np.ndarray) -> np.ndarray:
    """Find steps (n_dim,) in each coordinate over which the posterior changes by about half a unit."""
    step = np.full(z.size, 2e-3)
    base = normal_posterior(model, z[None, :])[0]
    for _ in range(3):
        plus = normal_posterior(model, z[None, :] + np.diag(step))
        minus = normal_posterior(model, z[None, :] - np.diag(step))
        with np.errstate(invalid="ignore"):  # of places that are impossible
            bend = np.abs(base - 0.5 * (plus + minus))
        bend = np.where(np.isfinite(bend), np.maximum(bend, 1e-6), 100.0)
        step = np.clip(step * np.sqrt(0.5 / bend), 1e-4, 0.7)
    return step


def curvature(model: ClusterModel, z: np.ndarray) -> np.ndarray:
    """Covariance (n_dim, n_dim) of the Gaussian with the curvature of the posterior at z.

    In these coordinates the prior has unit variance, and the data rarely widen it: curvatures below 0.3 are raised.
    """
    n_dim = z.size
    step = _scales(model, z)
    offsets = np.diag(step)
    pairs = [(i, j) for i in range(n_dim) for j in range(i, n_dim)]
    points = [z + a * offsets[i] + b * offsets[j] for i, j in pairs for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
    value = normal_posterior(model, np.array(points)).reshape(len(pairs), 4)
    value = np.where(np.isfinite(value), value, np.nan)
    hessian = np.empty((n_dim, n_dim))
    for (i, j), v in zip(pairs, value, strict=True):
        second = (v[0] - v[1] - v[2] + v[3]) / (4.0 * step[i] * step[j])
        hessian[i, j] = hessian[j, i] = -second if np.isfinite(second) else float(i == j)
    eigenvalue, vector = np.linalg.eigh(hessian)
    return (vector / np.maximum(eigenvalue, 0.3)) @ vector.T
