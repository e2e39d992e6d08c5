"""The parameters of a cluster: names, units, default priors, and the map between θ and named arrays.

θ has shape (n_walkers, n_dim) and holds the free parameters in the order of `ParameterSet.names`. Nothing else in the
library indexes θ by position.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from clusterbayes.errors import SettingsError
from clusterbayes.model.imf import mass_function
from clusterbayes.model.priors import Exponential, HalfNormal, Normal, Prior, Uniform, parse_prior

__all__ = [
    "COLOUR_KNOTS",
    "FAMILY_PATTERN",
    "FAULT_SCALES",
    "FLOOR_LEAST",
    "FLOOR_SCALE",
    "ParameterSet",
    "default_priors",
    "floor_scale",
    "unit_of",
    "within",
]

#: Knots of the colour discrepancy [log Teff], with the standard deviation of its prior there [mag] where no cluster has
#: shown what a family lacks, beside what families share.
COLOUR_KNOTS = {3.47: 0.12, 3.51: 0.1, 3.56: 0.1, 3.62: 0.08, 3.72: 0.05, 3.85: 0.05, 4.05: 0.04}

#: How families differ in colour, by knot, in units of the difference of the coolest stars: all of them in much the same
#: way (benchmarks/family_differences.py), so that one parameter stands for it.
FAMILY_PATTERN = {3.47: 1.0, 3.51: 1.0, 3.56: 0.85, 3.62: 0.55, 3.72: 0.2, 3.85: 0.1, 4.05: 0.0}

#: Standard deviations of the priors of how isochrones are wrong, by parameter, where no cluster has shown it: colours
#: [mag], and ages [dex], by which two families differ by 0.09 (rms), so each from nature by less.
FAULT_SCALES = {
    "colour_family": 0.25, **{f"colour_{knot:.2f}": width for knot, width in COLOUR_KNOTS.items()},
    "log_age_offset": 0.06,
}  # fmt: skip

#: Least width of the prior of the model floors [mag]: how well models follow the colours of real clusters.
FLOOR_SCALE = 0.02

#: Least model floor [mag]. Interpolated isochrones miss published ones by about as much (rms, docs/certificates), along
#: whole sequences: hundreds of stars with smaller errors would have to be believed on shapes that nobody knows.
FLOOR_LEAST = 0.007

#: Width of the prior of a band's zero point [mag] where the data do not tell it: how far catalogues and synthetic
#: photometry of ground-based bands are off. Gaia's bands are known to a few thousandths, and held.
ZERO_POINT_SCALE, _CALIBRATED = 0.02, "Gaia_"

#: Width of the prior of the dispersion of A_V among the members [mag].
A_V_DISPERSION_SCALE = 0.05

_WIDTHS = ("floor_", "depth", "pm_dispersion", "a_v_dispersion")  # parameters that can't be negative

_UNITS = {
    "log_age": "log10(yr)",
    "log_age_offset": "dex",
    "mh": "dex",
    "dist_mod": "mag",
    "distance": "pc",
    "a_v": "mag",
    "a_v_dispersion": "mag",
    "ebv": "mag",
    "age_gyr": "Gyr",
    "parallax_zero_point": "mas",
    "depth": "pc",
    "pm_ra": "mas/yr",
    "pm_dec": "mas/yr",
    "pm_dispersion": "mas/yr",
    "scale_radius": "deg",
}

# Names, in lower case, that people give to what is sampled in another form: the parameter, and how it follows.
_AGE, _REDDENING, _METALLICITY = (
    "log_age = log10(age in years)",
    "a_v = R_V ebv, 3.1 ebv by default",
    "mh = [M/H] [dex]",
)
_INSTEAD = {
    "age": _AGE, "age_gyr": _AGE, "age_myr": _AGE, "distance": "dist_mod = 5 log10(distance / 10 pc)",
    "ebv": _REDDENING, "e(b-v)": _REDDENING, "metallicity": _METALLICITY, "feh": _METALLICITY, "[fe/h]": _METALLICITY,
}  # fmt: skip


def unit_of(name: str) -> str:
    """Return the unit of a parameter, an empty string for pure numbers."""
    if name.startswith(("floor_", "zero_point_", "colour_")):
        return "mag"
    return _UNITS.get(name, "")


def floor_scale(certified_floor: float = 0.0) -> float:
    """Return the width of the model floors' prior [mag]: no less than a grid's certified interpolation error."""
    return max(FLOOR_SCALE, round(0.005 * math.ceil(certified_floor / 0.005 - 1e-9), 3))


def default_priors(
    *,
    log_age_range: tuple[float, float],
    mh_range: tuple[float, float],
    bands: Sequence[str],
    has_field: bool = True,
    parallax_zero_point: str | None = None,
    zero_point_error: Mapping[str, float] | None = None,
    model_error: bool = True,
    pm_priors: tuple[Prior, Prior] | None = None,
    radius: float | None = None,
    certified_floor: float = 0.0,
    known_faults: Mapping[str, tuple[float, float]] | None = None,
    mass_law: str = "kroupa",
    binary_law: str = "flat",
) -> tuple[dict[str, Prior], dict[str, float]]:
    """Priors of the free parameters, and the values of those that are held.

    Parameters
    ----------
    log_age_range, mh_range : tuple of float
        Range of the isochrone grid [log10(yr)], [dex]; where both ends are equal the parameter is held there.
    bands : sequence of str
        Bands that the observables are made of.
    has_field : bool
        Whether field stars are part of the model.
    parallax_zero_point : {"raw", "applied", None}
        State of the catalogue's parallaxes; None where there are none.
    zero_point_error : mapping, optional
        Known uncertainty of the photometric zero point of a band [mag]; 0 holds its offset at zero. By default it is
        0.02 mag, and 0 in Gaia's bands, where the common part of the colour discrepancy stands for it.
    model_error : bool
        Whether floors, zero points, errors of the isochrones' colours and ages, and the dispersion of the extinction
        are free, or zero.
    pm_priors : tuple of Prior, optional
        Of the cluster's proper motion [mas/yr], where proper motions are part of the model.
    radius : float, optional
        Radius of the sample [deg], where the places of the stars are part of the model.
    certified_floor : float
        Certified interpolation error of the grid [mag] (`clusterbayes.isochrones.certified`).
    known_faults : mapping, optional
        Mean and standard deviation of how the isochrones are wrong, colours [mag] and ages [dex] by parameter, where
        it is known
        (`clusterbayes.model.discrepancy.known_discrepancy`).
    mass_law, binary_law : str
        Names of the mass function and of the law of mass ratios.

    Returns
    -------
    priors : dict
    fixed : dict
    """
    (young, old), (low, high) = (map(float, ends) for ends in (log_age_range, mh_range))
    on_grid: dict[str, Prior] = {"log_age": Uniform(young, old)} if old > young else {}
    on_grid |= {"mh": Normal(-0.1, 0.4, low, high)} if high > low else {}
    priors: dict[str, Prior] = {
        **on_grid,
        "dist_mod": Uniform(0.0, 20.0),
        "a_v": parse_prior("exponential(1, 6)"),
        "binary_frac": Uniform(0.0, 1.0),
        "member_frac": Uniform(0.0, 1.0),
        "outlier_frac": parse_prior("beta(1, 20)"),
    }
    fixed: dict[str, float] = {}
    _add_population(priors, fixed, mass_law, binary_law)
    fixed.update({name: value for name, value in (("log_age", young), ("mh", low)) if name not in on_grid})
    if not has_field:
        del priors["member_frac"]
        fixed["member_frac"] = 1.0
    for band in bands:
        uncertainty = (zero_point_error or {}).get(band, 0.0 if band.startswith(_CALIBRATED) else ZERO_POINT_SCALE)
        if model_error:
            priors[f"floor_{band}"] = Normal(0.0, floor_scale(certified_floor), FLOOR_LEAST, 0.3)
        else:
            fixed[f"floor_{band}"] = 0.0
        if model_error and uncertainty > 0.0:
            priors[f"zero_point_{band}"] = Normal(0.0, float(uncertainty))
        else:
            fixed[f"zero_point_{band}"] = 0.0
    known = dict(known_faults or {})
    for name, width in FAULT_SCALES.items():
        learned = name == "colour_family" and any(other.startswith("colour_") for other in known)  # in the knots
        if model_error and not learned:
            priors[name] = Normal(*known.get(name, (0.0, width)))
        else:
            fixed[name] = 0.0
    if model_error:
        priors["a_v_dispersion"] = HalfNormal(A_V_DISPERSION_SCALE)
    else:
        fixed["a_v_dispersion"] = 0.0
    if parallax_zero_point is None:
        fixed.update(parallax_zero_point=0.0, depth=0.0)
    else:
        mean = 0.035 if parallax_zero_point == "raw" else 0.0
        priors["parallax_zero_point"] = parse_prior(f"normal({mean}, 0.012)")
        priors["depth"] = HalfNormal(5.0)
    if pm_priors is not None:
        priors["pm_ra"], priors["pm_dec"] = pm_priors
        priors["pm_dispersion"] = HalfNormal(0.5)
    if radius is not None:
        priors["scale_radius"] = Uniform(0.02 * radius, 2.0 * radius)
    return priors, fixed


def _add_population(priors: dict[str, Prior], fixed: dict[str, float], mass_law: str, binary_law: str) -> None:
    """Add the slopes of the mass function and of the mass ratios, free or held."""
    law = mass_function(mass_law)
    for name, text in (("alpha_1", law.alpha_1), ("alpha_2", law.alpha_2)):
        if "(" in text:
            priors[name] = parse_prior(text)
        elif text:
            fixed[name] = float(text)
    if binary_law == "power":
        priors["q_slope"] = Normal(0.0, 1.0, -2.0, 4.0)
    else:
        fixed["q_slope"] = 0.0


@dataclass(frozen=True)
class ParameterSet:
    """Free parameters with their priors, and fixed ones with their values.

    Attributes
    ----------
    priors : dict of str to Prior
        In the order of θ.
    fixed : dict of str to float
    start : dict of str to float
        Where the search begins, for parameters that it does not scan; else at the median of the prior.
    """

    priors: dict[str, Prior]
    fixed: dict[str, float]
    start: dict[str, float] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        priors: Mapping[str, Prior],
        fixed: Mapping[str, float],
        *,
        user_priors: Mapping[str, str | Prior] | None = None,
        user_fixed: Mapping[str, float] | None = None,
    ) -> ParameterSet:
        """Combine defaults with what the user set.

        Raises
        ------
        SettingsError
            If a name is unknown, set twice, or a fixed value lies outside the parameter's default bounds.
        """
        free, held = dict(priors), dict(fixed)
        known = [*free, *held]
        _check_held_by_grid(held, user_priors or {}, user_fixed or {})
        for name, spec in (user_priors or {}).items():
            _check_known(name, known)
            prior = parse_prior(spec)
            default = priors.get(name)
            if default is not None and (prior.high <= default.low or prior.low >= default.high):
                allowed = _range(name, default)
                raise SettingsError(f"the prior of {name} lies outside the allowed range", name, str(prior), allowed)
            held.pop(name, None)
            free[name] = within(prior, default)
        for name, value in (user_fixed or {}).items():
            _check_known(name, known)
            if name in (user_priors or {}):
                raise SettingsError(f"{name} has both a prior and a fixed value; give one of them")
            default = priors.get(name)
            if default is not None and not default.low <= value <= default.high:
                allowed = _range(name, default)
                raise SettingsError(f"{name} cannot be held at this value", name, value, allowed)
            if not np.isfinite(value) or (
                value < 0.0 and name.startswith(("floor_", "depth", "pm_dispersion", "a_v_"))
            ):
                raise SettingsError(
                    f"{name} cannot be held at this value", name, value, "a finite number, not negative"
                )
            free.pop(name, None)
            held[name] = float(value)
        idle = {"a_v_dispersion": held.get("a_v") == 0.0, "log_age_offset": "log_age" in held}
        for name in idle:  # where there is no dust, it does not differ; an age that is held is the isochrone's
            if idle[name] and name in free and name not in (user_priors or {}):
                del free[name]
                held[name] = 0.0
        return cls(free, held)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters, in the order of θ."""
        return tuple(self.priors)

    @property
    def n_dim(self) -> int:
        """Number of free parameters."""
        return len(self.priors)

    def unpack(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Name the columns of θ of shape (n_walkers, n_dim); fixed parameters are added as constant columns."""
        theta = np.atleast_2d(theta)
        values = {name: theta[:, i] for i, name in enumerate(self.priors)}
        values.update({name: np.full(theta.shape[0], value) for name, value in self.fixed.items()})
        return values

    def pack(self, values: Mapping[str, np.ndarray | float]) -> np.ndarray:
        """Build θ of shape (n_walkers, n_dim) from named values (scalars are repeated)."""
        if not self.priors:
            return np.empty((max((np.size(value) for value in values.values()), default=1), 0))
        columns = np.broadcast_arrays(*[np.atleast_1d(np.asarray(values[name], float)) for name in self.priors])
        return np.stack(columns, axis=1)

    def log_prior(self, theta: np.ndarray) -> np.ndarray:
        """Log prior density, shape (n_walkers,); −inf outside."""
        theta = np.atleast_2d(theta)
        total = np.zeros(theta.shape[0])
        for i, prior in enumerate(self.priors.values()):
            total += prior.log_pdf(theta[:, i])
        return total

    def from_normal(self, z: np.ndarray) -> np.ndarray:
        """Map standard normal variates (n_walkers, n_dim) to θ."""
        z = np.atleast_2d(z)
        theta = np.empty_like(z)
        for i, prior in enumerate(self.priors.values()):
            theta[:, i] = prior.from_normal(z[:, i])
        return theta

    def to_normal(self, theta: np.ndarray) -> np.ndarray:
        """Map θ (n_walkers, n_dim) to standard normal variates."""
        theta = np.atleast_2d(theta)
        z = np.empty_like(theta)
        for i, prior in enumerate(self.priors.values()):
            z[:, i] = prior.to_normal(theta[:, i])
        return z


def _check_held_by_grid(
    held: Mapping[str, float], user_priors: Mapping[str, str | Prior], user_fixed: Mapping[str, float]
) -> None:
    """Age and metallicity are held by default only where the grid has a single value, and then at no other."""
    for name in ("log_age", "mh"):
        value = held.get(name)
        if value is None or (name not in user_priors and abs(user_fixed.get(name, value) - value) <= 1e-6):
            continue
        raise SettingsError(
            f"the grid has a single value of {name} and holds it there",
            name,
            user_fixed.get(name, user_priors.get(name)),
            f"{value:g}",
            f"leave {name} out, or use a grid with more values of it",
        )


def _check_known(name: str, known: Sequence[str]) -> None:
    instead = None if name in known else _INSTEAD.get(name.lower())
    if instead is not None:
        raise SettingsError("this is no parameter of the fit, but follows from one", name, remedy=f"set {instead}")
    if name not in known:
        raise SettingsError.unknown("parameter", name, known)


def _range(name: str, default: Prior) -> str:
    return f"{default.low:g} to {default.high:g} {unit_of(name)}".strip()


def within(prior: Prior, default: Prior | None) -> Prior:
    """Cut a prior at the bounds of another, which the grid or physics sets."""
    if default is None or (prior.low >= default.low and prior.high <= default.high):
        return prior
    low, high = max(prior.low, default.low), min(prior.high, default.high)
    if isinstance(prior, Uniform):
        return Uniform(low, high)
    if isinstance(prior, Normal):
        return Normal(prior.mean, prior.std, low, high)
    if isinstance(prior, HalfNormal):
        return Normal(0.0, prior.std, low, high)
    if isinstance(prior, Exponential) and default.low <= 0.0:
        return Exponential(prior.mean, high)
    raise SettingsError(f"prior {prior} reaches outside the allowed {default.low:g} to {default.high:g}")
