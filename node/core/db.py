"""The database: one unit of work for writing, one snapshot for reading, on SQLite or PostgreSQL.

Rule: nothing here knows a table. `writing()` commits when its block ends and rolls back when it raises;
`reading()` never writes. Hot paths use Core (`session.execute(insert(table), rows)`), not the ORM.
Source: ARCHITECTURE, section 5; https://docs.sqlalchemy.org/en/21/dialects/sqlite.html (transactions).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import TypeDecorator

from node.core import events, hot

BUSY_TIMEOUT_MS = 10_000  # how long another process may hold the write lock of SQLite
WRITER_TIMEOUT_S = 30.0  # how long a thread waits for this process's one writing connection
READERS_KEPT = 8
READERS_MORE = 72  # opened when busy, closed on return: 64 request threads, lanes and jobs
CACHED_STATEMENTS = 512

_CONDITION = "where"
_COMPACT = "compact"

BigKey = BigInteger().with_variant(Integer, "sqlite")
"""An integer key that counts up by itself: 64 bits on PostgreSQL, the rowid on SQLite."""


class Moment(TypeDecorator[datetime]):
    """A point in time: aware in, aware UTC out, on both databases. A naive datetime is a ValueError."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC; without its zone on SQLite, which keeps text."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone.")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Root of every table. `datetime` columns are `Moment`s; constraints are named for the migrations."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        },
    )
    type_annotation_map = {datetime: Moment()}  # noqa: RUF012 -- SQLAlchemy reads it as a plain class attribute


def table_of(model: type[Base]) -> Table:
    """The table of a model, for statements past the ORM."""
    return cast("Table", model.__table__)


# What a single dialect understands is an option of that dialect, and to give one makes SQLAlchemy load the dialect:
# 2 MiB of PostgreSQL in a node on SQLite, 0.7 MiB the other way round. So both are kept as `info` until tables are made
# (`say_options`), which a node that serves never does.

COMPACT = {"info": {_COMPACT: True}}
"""Of a table: SQLite keeps the rows in the primary key itself, without a second tree of rowids (`WITHOUT ROWID`)."""


def index_where(condition: str, name: str | None, *columns: str, unique: bool = False) -> Index:
    """An index of those rows alone that meet `condition`, in SQL that both databases read."""
    return Index(name, *columns, unique=unique, info={_CONDITION: condition})


def say_options(metadata: MetaData) -> None:
    """Tells the dialects of `COMPACT` and `index_where`. Before tables are made, or compared with a database."""
    for table in metadata.tables.values():
        if table.info.get(_COMPACT):
            table.dialect_options["sqlite"]["with_rowid"] = False
        for index in table.indexes:
            if _CONDITION in index.info:
                for dialect in ("sqlite", "postgresql"):
                    index.dialect_options[dialect]["where"] = text(index.info[_CONDITION])


@event.listens_for(Base.metadata, "before_create")
def _before_create(metadata: MetaData, *_: object, **__: object) -> None:
    say_options(metadata)


class NestedWriting(RuntimeError):
    """A second unit of work was opened inside the first, in one thread: pass the session on instead."""


@dataclass
class StatementCount:
    """What went to the database while `Database.counting()` was open."""

    statements: int = 0
    commits: int = 0


class Database:
    """One database by its URL: `sqlite:////path/parvis.db` or `postgresql://user@host/name`.

    On SQLite one connection of the process writes (BEGIN IMMEDIATE), so threads queue for it here and
    not in SQLite's busy handler, which sleeps up to 100 ms; readers see a snapshot (BEGIN) and cannot write.
    """

    def __init__(self, url: str) -> None:
        self.url: URL = _with_driver(make_url(url))
        self.is_sqlite: bool = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._writer, self._reader = _sqlite_engines(self.url)
        else:
            self._writer, self._reader = _postgresql_engines(self.url)
        self._write = sessionmaker(self._writer, expire_on_commit=False)
        self._read = sessionmaker(self._reader, expire_on_commit=False, autoflush=False)
        self._here = threading.local()

    @property
    def engine(self) -> Engine:
        """The writing engine, for migrations."""
        return self._writer

    @property
    def libpq_url(self) -> str:
        """The URL as psycopg itself takes it, password included."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A unit of work: one transaction, committed at the end; then what `events.after_commit` kept."""
        if getattr(self._here, "writing", False):
            raise NestedWriting
        self._here.writing = True
        session = self._write()
        try:
            try:
                yield session
                events.run_before_commit(session)
                session.commit()
            except BaseException:
                session.rollback()
                events.forget(session)
                raise
            finally:
                session.close()
        finally:
            self._here.writing = False
        events.run_after_commit(session)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One snapshot for reading; to write in it is an error of the database."""
        session = self._read()
        try:
            yield session
        finally:
            session.close()  # not rollback, which would expire what was read

    @contextmanager
    def counting(self) -> Iterator[StatementCount]:
        """Counts the statements (BEGIN and COMMIT are none) and commits of every thread, for tests."""
        count = StatementCount()
        engines = {self._writer, self._reader}

        def on_statement(*_: Any) -> None:
            count.statements += 1

        def on_commit(_: Connection) -> None:
            count.commits += 1

        for engine in engines:
            event.listen(engine, "before_cursor_execute", on_statement)
            event.listen(engine, "commit", on_commit)
        hot.watchers.append(on_statement)
        try:
            yield count
        finally:
            hot.watchers.remove(on_statement)
            for engine in engines:
                event.remove(engine, "before_cursor_execute", on_statement)
                event.remove(engine, "commit", on_commit)

    def close(self) -> None:
        """Closes every pooled connection."""
        self._writer.dispose()
        self._reader.dispose()


def _with_driver(url: URL) -> URL:
    if url.drivername in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ValueError("SQLite needs a file here: readers and the writer are separate connections.")
    return url


def _sqlite_engines(url: URL) -> tuple[Engine, Engine]:
    arguments = {"cached_statements": CACHED_STATEMENTS, "timeout": BUSY_TIMEOUT_MS / 1000}
    writer = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=WRITER_TIMEOUT_S,
        connect_args=arguments,
    )
    reader = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=READERS_KEPT,
        max_overflow=READERS_MORE,
        pool_use_lifo=True,
        connect_args=arguments,
    )

    def connected(connection: sqlite3.Connection, *_: object) -> None:
        # The driver would begin late and leave SELECTs outside the transaction; we say BEGIN ourselves.
        connection.isolation_level = None
        connection.executescript(
            f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; PRAGMA secure_delete=ON;",
        )

    def reader_connected(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA query_only=ON")

    event.listen(writer, "connect", connected)
    event.listen(reader, "connect", connected)
    event.listen(reader, "connect", reader_connected)
    event.listen(writer, "begin", lambda connection: _say(connection, "BEGIN IMMEDIATE"))
    event.listen(reader, "begin", lambda connection: _say(connection, "BEGIN"))
    return writer, reader


def _say(connection: Connection, statement: str) -> None:
    # Past SQLAlchemy's statement machinery: a tenth of its cost, and no statement in the count.
    raw: Any = connection.connection.dbapi_connection
    raw.execute(statement)


def _postgresql_engines(url: URL) -> tuple[Engine, Engine]:
    writer = create_engine(
        url,
        pool_size=READERS_KEPT,
        max_overflow=READERS_MORE,
        pool_pre_ping=True,
        pool_use_lifo=True,
    )
    return writer, writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
