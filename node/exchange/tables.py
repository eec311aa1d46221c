"""What only the wire needs to remember: streams, entries, raw activities, receipts, nonces, remote actors, lanes.

Rule: private to this capability; short integer keys and digests as 32 raw bytes, since every message of every
partner stands here for years. The author's bytes stand once (DECISIONS 22). `Text` where a partner chose the length.
Source: PROTOCOL 2.b, 2.i, 2.j; PERFORMANCE, section 4.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import COMPACT, Base, BigKey, index_where


class Lane(Base):
    """One relation as delivery sees it: how attempts go, and which process sends (its lease).

    `state`: open, refused (paused), stopped (only an admin helps). `since` is when the partner was first missed,
    `unconfirmed_since` that an entry has no receipt for longer than agreed and is on record for it; `receipt_s` is that
    time (`receiptSeconds` of the charter).
    """

    __tablename__ = "lane"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    relation: Mapped[str] = mapped_column(String(255), unique=True)
    node: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(8), server_default="open")
    failures: Mapped[int] = mapped_column(server_default="0")
    since: Mapped[datetime | None]
    next_attempt: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Text, server_default="")
    skew_s: Mapped[int | None]
    unconfirmed_since: Mapped[datetime | None]
    receipt_s: Mapped[int] = mapped_column(server_default="86400")
    lease_holder: Mapped[str] = mapped_column(String(64), server_default="")
    lease_until: Mapped[datetime | None]


class Stream(Base):
    """One direction of one agreement lineage. `acknowledged` is ours alone; `entry_hash` is empty at seq 0.

    `genesis` is D of the version with which it began: what stands before entry 1, also when the stream has ended.
    `at` is the last receipt that came (our stream) or the last entry that was taken (the partner's).
    """

    __tablename__ = "stream"
    __table_args__ = (UniqueConstraint("lane_id", "iri"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    lane_id: Mapped[int] = mapped_column(ForeignKey("lane.id"))
    iri: Mapped[str] = mapped_column(Text)
    ours: Mapped[bool]
    genesis: Mapped[str] = mapped_column(String(64))
    seq: Mapped[int] = mapped_column(BigKey)
    entry_hash: Mapped[bytes] = mapped_column(LargeBinary)
    acknowledged: Mapped[int] = mapped_column(BigKey, server_default="0")
    at: Mapped[datetime | None]
    disputed_at: Mapped[datetime | None]


class Activity(Base):
    """One activity by its id. `raw` is squeezed (`node.exchange.packing`), and null after an erasure.

    An Announce whose inner bytes are those of `inside` keeps what stands before them in `raw` and what stands
    after in `suffix`; one whose inner bytes are others keeps them all in `raw`, and `suffix` is null.
    """

    __tablename__ = "activity"
    __table_args__ = (index_where("inside_id IS NOT NULL", None, "inside_id"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    iri: Mapped[str] = mapped_column(Text, unique=True)
    type: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    inside_id: Mapped[int | None] = mapped_column(ForeignKey("activity.id"))
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    suffix: Mapped[bytes | None] = mapped_column(LargeBinary)


class OutEntry(Base):
    """An entry of a stream of ours; `problem` is the partner's refusal (JSON).

    `late` is empty while the partner holds the entry to try it again (`received`), then the id of the Create with
    its final receipt; null where the first receipt settled it.
    """

    __tablename__ = "out_entry"
    __table_args__ = (index_where("late IS NOT NULL", None, "stream_id", "late"), COMPACT)

    stream_id: Mapped[int] = mapped_column(ForeignKey("stream.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    activity_id: Mapped[int] = mapped_column(ForeignKey("activity.id"), index=True)
    time: Mapped[str] = mapped_column(String(40))
    entry_hash: Mapped[bytes] = mapped_column(LargeBinary)
    problem: Mapped[str | None] = mapped_column(Text)
    late: Mapped[str | None] = mapped_column(Text)


class InEntry(Base):
    """An entry of a partner's stream with its outcome.

    `activity_id` where the journal has exactly this activity; else `named` holds id, type and digest as the
    manifest gave them (JSON). `late` is the id of our Create with its final receipt, where the first was `received`.
    """

    __tablename__ = "in_entry"
    __table_args__ = (COMPACT,)

    stream_id: Mapped[int] = mapped_column(ForeignKey("stream.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    activity_id: Mapped[int | None] = mapped_column(ForeignKey("activity.id"))
    named: Mapped[str | None] = mapped_column(Text)
    time: Mapped[str] = mapped_column(Text)
    entry_hash: Mapped[bytes] = mapped_column(LargeBinary)
    outcome: Mapped[str] = mapped_column(String(9))
    problem: Mapped[str | None] = mapped_column(Text)
    late: Mapped[str | None] = mapped_column(Text)


class HeldLine(Base):
    """A line that could not be applied through our own fault: tried again, then given up.

    `raw` are its bytes, `about` the object that it speaks of, `cause` what happened last.
    """

    __tablename__ = "held_line"
    __table_args__ = (COMPACT,)

    stream_id: Mapped[int] = mapped_column(ForeignKey("stream.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    about: Mapped[str | None] = mapped_column(Text)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    tries: Mapped[int] = mapped_column(server_default="0")
    next_try: Mapped[datetime]
    cause: Mapped[str] = mapped_column(Text, server_default="")
    quarantined_at: Mapped[datetime | None]


class Given(Base):
    """A receipt of ours, packed (`node.exchange.packing`), for exactly this range."""

    __tablename__ = "receipt_given"
    __table_args__ = (COMPACT,)

    stream_id: Mapped[int] = mapped_column(ForeignKey("stream.id"), primary_key=True)
    last: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    first: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    document: Mapped[bytes] = mapped_column(LargeBinary)


class Taken(Base):
    """A receipt of a partner with the two signed header sets (receipt level 1), packed."""

    __tablename__ = "receipt_taken"
    __table_args__ = (COMPACT,)

    stream_id: Mapped[int] = mapped_column(ForeignKey("stream.id"), primary_key=True)
    last: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    first: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    document: Mapped[bytes] = mapped_column(LargeBinary)


class Checkpoint(Base):
    """A signed checkpoint with the other side's receipt and, for one of ours, the two header sets, packed.

    `ours` says who signed it, `agreed` what the other side answered; `head` is the hash that the checkpoint names.
    """

    __tablename__ = "checkpoint"
    __table_args__ = (Index(None, "stream_id", "size"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    iri: Mapped[str] = mapped_column(Text, unique=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("stream.id"))
    size: Mapped[int] = mapped_column(BigKey)
    head: Mapped[bytes] = mapped_column(LargeBinary)
    ours: Mapped[bool]
    agreed: Mapped[bool]
    at: Mapped[datetime]
    document: Mapped[bytes] = mapped_column(LargeBinary)


class LogBlock(Base):
    """The root over a complete block (`federation.merkle.BLOCK`) of entries, so that no entry is hashed twice."""

    __tablename__ = "log_block"
    __table_args__ = (COMPACT,)

    stream_id: Mapped[int] = mapped_column(ForeignKey("stream.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary(32))


class Dispute(Base):
    """Two histories of one stream, both kept: the hashes at entry `size`, and the evidence (JSON, packed).

    `first`: the first entry that differs, once it was searched for; then `versions` are both of it (JSON, ours first).
    """

    __tablename__ = "dispute"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("stream.id"), index=True)
    at: Mapped[datetime]
    conflict: Mapped[str] = mapped_column(String(12))
    size: Mapped[int] = mapped_column(BigKey)
    ours: Mapped[str] = mapped_column(Text)
    theirs: Mapped[str] = mapped_column(Text)
    evidence: Mapped[bytes] = mapped_column(LargeBinary)
    first: Mapped[int | None] = mapped_column(BigKey)
    versions: Mapped[str | None] = mapped_column(Text)


class Nonce(Base):
    """A nonce that was used: half a SHA-256 of key id and nonce, and when, in epoch seconds."""

    __tablename__ = "nonce"
    __table_args__ = (COMPACT,)

    nonce: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    used: Mapped[int] = mapped_column(Integer, index=True)


class RemoteActor(Base):
    """An actor of another node as it was introduced: the document byte for byte, and which node proved it."""

    __tablename__ = "remote_actor"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    iri: Mapped[str] = mapped_column(Text, unique=True)
    node: Mapped[str] = mapped_column(Text)
    document: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    valid_from: Mapped[datetime]


class RemoteKey(Base):
    """A key of a remote actor. Until `valid_until` it proves: it ended, was compromised, or is no longer named."""

    __tablename__ = "remote_key"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key_id: Mapped[str] = mapped_column(Text, index=True)
    actor_id: Mapped[int] = mapped_column(ForeignKey("remote_actor.id"), index=True)
    raw: Mapped[bytes] = mapped_column(LargeBinary(32))
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]


class Introduction(Base):
    """Which document of which actor a partner has from us; `digest` is null when it must be said again."""

    __tablename__ = "introduction"
    __table_args__ = (COMPACT,)

    lane_id: Mapped[int] = mapped_column(ForeignKey("lane.id"), primary_key=True)
    actor: Mapped[str] = mapped_column(String(2048), primary_key=True)
    digest: Mapped[bytes | None] = mapped_column(LargeBinary)


class Flag(Base):
    """Entries of a partner's stream, `first` to `last`, that came after their node key was compromised."""

    __tablename__ = "flag"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("stream.id"), index=True)
    key_id: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime]
    at: Mapped[datetime]
    first: Mapped[int] = mapped_column(BigKey)
    last: Mapped[int] = mapped_column(BigKey)
