"""The answers of the exchange to `federation.ports`: Journal, Log, Streams, Receipts, Checkpoints and what else is its.

Rule: what a walk writes line by line goes through the `Unit`; what it writes once a batch goes to the tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from federation import activity as activities
from federation import digest, documents, limits
from federation.activity import Activity, Document
from federation.digest import content_digest, sha256_of
from federation.http import Headers, Request, Response
from federation.ports import Dispute, Entry, Head, Outcome, Relation
from node.core import events, failpoints
from node.core.db import table_of
from node.core.ground import Ground
from node.core.hot import Hot
from node.core.values import value
from node.exchange import tables
from node.exchange.packing import pack, unpack
from node.exchange.statements import insert_into, insert_or_leave
from node.exchange.unit import (
    ACTIVITY,
    IN_ENTRY,
    LANE,
    OUT_ENTRY,
    STREAM,
    content_digest_of,
    unit_of,
    whole,
)

HELD_WAIT = timedelta(seconds=30)  # before a line that failed is tried again
READ_AT_ONCE = 100  # lines of a log: up to 25 MiB in memory at the largest
HELD = table_of(tables.HeldLine)
GIVEN = table_of(tables.Given)
TAKEN = table_of(tables.Taken)
DISPUTE = table_of(tables.Dispute)
CHECKPOINT = table_of(tables.Checkpoint)
BLOCK = table_of(tables.LogBlock)
NONCE = table_of(tables.Nonce)
INTRODUCTION = table_of(tables.Introduction)
INNER = ACTIVITY.alias("inside")

_BYTES = Hot(
    select(ACTIVITY.c.raw, ACTIVITY.c.suffix, INNER.c.raw.label("inner"))
    .select_from(ACTIVITY.outerjoin(INNER, INNER.c.id == ACTIVITY.c.inside_id))
    .where(ACTIVITY.c.iri == bindparam("name"))
)
_ANNOUNCED = (
    select(ACTIVITY.c.id)
    .select_from(ACTIVITY.join(INNER, INNER.c.id == ACTIVITY.c.inside_id))
    .where(INNER.c.iri == bindparam("iri"), ACTIVITY.c.type == "Announce")
    .limit(1)
)
_LINES = Hot(
    select(
        OUT_ENTRY.c.seq,
        OUT_ENTRY.c.time,
        OUT_ENTRY.c.entry_hash,
        OUT_ENTRY.c.problem,
        ACTIVITY.c.iri,
        ACTIVITY.c.type,
        ACTIVITY.c.digest,
        ACTIVITY.c.raw,
        ACTIVITY.c.suffix,
        INNER.c.raw.label("inner"),
    )
    .select_from(
        OUT_ENTRY.join(ACTIVITY, ACTIVITY.c.id == OUT_ENTRY.c.activity_id).outerjoin(
            INNER, INNER.c.id == ACTIVITY.c.inside_id
        )
    )
    .where(OUT_ENTRY.c.stream_id == bindparam("stream"), OUT_ENTRY.c.seq >= bindparam("first"))
    .order_by(OUT_ENTRY.c.seq)
    .limit(bindparam("lines"))
)
_OUT_ROWS = Hot(
    select(
        OUT_ENTRY.c.seq,
        OUT_ENTRY.c.time,
        OUT_ENTRY.c.entry_hash,
        ACTIVITY.c.iri,
        ACTIVITY.c.type,
        ACTIVITY.c.digest,
    )
    .select_from(OUT_ENTRY.join(ACTIVITY, ACTIVITY.c.id == OUT_ENTRY.c.activity_id))
    .where(
        OUT_ENTRY.c.stream_id == bindparam("stream"),
        OUT_ENTRY.c.seq.in_((bindparam("seq"), bindparam("before"))),
    )
    .order_by(OUT_ENTRY.c.seq)
)
_TIMES = Hot(
    select(func.count())
    .select_from(OUT_ENTRY.join(ACTIVITY, ACTIVITY.c.id == OUT_ENTRY.c.activity_id))
    .where(OUT_ENTRY.c.stream_id == bindparam("stream"), ACTIVITY.c.iri == bindparam("name"))
)
_IN_ROWS = Hot(
    select(
        IN_ENTRY.c.seq,
        IN_ENTRY.c.time,
        IN_ENTRY.c.entry_hash,
        IN_ENTRY.c.named,
        IN_ENTRY.c.outcome,
        IN_ENTRY.c.problem,
        ACTIVITY.c.iri,
        ACTIVITY.c.type,
        ACTIVITY.c.digest,
    )
    .select_from(IN_ENTRY.outerjoin(ACTIVITY, ACTIVITY.c.id == IN_ENTRY.c.activity_id))
    .where(
        IN_ENTRY.c.stream_id == bindparam("stream"),
        IN_ENTRY.c.seq.between(bindparam("first"), bindparam("last")),
    )
    .order_by(IN_ENTRY.c.seq)
)
_HELD_ABOUT = Hot(
    select(HELD.c.about).where(HELD.c.stream_id == bindparam("stream"), HELD.c.quarantined_at.is_(None))
)
_GIVEN = Hot(
    select(GIVEN.c.document).where(
        GIVEN.c.stream_id == bindparam("stream"),
        GIVEN.c.first == bindparam("from_seq"),
        GIVEN.c.last == bindparam("to_seq"),
    )
)
_REFUSED = Hot(
    update(OUT_ENTRY)
    .where(OUT_ENTRY.c.stream_id == bindparam("stream"), OUT_ENTRY.c.seq == bindparam("entry"))
    .values(problem=bindparam("why"))
)
_HELD_THERE = Hot(
    update(OUT_ENTRY)
    .where(
        OUT_ENTRY.c.stream_id == bindparam("stream"),
        OUT_ENTRY.c.seq == bindparam("entry"),
        OUT_ENTRY.c.late.is_(None),
    )
    .values(late="")
)
_INTRODUCED = Hot(
    select(INTRODUCTION.c.digest)
    .join_from(INTRODUCTION, LANE, LANE.c.id == INTRODUCTION.c.lane_id)
    .where(LANE.c.relation == bindparam("relation"), INTRODUCTION.c.actor == bindparam("name"))
)


@value
class Aside:
    """Event: this must reach the partner's node inbox, as the stream to it waits."""

    relation: Relation
    activity: Activity


