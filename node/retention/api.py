"""The JSON API of recalls and legal holds."""

# mypy: allow-untyped-decorators
# flask-smorest has no types.

from __future__ import annotations

import json
from typing import Any

from flask_babel import gettext as _

from node.core.errors import Invalid
from node.core.http.api import Blueprint
from node.core.http.context import ground
from node.core.http.guards import guarded, viewer
from node.retention.services import holds, ledger
from node.retention.services.holds import Hold
from node.retention.services.ledger import Recalled
from node.spaces.services import reading as spaces
from node.threads.services import spots
from schemas.api import retention as shapes

api = Blueprint(
    "api_retention", __name__, url_prefix="/api/v1", description="What was called back; legal holds"
)


@api.get("/recalls")
@guarded(scope="posts:read")
@api.arguments(shapes.RecallsFrom, location="query")
@api.response(200, shapes.RecallPage)
def recalls(page: dict[str, Any]) -> dict[str, Any]:
    """What was called back of one's own messages, for an administrator of all; the newest first."""
    with ground().database.reading() as session:
        found = ledger.page(session, author=_author(), before=page["before"])
        items = [_recall(each, spaces.name_of(session, each.space_id)[0]) for each in found[: ledger.A_PAGE]]
    return {"items": items, "before": found[ledger.A_PAGE - 1].id if len(found) > ledger.A_PAGE else None}


@api.get("/recalls/<key>")
@guarded(scope="posts:read")
@api.response(200, shapes.Recall)
def recall(key: str) -> dict[str, Any]:
    """One recall with the signed receipt of each organisation."""
    with ground().database.reading() as session:
        found = ledger.one(session, key, author=_author())
        return _recall(found, spaces.name_of(session, found.space_id)[0])


@api.get("/holds")
@guarded("admin", scope="relations:admin")
@api.response(200, shapes.Holds)
def all_holds() -> dict[str, Any]:
    """Legal holds, those in force first."""
    with ground().database.reading() as session:
        return {"items": [_hold(each) for each in holds.everything(session)]}


@api.post("/holds")
@guarded("admin", scope="relations:admin")
@api.arguments(shapes.NewHold)
@api.response(201, shapes.HoldPlaced)
def place(new: dict[str, Any]) -> dict[str, Any]:
    """Places a hold on a space, a thread or a post, named by the address of its page."""
    with ground().database.reading() as session:
        spot = spots.at_address(session, new["on"])
    if spot is None:
        sentence = _("There is nothing at this address.")
        raise Invalid(sentence, errors={"on": sentence})
    key = holds.place(
        ground(),
        viewer().actor,
        spot,
        basis=new["basis"],
        reference=new["reference"],
        review_by=new["review_by"],
    )
    return {"key": key}


@api.delete("/holds/<key>")
@guarded("admin", scope="relations:admin")
@api.response(200, shapes.HoldReleased)
def release(key: str) -> dict[str, Any]:
    """Ends a hold; what only it kept is erased."""
    return {"erased": holds.release(ground(), viewer().actor, key)}


def _author() -> int | None:
    return ledger.whose(viewer().roles, viewer().person_id)


def _recall(found: Recalled, space: str) -> dict[str, Any]:
    return {
        "key": found.key,
        "activity": found.activity,
        "post": found.post,
        "space": space,
        "author": found.author.name,
        "published": found.published,
        "mode": found.mode,
        "reason": found.reason,
        "at": found.at,
        "deadline": found.deadline,
        "former_digest": found.former_digest,
        "answers": [
            {
                "node": each.node,
                "name": each.name,
                "outcome": each.outcome,
                "at": each.at,
                "basis": each.basis,
                "review_by": each.review_by,
                "residual_until": each.residual_until,
                "receipt": json.loads(each.document) if each.document else None,
            }
            for each in found.answers
        ],
    }


def _hold(found: Hold) -> dict[str, Any]:
    return {
        "key": found.key,
        "on": "post" if found.object else "thread" if found.thread_id else "space",
        "basis": found.basis,
        "reference": found.reference,
        "review_by": found.review_by,
        "at": found.at,
        "released_at": found.released_at,
        "kept": found.kept,
    }
