"""Bayesian inference of star-cluster parameters from photometry.

`fit_cluster` turns a `Photometry` and an `IsochroneGrid` into a `FitResult`: posterior draws of age, metallicity,
distance and reddening, with a membership probability for every input row. `simulate_cluster` walks the same model the
other way. The public names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clusterbayes.batch import fit_many
    from clusterbayes.inference.fit import fit_cluster
    from clusterbayes.isochrones import IsochroneGrid
    from clusterbayes.model.simulate import simulate_cluster
    from clusterbayes.photometry import Photometry, example
    from clusterbayes.records.record import ClusterModelingTool
    from clusterbayes.results.result import FitResult

__all__ = [
    "ClusterModelingTool",
    "FitResult",
    "IsochroneGrid",
    "Photometry",
    "__version__",
    "example",
    "fit_cluster",
    "fit_many",
    "simulate_cluster",
]

try:
    __version__ = version("clusterbayes")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

_HOMES = {
    "ClusterModelingTool": "clusterbayes.records.record",
    "FitResult": "clusterbayes.results.result",
    "IsochroneGrid": "clusterbayes.isochrones",
    "Photometry": "clusterbayes.photometry",
    "example": "clusterbayes.photometry",
    "fit_cluster": "clusterbayes.inference.fit",
    "fit_many": "clusterbayes.batch",
    "simulate_cluster": "clusterbayes.model.simulate",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
