"""Saying something in a space: a thread, a reply, an edit; taking it back; liking it.

Rule: one unit of work each: who reads is checked against what the writer saw, the words are held to the same shape as a
partner's, and what may not be said leaves nothing behind. Source: PRODUCT B4; DECISIONS 1–3, 10, 11; PROTOCOL 2.j.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from flask_babel import lazy_gettext as _
from marshmallow import ValidationError
from sqlalchemy import bindparam, select

from federation import authn
from federation.activity import new_id
from federation.ports import Mode, Recall
from node.core.clock import rfc3339
from node.core.errors import Absent, Invalid, NotAllowed
from node.core.ground import Ground
from node.core.hot import Hot
from node.core.values import value
from node.exchange import service as exchange
from node.exchange.service import NodeWork
from node.files.service import Taken
from node.identity.services.identity import identity_of
from node.identity.services.people import NoSuchPerson
from node.spaces.audience import Audience, Reader, audience, check
from node.spaces.register import register_of
from node.spaces.services import reading as spaces
from node.spaces.services.spaces import By, saying
from node.threads import markdown
from node.threads.posts import LIKE, POST, THREAD, Place, digest_of, digest_of_key, key_of, posts_of
from node.threads.services import recalls, spots
from node.threads.services.reasons import REASONS
from schemas.as2.note import MAX_TITLE_CHARS, NOTE

MAX_TEXT_CHARS = 50_000
MAX_FILES = 20

_THREAD = Hot(
    select(
        THREAD.c.id,
        THREAD.c.key,
        THREAD.c.title,
        THREAD.c.rev,
        THREAD.c.space_id,
        THREAD.c.context,
        THREAD.c.first,
    ).where(THREAD.c.key == bindparam("sought"))
)
_PARENT = Hot(
    select(POST.c.iri, POST.c.rev, POST.c.author_id).where(
        POST.c.digest == bindparam("sought"), POST.c.thread_id == bindparam("thread")
    )
)


@value
class Draft:
    """What somebody typed. `stamp`: the audience token of the page, None for scripts that ask for no check.

    `again`: the key of one's own message that was refused for how one had signed in; the page of that refusal says
    that one's sign-in is shown in full this time, as charters that are not ours may ask for any of it.
    """

    text: str
    lang: str = ""
    title: str = ""
    files: Sequence[Taken] = ()
    stamp: str | None = None
    again: str = ""


@value
class Posted:
    """What was said: keys of pages, and the IRI of the object."""

    thread: str
    post: str
    iri: str


@value
class Wish:
    """What a recall asks: a code of `reasons.REASONS`, and the key of a post that stands for it now, or none."""

    reason: str
    replacement: str = ""


@value
class _Mine:
    """A post that is spoken of, in the space where its reader sees it."""

    digest: bytes
    iri: str
    id: int
    thread_id: int
    state: str
    rev: int | None
    published: int
    author_id: int
    activity: str
    space: spaces.SpaceSeen


def begin(ground: Ground, by: By, space_key: str, draft: Draft) -> Posted:
    """A new thread. Raises Absent, Invalid, AudienceChanged, Refused."""
    _check(draft, with_title=True)
    with saying(ground) as work:
        space = spaces.seen(work.session, space_key, by.actor)
        return say(ground, work, by, space, draft, context=None, reply_to=None)


def reply(ground: Ground, by: By, thread_key: str, draft: Draft, reply_to: str = "") -> Posted:
    """A reply in a thread, to its first post or to the one named. Raises Absent, Invalid, AudienceChanged, Refused."""
    _check(draft, with_title=False)
    with saying(ground) as work:
        row = _THREAD.run(work.session, {"sought": thread_key}).first()
        if row is None:
            raise Absent(f"no thread {thread_key!r}")
        space = spaces.seen_by_id(work.session, row.space_id, by.actor)
        answered = digest_of_key(reply_to) if reply_to else bytes(row.first)
        parent = _PARENT.run(work.session, {"sought": answered, "thread": row.id}).first()
        if parent is None or (parent.rev is None and parent.author_id != space.participant_id):
            raise Absent(f"no post {reply_to!r} in thread {thread_key!r}")
        place = Place(row.id, row.key, row.title, row.rev)
        posts_of(work.session, ground).expect(space.id, row.context, place)
        return say(ground, work, by, space, draft, context=row.context, reply_to=parent.iri)


def edit(ground: Ground, by: By, post_key: str, draft: Draft) -> Posted:
    """Other words for a post of one's own. Raises Absent, NotAllowed, Invalid, AudienceChanged, Refused."""
    _check(draft, with_title=False)
    with saying(ground) as work:
        mine = _own(work, post_key, by)
        if mine.state != "accepted":
            raise NotAllowed(_("This message can’t be changed now."))
        thread = work.session.execute(
            select(THREAD.c.key, THREAD.c.context, THREAD.c.first, THREAD.c.title).where(
                THREAD.c.id == mine.thread_id
            )
        ).one()
        is_first = bytes(thread.first) == mine.digest
        if is_first and not draft.title.strip():
            raise _invalid("title", _("Give it a subject."))
        if draft.stamp is not None:
            check(audience(work.session, ground, mine.space.id), draft.stamp)
        before = _document(work, mine)
        note = _note(ground, work, by, mine.space, draft, iri=mine.iri)
        for name in ("context", "inReplyTo", "published", "attachment"):
            if name in before:
                note[name] = before[name]
        note["updated"] = rfc3339(work.now)
        if not is_first:
            note.pop("name", None)
        _publish(ground, work, by, mine.space, {"type": "Update", "object": _held(note)})
        return Posted(thread.key, post_key, mine.iri)


