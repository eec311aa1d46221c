"""Whether the receipts that we keep prove what they are kept for: delivery of our log, entry by entry, to a partner.

Rule: nothing that was written down beside a receipt is believed: its own proof, by the key of the partner's node, is
verified again, and it must name the hash that we hold. Source: PROTOCOL 2.b (level 2), 2.i; RFC 9421.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from federation import digest, iris, proofs, rekeying
from federation.errors import FederationError
from federation.ports import Relation
from node.core.db import table_of
from node.core.values import value
from node.exchange import tables
from node.exchange.packing import unpack
from node.exchange.service import NodeWork
from node.exchange.unit import LANE, OUT_ENTRY, STREAM

TAKEN = table_of(tables.Taken)


@value
class Evidence:
    """What the receipts of one partner prove of one stream of ours.

    `receipts` hold and cover the entries 1 to `proved`, which is `acknowledged` when nothing is `wrong` (sentences).
    """

    partner: str
    stream: str
    receipts: int
    proved: int
    acknowledged: int
    wrong: tuple[str, ...] = ()


class _Wrong(Exception):
    """A receipt does not prove what it is kept for; the message says why."""


def evidence(work: NodeWork) -> list[Evidence]:
    """Of every stream of ours to a partner whom we know."""
    streams = work.session.execute(
        select(STREAM.c.id, STREAM.c.iri, STREAM.c.acknowledged, LANE.c.node)
        .join(LANE, LANE.c.id == STREAM.c.lane_id)
        .where(STREAM.c.ours)
        .order_by(STREAM.c.id)
    ).all()
    found = []
    for stream in streams:
        relation = work.peers.of_origin(iris.origin(stream.node))
        if relation is not None and relation.node == stream.node:
            found.append(_of_stream(work, stream, relation))
    return found


def _of_stream(work: NodeWork, stream: Any, relation: Relation) -> Evidence:
    rows = work.session.execute(
        select(TAKEN.c.first, TAKEN.c.last, TAKEN.c.document, OUT_ENTRY.c.entry_hash)
        .outerjoin(
            OUT_ENTRY, (OUT_ENTRY.c.stream_id == TAKEN.c.stream_id) & (OUT_ENTRY.c.seq == TAKEN.c.last)
        )
        .where(TAKEN.c.stream_id == stream.id)
        .order_by(TAKEN.c.first, TAKEN.c.last)
    )
    wrong: list[str] = []
    count = proved = 0
    for row in rows:
        try:
            _check(row, stream, relation, work)
        except (_Wrong, FederationError, ValueError) as error:
            wrong.append(f"The receipt for {row.first} to {row.last}: {error}")
            continue
        count += 1
        if row.first <= proved + 1:
            proved = max(proved, row.last)
    if proved != stream.acknowledged:
        wrong.append(f"Receipts without a hole reach entry {proved}, acknowledged is {stream.acknowledged}.")
    return Evidence(stream.node, stream.iri, count, proved, stream.acknowledged, tuple(wrong))


def _check(row: Any, stream: Any, relation: Relation, work: NodeWork) -> None:
    """Raises _Wrong, FederationError or ValueError."""
    sent, _, receipt = unpack(row.document)
    proofs.verify(receipt, rekeying.node_key_for(receipt, relation, work))
    digests = [value for name, value in sent if name.lower() == "content-digest"]
    said = {
        "type": "DeliveryReceipt",
        "attributedTo": stream.node,
        "stream": stream.iri,
        "from": row.first,
        "to": row.last,
        "entryHash": None if row.entry_hash is None else digest.multibase_of(row.entry_hash),
        "contentDigest": digests[0] if len(digests) == 1 else None,
    }
    for name, ours in said.items():
        if ours is None or receipt.get(name) != ours:
            raise _Wrong(f"{name} is not what we sent.")