@value
class Disputed:
    """Event: two histories of a stream came to light. `conflict` as `federation.ports.Conflict` names it."""

    relation_id: str
    node: str
    stream: str
    conflict: str


class _Port:
    def __init__(self, session: Session, ground: Ground) -> None:
        self.unit = unit_of(session, ground)
        self.session, self.ground = session, ground

    def _bytes_of(self, activity_id: str) -> bytes:
        """The bytes of an activity of an earlier unit of work; empty when there are none."""
        row = self.unit.execute(_BYTES, {"name": activity_id}).first()
        return b"" if row is None else whole(row.raw, row.inner, row.suffix)


class Journal(_Port):
    """Answers `ports.Journal`."""

    def digest_of(self, activity_id: str) -> str | None:
        sha256 = self.unit.digest_of(activity_id)
        return None if sha256 is None else content_digest_of(sha256)

    def keep(self, activity: Activity, *, inside: Activity | None = None) -> None:
        self.unit.keep(activity, inside)

    def get(self, activity_id: str) -> Activity | None:
        if activity_id in self.unit.erased:
            return None
        kept = self.unit.activities.get(activity_id)
        if kept is not None:
            return kept.activity
        raw = self._bytes_of(activity_id)
        return activities.of(documents.loads(raw), raw) if raw else None

    def announced(self, activity_id: str) -> bool:
        if any(kept.inside and kept.inside.id == activity_id for kept in self.unit.activities.values()):
            return True
        return self.unit.execute(_ANNOUNCED, {"iri": activity_id}).first() is not None

    def erase(self, activity_id: str) -> None:
        self.unit.erased.append(activity_id)


