"""The ledger: what was called back, who had it, and what each says became of it (PRODUCT B11).

Rule: an author reads what was called back of his or hers, an administrator all; there are no words here to be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.core.db import table_of
from node.core.errors import Absent
from node.core.values import value
from node.retention import tables
from node.spaces.services import reading as spaces

RECALL = table_of(tables.Recall)
ANSWER = table_of(tables.Answer)
RUN = table_of(tables.Run)

A_PAGE = 30
REMIND_AFTER = timedelta(days=7)

Outcome = Literal["waiting", "erased", "retained", "refused", "left"]


@value
class Said:
    """What one organisation says. `review_by` and `residual_until` are days, None where it named none."""

    node: str
    name: str
    outcome: Outcome
    at: datetime | None
    basis: str
    reference: str
    review_by: datetime | None
    residual_until: datetime | None
    reminded: int
    document: str


@value
class Recalled:
    """One recall as the ledger shows it. `post` is the key of its tombstone."""

    id: int
    key: str
    activity: str
    post: str
    space_id: int
    author: spaces.PersonSeen
    by_node: bool
    published: datetime
    mode: str
    reason: str
    at: datetime
    deadline: datetime
    former_digest: str
    answers: Sequence[Said] = ()

    @property
    def open(self) -> int:
        """How many organisations have not answered, or will not."""
        return sum(each.outcome in {"waiting", "refused"} for each in self.answers)

    def is_overdue(self, now: datetime) -> bool:
        """Whether somebody still owes an answer after the deadline."""
        return now > self.deadline and any(each.outcome == "waiting" for each in self.answers)


def whose(roles: Iterable[str], person_id: int) -> int | None:
    """Whose recalls somebody reads: those of this person, or None, all of them, for an administrator."""
    return None if "admin" in roles else person_id


def page(session: Session, *, author: int | None = None, before: int | None = None) -> list[Recalled]:
    """The newest recalls, those of one person of ours or all, at most `A_PAGE` and one more."""
    query = select(RECALL).where(RECALL.c.asked).order_by(RECALL.c.id.desc()).limit(A_PAGE + 1)
    if before is not None:
        query = query.where(RECALL.c.id < before)
    if author is not None:
        query = query.where(RECALL.c.author_id.in_(spaces.participants_of(session, author)))
    return _read(session, session.execute(query).all())


def one(session: Session, key: str, *, author: int | None) -> Recalled:
    """A recall by its key, for an administrator (`author` None) or a person. Raises Absent."""
    return _one(session, RECALL.c.key == key, author)


def of_post(session: Session, post: str, *, author: int | None) -> Recalled:
    """The recall of a post, by the key of its tombstone. Raises Absent."""
    newest = select(func.max(RECALL.c.id)).where(RECALL.c.asked, RECALL.c.post == post)
    return _one(session, RECALL.c.id == newest.scalar_subquery(), author)


def unanswered(session: Session, now: datetime, *, author: int | None) -> list[Recalled]:
    """Recalls to which somebody owes an answer for a week and more, the oldest first."""
    late = select(ANSWER.c.recall_id).where(ANSWER.c.outcome == "waiting")
    query = select(RECALL).where(RECALL.c.id.in_(late), RECALL.c.at <= now - REMIND_AFTER)
    if author is not None:
        query = query.where(RECALL.c.author_id.in_(spaces.participants_of(session, author)))
    return _read(session, session.execute(query.order_by(RECALL.c.id).limit(A_PAGE)).all())


def _one(session: Session, condition: Any, author: int | None) -> Recalled:
    query = select(RECALL).where(condition, RECALL.c.asked)
    if author is not None:
        query = query.where(RECALL.c.author_id.in_(spaces.participants_of(session, author)))
    found = _read(session, session.execute(query).all())
    if not found:
        raise Absent("no such recall, or another's")
    return found[0]


def _read(session: Session, rows: Sequence[Any]) -> list[Recalled]:
    people = spaces.people(session, (row.author_id for row in rows))
    answers = _answers(session, [row.id for row in rows])
    return [
        Recalled(
            row.id,
            row.key,
            row.activity,
            row.post,
            row.space_id,
            people[row.author_id],
            row.actor != people[row.author_id].iri,
            row.published,
            row.mode,
            row.reason,
            row.at,
            row.deadline,
            row.former_digest,
            answers.get(row.id, ()),
        )
        for row in rows
    ]


def _answers(session: Session, numbers: Iterable[int]) -> dict[int, list[Said]]:
    query = select(ANSWER).where(ANSWER.c.recall_id.in_(list(numbers))).order_by(ANSWER.c.name, ANSWER.c.node)
    found: dict[int, list[Said]] = {}
    for row in session.execute(query):
        hold = (json.loads(row.document).get("hold") if row.document else None) or {}
        said = Said(
            row.node,
            row.name,
            row.outcome,
            row.at,
            row.basis,
            str(hold.get("reference", ""))[:200],
            _day(row.review_by),
            _day(row.residual_until),
            row.reminded,
            row.document,
        )
        found.setdefault(row.recall_id, []).append(said)
    return found


def _day(text: str) -> datetime | None:
    """A time of the wire; None for none, and for what a partner wrote otherwise."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


@value
class RunSeen:
    """One run of retention with its receipt (JSON), and the ids that it counted, of ours."""

    key: str
    node: str
    ours: bool
    at: datetime
    count: int
    receipt: str
    ids: Sequence[str]


def runs(session: Session) -> list[RunSeen]:
    """The newest runs of retention, ours and those of partners."""
    query = select(RUN).order_by(RUN.c.id.desc()).limit(A_PAGE)
    return [_run(row) for row in session.execute(query)]


def run(session: Session, key: str) -> RunSeen:
    """A run by its key. Raises Absent."""
    row = session.execute(select(RUN).where(RUN.c.key == key)).first()
    if row is None:
        raise Absent(f"no run {key!r}")
    return _run(row)


def _run(row: Any) -> RunSeen:
    return RunSeen(row.key, row.node, row.ours, row.at, row.count, row.receipt, tuple(json.loads(row.ids)))
