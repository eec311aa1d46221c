"""Whether both sides have the same history: checkpoints of our logs, and where two histories part.

Rule: HTTP happens outside any unit of work, and only what the partner's node has signed is kept. A checkpoint that
got no answer is signed anew next time. Source: PROTOCOL 2.b, *Checkpoint* and *Failure cases*.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy import func, select, update

from federation import authorship, checkpoints, digest, documents, exchange, limits, periods
from federation.activity import Document
from federation.errors import FederationError, Malformed
from federation.ports import Conflict, Entry, Relation, State
from node.core import failpoints
from node.core.db import table_of
from node.core.ground import Ground
from node.core.log import get_logger
from node.core.values import value
from node.exchange import tables
from node.exchange.packing import pack, unpack
from node.exchange.service import (
    NodeWork,
    fetch_proved,
    live,
    open_reading,
    open_work,
    post_single,
    settings_of,
)
from node.exchange.unit import LANE, STREAM

log = get_logger(__name__)

CHECKPOINT = table_of(tables.Checkpoint)
DISPUTE = table_of(tables.Dispute)
UNDER_AGREEMENT = frozenset({State.IN_FORCE, State.SUSPENDED})
EVERY = "PT24H"
SEARCH_FOR = timedelta(days=7)  # a partner that does not show its history in this time is not asked any more


@value
class Checkpoint:
    """The newest checkpoint of a stream: how far it reaches, and whether the other side agrees."""

    stream: str
    ours: bool
    size: int
    at: datetime
    agreed: bool


@value
class Version:
    """What one side says entry `seq` is."""

    seq: int
    activity: str
    type: str
    content_digest: str
    time: str
    entry_hash: str


@value
class Dispute:
    """Two histories of a stream. `first` is the entry where they part, with both versions of it, once it was found.

    `evidence` is what was signed, without contents: headers and manifest of the partner's request, or its checkpoints
    and receipts (JSON).
    """

    stream: str
    ours: bool
    at: datetime
    conflict: str
    size: int
    our_hash: str
    their_hash: str
    first: int | None
    our_version: Version | None
    their_version: Version | None
    evidence: Sequence[object]


# -- for those who look


def latest(work: NodeWork, relation_id: str) -> list[Checkpoint]:
    """The newest checkpoint of each stream with this partner."""
    newest = select(func.max(CHECKPOINT.c.id)).group_by(CHECKPOINT.c.stream_id)
    rows = work.session.execute(
        select(STREAM.c.iri, STREAM.c.ours, CHECKPOINT.c.size, CHECKPOINT.c.at, CHECKPOINT.c.agreed)
        .join_from(CHECKPOINT, STREAM, STREAM.c.id == CHECKPOINT.c.stream_id)
        .join(LANE, LANE.c.id == STREAM.c.lane_id)
        .where(LANE.c.relation == relation_id, CHECKPOINT.c.id.in_(newest))
        .order_by(STREAM.c.id)
    )
    return [Checkpoint(*row) for row in rows]


def disputes(work: NodeWork, relation_id: str) -> list[Dispute]:
    """The disputes with this partner, oldest first."""
    rows = work.session.execute(
        select(DISPUTE, STREAM.c.iri, STREAM.c.ours.label("by_us"))
        .join_from(DISPUTE, STREAM, STREAM.c.id == DISPUTE.c.stream_id)
        .join(LANE, LANE.c.id == STREAM.c.lane_id)
        .where(LANE.c.relation == relation_id)
        .order_by(DISPUTE.c.id)
    )
    return [_dispute(row) for row in rows]


def _dispute(row: Any) -> Dispute:
    ours, theirs = (None, None) if row.versions is None else json.loads(row.versions)
    return Dispute(
        stream=row.iri,
        ours=row.by_us,
        at=row.at,
        conflict=row.conflict,
        size=row.size,
        our_hash=row.ours,
        their_hash=row.theirs,
        first=row.first,
        our_version=None if ours is None else Version(*ours),
        their_version=None if theirs is None else Version(*theirs),
        evidence=unpack(row.evidence),
    )


# -- checkpoints


def checkpoint(ground: Ground, relation_id: str, *, again: bool = False) -> bool | None:
    """Signs what the partner has receipted of our log, and has it confirmed; whether the partner agrees.

    None when nothing was receipted since the last confirmed one (unless `again`), or when no answer proves anything.
    Raises EgressError when the partner cannot be reached.
    """
    with open_work(ground) as work:
        relation = _relation(work, relation_id)
        size = 0 if relation is None else work.log.acknowledged(relation)
        if relation is None or size == 0 or (not again and _confirmed(work, relation) == size):
            return None
        checkpoints.extent(relation, relation.stream_out, size, work, keep=True)
        said = checkpoints.statement(relation, relation.stream_out, size, work)
        if said is None:
            return None
        document: Document = {"type": "Create", "to": [relation.node], "object": said}
        create = authorship.write(document, work.node, work, settings_of(ground))
    failpoints.hit("checkpoint.signed")
    request, response = post_single(ground, relation, create)
    failpoints.hit("checkpoint.answered")
    with open_work(ground) as work:
        agreed = checkpoints.settle(said, relation, request, response, work)
        failpoints.hit("checkpoint.kept")
    return agreed


def due(work: NodeWork) -> list[str]:
    """The relations whose agreement asks for a checkpoint by now."""
    last: dict[str, datetime] = {
        row.relation: row.at
        for row in work.session.execute(
            select(LANE.c.relation, func.max(CHECKPOINT.c.at).label("at"))
            .join_from(CHECKPOINT, STREAM, STREAM.c.id == CHECKPOINT.c.stream_id)
            .join(LANE, LANE.c.id == STREAM.c.lane_id)
            .where(CHECKPOINT.c.ours)
            .group_by(LANE.c.relation)
        )
    }
    return [
        relation.id
        for relation in live(work)
        if relation.state in UNDER_AGREEMENT
        and (relation.id not in last or _next(relation, last[relation.id]) <= work.now)
    ]


def _next(relation: Relation, last: datetime) -> datetime:
    evidence = (relation.agreement or {}).get("evidence", {})
    try:
        return periods.after(last, evidence.get("checkpoint") or EVERY)
    except Malformed:
        return periods.after(last, EVERY)


def _confirmed(work: NodeWork, relation: Relation) -> int:
    """How far the newest checkpoint of our stream reaches that the partner has signed too."""
    size: int | None = work.session.scalar(
        select(func.max(CHECKPOINT.c.size))
        .join_from(CHECKPOINT, STREAM, STREAM.c.id == CHECKPOINT.c.stream_id)
        .where(STREAM.c.iri == relation.stream_out, CHECKPOINT.c.agreed)
    )
    return size or 0


def _relation(work: NodeWork, relation_id: str) -> Relation | None:
    return next(
        (each for each in live(work) if each.id == relation_id and each.state in UNDER_AGREEMENT), None
    )


# -- where two histories part


def search(ground: Ground) -> int:
    """Finds the first entry that differs, for each dispute of which it is not known; how many were found."""
    with open_reading(ground) as work:
        wanted = work.session.execute(
            select(*DISPUTE.c["id", "size", "conflict", "evidence"], STREAM.c.iri, LANE.c.relation)
            .join_from(DISPUTE, STREAM, STREAM.c.id == DISPUTE.c.stream_id)
            .join(LANE, LANE.c.id == STREAM.c.lane_id)
            .where(DISPUTE.c.first.is_(None), DISPUTE.c.at > work.now - SEARCH_FOR)
            .order_by(DISPUTE.c.id)
        ).all()
        relations = {each.id: each for each in live(work)}
    found = 0
    for row in wanted:
        try:
            found += _search(ground, relations[row.relation], row)
        except (KeyError, FederationError) as error:
            log.info("histories.unread", relation=row.relation, cause=str(error))
    return found


def _search(ground: Ground, relation: Relation, row: Any) -> bool:
    stream: str = row.iri
    said: dict[int, Document] = {}

    def same(size: int) -> bool:
        said[size] = _their_checkpoint(ground, relation, stream, size)
        with open_reading(ground) as work:
            ours = work.checkpoints.leaves(relation, stream, size, size)
        return [digest.multibase_of(each) for each in ours] == [said[size]["head"]]

    if same(row.size):
        return False  # what was shown before is not shown now: see `check_fork`
    first = checkpoints.first_difference(row.size, same)
    theirs = _their_entry(ground, relation, stream, first)
    with open_work(ground) as work:
        ours = _our_entry(work, relation, stream, first)
        versions = json.dumps([None if each is None else _version(each) for each in (ours, theirs)])
        work.session.execute(
            update(DISPUTE)
            .where(DISPUTE.c.id == row.id)
            .values(first=first, versions=versions, evidence=pack([*unpack(row.evidence), said[first]]))
        )
        work.audit.note("exchange.histories-part", partner=relation.node, seq=first, stream=stream)
    if row.conflict != Conflict.EQUIVOCATION:
        _seek_fork(ground, relation, stream, first)
    return True


def _seek_fork(ground: Ground, relation: Relation, stream: str, first: int) -> None:
    """Asks the partner once more for a size that it has signed before, beyond the first entry that differs."""
    with open_reading(ground) as work:
        size = work.session.scalar(
            select(func.min(CHECKPOINT.c.size))
            .join_from(CHECKPOINT, STREAM, STREAM.c.id == CHECKPOINT.c.stream_id)
            .where(STREAM.c.iri == stream, CHECKPOINT.c.ours.is_(False), CHECKPOINT.c.size >= first)
        )
    if size is not None:
        _their_checkpoint(ground, relation, stream, size)


def _their_checkpoint(ground: Ground, relation: Relation, stream: str, size: int) -> Document:
    """What the partner says now that the stream is at this size. A fork that it proves is kept.

    Raises FederationError.
    """
    where = (
        f"{stream}/checkpoint?" if stream == relation.stream_in else _copy(relation, stream, "/checkpoint")
    )
    said = documents.loads(fetch_proved(ground, relation, f"{where}size={size}").body)
    with open_work(ground) as work:
        if checkpoints.read(said, relation, stream, work).size != size:
            raise Malformed("The checkpoint is of another size.")
        checkpoints.check_fork(said, relation, stream, work)
    return said


def _their_entry(ground: Ground, relation: Relation, stream: str, seq: int) -> Entry | None:
    where = f"{stream}?" if stream == relation.stream_in else _copy(relation, stream)
    batch = read_log(ground, relation, f"{where}from={seq}&to={seq}")
    return batch.entries[0] if batch.entries else None


def read_log(ground: Ground, relation: Relation, url: str) -> exchange.Batch:
    """Entries with their lines, as the partner shows them at `url`, signed. Raises FederationError."""
    settings = settings_of(ground)
    response = fetch_proved(ground, relation, url, settings.max_batch_bytes + limits.MAX_BATCH_BYTES)
    field = exchange.read_field(response.headers.get("exchange-log"))
    return exchange.read(field, response.body, limits.MAX_BATCH_LINES)


def _copy(relation: Relation, stream: str, what: str = "") -> str:
    """Where the partner shows its copy of our stream."""
    return f"{relation.exchange}{what}?stream={quote(stream, safe='')}&"


def _our_entry(work: NodeWork, relation: Relation, stream: str, seq: int) -> Entry | None:
    if stream == relation.stream_out:
        return work.log.entry(relation, seq)
    return next((entry for entry, _ in work.streams.entries(relation, seq, seq)), None)


def _version(entry: Entry) -> list[object]:
    return [entry.seq, entry.activity, entry.type, entry.content_digest, entry.time, entry.entry_hash]
