"""Count what faults do to runs: killed workers, restarted databases, full disks, wrong clocks, cancelling.

Every job is cheap (`integration.records.jobs.cheap_job`: a few stages of short sleeps with a checkpoint, two files, two
membership rows); everything else is the product: queue, leases, worker, child processes, store. A trigger in the
database writes down every change of status, and a reader looks all the time for results that are visible but not whole.

    .venv/bin/python benchmarks/faults.py --out docs/faults.md      # about ten minutes; needs root for the full disk
    .venv/bin/python benchmarks/faults.py --only kills --database sqlite
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
LEASE = 2.0
COLUMNS = ("scenario", "database", "runs", "faults", "lost", "completed twice", "half results seen", "wrong state")
PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
if __name__ == "__main__":
    from integration.records.workers import work
    work({url!r}, {store!r}, lease={lease}, concurrency={concurrency}, losses=50)
"""


class Stage:
    """A database, a store, workers, and a reader that watches them."""

    def __init__(self, kind, folder, server=None, store=None):
        from clusterbayes.records.database import Database, Runs
        from clusterbayes.records.store import FolderStore
        from clusterbayes.records.submit import Service

        self.kind, self.folder, self.server = kind, Path(folder), server
        self.url = f"sqlite:///{folder}/runs.db" if server is None else server.url(server.create())
        self.database = Database.open(self.url, create=True)
        self.store = FolderStore(store or self.folder / "store")
        self.service, self.runs = Service(self.database, self.store), Runs(self.database)
        self.ids, self.workers, self.half = [], [], 0
        self.log = open(self.folder / "workers.log", "w")
        self._audit()
        self._watching = threading.Event()
        self._reader = threading.Thread(target=self._watch, daemon=True)
        self._reader.start()

    def _audit(self):
        """Let the database write down every change of status."""
        from sqlalchemy import text

        made = "CREATE TABLE audit (tool_id INTEGER, earlier TEXT, later TEXT)"
        body = "INSERT INTO audit VALUES (NEW.id, OLD.status, NEW.status)"
        change = "AFTER UPDATE OF status ON cluster_modeling_tool FOR EACH ROW"
        with self.database.writing() as connection:
            connection.execute(text(made))
            if self.server is None:
                connection.execute(text(f"CREATE TRIGGER a {change} WHEN OLD.status <> NEW.status BEGIN {body}; END"))
                return
            function = f"CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN {body}; RETURN NEW; END $$ LANGUAGE plpgsql"
            connection.execute(text(function))
            differs = "WHEN (OLD.status <> NEW.status)"
            connection.execute(text(f"CREATE TRIGGER a {change} {differs} EXECUTE FUNCTION f()"))

    def _watch(self):
        """Look for results without their status, status without result, and files that are not there."""
        from sqlalchemy import text
        from sqlalchemy.exc import DBAPIError

        seen = (
            "SELECT t.id, t.status, (SELECT count(*) FROM cluster_modeling_result r WHERE r.tool_id = t.id),"
            " (SELECT count(*) FROM cluster_modeling_membership m WHERE m.tool_id = t.id),"
            " (SELECT count(*) FROM cluster_modeling_artefact a WHERE a.tool_id = t.id) FROM cluster_modeling_tool t"
        )
        while not self._watching.wait(0.1):
            try:
                with self.database.reading() as connection:
                    rows = connection.execute(text(seen)).all()
                    files = connection.execute(text("SELECT location, size FROM cluster_modeling_artefact")).all()
            except DBAPIError:
                continue
            whole = {"completed": (1, 2, 2)}
            self.half += sum(tuple(row[2:]) != whole.get(row[1], (0, 0, 0)) for row in rows)
            self.half += sum(not _has(self.store.root / place, size) for place, size in files)

    def add(self, count, **plan):
        from integration.records.tables import star_table

        from clusterbayes.records.submit import SubmitOptions

        options = SubmitOptions(name="cheap:" + json.dumps(plan))
        made = [self.service.submit(star_table(), creator_id=1, options=options).record.id for _ in range(count)]
        self.ids += made
        return made

    def start(self, concurrency=2, shift=None):
        """Start a worker; its clock is off by `shift` [s]."""
        program = self.folder / f"worker-{concurrency}.py"
        values = {"tests": str(ROOT / "tests"), "url": self.url, "store": str(self.store.root)}
        program.write_text(PROGRAM.format(**values, lease=LEASE, concurrency=concurrency))
        environment = dict(os.environ)
        if shift is not None:
            environment |= {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{shift:+d}s"}
        worker = subprocess.Popen([sys.executable, str(program)], env=environment, stderr=self.log)
        self.workers.append(worker)
        return worker

    def ended(self):
        from sqlalchemy.exc import DBAPIError

        try:
            return Counter(str(self.runs.get(tool_id).status) for tool_id in self.ids)
        except DBAPIError:
            return Counter()

    def busy(self):
        """Return the processes of the workers that have runs."""
        tool, job = self.database.tables.tool, self.database.tables.job
        with self.database.reading() as connection:
            running = job.select().join(tool, tool.c.id == job.c.tool_id).where(tool.c.status == "running")
            return {int(row.worker.rpartition(":")[2]) for row in connection.execute(running)}

    def wait(self, seconds=300.0):
        """Wait until every run has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            states = self.ended()
            if states and not states["ready"] and not states["running"]:
                return
            time.sleep(0.2)

    def close(self):
        for worker in self.workers:
            if worker.poll() is None:
                worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(60)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self._watching.set()
        self._reader.join(10)
        self.log.close()
        if any(worker.returncode not in (0, -signal.SIGKILL, -signal.SIGTERM) for worker in self.workers):
            sys.exit(f"a worker died by itself: {(self.folder / 'workers.log').read_text()[-3000:]}")

    def audit(self):
        from sqlalchemy import text

        with self.database.reading() as connection:
            return Counter(tuple(row) for row in connection.execute(text("SELECT * FROM audit")).all())


def _has(path, size):
    return path.is_file() and path.stat().st_size == size


@dataclass
class Count:
    """One line of the table."""

    scenario: str
    stage: Stage
    faults: str
    expected: dict = field(default_factory=dict)
    notes: str = ""

    def line(self):
        stage, audit = self.stage, self.stage.audit()
        states = {tool_id: str(stage.runs.get(tool_id).status) for tool_id in stage.ids}
        legal = {("ready", "running"), ("running", "ready"), ("ready", "canceled")}
        legal |= {("running", end) for end in ("completed", "failed", "canceled")}
        finished = Counter(tool_id for tool_id, _, later in audit.elements() if later == "completed")
        wrong = sum(states[one] not in self.expected.get(one, ("completed",)) for one in stage.ids)
        wrong += sum((earlier, later) not in legal for _, earlier, later in audit)
        lost = sum(state in ("ready", "running") for state in states.values())
        twice = sum(number > 1 for number in finished.values())
        row = (self.scenario, stage.kind, len(stage.ids), self.faults, lost, twice, stage.half, wrong)
        print("|".join(str(cell) for cell in row), self.notes, flush=True)
        return "| " + " | ".join(str(cell) for cell in row) + f" | {self.notes} |"


# --- scenarios -------------------------------------------------------------------------------------------------------


def kills(stage, rng, number=50):
    """Kill workers at random moments while there is work."""
    for _ in range(3):
        stage.start()
    killed = 0
    while killed < number:
        states = stage.ended() if stage.ids else Counter()
        if states["ready"] < 4:
            stage.add(4, stages=3, steps=6, pause=0.06)
        time.sleep(rng.uniform(0.05, 1.0))
        busy = [worker for worker in stage.workers if worker.poll() is None and worker.pid in stage.busy()]
        if busy:
            victim = rng.choice(busy)
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            stage.start()
            killed += 1
    stage.wait()
    stage.close()
    starts = sum(stage.runs.get(tool_id).iterations for tool_id in stage.ids)
    return Count(
        "worker killed -9", stage, f"{number} kills", notes=f"{starts} starts, those after a kill from the checkpoint"
    )


def restarts(stage, rng, number=10):
    """Stop and start the server while runs go on."""
    stage.add(40, stages=3, steps=10, pause=0.1)
    for _ in range(2):
        stage.start()
    while stage.ended()["running"] < 4:
        time.sleep(0.1)
    for k in range(number):
        time.sleep(rng.uniform(1.0, 2.5))
        stage.server.halt(signal.SIGQUIT if k % 2 else signal.SIGINT)
        time.sleep(rng.uniform(0.1, 1.5))
        stage.server.start()
    stage.wait()
    stage.close()
    return Count("database restarted", stage, f"{number} restarts, half of them crashes")


def full_disk(stage, rng, mount):
    """Fill the store, a file system of 1 MB, and give it more room later."""
    first = stage.add(12, size=150_000)
    stage.start()
    stage.wait()
    failed = [tool_id for tool_id in first if stage.runs.get(tool_id).status == "failed"]
    said = [stage.runs.get(tool_id).error_messages[0].detail for tool_id in failed]
    subprocess.run(["mount", "-o", "remount,size=64m", str(mount)], check=True)
    stage.add(6, size=150_000)
    stage.wait()
    stage.close()
    clear = sum("No space left" in text for text in said)
    expected = dict.fromkeys(first, ("completed", "failed"))
    notes = f"{len(failed)} failed after 3 starts, {clear} saying 'No space left on device'; later ones completed"
    return Count("disk full on artefact write", stage, "1 MB for 12 results", expected, notes)


def crowd(stage, rng, workers):
    """Many workers, many short runs."""
    stage.add(200, stages=1, steps=1, pause=0.01)
    begin = time.monotonic()
    for _ in range(workers):
        stage.start(concurrency=1)
    stage.wait()
    took = time.monotonic() - begin
    stage.close()
    extra = sum(stage.runs.get(tool_id).iterations - 1 for tool_id in stage.ids)
    return Count(f"{workers} workers, short runs", stage, "none", notes=f"{took:.0f} s, {extra} started more than once")


def skew(stage, rng):
    """Workers whose clocks are an hour off, either way; one of them is killed."""
    stage.add(24, stages=3, steps=6, pause=0.1)
    early, _, _ = (stage.start(shift=shift) for shift in (-3600, 0, 3600))
    while stage.ended()["running"] < 3:
        time.sleep(0.1)
    time.sleep(2.5 * LEASE)
    before = sum(stage.runs.request(tool_id)["losses"] for tool_id in stage.ids)
    early.send_signal(signal.SIGKILL)
    stage.wait()
    stage.close()
    after = sum(stage.runs.request(tool_id)["losses"] for tool_id in stage.ids)
    notes = f"{before} runs taken from a living worker, {after} from the killed one"
    return Count("clocks an hour early and late", stage, "3 clocks, 1 kill", notes=notes)


def cancels(stage, rng):
    """Cancel at every stage, and before and after a run."""
    from clusterbayes.records import STAGES, TransitionError

    expected, times = {}, []
    [ready] = stage.add(1)
    stage.runs.cancel(ready)
    expected[ready] = ("canceled",)
    stage.start(concurrency=1)
    for stubborn in (False, True):
        for index in range(len(STAGES)):
            [tool_id] = stage.add(1, stages=9, steps=2, pause=0.3, stubborn=stubborn)
            while (at := stage.runs.get(tool_id).current_stage_index) is None or at < index:
                time.sleep(0.03)
            begin = time.monotonic()
            stage.runs.cancel(tool_id)
            while (record := stage.runs.get(tool_id)).completed_on is None:
                time.sleep(0.03)
            times.append(time.monotonic() - begin)
            expected[tool_id] = ("canceled",)
            assert (record.status, record.current_stage_index >= index) == ("canceled", True), record
    stage.wait()
    refused = 0
    for tool_id in stage.ids:
        try:
            stage.runs.cancel(tool_id)
        except TransitionError:
            refused += 1
    stage.close()
    notes = f"slowest {max(times):.1f} s (half of the fits don't listen); {refused} later requests refused"
    return Count("canceled at every stage", stage, f"{len(times) + 1} cancels", expected, notes)


# --- all of them -----------------------------------------------------------------------------------------------------

SCENARIOS = {
    "kills": (kills, ("postgresql", "sqlite"), [()]),
    "restarts": (restarts, ("postgresql",), [()]),
    "disk": (full_disk, ("postgresql", "sqlite"), [()]),
    "crowd": (crowd, ("postgresql", "sqlite"), [(2,), (4,), (8,)]),
    "skew": (skew, ("postgresql",), [()]),
    "cancels": (cancels, ("postgresql", "sqlite"), [()]),
}


def count(name, kind, seed):
    """Run a scenario, and return its lines."""
    from integration.records.postgresql import PostgresServer, server_programs

    scenario, _, cases = SCENARIOS[name]
    lines = []
    for case in cases:
        server = PostgresServer(server_programs(), durable=True) if kind == "postgresql" else None
        with tempfile.TemporaryDirectory(prefix="clusterbayes-faults-") as folder:
            mount = Path(folder) / "small"
            if name == "disk":
                mount.mkdir()
                subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], check=True)
            stage = Stage(kind, folder, server, mount if name == "disk" else None)
            try:
                arguments = (mount,) if name == "disk" else case
                lines.append(scenario(stage, random.Random(seed), *arguments).line())
            finally:
                stage.close()
                stage.database.close()
                if name == "disk":
                    subprocess.run(["umount", str(mount)], check=True)
                if server is not None:
                    server.close()
    return lines


def main():
    """Read the command line, count, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=SCENARIOS, action="append")
    parser.add_argument("--database", choices=("postgresql", "sqlite"), action="append")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="A page to write the table to, between its two markers.")
    options = parser.parse_args()
    lines, begin, load = [], time.monotonic(), os.getloadavg()
    for name, (_, kinds, _) in SCENARIOS.items():
        if name in (options.only or SCENARIOS):
            for kind in kinds:
                if kind in (options.database or kinds):
                    lines += count(name, kind, options.seed)
    table = ["| " + " | ".join((*COLUMNS, "notes")) + " |", "|---|---|" + "---:|---|" + "---:|" * 4 + "---|", *lines]
    took = f"Seed {options.seed}, {time.monotonic() - begin:.0f} s, {os.cpu_count()} cores"
    table += ["", f"{took}, load at the start {load[0]:.1f}, at the end {os.getloadavg()[0]:.1f}."]
    if options.out:
        head, _, rest = options.out.read_text().partition("<!-- table -->")
        _, _, tail = rest.partition("<!-- end -->")
        options.out.write_text(head + "<!-- table -->\n\n" + "\n".join(table) + "\n\n<!-- end -->" + tail)


if __name__ == "__main__":
    main()
