"""After the tombstone: files, write-ahead log and what was kept go for good, then receipts say so.

Rule: nothing is called erased before it is. A receipt is signed when bytes are gone from tables, files and the log of
the database; what backups still hold is stated with the day on which it is gone. Source: PROTOCOL 2.f; PRODUCT B11.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from federation import authorship, documents, iris, recall
from federation.activity import Activity, Document
from federation.errors import NAMESPACE, AgreementSuspended, NoAgreement
from federation.ports import Erasure, Relation, State
from node.core import failpoints
from node.core.clock import rfc3339
from node.core.db import table_of
from node.core.ground import Ground
from node.core.jobs import every, job
from node.core.log import get_logger
from node.core.scrub import scrub
from node.exchange import service as exchange
from node.exchange.ports import Aside
from node.exchange.service import NodeWork
from node.files import service as files
from node.retention import tables
from node.retention.services import tombstones
from node.spaces.register import register_of

log = get_logger(__name__)

RECALL = table_of(tables.Recall)
RECALL_FILE = table_of(tables.RecallFile)
ANSWER = table_of(tables.Answer)
KEPT = table_of(tables.Kept)
HOLD = table_of(tables.Hold)

AT_ONCE = 100
REMIND_AFTER = (timedelta(days=7), timedelta(days=21))
HIDDEN_BASIS = f"{NAMESPACE}#moderation"
HOLD_BASIS = f"{NAMESPACE}#legal-hold"
VISIBILITY = "hidden-from-users"


@job("retention.settle")
def settle(ground: Ground) -> None:
    """Erases for good what is only hidden yet, gives the receipts, sums up those of others."""
    numbers = _unsettled(ground)
    if numbers:
        tombstones.note(ground, _deletes(ground, numbers))
        failpoints.hit("recall.noted")
        erase_files(ground, numbers)
        failpoints.hit("recall.files-erased")
        if scrub(ground.database):
            failpoints.hit("recall.scrubbed")
            for number in numbers:
                _receipt(ground, number)
        else:
            log.info("retention.waits", recalls=len(numbers))
    _sum_up(ground)


@every(1, "retention.watch")
def watch(ground: Ground) -> None:
    """Finds what a crash or a reader in the way left, lets go what was hidden long enough, and reminds."""
    let_go_hidden(ground)
    settle.run(ground)
    remind(ground)


def let_go(session: Session, numbers: Sequence[int]) -> None:
    """What was kept of these recalls goes; they are settled anew."""
    session.execute(delete(KEPT).where(KEPT.c.recall_id.in_(numbers)))
    for number in numbers:
        files.let_go(session, f"recall {number}")
    session.execute(update(RECALL).where(RECALL.c.id.in_(numbers)).values(state="hidden"))


def let_go_hidden(ground: Ground) -> None:
    """What a manager hid, and no hold keeps, goes when its author had time to contest it."""
    now = ground.clock.now()
    query = select(KEPT.c.recall_id).where(KEPT.c.hold_id.is_(None), KEPT.c.until <= now).distinct()
    with ground.database.reading() as session:
        due = list(session.scalars(query.limit(AT_ONCE)))
    if due:
        with ground.database.writing() as session:
            let_go(session, due)


def erase_files(ground: Ground, numbers: Iterable[int]) -> None:
    """The bytes of their files go, unless something else that lives names them."""
    with ground.database.reading() as session:
        query = select(RECALL_FILE.c.digest, RECALL.c.at).join(RECALL, RECALL.c.id == RECALL_FILE.c.recall_id)
        rows = session.execute(query.where(RECALL.c.id.in_(list(numbers)))).all()
    for row in rows:
        files.erase(ground, bytes(row.digest), brought_before=row.at)


def remind(ground: Ground) -> None:
    """Notes, after 7 and after 21 days, who has not answered; the ledger and the first page show it."""
    now = ground.clock.now()
    for times, after in enumerate(REMIND_AFTER):
        query = (
            select(ANSWER.c.recall_id, ANSWER.c.node, RECALL.c.activity)
            .join(RECALL, RECALL.c.id == ANSWER.c.recall_id)
            .where(ANSWER.c.outcome == "waiting", ANSWER.c.reminded == times, RECALL.c.at <= now - after)
        )
        with ground.database.reading() as session:
            rows = session.execute(query.limit(AT_ONCE)).all()
        for row in rows:
            with exchange.open_work(ground) as work:
                work.session.execute(
                    update(ANSWER)
                    .where(ANSWER.c.recall_id == row.recall_id, ANSWER.c.node == row.node)
                    .values(reminded=times + 1)
                )
                work.audit.note("recall.unanswered", partner=row.node, activity=row.activity, days=after.days)


def residual(ground: Ground, now: datetime) -> list[Document]:
    """What backups hold still, and until when; none when there are none."""
    days = ground.settings.backup_days
    return [{"store": "backup", "until": rfc3339(now + timedelta(days=days))}] if days else []


def tell(ground: Ground, work: NodeWork, relation: Relation, receipt: Document) -> None:
    """A receipt for a partner: in the stream, or by itself while the relation is suspended or when it has ended
    (PROTOCOL 2.a.7); while it is only expired the receipt is kept here.
    """
    settings = exchange.settings_of(ground)
    said: Document = {"type": "Create", "to": [relation.node], "object": receipt}
    try:
        exchange.tell(ground, work, relation, said, settings.node)
    except (AgreementSuspended, NoAgreement) as waits:
        if relation.state is State.EXPIRED:
            log.info("retention.untold", partner=relation.node, receipt=receipt["id"], cause=str(waits))
            return
        activity = authorship.write(said, settings.node, work, settings)
        ground.events.publish(Aside(relation, activity), work.session)


def _deletes(ground: Ground, numbers: Sequence[int]) -> list[Activity]:
    """What was said to us or by us; what a node does to its own copies alone is done again by itself."""
    with exchange.open_reading(ground) as work:
        names = work.session.scalars(
            select(RECALL.c.activity).where(RECALL.c.id.in_(numbers)).order_by(RECALL.c.id)
        ).all()
        return [said for each in names if (said := work.journal.get(each)) is not None]


def _unsettled(ground: Ground) -> list[int]:
    with ground.database.reading() as session:
        query = select(RECALL.c.id).where(RECALL.c.state == "hidden").order_by(RECALL.c.id)
        return list(session.scalars(query.limit(AT_ONCE)))


def _receipt(ground: Ground, number: int) -> None:
    """It is gone, or kept on a ground: our receipt, kept and told to whom asked."""
    settings = exchange.settings_of(ground)
    with exchange.open_work(ground) as work:
        session, now = work.session, work.now
        row = session.execute(select(RECALL).where(RECALL.c.id == number, RECALL.c.state == "hidden")).first()
        if row is None:
            return
        kept = session.execute(
            select(KEPT.c.until, HOLD.c.reference, HOLD.c.review_by)
            .select_from(KEPT.outerjoin(HOLD, HOLD.c.id == KEPT.c.hold_id))
            .where(KEPT.c.recall_id == number)
            .limit(1)
        ).first()
        session.execute(
            update(RECALL)
            .where(RECALL.c.id == number)
            .values(state="erased" if kept is None else "retained", done_at=now)
        )
        if kept is None:
            session.execute(delete(RECALL_FILE).where(RECALL_FILE.c.recall_id == number))
        if not row.asked:
            return
        has_files = session.execute(
            select(func.count()).select_from(RECALL_FILE).where(RECALL_FILE.c.recall_id == number)
        ).scalar_one()
        stores = ["database", "cache", "media-store"] if has_files or kept is None else ["database", "cache"]
        erased = {
            "id": row.object,
            "formerDigest": row.former_digest,
            "stores": stores,
            "at": rfc3339(now),
        }
        done = Erasure(
            erased=[erased] if kept is None and row.former_digest else [],
            residual=residual(ground, now),
            hold=None if kept is None else _ground_of(kept),
        )
        receipt = recall.receipt(
            settings,
            work.actors.signer(settings.node),
            {"id": row.activity, "contentDigest": row.content_digest},
            done,
            now,
        )
        session.execute(
            update(RECALL).where(RECALL.c.id == number).values(receipt=documents.dumps(receipt).decode())
        )
        work.recalls.answered(row.activity, settings.node, receipt)
        work.audit.note(
            "recall.erased" if kept is None else "recall.retained",
            activity=row.activity,
            digest=row.former_digest or "",
            reason=row.reason,
        )
        relation = _asker(work, row)
        if relation is not None:
            tell(ground, work, relation, receipt)
        failpoints.hit("recall.receipted")


def _ground_of(kept: Any) -> Document:
    if kept.reference is None:
        return {"basis": HIDDEN_BASIS, "reviewBy": rfc3339(kept.until), "visibility": VISIBILITY}
    review = f"{kept.review_by.isoformat()}T00:00:00Z"
    return {
        "basis": HOLD_BASIS,
        "reference": kept.reference,
        "reviewBy": review,
        "visibility": VISIBILITY,
    }


def _asker(work: NodeWork, row: Any) -> Relation | None:
    """Whom we answer: the host of the space; as host, the node of the author, unless that is us."""
    register = register_of(work.session, work.ground)
    space = register.by_id(row.space_id)
    if not space.hosted:
        return work.peers.of_node(space.host)
    origin = iris.origin(register.iri_of(row.author_id))
    return None if origin == iris.origin(work.node) else work.peers.of_origin(origin)


def _sum_up(ground: Ground) -> None:
    """As host, one summary for the author's node whenever more organisations have answered."""
    settings = exchange.settings_of(ground)
    answered = (
        select(ANSWER.c.recall_id, func.count().label("answers"))
        .where(ANSWER.c.outcome.in_(("erased", "retained")), ANSWER.c.node != settings.node)
        .group_by(ANSWER.c.recall_id)
        .subquery()
    )
    query = (
        select(RECALL.c.id, answered.c.answers)
        .join(answered, answered.c.recall_id == RECALL.c.id)
        .where(answered.c.answers > RECALL.c.told, RECALL.c.receipt != "")
        .limit(AT_ONCE)
    )
    with ground.database.reading() as session:
        due = session.execute(query).all()
    for each in due:
        with exchange.open_work(ground) as work:
            _tell_summary(ground, work, each.id)


def _tell_summary(ground: Ground, work: NodeWork, number: int) -> None:
    session, settings = work.session, exchange.settings_of(ground)
    row = session.execute(select(RECALL).where(RECALL.c.id == number)).one()
    answers = session.execute(
        select(ANSWER.c.node, ANSWER.c.document).where(
            ANSWER.c.recall_id == number,
            ANSWER.c.outcome.in_(("erased", "retained")),
            ANSWER.c.node != settings.node,
        )
    ).all()
    session.execute(update(RECALL).where(RECALL.c.id == number).values(told=len(answers)))
    relation = _asker(work, row)
    if relation is None or not register_of(session, ground).by_id(row.space_id).hosted:
        return
    items = [json.loads(each.document) for each in answers if each.node != relation.node]
    if not items:
        return
    ours = json.loads(row.receipt)
    done = Erasure(ours["erased"], ours["residual"], ours.get("hold"), items)
    receipt = recall.receipt(
        settings,
        work.actors.signer(settings.node),
        {"id": row.activity, "contentDigest": row.content_digest},
        done,
        work.now,
    )
    tell(ground, work, relation, receipt)
