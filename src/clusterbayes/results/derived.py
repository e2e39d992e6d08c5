"""The numbers that people put on the poster, each with the error that the posterior gives it.

Every quantity is a set of draws: of the posterior where it follows from the parameters, and of the memberships (each
star is a member or not, by its probability) and of the stars (by the bootstrap) where it follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry.astrometry import read_proper_motions
from clusterbayes.photometry.columns import recognise
from clusterbayes.photometry.sky import positions, separation
from clusterbayes.results.census import mean_mass_ratio, star_mass_range, total_mass
from clusterbayes.results.kinematics import ETA, KM_S_PER_MAS_YR_KPC, deconvolved, dynamical_mass
from clusterbayes.results.result import FitResult

__all__ = ["Derived", "DerivedOptions", "Quantity", "derive", "galactic", "mean_direction"]

_Array = NDArray[np.float64]
_PERCENTILES = {"q05": 5.0, "q16": 16.0, "median": 50.0, "q84": 84.0, "q95": 95.0}
_FEWEST = 5


@dataclass(frozen=True)
class DerivedOptions:
    """How quantities are derived.

    Parameters
    ----------
    center : tuple of float, optional
        Right ascension and declination of the centre [deg]; that of the fit, else the members' mean if left out.
    mass_limits : tuple of float
        Initial masses between which the total mass is summed up [Msun]; the upper one is lowered to the most massive
        star that still lives.
    columns : mapping of str to str
        What columns of the input are, where their names don't tell: column to "ra", "dec", "pm_ra", …
    n_draw : int
        Number of draws of what memberships and stars decide; what follows from the parameters alone has all draws.
    seed : int
        Of the draws of memberships.
    """

    center: tuple[float, float] | None = None
    mass_limits: tuple[float, float] = (0.1, 100.0)
    columns: Mapping[str, str] = field(default_factory=dict)
    n_draw: int = 1000
    seed: int = 1

    def __post_init__(self) -> None:
        low, high = self.mass_limits
        if not 0.0 < low < high:
            raise SettingsError("not a range of masses", "mass_limits", self.mass_limits, "two masses, low < high")


@dataclass(frozen=True)
class Quantity:
    """Draws (n_draw,) of a quantity, with its unit and how it was made; draws of two quantities belong together."""

    draws: _Array
    unit: str
    about: str

    def summary(self) -> dict[str, float]:
        """Return median, percentiles, mean and standard deviation; NaN where there is no draw."""
        known = self.draws[np.isfinite(self.draws)]
        if not known.size:
            return dict.fromkeys((*_PERCENTILES, "mean", "std"), np.nan)
        values = dict(zip(_PERCENTILES, np.percentile(known, list(_PERCENTILES.values())).tolist(), strict=True))
        return {**values, "mean": float(known.mean()), "std": float(known.std())}


@dataclass(frozen=True)
class Derived:
    """Derived quantities by name, and what should be known of them."""

    quantities: dict[str, Quantity]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return the same as plain values: quantities by name, and notes."""
        rows = {
            name: {**quantity.summary(), "unit": quantity.unit, "about": quantity.about}
            for name, quantity in self.quantities.items()
        }
        return {"quantities": rows, "notes": list(self.notes)}

    def table(self) -> Table:
        """Return one row a quantity: name, median, percentiles, mean, standard deviation, unit, and how it was made."""
        rows = [{"name": name, **row} for name, row in self.document()["quantities"].items()]
        return Table(rows=rows, names=("name", *_PERCENTILES, "mean", "std", "unit", "about"))


def galactic(ra: ArrayLike, dec: ArrayLike) -> tuple[_Array, _Array]:
    """Return galactic longitude, 0 to 360, and latitude of directions [deg], shapes as given."""
    place = SkyCoord(np.asarray(ra, float) * u.deg, np.asarray(dec, float) * u.deg, frame="icrs").galactic
    return np.asarray(place.l.deg), np.asarray(place.b.deg)


def mean_direction(ra: _Array, dec: _Array, weight: _Array) -> tuple[float, float]:
    """Return the mean of directions [deg], right across 0 h and near the poles: that of the unit vectors."""
    lon, lat = np.radians(ra), np.radians(dec)
    x, y, z = (
        float((weight * part).sum())
        for part in (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat))
    )  # fmt: skip
    return float(np.degrees(np.arctan2(y, x)) % 360.0), float(np.degrees(np.arctan2(z, np.hypot(x, y))))


