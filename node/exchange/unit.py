"""One unit of work of the exchange: what is new is kept here and written at once, just before the commit.

Rule: a read sees what was kept; a savepoint that is undone takes it back. The order of writing is: activities,
entries, heads. Statements go past the ORM. Source: PERFORMANCE, sections 3 and 4; DECISIONS 22.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, insert, or_, select, text, update
from sqlalchemy.orm import Session

from federation import digest, documents
from federation.activity import Activity, Document
from federation.errors import LocalError
from federation.ports import Entry, Outcome, Relation
from node.core import events, failpoints
from node.core.db import table_of
from node.core.ground import Ground
from node.core.hot import Hot, execute
from node.core.values import value
from node.core.work import enlist
from node.exchange import tables
from node.exchange.memory import Memory, memory_of
from node.exchange.packing import squeeze, unsqueeze

ACTIVITY = table_of(tables.Activity)
STREAM = table_of(tables.Stream)
LANE = table_of(tables.Lane)
OUT_ENTRY = table_of(tables.OutEntry)
IN_ENTRY = table_of(tables.InEntry)

_PREFIX, _SUFFIX = "sha-256=:", ":"

_STREAM_OF = Hot(
    select(
        LANE.c.id.label("lane_id"),
        STREAM.c.id,
        STREAM.c.seq,
        STREAM.c.entry_hash,
        STREAM.c.acknowledged,
        STREAM.c.disputed_at.is_not(None).label("disputed"),
    )
    .select_from(
        LANE.outerjoin(STREAM, (STREAM.c.lane_id == LANE.c.id) & (STREAM.c.iri == bindparam("stream")))
    )
    .where(LANE.c.relation == bindparam("relation"))
)
_SEEN = Hot(
    select(ACTIVITY.c.id, ACTIVITY.c.digest, ACTIVITY.c.type).where(ACTIVITY.c.iri == bindparam("name"))
)
_LAST_ID = Hot(select(func.coalesce(func.max(ACTIVITY.c.id), 0)))
_NEXT_IDS = text(
    "SELECT nextval(pg_get_serial_sequence('activity', 'id')) FROM generate_series(1, :count) ORDER BY 1"
)
_KEEP = Hot(insert(ACTIVITY))
_LOG = Hot(insert(OUT_ENTRY))
_RECORD = Hot(insert(IN_ENTRY))
_MOVE = Hot(
    update(STREAM)
    .where(STREAM.c.id == bindparam("stream"))
    .values(
        seq=bindparam("new_seq"),
        entry_hash=bindparam("new_hash"),
        acknowledged=bindparam("new_acknowledged"),
        at=func.coalesce(bindparam("new_at", type_=STREAM.c.at.type), STREAM.c.at),
    )
)


class Seen(NamedTuple):
    """A row of the journal: its key, the SHA-256 of its bytes, its type."""

    id: int
    digest: bytes
    type: str


class Kept(NamedTuple):
    """An activity that is new in this unit of work, with what it wraps where the caller knew."""

    activity: Activity
    inside: Activity | None


@value
class Position:
    """Where a stream stands. `id` is None while the stream has no row; `at` is when it moved, in this unit."""

    id: int | None
    lane_id: int | None
    seq: int
    entry_hash: bytes
    acknowledged: int
    at: datetime | None = None
    disputed: bool = False


Key = tuple[str, str]
"""(relation, IRI of the stream)."""


class Unit:
    """The participant: `unit_of(session, ground)` gives the one of a session."""

    def __init__(self, session: Session, ground: Ground) -> None:
        self.session = session
        self.ground = ground
        self.memory: Memory = memory_of(ground)
        self.activities: dict[str, Kept] = {}
        self.outgoing: list[tuple[Key, Entry]] = []
        self.incoming: list[tuple[Key, Entry, Outcome]] = []
        self.erased: list[str] = []
        self.learned: dict[str, tuple[Document, str]] = {}
        self.introduced: dict[tuple[str, str], str] = {}
        self.told: set[str] = set()
        self._positions: dict[Key, Position] = {}
        self._moved: dict[Key, None] = {}
        self._seen: dict[str, Seen | None] = {}

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Runs a statement past the ORM."""
        return execute(self.session, statement, parameters)

    @property
    def dialect(self) -> str:
        """The name of the database's dialect."""
        return "sqlite" if self.ground.database.is_sqlite else "postgresql"

    @property
    def now(self) -> datetime:
        """The clock, UTC."""
        return self.ground.clock.now()

    # -- streams

    def position(self, relation: Relation, stream: str) -> Position:
        """Where a stream stands, with what is kept here."""
        key = (relation.id, stream)
        found = self._positions.get(key)
        if found is None:
            row = self.execute(_STREAM_OF, {"relation": relation.id, "stream": stream}).first()
            if row is None or row.id is None:
                found = Position(None, row.lane_id if row else None, 0, b"", 0)
            else:
                found = Position(
                    row.id,
                    row.lane_id,
                    row.seq,
                    row.entry_hash,
                    row.acknowledged,
                    disputed=bool(row.disputed),
                )
            self._positions[key] = found
        return found

    def lane_id(self, relation: Relation) -> int:
        """The key of the row of a relation; made when there is none."""
        found = self.execute(select(LANE.c.id).where(LANE.c.relation == relation.id)).scalar()
        if found is None:
            values = {"relation": relation.id, "node": relation.node}
            found = self.execute(insert(LANE).returning(LANE.c.id), values).scalar_one()
        key: int = found
        return key

    def stream_id(self, relation: Relation, stream: str) -> int:
        """The key of the row of a stream; made when there is none."""
        position = self.position(relation, stream)
        if position.id is None:
            lane_id = position.lane_id or self.lane_id(relation)
            ours = stream == relation.stream_out
            begun = {"ours": ours, "genesis": relation.genesis, "seq": 0, "entry_hash": b""}
            values = {"lane_id": lane_id, "iri": stream, **begun}
            key = self.execute(insert(STREAM).returning(STREAM.c.id), values).scalar_one()
            position = replace(position, id=key, lane_id=lane_id)
            self._positions[relation.id, stream] = position
        if position.id is None:
            raise LocalError(f"The stream {stream} has no row.")
        return position.id

    def move(self, relation: Relation, stream: str, position: Position) -> None:
        """The stream stands at `position` from now on."""
        self._positions[relation.id, stream] = position
        self._moved[relation.id, stream] = None

    def log(self, relation: Relation, entry: Entry) -> None:
        """A new entry of our stream; its lane is woken after the commit."""
        stream = relation.stream_out
        if relation.id not in self.told:
            self.told.add(relation.id)
            wake, channel = self.ground.wake, f"lane:{relation.id}"
            events.after_commit(self.session, lambda: wake.notify(channel))
        self.stream_id(relation, stream)
        self.outgoing.append(((relation.id, stream), entry))
        position = self.position(relation, stream)
        self.move(
            relation,
            stream,
            replace(position, seq=entry.seq, entry_hash=digest.sha256_of(entry.entry_hash)),
        )

    def record(self, relation: Relation, taken: Sequence[tuple[Entry, Outcome]]) -> None:
        """New entries of the partner's stream."""
        if not taken:
            return
        stream = relation.stream_in
        self.stream_id(relation, stream)
        key = (relation.id, stream)
        self.incoming += [(key, entry, outcome) for entry, outcome in taken]
        last = taken[-1][0]
        position = self.position(relation, stream)
        moved = replace(position, seq=last.seq, entry_hash=digest.sha256_of(last.entry_hash), at=self.now)
        self.move(relation, stream, moved)

    # -- journal

    def seen(self, iri: str) -> Seen | None:
        """The row of an activity that was kept in an earlier unit of work."""
        if iri not in self._seen:
            row = self.execute(_SEEN, {"name": iri}).first()
            self._seen[iri] = None if row is None else Seen(row.id, bytes(row.digest), row.type)
        return self._seen[iri]

    def digest_of(self, iri: str) -> bytes | None:
        """The SHA-256 under which an id was taken."""
        kept = self.activities.get(iri)
        if kept is not None:
            return sha256_of(kept.activity.content_digest)
        seen = self.seen(iri)
        return None if seen is None else seen.digest

    def keep(self, activity: Activity, inside: Activity | None) -> None:
        """A new activity. Raises LocalError for an id that was taken."""
        if inside is not None and inside.id not in self.activities and self.seen(inside.id) is None:
            self.activities[inside.id] = Kept(inside, None)
        if activity.id in self.activities:
            raise LocalError(f"{activity.id} is kept twice.")
        self.activities[activity.id] = Kept(activity, inside)

    # -- participant

    def mark(self) -> Any:
        """Lengths of what only grows, copies of what changes."""
        return (
            len(self.activities),
            len(self.outgoing),
            len(self.incoming),
            len(self.erased),
            self.learned.copy(),
            self.introduced.copy(),
            self._positions.copy(),
            self._moved.copy(),
        )

    def restore(self, mark: Any) -> None:
        """Back to `mark`."""
        activities, outgoing, incoming, erased, *copies = mark or (0, 0, 0, 0, {}, {}, {}, {})
        while len(self.activities) > activities:
            self.activities.popitem()
        del self.outgoing[outgoing:], self.incoming[incoming:], self.erased[erased:]
        self.learned, self.introduced, self._positions, self._moved = copies

    def flush(self) -> None:
        """Writes what is kept."""
        ids = self._write_activities() if self.activities else {}
        if self.outgoing:
            self.execute(_LOG, [self._out_row(key, entry, ids) for key, entry in self.outgoing])
            failpoints.hit("log.flushed")
        if self.incoming:
            self.execute(_RECORD, [self._in_row(*each, ids) for each in self.incoming])
            failpoints.hit("streams.flushed")
        if self._moved:
            self.execute(_MOVE, [_move_row(self._positions[key]) for key in self._moved])
            failpoints.hit("heads.flushed")
        if self.erased:
            self._erase()
        if self.introduced or self.learned:
            self.memory.after_commit(self.session, self.introduced, self.learned)
        self.activities, self.outgoing, self.incoming, self.erased = {}, [], [], []
        self._moved = {}
        self._seen = {}

    def _write_activities(self) -> dict[str, int]:
        ordered = self._inner_first()
        ids = dict(zip(ordered, self._next_ids(len(ordered)), strict=True))
        self.execute(_KEEP, [self._activity_row(self.activities[iri], ids) for iri in ordered])
        failpoints.hit("journal.flushed")
        return ids

    def _inner_first(self) -> list[str]:
        """The ids of the new activities, each after what it wraps."""
        ordered: dict[str, None] = {}
        for iri, kept in self.activities.items():
            inside = _inside_of(kept)
            if inside is not None and inside in self.activities:
                ordered[inside] = None
            ordered[iri] = None
        return list(ordered)

    def _next_ids(self, count: int) -> Sequence[int]:
        if self.ground.database.is_sqlite:  # the write lock is ours
            last: int = self.execute(_LAST_ID).scalar_one()
            return range(last + 1, last + 1 + count)
        found: Sequence[int] = self.execute(_NEXT_IDS, {"count": count}).scalars().all()
        return found

    def _activity_row(self, kept: Kept, ids: dict[str, int]) -> dict[str, Any]:
        activity = kept.activity
        inside_id, raw, suffix = self._spliced(kept, ids)
        if activity.id in self.erased:
            raw = None
        return {
            "id": ids[activity.id],
            "iri": activity.id,
            "type": activity.type,
            "digest": sha256_of(activity.content_digest),
            "inside_id": inside_id,
            "raw": None if raw is None else squeeze(raw),
            "suffix": suffix,
        }

    def _spliced(self, kept: Kept, ids: dict[str, int]) -> tuple[int | None, bytes | None, bytes | None]:
        """What stands around the inner bytes, where those are in the journal already; else all of it."""
        activity = kept.activity
        inside = _inside_of(kept)
        if inside is None:
            return None, activity.raw, None
        buffered = self.activities.get(inside)
        if buffered is not None and inside in ids:
            start = activity.raw.find(buffered.activity.raw)
            end = start + len(buffered.activity.raw)
            inside_id = ids[inside]
        else:
            seen = self.seen(inside)
            if seen is None:
                return None, activity.raw, None
            start, end = documents.span_of(activity.raw, "object")
            if hashlib.sha256(activity.raw[start:end]).digest() != seen.digest:
                start = -1
            inside_id = seen.id
        if start < 0:
            return inside_id, activity.raw, None
        return inside_id, activity.raw[:start], activity.raw[end:]

    def _out_row(self, key: Key, entry: Entry, ids: dict[str, int]) -> dict[str, Any]:
        activity_id = ids.get(entry.activity)
        if activity_id is None:
            seen = self.seen(entry.activity)
            if seen is None:
                raise LocalError(f"{entry.activity} is in a log, but not in the journal.")
            activity_id = seen.id
        return {
            "stream_id": self._positions[key].id,
            "seq": entry.seq,
            "activity_id": activity_id,
            "time": entry.time,
            "entry_hash": digest.sha256_of(entry.entry_hash),
        }

    def _in_row(self, key: Key, entry: Entry, outcome: Outcome, ids: dict[str, int]) -> dict[str, Any]:
        activity_id = self._journalled(entry, ids)
        return {
            "stream_id": self._positions[key].id,
            "seq": entry.seq,
            "activity_id": activity_id,
            "named": None if activity_id else json.dumps([entry.activity, entry.type, entry.content_digest]),
            "time": entry.time,
            "entry_hash": digest.sha256_of(entry.entry_hash),
            "outcome": outcome.outcome,
            "problem": None if outcome.problem is None else json.dumps(dict(outcome.problem)),
        }

    def _journalled(self, entry: Entry, ids: dict[str, int]) -> int | None:
        """The key of the activity that the entry names, if the journal has exactly this one."""
        kept = self.activities.get(entry.activity)
        if kept is not None:
            same = (kept.activity.content_digest, kept.activity.type) == (entry.content_digest, entry.type)
            return ids[entry.activity] if same else None
        seen = self._seen.get(entry.activity)  # asked before, when the line was looked at
        if seen is None or (content_digest_of(seen.digest), seen.type) != (entry.content_digest, entry.type):
            return None
        return seen.id

    def _erase(self) -> None:
        named = select(ACTIVITY.c.id).where(ACTIVITY.c.iri.in_(self.erased)).scalar_subquery()
        self.execute(
            update(ACTIVITY)
            .where(or_(ACTIVITY.c.iri.in_(self.erased), ACTIVITY.c.inside_id.in_(named)))
            .values(raw=None, suffix=None)
        )


