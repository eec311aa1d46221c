"""Whether a change was asked for by our own page: token, Origin and Sec-Fetch-Site.

Rule: checked before every request that changes something, unless it came with a bearer token or its view is
`exempt` (no browser uses the door and it reads no cookie). The token stands in the field `csrf_token` or in the
header `X-CSRF-Token`; it is bound to the session, for a visitor to a cookie of his own that only a form sets.
Source: SECURITY, TH-50, H7; https://cheatsheetseries.owasp.org (signed double submit).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Response, g, request
from flask_babel import lazy_gettext as _

from node.core.errors import NotAllowed
from node.core.http.context import ground
from node.core.http.guards import viewer_or_none

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
MAC_BYTES = 32
VISITOR_CHARS = 32
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_PAGE = frozenset({"same-origin", "none"})

_MARK = "__csrf_exempt__"
View = TypeVar("View", bound=Callable[..., Any])


class Forged(NotAllowed):
    """Not asked for by a page of ours, or by one that is too old."""

    def __init__(self, cause: str) -> None:
        super().__init__(_("This page was open for too long. Reload it and try again."), cause)


def exempt(view: View) -> View:
    """Marks a view that no browser uses: a signature or a bearer token is its proof, never a cookie."""
    setattr(view, _MARK, True)
    return view


def token() -> str:
    """The token for a form on the page that is made now, masked anew each time (BREACH)."""
    mask = secrets.token_bytes(MAC_BYTES)
    mac = _mac(_binding() or _new_visitor())
    return base64.urlsafe_b64encode(mask + _xor(mask, mac)).decode("ascii")


def install(app: Flask) -> None:
    """Checks before each request (after the guard); sets the visitor's cookie after one that made a form."""

    @app.before_request
    def check() -> None:
        if request.method in SAFE_METHODS or request.endpoint is None:
            return
        who = viewer_or_none()
        if who is not None and who.scopes is not None:
            return
        view = app.view_functions[request.endpoint]
        if getattr(view, _MARK, False):
            return
        _check_origin()
        if not _holds(request.headers.get(HEADER) or request.form.get(FIELD, "")):
            raise Forged("token")

    @app.after_request
    def remember(response: Response) -> Response:
        made = g.get("csrf_visitor")
        if made:
            response.set_cookie(
                _cookie(),
                made,
                secure=not ground().settings.is_development,
                httponly=True,
                samesite="Lax",
            )
        return response


def _check_origin() -> None:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in OWN_PAGE:
        raise Forged(f"Sec-Fetch-Site {site}")
    origin = request.headers.get("Origin")
    if origin is not None and origin != ground().settings.origin:
        raise Forged(f"Origin {origin}")


def _holds(text: str) -> bool:
    binding = _binding()
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        return False
    if binding is None or len(raw) != 2 * MAC_BYTES:
        return False
    return hmac.compare_digest(_xor(raw[:MAC_BYTES], raw[MAC_BYTES:]), _mac(binding))


def _binding() -> str | None:
    who = viewer_or_none()
    if who is not None:
        return f"session:{who.session_id}"
    visitor = g.get("csrf_visitor") or request.cookies.get(_cookie(), "")
    return f"visitor:{visitor}" if len(visitor) == VISITOR_CHARS else None


def _new_visitor() -> str:
    g.csrf_visitor = secrets.token_urlsafe(VISITOR_CHARS * 3 // 4)
    return f"visitor:{g.csrf_visitor}"


def _cookie() -> str:
    return "visitor" if ground().settings.is_development else "__Host-visitor"


def _mac(binding: str) -> bytes:
    return hmac.digest(_key(), binding.encode(), hashlib.sha256)


def _key() -> bytes:
    key: bytes | None = g.get("csrf_key")
    if key is None:
        key = g.csrf_key = ground().vault.derived("csrf")
    return key


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
