"""What a partner on the roster of a space of ours may ask about it: our statement, what stands behind it, and what the
space announced.

Rule: nothing that its charter or the date of its history keeps from it: of such posts it learns no more than that they
are. Source: PROTOCOL 2.c, 2.j.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from federation import cutting, documents, replica, withholding
from federation.activity import Activity, Document
from federation.errors import AsOfGone, NotFound, OutOfScope, TooLarge
from federation.limits import MAX_BATCH_LINES, MAX_LEAVES, MAX_OUTBOX_BYTES
from federation.ports import Relation
from federation.replica import Leaf, Statement, View
from node.core import failpoints
from node.core.clock import rfc3339
from node.core.ground import Ground
from node.exchange import history
from node.exchange import service as exchange
from node.exchange.service import NodeWork
from node.files import service as files
from node.replicas.services import leaves, statements
from node.spaces.services import copies as spaces
from node.spaces.services.copies import Copied
from node.threads.services import copies as threads

GOOD_FOR = timedelta(minutes=10)
"""A statement is signed anew when the space went on, or after this time."""


def statement(ground: Ground, relation: Relation, iri: str) -> str:
    """Our statement of what this partner sees of a space, as of now (JSON). Raises NotFound."""
    space = _space(ground, relation, iri)
    with ground.database.reading() as session:
        now = spaces.by_id(session, space.id)
        known = statements.ours(session, ground, space.id, _view(session, now, relation), now.rev)
    if known is not None and ground.clock.now() - known.at < GOOD_FOR:
        return str(known.document)
    as_of = leaves.bring_up_to_date(ground, space)
    with ground.database.reading() as session:
        view = _view(session, space, relation)
        found = leaves.tally(session, space.id, as_of, view)
    return documents.dumps(sign(ground, space, as_of, found, view).document).decode()


def sign(
    ground: Ground,
    space: Copied,
    as_of: int,
    found: replica.Tally,
    view: View,
    counterpart: Document | None = None,
) -> Statement:
    """Sign what our copy is, and keep it. `counterpart`: see `replica.state`."""
    with exchange.open_work(ground) as work:
        have, missing = files.held(work.session, space.id)
        signed = replica.state(
            work.node,
            space.iri,
            as_of,
            found,
            view,
            {"have": have, "missing": missing},
            work.actors.signer(work.node),
            rfc3339(work.now),
            counterpart,
        )
        statements.keep(work.session, ground, space, signed, b"".join(found.hashes))
        failpoints.hit("repair.signed")
    return signed


def buckets(ground: Ground, relation: Relation, iri: str, as_of: int) -> list[bytes]:
    """The 256 hashes behind our statement as of a rev. Raises NotFound, AsOfGone."""
    return statements.hashes_of(_known(ground, relation, _space(ground, relation, iri), as_of))


def bucket(
    ground: Ground, relation: Relation, iri: str, as_of: int, numbers: Sequence[int]
) -> Iterator[Leaf]:
    """The leaves of these buckets as of a rev. Raises NotFound, AsOfGone, TooLarge before the first."""
    space = _space(ground, relation, iri)
    count = _known(ground, relation, space, as_of).leaves
    if len(numbers) > max(1, MAX_LEAVES * replica.BUCKETS // max(count, 1)):
        raise TooLarge(f"At most about {MAX_LEAVES} leaves.")

    def read() -> Iterator[Leaf]:
        with ground.database.reading() as session:
            view = _view(session, space, relation)
            yield from leaves.stream(session, space.id, as_of, view, numbers)

    return read()


def announced(
    ground: Ground, relation: Relation, iri: str, after: int | None, revs: Sequence[int]
) -> list[bytes]:
    """What the space announced, oldest first: the next after a rev, or these revs; of an edit also what it edits.

    As much as an answer may hold. Raises NotFound.
    """
    space = _space(ground, relation, iri)
    with exchange.open_reading(ground) as work:
        session = work.session
        first = max(spaces.seen_from(session, space, relation.node)[0], 1)
        if after is not None:
            turns = spaces.turns_after(session, space.id, max(after, first - 1), MAX_BATCH_LINES)
            found = _announces(work, turns)
        else:
            asked = _announces(
                work, spaces.turns_at(session, space.id, [each for each in revs if each >= first])
            )
            edited = [
                str(each.document["object"]["object"]["id"])
                for each in asked
                if each.document["object"]["type"] == "Update"
                and each.document["object"]["object"]["type"] != "Roster"
            ]
            begun = [rev for rev in threads.born(session, edited).values() if rev >= first]
            found = [*_announces(work, spaces.turns_at(session, space.id, begun)), *asked]
        lines, size = [], 0
        for each in sorted(found, key=lambda announce: announce.rev or 0):
            size += len(each.raw)
            if size > MAX_OUTBOX_BYTES:
                break
            if cutting.outside(relation, each, work) is None:
                lines.append(each.raw)
    return lines


def _known(ground: Ground, relation: Relation, space: Copied, as_of: int) -> Any:
    with ground.database.reading() as session:
        known = statements.ours(session, ground, space.id, _view(session, space, relation), as_of)
    if known is None:
        raise AsOfGone(f"No statement as of {as_of} is kept.")
    return known


def _announces(work: NodeWork, turns: Sequence[str]) -> list[Activity]:
    said = history.announces_of(work.session, turns)
    return [said[each] for each in turns if each in said]


def _space(ground: Ground, relation: Relation, iri: str) -> Copied:
    with ground.database.reading() as session:
        space = None if iri in relation.stopped else spaces.by_iri(session, iri)
        if space is not None and space.hosted and relation.node in spaces.nodes(session, space.id)[1:]:
            return space
    raise NotFound("Not found.") from OutOfScope("It is absent, or not for this partner.")


def _view(session: Session, space: Copied, relation: Relation) -> View:
    """What this partner sees. Its charter is named only when something is withheld: most views are comparable."""
    posts, members = spaces.seen_from(session, space, relation.node)
    passes = withholding.passes(relation, space.iri)
    if all(map(passes, leaves.outlines(session, space.id))):
        return View(posts, members)
    return View(posts, members, relation.agreement_digest, passes)
