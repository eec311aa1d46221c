"""The JSON API of partners: every step that a page has."""

# mypy: allow-untyped-decorators
# flask-smorest has no types.

from __future__ import annotations

from datetime import date
from typing import Any

from node.core.http.api import Blueprint
from node.core.http.context import ground
from node.core.http.guards import guarded, viewer
from node.core.http.rendering import language
from node.relations.services import health, terms
from node.relations.services.desk import By
from node.relations.services.partners import Confirmed, Ending, Partner, Version
from node.relations.services.relations import Relations, relations_of
from node.relations.services.words import words
from schemas.api import relations as shapes

api = Blueprint(
    "api_relations", __name__, url_prefix="/api/v1", description="Partners, their charters, how they run"
)

READ, ADMIN = "relations:read", "relations:admin"


@api.get("/relations")
@guarded(scope=READ)
@api.response(200, shapes.Relations)
def relations() -> dict[str, Any]:
    """Partners; for administrators also open invitations and relations that have ended."""
    found = _relations().everybody()
    if "admin" not in viewer().roles:
        found = [each for each in found if each.state in {"in-force", "suspended", "terminating"}]
    return {"items": [_line(each) for each in found]}


@api.get("/relations/<key>")
@guarded("admin", scope=READ)
@api.response(200, shapes.Relation)
def relation(key: str) -> dict[str, Any]:
    """All of one partner. The digits that the other side reads aloud are null until they were typed."""
    return _shape(_relations().partner(key))


@api.post("/relations/invitations")
@guarded("admin", scope=ADMIN)
@api.arguments(shapes.NewInvite)
@api.response(201, shapes.Invitation)
def invite(new: dict[str, Any]) -> dict[str, Any]:
    """Makes an invitation. 409 with `alike` when the host looks like a known one."""
    made = _relations().invite(
        _by(),
        host=new["host"],
        purpose=new["purpose"],
        contract=new["contract"],
        is_another=new["isAnother"],
    )
    return {"key": made.key, "link": made.link, "expiresAt": made.expires}


@api.delete("/relations/invitations/<key>")
@guarded("admin", scope=ADMIN)
@api.response(204)
def cancel(key: str) -> None:
    """Ends an invitation that nobody has used."""
    _relations().cancel(key, _by())


@api.post("/relations/acceptances")
@guarded("admin", scope=ADMIN)
@api.arguments(shapes.Acceptance)
@api.response(201, shapes.Relation)
def accept(new: dict[str, Any]) -> dict[str, Any]:
    """Accepts the invitation of another company. 503 when its node does not answer."""
    return _shape(_relations().accept(new["link"], _by()))


@api.put("/relations/<key>/confirmation")
@guarded("admin", scope=ADMIN)
@api.arguments(shapes.Confirmation)
@api.response(200, shapes.Relation)
def confirm(new: dict[str, Any], key: str) -> dict[str, Any]:
    """Confirms the fingerprint with the groups that the other administrator read aloud."""
    typed = {int(number): digits for number, digits in new["groups"].items()}
    return _shape(_relations().confirm(key, typed, new["channel"], _by()))


@api.delete("/relations/<key>/confirmation")
@guarded("admin", scope=ADMIN)
@api.response(204)
def differs(key: str) -> None:
    """The digits differ: the relation ends here."""
    _relations().differs(key, _by())


@api.put("/relations/<key>/offer")
@guarded("admin", scope=ADMIN)
@api.arguments(shapes.NewOffer)
@api.response(200, shapes.Relation)
def propose(new: dict[str, Any], key: str) -> dict[str, Any]:
    """Proposes a charter, or another one in answer to theirs."""
    choices = terms.Choices(
        purpose=new["purpose"],
        contract=new["contract"],
        new_spaces=new["newSpaces"],
        onward=new["onward"],
        keep_ours=new["keepOurs"],
        keep_theirs=new["keepTheirs"],
        ends=new["ends"],
    )
    return _shape(_relations().propose(key, choices, _by()))


