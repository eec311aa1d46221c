"""The leaves of a space, made when somebody asks, and brought up to date by one ordered look at what is there.

Rule: what readers see decides, never what was once counted: a post that is lost here is no leaf. Reading holds no lock;
what changed is written some hundred at a time. Digests are of the bytes that the author signed.
Source: PROTOCOL 2.c; RELIABILITY R5.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from sqlalchemy import bindparam, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.orm import Session

from federation import documents, replica
from federation.digest import multibase_of, object_digest, sha256_of
from federation.replica import Leaf, LeafState, place_of
from node.core.db import table_of
from node.core.ground import Ground
from node.exchange import history
from node.replicas import tables
from node.spaces.services import copies as spaces
from node.spaces.services.copies import Copied
from node.threads.services import copies as threads

LEAF = table_of(tables.Leaf)
WITHHELD = "withheld"
WRITTEN_AT_ONCE = 500
READ_AT_ONCE = 2000

_END = (
    update(LEAF)
    .where(LEAF.c.space_id == bindparam("space"), LEAF.c.place == bindparam("sought"), LEAF.c.until.is_(None))
    .values(until=bindparam("ends"))
)

_turns: dict[int, threading.Lock] = {}
_taking = threading.Lock()


def bring_up_to_date(ground: Ground, space: Copied) -> int:
    """Make the leaves those of the space as it is now; the rev that they are of."""
    with _turn(space.id):
        found = 0
        with ground.database.reading() as session:
            now = spaces.by_id(session, space.id)
            as_of = spaces.whole_to(session, now)
            for some in _present(session, now):
                found += len(some) - _take(ground, session, space.id, some)
        with ground.database.reading() as session:
            present = (
                select(func.count()).select_from(LEAF).where(LEAF.c.until.is_(None), LEAF.c.state != WITHHELD)
            )
            lost = (session.scalar(present.where(LEAF.c.space_id == space.id)) or 0) > found
        if lost:
            _forget_lost(ground, now)
    return as_of


def bring_some(ground: Ground, space: Copied, iris: Sequence[str]) -> None:
    """The same for these objects and people alone, whatever we thought of them."""
    with _turn(space.id), ground.database.reading() as session:
        now = spaces.by_id(session, space.id)
        wanted = set(iris)
        people = [each for each in _people(session, now) if each.id in wanted]
        for first in range(0, len(iris), WRITTEN_AT_ONCE):
            some = threads.named(session, space.id, iris[first : first + WRITTEN_AT_ONCE])
            _write(ground, space.id, _made(session, [*some, *people]))
            people = []


def stream(
    session: Session, space_id: int, as_of: int, numbers: Sequence[int] | None = None
) -> Iterator[Leaf]:
    """The leaves as of a rev, in the order of SHA-256(id); of these buckets alone, when they are given."""
    here = (
        select(LEAF.c.place, LEAF.c.iri, LEAF.c.rev, LEAF.c.state, LEAF.c.digest, LEAF.c.born, LEAF.c.kind)
        .where(LEAF.c.space_id == space_id, LEAF.c.rev <= as_of)
        .where(or_(LEAF.c.until.is_(None), LEAF.c.until > as_of))
        .order_by(LEAF.c.place)
        .limit(READ_AT_ONCE)
    )
    for first, last in _ranges(numbers):
        after = first
        while True:
            rows = session.execute(here.where(LEAF.c.place > after, LEAF.c.place <= last)).all()
            yield from map(_leaf, rows)
            if len(rows) < READ_AT_ONCE:
                break
            after = rows[-1].place


def withhold(session: Session, space_id: int, known: Iterable[Leaf], over: Iterable[Leaf]) -> None:
    """Keep what a host only tells us of; drop what it no longer does, or what we have now."""
    for leaf in over:
        _drop(session, space_id, [leaf.place], state=WITHHELD)
    rows = [_row(space_id, leaf) for leaf in known]
    if rows:
        _drop(session, space_id, [row["place"] for row in rows], state=WITHHELD)
        session.execute(insert(LEAF), rows)


def forget_versions(session: Session, space_id: int, before: int) -> None:
    """Drop the leaves that no statement since `before` speaks of."""
    session.execute(delete(LEAF).where(LEAF.c.space_id == space_id, LEAF.c.until <= before))


def forget(session: Session, space_id: int) -> None:
    """Drop all leaves of a space."""
    session.execute(delete(LEAF).where(LEAF.c.space_id == space_id))


def _turn(space_id: int) -> threading.Lock:
    with _taking:
        return _turns.setdefault(space_id, threading.Lock())


def _present(session: Session, space: Copied) -> Iterator[Sequence[threads.Copied | Leaf]]:
    """What is there: posts without their digest, people as leaves."""
    yield from threads.posts(session, space.id)
    people = _people(session, space)
    for first in range(0, len(people), WRITTEN_AT_ONCE):
        yield people[first : first + WRITTEN_AT_ONCE]


def _people(session: Session, space: Copied) -> list[Leaf]:
    """Who is in; who has left, as far as our organisation was there."""
    return [
        Leaf(
            each.actor,
            each.rev,
            "left" if each.gone else "member",
            replica.member_digest(each.actor, each.role),
        )
        for each in spaces.people(session, space.id)
        if space.hosted or not each.gone or each.rev > space.first_rev
    ]


def _take(ground: Ground, session: Session, space_id: int, some: Sequence[threads.Copied | Leaf]) -> int:
    """Write what changed of some; how many can be no leaf, because their bytes are lost here."""
    changed = _changed(session, space_id, some)
    made = _made(session, changed)
    _write(ground, space_id, made)
    return len(changed) - len(made)


def _iri(each: threads.Copied | Leaf) -> str:
    return each.id if isinstance(each, Leaf) else each.iri


def _changed(
    session: Session, space_id: int, some: Sequence[threads.Copied | Leaf]
) -> list[threads.Copied | Leaf]:
    """Those of which we have no present leaf of this rev and state."""
    places = {place_of(_iri(each)): each for each in some}
    query = select(LEAF.c.place, LEAF.c.rev, LEAF.c.state).where(
        LEAF.c.space_id == space_id, LEAF.c.until.is_(None), LEAF.c.place.in_(list(places))
    )
    for row in session.execute(query):
        each = places[row.place]
        state = each.state if isinstance(each, Leaf) else "live" if each.live else "tombstone"
        if (row.rev, row.state) == (each.rev, state):
            del places[row.place]
    return list(places.values())


def _made(session: Session, changed: Sequence[threads.Copied | Leaf]) -> list[Leaf]:
    """Leaves with their digests; a post whose bytes are lost here is none."""
    live = [each.activity for each in changed if isinstance(each, threads.Copied) and each.live]
    said = history.said(session, live)
    made = []
    for each in changed:
        if isinstance(each, Leaf):
            made.append(each)
        elif not each.live:
            made.append(Leaf(each.iri, each.rev, "tombstone", replica.GONE, each.born, each.type))
        elif each.activity in said:
            spoken = documents.loads(said[each.activity])["object"]
            made.append(Leaf(each.iri, each.rev, "live", object_digest(spoken), each.born, each.type))
    return made


def _write(ground: Ground, space_id: int, made: Sequence[Leaf]) -> None:
    """Put leaves in the place of those before, which stay for the statements that speak of them."""
    if not made:
        return
    rows = [_row(space_id, leaf) for leaf in made]
    places = [row["place"] for row in rows]
    same = tuple_(LEAF.c.place, LEAF.c.rev).in_([(row["place"], row["rev"]) for row in rows])
    before = select(LEAF.c.place).where(
        LEAF.c.space_id == space_id, LEAF.c.until.is_(None), LEAF.c.place.in_(places)
    )
    with ground.database.writing() as session:
        _drop(session, space_id, places, state=WITHHELD)
        session.execute(delete(LEAF).where(LEAF.c.space_id == space_id, same))
        older = set(session.execute(before).scalars())
        ending = [{"sought": row["place"], "ends": row["rev"]} for row in rows if row["place"] in older]
        if ending:
            session.connection().execute(_END, [{"space": space_id, **each} for each in ending])
        session.execute(insert(LEAF), rows)


def _forget_lost(ground: Ground, space: Copied) -> None:
    """Drop the leaves of what is not here any more."""
    with ground.database.reading() as session:
        here = {place_of(_iri(each)) for some in _present(session, space) for each in some}
        query = select(LEAF.c.place).where(
            LEAF.c.space_id == space.id, LEAF.c.until.is_(None), LEAF.c.state != WITHHELD
        )
        lost = [row.place for row in session.execute(query) if row.place not in here]
    for first in range(0, len(lost), WRITTEN_AT_ONCE):
        with ground.database.writing() as session:
            _drop(session, space.id, lost[first : first + WRITTEN_AT_ONCE])


def _drop(session: Session, space_id: int, places: Sequence[bytes], state: str | None = None) -> None:
    gone = delete(LEAF).where(LEAF.c.space_id == space_id, LEAF.c.place.in_(places), LEAF.c.until.is_(None))
    session.execute(gone if state is None else gone.where(LEAF.c.state == state))


def _row(space_id: int, leaf: Leaf) -> dict[str, Any]:
    return {
        "space_id": space_id,
        "place": leaf.place,
        "rev": leaf.rev,
        "until": None,
        "iri": leaf.id,
        "state": leaf.state,
        "digest": sha256_of(leaf.digest) if leaf.digest else None,
        "born": leaf.born,
        "kind": leaf.kind,
    }


def _leaf(row: Any) -> Leaf:
    said = "" if row.digest is None else multibase_of(row.digest)
    return Leaf(row.iri, row.rev, cast("LeafState", row.state), said, row.born, row.kind)


def _ranges(numbers: Sequence[int] | None) -> list[tuple[bytes, bytes]]:
    """Places after the first and up to the last."""
    if numbers is None:
        return [(b"", b"\xff" * tables.SHA256_BYTES)]
    return [(_before(number), bytes([number]) + b"\xff" * 31) for number in sorted(numbers)]


def _before(number: int) -> bytes:
    return b"" if number == 0 else bytes([number - 1]) + b"\xff" * 31
