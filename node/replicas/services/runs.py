"""Comparing our copies with their hosts: when, how it went, and what is shown of it.

Rule: one comparison of a space at a time; what a crash interrupts is begun anew. Source: PROTOCOL 2.c, *Run*.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from federation import repair
from federation.activity import Document
from federation.errors import EgressError, RemoteError
from federation.ports import Relation, State
from federation.repair import Report
from node.core import events, failpoints
from node.core.audit import Act
from node.core.db import table_of
from node.core.errors import Absent, NodeError
from node.core.ground import Ground
from node.core.jobs import every, job
from node.core.log import get_logger
from node.core.values import value
from node.exchange import service as exchange
from node.exchange.recovery import CaughtUp
from node.exchange.service import NodeWork
from node.relations.records import Agreed, Resumed
from node.replicas import tables
from node.replicas.services import copying, statements
from node.replicas.services.copying import ASIDE, Copy, Host
from node.spaces.services import copies as spaces
from node.spaces.services.copies import Copied
from node.spaces.services.reading import missing

log = get_logger(__name__)

RUN = table_of(tables.Run)
NIGHT = range(5)
"""Hours (UTC) in which copies are compared that were not for most of a day."""
MOST_OF_A_DAY = timedelta(hours=20)
TOO_LONG = timedelta(hours=30)
GAP_AFTER = timedelta(minutes=2)
AGAIN_AFTER = timedelta(minutes=30)
"""After a comparison that did not end equal, or that a crash interrupted."""
DOUBTED_AGAIN_AFTER = timedelta(minutes=10)
BEFORE_END = timedelta(hours=2)
AFTER_CHANGE_S = 60
MAX_REASON_CHARS = 500

_turns: dict[int, threading.Lock] = {}
_taking = threading.Lock()

RunState = Literal["running", "equal", "differs", "older", "failed"]
Progress = Callable[[str, int], None]


@value
class Run:
    """The last comparison of one copy."""

    state: RunState
    begun: datetime
    ended: datetime | None
    as_of: int
    count: int
    requests: int
    behind: int
    repaired: int
    reason: str


@value
class Aside:
    """One leaf on which both sides do not agree, as each has it."""

    iri: str
    kind: str
    ours: dict[str, Any] | None
    theirs: dict[str, Any] | None
    at: datetime


@value
class Seen:
    """One space as its copies stand; `proofs` are the newest of each other organisation."""

    space: Copied
    run: Run | None
    proofs: Sequence[statements.Pair]
    aside: Sequence[Aside]
    forks: int
    unequal: Sequence[tuple[str, int, datetime]]


def compare(
    ground: Ground, space_id: int, by: str = "", progress: Progress = lambda _step, _count: None
) -> Run:
    """Compare our copy of a space with its host's now, and mend it. `by` is the actor who asks, "" for the node.

    Raises Absent for what is no copy of a partner's space.
    """
    with exchange.open_reading(ground) as work:
        space = spaces.by_id(work.session, space_id)
        relation = None if space.hosted else work.peers.of_node(space.host)
    if relation is None:
        raise Absent("Only copies of partners' spaces are compared.")
    with _turn(space_id):
        return _compare(ground, relation, space, by, progress)


def _compare(ground: Ground, relation: Relation, space: Copied, by: str, progress: Progress) -> Run:
    begun = ground.clock.now()
    _note(ground, space, Run("running", begun, None, 0, 0, 0, 0, 0, ""), by)
    failpoints.hit("repair.begun")
    host, copy = Host(ground, relation, space), Copy(ground, relation, space)
    try:
        report = repair.run(host, copy, progress)
    except (RemoteError, EgressError, NodeError) as error:
        reason = str(error.detail if isinstance(error, RemoteError) else error)[:MAX_REASON_CHARS]
        log.info("replica.failed", space=space.iri, reason=reason)
        ended = Run("failed", begun, ground.clock.now(), 0, 0, host.requests, 0, 0, reason)
        _note(ground, space, ended, by)
        return ended
    if report.equal:
        _settle(ground, space, copy, begun, report.as_of)
    ended = _run(report, begun, ground.clock.now(), host.requests)
    _note(ground, space, ended, by)
    return ended


@job("replicas.compare", tries=2)
def compare_soon(ground: Ground, space_id: int, by: str) -> None:
    """The same in the background."""
    compare(ground, space_id, by)


@every(10, "replicas.due")
def compare_what_is_due(ground: Ground) -> None:
    """Nightly, after a gap, before an end, and what a crash interrupted."""
    for space_id in due(ground):
        ground.jobs.enqueue(compare_soon, space_id, "")


def ask(ground: Ground, key: str, by: str) -> None:
    """Begin a comparison for an administrator. Raises Absent for what is no copy of a partner's space."""
    with ground.database.reading() as session:
        space = spaces.by_key(session, key)
    if space.hosted:
        raise Absent("The copies of our own spaces are compared by those who have them.")
    ground.jobs.enqueue(compare_soon, space.id, by)


