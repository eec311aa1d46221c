"""Pages of what people say: a space with its discussions, a thread, writing, editing, liking; and what is new.

Rule: a form that writes carries the token of the list that its writer saw; when others would read it, nothing is
stored and the same page says who came or went, with the text kept (PRODUCT B4). Source: PRODUCT D.3–D.5, B5, B12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, current_app, redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from node.core.errors import Absent, NodeError, StepUp
from node.core.ground import Ground
from node.core.http import shown
from node.core.http.context import ground
from node.core.http.guards import guarded, viewer
from node.core.http.rendering import page
from node.files import service as files
from node.identity.browser import unattended
from node.identity.keys_web import POSTS_BEHIND
from node.spaces import audience as readers
from node.spaces.audience import AudienceChanged, Difference
from node.spaces.present import Looks
from node.spaces.services import reading as spaces
from node.spaces.services import relays
from node.spaces.services.reading import SpaceSeen
from node.spaces.web import by, read_form, sentences
from node.threads import markdown, places, present
from node.threads.live import RETRY_AFTER_S, NoPlace
from node.threads.services import drafts, posting, proofs, reading
from node.threads.services.posting import Draft
from node.threads.services.reading import Cursor, Fresh, ThreadSeen
from node.threads.services.reasons import REASONS
from schemas.forms.spaces import Message, Recall

FOUND_ELSEWHERE = 303  # RFC 9110, section 15.4.4: go there with GET
CONFLICT = 409
UNPROCESSABLE = 422
BUSY = 503

COPIES_OF = "parvis.threads.copies_of"
"""Key of `app.extensions`: `(session, space id) -> [shown.CopyProof]`, set by whatever compares copies."""

web = Blueprint("threads", __name__)


def install(app: Flask, settled: Ground) -> None:
    """The page of a space, which carries the name of its own capability, and the places to wait in."""
    places.lay(app, settled.settings.live_slots)
    app.extensions[POSTS_BEHIND] = lambda session, flag: present.flagged(
        Looks(session, settled), flag, viewer().actor
    )
    app.add_url_rule("/spaces/<key>", endpoint="spaces.space", view_func=space)


@guarded("visitor")
def space(key: str) -> str:
    """A space: its discussions, who is here, and where one writes."""
    return _space_page(key)


@web.post("/spaces/<key>/threads")
@guarded()
def create(key: str) -> AnyResponse | tuple[str, int]:
    """Begins a discussion."""
    values, errors = read_form(Message())
    posted, answer = _written(
        values,
        errors,
        lambda draft: posting.begin(ground(), by(), key, draft),
        lambda **said: _space_page(key, values, **said),
        url_for("spaces.space", key=key, draft=1, _anchor="composer"),
    )
    return answer or redirect(url_for("threads.thread", key=posted.thread), FOUND_ELSEWHERE)


@web.get("/threads/<key>")
@guarded("visitor")
def thread(key: str) -> str:
    """A discussion, its replies in their order."""
    return _thread_page(key)


@web.post("/threads/<key>/posts")
@guarded()
def reply(key: str) -> AnyResponse | tuple[str, int]:
    """Replies."""
    values, errors = read_form(Message())
    posted, answer = _written(
        values,
        errors,
        lambda draft: posting.reply(ground(), by(), key, draft, values.get("reply_to", "")),
        lambda **said: _thread_page(key, values, **said),
        url_for("threads.thread", key=key, draft=1, _anchor="reply"),
    )
    return answer or redirect(
        url_for("threads.thread", key=key, _anchor=f"post-{posted.post}"), FOUND_ELSEWHERE
    )


@web.route("/posts/<key>/edit", methods=["GET", "POST"])
@guarded()
def edit(key: str) -> str | AnyResponse | tuple[str, int]:
    """Other words for one's own post."""
    if request.method == "GET":
        return _edit_page(key)
    values, errors = read_form(Message())
    posted, answer = _written(
        values,
        errors,
        lambda draft: posting.edit(ground(), by(), key, draft),
        lambda **said: _edit_page(key, values, **said),
        url_for("threads.edit", key=key, draft=1),
    )
    return answer or redirect(
        url_for("threads.thread", key=posted.thread, _anchor=f"post-{key}"), FOUND_ELSEWHERE
    )


