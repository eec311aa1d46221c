"""Threads and posts as somebody may see them, page by page, in the order of the space.

Rule: what waits or was refused is its author's alone; a page costs the same however long the history is (keyset, never
an offset). Rights are the space's: every way in passes `spaces.services.reading`. Source: PROTOCOL 2.0 (*Order*), 2.j.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session

from node.core.errors import Absent
from node.core.hot import Hot
from node.core.values import value
from node.exchange import service as exchange
from node.exchange.service import Mark
from node.files import service as files
from node.files.service import Attached
from node.spaces.services import reading as spaces
from node.spaces.services.reading import PersonSeen, SpaceSeen
from node.threads import markdown
from node.threads.posts import CHANGE, LIKE, POST, RECALLED, THREAD, VERSION, digest_of, digest_of_key, key_of

POSTS_A_PAGE = 50
THREADS_A_PAGE = 20
NEW_AT_ONCE = 100

_POST = (
    POST.c.id,
    POST.c.digest,
    POST.c.iri,
    POST.c.space_id,
    POST.c.thread_id,
    POST.c.author_id,
    POST.c.rev,
    POST.c.state,
    POST.c.published,
    POST.c.edited,
    POST.c.lang,
    POST.c.content,
    POST.c.reply_to,
    POST.c.activity,
    POST.c.problem,
    select(func.count())
    .select_from(LIKE)
    .where(LIKE.c.post_id == POST.c.id)
    .correlate(POST)
    .scalar_subquery()
    .label("likes"),
    exists()
    .where(LIKE.c.post_id == POST.c.id, LIKE.c.participant_id == bindparam("me", type_=Integer))
    .correlate(POST)
    .label("liked"),
)
"""What is read of a post, in one statement; `me` is the reader's participant."""

_LATEST = (
    select(*_POST)
    .where(POST.c.space_id == bindparam("space"), POST.c.rev < bindparam("before"))
    .order_by(POST.c.rev.desc())
    .limit(bindparam("most"))
)
_OF_THREAD = (
    select(*_POST)
    .where(POST.c.thread_id == bindparam("thread"), POST.c.rev < bindparam("before"))
    .order_by(POST.c.rev.desc())
    .limit(bindparam("most"))
)
_WAITING = (
    select(*_POST)
    .where(POST.c.thread_id == bindparam("thread"), POST.c.rev.is_(None), POST.c.author_id == bindparam("me"))
    .where(POST.c.state != "aside")
    .order_by(POST.c.id)
)
_QUOTED = select(*_POST).where(
    POST.c.digest.in_(bindparam("sought", expanding=True)), POST.c.rev.is_not(None)
)
_PLACE = select(THREAD.c.id, THREAD.c.space_id).where(THREAD.c.key == bindparam("sought"))
_THREAD = select(
    THREAD.c.id.label("number"),
    THREAD.c.key,
    THREAD.c.title,
    THREAD.c.rev.label("moved"),
    THREAD.c.last_at,
    THREAD.c.replies,
    *_POST,
).join_from(THREAD, POST, POST.c.digest == THREAD.c.first)
_ONE_THREAD = _THREAD.where(
    THREAD.c.id == bindparam("thread"),
    or_(THREAD.c.rev.is_not(None), POST.c.author_id == bindparam("me")),
)
_LAST = Hot(
    select(
        select(func.max(POST.c.id)).scalar_subquery().label("posts"),
        select(func.max(CHANGE.c.id)).scalar_subquery().label("changes"),
    )
)
BEGINNING = 2**62


@value
class PostSeen:
    """A post, for one reader. `reason` says why it was refused, as who refused it put it in `problem`; `marks` are for
    its author; `recalled` is the code with which it was called back.
    """

    id: int
    key: str
    iri: str
    thread_id: int
    author: PersonSeen
    rev: int | None
    state: str
    published: datetime
    edited: datetime | None
    lang: str
    html: str
    reply_to: str
    activity: str
    reason: str = ""
    problem: Mapping[str, Any] = field(default_factory=dict)
    likes: int = 0
    liked: bool = False
    mine: bool = False
    files: Sequence[Attached] = ()
    marks: Sequence[Mark] = ()
    quoted: PostSeen | None = None
    recalled: str = ""


