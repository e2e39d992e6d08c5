"""Saying that a fit did not converge: once, and to whoever asked for it.

`fit_cluster` says it in the log. Callers that say it in their own way, such as the command line, fit inside
`said_by_caller()`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from clusterbayes.results.result import FitResult

__all__ = ["said_by_caller", "warn_unless_converged"]

logger = logging.getLogger(__name__)
_said_by_caller: ContextVar[bool] = ContextVar("said_by_caller", default=False)


@contextmanager
def said_by_caller() -> Iterator[None]:
    """Let fits inside the block end without a warning: the caller says whether they converged."""
    token = _said_by_caller.set(True)
    try:
        yield
    finally:
        _said_by_caller.reset(token)


def warn_unless_converged(result: FitResult) -> None:
    """Log a warning if a fit did not converge, with the first reason and what to do."""
    if result.converged or _said_by_caller.get():
        return
    reasons = result.diagnostics.get("reasons") or ["no reason is known"]
    logger.warning(
        "the fit of %s did not converge: %s. Do not rely on these numbers; "
        "allow more steps, with sampling=SamplingOptions(max_steps=...)",
        (result.provenance.get("input") or {}).get("source") or "the table",
        reasons[0],
    )
