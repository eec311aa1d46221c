"""An actor as its node introduces it: a person or a space, with its keys (PROTOCOL 2.j).

Rule: unknown members are left alone, since the proof covers the whole document; a key is the actor's own by
its `controller` and by its id, or the whole is refused. Source: ActivityPub 4.1; FEP-521a; SECURITY A10.
"""

from __future__ import annotations

from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate, validates_schema

from schemas.objections import objections

MAX_NAME_CHARS = 255
MAX_IRI_CHARS = 2048
MAX_KEYS = 64  # old ones stay, for what they proved

_iri = validate.Length(min=1, max=MAX_IRI_CHARS)
_name = validate.Length(min=1, max=MAX_NAME_CHARS)
_moment = validate.Regexp(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")


class Key(Schema):
    """One key: a Multikey of Ed25519, with when it ends where that is known (UTC, whole seconds)."""

    class Meta:
        unknown = INCLUDE

    id = fields.String(required=True, validate=_iri)
    type = fields.String(required=True, validate=validate.Equal("Multikey"))
    controller = fields.String(required=True, validate=_iri)
    public = fields.String(
        required=True,
        data_key="publicKeyMultibase",
        validate=validate.Regexp(r"z6Mk[1-9A-HJ-NP-Za-km-z]{44}\Z"),
    )
    expires = fields.String(validate=_moment)
    revoked = fields.String(validate=_moment)
    compromised_since = fields.String(data_key="compromisedSince", validate=_moment)


class Actor(Schema):
    """What must hold of a document before anything of it is learned."""

    class Meta:
        unknown = INCLUDE

    context = fields.Raw(required=True, data_key="@context")
    id = fields.String(required=True, validate=_iri)
    name = fields.String(required=True, validate=_name)
    username = fields.String(data_key="preferredUsername", validate=_name)
    keys = fields.List(
        fields.Nested(Key),
        required=True,
        data_key="assertionMethod",
        validate=validate.Length(min=1, max=MAX_KEYS),
    )

    @validates_schema
    def _owns_its_keys(self, actor: dict[str, Any], **_: object) -> None:
        ids = [key["id"] for key in actor["keys"]]
        foreign = any(key["controller"] != actor["id"] for key in actor["keys"])
        if foreign or any(name.partition("#")[0] != actor["id"] or "#" not in name for name in ids):
            raise ValidationError("A key belongs to another.", "assertionMethod")
        if len(set(ids)) < len(ids):
            raise ValidationError("Two keys have one id.", "assertionMethod")


_actor = Actor()


def objections_to_actor(document: dict[str, Any]) -> str:
    """What is wrong with `document` as an actor, in one sentence; "" when nothing is."""
    return objections(_actor, document)
