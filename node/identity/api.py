"""The JSON API of identity: oneself, and for administrators the people of the organisation."""

# mypy: allow-untyped-decorators
# flask-smorest has no types.

from __future__ import annotations

from typing import Any

from node.core.http.api import Blueprint
from node.core.http.context import ground
from node.core.http.guards import guarded, viewer
from node.identity.devices import device_of
from node.identity.services.identity import Identity, identity_of
from node.identity.services.keys import keys_of
from node.identity.services.people import Person, Role
from schemas.api import identity as shapes

api = Blueprint("api_identity", __name__, url_prefix="/api/v1", description="People, sessions and tokens")


@api.get("/me")
@guarded(scope="me:read")
@api.response(200, shapes.Me)
def me() -> dict[str, Any]:
    """Who asks."""
    return _me(_person(viewer().person_id))


@api.patch("/me")
@guarded(scope="me:write")
@api.arguments(shapes.MyChange)
@api.response(200, shapes.Me)
def change_me(change: dict[str, Any]) -> dict[str, Any]:
    """Language and theme of the pages."""
    return _me(_identity().prefer(viewer().person_id, **change))


@api.get("/me/sessions")
@guarded(scope="me:read")
@api.response(200, shapes.Session(many=True))
def sessions() -> list[dict[str, Any]]:
    """Where one is signed in."""
    with ground().database.reading() as db:
        live = _identity().sessions.of_person(db, viewer().person_id, ground().clock.now())
    return [
        {
            "key": each.id,
            "device": device_of(each.user_agent),
            "createdAt": each.created_at,
            "seenAt": each.seen_at,
        }
        for each in live
    ]


@api.delete("/me/sessions/<int:key>")
@guarded(scope="me:write")
@api.response(204)
def end_session(key: int) -> None:
    """Signs a browser out."""
    _identity().end_session(_person(viewer().person_id), key)


@api.get("/me/tokens")
@guarded(scope="me:read")
@api.response(200, shapes.Token(many=True))
def tokens() -> list[dict[str, Any]]:
    """One's tokens, without their secrets."""
    with ground().database.reading() as db:
        live = _identity().tokens.of_person(db, viewer().person_id, ground().clock.now())
    return [
        {
            "key": each.id,
            "name": each.name,
            "scopes": list(each.scopes),
            "createdAt": each.created_at,
            "expiresAt": each.expires_at,
            "usedAt": each.used_at,
        }
        for each in live
    ]


@api.delete("/me/tokens/<int:key>")
@guarded(scope="me:write")
@api.response(204)
def end_token(key: int) -> None:
    """Ends a token at once."""
    _identity().end_token(_person(viewer().person_id), key)


@api.get("/people")
@guarded(scope="people:read")
@api.arguments(shapes.PeopleQuery, location="query")
@api.response(200, shapes.PeoplePage)
def people(query: dict[str, Any]) -> dict[str, Any]:
    """The people of this organisation, by handle; those who left are marked as disabled."""
    with ground().database.reading() as db:
        found = _identity().people.everybody(db, after=query["after"], limit=query["limit"] + 1)
    page, more = found[: query["limit"]], len(found) > query["limit"]
    return {"items": [_shape(each) for each in page], "next": page[-1].preferred_username if more else None}


@api.post("/people")
@guarded("admin", scope="people:admin")
@api.arguments(shapes.NewPerson)
@api.response(201, shapes.Invited)
def invite(new: dict[str, Any]) -> dict[str, Any]:
    """Makes a built-in account; its person sets the password through the one-time link."""
    person, secret = _identity().add_person(
        new["name"], Role(new["role"]), handle=new["preferredUsername"], by=viewer().actor
    )
    return {"person": _shape(person), "link": link_of(secret)}


@api.get("/people/<key>")
@guarded(scope="people:read")
@api.response(200, shapes.Person)
def person(key: str) -> dict[str, Any]:
    """One person."""
    return _shape(_by_key(key))


@api.patch("/people/<key>")
@guarded("admin", scope="people:admin")
@api.arguments(shapes.PersonChange)
@api.response(200, shapes.Person)
def change_person(change: dict[str, Any], key: str) -> dict[str, Any]:
    """Gives a role, closes an account or opens it again; a closed one loses every session and token at once."""
    identity, by = _identity(), viewer().actor
    found = _by_key(key)
    if "role" in change:
        found = identity.give_role(found.id, Role(change["role"]), by=by)
    if "disabled" in change:
        act = identity.disable if change["disabled"] else identity.enable
        found = act(found.id, by=by)
    return _shape(found)


@api.post("/people/<key>/link")
@guarded("admin", scope="people:admin")
@api.response(201, shapes.Link)
def new_link(key: str) -> dict[str, Any]:
    """A new one-time link to set the password of a built-in account; older ones end."""
    return {"link": link_of(_identity().password_link(_by_key(key).id, by=viewer().actor))}


@api.get("/keys")
@guarded("admin", scope="people:admin")
@api.response(200, shapes.NodeKey(many=True))
def node_keys() -> list[dict[str, Any]]:
    """The keys of this node, the one that signs first, with what each partner was told."""
    return [
        {
            "id": key.id,
            "state": key.state,
            "publicKeyMultibase": key.public,
            "fingerprint": key.fingerprint,
            "createdAt": key.created_at,
            "beganAt": key.began_at,
            "endsAt": key.ends,
            "compromisedSince": key.compromised,
            "notices": [
                {
                    "node": each.node,
                    "name": each.name,
                    "word": each.word,
                    "state": each.state,
                    "saidAt": each.said_at,
                    "confirmedAt": each.confirmed_at,
                    "problem": each.problem,
                }
                for each in key.notices
            ],
        }
        for key in keys_of(ground()).listed()
    ]


def link_of(secret: str) -> str:
    """The address of a one-time link."""
    return f"{ground().settings.origin}/welcome/{secret}"


def _identity() -> Identity:
    return identity_of(ground())


def _person(person_id: int) -> Person:
    with ground().database.reading() as db:
        return _identity().people.get(db, person_id)


def _by_key(key: str) -> Person:
    with ground().database.reading() as db:
        return _identity().people.by_wire_id(db, key)


def _shape(person: Person) -> dict[str, Any]:
    return {
        "id": person.actor,
        "key": person.wire_id,
        "name": person.name,
        "preferredUsername": person.preferred_username,
        "role": person.role,
        "createdAt": person.created_at,
        "disabled": person.disabled_at is not None,
    }


def _me(person: Person) -> dict[str, Any]:
    scopes = viewer().scopes
    told = {} if scopes is None else {"scopes": sorted(scopes)}
    return {**_shape(person), "language": person.language, "theme": person.theme, **told}
