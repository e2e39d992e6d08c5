"""The data of the interactive colour-magnitude diagram: stars, isochrones, and the axes that can be chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clusterbayes.bands import Observable
from clusterbayes.errors import BandError, SettingsError
from clusterbayes.results.result import FitResult

__all__ = ["diagram_data"]

_DIGITS = 3  # mag, and probabilities
_FAN = 12  # posterior isochrones that are drawn


def diagram_data(result: FitResult) -> dict[str, Any]:
    """Return what the diagram's script needs, as plain JSON values.

    Parameters
    ----------
    result : FitResult
        The fit.

    Returns
    -------
    dict
        "ids", "p" and "values" (one list an observable) of the fitted stars; "curves" with their kinds; "pairs" of
        axes, each with its label and the factors of the observables that make it. Empty pairs if the observables make
        no colour and magnitude.
    """
    from clusterbayes.results.plots.cmd import find_cmd_pairs  # matplotlib is only needed here
    from clusterbayes.results.plots.style import broken

    try:
        pairs = find_cmd_pairs(result)
    except (BandError, SettingsError):
        pairs = []
    used = np.flatnonzero(np.isfinite(result.p_member))
    values = result.at_one_distance()[0][used]
    fan = [curve for curve in result.curves if curve.kind == "fan"]
    shown = fan[:: max(1, len(fan) // _FAN)][:_FAN] + [curve for curve in result.curves if curve.kind != "fan"]
    return {
        "ids": [str(name) for name in np.asarray(result.stars["id"])[used]],
        "p": _column(result.p_member[used]),
        "values": [_column(column) for column in values.T],
        "names": [name.replace("_", " ").replace("-", " − ") for name in result.observables],
        "pairs": [
            {
                "colour": [_label(axes.colour), axes.colour_weights.tolist()],
                "magnitude": [_label(axes.magnitude), axes.magnitude_weights.tolist()],
            }
            for axes in pairs
        ],
        "curves": [
            {"kind": curve.kind, "values": [_column(v) for v in broken(curve.observables, curve.phase).T]}
            for curve in shown
        ],
    }


def _label(observable: Observable) -> str:
    return " − ".join(band.replace("_", " ") for band in observable.bands)


def _column(values: NDArray[np.float64]) -> list[float | None]:
    """Return numbers for JSON; None where there is none."""
    return [float(value) if np.isfinite(value) else None for value in np.round(values, _DIGITS)]
