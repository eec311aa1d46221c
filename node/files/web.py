"""The door of files: for people whose space has the post, and for the nodes of organisations on its roster.

Rule: nothing here is ever run: a download for all but four kinds of picture, `nosniff`, and a sandbox for what a
browser opens all the same. Source: SECURITY TH-35, B11, G1–G10; PROTOCOL 2.j (*Attachments*).
"""

from __future__ import annotations

from typing import IO
from urllib.parse import quote

from flask import Blueprint, Response, request
from flask_babel import gettext as _
from werkzeug.wsgi import wrap_file

from node.core.errors import Absent, Unavailable
from node.core.http.context import ground
from node.core.http.guards import OPEN_DOORS, guarded, viewer
from node.files import partners, service
from node.files.service import Found
from node.spaces.services import reading as spaces

CSP = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
WAIT_S = 10

web = Blueprint("files", __name__)

OPEN_DOORS["files.for_partner"] = "signed by a node; the roster of the space decides"


@web.get("/files/<key>/<name>")
@guarded("visitor", scope="files:read")
def file(key: str, name: str) -> Response:  # noqa: ARG001 -- for people: what a download is called
    """A file of a post that one sees."""
    with ground().database.reading() as session:
        place = service.place_of(session, key)
        if place is None:
            raise Absent(f"no attachment {key!r}")
        space = spaces.seen_by_id(session, place.space_id, viewer().actor)
        if not place.accepted and place.author_id != space.participant_id:
            raise Absent(f"attachment {key!r} waits, and is another's")
    found, stream = service.open_file(ground(), key)
    if stream is None:
        raise Unavailable(_("The file is on its way here. Try again in a moment."), retry_after=WAIT_S)
    return _answer(found, stream)


@web.get("/files/<digest>")
def for_partner(digest: str) -> Response:
    """A file for a partner on the roster of the space that names it; the same 404 for all else."""
    found, stream = partners.file_for(ground(), request.args.get("space", ""), digest)
    answer = _answer(found, stream)
    answer.headers["Vary"] = "Signature, Signature-Input"
    return answer


def _answer(found: Found, stream: IO[bytes]) -> Response:
    media_type = found.media_type if found.inline else "application/octet-stream"
    answer = Response(wrap_file(request.environ, stream), content_type=media_type, direct_passthrough=True)
    kind = "inline" if found.inline else "attachment"
    answer.headers["Content-Disposition"] = f"{kind}; filename*=UTF-8''{quote(found.name, safe='')}"
    answer.headers["Content-Length"] = str(found.size)
    answer.headers["Content-Security-Policy"] = CSP
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    answer.headers["Cache-Control"] = "private, no-store"
    answer.set_etag(found.sha256.hex())
    return answer
