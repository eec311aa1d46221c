"""Spaces: their order, their organisations, their people, and who asked or was asked to come in.

Rule: private to this capability. People and organisations of all nodes stand here once under short integer keys, so
that a post costs no more than a number for its author; what partners chose the length of is `Text`.
Source: PROTOCOL 2.0 (*Order*), 2.j; DECISIONS 1, 4, 9.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import COMPACT, Base, BigKey

KEY_CHARS = 22  # 128 bits in base64url


class Organisation(Base):
    """An organisation that some space has, by its node actor; `key` is the Multikey that the roster names."""

    __tablename__ = "organisation"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    node: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(String(64))


class Participant(Base):
    """A person that some space has or had. `name` is empty until the person was introduced."""

    __tablename__ = "participant"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    iri: Mapped[str] = mapped_column(Text, unique=True)
    key: Mapped[str] = mapped_column(String(KEY_CHARS), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int | None] = mapped_column(BigKey, index=True)
    """The person of this organisation; None for others."""
    name: Mapped[str] = mapped_column(Text)
    handle: Mapped[str] = mapped_column(Text)


class Space(Base):
    """A space as this node sees it. `rev` is the highest seen, `first_rev` the one from which we take part.

    `state`: asked (known by its address alone), invited (not ours yet), active, left. `member_rev` is the rev of the
    last change of membership. `roster` is the document in force (JSON), empty before the first.
    """

    __tablename__ = "space"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key: Mapped[str] = mapped_column(String(KEY_CHARS), unique=True)
    iri: Mapped[str] = mapped_column(Text, unique=True)
    host_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    hosted: Mapped[bool]
    name: Mapped[str] = mapped_column(String(120))
    purpose: Mapped[str] = mapped_column(Text)
    rev: Mapped[int] = mapped_column(BigKey)
    first_rev: Mapped[int] = mapped_column(BigKey)
    roster_version: Mapped[int]
    roster: Mapped[str] = mapped_column(Text)
    member_rev: Mapped[int] = mapped_column(BigKey)
    state: Mapped[str] = mapped_column(String(8))
    history_from: Mapped[date | None]
    """The day from which the host shows us what was written; None: all of it."""
    created_at: Mapped[datetime]


class MemberNode(Base):
    """An organisation on the roster in force; `position` 0 is the host. `since` as the roster writes it; `stopped`: its
    people read nothing new.
    """

    __tablename__ = "member_node"
    __table_args__ = (COMPACT,)

    space_id: Mapped[int] = mapped_column(ForeignKey("space.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    position: Mapped[int]
    role: Mapped[str] = mapped_column(String(16))
    since: Mapped[str] = mapped_column(String(40))
    stopped: Mapped[bool]


class Member(Base):
    """A person in a space; `until` is set when the person is no member any more."""

    __tablename__ = "member"
    __table_args__ = (Index(None, "participant_id"), COMPACT)

    space_id: Mapped[int] = mapped_column(ForeignKey("space.id"), primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(8))
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    rev: Mapped[int | None] = mapped_column(BigKey)
    """The rev that made it so; None until the next roster says it, of who left with an organisation."""


class MissingRev(Base):
    """A rev of another's space that should be here and is not: a gap that readers are told of (PRODUCT B12)."""

    __tablename__ = "missing_rev"
    __table_args__ = (COMPACT,)

    space_id: Mapped[int] = mapped_column(ForeignKey("space.id"), primary_key=True)
    rev: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    since: Mapped[datetime]


class Turn(Base):
    """What took a rev of a space, by the id of the activity; kept so that history can be told again (DECISIONS 5)."""

    __tablename__ = "turn"
    __table_args__ = (COMPACT,)

    space_id: Mapped[int] = mapped_column(ForeignKey("space.id"), primary_key=True)
    rev: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    activity: Mapped[str] = mapped_column(Text)
    at: Mapped[int] = mapped_column(BigKey)
    """When the host took it, in epoch seconds."""


