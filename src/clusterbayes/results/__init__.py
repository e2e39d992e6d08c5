"""What was learnt, kept and shown.

`FitResult` is the outcome of a fit. Writing it out for other tools is in `clusterbayes.results.export`, pictures are in
`clusterbayes.results.plots`; both are imported by name, so that a fit needs neither of them.
"""

from __future__ import annotations

from clusterbayes.results.result import Curve, FitResult

__all__ = ["Curve", "FitResult"]