class Log(_Port):
    """Answers `ports.Log`."""

    def __init__(self, session: Session, ground: Ground) -> None:
        super().__init__(session, ground)
        self._read: dict[tuple[str, int], Entry] = {}

    def head(self, relation: Relation) -> Head:
        position = self.unit.position(relation, relation.stream_out)
        return _head(position.seq, position.entry_hash, relation)

    def acknowledged(self, relation: Relation) -> int:
        return self.unit.position(relation, relation.stream_out).acknowledged

    def append(self, relation: Relation, entry: Entry) -> None:
        self.unit.log(relation, entry)

    def aside(self, relation: Relation, activity: Activity) -> None:
        self.ground.events.publish(Aside(relation, activity), self.session)

    def read(
        self, relation: Relation, first: int, lines: int, size_bytes: int
    ) -> Sequence[tuple[Entry, bytes]]:
        found: list[tuple[Entry, bytes]] = []
        for entry, raw in self._lines(relation, first, lines):
            size_bytes -= len(raw) + 1
            if found and size_bytes < 0:
                break
            found.append((entry, raw))
        return found

    def _lines(self, relation: Relation, first: int, lines: int) -> Iterator[tuple[Entry, bytes]]:
        """Entries from `first` on with their bytes: those in the table, then those kept in this unit."""
        stream = self.unit.position(relation, relation.stream_out).id
        prev, wanted = relation.genesis, range(first, first + lines)
        following = max(first - 1, 1)  # the one before it says what `prev` is
        while stream is not None and following < wanted.stop:
            at_once = min(wanted.stop - following, READ_AT_ONCE)
            rows = self.unit.execute(_LINES, {"stream": stream, "first": following, "lines": at_once}).all()
            for row in rows:
                entry = self._remember(relation, _entry(row, prev))
                prev = entry.entry_hash
                if entry.seq in wanted:
                    yield entry, b"" if row.problem else whole(row.raw, row.inner, row.suffix)
            following += len(rows)
            if len(rows) < at_once:
                break
        for key, entry in self.unit.outgoing:
            if key == (relation.id, relation.stream_out) and entry.seq in wanted:
                said = self.unit.activities.get(entry.activity)
                yield entry, self._bytes_of(entry.activity) if said is None else said.activity.raw

    def entry(self, relation: Relation, seq: int) -> Entry | None:
        known = self._read.get((relation.id, seq))
        if known is not None:
            return known
        for key, entry in self.unit.outgoing:
            if key == (relation.id, relation.stream_out) and entry.seq == seq:
                return entry
        stream = self.unit.position(relation, relation.stream_out).id
        if stream is None or seq < 1:
            return None
        rows = self.unit.execute(_OUT_ROWS, {"stream": stream, "seq": seq, "before": seq - 1}).all()
        if not rows or rows[-1].seq != seq:
            return None
        prev = digest.multibase_of(rows[0].entry_hash) if seq > 1 else relation.genesis
        return self._remember(relation, _entry(rows[-1], prev))

    def unwind(self, relation: Relation, seq: int) -> Sequence[Entry]:
        taken = [entry for entry, _ in self._lines(relation, seq, self.head(relation).seq - seq + 1)]
        if taken:
            position = self.unit.position(relation, relation.stream_out)
            stream = self.unit.stream_id(relation, relation.stream_out)
            self.unit.execute(
                delete(OUT_ENTRY).where(OUT_ENTRY.c.stream_id == stream, OUT_ENTRY.c.seq >= seq)
            )
            hash_before = digest.sha256_of(taken[0].prev) if seq > 1 else b""
            self.unit.move(
                relation, relation.stream_out, replace(position, seq=seq - 1, entry_hash=hash_before)
            )
            self._read = {key: entry for key, entry in self._read.items() if entry.seq < seq}
        return taken

    def times(self, relation: Relation, activity_id: str) -> int:
        stream = self.unit.position(relation, relation.stream_out).id
        written: int = self.unit.execute(_TIMES, {"stream": stream, "name": activity_id}).scalar_one()
        key = (relation.id, relation.stream_out)
        return written + sum(
            known == key and entry.activity == activity_id for known, entry in self.unit.outgoing
        )

    def _remember(self, relation: Relation, entry: Entry) -> Entry:
        self._read[relation.id, entry.seq] = entry
        return entry

    def acknowledge(self, relation: Relation, seq: int) -> None:
        stream = relation.stream_out
        position = self.unit.position(relation, stream)
        if seq > position.acknowledged:
            self.unit.stream_id(relation, stream)
            position = self.unit.position(relation, stream)
            self.unit.move(relation, stream, replace(position, acknowledged=seq, at=self.unit.now))

    def refuse(self, relation: Relation, seq: int, problem: Mapping[str, object]) -> None:
        stream = self.unit.stream_id(relation, relation.stream_out)
        row = {"stream": stream, "entry": seq, "why": json.dumps(dict(problem))}
        self.unit.execute(_REFUSED, row)

    def hold(self, relation: Relation, seq: int) -> None:
        stream = self.unit.stream_id(relation, relation.stream_out)
        self.unit.execute(_HELD_THERE, {"stream": stream, "entry": seq})

    def late(self, relation: Relation, seq: int) -> str | None:
        stream = self.unit.position(relation, relation.stream_out).id
        query = select(OUT_ENTRY.c.late).where(OUT_ENTRY.c.stream_id == stream, OUT_ENTRY.c.seq == seq)
        late: str | None = self.unit.execute(query).scalar()
        return late

    def conclude(self, relation: Relation, seq: int, said: str) -> None:
        stream = self.unit.stream_id(relation, relation.stream_out)
        entry = (OUT_ENTRY.c.stream_id == stream, OUT_ENTRY.c.seq == seq)
        self.unit.execute(update(OUT_ENTRY).where(*entry).values(late=said))


