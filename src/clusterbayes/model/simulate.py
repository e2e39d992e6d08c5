"""Simulated catalogues: the model walked the other way, from parameters to stars with errors.

Members are drawn from the mass function and the binary law, field stars from a crude Galactic disc along the line of
sight. Both pass through the same magnitude limits. The demo, the tests and the validation all use this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from clusterbayes.bands import resolve_band
from clusterbayes.errors import SettingsError
from clusterbayes.isochrones import Isochrone, IsochroneGrid
from clusterbayes.model.binaries import MassRatios
from clusterbayes.model.details import Details
from clusterbayes.model.discrepancy import colour_pattern, colour_shift
from clusterbayes.model.field import FieldDensity
from clusterbayes.model.imf import draw_masses
from clusterbayes.model.selection import NO_LIMIT, parse_limits

__all__ = ["SimulatedCluster", "photometric_error", "simulate_cluster", "true_members"]

# Error at the bright end [mag], magnitude at which the photon noise is 0.01 mag: after Gaia EDR3 and a 0.5 m telescope.
_NOISE = {"Gaia_G": (0.0028, 20.5), "Gaia_BP": (0.0030, 16.6), "Gaia_RP": (0.0040, 17.0)}
_GROUND_NOISE = (0.008, 16.5)
_NOISE_SLOPE = 0.28  # dex per mag
_NOISE_END = 0.5  # mag: fainter stars are not measured, so none of them is scattered into the sample
_PARALLAX_NOISE = (0.02, 15.0)  # mas at the bright end, magnitude from which it grows
_MOTION_NOISE = 0.95  # errors of proper motions [mas/yr] in units of those of parallaxes [mas]
_SMALL_A_V = 0.01  # mag, over which the slope of the extinction in A_V is taken
_PER_PARSEC = 4.740470446  # km/s for 1 arcsec/yr at 1 pc
# Velocities across the line of sight (east, north) [km/s]: of the cluster, and mean and scatter of field stars.
_CLUSTER_VELOCITY, _CLUSTER_SCATTER = (8.0, -14.0), 0.8
_FIELD_VELOCITY, _FIELD_SCATTER = (0.0, -10.0), 30.0
_UNITS = {"parallax": "mas", "pmra": "mas/yr", "pmdec": "mas/yr", "ra": "deg", "dec": "deg", "mass": "solMass"}
_CENTRE, _RADIUS, _SCALE_RADIUS = (120.0, 30.0), 0.5, 0.12  # of the field [deg]


@dataclass(frozen=True, repr=False)
class SimulatedCluster:
    """A catalogue and what went into it.

    Attributes
    ----------
    table : astropy.table.Table
        `id`, per band a magnitude and `<band>_error` [mag], optionally `parallax` and `parallax_error` [mas], `pmra`,
        `pmdec`, their errors [mas/yr] and `pmra_pmdec_corr`, `ra` and `dec` [deg], and the truth of each star:
        `is_member`, `mass` [Msun], `q` (0 for a single star), NaN for field stars.
    truth : dict
        Parameters by name.
    """

    table: Table
    truth: dict[str, float]

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={self.truth[name]:g}" for name in ("log_age", "mh", "dist_mod", "a_v"))
        return f"SimulatedCluster({told}; {self.truth['n_members']} members, {self.truth['n_field']} field stars)"


def photometric_error(band: str, magnitude: np.ndarray) -> np.ndarray:
    """Error that the simulator gives to a star of a true magnitude [mag]."""
    bright, at = _NOISE.get(band, _GROUND_NOISE)
    noise = 0.01 * 10.0 ** (_NOISE_SLOPE * (np.asarray(magnitude, float) - at))
    return np.minimum(np.hypot(bright, noise), _NOISE_END)


def simulate_cluster(
    log_age: float,
    mh: float,
    dist_mod: float,
    a_v: float,
    binary_frac: float,
    n_members: int,
    n_field: int,
    *,
    grid: IsochroneGrid | str = "parsec",
    bands: Sequence[str] = ("Gaia_G", "Gaia_BP", "Gaia_RP"),
    mag_limit: str = "Gaia_G=18",
    seed: int = 1,
    alpha: tuple[float, float] = (1.3, 2.3),
    floor: float = 0.0,
    depth: float = 0.0,
    a_v_dispersion: float = 0.0,
    parallax: bool = False,
    proper_motion: bool = False,
    positions: bool = False,
    details: Details | None = None,
    field_density: FieldDensity | None = None,
) -> SimulatedCluster:
    """Simulate the catalogue of a cluster with field stars.

    Parameters
    ----------
    log_age : float
        [log10(yr)]
    mh : float
        [M/H] [dex].
    dist_mod : float
        True distance modulus [mag].
    a_v : float
        Extinction [mag].
    binary_frac : float
        Share of the primaries drawn, before any limit, that have a companion of q ≥ 0.1.
    n_members, n_field : int
        Stars in the catalogue, within the limits.
    grid : IsochroneGrid or str
    bands : sequence of str
    mag_limit : str
        For instance ``Gaia_G=18`` or ``Gaia_G=6..18``.
    seed : int
    alpha : tuple of float
        Slopes of the mass function below and above 0.5 Msun.
    floor : float
        Scatter of members beyond the listed errors [mag].
    depth : float
        Standard deviation of the members' distances [pc].
    a_v_dispersion : float
        Standard deviation of the members' extinctions [mag]; none of them is negative.
    parallax : bool
        Add parallaxes and their errors, zero point applied.
    proper_motion : bool
        Add proper motions, their errors and correlations.
    positions : bool
        Add right ascension and declination in a circle: a Plummer profile for members, field stars evenly spread.
    details : Details, optional
        Further parameters; then `alpha`, `floor`, `depth` and `a_v_dispersion` are not read.
    field_density : FieldDensity, optional
        Where field stars are drawn from, instead of the crude disc: its columns are the magnitudes in `bands`, that of
        the limit first.

    Returns
    -------
    SimulatedCluster

    Raises
    ------
    SettingsError
        If a number is out of range, or the limits leave nothing of the cluster.
    GridRangeError
        If age or metallicity lie outside the grid.
    """
    names = [resolve_band(band).name for band in bands]
    if not 0.0 <= binary_frac <= 1.0:
        raise SettingsError(f"binary_frac={binary_frac:g} must lie between 0 and 1")
    if n_members < 0 or n_field < 0 or n_members + n_field == 0:
        raise SettingsError(f"n_members={n_members} and n_field={n_field}: give at least one star")
    limit_band, bright, faint = parse_limits(mag_limit)
    if limit_band not in names:
        raise SettingsError(f"the limit is in {limit_band}, which is not among the bands {', '.join(names)}")
    if isinstance(grid, str):
        grid = IsochroneGrid.load(grid, bands=names)
    rng = np.random.default_rng(seed)
    limits = (names.index(limit_band), bright, faint)
    details = details or Details(
        alpha=alpha, floor=dict.fromkeys(names, floor), depth=depth, a_v_dispersion=a_v_dispersion
    )
    sky = _Sky(grid, names, limits, details, rng)
    n_outliers = int(rng.binomial(n_members, details.outlier_frac)) if details.outlier_frac > 0.0 else 0
    members = sky.collect(n_members - n_outliers, lambda n: sky.members(n, log_age, mh, dist_mod, a_v, binary_frac))
    if field_density is None:
        field = sky.collect(n_field, lambda n: sky.field(n, dist_mod))
    else:
        field = sky.collect(n_field, lambda n: sky.drawn_field(n, field_density))
    outliers = sky.outliers(n_outliers, np.concatenate([members["observed"], field["observed"]]), dist_mod)
    stars = {key: np.concatenate([members[key], outliers[key], field[key]]) for key in members}
    order = rng.permutation(n_members + n_field)
    table = Table({"id": [f"star_{i + 1:05d}" for i in range(order.size)]})
    for b, name in enumerate(names):
        table[name] = np.round(stars["observed"][order, b], 5)
        table[f"{name}_error"] = np.round(stars["error"][order, b], 5)
    if parallax:
        beyond = np.clip(stars["observed"][order, limits[0]] - _PARALLAX_NOISE[1], 0, 9)
        error = _PARALLAX_NOISE[0] * 10.0 ** (0.2 * beyond)
        table["parallax"] = np.round(stars["parallax"][order] + error * rng.normal(size=order.size), 4)
        table["parallax_error"] = np.round(error, 4)
        table.meta["parallax_zero_point"] = "applied"
    if proper_motion:
        _add_motions(
            table, stars["parallax"][order], stars["observed"][order, limits[0]], order < n_members, dist_mod, rng
        )
    if positions:
        _add_positions(table, order < n_members, rng)
    table["is_member"] = (np.arange(order.size) < n_members)[order]
    table["mass"], table["q"] = stars["mass"][order], stars["q"][order]
    for name in table.colnames:
        quantity = name.removesuffix("_error")
        table[name].unit = "mag" if quantity in names else _UNITS.get(quantity)
    truth = {
        "log_age": log_age, "mh": mh, "dist_mod": dist_mod, "distance": 10.0 ** (dist_mod / 5 + 1), "a_v": a_v,
        "ebv": a_v / grid.r_v, "binary_frac": binary_frac,
        "binary_frac_q05": binary_frac * float(sky.ratios.share_above(0.5, np.array([details.q_slope]))[0]),
        "member_frac": n_members / (n_members + n_field), "alpha_1": details.alpha[0], "alpha_2": details.alpha[1],
        "floor": max(details.floor.values(), default=0.0), "depth": details.depth,
        "a_v_dispersion": details.a_v_dispersion,
        "n_members": n_members, "n_field": n_field, "seed": seed,
    }  # fmt: skip
    if proper_motion:
        per_velocity = 10.0 ** (2.0 - 0.2 * dist_mod) / _PER_PARSEC
        truth["pm_ra"], truth["pm_dec"] = (v * per_velocity for v in _CLUSTER_VELOCITY)
        truth["pm_dispersion"] = _CLUSTER_SCATTER * per_velocity
    if positions:
        truth |= {"ra": _CENTRE[0], "dec": _CENTRE[1], "radius": _RADIUS, "scale_radius": _SCALE_RADIUS}
    return SimulatedCluster(table, truth)


def true_members(
    n: int,
    cluster: Mapping[str, float],
    details: Details,
    *,
    grid: IsochroneGrid,
    bands: Sequence[str],
    faintest: tuple[str, float],
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw members of any brightness, without errors.

    Parameters
    ----------
    n : int
    cluster : mapping
        `log_age` [log10(yr)], `mh` [dex], `dist_mod` and `a_v` [mag], `binary_frac`.
    details : Details
    grid : IsochroneGrid
    bands : sequence of str
        Canonical names.
    faintest : (str, float)
        A band and the magnitude to which the sample is to be complete; stars well beyond it may be missing.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, n_band)
        Apparent magnitudes [mag].

    Raises
    ------
    SettingsError
        If no star of the cluster is as bright.
    """
    band, limit = faintest
    sky = _Sky(grid, bands, (list(bands).index(band), -NO_LIMIT, limit), details, rng)
    return sky.members(n, *(cluster[name] for name in ("log_age", "mh", "dist_mod", "a_v", "binary_frac")))["true"]