def unit_of(session: Session, ground: Ground) -> Unit:
    """The unit of the exchange in this unit of work."""
    return enlist(session, "exchange", lambda: Unit(session, ground))


def sha256_of(content_digest: str) -> bytes:
    """The 32 bytes of a Content-Digest as we write it. Raises LocalError for any other text."""
    raw = sha256_or_none(content_digest)
    if raw is None:
        raise LocalError(f"{content_digest!r} is no digest of ours.")
    return raw


def sha256_or_none(content_digest: str) -> bytes | None:
    """The 32 bytes of a Content-Digest in exactly our form, else None."""
    try:
        raw = b64decode(content_digest[len(_PREFIX) : -len(_SUFFIX)], validate=True)
    except (NotBase64, ValueError):
        return None
    return raw if content_digest_of(raw) == content_digest else None


def content_digest_of(sha256: bytes) -> str:
    """The Content-Digest of 32 bytes."""
    return f"{_PREFIX}{b64encode(sha256).decode('ascii')}{_SUFFIX}"


def whole(raw: bytes | None, inner: bytes | None, suffix: bytes | None) -> bytes:
    """The bytes of an activity from its columns; empty when they, or those that it wraps, were erased."""
    if raw is None:
        return b""
    if suffix is None:
        return unsqueeze(raw)
    return b"" if inner is None else unsqueeze(raw) + unsqueeze(inner) + suffix


def _inside_of(kept: Kept) -> str | None:
    if kept.inside is not None:
        return kept.inside.id
    activity = kept.activity
    return activity.object_id if activity.type == "Announce" and activity.object is not None else None


def _move_row(position: Position) -> dict[str, Any]:
    return {
        "stream": position.id,
        "new_seq": position.seq,
        "new_hash": position.entry_hash,
        "new_acknowledged": position.acknowledged,
        "new_at": position.at,
    }
