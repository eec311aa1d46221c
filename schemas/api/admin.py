"""The audit log for scripts."""

from __future__ import annotations

from marshmallow import Schema
from marshmallow.fields import AwareDateTime, Dict, Integer, List, Nested, String
from marshmallow.validate import Length, OneOf, Range

RESULTS = ("", "done", "refused")
MAX_SEQ = 2**63 - 1


class AuditSought(Schema):
    """Which lines. `action` is one, or how they begin (`relation.`); `partner` a node actor."""

    action = String(load_default="", validate=Length(max=80))
    partner = String(load_default="", validate=Length(max=2048))
    result = String(load_default="", validate=OneOf(RESULTS))


class AuditQuery(AuditSought):
    """Which lines, and where to go on."""

    before = Integer(load_default=None, validate=Range(0, MAX_SEQ))
    limit = Integer(load_default=100, validate=Range(1, 500))


class AuditLine(Schema):
    """One line; `result` is `refused` where something was refused or went wrong."""

    seq = Integer(required=True)
    at = AwareDateTime(required=True)
    action = String(required=True)
    sentence = String(required=True)
    actor = String(required=True)
    peer = String(required=True)
    subject = String(required=True)
    rule = String(required=True)
    digest = String(required=True)
    detail = Dict(keys=String(), required=True)
    result = String(required=True, validate=OneOf(RESULTS[1:]))
    hash = String(required=True)


class AuditPage(Schema):
    """Lines, newest first; `next` goes into `before` of the next request, null at the end."""

    items = List(Nested(AuditLine), required=True)
    next = Integer(required=True, allow_none=True)


class AuditChecked(Schema):
    """What a check of the chain found; `brokenAt` is the first line that does not hold, null when all hold."""

    lines = Integer(required=True)
    checkedAt = AwareDateTime(required=True)  # noqa: N815
    brokenAt = Integer(required=True, allow_none=True)  # noqa: N815
    headSeq = Integer(required=True)  # noqa: N815
    headHash = String(required=True)  # noqa: N815
