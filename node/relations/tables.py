"""Invitations, relations with partners, versions of their agreements, and what still has to be said about them.

Rule: private to this capability; an invitation's token stands sealed until it is used, burnt, cancelled or
expired, then nowhere. Of one origin at most one relation is live (`ended_at` is null). A version that was in force
is never changed or dropped: it is evidence. Source: PROTOCOL 2.a; PRODUCT D.15; SECURITY TH-17, C14.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Boolean, Date, ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import Base, BigKey, index_where
from node.core.secrets import sealed_for

LIVE = "ended_at IS NULL"


class Invite(Base):
    """An invitation of ours. `short` is the end of its IRI, `key` its name in addresses of pages."""

    __tablename__ = "invite"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key: Mapped[str] = mapped_column(String(22), unique=True)
    short: Mapped[str] = mapped_column(String(22), unique=True)
    sealed_token: Mapped[bytes | None] = mapped_column(LargeBinary, info=sealed_for("invite {short}"))
    expires_at: Mapped[datetime]
    expected_host: Mapped[str] = mapped_column(String(253))
    purpose: Mapped[str] = mapped_column(Text)
    contract: Mapped[str] = mapped_column(Text)
    failures: Mapped[int] = mapped_column(default=0)
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]


class Relation(Base):
    """One peering, from the exchange of keys on. `state` is a `federation.ports.State`.

    `keys` is a JSON list of Multikeys, `agreement` the JSON in force, `proposal` the JSON on offer; digests and IRIs
    are "" while there is none. `purpose`, `contract`, `contact` and `review_on` stand in our register alone.
    What a side says for people comes with its language (BCP 47, "" when it named none).
    """

    __tablename__ = "relation"
    __table_args__ = (
        index_where(LIVE, "uq_relation_live_node", "node", unique=True),
        index_where(LIVE, "uq_relation_live_origin", "origin", unique=True),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key: Mapped[str] = mapped_column(String(22), unique=True)
    version: Mapped[int] = mapped_column(default=1)
    node: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    hue: Mapped[int | None]
    state: Mapped[str] = mapped_column(String(16))
    keys: Mapped[str] = mapped_column(Text)
    inbox: Mapped[str] = mapped_column(Text)
    exchange: Mapped[str] = mapped_column(Text)
    invite: Mapped[str] = mapped_column(Text)
    invited_by_us: Mapped[bool] = mapped_column(Boolean)
    reached_at: Mapped[datetime | None]

    confirmed_here_at: Mapped[datetime | None]
    confirmed_here_by: Mapped[str] = mapped_column(Text, default="")
    confirmed_channel: Mapped[str] = mapped_column(String(16), default="")
    confirmed_there_at: Mapped[datetime | None]

    proposal: Mapped[str] = mapped_column(Text, default="")
    proposal_digest: Mapped[str] = mapped_column(String(64), default="")
    proposal_offer: Mapped[str] = mapped_column(Text, default="")
    proposal_ends: Mapped[str] = mapped_column(String(32), default="")
    proposal_by_us: Mapped[bool] = mapped_column(Boolean, default=False)
    proposal_accept: Mapped[str] = mapped_column(Text, default="")
    """The id of our Accept of it that the partner has not taken in yet."""
    proposed_at: Mapped[datetime | None]

    agreement: Mapped[str] = mapped_column(Text, default="")
    agreement_digest: Mapped[str] = mapped_column(String(64), default="")
    offer: Mapped[str] = mapped_column(Text, default="")
    accept: Mapped[str] = mapped_column(Text, default="")
    offered_by_us: Mapped[bool] = mapped_column(Boolean, default=False)
    agreed_at: Mapped[datetime | None]
    genesis: Mapped[str] = mapped_column(String(64), default="")
    """D of the version with which both streams began."""
    stream_in: Mapped[str] = mapped_column(Text, default="")
    stream_out: Mapped[str] = mapped_column(Text, default="")

    suspended_here_at: Mapped[datetime | None]
    suspended_here_why: Mapped[str] = mapped_column(Text, default="")
    suspended_here_language: Mapped[str] = mapped_column(String(40), default="")
    suspended_there_at: Mapped[datetime | None]
    suspended_there_why: Mapped[str] = mapped_column(Text, default="")
    suspended_there_language: Mapped[str] = mapped_column(String(40), default="")

    stopped_here: Mapped[str] = mapped_column(Text, default="[]")
    stopped_there: Mapped[str] = mapped_column(Text, default="[]")
    """The spaces (IRIs) that this side has stopped, a JSON list."""

    ends: Mapped[str] = mapped_column(String(32), default="")
    """When it ends by notice: UTC, RFC 3339."""
    ends_by_us: Mapped[bool] = mapped_column(Boolean, default=False)
    ends_why: Mapped[str] = mapped_column(Text, default="")
    ends_language: Mapped[str] = mapped_column(String(40), default="")
    noticed_at: Mapped[datetime | None]
    disposition: Mapped[str] = mapped_column(String(32), default="")
    warned_days: Mapped[int | None]
    """How many days before the end it was last recorded that the end is near."""

    proven: Mapped[str] = mapped_column(Text, default="[]")
    """E-mail domains that the DNS proves, a JSON list, as it last answered at `domains_checked_at`."""
    domains_checked_at: Mapped[datetime | None]

    purpose: Mapped[str] = mapped_column(Text, default="")
    contract: Mapped[str] = mapped_column(Text, default="")
    contact: Mapped[str] = mapped_column(Text, default="")
    review_on: Mapped[date | None] = mapped_column(Date)

    note: Mapped[str] = mapped_column(Text, default="")
    """Why it ended, or what the other side last answered to the handshake."""
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class AgreementVersion(Base):
    """An agreement that holds or once held. `approvers` is a JSON list: the roles that its Accept names, unchecked."""

    __tablename__ = "agreement_version"
    __table_args__ = (UniqueConstraint("relation_id", "digest"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    relation_id: Mapped[int] = mapped_column(ForeignKey("relation.id", ondelete="CASCADE"))
    version: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
    document: Mapped[str] = mapped_column(Text)
    offer: Mapped[str] = mapped_column(Text)
    accept: Mapped[str] = mapped_column(Text)
    offered_by_us: Mapped[bool] = mapped_column(Boolean)
    approvers: Mapped[str] = mapped_column(Text)
    in_force_at: Mapped[datetime]
    replaced_at: Mapped[datetime | None]


class Message(Base):
    """An activity of the handshake that the partner's inbox has not taken yet; sent in the order of `id`."""

    __tablename__ = "handshake_message"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    relation_id: Mapped[int] = mapped_column(ForeignKey("relation.id", ondelete="CASCADE"), index=True)
    type: Mapped[str] = mapped_column(String(16))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    about: Mapped[str] = mapped_column(Text)
    """The id of the offer or invitation that it speaks of."""
    signer: Mapped[str] = mapped_column(String(300), default="")
    """The key of ours that signs the request, "" for the one that signs now; a word about keys has one, goes first."""
    failures: Mapped[int] = mapped_column(default=0)
    since: Mapped[datetime]
    next_attempt: Mapped[datetime]
    problem: Mapped[str] = mapped_column(Text, default="")
