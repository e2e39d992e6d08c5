"""The parameters of a cluster: names, units, default priors, and the map between θ and named arrays.

θ has shape (n_walkers, n_dim) and holds the free parameters in the order of `ParameterSet.names`. Nothing else in the
library indexes θ by position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clusterbayes.errors import SettingsError
from clusterbayes.model.priors import Exponential, HalfNormal, Normal, Prior, Uniform, parse_prior

__all__ = ["COLOUR_KNOTS", "ParameterSet", "default_priors", "unit_of"]

#: Knots of the colour discrepancy [log Teff], with the standard deviation of its prior there [mag]. Models follow the
#: colours of solar-type and A stars to about 0.02 mag; they are worse for the coolest and the hottest stars.
COLOUR_KNOTS = {3.50: 0.05, 3.60: 0.02, 3.72: 0.02, 3.85: 0.02, 4.05: 0.05}

_UNITS = {
    "log_age": "log10(yr)",
    "mh": "dex",
    "dist_mod": "mag",
    "distance": "pc",
    "a_v": "mag",
    "ebv": "mag",
    "age_gyr": "Gyr",
    "parallax_zero_point": "mas",
    "depth": "pc",
}


def unit_of(name: str) -> str:
    """Return the unit of a parameter, an empty string for pure numbers."""
    if name.startswith(("floor_", "zero_point_", "colour_")):
        return "mag"
    return _UNITS.get(name, "")


def default_priors(
    *,
    log_age_range: tuple[float, float],
    mh_range: tuple[float, float],
    bands: Sequence[str],
    has_field: bool = True,
    parallax_zero_point: str | None = None,
    zero_point_error: Mapping[str, float] | None = None,
    model_error: bool = True,
) -> tuple[dict[str, Prior], dict[str, float]]:
    """Priors of the free parameters, and the values of those that are held.

    Parameters
    ----------
    log_age_range, mh_range : tuple of float
        Range of the isochrone grid [log10(yr)], [dex].
    bands : sequence of str
        Bands that the observables are made of.
    has_field : bool
        Whether field stars are part of the model.
    parallax_zero_point : {"raw", "applied", None}
        State of the catalogue's parallaxes; None where there are none.
    zero_point_error : mapping, optional
        Known uncertainty of the photometric zero point of a band [mag]; the offsets of other bands are held at zero,
        and the common part of the colour discrepancy stands for them.
    model_error : bool
        Whether floors, zero points and colour discrepancies are free, or zero.

    Returns
    -------
    priors : dict
    fixed : dict
    """
    low, high = mh_range
    priors: dict[str, Prior] = {
        "log_age": Uniform(*map(float, log_age_range)),
        "mh": Normal(-0.1, 0.4, float(low), float(high)),
        "dist_mod": Uniform(0.0, 20.0),
        "a_v": parse_prior("exponential(1, 6)"),
        "binary_frac": Uniform(0.0, 1.0),
        "member_frac": Uniform(0.0, 1.0),
        "outlier_frac": parse_prior("beta(1, 20)"),
        "alpha_1": parse_prior("normal(1.3, 0.7)"),
        "alpha_2": parse_prior("normal(2.3, 0.7)"),
    }
    fixed: dict[str, float] = {"q_slope": 0.0}
    if not has_field:
        del priors["member_frac"]
        fixed["member_frac"] = 1.0
    for band in bands:
        known = (zero_point_error or {}).get(band, 0.0)
        if model_error:
            priors[f"floor_{band}"] = HalfNormal(0.02)
        else:
            fixed[f"floor_{band}"] = 0.0
        if model_error and known > 0.0:
            priors[f"zero_point_{band}"] = Normal(0.0, float(known))
        else:
            fixed[f"zero_point_{band}"] = 0.0
    for knot, width in COLOUR_KNOTS.items():
        if model_error:
            priors[f"colour_{knot:.2f}"] = Normal(0.0, width)
        else:
            fixed[f"colour_{knot:.2f}"] = 0.0
    if parallax_zero_point is None:
        fixed.update(parallax_zero_point=0.0, depth=0.0)
    else:
        mean = 0.035 if parallax_zero_point == "raw" else 0.0
        priors["parallax_zero_point"] = parse_prior(f"normal({mean}, 0.012)")
        priors["depth"] = HalfNormal(5.0)
    return priors, fixed


@dataclass(frozen=True)
class ParameterSet:
    """Free parameters with their priors, and fixed ones with their values.

    Attributes
    ----------
    priors : dict of str to Prior
        In the order of θ.
    fixed : dict of str to float
    """

    priors: dict[str, Prior]
    fixed: dict[str, float]

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
        for name, spec in (user_priors or {}).items():
            _check_known(name, known)
            prior = parse_prior(spec)
            default = priors.get(name)
            if default is not None and (prior.high <= default.low or prior.low >= default.high):
                allowed = f"{default.low:g} to {default.high:g}"
                raise SettingsError(f"the prior of {name} lies outside the allowed range", name, str(prior), allowed)
            held.pop(name, None)
            free[name] = _within(prior, default)
        for name, value in (user_fixed or {}).items():
            _check_known(name, known)
            if name in (user_priors or {}):
                raise SettingsError(f"{name} has both a prior and a fixed value; give one of them")
            default = priors.get(name)
            if default is not None and not default.low <= value <= default.high:
                allowed = f"{default.low:g} to {default.high:g}"
                raise SettingsError(f"{name} cannot be held at this value", name, value, allowed)
            if not np.isfinite(value) or (value < 0.0 and name.startswith(("floor_", "depth"))):
                raise SettingsError(
                    f"{name} cannot be held at this value", name, value, "a finite number, not negative"
                )
            free.pop(name, None)
            held[name] = float(value)
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
        if not self.priors:
            return z
        return np.stack([prior.from_normal(z[:, i]) for i, prior in enumerate(self.priors.values())], axis=1)

    def to_normal(self, theta: np.ndarray) -> np.ndarray:
        """Map θ (n_walkers, n_dim) to standard normal variates."""
        theta = np.atleast_2d(theta)
        if not self.priors:
            return theta
        return np.stack([prior.to_normal(theta[:, i]) for i, prior in enumerate(self.priors.values())], axis=1)


def _check_known(name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise SettingsError.unknown("parameter", name, known)


def _within(prior: Prior, default: Prior | None) -> Prior:
    """Cut a user's prior at the bounds that the grid or physics sets."""
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
