"""Whether the host of a space shows all its organisations one roster: members compare, and keep what parts as proof.

Rule: a fork is alarmed and never merged; what holds here goes on to hold. Both versions carry the proof of the host's
own key, so whoever sees them sees who signed both. Source: PROTOCOL 2.j; SECURITY C17, TH-19.
"""

from __future__ import annotations

import json
from datetime import datetime
from urllib.parse import quote

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from federation import documents, iris, rekeying, roster
from federation.activity import Document
from federation.errors import EgressError, OutOfScope, RemoteError
from federation.http import Headers, Response
from federation.ports import Relation
from federation.service import ACTIVITY_TYPE
from node.core.db import table_of
from node.core.ground import Ground
from node.core.jobs import every, job
from node.core.values import value
from node.exchange import service as exchange
from node.exchange.service import NodeWork
from node.spaces import tables
from node.spaces.audience import SPACE
from node.spaces.register import Row, register_of
from node.spaces.services import reading

PATH = "/rosters"
OK = 200
MAX_ROSTER_BYTES = 4 * 1024 * 1024

MAX_KEPT = 20
"""Of one space: one proves it all."""

FORK = table_of(tables.RosterFork)


@value
class Fork:
    """Two rosters that the host has proved; `seen_at`: the node that had the other one."""

    at: datetime
    seen_at: str
    ours: Document
    theirs: Document


def answer(work: NodeWork, relation: Relation, space: str) -> Response | None:
    """Our copy of the roster of a space of another host, for an organisation that is on it; None for others."""
    register = register_of(work.session, work.ground)
    row = register.find(space)
    there = any(each.node.node == relation.node for each in register.named(space))
    if row is None or row.hosted or not row.active or not there:
        return None
    body = reading.roster(work.session, space).encode()
    return Response(OK, Headers((("Content-Type", ACTIVITY_TYPE),)), body)


@every(60, "spaces.compare-rosters")
def compare_all(ground: Ground) -> None:
    """Every space of another host that we take part in."""
    with ground.database.reading() as session:
        query = select(SPACE.c.id).where(SPACE.c.hosted.is_(False), SPACE.c.state == "active")
        spaces = session.execute(query).scalars().all()
    for space_id in spaces:
        ground.jobs.enqueue(compare, space_id)


@job("spaces.compare-roster", tries=1)
def compare(ground: Ground, space_id: int) -> None:
    """Asks each member that is a partner of ours, the host left out, for its copy of the roster."""
    with exchange.open_reading(ground) as work:
        row = register_of(work.session, ground).by_id(space_id)
        nodes = work.spaces.nodes(row.iri)
        agreed = exchange.in_force(work)
        partners = [each for each in agreed if each.node in {one.node for one in nodes} - {row.host}]
    if not row.active or row.hosted:
        return
    for partner in partners:
        url = f"{iris.origin(partner.node)}{PATH}?space={quote(row.iri, safe='')}"
        try:
            response = exchange.fetch(ground, partner, url, MAX_ROSTER_BYTES)
        except EgressError:
            continue  # it is asked again
        if response.status == OK:
            _look_at(ground, row, partner, response.body)


@job("spaces.keep-fork")
def keep(ground: Ground, space_id: int, theirs: str, seen_at: str) -> None:
    """Keeps a roster that parts from ours, once, and puts it on record."""
    with exchange.open_work(ground) as work:
        register = register_of(work.session, ground)
        row = register.by_id(space_id)
        ours = reading.roster(work.session, row.iri)
        known = register.execute(select(FORK.c.theirs).where(FORK.c.space_id == space_id)).scalars().all()
        if not ours or theirs in known or len(known) >= MAX_KEPT:
            return
        values = {"space_id": space_id, "at": work.now, "seen_at": seen_at, "ours": ours, "theirs": theirs}
        register.execute(insert(FORK), values)
        version = json.loads(theirs)["version"]
        work.audit.note("space.forked", partner=row.host, subject=row.iri, seen=seen_at, version=version)
        register.changed(row.iri)


def forked_at(session: Session, space_id: int) -> datetime | None:
    """When it was first seen that the host of a space shows different rosters; None as long as it does not."""
    return session.execute(select(func.min(FORK.c.at)).where(FORK.c.space_id == space_id)).scalar()


def evidence(session: Session, space_id: int) -> list[Fork]:
    """The proofs of forks of a space."""
    columns = (FORK.c.at, FORK.c.seen_at, FORK.c.ours, FORK.c.theirs)
    rows = session.execute(select(*columns).where(FORK.c.space_id == space_id).order_by(FORK.c.id))
    return [Fork(row.at, row.seen_at, json.loads(row.ours), json.loads(row.theirs)) for row in rows]


def _look_at(ground: Ground, row: Row, partner: Relation, body: bytes) -> None:
    try:
        with exchange.open_reading(ground) as work:
            theirs = _proved(work, row, body)
            ours = json.loads(reading.roster(work.session, row.iri))
    except RemoteError as error:
        with exchange.open_work(ground) as work:
            work.audit.note("space.roster-wrong", partner=partner.node, problem=error.type, rule=error.detail)
        return
    if roster.parts(ours, theirs):
        keep.run(ground, row.id, json.dumps(theirs, ensure_ascii=False, separators=(",", ":")), partner.node)


def _proved(work: NodeWork, row: Row, body: bytes) -> Document:
    """A roster of this space that its host has proved. Raises Malformed, BadProof, OutOfScope."""
    document, host = documents.loads(body), work.peers.of_node(row.host)
    if host is None:
        raise OutOfScope("The host of the space is no partner any more.")
    if roster.read(document, rekeying.node_key_for(document, host, work)).space != row.iri:
        raise OutOfScope("The roster is of another space.")
    return document
