"""Spaces as somebody may see them: absent and forbidden are the same (SECURITY TH-40).

Rule: every way to a space of somebody who looks passes `seen`, `of_person` or `offered`; nothing else hands one out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from federation.ports import Role
from node.core.errors import Absent
from node.core.hot import Hot
from node.core.values import value
from node.spaces import tables
from node.spaces.audience import MEMBER, MEMBER_NODE, ORGANISATION, PARTICIPANT, SPACE, Organisation

INVITATION = tables.Invitation.__table__.c
MISSING = tables.MissingRev.__table__.c

_SEEN = (
    select(
        SPACE.c.id,
        SPACE.c.key,
        SPACE.c.iri,
        SPACE.c.name,
        SPACE.c.purpose,
        SPACE.c.hosted,
        ORGANISATION.c.node.label("host"),
        SPACE.c.rev,
        SPACE.c.history_from,
        SPACE.c.state,
        MEMBER.c.role,
        MEMBER.c.participant_id,
    )
    .select_from(
        SPACE.join(ORGANISATION, ORGANISATION.c.id == SPACE.c.host_id)
        .join(MEMBER, MEMBER.c.space_id == SPACE.c.id)
        .join(PARTICIPANT, PARTICIPANT.c.id == MEMBER.c.participant_id)
    )
    .where(PARTICIPANT.c.iri == bindparam("actor"), MEMBER.c.until.is_(None), SPACE.c.state == "active")
)
_BY_KEY = Hot(_SEEN.where(SPACE.c.key == bindparam("sought")))
_BY_ID = Hot(_SEEN.where(SPACE.c.id == bindparam("sought")))
_OF_PERSON = _SEEN.order_by(SPACE.c.name)
_PERSON = select(
    PARTICIPANT.c.id,
    PARTICIPANT.c.iri,
    PARTICIPANT.c.key,
    PARTICIPANT.c.name,
    PARTICIPANT.c.handle,
    PARTICIPANT.c.person_id,
    ORGANISATION.c.node,
    ORGANISATION.c.name.label("organisation"),
).select_from(PARTICIPANT.join(ORGANISATION, ORGANISATION.c.id == PARTICIPANT.c.organisation_id))
_PEOPLE_BY_ID = _PERSON.where(PARTICIPANT.c.id.in_(bindparam("sought", expanding=True)))
_PERSON_BY_KEY = _PERSON.where(PARTICIPANT.c.key == bindparam("sought"))


@value
class SpaceSeen:
    """A space that somebody who looks is in, and what he or she is there."""

    id: int
    key: str
    iri: str
    name: str
    purpose: str
    hosted: bool
    host: str
    rev: int
    history_from: date | None
    state: str
    role: Role
    participant_id: int

    @property
    def managed(self) -> bool:
        """Whether the person manages it."""
        return self.role is Role.MANAGER


@value
class PersonSeen:
    """A person of any organisation that some space has or had."""

    id: int
    iri: str
    key: str
    name: str
    handle: str
    person_id: int | None
    node: str
    organisation: str


@value
class Held:
    """A space as its node has it, with the node actor of its host."""

    id: int
    iri: str
    host: str
    hosted: bool


@value
class Share:
    """How many people of an organisation are in a space."""

    organisation: Organisation
    count: int


@value
class Offer:
    """An invitation to us. `shares` are as the host tells them: name, number of people."""

    id: int
    key: str
    space_id: int
    space_key: str
    name: str
    purpose: str
    host: Organisation
    at: datetime
    state: str
    history: str
    history_from: date | None
    retention: list[str]
    shares: list[tuple[str, int]]


def seen(session: Session, key: str, actor: str) -> SpaceSeen:
    """The space of a page. Raises Absent when there is none, or it is not for this person."""
    return _one(session, _BY_KEY, key, actor)


def seen_by_id(session: Session, space_id: int, actor: str) -> SpaceSeen:
    """The space of a row. Raises Absent when it is not for this person."""
    return _one(session, _BY_ID, space_id, actor)


def number_of(session: Session, key: str) -> int:
    """The row of a space, for the command line, where nobody is asked who looks. Raises Absent."""
    number: int | None = session.execute(select(SPACE.c.id).where(SPACE.c.key == key)).scalar()
    if number is None:
        raise Absent(f"no space {key!r}")
    return number


def of_person(session: Session, actor: str) -> list[SpaceSeen]:
    """The spaces that somebody is in, by name."""
    return [_space(row) for row in session.execute(_OF_PERSON, {"actor": actor})]


def shares(session: Session, space_ids: Iterable[int]) -> dict[int, list[Share]]:
    """The organisations of these spaces with how many people each has there, in the order of the roster."""
    numbers = list(space_ids)
    if not numbers:
        return {}
    counted = (
        select(MEMBER.c.space_id, PARTICIPANT.c.organisation_id, func.count().label("people"))
        .select_from(MEMBER.join(PARTICIPANT, PARTICIPANT.c.id == MEMBER.c.participant_id))
        .where(MEMBER.c.space_id.in_(numbers), MEMBER.c.until.is_(None))
        .group_by(MEMBER.c.space_id, PARTICIPANT.c.organisation_id)
        .subquery()
    )
    query = (
        select(
            MEMBER_NODE.c.space_id,
            ORGANISATION.c.id,
            ORGANISATION.c.node,
            ORGANISATION.c.name,
            func.coalesce(counted.c.people, 0).label("people"),
        )
        .select_from(
            MEMBER_NODE.join(ORGANISATION, ORGANISATION.c.id == MEMBER_NODE.c.organisation_id).outerjoin(
                counted,
                (counted.c.space_id == MEMBER_NODE.c.space_id)
                & (counted.c.organisation_id == MEMBER_NODE.c.organisation_id),
            )
        )
        .where(MEMBER_NODE.c.space_id.in_(numbers))
        .order_by(MEMBER_NODE.c.space_id, MEMBER_NODE.c.position)
    )
    found: dict[int, list[Share]] = {}
    for row in session.execute(query):
        share = Share(Organisation(row.id, row.node, row.name), row.people)
        found.setdefault(row.space_id, []).append(share)
    return found


def people(session: Session, numbers: Iterable[int]) -> dict[int, PersonSeen]:
    """The people of these rows, members still or not."""
    wanted = list(set(numbers))
    if not wanted:
        return {}
    return {each.id: each for each in _people(session, _PEOPLE_BY_ID, wanted)}


def participants_of(session: Session, person_id: int) -> list[int]:
    """The rows under which spaces know a person of ours."""
    return list(session.scalars(select(PARTICIPANT.c.id).where(PARTICIPANT.c.person_id == person_id)))


def people_of(session: Session, node: str) -> list[int]:
    """The rows of the people of an organisation."""
    query = select(PARTICIPANT.c.id).join(ORGANISATION, ORGANISATION.c.id == PARTICIPANT.c.organisation_id)
    return list(session.scalars(query.where(ORGANISATION.c.node == node)))


def everywhere(session: Session) -> list[Held]:
    """Every space that this node has or had, whoever is in it."""
    query = select(SPACE.c.id, SPACE.c.iri, SPACE.c.hosted, ORGANISATION.c.node).join(
        ORGANISATION, ORGANISATION.c.id == SPACE.c.host_id
    )
    return [
        Held(row.id, row.iri, row.node, row.hosted) for row in session.execute(query.order_by(SPACE.c.id))
    ]


def name_of(session: Session, space_id: int) -> tuple[str, str]:
    """Key and name of a space, for administrators, whom nobody asks whether they are in it. Raises Absent."""
    row = session.execute(select(SPACE.c.key, SPACE.c.name).where(SPACE.c.id == space_id)).first()
    if row is None:
        raise Absent(f"no space {space_id}")
    return row.key, row.name


def person_by_key(session: Session, key: str) -> PersonSeen:
    """The person of a page. Raises Absent."""
    for each in _people(session, _PERSON_BY_KEY, key):
        return each
    raise Absent(f"no participant {key!r}")


def organisation_name(session: Session, node: str) -> str:
    """What a roster calls the organisation; nothing when none has it."""
    return session.scalar(select(ORGANISATION.c.name).where(ORGANISATION.c.node == node)) or ""


def missing(session: Session, space_id: int) -> tuple[int, datetime | None]:
    """How many revs of another's space are not here, and since when the oldest is missed."""
    row = session.execute(
        select(func.count().label("holes"), func.min(MISSING.since).label("since")).where(
            MISSING.space_id == space_id
        )
    ).one()
    return row.holes, row.since


