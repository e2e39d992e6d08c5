"""How probable a catalogue is: the mixture of cluster sequence, cluster outliers and field stars.

`ClusterModel` joins photometry, isochrone grid, selection and field density, and gives log-probabilities for many
parameter vectors in one compiled call, spread over threads. Results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace

import numpy as np

from clusterbayes.bands import observable_matrix
from clusterbayes.errors import FitError, InputError, SettingsError
from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model import kernels
from clusterbayes.model.astrometry import pm_variance
from clusterbayes.model.binaries import FINE_MASS_RATIOS, MassRatios
from clusterbayes.model.cells import Cells, sort_into_cells
from clusterbayes.model.cuts import LimitColumns, measured_in
from clusterbayes.model.discrepancy import colour_pattern
from clusterbayes.model.imf import mass_function
from clusterbayes.model.observed import Observed
from clusterbayes.model.own_distance import OwnDistance
from clusterbayes.model.parameters import COLOUR_KNOTS, ParameterSet
from clusterbayes.model.properties import StarProperties, mean_properties
from clusterbayes.model.selection import ErrorCurve, Selection
from clusterbayes.model.threads import spread
from clusterbayes.model.walkers import population_of
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.sky import separation

__all__ = ["DEFAULT_TOLERANCE", "FINE_MASS_RATIOS", "ClusterModel", "MassRatios", "Observed", "StarProperties"]

#: Number of stars after which the errors of the models, rather than the number of stars, limit what can be learnt.
DEFAULT_TOLERANCE = 100.0
_COARSE_GAIN = 11.0  # the default power is a tenth of that for a thousand stars
_SOLAR_LOG_TEFF, _N_ALIKE = 3.76, 50  # vertices about that temperature stand for all where stars' extinctions differ
_BATCH = 50_000  # stars times walkers between two beats, a few tenths of a second
_STAR_BLOCK = 20_000  # stars whose properties are worked out at once: keeps their moments in some 100 MB


class ClusterModel:
    """Log-probability of a catalogue given the parameters of a cluster.

    Parameters
    ----------
    photometry : Photometry
        Stars within the limits of `selection`, each with its primary magnitude.
    grid : IsochroneGrid
        Loaded with the bands of the photometry.
    parameters : ParameterSet
    selection : Selection
    field : (n_star,) array, optional
        Density of field stars at each star, in the photometry's order; zero (no field) by default.
    n_threads : int
        Walkers are spread over this many threads; results do not depend on it.
    mass_ratios : MassRatios
    tolerance : float
        Stars after which the models, not the number of stars, limit what can be learnt: the likelihood is raised to the
        power 1/(1 + n_star/tolerance); Miller & Dunson (2019), JASA 114, 1113, eq. 2.4. Infinite: the plain likelihood.
    thin : int
        Use every `thin`-th vertex of each phase of the isochrones, the same ones at every θ.
    mass_law : str
        Name of the mass function, one of `MASS_FUNCTIONS`.
    counts : {"model", "ignore"}
        Whether the number of stars along the sequence is part of what is modelled; ``ignore`` takes the density of the
        other observables given the primary magnitude.
    pm_window : (3,) or (4,) floats, optional
        Limits of the catalogue's proper motions [mas/yr]: centre and radius of a circle (ra, dec, radius), or a box
        (lowest and highest in right ascension, lowest and highest in declination). The density of members is
        normalised within it.
    circle : (float, float, float), optional
        Right ascension, declination and radius [deg] of the sample, if the places of stars are to be used. Proper
        motions are used if they are among the parameters.
    own_distance : OwnDistance, optional
        Where the members are along the line of sight; stars are moved to one distance by their parallaxes.
    """

    def __init__(
        self,
        photometry: Photometry,
        grid: IsochroneGrid,
        parameters: ParameterSet,
        selection: Selection,
        *,
        field: np.ndarray | None = None,
        n_threads: int = 1,
        mass_ratios: MassRatios | None = None,
        tolerance: float = np.inf,
        thin: int = 2,
        mass_law: str = "kroupa",
        counts: str = "model",
        pm_window: Sequence[float] = (),
        circle: tuple[float, float, float] | None = None,
        own_distance: OwnDistance | None = None,
    ) -> None:
        self.photometry = photometry
        self.grid = grid
        self.parameters = parameters
        self.selection = selection
        self.n_threads = n_threads
        self.mass_ratios = mass_ratios or MassRatios()
        self.thin = thin
        self._phase = np.asarray(grid.phase)[_every(grid.phase, thin)]
        self.tolerance = tolerance
        self.power = 1.0 / (1.0 + photometry.n_star / tolerance)
        self.circle = circle
        self.own_distance = own_distance
        self.pm_window = np.asarray(pm_window, float)
        self.observed = Observed.arrange(
            photometry,
            selection.band,
            proper_motion="pm_ra" in {*parameters.priors, *parameters.fixed},
            own_distance=own_distance,
        )
        self.error_curve = ErrorCurve.fit(self.observed.values[:, 0], self.observed.errors[:, 0])
        self.mass_law, self.conditional = mass_function(mass_law), counts == "ignore"
        if counts not in ("model", "ignore"):
            raise SettingsError("counts must be 'model' or 'ignore'", "counts", counts)
        self.bands = tuple(dict.fromkeys([*self.observed.bands, *(limit.band for limit in selection.others)]))
        observed = (self.observed.observables, self.observed.values, self.observed.errors)
        measured = [measured_in(*observed, limit.band) for limit in selection.others]
        self._cut = LimitColumns(self.observed.observables, selection.others, measured, photometry.n_star)
        values, errors = (self._cut.widen(part) for part in (self.observed.values, self.observed.errors))
        density = np.zeros(photometry.n_star) if field is None else np.asarray(field, float)
        self._stars = kernels.Stars(
            values=values,
            errors=errors,
            covariance=self._covariance(),
            field=np.ascontiguousarray(density[self.observed.order]),
            outlier=self.observed.outlier_density(selection, conditional=self.conditional),
            passing=np.ones(values.shape[0]) if self.conditional else selection.passing(self.observed.measured),
            unknown=self._cut.unknown,
            parallax=self.observed.parallax,
            parallax_error=self.observed.parallax_error,
            pm=self.observed.pm,
            pm_variance=pm_variance(self.observed.pm_error, self.observed.pm_corr),
            offset=self._offsets(),
            weight=np.ones(values.shape[0]),
        )
        self.cells: Cells | None = None
        self._points = self._stars  # what the likelihood is summed over
        self._sequence = self._build_sequence()
        self._per_a_v = _per_a_v(grid, self.bands)

    def __repr__(self) -> str:
        names = ", ".join(observable.name for observable in self.observed.observables)
        free, held = len(self.parameters.priors), len(self.parameters.fixed)
        return (
            f"ClusterModel({self.photometry.n_star} stars in {names}; {free} parameters free, {held} fixed; "
            f"{self.grid.name})"
        )

    @property
    def n_point(self) -> int:
        """Number of stars, or of points that stand for them, that the likelihood is summed over."""
        return int(self._points.weight.size)

    @property
    def field(self) -> np.ndarray:
        """Density of field stars at each star (n_star,), in the photometry's order."""
        return self._unsort(self._stars.field[None, :])[0]

    @property
    def distance_shift(self) -> tuple[np.ndarray, np.ndarray]:
        """What each star was moved by to the cluster's distance, and its error [mag], in the photometry's order."""
        shift, error = self._unsort(np.stack([self.observed.shift, self.observed.shift_error]))
        return shift, error

    def with_field(self, field: np.ndarray) -> ClusterModel:
        """Return the same model with another field density (n_star,), in the photometry's order."""
        other = copy(self)
        density = np.ascontiguousarray(np.asarray(field, float)[self.observed.order])
        other._stars = self._stars._replace(field=density)
        other._points = other._stars if self.cells is None else self._points._replace(field=self.cells.mean(density))
        return other

    def binned(self, step: float, floor: float = 0.0) -> ClusterModel:
        """Return the same model with the likelihood summed over few points that stand for many stars.

        Memberships and properties are still those of every star.

        Parameters
        ----------
        step : float
            Sides of the cells in units of the errors.
        floor : float
            Added to the errors in quadrature when cells are made [mag].
        """
        other = copy(self)
        kinds = [observable.is_magnitude for observable in self.observed.observables]
        other.cells = sort_into_cells(self._stars, kinds, step, floor)
        other._points = other.cells.stars(self._stars)
        return other

    def unbinned(self) -> ClusterModel:
        """Return the same model with the likelihood summed over every star."""
        other = copy(self)
        other.cells, other._points = None, self._stars
        return other

    def with_parameters(self, parameters: ParameterSet) -> ClusterModel:
        """Return the same model with other free and fixed parameters."""
        other = copy(self)
        other.parameters = parameters
        return other

    def with_wider_parallaxes(self, share: float) -> ClusterModel:
        """Return the same model with parallax errors widened in quadrature by a share (no unit) of each parallax."""

        def widened(stars: kernels.Stars) -> kernels.Stars:
            return stars._replace(parallax_error=np.hypot(stars.parallax_error, share * stars.parallax))

        other = copy(self)
        other._stars = widened(self._stars)
        other._points = other._stars if self.cells is None else widened(self._points)
        return other

    def with_threads(self, n_threads: int) -> ClusterModel:
        """Return the same model, evaluated in another number of threads."""
        other = copy(self)
        other.n_threads = n_threads
        return other

    def coarse(self, *, thin: int = 4, nodes: tuple[float, ...] = (0.1, 0.7, 0.9, 1.0)) -> ClusterModel:
        """Return a quicker model for looking around: fewer vertices and mass ratios, and the plain likelihood.

        About every `thin`-th vertex of the grid is used, however many of them this model uses. Where a tolerance is
        set, the likelihood of more than a thousand stars is that of a thousand: summits that are as good as equal to
        the posterior must not be worlds apart here.
        """
        other = copy(self)
        other.mass_ratios = replace(self.mass_ratios, nodes=nodes)
        other.power = min(1.0, _COARSE_GAIN * self.power)
        kept = _every(self._phase, max(1, round(thin / self.thin)))
        other.thin = max(self.thin, thin)
        other._phase = self._phase[kept]
        other._sequence = self._sequence._replace(
            nodes=np.ascontiguousarray(self._sequence.nodes[:, :, kept]), q_nodes=np.array(nodes)
        )
        return other

    def subset(self, index: np.ndarray) -> ClusterModel:
        """Return the model of some stars only (indices in order of the primary magnitude, kept sorted), unbinned."""
        index = np.sort(index)
        other = copy(self)
        parts = {
            name: np.ascontiguousarray(array[index]) if array.shape[0] == self._stars.values.shape[0] else array
            for name, array in self._stars._asdict().items()
        }
        other._stars = other._points = kernels.Stars(**parts)
        other.cells = None
        other.power = 1.0 / (1.0 + index.size / self.tolerance)
        return other

    def log_prior(self, theta: np.ndarray) -> np.ndarray:
        """Log prior density of θ (n_walkers, n_dim), shape (n_walkers,); −inf outside."""
        return self.parameters.log_prior(theta)

    def log_likelihood(self, theta: np.ndarray) -> np.ndarray:
        """Log-likelihood of θ (n_walkers, n_dim), shape (n_walkers,).

        Raises
        ------
        FitError
            If a value is NaN, which is a defect and never hidden.
        """
        values, *_ = self._run(self.parameters.unpack(theta), weights=False, moments=False)
        values *= self.power
        if np.isnan(values).any():
            bad = np.atleast_2d(theta)[np.isnan(values)][0]
            named = ", ".join(f"{n}={v:.6g}" for n, v in zip(self.parameters.names, bad, strict=True))
            raise FitError(f"the likelihood is NaN at {named}")
        return values

    def log_prob(self, theta: np.ndarray) -> np.ndarray:
        """Log posterior density (not normalised) of θ (n_walkers, n_dim), shape (n_walkers,)."""
        theta = np.atleast_2d(np.asarray(theta, float))
        total = self.log_prior(theta)
        inside = np.isfinite(total)
        if inside.any():
            total[inside] += self.log_likelihood(theta[inside])
        return total

    def member_probability(self, theta: np.ndarray) -> np.ndarray:
        """Probability of each star to be a member (sequence or outlier), shape (n_walkers, n_star)."""
        _, weights, *_ = self._run(self.parameters.unpack(theta), weights=True, moments=False)
        p = weights[:, :, :2].sum(axis=2) / weights.sum(axis=2)
        return self._unsort(p)

    def member_density(self, theta: np.ndarray) -> np.ndarray:
        """Density of each star at θ (n_walkers, n_dim) if it were a member; `log_mixture` mixes field stars in.

        Shape (n_walkers, n_star), stars in order of the primary magnitude, in the units of the field density; 0
        for all where the cluster would not be seen at all.
        """
        values = self.parameters.unpack(theta)
        _, weights, *_ = self._run(values, weights=True, moments=False)
        return weights[:, :, :2].sum(axis=2) / values["member_frac"][:, None]

    def log_mixture(self, member_density: np.ndarray, member_frac: float) -> np.ndarray:
        """Log-likelihood (n_walkers,) of densities (n_walkers, n_star) from `member_density`, with this model's field.

        `member_frac` is the share of members. Pictures of the field are compared so without placing isochrones anew.
        """
        seen = (member_density > 0.0).any(axis=1)
        with np.errstate(divide="ignore"):  # a star that nothing explains makes it impossible
            mixed = np.log(member_frac * member_density + (1.0 - member_frac) * self._stars.field)
        return np.where(seen, self.power * (mixed * self._stars.weight).sum(axis=1), -np.inf)

    def log_density(self, theta: np.ndarray) -> np.ndarray:
        """Log density of each star at θ (n_walkers, n_dim), plain also where the likelihood is coarsened.

        Shape (n_walkers, n_star).
        """
        _, weights, *_ = self._run(self.parameters.unpack(theta), weights=True, moments=False)
        return self._unsort(np.log(weights.sum(axis=2)))

    def star_properties(self, theta: np.ndarray) -> StarProperties:
        """Membership, mass, mass ratio, temperature and luminosity of each star, averaged over draws θ.

        `p_member` counts sequence and outliers alike; mass, mass ratio, temperature, luminosity and the expected
        observables are those that the star has if it belongs to the sequence, NaN where no isochrone comes near.
        """
        theta = np.atleast_2d(theta)
        n_star = self._stars.weight.size
        parts = [
            self.subset(np.arange(first, min(first + _STAR_BLOCK, n_star)))._mean_properties(theta)
            for first in range(0, n_star, _STAR_BLOCK)
        ]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        kinds = np.array([observable.is_magnitude for observable in self.photometry.observables])
        expected = self._unsort(columns.pop("expected").T[self._back()]).T
        expected += np.where(kinds, self.distance_shift[0][:, None], 0.0)
        single = {name: self._unsort(column[None, :])[0] for name, column in columns.items()}
        return StarProperties(**single, expected=expected)

    def _mean_properties(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Columns of `star_properties`, stars in order of the primary magnitude, observables in the model's."""
        n_star = self._stars.weight.size
        shares = np.zeros((n_star, 3))
        sums = np.zeros((n_star, self._n_moment))
        for start in range(0, theta.shape[0], 16):
            block = theta[start : start + 16]
            _, weights, moments, _ = self._run(self.parameters.unpack(block), weights=True, moments=True)
            shares += (weights / weights.sum(axis=2, keepdims=True)).sum(axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):
                scaled = np.where(moments[:, :, :1] > 0, moments / moments[:, :, :1], 0.0)
            sums += scaled.sum(axis=0)
        shares /= theta.shape[0]
        return mean_properties(shares, sums)

    @property
    def _n_moment(self) -> int:
        return kernels.N_MOMENT + len(self.photometry.observables)

    def _back(self) -> list[int]:
        """Return the model's columns in the order of the photometry's observables."""
        names = [o.name for o in self.observed.observables]
        return [names.index(o.name) for o in self.photometry.observables]

    def sequences(self, theta: np.ndarray) -> list[dict[str, np.ndarray]]:
        """Isochrones at θ (n_walkers, n_dim): mass, log Teff, log L, phase, and observables single and of equal masses.

        Returns
        -------
        list of dict
            Arrays of shape (n_eep,), `observables` and `binary` of shape (n_eep, n_obs) in the photometry's order.
        """
        population = self._population(self.parameters.unpack(theta))
        iso = np.empty((self._sequence.nodes.shape[2], 3 + len(self.bands)))
        back = self._back()
        magnitude = np.array([1.0 if o.is_magnitude else 0.0 for o in self.photometry.observables])
        result = []
        for w in range(population.a_v.size):
            kernels.vertices(
                self._sequence.nodes, population.i_age[w], population.w_age[w], population.i_mh[w], population.w_mh[w],
                population.dist_mod[w], population.a_v[w], population.zero_point[w], population.colour[w],
                self._sequence.knots, self._sequence.pattern, np.inf, iso,
            )  # fmt: skip
            single = (iso[:, 3:] @ self._sequence.matrix.T)[:, back]
            result.append(
                {
                    "m_ini": iso[:, 0].copy(),
                    "log_teff": iso[:, 1].copy(),
                    "log_lum": iso[:, 2].copy(),
                    "phase": self._phase,
                    "observables": single,
                    "binary": single - 2.5 * np.log10(2.0) * magnitude,
                }
            )
        return result

    def log_selected(self, theta: np.ndarray) -> np.ndarray:
        """Log of Z, the share of the population at θ (n_walkers, n_dim) that passes the limits, shape (n_walkers,)."""
        return self._run(self.parameters.unpack(theta), weights=False, moments=False)[3]

    def _run(
        self, values: Mapping[str, np.ndarray], *, weights: bool, moments: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Log-likelihood (n_walkers,), mixture weights, moments of the stars, and log Z (n_walkers,)."""
        population = self._population(values)
        stars = self._stars if weights or moments else self._points
        n_walkers, n_star = population.a_v.size, stars.values.shape[0]
        log_likelihood = np.empty(n_walkers)
        log_z = np.empty(n_walkers)
        cluster = np.zeros((n_walkers if weights else 0, n_star, 3))
        sums = np.zeros((n_walkers if moments else 0, n_star, self._n_moment))

        def part(first: int, last: int) -> None:
            kernels.evaluate(first, last, stars, self._sequence, population, log_likelihood, cluster, sums, log_z)

        size = max(self.n_threads, _BATCH // n_star)
        for start in range(0, n_walkers, size):
            rows = np.arange(start, min(start + size, n_walkers))
            spread(part, rows, self.n_threads, compiled=bool(kernels.evaluate.overloads))
        return log_likelihood, cluster, sums, log_z

    def _population(self, values: Mapping[str, np.ndarray]) -> kernels.Population:
        held, radius = "q_slope" in self.parameters.fixed, None if self.circle is None else self.circle[2]
        return population_of(
            values, self.grid, self.bands, self.mass_ratios,
            per_a_v=self._per_a_v, slope_held=held, radius=radius,
        )  # fmt: skip

    def _build_sequence(self) -> kernels.Sequence:
        columns = [self.grid.bands.index(band) for band in self.bands]
        grid, kept = self.grid, _every(self.grid.phase, self.thin)
        nodes = np.empty((*grid.m_ini.shape[:2], kept.size, 3 + 4 * len(columns)))
        for at, array in enumerate((grid.m_ini, grid.log_teff, grid.log_lum)):
            nodes[..., at] = array[:, :, kept]
        for at, c in enumerate(columns):
            nodes[..., 3 + 4 * at] = grid.mags[:, :, kept, c]
            nodes[..., 4 + 4 * at : 7 + 4 * at] = grid.ext[:, :, kept, c]
        matrix = observable_matrix(self.observed.observables, self.bands)
        added = np.eye(len(self.bands))[[self.bands.index(band) for band in self._cut.added]]
        return kernels.Sequence(
            nodes=nodes,
            matrix=np.ascontiguousarray(np.concatenate([matrix, added])),
            q_nodes=np.array(self.mass_ratios.nodes),
            knots=np.array(list(COLOUR_KNOTS)),
            pattern=colour_pattern(self.bands, len(self.observed.bands), list(COLOUR_KNOTS), grid),
            n_fitted=matrix.shape[0],
            imf=np.array([self.mass_law.mass_break, self.mass_law.centre, self.mass_law.width]),
            limits=self.selection.limits(self.error_curve),
            cuts=self._cut.cuts,
            cut_band=np.array([self.bands.index(limit.band) for limit in self.selection.others], dtype=np.int64),
            conditional=self.conditional,
            table=kernels.normal_table(),
            pm_window=self.pm_window,
            gauss_nodes=kernels.gauss_nodes(),
        )

    def _offsets(self) -> np.ndarray:
        """Distance of the sorted stars from the centre, in units of the radius; (0,) where places are not used."""
        if self.circle is None:
            return np.empty(0)
        *centre, radius = self.circle
        if self.photometry.ra is None or self.photometry.dec is None:
            raise InputError("the places of the stars are to be used, but the table has none", self.photometry.source)
        offset = separation(self.photometry.ra, self.photometry.dec, (centre[0], centre[1])) / radius
        if not (offset <= 1.0 + 1e-5).all():  # the limit itself, and the last digit of a table
            raise InputError("some stars have no place within the radius of the sample", self.photometry.source)
        return np.ascontiguousarray(offset[self.observed.order])

    def _covariance(self) -> np.ndarray:
        """Empty where total errors are independent: no band enters two observables, no error two magnitudes."""
        matrix = observable_matrix(self.observed.observables, self.observed.bands)
        n_obs = matrix.shape[0] + len(self._cut.added)
        magnitudes = np.array([*(o.is_magnitude for o in self.observed.observables), *[False] * len(self._cut.added)])
        shared = np.outer(magnitudes, magnitudes) & ~np.eye(n_obs, dtype=bool)
        apart = not (self.observed.shift_error.any() and shared.any())
        if apart and (np.count_nonzero(matrix, axis=0) <= 1).all():
            return np.empty((0, n_obs, n_obs))
        variance = np.nan_to_num(self._cut.widen(self.observed.errors) ** 2)
        between = self.observed.shift_error[:, None, None] ** 2 * shared
        return np.ascontiguousarray(variance[:, :, None] * np.eye(n_obs)[None, :, :] + between)

    def _unsort(self, values: np.ndarray) -> np.ndarray:
        """Bring (n_walkers, n_star) from sorted order back to the photometry's."""
        result = np.empty_like(values)
        result[:, self.observed.order] = values
        return result


def _per_a_v(grid: IsochroneGrid, bands: Sequence[str]) -> np.ndarray:
    """Extinction of stars like the Sun in some bands for a small A_V, in units of it, (n_band,)."""
    columns = [grid.bands.index(band) for band in bands]
    alike = np.argsort(np.abs(grid.log_teff - _SOLAR_LOG_TEFF).ravel(), kind="stable")[:_N_ALIKE]
    return grid.ext[..., columns, 0].reshape(-1, len(columns))[alike].mean(axis=0)


def _every(phase: np.ndarray, thin: int) -> np.ndarray:
    """Return indices of every `thin`-th vertex of each phase, its first and last (the tip of the giants) among them."""
    parts = np.split(np.arange(phase.size), np.flatnonzero(np.diff(phase)) + 1)
    return np.unique(np.concatenate([[*part[::thin], part[-1]] for part in parts]))
