"""What was observed: reading photometry of star clusters.

`Photometry` holds checked values and errors, and accounts for every input row. `example` gives real photometry that
comes with the package.
"""

from __future__ import annotations

from clusterbayes.photometry.examples import example, examples
from clusterbayes.photometry.table import Photometry

__all__ = ["Photometry", "example", "examples"]
