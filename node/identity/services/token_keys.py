"""The second keys of the node: what signs tokens, apart from what signs messages and proofs.

Rule: Ed25519 for tokens, RSA of 2048 bits for security event tokens (CAEP interoperability wants RS256); made when they
are needed first, sealed like every key, changed with the same overlap. Source: PROTOCOL 1.8, 2.0 (*Node key*); TH-10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.core.audit import Act
from node.core.errors import Absent
from node.core.ground import Ground
from node.core.values import value
from node.identity import tables
from node.identity.keyring import State, purpose_of
from node.identity.process import once_per_ground

RSA_BITS = 2048
RSA_EXPONENT = 65537
TELLING_CHARS = 8

_KEY = tables.ActorKey
Private = Ed25519PrivateKey | RSAPrivateKey


class Kind(StrEnum):
    """What a token key is."""

    ED25519 = "ed25519"
    RSA = "rsa"


@value
class TokenKey:
    """A key that signs tokens; `id` is the `kid`, `public` PEM. The private half stays out of its text."""

    id: str
    kind: Kind
    state: State
    public: str
    ends: datetime | None
    private: Private | None = field(repr=False, compare=False)


class TokenKeys:
    """The token keys of one node."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._node = f"{ground.settings.origin}/actor"
        self._overlap = timedelta(days=ground.settings.key_overlap_days)

    def signing(self, db: Session, kind: Kind) -> TokenKey:
        """The key of this kind that signs now, made in this unit of work when there is none."""
        row = self._current(db, kind) or self._make(db, kind)
        return self._opened(row)

    def published(self, db: Session) -> Sequence[TokenKey]:
        """The keys that a reader of our tokens must know: those that sign, then those of the overlap; public halves."""
        rows = db.scalars(
            select(_KEY)
            .where(
                _KEY.actor == self._node,
                _KEY.use == tables.TOKEN,
                _KEY.state.in_((State.CURRENT, State.FORMER)),
                _KEY.valid_until.is_(None) | (_KEY.valid_until > self._ground.clock.now()),
            )
            .order_by(_KEY.state, _KEY.created_at.desc())
        )
        return [_shown(row, None) for row in rows]

    def rotate(self, db: Session, kind: Kind, by: str = "") -> TokenKey:
        """A new key signs from now on; the former one is published for the overlap."""
        former = self._current(db, kind)
        if former is not None:
            former.state, former.valid_until = State.FORMER, self._ground.clock.now() + self._overlap
            former.sealed = None  # it signs no more, and others verify by the public half
            db.flush()
        return self._opened(self._make(db, kind, by))

    def end(self, db: Session, since: datetime, by: str = "") -> None:
        """All are dead from now on, compromised `since`: none is published, and new ones are made when needed."""
        for row in db.scalars(
            select(_KEY).where(
                _KEY.actor == self._node,
                _KEY.use == tables.TOKEN,
                _KEY.state.in_((State.CURRENT, State.FORMER)),
            )
        ):
            row.state, row.valid_until = State.REVOKED, self._ground.clock.now()
            row.compromised_since, row.sealed = since, None
            self._ground.audit.append(db, Act("key.token-ended", by, subject=row.key_id))
        db.flush()

    def _current(self, db: Session, kind: Kind) -> tables.ActorKey | None:
        return db.scalar(
            select(_KEY).where(
                _KEY.actor == self._node,
                _KEY.use == tables.TOKEN,
                _KEY.kind == kind,
                _KEY.state == State.CURRENT,
            )
        )

    def _make(self, db: Session, kind: Kind, by: str = "") -> tables.ActorKey:
        rsa = kind is Kind.RSA
        private: Private = (
            generate_private_key(RSA_EXPONENT, RSA_BITS) if rsa else Ed25519PrivateKey.generate()
        )
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        key_id = f"{self._node}#token-{kind}-{sha256(public).hexdigest()[:TELLING_CHARS]}"
        raw = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        now = self._ground.clock.now()
        row = _KEY(
            key_id=key_id,
            actor=self._node,
            use=tables.TOKEN,
            kind=kind,
            state=State.CURRENT,
            public=public.decode("ascii"),
            sealed=self._ground.vault.seal(raw, purpose_of(key_id)),
            created_at=now,
            valid_from=now,
            valid_until=None,
            compromised_since=None,
        )
        db.add(row)
        db.flush()
        self._ground.audit.append(db, Act("key.token-made", by, subject=key_id))
        return row

    def _opened(self, row: tables.ActorKey) -> TokenKey:
        if row.sealed is None:
            raise Absent(f"{row.key_id} has no private half.")
        private = load_der_private_key(self._ground.vault.open(row.sealed, purpose_of(row.key_id)), None)
        if not isinstance(private, Ed25519PrivateKey | RSAPrivateKey):
            raise Absent(f"{row.key_id} is of another kind.")
        return _shown(row, private)


def _shown(row: tables.ActorKey, private: Private | None) -> TokenKey:
    return TokenKey(row.key_id, Kind(row.kind), State(row.state), row.public, row.valid_until, private)


@once_per_ground
def token_keys_of(ground: Ground) -> TokenKeys:
    """The token keys of this node, made once."""
    return TokenKeys(ground)
