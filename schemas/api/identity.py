"""Oneself, one's sessions and tokens, and the people of the organisation. No mail address is ever told."""

from __future__ import annotations

from marshmallow import Schema
from marshmallow.fields import AwareDateTime, Boolean, Integer, List, Nested, String
from marshmallow.validate import Length, OneOf, Range, Regexp

ROLES = ("member", "admin")
HANDLE = r"[a-z0-9][a-z0-9._-]{0,31}\Z"


class Person(Schema):
    """Someone of this organisation. `id` is the IRI of the actor, `key` the name in addresses of this API."""

    id = String(required=True)
    key = String(required=True)
    name = String(required=True)
    preferredUsername = String(required=True)  # noqa: N815
    role = String(required=True, validate=OneOf(ROLES))
    createdAt = AwareDateTime(required=True)  # noqa: N815
    disabled = Boolean(required=True)


class Me(Person):
    """Who asks, with what he or she prefers; `scopes` only for a token."""

    language = String(required=True)
    theme = String(required=True)
    scopes = List(String())


class MyChange(Schema):
    """What one may change about oneself."""

    language = String(validate=OneOf(["en", "fr"]))
    theme = String(validate=OneOf(["", "light", "dark"]))


class PeoplePage(Schema):
    """People by handle; `next` goes into `after` of the next request, null at the end."""

    items = List(Nested(Person), required=True)
    next = String(required=True, allow_none=True)


class PeopleQuery(Schema):
    """Where to go on."""

    after = String(load_default="", validate=Length(max=64))
    limit = Integer(load_default=100, validate=Range(1, 200))


class NewPerson(Schema):
    """A built-in account to be made."""

    name = String(required=True, validate=Length(1, 120))
    preferredUsername = String(load_default="", validate=Regexp(rf"(?:{HANDLE})?\Z"))  # noqa: N815
    role = String(load_default="member", validate=OneOf(ROLES))


class Link(Schema):
    """A one-time address that sets the password; hand it over on another channel than mail where you can."""

    link = String(required=True)


class Invited(Schema):
    """A new person, and the one-time address."""

    person = Nested(Person, required=True)
    link = String(required=True)


class PersonChange(Schema):
    """What an administrator may change about someone."""

    role = String(validate=OneOf(ROLES))
    disabled = Boolean()


class Session(Schema):
    """A signed-in browser."""

    key = Integer(required=True)
    device = String(required=True)
    createdAt = AwareDateTime(required=True)  # noqa: N815
    seenAt = AwareDateTime(required=True)  # noqa: N815


class Token(Schema):
    """A token as it is known afterwards; its secret is shown once, where it was made."""

    key = Integer(required=True)
    name = String(required=True)
    scopes = List(String(), required=True)
    createdAt = AwareDateTime(required=True)  # noqa: N815
    expiresAt = AwareDateTime(required=True)  # noqa: N815
    usedAt = AwareDateTime(required=True, allow_none=True)  # noqa: N815


class KeyNotice(Schema):
    """What one partner was told of a key: `word` is next, switched or ended; `state` waiting, confirmed or given-up."""

    node = String(required=True)
    name = String(required=True)
    word = String(required=True)
    state = String(required=True)
    saidAt = AwareDateTime(required=True)  # noqa: N815
    confirmedAt = AwareDateTime(required=True, allow_none=True)  # noqa: N815
    problem = String(required=True)


class NodeKey(Schema):
    """A key of this node; `state` is current, next, former, retired or revoked."""

    id = String(required=True)
    state = String(required=True)
    publicKeyMultibase = String(required=True)  # noqa: N815
    fingerprint = String(required=True)
    createdAt = AwareDateTime(required=True)  # noqa: N815
    beganAt = AwareDateTime(required=True, allow_none=True)  # noqa: N815
    endsAt = AwareDateTime(required=True, allow_none=True)  # noqa: N815
    compromisedSince = AwareDateTime(required=True, allow_none=True)  # noqa: N815
    notices = List(Nested(KeyNotice), required=True)
