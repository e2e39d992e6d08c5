"""A worker in a process of its own, for tests and the count of faults: cheap jobs instead of fits, or small fits."""

from __future__ import annotations

import signal


def work(
    url: str, store: str, *, lease: float = 3.0, concurrency: int = 2, losses: int = 10, fits: bool = False
) -> None:
    """Work until SIGTERM."""
    from clusterbayes.records.database import Database, RetryRules
    from clusterbayes.records.store import FolderStore
    from clusterbayes.records.worker import Worker, WorkerOptions

    if fits:
        from integration.records.fits import often_kept_fit as job
    else:
        from integration.records.jobs import cheap_job as job
    database = Database.open(url)
    rules = RetryRules(delay=0.1, losses=losses)
    options = WorkerOptions(concurrency=concurrency, lease=lease, poll=0.1, report=0.25, grace=1.0, rules=rules)
    worker = Worker(database, FolderStore(store), options, job)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()
    database.close()
