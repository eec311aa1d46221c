"""Posts as leaves of the copy of a space: what each is now, and the activity that says it.

Rule: bodies are not read here; they are the exchange's. What is set aside has no place
and no reader, but stays as it was.
Source: PROTOCOL 2.c.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from node.core.db import table_of
from node.core.ground import Ground
from node.threads import tables
from node.threads.posts import ACCEPTED, PENDING, POST, digest_of, posts_of

VERSION = table_of(tables.Version)

ASIDE = "aside"
READ_AT_ONCE = 500

_LAST_EDIT = (
    select(VERSION.c.activity)
    .where(VERSION.c.post_id == POST.c.id)
    .order_by(VERSION.c.number.desc())
    .limit(1)
    .scalar_subquery()
)
_COPIES = select(
    POST.c.id,
    POST.c.iri,
    POST.c.rev,
    POST.c.changed_rev,
    POST.c.state,
    func.coalesce(_LAST_EDIT, POST.c.activity).label("activity"),
)


class Copied(NamedTuple):
    """A post that has its place: `born` is the rev that brought it, `rev` the last that changed it; `activity` says it
    as it is now.
    """

    iri: str
    born: int
    rev: int
    live: bool
    activity: str


def posts(session: Session, space_id: int, since: int) -> Iterator[Sequence[Copied]]:
    """The posts of a space that changed with this rev or later, tombstones included, some hundred at a time."""
    last = 0
    here = _COPIES.where(POST.c.space_id == space_id, POST.c.changed_rev >= since)
    placed = here.order_by(POST.c.rev).limit(READ_AT_ONCE)
    while rows := session.execute(placed.where(POST.c.rev > last)).all():
        yield [_copied(row) for row in rows]
        last = rows[-1].rev
    last = 0
    buried = here.where(POST.c.rev.is_(None)).order_by(POST.c.id).limit(READ_AT_ONCE)
    while rows := session.execute(buried.where(POST.c.id > last)).all():
        yield [_copied(row) for row in rows]
        last = rows[-1].id


def summary(session: Session, space_id: int) -> tuple[int, int, int]:
    """How many posts and tombstones have a place, the sum of the revs that changed them, and how many live: what two
    lists of them have in common unless something was lost.
    """
    live = func.sum(case((POST.c.state == ACCEPTED, 1), else_=0))
    query = select(func.count(), func.sum(POST.c.changed_rev), live).where(
        POST.c.space_id == space_id, POST.c.changed_rev.is_not(None)
    )
    count, revs, alive = session.execute(query).one()
    return int(count), int(revs or 0), int(alive or 0)


def counts(session: Session, space_id: int) -> dict[int, int]:
    """How many of them there are by the first byte of SHA-256 of their IRIs."""
    first = func.substr(POST.c.digest, 1, 1)
    query = select(first, func.count()).where(POST.c.space_id == space_id, POST.c.changed_rev.is_not(None))
    return {number[0]: count for number, count in session.execute(query.group_by(first))}


def named(session: Session, space_id: int, iris: Iterable[str]) -> Sequence[Copied]:
    """Those of these that are posts with a place in the space, or tombstones."""
    here = _COPIES.where(POST.c.space_id == space_id, POST.c.changed_rev.is_not(None))
    rows = session.execute(here.where(POST.c.digest.in_([digest_of(each) for each in iris])))
    return [_copied(row) for row in rows]


def _copied(row: Any) -> Copied:
    return Copied(row.iri, row.rev or 0, row.changed_rev, row.state == ACCEPTED, row.activity)


def here(session: Session, iris: Iterable[str]) -> set[str]:
    """Which of these are posts with a place, or tombstones."""
    query = select(POST.c.iri).where(
        POST.c.digest.in_([digest_of(each) for each in iris]), POST.c.changed_rev.is_not(None)
    )
    return set(session.execute(query).scalars())


def born(session: Session, iris: Iterable[str]) -> dict[str, int]:
    """By which rev each of these posts came, of those that are here with a place."""
    query = select(POST.c.iri, POST.c.rev).where(
        POST.c.digest.in_([digest_of(each) for each in iris]), POST.c.rev.is_not(None)
    )
    return {row.iri: row.rev for row in session.execute(query)}


def unplaced(session: Session, space_id: int) -> dict[str, str]:
    """Posts of our people that still wait for the host of the space, with the activity that brought each."""
    query = select(POST.c.iri, POST.c.activity).where(
        POST.c.space_id == space_id, POST.c.rev.is_(None), POST.c.state == PENDING
    )
    return {row.iri: row.activity for row in session.execute(query)}


def set_aside(session: Session, ground: Ground, iris: Iterable[str]) -> None:
    """Hide from all readers what only we have; a later Announce of its host gives it a place again."""
    kept = posts_of(session, ground)
    for iri in iris:
        known = kept.find(iri)
        if known is None or known.gone or known.rev is None:
            continue
        number = kept.number(known)
        hidden = update(POST).where(POST.c.id == number)
        session.execute(hidden.values(state=ASIDE, rev=None, changed_rev=None))
        kept.change(known.space_id, number)
        kept.register.changed(kept.register.by_id(known.space_id).iri)
