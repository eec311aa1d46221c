"""A file of evidence for one partner: what was exchanged, with all that proves it, for `federation.verify.verify`.

Rule: everything that was signed goes in as it was signed; what was erased leaves its entry alone. Of the log nothing
else is shown: one entry, its path, and the checkpoint that both have signed. Source: PROTOCOL 2.b; PRODUCT B20.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Table, exists, func, or_, select
from sqlalchemy.orm import Session

from federation import checkpoints, documents, iris, jcs, proofs
from federation.activity import CONTEXT, MOMENT, Document
from federation.digest import content_digest
from federation.exchange import document_of
from federation.keys import controller_of
from federation.ports import Relation
from federation.verify.verify import FORM
from node.core.clock import rfc3339
from node.core.db import table_of
from node.core.values import value
from node.exchange import histories, tables
from node.exchange.histories import CHECKPOINT
from node.exchange.packing import unpack
from node.exchange.service import NodeWork, live, versions
from node.exchange.unit import ACTIVITY, IN_ENTRY, LANE, OUT_ENTRY, STREAM, whole

GIVEN = table_of(tables.Given)
TAKEN = table_of(tables.Taken)
LATE = ACTIVITY.alias("late")
MAX_ENTRIES = 10_000
SIGNED = frozenset({"content-digest", "signature", "signature-input"})
COVERED = frozenset({"content-type", "exchange-log"})


class NoSuchRelation(Exception):
    """There is no live relation by this id."""


class TooMuch(Exception):
    """More than `MAX_ENTRIES` entries: ask for less at once."""


@value
class Wanted:
    """Which entries: those of these activities, alone or announced, all for none; from `begin` up to, not including,
    `end`.
    """

    activities: tuple[str, ...] = ()
    begin: datetime | None = None
    end: datetime | None = None


@value
class Received:
    """What a partner has signed of one entry of ours: `receipt` is its id, `at` when it says to have received it.

    With a late receipt `outcome` and `receipt` are of that. `signed` is when both had signed the first checkpoint
    that covers it.
    """

    relation_id: str
    seq: int
    at: datetime
    outcome: str
    receipt: str
    signed: datetime | None


@value
class _Stream:
    """A stream of either side, and the newest checkpoint that both have signed (0, None, None: there is none).

    `relation` as it was under this stream, which may have ended since.
    """

    relation: Relation
    iri: str
    ours: bool
    key: int
    size: int
    checkpoint: Document | None
    answer: Document | None


@value
class _Receipted:
    """The receipt that covers an entry, with the two header sets where we have them."""

    receipt: Document
    sent: Document | None


@value
class _Became:
    """What became of an entry, by which receipt; `late` is the Create that brought it, where it came late."""

    outcome: str
    receipt: str
    late: str | None


def dossier(work: NodeWork, relation_id: str, wanted: Wanted) -> bytes:
    """The file: canonical JSON, one line, sealed by our node.

    Raises NoSuchRelation, TooMuch.
    """
    relation = next((each for each in live(work) if each.id == relation_id), None)
    if relation is None:
        raise NoSuchRelation(relation_id)
    streams = _streams(work, relation)
    items = [each for stream in streams for each in _items(work, stream, wanted)]
    if wanted.activities:
        shown = {each["entry"]["stream"] for each in items}
        streams = [each for each in streams if each.iri in shown]
    agreed = versions(work, relation)
    said = (work.journal.get(each) for _, offer, accept in agreed for each in (offer, accept))
    moment = rfc3339(work.now)
    evidence: Document = {
        "@context": list(CONTEXT),
        "form": FORM,
        "by": work.node,
        "with": relation.node,
        "made": moment,
        "agreements": [agreement for agreement, _, _ in agreed],
        "consents": [each.raw.decode() for each in said if each is not None],
        "streams": [
            {
                "stream": each.iri,
                "writer": work.node if each.ours else relation.node,
                "reader": relation.node if each.ours else work.node,
                "checkpoint": each.checkpoint,
                "answer": each.answer,
            }
            for each in streams
        ],
        "statements": [] if wanted.activities else _statements(work, relation_id),
        "items": items,
    }
    signer = work.actors.signer(work.node)
    evidence["keys"] = _keys(work, relation, evidence, {signer.key_id: moment})
    return jcs.canonicalize(proofs.sign(evidence, signer, moment)) + b"\n"


def received(session: Session, activities: Sequence[str]) -> list[Received]:
    """What partners have receipted of these activities of ours, alone or announced, in the order of the logs."""
    named = select(ACTIVITY.c.id).where(ACTIVITY.c.iri.in_(activities))
    rows = session.execute(
        select(OUT_ENTRY.c.stream_id, OUT_ENTRY.c.seq, LANE.c.relation, LATE.c.raw.label("late"))
        .join_from(OUT_ENTRY, ACTIVITY, ACTIVITY.c.id == OUT_ENTRY.c.activity_id)
        .join(STREAM, STREAM.c.id == OUT_ENTRY.c.stream_id)
        .join(LANE, LANE.c.id == STREAM.c.lane_id)
        .outerjoin(LATE, LATE.c.iri == OUT_ENTRY.c.late)
        .where(or_(ACTIVITY.c.id.in_(named), ACTIVITY.c.inside_id.in_(named)))
        .order_by(OUT_ENTRY.c.stream_id, OUT_ENTRY.c.seq)
    )
    found = []
    for row in rows.all():
        packed = _covering(session, TAKEN, row.stream_id, row.seq)
        if packed is None:
            continue
        receipt = unpack(packed)[2]
        last = _outcome(receipt, row.seq, row.late)
        signed = session.scalar(
            select(func.min(CHECKPOINT.c.at)).where(
                CHECKPOINT.c.stream_id == row.stream_id,
                CHECKPOINT.c.agreed,
                CHECKPOINT.c.ours,
                CHECKPOINT.c.size >= row.seq,
            )
        )
        at = datetime.fromisoformat(receipt["received"])
        found.append(Received(row.relation, row.seq, at, last.outcome, last.receipt, signed))
    return found


def _streams(work: NodeWork, relation: Relation) -> list[_Stream]:
    rows = work.session.execute(
        select(STREAM.c.id, STREAM.c.iri, STREAM.c.ours, STREAM.c.genesis)
        .join(LANE, LANE.c.id == STREAM.c.lane_id)
        .where(LANE.c.relation == relation.id)
        .order_by(STREAM.c.id)
    )
    found = []
    for row in rows.all():
        signed = work.session.execute(
            select(CHECKPOINT.c.size, CHECKPOINT.c.document)
            .where(CHECKPOINT.c.stream_id == row.id, CHECKPOINT.c.agreed, CHECKPOINT.c.ours == bool(row.ours))
            .order_by(CHECKPOINT.c.size.desc())
            .limit(1)
        ).first()
        size, said, answer = (0, None, None) if signed is None else (signed[0], *unpack(signed[1])[:2])
        direction = {"stream_out" if row.ours else "stream_in": row.iri}
        then = replace(relation, genesis=row.genesis, **direction)
        found.append(_Stream(then, row.iri, row.ours, row.id, size, said, answer))
    return found


def _items(work: NodeWork, stream: _Stream, wanted: Wanted) -> Iterator[Document]:
    relation, log = stream.relation, work.log if stream.ours else work.streams
    for seq, said_late in _wanted(work, stream, wanted):
        read = log.read(relation, seq, 1, 1)
        receipted = _receipted(work, stream, seq)
        if receipted is None:
            continue  # not receipted yet: nothing proves that it arrived
        entry, raw = read[0]
        receipt, last = receipted.receipt, int(receipted.receipt["to"])
        covered = stream.size >= last
        chain = [] if covered or last == seq else log.read(relation, seq + 1, last - seq, 2**60)
        became = _outcome(receipt, seq, said_late)
        yield {
            "entry": document_of(stream.iri, entry),
            "activity": raw.decode() if raw else None,
            "outcome": became.outcome,
            "receipt": receipt,
            "late": became.late,
            "sent": receipted.sent,
            "paths": [
                checkpoints.inclusion(relation, stream.iri, each, stream.size, work) for each in (seq, last)
            ]
            if covered
            else None,
            "chain": [document_of(stream.iri, each) for each, _ in chain],
        }


def _outcome(receipt: Document, seq: int, said_late: bytes | None) -> _Became:
    """What became of an entry: as its receipt says, unless that was `received` and another came since."""
    exceptions = {each["seq"]: each["outcome"] for each in receipt["exceptions"]}
    first = exceptions.get(seq, "processed")
    if first != "received" or said_late is None:
        return _Became(first, receipt["id"], None)
    raw = whole(said_late, None, None)
    late = documents.loads(raw)["object"]
    return _Became(late["outcome"], late["id"], raw.decode())


def _wanted(work: NodeWork, stream: _Stream, wanted: Wanted) -> Sequence[tuple[int, bytes | None]]:
    """Which entries, each with the Create, packed, that brought its late receipt."""
    table = OUT_ENTRY if stream.ours else IN_ENTRY
    query = (
        select(table.c.seq, LATE.c.raw)
        .select_from(table.outerjoin(LATE, LATE.c.iri == table.c.late))
        .where(table.c.stream_id == stream.key)
    )
    if wanted.activities:
        named = select(ACTIVITY.c.id).where(ACTIVITY.c.iri.in_(wanted.activities))
        query = query.join(ACTIVITY, ACTIVITY.c.id == table.c.activity_id).where(
            or_(ACTIVITY.c.id.in_(named), ACTIVITY.c.inside_id.in_(named))
        )
    if wanted.begin is not None:
        query = query.where(table.c.time >= rfc3339(wanted.begin))
    if wanted.end is not None:
        query = query.where(table.c.time < rfc3339(wanted.end))
    found = work.session.execute(query.order_by(table.c.seq).limit(MAX_ENTRIES + 1)).all()
    if len(found) > MAX_ENTRIES:
        raise TooMuch
    return [(row.seq, row.raw) for row in found]


def _receipted(work: NodeWork, stream: _Stream, seq: int) -> _Receipted | None:
    packed = _covering(work.session, TAKEN if stream.ours else GIVEN, stream.key, seq)
    if packed is None:
        return None
    kept = unpack(packed)
    if not stream.ours:
        return _Receipted(kept, None)
    request, response, receipt = kept
    body = documents.dumps(receipt)
    signed = next((value for name, value in response if name.lower() == "content-digest"), "")
    if signed != content_digest(
        body
    ):  # another JSON of the same: the header sets prove nothing without its bytes
        return _Receipted(receipt, None)
    request = [each for each in request if each[0].lower() in SIGNED | COVERED]
    response = [each for each in response if each[0].lower() in SIGNED]
    sent = {
        "target": stream.relation.exchange,
        "request": request,
        "response": response,
        "body": body.decode(),
    }
    return _Receipted(receipt, sent)


def _covering(session: Session, receipts: Table, stream: int, seq: int) -> bytes | None:
    """The first receipt that covers an entry, packed."""
    columns = receipts.c
    return session.scalar(
        select(columns.document)
        .where(columns.stream_id == stream, columns.first <= seq, columns.last >= seq)
        .order_by(columns.last)
        .limit(1)
    )


def _statements(work: NodeWork, relation_id: str) -> list[Any]:
    """What was signed of histories that differ."""
    return [
        said
        for dispute in histories.disputes(work, relation_id)
        for said in dispute.evidence
        if isinstance(said, dict)
    ]


def _keys(work: NodeWork, relation: Relation, evidence: Document, used: dict[str, str]) -> list[Document]:
    """The keys of every proof in the file, each with the actor document that names it, unless the agreement does.

    `used`: further ones, and when they were used.
    """
    quoted = (each[name] for each in evidence["items"] for name in ("activity", "late"))
    texts = [*evidence["consents"], *filter(None, quoted)]
    waiting = {**used, **_methods([evidence, *(documents.loads(each.encode()) for each in texts)])}
    ours = {each.key_id: each for each in relation.keys}
    agreed = {
        (party["node"], key)
        for agreement in evidence["agreements"]
        for party in agreement["parties"]
        for key in party["keys"]
    }
    found: dict[str, Document] = {}
    while waiting:
        key_id, moment = waiting.popitem()
        key = ours.get(key_id) or work.actors.key_at(key_id, datetime.fromisoformat(moment))
        if key_id in found or key is None:
            continue
        known = (controller_of(key_id), key.multibase) in agreed
        document = None if known else _named_in(work, relation, key_id)
        found[key_id] = {
            "id": key_id,
            "publicKeyMultibase": key.multibase,
            "validUntil": key.expires,
            "document": document,
        }
        waiting.update(_methods([document]))
    return [found[key_id] for key_id in sorted(found)]


def _named_in(work: NodeWork, relation: Relation, key_id: str) -> Document | None:
    """The document that names a key, proved by another one: of a node's that with which a former key brought it."""
    actor = controller_of(key_id)
    if actor in {work.node, relation.node}:
        for document in _announced_keys(work.session, actor):
            if document["proof"]["verificationMethod"] != key_id and any(
                each["id"] == key_id for each in document["assertionMethod"]
            ):
                return document
    return work.actors.document(actor)


