"""What has been here as long as was agreed goes: by data class while an agreement is in force, and after its end.

Rule: each node erases its own copies, at its own time, and tells each partner once a run, by count and root; a hold is
stronger. Nothing is announced: others may have to keep theirs longer. Source: PROTOCOL 2.a.7, 2.f; PRODUCT B10, B13.
"""

from __future__ import annotations

import json
import re
from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from federation import activity as activities
from federation import documents, iris, recall
from federation.activity import Activity, Document
from federation.ports import Effect, Mode, Recall, Relation
from node.core import ids
from node.core.clock import rfc3339
from node.core.db import table_of
from node.core.ground import Ground
from node.core.jobs import every
from node.core.log import get_logger
from node.exchange import service as exchange
from node.exchange.service import NodeWork
from node.relations.records import RelationEnded
from node.retention import tables
from node.retention.services import erasing
from node.spaces.services import reading as spaces
from node.spaces.services.reading import Held
from node.threads.services import spots

RECALL = table_of(tables.Recall)
RUN = table_of(tables.Run)
ENDING = table_of(tables.Ending)

log = get_logger(__name__)

EXPIRED, ENDED = "expired", "agreement-ended"
AT_ONCE = 50
"""Messages of one unit of work, so that people who write meanwhile do not wait."""

_DURATION = re.compile(
    r"P(?=\d|T\d)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
)


@every(60, "retention.expire")
def expire(ground: Ground) -> None:
    """Erases what is due of every space, then what is due of agreements that ended; then tells partners."""
    with exchange.open_reading(ground) as work:
        everywhere = spaces.everywhere(work.session)
        due = [(space, before) for space in everywhere if (before := _before(work, space)) is not None]
    for space, before in due:
        while _purge(ground, space, EXPIRED, before):
            pass
    _end(ground, everywhere)
    erasing.settle.run(ground)
    _report(ground)


def when_ended(ended: RelationEnded, session: Session) -> None:
    """Notes what is to be erased after the end of an agreement, and when."""
    scope = ended.agreement.get("scope", {})
    row = {
        "node": ended.node,
        "agreement": str(ended.agreement.get("id", "")),
        "disposition": ended.disposition,
        "at": ended.at,
        "classes": json.dumps({each["class"]: each["afterEnd"] for each in scope.get("dataClasses", ())}),
        "spaces": json.dumps({each["id"]: each.get("dataClass") for each in scope.get("spaces", ())}),
        "done_at": ended.at if ended.disposition == "keep-per-law" else None,
    }
    session.execute(insert(ENDING), row)
    log.info("retention.ending", partner=ended.node, disposition=ended.disposition)


def later(moment: datetime, duration: str, *, sign: int = 1) -> datetime:
    """`moment` plus (or with `sign` -1 minus) an ISO 8601 duration, by the calendar; beyond it, its last (first) time.

    Raises ValueError for none.
    """
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(duration)
    years, months, weeks, days, hours, minutes, seconds = (int(each or 0) for each in match.groups())
    month = moment.year * 12 + moment.month - 1 + sign * (years * 12 + months)
    year, month = divmod(month, 12)
    try:
        day = min(moment.day, monthrange(year, month + 1)[1])
        rest = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        return moment.replace(year=year, month=month + 1, day=day) + sign * rest
    except (OverflowError, ValueError):
        return datetime.max.replace(tzinfo=UTC) if sign > 0 else datetime.min.replace(tzinfo=UTC)


def _before(work: NodeWork, space: Held) -> datetime | None:
    """Before when what stands in a space is due: by the shortest time that we promised one of those who share it."""
    found = [
        later(work.now, kept, sign=-1)
        for relation in _partners(work, space)
        for kept in _promised(relation, space.iri, work.node)
    ]
    return max(found, default=None)


def _partners(work: NodeWork, space: Held) -> Sequence[Relation]:
    """Those with whom an agreement in force covers a space: as a member, its host alone."""
    nodes = [each.node for each in work.spaces.nodes(space.iri)] if space.hosted else [space.host]
    in_force = {each.node: each for each in exchange.in_force(work)}
    return [in_force[node] for node in nodes if node in in_force]


def _promised(relation: Relation, space: str, node: str) -> Sequence[str]:
    """How long `node` keeps what stands in a space: as its data class says, and no longer than its word as a party."""
    agreement: Mapping[str, Any] = relation.agreement or {}
    own = next((each.get("retention") for each in agreement.get("parties", ()) if each["node"] == node), None)
    scope = agreement.get("scope", {})
    entry: Mapping[str, Any] = next((each for each in scope.get("spaces", ()) if each["id"] == space), {})
    classes = {each["class"]: each["retention"] for each in scope.get("dataClasses", ())}
    of_class = classes.get(entry.get("dataClass")) or next(iter(classes.values()), None)
    return [each for each in (own, of_class) if each is not None]


