"""Which revision the database has, which one the code needs, and the way from one to the other.

Rule: `parvis upgrade` alone changes the schema; a node on another revision does not start (DECISIONS 17).
Alembic is loaded for an upgrade only. Source: https://alembic.sqlalchemy.org/en/latest/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, inspect, text

from node.config import Settings, SettingsError
from node.core.db import Database, say_options

FOLDER = Path(__file__).parent
ADVISORY_LOCK = 0x7061727669732  # "parvis", 2

_REVISION = re.compile(r"^(down_)?revision(?:: [^=]+)? = (?:\"([^\"]+)\"|None)$", re.MULTILINE)


@cache
def head() -> str | None:
    """The revision that this code needs; None while there are no tables."""
    revisions: set[str] = set()
    replaced: set[str] = set()
    for path in (FOLDER / "versions").glob("[!_]*.py"):
        for is_down, revision in _REVISION.findall(path.read_text(encoding="utf-8")):
            (replaced if is_down else revisions).add(revision)
    heads = revisions - replaced
    if len(heads) > 1:
        raise RuntimeError(f"The migrations have several heads: {', '.join(sorted(heads))}.")
    return heads.pop() if heads else None


def current(database: Database) -> str | None:
    """The revision of the database; None when it has none."""
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision


def require_current(settings: Settings) -> None:
    """Raises `SettingsError` when the database is not at the revision of this code."""
    if settings.database_url.startswith("sqlite") and not _sqlite_file(settings).exists():
        raise SettingsError("There is no database yet; run: parvis init")
    database = Database(settings.database_url)
    try:
        found = current(database)
    finally:
        database.close()
    if found != head():
        raise SettingsError(
            f"The database is at revision {found or 'none'}, this version needs {head()}; run: parvis upgrade",
        )


def upgrade(database: Database, metadata: MetaData) -> None:
    """Brings the database to the newest revision in one transaction; nothing happens if it is there."""
    from alembic import command

    with _prepared(database) as connection:
        command.upgrade(_config(connection, metadata), "head")


def write_revision(database: Database, metadata: MetaData, message: str) -> None:
    """Writes a migration from the database as it is to `metadata`, to be read and mended by hand."""
    from alembic import command

    with _prepared(database) as connection:
        command.revision(_config(connection, metadata), message, autogenerate=True)


def differences(database: Database, metadata: MetaData) -> list[Any]:
    """What Alembic would still change to make the database like `metadata`."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    say_options(metadata)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found: list[Any] = compare_metadata(context, metadata)
    return found


@contextmanager
def _prepared(database: Database) -> Iterator[Connection]:
    with database.engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        if database.is_sqlite:
            # Rebuilding a table drops it, which would delete the rows that refer to it.
            raw.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                if not database.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
                yield connection
                if database.is_sqlite and connection.execute(text("PRAGMA foreign_key_check")).first():
                    raise RuntimeError(
                        "The migration left references to rows that are gone; nothing was changed."
                    )
        finally:
            if database.is_sqlite:
                raw.execute("PRAGMA foreign_keys=ON")


def _config(connection: Connection, metadata: MetaData) -> Any:
    from alembic.config import Config

    say_options(metadata)
    config = Config(attributes={"connection": connection, "metadata": metadata})
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(slug)s")
    return config


def _sqlite_file(settings: Settings) -> Path:
    from sqlalchemy.engine import make_url

    return Path(make_url(settings.database_url).database or "")
