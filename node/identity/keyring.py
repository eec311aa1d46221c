"""The keys of the actors of this node, opened when they sign first and kept by the process.

Rule: a private key stands sealed in its row, bound to the IRI of its actor, so that a row copied to another
actor does not open. Keys don't change yet, so what was read once holds. Source: SECURITY TH-54; DECISIONS 14.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from federation.keys import PublicKey, SigningKey
from node.core.errors import Absent
from node.core.ground import Ground
from node.core.secrets import Vault
from node.identity import tables
from node.identity.process import once_per_ground

KEY_FRAGMENT = "#ed25519"


class NoSuchActor(Absent):
    """No actor of this node has the IRI."""

    def __init__(self, iri: str) -> None:
        super().__init__(f"No local actor {iri}.")


class KeyRing:
    """Local actors' keys by IRI. `opened` counts the private keys that were read from the database."""

    def __init__(self, vault: Vault) -> None:
        self.opened = 0
        self._vault = vault
        self._signing: dict[str, SigningKey] = {}
        self._public: dict[str, PublicKey] = {}

    def signing_key(self, db: Session, iri: str) -> SigningKey:
        """The key of a local actor; from the database once, then from memory. Raises NoSuchActor."""
        key = self._signing.get(iri)
        if key is None:
            sealed = db.scalar(select(tables.Actor.sealed_key).where(tables.Actor.iri == iri))
            if sealed is None:
                raise NoSuchActor(iri)
            self.opened += 1
            key = SigningKey.from_raw(self._vault.open(sealed, _purpose(iri)), iri + KEY_FRAGMENT)
            self._signing[iri] = key
        return key

    def public_key(self, db: Session, iri: str) -> PublicKey:
        """The public key of a local actor; from the database once, then from memory. Raises NoSuchActor."""
        key = self._public.get(iri)
        if key is None:
            multibase = db.scalar(select(tables.Actor.public_multibase).where(tables.Actor.iri == iri))
            if multibase is None:
                raise NoSuchActor(iri)
            key = self._public[iri] = PublicKey.from_multibase(iri + KEY_FRAGMENT, multibase)
        return key

    def sealed(self, key: SigningKey) -> bytes:
        """A new key as it is stored; kept opened from now on."""
        self._signing[key.controller] = key
        return self._vault.seal(key.raw(), _purpose(key.controller))

    def forget(self, iri: str) -> None:
        """Drops the opened key of an actor that is gone."""
        self._signing.pop(iri, None)


@once_per_ground
def keyring_of(ground: Ground) -> KeyRing:
    """The one ring of this process on this ground."""
    return KeyRing(ground.vault)


def _purpose(iri: str) -> str:
    return f"actor {iri}"
