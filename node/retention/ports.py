"""The answer of retention to `federation.ports.Recalls`: the ledger, and what a hold keeps before anything goes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import Session

from federation import documents
from federation.activity import Activity, Document
from federation.digest import object_digest
from federation.ports import Effect, Mode, Recall, Relation
from federation.recall import OUT_OF_TIME
from node.core import events, failpoints, ids
from node.core.db import table_of
from node.core.ground import Ground
from node.exchange.packing import squeeze
from node.files import service as files
from node.retention import tables
from node.retention.services.erasing import settle
from node.retention.services.holds import covering
from node.threads.posts import Known, digest_of, key_of, posts_of

RECALL = table_of(tables.Recall)
RECALL_FILE = table_of(tables.RecallFile)
ANSWER = table_of(tables.Answer)
KEPT = table_of(tables.Kept)
RUN = table_of(tables.Run)

HIDDEN_KEPT = timedelta(days=90)
"""How long what a manager hid is kept, so that its author may contest it."""

MAX_REASON_CHARS = 32
SUM_UP_S = 2
"""How long a summary waits for the next answer."""


class Recalls:
    """Answers `ports.Recalls`."""

    def __init__(self, session: Session, ground: Ground) -> None:
        self._session, self._ground = session, ground
        self._posts = posts_of(session, ground)
        self._register = self._posts.register

    def begin(self, effect: Effect, recall: Recall | None) -> None:
        activity = effect.activity
        if self._number(activity.id) is not None:
            return
        known = self._posts.find(str(activity.object_id))
        if known is not None and self._register.by_id(known.space_id).iri != effect.space.iri:
            return
        now = self._ground.clock.now()
        mode = Mode.ERASE if recall is None else recall.mode
        said = [] if known is None or known.gone else self._said(known)
        values = {
            "key": ids.wire_id(),
            "activity": activity.id,
            "content_digest": activity.content_digest,
            "object": str(activity.object_id),
            "post": key_of(digest_of(str(activity.object_id))),
            "actor": effect.actor,
            "space_id": self._register.get(effect.space.iri).id,
            "author_id": self._author(effect, known),
            "published": now if known is None else datetime.fromtimestamp(known.published, now.tzinfo),
            "asked": _is_asked(recall),
            "mode": mode.value,
            "reason": "" if recall is None else recall.reason[:MAX_REASON_CHARS],
            "at": now,
            "deadline": now if recall is None else datetime.fromisoformat(recall.deadline),
            "former_digest": object_digest(said[-1].object or {}) if said else self._former(activity),
            "state": "hidden",
            "told": 0,
            "receipt": "",
        }
        number = self._session.execute(insert(RECALL).returning(RECALL.c.id), values).scalar_one()
        if _is_asked(recall):
            self._ask(number, effect, known)
        self._put_aside(number, known, said, effect, mode, now)
        failpoints.hit("recall.begun")
        events.after_commit(self._session, lambda: self._ground.jobs.enqueue(settle))

    def awaits(self, activity_id: str) -> str | None:
        row = self._session.execute(
            select(RECALL.c.space_id).where(RECALL.c.activity == activity_id, RECALL.c.asked)
        ).first()
        return None if row is None else self._register.by_id(row.space_id).iri

    def answered(self, activity_id: str, node: str, receipt: Document) -> None:
        hold: Mapping[str, Any] = receipt.get("hold") or {}
        until = [str(each.get("until", "")) for each in _rows(receipt, "residual")]
        values = {
            "outcome": receipt["outcome"],
            "at": datetime.fromisoformat(receipt["published"]),
            "basis": str(hold.get("basis", ""))[:500],
            "review_by": str(hold.get("reviewBy", ""))[:40],
            "residual_until": max(until, default="")[:40],
            "document": documents.dumps(receipt).decode(),
        }
        self._answer(activity_id, node, values)

    def refused(self, relation: Relation, activity_id: str, problem: Mapping[str, object]) -> None:
        values = {
            "outcome": "refused",
            "at": self._ground.clock.now(),
            "basis": str(problem.get("detail") or problem.get("title") or "")[:500],
            "document": json.dumps(dict(problem)),
        }
        self._answer(activity_id, relation.node, values)

    def purged(self, relation: Relation, receipt: Document) -> None:
        count = receipt.get("count")
        values = {
            "key": ids.wire_id(),
            "node": relation.node,
            "ours": False,
            "at": self._ground.clock.now(),
            "count": count if isinstance(count, int) else 0,
            "receipt": documents.dumps(receipt).decode(),
            "ids": "[]",
        }
        self._session.execute(insert(RUN), values)

    def _number(self, activity_id: str) -> int | None:
        found: int | None = self._session.execute(
            select(RECALL.c.id).where(RECALL.c.activity == activity_id)
        ).scalar()
        return found

    def _answer(self, activity_id: str, node: str, values: Mapping[str, Any]) -> None:
        number = self._number(activity_id)
        changed = self._session.execute(
            update(ANSWER)
            .where(
                ANSWER.c.recall_id == number,
                ANSWER.c.node == node,
                or_(ANSWER.c.at.is_(None), ANSWER.c.at <= values["at"]),
            )
            .values(**values)
        )
        if changed.rowcount:  # type: ignore[attr-defined]
            events.after_commit(self._session, lambda: self._ground.jobs.enqueue(settle, delay_s=SUM_UP_S))

    def _author(self, effect: Effect, known: Known | None) -> int:
        return (
            self._register.participant(effect.actor, effect.space.iri) if known is None else known.author_id
        )

    def _said(self, known: Known) -> list[Activity]:
        journal = self._ground.work(self._session).journal
        found = (journal.get(each) for each in self._posts.said(known))
        return [each for each in found if each is not None]

    def _former(self, activity: Activity) -> str:
        """What an earlier Delete of the same found here."""
        earlier = select(RECALL.c.former_digest).where(RECALL.c.object == activity.object_id)
        return self._session.execute(earlier.order_by(RECALL.c.id).limit(1)).scalar() or ""

    def _ask(self, number: int, effect: Effect, known: Known | None) -> None:
        """Everybody on the roster is asked; we too, so that the author sees our own word. Who left the space with the
        post hears of nothing in it any more, and is named.
        """
        spaces = self._ground.work(self._session).spaces
        nodes = {each.node: each.name for each in spaces.nodes(effect.space.iri)}
        rev = None if known is None else known.rev
        left = {
            each.node: each.name
            for each in spaces.former(effect.space.iri)
            if rev is not None and rev < each.until and each.node not in nodes
        }
        rows = [
            {
                "recall_id": number,
                "node": node,
                "name": name,
                "outcome": "waiting" if node in nodes else "left",
                "basis": "",
                "review_by": "",
                "residual_until": "",
                "document": "",
                "reminded": 0,
            }
            for node, name in (nodes | left).items()
        ]
        self._session.execute(insert(ANSWER), rows)

    def _put_aside(
        self,
        number: int,
        known: Known | None,
        said: Sequence[Activity],
        effect: Effect,
        mode: Mode,
        now: datetime,
    ) -> None:
        """What a hold or a hiding keeps goes where no page and no partner reaches it; files are noted to be erased."""
        self._session.flush()
        iri = str(effect.activity.object_id)
        hold = None
        if known is not None:
            hold = covering(self._session, known.space_id, known.thread_id, iri)
        before = self._kept_before(iri)
        if known is None or not (said or before):
            return
        post = self._posts.number(known)
        digests = files.digests(self._session, post) | self._files_before(iri)
        if digests:
            self._session.execute(
                insert(RECALL_FILE), [{"recall_id": number, "digest": each} for each in sorted(digests)]
            )
        keeps = hold is not None or mode is Mode.HIDE
        if before:
            if keeps:
                moved = {"recall_id": number} if hold is None else {"recall_id": number, "hold_id": hold.id}
                self._session.execute(update(KEPT).where(KEPT.c.id.in_(before)).values(**moved))
            else:
                self._session.execute(delete(KEPT).where(KEPT.c.id.in_(before)))
        if keeps and said:
            rows = [
                {
                    "recall_id": number,
                    "hold_id": None if hold is None else hold.id,
                    "activity": each.id,
                    "raw": squeeze(each.raw),
                    "until": None if hold is not None else now + HIDDEN_KEPT,
                }
                for each in said
            ]
            self._session.execute(insert(KEPT), rows)
        if keeps:
            files.keep(self._session, digests, f"recall {number}")

    def _kept_before(self, iri: str) -> list[int]:
        """What an earlier Delete of the same left here, and no hold keeps."""
        query = select(KEPT.c.id).join(RECALL, RECALL.c.id == KEPT.c.recall_id)
        return list(self._session.scalars(query.where(RECALL.c.object == iri, KEPT.c.hold_id.is_(None))))

    def _files_before(self, iri: str) -> set[bytes]:
        query = select(RECALL_FILE.c.digest).join(RECALL, RECALL.c.id == RECALL_FILE.c.recall_id)
        earlier = select(RECALL.c.id).where(RECALL.c.object == iri)
        found = {bytes(each) for each in self._session.scalars(query.where(RECALL.c.object == iri))}
        for number in list(self._session.scalars(earlier)):
            files.let_go(self._session, f"recall {number}")
        return found


def _is_asked(recall: Recall | None) -> bool:
    """Whether organisations are to answer: not for an ordinary Delete, nor where time was simply over."""
    return recall is not None and recall.reason not in OUT_OF_TIME


def _rows(receipt: Document, name: str) -> list[Mapping[str, Any]]:
    return [each for each in documents.as_list(receipt.get(name)) if isinstance(each, dict)]
