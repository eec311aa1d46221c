"""What the provider keeps: requests that partners have pushed, consents, grants and their refresh tokens.

Rule: private to this capability; every secret stands here as SHA-256 of at least 128 random bits.
Source: SECURITY I23, TH-49.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import Base, BigKey

HASH_CHARS = 64  # SHA-256 in hexadecimal
IRI_CHARS = 255
SCOPE_CHARS = 200
MAX_NONCE_CHARS = 512


class PushedRequest(Base):
    """An authorization request of a partner's node; `parameters` as JSON, name -> value."""

    __tablename__ = "pushed_request"

    request_hash: Mapped[str] = mapped_column(String(HASH_CHARS), primary_key=True)
    client: Mapped[str] = mapped_column(String(IRI_CHARS))
    parameters: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Consent(Base):
    """What somebody has let a partner know of him or her."""

    __tablename__ = "consent"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), primary_key=True)
    client: Mapped[str] = mapped_column(String(IRI_CHARS), primary_key=True)
    scope: Mapped[str] = mapped_column(String(SCOPE_CHARS))
    given_at: Mapped[datetime]


class Grant(Base):
    """One sign-in of somebody at a partner: its code, then its refresh tokens. `sid` is the session as the partner
    knows it; `session_id` the one here, with which it ends.
    """

    __tablename__ = "partner_grant"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    sid: Mapped[str] = mapped_column(String(22), unique=True)
    client: Mapped[str] = mapped_column(String(IRI_CHARS), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    session_id: Mapped[int] = mapped_column(index=True)
    scope: Mapped[str] = mapped_column(String(SCOPE_CHARS))
    nonce: Mapped[str] = mapped_column(String(MAX_NONCE_CHARS))
    redirect_uri: Mapped[str] = mapped_column(String(2048))
    code_challenge: Mapped[str] = mapped_column(String(HASH_CHARS))
    code_hash: Mapped[str] = mapped_column(String(HASH_CHARS), unique=True)
    code_expires_at: Mapped[datetime]
    code_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]


class RefreshToken(Base):
    """A refresh token of a grant; one that was used and comes again ends the grant."""

    __tablename__ = "refresh_token"

    secret_hash: Mapped[str] = mapped_column(String(HASH_CHARS), primary_key=True)
    grant_id: Mapped[int] = mapped_column(ForeignKey("partner_grant.id", ondelete="CASCADE"), index=True)
    used_at: Mapped[datetime | None]
