"""Which model was asked for a score. All scores given before are a champion's.

The default stays, so that neither database rewrites the rows, and a service of the version before can go on writing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("scores", sa.Column("route", sa.Text, nullable=False, server_default="champion"))
    by_challenger = sa.text("route = 'challenger'")
    op.create_index(
        "ix_scores_challenger",
        "scores",
        ["goal", "seq"],
        sqlite_where=by_challenger,
        postgresql_where=by_challenger,
    )
