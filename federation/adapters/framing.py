"""Heads of HTTP/1.1: what we send, and which answers are safe to read. Pure.

Rule: nothing that could break out of its line goes out, and an answer that two readers could cut at
different places is not read. Source: RFC 9112, sections 5 and 6; SECURITY E22, F23.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from federation.errors import AnswerTooLarge, LocalError, Refused, UnreadableAnswer
from federation.http import Headers, Request
from federation.iris import Iri

_WITH_BODY = frozenset({"POST", "PUT"})
_METHODS = _WITH_BODY | {"GET"}
_FIRST_FINAL_STATUS = 200
_FRAMING = frozenset({"content-length", "transfer-encoding", "content-encoding"})
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*", re.ASCII)
# Framing and connection are ours alone, and a cookie has no business between nodes.
_OURS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "accept-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "cookie",
        "proxy-authorization",
        "proxy-connection",
    }
)


def bytes_of(request: Request, target: Iri, *, keep: bool) -> tuple[bytes, bytes]:
    """Head and body as they are sent. Raises `Refused` for a field that could break out of its line."""
    if request.method not in _METHODS:
        raise LocalError(f"{request.method} is not a method that we send.")
    lines = [
        f"{request.method} {target.target} HTTP/1.1",
        f"Host: {target.authority}",
        "Accept-Encoding: identity",
        "Connection: keep-alive" if keep else "Connection: close",
    ]
    if request.method in _WITH_BODY:
        lines.append(f"Content-Length: {len(request.body)}")
    elif request.body:
        raise LocalError("A GET has no body.")
    for name, value in request.headers:
        if name.lower() in _OURS:
            continue
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise Refused(f"The field {name!r} holds what a header may not: {value[:200]!r}.")
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), request.body


def headers_of(status: int, pairs: Sequence[tuple[str, str]], max_bytes: int) -> Headers:
    """The fields of an answer whose body is safe to read.

    Raises `UnreadableAnswer` where the framing is ambiguous (RFC 9112, section 6.3) or the body encoded,
    `AnswerTooLarge` where more than `max_bytes` are announced.
    """
    framing: dict[str, set[str]] = {}
    for name, value in pairs:
        if "\n" in value or "\r" in value or "\0" in value:
            raise UnreadableAnswer(f"The field {name} is folded or broken.")
        if (lower := name.lower()) in _FRAMING:
            framing.setdefault(lower, set()).add(value.strip(" \t").lower())
    lengths = framing.get("content-length", set())
    transfer = framing.get("transfer-encoding", set())
    if (
        status < _FIRST_FINAL_STATUS
        or len(lengths) > 1
        or not all(_LENGTH.fullmatch(length) for length in lengths)
        or not transfer <= {"chunked"}
        or (lengths and transfer)
    ):
        raise UnreadableAnswer(f"A status {status} whose framing is not clear: {framing}.")
    if not framing.get("content-encoding", set()) <= {"", "identity"}:
        raise UnreadableAnswer(f"Encoded as {framing['content-encoding']}, though we asked for identity.")
    if any(int(length) > max_bytes for length in lengths):
        raise AnswerTooLarge(f"{lengths} bytes are announced, {max_bytes} allowed.")
    return Headers(pairs)
