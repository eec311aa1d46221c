"""The JSON API of threads and posts, and of what is new.

Rule: `live` and the newest posts are the hot paths: keyset queries, plain dictionaries, one `json.dumps`
(PERFORMANCE, section 3, goals 2 and 9).
"""

# mypy: allow-untyped-decorators
# flask-smorest has no types.

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from flask import Response, current_app, request
from sqlalchemy.orm import Session

from node.core.clock import rfc3339
from node.core.http import shown
from node.core.http.api import Blueprint
from node.core.http.context import ground
from node.core.http.guards import guarded, viewer
from node.files import tickets
from node.spaces.present import Looks
from node.spaces.services import reading as spaces
from node.spaces.services import relays
from node.spaces.services.reading import PersonSeen, SpaceSeen
from node.spaces.services.spaces import By
from node.threads import present
from node.threads.live import RETRY_AFTER_S, NoPlace
from node.threads.places import places_of
from node.threads.services import posting, proofs, reading
from node.threads.services.posting import Draft, Posted
from node.threads.services.reading import Cursor, Fresh, PostSeen, ThreadSeen
from schemas.api import spaces as shapes

api = Blueprint("api_threads", __name__, url_prefix="/api/v1", description="Threads, posts, what is new")

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@api.get("/spaces/<key>/threads")
@guarded(scope="posts:read")
@api.arguments(shapes.Page, location="query")
@api.response(200, shapes.ThreadPage)
def threads(page: dict[str, Any], key: str) -> Response:
    """The threads of a space, the last moved first."""
    with ground().database.reading() as session:
        space = spaces.seen(session, key, viewer().actor)
        found = reading.threads(session, space, page["before"], page["limit"])
    last = found[-1].rev if len(found) >= page["limit"] else None
    return _json({"items": [_thread(each, key) for each in found], "before": last})


@api.post("/spaces/<key>/threads")
@guarded(scope="posts:write")
@api.arguments(shapes.NewThread)
@api.response(201, shapes.Posted)
def begin(new: dict[str, Any], key: str) -> tuple[Response, int]:
    """Begins a thread. `If-Match` with the token of the audience holds it to those readers (409 otherwise)."""
    return _said(posting.begin(ground(), _by(), key, _draft(new)))


@api.get("/spaces/<key>/posts")
@guarded(scope="posts:read")
@api.arguments(shapes.Page, location="query")
@api.response(200, shapes.PostPage)
def posts(page: dict[str, Any], key: str) -> Response:
    """The posts of a space, the newest first."""
    with ground().database.reading() as session:
        space = spaces.seen(session, key, viewer().actor)
        found = reading.latest(session, space, page["before"], page["limit"])
    last = found[-1].rev if len(found) == page["limit"] else None
    return _json({"items": [_post(each) for each in found], "before": last})


@api.get("/spaces/<key>/live")
@guarded(scope="posts:read")
@api.arguments(shapes.After, location="query")
@api.response(200, shapes.Live)
def live(query: dict[str, Any], key: str) -> Response:
    """What came after a cursor, held until there is something (25 s); `Retry-After` when no place is free to wait."""
    who, after = viewer(), Cursor.read(query["after"])
    with ground().database.reading() as session:
        space = spaces.seen(session, key, who.actor)
    visible = {space.id: space.participant_id}

    def look() -> tuple[Fresh, list[PostSeen]] | None:
        with ground().database.reading() as session:
            found = reading.fresh(session, visible, after)
            if not found.rows:
                return None
            return found, reading.posts(session, found.rows, space.participant_id, quotes=False, marks=False)

    def check() -> None:
        with ground().database.reading() as session:
            spaces.seen(session, key, who.actor)

    headers = {}
    found: tuple[Fresh, list[PostSeen]] | None = None
    try:
        if query["wait"]:
            own = f"person:{who.actor}"
            found = places_of(current_app).wait(ground(), own, (f"space:{space.id}",), look, check)
        else:
            found = look()
    except NoPlace:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    cursor = found[0].cursor if found is not None else after
    new = found[1] if found is not None else []
    return _json({"cursor": str(cursor), "posts": [_post(each) for each in new]}, headers)


@api.get("/threads/<key>")
@guarded(scope="posts:read")
@api.arguments(shapes.Page, location="query")
@api.response(200, shapes.ThreadWithPosts)
def thread(page: dict[str, Any], key: str) -> Response:
    """A thread: its first post, then the last page of its replies in their order."""
    with ground().database.reading() as session:
        found, space = reading.thread(session, key, viewer().actor)
        replies, older = reading.entries(session, found, space, page["before"], page["limit"], quotes=False)
        first, *items = _with_delivery(session, [found.first, *replies], space)
    return _json({"thread": _thread(found, space.key), "first": first, "items": items, "before": older})


@api.post("/threads/<key>/posts")
@guarded(scope="posts:write")
@api.arguments(shapes.NewPost)
@api.response(201, shapes.Posted)
def reply(new: dict[str, Any], key: str) -> tuple[Response, int]:
    """Replies. `If-Match` with the token of the audience holds it to those readers (409 otherwise)."""
    return _said(posting.reply(ground(), _by(), key, _draft(new), new["reply_to"]))


@api.get("/posts/<key>")
@guarded(scope="posts:read")
@api.response(200, shapes.Post)
def post(key: str) -> Response:
    """One post."""
    with ground().database.reading() as session:
        found, _, space = reading.thread_of_post(session, key, viewer().actor)
        (one,) = _with_delivery(session, [found], space)
    return _json(one)


