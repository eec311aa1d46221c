"""Receipts of partners, as another partner that has the same Announces may read them.

Rule: nothing is told of entries that the reader has not in its own log: a receipt with an exception about any other is
not relayed, and of its range only the last entries are named, as far as the reader has them. Source: PROTOCOL 2.j.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from federation import digest
from federation.exchange import read_field
from federation.http import Headers
from federation.ports import Entry, Relation
from federation.receipts import exceptions_of
from federation.relay import Relayed
from node.core.db import table_of
from node.exchange import tables
from node.exchange.packing import unpack
from node.exchange.service import NodeWork
from node.exchange.unit import ACTIVITY, LANE, OUT_ENTRY, STREAM, content_digest_of

TAKEN = table_of(tables.Taken)
INNER = ACTIVITY.alias("inner")


def relayed(work: NodeWork, reader: Relation, wrapped: Sequence[str], nodes: Sequence[str]) -> list[Relayed]:
    """The receipts of `nodes` over the Announces of these activities that the reader has, too; oldest first."""
    own = _in_log_of(work, reader, wrapped)
    if not own:
        return []
    standing = select(OUT_ENTRY.c.stream_id, STREAM.c.iri, LANE.c.node, OUT_ENTRY.c.seq)
    rows = work.session.execute(
        standing.join_from(OUT_ENTRY, STREAM, STREAM.c.id == OUT_ENTRY.c.stream_id)
        .join(LANE, LANE.c.id == STREAM.c.lane_id)
        .where(
            OUT_ENTRY.c.activity_id.in_(own),
            LANE.c.node.in_(nodes),
            LANE.c.relation != reader.id,
            OUT_ENTRY.c.seq <= STREAM.c.acknowledged,
        )
        .order_by(OUT_ENTRY.c.stream_id, OUT_ENTRY.c.seq)
    ).all()
    found: list[Relayed] = []
    covered: tuple[int, int] = (0, 0)
    for row in rows:
        if (row.stream_id, row.seq) <= covered:
            continue
        taken = work.session.execute(
            select(TAKEN.c.first, TAKEN.c.last, TAKEN.c.document)
            .where(TAKEN.c.stream_id == row.stream_id, TAKEN.c.last >= row.seq, TAKEN.c.first <= row.seq)
            .order_by(TAKEN.c.last)
            .limit(1)
        ).first()
        if taken is None:
            continue
        covered = (row.stream_id, taken.last)
        found.extend(_of_receipt(work, row, taken, own))
    return found


def _in_log_of(work: NodeWork, reader: Relation, wrapped: Sequence[str]) -> set[int]:
    """The Announces of these activities in our log to the reader."""
    query = (
        select(ACTIVITY.c.id)
        .join_from(ACTIVITY, INNER, INNER.c.id == ACTIVITY.c.inside_id)
        .join(OUT_ENTRY, OUT_ENTRY.c.activity_id == ACTIVITY.c.id)
        .join(STREAM, STREAM.c.id == OUT_ENTRY.c.stream_id)
        .join(LANE, LANE.c.id == STREAM.c.lane_id)
        .where(INNER.c.iri.in_(wrapped), LANE.c.relation == reader.id)
    )
    return set(work.session.execute(query).scalars())


def _of_receipt(work: NodeWork, stream: Any, taken: Any, own: set[int]) -> Iterator[Relayed]:
    rows = work.session.execute(
        select(
            OUT_ENTRY.c.seq,
            OUT_ENTRY.c.activity_id,
            OUT_ENTRY.c.time,
            OUT_ENTRY.c.entry_hash,
            ACTIVITY.c.iri,
            ACTIVITY.c.type,
            ACTIVITY.c.digest,
        )
        .join(ACTIVITY, ACTIVITY.c.id == OUT_ENTRY.c.activity_id)
        .where(
            OUT_ENTRY.c.stream_id == stream.stream_id, OUT_ENTRY.c.seq.between(taken.first - 1, taken.last)
        )
        .order_by(OUT_ENTRY.c.seq.desc())
    ).all()
    sent, _, receipt = unpack(taken.document)
    entries: list[Entry] = []
    # Of a stream that ended nothing else says the genesis.
    prev = read_field(Headers(sent).get("exchange-log")).prev
    for row in rows:
        if row.seq < taken.first or row.activity_id not in own:
            prev = digest.multibase_of(row.entry_hash)
            break
        entries.append(_entry(row))
    if entries and exceptions_of(receipt).keys() <= {each.seq for each in entries}:
        yield Relayed(prev, entries[::-1], receipt)


def _entry(row: Any) -> Entry:
    return Entry(
        seq=row.seq,
        activity=row.iri,
        type=row.type,
        content_digest=content_digest_of(row.digest),
        time=row.time,
        prev="",
        entry_hash=digest.multibase_of(row.entry_hash),
    )
