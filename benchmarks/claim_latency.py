"""How long a claim takes while many workers ask at once: 10,000 ready rows, eight workers, PostgreSQL.

Each worker is a process that claims, reports twice, and lets the run fail, which is what a worker does to the database
for a short run; what is timed is the claim. A reader lists runs all the while. The target is 20 ms at the 99th
percentile.

    .venv/bin/python benchmarks/claim_latency.py
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import random
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))


def fill(database, count):
    """Insert ready rows with different priorities."""
    from clusterbayes.records import ClusterModelingTool
    from clusterbayes.records.database.clock import database_time
    from clusterbayes.records.database.rows import values_of

    tables = database.tables
    job = {"creator_id": 1, "fingerprint": "", "input_name": "s", "settings": {}, "cancel_requested": False}
    with database.writing() as connection:
        known = {"checksum": "", "kind": "stored", "location": "x", "size": 0, "created_on": database_time()}
        input_id = connection.execute(tables.input.insert().values(**known).returning(tables.input.c.id)).scalar_one()
        records = [ClusterModelingTool(name=f"run {k}", creator_id=1, priority=k % 7) for k in range(count)]
        made = connection.execute(
            tables.tool.insert().returning(tables.tool.c.id), [values_of(record) for record in records]
        ).scalars()
        jobs = [{**job, "tool_id": one, "input_id": input_id, "attempts": 0, "losses": 0} for one in made]
        connection.execute(tables.job.insert(), jobs)


def claim_all(url, barrier, answers, most, pause):
    """Claim until nothing is left, or `most` times, with a pause [s] as of a fit; give the times back [s]."""
    from clusterbayes.records import ErrorMessage
    from clusterbayes.records.database import Database, Queue

    database = Database.open(url)
    queue, times = Queue(database), []
    error = [ErrorMessage(id="Benchmark", detail="not fitted")]
    queue.prepare()  # as a worker does when it starts
    barrier.wait()
    while len(times) < most:
        begin = time.perf_counter()
        claim = queue.claim("benchmark", 30.0)
        if claim is None:
            break
        times.append(time.perf_counter() - begin)
        for progress in (10.0, 90.0):
            time.sleep(random.uniform(0.0, pause))
            queue.report(claim, 30.0, {"current_stage": "sample", "current_stage_progress": progress})
        queue.fail(claim, error)
    answers.put(times)
    database.close()


def read_all(url, stop, answers):
    """List runs until told to stop; give the times back [s]."""
    from clusterbayes.records.database import Database, RunQuery, Runs

    database = Database.open(url)
    runs, times = Runs(database), []
    while not stop.wait(0.05):
        begin = time.perf_counter()
        runs.list(RunQuery(limit=50))
        times.append(time.perf_counter() - begin)
    answers.put(times)
    database.close()


def percentiles(times):
    """Return a line with percentiles [ms]."""
    ordered = sorted(times)
    parts = [f"{name} {1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.1f}"
             for name, share in (("50 %", 0.5), ("90 %", 0.9), ("99 %", 0.99), ("largest", 1.0))]  # fmt: skip
    return f"{len(times)} times, [ms]: " + ", ".join(parts)


def main():
    """Measure and print."""
    from integration.records.postgresql import PostgresServer, server_programs

    from clusterbayes.records.database import Database

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--most", type=int, default=250, help="Claims of each worker.")
    parser.add_argument("--pause", type=float, default=0.2, help="Mean length of a run [s]; 0 for as fast as possible.")
    options = parser.parse_args()
    server, context = PostgresServer(server_programs(), durable=True), multiprocessing.get_context("spawn")
    try:
        url = server.url(server.create())
        database = Database.open(url, create=True)
        fill(database, options.rows)
        barrier, answers = context.Barrier(options.workers), context.Queue()
        stop, read = context.Event(), context.Queue()
        workers = [
            context.Process(target=claim_all, args=(url, barrier, answers, options.most, options.pause))
            for _ in range(options.workers)
        ]
        reader = context.Process(target=read_all, args=(url, stop, read))
        begin = time.perf_counter()
        for process in (*workers, reader):
            process.start()
        found = [answers.get() for _ in workers]
        first, times = [one[0] for one in found], [time for one in found for time in one]
        load = os.getloadavg()[0]
        stop.set()
        took = time.perf_counter() - begin
        print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, {took:.0f} s")
        print(f"{options.rows} rows, {options.workers} workers, runs of {options.pause:g} s")
        print(f"first    {percentiles(first)} (all at once)")
        print(f"claims   {percentiles(times)} (all of them; target: 99 % below 20 ms)")
        print(f"readers  {percentiles(read.get())}")
        for process in (*workers, reader):
            process.join()
        database.close()
    finally:
        server.close()


if __name__ == "__main__":
    main()
