"""Whether the likelihood has been compiled on this machine: the first fit after an installation waits for that.

numba keeps what it compiled in a folder of files, and finds it there the next time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clusterbayes.model import kernels

__all__ = ["is_compiled"]


def is_compiled() -> bool:
    """Return whether the next evaluation of the likelihood begins at once."""
    evaluate: Any = kernels.evaluate  # numba's dispatcher, of whose attributes its types know little
    place = Path(evaluate.stats.cache_path)
    return bool(evaluate.signatures) or any(place.glob(f"*.{evaluate.__name__}-*.nbi"))
