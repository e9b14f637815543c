"""Alembic's entry: runs the revisions on the connection that hub.db.migrate hands over."""

from alembic import context

from hub.db.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