def derive(result: FitResult, options: DerivedOptions | None = None) -> Derived:
    """Derive the quantities that follow from a fit.

    Parameters
    ----------
    result : FitResult
        The fit.
    options : DerivedOptions, optional
        Centre, limits, draws.

    Returns
    -------
    Derived
        What the data allow: without directions there are no coordinates and radii, without proper motions no motion.

    Raises
    ------
    InputError
        If no star may be a member.
    SettingsError
        If the centre that is given lies outside of all members.
    """
    options = options or DerivedOptions()
    rng = np.random.default_rng(options.seed)
    notes: list[str] = []
    every = _shuffled(result, rng)
    posterior = {name: draw[: options.n_draw] for name, draw in every.items()}
    p = np.nan_to_num(result.p_member)
    if not p.sum() > 0:
        raise InputError("no star may be a member: nothing can be derived", "stars", "p_member")
    members = rng.random((len(posterior["distance"]), len(p))) < p
    found = _of_parameters(result, every)
    found["n_members"] = Quantity(members.sum(axis=1).astype(float), "", "members among the fitted stars")
    found |= _of_masses(result, posterior, members, options, notes)
    found |= _of_places(result, posterior, members, options, rng, notes)
    found |= _of_motions(result, every, members, options, rng, notes)
    if {"velocity_dispersion", "half_number_radius_pc"} <= found.keys():
        speed, radius = found["velocity_dispersion"].draws, found["half_number_radius_pc"].draws
        mass = dynamical_mass(speed[: len(radius)], radius)
        about = f"{ETA:g} sigma^2 r / G, r the projected half-number radius (virial theorem)"
        found["dynamical_mass"] = Quantity(mass, "solMass", about)
    return Derived(found, tuple(notes))


def _shuffled(result: FitResult, rng: np.random.Generator) -> dict[str, _Array]:
    """Return the posterior draws in random order; what was held has its value in all of them."""
    order = rng.permutation(result.n_draw)
    draws = {name: draw[order] for name, draw in result.draws.items()}
    for name, value in (result.provenance.get("fixed") or {}).items():
        draws.setdefault(name, np.full(len(order), float(value)))
    draws.setdefault("distance", 10.0 ** (draws["dist_mod"] / 5.0 + 1.0))
    return draws


def _of_parameters(result: FitResult, draws: Mapping[str, _Array]) -> dict[str, Quantity]:
    age = 10.0 ** draws["log_age"]
    r_v = float((result.provenance.get("grid") or {}).get("r_v") or 3.1)
    ebv = draws.get("ebv", draws["a_v"] / r_v)
    found = {
        "distance": Quantity(draws["distance"], "pc", "10^(dist_mod/5 + 1)"),
        "age_myr": Quantity(age / 1e6, "Myr", "10^(log_age - 6)"),
        "age_gyr": Quantity(age / 1e9, "Gyr", "10^(log_age - 9)"),
        "ebv": Quantity(ebv, "mag", f"a_v/{r_v:g}"),
    }
    if "binary_frac_q05" in draws:
        found["binary_frac_q05"] = Quantity(draws["binary_frac_q05"], "", "systems with a companion of q > 0.5")
    return found


def _setting(result: FitResult, name: str, default: Any) -> Any:
    value = (result.provenance.get("settings") or {}).get(name)
    return default if value is None else value


def _of_masses(
    result: FitResult,
    draws: Mapping[str, _Array],
    members: NDArray[np.bool_],
    options: DerivedOptions,
    notes: list[str],
) -> dict[str, Quantity]:
    low, high = star_mass_range(result)
    limits = (options.mass_limits[0], min(options.mass_limits[1], high))
    if not (0.0 < low < high and limits[0] < limits[1]) or "alpha_2" not in draws:
        notes.append("no total mass: the masses that the sample covers, or the mass function, are not known")
        return {}
    law, binary_law = _setting(result, "mass_function", "kroupa"), _setting(result, "binary_law", "flat")
    mass = result.column("mass")
    size = len(draws["distance"])
    ratio = mean_mass_ratio(str(binary_law), draws.get("q_slope", np.zeros(size)))
    inside = (mass >= low) & (mass <= high)
    total = total_mass(
        (members & inside).sum(axis=1).astype(float),
        (draws.get("alpha_1", draws["alpha_2"]), draws["alpha_2"]),
        law=str(law), covered=(low, high), limits=limits, companions=draws["binary_frac"] * ratio,
    )  # fmt: skip
    about = (
        f"stars of {limits[0]:g} to {limits[1]:.3g} Msun, the {law} mass function scaled to the members between "
        f"{low:.3g} and {high:.3g} Msun, with companions, without remnants"
    )
    return {"total_mass": Quantity(total, "solMass", about)}


