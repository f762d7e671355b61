"""What Alembic runs: the revisions, over the connection that ``upgrade`` opened and in its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
context.run_migrations()
