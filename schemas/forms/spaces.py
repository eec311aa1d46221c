"""The forms of spaces, and of what is written in them."""

from __future__ import annotations

from marshmallow.fields import Date, String
from marshmallow.validate import Length, OneOf

from schemas.forms.identity import Form


class NewSpace(Form):
    name = String(required=True, validate=Length(1, 100))
    purpose = String(load_default="", validate=Length(max=500))


class AddMember(Form):
    person = String(required=True, validate=Length(1, 64))


class GiveRole(Form):
    role = String(required=True, validate=OneOf(("member", "manager")))


class Share(Form):
    partner = String(required=True, validate=Length(1, 64))
    history = String(load_default="none", validate=OneOf(("none", "from", "all")))
    history_from = Date(load_default=None, allow_none=True)


class Answer(Form):
    answer = String(required=True, validate=OneOf(("accept", "reject")))


class Ask(Form):
    address = String(required=True, validate=Length(1, 2048))


class RemoveOrganisation(Form):
    node = String(required=True, validate=Length(1, 2048))


class Message(Form):
    """What somebody writes. `audience` is the token of the list that the page showed; `draft`: a text that was kept;
    `again`: the key of a message that was refused.
    """

    title = String(load_default="")
    text = String(load_default="")
    lang = String(load_default="", validate=OneOf(("", "fr", "en")))
    reply_to = String(load_default="", validate=Length(max=64))
    audience = String(required=True, validate=Length(1, 200))
    draft = String(load_default="", validate=Length(max=1))
    again = String(load_default="", validate=Length(max=64))


class Recall(Form):
    """Why one's own post is called back: a code."""

    reason = String(
        required=True, validate=OneOf(("wrong-recipient", "mistake", "personal-data", "confidential"))
    )