def _purge(
    ground: Ground,
    space: Held,
    reason: str,
    before: datetime,
    *,
    of_node: str = "",
) -> bool:
    """Erases here up to `AT_ONCE` messages written before, of one organisation or of all; whether there may be more."""
    with exchange.open_work(ground) as work:
        seen = work.spaces.get(space.iri)
        if seen is None:
            return False
        found = spots.written_before(work.session, space.id, before, of_node=of_node, most=AT_ONCE)
        for iri in found:
            said = _said_to_ourselves(work, iri, reason)
            effect = Effect(said, seen, work.node, None, own=True, relation=None)
            work.recalls.begin(effect, recall.read(said))
            work.objects.delete(effect)
    return len(found) == AT_ONCE


def _said_to_ourselves(work: NodeWork, iri: str, reason: str) -> Activity:
    """A Delete that leaves to nobody: what happens is what happens to any other."""
    now = rfc3339(work.now)
    asked = Recall(Mode.ERASE, reason, now)
    document: Document = {
        "id": f"{work.node}/retention/{activities.new_id()}",
        "type": "Delete",
        "actor": work.node,
        "published": now,
        "object": iri,
        **recall.document(asked),
    }
    return activities.of(document, documents.dumps(document))


def _end(ground: Ground, everywhere: Iterable[Held]) -> None:
    with exchange.open_reading(ground) as work:
        rows = work.session.execute(select(ENDING).where(ENDING.c.done_at.is_(None))).all()
        renewed = {each.node for each in exchange.in_force(work)}
        now = work.now
    for row in rows:
        waits = False
        for space in everywhere if row.node not in renewed else ():
            due = _due(row, space.iri)
            if due > now:
                waits = True
                continue
            of_node = "" if space.host == row.node else row.node
            while _purge(ground, space, ENDED, row.at + timedelta(seconds=1), of_node=of_node):
                pass
        if not waits:
            with ground.database.writing() as session:
                session.execute(update(ENDING).where(ENDING.c.id == row.id).values(done_at=now))


def _due(row: Any, space: str) -> datetime:
    if row.disposition == "purge-now":
        due: datetime = row.at
        return due
    classes: Mapping[str, str] = json.loads(row.classes)
    after = classes.get(json.loads(row.spaces).get(space)) or next(iter(classes.values()), "P0D")
    return later(row.at, after)


def _report(ground: Ground) -> None:
    """One receipt for each partner with whom something was shared that is gone now."""
    with exchange.open_work(ground) as work:
        session, now = work.session, work.now
        rows = session.execute(
            select(RECALL.c.id, RECALL.c.object, RECALL.c.space_id).where(
                RECALL.c.reason.in_((EXPIRED, ENDED)), RECALL.c.state == "erased", RECALL.c.told == 0
            )
        ).all()
        by_space: dict[int, list[str]] = {}
        for row in rows:
            by_space.setdefault(row.space_id, []).append(row.object)
        shared: dict[str, tuple[Relation, list[str]]] = {}
        for space in spaces.everywhere(session):
            for relation in _partners(work, space) if space.id in by_space else ():
                shared.setdefault(relation.id, (relation, []))[1].extend(by_space[space.id])
        for relation, gone in _ended(work, by_space):
            shared.setdefault(relation.id, (relation, []))[1].extend(gone)
        for relation, gone in shared.values():
            _tell(ground, work, relation, sorted(gone), now)
        numbers = [row.id for row in rows]
        session.execute(update(RECALL).where(RECALL.c.id.in_(numbers)).values(told=1))


def _ended(work: NodeWork, by_space: Mapping[int, Sequence[str]]) -> Iterator[tuple[Relation, list[str]]]:
    """The partners whose agreement has ended, each with what is gone here of theirs, and of their spaces."""
    held = [each for each in spaces.everywhere(work.session) if each.id in by_space]
    for node in work.session.scalars(select(ENDING.c.node).distinct()) if held else ():
        relation = None if work.peers.of_node(node) else exchange.ended(work, iris.origin(node))
        gone = [
            object_
            for space in held
            for object_ in by_space[space.id]
            if space.host == node or iris.same_origin(object_, node)
        ]
        if relation is not None and gone:
            yield relation, gone


def _tell(ground: Ground, work: NodeWork, relation: Relation, gone: Sequence[str], now: datetime) -> None:
    settings = exchange.settings_of(ground)
    agreement = str((relation.agreement or {}).get("id", ""))
    receipt = recall.of_run(
        settings,
        work.actors.signer(settings.node),
        agreement,
        gone,
        now,
        erasing.residual(ground, now),
    )
    row = {
        "key": ids.wire_id(),
        "node": relation.node,
        "ours": True,
        "at": now,
        "count": len(gone),
        "receipt": documents.dumps(receipt).decode(),
        "ids": json.dumps(list(gone)),
    }
    work.session.execute(insert(RUN), row)
    work.audit.note("retention.run", partner=relation.node, count=len(gone))
    erasing.tell(ground, work, relation, receipt)
