"""What was observed: reading photometry of star clusters.

`Photometry` holds checked values and errors, and accounts for every input row. `example` gives real photometry that
comes with the package; `apply_hard_cut` parts cluster and field as Astromancer does.
"""

from __future__ import annotations

from clusterbayes.photometry.examples import example, examples
from clusterbayes.photometry.hard_cut import HardCut, apply_hard_cut
from clusterbayes.photometry.table import Photometry

__all__ = ["HardCut", "Photometry", "apply_hard_cut", "example", "examples"]
