"""How a cluster's stars move: the mean proper motion and the dispersion with the errors taken out.

Proper motions of members scatter by their errors and by a true dispersion, the same in both directions. The likelihood
of both is maximised with every star on the same footing: no side of the mean and no direction counts for more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

__all__ = ["ETA", "GRAVITY", "KM_S_PER_MAS_YR_KPC", "deconvolved", "dynamical_mass"]

_Array = NDArray[np.float64]

#: 1 mas/yr at 1 kpc in km/s: an astronomical unit a year.
KM_S_PER_MAS_YR_KPC = 4.740470463
#: Gravitational constant [pc km²/s² / Msun].
GRAVITY = 4.30091727e-3
#: Factor of the dynamical mass for the projected half-number radius: six times the ratio of virial to projected radius,
#: 32/π = 10.2 for a Plummer sphere; 9.75 is the value that is in use for clusters (Portegies Zwart et al. 2010).
ETA = 9.75

_TOLERANCE = 1e-4


def deconvolved(motion: _Array, error: _Array, weight: _Array) -> tuple[_Array, float]:
    """Return the mean proper motion and the intrinsic dispersion.

    Maximises Σ w ln N(μ_i; μ, σ² + e_i²) over both axes, with one σ for both.

    Parameters
    ----------
    motion, error : ndarray, shape (n_star, 2)
        Proper motions and their errors [mas/yr].
    weight : ndarray, shape (n_star,)
        How much each star counts; not negative.

    Returns
    -------
    mean : ndarray, shape (2,)
        [mas/yr].
    dispersion : float
        In one dimension [mas/yr]; 0 where the errors explain all of the scatter.
    """
    w = weight[:, None]
    mean = (w * motion).sum(axis=0) / w.sum()
    scatter = float(np.sqrt((w * (motion - mean) ** 2).sum() / (2.0 * w.sum())))
    if scatter == 0.0:
        return mean, 0.0
    found = minimize_scalar(
        lambda sigma: -_profile(motion, error, w, sigma)[1],
        bounds=(0.0, 2.0 * scatter),
        method="bounded",
        options={"xatol": _TOLERANCE * scatter},
    )
    # The bounded search approaches its ends, but never reaches them.
    ends = _profile(motion, error, w, 0.0)
    best = _profile(motion, error, w, float(found.x))
    return (ends[0], 0.0) if ends[1] >= best[1] else (best[0], float(found.x))


def _profile(motion: _Array, error: _Array, w: _Array, sigma: float) -> tuple[_Array, float]:
    """Return the best mean (2,) for a dispersion, and the log likelihood there."""
    total = sigma**2 + error**2
    mean = (w / total * motion).sum(axis=0) / (w / total).sum(axis=0)
    return mean, float(-0.5 * (w * (np.log(total) + (motion - mean) ** 2 / total)).sum())


def dynamical_mass(dispersion: _Array, radius: _Array) -> _Array:
    """Return the dynamical mass, η σ² r / G with η = 9.75.

    The virial theorem, as Portegies Zwart, McMillan & Gieles (2010, ARA&A 48, 431) write it: for a cluster in
    equilibrium, with the projected radius that holds half of it. The factor depends on how the stars are spread (10.2
    for a Plummer sphere), and number stands for mass. Unresolved binaries don't widen proper motions much, but field
    stars and errors that are too small do: where σ is a small part of the errors, the mass is an upper limit.

    Parameters
    ----------
    dispersion : ndarray
        In one dimension [km/s].
    radius : ndarray
        Projected half-number radius [pc].

    Returns
    -------
    ndarray
        [Msun].
    """
    return ETA * np.square(dispersion) * radius / GRAVITY
