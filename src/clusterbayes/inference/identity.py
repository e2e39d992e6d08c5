"""What makes two fits the same fit: the stars, the isochrones, the settings, the seed and the versions.

A checkpoint carries this, and a fit goes on from it only if all of it is as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from importlib import metadata
from typing import Any

import numpy as np

from clusterbayes.photometry import Photometry

__all__ = ["digest", "identity"]

_PROVENANCE = ("grid", "seed", "priors", "fixed")
_VERSIONS = ("numpy", "scipy", "numba", "emcee", "scikit-learn")


def identity(
    provenance: Mapping[str, Any], photometry: Photometry, control: Photometry | None, start: Mapping[str, float]
) -> dict[str, Any]:
    """Describe a fit by everything that its numbers follow from.

    Parameters
    ----------
    provenance : mapping
        As a result has it: versions, grid, seed, priors, fixed values, settings.
    photometry, control : Photometry, Photometry or None
        The stars that are fitted, and those of the control field.
    start : mapping
        Where the search begins.

    Returns
    -------
    dict
        Nested, in the order in which differences are worth naming.
    """
    settings = dict(provenance["settings"])
    return {
        "package_version": provenance["package_version"],
        "input": {"checksum": provenance["input"]["checksum"], "stars": photometry.n_star},
        "control": None if control is None else {"checksum": control.checksum, "stars": control.n_star},
        **settings.pop("sampling"),
        **settings,
        **{name: provenance[name] for name in _PROVENANCE},
        "start": dict(start),
        "data": {"stars": digest(photometry), "control": None if control is None else digest(control)},
        "versions": {name: metadata.version(name) for name in _VERSIONS},
    }


def digest(photometry: Photometry) -> str:
    """Return the SHA-256 of the numbers that a fit takes from photometry: the stars' arrays and what they mean."""
    total = hashlib.sha256()
    for name in (entry.name for entry in fields(photometry)):
        value = getattr(photometry, name)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            total.update(f"{name}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    meaning = [o.name for o in photometry.observables], photometry.parallax_zero_point, photometry.zero_point_error
    total.update(repr(meaning).encode())
    return total.hexdigest()