class Invitation(Base):
    """A space offered to an organisation: by us (`outgoing`) or to us.

    `state`: open, accepted, admitted (ours: on the roster), done (ours: the history is out), rejected, withdrawn.
    `told` counts the turns of history that are in the partner's log, `to_tell` all of them before `entered_rev`, with
    which the organisation came onto the roster. `terms` are the facts of
    the Invite for the reader: retention, shares (JSON).
    """

    __tablename__ = "invitation"
    __table_args__ = (Index(None, "space_id"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key: Mapped[str] = mapped_column(String(KEY_CHARS), unique=True)
    activity: Mapped[str] = mapped_column(Text, unique=True)
    outgoing: Mapped[bool]
    space_id: Mapped[int] = mapped_column(ForeignKey("space.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    state: Mapped[str] = mapped_column(String(9))
    history: Mapped[str] = mapped_column(String(4))
    """none, from (a day: `history_from`) or all."""
    history_from: Mapped[date | None]
    terms: Mapped[str] = mapped_column(Text)
    entered_rev: Mapped[int] = mapped_column(BigKey)
    told_rev: Mapped[int] = mapped_column(BigKey)
    told: Mapped[int]
    to_tell: Mapped[int]
    at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    accepting: Mapped[str] = mapped_column(Text)
    """The id of our Accept, which an Undo names when we leave; empty until then."""


class JoinRequest(Base):
    """A Follow from outside: waits for a manager's decision, gives nothing (PROTOCOL 2.j). `node`: who brought it."""

    __tablename__ = "join_request"
    __table_args__ = (UniqueConstraint("space_id", "participant_iri"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key: Mapped[str] = mapped_column(String(KEY_CHARS), unique=True)
    activity: Mapped[str] = mapped_column(Text)
    space_id: Mapped[int] = mapped_column(ForeignKey("space.id"))
    participant_iri: Mapped[str] = mapped_column(Text)
    node: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class Asked(Base):
    """A Follow of one of ours: the request to come into a partner's space, and its answer.

    `state`: open, accepted, declined.
    """

    __tablename__ = "asked"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    activity: Mapped[str] = mapped_column(Text, unique=True)
    space_id: Mapped[int] = mapped_column(ForeignKey("space.id"))
    actor: Mapped[str] = mapped_column(Text, index=True)
    state: Mapped[str] = mapped_column(String(8))
    at: Mapped[datetime]
    answered_at: Mapped[datetime | None]


class Relay(Base):
    """A partner's space whose host we ask for receipts of the others: all have all up to `rev`, as far as we know."""

    __tablename__ = "relay"

    space_id: Mapped[int] = mapped_column(ForeignKey("space.id"), primary_key=True)
    rev: Mapped[int] = mapped_column(BigKey)
    asked_at: Mapped[datetime | None]


class RelayedReceipt(Base):
    """A receipt of a member to the host of a space, with its entries, as it was relayed (packed); `at`: as it says."""

    __tablename__ = "relayed_receipt"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    space_id: Mapped[int] = mapped_column(ForeignKey("space.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    at: Mapped[datetime]
    document: Mapped[bytes] = mapped_column(LargeBinary)


class RelayedMark(Base):
    """What a relayed receipt says of our own words with this rev."""

    __tablename__ = "relayed_mark"
    __table_args__ = (COMPACT,)

    space_id: Mapped[int] = mapped_column(ForeignKey("space.id"), primary_key=True)
    rev: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    receipt_id: Mapped[int] = mapped_column(ForeignKey("relayed_receipt.id"))
    outcome: Mapped[str] = mapped_column(String(9))
    reason: Mapped[str] = mapped_column(Text)


class RosterFork(Base):
    """Two rosters of a space, proved by its host, that cannot be of one history; `seen_at` is who had theirs."""

    __tablename__ = "roster_fork"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    space_id: Mapped[int] = mapped_column(ForeignKey("space.id"), index=True)
    at: Mapped[datetime]
    seen_at: Mapped[str] = mapped_column(Text)
    ours: Mapped[str] = mapped_column(Text)
    theirs: Mapped[str] = mapped_column(Text)
