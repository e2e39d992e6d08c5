"""Parameters of many walkers, by name, as the kernels take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model import kernels
from clusterbayes.model.binaries import MassRatios
from clusterbayes.model.discrepancy import colour_amplitudes
from clusterbayes.model.parameters import COLOUR_KNOTS

__all__ = ["node", "population_of"]


def population_of(
    values: Mapping[str, np.ndarray],
    grid: IsochroneGrid,
    bands: Sequence[str],
    mass_ratios: MassRatios,
    *,
    per_a_v: np.ndarray,
    slope_held: bool,
    radius: float | None,
) -> kernels.Population:
    """Arrange the parameters of walkers.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (n_walkers,)
        Free and held parameters.
    grid : IsochroneGrid
    bands : sequence of str
        In the order of the kernels.
    mass_ratios : MassRatios
    per_a_v : ndarray, shape (n_band,)
        Extinction of a typical star for A_V = 1, by which the members' dispersion of A_V is one of magnitudes.
    slope_held : bool
        Whether all walkers have the same slope of the mass ratios, so that their law is evaluated once.
    radius : float or None
        Of the sample [deg], where places are part of the model.
    """
    n_walkers = values["a_v"].size
    nothing, colour = np.zeros(n_walkers), colour_amplitudes(values)
    i_age, w_age = node(grid.log_age, values["log_age"] - values.get("log_age_offset", nothing))
    i_mh, w_mh = node(grid.mh, values["mh"])
    if slope_held:
        q_share, q_lean = (
            np.repeat(part, n_walkers, axis=0) for part in _law(mass_ratios, float(values["q_slope"][0]))
        )
    else:
        q_share, q_lean = (np.ascontiguousarray(of(values["q_slope"])) for of in (mass_ratios.share, mass_ratios.lean))

    def columns(names: Iterable[str]) -> np.ndarray:
        return np.array([values.get(name, nothing) for name in names]).T.copy()

    def per_band(kind: str) -> np.ndarray:
        return columns(f"{kind}_{band}" for band in bands)

    return kernels.Population(
        i_age=i_age,
        w_age=w_age,
        i_mh=i_mh,
        w_mh=w_mh,
        dist_mod=np.ascontiguousarray(values["dist_mod"]),
        a_v=np.ascontiguousarray(values["a_v"]),
        alpha=columns(("alpha_1" if "alpha_1" in values else "alpha_2", "alpha_2")),
        binary_frac=np.ascontiguousarray(values["binary_frac"]),
        q_share=q_share,
        q_lean=q_lean,
        member_frac=np.ascontiguousarray(values["member_frac"]),
        outlier_frac=np.ascontiguousarray(values["outlier_frac"]),
        floor=per_band("floor"),
        zero_point=per_band("zero_point"),
        reddening=np.ascontiguousarray(np.outer(values.get("a_v_dispersion", nothing), per_a_v)),
        colour=np.stack([colour.get(knot, nothing) for knot in COLOUR_KNOTS], axis=1),
        parallax_zero_point=np.ascontiguousarray(values["parallax_zero_point"]),
        depth=np.ascontiguousarray(values["depth"]),
        pm=columns(("pm_ra", "pm_dec")),
        pm_dispersion=np.ascontiguousarray(values.get("pm_dispersion", nothing)),
        scale_radius=values["scale_radius"] / radius if radius is not None else nothing + 1.0,
    )


@lru_cache(maxsize=32)
def _law(mass_ratios: MassRatios, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Share and lean of the binaries between nodes, each (1, n_node − 1), for a slope that all walkers have."""
    return mass_ratios.share(np.array([slope])), mass_ratios.lean(np.array([slope]))


def node(axis: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower node and the weight of the upper one for values within an ascending axis, which may be a single node."""
    if axis.size == 1:
        return np.zeros(value.shape, dtype=np.int64), np.zeros(value.shape)
    value = np.minimum(np.maximum(value, axis[0]), axis[-1])
    i = np.minimum(np.searchsorted(axis, value, side="right") - 1, axis.size - 2)
    return i, (value - axis[i]) / (axis[i + 1] - axis[i])
