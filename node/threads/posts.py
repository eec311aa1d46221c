"""The posts of one unit of work: new ones are kept in memory and written at once, just before the commit.

Rule: a batch of fifty posts costs one statement for all of them; what changes a post that is there already is written
at once, after what was kept. A savepoint that is undone takes back both. Source: PERFORMANCE, section 3; PROTOCOL 2.j.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, delete, func, insert, select, update
from sqlalchemy.orm import Session

from federation.ports import Effect
from node.core import ids
from node.core.db import table_of
from node.core.ground import Ground
from node.core.hot import Hot, execute
from node.core.work import Reversible, enlist
from node.files import service as files
from node.spaces.register import Register, register_of
from node.threads import tables

POST = table_of(tables.Post)
THREAD = table_of(tables.Thread)
VERSION = table_of(tables.Version)
LIKE = table_of(tables.Like)
MENTION = table_of(tables.Mention)
CHANGE = table_of(tables.Change)

NOWHERE = 0
"""The thread of a post that nobody ever saw here."""

RECALLED = "recall"
"""In `problem` of a tombstone: the code with which it was called back."""

PENDING, ACCEPTED, REFUSED, DELETED, HIDDEN = "pending", "accepted", "refused", "deleted", "hidden"

_BY_DIGEST = Hot(
    select(
        POST.c.id,
        POST.c.iri,
        POST.c.type,
        POST.c.space_id,
        POST.c.thread_id,
        POST.c.author_id,
        POST.c.rev,
        POST.c.state,
        POST.c.published,
        POST.c.activity,
    ).where(POST.c.digest == bindparam("sought"))
)
_THREAD = Hot(
    select(THREAD.c.id, THREAD.c.key, THREAD.c.title, THREAD.c.rev).where(
        THREAD.c.space_id == bindparam("space"), THREAD.c.context == bindparam("sought")
    )
)
_WRITE_POSTS = Hot(insert(POST))
_LAST_NUMBER = Hot(select(func.coalesce(func.max(POST.c.id), 0)))
_WRITE_MENTIONS = Hot(insert(MENTION))
_WRITE_CHANGES = Hot(insert(CHANGE))
_MOVE_THREADS = Hot(
    update(THREAD)
    .where(THREAD.c.id == bindparam("number"))
    .values(
        rev=bindparam("new_rev"),
        last_at=case((THREAD.c.last_at > bindparam("new_at"), THREAD.c.last_at), else_=bindparam("new_at")),
        replies=THREAD.c.replies + bindparam("more"),
    )
)


class Known(NamedTuple):
    """A post that is there: enough to decide what may become of it. `id` is None while it is only kept here."""

    id: int | None
    iri: str
    type: str
    space_id: int
    thread_id: int
    author_id: int
    rev: int | None
    state: str
    published: int
    activity: str

    @property
    def gone(self) -> bool:
        """Whether a tombstone stands in its place."""
        return self.state in {DELETED, HIDDEN}


class Place(NamedTuple):
    """A thread: its row, and how far it has come in this unit of work."""

    id: int
    key: str
    title: str
    rev: int | None


class Posts(Reversible):
    """The participant: `posts_of(session, ground)` gives the one of a session."""

    def __init__(self, session: Session, ground: Ground) -> None:
        super().__init__()
        self.session, self.ground = session, ground
        self.register: Register = register_of(session, ground)
        self._known: dict[bytes, Known | None] = {}
        self._places: dict[tuple[int, str], Place] = {}
        self._new: list[tuple[dict[str, Any], Sequence[int], Sequence[Mapping[str, Any]]]] = []
        self._moved: dict[int, tuple[int, int, int]] = {}

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Runs a statement on the connection of the session, past the ORM."""
        return execute(self.session, statement, parameters)

    def find(self, iri: str) -> Known | None:
        """The post of this IRI, tombstones included."""
        digest = digest_of(iri)
        if digest not in self._known:
            found = self.execute(_BY_DIGEST, {"sought": digest}).first()
            self._known[digest] = None if found is None else Known(*found)
        known = self._known[digest]
        return known if known is not None and known.iri == iri else None

    def add(self, effect: Effect, note: Mapping[str, Any], html: str) -> None:
        """A new post, as the schema gave it: waiting for its rev when it is one of ours, else at its place.

        Raises OutOfScope when its author is at home on no node of the roster.
        """
        space = self.register.get(effect.space.iri)
        author = self.register.participant(effect.actor, space.iri)
        published = int(note["published"].timestamp())
        place = self._place(space.id, note, published)
        digest, reply_to = digest_of(note["id"]), note["in_reply_to"]
        row = {
            "digest": digest,
            "iri": note["id"],
            "type": note["type"],
            "space_id": space.id,
            "thread_id": place.id,
            "author_id": author,
            "rev": effect.rev,
            "changed_rev": effect.rev,
            "state": PENDING if effect.rev is None else ACCEPTED,
            "published": published,
            "edited": None,
            "lang": note["lang"],
            "content": html,
            "source": note["source"]["content"] if effect.own and note["source"] else None,
            "reply_to": digest_of(reply_to) if reply_to else None,
            "activity": effect.activity.id,
            "problem": None,
        }
        named = [self.register.participant(each, space.iri) for each in self._members(note["tag"], space.iri)]
        self._new.append((row, list(dict.fromkeys(named)), note["attachment"]))
        self._undo.append(self._new.pop)
        self._remember(
            digest,
            Known(
                None,
                note["id"],
                note["type"],
                space.id,
                place.id,
                author,
                effect.rev,
                row["state"],
                published,
                effect.activity.id,
            ),
        )
        if effect.rev is not None:
            self._advance(place, space.id, note, effect.rev, published)

    def expect(self, space_id: int, context: str, place: Place) -> None:
        """Takes what the caller has read of a thread, so that it is not read again."""
        self._places.setdefault((space_id, context), place)

    def accept(self, effect: Effect, known: Known) -> None:
        """A post of ours that waited has its place now."""
        self.write()
        number = self.number(known)
        placed = update(POST).where(POST.c.id == number)
        self.execute(placed.values(rev=effect.rev, changed_rev=effect.rev, state=ACCEPTED, problem=None))
        files.accept(self.session, number)
        self._remember(digest_of(known.iri), known._replace(id=number, rev=effect.rev, state=ACCEPTED))
        row = self.execute(
            select(THREAD.c.id, THREAD.c.key, THREAD.c.title, THREAD.c.rev, THREAD.c.context).where(
                THREAD.c.id == known.thread_id
            )
        ).one()
        place = Place(row.id, row.key, row.title, row.rev)
        self._advance(place, known.space_id, {"context": row.context}, effect.rev or 0, known.published)
        self.change(known.space_id, number)

    def thread_key(self, space_id: int, context: str) -> str:
        """The key of the page of a thread that was said something in, in this unit of work."""
        return self._places[space_id, context].key

    def number(self, known: Known) -> int:
        """The row of a post; writes what is kept when the row is not there yet."""
        if known.id is None:
            self.write()
            found = self.find(known.iri)
            if found is None or found.id is None:
                raise LookupError(known.iri)
            return found.id
        return known.id

    def change(self, space_id: int, post_id: int) -> None:
        """Readers see the post again."""
        at = int(self.ground.clock.now().timestamp())
        self.execute(_WRITE_CHANGES, {"space_id": space_id, "post_id": post_id, "at": at})

    def arrived(self, posts: Sequence[tuple[int, int]]) -> None:
        """Files of these posts (space, post) can be opened now: readers see them again."""
        for space_id, post_id in posts:
            self.change(space_id, post_id)
            self.register.changed(self.register.by_id(space_id).iri)

    def edit(self, effect: Effect, known: Known, note: Mapping[str, Any], html: str) -> None:
        """The post says something else from now on; what it said is kept for its readers."""
        number, at = self.number(known), int(self.ground.clock.now().timestamp())
        before = self.execute(
            select(POST.c.content, POST.c.published, POST.c.edited).where(POST.c.id == number)
        ).one()
        count = self.execute(
            select(func.count()).select_from(VERSION).where(VERSION.c.post_id == number)
        ).scalar()
        self.execute(
            insert(VERSION),
            {
                "post_id": number,
                "number": (count or 0) + 1,
                "at": before.edited or before.published,
                "content": before.content,
                "activity": effect.activity.id,
            },
        )
        source = note["source"]["content"] if effect.own and note["source"] else None
        self.execute(
            update(POST)
            .where(POST.c.id == number)
            .values(
                content=html,
                source=source,
                lang=note["lang"],
                edited=at,
                changed_rev=effect.rev,
                problem=None,
            )
        )
        if note["name"]:
            titled = update(THREAD).where(
                THREAD.c.id == known.thread_id, THREAD.c.first == digest_of(known.iri)
            )
            self.execute(titled.values(title=note["name"]))
        self.execute(delete(MENTION).where(MENTION.c.post_id == number))
        space = effect.space.iri
        named = {self.register.participant(each, space) for each in self._members(note["tag"], space)}
        if named:
            self.execute(
                _WRITE_MENTIONS, [{"post_id": number, "participant_id": each} for each in sorted(named)]
            )
        self.change(known.space_id, number)

    def bury_unseen(self, effect: Effect) -> None:
        """A tombstone for what was never here, so that no later Create brings it to life."""
        iri, space = str(effect.activity.object_id), self.register.get(effect.space.iri)
        author = self.register.participant(effect.actor, space.iri)
        digest, at = digest_of(iri), int(self.ground.clock.now().timestamp())
        self.write()
        row = {
            "id": self._next_number(),
            "digest": digest,
            "iri": iri,
            "type": "Note",
            "space_id": space.id,
            "thread_id": NOWHERE,
            "author_id": author,
            "rev": None,
            "changed_rev": effect.rev,
            "state": DELETED,
            "published": at,
            "edited": None,
            "lang": "",
            "content": "",
            "source": None,
            "reply_to": None,
            "activity": effect.activity.id,
            "problem": None,
        }
        self.execute(insert(POST), row)
        buried = (None, iri, "Note", space.id, NOWHERE, author, None, DELETED, at, effect.activity.id)
        self._remember(digest, Known(*buried))

    def said(self, known: Known) -> list[str]:
        """The ids of the activities that said what the post says and said: its Create, then its edits."""
        edits = select(VERSION.c.activity).where(VERSION.c.post_id == self.number(known))
        return [known.activity, *self.execute(edits.order_by(VERSION.c.number)).scalars()]

    def bury(self, known: Known, rev: int | None, *, by_author: bool, reason: str = "") -> list[str]:
        """Puts a tombstone in the place of a post; the ids of the activities whose bytes must go.

        `reason`: the code of a recall, which its readers are told. Without `rev`, where only our own copy goes or its
        host has not placed the Delete yet, the tombstone keeps the place of what it stands for.
        """
        number, said = self.number(known), self.said(known)
        place = POST.c.changed_rev if rev is None else rev
        state = DELETED if by_author else HIDDEN
        why = json.dumps({RECALLED: reason}) if reason else None
        self.execute(
            update(POST)
            .where(POST.c.id == number)
            .values(state=state, content="", source=None, edited=None, changed_rev=place, problem=why)
        )
        for table in (VERSION, LIKE, MENTION):
            self.execute(delete(table).where(table.c.post_id == number))
        files.detach(self.session, number)
        first = update(THREAD).where(THREAD.c.id == known.thread_id, THREAD.c.first == digest_of(known.iri))
        self.execute(first.values(title=""))
        self._remember(digest_of(known.iri), known._replace(id=number, state=state))
        self.change(known.space_id, number)
        return said

    def bury_again(self, known: Known, rev: int) -> None:
        """The space has a later word that the post is gone: the tombstone takes its place in the order."""
        self.execute(update(POST).where(POST.c.id == self.number(known)).values(changed_rev=rev))

    def like(self, effect: Effect, known: Known) -> None:
        """The actor likes the post, once."""
        number = self.number(known)
        who = self.register.participant(effect.actor, effect.space.iri)
        there = select(LIKE.c.post_id).where(LIKE.c.post_id == number, LIKE.c.participant_id == who)
        if self.execute(there).first() is None:
            self.execute(
                insert(LIKE), {"post_id": number, "participant_id": who, "activity": effect.activity.id}
            )
            self.change(known.space_id, number)

    def unlike(self, effect: Effect, known: Known) -> None:
        """The actor likes it no longer."""
        number = self.number(known)
        who = self.register.participant(effect.actor, effect.space.iri)
        gone = delete(LIKE).where(LIKE.c.post_id == number, LIKE.c.participant_id == who)
        if self.execute(gone).rowcount:
            self.change(known.space_id, number)

    def refuse(self, known: Known, problem: Mapping[str, object]) -> None:
        """The host of the space took it not: the text stays, with the reason, for its author."""
        number = self.number(known)
        self.execute(
            update(POST)
            .where(POST.c.id == number, POST.c.rev.is_(None))
            .values(state=REFUSED, problem=json.dumps(dict(problem)))
        )
        self._remember(digest_of(known.iri), known._replace(id=number, state=REFUSED))
        self.change(known.space_id, number)

    # -- participant

    def flush(self) -> None:
        """Writes what is kept."""
        self.write()

    def write(self) -> None:
        """Writes what is kept, now: posts, then what belongs to them, then their threads."""
        if self._new:
            self._write_posts()
        if self._moved:
            moved, self._moved = self._moved, {}
            self._undo.append(lambda: setattr(self, "_moved", moved))
            self.execute(
                _MOVE_THREADS,
                [
                    {"number": number, "new_rev": rev, "new_at": at, "more": more}
                    for number, (rev, at, more) in moved.items()
                ],
            )

    def _write_posts(self) -> None:
        new, self._new = self._new, []
        self._undo.append(lambda: setattr(self, "_new", new))
        first = self._next_number()
        self.execute(_WRITE_POSTS, [{"id": first + place, **row} for place, (row, _, _) in enumerate(new)])
        mentions = []
        for number, (row, named, attached) in enumerate(new, first):
            known = self._known.get(row["digest"])
            if known is not None:
                self._remember(row["digest"], known._replace(id=number))
            mentions += [{"post_id": number, "participant_id": each} for each in named]
            if attached:
                place = files.Place(row["space_id"], number, row["author_id"], row["rev"] is not None)
                files.attach(self.session, self.ground, place, attached)
        if mentions:
            self.execute(_WRITE_MENTIONS, mentions)

    def _next_number(self) -> int:
        """The next free row: writers take turns, so nobody else takes it (`exchange.service.open_work`)."""
        last: int = self.execute(_LAST_NUMBER).scalar_one()
        return last + 1

    def _remember(self, digest: bytes, known: Known) -> None:
        was, before = digest in self._known, self._known.get(digest)
        self._known[digest] = known

        def back() -> None:
            if was:
                self._known[digest] = before
            else:
                self._known.pop(digest, None)

        self._undo.append(back)

    def _members(self, named: Sequence[str], space: str) -> list[str]:
        """Who of those mentioned is in the space; the others are words like all others."""
        return [each for each in named if self.register.role(space, each) is not None]

    def _place(self, space_id: int, note: Mapping[str, Any], published: int) -> Place:
        """The thread of a post: that of its context, begun when the post is the first of it here."""
        context = note["context"] or note["id"]
        place = self._places.get((space_id, context))
        if place is None:
            found = self.execute(_THREAD, {"space": space_id, "sought": context}).first()
            place = Place(*found) if found is not None else self._begin(space_id, context, note, published)
            self._places[space_id, context] = place
            self._undo.append(lambda: self._places.pop((space_id, context), None))
        if note["name"] and not place.title:
            self._title(place, space_id, context, note)
        return self._places[space_id, context]

    def _begin(self, space_id: int, context: str, note: Mapping[str, Any], published: int) -> Place:
        values = {
            "key": ids.wire_id(),
            "space_id": space_id,
            "context": context,
            "title": note["name"],
            "first": digest_of(note["id"]),
            "rev": None,
            "last_at": published,
            "replies": -1,  # its first post makes it 0
        }
        number = self.execute(insert(THREAD).returning(THREAD.c.id), values).scalar_one()
        return Place(number, values["key"], note["name"], None)

    def _title(self, place: Place, space_id: int, context: str, note: Mapping[str, Any]) -> None:
        """The post that began the thread came after one that answers it: history is told in any order."""
        begun = update(THREAD).where(THREAD.c.id == place.id)
        self.execute(begun.values(title=note["name"], first=digest_of(note["id"])))
        self._places[space_id, context] = place._replace(title=note["name"])

    def _advance(
        self, place: Place, space_id: int, note: Mapping[str, Any], rev: int, published: int
    ) -> None:
        """The thread has one more accepted post; the latest in the order of the space moves it."""
        before = self._moved.get(place.id)
        last, at, more = before or (place.rev or 0, 0, 0)
        self._moved[place.id] = (max(last, rev), max(at, published), more + 1)
        self._undo.append(
            lambda: (
                self._moved.pop(place.id, None) if before is None else self._moved.update({place.id: before})
            )
        )
        context = note["context"] or note["id"]
        key = (space_id, context)
        self._places[key] = place._replace(rev=max(place.rev or 0, rev))
        self._undo.append(lambda: self._places.pop(key, None))


def posts_of(session: Session, ground: Ground) -> Posts:
    """The posts of this unit of work."""
    return enlist(session, "threads", lambda: Posts(session, ground))


def digest_of(iri: str) -> bytes:
    """What names an object here: half the SHA-256 of its IRI."""
    return hashlib.sha256(iri.encode()).digest()[: tables.DIGEST_BYTES]


def key_of(digest: bytes) -> str:
    """A digest as it stands in addresses of pages."""
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def digest_of_key(key: str) -> bytes:
    """The digest of a key of a page; one that no post has when the key is none."""
    try:
        digest = urlsafe_b64decode(key.encode("ascii") + b"==")
    except (NotBase64, UnicodeEncodeError, ValueError):
        return b""
    return digest if len(digest) == tables.DIGEST_BYTES and key_of(digest) == key else b""
