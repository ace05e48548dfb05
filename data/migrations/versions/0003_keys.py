"""API keys, and answers kept under an Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _seq() -> sa.Column:
    return sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True)


def upgrade() -> None:
    op.create_table(
        "keys",
        _seq(),
        sa.Column("name", _ID, nullable=False),
        sa.Column("beginning", sa.Text, nullable=False),
        sa.Column("ending", sa.Text, nullable=False),
        sa.Column("sha256", _ID, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("rate_per_minute", sa.Integer),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.UniqueConstraint("sha256", name="uq_keys_sha256"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "replies",
        _seq(),
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("claimed_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.LargeBinary),
        sa.UniqueConstraint("request_id", name="uq_replies_request_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_replies_claimed_at", "replies", ["claimed_at"])
    op.create_table(
        "reply_leads",
        _seq(),
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("lead_id", _ID, nullable=False),
        sa.UniqueConstraint("request_id", "lead_id", name="uq_reply_leads_request_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reply_leads_lead_id", "reply_leads", ["lead_id"])
