"""Runs migrations on the connection that ``data.migrations`` hands over; the transaction is the caller's."""

from alembic import context

from data.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
