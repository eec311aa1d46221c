"""Where something stands, for administrators and for commands, who read no words: nobody is asked who looks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from node.core.errors import Absent
from node.core.values import value
from node.spaces.services import reading as spaces
from node.threads.posts import POST, THREAD, VERSION, digest_of_key, key_of
from node.threads.services.reading import moment


@value
class Spot:
    """A space, a thread of it, or a post (`object`). `iri` names it; `written`: when the thread began or the post."""

    space_id: int
    iri: str
    thread_id: int | None = None
    object: str | None = None
    written: datetime | None = None
    author_id: int | None = None


@value
class Brought:
    """A post as one finds it: keys of its page, its space, author and time."""

    post: str
    thread: str
    space_id: int
    author_id: int
    written: datetime


def brought_by(session: Session, activities: Sequence[str]) -> list[Brought]:
    """The posts that are here and that these activities brought or changed, the oldest first."""
    edited = select(VERSION.c.post_id).where(VERSION.c.activity.in_(activities))
    rows = session.execute(
        select(POST.c.digest, THREAD.c.key, POST.c.space_id, POST.c.author_id, POST.c.published)
        .join_from(POST, THREAD, THREAD.c.id == POST.c.thread_id)
        .where(POST.c.state == "accepted", or_(POST.c.activity.in_(activities), POST.c.id.in_(edited)))
        .order_by(POST.c.id)
    )
    return [
        Brought(key_of(bytes(row.digest)), row.key, row.space_id, row.author_id, moment(row.published))
        for row in rows
    ]


def of_space(session: Session, key: str) -> Spot:
    """A space by the key of its page. Raises Absent."""
    number = spaces.number_of(session, key)
    return Spot(number, key)


def of_thread(session: Session, key: str) -> Spot:
    """A thread by the key of its page. Raises Absent."""
    query = select(THREAD.c.id, THREAD.c.space_id, THREAD.c.context, POST.c.published, POST.c.author_id)
    row = session.execute(
        query.join(POST, POST.c.digest == THREAD.c.first).where(THREAD.c.key == key)
    ).first()
    if row is None:
        raise Absent(f"no thread {key!r}")
    return Spot(row.space_id, row.context, row.id, None, moment(row.published), row.author_id)


def at_address(session: Session, address: str) -> Spot | None:
    """What the address of a page names, or the bare key of a post; None for anything else."""
    parts = urlsplit(address.strip())
    folder, _slash, key = parts.path.strip("/").rpartition("/")
    if parts.fragment.startswith("post-"):
        folder, key = "posts", parts.fragment.removeprefix("post-")
    find = {"spaces": of_space, "threads": of_thread, "posts": of_post, "": of_post}
    try:
        return find[folder](session, key) if folder in find else None
    except Absent:
        return None


def written_before(
    session: Session, space_id: int, before: datetime, *, of_node: str, most: int
) -> list[str]:
    """The oldest messages of a space that are still there, by IRI: of everybody, or of the people of `of_node`."""
    query = select(POST.c.iri).where(
        POST.c.space_id == space_id, POST.c.state == "accepted", POST.c.published < int(before.timestamp())
    )
    if of_node:
        query = query.where(POST.c.author_id.in_(spaces.people_of(session, of_node)))
    return list(session.scalars(query.order_by(POST.c.id).limit(most)))


def of_post(session: Session, key: str) -> Spot:
    """A post by its key. Raises Absent for none, and for a tombstone."""
    row = session.execute(
        select(POST).where(POST.c.digest == digest_of_key(key), POST.c.state.not_in(("deleted", "hidden")))
    ).first()
    if row is None:
        raise Absent(f"no post {key!r}")
    return Spot(row.space_id, row.iri, row.thread_id, row.iri, moment(row.published), row.author_id)
