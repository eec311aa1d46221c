"""The filter of the audit."""

from __future__ import annotations

from marshmallow import EXCLUDE, Schema
from marshmallow.fields import Integer, String
from marshmallow.validate import Length, OneOf, Range

RESULTS = ("", "done", "refused")
MAX_SEQ = 2**63 - 1


class AuditFilter(Schema):
    """What the page is asked for; all of it is in the address."""

    class Meta:
        unknown = EXCLUDE

    act = String(load_default="", validate=Length(max=40))
    partner = String(load_default="", validate=Length(max=2048))
    result = String(load_default="", validate=OneOf(RESULTS))
    before = Integer(load_default=None, validate=Range(0, MAX_SEQ))
    after = Integer(load_default=None, validate=Range(0, MAX_SEQ))