def when_changed(ground: Ground, changed: Resumed | Agreed, session: Session) -> None:
    """Compares the copies of this partner's spaces once what had waited is through, or is let in or kept out."""
    for each in spaces.of_host(session, changed.node):
        compare_it = partial(ground.jobs.enqueue, compare_soon, each.id, "", delay_s=AFTER_CHANGE_S)
        events.after_commit(session, compare_it)


def when_caught_up(ground: Ground, caught_up: CaughtUp, session: Session) -> None:
    """Compares the copies of this partner's spaces at once where we had lacked entries, or a rev is missing."""
    for each in spaces.of_host(session, caught_up.node):
        if caught_up.entries or missing(session, each.id)[0]:
            events.after_commit(session, partial(ground.jobs.enqueue, compare_soon, each.id, ""))


def when_restored(ground: Ground, node: str) -> None:
    """Compares our copies of the spaces of a partner that has read its own log back from us, once it goes on."""
    now = ground.clock.now()
    with ground.database.reading() as session:
        copies = [(each.id, last(session, each.id)) for each in spaces.of_host(session, node)]
    for space_id, run in copies:
        if run is None or now - run.begun >= GAP_AFTER:
            ground.jobs.enqueue(compare_soon, space_id, "", delay_s=AFTER_CHANGE_S)


def when_doubted(ground: Ground, space_id: int, session: Session) -> None:
    """Compares a copy once what is on its way is through, unless it was compared just now."""
    run = last(session, space_id)
    if run is None or ground.clock.now() - run.begun >= DOUBTED_AGAIN_AFTER:
        compare_it = partial(ground.jobs.enqueue, compare_soon, space_id, "", delay_s=AFTER_CHANGE_S)
        events.after_commit(session, compare_it)


def due(ground: Ground) -> list[int]:
    """Which copies are to be compared now: nightly, after a gap, before an end, what did not come to its end."""
    now, found = ground.clock.now(), []
    with exchange.open_reading(ground) as work:
        for space in spaces.everything(work.session):
            relation = None if space.hosted else work.peers.of_node(space.host)
            if relation is None or relation.state is not State.IN_FORCE:
                continue
            run, hole = last(work.session, space.id), missing(work.session, space.id)[1]
            if _is_due(run, hole, now) or _is_last(run, relation, now):
                found.append(space.id)
    return found


def last(session: Session, space_id: int) -> Run | None:
    """How the last comparison of a copy went."""
    row = session.execute(select(RUN).where(RUN.c.space_id == space_id)).first()
    return None if row is None else Run(*row[1:])


def seen(session: Session, ground: Ground, space: Copied) -> Seen:
    """All that is known of the copies of a space."""
    rows = session.execute(select(ASIDE).where(ASIDE.c.space_id == space.id).order_by(ASIDE.c.id)).all()
    return Seen(
        space,
        last(session, space.id),
        statements.proofs(session, ground, space.id),
        [Aside(row.iri, row.kind, _leaf(row.ours), _leaf(row.theirs), row.at) for row in rows],
        len(statements.contradictions(session, space.id)),
        statements.unequal(session, space.id),
    )