@web.get("/posts/<key>/again")
@guarded()
def again(key: str) -> AnyResponse:
    """Leads to where one's own message that was refused can be sent again."""
    with ground().database.reading() as session:
        seen, found, where = reading.thread_of_post(session, key, viewer().actor)
    if not seen.mine or seen.state != "refused":
        raise Absent(f"post {key!r} is another's, or was not refused")
    if seen.id == found.first.id:
        return redirect(
            url_for("spaces.space", key=where.key, again=key, _anchor="composer"), FOUND_ELSEWHERE
        )
    return redirect(url_for("threads.thread", key=found.key, again=key, _anchor="reply"), FOUND_ELSEWHERE)


@web.get("/posts/<key>/history")
@guarded("visitor")
def history(key: str) -> str:
    """What a post said before."""
    with _opened() as (session, looks):
        seen, found, where = reading.thread_of_post(session, key, viewer().actor)
        if seen.state in {"deleted", "hidden"}:
            raise Absent(f"post {key!r} is gone")
        said = reading.versions(session, seen)
        author = looks.person(seen.author, seen.author.organisation)
        versions = [
            shown.Version(at, Markup(html), author, len(said) - position)  # noqa: S704 -- sanitised
            for position, (at, html) in enumerate(said)
        ]
        return page(
            "threads/history.html",
            thread=_thread(session, looks, found, where, (), None),
            post_key=key,
            versions=versions,
        )


@web.get("/posts/<key>/proof")
@guarded()
def proof(key: str) -> str:
    """Who has received one's own post, by which receipt."""
    with _opened() as (session, looks):
        seen, found, where = reading.thread_of_post(session, key, viewer().actor)
        if not proofs.provable(seen):
            raise Absent(f"post {key!r} is another's, or nobody has it")
        receipts = proofs.received(session, seen)
        return page(
            "threads/proof.html",
            thread=_thread(session, looks, found, where, (), None),
            post_key=key,
            excerpt=markdown.excerpt(seen.html),
            proofs=present.proofs(looks, seen, where, _there(session, where), receipts),
        )


