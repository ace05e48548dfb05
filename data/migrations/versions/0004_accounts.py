"""Which lead is of which account when. The rows are made by ``data.account_rows`` when all tables are there."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("account", _ID, nullable=False),
        sa.Column("lead_id", _ID, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_accounts_account", "accounts", ["account", "since", "until", "lead_id"])
    op.create_index("ix_accounts_lead_id", "accounts", ["lead_id"])
