"""Spaces as copies that can be compared: their order, their people, and from which rev on an organisation sees them.

Source: PROTOCOL 2.c, 2.j.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from node.core.db import table_of
from node.core.errors import Absent
from node.core.values import value
from node.spaces import tables
from node.spaces.register import INVITATION, MEMBER, MEMBER_NODE, ORGANISATION, PARTICIPANT, SPACE

TURN = table_of(tables.Turn)
MISSING = table_of(tables.MissingRev)

_SPACE = select(
    SPACE.c.id,
    SPACE.c.key,
    SPACE.c.iri,
    SPACE.c.name,
    SPACE.c.hosted,
    ORGANISATION.c.node.label("host"),
    SPACE.c.rev,
    SPACE.c.first_rev,
).select_from(SPACE.join(ORGANISATION, ORGANISATION.c.id == SPACE.c.host_id))


@value
class Copied:
    """A space that is in use here; `host` is a node actor."""

    id: int
    key: str
    iri: str
    name: str
    hosted: bool
    host: str
    rev: int
    first_rev: int


@value
class Person:
    """Who is or was in a space: `rev` made it so."""

    actor: str
    role: str
    rev: int
    gone: bool


def by_iri(session: Session, iri: str) -> Copied | None:
    """The space of this IRI, if it is in use here."""
    return _one(session, SPACE.c.iri == iri)


def by_id(session: Session, space_id: int) -> Copied:
    """The space of a row. Raises Absent."""
    found = _one(session, SPACE.c.id == space_id)
    if found is None:
        raise Absent(f"no space {space_id}")
    return found


def by_key(session: Session, key: str) -> Copied:
    """The space of a page. Raises Absent."""
    found = _one(session, SPACE.c.key == key)
    if found is None:
        raise Absent(f"no space {key!r}")
    return found


def everything(session: Session) -> list[Copied]:
    """All spaces in use, by name."""
    return [
        Copied(*row)
        for row in session.execute(_SPACE.where(SPACE.c.state == "active").order_by(SPACE.c.name))
    ]


def of_host(session: Session, node: str) -> list[Copied]:
    """Our copies of the spaces that this node hosts."""
    return [each for each in everything(session) if each.host == node and not each.hosted]


def nodes(session: Session, space_id: int) -> list[str]:
    """The node actors of the roster in force, the host first."""
    query = (
        select(ORGANISATION.c.node)
        .select_from(MEMBER_NODE.join(ORGANISATION, ORGANISATION.c.id == MEMBER_NODE.c.organisation_id))
        .where(MEMBER_NODE.c.space_id == space_id)
        .order_by(MEMBER_NODE.c.position)
    )
    return list(session.execute(query).scalars())


def people(session: Session, space_id: int) -> list[Person]:
    """Who is or was a member, but for those whose leaving no roster has said yet."""
    query = (
        select(PARTICIPANT.c.iri, MEMBER.c.role, MEMBER.c.rev, MEMBER.c.until)
        .select_from(MEMBER.join(PARTICIPANT, PARTICIPANT.c.id == MEMBER.c.participant_id))
        .where(MEMBER.c.space_id == space_id, MEMBER.c.rev.is_not(None))
    )
    return [Person(row.iri, row.role, row.rev, row.until is not None) for row in session.execute(query)]


def whole_to(session: Session, space: Copied) -> int:
    """Up to which rev our copy has no hole; what a space of ours lacks after a restore nobody has any more."""
    first = session.scalar(select(func.min(MISSING.c.rev)).where(MISSING.c.space_id == space.id))
    return space.rev if first is None or space.hosted else first - 1


def seen_from(session: Session, space: Copied, node: str) -> tuple[int, int]:
    """What a partner on the roster of a space of ours sees: posts from which rev on, people who left after which.

    The second is the last leaving that it was not there for, so that those who miss the same have the same view.
    """
    query = (
        select(INVITATION.c.history, INVITATION.c.history_from, INVITATION.c.entered_rev)
        .join(ORGANISATION, ORGANISATION.c.id == INVITATION.c.organisation_id)
        .where(INVITATION.c.space_id == space.id, INVITATION.c.outgoing, ORGANISATION.c.node == node)
        .order_by(INVITATION.c.id.desc())
        .limit(1)
    )
    offered = session.execute(query).first()
    if offered is None:
        return 0, 0
    gone = select(func.max(MEMBER.c.rev)).where(
        MEMBER.c.space_id == space.id, MEMBER.c.until.is_not(None), MEMBER.c.rev <= offered.entered_rev
    )
    return _told_from(session, space, offered), session.scalar(gone) or 0


def _told_from(session: Session, space: Copied, offered: Any) -> int:
    if offered.history == "all":
        return 0
    if offered.history == "none":
        return int(offered.entered_rev)
    begins = datetime.combine(offered.history_from, time.min, UTC)
    first = session.scalar(
        select(func.min(TURN.c.rev)).where(
            TURN.c.space_id == space.id,
            TURN.c.at >= int(begins.timestamp()),
            TURN.c.rev < offered.entered_rev,
        )
    )
    return int(first or offered.entered_rev)


def nothing_missing(session: Session, space_id: int, rev: int) -> None:
    """Up to this rev the copy is as its host's: what did not come was erased before it could."""
    session.execute(delete(MISSING).where(MISSING.c.space_id == space_id, MISSING.c.rev <= rev))


def turns_after(session: Session, space_id: int, rev: int, most: int) -> list[str]:
    """What took the revs after this one, oldest first: ids of activities."""
    query = select(TURN.c.activity).where(TURN.c.space_id == space_id, TURN.c.rev > rev).order_by(TURN.c.rev)
    return list(session.execute(query.limit(most)).scalars())


def turns_at(session: Session, space_id: int, revs: Iterable[int]) -> list[str]:
    """What took these revs, oldest first."""
    query = select(TURN.c.activity).where(TURN.c.space_id == space_id, TURN.c.rev.in_(sorted(set(revs))))
    return list(session.execute(query.order_by(TURN.c.rev)).scalars())


def _one(session: Session, condition: Any) -> Copied | None:
    row = session.execute(_SPACE.where(condition, SPACE.c.state == "active")).first()
    return None if row is None else Copied(*row)
