"""Pages of the provider: somebody of ours lets a partner know who he or she is.

Rule: what a partner asks for was pushed by its node and is kept here, so nothing in the address decides anything; an
error of the request is told here, never sent on to an address that is not the client's. No answer is given by a GET
unless the person has agreed to the same before. Source: PROTOCOL 2.e, steps 2 and 3; RFC 9126, section 4; SECURITY
I12, TH-49, TH-50.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, redirect, request, url_for
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from node.core.audit import Act
from node.core.errors import NodeError, StepUp
from node.core.http.context import ground
from node.core.http.guards import OPEN_DOORS, guarded
from node.core.http.rendering import page
from node.identity import browser
from node.identity.services.sessions import LiveSession
from node.provider.services import clients, grants
from node.provider.services.clients import Client
from node.spaces.services import reading as spaces

FOUND_ELSEWHERE = 303

OPEN_DOORS.update(
    {"provider.authorize": "a partner's page sends people of ours here; who is nobody signs in first"}
)

web = Blueprint("provider", __name__)


class NoRequest(NodeError):
    """A request that no client has pushed, or that is over."""

    status, title = 400, _("This sign-in is over")

    def __init__(self, cause: str) -> None:
        super().__init__(
            _("This sign-in took too long, or was begun elsewhere. Go back to the page and start again."),
            cause,
        )


@web.get("/oauth/authorize")
def authorize() -> str | Response:
    """Where a partner's page sends somebody of ours: signs in first, agrees once, goes back with a code."""
    client, asked = _asked(request.args)
    live = browser.here().live
    if live is None:
        return redirect(url_for("identity.signin", next=_here()), FOUND_ELSEWHERE)
    _check_sign_in(live, asked)
    with ground().database.reading() as db:
        known = grants.consented(db, live.person.id, client.relation.node)
        shared = _shared(db, live, client)
    if set(asked["scope"].split()) <= known:
        return _leave(live, asked, agreed=True)
    return page(
        "provider/consent.html",
        partner=clients.named(client),
        request_uri=request.args["request_uri"],
        client_id=client.relation.node,
        spaces=shared,
        tells_mail="email" in asked["scope"].split()
        and bool(live.person.email and live.sign_in.email_domain),
        person=live.person,
    )


@web.post("/oauth/authorize")
@guarded()
def agree() -> Response:
    """What somebody answers to the question: agreed, or not."""
    live = browser.live()
    client, asked = _asked(request.form)
    _check_sign_in(live, asked)
    agreed = request.form.get("answer") == "yes"
    if agreed:
        with ground().database.writing() as db:
            grants.consent(db, live.person.id, client.relation.node, asked["scope"], ground().clock.now())
            seen = Act("provider.consent", live.person.actor, subject=client.relation.node)
            ground().audit.append(db, seen)
    return _leave(live, asked, agreed=agreed)


def _asked(said: Mapping[str, str]) -> tuple[Client, dict[str, str]]:
    """The client and what it has pushed. Raises NoRequest."""
    now = ground().clock.now()
    client_id, request_uri = said.get("client_id", ""), said.get("request_uri", "")
    with ground().database.reading() as db:
        client = clients.client_of(db, ground(), client_id, now)
        asked = None if client is None else grants.pushed(db, client_id, request_uri, now)
    if client is None or asked is None:
        ground().audit.count_refusal("provider.no-request")
        raise NoRequest(f"{client_id!r} has pushed no {request_uri!r}")
    return client, {**asked, "request_uri": request_uri}


def _check_sign_in(live: LiveSession, asked: Mapping[str, str]) -> None:
    """That the sign-in is as the partner asks. Raises StepUp, which leads to a better one and back."""
    missing = clients.missing(live.sign_in, asked, ground().clock.now())
    if missing:
        refusal = StepUp(_("Your partner asks for another sign-in."), **missing)
        refusal.back = url_for(
            "provider.authorize", client_id=asked["client_id"], request_uri=asked["request_uri"]
        )
        raise refusal


def _shared(db: Session, live: LiveSession, client: Client) -> list[str]:
    """The names of the spaces in which the person meets this partner."""
    mine = spaces.of_person(db, live.person.actor)
    shares = spaces.shares(db, [each.id for each in mine])
    node = client.relation.node
    return [each.name for each in mine if any(share.organisation.node == node for share in shares[each.id])]


def _leave(live: LiveSession, asked: Mapping[str, str], *, agreed: bool) -> Response:
    """Back to the partner with the answer; a request is answered once."""
    from node.provider.services.server import server_of  # brings Authlib along

    with ground().database.writing() as db:
        if not grants.take(db, asked["request_uri"]):
            raise NoRequest("the request was answered meanwhile")
    address = server_of(ground()).answer(asked, live.person if agreed else None, live.id)
    # `form-action` of our page knows ourselves alone: a redirect after the form would be blocked; a refresh is none.
    fields = {"Refresh": f"0; url={address}", "Cache-Control": "no-store"}
    return Response(address, content_type="text/plain", headers=fields)


def _here() -> str:
    said = request.args
    return url_for(
        "provider.authorize", client_id=said.get("client_id", ""), request_uri=said.get("request_uri", "")
    )
