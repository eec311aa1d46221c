"""The leaves of a space, made when somebody asks, and brought up to date by one ordered look at what is there.

Rule: what readers see decides, never what was once counted: a post that is lost here is no leaf. Reading holds no lock;
what changed is written some hundred at a time. Digests are of the bytes that the author signed.
Source: PROTOCOL 2.c; RELIABILITY R5.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.orm import Session

from federation import documents, replica
from federation.digest import object_digest
from federation.replica import Leaf, place_of
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
    """Make the leaves those of the space as it is now; the rev that they are of.

    What changed since is found by its rev; all is looked at when the sums of posts and leaves differ.
    """
    with _turn(space.id), ground.database.reading() as session:
        now = spaces.by_id(session, space.id)
        newest = select(func.max(LEAF.c.rev)).where(LEAF.c.space_id == space.id, LEAF.c.kind != "")
        for some in _present(session, now, (session.scalar(newest) or 0) + 1):
            _take(ground, session, space.id, some)
        if not _is_whole(ground, session, now):
            _forget_lost(ground, session, now)
        if not _is_whole(ground, session, now):
            for some in _present(session, now, 0):
                _take(ground, session, space.id, some)
        return spaces.whole_to(session, now)


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
        select(LEAF.c.iri, LEAF.c.rev, LEAF.c.state, LEAF.c.digest, LEAF.c.born, LEAF.c.kind)
        .where(LEAF.c.space_id == space_id, LEAF.c.rev <= as_of)
        .where(or_(LEAF.c.until.is_(None), LEAF.c.until > as_of))
        .order_by(LEAF.c.place)
        .limit(READ_AT_ONCE)
    )
    for first, last in _ranges(numbers):
        after = first
        while True:
            rows = session.execute(here.where(LEAF.c.place > after, LEAF.c.place <= last)).all()
            yield from (Leaf(*row) for row in rows)
            if len(rows) < READ_AT_ONCE:
                break
            after = place_of(rows[-1].iri)


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


def _turn(space_id: int) -> threading.Lock:
    with _taking:
        return _turns.setdefault(space_id, threading.Lock())


def _present(session: Session, space: Copied, since: int) -> Iterator[Sequence[threads.Copied | Leaf]]:
    """What is there: posts that changed with this rev or later, without their digest; all people, as leaves."""
    yield from threads.posts(session, space.id, since)
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


def _is_whole(ground: Ground, session: Session, space: Copied) -> bool:
    """Whether our leaves are as many as what is there, and of the same revs."""
    return (*threads.summary(session, space.id), len(_people(session, space))) == _summary(ground, space.id)


def _summary(ground: Ground, space_id: int) -> tuple[int, int, int, int]:
    """The same of our leaves as `threads.summary` gives of posts; and how many people."""
    person = func.sum(case((LEAF.c.state.in_(("member", "left")), 1), else_=0))
    rev = case((LEAF.c.state.in_(("live", "tombstone")), LEAF.c.rev), else_=0)
    live = func.sum(case((LEAF.c.state == "live", 1), else_=0))
    query = select(func.count(), func.sum(rev), live, person).where(
        LEAF.c.space_id == space_id, LEAF.c.until.is_(None), LEAF.c.state != WITHHELD
    )
    with ground.database.reading() as session:
        count, revs, alive, people = (int(each or 0) for each in session.execute(query).one())
    return count - people, revs, alive, people


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


def _forget_lost(ground: Ground, session: Session, space: Copied) -> None:
    """Drop the leaves of what is not here any more, some hundred at a time."""
    people = {each.id for each in _people(session, space)}
    for iris in _leaves_here(ground, space.id):
        here = threads.here(session, iris) | people
        lost = [place_of(each) for each in iris if each not in here]
        if lost:
            with ground.database.writing() as writing:
                _drop(writing, space.id, lost)


def _leaves_here(ground: Ground, space_id: int) -> Iterator[Sequence[str]]:
    """The ids of our present leaves."""
    present = (
        select(LEAF.c.iri)
        .where(LEAF.c.space_id == space_id, LEAF.c.until.is_(None), LEAF.c.state != WITHHELD)
        .order_by(LEAF.c.place)
        .limit(WRITTEN_AT_ONCE)
    )
    after = b""
    while True:
        with ground.database.reading() as session:
            found = session.execute(present.where(LEAF.c.place > after)).scalars().all()
        if not found:
            return
        yield found
        after = place_of(found[-1])


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
        "digest": leaf.digest,
        "born": leaf.born,
        "kind": leaf.kind,
    }


def _ranges(numbers: Sequence[int] | None) -> list[tuple[bytes, bytes]]:
    """Places after the first and up to the last."""
    if numbers is None:
        return [(b"", b"\xff" * tables.SHA256_BYTES)]
    return [(_before(number), bytes([number]) + b"\xff" * 31) for number in sorted(numbers)]


def _before(number: int) -> bytes:
    return b"" if number == 0 else bytes([number - 1]) + b"\xff" * 31
