"""Lines that we could not apply through our own fault: tried five times, then given up, each time with a receipt.

Rule: a line waits while an earlier one of the same stream speaks about the same object. What was first answered
`received` gets one later receipt, `Create{DeliveryReceipt}`. Source: DECISIONS 21; PROTOCOL 2.b, level 2.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update

from federation import digest, documents, inbox, receipts
from federation.activity import Document
from federation.errors import RemoteError
from federation.ports import Entry, Outcome, Relation
from node.core import failpoints
from node.core.db import table_of
from node.core.ground import Ground
from node.core.log import get_logger
from node.core.values import value
from node.exchange import tables
from node.exchange.service import NodeWork, in_force, open_reading, open_work, settings_of, tell
from node.exchange.unit import IN_ENTRY, LANE, STREAM

log = get_logger(__name__)

HELD = table_of(tables.HeldLine)
MAX_TRIES = 5
FIRST_WAIT = timedelta(seconds=30)
AT_ONCE = 1000  # tried in one run; what waits beyond them has its turn in the next
GIVEN_UP: Mapping[str, object] = {
    "type": "about:blank",
    "title": "Could not be applied",
    "status": 500,
    "detail": "The receiver failed to apply this entry, five times.",
}


@value
class Held:
    """One line that waits, and for whom."""

    relation: Relation
    stream_id: int
    seq: int
    raw: bytes
    tries: int
    about: str | None

    @property
    def behind(self) -> set[tuple[int, str]]:
        """What this one waits for: an earlier line about the same object, or about its space."""
        try:
            space = documents.loads(self.raw).get("audience")
        except RemoteError:
            space = None
        return {(self.stream_id, str(each)) for each in (self.about, space) if each is not None}


def retry(ground: Ground) -> int:
    """Tries the lines that are due, in the order of their streams; how many were applied or refused for good."""
    with open_reading(ground) as work:
        relations = {relation.id: relation for relation in in_force(work)}
        waiting, now = _waiting(work, relations), work.now
    blocked: set[tuple[int, str]] = set()
    done = tried = 0
    for row in waiting:
        if row.next_try <= now and tried < AT_ONCE:
            held = _read(ground, row, relations[row.relation])
            if held is None:
                continue  # an admin, or another process, was here meanwhile
            if blocked.isdisjoint(held.behind):
                tried += 1
                if _try(ground, held):
                    done += 1
                    continue
        if row.about is not None:
            blocked.add((row.stream_id, row.about))
    return done


def _waiting(work: NodeWork, relations: Collection[str]) -> Sequence[Any]:
    """All that wait, without their bytes: a line that is not due holds up none but those about the same."""
    return work.session.execute(
        select(HELD.c.stream_id, HELD.c.seq, HELD.c.about, HELD.c.next_try, LANE.c.relation)
        .join_from(HELD, STREAM, STREAM.c.id == HELD.c.stream_id)
        .join(LANE, LANE.c.id == STREAM.c.lane_id)
        .where(HELD.c.quarantined_at.is_(None), LANE.c.relation.in_(relations))
        .order_by(HELD.c.stream_id, HELD.c.seq)
    ).all()


def _read(ground: Ground, row: Any, relation: Relation) -> Held | None:
    with ground.database.reading() as session:
        found = session.execute(
            select(HELD.c.raw, HELD.c.tries).where(
                HELD.c.stream_id == row.stream_id,
                HELD.c.seq == row.seq,
                HELD.c.quarantined_at.is_(None),
            )
        ).first()
    if found is None:
        return None
    return Held(relation, row.stream_id, row.seq, bytes(found.raw), found.tries, row.about)


def _try(ground: Ground, held: Held) -> bool:
    settings, relation = settings_of(ground), held.relation
    try:
        with open_work(ground) as work:
            entry = work.streams.entries(relation, held.seq, held.seq)[0][0]
            outcome = inbox.retry(entry, held.raw, relation, work, settings)
            _conclude(ground, work, held, entry, outcome)
            work.session.execute(delete(HELD).where(*_is(held)))
            failpoints.hit("held.applied")
    except Exception as cause:
        log.exception("held.failed", partner=relation.node, seq=held.seq, tries=held.tries + 1)
        _failed(ground, held, f"{type(cause).__name__}: {cause}")
        return False
    return True


def _failed(ground: Ground, held: Held, cause: str) -> None:
    """Counts a try; the fifth is the last."""
    tries = held.tries + 1
    with open_work(ground) as work:
        values: dict[str, Any] = {
            "tries": tries,
            "next_try": work.now + FIRST_WAIT * 2**tries,
            "cause": cause[:2000],
        }
        if tries >= MAX_TRIES:
            values["quarantined_at"] = work.now
            entry = work.streams.entries(held.relation, held.seq, held.seq)[0][0]
            _conclude(ground, work, held, entry, Outcome("rejected", GIVEN_UP))
            work.audit.note("exchange.quarantined", partner=held.relation.node, activity=entry.activity)
        work.session.execute(update(HELD).where(*_is(held)).values(values))
    failpoints.hit("held.failed")


def _conclude(ground: Ground, work: NodeWork, held: Held, entry: Entry, outcome: Outcome) -> None:
    """The entry has this outcome from now on; the partner learns by a receipt the first one, which is final to it."""
    place = (IN_ENTRY.c.stream_id == held.stream_id, IN_ENTRY.c.seq == held.seq)
    late = work.session.scalar(select(IN_ENTRY.c.late).where(*place))
    if late is None:
        receipt = _receipt(ground, work, held.relation, entry, outcome)
        document: Document = {"type": "Create", "to": [held.relation.node], "object": receipt}
        late = tell(ground, work, held.relation, document, settings_of(ground).node).id
    problem = None if outcome.problem is None else json.dumps(dict(outcome.problem))
    work.session.execute(
        update(IN_ENTRY).where(*place).values(outcome=outcome.outcome, problem=problem, late=late)
    )


def _receipt(ground: Ground, work: NodeWork, relation: Relation, entry: Entry, outcome: Outcome) -> Document:
    """A receipt for one entry; the proof is that of the activity around it."""
    receipt = receipts.of_entry(settings_of(ground), relation, entry, outcome, work.now)
    activity = work.journal.get(entry.activity)
    if activity is not None:
        receipt["objectDigest"] = digest.object_digest(activity.document)
    return receipt


def _is(held: Held) -> tuple[Any, Any]:
    return HELD.c.stream_id == held.stream_id, HELD.c.seq == held.seq
