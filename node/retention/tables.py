"""What was called back, who has answered, what a hold keeps, and what a run of retention took.

Rule: private to this capability. No content but in `kept`, which only a hold or a hiding fills and no page shows.
Source: PROTOCOL 2.f; PRODUCT B11.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import COMPACT, Base, BigKey

KEY_CHARS = 22  # 128 bits in base64url


class Recall(Base):
    """One Delete and what became of it here. `asked`: it was a recall, so organisations answer.

    `state`: hidden (out of sight, its bytes not all gone yet), erased, retained (a hold or a hiding keeps it).
    `post` is the key of its tombstone. `actor` said it, `author_id` is whose post it was (a participant of `spaces`),
    `published` when that was written. `reason` is a code of the profile. `former_digest` is D of what the post said
    last, empty where it never was here. `told` counts the answers of others that the author's node has from us;
    `receipt` is our own (JSON).
    """

    __tablename__ = "recall"
    __table_args__ = (Index(None, "state"), Index(None, "object"))

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key: Mapped[str] = mapped_column(String(KEY_CHARS), unique=True)
    activity: Mapped[str] = mapped_column(Text, unique=True)
    content_digest: Mapped[str] = mapped_column(Text)
    object: Mapped[str] = mapped_column(Text)
    post: Mapped[str] = mapped_column(String(KEY_CHARS), index=True)
    actor: Mapped[str] = mapped_column(Text)
    space_id: Mapped[int] = mapped_column(BigKey)
    author_id: Mapped[int] = mapped_column(BigKey)
    published: Mapped[datetime]
    asked: Mapped[bool]
    mode: Mapped[str] = mapped_column(String(8))
    reason: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    deadline: Mapped[datetime]
    former_digest: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(8))
    done_at: Mapped[datetime | None]
    told: Mapped[int]
    receipt: Mapped[str] = mapped_column(Text)


class RecallFile(Base):
    """A file of what was called back, by its digest, until its bytes are gone."""

    __tablename__ = "recall_file"
    __table_args__ = (COMPACT,)

    recall_id: Mapped[int] = mapped_column(ForeignKey("recall.id"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)


class Answer(Base):
    """What one organisation says. `outcome`: waiting, erased, retained, refused, or left, which was not asked; `basis`
    and `review_by` of what it keeps, `residual_until` of its backups; `document` is its receipt (JSON), `reminded` how
    often it was reminded.
    """

    __tablename__ = "recall_answer"
    __table_args__ = (COMPACT,)

    recall_id: Mapped[int] = mapped_column(ForeignKey("recall.id"), primary_key=True)
    node: Mapped[str] = mapped_column(String(2048), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(8))
    at: Mapped[datetime | None]
    basis: Mapped[str] = mapped_column(Text)
    review_by: Mapped[str] = mapped_column(String(40))
    residual_until: Mapped[str] = mapped_column(String(40))
    document: Mapped[str] = mapped_column(Text)
    reminded: Mapped[int]


class Hold(Base):
    """A legal hold on a space, on a thread of it, or on one post (`object`, its IRI): what is called back meanwhile is
    kept. `basis` and `reference` are the administrator's words; `written` is when the thread began or the post was
    written.
    """

    __tablename__ = "legal_hold"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key: Mapped[str] = mapped_column(String(KEY_CHARS), unique=True)
    space_id: Mapped[int] = mapped_column(BigKey, index=True)
    thread_id: Mapped[int | None] = mapped_column(BigKey)
    object: Mapped[str | None] = mapped_column(Text)
    written: Mapped[datetime | None]
    basis: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text)
    review_by: Mapped[date]
    by: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    released_at: Mapped[datetime | None]


class Kept(Base):
    """An activity that a hold (or a hiding, then `hold_id` is None until `until`) keeps: its bytes, squeezed."""

    __tablename__ = "kept"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    recall_id: Mapped[int] = mapped_column(ForeignKey("recall.id"), index=True)
    hold_id: Mapped[int | None] = mapped_column(ForeignKey("legal_hold.id"), index=True)
    activity: Mapped[str] = mapped_column(Text)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    until: Mapped[datetime | None]


class Run(Base):
    """One run of retention towards one partner, ours or the partner's: its receipt, and the ids on request (JSON)."""

    __tablename__ = "retention_run"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key: Mapped[str] = mapped_column(String(KEY_CHARS), unique=True)
    node: Mapped[str] = mapped_column(Text)
    ours: Mapped[bool]
    at: Mapped[datetime]
    count: Mapped[int]
    receipt: Mapped[str] = mapped_column(Text)
    ids: Mapped[str] = mapped_column(Text)


class Ending(Base):
    """An agreement that ended, and what is to be erased for it. `classes`: class -> how long after the end; `spaces`:
    IRI -> its class (JSON both). `done_at` is set when nothing is left to do.
    """

    __tablename__ = "agreement_ending"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    node: Mapped[str] = mapped_column(Text)
    agreement: Mapped[str] = mapped_column(Text)
    disposition: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    classes: Mapped[str] = mapped_column(Text)
    spaces: Mapped[str] = mapped_column(Text)
    done_at: Mapped[datetime | None]