@api.delete("/relations/<key>/offer")
@guarded("admin", scope=ADMIN)
@api.response(200, shapes.Relation)
def end_offer(key: str) -> dict[str, Any]:
    """Withdraws the open offer when it is ours, declines it when it is theirs."""
    found, by = _relations().partner(key), _by()
    ours = found.offer is not None and found.offer.by_us
    return _shape(_relations().withdraw(key, by) if ours else _relations().decline(key, by))


@api.put("/relations/<key>/agreement")
@guarded("admin", scope=ADMIN)
@api.arguments(shapes.Agree)
@api.response(200, shapes.Relation)
def agree(new: dict[str, Any], key: str) -> dict[str, Any]:
    """Agrees to their offer, named by the digest of its text; 409 when it is another text by now."""
    return _shape(_relations().agree(key, new["digest"], _by(), new["approvers"]))


@api.get("/relations/<key>/versions")
@guarded("admin", scope=READ)
@api.response(200, shapes.Versions)
def versions(key: str) -> dict[str, Any]:
    """Every version of the agreement that holds or once held, each with its whole text."""
    return {"items": [_version(each) for each in _relations().partner(key).versions]}


@api.put("/relations/<key>/suspension")
@guarded("admin", scope=ADMIN)
@api.arguments(shapes.Suspend)
@api.response(200, shapes.Relation)
def suspend(new: dict[str, Any], key: str) -> dict[str, Any]:
    """Suspends: nothing but control passes from now, both ways. 409 when we have suspended it already."""
    return _shape(_relations().suspend(key, new["reason"], new["language"], _by()))


@api.delete("/relations/<key>/suspension")
@guarded("admin", scope=ADMIN)
@api.response(200, shapes.Relation)
def resume(key: str) -> dict[str, Any]:
    """Takes our suspension back. 409 when it is theirs: only who suspended resumes."""
    return _shape(_relations().resume(key, _by()))


@api.put("/relations/<key>/stops")
@guarded("admin", scope=ADMIN)
@api.arguments(shapes.Stops)
@api.response(200, shapes.Relation)
def stop(new: dict[str, Any], key: str) -> dict[str, Any]:
    """Stops these spaces, by their addresses, and no others by our will; nothing passes in them, both ways."""
    return _shape(_relations().stop(key, new["spaces"], _by()))


@api.put("/relations/<key>/end")
@guarded("admin", scope=ADMIN)
@api.arguments(shapes.End)
@api.response(200, shapes.Relation)
def end(new: dict[str, Any], key: str) -> dict[str, Any]:
    """Gives notice, or ends the relation now. This can't be taken back."""
    return _shape(
        _relations().end(
            key,
            on=new["on"],
            disposition=new["disposition"],
            reason=new["reason"],
            language=new["language"],
            by=_by(),
        )
    )


@api.post("/relations/<key>/retry")
@guarded("admin", scope=ADMIN)
@api.response(200, shapes.Relation)
def retry(key: str) -> dict[str, Any]:
    """Tries again at once what had stopped: delivery to the partner, and lines of theirs that failed here."""
    return _shape(_relations().retry(key, _by()))


@api.put("/relations/<key>/register")
@guarded("admin", scope=ADMIN)
@api.arguments(shapes.RegisterChange)
@api.response(200, shapes.Relation)
def register(change: dict[str, Any], key: str) -> dict[str, Any]:
    """What our own register says: whom to call, when to look again."""
    return _shape(_relations().register(key, _by(), contact=change["contact"], review_on=change["reviewOn"]))


def _relations() -> Relations:
    return relations_of(ground())


def _by() -> By:
    return By(viewer().actor, viewer().name)


def _line(partner: Partner) -> dict[str, Any]:
    return {
        "key": partner.key,
        "id": partner.node if partner.id else "",
        "name": partner.name,
        "host": partner.host,
        "state": partner.state,
        "ourTurn": partner.our_turn,
    }


