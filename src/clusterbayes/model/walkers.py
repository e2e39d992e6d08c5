"""Parameters of many walkers, by name, as the kernels take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model import kernels
from clusterbayes.model.binaries import MassRatios
from clusterbayes.model.parameters import COLOUR_KNOTS

__all__ = ["node", "population_of"]


def population_of(
    values: Mapping[str, np.ndarray],
    grid: IsochroneGrid,
    bands: Sequence[str],
    mass_ratios: MassRatios,
    *,
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
    slope_held : bool
        Whether all walkers have the same slope of the mass ratios, so that their law is evaluated once.
    radius : float or None
        Of the sample [deg], where places are part of the model.
    """
    i_age, w_age = node(grid.log_age, values["log_age"])
    i_mh, w_mh = node(grid.mh, values["mh"])
    nothing = np.zeros(values["a_v"].size)

    def per_band(kind: str) -> np.ndarray:
        return np.stack([values.get(f"{kind}_{band}", nothing) for band in bands], axis=1)

    def law(of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        if slope_held:
            return np.repeat(of(values["q_slope"][:1]), nothing.size, axis=0)
        return np.ascontiguousarray(of(values["q_slope"]))

    return kernels.Population(
        i_age=i_age,
        w_age=w_age,
        i_mh=i_mh,
        w_mh=w_mh,
        dist_mod=np.ascontiguousarray(values["dist_mod"]),
        a_v=np.ascontiguousarray(values["a_v"]),
        alpha=np.stack([values.get("alpha_1", values["alpha_2"]), values["alpha_2"]], axis=1),
        binary_frac=np.ascontiguousarray(values["binary_frac"]),
        q_share=law(mass_ratios.share),
        q_lean=law(mass_ratios.lean),
        member_frac=np.ascontiguousarray(values["member_frac"]),
        outlier_frac=np.ascontiguousarray(values["outlier_frac"]),
        floor=per_band("floor"),
        zero_point=per_band("zero_point"),
        colour=np.stack([values[f"colour_{knot:.2f}"] for knot in COLOUR_KNOTS], axis=1),
        parallax_zero_point=np.ascontiguousarray(values["parallax_zero_point"]),
        depth=np.ascontiguousarray(values["depth"]),
        pm=np.stack([values.get(name, nothing) for name in ("pm_ra", "pm_dec")], axis=1),
        pm_dispersion=np.ascontiguousarray(values.get("pm_dispersion", nothing)),
        scale_radius=values["scale_radius"] / radius if radius is not None else nothing + 1.0,
    )


def node(axis: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower node and the weight of the upper one for values within an ascending axis, which may be a single node."""
    if axis.size == 1:
        return np.zeros(value.shape, dtype=np.int64), np.zeros(value.shape)
    value = np.clip(value, axis[0], axis[-1])
    i = np.clip(np.searchsorted(axis, value, side="right") - 1, 0, axis.size - 2)
    return i, (value - axis[i]) / (axis[i + 1] - axis[i])
