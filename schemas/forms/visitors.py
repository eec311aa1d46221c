"""Forms of the door for people of partners."""

from __future__ import annotations

from marshmallow.fields import String
from marshmallow.validate import Length

from schemas.forms.identity import Form


class Arrive(Form):
    """A work address or a handle, and the path to come back to."""

    address = String(required=True, validate=Length(min=3, max=254))
    next = String(load_default="")
