"""The door for people of partners: who they are at home, they are here.

Rule: partners are never listed; an address is asked for, and what this browser used last is offered. A sign-in starts
by a button, never by a link, and comes back to the page that was asked for.
Source: PROTOCOL 2.e; PRODUCT B17; DECISIONS 28; SECURITY TH-41, TH-42, TH-50.
"""

from __future__ import annotations

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from node.core.errors import Invalid
from node.core.http import forms
from node.core.http.context import ground
from node.core.http.guards import OPEN_DOORS
from node.core.http.rendering import page
from node.identity import browser
from node.identity.services.answers import SignInRefused
from node.identity.services.identity import Browser, identity_of
from node.identity.web import path_of_ours
from node.visitors.services import arriving, partners, visiting
from node.visitors.services.arriving import Pending
from node.visitors.services.partners import UnknownOrganisation
from schemas.forms.visitors import Arrive

PENDING = "visit"
HOME_COOKIE = "parvis-home"
MAX_ADDRESS_CHARS = 254
ONE_YEAR_S = 31_536_000
FOUND_ELSEWHERE = 303

OPEN_DOORS.update(
    {
        "visitors.start": "somebody of a partner names his or her organisation",
        "visitors.callback": "a partner's node sends the browser back here",
    }
)

web = Blueprint("visitors", __name__)


@web.route("/signin/partner", methods=["GET", "POST"])
def start() -> str | Response | tuple[str, int]:
    """Asks for a work address or a handle, and leads to the sign-in of that organisation."""
    if request.method == "GET":
        return page(
            "visitors/start.html",
            errors={},
            values={"address": request.cookies.get(HOME_COOKIE, "")[:MAX_ADDRESS_CHARS]},
            next=path_of_ours(request.args.get("next", "")),
        )
    values, errors = forms.read(Arrive())
    next_path = path_of_ours(values.get("next", ""))
    try:
        with ground().database.reading() as db:
            relation = partners.by_address(db, ground(), "" if errors else values["address"])
    except UnknownOrganisation as unknown:
        return _asked(next_path, values.get("address", ""), unknown)
    address, pending = arriving.begin(ground(), relation, next_path, hint=values["address"])
    browser.here()[PENDING] = pending.as_dict()
    # `form-action` of our page does not know the partner, so a redirect would be blocked; a refresh is none.
    answer = Response(address, content_type="text/plain", headers={"Refresh": f"0; url={address}"})
    answer.set_cookie(
        HOME_COOKIE,
        pending.host,
        max_age=ONE_YEAR_S,
        secure=ground().settings.origin.startswith("https:"),
        httponly=True,
        samesite="Lax",
    )
    return answer


@web.get("/auth/callback/<host:name>")
def callback(name: str) -> Response:
    """Takes the answer of a partner's node, once, in the browser that asked."""
    kept = browser.here().pop(PENDING, None)
    pending = None if kept is None else Pending(**kept)
    try:
        arrived = arriving.finish(ground(), name, request.args.to_dict(flat=False), pending)
    except SignInRefused as refusal:
        identity_of(ground()).refused(refusal.reason)
        raise
    live = browser.here().live
    seen = Browser(
        request.headers.get("User-Agent", ""), request.remote_addr or "", None if live is None else live.id
    )
    browser.here().begin(visiting.arrive(ground(), arrived, seen))
    assert pending is not None  # noqa: S101 -- finish() refuses without one
    return redirect(path_of_ours(pending.next), FOUND_ELSEWHERE)


def _asked(next_path: str, address: str, unknown: UnknownOrganisation) -> tuple[str, int]:
    return page(
        "visitors/start.html",
        errors={"": str(unknown.safe)},
        values={"address": address},
        next=next_path,
    ), Invalid.status
