"""Letting a long computation be watched and broken off.

Loops that may run for seconds call `beat` as they go. Whoever started them says with `beating` what happens then: a
display is kept alive, or an exception ends the work. Without a listener a beat does nothing, so that the numerical
code needs neither an argument for it nor any knowledge of displays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["beat", "beating"]

_LISTENER: ContextVar[Callable[[], object] | None] = ContextVar("clusterbayes_heartbeat", default=None)


def beat() -> None:
    """Say that the work goes on; whatever the listener raises ends it."""
    listener = _LISTENER.get()
    if listener is not None:
        listener()


@contextmanager
def beating(listener: Callable[[], object]) -> Iterator[None]:
    """Call `listener` at every beat inside the block, in this thread only.

    Parameters
    ----------
    listener : callable
        Takes nothing; must be quick, since it may be called thousands of times a second.
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
