"""What each star is: membership, mass, mass ratio, temperature and luminosity, averaged over draws of the posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clusterbayes.model import kernels

__all__ = ["StarProperties", "mean_properties"]


@dataclass(frozen=True)
class StarProperties:
    """What each star is, averaged over draws; arrays of shape (n_star,) in the photometry's order.

    `expected`, of shape (n_star, n_obs) in the photometry's order, has the observables [mag] that isochrones give it.
    """

    p_member: np.ndarray
    p_outlier: np.ndarray
    p_binary: np.ndarray
    mass: np.ndarray
    mass_std: np.ndarray
    q: np.ndarray
    q_std: np.ndarray
    log_teff: np.ndarray
    log_lum: np.ndarray
    log_teff_std: np.ndarray
    log_lum_std: np.ndarray
    expected: np.ndarray


def mean_properties(shares: np.ndarray, sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of `StarProperties`, in the order of the stars and observables that are given.

    Parameters
    ----------
    shares : ndarray, shape (n_star, 3)
        Mean shares of sequence, outliers and field in each star's density.
    sums : ndarray, shape (n_star, N_MOMENT + n_obs)
        Moments as the kernels sum them, each draw with the weight 1, added over draws; 0 where no isochrone comes near.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(sums[:, :1] > 0, sums / sums[:, :1], np.nan)
    deviation = np.sqrt(np.maximum(mean[:, [2, 4, 8, 9]] - mean[:, [1, 3, 5, 6]] ** 2, 0.0))
    return {
        "p_member": shares[:, 0] + shares[:, 1],
        "p_outlier": shares[:, 1],
        "p_binary": mean[:, 7],
        "mass": mean[:, 1],
        "mass_std": deviation[:, 0],
        "q": mean[:, 3],
        "q_std": deviation[:, 1],
        "log_teff": mean[:, 5],
        "log_lum": mean[:, 6],
        "log_teff_std": deviation[:, 2],
        "log_lum_std": deviation[:, 3],
        "expected": mean[:, kernels.N_MOMENT :],
    }
