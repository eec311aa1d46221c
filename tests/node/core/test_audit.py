"""The chain of the audit log: what is changed afterwards shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, select, update

from node.core.audit import Act, Audit, Entry, Head, Tampered
from node.core.clock import SetClock
from node.core.db import Base, Database

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    Base.metadata.create_all(database.engine, tables=[Entry.__table__])  # type: ignore[list-item]
    yield database
    database.close()


@pytest.fixture
def audit(database: Database, clock: SetClock) -> Audit:
    return Audit(database, clock)


def write(database: Database, audit: Audit, rows: int) -> Head:
    for number in range(rows):
        with database.writing() as session:
            audit.append(
                session, Act("signin.done", actor=f"https://a.example/people/{number}", detail={"n": number})
            )
    with database.reading() as session:
        return audit.head(session)


def test_what_was_written_holds(database: Database, audit: Audit) -> None:
    head = write(database, audit, 5)
    with database.reading() as session:
        assert audit.verify(session, head) == 5
        newest = session.scalars(select(Entry).order_by(Entry.seq.desc()).limit(2)).all()
    assert [entry.seq for entry in newest] == [5, 4]
    assert newest[0].at == NOW


def test_a_row_is_rolled_back_with_its_unit_of_work(database: Database, audit: Audit) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        audit.append(session, Act("signin.done"))
        _ = 1 / 0
    with database.reading() as session:
        assert audit.verify(session) == 0


@pytest.mark.parametrize("column", ["action", "actor", "peer", "subject", "rule", "digest", "detail", "hash"])
def test_an_edited_column_shows(database: Database, audit: Audit, column: str) -> None:
    write(database, audit, 4)
    with database.writing() as session:
        session.execute(update(Entry).where(Entry.seq == 3).values({column: "0"}))
    with database.reading() as session, pytest.raises(Tampered) as caught:
        audit.verify(session)
    assert caught.value.seq == 3


def test_an_edited_time_shows(database: Database, audit: Audit) -> None:
    write(database, audit, 4)
    with database.writing() as session:
        session.execute(update(Entry).where(Entry.seq == 2).values(at=datetime(2020, 1, 1, tzinfo=UTC)))
    with database.reading() as session, pytest.raises(Tampered):
        audit.verify(session)


def test_a_deleted_row_shows(database: Database, audit: Audit) -> None:
    write(database, audit, 4)
    with database.writing() as session:
        session.execute(delete(Entry).where(Entry.seq == 2))
    with database.reading() as session, pytest.raises(Tampered):
        audit.verify(session)


def test_two_rows_changed_over_show(database: Database, audit: Audit) -> None:
    write(database, audit, 4)
    with database.writing() as session:
        two, three = session.execute(
            select(Entry.detail).where(Entry.seq.in_([2, 3])).order_by(Entry.seq)
        ).scalars()
        session.execute(update(Entry).where(Entry.seq == 2).values(detail=three))
        session.execute(update(Entry).where(Entry.seq == 3).values(detail=two))
    with database.reading() as session, pytest.raises(Tampered):
        audit.verify(session)


def test_a_cut_tail_shows_against_a_witnessed_head(database: Database, audit: Audit) -> None:
    head = write(database, audit, 4)
    with database.writing() as session:
        session.execute(delete(Entry).where(Entry.seq == 4))
    with database.reading() as session:
        assert audit.verify(session) == 3
        with pytest.raises(Tampered):
            audit.verify(session, head)
    write(database, audit, 1)
    with database.writing() as session:
        audit.append(session, Act("signin.done"))
    with database.reading() as session, pytest.raises(Tampered):
        audit.verify(session, Head(4, "f" * 64))


def test_refusals_of_strangers_are_written_once_a_minute(
    database: Database, audit: Audit, clock: SetClock
) -> None:
    for _ in range(30):
        audit.count_refusal("unsigned")
    with database.reading() as session:
        assert audit.count(session) == 1
    clock.move(seconds=61)
    audit.count_refusal("wrong-key")
    with database.reading() as session:
        entries = session.scalars(select(Entry).order_by(Entry.seq.desc())).all()
    assert [entry.detail for entry in entries] == ['{"unsigned": 29, "wrong-key": 1}', '{"unsigned": 1}']


def test_appending_costs_two_statements(database: Database, audit: Audit) -> None:
    with database.counting() as counted, database.writing() as session:
        audit.append(session, Act("signin.done"))
    assert counted.statements == (2 if database.is_sqlite else 3)