class Streams(_Port):
    """Answers `ports.Streams`."""

    def __init__(self, session: Session, ground: Ground) -> None:
        super().__init__(session, ground)
        self._held: dict[str, set[str | None]] = {}

    def head(self, relation: Relation) -> Head:
        position = self.unit.position(relation, relation.stream_in)
        return _head(position.seq, position.entry_hash, relation)

    def entries(self, relation: Relation, first: int, last: int) -> Sequence[tuple[Entry, Outcome]]:
        stream = self.unit.position(relation, relation.stream_in).id
        found: list[tuple[Entry, Outcome]] = []
        if stream is not None:
            prev = relation.genesis
            bounds = {"stream": stream, "first": first - 1, "last": last}
            for row in self.unit.execute(_IN_ROWS, bounds):
                entry = _in_entry(row, prev)
                prev = entry.entry_hash
                if entry.seq >= first:
                    found.append((entry, Outcome(row.outcome, json.loads(row.problem or "null"))))
        kept = (
            (entry, outcome)
            for key, entry, outcome in self.unit.incoming
            if key == (relation.id, relation.stream_in) and first <= entry.seq <= last
        )
        return [*found, *kept]

    def record(self, relation: Relation, taken: Iterable[tuple[Entry, Outcome]]) -> None:
        self.unit.record(relation, list(taken))

    def hold(self, relation: Relation, seq: int, raw: bytes, about: str | None) -> None:
        row = {
            "stream_id": self.unit.stream_id(relation, relation.stream_in),
            "seq": seq,
            "about": about,
            "raw": raw,
            "tries": 0,
            "next_try": self.unit.now + HELD_WAIT,
            "cause": "",
        }
        self.unit.execute(insert(HELD), row)
        self._held.pop(relation.id, None)

    def holds(self, relation: Relation, about: str | None) -> bool:
        if about is None:
            return False
        held = self._held.get(relation.id)
        if held is None:
            stream = self.unit.position(relation, relation.stream_in).id
            rows = () if stream is None else self.unit.execute(_HELD_ABOUT, {"stream": stream}).scalars()
            held = self._held[relation.id] = set(rows)
        return about in held

    def read(
        self, relation: Relation, first: int, lines: int, size_bytes: int
    ) -> Sequence[tuple[Entry, bytes]]:
        found: list[tuple[Entry, bytes]] = []
        for entry, _ in self.entries(relation, first, first + lines - 1):
            raw = self._bytes_of(entry.activity)
            if content_digest(raw) != entry.content_digest:  # refused, and so never kept; or erased since
                raw = b""
            size_bytes -= len(raw) + 1
            if found and size_bytes < 0:
                break
            found.append((entry, raw))
        return found

    def disputed(self, relation: Relation) -> bool:
        return self.unit.position(relation, relation.stream_in).disputed

    def dispute(self, relation: Relation, dispute: Dispute) -> None:
        stream = self.unit.stream_id(relation, dispute.stream)
        what = {"conflict": dispute.conflict, "size": dispute.size, "theirs": dispute.theirs}
        same = [DISPUTE.c.stream_id == stream, *(DISPUTE.c[name] == value for name, value in what.items())]
        if self.unit.execute(select(DISPUTE.c.id).where(*same)).first() is not None:
            return
        kept = pack(dispute.evidence)
        row = {"stream_id": stream, "at": self.unit.now, "ours": dispute.ours, "evidence": kept, **what}
        self.unit.execute(insert(DISPUTE), row)
        self.unit.execute(
            update(STREAM)
            .where(STREAM.c.id == stream, STREAM.c.disputed_at.is_(None))
            .values(disputed_at=self.unit.now)
        )
        self.ground.events.publish(
            Disputed(relation.id, relation.node, dispute.stream, dispute.conflict), self.session
        )


