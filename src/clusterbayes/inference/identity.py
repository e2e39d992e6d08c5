"""What makes two fits the same fit: the stars, the isochrones, the settings, the seed and the versions.

A checkpoint carries this, and a fit goes on from it only if all of it is as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from importlib import metadata
from typing import Any

import numpy as np

from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model.cluster import ClusterModel
from clusterbayes.photometry import Photometry

__all__ = ["differences", "digest", "identity"]

_BUDGET = ("max_seconds",)  # where these end a fit, one that is given more of them goes on
_PROVENANCE = ("grid", "seed", "priors", "fixed")
_VERSIONS = ("numpy", "scipy", "numba", "emcee", "scikit-learn")


def identity(
    model: ClusterModel, provenance: Mapping[str, Any], control: Photometry | None, start: Mapping[str, float]
) -> dict[str, Any]:
    """Describe a fit by everything that its numbers follow from.

    Parameters
    ----------
    model : ClusterModel
        With the stars that are fitted, and the isochrones.
    provenance : mapping
        As a result has it: versions, grid, seed, priors, fixed values, settings.
    control : Photometry or None
        The stars of the control field.
    start : mapping
        Where the search begins.

    Returns
    -------
    dict
        Nested, in the order in which differences are worth naming.
    """
    photometry, grid = model.photometry, model.grid
    settings = dict(provenance["settings"])
    sampling = {name: value for name, value in settings.pop("sampling").items() if name not in _BUDGET}
    return {
        "package_version": provenance["package_version"],
        "input": {"checksum": provenance["input"]["checksum"], "stars": photometry.n_star},
        "control": {
            "checksum": None if control is None else control.checksum,
            "stars": 0 if control is None else control.n_star,
        },
        **sampling,
        **settings,
        **{name: provenance[name] for name in _PROVENANCE},
        "start": dict(start),
        "data": {
            "stars": digest(photometry),
            "control": None if control is None else digest(control),
            "grid": grid.digest or digest(grid),  # one that was made in memory has none
        },
        "versions": {name: metadata.version(name) for name in _VERSIONS},
    }


def digest(content: Photometry | IsochroneGrid) -> str:
    """Return the SHA-256 of the numbers in photometry or in a grid, and of what they mean."""
    total = hashlib.sha256()
    for name in (entry.name for entry in fields(content)):
        value = getattr(content, name)
        if isinstance(value, np.ndarray) and value.dtype.kind in "fi":
            total.update(f"{name}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    if isinstance(content, Photometry):
        names = [observable.name for observable in content.observables]
        total.update(repr((names, content.parallax_zero_point, content.zero_point_error)).encode())
    return total.hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what differs between two identities, as an error shows it.

    Parameters
    ----------
    old, new : mapping
        Nested, with plain values.

    Returns
    -------
    list of (str, str, str)
        Dotted name, old value, new value; digests by their first digits. Empty if nothing differs.
    """
    before, now = _flat(old), _flat(new)
    return [
        (name, _short(before.get(name, "not set")), _short(now.get(name, "not set")))
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]


def _short(text: str) -> str:
    return f"{text[:12]}..." if len(text) == 64 and not set(text) - set("0123456789abcdef") else text


def _flat(value: Any, name: str = "") -> dict[str, str]:
    """Nested values by dotted name, as text; an empty mapping says nothing."""
    if isinstance(value, Mapping):
        return {k: v for key, item in value.items() for k, v in _flat(item, f"{name}.{key}" if name else key).items()}
    return {name: value if isinstance(value, str) else json.dumps(value)}
