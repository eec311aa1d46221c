"""People, how they prove who they are, what they hold while signed in, and the actors with their keys.

Rule: private to this capability; secrets stand here hashed (SHA-256 of 256 random bits), passwords as
argon2id, private keys sealed. Never a mail address as a key. Source: SECURITY TH-44, TH-54, I2, I23.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import Base, BigKey

WIRE_ID_CHARS = 22  # 128 bits in base64url
HASH_CHARS = 64  # SHA-256 in hexadecimal
ADDRESS_CHARS = 64


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
    """One browser of one person, from sign-in to sign-out. The cookie holds the secret, this row its hash."""

    __tablename__ = "session"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    secret_hash: Mapped[str] = mapped_column(String(HASH_CHARS), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    provider: Mapped[str | None] = mapped_column(String(32))
    provider_session: Mapped[str | None] = mapped_column(String(255))
    state_hash: Mapped[str | None] = mapped_column(String(HASH_CHARS), unique=True)
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
    """An actor of this node with its custodial key: the node itself, a person, or a space.

    `document` is the actor document as introduced, byte for byte; `sealed_key` opens with the IRI as
    associated data, so that a row moved to another actor does not open.
    """

    __tablename__ = "actor"

    iri: Mapped[str] = mapped_column(String(255), primary_key=True)
    kind: Mapped[str] = mapped_column(String(11))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), unique=True)
    preferred_username: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    sealed_key: Mapped[bytes] = mapped_column(LargeBinary)
    public_multibase: Mapped[str] = mapped_column(String(64), unique=True)
    document: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


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
