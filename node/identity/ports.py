"""The answer to `federation.ports.Actors`: our node, our people, our spaces, their keys; then those of others.

Rule: an actor on our origin is known from our own tables alone; nobody introduces it to us (PROTOCOL 2.j).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from federation import documents
from federation.activity import Document
from federation.errors import Forbidden, LocalError
from federation.keys import PublicKey, SigningKey
from node.core.db import table_of
from node.core.ground import Ground
from node.core.hot import Hot
from node.exchange.remote import Actors, RemoteActors
from node.identity import tables
from node.identity.keyring import NoSuchActor, keyring_of
from node.identity.services.identity import identity_of

_TABLE = table_of(tables.Actor)
_DIGEST = Hot(select(_TABLE.c.digest).where(_TABLE.c.iri == bindparam("actor")))


def actors(db: Session, ground: Ground) -> Actors:
    """The port: on our origin we answer ourselves, for all else what was introduced does."""
    return Actors(LocalActors(db, ground), RemoteActors(db, ground))


class LocalActors:
    """Answers for the actors on our origin, in one unit of work."""

    def __init__(self, db: Session, ground: Ground) -> None:
        self._db = db
        self._ground = ground
        self._ring = keyring_of(ground)
        self._clock = ground.clock
        self._prefix = f"{ground.settings.origin}/"

    def has(self, actor: str) -> bool:
        """Whether the IRI lies on our origin, known or not."""
        return actor.startswith(self._prefix)

    def key(self, key_id: str) -> PublicKey | None:
        """The public key of a local actor; None when there is no such key, or it has ended."""
        return self.key_at(key_id, self._clock.now())

    def key_at(self, key_id: str, moment: datetime) -> PublicKey | None:
        """The public key of a local actor for what it proved at `moment`."""
        key = self._ring.public_key(self._db, key_id)
        return key if key is not None and key.holds_at(moment) else None

    def document(self, actor: str) -> Document | None:
        """The actor document with our node's proof; None when there is no such actor."""
        raw = self._db.scalar(select(tables.Actor.document).where(tables.Actor.iri == actor))
        return None if raw is None else documents.loads(raw)

    def digest(self, actor: str) -> str | None:
        """D of that document."""
        found: str | None = _DIGEST.run(self._db, {"actor": actor}).scalar()
        return found

    def learn(self, document: Document, node: str) -> None:
        """Never: raises Forbidden."""
        raise Forbidden(f"{node} introduces {document.get('id')!r}, which is ours.")

    def regain(self, document: Document) -> None:
        """A person who was made after the backup that runs here, without a password."""
        identity_of(self._ground).people.regain(self._db, document, self._clock.now())

    def signer(self, actor: str) -> SigningKey:
        """Our own key for `actor`. Raises LocalError when the actor is not ours."""
        try:
            return self._ring.signing_key(self._db, actor)
        except NoSuchActor as cause:
            raise LocalError(f"{actor} is no actor of ours.") from cause
