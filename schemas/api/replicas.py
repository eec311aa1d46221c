"""The JSON API of copies of spaces."""

from __future__ import annotations

from marshmallow import Schema, fields, validate


class CopyRun(Schema):
    """The last comparison."""

    state = fields.String(
        required=True,
        validate=validate.OneOf(("running", "equal", "differs", "older", "failed")),
        metadata={"description": "older: the host has less than it announced."},
    )
    begun = fields.DateTime(required=True)
    ended = fields.DateTime(required=True, allow_none=True)
    as_of = fields.Integer(required=True, data_key="asOf", metadata={"description": "A rev."})
    count = fields.Integer(required=True, metadata={"description": "Leaves compared."})
    requests = fields.Integer(required=True)
    behind = fields.Integer(required=True, metadata={"description": "What was read that had not come."})
    repaired = fields.Integer(required=True)
    reason = fields.String(required=True)


class CopyProof(Schema):
    """That another organisation signed the same copy."""

    node = fields.String(required=True, metadata={"description": "IRI of its node actor."})
    as_of = fields.Integer(required=True, data_key="asOf")
    at = fields.DateTime(required=True)


class CopyDifference(Schema):
    """A leaf on which both sides do not agree, as each has it."""

    iri = fields.String(required=True, data_key="id")
    kind = fields.String(
        required=True, validate=validate.OneOf(("surplus", "newer", "differs", "missing", "dropped"))
    )
    ours = fields.Dict(keys=fields.String(), required=True, allow_none=True)
    theirs = fields.Dict(keys=fields.String(), required=True, allow_none=True)
    at = fields.DateTime(required=True)


class Copy(Schema):
    """A shared space, and how its copies stand."""

    key = fields.String(required=True)
    id = fields.String(required=True, metadata={"description": "IRI of the Group."})
    name = fields.String(required=True)
    hosted = fields.Boolean(required=True, metadata={"description": "Whether this node keeps it."})
    host = fields.String(required=True, metadata={"description": "IRI of the node actor that keeps it."})
    run = fields.Nested(CopyRun, required=True, allow_none=True)
    proofs = fields.List(fields.Nested(CopyProof), required=True)
    differences = fields.List(fields.Nested(CopyDifference), required=True)
    contradictions = fields.Integer(
        required=True, metadata={"description": "Statements of one host that cannot all be true."}
    )


class CopyEvidence(Schema):
    """Signed statements; each holds its own proof."""

    space = fields.String(required=True)
    proofs = fields.List(fields.Dict(keys=fields.String()), required=True)
    contradictions = fields.List(fields.List(fields.Dict(keys=fields.String())), required=True)
