"""The keys of the actors of this node, opened when they sign first and kept by the process.

Rule: a private key stands sealed in its row, bound to its id, so that a row copied to another key does not open.
What was read holds until a key changes: then every process is told, and reads anew after `KEPT_S` at the latest.
Source: SECURITY TH-08, TH-54; DECISIONS 14.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from federation.keys import PublicKey, SigningKey
from node.core import events
from node.core.clock import rfc3339
from node.core.errors import Absent
from node.core.ground import Ground
from node.core.secrets import Vault
from node.core.wake import Token, Wake
from node.identity import tables
from node.identity.process import once_per_ground

KEY_FRAGMENT = "#ed25519"
"""The first key of an actor; each later one has some letters of its own behind it."""
TELLING_CHARS = slice(4, 12)  # of a Multikey, behind `z6Mk`
CHANGED = "keys"
"""Channel: some key of ours has changed."""
KEPT_S = 60.0

T = TypeVar("T")


class State(StrEnum):
    """The life of a key: `next` is announced, `current` signs, `former` is accepted for a while, then only for what it
    proved (`retired`); `revoked` ended at once.
    """

    NEXT = "next"
    CURRENT = "current"
    FORMER = "former"
    RETIRED = "retired"
    REVOKED = "revoked"


class NoSuchActor(Absent):
    """No actor of this node has the IRI."""

    def __init__(self, iri: str) -> None:
        super().__init__(f"No local actor {iri}.")


class KeyRing:
    """Local actors' keys. `opened` counts the private keys that were read from the database."""

    def __init__(self, vault: Vault, wake: Wake) -> None:
        self.opened = 0
        self._vault = vault
        self._wake = wake
        self._token: Token | None = None
        self._until = 0.0
        self._signing: dict[str, SigningKey] = {}
        self._public: dict[str, PublicKey | None] = {}

    def signing_key(self, db: Session, iri: str) -> SigningKey:
        """The key with which a local actor signs now; opened once a process. Raises NoSuchActor."""
        return self._kept(db, self._signing, iri, lambda: self._open_current(db, iri))

    def key_named(self, db: Session, key_id: str) -> SigningKey:
        """A key by its id, whatever its state, for the last thing it has to sign. Raises NoSuchActor."""
        row = db.get(tables.ActorKey, key_id)
        if row is None or row.sealed is None:
            raise NoSuchActor(key_id)
        return self._open(row.key_id, row.sealed)

    def public_key(self, db: Session, key_id: str) -> PublicKey | None:
        """A public key of ours by its id, with its end; None when there is no such key, or it is not announced."""
        return self._kept(db, self._public, key_id, lambda: self._read(db, key_id))

    def sealed(self, key: SigningKey) -> bytes:
        """A new key as it is stored."""
        return self._vault.seal(key.raw(), purpose_of(key.key_id))

    def forget(self) -> None:
        """Drops all that was read."""
        self._signing.clear()
        self._public.clear()

    def changed(self, db: Session) -> None:
        """A key was written in this unit of work: it sees that at once, everybody else after the commit."""
        db.info[CHANGED] = True
        events.after_commit(db, self.forget)
        events.after_commit(db, lambda: self._wake.notify(CHANGED))

    def _kept(self, db: Session, kept: dict[str, T], name: str, read: Callable[[], T]) -> T:
        if CHANGED in db.info:
            return read()
        now = time.monotonic()
        if (
            self._token is None
            or now >= self._until
            or self._wake.wait(CHANGED, timeout=0, since=self._token)
        ):
            self._token, self._until = self._wake.token(), now + KEPT_S  # before reading
            self.forget()
        found = kept.get(name)
        if found is None:
            found = kept[name] = read()
        return found

    def _open_current(self, db: Session, iri: str) -> SigningKey:
        row = db.execute(
            select(tables.ActorKey.key_id, tables.ActorKey.sealed).where(
                tables.ActorKey.actor == iri,
                tables.ActorKey.use == tables.PROOF,
                tables.ActorKey.state == State.CURRENT,
            )
        ).one_or_none()
        if row is None or row.sealed is None:
            raise NoSuchActor(iri)
        return self._open(row.key_id, row.sealed)

    def _open(self, key_id: str, sealed: bytes) -> SigningKey:
        self.opened += 1
        return SigningKey.from_raw(self._vault.open(sealed, purpose_of(key_id)), key_id)

    def _read(self, db: Session, key_id: str) -> PublicKey | None:
        row = db.get(tables.ActorKey, key_id)
        if row is None or row.use != tables.PROOF or row.state == State.NEXT:
            return None
        return public_of(row)


def public_of(row: tables.ActorKey) -> PublicKey:
    """The public half of a row, with its end."""
    ends = row.compromised_since or row.valid_until
    return replace(
        PublicKey.from_multibase(row.key_id, row.public), expires=None if ends is None else rfc3339(ends)
    )


def new_key(iri: str, *, first: bool) -> SigningKey:
    """A new key of an actor, under an id that no other key has."""
    key = SigningKey.generate(iri + KEY_FRAGMENT)
    if first:
        return key
    return SigningKey.from_raw(key.raw(), f"{key.key_id}-{key.public.multibase[TELLING_CHARS]}")


def purpose_of(key_id: str) -> str:
    """What a private key is sealed for."""
    return f"key {key_id}"


@once_per_ground
def keyring_of(ground: Ground) -> KeyRing:
    """The one ring of this process on this ground."""
    return KeyRing(ground.vault, ground.wake)