def _add_motions(
    table: Table,
    parallax: np.ndarray,
    magnitude: np.ndarray,
    member: np.ndarray,
    dist_mod: float,
    rng: np.random.Generator,
) -> None:
    """Add proper motions: velocities over distances, with correlated errors that grow as those of parallaxes do."""
    n = magnitude.size
    velocity = np.array(_FIELD_VELOCITY) + _FIELD_SCATTER * rng.normal(size=(n, 2))
    own = np.array(_CLUSTER_VELOCITY) + _CLUSTER_SCATTER * rng.normal(size=(n, 2))
    distance_in = np.where(member, 10.0 ** (2.0 - 0.2 * dist_mod), parallax)
    true = np.where(member[:, None], own, velocity) * distance_in[:, None] / _PER_PARSEC
    error = _MOTION_NOISE * _PARALLAX_NOISE[0] * 10.0 ** (0.2 * np.clip(magnitude - _PARALLAX_NOISE[1], 0, 9))
    errors = error[:, None] * np.array([1.0, 0.85])
    correlation = rng.uniform(-0.4, 0.4, n)
    noise = rng.normal(size=(n, 2))
    noise[:, 1] = correlation * noise[:, 0] + np.sqrt(1.0 - correlation**2) * noise[:, 1]
    observed = true + errors * noise
    for axis, name in enumerate(("pmra", "pmdec")):
        table[name] = np.round(observed[:, axis], 4)
        table[f"{name}_error"] = np.round(errors[:, axis], 4)
    table["pmra_pmdec_corr"] = np.round(correlation, 4)


