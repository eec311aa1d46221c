"""Actors of other nodes, as they were introduced: documents, keys, and since when they hold.

Rule: nothing is fetched. A later document takes the place of the one before; a key that it no longer names ends.
Source: PROTOCOL 2.j, *Introductions*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from federation import digest, documents
from federation.activity import Document
from federation.keys import PublicKey, SigningKey
from node.core.db import table_of
from node.core.ground import Ground
from node.exchange import tables
from node.exchange.unit import unit_of

ACTOR = table_of(tables.RemoteActor)
KEY = table_of(tables.RemoteKey)

_KEY = select(KEY.c.raw).where(KEY.c.key_id == bindparam("name"), KEY.c.valid_until.is_(None))
_DOCUMENT = select(ACTOR.c.document, ACTOR.c.digest).where(ACTOR.c.iri == bindparam("name"))


@dataclass(frozen=True, slots=True)
class Learned:
    """Event: an actor of another node was introduced, or introduced anew with another document."""

    actor: str
    document: Document


class RemoteActors:
    """The half of `ports.Actors` that is about others; identity puts its own before it."""

    def __init__(self, session: Session, ground: Ground) -> None:
        self._unit = unit_of(session, ground)

    def key(self, key_id: str) -> PublicKey | None:
        """The public key `key_id`, if its owner was introduced and still has it."""
        learned = self._unit.learned.get(key_id.partition("#")[0])
        if learned is not None:
            return next((key for key in keys_of(learned[0]) if key.key_id == key_id), None)
        key = self._unit.memory.key(key_id)
        if key is None:
            raw = self._unit.execute(_KEY, {"name": key_id}).scalar()
            if raw is not None:
                key = PublicKey(key_id, bytes(raw))
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
        named = {(key.key_id, key.raw) for key in keys_of(document)}
        live = select(KEY.c.id, KEY.c.key_id, KEY.c.raw).where(
            KEY.c.actor_id == actor_id, KEY.c.valid_until.is_(None)
        )
        held = {(row.key_id, bytes(row.raw)): row.id for row in unit.execute(live)}
        ended = [held[key] for key in held.keys() - named]
        if ended:
            unit.execute(update(KEY).where(KEY.c.id.in_(ended)).values(valid_until=now))
        begun = [
            {"key_id": key_id, "actor_id": actor_id, "raw": raw, "valid_from": now}
            for key_id, raw in sorted(named - held.keys())
        ]
        if begun:
            unit.execute(insert(KEY), begun)
        unit.learned[iri] = document, proved
        unit.ground.events.publish(Learned(iri, document), unit.session)


def keys_of(document: Document) -> list[PublicKey]:
    """The keys that an actor document names. Raises Malformed for one that is none."""
    return [
        PublicKey.from_multibase(method["id"], method["publicKeyMultibase"])
        for method in documents.as_list(document.get("assertionMethod"))
    ]


class Local(Protocol):
    """The half of `ports.Actors` that is about our own: identity's."""

    def has(self, actor: str) -> bool:
        """Whether the IRI lies on our origin, known or not."""

    def key(self, key_id: str) -> PublicKey | None: ...

    def document(self, actor: str) -> Document | None: ...

    def digest(self, actor: str) -> str | None: ...

    def learn(self, document: Document, node: str) -> None: ...

    def signer(self, actor: str) -> SigningKey: ...


class Actors:
    """Answers `ports.Actors`: what lies on our origin is asked of `local` alone, all else of `remote`."""

    def __init__(self, local: Local, remote: RemoteActors) -> None:
        self._local, self._remote = local, remote
        self._digests: dict[str, str | None] = {}

    def key(self, key_id: str) -> PublicKey | None:
        return self._half(key_id).key(key_id)

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

    def signer(self, actor: str) -> SigningKey:
        return self._local.signer(actor)

    def _half(self, iri: str) -> Local | RemoteActors:
        return self._local if self._local.has(iri) else self._remote
