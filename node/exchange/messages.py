"""From Flask's request to the library's, and back.

Rule: the URL is our own origin and the target as it stood in the request line, never what `Host` or a proxy says;
a body over its limit is refused before it is read. Source: RFC 9421, section 2.2.2; SECURITY TH-03, TH-31.
"""

from __future__ import annotations

from collections.abc import Collection

from flask import Response as Answer
from flask import request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from federation.errors import Malformed, TooLarge
from federation.http import Headers, Request, Response

MAX_TARGET_CHARS = 4096


def taken(origin: str, *, max_bytes: int = 0, types: Collection[str] = ()) -> Request:
    """The request that is answered now, with a body of at most `max_bytes` of one of the media `types`.

    Raises:
        UnsupportedMediaType, TooLarge: nothing of the body was read.
        Malformed: a request line that is none of ours.
    """
    target = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or ""
    if not target.startswith("/"):  # the absolute form of RFC 9112, section 3.2.2
        _, found, rest = target.partition("://")
        target = f"/{rest.partition('/')[2]}" if found else ""
    if not target or len(target) > MAX_TARGET_CHARS:
        raise Malformed("The target of the request is not a path.")
    headers = Headers(request.headers.items())
    if not types:
        return Request(request.method, origin + target, headers)
    if request.mimetype not in types:
        raise UnsupportedMediaType
    if (request.content_length or 0) > max_bytes:
        raise TooLarge(f"At most {max_bytes} bytes.")
    request.max_content_length = max_bytes
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise TooLarge(f"At most {max_bytes} bytes.") from error
    return Request(request.method, origin + target, headers, body)


def given(response: Response) -> Answer:
    """An answer for this partner alone."""
    answer = Answer(response.body, response.status)
    del answer.headers["Content-Type"]
    for name, value in response.headers:
        answer.headers[name] = value
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["Vary"] = "Signature, Signature-Input"
    return answer
