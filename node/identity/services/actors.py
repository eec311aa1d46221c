"""The actors of this node and their custodial keys: the node itself, its people, its spaces.

Rule: the actor document is made here, proved by the node's key, and kept byte for byte as introduced; it
holds no mail address. Source: PROTOCOL 2.0 (node key, user keys), 2.j (introductions); SECURITY C10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from federation import digest, discovery, documents, iris, proofs
from federation.activity import ACTOR_CONTEXT
from federation.keys import PublicKey, SigningKey
from federation.settings import Settings
from node.core import ids
from node.core.clock import rfc3339
from node.core.events import Events
from node.identity import tables
from node.identity.happenings import Renamed
from node.identity.keyring import KEY_FRAGMENT, KeyRing, NoSuchActor
from node.identity.services import names


class Kind(StrEnum):
    """What an actor of ours is, as the wire names it."""

    NODE = "Application"
    PERSON = "Person"
    SPACE = "Group"


_FOLDER = {Kind.PERSON: "people", Kind.SPACE: "spaces"}


@dataclass(frozen=True, slots=True)
class LocalActor:
    """An actor of this node: `document` is its JSON as it goes out, `digest` the D(x) of PROTOCOL 2.0."""

    iri: str
    kind: Kind
    name: str
    preferred_username: str
    public_multibase: str
    document: bytes
    digest: str
    person_id: int | None
    disabled: bool

    @property
    def key_id(self) -> str:
        """The id of its Ed25519 key."""
        return self.iri + KEY_FRAGMENT


class Actors:
    """The local actors over their table."""

    def __init__(
        self, origin: str, organisation: str, ring: KeyRing, events: Events, *, development: bool = False
    ) -> None:
        """`origin` without a final slash."""
        self.origin = origin
        self.organisation = organisation
        self.node_iri = f"{origin}/actor"
        self.ring = ring
        self._events = events
        self._said = Settings(node=self.node_iri, origin=origin, name=organisation, development=development)

    def person_iri(self, wire_id: str) -> str:
        """The IRI of the person with this wire id."""
        return f"{self.origin}/people/{wire_id}"

    def signing_key(self, db: Session, iri: str) -> SigningKey:
        """The key of a local actor; opened once a process. Raises NoSuchActor."""
        return self.ring.signing_key(db, iri)

    def node(self, db: Session) -> LocalActor:
        """The node's own actor. Raises NoSuchActor before `parvis init`."""
        return self.get(db, self.node_iri)

    def get(self, db: Session, iri: str) -> LocalActor:
        """The local actor with this IRI. Raises NoSuchActor."""
        row = db.get(tables.Actor, iri)
        if row is None:
            raise NoSuchActor(iri)
        return _value(row)

    def of_person(self, db: Session, person_id: int) -> LocalActor:
        """The actor of a person of this node. Raises NoSuchActor."""
        row = db.scalar(select(tables.Actor).where(tables.Actor.person_id == person_id))
        if row is None:
            raise NoSuchActor(f"of person {person_id}")
        return _value(row)

    def by_handle(self, db: Session, preferred_username: str) -> LocalActor:
        """The actor that WebFinger names so. Raises NoSuchActor."""
        row = db.scalar(select(tables.Actor).where(tables.Actor.preferred_username == preferred_username))
        if row is None:
            raise NoSuchActor(f"acct:{preferred_username}")
        return _value(row)

    def create_node(self, db: Session, now: datetime) -> LocalActor:
        """The node actor with a new key, or the one that is there."""
        row = db.get(tables.Actor, self.node_iri)
        if row is not None:
            return _value(row)
        key = SigningKey.generate(self.node_iri + KEY_FRAGMENT)
        handle = iris.parse(self.origin, development=self._said.development).authority
        return self._insert(db, Kind.NODE, key, self.organisation, handle, None, now)

    def create_person(self, db: Session, person: tables.Person, now: datetime) -> LocalActor:
        """The actor of a person just added; its IRI carries the person's wire id."""
        key = SigningKey.generate(self.person_iri(person.wire_id) + KEY_FRAGMENT)
        return self._insert(db, Kind.PERSON, key, person.name, person.preferred_username, person.id, now)

    def create_space(self, db: Session, name: str, now: datetime) -> LocalActor:
        """The Group of a new space, with its own key and a free handle made of `name`."""
        iri = f"{self.origin}/{_FOLDER[Kind.SPACE]}/{ids.wire_id()}"
        key = SigningKey.generate(iri + KEY_FRAGMENT)
        return self._insert(
            db, Kind.SPACE, key, names.shown(name), self.free_handle(db, name, "space", "-"), None, now
        )

    def rename(self, db: Session, iri: str, name: str, now: datetime) -> LocalActor:
        """The actor under a new name, its document made and proved anew (a new digest, so introduced again)."""
        row = db.get(tables.Actor, iri)
        if row is None:
            raise NoSuchActor(iri)
        if row.name != name:
            row.name = name
            row.changed_at = now
            self._document(db, row, now)
            self._events.publish(Renamed(iri, name), db)
        return _value(row)

    def disable(self, db: Session, iri: str, now: datetime) -> None:
        """Marks the actor as gone; its document, IRI and handle stay and are never given again."""
        row = db.get(tables.Actor, iri)
        if row is None:
            raise NoSuchActor(iri)
        row.disabled_at = row.disabled_at or now
        self.ring.forget(iri)

    def enable(self, db: Session, iri: str) -> None:
        """Takes `disable` back."""
        row = db.get(tables.Actor, iri)
        if row is None:
            raise NoSuchActor(iri)
        row.disabled_at = None

    def free_handle(self, db: Session, wanted: str, otherwise: str, joint: str = ".") -> str:
        """The handle that `wanted` suggests (else `otherwise`), numbered when taken or reserved."""
        base = names.handle(wanted, joint) or otherwise
        number = 2 if base in names.RESERVED_HANDLES else 1
        while True:
            candidate = names.numbered(base, number)
            if (
                db.scalar(select(tables.Actor.iri).where(tables.Actor.preferred_username == candidate))
                is None
            ):
                return candidate
            number += 1

    def _insert(
        self,
        db: Session,
        kind: Kind,
        key: SigningKey,
        name: str,
        handle: str,
        person_id: int | None,
        now: datetime,
    ) -> LocalActor:
        iri = key.controller
        row = tables.Actor(
            iri=iri,
            kind=kind,
            person_id=person_id,
            preferred_username=handle,
            name=name,
            sealed_key=self.ring.sealed(key),
            public_multibase=key.public.multibase,
            document=b"",
            digest="",
            created_at=now,
            changed_at=now,
            disabled_at=None,
        )
        db.add(row)
        self._document(db, row, now)
        db.flush()
        return _value(row)

    def _document(self, db: Session, row: tables.Actor, now: datetime) -> None:
        """Makes the actor document, proved by the node's key, and its digest."""
        node_key = self.signing_key(db, self.node_iri)
        proved = proofs.sign(self._unproved(row), node_key, rfc3339(now))
        row.document = documents.dumps(proved)
        row.digest = digest.digest(proved)

    def _unproved(self, row: tables.Actor) -> dict[str, Any]:
        if row.kind == Kind.NODE:
            key = PublicKey.from_multibase(row.iri + KEY_FRAGMENT, row.public_multibase)
            return discovery.node_actor(self._said, (key,))
        document: dict[str, Any] = {
            "@context": list(ACTOR_CONTEXT),
            "id": row.iri,
            "type": row.kind,
            "name": row.name,
            "preferredUsername": row.preferred_username,
            "inbox": f"{row.iri}/inbox",
            "outbox": f"{row.iri}/outbox",
            "assertionMethod": [_multikey(row)],
        }
        if row.kind == Kind.PERSON:
            document["org"] = {"id": self.node_iri, "name": self.organisation}
        return document


def _multikey(row: tables.Actor) -> Mapping[str, str]:
    return {
        "id": row.iri + KEY_FRAGMENT,
        "type": "Multikey",
        "controller": row.iri,
        "publicKeyMultibase": row.public_multibase,
    }


def _value(row: tables.Actor) -> LocalActor:
    return LocalActor(
        iri=row.iri,
        kind=Kind(row.kind),
        name=row.name,
        preferred_username=row.preferred_username,
        public_multibase=row.public_multibase,
        document=row.document,
        digest=row.digest,
        person_id=row.person_id,
        disabled=row.disabled_at is not None,
    )
