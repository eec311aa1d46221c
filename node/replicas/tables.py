"""Leaves of the copies of spaces, what nodes signed of them, and how the last comparison went.

Rule: private to this capability. A leaf is made when somebody first asks, never while a post is written; its digest is
kept with the rev that it is of. Source: PROTOCOL 2.c.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from node.core.db import COMPACT, Base, BigKey

SHA256_BYTES = 32
FORM_BYTES = 16


class Leaf(Base):
    """A leaf from `rev` on, up to before `until`; the present one has none. `place` is SHA-256(id), in whose order
    leaves stand; `hash` is the leaf's in the tree. `digest` is empty when the host withholds the object from us. What
    `born` is: `federation.replica.Leaf`. Of a live one `form` is the digest of a `Form`, with the bytes of the activity
    and of the largest file that it brings.
    """

    __tablename__ = "replica_leaf"
    __table_args__ = (COMPACT,)

    space_id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    place: Mapped[bytes] = mapped_column(LargeBinary(SHA256_BYTES), primary_key=True)
    rev: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    until: Mapped[int | None] = mapped_column(BigKey)
    iri: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(9))
    digest: Mapped[str] = mapped_column(String(64))
    hash: Mapped[bytes] = mapped_column(LargeBinary(SHA256_BYTES))
    born: Mapped[int] = mapped_column(BigKey)
    form: Mapped[bytes | None] = mapped_column(LargeBinary(FORM_BYTES))
    raw_bytes: Mapped[int] = mapped_column(BigKey)
    file_bytes: Mapped[int] = mapped_column(BigKey)


class Form(Base):
    """What charters look at of posts of a space (`federation.withholding`), by half its SHA-256, with the most bytes
    that an activity of this form, and a file in one, ever had.
    """

    __tablename__ = "replica_form"
    __table_args__ = (COMPACT,)

    space_id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(FORM_BYTES), primary_key=True)
    form: Mapped[str] = mapped_column(Text)
    raw_bytes: Mapped[int] = mapped_column(BigKey)
    file_bytes: Mapped[int] = mapped_column(BigKey)


class Statement(Base):
    """What a node signed of a copy. `view` is what it saw of the space, as JSON; `hashes` are the 256 of a statement
    of ours, in one. `standing`: said (nothing to compare with), equal (both sides signed the same), differs, forked
    (two of one host contradict each other); `other_id` is the statement that makes it so.
    """

    __tablename__ = "replica_statement"
    __table_args__ = (Index(None, "space_id", "as_of"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    space_id: Mapped[int] = mapped_column(BigKey)
    node: Mapped[str] = mapped_column(Text)
    as_of: Mapped[int] = mapped_column(BigKey)
    view: Mapped[str] = mapped_column(Text)
    root: Mapped[str] = mapped_column(String(64))
    leaves: Mapped[int] = mapped_column(BigKey)
    document: Mapped[str] = mapped_column(Text)
    hashes: Mapped[bytes | None] = mapped_column(LargeBinary)
    standing: Mapped[str] = mapped_column(String(7))
    other_id: Mapped[int | None] = mapped_column(BigKey)
    at: Mapped[datetime]


class Run(Base):
    """The last comparison of our copy of a space. `state`: running, equal, differs, older (the host says less than it
    announced), failed; `reason` says why it failed.
    """

    __tablename__ = "replica_run"
    __table_args__ = (COMPACT,)

    space_id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(8))
    begun_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    as_of: Mapped[int] = mapped_column(BigKey)
    leaves: Mapped[int] = mapped_column(BigKey)
    requests: Mapped[int]
    behind: Mapped[int]
    repaired: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)


class Aside(Base):
    """What the two sides do not agree on, as each has it (JSON of a leaf, or empty). `kind`: surplus (hidden here),
    newer, differs, missing, dropped (the host took it and never announced it).
    """

    __tablename__ = "replica_aside"
    __table_args__ = (Index(None, "space_id", "iri", unique=True),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    space_id: Mapped[int] = mapped_column(BigKey)
    iri: Mapped[str] = mapped_column(String(2048))
    kind: Mapped[str] = mapped_column(String(8))
    ours: Mapped[str] = mapped_column(Text)
    theirs: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