def delete(ground: Ground, by: By, post_key: str) -> str:
    """A tombstone in place of one's own post; the key of its thread. Raises Absent, NotAllowed."""
    with saying(ground) as work:
        mine = _own(work, post_key, by)
        if mine.rev is None:
            raise NotAllowed(_("This message has not left yet, or was not accepted."))
        tombstone = {"id": mine.iri, "type": "Tombstone", "deleted": rfc3339(work.now)}
        _publish(ground, work, by, mine.space, {"type": "Delete", "object": tombstone})
        return _thread_key(work, mine.thread_id)


def recall(ground: Ground, by: By, post_key: str, wish: Wish) -> str:
    """Calls one's own post back: everybody who has it erases it, and says so; the key of its thread.

    Raises Absent, NotAllowed, Invalid.
    """
    with saying(ground) as work:
        mine = _own(work, post_key, by)
        if mine.rev is None:
            raise NotAllowed(_("This message has not left yet, or was not accepted."))
        asked = _asked(work, mine.space.iri, mine.space.id, wish)
        recalls.say(ground, work, by.actor, recalls.What(mine.space.iri, mine.iri), asked)
        return _thread_key(work, mine.thread_id)


def recall_for(ground: Ground, admin: str, post_key: str, wish: Wish) -> None:
    """The node calls back what one of its people wrote, when he or she cannot; `admin` is put on record.

    Raises Absent, NotAllowed, Invalid.
    """
    with saying(ground) as work:
        spot = spots.of_post(work.session, post_key)
        register = register_of(work.session, ground)
        if spot.author_id is None or register.person_of(register.iri_of(spot.author_id)) is None:
            raise NotAllowed(_("Only what our own people wrote can be called back from here."))
        space = register.by_id(spot.space_id)
        asked = _asked(work, space.iri, space.id, wish)
        recalls.say(ground, work, work.node, recalls.What(space.iri, spot.iri), asked)
        work.audit.note("recall.for-somebody", actor=admin, subject=spot.iri, reason=wish.reason)


def hide(ground: Ground, by: By, post_key: str) -> str:
    """A manager takes a post from everybody's sight (DECISIONS 2); the key of its thread. Raises Absent, NotAllowed."""
    with saying(ground) as work:
        post = _seen(work, post_key, by)
        if not post.space.managed or post.rev is None:
            raise NotAllowed(_("Only a manager of the space may do this."))
        asked = recalls.wished(work, post.space.iri, Mode.HIDE, "moderated")
        recalls.say(ground, work, by.actor, recalls.What(post.space.iri, post.iri), asked)
        return _thread_key(work, post.thread_id)


