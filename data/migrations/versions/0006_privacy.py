"""Who was erased, as keyed digests, and who is suppressed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _seq() -> sa.Column:
    return sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True)


def upgrade() -> None:
    op.create_table(
        "tombstone_keys",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "tombstones",
        _seq(),
        sa.Column("digest", _ID, nullable=False),
        sa.Column("erased_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("digest", name="uq_tombstones_digest"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "suppressions",
        _seq(),
        sa.Column("lead_id", _ID, nullable=False),
        sa.Column("suppressed_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("lead_id", name="uq_suppressions_lead_id"),
        sqlite_autoincrement=True,
    )
