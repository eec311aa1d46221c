"""The actors of this node and their custodial keys: the node itself, its people, its spaces.

Rule: the actor document is made here, proved by the node's key, and kept byte for byte as introduced; it
holds no mail address. Source: PROTOCOL 2.0 (node key, user keys), 2.j (introductions); SECURITY C10.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from federation import digest, discovery, documents, iris, proofs, rekeying
from federation.activity import ACTOR_CONTEXT
from federation.keys import PublicKey, SigningKey
from federation.settings import Settings
from node.core import ids
from node.core.clock import rfc3339
from node.core.events import Events
from node.core.values import value
from node.identity import tables
from node.identity.happenings import Renamed
from node.identity.keyring import KeyRing, NoSuchActor, State, new_key, public_of
from node.identity.services import names
from schemas.as2.actor import MAX_KEYS


class Kind(StrEnum):
    """What an actor of ours is, as the wire names it."""

    NODE = "Application"
    PERSON = "Person"
    SPACE = "Group"


_FOLDER = {Kind.PERSON: "people", Kind.SPACE: "spaces"}


@value
class LocalActor:
    """An actor of this node: `document` is its JSON as it goes out, `digest` the D(x) of PROTOCOL 2.0."""

    iri: str
    kind: Kind
    name: str
    preferred_username: str
    document: bytes
    digest: str
    person_id: int | None
    disabled: bool


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
        key = new_key(self.node_iri, first=True)
        handle = iris.parse(self.origin, development=self._said.development).authority
        return self._insert(db, Kind.NODE, key, self.organisation, handle, None, now)

    def create_person(self, db: Session, person: tables.Person, now: datetime) -> LocalActor:
        """The actor of a person just added; its IRI carries the person's wire id."""
        key = new_key(self.person_iri(person.wire_id), first=True)
        return self._insert(db, Kind.PERSON, key, person.name, person.preferred_username, person.id, now)

    def regain(
        self, db: Session, person: tables.Person, former: Iterable[PublicKey], now: datetime
    ) -> LocalActor:
        """The actor of a person whose private keys are lost: with a new key, the `former` ones for what they proved."""
        iri = self.person_iri(person.wire_id)
        key = new_key(iri, first=False)
        made = self._insert(db, Kind.PERSON, key, person.name, person.preferred_username, person.id, now)
        for each in former:
            db.add(
                tables.ActorKey(
                    key_id=each.key_id,
                    actor=iri,
                    use=tables.PROOF,
                    kind="ed25519",
                    state=State.RETIRED,
                    public=each.multibase,
                    sealed=None,
                    created_at=now,
                    valid_from=None,
                    valid_until=now,
                    compromised_since=None,
                )
            )
        db.flush()
        self.ring.changed(db)
        self.prove_anew(db, iri, now)
        db.flush()
        return self.get(db, made.iri)

    def create_space(self, db: Session, name: str, now: datetime) -> LocalActor:
        """The Group of a new space, with its own key and a free handle made of `name`."""
        iri = f"{self.origin}/{_FOLDER[Kind.SPACE]}/{ids.wire_id()}"
        key = new_key(iri, first=True)
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
            document=b"",
            digest="",
            created_at=now,
            changed_at=now,
            disabled_at=None,
        )
        db.add(row)
        db.flush()
        db.add(
            tables.ActorKey(
                key_id=key.key_id,
                actor=iri,
                use=tables.PROOF,
                kind="ed25519",
                state=State.CURRENT,
                public=key.public.multibase,
                sealed=self.ring.sealed(key),
                created_at=now,
                valid_from=now,
                valid_until=None,
                compromised_since=None,
            )
        )
        db.flush()
        self._document(db, row, now)
        db.flush()
        return _value(row)

    def prove_anew(self, db: Session, iri: str, now: datetime) -> None:
        """Makes the document of an actor anew: with the keys that it has now, proved by the key of the node."""
        row = db.get(tables.Actor, iri)
        if row is None:
            raise NoSuchActor(iri)
        self._document(db, row, now)

    def prove_all_anew(self, db: Session, now: datetime) -> None:
        """The same for every actor, when the key of the node has changed."""
        for row in db.scalars(select(tables.Actor)):
            self._document(db, row, now)

    def announce_key(self, db: Session, key: SigningKey, now: datetime) -> bytes:
        """The document of the node becomes one that also names `key`, its next one; its bytes."""
        row = db.get(tables.Actor, self.node_iri)
        if row is None:
            raise NoSuchActor(self.node_iri)
        current = self.signing_key(db, self.node_iri)
        unproved = self._unproved(db, row)
        unproved["assertionMethod"].insert(1, key.public.method)
        self._keep(row, rekeying.announcement(unproved, current, key, rfc3339(now)))
        return row.document

    def unproved(self, db: Session, iri: str) -> dict[str, Any]:
        """The document of an actor with the keys that it has now, still without proof."""
        row = db.get(tables.Actor, iri)
        if row is None:
            raise NoSuchActor(iri)
        return self._unproved(db, row)

    def _document(self, db: Session, row: tables.Actor, now: datetime) -> None:
        """Makes the actor document, proved by the node's key, and its digest."""
        node_key = self.signing_key(db, self.node_iri)
        self._keep(row, proofs.sign(self._unproved(db, row), node_key, rfc3339(now)))

    def _keep(self, row: tables.Actor, proved: dict[str, Any]) -> None:
        row.document = documents.dumps(proved)
        row.digest = digest.digest(proved)

    def _unproved(self, db: Session, row: tables.Actor) -> dict[str, Any]:
        methods = _methods(db, row.iri)
        if row.kind == Kind.NODE:
            return {**discovery.node_actor(self._said, ()), "assertionMethod": methods}
        document: dict[str, Any] = {
            "@context": list(ACTOR_CONTEXT),
            "id": row.iri,
            "type": row.kind,
            "name": row.name,
            "preferredUsername": row.preferred_username,
            "inbox": f"{row.iri}/inbox",
            "outbox": f"{row.iri}/outbox",
            "assertionMethod": methods,
        }
        if row.kind == Kind.PERSON:
            document["org"] = {"id": self.node_iri, "name": self.organisation}
        return document


_ORDER = {State.CURRENT: 0, State.NEXT: 1, State.FORMER: 2, State.RETIRED: 3, State.REVOKED: 4}


def _methods(db: Session, iri: str) -> list[dict[str, str]]:
    """The keys of an actor as its document names them: the current first, then former ones, the newest first."""
    rows = db.scalars(
        select(tables.ActorKey)
        .where(
            tables.ActorKey.actor == iri,
            tables.ActorKey.use == tables.PROOF,
            tables.ActorKey.state != State.NEXT,
        )
        .order_by(tables.ActorKey.created_at.desc())
    ).all()
    rows = sorted(rows, key=lambda row: _ORDER[State(row.state)])[:MAX_KEYS]
    return [_method(row) for row in rows]


def _method(row: tables.ActorKey) -> dict[str, str]:
    key = public_of(row)
    if row.state != State.REVOKED or row.valid_until is None:
        return key.method
    ended = rfc3339(row.valid_until)
    return rekeying.revoked_method(replace(key, expires=None), ended, key.expires or ended)


def _value(row: tables.Actor) -> LocalActor:
    return LocalActor(
        iri=row.iri,
        kind=Kind(row.kind),
        name=row.name,
        preferred_username=row.preferred_username,
        document=row.document,
        digest=row.digest,
        person_id=row.person_id,
        disabled=row.disabled_at is not None,
    )