def _of_places(
    result: FitResult,
    draws: Mapping[str, _Array],
    members: NDArray[np.bool_],
    options: DerivedOptions,
    rng: np.random.Generator,
    notes: list[str],
) -> dict[str, Quantity]:
    """Centre, galactic coordinates and half-number radius."""
    roles = recognise(result.stars.colnames, options.columns).roles
    where = positions(result.stars, roles, ra_unit=None, source="stars")
    if where is None:
        notes.append("no coordinates and radii: the table has no directions")
        return {}
    ra, dec, _ = where
    known = np.isfinite(ra) & np.isfinite(dec)
    ra, dec, members = ra[known], dec[known], members[:, known]
    if members.sum(axis=1).min() < _FEWEST:
        notes.append(f"no coordinates and radii: fewer than {_FEWEST} members have directions")
        return {}
    given = options.center or _setting(result, "center", None)
    drawn = [_again(pick, rng) for pick in members]
    if given is None:
        centre = np.array([mean_direction(ra[pick], dec[pick], np.ones(len(pick))) for pick in drawn])
        about = "mean of the members"
    else:
        if options.center is not None:
            _check_center(options.center, ra[members.any(axis=0)], dec[members.any(axis=0)])
        centre, about = np.broadcast_to(np.asarray(given, dtype=float), (len(members), 2)), "as given"
    whole = mean_direction(centre[:, 0], centre[:, 1], np.ones(len(centre)))
    away = separation(ra, dec, whole)
    radius = np.array([np.median(away[pick]) for pick in drawn])
    lon, lat = galactic(centre[:, 0], centre[:, 1])
    parsec = draws["distance"] * np.tan(np.radians(radius))
    return {
        "ra": Quantity(_unwrapped(centre[:, 0]), "deg", about),
        "dec": Quantity(centre[:, 1], "deg", about),
        "l": Quantity(_unwrapped(lon), "deg", "galactic longitude of the centre"),
        "b": Quantity(lat, "deg", "galactic latitude of the centre"),
        "half_number_radius": Quantity(radius, "deg", "half of the members in the sample lie within"),
        "half_number_radius_pc": Quantity(parsec, "pc", "distance tan(half_number_radius)"),
    }


def _check_center(center: tuple[float, float], ra: _Array, dec: _Array) -> None:
    """Refuse a centre farther from the members' mean than all of them: the radius would be the distance to them."""
    mean = mean_direction(ra, dec, np.ones(len(ra)))
    extent, away = float(separation(ra, dec, mean).max()), float(separation(*center, mean))
    if away > extent:
        raise SettingsError(
            f"this is {away:.3g} deg from the middle of the members, and outside of all of them",
            "center", f"{center[0]:g},{center[1]:g}",
            f"RA,DEC in degrees, within {extent:.3g} deg of {mean[0]:.3f},{mean[1]:.3f}",
            "leave it out to take the members' mean",
        )  # fmt: skip


def _unwrapped(angle: _Array) -> _Array:
    """Move angles [deg] to the side of 0 on which the others are, so that percentiles mean something."""
    centre = mean_direction(angle, np.zeros(len(angle)), np.ones(len(angle)))[0]
    return centre + (angle - centre + 180.0) % 360.0 - 180.0


def _of_motions(
    result: FitResult,
    draws: Mapping[str, _Array],
    members: NDArray[np.bool_],
    options: DerivedOptions,
    rng: np.random.Generator,
    notes: list[str],
) -> dict[str, Quantity]:
    """Mean proper motion and dispersion: the fit's own where it sampled them, else those of the members."""
    names = ("pm_ra", "pm_dec", "pm_dispersion")
    if all(name in draws for name in names):
        motion = np.stack([draws[name] for name in names], axis=1)
        about = "sampled in the fit"
    else:
        columns = recognise(result.stars.colnames, options.columns)
        read = read_proper_motions(result.stars, columns, None, "stars", notes)
        if read.values is None or read.errors is None:
            notes.append("no motions: the table has no proper motions with errors")
            return {}
        known = np.isfinite(read.values).all(axis=1)
        stars = members[:, known]
        if stars.sum(axis=1).min() < _FEWEST:
            notes.append(f"no motions: fewer than {_FEWEST} members have proper motions")
            return {}
        motion = _bootstrapped(read.values[known], read.errors[known], stars, rng)
        about = "of the members, errors deconvolved"
    speed = KM_S_PER_MAS_YR_KPC * motion[:, 2] * draws["distance"][: len(motion)] / 1000.0
    return {
        "mean_pm_ra": Quantity(motion[:, 0], "mas/yr", f"in right ascension times cos(dec), {about}"),
        "mean_pm_dec": Quantity(motion[:, 1], "mas/yr", about),
        "pm_dispersion": Quantity(motion[:, 2], "mas/yr", f"in one dimension, {about}"),
        "velocity_dispersion": Quantity(speed, "km/s", "4.74 pm_dispersion times distance, in one dimension"),
    }


def _again(pick: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw as many of the picked stars as there are, with replacement."""
    return rng.choice(np.flatnonzero(pick), int(pick.sum()))


def _bootstrapped(motion: _Array, error: _Array, members: NDArray[np.bool_], rng: np.random.Generator) -> _Array:
    """Return (n_draw, 3): mean and dispersion of members drawn with replacement."""
    found = np.empty((len(members), 3))
    for row, pick in enumerate(members):
        stars, count = np.unique(_again(pick, rng), return_counts=True)
        mean, dispersion = deconvolved(motion[stars], error[stars], count.astype(float))
        found[row] = (*mean, dispersion)
    return found
