"""Threads and posts, their versions, likes and mentions.

Rule: private to this capability. A post stands under half the SHA-256 of its IRI, which also names it on pages; people
and spaces are the numbers that `spaces` gives them. Times are epoch seconds. Bytes as signed are the exchange's.
Source: PROTOCOL 2.j (*Author's own view*), FEP-7888; DECISIONS 2, 10, 11; PERFORMANCE, section 3.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import COMPACT, Base, BigKey

KEY_CHARS = 22  # 128 bits in base64url
DIGEST_BYTES = 16


class Thread(Base):
    """A conversation: what shares a `context` in one space. `rev` is the last that moved it, None while nothing of it
    is accepted; `first` the digest of the post that began it; `replies` those accepted after it.
    """

    __tablename__ = "thread"
    __table_args__ = (
        UniqueConstraint("space_id", "context"),
        Index(None, "space_id", "rev"),
        Index(None, "last_at"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key: Mapped[str] = mapped_column(String(KEY_CHARS), unique=True)
    space_id: Mapped[int] = mapped_column(BigKey)
    context: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    first: Mapped[bytes] = mapped_column(LargeBinary(DIGEST_BYTES))
    rev: Mapped[int | None] = mapped_column(BigKey)
    last_at: Mapped[int] = mapped_column(BigKey)
    replies: Mapped[int]


class Post(Base):
    """A post or reply. `state`: pending, accepted, refused, deleted, hidden; `rev` its place in the space, None until
    the host gave it one. `content` is HTML, sanitised here. `activity` is the Create that brought it; `problem` why it
    was refused (JSON).
    """

    __tablename__ = "post"
    __table_args__ = (Index(None, "thread_id", "rev"), Index(None, "space_id", "rev"))

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    """Counted in the unit of work, where writers take turns: fifty posts are one statement."""
    digest: Mapped[bytes] = mapped_column(LargeBinary(DIGEST_BYTES), unique=True)
    iri: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(String(16))
    space_id: Mapped[int] = mapped_column(BigKey)
    thread_id: Mapped[int] = mapped_column(BigKey)
    author_id: Mapped[int] = mapped_column(BigKey)
    rev: Mapped[int | None] = mapped_column(BigKey)
    changed_rev: Mapped[int | None] = mapped_column(BigKey)
    """The rev that brought what it says now, or its end; None until the host gave it one."""
    state: Mapped[str] = mapped_column(String(8))
    published: Mapped[int] = mapped_column(BigKey)
    edited: Mapped[int | None] = mapped_column(BigKey)
    lang: Mapped[str] = mapped_column(String(16))
    content: Mapped[str] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    """The Markdown, for posts of our own people, who alone edit them here."""
    reply_to: Mapped[bytes | None] = mapped_column(LargeBinary(DIGEST_BYTES))
    activity: Mapped[str] = mapped_column(Text)
    problem: Mapped[str | None] = mapped_column(Text)


class Version(Base):
    """What a post said before an edit; `activity` brought the edit that replaced it."""

    __tablename__ = "post_version"
    __table_args__ = (COMPACT,)

    post_id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[int] = mapped_column(BigKey)
    content: Mapped[str] = mapped_column(Text)
    activity: Mapped[str] = mapped_column(Text)


class Like(Base):
    """Who likes a post; `activity` is the Like, which an Undo names."""

    __tablename__ = "post_like"
    __table_args__ = (COMPACT,)

    post_id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    participant_id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    activity: Mapped[str] = mapped_column(Text)


class Mention(Base):
    """Whom a post names."""

    __tablename__ = "mention"
    __table_args__ = (Index(None, "participant_id"), COMPACT)

    post_id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    participant_id: Mapped[int] = mapped_column(BigKey, primary_key=True)


class Change(Base):
    """A post that readers must see again, because it was accepted, edited, deleted, hidden or liked."""

    __tablename__ = "post_change"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    space_id: Mapped[int] = mapped_column(BigKey)
    post_id: Mapped[int] = mapped_column(BigKey)
    at: Mapped[int] = mapped_column(BigKey, index=True)


class Draft(Base):
    """What somebody wrote before signing in once more; one for each author (an IRI). `files` is JSON."""

    __tablename__ = "draft"

    actor: Mapped[str] = mapped_column(Text, primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    lang: Mapped[str] = mapped_column(String(16))
    reply_to: Mapped[str] = mapped_column(String(64))
    again: Mapped[str] = mapped_column(String(64))
    files: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
