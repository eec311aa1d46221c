"""Actors of other nodes, as they were introduced: documents, keys, and since when they hold.

Rule: nothing is fetched. A later document takes the place of the one before; a key that it no longer names ends, and
is kept for what it proved until then. No end is taken back or put off. Source: PROTOCOL 2.c, 2.j, *Introductions*.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from federation import digest, documents, rekeying
from federation.activity import Document
from federation.keys import PublicKey, SigningKey
from federation.ports import Relation
from node.core.clock import rfc3339
from node.core.db import table_of
from node.core.ground import Ground
from node.core.values import value
from node.exchange import tables
from node.exchange.packing import unpack
from node.exchange.unit import ACTIVITY, IN_ENTRY, LANE, STREAM, unit_of

ACTOR = table_of(tables.RemoteActor)
KEY = table_of(tables.RemoteKey)
GIVEN = table_of(tables.Given)
FLAG = table_of(tables.Flag)

_KEY = (
    select(KEY.c.raw, KEY.c.valid_until)
    .where(KEY.c.key_id == bindparam("name"))
    .order_by(KEY.c.valid_until.is_not(None), KEY.c.id.desc())
    .limit(1)
)
_DOCUMENT = select(ACTOR.c.document, ACTOR.c.digest).where(ACTOR.c.iri == bindparam("name"))


@value
class Learned:
    """Event: an actor of another node was introduced, or introduced anew with another document."""

    actor: str
    document: Document


@value
class Flagged:
    """Entries of a partner's stream that came in under a key that was revoked later: what they say may be another's.

    `since` is when the key was compromised, as the partner says; `at` when it told us.
    """

    relation_id: str
    node: str
    key_id: str
    since: datetime
    at: datetime
    first: int
    last: int
    stream_id: int = 0


def flag(session: Session, ground: Ground, relation: Relation, since: datetime) -> None:
    """Notes what came from this partner from `since` on, by the time at which we received it."""
    unit = unit_of(session, ground)
    streams = (
        select(STREAM.c.id, STREAM.c.seq)
        .join(LANE, LANE.c.id == STREAM.c.lane_id)
        .where(LANE.c.relation == relation.id, STREAM.c.ours.is_(False))
    )
    for stream in session.execute(streams).all():
        first = stream.seq + 1
        receipts = (
            select(GIVEN.c.first, GIVEN.c.document)
            .where(GIVEN.c.stream_id == stream.id)
            .order_by(GIVEN.c.last.desc())
        )
        for row in session.execute(receipts):
            if datetime.fromisoformat(unpack(row.document)["received"]) < since:
                break
            first = row.first
        session.execute(
            insert(FLAG),
            {
                "stream_id": stream.id,
                "key_id": relation.keys[0].key_id,
                "since": since,
                "at": unit.now,
                "first": first,
                "last": stream.seq,
            },
        )


def flagged(session: Session) -> list[Flagged]:
    """All that was flagged, the newest first."""
    rows = session.execute(
        select(*FLAG.c, LANE.c.relation, LANE.c.node)
        .join(STREAM, STREAM.c.id == FLAG.c.stream_id)
        .join(LANE, LANE.c.id == STREAM.c.lane_id)
        .order_by(FLAG.c.id.desc())
    )
    return [
        Flagged(row.relation, row.node, row.key_id, row.since, row.at, row.first, row.last, row.stream_id)
        for row in rows
    ]


def said_in(session: Session, flagged: Flagged, most: int) -> list[str]:
    """The first activities that these entries brought, alone or announced, in their order."""
    inner = ACTIVITY.alias("inside")
    query = (
        select(func.coalesce(inner.c.iri, ACTIVITY.c.iri))
        .join_from(IN_ENTRY, ACTIVITY, ACTIVITY.c.id == IN_ENTRY.c.activity_id)
        .outerjoin(inner, inner.c.id == ACTIVITY.c.inside_id)
        .where(
            IN_ENTRY.c.stream_id == flagged.stream_id,
            IN_ENTRY.c.seq.between(flagged.first, flagged.last),
            IN_ENTRY.c.outcome != "rejected",
        )
    )
    return list(session.scalars(query.order_by(IN_ENTRY.c.seq).limit(most)))


class RemoteActors:
    """The half of `ports.Actors` that is about others; identity puts its own before it."""

    def __init__(self, session: Session, ground: Ground) -> None:
        self._unit = unit_of(session, ground)

    def key(self, key_id: str) -> PublicKey | None:
        """The public key `key_id`, if its owner was introduced and still has it."""
        return self.key_at(key_id, self._unit.now)

    def key_at(self, key_id: str, moment: datetime) -> PublicKey | None:
        """The public key `key_id`, if its owner was introduced and had it at `moment`."""
        key = self._dated(key_id)
        return key if key is not None and key.holds_at(moment) else None

    def _dated(self, key_id: str) -> PublicKey | None:
        key = None
        learned = self._unit.learned.get(key_id.partition("#")[0])
        if learned is not None:
            key = next((key for key in rekeying.dated_keys(learned[0]) if key.key_id == key_id), None)
        else:
            key = self._unit.memory.key(key_id)
        if key is None:
            row = self._unit.execute(_KEY, {"name": key_id}).first()
            if row is not None:
                ends = None if row.valid_until is None else rfc3339(row.valid_until)
                key = PublicKey(key_id, bytes(row.raw), expires=ends)
                if learned is None:
                    self._unit.memory.put_key(key)
        return key

    def document(self, actor: str) -> Document | None:
        """The document with its node's proof, if it was introduced."""
        found = self.known(actor)
        return None if found is None else found[0]

    def digest(self, actor: str) -> str | None:
        """D of that document."""
        found = self.known(actor)
        return None if found is None else found[1]

    def known(self, actor: str) -> tuple[Document, str] | None:
        """The document and its digest D."""
        found = self._unit.learned.get(actor) or self._unit.memory.document(actor)
        if found is None:
            row = self._unit.execute(_DOCUMENT, {"name": actor}).first()
            if row is not None:
                found = documents.loads(row.document), digest.multibase_of(row.digest)
                self._unit.memory.put_document(actor, *found)
        return found

    def learn(self, document: Document, node: str) -> None:
        """Keep a document that `node` has proved, and its keys, from now on; the same again changes nothing."""
        unit, iri = self._unit, str(document["id"])
        now, proved = unit.now, digest.digest(document)
        known = self.known(iri)
        if known is not None and known[1] == proved:
            return
        values = {
            "node": node,
            "document": documents.dumps(document),
            "digest": digest.sha256_of(proved),
            "valid_from": now,
        }
        changed = update(ACTOR).where(ACTOR.c.iri == iri).values(values).returning(ACTOR.c.id)
        actor_id = unit.execute(changed).scalar()
        if actor_id is None:
            actor_id = unit.execute(insert(ACTOR).returning(ACTOR.c.id), {"iri": iri, **values}).scalar_one()
        self._learn_keys(actor_id, rekeying.dated_keys(document), now)
        unit.learned[iri] = document, proved
        unit.ground.events.publish(Learned(iri, document), unit.session)

    def _learn_keys(self, actor_id: int, keys: list[PublicKey], now: datetime) -> None:
        unit = self._unit
        named = {(key.key_id, key.raw): _end_of(key) for key in keys}
        rows = select(KEY.c.id, KEY.c.key_id, KEY.c.raw, KEY.c.valid_until).where(KEY.c.actor_id == actor_id)
        held = {(row.key_id, bytes(row.raw)): row for row in unit.execute(rows)}
        for key, row in held.items():
            ends = min(filter(None, (named.get(key) if key in named else now, row.valid_until)), default=None)
            if ends != row.valid_until:
                unit.execute(update(KEY).where(KEY.c.id == row.id).values(valid_until=ends))
        begun: list[dict[str, Any]] = [
            {
                "key_id": key_id,
                "actor_id": actor_id,
                "raw": raw,
                "valid_from": now,
                "valid_until": named[key_id, raw],
            }
            for key_id, raw in sorted(named.keys() - held.keys())
        ]
        if begun:
            unit.execute(insert(KEY), begun)