class Receipts(_Port):
    """Answers `ports.Receipts`."""

    def given(self, relation: Relation, first: int, last: int) -> Document | None:
        stream = self.unit.position(relation, relation.stream_in).id
        bounds = {"stream": stream, "from_seq": first, "to_seq": last}
        packed = None if stream is None else self.unit.execute(_GIVEN, bounds).scalar()
        receipt: Document | None = None if packed is None else unpack(packed)
        return receipt

    def keep_given(self, relation: Relation, receipt: Document) -> None:
        row = {
            "stream_id": self.unit.stream_id(relation, relation.stream_in),
            "first": receipt["from"],
            "last": receipt["to"],
            "document": pack(receipt),
        }
        self.unit.execute(insert_or_leave(self.unit.dialect, GIVEN), row)
        failpoints.hit("receipt.given")

    def keep_received(
        self, relation: Relation, receipt: Document, request: Request, response: Response
    ) -> None:
        stream = self.unit.stream_id(relation, relation.stream_out)
        row = {
            "stream_id": stream,
            "first": receipt["from"],
            "last": receipt["to"],
            "at": self.unit.now,
            "document": pack([list(request.headers), list(response.headers), receipt]),
        }
        self.unit.execute(insert_or_leave(self.unit.dialect, TAKEN), row)
        failpoints.hit("receipt.taken")


class Checkpoints(_Port):
    """Answers `ports.Checkpoints`."""

    def leaves(self, relation: Relation, stream: str, first: int, last: int) -> Sequence[bytes]:
        table = OUT_ENTRY if stream == relation.stream_out else IN_ENTRY
        rows = self.unit.execute(
            select(table.c.entry_hash)
            .where(table.c.stream_id == self._stream(relation, stream), table.c.seq.between(first, last))
            .order_by(table.c.seq)
        )
        return [bytes(each) for each in rows.scalars()]

    def blocks(self, relation: Relation, stream: str, count: int) -> Sequence[bytes]:
        rows = self.unit.execute(
            select(BLOCK.c.root)
            .where(BLOCK.c.stream_id == self._stream(relation, stream), BLOCK.c.number < count)
            .order_by(BLOCK.c.number)
        )
        return [bytes(each) for each in rows.scalars()]

    def keep_blocks(self, relation: Relation, stream: str, first: int, roots: Sequence[bytes]) -> None:
        key = self._stream(relation, stream)
        rows = [
            {"stream_id": key, "number": number, "root": root} for number, root in enumerate(roots, first)
        ]
        self.session.connection().execute(insert(BLOCK), rows)

    def keep(
        self,
        relation: Relation,
        checkpoint: Document,
        receipt: Document,
        headers: tuple[Headers, Headers] | None = None,
    ) -> None:
        sets = None if headers is None else [list(each) for each in headers]
        row = {
            "iri": checkpoint["id"],
            "stream_id": self.unit.stream_id(relation, checkpoint["stream"]),
            "size": checkpoint["size"],
            "head": sha256_of(checkpoint["head"]),
            "ours": checkpoint["attributedTo"] != relation.node,
            "agreed": receipt["outcome"] == "processed",
            "at": self.unit.now,
            "document": pack([checkpoint, receipt, sets]),
        }
        self.unit.execute(insert(CHECKPOINT), row)

    def answer(self, checkpoint_id: str) -> Document | None:
        packed = self.unit.execute(
            select(CHECKPOINT.c.document).where(CHECKPOINT.c.iri == checkpoint_id)
        ).scalar()
        receipt: Document | None = None if packed is None else unpack(packed)[1]
        return receipt

    def of_size(self, relation: Relation, stream: str, size: int) -> Sequence[Document]:
        rows = self.unit.execute(
            select(CHECKPOINT.c.document)
            .where(CHECKPOINT.c.stream_id == self._stream(relation, stream), CHECKPOINT.c.size == size)
            .order_by(CHECKPOINT.c.id)
        )
        return [unpack(each)[0] for each in rows.scalars()]

    def _stream(self, relation: Relation, stream: str) -> int | None:
        return self.unit.position(relation, stream).id


