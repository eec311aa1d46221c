"""What a form of a page has sent, read by its schema.

Rule: what was typed comes back on the page that is shown again, whatever was wrong with the rest.
"""

from __future__ import annotations

from typing import Any

from flask import request
from flask_babel import gettext as _
from marshmallow import Schema, ValidationError
from marshmallow.fields import List
from werkzeug.datastructures import MultiDict

from node.core.errors import NodeError


def read(schema: Schema, form: MultiDict[str, str] | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields as the schema gives them and no error; or what was typed, and a sentence for each wrong field.

    `form` in place of what was posted: the query of an address.
    """
    form = request.form if form is None else form
    sent = {
        name: form.getlist(name) if isinstance(field, List) else form[name]
        for name, field in schema.fields.items()
        if name in form
    }
    try:
        return dict(schema.load(sent)), {}
    except ValidationError as wrong:
        return sent, {
            name: _("This can’t be used. Change it, or fill it in.") for name in wrong.messages_dict
        }


def sentences(refusal: NodeError) -> dict[str, str]:
    """What a use case refused, by field; under the empty name where it concerns no field."""
    errors = refusal.members.get("errors")
    if not isinstance(errors, dict):
        return {"": str(refusal.safe)}
    return {name: str(sentence) for name, sentence in errors.items()}
