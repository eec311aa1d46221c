"""The roster of a space: its organisations and its people (PROTOCOL 2.j).

Rule: unknown members are left alone, since the proof covers the whole document; one host, and it stands first;
no organisation twice. Source: PROTOCOL 2.j; DECISIONS 4.
"""

from __future__ import annotations

from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate, validates_schema

from schemas.objections import objections

MAX_NAME_CHARS = 255
MAX_IRI_CHARS = 2048
MAX_NODES = 200
MAX_FORMER = 1_000
MAX_MEMBERS = 10_000
KEY = r"z6Mk[1-9A-HJ-NP-Za-km-z]{44}\Z"

_iri = validate.Length(min=1, max=MAX_IRI_CHARS)


class Node(Schema):
    """One organisation."""

    class Meta:
        unknown = INCLUDE

    node = fields.String(required=True, validate=_iri)
    name = fields.String(required=True, validate=validate.Length(min=1, max=MAX_NAME_CHARS))
    key = fields.String(required=True, validate=validate.Regexp(KEY))
    role = fields.String(required=True, validate=validate.OneOf(["host", "member"]))
    since = fields.String(
        required=True, validate=validate.Regexp(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z\Z")
    )
    stopped = fields.Boolean(truthy={True}, falsy={False})


class FormerNode(Schema):
    """An organisation, or a key of one, that proves what was said before the rev `until`."""

    class Meta:
        unknown = INCLUDE

    node = fields.String(required=True, validate=_iri)
    name = fields.String(required=True, validate=validate.Length(min=1, max=MAX_NAME_CHARS))
    key = fields.String(required=True, validate=validate.Regexp(KEY))
    until = fields.Integer(required=True, strict=True, validate=validate.Range(min=1))


class Member(Schema):
    """One person."""

    class Meta:
        unknown = INCLUDE

    actor = fields.String(required=True, validate=_iri)
    role = fields.String(required=True, validate=validate.OneOf(["member", "manager"]))
    rev = fields.Integer(strict=True, validate=validate.Range(min=1))


class Roster(Schema):
    """The whole document."""

    class Meta:
        unknown = INCLUDE

    id = fields.String(required=True, validate=_iri)
    type = fields.String(required=True, validate=validate.Equal("Roster"))
    space = fields.String(required=True, data_key="attributedTo", validate=_iri)
    version = fields.Integer(required=True, strict=True, validate=validate.Range(min=1))
    previous = fields.String(
        required=True,
        allow_none=True,
        data_key="previousVersion",
        validate=validate.Regexp(r"z[1-9A-HJ-NP-Za-km-z]{40,60}\Z"),
    )
    nodes = fields.List(fields.Nested(Node), required=True, validate=validate.Length(min=1, max=MAX_NODES))
    former = fields.List(
        fields.Nested(FormerNode), data_key="formerNodes", validate=validate.Length(max=MAX_FORMER)
    )
    members = fields.List(fields.Nested(Member), required=True, validate=validate.Length(max=MAX_MEMBERS))

    @validates_schema
    def _has_one_host_and_each_once(self, roster: dict[str, Any], **_: object) -> None:
        roles = [each["role"] for each in roster["nodes"]]
        if roles[0] != "host" or "host" in roles[1:]:
            raise ValidationError("A roster begins with its one host.", "nodes")
        actors = [each["actor"] for each in roster["members"]]
        if len(set(actors)) < len(actors):
            raise ValidationError("A person stands twice.", "members")


_roster = Roster()


def objections_to_roster(document: dict[str, Any]) -> str:
    """What is wrong with `document` as a roster, in one sentence; "" when nothing is."""
    return objections(_roster, document)
