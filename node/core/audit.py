"""The audit log: who did what, and every refusal of a sender that we know; rows chained by hash.

Rule: a row is appended inside the unit of work that it tells of and never changed. One chain a node, so
appending waits for its turn: the write lock of SQLite, an advisory lock on PostgreSQL. Refusals of senders
that we do not know are counted and written at most once a minute, or anybody could fill the log.
Names peer, rule and digest, never content. Source: SECURITY, TH-51, S14; DECISIONS 16.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta

from sqlalchemy import String, Text, func, insert, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from node.core.clock import Clock, rfc3339
from node.core.db import Base, BigKey, Database
from node.core.values import value

COUNTED_EVERY = timedelta(minutes=1)
READ_AT_ONCE = 500
FIRST_HASH = "0" * 64
ADVISORY_LOCK = 0x7061727669731  # "parvis", 1


class Entry(Base):
    """One row of the log. `hash` covers every other column and the hash before it."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    action: Mapped[str] = mapped_column(String(80), index=True)
    actor: Mapped[str] = mapped_column(String(2048))
    peer: Mapped[str] = mapped_column(String(2048))
    subject: Mapped[str] = mapped_column(String(2048))
    rule: Mapped[str] = mapped_column(String(80))
    digest: Mapped[str] = mapped_column(String(100))
    detail: Mapped[str] = mapped_column(Text)
    hash: Mapped[str] = mapped_column(String(64))


@value
class Act:
    """What happened. `action` is a dotted verb: `signin.done`, `relation.suspended`, `exchange.refused`."""

    action: str
    actor: str = ""
    """IRI of the person or service that acted; empty for the node itself."""
    peer: str = ""
    """Node actor of the partner concerned."""
    subject: str = ""
    """Id of what it was done to."""
    rule: str = ""
    """The rule that refused: a problem type of PROTOCOL 2.0 without `#`, or our own name."""
    digest: str = ""
    """Digest of the bytes that were refused or signed."""
    detail: Mapping[str, str | int] = field(default_factory=dict)


@value
class Head:
    """The newest row: to be witnessed by somebody else, so that a cut tail shows."""

    seq: int
    hash: str


class Tampered(Exception):
    """The chain does not hold at `seq`."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"The audit log does not hold at row {seq}.")
        self.seq = seq


class Audit:
    """Appends to and checks the log of one node."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._counting = threading.Lock()
        self._counted: Counter[str] = Counter()
        self._written_at: datetime | None = None

    def append(self, session: Session, act: Act) -> None:
        """Adds a row in the caller's unit of work: two statements (three on PostgreSQL)."""
        if not self._database.is_sqlite:
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
        before = self.head(session)
        row = {
            "seq": before.seq + 1,
            # Whole seconds: both databases give back exactly what was hashed.
            "at": self._clock.now().replace(microsecond=0),
            "action": act.action,
            "actor": act.actor,
            "peer": act.peer,
            "subject": act.subject,
            "rule": act.rule,
            "digest": act.digest,
            "detail": json.dumps(dict(act.detail), sort_keys=True, ensure_ascii=False),
        }
        session.execute(insert(Entry), [{**row, "hash": _hash(row, before.hash)}])

    def head(self, session: Session) -> Head:
        """The newest row; seq 0 while there is none."""
        newest = session.execute(select(Entry.seq, Entry.hash).order_by(Entry.seq.desc()).limit(1)).first()
        return Head(newest.seq, newest.hash) if newest else Head(0, FIRST_HASH)

    def verify(self, session: Session, witnessed: Head | None = None) -> int:
        """The number of rows, all of which hold. Raises `Tampered` for the first that does not.

        With a `witnessed` head, also for a tail that was cut or written anew since.
        """
        previous, seq = FIRST_HASH, 0
        columns = Entry.__table__.columns
        query = select(*columns).order_by(Entry.seq).execution_options(yield_per=READ_AT_ONCE)
        with session.execute(query) as rows:
            for found in rows.mappings():
                row = dict(found)
                if row["seq"] != seq + 1 or row.pop("hash") != (expected := _hash(row, previous)):
                    raise Tampered(seq + 1)
                previous, seq = expected, seq + 1
                if witnessed is not None and witnessed.seq == seq and witnessed.hash != previous:
                    raise Tampered(seq)
        if witnessed is not None and witnessed.seq > seq:
            raise Tampered(seq + 1)
        return seq

    def count_refusal(self, rule: str) -> None:
        """Counts a refusal of an unknown sender; opens a unit of work of its own when a minute has passed."""
        with self._counting:
            self._counted[rule] += 1
        self.write_counted()

    def write_counted(self, *, at_once: bool = False) -> None:
        """Writes what was counted, if a minute has passed since the last time, or `at_once`."""
        with self._counting:
            now = self._clock.now()
            due = self._written_at is None or now - self._written_at >= COUNTED_EVERY
            if not self._counted or not (due or at_once):
                return
            counted, self._counted = self._counted, Counter()
            self._written_at = now
        with self._database.writing() as session:
            self.append(session, Act("refused.unauthenticated", detail=dict(counted)))

    def count(self, session: Session) -> int:
        """How many rows there are."""
        return session.scalar(select(func.count()).select_from(Entry)) or 0


def _hash(row: Mapping[str, object], previous: str) -> str:
    at = row["at"]
    assert isinstance(at, datetime)  # noqa: S101 -- narrows the type
    plain = {**row, "at": rfc3339(at), "previous": previous}
    return hashlib.sha256(
        json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(),
    ).hexdigest()
