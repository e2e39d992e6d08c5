"""How well each star is predicted by the fit of all others, from the draws of the fit of all stars."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

__all__ = ["log_predictive"]


def log_predictive(log_density: np.ndarray, power: float = 1.0) -> np.ndarray:
    """Log predictive density of each star with itself left out, by truncated importance weights.

    A draw weighs as the inverse of what the star itself contributed to it, at most √n_draw times the average (Ionides
    2008, J. Comp. Graph. Stat. 17, 295; Vehtari, Gelman & Gabry 2017, Stat. Comp. 27, 1413, section 2.1).

    Parameters
    ----------
    log_density : ndarray, shape (n_draw, n_star)
        Log density of each star at each draw.
    power : float
        That the likelihood was raised to.

    Returns
    -------
    ndarray, shape (n_star,)
    """
    n_draw = log_density.shape[0]
    log_weight = -power * log_density
    log_mean = logsumexp(log_weight, axis=0) - np.log(n_draw)
    log_weight = np.minimum(log_weight, log_mean + 0.5 * np.log(n_draw))
    return logsumexp(log_weight + log_density, axis=0) - logsumexp(log_weight, axis=0)
