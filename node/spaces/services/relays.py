"""What the other organisations of a partner's space have receipted: asked of its host, verified, kept for the author.

Rule: the host relays, the member proves: a receipt that no key of the roster proves, or that does not lead to bytes
which we have, is dropped and put on record. Asked at most every 30 s, while somebody looks, else hourly.
Source: PROTOCOL 2.j (*Delivery state for the author*).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.orm import Session

from federation import iris, relay, roster
from federation.errors import EgressError, RemoteError
from federation.http import Headers, Response
from federation.keys import PublicKey
from federation.ports import MemberNode, Relation
from node.core.db import table_of
from node.core.ground import Ground
from node.core.jobs import every, job
from node.core.values import value
from node.exchange import relays as held
from node.exchange import service as exchange
from node.exchange.packing import pack
from node.exchange.service import NodeWork
from node.spaces import tables
from node.spaces.audience import MEMBER_NODE, ORGANISATION, SPACE
from node.spaces.register import TURN, Row, register_of
from node.spaces.services.reading import SpaceSeen

EVERY = timedelta(seconds=30)
UNCONFIRMED = timedelta(hours=24)
WINDOW = 200
"""How many revs are asked for at once."""
MAX_ANSWER_BYTES = 4 * 1024 * 1024
MIN_ORGANISATIONS = 3
OK = 200

RELAY = table_of(tables.Relay)
RECEIPT = table_of(tables.RelayedReceipt)
MARK = table_of(tables.RelayedMark)


@value
class Relayed:
    """Where what has a rev stands at an organisation behind the host, by its own receipt."""

    state: Literal["delivered", "refused"]
    at: datetime
    reason: str = ""


# -- as the host


def answer(work: NodeWork, relation: Relation, space: str, after: int) -> Response | None:
    """The receipts over what this space announced after a rev, for an organisation that is in it; None for others."""
    register = register_of(work.session, work.ground)
    row = register.find(space)
    nodes = [each.node.node for each in register.named(space)]
    if row is None or not row.hosted or relation.node not in nodes:
        return None
    turns = select(TURN.c.activity).where(TURN.c.space_id == row.id, TURN.c.rev > after)
    told = work.session.execute(turns.order_by(TURN.c.rev).limit(WINDOW)).scalars().all()
    others = [each for each in nodes[1:] if each != relation.node]
    body = relay.write(held.relayed(work, relation, told, others))
    return Response(OK, Headers((("Content-Type", relay.MEDIA_TYPE),)), body)


# -- as a member


def marks(session: Session, space_id: int, rev: int) -> dict[str, Relayed]:
    """Where what has this rev stands at the organisations behind the host, by node actor."""
    query = (
        select(ORGANISATION.c.node, MARK.c.outcome, MARK.c.reason, RECEIPT.c.at)
        .join_from(MARK, ORGANISATION, ORGANISATION.c.id == MARK.c.organisation_id)
        .join(RECEIPT, RECEIPT.c.id == MARK.c.receipt_id)
        .where(MARK.c.space_id == space_id, MARK.c.rev == rev)
    )
    return {
        row.node: Relayed("refused" if row.outcome == "rejected" else "delivered", row.at, row.reason)
        for row in session.execute(query)
    }


def settled(session: Session, space_id: int) -> int:
    """Up to which rev all have receipted, proved one by one or not."""
    return session.execute(select(RELAY.c.rev).where(RELAY.c.space_id == space_id)).scalar() or 0


def look(ground: Ground, session: Session, space: SpaceSeen) -> None:
    """Somebody looks at a space: its host is asked for receipts, when it is a partner's and time."""
    if space.hosted:
        return
    organisations = select(func.count()).where(MEMBER_NODE.c.space_id == space.id).scalar_subquery()
    asked = select(RELAY.c.asked_at).where(RELAY.c.space_id == space.id).scalar_subquery()
    found = session.execute(select(organisations.label("organisations"), asked.label("asked"))).one()
    is_time = found.asked is None or ground.clock.now() - found.asked >= EVERY
    if found.organisations >= MIN_ORGANISATIONS and is_time:
        ground.jobs.enqueue(pull, space.id)


@every(60, "spaces.relays")
def pull_all(ground: Ground) -> None:
    """Nobody need look: what was said is confirmed in the end."""
    with ground.database.reading() as session:
        there = (
            select(MEMBER_NODE.c.space_id)
            .join(SPACE, SPACE.c.id == MEMBER_NODE.c.space_id)
            .where(SPACE.c.hosted.is_(False), SPACE.c.state == "active")
            .group_by(MEMBER_NODE.c.space_id)
            .having(func.count() >= MIN_ORGANISATIONS)
        )
        spaces = session.execute(there).scalars().all()
    for space_id in spaces:
        ground.jobs.enqueue(pull, space_id)


@job("spaces.pull-receipts", tries=1)
def pull(ground: Ground, space_id: int) -> None:
    """Asks the host of a space for receipts of the others, and keeps what they prove of our own words."""
    asked = _begin(ground, space_id)
    if asked is None:
        return
    row, relation, after = asked
    try:
        url = f"{row.iri}/receipts?after={after}"
        response = exchange.fetch(ground, relation, url, MAX_ANSWER_BYTES)
    except EgressError:
        return  # it is asked again
    if response.status == OK:
        with exchange.open_work(ground) as work:
            _take(work, row, relation, response.body)


