"""The JSON API of spaces: what one is in, who reads there, who comes and goes, what partners offer."""

# mypy: allow-untyped-decorators
# flask-smorest has no types.

from __future__ import annotations

from typing import Any

from node.core.http.api import Blueprint
from node.core.http.context import ground
from node.core.http.guards import guarded, viewer
from node.spaces import audience as readers
from node.spaces.audience import Reader
from node.spaces.roles import Role
from node.spaces.services import forks, reading, requests, sharing
from node.spaces.services import spaces as use
from node.spaces.services.spaces import By
from schemas.api import spaces as shapes

api = Blueprint("api_spaces", __name__, url_prefix="/api/v1", description="Spaces, members, invitations")


@api.get("/spaces")
@guarded(scope="spaces:read")
@api.response(200, shapes.Space(many=True))
def spaces() -> list[dict[str, Any]]:
    """The spaces that one is in."""
    with ground().database.reading() as session:
        found = reading.of_person(session, viewer().actor)
        there = reading.shares(session, [each.id for each in found])
        return [_space(each, there.get(each.id, [])) for each in found]


@api.post("/spaces")
@guarded(scope="spaces:write")
@api.arguments(shapes.NewSpace)
@api.response(201, shapes.Key)
def new(space: dict[str, Any]) -> dict[str, str]:
    """A new space, with oneself as its manager."""
    return {"key": use.create(ground(), _by(), space["name"], space["purpose"])}


@api.get("/spaces/<key>")
@guarded(scope="spaces:read")
@api.response(200, shapes.Space)
def space(key: str) -> dict[str, Any]:
    """One space."""
    with ground().database.reading() as session:
        found = reading.seen(session, key, viewer().actor)
        return _space(found, reading.shares(session, [found.id]).get(found.id, []))


@api.get("/spaces/<key>/members")
@guarded(scope="spaces:read")
@api.response(200, shapes.Member(many=True))
def members(key: str) -> list[dict[str, Any]]:
    """Who is in."""
    with ground().database.reading() as session:
        found = reading.seen(session, key, viewer().actor)
        listed = readers.audience(session, ground(), found.id)
        there = reading.shares(session, [found.id]).get(found.id, [])
        names = {each.organisation.node: each.organisation.name for each in there}
        return [_member(each, names) for each in (*listed.people, *listed.apart)]


@api.get("/spaces/<key>/audience")
@guarded(scope="spaces:read")
@api.response(200, shapes.Audience)
def audience(key: str) -> dict[str, Any]:
    """Who reads what is said now, and the token that holds a post to it (`If-Match`)."""
    with ground().database.reading() as session:
        found = reading.seen(session, key, viewer().actor)
        listed = readers.audience(session, ground(), found.id)
        names = {each.node: each.name for each in listed.organisations}
        return {
            "token": readers.stamped(listed.token, ground().clock.now()),
            "people": [_member(each, names) for each in listed.people],
            "organisations": [
                {
                    "node": each.node,
                    "name": each.name,
                    "people": sum(reader.node == each.node for reader in listed.people),
                }
                for each in listed.organisations
            ],
        }


@api.post("/spaces/<key>/members")
@guarded(scope="spaces:write")
@api.arguments(shapes.NewMember)
@api.response(204)
def add_member(member: dict[str, Any], key: str) -> None:
    """Takes in a colleague."""
    use.add_member(ground(), _by(), key, member["person"])


@api.patch("/spaces/<key>/members/<person>")
@guarded(scope="spaces:write")
@api.arguments(shapes.RoleOf)
@api.response(204)
def set_role(change: dict[str, Any], key: str, person: str) -> None:
    """Makes somebody manager, or member again."""
    use.give_role(ground(), _by(), key, person, Role(change["role"]))


@api.delete("/spaces/<key>/members/<person>")
@guarded(scope="spaces:write")
@api.response(204)
def remove_member(key: str, person: str) -> None:
    """Takes somebody out."""
    use.remove(ground(), _by(), key, person)


@api.post("/spaces/<key>/join")
@guarded(scope="spaces:write")
@api.response(202)
def join(key: str) -> None:
    """Enters a partner's space that the house has accepted; one is in when its host says so."""
    use.join(ground(), _by(), key)


@api.post("/spaces/<key>/leave")
@guarded(scope="spaces:write")
@api.response(202)
def leave(key: str) -> None:
    """Leaves a space."""
    use.leave(ground(), _by(), key)


