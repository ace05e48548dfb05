"""Links between ids that turned out to be one person."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "links",
        sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("source", _ID, nullable=False),
        sa.Column("link_id", _ID, nullable=False),
        sa.Column("from_id", _ID, nullable=False),
        sa.Column("lead_id", _ID, nullable=False),
        sa.Column("occurred_at", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("received_assumed", sa.Boolean, nullable=False),
        sa.UniqueConstraint("source", "link_id", name="uq_links_source"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_links_from_id", "links", ["from_id"])
    op.create_index("ix_links_lead_id", "links", ["lead_id"])