def _begin(ground: Ground, space_id: int) -> tuple[Row, Relation, int] | None:
    """The space, its host and the rev after which to ask; None when it is not the time, or nobody is there to ask."""
    with exchange.open_work(ground) as work:
        register, now = register_of(work.session, ground), work.now
        row = register.by_id(space_id)
        relation = None if row.hosted or not row.active else work.peers.of_node(row.host)
        if relation is None or relation not in exchange.in_force(work):
            return None
        again = update(RELAY).where(
            RELAY.c.space_id == space_id, or_(RELAY.c.asked_at.is_(None), RELAY.c.asked_at <= now - EVERY)
        )
        known = register.execute(select(RELAY.c.rev).where(RELAY.c.space_id == space_id)).scalar()
        if known is None:
            register.execute(insert(RELAY), {"space_id": space_id, "rev": 0, "asked_at": now})
        elif register.execute(again.values(asked_at=now)).rowcount == 0:
            return None
        return row, relation, max(known or 0, row.first_rev - 1, row.rev - WINDOW)


def _take(work: NodeWork, row: Row, host: Relation, body: bytes) -> None:
    register = register_of(work.session, work.ground)
    members = {
        each.node.node: (each.id, each.node)
        for each in register.named(row.iri)
        if each.node.node not in {host.node, work.node}
    }
    keys = {node: _keys(work, row.iri, member) for node, (_, member) in members.items()}
    reached: dict[str, set[int]] = {node: set() for node in members}
    changed = False
    try:
        lines = list(relay.lines(body))
    except RemoteError as error:
        return _refuse(work, host, error)
    for line in lines:
        try:
            confirmed = relay.read(line, host.node, keys)
        except RemoteError as error:
            _refuse(work, host, error)
            continue
        revs = _revs(work, row, confirmed)
        reached[confirmed.node] |= revs.keys()
        own = {rev: outcome for rev, (outcome, ours) in revs.items() if ours}
        changed |= _keep(work, row, members[confirmed.node][0], confirmed.at, line, own)
    _advance(work, row, min((max(revs, default=0) for revs in reached.values()), default=0))
    if changed:
        register.changed(row.iri)
    return None


def _keys(work: NodeWork, space: str, member: MemberNode) -> Sequence[PublicKey]:
    """Those that prove receipts of a member: as the roster names it, now or before; of a partner, as we know it."""
    named = [roster.key_of(member)]
    named += [
        roster.key_of(MemberNode(each.node, each.name, each.key, "", ""))
        for each in work.spaces.former(space)
        if each.node == member.node
    ]
    relation = work.peers.of_node(member.node)
    return named if relation is None else [*relation.keys, *named]


def _revs(work: NodeWork, row: Row, confirmed: relay.Confirmed) -> dict[int, tuple[Any, bool]]:
    """The revs of Announces of this space, in the bytes that we have: the outcome, and whether the words are ours."""
    found = {}
    for activity, (content_digest, outcome) in confirmed.outcomes.items():
        announced = work.journal.get(activity)
        if announced is None or announced.actor != row.iri or announced.rev is None:
            continue
        if announced.content_digest != content_digest:
            # The member has signed that the host told it something else under this id.
            work.audit.note("space.told-otherwise", partner=row.host, subject=activity, by=confirmed.node)
        else:
            author = str((announced.object or {}).get("actor"))
            found[announced.rev] = (outcome, iris.same_origin(author, work.node))
    return found


def _keep(work: NodeWork, row: Row, organisation: int, at: str, line: bytes, own: Mapping[int, Any]) -> bool:
    """Keeps the receipt when it proves anything new; whether it did."""
    register = register_of(work.session, work.ground)
    there = select(MARK.c.rev).where(
        MARK.c.space_id == row.id, MARK.c.organisation_id == organisation, MARK.c.rev.in_(own)
    )
    new = own.keys() - set(register.execute(there).scalars()) if own else set()
    if not new:
        return False
    values = {
        "space_id": row.id,
        "organisation_id": organisation,
        "at": datetime.fromisoformat(at),
        "document": pack(line.decode("utf-8")),
    }
    number = register.execute(insert(RECEIPT).returning(RECEIPT.c.id), values).scalar_one()
    for rev in sorted(new):
        problem = own[rev].problem or {}
        register.execute(
            insert(MARK),
            {
                "space_id": row.id,
                "rev": rev,
                "organisation_id": organisation,
                "receipt_id": number,
                "outcome": own[rev].outcome,
                "reason": str(problem.get("title") or ""),
            },
        )
    return True


def _advance(work: NodeWork, row: Row, rev: int) -> None:
    """Up to here all have receipted: as streams are in order, nothing more is proved of what comes before."""
    known = update(RELAY).where(RELAY.c.space_id == row.id, RELAY.c.rev < rev)
    work.session.connection().execute(known.values(rev=rev))


def _refuse(work: NodeWork, host: Relation, error: RemoteError) -> None:
    work.audit.note("receipt.relayed-wrong", partner=host.node, problem=error.type, rule=error.detail)
