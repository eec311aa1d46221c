"""Run by Alembic: the connection and the tables come from `node.core.migrations`."""

from typing import Any, Literal

from alembic import context

from node.core.db import Moment


def plain(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """A migration must not change when our own types do."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Moment) else False


connection = context.config.attributes["connection"]

context.configure(
    connection=connection,
    target_metadata=context.config.attributes["metadata"],
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    render_item=plain,
    # The caller's transaction holds all of it.
    transaction_per_migration=False,
)
context.run_migrations()
