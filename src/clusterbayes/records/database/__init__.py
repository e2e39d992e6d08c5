"""The database: tables for PostgreSQL and SQLite, the queue in them, and what can be read.

Needs the extra ``clusterbayes[database]``. `Database.open` connects; `Runs` reads and cancels; `Queue` is what workers
use. A host attaches the tables to a metadata of its own with `attach`.
"""

from __future__ import annotations

from clusterbayes.records.database.engine import Database
from clusterbayes.records.database.queue import Claim, Queue, RetryRules, Standing
from clusterbayes.records.database.runs import Page, RunQuery, Runs
from clusterbayes.records.database.tables import HostTables, Tables, attach, queue_order

__all__ = [
    "Claim",
    "Database",
    "HostTables",
    "Page",
    "Queue",
    "RetryRules",
    "RunQuery",
    "Runs",
    "Standing",
    "Tables",
    "attach",
    "queue_order",
]