def missing_revs(session: Session, space_id: int, first: int, last: int) -> list[tuple[int, datetime]]:
    """The revs missing between two, with the moment since when, in order."""
    query = (
        select(MISSING.rev, MISSING.since)
        .where(MISSING.space_id == space_id, MISSING.rev.between(first, last))
        .order_by(MISSING.rev)
    )
    return [(row.rev, row.since) for row in session.execute(query)]


def offered(session: Session) -> list[Offer]:
    """What partners offer us and our admin has not answered, the newest first."""
    return _offers(session, INVITATION.state == "open")


def offer(session: Session, key: str) -> Offer:
    """One such offer. Raises Absent."""
    for each in _offers(session, (INVITATION.state == "open") & (INVITATION.key == key)):
        return each
    raise Absent(f"no open invitation {key!r}")


def joinable(session: Session, actor: str) -> list[Offer]:
    """Spaces of partners that our organisation accepted, and this person is not in."""
    inside = (
        select(MEMBER.c.space_id)
        .select_from(MEMBER.join(PARTICIPANT, PARTICIPANT.c.id == MEMBER.c.participant_id))
        .where(PARTICIPANT.c.iri == actor, MEMBER.c.until.is_(None))
    )
    condition = (INVITATION.state == "accepted") & (SPACE.c.state == "active") & SPACE.c.id.not_in(inside)
    return _offers(session, condition)


