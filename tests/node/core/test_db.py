"""Units of work and snapshots, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, String, Table, func, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateIndex, CreateTable

from node.core import events
from node.core.db import COMPACT, BigKey, Database, Moment, NestedWriting, index_where, say_options


class _Base(DeclarativeBase):
    pass


class Note(_Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    text: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime | None] = mapped_column(Moment())


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    _Base.metadata.create_all(database.engine)
    yield database
    database.close()


def count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Note)) or 0


def test_what_is_written_is_there_afterwards(database: Database) -> None:
    with database.writing() as session:
        session.add(Note(text="kept"))
    assert count(database) == 1


def test_an_error_takes_all_of_it_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        session.execute(insert(Note), [{"text": "one"}, {"text": "two"}])
        _ = 1 / 0
    assert count(database) == 0


def test_refuses_to_write_while_reading(database: Database) -> None:
    with pytest.raises(DBAPIError), database.reading() as session:
        session.execute(insert(Note), [{"text": "no"}])
    assert count(database) == 0


def test_a_snapshot_does_not_change_while_it_is_read(database: Database) -> None:
    with database.reading() as session:
        before = session.scalar(select(func.count()).select_from(Note))
        other = threading.Thread(target=_write_one, args=(database,))
        other.start()
        other.join()
        assert session.scalar(select(func.count()).select_from(Note)) == before == 0
    assert count(database) == 1


def test_refuses_a_unit_of_work_inside_another(database: Database) -> None:
    with database.writing(), pytest.raises(NestedWriting), database.writing():
        pass
    with database.writing() as session:  # and the thread is free again
        session.add(Note(text="after"))
    assert count(database) == 1


def test_writers_of_many_threads_take_turns(database: Database) -> None:
    threads = [threading.Thread(target=_write_one, args=(database, 20)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(database) == 160


def test_a_moment_comes_back_in_utc(database: Database) -> None:
    paris = timezone(timedelta(hours=2))
    with database.writing() as session:
        session.add(Note(text="when", at=datetime(2026, 7, 1, 12, 30, 1, 5, tzinfo=paris)))
    with database.reading() as session:
        assert session.scalar(select(Note.at)) == datetime(2026, 7, 1, 10, 30, 1, 5, tzinfo=UTC)


def test_refuses_a_moment_without_a_zone(database: Database) -> None:
    with pytest.raises(StatementError, match="no time zone"), database.writing() as session:
        session.execute(insert(Note), [{"text": "when", "at": datetime(2026, 7, 1)}])  # noqa: DTZ001


def test_counts_statements_and_commits(database: Database) -> None:
    with database.counting() as counted, database.writing() as session:
        session.execute(insert(Note), [{"text": "one"}, {"text": "two"}])
        session.execute(select(Note.id))
    assert (counted.statements, counted.commits) == (2, 1)


def test_after_commit_waits_for_the_commit(database: Database) -> None:
    seen: list[int] = []
    with database.writing() as session:
        session.add(Note(text="kept"))
        events.after_commit(session, lambda: seen.append(count(database)))
        assert not seen
    assert seen == [1]


def test_after_commit_is_forgotten_when_rolled_back(database: Database) -> None:
    seen: list[int] = []
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        events.after_commit(session, lambda: seen.append(1))
        _ = 1 / 0
    assert not seen


def test_one_failing_callback_does_not_stop_the_next(database: Database) -> None:
    seen: list[int] = []
    with database.writing() as session:
        events.after_commit(session, _fail)
        events.after_commit(session, lambda: seen.append(1))
    assert seen == [1]


def test_sqlite_keeps_its_promises(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'promises.db'}")
    with database.writing() as session:
        connection = session.connection()
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    database.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_sqlite_waits_for_a_writer_of_another_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'two.db'}"
    here, there = Database(url), Database(url)  # two Databases are as two processes to SQLite
    _Base.metadata.create_all(here.engine)
    with here.writing() as session:
        session.add(Note(text="first"))
        session.flush()
        other = threading.Thread(target=_write_one, args=(there,))
        other.start()
        time.sleep(0.05)
    other.join()
    assert count(here) == 2
    here.close()
    there.close()


def test_refuses_a_database_in_memory() -> None:
    with pytest.raises(ValueError, match="needs a file"):
        Database("sqlite://")


def _fail() -> None:
    raise RuntimeError


def _write_one(database: Database, times: int = 1) -> None:
    for _ in range(times):
        with database.writing() as session:
            session.add(Note(text="more"))


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_an_index_says_its_condition_to_both_databases(name: str) -> None:
    index = index_where("left_at IS NULL", "uq_guest_here", "name", unique=True)
    guests = Table("guest", MetaData(), Column("name", String(40)), index)
    say_options(guests.metadata)
    dialect = make_url(f"{name}://").get_dialect()()
    assert str(CreateIndex(index).compile(dialect=dialect)).endswith("(name) WHERE left_at IS NULL")


def test_a_compact_table_has_no_rowids_on_sqlite() -> None:
    places = Table("place", MetaData(), Column("name", String(40), primary_key=True), info=COMPACT["info"])
    say_options(places.metadata)
    sqlite, postgresql = (make_url(f"{name}://").get_dialect()() for name in ("sqlite", "postgresql"))
    assert str(CreateTable(places).compile(dialect=sqlite)).rstrip().endswith("WITHOUT ROWID")
    assert "ROWID" not in str(CreateTable(places).compile(dialect=postgresql))
