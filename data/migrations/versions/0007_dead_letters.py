"""Messages that were acknowledged and could not be used."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("letter_id", _ID, nullable=False),
        sa.Column("source", _ID, nullable=False),
        sa.Column("lead_id", _ID),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("letter_id", name="uq_dead_letters_letter_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dead_letters_lead_id", "dead_letters", ["lead_id"])