def like(ground: Ground, by: By, post_key: str) -> str:
    """Likes a post, once; the key of its thread. Raises Absent."""
    with saying(ground) as work:
        post = _seen(work, post_key, by)
        if post.rev is None or post.state != "accepted":
            raise Absent(f"{post.iri} cannot be liked")
        if _like_of(work, post) is None:
            _publish(ground, work, by, post.space, {"type": "Like", "object": post.iri})
        return _thread_key(work, post.thread_id)


def unlike(ground: Ground, by: By, post_key: str) -> str:
    """Takes one's Like back; the key of the thread. Raises Absent."""
    with saying(ground) as work:
        post = _seen(work, post_key, by)
        activity = _like_of(work, post)
        if activity is not None:
            undone = {"id": activity, "type": "Like", "actor": by.actor, "object": post.iri}
            _publish(ground, work, by, post.space, {"type": "Undo", "object": undone})
        return _thread_key(work, post.thread_id)


def say(
    ground: Ground,
    work: NodeWork,
    by: By,
    space: spaces.SpaceSeen,
    draft: Draft,
    *,
    context: str | None,
    reply_to: str | None,
) -> Posted:
    """Says it in the caller's unit of work: begins a thread, or answers `reply_to` in that of `context`.

    Raises AudienceChanged, Invalid, and federation's errors for what may not be said.
    """
    if draft.stamp is not None:
        check(audience(work.session, ground, space.id), draft.stamp)
    register_of(work.session, ground).expect(space.id, by.actor, space.participant_id, space.role)
    iri = f"{ground.settings.origin}/o/{new_id()}"
    note = _note(ground, work, by, space, draft, iri=iri)
    note["context"] = context or iri
    if reply_to is not None:
        note["inReplyTo"] = reply_to
        note.pop("name", None)
    if draft.files:
        note["attachment"] = [each.document() for each in draft.files]
    shown = _shown_in_full(ground, work, by, draft.again) if draft.again else {}
    _publish(ground, work, by, space, {"type": "Create", "object": note, **shown})
    thread = posts_of(work.session, ground).thread_key(space.id, note["context"])
    return Posted(thread, key_of(digest_of(iri)), iri)


def _note(
    ground: Ground, work: NodeWork, by: By, space: spaces.SpaceSeen, draft: Draft, *, iri: str
) -> dict[str, Any]:
    mentioned = _mentions(ground, work, space, draft.text)
    note: dict[str, Any] = {
        "id": iri,
        "type": "Note",
        "attributedTo": by.actor,
        "audience": space.iri,
        "to": [f"{space.iri}/members"],
        "content": markdown.render(draft.text, {handle: each.name for handle, each in mentioned.items()}),
        "source": {"content": draft.text, "mediaType": "text/markdown"},
        "published": rfc3339(work.now),
    }
    if draft.title.strip():
        note["name"] = " ".join(draft.title.split())
    if draft.lang:
        note["lang"] = draft.lang
    if mentioned:
        note["tag"] = [
            {"type": "Mention", "href": each.iri, "name": f"@{handle}"} for handle, each in mentioned.items()
        ]
    return note


def _shown_in_full(ground: Ground, work: NodeWork, by: By, post_key: str) -> dict[str, Any]:
    """The whole claim of how one signed in, where one's own message was refused for want of it. Raises Absent."""
    post = _seen(work, post_key, by)
    if post.author_id != post.space.participant_id or post.state != "refused":
        raise Absent(f"{post.iri} was not refused, or is another's")
    return authn.claim(by.sign_in, [authn.ASKS_ALL], exchange.settings_of(ground))


def _held(note: dict[str, Any]) -> dict[str, Any]:
    """The note, held to the shape that partners hold it to."""
    try:
        NOTE.load(note)
    except ValidationError as error:
        raise Invalid(_("This can’t be posted."), f"our own note: {error}", errors={}) from error
    return note


def _publish(
    ground: Ground, work: NodeWork, by: By, space: spaces.SpaceSeen, document: Mapping[str, Any]
) -> None:
    said = {"to": [f"{space.iri}/members"], "audience": space.iri, **document}
    exchange.publish(ground, work, said, by.actor, by.sign_in)