def _announced_keys(session: Session, node: str) -> Iterator[Document]:
    """What a node has said of its keys, oldest first: each version of its document, in no stream."""
    rows = session.scalars(
        select(ACTIVITY.c.raw)
        .where(
            ACTIVITY.c.type == "Update",
            ACTIVITY.c.iri.startswith(f"{iris.origin(node)}/", autoescape=True),
            ACTIVITY.c.raw.is_not(None),
            ACTIVITY.c.suffix.is_(None),
            ~exists().where(OUT_ENTRY.c.activity_id == ACTIVITY.c.id),
            ~exists().where(IN_ENTRY.c.activity_id == ACTIVITY.c.id),
        )
        .order_by(ACTIVITY.c.id)
    )
    for raw in rows:
        said = documents.loads(whole(raw, None, None))
        if said["actor"] == node and isinstance(said["object"], dict) and said["object"].get("id") == node:
            yield said["object"]


def _methods(values: list[Any]) -> dict[str, str]:
    """The keys of all proofs in these documents, at any depth, and when they were used."""
    found = {}
    while values:
        value = values.pop()
        if isinstance(value, dict):
            proof = value.get("proof")
            if isinstance(proof, dict) and MOMENT.fullmatch(str(proof.get("created"))):
                found[str(proof.get("verificationMethod"))] = str(proof["created"])
            values.extend(value.values())
        elif isinstance(value, list):
            values.extend(value)
    return found
