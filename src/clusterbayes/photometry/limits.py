"""A faint limit that a table states itself, as `fit_cluster` takes it."""

from __future__ import annotations

import numpy as np

from clusterbayes.photometry.table import Photometry

__all__ = ["stated_limit"]


def stated_limit(photometry: Photometry) -> str | None:
    """Return the limit of the best-covered magnitude that has one, e.g. "V=19.2".

    Parameters
    ----------
    photometry : Photometry
        Its `limits` come from `limmag5` of a photometry job, or from `mag_limit` in a table's metadata.

    Returns
    -------
    str or None
        As the argument `mag_limit` of `fit_cluster` takes it; None where no fitted magnitude has a limit.
    """
    found: dict[str, int] = {}
    for index, observable in enumerate(photometry.observables):
        if observable.is_magnitude and observable.name in photometry.limits:
            found[observable.name] = int(np.isfinite(photometry.values[:, index]).sum())
    if not found:
        return None
    band = max(found, key=lambda name: found[name])
    return f"{band}={photometry.limits[band]:g}"
