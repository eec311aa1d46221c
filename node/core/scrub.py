"""What was deleted goes from the files of the database too, not only from its tables.

Rule: on SQLite every connection overwrites what it deletes (`secure_delete`), and the write-ahead log is emptied here;
on PostgreSQL dead rows are vacuumed away, while its own log is kept as long as the server is told to. Never inside a
unit of work. Source: https://sqlite.org/pragma.html#pragma_secure_delete; https://sqlite.org/pragma.html#pragma_wal_checkpoint.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import text

from node.core.db import Base, Database

PATIENCE_MS = 500
"""How long a reader of SQLite may stand in the way; writers wait meanwhile."""


def scrub(database: Database) -> bool:
    """Whether nothing of what was deleted is left; False when a reader needs it still: try again in a moment."""
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            names = ", ".join(f'"{name}"' for name in sorted(Base.metadata.tables))
            connection.execute(text(f"VACUUM {names}"))
        return True
    own = sqlite3.connect(str(database.url.database), isolation_level=None)
    try:
        own.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
        busy, _pages, _written = own.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        own.close()
    return not busy
