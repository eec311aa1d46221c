"""Who asks to come into a space of ours: seen by its managers, let in or declined by one of them.

Rule: a request gives nothing; who is let in becomes a member by the manager's own Add, and only when his or her
organisation is on the roster; its admin is asked by sharing the space, not here. The space then answers the Follow.
Source: PROTOCOL 2.j (*The life of a shared space*, 5); FEP-1b12.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from federation.activity import Document
from federation.ports import Relation, State
from node.core.audit import Act
from node.core.db import table_of
from node.core.errors import Absent
from node.core.ground import Ground
from node.core.values import value
from node.exchange import service as exchange
from node.exchange.service import NodeWork
from node.spaces import tables
from node.spaces.audience import MEMBER, PARTICIPANT, SPACE
from node.spaces.register import Person, register_of, said
from node.spaces.services import reading
from node.spaces.services.spaces import By, Refused, adding, managed, saying

MAX_SHOWN = 100

_REQUEST = table_of(tables.JoinRequest)
_OPEN = (
    select(
        _REQUEST.c.id,
        _REQUEST.c.key,
        _REQUEST.c.activity,
        _REQUEST.c.participant_iri,
        _REQUEST.c.node,
        _REQUEST.c.at,
    )
    .order_by(_REQUEST.c.id)
    .limit(MAX_SHOWN)
)


@value
class Request:
    """Somebody who asks. `node`: of whose organisation; `may_enter`: it is on the roster."""

    key: str
    iri: str
    name: str
    handle: str
    node: str
    at: datetime
    may_enter: bool


@value
class Waiting:
    """How many people of one organisation ask to come into one space."""

    space_key: str
    space: str
    node: str
    count: int


def waiting(session: Session, actor: str) -> list[Waiting]:
    """What waits for this person as a manager, by space and organisation."""
    query = (
        select(SPACE.c.key, SPACE.c.name, _REQUEST.c.node, func.count())
        .select_from(
            _REQUEST.join(SPACE, SPACE.c.id == _REQUEST.c.space_id)
            .join(MEMBER, MEMBER.c.space_id == SPACE.c.id)
            .join(PARTICIPANT, PARTICIPANT.c.id == MEMBER.c.participant_id)
        )
        .where(
            PARTICIPANT.c.iri == actor,
            MEMBER.c.until.is_(None),
            MEMBER.c.role == "manager",
            SPACE.c.hosted,
        )
        .group_by(SPACE.c.key, SPACE.c.name, _REQUEST.c.node)
        .order_by(SPACE.c.name, _REQUEST.c.node)
    )
    return [Waiting(*row) for row in session.execute(query)]


def count(session: Session, space: reading.SpaceSeen) -> int:
    """How many ask to come into a space of ours."""
    query = select(func.count()).where(_REQUEST.c.space_id == space.id)
    return session.execute(query).scalar_one()


def listed(session: Session, ground: Ground, key: str, by: By) -> list[Request]:
    """Who asks to come into a space that the person manages, who asked first comes first. Raises Absent, Refused."""
    space = managed(session, key, by)
    if not space.hosted:
        return []
    actors = ground.work(session).actors
    there = {each.organisation.node for each in reading.shares(session, [space.id]).get(space.id, [])}
    found = []
    for row in session.execute(_OPEN.where(_REQUEST.c.space_id == space.id)):
        document: Document | None = actors.document(row.participant_iri)
        person = Person("", "") if document is None else said(document)
        found.append(
            Request(
                row.key,
                row.participant_iri,
                person.name,
                person.handle,
                row.node,
                row.at,
                row.node in there,
            )
        )
    return found


def answer(ground: Ground, by: By, key: str, request_key: str, *, accept: bool) -> None:
    """A manager lets somebody in, or declines. Raises Absent, Refused."""
    with saying(ground) as work:
        space = managed(work.session, key, by)
        row = _request(work, space.id, request_key)
        relation = work.peers.of_node(row.node)
        if accept:
            register = register_of(work.session, ground)
            if row.node not in {each.node.node for each in register.named(space.iri)}:
                raise Refused(_("Their organisation is not in this space. Share the space with it first."))
            if register.role(space.iri, row.participant_iri) is None:
                exchange.publish(ground, work, adding(space.iri, row.participant_iri), by.actor, by.sign_in)
        work.session.connection().execute(delete(_REQUEST).where(_REQUEST.c.id == row.id))
        _tell(work, relation, space.iri, row, accept=accept)
        action = "space.request-accepted" if accept else "space.request-declined"
        ground.audit.append(work.session, Act(action, by.actor, peer=row.node, subject=row.participant_iri))


def _request(work: NodeWork, space_id: int, key: str) -> Any:
    query = _OPEN.where(_REQUEST.c.space_id == space_id, _REQUEST.c.key == key)
    found = work.session.execute(query).first()
    if found is None:
        raise Absent(f"no open request {key!r}")
    return found


def _tell(work: NodeWork, relation: Relation | None, iri: str, row: Any, *, accept: bool) -> None:
    """The answer of the space. Who has no agreement with us any more is not told."""
    if relation is None or relation.state is not State.IN_FORCE:
        return
    answered = {
        "type": "Accept" if accept else "Reject",
        "to": [row.participant_iri],
        "audience": iri,
        "object": {"id": row.activity, "type": "Follow", "actor": row.participant_iri, "object": iri},
    }
    exchange.tell(work.ground, work, relation, answered, iri)