def _add_positions(table: Table, member: np.ndarray, rng: np.random.Generator) -> None:
    """Add places in a circle: a Plummer profile cut at the radius for members, an even spread for the others."""
    share = rng.random(member.size)
    ratio = (_SCALE_RADIUS / _RADIUS) ** 2
    # The share of a Plummer profile within x radii, in terms of what is within one, solved for x.
    plummer = np.sqrt(ratio * share / (1.0 + ratio - share))
    distance = _RADIUS * np.where(member, plummer, np.sqrt(share))
    angle = 2.0 * np.pi * rng.random(member.size)
    d, (ra, dec) = np.radians(distance), np.radians(_CENTRE)
    sine = np.sin(dec) * np.cos(d) + np.cos(dec) * np.sin(d) * np.cos(angle)
    east = np.arctan2(np.sin(angle) * np.sin(d) * np.cos(dec), np.cos(d) - np.sin(dec) * sine)
    table["ra"], table["dec"] = np.round(np.degrees(ra + east), 7), np.round(np.degrees(np.arcsin(sine)), 7)


class _Sky:
    """Draws stars until enough of them pass the limits."""

    def __init__(
        self,
        grid: IsochroneGrid,
        bands: Sequence[str],
        limits: tuple[int, float, float],
        details: Details,
        rng: np.random.Generator,
    ) -> None:
        self.grid, self.bands, self.limits, self.details, self.rng = grid, bands, limits, details, rng
        self.ratios = MassRatios(law=details.binary_law)
        self.floor = np.array([details.floor.get(band, 0.0) for band in bands])
        self.pattern = colour_pattern(bands, len(bands), sorted(details.colour), grid)

    def collect(self, n: int, draw: Callable[[int], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        kept: list[dict[str, np.ndarray]] = []
        have, drawn = 0, 0
        while have < n or not kept:
            batch = int(min(200_000, max(2000, 3 * (n - have)))) if have == 0 else 20_000
            stars = self._observe(draw(batch))
            kept.append(stars)
            have += stars["mass"].size
            drawn += batch
            if drawn > 4_000_000 and have < n:
                raise SettingsError(
                    f"only {have} of {n} stars pass the magnitude limit after {drawn} draws; "
                    "the cluster is too faint for the limit, or too many stars are asked for"
                )
        return {key: np.concatenate([stars[key] for stars in kept])[:n] for key in kept[0]}

    def _observe(self, stars: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        true = stars.pop("true")
        error = np.stack([photometric_error(band, true[:, b]) for b, band in enumerate(self.bands)], axis=1)
        floor = np.where(np.isfinite(stars["mass"])[:, None], self.floor, 0.0)  # of the isochrones, not of the field
        noise = np.hypot(error, floor) * self.rng.normal(size=true.shape)
        observed = true + noise
        band, bright, faint = self.limits
        keep = (observed[:, band] >= bright) & (observed[:, band] <= faint)
        stars.update(observed=observed, error=error)
        return {key: value[keep] for key, value in stars.items()}

    def members(
        self,
        n: int,
        log_age: float,
        mh: float,
        dist_mod: float,
        a_v: float,
        binary_frac: float,
    ) -> dict[str, np.ndarray]:
        of_isochrone = log_age - self.details.log_age_offset
        if self.details.log_age_offset != 0.0:  # as in the likelihood; the cluster's own age may not leave the grid
            of_isochrone = float(np.clip(of_isochrone, self.grid.log_age[0], self.grid.log_age[-1]))
        iso = self.grid.isochrone(of_isochrone, mh)
        apparent = self._apparent(iso, dist_mod, a_v)
        lowest = self._lowest_visible(iso.m_ini, apparent)
        details = self.details
        mass = draw_masses(self.rng, n, lowest, float(iso.m_ini[-1]), *details.alpha, law=details.mass_law)
        is_binary = self.rng.random(n) < binary_frac
        q = np.where(is_binary, self.ratios.draw(self.rng, n, details.q_slope), 0.0)
        second = np.where(is_binary, q * mass, mass)
        primary, companion = _at_mass(iso.m_ini, apparent, mass), _at_mass(iso.m_ini, apparent, second)
        if details.a_v_dispersion > 0.0:
            own = np.maximum(details.a_v_dispersion * self.rng.normal(size=n), -a_v)
            per_a_v = (self._apparent(iso, dist_mod, a_v + _SMALL_A_V) - apparent) / _SMALL_A_V
            primary = primary + own[:, None] * _interpolated(iso.m_ini, per_a_v, mass)
            companion = companion + own[:, None] * _interpolated(iso.m_ini, per_a_v, second)
        both = -2.5 * np.log10(10 ** (-0.4 * primary) + 10 ** (-0.4 * companion))
        true = np.where(is_binary[:, None], both, primary)
        parallax = np.full(n, 10.0 ** (2.0 - 0.2 * dist_mod))
        if details.depth > 0.0:
            ratio = np.maximum(1.0 + 1e-3 * details.depth * parallax * self.rng.normal(size=n), 0.1)
            true, parallax = true + 5.0 * np.log10(ratio)[:, None], parallax / ratio
        return {"true": true, "mass": mass, "q": q, "parallax": parallax}

    def field(self, n: int, dist_mod: float) -> dict[str, np.ndarray]:
        """Draw disc stars: 24 populations of mixed age and metallicity, 50 pc to 8 kpc away, dust along the way."""
        true = np.empty((n, len(self.bands)))
        distance = np.exp(self.rng.uniform(np.log(50.0), np.log(8000.0), n))
        keep_far = self.rng.random(n) < (distance / 8000.0) ** 1.2 + 0.01
        distance = np.where(keep_far, distance, 8000.0 * self.rng.random(n) ** 0.5 + 50.0)
        modulus = 5.0 * np.log10(distance) - 5.0
        dust = 0.35 * distance / 1000.0 * np.exp(self.rng.normal(0.0, 0.4, n))
        low, high = self.grid.log_age[0], self.grid.log_age[-1]
        for part in np.array_split(np.arange(n), 24):
            age = np.clip(self.rng.uniform(8.3, 10.1), low, high)
            iso = self.grid.isochrone(age, np.clip(self.rng.normal(-0.2, 0.25), self.grid.mh[0], self.grid.mh[-1]))
            mass = draw_masses(self.rng, part.size, max(0.15, float(iso.m_ini[0])), float(iso.m_ini[-1]))
            for b, band in enumerate(self.bands):
                absolute = np.interp(mass, iso.m_ini, iso.magnitudes[band])
                k = np.interp(mass, iso.m_ini, iso.extinction(1.0)[band])
                true[part, b] = absolute + modulus[part] + np.minimum(dust[part], 5.0) * k
        nothing = np.full(n, np.nan)
        return {"true": true, "mass": nothing, "q": nothing.copy(), "parallax": 1000.0 / distance}

    def drawn_field(self, n: int, density: FieldDensity) -> dict[str, np.ndarray]:
        """Draw field stars from a density whose first column is the band of the limit."""
        first = self.limits[0]
        true = np.empty((n, len(self.bands)))
        true[:, [first, *[b for b in range(len(self.bands)) if b != first]]] = density.sample(n, self.rng)
        nothing = np.full(n, np.nan)
        return {"true": true, "mass": nothing, "q": nothing.copy(), "parallax": np.full(n, 0.2)}

    def outliers(self, n: int, others: np.ndarray, dist_mod: float) -> dict[str, np.ndarray]:
        """Spread outliers over the box that the likelihood takes: magnitudes and colours of the others and a margin."""
        first, bright, faint = self.limits
        observed = np.empty((n, len(self.bands)))
        if n:
            low, high = max(bright, others[:, first].min() - 1.0), min(faint, others[:, first].max() + 0.5)
            observed[:, first] = self.rng.uniform(low, high, n)
            for b in range(len(self.bands)):
                if b != first:
                    colour = others[:, first] - others[:, b]
                    observed[:, b] = observed[:, first] - self.rng.uniform(colour.min() - 0.25, colour.max() + 0.25, n)
        error = np.stack([photometric_error(band, observed[:, b]) for b, band in enumerate(self.bands)], axis=1)
        nothing, parallax = np.full(n, np.nan), np.full(n, 10.0 ** (2.0 - 0.2 * dist_mod))
        return {"observed": observed, "error": error, "mass": nothing, "q": nothing.copy(), "parallax": parallax}

    def _apparent(self, iso: Isochrone, dist_mod: float, a_v: float) -> np.ndarray:
        extinction = iso.extinction(a_v)
        zero = self.details.zero_point
        plain = [iso.magnitudes[band] + extinction[band] + dist_mod + zero.get(band, 0.0) for band in self.bands]
        return np.stack(plain, axis=1) + colour_shift(iso.log_teff, self.details.colour, self.pattern)

    def _lowest_visible(self, m_ini: np.ndarray, apparent: np.ndarray) -> float:
        """Mass below which neither a star nor an equal pair comes near the limit."""
        band, _, faint = self.limits
        if faint >= NO_LIMIT:
            return float(m_ini[0])
        seen = np.flatnonzero(apparent[:, band] < faint + 1.5 + 8 * self.floor[band])
        if seen.size == 0:
            raise SettingsError(f"no star of this cluster is brighter than the limit {self.bands[band]}={faint:g}")
        return float(m_ini[max(seen[0] - 1, 0)])


def _at_mass(m_ini: np.ndarray, magnitudes: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Magnitudes (n, n_band) at given masses; below the lowest mass the light fades as its fifth power."""
    fade = 12.5 * np.log10(np.maximum(m_ini[0] / mass, 1.0))
    return _interpolated(m_ini, magnitudes, mass) + fade[:, None]


def _interpolated(m_ini: np.ndarray, columns: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Interpolate columns (n_vertex, n_band) to given masses, (n, n_band)."""
    return np.stack([np.interp(mass, m_ini, column) for column in columns.T], axis=1)