def _shape(partner: Partner) -> dict[str, Any]:
    offer = partner.offer
    return {
        **_line(partner),
        "createdAt": partner.created_at,
        "expiresAt": partner.expires,
        "purpose": partner.purpose,
        "contract": partner.contract,
        "contact": partner.contact,
        "reviewOn": partner.review_on,
        "groups": [
            {"number": each.number, "digits": each.digits or None, "readBy": each.read_by}
            for each in partner.groups
        ],
        "words": words(partner.uncovered, language()) if partner.uncovered else [],
        "confirmedHere": _confirmed(partner.ours),
        "confirmedThere": _confirmed(partner.theirs),
        "offer": {
            **_terms(offer.terms),
            "accepted": offer.accepted,
            "differences": _differences(partner),
            "byUs": offer.by_us,
            "offeredAt": offer.at,
            "openUntil": offer.ends,
        }
        if offer
        else None,
        "agreement": _terms(partner.agreement) if partner.agreement else None,
        "suspensions": [
            {"byUs": each.by_us, "at": each.at, "reason": each.why, "language": each.language}
            for each in partner.stops
        ],
        "stoppedSpaces": [
            {"space": space, "byUs": side == "us"}
            for side, spaces in partner.spaces_stopped.items()
            for space in spaces
        ],
        "ending": _ending(partner.ending),
        "endedAt": partner.ended_at,
        "health": _health(partner),
        "note": partner.note,
        "pending": partner.waits,
    }


def _version(version: Version) -> dict[str, Any]:
    return {
        **_terms(version.terms),
        "offeredByUs": version.offered_by_us,
        "approvers": list(version.approvers),
        "inForceAt": version.in_force_at,
        "replacedAt": version.replaced_at,
    }


def _differences(partner: Partner) -> list[dict[str, Any]]:
    if partner.agreement is None or partner.offer is None:
        return []
    found = terms.compare(partner.agreement, partner.offer.terms)
    return [
        {
            "name": each.name,
            "before": _plain(each.before),
            "after": _plain(each.after),
            "effect": each.effect,
        }
        for each in found
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _ending(ending: Ending | None) -> dict[str, Any] | None:
    if ending is None:
        return None
    return {
        "byUs": ending.by_us,
        "at": ending.noticed_at,
        "endsAt": ending.at,
        "reason": ending.why,
        "language": ending.language,
        "disposition": ending.disposition,
    }


def _confirmed(confirmed: Confirmed | None) -> dict[str, Any] | None:
    if confirmed is None:
        return None
    return {"by": confirmed.by, "at": confirmed.at, "channel": confirmed.channel}


def _terms(agreement: terms.Terms) -> dict[str, Any]:
    return {
        "digest": agreement.digest,
        "version": agreement.version,
        "purpose": agreement.purpose,
        "contract": agreement.contract,
        "spaces": list(agreement.spaces),
        "newSpaces": "by-invite" if agreement.new_spaces else "none",
        "onward": "allowed" if agreement.onward else "none",
        "keepOurs": agreement.keep_ours,
        "keepTheirs": agreement.keep_theirs,
        "starts": agreement.starts,
        "ends": agreement.ends,
        "document": dict(agreement.document),
    }


def _health(partner: Partner) -> dict[str, Any] | None:
    found = health.of(ground(), partner)
    if found is None:
        return None
    return {
        "delivery": found.state,
        "queued": found.queued,
        "oldestQueuedAt": found.oldest,
        "lastSentAt": found.last_out,
        "lastReceivedAt": found.last_in,
        "failures": found.failures,
        "nextAttemptAt": found.next_attempt,
        "reason": found.reason,
        "clockSkewSeconds": found.skew_s,
        "disputedAt": found.disputed,
        "held": found.held,
        "givenUp": found.quarantined,
    }
