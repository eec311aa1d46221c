"""The problem document that every error of the JSON API is (RFC 9457)."""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields


class Problem(Schema):
    """What went wrong, for a machine (`type`, `status`) and for a person (`title`, `detail`)."""

    class Meta:
        unknown = INCLUDE  # an extension, RFC 9457, section 3.2

    type = fields.String(
        required=True, metadata={"description": "A URI; about:blank when the status says it all."}
    )
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    errors = fields.Dict(
        metadata={"description": "Sentences by place and field, when what was sent is not valid."}
    )
