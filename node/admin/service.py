"""Reading the audit: lines by filter, whether the chain holds, and that somebody has read it.

Rule: nothing here changes a line; reading adds one, once a visit. Source: PRODUCT D.19; SECURITY TH-51.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Select, or_, select

from node.admin.sentences import REFUSALS
from node.core.audit import Act, Audit, Entry, Head, Tampered
from node.core.clock import rfc3339
from node.core.db import Database, table_of
from node.core.ground import Ground
from node.core.values import value

LINES = 50
VISIT = timedelta(minutes=15)
CHECKED_FOR = timedelta(minutes=15)
READ_AT_ONCE = 500
COLUMNS = table_of(Entry).c

Result = Literal["", "done", "refused"]


@value
class Sought:
    """What is looked for; empty is everything. `beginnings` of actions, `partner` by node actor."""

    beginnings: Sequence[str] = ()
    partner: str = ""
    result: Result = ""


@value
class Line:
    """One line. `refused`: something was refused or went wrong."""

    seq: int
    at: datetime
    action: str
    actor: str
    peer: str
    subject: str
    rule: str
    digest: str
    hash: str
    refused: bool
    detail: Mapping[str, Any] = field(default_factory=dict)


@value
class Page:
    """Lines, newest first, and whether there are newer and older ones."""

    lines: Sequence[Line]
    newer: bool
    older: bool


@value
class Checked:
    """What a check of the whole chain found: the first line that does not hold, 0 when all hold."""

    lines: int
    at: datetime
    broken_at: int = 0


class Trail:
    """The audit of one node, for whoever may read it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._audit: Audit = ground.audit
        self._checking = threading.Lock()
        self._checked: Checked | None = None

    def page(
        self, sought: Sought, *, before: int | None = None, after: int | None = None, limit: int = LINES
    ) -> Page:
        """At most `limit` lines older than `before` or newer than `after`, else the newest."""
        query = _matching(select(Entry), sought).limit(limit + 1)
        if after is not None:
            query = query.where(Entry.seq > after).order_by(Entry.seq)
        elif before is not None:
            query = query.where(Entry.seq < before).order_by(Entry.seq.desc())
        else:
            query = query.order_by(Entry.seq.desc())
        with self._ground.database.reading() as session:
            found = [_line(row) for row in session.scalars(query)]
        lines, more = found[:limit], len(found) > limit
        if after is not None:
            return Page(lines[::-1], newer=more, older=True)
        return Page(lines, newer=before is not None, older=more)

    def read_by(self, actor: str) -> None:
        """Puts on record that `actor` reads the audit, once a visit."""
        now = self._ground.clock.now()
        last = (
            select(Entry.at)
            .where(Entry.action == "audit.read", Entry.actor == actor)
            .order_by(Entry.seq.desc())
            .limit(1)
        )
        with self._ground.database.reading() as session:
            visited = session.scalar(last)
        if visited is None or now - visited >= VISIT:
            self._record(Act("audit.read", actor))

    def exported_by(self, actor: str, sought: Sought) -> None:
        """Puts on record that `actor` takes a copy."""
        told = {"beginnings": " ".join(sought.beginnings), "partner": sought.partner, "result": sought.result}
        self._record(Act("audit.exported", actor, detail={name: it for name, it in told.items() if it}))

    def export(self, sought: Sought) -> Iterator[dict[str, Any]]:
        """Every line, oldest first, with exactly what its hash covers; no snapshot is held meanwhile."""
        last = 0
        while True:
            query = _matching(select(*COLUMNS), sought).where(Entry.seq > last).order_by(Entry.seq)
            with self._ground.database.reading() as session:
                rows = session.execute(query.limit(READ_AT_ONCE)).mappings().all()
            for row in rows:
                yield {**row, "at": rfc3339(row["at"])}
            if len(rows) < READ_AT_ONCE:
                return
            last = rows[-1]["seq"]

    def checked(self) -> Checked:
        """The last check of the chain, made now when the last one is too old."""
        with self._checking:
            now = self._ground.clock.now()
            if self._checked is None or now - self._checked.at >= CHECKED_FOR:
                self._checked = self.check()
            return self._checked

    def check(self, witnessed: Head | None = None) -> Checked:
        """Checks every line, and that the chain contains a `witnessed` head."""
        now = self._ground.clock.now()
        with self._ground.database.reading() as session:
            try:
                return Checked(self._audit.verify(session, witnessed), now)
            except Tampered as tampered:
                return Checked(self._audit.count(session), now, tampered.seq)

    def head(self) -> Head:
        """The newest line, to be noted elsewhere."""
        with self._ground.database.reading() as session:
            return self._audit.head(session)

    def _record(self, act: Act) -> None:
        with self._ground.database.writing() as session:
            self._audit.append(session, act)


def _matching(query: Select[Any], sought: Sought) -> Select[Any]:
    if sought.beginnings:
        query = query.where(
            or_(*(Entry.action.startswith(each, autoescape=True) for each in sought.beginnings))
        )
    if sought.partner:
        query = query.where(Entry.peer == sought.partner)
    if sought.result:
        refused = Entry.action.in_(REFUSALS)
        query = query.where(refused if sought.result == "refused" else ~refused)
    return query


def _line(row: Entry) -> Line:
    return Line(
        seq=row.seq,
        at=row.at,
        action=row.action,
        actor=row.actor,
        peer=row.peer,
        subject=row.subject,
        rule=row.rule,
        digest=row.digest,
        hash=row.hash,
        refused=row.action in REFUSALS,
        detail=json.loads(row.detail),
    )


GROUNDS_KEPT = 8  # a process has one; a test of several nodes has a few

_made: dict[Database, Trail] = {}
_making = threading.Lock()


def trail_of(ground: Ground) -> Trail:
    """The audit of this node, made once: it remembers its last check."""
    with _making:
        while len(_made) >= GROUNDS_KEPT and ground.database not in _made:
            del _made[next(iter(_made))]
        return _made.setdefault(ground.database, Trail(ground))