def everything(session: Session, ground: Ground) -> list[Seen]:
    """Each space that another organisation has, too."""
    shared = [each for each in spaces.everything(session) if len(spaces.nodes(session, each.id)) > 1]
    return [seen(session, ground, each) for each in shared]


def evidence(session: Session, ground: Ground, space: Copied) -> dict[str, Any]:
    """What was signed of the copies of a space: pairs that prove them equal, and what contradicts itself."""
    return {
        "space": space.iri,
        "proofs": [
            {"asOf": each.as_of, "node": each.node, "statements": [each.ours, each.theirs]}
            for each in statements.proofs(session, ground, space.id)
        ],
        "contradictions": [list(each) for each in statements.contradictions(session, space.id)],
    }


def evidence_text(session: Session, ground: Ground, space: Copied) -> str:
    """The same as a file."""
    return json.dumps(evidence(session, ground, space), ensure_ascii=False, indent=2)


def _turn(space_id: int) -> threading.Lock:
    with _taking:
        return _turns.setdefault(space_id, threading.Lock())


def _is_due(run: Run | None, hole: datetime | None, now: datetime) -> bool:
    if run is None:
        return True
    since = now - run.begun
    if run.state != "equal" and since >= AGAIN_AFTER:
        return run.state in {"running", "failed"} or since >= TOO_LONG or _at_night(since, now)
    if hole is not None and now - hole >= GAP_AFTER and since >= AGAIN_AFTER:
        return True
    return since >= TOO_LONG or _at_night(since, now)


def _is_last(run: Run | None, relation: Relation, now: datetime) -> bool:
    """Whether the agreement ends so soon that this is the time for the last comparison, and it was not made yet."""
    if not relation.ends:
        return False
    begins = datetime.fromisoformat(relation.ends) - BEFORE_END
    return begins <= now and (run is None or run.begun < begins)


def _at_night(since: timedelta, now: datetime) -> bool:
    return now.hour in NIGHT and since >= MOST_OF_A_DAY


def _run(report: Report, begun: datetime, ended: datetime, requests: int) -> Run:
    state: RunState = "equal" if report.equal else "older" if report.rolled_back else "differs"
    return Run(state, begun, ended, report.as_of, report.count, requests, report.behind, report.repaired, "")


def _settle(ground: Ground, space: Copied, copy: Copy, begun: datetime, as_of: int) -> None:
    """The copies are equal as of a rev, so nothing before it is missing: send our statement to the host, and to the
    members that we know, who see by what the host signed whether it tells everybody the same; keep what it took and
    never announced.
    """
    lost = copying.dropped(ground, space, begun)
    with exchange.open_work(ground) as work:
        copying.settle(work.session, space.id)
        spaces.nothing_missing(work.session, space.id, as_of)
        for each in lost:
            copying.note(work.session, ground, space, each)
        for member in spaces.nodes(work.session, space.id):
            other = work.peers.of_node(member)
            if copy.proof is not None and other is not None and other.state is State.IN_FORCE:
                _show(ground, work, other, copy.proof)
        failpoints.hit("repair.settled")


def _show(ground: Ground, work: NodeWork, relation: Relation, statement: Document) -> None:
    said = {"type": "Create", "to": [relation.node], "object": statement}
    exchange.tell(ground, work, relation, said, work.node)


def _note(ground: Ground, space: Copied, run: Run, by: str) -> None:
    row = {
        "space_id": space.id,
        "state": run.state,
        "begun_at": run.begun,
        "ended_at": run.ended,
        "as_of": run.as_of,
        "leaves": run.count,
        "requests": run.requests,
        "behind": run.behind,
        "repaired": run.repaired,
        "reason": run.reason,
    }
    with ground.database.writing() as session:
        session.execute(delete(RUN).where(RUN.c.space_id == space.id))
        session.execute(insert(RUN), row)
        if run.state not in {"running", "equal"} or (by and run.state == "running"):
            detail: dict[str, str | int] = {"state": run.state, "asOf": run.as_of}
            ground.audit.append(
                session, Act("replica.compared", by, peer=space.host, subject=space.iri, detail=detail)
            )


def _leaf(text: str) -> dict[str, Any] | None:
    return json.loads(text) if text else None
