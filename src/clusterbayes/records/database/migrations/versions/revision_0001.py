"""The first tables.

Written out, not taken from the present definitions, so that it does the same for ever.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_P = "cluster_modeling_"
_TYPES = (
    *("radio_tracking_continuum", "radio_tracking_spectrum", "time_series_photometry", "spectral_composer"),
    *("time_lapse_creator", "cluster_modeling", "transient_detector"),
)
_STATUSES = ("ready", "running", "completed", "failed", "canceled")
_TABLES = ("artefact", "membership", "result", "job", "input", "tool")


def upgrade() -> None:
    """Make the tables."""
    document = sa.JSON().with_variant(JSONB(), "postgresql")
    moment = sa.DateTime(timezone=True)
    _tool(document, moment)
    op.create_table(
        f"{_P}input",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("checksum", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("created_on", moment, nullable=False),
        sa.UniqueConstraint("checksum", "kind", "location", name=f"uq_{_P}input_content"),
        sa.CheckConstraint("kind IN ('stored', 'reference')", name=f"ck_{_P}input_kind"),
    )
    _job(document, moment)
    op.create_table(
        f"{_P}result",
        _owned(),
        sa.Column("schema_version", sa.String(16), nullable=False),
        sa.Column("document", document, nullable=False),
    )
    numbers = ("p_member", "p_outlier", "p_binary", "mass", "mass_std", "q", "q_std", "log_teff", "log_lum")
    op.create_table(
        f"{_P}membership",
        _owned(),
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("source_id", sa.Text, nullable=False),
        *(sa.Column(name, sa.Float(53)) for name in numbers),
        sa.Column("used", sa.Boolean, nullable=False),
        sa.Column("drop_reason", sa.Text, nullable=False),
    )
    op.create_table(
        f"{_P}artefact",
        _owned(),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("checksum", sa.String(64), nullable=False),
        sa.Column("location", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Remove the tables, with all that is in them."""
    for name in _TABLES:
        op.drop_table(f"{_P}{name}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"DROP TYPE {_P}tool_status")
        op.execute(f"DROP TYPE {_P}data_tool_type")


def _owned() -> sa.Column[int]:
    return sa.Column("tool_id", sa.Integer, sa.ForeignKey(f"{_P}tool.id", ondelete="CASCADE"), primary_key=True)


def _tool(document: sa.types.TypeEngine, moment: sa.types.TypeEngine) -> None:
    kinds = sa.Enum(*_TYPES, name=f"{_P}data_tool_type", create_constraint=True)
    statuses = sa.Enum(*_STATUSES, name=f"{_P}tool_status", create_constraint=True)
    op.create_table(
        f"{_P}tool",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("data_tool_type", kinds, nullable=False),
        sa.Column("creator_id", sa.Integer, nullable=False),
        sa.Column("observation_id", sa.Integer),
        sa.Column("project_id", sa.Integer),
        sa.Column("status", statuses, nullable=False),
        sa.Column("iterations", sa.Integer, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("created_on", moment, nullable=False),
        sa.Column("started_on", moment),
        sa.Column("completed_on", moment),
        sa.Column("version", sa.String(64)),
        sa.Column("error_messages", document),
        sa.Column("current_stage", sa.String(100)),
        sa.Column("current_stage_index", sa.Integer),
        sa.Column("total_stages", sa.Integer),
        sa.Column("current_stage_progress", sa.Float(53)),
    )
    ready = sa.text("status = 'ready' AND data_tool_type = 'cluster_modeling'")
    running = sa.text("status = 'running' AND data_tool_type = 'cluster_modeling'")
    order = [sa.text("priority DESC"), sa.text("created_on ASC"), sa.text("id ASC")]
    op.create_index(f"ix_{_P}tool_ready", f"{_P}tool", order, postgresql_where=ready, sqlite_where=ready)
    op.create_index(f"ix_{_P}tool_running", f"{_P}tool", ["id"], postgresql_where=running, sqlite_where=running)
    op.create_index(f"ix_{_P}tool_creator", f"{_P}tool", ["creator_id", "id"])
    op.create_index(f"ix_{_P}tool_observation", f"{_P}tool", ["observation_id"])


def _job(document: sa.types.TypeEngine, moment: sa.types.TypeEngine) -> None:
    op.create_table(
        f"{_P}job",
        _owned(),
        sa.Column("creator_id", sa.Integer, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("input_id", sa.Integer, sa.ForeignKey(f"{_P}input.id"), nullable=False),
        sa.Column("input_name", sa.Text, nullable=False),
        sa.Column("control_id", sa.Integer, sa.ForeignKey(f"{_P}input.id")),
        sa.Column("control_name", sa.Text),
        sa.Column("settings", document, nullable=False),
        sa.Column("time_limit", sa.Float(53)),
        sa.Column("not_before", moment),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("lease_token", sa.String(32)),
        sa.Column("lease_until", moment),
        sa.UniqueConstraint("creator_id", "key", name=f"uq_{_P}job_key"),
    )
    op.create_index(f"ix_{_P}job_lease", f"{_P}job", ["lease_until"])
    op.create_index(f"ix_{_P}job_input", f"{_P}job", ["input_id"])
