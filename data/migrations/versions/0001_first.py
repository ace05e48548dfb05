"""Leads, profiles, touchpoints, outcomes and scores.

Written out rather than taken from ``data.tables``: a migration keeps meaning what it meant when the tables move on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _seq() -> sa.Column:
    return sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True)


def upgrade() -> None:
    op.create_table(
        "leads",
        _seq(),
        sa.Column("lead_id", _ID, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("lead_id", name="uq_leads_lead_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_leads_created_at", "leads", ["created_at"])
    op.create_table(
        "profiles",
        _seq(),
        sa.Column("lead_id", _ID, nullable=False),
        sa.Column("observed_at", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("as_exported", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_profiles_lead_id", "profiles", ["lead_id"])
    op.create_table(
        "touchpoints",
        _seq(),
        sa.Column("source", _ID, nullable=False),
        sa.Column("touchpoint_id", _ID, nullable=False),
        sa.Column("lead_id", _ID, nullable=False),
        sa.Column("occurred_at", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("received_assumed", sa.Boolean, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("channel", sa.Text),
        sa.Column("campaign", sa.Text),
        sa.Column("content", sa.Text),
        sa.Column("direction", sa.Text),
        sa.Column("value", sa.Double),
        sa.UniqueConstraint("source", "touchpoint_id", name="uq_touchpoints_source"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_touchpoints_lead_id", "touchpoints", ["lead_id", "occurred_at"])
    op.create_table(
        "outcomes",
        _seq(),
        sa.Column("source", _ID, nullable=False),
        sa.Column("outcome_id", _ID, nullable=False),
        sa.Column("lead_id", _ID, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("occurred_at", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("received_assumed", sa.Boolean, nullable=False),
        sa.Column("undoes", _ID),
        sa.Column("amount", sa.Double),
        sa.UniqueConstraint("source", "outcome_id", name="uq_outcomes_source"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outcomes_lead_id", "outcomes", ["lead_id", "occurred_at"])
    op.create_table(
        "scores",
        _seq(),
        sa.Column("score_id", _ID, nullable=False),
        sa.Column("lead_id", _ID, nullable=False),
        sa.Column("goal", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("cutoff", sa.BigInteger, nullable=False),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("grade", sa.Text, nullable=False),
        sa.Column("probability", sa.Double),
        sa.Column("points", sa.Double, nullable=False),
        sa.Column("features", sa.LargeBinary, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("stored", sa.Boolean, nullable=False),
        sa.UniqueConstraint("score_id", name="uq_scores_score_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_scores_lead_id", "scores", ["lead_id"])
