"""The leaves of a space, made when somebody asks, and brought up to date by one ordered look at what is there.

Rule: what readers see decides, never what was once counted: a post that is lost here is no leaf. Reading holds no lock;
what changed is written some hundred at a time. Digests are of the bytes that the author signed.
Source: PROTOCOL 2.c; RELIABILITY R5.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.orm import Session

from federation import documents, replica, withholding
from federation.digest import object_digest
from federation.replica import Leaf, Outline, Tally, View, place_of
from node.core.db import table_of
from node.core.ground import Ground
from node.exchange import history
from node.replicas import tables
from node.spaces.services import copies as spaces
from node.spaces.services.copies import Copied
from node.threads.services import copies as threads

LEAF = table_of(tables.Leaf)
FORM = table_of(tables.Form)
WITHHELD = "withheld"
WRITTEN_AT_ONCE = 500
READ_AT_ONCE = 2000

_END = (
    update(LEAF)
    .where(LEAF.c.space_id == bindparam("space"), LEAF.c.place == bindparam("sought"), LEAF.c.until.is_(None))
    .values(until=bindparam("ends"))
)

_POSTS = ("live", "tombstone")

_turns: dict[int, threading.Lock] = {}
_taking = threading.Lock()


def bring_up_to_date(ground: Ground, space: Copied) -> int:
    """Make the leaves those of the space as it is now; the rev that they are of.

    What changed since is found by its rev; all is looked at when the sums of posts and leaves differ.
    """
    with _turn(space.id), ground.database.reading() as session:
        now = spaces.by_id(session, space.id)
        newest = select(func.max(LEAF.c.rev)).where(LEAF.c.space_id == space.id, LEAF.c.state.in_(_POSTS))
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
    session: Session, space_id: int, as_of: int, view: View, numbers: Sequence[int] | None = None
) -> Iterable[Leaf]:
    """What a view has as of a rev, in the order of SHA-256(id); of these buckets alone, when they are given."""
    return _seen(session, space_id, view, _rows(session, space_id, as_of, _WHOLE, numbers))


def named(session: Session, space_id: int, as_of: int, view: View, ids: Iterable[str]) -> list[Leaf]:
    """The same of these ids."""
    here, places = _as_of(select(*_WHOLE), space_id, as_of), [place_of(each) for each in ids]
    rows: list[Any] = []
    for first in range(0, len(places), WRITTEN_AT_ONCE):
        rows += session.execute(here.where(LEAF.c.place.in_(places[first : first + WRITTEN_AT_ONCE]))).all()
    return list(_seen(session, space_id, view, rows))


def tally(
    session: Session, space_id: int, as_of: int, view: View, numbers: Sequence[int] | None = None
) -> Tally:
    """What a view has as of a rev; of these buckets alone, when they are given."""
    if view.passes is not None:
        return replica.tally(stream(session, space_id, as_of, view, numbers))
    rows = _rows(session, space_id, as_of, _HASHED, numbers)
    return replica.tally_of((row[0][0], row[1]) for row in rows if view.shows(row[2], row[3], row[4]))


def outlines(session: Session, space_id: int) -> list[Outline]:
    """The outlines of the space: each form that a post has, or had, with the most bytes of any."""
    query = select(FORM.c.form, FORM.c.raw_bytes, FORM.c.file_bytes).where(FORM.c.space_id == space_id)
    return [Outline(*row) for row in session.execute(query)]


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


_HASHED = (LEAF.c.place, LEAF.c.hash, LEAF.c.state, LEAF.c.rev, LEAF.c.born)
_WHOLE = (
    LEAF.c.place,
    LEAF.c.iri,
    LEAF.c.rev,
    LEAF.c.state,
    LEAF.c.digest,
    LEAF.c.born,
    LEAF.c.form,
    LEAF.c.raw_bytes,
    LEAF.c.file_bytes,
)


def _rows(
    session: Session, space_id: int, as_of: int, columns: Sequence[Any], numbers: Sequence[int] | None
) -> Iterator[Any]:
    """These columns of the leaves as of a rev, `place` first, some thousand at a time."""
    here = _as_of(select(*columns), space_id, as_of).order_by(LEAF.c.place).limit(READ_AT_ONCE)
    for first, last in _ranges(numbers):
        after = first
        while True:
            rows = session.execute(here.where(LEAF.c.place > after, LEAF.c.place <= last)).all()
            yield from rows
            if len(rows) < READ_AT_ONCE:
                break
            after = rows[-1].place


def _as_of(query: Any, space_id: int, as_of: int) -> Any:
    there = or_(LEAF.c.until.is_(None), LEAF.c.until > as_of)
    return query.where(LEAF.c.space_id == space_id, LEAF.c.rev <= as_of, there)


def _seen(session: Session, space_id: int, view: View, rows: Iterable[Any]) -> Iterable[Leaf]:
    """The leaves of these rows that a view has; their outlines are read where a charter is asked of them."""
    if view.passes is None:
        return view.of(Leaf(*row[1:6]) for row in rows)
    query = select(FORM.c.digest, FORM.c.form).where(FORM.c.space_id == space_id)
    forms = {row.digest: row.form for row in session.execute(query)}
    return view.of(
        Leaf(row.iri, row.rev, row.state, row.digest, row.born, _outline(row, forms)) for row in rows
    )


def _outline(row: Any, forms: Mapping[bytes, str]) -> Outline | None:
    return None if row.form is None else Outline(forms[row.form], row.raw_bytes, row.file_bytes)


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


def _take(ground: Ground, session: Session, space_id: int, some: Sequence[threads.Copied | Leaf]) -> None:
    """Write what changed of some."""
    _write(ground, space_id, _made(session, _changed(session, space_id, some)))


def _is_whole(ground: Ground, session: Session, space: Copied) -> bool:
    """Whether our leaves are as many as what is there, and of the same revs."""
    return (*threads.summary(session, space.id), len(_people(session, space))) == _summary(ground, space.id)


def _summary(ground: Ground, space_id: int) -> tuple[int, int, int, int]:
    """The same of our leaves as `threads.summary` gives of posts; and how many people."""
    person = func.sum(case((LEAF.c.state.in_(("member", "left")), 1), else_=0))
    rev = case((LEAF.c.state.in_(("live", "tombstone")), LEAF.c.rev), else_=0)
    live = func.sum(case((LEAF.c.state == "live", 1), else_=0))
    query = select(func.count(), func.sum(rev), live, person).where(*_own(space_id))
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
            made.append(Leaf(each.iri, each.rev, "tombstone", replica.GONE, each.born))
        elif each.activity in said:
            raw = said[each.activity]
            spoken = documents.loads(raw)
            digest, outline = object_digest(spoken["object"]), withholding.outline(spoken, raw)
            made.append(Leaf(each.iri, each.rev, "live", digest, each.born, outline))
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
        _keep_forms(session, space_id, [leaf.outline for leaf in made if leaf.outline is not None])


def _keep_forms(session: Session, space_id: int, made: Iterable[Outline]) -> None:
    """Note the forms of these, and the most bytes of each."""
    most: dict[bytes, Outline] = {}
    for one in made:
        digest = _form(one)
        before = most.get(digest, one)
        most[digest] = Outline(
            one.form, max(one.raw_bytes, before.raw_bytes), max(one.file_bytes, before.file_bytes)
        )
    about = (FORM.c.space_id == space_id, FORM.c.digest.in_(list(most)))
    for row in session.execute(select(FORM).where(*about)).all():
        one = most[row.digest]
        if one.raw_bytes <= row.raw_bytes and one.file_bytes <= row.file_bytes:
            del most[row.digest]
        else:
            larger = Outline(one.form, max(one.raw_bytes, row.raw_bytes), max(one.file_bytes, row.file_bytes))
            most[row.digest] = larger
    if most:
        session.execute(delete(FORM).where(FORM.c.space_id == space_id, FORM.c.digest.in_(list(most))))
        rows = [{"space_id": space_id, "digest": digest, **one._asdict()} for digest, one in most.items()]
        session.execute(insert(FORM), rows)


def _form(outline: Outline) -> bytes:
    return hashlib.sha256(outline.form.encode()).digest()[: tables.FORM_BYTES]


def _forget_lost(ground: Ground, session: Session, space: Copied) -> None:
    """Drop the leaves of what is not here any more: some hundred at a time, in the buckets with more leaves than posts
    and people.
    """
    people = {each.id for each in _people(session, space)}
    there = Counter(threads.counts(session, space.id)) + Counter(place_of(each)[0] for each in people)
    with ground.database.reading() as reading:
        first = func.substr(LEAF.c.place, 1, 1)
        query = select(first, func.count()).where(*_own(space.id)).group_by(first)
        kept = {number[0]: count for number, count in reading.execute(query)}
    lost: list[bytes] = []
    for iris in _leaves_here(ground, space.id, [each for each in kept if kept[each] > there[each]]):
        here = threads.here(session, iris) | people
        lost += [place_of(each) for each in iris if each not in here]
    for begin in range(0, len(lost), WRITTEN_AT_ONCE):
        with ground.database.writing() as writing:
            _drop(writing, space.id, lost[begin : begin + WRITTEN_AT_ONCE])


def _own(space_id: int) -> tuple[Any, ...]:
    """The present leaves of what we have."""
    return (LEAF.c.space_id == space_id, LEAF.c.until.is_(None), LEAF.c.state != WITHHELD)


def _leaves_here(ground: Ground, space_id: int, numbers: Sequence[int]) -> Iterator[Sequence[str]]:
    """The ids of our present leaves in these buckets, bucket by bucket."""
    present = select(LEAF.c.iri).where(*_own(space_id))
    for first, last in _ranges(numbers):
        with ground.database.reading() as session:
            here = present.where(LEAF.c.place > first, LEAF.c.place <= last)
            yield session.execute(here).scalars().all()


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
        "hash": leaf.hash,
        "born": leaf.born,
        "form": None if leaf.outline is None else _form(leaf.outline),
        "raw_bytes": 0 if leaf.outline is None else leaf.outline.raw_bytes,
        "file_bytes": 0 if leaf.outline is None else leaf.outline.file_bytes,
    }


def _ranges(numbers: Sequence[int] | None) -> list[tuple[bytes, bytes]]:
    """Places after the first and up to the last."""
    if numbers is None:
        return [(b"", b"\xff" * tables.SHA256_BYTES)]
    return [(_before(number), bytes([number]) + b"\xff" * 31) for number in sorted(numbers)]


def _before(number: int) -> bytes:
    return b"" if number == 0 else bytes([number - 1]) + b"\xff" * 31
