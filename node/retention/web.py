"""Pages of retention: the ledger, one recall, its letter; legal holds.

Rule: an author sees what was called back of his or hers, an administrator all. Source: PRODUCT B11; PROTOCOL 2.f.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from node.core.errors import Invalid
from node.core.http import shown
from node.core.http.context import ground
from node.core.http.guards import Viewer, guarded, viewer
from node.core.http.rendering import page
from node.identity.services.identity import identity_of
from node.retention import present
from node.retention.services import holds, ledger
from node.retention.services.ledger import Recalled
from node.spaces.present import Looks
from node.spaces.web import read_form, sentences
from node.threads.services import spots
from schemas.forms.retention import PlaceHold

FOUND_ELSEWHERE = 303
UNPROCESSABLE = 422

web = Blueprint("retention", __name__)


@web.get("/recalls")
@guarded()
def recalls() -> str:
    """The ledger: what was called back, and who has erased it."""
    before = request.args.get("before", "")
    place = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None
    with ground().database.reading() as session:
        found = ledger.page(session, author=_author(), before=place)
        looks = Looks(session, ground())
        listed = found[: ledger.A_PAGE]
        older = url_for("retention.recalls", before=listed[-1].id) if len(found) > ledger.A_PAGE else ""
        newer = "" if place is None else url_for("retention.recalls")
        return page(
            "retention/list.html",
            recalls=[present.recall(looks, each) for each in listed],
            everybody=_author() is None,
            runs=[present.run(looks, each) for each in ledger.runs(session)] if _author() is None else [],
            next=shown.Next(newer, older),
        )


@web.get("/recalls/<key>")
@guarded()
def recall(key: str) -> str:
    """What became of one message that was called back, organisation by organisation."""
    with ground().database.reading() as session:
        return _recall_page(session, ledger.one(session, key, author=_author()))


@web.get("/posts/<key>/recalled")
@guarded()
def of_post(key: str) -> str:
    """The same, by the tombstone."""
    with ground().database.reading() as session:
        return _recall_page(session, ledger.of_post(session, key, author=_author()))


@web.get("/recalls/<key>/letter")
@guarded()
def letter(key: str) -> str:
    """The same as a letter, to be printed or saved."""
    with ground().database.reading() as session:
        seen = ledger.one(session, key, author=_author())
        return page(
            "retention/letter.html",
            recall=present.recall(Looks(session, ground()), seen),
            house=ground().settings.organisation,
            now=ground().clock.now(),
        )


@web.get("/recalls/<key>/receipts")
@guarded()
def receipts(key: str) -> Response:
    """The signed receipts, to be verified elsewhere."""
    with ground().database.reading() as session:
        seen = ledger.one(session, key, author=_author())
    lines = "".join(f"{each.document}\n" for each in seen.answers if each.document)
    answer = Response(lines, content_type="application/x-ndjson")
    answer.headers["Content-Disposition"] = f"attachment; filename=receipts-{seen.key}.ndjson"
    return answer


@web.get("/admin/retention/<key>")
@guarded("admin")
def run(key: str) -> Response:
    """The signed receipt of a run of retention, with the ids that ours counted."""
    with ground().database.reading() as session:
        found = ledger.run(session, key)
    said = json.dumps({"receipt": json.loads(found.receipt), "ids": list(found.ids)}, ensure_ascii=False)
    answer = Response(said, content_type="application/json")
    answer.headers["Content-Disposition"] = f"attachment; filename=retention-{found.key}.json"
    return answer


@web.get("/admin/holds")
@guarded("admin")
def all_holds() -> str:
    """Legal holds, and the form for a new one."""
    return _holds_page()


@web.post("/admin/holds")
@guarded("admin")
def place_hold() -> AnyResponse | tuple[str, int]:
    """Places a hold on a space, a discussion or a message, given by its address."""
    values, errors = read_form(PlaceHold())
    if errors:
        return _holds_page(values, errors), UNPROCESSABLE
    with ground().database.reading() as session:
        spot = spots.at_address(session, values["on"])
    if spot is None:
        return _holds_page(values, {"on": _("There is nothing at this address.")}), UNPROCESSABLE
    try:
        holds.place(
            ground(),
            viewer().actor,
            spot,
            basis=values["basis"],
            reference=values["reference"],
            review_by=values["review_by"],
        )
    except Invalid as refusal:
        return _holds_page(values, sentences(refusal)), UNPROCESSABLE
    return redirect(url_for("retention.all_holds"), FOUND_ELSEWHERE)


@web.post("/admin/holds/<key>/release")
@guarded("admin")
def release_hold(key: str) -> AnyResponse:
    """Ends a hold; what only it kept is erased."""
    holds.release(ground(), viewer().actor, key)
    return redirect(url_for("retention.all_holds"), FOUND_ELSEWHERE)


def navigation(who: Viewer) -> Iterable[shown.NavItem]:
    """The entries of the left column, for administrators."""
    if "admin" in who.roles:
        yield shown.NavItem(
            "recalls", _("Called back"), url_for("retention.recalls"), "undo-2", "r", dock=False
        )
        yield shown.NavItem(
            "holds", _("Legal holds"), url_for("retention.all_holds"), "gavel", "", dock=False
        )


def _author() -> int | None:
    return ledger.whose(viewer().roles, viewer().person_id)


def _recall_page(session: Session, seen: Recalled) -> str:
    return page("retention/recall.html", recall=present.recall(Looks(session, ground()), seen))


def _holds_page(values: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None) -> str:
    with ground().database.reading() as session:
        found = holds.everything(session)
        looks = Looks(session, ground())
        named = identity_of(ground()).people.of_actors(session, {each.by for each in found})
        people = {iri: each.name for iri, each in named.items()}
        return page(
            "retention/holds.html",
            holds=[present.hold(looks, each, people) for each in found],
            values=values or {},
            errors=errors or {},
        )