@web.get("/posts/<key>/proof/<relation>.json")
@guarded()
def proof_file(key: str, relation: str) -> Response:
    """The proof of one's own post as exchanged with one partner, for `parvis verify`."""
    answer = Response(proofs.file(ground(), by(), key, relation), content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="proof-{key}.json"'
    return answer


@web.post("/posts/<key>/like")
@guarded()
def like(key: str) -> str | AnyResponse:
    """Likes a post, or takes it back (`undo=1`)."""
    act = posting.unlike if request.form.get("undo") else posting.like
    thread_key = act(ground(), by(), key)
    if request.headers.get("HX-Request") != "true":
        return redirect(url_for("threads.thread", key=thread_key, _anchor=f"post-{key}"), FOUND_ELSEWHERE)
    with _opened() as (session, looks):
        seen, found, where = reading.thread_of_post(session, key, viewer().actor)
        there = _there(session, where)
        return render_template(
            "threads/_post.html",
            entry=present.post(looks, seen, where, there),
            thread_key=thread_key,
            first=seen.id == found.first.id,
        )


@web.post("/posts/<key>/delete")
@guarded()
def delete(key: str) -> AnyResponse:
    """A tombstone in place of one's own post."""
    return redirect(
        url_for("threads.thread", key=posting.delete(ground(), by(), key), _anchor=f"post-{key}"),
        FOUND_ELSEWHERE,
    )


@web.route("/posts/<key>/recall", methods=["GET", "POST"])
@guarded()
def recall(key: str) -> str | AnyResponse | tuple[str, int]:
    """Calls one's own post back, everywhere."""
    if request.method == "GET":
        return _recall_page(key)
    values, errors = read_form(Recall())
    if errors:
        return _recall_page(key, values, {**errors, "reason": _("Choose a reason.")}), UNPROCESSABLE
    thread_key = posting.recall(ground(), by(), key, posting.Wish(values["reason"]))
    return redirect(url_for("threads.thread", key=thread_key, _anchor=f"post-{key}"), FOUND_ELSEWHERE)


@web.post("/posts/<key>/hide")
@guarded()
def hide(key: str) -> AnyResponse:
    """A manager takes a post from everybody's sight."""
    return redirect(
        url_for("threads.thread", key=posting.hide(ground(), by(), key), _anchor=f"post-{key}"),
        FOUND_ELSEWHERE,
    )


@web.get("/live")
@guarded("visitor")
def live() -> Response:
    """What came after a cursor, as fragments: of a thread, else as lines of the lists of a space or of all."""
    unattended()  # a page that is only open does not keep its reader signed in
    who, args = viewer(), request.args
    try:
        after = Cursor.read(args.get("after", ""))
    except ValueError as error:
        raise Absent(f"no cursor: {error}") from error
    with ground().database.reading() as session:
        where, thread_id = _watched(session, args.get("space", ""), args.get("thread", ""))
        if thread_id is not None:
            relays.look(ground(), session, where[0])

    def look() -> Fresh | None:
        with ground().database.reading() as session:
            visible = {each.id: each.participant_id for each in where}
            found = reading.fresh(session, visible, after, thread_id)
        return found if found.rows else None

    def check() -> None:
        nonlocal where
        with ground().database.reading() as session:
            where, _ = _watched(session, args.get("space", ""), args.get("thread", ""))

    channels = [f"space:{each.id}" for each in where]
    try:
        held = places.places_of(current_app)
        found = held.wait(ground(), f"person:{who.actor}", channels, look, check)
    except NoPlace:
        return Response(status=BUSY, headers={"Retry-After": str(RETRY_AFTER_S)})
    cursor = str(found.cursor if found is not None else after)
    onward = {name: args[name] for name in ("space", "thread") if name in args}
    headers = {"X-Live": f"{url_for('threads.live')}?{urlencode({**onward, 'after': cursor})}"}
    if found is None:
        return Response(status=204, headers=headers)
    with _opened() as (session, looks):
        fragment = (
            _thread_fragment(session, looks, found, where[0], thread_id, args.get("thread", ""))
            if thread_id is not None
            else _list_fragment(session, looks, found, where, with_space=not args.get("space"))
        )
    return Response(fragment, content_type="text/html; charset=utf-8", headers=headers)


@contextmanager
def _opened() -> Iterator[tuple[Session, Looks]]:
    with ground().database.reading() as session:
        yield session, Looks(session, ground(), viewer().is_visitor)


def _written(
    values: dict[str, Any],
    errors: Mapping[str, str],
    act: Callable[[Draft], posting.Posted],
    again: Callable[..., str],
    back: str,
) -> tuple[Any, tuple[str, int] | None]:
    """What was posted, or the page again: what is wrong beside its field, who came or went with 409.

    Who must sign in once more finds the text at `back`. Raises StepUp, Absent.
    """
    if errors:
        return None, (again(errors=errors), UNPROCESSABLE)
    draft = Draft(values["text"], values["lang"], values["title"], (), values["audience"], values["again"])
    try:
        draft = replace(draft, files=_brought(with_kept=bool(values["draft"])))
        posted = act(draft)
    except StepUp as asked:
        drafts.keep(ground(), viewer().actor, draft, values.get("reply_to", ""))
        asked.back = back
        raise
    except AudienceChanged as changed:
        return None, (again(changed=changed.difference), CONFLICT)
    except Absent:
        raise
    except NodeError as refusal:
        return None, (again(errors=sentences(refusal)), refusal.status)
    if values["draft"]:
        drafts.forget(ground(), viewer().actor)
    return posted, None


def _brought(*, with_kept: bool) -> list[files.Taken]:
    """The files that came with the form, after those of the draft that was kept. Raises Invalid."""
    found = None
    if with_kept:
        with ground().database.reading() as session:
            found = drafts.kept(session, viewer().actor)
    sent = [each for each in request.files.getlist("files") if each.filename]
    taken = [files.take_in(ground(), each.filename or "", each.stream) for each in sent]
    return [*(() if found is None else found.draft.files), *taken]


def _typed(session: Session) -> dict[str, Any]:
    """What the reader wrote before: a draft that was kept, or a message of one's own that was refused."""
    args = request.args if request.method == "GET" else {}
    if args.get("draft"):
        found = drafts.kept(session, viewer().actor)
        if found is None:
            return {}
        draft = found.draft
        names = [each.name for each in draft.files]
        typed = {"title": draft.title, "text": draft.text, "lang": draft.lang, "again": draft.again}
        return {**typed, "reply_to": found.reply_to, "draft": "1", "kept_files": names}
    if args.get("again"):
        seen, thread, _where = reading.thread_of_post(session, args["again"], viewer().actor)
        if seen.mine and seen.state == "refused":
            typed = {"title": thread.title, "text": reading.source(session, seen), "lang": seen.lang}
            return {**typed, "reply_to": seen.reply_to, "again": seen.key}
    return {}


def _space_page(
    key: str,
    values: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    changed: Difference | None = None,
) -> str:
    who = viewer()
    before = _number(request.args.get("before")) if request.method == "GET" else None
    with _opened() as (session, looks):
        where = spaces.seen(session, key, who.actor)
        typed = _typed(session)
        cursor = reading.now(session)
        found = readers.audience(session, ground(), where.id)
        there = {where.id: _there(session, where)}
        listed = reading.threads(session, where, before, reading.THREADS_A_PAGE + 1)
        more = len(listed) > reading.THREADS_A_PAGE
        listed = listed[: reading.THREADS_A_PAGE]
        older = url_for("spaces.space", key=key, before=listed[-1].rev) if more and listed[-1].rev else ""
        newer = "" if before is None else url_for("spaces.space", key=key)
        return page(
            "spaces/space.html",
            space=looks.space(where, found, there[where.id]),
            threads=present.lines(looks, listed, [where], there),
            audience=looks.audience(found, where.participant_id, difference=changed),
            values=values or typed,
            errors=errors or {},
            writing=bool(request.args.get("write") or typed),
            live="" if before is not None else url_for("threads.live", space=key, after=str(cursor)),
            next=shown.Next(newer, older),
            copies=_copies(session, where.id),
        )


def _copies(session: Session, space_id: int) -> Sequence[shown.CopyProof]:
    copies_of = current_app.extensions.get(COPIES_OF)
    return () if copies_of is None else copies_of(session, space_id)


def _thread_page(
    key: str,
    values: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    changed: Difference | None = None,
) -> str:
    who = viewer()
    before = _number(request.args.get("before")) if request.method == "GET" else None
    with _opened() as (session, looks):
        found, where = reading.thread(session, key, who.actor)
        values = values or _typed(session)
        answers = str(values.get("reply_to") or request.args.get("reply_to", ""))
        cursor = reading.now(session)
        posts, older = reading.entries(session, found, where, before)
        listed = readers.audience(session, ground(), where.id)
        may_write = looks.may_write(where)
        quoted = next((each for each in (found.first, *posts) if each.key == answers), None)
        return page(
            "threads/thread.html",
            thread=_thread(session, looks, found, where, posts, older),
            audience=looks.audience(listed, where.participant_id, difference=changed) if may_write else None,
            values=values,
            errors=errors or {},
            reply_to=None if quoted is None else present.quote(looks, quoted),
            live="" if before is not None else url_for("threads.live", thread=key, after=str(cursor)),
            closed=looks.closed(where),
        )


def _edit_page(
    key: str,
    values: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    changed: Difference | None = None,
) -> str:
    with _opened() as (session, looks):
        seen, found, where = reading.thread_of_post(session, key, viewer().actor)
        if not seen.mine or seen.state != "accepted":
            raise Absent(f"post {key!r} is another's, or cannot be changed")
        is_first = seen.id == found.first.id
        typed = (
            values
            or _typed(session)
            or {
                "title": found.title if is_first else "",
                "text": reading.source(session, seen),
                "lang": seen.lang or who_reads(),
            }
        )
        listed = readers.audience(session, ground(), where.id)
        return page(
            "threads/edit.html",
            thread=_thread(session, looks, found, where, (), None),
            post_key=key,
            has_title=is_first,
            audience=looks.audience(listed, where.participant_id, difference=changed),
            values=typed,
            errors=errors or {},
        )


def _recall_page(
    key: str, values: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None
) -> str:
    with _opened() as (session, looks):
        seen, found, where = reading.thread_of_post(session, key, viewer().actor)
        if not seen.mine or seen.state != "accepted":
            raise Absent(f"post {key!r} is another's, or is not there to be called back")
        return page(
            "threads/recall.html",
            thread=_thread(session, looks, found, where, (), None),
            post_key=key,
            excerpt=markdown.excerpt(seen.html),
            shares=looks.shares(_there(session, where)),
            reasons=[(code, str(label), "") for code, label in REASONS.items()],
            values=values or {},
            errors=errors or {},
        )


def who_reads() -> str:
    """The language of who looks."""
    return viewer().language


def _thread(
    session: Session,
    looks: Looks,
    found: ThreadSeen,
    where: SpaceSeen,
    posts: Sequence[reading.PostSeen],
    older: int | None,
) -> shown.Thread:
    relays.look(ground(), session, where)
    there = _there(session, where)
    listed = readers.audience(session, ground(), where.id)
    return shown.Thread(
        found.key,
        found.title,
        looks.space(where, listed, there),
        present.post(looks, found.first, where, there),
        present.with_gaps(looks, where, posts, _holes(session, where, found, posts), there),
        str(reading.now(session)),
        str(older) if older is not None else "",
    )


def _holes(
    session: Session, where: SpaceSeen, found: ThreadSeen, posts: Sequence[reading.PostSeen]
) -> list[Any]:
    """The revs of another's space that are missing between the posts shown."""
    revs = [each.rev for each in posts if each.rev is not None]
    if where.hosted or not revs or found.first.rev is None:
        return []
    return spaces.missing_revs(session, where.id, found.first.rev, max(revs))


def _there(session: Session, where: SpaceSeen) -> list[spaces.Share]:
    return spaces.shares(session, [where.id]).get(where.id, [])


def _watched(session: Session, space_key: str, thread_key: str) -> tuple[list[SpaceSeen], int | None]:
    """What a live list shows: a thread, a space, or all the spaces of the viewer. Raises Absent."""
    actor = viewer().actor
    if thread_key:
        found, where = reading.thread(session, thread_key, actor)
        return [where], found.id
    if space_key:
        return [spaces.seen(session, space_key, actor)], None
    return spaces.of_person(session, actor), None


def _thread_fragment(
    session: Session, looks: Looks, found: Fresh, where: SpaceSeen, thread_id: int, thread_key: str
) -> str:
    there = _there(session, where)
    posts = reading.posts(session, found.rows, where.participant_id)
    first = reading.threads_by_id(session, [thread_id], {where.id: where.participant_id})
    head = first[0].first.id if first else None
    entries = [present.post(looks, each, where, there) for each in posts if each.id != head]
    return render_template("threads/_posts.html", entries=entries, thread_key=thread_key)


def _list_fragment(
    session: Session, looks: Looks, found: Fresh, where: Sequence[SpaceSeen], *, with_space: bool
) -> str:
    visible = {each.id: each.participant_id for each in where}
    moved = reading.threads_by_id(session, {row.thread_id for row in found.rows}, visible)
    there = spaces.shares(session, {each.space_id for each in moved})
    return render_template(
        "threads/_lines.html", threads=present.lines(looks, moved, where, there), with_space=with_space
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 19 else None