@api.get("/spaces/<key>/forks")
@guarded(scope="spaces:read")
@api.response(200, shapes.RosterFork(many=True))
def forked(key: str) -> list[forks.Fork]:
    """Proofs that the host of the space has shown different rosters: both, as it signed them."""
    with ground().database.reading() as session:
        space = reading.seen(session, key, viewer().actor)
        return forks.evidence(session, space.id)


@api.get("/spaces/<key>/requests")
@guarded(scope="spaces:read")
@api.response(200, shapes.JoinRequest(many=True))
def asking(key: str) -> list[requests.Request]:
    """Who asks to come in, at most 100, who asked first comes first; for managers."""
    with ground().database.reading() as session:
        return requests.listed(session, ground(), key, _by())


@api.post("/spaces/<key>/requests/<asked>")
@guarded(scope="spaces:write")
@api.arguments(shapes.RequestAnswer)
@api.response(204)
def answer_request(said: dict[str, Any], key: str, asked: str) -> None:
    """Lets somebody in, or declines."""
    requests.answer(ground(), _by(), key, asked, accept=said["accept"])


@api.get("/spaces/<key>/invitations")
@guarded(scope="spaces:read")
@api.response(200, shapes.SentInvitation(many=True))
def sent(key: str) -> list[sharing.Sent]:
    """To whom the space was offered, and how far its past is told."""
    with ground().database.reading() as session:
        return sharing.sent(session, reading.seen(session, key, viewer().actor))


@api.post("/spaces/<key>/invitations")
@guarded(scope="spaces:write")
@api.arguments(shapes.NewInvitation)
@api.response(202)
def share(offer: dict[str, Any], key: str) -> None:
    """Offers the space to a partner."""
    sharing.share(ground(), _by(), key, offer["partner"], offer["history"], offer["history_from"])


@api.delete("/spaces/<key>/organisation")
@guarded("admin", scope="spaces:write")
@api.response(202)
def leave_as_organisation(key: str) -> None:
    """Takes the whole house out of a partner's space."""
    sharing.leave_as_organisation(ground(), _by(), key)


@api.delete("/spaces/<key>/organisations/<partner>")
@guarded(scope="spaces:write")
@api.response(202)
def remove_organisation(key: str, partner: str) -> None:
    """Takes a partner's organisation out of a space, all its people with it; `partner`: key of the relation."""
    sharing.remove_partner(ground(), _by(), key, partner)


@api.get("/invitations")
@guarded("admin", scope="spaces:read")
@api.response(200, shapes.OfferedSpace(many=True))
def offered() -> list[dict[str, Any]]:
    """The spaces that partners offer the house."""
    with ground().database.reading() as session:
        return [_offer(each) for each in reading.offered(session)]


@api.post("/invitations/<key>")
@guarded("admin", scope="spaces:write")
@api.arguments(shapes.OfferAnswer)
@api.response(202)
def answer(said: dict[str, Any], key: str) -> None:
    """Accepts such a space for the house, or declines it."""
    sharing.answer(ground(), _by(), key, accept=said["accept"])


@api.get("/joinable")
@guarded(scope="spaces:read")
@api.response(200, shapes.OfferedSpace(many=True))
def joinable() -> list[dict[str, Any]]:
    """The spaces of partners that one may join."""
    with ground().database.reading() as session:
        return [_offer(each) for each in reading.joinable(session, viewer().actor)]


def _by() -> By:
    who = viewer()
    return By(who.actor, who.sign_in)


def _member(reader: Reader, names: dict[str, str]) -> dict[str, Any]:
    return {
        "key": reader.key,
        "id": reader.iri,
        "name": reader.name,
        "handle": reader.handle,
        "organisation": {"node": reader.node, "name": names.get(reader.node, "")},
        "role": reader.role.value,
        "since": reader.since,
    }


def _space(found: reading.SpaceSeen, there: list[reading.Share]) -> dict[str, Any]:
    return {
        "key": found.key,
        "id": found.iri,
        "name": found.name,
        "purpose": found.purpose,
        "hosted": found.hosted,
        "host": found.host,
        "role": found.role.value,
        "rev": found.rev,
        "history_from": found.history_from,
        "organisations": [
            {"node": each.organisation.node, "name": each.organisation.name, "people": each.count}
            for each in there
        ],
    }


def _offer(offer: reading.Offer) -> dict[str, Any]:
    return {
        "key": offer.key,
        "space": offer.space_key,
        "name": offer.name,
        "purpose": offer.purpose,
        "host": {"node": offer.host.node, "name": offer.host.name},
        "at": offer.at,
        "state": offer.state,
        "history_from": offer.history_from,
    }
