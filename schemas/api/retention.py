"""The JSON API of recalls and legal holds."""

from __future__ import annotations

from marshmallow import Schema, fields, validate


class RecallsFrom(Schema):
    """From where in the list."""

    before = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, 2**53))


class RecallAnswer(Schema):
    node = fields.String(required=True, metadata={"description": "IRI of its node actor."})
    name = fields.String(required=True)
    outcome = fields.String(
        required=True, validate=validate.OneOf(("waiting", "erased", "retained", "refused", "left"))
    )
    at = fields.DateTime(allow_none=True)
    basis = fields.String(required=True, metadata={"description": "Why it keeps it, or refuses."})
    review_by = fields.DateTime(data_key="reviewBy", allow_none=True)
    residual_until = fields.DateTime(
        data_key="residualUntil", allow_none=True, metadata={"description": "Until when its backups hold it."}
    )
    receipt = fields.Dict(
        keys=fields.String(), allow_none=True, metadata={"description": "The signed receipt."}
    )


class Recall(Schema):
    key = fields.String(required=True)
    activity = fields.String(required=True, metadata={"description": "IRI of the Delete."})
    post = fields.String(required=True, metadata={"description": "Key of the tombstone."})
    space = fields.String(required=True)
    author = fields.String(required=True)
    published = fields.DateTime(required=True)
    mode = fields.String(required=True, validate=validate.OneOf(("erase", "hide", "replace")))
    reason = fields.String(required=True)
    at = fields.DateTime(required=True)
    deadline = fields.DateTime(required=True)
    former_digest = fields.String(data_key="formerDigest", required=True)
    answers = fields.List(fields.Nested(RecallAnswer), required=True)


class RecallPage(Schema):
    items = fields.List(fields.Nested(Recall), required=True)
    before = fields.Integer(allow_none=True, required=True)


class NewHold(Schema):
    on = fields.String(
        required=True,
        validate=validate.Length(1, 2048),
        metadata={"description": "Address of a page: `/spaces/…`, `/threads/…`, `/posts/…`."},
    )
    basis = fields.String(required=True, validate=validate.Length(1, 300))
    reference = fields.String(required=True, validate=validate.Length(1, 300))
    review_by = fields.Date(data_key="reviewBy", required=True)


class HoldPlaced(Schema):
    key = fields.String(required=True)


class HoldReleased(Schema):
    erased = fields.Integer(required=True, metadata={"description": "How many messages only this hold kept."})


class Hold(Schema):
    key = fields.String(required=True)
    on = fields.String(required=True, validate=validate.OneOf(("space", "thread", "post")))
    basis = fields.String(required=True)
    reference = fields.String(required=True)
    review_by = fields.Date(data_key="reviewBy", required=True)
    at = fields.DateTime(required=True)
    released_at = fields.DateTime(data_key="releasedAt", allow_none=True, required=True)
    kept = fields.Integer(required=True)


class Holds(Schema):
    items = fields.List(fields.Nested(Hold), required=True)
