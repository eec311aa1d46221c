"""From an error to an answer, in one place: a problem document for machines, a page for people.

Rule: what goes out is `safe`, a sentence; the cause stays in the log. An unexpected error is a 500 that says no
more than that, with a reference that the log has too. Source: RFC 9457; STYLE, section 3; SECURITY, TH-59.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import Flask, Response, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _later
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import BuildError
from werkzeug.wrappers import Response as AnyResponse

from federation.errors import RemoteError
from node.core.errors import Absent, NodeError, NotSignedIn, StepUp
from node.core.http import rendering
from node.core.ids import wire_id
from node.core.log import get_logger

log = get_logger(__name__)

PROBLEM = "application/problem+json"
SIGN_IN = "identity.signin"
STEP_UP = "identity.again"

SENTENCES = {
    400: _later("The request could not be read."),
    405: _later("This address does not take such requests."),
    406: _later("This address cannot answer in the form asked for."),
    413: _later("This is larger than what this node takes."),
    415: _later("This address does not take this kind of content."),
    429: _later("Too many requests. Wait a moment and try again."),
}


def problem(
    status: int,
    title: str,
    detail: str,
    kind: str = "about:blank",
    **members: Any,
) -> Response:
    """A problem document (RFC 9457, section 3)."""
    document = {"type": kind, "title": title, "status": status, "detail": detail, **members}
    # Members may hold lazy translations, which are texts of the reader's language from here on.
    return Response(json.dumps(document, ensure_ascii=False, default=str), status, content_type=PROBLEM)


def install(app: Flask) -> None:
    """Answers for every error that leaves a view."""
    app.register_error_handler(NodeError, _of_node)
    app.register_error_handler(RemoteError, _of_peer)
    app.register_error_handler(HTTPException, of_http)
    app.register_error_handler(Exception, _of_bug)


def of_http(error: HTTPException) -> AnyResponse:
    """Werkzeug's own errors, and those of flask-smorest with `errors` by field."""
    if isinstance(error, NotFound):
        return _of_node(Absent())
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if status < HTTPStatus.BAD_REQUEST:
        return error.get_response()
    data = getattr(error, "data", None) or {}
    members = {"errors": data["messages"]} if "messages" in data else {}
    sentence = str(data.get("message") or SENTENCES.get(status) or _("This did not work."))
    answer = _answer(status, HTTPStatus(status).phrase, sentence, members)
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After", "WWW-Authenticate"}:
            answer.headers[name] = value
    return answer


def _of_node(error: NodeError) -> AnyResponse:
    log.info("refused", status=error.status, error=type(error).__name__, cause=error.cause, path=request.path)
    if isinstance(error, NotSignedIn) and for_people():
        lead = _to_sign_in()
        if lead is not None:
            return lead
    if isinstance(error, StepUp) and for_people():
        return _to_step_up(error)
    answer = _answer(error.status, str(error.title), str(error.safe), error.members, error.kind)
    if isinstance(error, NotSignedIn) and not for_people():
        answer.headers["WWW-Authenticate"] = "Bearer"
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer


def _of_peer(error: RemoteError) -> Response:
    log.info("refused", status=error.status, problem=error.type, cause=error.detail, path=request.path)
    answer = Response(json.dumps(error.document()), error.status, content_type=PROBLEM)
    if "retry_after" in error.members:
        answer.headers["Retry-After"] = str(error.members["retry_after"])
    return answer


def _of_bug(error: Exception) -> AnyResponse:
    reference = wire_id()[:8]
    log.error("failed", reference=reference, path=request.path, exc_info=error)
    sentence = _(
        "Something went wrong here. Nothing was changed. Reference: %(reference)s", reference=reference
    )
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, _("Our fault"), sentence, {"reference": reference})


def for_people() -> bool:
    """Whether a page is asked for: by a browser, or by htmx in one; never under `/api/`."""
    if request.path.startswith("/api/"):
        return False
    return "HX-Request" in request.headers or "text/html" in request.headers.get("Accept", "")


def _answer(status: int, title: str, sentence: str, members: Any, kind: str = "about:blank") -> Response:
    if not for_people():
        return problem(status, title, sentence, kind, **members)
    try:
        page = rendering.page("problem.html", status=status, title=title, sentence=sentence, members=members)
    except Exception:  # whatever broke the page may break this one too; the sentence must get through
        log.exception("problem.page_failed")
        return Response(f"{title}. {sentence}\n", status, content_type="text/plain; charset=utf-8")
    return Response(page, status)


def _to_sign_in() -> AnyResponse | None:
    try:
        address = url_for(SIGN_IN)
    except BuildError:
        return None
    if request.method == "GET" and "HX-Request" not in request.headers:
        wanted = request.full_path if request.query_string else request.path
        return redirect(f"{address}?{urlencode({'next': wanted})}", 303)
    if "HX-Request" in request.headers:
        return Response(status=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": address})
    return redirect(address, 303)


def _to_step_up(error: StepUp) -> AnyResponse:
    """To the page that says what is asked, and then back to where the reader was."""
    asked: dict[str, Any] = {
        name: error.members[name] for name in ("acr_values", "max_age") if name in error.members
    }
    came_from = urlsplit(request.referrer or "")
    back = error.back or urlunsplit(("", "", came_from.path or "/", came_from.query, ""))
    address = url_for(STEP_UP, next=back, **asked)
    if "HX-Request" in request.headers:
        return Response(status=error.status, headers={"HX-Redirect": address})
    return redirect(address, 303)
