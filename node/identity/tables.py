"""People, how they prove who they are, what they hold while signed in, and the actors with their keys.

Rule: private to this capability; secrets stand here hashed (SHA-256 of 256 random bits), passwords as
argon2id, private keys sealed. Never a mail address as a key. Source: SECURITY TH-44, TH-54, I2, I23.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import Base, BigKey, index_where
from node.core.secrets import sealed_for

WIRE_ID_CHARS = 22  # 128 bits in base64url
HASH_CHARS = 64  # SHA-256 in hexadecimal
ADDRESS_CHARS = 64
PROOF, TOKEN = "proof", "token"


class Person(Base):
    """Someone of this organisation, keyed by issuer and subject; built-in accounts have our origin as issuer."""

    __tablename__ = "person"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    wire_id: Mapped[str] = mapped_column(String(WIRE_ID_CHARS), unique=True)
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(120))
    preferred_username: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str | None] = mapped_column(String(254))
    language: Mapped[str] = mapped_column(String(8))
    theme: Mapped[str] = mapped_column(String(8))
    shortcuts: Mapped[bool]
    role: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Credential(Base):
    """The password of a built-in account, as argon2id."""

    __tablename__ = "credential"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    changed_at: Mapped[datetime]


class Session(Base):
    """One browser of one person, from sign-in to sign-out. The cookie holds the secret, this row its hash.

    `idp` to `email_domain` are how the person signed in, as `federation.authn.SignIn` has it; `amr` apart by blanks.
    """

    __tablename__ = "session"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    secret_hash: Mapped[str] = mapped_column(String(HASH_CHARS), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    provider: Mapped[str | None] = mapped_column(String(32))
    provider_session: Mapped[str | None] = mapped_column(String(255))
    state_hash: Mapped[str | None] = mapped_column(String(HASH_CHARS), unique=True)
    idp: Mapped[str] = mapped_column(String(255))
    acr: Mapped[str] = mapped_column(String(100))
    amr: Mapped[str] = mapped_column(String(255))
    auth_time: Mapped[int | None] = mapped_column(BigKey)
    email_domain: Mapped[str] = mapped_column(String(253))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]
    user_agent: Mapped[str] = mapped_column(String(255))
    kept: Mapped[str] = mapped_column(Text)


class Visit(Base):
    """One browser of somebody of a partner's organisation who signed in here with what he or she is at home.

    No account stands behind it: issuer and subject are the home's, `sid` the session there, `actor` who speaks.
    `idp` to `email_domain` as in `Session`.
    """

    __tablename__ = "visit"
    __table_args__ = (UniqueConstraint("issuer", "sid"), Index(None, "issuer", "subject"))

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    secret_hash: Mapped[str] = mapped_column(String(HASH_CHARS), unique=True)
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    sid: Mapped[str] = mapped_column(String(255))
    actor: Mapped[str] = mapped_column(Text, index=True)
    node: Mapped[str] = mapped_column(String(255), index=True)
    organisation: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(120))
    language: Mapped[str] = mapped_column(String(8))
    theme: Mapped[str] = mapped_column(String(8))
    shortcuts: Mapped[bool]
    idp: Mapped[str] = mapped_column(String(255))
    acr: Mapped[str] = mapped_column(String(100))
    amr: Mapped[str] = mapped_column(String(255))
    auth_time: Mapped[int | None] = mapped_column(BigKey)
    email_domain: Mapped[str] = mapped_column(String(253))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]
    user_agent: Mapped[str] = mapped_column(String(255))
    kept: Mapped[str] = mapped_column(Text)


class Token(Base):
    """A personal access token of the API."""

    __tablename__ = "token"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    secret_hash: Mapped[str] = mapped_column(String(HASH_CHARS), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    scopes: Mapped[str] = mapped_column(String(400))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Actor(Base):
    """An actor of this node: the node itself, a person, or a space.

    `document` is the actor document as introduced, byte for byte.
    """

    __tablename__ = "actor"

    iri: Mapped[str] = mapped_column(String(255), primary_key=True)
    kind: Mapped[str] = mapped_column(String(11))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), unique=True)
    preferred_username: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    document: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class ActorKey(Base):
    """A custodial key of an actor; `state` is a `node.identity.keyring.State`, `use` one of `PROOF` and `TOKEN`.

    `public` is a Multikey (`kind` ed25519) or PEM (rsa). `sealed` opens with the id as associated data, so that a row
    moved to another key does not open; null once the private half is of no more use. `valid_from` is when it began to
    sign, `valid_until` when it proves nothing new; `compromised_since` where it was revoked.
    """

    __tablename__ = "actor_key"
    __table_args__ = (
        index_where("state = 'current'", "uq_actor_key_current", "actor", "use", "kind", unique=True),
    )

    key_id: Mapped[str] = mapped_column(String(300), primary_key=True)
    actor: Mapped[str] = mapped_column(ForeignKey("actor.iri"), index=True)
    use: Mapped[str] = mapped_column(String(8))
    kind: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(8))
    public: Mapped[str] = mapped_column(Text, unique=True)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary, info=sealed_for("key {key_id}"))
    created_at: Mapped[datetime]
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    compromised_since: Mapped[datetime | None]


class KeyNotice(Base):
    """What a partner was told of the keys of our node: `activity` carries it, `about` is the key brought or ended.

    `confirmed_at`: the partner's node has taken it in and signed that; `given_up_at`: we went on without.
    """

    __tablename__ = "key_notice"
    __table_args__ = (UniqueConstraint("activity"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    about: Mapped[str] = mapped_column(ForeignKey("actor_key.key_id"), index=True)
    relation: Mapped[str] = mapped_column(String(255))
    node: Mapped[str] = mapped_column(String(2048))
    activity: Mapped[str] = mapped_column(String(300))
    kind: Mapped[str] = mapped_column(String(8))
    said_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    problem: Mapped[str] = mapped_column(Text, default="")


class OneTimeLink(Base):
    """A link that works once: to make the first admin, or to set the password of a built-in account."""

    __tablename__ = "one_time_link"

    secret_hash: Mapped[str] = mapped_column(String(HASH_CHARS), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(16))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SignInAttempt(Base):
    """A password sign-in that was begun; taken away when it succeeds, so what stays are the failures."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (Index(None, "account", "at"), Index(None, "address", "at"))

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    account: Mapped[str] = mapped_column(String(HASH_CHARS))
    address: Mapped[str] = mapped_column(String(ADDRESS_CHARS))
    at: Mapped[datetime]
