"""The worker: claims ready runs, fits each in a process of its own, and loses none.

Needs the extra ``clusterbayes[database]``.
"""

from __future__ import annotations

from clusterbayes.records.worker.loop import Worker, WorkerOptions

__all__ = ["Worker", "WorkerOptions"]