@value
class ThreadSeen:
    """A thread of a list or page."""

    id: int
    key: str
    title: str
    space_id: int
    rev: int | None
    last: datetime
    replies: int
    first: PostSeen


@value
class Cursor:
    """How far somebody has read: the last post and the last change, by their rows. `0.0` is before everything."""

    posts: int = 0
    changes: int = 0

    def __str__(self) -> str:
        return f"{self.posts}.{self.changes}"

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Raises ValueError for anything else."""
        posts, dot, changes = text.partition(".")
        if not (dot and posts.isascii() and posts.isdecimal() and changes.isascii() and changes.isdecimal()):
            raise ValueError(text)
        return cls(min(int(posts), BEGINNING), min(int(changes), BEGINNING))


@value
class Fresh:
    """What came after a cursor: rows of posts, new ones first in their order, then changed ones."""

    rows: Sequence[Any]
    cursor: Cursor


def now(session: Session) -> Cursor:
    """The cursor of this moment."""
    row = _LAST.run(session).one()
    return Cursor(row.posts or 0, row.changes or 0)


def fresh(session: Session, visible: Mapping[int, int], after: Cursor, thread_id: int | None = None) -> Fresh:
    """What came after `after` in these spaces (space -> the reader's participant there), or in one thread of them."""
    last = now(session)
    if not visible:
        return Fresh((), last)
    where = [_visible(visible)]
    if thread_id is not None:
        where.append(POST.c.thread_id == thread_id)
    me = {"me": next(iter(visible.values()))}
    rows: list[Any] = []
    posts, changes = last.posts, last.changes
    if last.posts > after.posts:
        query = select(*_POST).where(POST.c.id > after.posts, *where).order_by(POST.c.id).limit(NEW_AT_ONCE)
        rows = list(session.connection().execute(query, me))
        if len(rows) == NEW_AT_ONCE:
            posts = rows[-1].id
    if last.changes > after.changes:
        latest_change = (
            select(CHANGE.c.post_id, func.max(CHANGE.c.id).label("change_id"))
            .where(CHANGE.c.id > after.changes, CHANGE.c.space_id.in_(list(visible)))
            .group_by(CHANGE.c.post_id)
            .subquery()
        )
        query = (
            select(*_POST, latest_change.c.change_id)
            .join(latest_change, latest_change.c.post_id == POST.c.id)
            .where(*where)
            .order_by(latest_change.c.change_id)
            .limit(NEW_AT_ONCE)
        )
        again = list(session.connection().execute(query, me))
        if len(again) == NEW_AT_ONCE:
            changes = again[-1].change_id
        present = {row.id for row in rows}
        rows += [row for row in again if row.id not in present]
    return Fresh(rows, Cursor(posts, changes))


def latest(
    session: Session, space: SpaceSeen, before: int | None = None, most: int = POSTS_A_PAGE
) -> list[PostSeen]:
    """The accepted posts of a space, the newest first, those before rev `before`."""
    place = {"space": space.id, "before": BEGINNING if before is None else before, "most": most}
    rows = session.connection().execute(_LATEST, {**place, "me": space.participant_id}).all()
    return posts(session, rows, space.participant_id, quotes=False, marks=False)


def threads(
    session: Session, space: SpaceSeen, before: int | None = None, most: int = THREADS_A_PAGE
) -> list[ThreadSeen]:
    """The threads of a space, the last moved first; on the first page those of the reader that wait come before."""
    found = _threads(
        session,
        and_(THREAD.c.space_id == space.id, THREAD.c.rev < (BEGINNING if before is None else before)),
        {space.id: space.participant_id},
        most,
        THREAD.c.rev.desc(),
    )
    if before is not None:
        return found
    waiting = and_(
        THREAD.c.space_id == space.id, THREAD.c.rev.is_(None), POST.c.author_id == space.participant_id
    )
    return [
        *_threads(session, waiting, {space.id: space.participant_id}, most, THREAD.c.id.desc()),
        *found,
    ]


def threads_of_all(
    session: Session,
    visible: Mapping[int, int],
    before: tuple[int, int] | None = None,
    most: int = THREADS_A_PAGE,
) -> list[ThreadSeen]:
    """The threads of several spaces, the last moved first; `before`: moment and id of the last of the page before."""
    condition: ColumnElement[bool] = and_(THREAD.c.space_id.in_(list(visible)), THREAD.c.rev.is_not(None))
    if before is not None:
        at, number = before
        condition &= or_(THREAD.c.last_at < at, and_(THREAD.c.last_at == at, THREAD.c.id < number))
    return _threads(session, condition, visible, most, THREAD.c.last_at.desc(), THREAD.c.id.desc())


def threads_by_id(session: Session, numbers: Iterable[int], visible: Mapping[int, int]) -> list[ThreadSeen]:
    """These threads, as far as they are in the reader's spaces and he or she may see their first post."""
    condition = and_(
        THREAD.c.id.in_(list(numbers)),
        THREAD.c.space_id.in_(list(visible)),
        or_(THREAD.c.rev.is_not(None), POST.c.author_id.in_(list(visible.values()))),
    )
    return _threads(session, condition, visible, NEW_AT_ONCE, THREAD.c.rev)


def thread(session: Session, key: str, actor: str) -> tuple[ThreadSeen, SpaceSeen]:
    """A thread and its space. Raises Absent when there is none, or it is not for this person."""
    run = session.connection().execute
    place = run(_PLACE, {"sought": key}).first()
    if place is None:
        raise Absent(f"no thread {key!r}")
    space = spaces.seen_by_id(session, place.space_id, actor)
    rows = run(_ONE_THREAD, {"thread": place.id, "me": space.participant_id}).all()
    if not rows:
        raise Absent(f"thread {key!r} waits, and is another's")
    return _seen(session, rows, space.participant_id)[0], space


def thread_of_post(session: Session, post_key: str, actor: str) -> tuple[PostSeen, ThreadSeen, SpaceSeen]:
    """A post with its thread and space. Raises Absent when it is not for this person."""
    digest = digest_of_key(post_key)
    key = session.execute(
        select(THREAD.c.key).join(POST, POST.c.thread_id == THREAD.c.id).where(POST.c.digest == digest)
    ).scalar()
    if key is None:
        raise Absent(f"no post {post_key!r}")
    found, space = thread(session, key, actor)
    me = {"me": space.participant_id}
    row = session.execute(select(*_POST).where(POST.c.digest == digest), me).one()
    if row.rev is None and row.author_id != space.participant_id:
        raise Absent(f"post {post_key!r} waits, and is another's")
    return posts(session, [row], space.participant_id)[0], found, space


def entries(
    session: Session,
    found: ThreadSeen,
    space: SpaceSeen,
    before: int | None = None,
    most: int = POSTS_A_PAGE,
    *,
    quotes: bool = True,
) -> tuple[list[PostSeen], int | None]:
    """The replies of a thread in their order, the last page of them, or the one before rev `before`; then what the
    reader has waiting. With it the rev to ask before for earlier ones, None at the beginning.
    """
    run, me = session.connection().execute, space.participant_id
    place = {"thread": found.id, "before": BEGINNING if before is None else before, "most": most + 1}
    rows = run(_OF_THREAD, {**place, "me": me}).all()
    older = rows[most - 1].rev if len(rows) > most else None
    shown = list(reversed(rows[:most]))
    if before is None:
        shown += run(_WAITING, {"thread": found.id, "me": me}).all()
    shown = [row for row in shown if row.id != found.first.id]
    return posts(session, shown, me, quotes=quotes), older


def posts(
    session: Session, rows: Sequence[Any], me: int, *, quotes: bool = True, marks: bool = True
) -> list[PostSeen]:
    """Rows as their reader sees them; with the posts that they answer, and the delivery marks of one's own."""
    if not rows:
        return []
    people = spaces.people(session, (row.author_id for row in rows))
    attached = files.of_posts(session, (row.id for row in rows))
    quoted = _quoted(session, rows, me) if quotes else {}
    own = [row.activity for row in rows if row.author_id == me and row.state == "accepted"] if marks else []
    marked = exchange.marks(session, own) if own else {}
    return [
        PostSeen(
            id=row.id,
            key=key_of(bytes(row.digest)),
            iri=row.iri,
            thread_id=row.thread_id,
            author=people[row.author_id],
            rev=row.rev,
            state=row.state,
            published=moment(row.published),
            edited=None if row.edited is None else moment(row.edited),
            lang=row.lang,
            html=row.content,
            reply_to=key_of(bytes(row.reply_to)) if row.reply_to else "",
            activity=row.activity,
            reason=_reason(_problem(row.problem)),
            problem=_problem(row.problem),
            recalled=_recalled(row.problem),
            likes=row.likes,
            liked=bool(row.liked),
            mine=row.author_id == me,
            files=attached.get(row.id, ()),
            marks=marked.get(row.activity, ()),
            quoted=quoted.get(bytes(row.reply_to)) if row.reply_to else None,
        )
        for row in rows
    ]


def source(session: Session, post: PostSeen) -> str:
    """The Markdown of one's own post."""
    return session.execute(select(POST.c.source).where(POST.c.id == post.id)).scalar_one() or ""


def versions(session: Session, post: PostSeen) -> list[tuple[datetime, str]]:
    """What a post said, when, the newest first."""
    query = select(VERSION.c.at, VERSION.c.content).where(VERSION.c.post_id == post.id)
    before = session.execute(query.order_by(VERSION.c.number.desc())).all()
    current = (post.edited or post.published, post.html)
    return [current, *((moment(row.at), row.content) for row in before)]


def object_of(session: Session, iri: str) -> tuple[int, str] | None:
    """The space of a post that others have, and the activity that says it as it is now; None for all else."""
    edit = (
        select(VERSION.c.activity)
        .where(VERSION.c.post_id == POST.c.id)
        .order_by(VERSION.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    row = session.execute(
        select(POST.c.space_id, func.coalesce(edit, POST.c.activity).label("activity")).where(
            POST.c.digest == digest_of(iri), POST.c.iri == iri, POST.c.state == "accepted"
        )
    ).first()
    return None if row is None else (row.space_id, row.activity)


def moment(seconds: int) -> datetime:
    """Epoch seconds as an aware UTC time."""
    return datetime.fromtimestamp(seconds, UTC)


def _visible(visible: Mapping[int, int]) -> ColumnElement[bool]:
    """Accepted posts of these spaces, and what their reader has waiting there."""
    inside = POST.c.space_id.in_(list(visible))
    mine = and_(POST.c.author_id.in_(set(visible.values())), POST.c.state.in_(("pending", "refused")))
    return and_(inside, or_(POST.c.rev.is_not(None), mine))


def _threads(
    session: Session,
    condition: ColumnElement[bool],
    visible: Mapping[int, int],
    most: int,
    *order: ColumnElement[Any],
) -> list[ThreadSeen]:
    me = next(iter(visible.values()), 0)
    query = _THREAD.where(condition).order_by(*order).limit(most)
    return _seen(session, session.connection().execute(query, {"me": me}).all(), me)


def _seen(session: Session, rows: Sequence[Any], me: int) -> list[ThreadSeen]:
    firsts = posts(session, rows, me, quotes=False, marks=len(rows) == 1)
    return [
        ThreadSeen(
            row.number,
            row.key,
            row.title or markdown.excerpt(row.content)[:80],
            row.space_id,
            row.moved,
            moment(row.last_at),
            max(0, row.replies),
            first,
        )
        for row, first in zip(rows, firsts, strict=True)
    ]


def _quoted(session: Session, rows: Sequence[Any], me: int) -> dict[bytes, PostSeen]:
    wanted = {bytes(row.reply_to) for row in rows if row.reply_to}
    if not wanted:
        return {}
    found = session.connection().execute(_QUOTED, {"sought": list(wanted), "me": me}).all()
    spaces_here = {row.space_id for row in rows}
    here = [row for row in found if row.space_id in spaces_here]
    return {digest_of_key(each.key): each for each in posts(session, here, me, quotes=False, marks=False)}


def _problem(problem: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {} if problem is None else json.loads(problem)
    return told


def _reason(problem: Mapping[str, Any]) -> str:
    return str(problem.get("detail") or problem.get("title") or "")


def _recalled(problem: str | None) -> str:
    return str(_problem(problem).get(RECALLED, ""))
