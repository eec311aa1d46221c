"""Files: bytes by their SHA-256, and where they are attached.

Rule: private to this capability; bytes stand once, whoever attached them, and that they stand opens no attachment;
who may read them is asked of the space. Source: PROTOCOL 2.j (*Attachments*); SECURITY TH-35.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import COMPACT, Base, BigKey

KEY_CHARS = 22  # 128 bits in base64url
SHA256_BYTES = 32


class Blob(Base):
    """Bytes that are stored, by their digest. `at`: when they were last brought."""

    __tablename__ = "blob"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(SHA256_BYTES), unique=True)
    size: Mapped[int] = mapped_column(BigKey)
    media_type: Mapped[str] = mapped_column(Text)
    """What the bytes are by our own look at them."""
    at: Mapped[datetime]


class Attachment(Base):
    """A file of a post, and what the post claims of it.

    `accepted`: the space has the post; else only its author may see it.
    `state`: here (bytes came for this attachment), coming (a job fetches them), missing (they did not come, or are
    fetched when somebody asks). `due`: when they are asked for again by themselves, after so many `tries`.
    """

    __tablename__ = "attachment"
    __table_args__ = (Index(None, "post_id"), Index(None, "digest"), Index(None, "due"))

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key: Mapped[str] = mapped_column(String(KEY_CHARS), unique=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(SHA256_BYTES))
    size: Mapped[int] = mapped_column(BigKey)
    state: Mapped[str] = mapped_column(String(8))
    tries: Mapped[int]
    due: Mapped[datetime | None]
    space_id: Mapped[int] = mapped_column(BigKey)
    post_id: Mapped[int] = mapped_column(BigKey)
    author_id: Mapped[int] = mapped_column(BigKey)
    position: Mapped[int]
    name: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    accepted: Mapped[bool]


class Keep(Base):
    """Bytes that stay although nothing that lives names them; `why` names who lets them go again."""

    __tablename__ = "file_keep"
    __table_args__ = (COMPACT,)

    digest: Mapped[bytes] = mapped_column(LargeBinary(SHA256_BYTES), primary_key=True)
    why: Mapped[str] = mapped_column(String(64), primary_key=True)
