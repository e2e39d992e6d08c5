"""Spreading rows over threads that are kept, with a heartbeat while they work."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache

import numpy as np

from clusterbayes.heartbeat import beat

__all__ = ["spread"]

_WAIT = 0.5  # s, between beats while threads work: compiling takes longer than any batch


def spread(part: Callable[[int, int], None], rows: np.ndarray, n_threads: int, *, compiled: bool = True) -> None:
    """Run `part` (from a first row to before a last one) over consecutive rows in threads, with beats meanwhile.

    Parameters
    ----------
    part : callable
    rows : ndarray of int, shape (n_row,)
    n_threads : int
    compiled : bool
        Whether the code is compiled already; if not, it is compiled in a thread, so that beats go on.
    """
    beat()
    if n_threads == 1 and compiled:  # nothing to wait for
        return part(int(rows[0]), int(rows[-1]) + 1)
    pieces = np.array_split(rows, min(n_threads, rows.size))
    pool = _pool(n_threads, os.getpid())
    waiting = {pool.submit(part, int(piece[0]), int(piece[-1]) + 1) for piece in pieces}
    while waiting:
        done, waiting = wait(waiting, timeout=_WAIT)
        for future in done:
            future.result()
        if waiting:
            beat()


@lru_cache(maxsize=4)
def _pool(n_threads: int, process: int) -> ThreadPoolExecutor:
    """Threads that are kept from one call to the next; a forked process gets its own."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="clusterbayes")