def joinable_space(session: Session, key: str, actor: str) -> Offer:
    """One such space by its own key. Raises Absent."""
    for each in joinable(session, actor):
        if each.space_key == key:
            return each
    raise Absent(f"no space {key!r} to join")


def roster(session: Session, iri: str) -> str:
    """The roster in force of a space (JSON), for a partner that is on it; empty where there is none."""
    return session.scalar(select(SPACE.c.roster).where(SPACE.c.iri == iri)) or ""


def _one(session: Session, query: Hot, sought: object, actor: str) -> SpaceSeen:
    row = query.run(session, {"sought": sought, "actor": actor}).first()
    if row is None:
        raise Absent(f"no space {sought!r} for {actor}")
    return _space(row)


def _space(row: Any) -> SpaceSeen:
    return SpaceSeen(**{**row._asdict(), "role": Role(row.role)})


def _people(session: Session, query: Select[Any], sought: object) -> list[PersonSeen]:
    return [PersonSeen(*row) for row in session.connection().execute(query, {"sought": sought})]


def _offers(session: Session, condition: Any) -> list[Offer]:
    query = (
        select(
            INVITATION.id,
            INVITATION.key,
            SPACE.c.id.label("space_id"),
            SPACE.c.key.label("space_key"),
            SPACE.c.name,
            SPACE.c.purpose,
            ORGANISATION.c.id.label("organisation_id"),
            ORGANISATION.c.node,
            ORGANISATION.c.name.label("organisation"),
            INVITATION.at,
            INVITATION.state,
            INVITATION.history,
            INVITATION.history_from,
            INVITATION.terms,
        )
        .join(SPACE, SPACE.c.id == INVITATION.space_id)
        .join(ORGANISATION, ORGANISATION.c.id == INVITATION.organisation_id)
        .where(condition, INVITATION.outgoing.is_(False))
        .order_by(INVITATION.at.desc())
    )
    return [_offer(row) for row in session.execute(query)]


def _offer(row: Any) -> Offer:
    terms: Mapping[str, Any] = json.loads(row.terms)
    return Offer(
        id=row.id,
        key=row.key,
        space_id=row.space_id,
        space_key=row.space_key,
        name=row.name,
        purpose=row.purpose,
        host=Organisation(row.organisation_id, row.node, row.organisation),
        at=row.at,
        state=row.state,
        history=row.history,
        history_from=row.history_from,
        retention=list(terms["retention"]),
        shares=[(name, count) for name, count in terms["shares"]],
    )
