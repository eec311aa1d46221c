"""Statements of the hot path answer as the session does: values, types, counts, errors; and they are counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from sqlalchemy import Table, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from node.core.db import BigKey, Database, Moment
from node.core.hot import Hot, execute

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class _Base(DeclarativeBase):
    pass


class Drawer(_Base):
    __tablename__ = "drawer"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    label: Mapped[str] = mapped_column(unique=True)
    raw: Mapped[bytes]
    at: Mapped[datetime | None] = mapped_column(Moment())


DRAWER = cast("Table", Drawer.__table__)
PUT = Hot(insert(DRAWER))
FIND = Hot(select(DRAWER.c.id, DRAWER.c.raw, DRAWER.c.at).where(DRAWER.c.label == bindparam("sought")))
COUNT = Hot(select(func.coalesce(func.max(DRAWER.c.id), 0)))
MOVE = Hot(update(DRAWER).where(DRAWER.c.label == bindparam("sought")).values(at=bindparam("then")))
TAKE = Hot(delete(DRAWER).where(DRAWER.c.label == bindparam("sought")).returning(DRAWER.c.id))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    _Base.metadata.create_all(database.engine)
    yield database
    database.close()


def drawer(label: str, at: datetime | None = NOON) -> dict[str, Any]:
    return {"label": label, "raw": label.encode(), "at": at}


def test_rows_come_back_with_names_and_types(database: Database) -> None:
    with database.writing() as session:
        PUT.run(session, drawer("a"))
        PUT.run_all(session, [drawer("b", None), drawer("c")])
        found = FIND.run(session, {"sought": "a"}).one()
        assert (found.raw, found.at) == (b"a", NOON)
        assert FIND.run(session, {"sought": "b"}).one().at is None
        assert FIND.run(session, {"sought": "z"}).first() is None
        assert FIND.run(session, {"sought": "z"}).scalar() is None
        assert COUNT.run(session).scalar_one() == 3
    with database.reading() as session:
        assert [row.raw for row in FIND.run(session, {"sought": "c"})] == [b"c"]


def test_a_change_says_how_many_rows_it_found(database: Database) -> None:
    with database.writing() as session:
        PUT.run(session, drawer("a", None))
        assert MOVE.run(session, {"sought": "a", "then": NOON}).rowcount == 1
        assert MOVE.run(session, {"sought": "z", "then": NOON}).rowcount == 0
        assert FIND.run(session, {"sought": "a"}).one().at == NOON
        assert len(TAKE.run(session, {"sought": "a"}).scalars()) == 1


def test_an_insert_takes_the_columns_that_it_is_given(database: Database) -> None:
    with database.writing() as session:
        PUT.run(session, drawer("a"))
        PUT.run(session, {"id": 7, **drawer("b")})
        PUT.run(session, drawer("c"))
        assert FIND.run(session, {"sought": "b"}).one().id == 7


def test_it_is_part_of_the_unit_of_work(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        PUT.run(session, drawer("a"))
        _ = 1 / 0
    with database.reading() as session:
        assert COUNT.run(session).scalar_one() == 0


@pytest.mark.parametrize("rows", [1, 2])
def test_errors_are_those_of_sqlalchemy(database: Database, rows: int) -> None:
    with pytest.raises(IntegrityError) as caught, database.writing() as session:
        PUT.run(session, drawer("once"))
        execute(session, PUT, [drawer("once")] * rows)
    assert caught.value.params is None


def test_each_run_counts_as_a_statement(database: Database) -> None:
    with database.counting() as count, database.writing() as session:
        PUT.run_all(session, [drawer("a"), drawer("b")])
        execute(session, FIND, {"sought": "a"})
        execute(session, PUT, [drawer("c"), drawer("d")])
        execute(session, select(DRAWER.c.id)).all()
    assert (count.statements, count.commits) == (4, 1)
