"""The forms of legal holds."""

from __future__ import annotations

from marshmallow.fields import Date, String
from marshmallow.validate import Length

from schemas.forms.identity import Form


class PlaceHold(Form):
    """`on` is the address of a page: of a space, a discussion, or a message."""

    on = String(required=True, validate=Length(1, 2048))
    basis = String(required=True, validate=Length(1, 300))
    reference = String(required=True, validate=Length(1, 300))
    review_by = Date(required=True)
