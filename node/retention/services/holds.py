"""Legal holds: what is called back meanwhile disappears from sight everywhere, and is kept here.

Rule: an administrator's act, on record, with a ground, a reference and a day of review; to release it erases what only
it kept. Source: PROTOCOL 2.f; SECURITY TH-22 (hold > deletion > retention).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from flask_babel import lazy_gettext as _
from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.orm import Session

from federation import documents
from node.core import events, ids
from node.core.audit import Act
from node.core.db import table_of
from node.core.errors import Absent, Invalid
from node.core.ground import Ground
from node.core.values import value
from node.exchange.packing import unsqueeze
from node.retention import tables
from node.retention.services import erasing
from node.threads.services.spots import Spot

HOLD = table_of(tables.Hold)
KEPT = table_of(tables.Kept)
MAX_WORDS_CHARS = 300


@value
class Hold:
    """One hold: on a space, on a thread of it, or on a post (`object`). `kept`: how many messages only it keeps."""

    id: int
    key: str
    space_id: int
    thread_id: int | None
    object: str | None
    written: datetime | None
    basis: str
    reference: str
    review_by: date
    by: str
    at: datetime
    released_at: datetime | None
    kept: int = 0


def covering(session: Session, space_id: int, thread_id: int, iri: str) -> Hold | None:
    """The oldest hold in force on this post, its thread or its space."""
    wider = and_(HOLD.c.object.is_(None), or_(HOLD.c.thread_id.is_(None), HOLD.c.thread_id == thread_id))
    query = select(HOLD).where(
        HOLD.c.space_id == space_id, HOLD.c.released_at.is_(None), or_(HOLD.c.object == iri, wider)
    )
    row = session.execute(query.order_by(HOLD.c.id).limit(1)).first()
    return None if row is None else _hold(row)


def everything(session: Session) -> list[Hold]:
    """All holds, those in force first, the newest first."""
    kept = (
        select(func.count(func.distinct(KEPT.c.recall_id)))
        .where(KEPT.c.hold_id == HOLD.c.id)
        .correlate(HOLD)
        .scalar_subquery()
    )
    query = select(HOLD, kept.label("kept")).order_by(HOLD.c.released_at.is_not(None), HOLD.c.id.desc())
    return [_hold(row, row.kept) for row in session.execute(query)]


def place(ground: Ground, by: str, on: Spot, *, basis: str, reference: str, review_by: date) -> str:
    """A hold on a space, a thread or a post; its key. `by` is the actor of an administrator. Raises Invalid."""
    wrong = {}
    for name, said in (("basis", basis), ("reference", reference)):
        if not said.strip() or len(said) > MAX_WORDS_CHARS:
            wrong[name] = _("Say it in at most 300 characters.")
    if review_by <= ground.clock.now().date():
        wrong["review_by"] = _("Choose a day to come.")
    if wrong:
        raise Invalid(_("The hold was not placed."), errors=wrong)
    key = ids.wire_id()
    with ground.database.writing() as session:
        values = {
            "key": key,
            "space_id": on.space_id,
            "thread_id": on.thread_id,
            "object": on.object,
            "written": on.written,
            "basis": " ".join(basis.split()),
            "reference": " ".join(reference.split()),
            "review_by": review_by,
            "by": by,
            "at": ground.clock.now(),
        }
        session.execute(insert(HOLD), values)
        ground.audit.append(
            session,
            Act("hold.placed", actor=by, subject=on.iri, detail={"hold": key, "reference": reference}),
        )
    return key


def release(ground: Ground, by: str, key: str) -> int:
    """Ends a hold; what only it kept is erased now. How many messages that are. Raises Absent."""
    now = ground.clock.now()
    with ground.database.writing() as session:
        row = session.execute(select(HOLD).where(HOLD.c.key == key, HOLD.c.released_at.is_(None))).first()
        if row is None:
            raise Absent(f"no hold {key!r} in force")
        session.execute(update(HOLD).where(HOLD.c.id == row.id).values(released_at=now))
        kept = list(session.scalars(select(KEPT.c.recall_id).where(KEPT.c.hold_id == row.id).distinct()))
        erasing.let_go(session, kept)
        ground.audit.append(
            session, Act("hold.released", actor=by, subject=key, detail={"erased": len(kept)})
        )
        events.after_commit(session, lambda: ground.jobs.enqueue(erasing.settle))
    return len(kept)


def export(ground: Ground, by: str, key: str) -> list[dict[str, Any]]:
    """What a hold keeps, as it was said; that it was read is on record. Raises Absent."""
    with ground.database.writing() as session:
        hold = session.execute(select(HOLD).where(HOLD.c.key == key)).first()
        if hold is None:
            raise Absent(f"no hold {key!r}")
        rows = session.execute(select(KEPT).where(KEPT.c.hold_id == hold.id).order_by(KEPT.c.id)).all()
        ground.audit.append(session, Act("hold.exported", actor=by, subject=key, detail={"kept": len(rows)}))
    return [documents.loads(unsqueeze(row.raw)) for row in rows]


def _hold(row: Any, kept: int = 0) -> Hold:
    return Hold(
        row.id,
        row.key,
        row.space_id,
        row.thread_id,
        row.object,
        row.written,
        row.basis,
        row.reference,
        row.review_by,
        row.by,
        row.at,
        row.released_at,
        kept,
    )
