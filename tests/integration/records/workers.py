"""A worker in a process of its own, for tests and the count of faults: cheap jobs instead of fits."""

from __future__ import annotations

import signal


def work(url: str, store: str, *, lease: float = 3.0, concurrency: int = 2, losses: int = 10) -> None:
    """Work until SIGTERM."""
    from integration.records.jobs import cheap_job

    from clusterbayes.records.database import Database, RetryRules
    from clusterbayes.records.store import FolderStore
    from clusterbayes.records.worker import Worker, WorkerOptions

    database = Database.open(url)
    rules = RetryRules(delay=0.1, losses=losses)
    options = WorkerOptions(concurrency=concurrency, lease=lease, poll=0.1, report=0.25, grace=1.0, rules=rules)
    worker = Worker(database, FolderStore(store), options, cheap_job)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()
    database.close()