def _end_of(key: PublicKey) -> datetime | None:
    return None if key.expires is None else datetime.fromisoformat(key.expires)


class Local(Protocol):
    """The half of `ports.Actors` that is about our own: identity's."""

    def has(self, actor: str) -> bool:
        """Whether the IRI lies on our origin, known or not."""

    def key(self, key_id: str) -> PublicKey | None: ...

    def key_at(self, key_id: str, moment: datetime) -> PublicKey | None: ...

    def document(self, actor: str) -> Document | None: ...

    def digest(self, actor: str) -> str | None: ...

    def learn(self, document: Document, node: str) -> None: ...

    def regain(self, document: Document) -> None: ...

    def signer(self, actor: str) -> SigningKey: ...


class Actors:
    """Answers `ports.Actors`: what lies on our origin is asked of `local` alone, all else of `remote`."""

    def __init__(self, local: Local, remote: RemoteActors) -> None:
        self._local, self._remote = local, remote
        self._digests: dict[str, str | None] = {}

    def key(self, key_id: str) -> PublicKey | None:
        return self._half(key_id).key(key_id)

    def key_at(self, key_id: str, moment: datetime) -> PublicKey | None:
        return self._half(key_id).key_at(key_id, moment)

    def document(self, actor: str) -> Document | None:
        return self._half(actor).document(actor)

    def digest(self, actor: str) -> str | None:
        """Of our own, asked once in a unit of work."""
        if not self._local.has(actor):
            return self._remote.digest(actor)
        if actor not in self._digests:
            self._digests[actor] = self._local.digest(actor)
        return self._digests[actor]

    def learn(self, document: Document, node: str) -> None:
        self._half(str(document["id"])).learn(document, node)

    def regain(self, document: Document) -> None:
        self._local.regain(document)
        self._digests.pop(str(document["id"]), None)

    def signer(self, actor: str) -> SigningKey:
        return self._local.signer(actor)

    def _half(self, iri: str) -> Local | RemoteActors:
        return self._local if self._local.has(iri) else self._remote