def _mentions(ground: Ground, work: NodeWork, space: spaces.SpaceSeen, text: str) -> dict[str, Reader]:
    """Handle as typed -> whom it names here. Raises Invalid for somebody who would not read it (DECISIONS 3)."""
    if "@" not in text:
        return {}
    found: dict[str, Reader] = {}
    present: Audience | None = None
    for handle in markdown.handles(text):
        present = present or audience(work.session, ground, space.id)
        named = [each for each in present.people if _is_named(each, handle)]
        ours = [each for each in named if each.person_id is not None]
        if len(named) == 1 or len(ours) == 1:
            found[handle] = (ours or named)[0]
        elif named:
            raise _invalid(
                "text", _("@%(name)s is the name of several people here; write @name@domain.", name=handle)
            )
        elif "@" in handle or _is_colleague(ground, work, handle):
            raise _invalid(
                "text", _("@%(name)s is not in this space and would not read it. Add first.", name=handle)
            )
    return found


def _is_named(reader: Reader, handle: str) -> bool:
    name, _at, domain = handle.lower().partition("@")
    return reader.handle.lower() == name and (not domain or urlsplit(reader.node).netloc == domain)


def _is_colleague(ground: Ground, work: NodeWork, handle: str) -> bool:
    try:
        identity_of(ground).people.by_handle(work.session, handle.lower())
    except NoSuchPerson:
        return False
    return True


def _check(draft: Draft, *, with_title: bool) -> None:
    if with_title and not draft.title.strip():
        raise _invalid("title", _("Give it a subject."))
    if len(draft.title) > MAX_TITLE_CHARS:
        raise _invalid("title", _("At most 200 characters."))
    if not draft.text.strip() and not draft.files:
        raise _invalid("text", _("Write something first."))
    if len(draft.text) > MAX_TEXT_CHARS:
        raise _invalid("text", _("At most 50,000 characters."))
    if len(draft.files) > MAX_FILES:
        raise _invalid("files", _("At most 20 files a message."))


def _invalid(field: str, sentence: Any) -> Invalid:
    return Invalid(sentence, errors={field: sentence})


def _seen(work: NodeWork, post_key: str, by: By) -> _Mine:
    """The post, if this person sees it. Raises Absent."""
    digest = digest_of_key(post_key)
    row = work.session.execute(select(POST).where(POST.c.digest == digest)).first()
    if row is None or row.state in {"deleted", "hidden"}:
        raise Absent(f"no post {post_key!r}")
    space = spaces.seen_by_id(work.session, row.space_id, by.actor)
    if row.rev is None and row.author_id != space.participant_id:
        raise Absent(f"post {post_key!r} waits, and is another's")
    return _Mine(
        digest,
        row.iri,
        row.id,
        row.thread_id,
        row.state,
        row.rev,
        row.published,
        row.author_id,
        row.activity,
        space,
    )


def _own(work: NodeWork, post_key: str, by: By) -> _Mine:
    post = _seen(work, post_key, by)
    if post.author_id != post.space.participant_id:
        raise NotAllowed(_("Only its author may do this."), f"{post.iri} is not of {by.actor}")
    return post


def _document(work: NodeWork, post: _Mine) -> dict[str, Any]:
    """The post as it was first said; its later edits keep context, place and files."""
    said = work.journal.get(post.activity)
    return dict(said.object or {}) if said is not None else {}


def _like_of(work: NodeWork, post: _Mine) -> str | None:
    query = select(LIKE.c.activity).where(
        LIKE.c.post_id == post.id, LIKE.c.participant_id == post.space.participant_id
    )
    found: str | None = work.session.execute(query).scalar()
    return found


def _asked(work: NodeWork, space: str, space_id: int, wish: Wish) -> Recall:
    if wish.reason not in REASONS:
        raise _invalid("reason", _("Choose a reason."))
    if not wish.replacement:
        return recalls.wished(work, space, Mode.ERASE, wish.reason)
    stands = select(POST.c.iri).where(
        POST.c.digest == digest_of_key(wish.replacement),
        POST.c.space_id == space_id,
        POST.c.state == "accepted",
    )
    iri = work.session.execute(stands).scalar()
    if iri is None:
        raise _invalid("replacement", _("There is no such message in this space."))
    return recalls.wished(work, space, Mode.REPLACE, wish.reason, iri)


def _thread_key(work: NodeWork, thread_id: int) -> str:
    return str(work.session.execute(select(THREAD.c.key).where(THREAD.c.id == thread_id)).scalar_one())