class Nonces(_Port):
    """Answers `ports.Nonces`."""

    def first_use(self, key_id: str, nonce: str, now: datetime) -> bool:
        """Also tells the lane of this partner, once the request was taken, that the partner lives."""
        kept = hashlib.sha256(f"{key_id}\0{nonce}".encode()).digest()[:16]
        used = int(now.timestamp())
        row = {"nonce": kept, "used": used, "forgotten": used - limits.NONCE_MEMORY_S}
        first = self.unit.execute(_use(self.unit.dialect), row).first() is not None
        if first:
            wake, channel = self.ground.wake, f"alive:{key_id.partition('#')[0]}"
            events.after_commit(self.session, lambda: wake.notify(channel))
        failpoints.hit("nonce.used")
        return first


class Introductions(_Port):
    """Answers `ports.Introductions`."""

    def known(self, relation: Relation, actor: str) -> str | None:
        said = self.unit.introduced.get((relation.id, actor))
        if said is None:
            said = self.unit.memory.introduced.get((relation.id, actor))
        if said is None:
            row = self.unit.execute(_INTRODUCED, {"relation": relation.id, "name": actor}).first()
            if row is not None:
                said = digest.multibase_of(row.digest) if row.digest else ""
                self.unit.memory.put_introduced(relation.id, actor, said)
        return said

    def introduced(self, relation: Relation, actor: str, digest: str) -> None:
        row = {
            "lane_id": self.unit.lane_id(relation),
            "actor": actor,
            "digest": sha256_of(digest) if digest else None,
        }
        self.unit.execute(_introduce(self.unit.dialect), row)
        self.unit.introduced[relation.id, actor] = digest


@cache
def _use(dialect: str) -> Hot:
    """Takes a nonce that is new, or older than `forgotten`; a row when it did."""
    statement = insert_into(dialect, NONCE)
    taken = statement.on_conflict_do_update(
        index_elements=[NONCE.c.nonce],
        set_={"used": statement.excluded.used},
        where=NONCE.c.used <= bindparam("forgotten"),
    )
    return Hot(taken.returning(NONCE.c.used))


@cache
def _introduce(dialect: str) -> Any:
    statement = insert_into(dialect, INTRODUCTION)
    return statement.on_conflict_do_update(
        index_elements=[INTRODUCTION.c.lane_id, INTRODUCTION.c.actor],
        set_={"digest": statement.excluded.digest},
    )


def _head(seq: int, entry_hash: bytes, relation: Relation) -> Head:
    return Head(seq, digest.multibase_of(entry_hash)) if seq else Head(0, relation.genesis)


def _entry(row: Any, prev: str) -> Entry:
    return Entry(
        seq=row.seq,
        activity=row.iri,
        type=row.type,
        content_digest=content_digest_of(row.digest),
        time=row.time,
        prev=prev,
        entry_hash=digest.multibase_of(row.entry_hash),
    )


def _in_entry(row: Any, prev: str) -> Entry:
    if row.named is None:
        return _entry(row, prev)
    activity, kind, content = json.loads(row.named)
    return Entry(row.seq, activity, kind, content, row.time, prev, digest.multibase_of(row.entry_hash))