@api.get("/posts/<key>/proof")
@guarded(scope="posts:read")
@api.arguments(shapes.ProofQuery, location="query")
def proof(query: dict[str, Any], key: str) -> Response:
    """The proof of one's own post as exchanged with one partner, for `parvis verify`, which reads it byte for byte."""
    return Response(proofs.file(ground(), _by(), key, query["relation"]), content_type="application/json")


@api.patch("/posts/<key>")
@guarded(scope="posts:write")
@api.arguments(shapes.Edit)
@api.response(200, shapes.Posted)
def edit(new: dict[str, Any], key: str) -> tuple[Response, int]:
    """Other words for one's own post; `title` for the first of a thread."""
    draft = Draft(new["text"], new["lang"], new["title"], (), _stamp())
    return _said(posting.edit(ground(), _by(), key, draft), 200)


@api.delete("/posts/<key>")
@guarded(scope="posts:write")
@api.response(202)
def delete(key: str) -> None:
    """A tombstone in place of one's own post."""
    posting.delete(ground(), _by(), key)


@api.post("/posts/<key>/recall")
@guarded(scope="posts:write")
@api.arguments(shapes.NewRecall)
@api.response(202)
def recall(asked: dict[str, Any], key: str) -> None:
    """Calls one's own post back: every organisation erases it and signs that it has (`/recalls`)."""
    posting.recall(ground(), _by(), key, posting.Wish(asked["reason"], asked["replacement"]))


@api.post("/posts/<key>/hide")
@guarded(scope="posts:write")
@api.response(202)
def hide(key: str) -> None:
    """A manager takes a post from everybody's sight."""
    posting.hide(ground(), _by(), key)


@api.get("/posts/<key>/versions")
@guarded(scope="posts:read")
@api.response(200, shapes.Version(many=True))
def versions(key: str) -> list[dict[str, Any]]:
    """What a post says and said, the newest first; a tombstone says nothing."""
    with ground().database.reading() as session:
        found, _, _ = reading.thread_of_post(session, key, viewer().actor)
        said = reading.versions(session, found)
    return [{"at": at, "content": content} for at, content in said]


@api.put("/posts/<key>/like")
@guarded(scope="posts:write")
@api.response(202)
def like(key: str) -> None:
    """Likes a post, once."""
    posting.like(ground(), _by(), key)


@api.delete("/posts/<key>/like")
@guarded(scope="posts:write")
@api.response(202)
def unlike(key: str) -> None:
    """Takes one's Like back."""
    posting.unlike(ground(), _by(), key)


def _by() -> By:
    who = viewer()
    return By(who.actor, who.sign_in)


def _draft(new: dict[str, Any]) -> Draft:
    files = [tickets.redeem(ground(), each, viewer().actor) for each in new["files"]]
    return Draft(new["text"], new["lang"], new.get("title", ""), files, _stamp())


def _stamp() -> str | None:
    """The audience token of `If-Match`; None when the script asks for no check."""
    sent = request.headers.get("If-Match")
    return None if sent is None else sent.strip().strip('"')


def _said(posted: Posted, status: int = 201) -> tuple[Response, int]:
    return _json({"thread": posted.thread, "post": posted.post, "id": posted.iri}), status


def _json(document: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(_compact(document), content_type="application/json", headers=headers)


def _moment(when: datetime | None) -> str | None:
    return None if when is None else rfc3339(when)


def _person(person: PersonSeen) -> dict[str, Any]:
    return {
        "key": person.key,
        "id": person.iri,
        "name": person.name,
        "handle": person.handle,
        "organisation": {"node": person.node, "name": person.organisation},
    }


def _thread(found: ThreadSeen, space_key: str) -> dict[str, Any]:
    return {
        "key": found.key,
        "space": space_key,
        "title": found.title,
        "author": _person(found.first.author),
        "published": _moment(found.first.published),
        "rev": found.rev,
        "state": found.first.state,
        "replies": found.replies,
        "last": _moment(found.last),
    }


def _with_delivery(session: Session, posts: Sequence[PostSeen], space: SpaceSeen) -> list[dict[str, Any]]:
    """Posts with where one's own stand at each organisation, as its page shows it."""
    relays.look(ground(), session, space)
    looks, there = Looks(session, ground()), spaces.shares(session, [space.id]).get(space.id, [])
    told = []
    for each in posts:
        own = each.mine and each.state == "accepted"
        stands = present.standings(looks, each, space, there) if own else ()
        told.append(_post(each) | {"delivery": [_delivery(looks, space, *one) for one in stands]})
    return told


def _delivery(looks: Looks, space: SpaceSeen, node: str, mark: shown.Delivery) -> dict[str, Any]:
    face = looks.face(node)
    return {
        "organisation": {"node": node, "name": mark.org.name},
        "relation": None if face is None else face.relation_id,
        "via": None if mark.via is None else space.host,
        "state": mark.state,
        "at": _moment(mark.at),
        "reason": mark.reason,
    }


def _post(found: PostSeen) -> dict[str, Any]:
    return {
        "key": found.key,
        "id": found.iri,
        "author": _person(found.author),
        "rev": found.rev,
        "state": found.state,
        "reason": found.reason,
        "published": _moment(found.published),
        "edited": _moment(found.edited),
        "lang": found.lang,
        "content": found.html,
        "replyTo": found.reply_to,
        "likes": found.likes,
        "liked": found.liked,
        "files": [
            {
                "name": each.name,
                "mediaType": each.media_type,
                "size": each.size,
                "sha256": each.sha256.hex(),
                "url": f"/files/{each.key}/{quote(each.name)}",
                "state": each.state,
            }
            for each in found.files
        ],
        "delivery": [],
    }
