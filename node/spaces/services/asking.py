"""One of ours asks to come into a partner's space, by its address; what the space answers.

Rule: a request gives nothing, and says nothing of whether there is such a space: until it answers, it waits. The space
is kept by its address alone, so that its answer is let in. Source: PROTOCOL 2.j (*The life of a shared space*, 5).
"""

from __future__ import annotations

from datetime import datetime

from flask_babel import lazy_gettext as _
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from federation import iris
from federation.errors import Malformed
from federation.ports import Relation, State
from node.core import ids
from node.core.audit import Act
from node.core.db import table_of
from node.core.errors import Invalid
from node.core.ground import Ground
from node.core.values import value
from node.exchange import service as exchange
from node.exchange.service import NodeWork
from node.spaces import tables
from node.spaces.audience import ORGANISATION, SPACE
from node.spaces.register import register_of
from node.spaces.services.spaces import By, saying

MAX_OPEN = 20
MAX_SHOWN = 20

_ASKED = table_of(tables.Asked)


@value
class Asked:
    """A request of one of ours. `state`: open, accepted, declined; `node`: who keeps the space."""

    address: str
    node: str
    state: str
    at: datetime
    answered_at: datetime | None


def listed(session: Session, actor: str) -> list[Asked]:
    """What a person has asked for, the latest first."""
    query = (
        select(SPACE.c.iri, ORGANISATION.c.node, _ASKED.c.state, _ASKED.c.at, _ASKED.c.answered_at)
        .select_from(
            _ASKED.join(SPACE, SPACE.c.id == _ASKED.c.space_id).join(
                ORGANISATION, ORGANISATION.c.id == SPACE.c.host_id
            )
        )
        .where(_ASKED.c.actor == actor)
        .order_by(_ASKED.c.id.desc())
        .limit(MAX_SHOWN)
    )
    return [Asked(*row) for row in session.execute(query)]


def ask(ground: Ground, by: By, address: str) -> None:
    """Asks the space at this address to let the person in. Raises Invalid, Refused."""
    with saying(ground) as work:
        relation = _host_of(work, address)
        register = register_of(work.session, ground)
        known = register.find(address)
        if known is not None and known.active:
            raise _wrong(_("Your organisation is in this space already: join it under “Spaces open to us”."))
        mine = select(func.count()).where(_ASKED.c.actor == by.actor, _ASKED.c.state == "open")
        if known is not None:
            same = mine.where(_ASKED.c.space_id == known.id)
            if work.session.execute(same).scalar_one():
                raise _wrong(_("You have asked already, and wait for the answer."))
        if work.session.execute(mine).scalar_one() >= MAX_OPEN:
            raise _wrong(_("Too many of your requests wait for an answer."))
        if known is None:
            _keep(work, address, relation)
        said = {"type": "Follow", "to": [address], "audience": address, "object": address}
        activity = exchange.tell(ground, work, relation, said, by.actor, by.sign_in)
        values = {
            "activity": activity.id,
            "space_id": register.get(address).id,
            "actor": by.actor,
            "state": "open",
            "at": work.now,
            "answered_at": None,
        }
        register.execute(insert(_ASKED), values)
        ground.audit.append(work.session, Act("space.asked", by.actor, peer=relation.node, subject=address))


def _host_of(work: NodeWork, address: str) -> Relation:
    """The partner on whose node the address lies. Raises Invalid."""
    try:
        iris.check_canonical(address)
        relation = work.peers.of_origin(iris.origin(address))
    except Malformed as error:
        raise _wrong(_("This is no address of a space. It begins with https://.")) from error
    if relation is None or relation.state is not State.IN_FORCE:
        raise _wrong(_("No partner that we have a charter with keeps a space at this address."))
    return relation


def _keep(work: NodeWork, address: str, relation: Relation) -> None:
    register = register_of(work.session, work.ground)
    values = {
        "key": ids.wire_id(),
        "iri": address,
        "host_id": register.organisation(relation.node, relation.name, relation.keys[0].multibase),
        "hosted": False,
        "name": "",
        "purpose": "",
        "rev": 0,
        "first_rev": 0,
        "roster_version": 0,
        "roster": "",
        "member_rev": 0,
        "state": "asked",
        "history_from": None,
        "created_at": work.now,
    }
    register.execute(insert(tables.Space), values)
    register.forget(address)


def _wrong(sentence: str) -> Invalid:
    return Invalid(_("Nothing was asked."), errors={"address": sentence})
