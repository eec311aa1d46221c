"""Run by Alembic: the connection and the tables come from `node.core.migrations`."""

from alembic import context

connection = context.config.attributes["connection"]

context.configure(
    connection=connection,
    target_metadata=context.config.attributes["metadata"],
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    # The caller's transaction holds all of it.
    transaction_per_migration=False,
)
context.run_migrations()
