"""Our copy of a partner's space, and the way to its host: the two sides of `federation.repair`.

Rule: a request is never made inside a unit of work, and units of work are short. What the host answers is bounded, and
believed as far as it is signed. Source: PROTOCOL 2.c.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask_babel import lazy_gettext as _
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from federation import documents, repair, replica, withholding
from federation.activity import Document
from federation.digest import sha256_of
from federation.errors import Malformed, OtherAgreement, RemoteError
from federation.limits import MAX_JSON_ANSWER_BYTES, MAX_LEAVES_BYTES, MAX_OUTBOX_BYTES
from federation.ports import Relation
from federation.repair import Difference, Wanted
from federation.replica import Leaf, Statement, Tally, View, place_of
from node.core import failpoints
from node.core.audit import Act
from node.core.db import table_of
from node.core.errors import NodeError
from node.core.ground import Ground
from node.core.values import value
from node.exchange import service as exchange
from node.replicas import tables
from node.replicas.services import hosting, leaves, statements
from node.replicas.services.leaves import LEAF
from node.spaces.services import copies as spaces
from node.spaces.services.copies import Copied
from node.threads.services import copies as threads

ASIDE = table_of(tables.Aside)
TAKEN_AT_ONCE = 50
MAX_ASIDE = 1000
"""So much is set aside of one space; a host that denies more has lost it, or lies: then nothing more is hidden."""
OK = 200


class Unanswered(NodeError):
    """The host of a space does not answer what it was asked."""

    status = 502
    title = _("The host of the space does not answer")


@dataclass(slots=True)
class Host:
    """The host of a space, over the net. Answers `repair.Host`."""

    ground: Ground
    relation: Relation
    space: Copied
    requests: int = 0

    def statement(self) -> Document:
        return documents.loads(self._get(self._digest(), MAX_JSON_ANSWER_BYTES))

    def buckets(self, as_of: int) -> Sequence[bytes]:
        answer = documents.loads(self._get(self._digest(asOf=as_of, buckets="all"), MAX_JSON_ANSWER_BYTES))
        hashes = answer.get("buckets")
        if not isinstance(hashes, list) or len(hashes) != replica.BUCKETS:
            raise Malformed("There are 256 bucket hashes.")
        return [sha256_of(str(each)) for each in hashes]

    def leaves(self, as_of: int, numbers: Sequence[int]) -> Iterable[Leaf]:
        named = ",".join(f"{number:02x}" for number in numbers)
        return [
            replica.leaf_of(documents.loads(line))
            for line in self._get(self._digest(asOf=as_of, bucket=named), MAX_LEAVES_BYTES).splitlines()
        ]

    def after(self, rev: int) -> Iterable[bytes]:
        return self._get(f"{self.space.iri}/outbox?after={rev}", 2 * MAX_OUTBOX_BYTES).splitlines()

    def announces(self, revs: Sequence[int]) -> Iterable[bytes]:
        named = ",".join(map(str, sorted(set(revs))))
        return self._get(f"{self.space.iri}/outbox?rev={named}", 2 * MAX_OUTBOX_BYTES).splitlines()

    def _digest(self, **asked: Any) -> str:
        origin, _, name = self.space.iri.rpartition("/spaces/")
        query = f"?{urlencode(asked, safe=',')}" if asked else ""
        return f"{origin}/digest/{name}{query}"

    def _get(self, url: str, max_bytes: int) -> bytes:
        self.requests += 1
        answer = exchange.fetch(self.ground, self.relation, url, max_bytes)
        if answer.status != OK:
            raise Unanswered(
                _("The host of the space did not answer as it should."), f"{answer.status} for {url}"
            )
        return answer.body


@dataclass(slots=True)
class Copy:
    """Our copy of a space. Answers `repair.Copy`."""

    ground: Ground
    relation: Relation
    space: Copied
    as_of: int = -1
    touched: set[str] = field(default_factory=set)
    _tallied: dict[tuple[int, View], Tally] = field(default_factory=dict)
    """The last tally, of which only the buckets in `_dirty` have changed."""
    _dirty: set[int] = field(default_factory=set)
    proof: Document | None = None
    """The statement that we signed, once the copies are equal."""

    def read(self, statement: Document) -> Statement:
        found = replica.read(statement, self.relation.keys)
        if (found.space, found.node) != (self.space.iri, self.space.host):
            raise Malformed("The statement is about another space.")
        first = self.space.first_rev
        if found.view.posts > first or found.view.members > first:
            raise Malformed("The host says that we see less than from our own beginning.")
        if not found.view.scope:
            return found
        if found.view.scope != self.relation.agreement_digest:
            raise OtherAgreement("The host withholds by another version of the charter than ours.")
        # What came before the charter left it out stays here, and counts as what the host tells of it.
        passes = withholding.passes(self.relation, self.space.iri)
        return replace(found, view=replace(found.view, passes=passes))

    def rev(self) -> int:
        with self.ground.database.reading() as session:
            return spaces.whole_to(session, spaces.by_id(session, self.space.id))

    def tally(self, as_of: int, view: View) -> Tally:
        self._refresh()
        known = self._tallied.get((as_of, view))
        changed = None if known is None else sorted(self._dirty)
        with self.ground.database.reading() as session:
            found = leaves.tally(session, self.space.id, as_of, view, changed)
        if known is not None and changed is not None:
            found = known.with_(found, changed)
        self._tallied, self._dirty = {(as_of, view): found}, set()
        return found

    def leaves(self, as_of: int, view: View, numbers: Sequence[int]) -> Iterable[Leaf]:
        self._refresh()
        with self.ground.database.reading() as session:
            return list(leaves.stream(session, self.space.id, as_of, view, numbers))

    def named(self, as_of: int, view: View, ids: Sequence[str]) -> Iterable[Leaf]:
        self._refresh()
        with self.ground.database.reading() as session:
            return leaves.named(session, self.space.id, as_of, view, ids)

    def take(self, lines: Iterable[bytes], wanted: Mapping[str, Wanted]) -> int:
        self.touched |= wanted.keys()
        given, taken = list(lines), 0
        for first in range(0, len(given), TAKEN_AT_ONCE):
            with exchange.open_work(self.ground) as work:
                settings = exchange.settings_of(self.ground)
                for line in given[first : first + TAKEN_AT_ONCE]:
                    try:
                        with work.savepoint():
                            taken += repair.take(line, self.relation, self.space.iri, wanted, work, settings)
                    except RemoteError as error:
                        work.audit.note(
                            "replica.refused",
                            partner=self.relation.node,
                            subject=self.space.iri,
                            problem=error.type,
                            rule=error.detail,
                        )
                failpoints.hit("repair.taken")
        return taken

    def withhold(self, known: Iterable[Leaf], over: Iterable[Leaf]) -> None:
        told, out = list(known), list(over)
        with self.ground.database.writing() as session:
            leaves.withhold(session, self.space.id, told, out)
        self._dirty |= {leaf.place[0] for leaf in (*told, *out)}

    def set_aside(self, found: Sequence[Difference]) -> None:
        if not found:
            return
        with exchange.open_work(self.ground) as work:
            session = work.session
            kept = set(
                session.execute(select(ASIDE.c.iri).where(ASIDE.c.space_id == self.space.id)).scalars()
            )
            for each in found:
                leaf = each.ours or each.theirs
                if leaf is None or leaf.id in kept or len(kept) >= MAX_ASIDE:
                    continue
                kept.add(leaf.id)
                note(work.session, self.ground, self.space, each)
                if each.kind == "surplus" and leaf.state == "live":
                    threads.set_aside(session, self.ground, [leaf.id])
                    self.touched.add(leaf.id)
        self.as_of = -1

    def agree(self, theirs: Statement, tally: Tally) -> None:
        self.proof = self._keep(theirs, tally).document

    def disagree(self, theirs: Statement, tally: Tally) -> None:
        self._keep(theirs, tally)

    def _keep(self, theirs: Statement, tally: Tally) -> Statement:
        with exchange.open_work(self.ground) as work:
            statements.keep(work.session, self.ground, self.space, theirs)
        return hosting.sign(self.ground, self.space, theirs.as_of, tally, theirs.view, theirs.document)

    def _refresh(self) -> None:
        """All of it when the space went on, else what we touched."""
        if self.rev() != self.as_of:
            self.as_of = leaves.bring_up_to_date(self.ground, self.space)
            self._tallied.clear()
        elif self.touched:
            leaves.bring_some(self.ground, self.space, sorted(self.touched))
        self._dirty |= {place_of(each)[0] for each in self.touched}
        self.touched.clear()


def note(session: Session, ground: Ground, space: Copied, found: Difference | Dropped) -> None:
    """Keep both sides for the administrator."""
    leaf = found.ours or found.theirs
    if leaf is None:
        return
    row = {
        "space_id": space.id,
        "iri": leaf.id,
        "kind": found.kind,
        "ours": _said(found.ours),
        "theirs": _said(found.theirs),
        "at": ground.clock.now(),
    }
    session.execute(insert(ASIDE), row)
    ground.audit.append(session, Act(f"replica.{found.kind}", peer=space.host, subject=leaf.id))


@value
class Dropped:
    """A post of ours that the host receipted and never announced."""

    ours: Leaf
    theirs: Leaf | None = None
    kind: str = "dropped"


def dropped(ground: Ground, space: Copied, before: datetime) -> list[Dropped]:
    """Posts of our people that the host had receipted before this time, and that are not in its space.

    To be asked when the copies are equal as of a statement that is younger.
    """
    with ground.database.reading() as session:
        waiting = threads.unplaced(session, space.id)
        marks = exchange.marks(session, list(waiting.values()), ground.clock.now())
        known = set(session.execute(select(ASIDE.c.iri).where(ASIDE.c.space_id == space.id)).scalars())
    return [
        Dropped(Leaf(iri, 0, "live", replica.GONE))
        for iri, activity in waiting.items()
        if iri not in known
        and any(
            mark.state == "delivered" and mark.at is not None and mark.at < before
            for mark in marks.get(activity, ())
        )
    ]


def settle(session: Session, space_id: int) -> None:
    """The copies are equal: what is a leaf of ours is no difference any more."""
    present = select(LEAF.c.iri).where(LEAF.c.space_id == space_id, LEAF.c.until.is_(None))
    session.execute(delete(ASIDE).where(ASIDE.c.space_id == space_id, ASIDE.c.iri.in_(present)))


def _said(leaf: Leaf | None) -> str:
    return "" if leaf is None else json.dumps(leaf.document(), ensure_ascii=False)
