"""The database: tables for PostgreSQL and SQLite, the queue in them, and what can be read.

Needs the extra ``clusterbayes[database]``. `Database.open` connects; `Runs` reads and cancels; `Queue` is what workers
use. A host attaches the tables to a metadata of its own with `attach`.
"""

from __future__ import annotations

from clusterbayes.extras import require_extra

require_extra("database", "sqlalchemy", "alembic")  # before anything below needs them, to say what brings them

from clusterbayes.records.database.claims import Claim, InputFile  # noqa: E402
from clusterbayes.records.database.engine import Database  # noqa: E402
from clusterbayes.records.database.queue import Ending, Queue, RetryRules, Standing  # noqa: E402
from clusterbayes.records.database.runs import Page, RunQuery, Runs  # noqa: E402
from clusterbayes.records.database.tables import HostTables, Tables, attach, queue_order  # noqa: E402

__all__ = [
    "Claim",
    "Database",
    "Ending",
    "HostTables",
    "InputFile",
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
